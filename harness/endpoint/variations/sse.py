"""Other ways to frame the same events (WHATWG HTML, 9.2)."""

import re
from dataclasses import replace
from itertools import pairwise

from harness.endpoint.answer import Wire, Write
from harness.endpoint.departure import event_bytes, stream_bytes, stream_wire, variation

_SHOWS = ("founding", "with-usage", "tool-call")
_SSE = "WHATWG HTML, 9.2.5 and 9.2.6"
_OPENAI_COMMENTS = "WHATWG HTML, 9.2.6: comments; OpenAI sends them on long generations"


@variation("crlf", on=event_bytes("chat"), shows=_SHOWS, source=_SSE, rows=("sf-crlf",))
def crlf(event: bytes) -> bytes:
    """Lines end with CRLF."""
    return event.replace(b"\n", b"\r\n")


@variation("cr", on=event_bytes("chat"), shows=_SHOWS, source=_SSE, rows=("sf-crlf",))
def cr(event: bytes) -> bytes:
    """Lines end with CR."""
    return event.replace(b"\n", b"\r")


@variation(
    "no-space",
    on=event_bytes("chat"),
    shows=_SHOWS,
    source=_SSE,
    rows=("sf-no-space", "os-sse-space", "ds-data-nospace-rolerepeat"),
)
def no_space(event: bytes) -> bytes:
    """No space follows data:."""
    return event.replace(b"data: ", b"data:", 1)


@variation("no-space-responses", on=event_bytes("responses"), shows=("response",), source=_SSE)
def no_space_responses(event: bytes) -> bytes:
    """No space follows event: and data: in a stream of /responses."""
    return event.replace(b"event: ", b"event:", 1).replace(b"data: ", b"data:", 1)


@variation("crlf-responses", on=event_bytes("responses"), shows=("response",), source=_SSE)
def crlf_responses(event: bytes) -> bytes:
    """Lines end with CRLF in a stream of /responses."""
    return event.replace(b"\n", b"\r\n")


@variation("crlf-completions", on=event_bytes("completions"), shows=("completion",), source=_SSE)
def crlf_completions(event: bytes) -> bytes:
    """Lines end with CRLF in a stream of /completions."""
    return event.replace(b"\n", b"\r\n")


@variation(
    "comment-first", on=stream_bytes("chat"), shows=_SHOWS, source=_SSE, rows=("sf-deepseek-keepalive",)
)
def comment_first(body: bytes) -> bytes:
    """A comment comes before the first event."""
    return b": OPENROUTER PROCESSING\n\n" + body


@variation(
    "keep-alives",
    on=event_bytes("chat"),
    shows=_SHOWS,
    source=_OPENAI_COMMENTS,
    rows=("sf-deepseek-keepalive",),
)
def keep_alives(event: bytes) -> bytes:
    """A comment stands before every event."""
    return b": keep-alive\n\n" + event


@variation("comment-in-event", on=event_bytes("chat"), shows=_SHOWS, source=_OPENAI_COMMENTS)
def comment_in_event(event: bytes) -> bytes:
    """A comment stands within every event, before its data."""
    return b":\n" + event


@variation("blank-lines", on=event_bytes("chat"), shows=_SHOWS, source=_SSE, rows=("sf-deepseek-keepalive",))
def blank_lines(event: bytes) -> bytes:
    """Two blank lines stand between events."""
    return event + b"\n"


@variation("blank-lines-first", on=stream_bytes("chat"), shows=_SHOWS, source=_SSE)
def blank_lines_first(body: bytes) -> bytes:
    """Blank lines come before the first event."""
    return b"\n\n\n" + body


@variation("retry-field", on=stream_bytes("chat"), shows=_SHOWS, source=f"{_SSE}: the field retry")
def retry_field(body: bytes) -> bytes:
    """The first event says how long to wait before coming back."""
    return b"retry: 3000\n" + body


@variation(
    "data-in-two-lines", on=event_bytes("chat"), shows=_SHOWS, source=f"{_SSE}: data lines are joined by LF"
)
def data_in_two_lines(event: bytes) -> bytes:
    """The JSON of an event stands in two data lines."""
    return event.replace(b',"object":', b',\ndata: "object":', 1)


@variation(
    "byte-by-byte",
    on=stream_wire("chat"),
    shows=("founding",),
    source="TCP keeps no borders",
    rows=("sf-tcp-fragmented-json",),
)
def byte_by_byte(wire: Wire) -> Wire:
    """Every byte is a write of its own, so that characters and line ends are cut."""
    return replace(
        wire,
        writes=tuple(Write(write.kind, bytes([byte])) for write in wire.writes for byte in write.data),
    )


@variation(
    "cut-within-characters",
    on=stream_wire("chat"),
    shows=("founding", "unicode-echo"),
    source="TCP keeps no borders",
    rows=("sf-utf8-split",),
)
def cut_within_characters(wire: Wire) -> Wire:
    """Writes end within characters of several bytes."""
    body = b"".join(write.data for write in wire.writes)
    cuts = [match.end() for match in re.finditer(rb"[\xc0-\xff]", body)]
    borders = [0, *cuts, len(body)]
    kind = wire.writes[0].kind
    parts = (body[start:end] for start, end in pairwise(borders))
    return replace(wire, writes=tuple(Write(kind, part) for part in parts if part))


@variation("three-events-a-write", on=stream_wire("chat"), shows=_SHOWS, source="TCP keeps no borders")
def three_events_a_write(wire: Wire) -> Wire:
    """Three events come in one write."""
    groups = [wire.writes[start : start + 3] for start in range(0, len(wire.writes), 3)]
    return replace(
        wire,
        writes=tuple(
            Write(group[-1].kind, b"".join(write.data for write in group), sum(w.pause_ms for w in group))
            for group in groups
        ),
    )


@variation("one-write", on=stream_bytes("chat"), shows=_SHOWS, source="a short answer fits into one packet")
def one_write(body: bytes) -> bytes:
    """The whole stream comes in one write."""
    return body


@variation(
    "half-events",
    on=stream_wire("responses"),
    shows=("response",),
    source="TCP keeps no borders",
    rows=("re-fragmented-event",),
)
def half_events(wire: Wire) -> Wire:
    """The event: line of an event and its data: line come in two writes."""
    writes = (
        replace(write, data=line) for write in wire.writes for line in write.data.splitlines(keepends=True)
    )
    return replace(wire, writes=tuple(writes))


@variation(
    "responses-done",
    on=stream_bytes("responses"),
    shows=("response",),
    source="compatible servers end with it; OpenAI does not, and readers of either must cope",
)
def responses_done(body: bytes) -> bytes:
    """A stream of /responses ends with data: [DONE]."""
    return body + b"data: [DONE]\n\n"


@variation(
    "responses-ids",
    on=event_bytes("responses"),
    shows=("response",),
    source="DashScope numbers the events of /responses by id: lines",
)
def responses_ids(event: bytes) -> bytes:
    """Events of /responses have id: lines and a comment."""
    return b"id: 7\n: HTTP_STATUS/200\n" + event
