"""The bytes of a stream: server-sent events as clients read them."""

from harness.evidence import NO_JSON, parsed, shown
from harness.evidence.chat import DONE, ChunkStream
from harness.rule import Violation, Violations, rule
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
)
def every_payload_is_json_or_done(stream: ChunkStream) -> Violations:
    """The data of every event is one JSON object or `[DONE]`."""
    for number, event in enumerate(stream.events):
        if event.data is not None and event.data != DONE and event.ended:
            body = parsed(event.data.encode())
            if not isinstance(body, dict):
                kind = "no JSON" if body is NO_JSON else "JSON, but no object"
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
)
def a_stream_has_no_bom(stream: ChunkStream) -> Violations:
    """A stream does not start with a byte order mark."""
    if stream.observation.response.body.startswith(BOM):
        yield Violation(received="ef bb bf", expected="the first field", span=(0, len(BOM)))


@rule(
    "stream.ends-with-done",
    level="spec",
    source="OpenAI API reference, chat/create: stream is terminated by data: [DONE]; ray-project/ray#62246",
    breaks="Raw readers wait for it, or take the answer for cut.",
)
def a_stream_ends_with_one_done(stream: ChunkStream) -> Violations:
    """A stream has exactly one `data: [DONE]`."""
    count = len(stream.done_numbers)
    if count != 1:
        yield Violation(received=f"{count} of them", expected="exactly one data: [DONE]")


@rule(
    "stream.nothing-after-done",
    level="spec",
    source="OpenAI API reference, chat/create: stream is terminated by data: [DONE]",
    breaks="SDKs stop reading there: what follows is lost, and the connection is not used again.",
)
def nothing_follows_done(stream: ChunkStream) -> Violations:
    """No event follows `data: [DONE]`."""
    if stream.done_numbers:
        for number, event in enumerate(stream.events):
            if number > stream.done_numbers[0] and event.data not in (None, DONE):
                yield _at(number, event, received=shown(event.data), expected="the end of the body")


@rule(
    "stream.spread-over-time",
    level="spec",
    source="dstackai/dstack#4269; ggml-org/llama.cpp#24774",
    breaks="Users wait for the whole answer; time to first token is the total time.",
)
def a_stream_is_not_held_back(stream: ChunkStream) -> Violations:
    """A stream that takes a while comes piece by piece, and not all at its end."""
    texts = [part.chunk.event.arrived_ns for choice in stream.choices for part in choice.deltas]
    if len(texts) <= _FEW_CHUNKS:
        return
    waited_ms = (texts[0] - stream.observation.exchange.request.sent_ns) / 1e6
    spread_ms = (texts[-1] - texts[0]) / 1e6
    if waited_ms > _LONG_WAIT_MS and spread_ms < _HELD_BACK_SHARE * waited_ms:
        yield Violation(
            received=f"{len(texts)} chunks within {spread_ms:.0f} ms, after {waited_ms:.0f} ms of silence",
            expected="chunks as they are made",
        )


_FEW_CHUNKS = 20
_LONG_WAIT_MS = 500
_HELD_BACK_SHARE = 0.05
"""A stream whose chunks all came in the last twentieth of a long wait was held back by someone."""
