"""The badge as JSON, for services that draw one from an address.

Source: Shields.io, endpoint badge, schema version 1.
"""

from dataclasses import dataclass
from typing import Any, Literal, TextIO

import orjson

from harness.report import Exchanges
from harness.report.badge import LABEL, colour, message
from harness.run import Run

FILENAME = "badge.json"


@dataclass(frozen=True, slots=True)
class Badge:
    """What such a service reads."""

    schemaVersion: Literal[1]  # the format's name  # noqa: N815  # the format's name
    label: str
    message: str
    color: str
    isError: bool  # the format's name  # noqa: N815  # the format's name


def render(run: Run, exchanges: Exchanges, file: TextIO) -> None:  # noqa: ARG001  # the use table is enough
    """The badge's words and colour."""
    badge = Badge(1, LABEL, message(run), colour(run), run.exit_code == 3)
    file.write(orjson.dumps(badge, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of what is written."""
    from pydantic import TypeAdapter

    return TypeAdapter(Badge).json_schema()
