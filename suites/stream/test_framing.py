"""The bytes of a stream: server-sent events as clients read them."""

from email.message import Message

from harness.evidence import NO_JSON, parsed, shown, why_no_json
from harness.evidence.chat import DONE, ChunkStream
from harness.rule import Ground, Violation, Violations, rule
from harness.wire.sse import BOM, SseEvent

_SSE = "WHATWG HTML, 9.2 server-sent events"
_KNOWN_FIELDS = frozenset({"data", "event", "id", "retry"})


def _at(number: int, event: SseEvent, *, received: str, expected: str) -> Violation:
    return Violation(received, expected, event=number, span=(event.start, event.end))


@rule(
    "stream.json-payloads",
    level="must",
    source="OpenAI API reference, the chat completion chunk object; openclaw/openclaw#97474",
    breaks="Every client raises JSONDecodeError and loses the rest of the answer.",
    answers=("sf-comment-as-data", "sf-double-prefix", "sf-nonjson-error-tail"),
    upholds=Ground.READABLE,
)
def every_payload_is_json_or_done(stream: ChunkStream) -> Violations:
    """The data of every event is one JSON object or `[DONE]`."""
    for number, event in enumerate(stream.events):
        if event.data is not None and event.data != DONE and event.ended:
            body = parsed(event.data.encode())
            if not isinstance(body, dict):
                kind = why_no_json(event.data.encode()) if body is NO_JSON else "JSON, but no object"
                yield _at(
                    number,
                    event,
                    received=f"{kind}: {shown(event.data)}",
                    expected="a JSON object or [DONE]",
                )


@rule(
    "stream.known-fields",
    level="spec",
    source=f"{_SSE}.6; avishek0769/DocChat#267",
    breaks="Conforming readers drop the line, so what it says is lost.",
    answers=("sf-nonjson-error-tail",),
    upholds=Ground.READABLE,
)
def every_line_is_a_known_field(stream: ChunkStream) -> Violations:
    """Every line of a stream is a comment or one of the fields data, event, id, retry."""
    for number, event in enumerate(stream.events):
        for line in event.lines:
            if line.raw and not line.is_comment and line.field not in _KNOWN_FIELDS:
                yield Violation(
                    received=shown(line.raw),
                    expected="data, event, id, retry or a comment",
                    event=number,
                    span=(line.start, line.end),
                )


@rule(
    "stream.data-only",
    level="recommended",
    source="OpenAI API reference, chat streaming: data-only server-sent events",
    breaks="Readers that know only `data:` lines lose events that are told apart by their name.",
    answers=("sf-event-field",),
)
def chat_events_have_data_only(stream: ChunkStream) -> Violations:
    """Chat events have no `event:` and no `id:` line."""
    for number, event in enumerate(stream.events):
        for name in ("event", "id"):
            if event.values(name):
                yield _at(
                    number, event, received=f"{name}: {event.values(name)[0]}", expected="data lines only"
                )


@rule(
    "stream.no-empty-event",
    level="must",
    source="router-for-me/CLIProxyAPI#3352; the openai SDK dispatches an event that has an id and no data",
    breaks="The SDK and LangChain raise JSONDecodeError.",
    answers=("sf-empty-data-event",),
    upholds=Ground.READABLE,
)
def no_event_is_empty(stream: ChunkStream) -> Violations:
    """No event has empty data, and no blank line follows another once an `id:` was given."""
    has_id = False
    for number, event in enumerate(stream.events):
        has_id = has_id or event.id is not None
        is_empty_data = event.data is not None and not event.data.strip()
        is_bare = event.data is None and not event.comments
        if is_empty_data or (is_bare and has_id):
            yield _at(number, event, received="an event without data", expected="data, or no event")


@rule(
    "stream.last-event-ended",
    level="must",
    source=f"{_SSE}.6; Kong/kong#14499",
    breaks="Conforming readers drop the last event, and the finish reason or the usage with it.",
    answers=("sf-done-no-blank-line",),
    upholds=Ground.READABLE,
)
def the_last_event_is_ended(stream: ChunkStream) -> Violations:
    """The last event ends with a blank line."""
    last = stream.events[-1]
    if stream.is_whole and not last.ended:
        yield _at(
            len(stream.events) - 1,
            last,
            received=shown(last.lines[-1].raw),
            expected="a blank line at the end",
        )


@rule(
    "stream.no-bom",
    level="must",
    source=f"{_SSE}.5; seen with openai 3.54: the first chunk is lost",
    breaks="The SDK and LangChain lose the first chunk without a word.",
    answers=("sf-bom",),
)
def a_stream_has_no_bom(stream: ChunkStream) -> Violations:
    """A stream does not start with a byte order mark."""
    if stream.observation.response.body.startswith(BOM):
        yield Violation(received="ef bb bf", expected="the first field", span=(0, len(BOM)))


@rule(
    "stream.one-line-end",
    level="recommended",
    source=f"{_SSE}.5: lines end on LF, CRLF or CR; farion1231/cc-switch#1787",
    breaks="Readers that split at the first kind of blank line that they saw take many events for one.",
    answers=("sf-crlf",),
)
def all_lines_end_alike(stream: ChunkStream) -> Violations:
    """All lines of a stream end alike: on LF, on CRLF or on CR."""
    lines = [(number, line) for number, event in enumerate(stream.events) for line in event.lines]
    first = lines[0][1].terminator
    for number, line in lines:
        if line.terminator not in {first, b""}:
            yield Violation(
                received=_LINE_ENDS[line.terminator],
                expected=f"{_LINE_ENDS[first]}, as before",
                event=number,
                span=(line.start, line.end),
            )
            return


_LINE_ENDS = {b"\n": "LF", b"\r\n": "CRLF", b"\r": "CR"}


@rule(
    "stream.charset",
    level="spec",
    source=f"{_SSE}.2: the encoding is UTF-8, and no other can be named",
    breaks="Readers that believe the header show every non-ASCII text garbled.",
    answers=("sf-no-charset",),
)
def no_other_charset_is_named(stream: ChunkStream) -> Violations:
    """A charset in the content type of a stream is utf-8."""
    charset = _charset(stream)
    if charset and charset.lower() not in {"utf-8", "utf8"}:
        yield Violation(received=f"charset={charset}", expected="charset=utf-8, or none")


@rule(
    "stream.charset-named",
    level="recommended",
    source="recorded streams of OpenAI: text/event-stream; charset=utf-8; Moyf/moys-asr-workflow#123",
    breaks="`requests` decodes text/* without a charset as Latin-1, and so cuts UTF-8 at byte 0x85.",
    answers=("sf-no-charset",),
)
def text_beyond_ascii_names_its_charset(stream: ChunkStream) -> Violations:
    """A stream with text beyond ASCII names its charset."""
    if not stream.observation.response.body.isascii() and not _charset(stream):
        yield Violation(
            received=stream.observation.response.header("content-type") or "no content-type",
            expected="charset=utf-8",
        )


def _charset(stream: ChunkStream) -> str:
    header = Message()
    header["content-type"] = stream.observation.response.header("content-type") or ""
    value = header.get_param("charset")
    return value if isinstance(value, str) else ""
