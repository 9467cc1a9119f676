"""Which hop lost it? The same calls on two sides of a gateway, field by field. Pure.

What may vary between two right answers (ids, times, texts, counts, the length of lists) is brought to one
form before it is compared; what is left was introduced, removed or altered between the sides.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import orjson

from harness.report.excerpt import LARGEST_READ_BYTES, events_of
from harness.report.text import one_line
from harness.wire.exchange import Exchange, Json, Response

Kind: TypeAlias = Literal["removed", "altered", "introduced"]
Cell: TypeAlias = tuple[str, str, str]
"""Scenario, client and mode."""

Fields: TypeAlias = Mapping[str, frozenset[str]]
"""Places of an answer, and every form of value that stands there."""

_VARYING = frozenset(
    {
        *("id", "item_id", "call_id", "tool_call_id", "response_id", "previous_response_id", "request_id"),
        *("system_fingerprint", "content", "text", "delta", "reasoning", "reasoning_content", "refusal"),
        *("arguments", "token", "obfuscation", "embedding", "message", "output_text"),
    }
)
"""Keys whose text is another in every answer; that it is a text stays."""

_UNTOLD_HEADERS = frozenset({"date", "content-length", "transfer-encoding", "connection", "keep-alive"})
_TOLD_VALUES = frozenset({"content-type", "content-encoding", "cache-control"})
"""Headers whose value matters; of the others only that they are there."""

_VALUE_CHARS = 60
_DEEPEST = 40


@dataclass(frozen=True, slots=True)
class Difference:
    """A place that the second side tells otherwise than the first, and the calls in which it does."""

    kind: Kind
    place: str
    before: str
    after: str
    cells: tuple[Cell, ...]


def differences(first: Mapping[Cell, Exchange], second: Mapping[Cell, Exchange]) -> tuple[Difference, ...]:
    """What differs in the calls that both sides answered: removed, altered, introduced; headers last."""
    found: dict[tuple[Kind, str, str, str], list[Cell]] = {}
    for cell in first:
        if cell in second:
            for place in _told(fields(first[cell]), fields(second[cell])):
                found.setdefault(place, []).append(cell)
    kinds: list[Kind] = ["removed", "altered", "introduced"]
    told = [Difference(*place, tuple(cells)) for place, cells in found.items()]
    return tuple(
        sorted(
            told,
            key=lambda one: (
                kinds.index(one.kind),
                one.place.startswith("header "),
                -len(one.cells),
                one.place,
            ),
        )
    )


def _told(before: Fields, after: Fields) -> Iterator[tuple[Kind, str, str, str]]:
    if before["status"] != after["status"]:
        # An answer and a refusal have nothing in common that could be compared field by field.
        yield "altered", "status", _shown(before["status"]), _shown(after["status"])
        return
    for place in dict.fromkeys((*before, *after)):
        was, now = before.get(place), after.get(place)
        if now is None and was is not None and not _parent_lacks(place, after):
            yield "removed", place, _shown(was), ""
        elif was is None and now is not None and not _parent_lacks(place, before):
            yield "introduced", place, "", _shown(now)
        elif was is not None and now is not None and was != now:
            yield "altered", place, _shown(was), _shown(now)


def _parent_lacks(place: str, fields: Fields) -> bool:
    """Whether the object that a place stands in is missing too: that is told instead."""
    parent = place.rpartition("/")[0]
    return "/" in parent and parent not in fields


def _shown(forms: Iterable[str]) -> str:
    return " or ".join(sorted(forms))


def fields(exchange: Exchange) -> Fields:
    """Every place of an answer with what stands there, in a form that right answers share."""
    found: dict[str, set[str]] = {}
    for place, form in _forms(exchange):
        found.setdefault(place, set()).add(form)
    return {place: frozenset(forms) for place, forms in found.items()}


def _forms(exchange: Exchange) -> Iterator[tuple[str, str]]:
    response = exchange.response
    if response is None:
        yield "status", f"no answer ({exchange.ended.value})"
        return
    yield "status", f"HTTP {response.status}"
    yield "end", exchange.ended.value if exchange.ended.value not in {"complete", "left"} else "whole"
    for name, value in response.headers:
        if name.lower() not in _UNTOLD_HEADERS:
            told = name.lower() in _TOLD_VALUES
            yield f"header {one_line(name.lower(), _VALUE_CHARS)}", _cut(value) if told else "present"
    if response.media_type == "text/event-stream":
        yield from _stream(response)
    else:
        yield from _body(response.body, "body")


def _stream(response: Response) -> Iterator[tuple[str, str]]:
    for event in events_of(response):
        if event.comments:
            yield "comments", "present"
        if event.name is not None:
            yield "event names", _cut(event.name)
        if event.data is not None:
            done = event.data.strip() == "[DONE]"
            yield from [("[DONE]", "present")] if done else _body(event.data.encode(), "event")


def _body(data: bytes, where: str) -> Iterator[tuple[str, str]]:
    try:
        value: Json = orjson.loads(data if len(data) <= LARGEST_READ_BYTES else b"")
    except orjson.JSONDecodeError:
        yield where, "no JSON" if data else "empty"
        return
    yield from _values(value, where, "", 0)


def _values(value: Json, place: str, key: str, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and depth < _DEEPEST:
        yield place, "an object"
        for name, inner in value.items():
            yield from _values(inner, f"{place}/{one_line(name, _VALUE_CHARS)}", name, depth + 1)
    elif isinstance(value, list) and depth < _DEEPEST:
        yield place, "a list" if value else "an empty list"
        for inner in value:
            yield from _values(inner, f"{place}/*", key, depth + 1)
    else:
        yield place, _form(value, key)


def _form(value: Json, key: str) -> str:
    if isinstance(value, bool) or value is None:
        return orjson.dumps(value).decode()
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        if key in _VARYING:
            return "a text" if value else "an empty text"
        return _cut(orjson.dumps(value).decode())
    return "nested too deeply"


def _cut(text: str) -> str:
    return one_line(text, _VALUE_CHARS)
