"""The piece of an answer that a violation is about, with the guilty bytes set apart."""

import json
from codecs import getincrementaldecoder
from dataclasses import dataclass

import orjson

from harness.report.text import many_lines, one_line
from harness.rule import Violation
from harness.wire.exchange import Exchange, Json, Response
from harness.wire.sse import SseEvent, read_events

CONTEXT_BYTES = 160
"""How much is shown before and after the guilty bytes."""

CONTEXT_LINES = 8
CONTEXT_CHARS = 160
"""How many lines are shown before and after a guilty key, and how much of each."""

_CONTINUATION_BYTES = bytes(range(0x80, 0xC0))
"""Of UTF-8: what a context that starts within a character starts with."""

LARGEST_READ_BYTES = 1_000_000
"""A larger body is never parsed."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Text that is fit to be shown, in three parts; `guilty` is empty where all of it is meant."""

    title: str
    before: str
    guilty: str
    after: str


def excerpt(violation: Violation, exchange: Exchange, limit: int) -> Excerpt:
    """What to show of an answer for a violation, about `limit` characters of it.

    The guilty bytes where they are known, else the event, else the surroundings of the JSON pointer, else the
    answer with its headers, both ends of it.
    """
    response = exchange.response
    if response is None:
        return Excerpt("no answer", one_line(f"{exchange.ended.value}: {exchange.detail}", limit), "", "")
    span = violation.span or _span_of(violation.event, response)
    if span is not None:
        return _bytes_excerpt(_title_of(violation, span), response.body, span, limit)
    if violation.pointer and len(response.body) <= LARGEST_READ_BYTES:
        surroundings = _surroundings(response.body, violation.pointer, limit)
        if surroundings is not None:
            return surroundings
    return Excerpt("the answer", _whole(response, limit), "", "")


def events_of(response: Response) -> tuple[SseEvent, ...]:
    """The events of a body; none of one that is too large to be read for a report."""
    if len(response.body) > LARGEST_READ_BYTES:
        return ()
    return read_events((read.arrived_ns, read.data) for read in response.decoded_reads)


def _span_of(event: int | None, response: Response) -> tuple[int, int] | None:
    events = () if event is None else events_of(response)
    if event is None or not 0 <= event < len(events):
        return None
    return events[event].start, events[event].end


def _title_of(violation: Violation, span: tuple[int, int]) -> str:
    event = "" if violation.event is None else f"event {violation.event}, "
    return f"{event}bytes {span[0]:,} to {span[1]:,} of the body"


def _bytes_excerpt(title: str, body: bytes, span: tuple[int, int], limit: int) -> Excerpt:
    start, end = (min(max(at, 0), len(body)) for at in span)
    first, last = max(start - CONTEXT_BYTES, 0), end + CONTEXT_BYTES
    before = body[first:start].lstrip(_CONTINUATION_BYTES) if first else body[:start]
    after = _whole_characters(body[end:last])
    return Excerpt(
        title,
        ("…" if first else "") + _all_lines(_text(before)),
        many_lines(_text(body[start:end]), limit),
        _all_lines(after) + ("…" if last < len(body) else ""),
    )


def _surroundings(body: bytes, pointer: str, limit: int) -> Excerpt | None:
    """The object or array that a pointer leads into, with the guilty key's line set apart if there is one."""
    place, missing = "", ""
    try:
        value: Json = orjson.loads(body)
        for step in pointer.split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            child = _child(value, key)
            if not isinstance(child, dict | list):
                missing = key
                break
            value, place = child, f"{place}/{step}"
        lines = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode().split("\n")
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        # No JSON, or nested more deeply than it can be written again.
        return None
    title = one_line(f"the body at {place}" if place else "the body", limit)
    prefix = f"  {json.dumps(missing, ensure_ascii=False)}: "
    at = next((at for at, line in enumerate(lines) if line.startswith(prefix)), None)
    if at is None or not isinstance(value, dict):
        return Excerpt(title, many_lines("\n".join(lines), limit), "", "")
    before = ["…"] * (at > CONTEXT_LINES) + lines[max(at - CONTEXT_LINES, 0) : at]
    after = lines[at + 1 : at + 1 + CONTEXT_LINES] + ["…"] * (len(lines) > at + 1 + CONTEXT_LINES)
    return Excerpt(
        title,
        "".join(many_lines(line, CONTEXT_CHARS) + "\n" for line in before) + "  ",
        many_lines(lines[at].strip(" ,"), limit),
        "," * lines[at].endswith(",") + "".join("\n" + many_lines(line, CONTEXT_CHARS) for line in after),
    )


def _child(value: Json, key: str) -> Json:
    if isinstance(value, dict):
        return value.get(key)
    if isinstance(value, list):
        return next((item for at, item in enumerate(value) if str(at) == key), None)
    return None


def _whole(response: Response, limit: int) -> str:
    """Headers and body; of a long body its start and, where faults of streams often are, its end."""
    headers = "".join(f"{name}: {value}\n" for name, value in response.headers)
    start = many_lines(f"{response.http_version} {response.status}\n{headers}", limit)
    body = response.body
    if len(body) <= limit:
        return f"{start}\n{_all_lines(_text(body))}"
    head, tail = body[: limit // 2], body[-limit // 4 :].lstrip(_CONTINUATION_BYTES)
    note = f"… {len(body) - len(head) - len(tail):,} bytes …"
    return f"{start}\n{_all_lines(_whole_characters(head))}\n{note}\n{_all_lines(_text(tail))}"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _whole_characters(data: bytes) -> str:
    """As text, but for a character that our own cut has split in two."""
    return getincrementaldecoder("utf-8")("backslashreplace").decode(data)


def _all_lines(text: str) -> str:
    return many_lines(text, len(text))
