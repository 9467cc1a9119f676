"""Searches what a command has written for a secret, in all its spellings and over the events of streams."""

import html
import io
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import zstandard

from tests.secrets.echoes import spellings

_CORE = {"base64 at 0": (0, -4), "base64 at 1": (2, -4), "base64 at 2": (3, -4),
         "urlsafe at 0": (0, -4), "urlsafe at 1": (2, -4), "urlsafe at 2": (3, -4)}  # fmt: skip
"""Of an encoding, the part over which nothing but the secret decides."""


def leaks(text: str, secret: str) -> list[str]:
    """In which spellings a text holds a secret, or the start or end of a long one."""
    found = []
    readings = {
        "": text,
        " in JSON": re.sub(r"\\+u00([0-9a-fA-F]{2})", lambda match: chr(int(match[1], 16)), text),
        " in Python": re.sub(r"\\+x([0-9a-fA-F]{2})", lambda match: chr(int(match[1], 16)), text),
        " in a URL": unquote(text, errors="replace"),
        " in HTML": html.unescape(text),
        " backwards": text[::-1],
    }
    for how, reading in readings.items():
        if how == "" or reading != text:
            small = reading.lower().replace("\\/", "/")
            found += [f"{name}{how}" for name, part in _parts(secret) if part.lower() in small]
    return found


@cache
def _parts(secret: str) -> tuple[tuple[str, str], ...]:
    return tuple(_each_part(secret))


def _each_part(secret: str) -> Iterator[tuple[str, str]]:
    for name, spelt in spellings(secret).items():
        start, end = _CORE.get(name, (0, len(spelt)))
        yield name, spelt[start:end]
    if len(secret) >= 24:
        yield "its start", secret[:13]
        yield "its end", secret[-13:]


def texts_of(folder: Path) -> Iterator[tuple[str, str]]:
    """The text of every file below a folder; of recorded exchanges also what their events spell together."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        if path.suffix == ".zst":
            reader = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True)
            data = reader.read()
        text = data.decode("utf-8", "replace")
        yield str(path.relative_to(folder)), text
        if path.name == "exchanges.jsonl.zst":
            lines = [json.loads(line) for line in text.split("\n") if line]
            yield f"{path.name}, spelled", "\0".join(spelt for line in lines for spelt in _spelled(line))


def _spelled(line: dict[str, Any]) -> Iterator[str]:
    """What the strings of the same key spell in an exchange, and its lines by their fields."""
    for exchange in (line["exchange"], *line["earlier"]):
        body = (exchange["response"] or {}).get("body") or ""
        if isinstance(body, dict):
            continue
        joined: dict[object, list[str]] = defaultdict(list)
        for text in (body, *re.split(r"[\r\n]+", body)):
            value = text.partition(":")[2].strip() if text.startswith(("data:", ":", "id:")) else text
            try:
                _collect(json.loads(value if value[:1] in ("{", "[") else ""), joined)
            except ValueError:
                joined["line", text.partition(":")[0] if text is not body else ""].append(value)
        yield from map("".join, joined.values())
    for printed in ("printed", "choices", "data"):
        joined = defaultdict(list)
        for value in line["reply"][printed] or ():
            _collect(json.loads(value) if printed == "printed" else value, joined)
        yield from map("".join, joined.values())


def _collect(value: Any, joined: dict[object, list[str]], name: str = "", place: int = 0) -> None:
    match value:
        case dict():
            for key, inner in value.items():
                joined["keys", name].append(key)
                _collect(inner, joined, key, value["index"] if type(value.get("index")) is int else place)
        case list():
            for number, inner in enumerate(value):
                _collect(inner, joined, name, number if name.startswith("top") else place)
        case str():
            joined[name].append(value)
            joined[name, place].append(value)
        case int() if name == "bytes" and 32 < value < 127:
            joined[name, place].append(chr(value))
