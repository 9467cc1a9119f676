"""Pages that stand alone: a template of `reports/templates` with its style and its script inside.

A page's content security policy lets nothing run and nothing load but its own style and script, named by
their hashes (W3C Content Security Policy Level 3).
"""

import base64
import hashlib
import re
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from harness import content
from harness.report import findings, text
from harness.report.timeline import in_ms

_NAME_CHARS = 120
_CELLS = 12


def page(template: str, text_chars: int, **values: Any) -> str:
    """A page as one HTML text; what strangers said is cut at `text_chars` characters."""
    folder = content.folder("reports/templates")
    style, script = (Markup((folder / name).read_text("utf-8")) for name in ("report.css", "report.js"))  # noqa: S704  # the project's own files
    shared = {
        "style": style,
        "style_hash": _csp_hash(style),
        "script": script,
        "script_hash": _csp_hash(script),
    }
    return _templates(text_chars).get_template(template).render(**shared, **values)


@cache
def _templates(text_chars: int) -> Environment:
    templates = Environment(
        loader=FileSystemLoader(content.folder("reports/templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "plain": lambda value: text.one_line(value, _NAME_CHARS),
        "name": lambda value: _isolated(text.one_line(value, _NAME_CHARS)),
        "line": lambda value: _isolated(text.one_line(value, text_chars)),
        "cells": lambda verdicts: _isolated(text.one_line(findings.cells(verdicts, _CELLS), text_chars)),
        "prose": _prose,
        "plural": text.plural,
        "ms": in_ms,
    }
    return templates


def _isolated(shown: str) -> Markup:
    """A stranger's text within a line: its direction stays its own."""
    return Markup("<bdi>{}</bdi>").format(shown)


def _prose(sentence: str) -> Markup:
    """A rule's own text, with its code spans set as code."""
    escaped = str(escape(sentence))
    return Markup(re.sub("`([^`]*)`", r"<code>\1</code>", escaped))  # noqa: S704  # escaped just before


def _csp_hash(inline: str) -> str:
    """The source expression that allows exactly this inline text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()}'"
