"""A streamed legacy completion: its events, its chunks, their order, its usage."""

from collections.abc import Iterator
from itertools import pairwise

from harness.evidence import NO_JSON, Object, parsed, shown, why_no_json
from harness.evidence.chat import DONE, Chunk
from harness.evidence.completions import TextStream
from harness.rule import Ground, Level, Violation, Violations, in_chunk, rule, shape
from harness.scenario import Mode, Scenario
from harness.schemas import violations

_SOURCE = "OpenAI API reference, completions/create (legacy): stream"
_USAGE = "OpenAI API reference, completions/create (legacy): stream_options.include_usage"
_FEW_CHUNKS = 3
"""So often two texts in a row may begin alike by chance."""


def _asks_for_usage(scenario: Scenario) -> bool:
    return "stream_options" in scenario.params_for(Mode.STREAM)


def _does_not_ask(scenario: Scenario) -> bool:
    return not _asks_for_usage(scenario)


def _is_error(body: Object) -> bool:
    return body.get("error") is not None


def _with_usage(stream: TextStream) -> Iterator[Chunk]:
    return (chunk for chunk in stream.chunks if chunk.body.get("usage") is not None)


def _schema(stream: TextStream, level: Level) -> Violations:
    for chunk in stream.chunks:
        if not _is_error(chunk.body):
            for found in violations("completion_chunk", chunk.body, level):
                if found.level == level:
                    yield in_chunk(chunk, found.pointer, received=found.received, expected=found.expected)


@rule(
    "completions.chunk-schema-must",
    level="must",
    source=f"{_SOURCE}; the required fields of the openai SDK's types",
    breaks="A client raises, loses data without a word, or hands on a wrong value.",
    upholds=shape,
)
def every_legacy_chunk_has_what_clients_need(stream: TextStream) -> Violations:
    """Every chunk of a legacy stream has the fields that clients need, in the right type."""
    yield from _schema(stream, "must")


@rule(
    "completions.chunk-schema-spec",
    level="spec",
    source=f"{_SOURCE}; openai/openai-openapi CreateCompletionResponse, corrected by recorded streams",
    breaks="Clients with strict types refuse the chunk.",
    upholds=shape,
)
def every_legacy_chunk_is_as_openai_documents_it(stream: TextStream) -> Violations:
    """Every chunk of a legacy stream has the fields and types that OpenAI documents."""
    yield from _schema(stream, "spec")


@rule(
    "completions.json-payloads",
    level="must",
    source=_SOURCE,
    breaks="Every client raises JSONDecodeError and loses the rest of the answer.",
    upholds=Ground.READABLE,
)
def every_legacy_payload_is_json_or_done(stream: TextStream) -> Violations:
    """The data of every event of a legacy stream is one JSON object or `[DONE]`."""
    for number, event in enumerate(stream.events):
        if event.data is not None and event.data != DONE and event.ended:
            body = parsed(event.data.encode())
            if not isinstance(body, dict):
                kind = why_no_json(event.data.encode()) if body is NO_JSON else "JSON, but no object"
                yield Violation(
                    received=f"{kind}: {shown(event.data)}",
                    expected="a JSON object or [DONE]",
                    event=number,
                    span=(event.start, event.end),
                )


@rule(
    "completions.ends-with-done",
    level="spec",
    source=f"{_SOURCE}, terminated by data: [DONE]",
    breaks="Raw readers wait for it, or take the answer for cut.",
)
def a_legacy_stream_ends_with_one_done(stream: TextStream) -> Violations:
    """A legacy stream has exactly one `data: [DONE]`, and no event after it."""
    count = len(stream.done_numbers)
    if count != 1:
        yield Violation(received=f"{count} of them", expected="exactly one data: [DONE]")
    for number, event in enumerate(stream.events):
        if stream.done_numbers and number > stream.done_numbers[0] and event.data not in (None, DONE):
            yield Violation(
                received=shown(event.data),
                expected="the end of the body",
                event=number,
                span=(event.start, event.end),
            )


@rule(
    "completions.last-event-ended",
    level="must",
    source="WHATWG HTML, 9.2.6: what stands after the last blank line is dropped",
    breaks="Conforming readers drop the last event, and the finish reason or the usage with it.",
    upholds=Ground.READABLE,
)
def the_last_legacy_event_is_ended(stream: TextStream) -> Violations:
    """The last event of a legacy stream ends with a blank line."""
    last = stream.events[-1]
    if stream.is_whole and not last.ended:
        yield Violation(
            received=shown(last.lines[-1].raw),
            expected="a blank line at the end",
            event=len(stream.events) - 1,
            span=(last.start, last.end),
        )


@rule(
    "completions.no-error",
    level="must",
    source="openai/openai-python#1160",
    breaks="The SDK raises APIError without a status, which it never retries; raw readers find no choices.",
    answers=("os-error-event-stream",),
    upholds=Ground.READABLE,
)
def a_good_legacy_stream_carries_no_error(stream: TextStream) -> Violations:
    """A legacy stream carries no error."""
    for chunk in stream.chunks:
        if _is_error(chunk.body) or ("choices" not in chunk.body and {"code", "message"} & chunk.body.keys()):
            yield in_chunk(chunk, "", received=shown(chunk.body), expected="chunks to the end")


@rule(
    "completions.one-answer",
    level="spec",
    source=f"{_SOURCE}; recorded streams of OpenAI",
    breaks="Tracing, costs and callers that group chunks see many answers.",
)
def all_legacy_chunks_are_of_one_answer(stream: TextStream) -> Violations:
    """All chunks of a legacy stream have the same id, created time and model."""
    for key in ("id", "created", "model"):
        first = stream.chunks[0].body.get(key) if stream.chunks else None
        for chunk in stream.chunks:
            value = chunk.body.get(key)
            if value != first and not _is_error(chunk.body):
                yield in_chunk(chunk, f"/{key}", received=shown(value), expected=f"{shown(first)}, as before")


@rule(
    "completions.finish-once",
    level="must",
    source=f"{_SOURCE}; recorded streams of OpenAI",
    breaks="Clients stop at the first one and lose text, or take a cut answer for a whole one.",
    upholds=Ground.ENDED,
    rests_on=(
        Ground.ENDING,
        Ground.SHAPE,
    ),
)
def each_streamed_completion_finishes_once(stream: TextStream) -> Violations:
    """Each choice of a legacy stream has exactly one finish reason."""
    for choice in stream.choices:
        last = choice.deltas[-1]
        if len(choice.finishes) != 1:
            yield in_chunk(
                last.chunk,
                f"{last.pointer}/finish_reason",
                received=f"{len(choice.finishes)} finish reasons in the whole stream",
                expected="one",
            )


@rule(
    "completions.finish-last",
    level="must",
    source=f"{_SOURCE}; recorded streams of OpenAI",
    breaks="Clients that stop at the finish reason lose what follows.",
    upholds=Ground.ENDED,
    rests_on=(
        Ground.ENDING,
        Ground.SHAPE,
    ),
)
def no_text_follows_the_finish(stream: TextStream) -> Violations:
    """No text of a choice follows its finish reason."""
    finished: set[str] = set()
    for chunk, pointer, choice in stream.pieces:
        index = repr(choice.get("index"))
        if index in finished and choice.get("text"):
            yield in_chunk(
                chunk,
                f"{pointer}/text",
                received=shown(choice["text"]),
                expected="nothing after the finish",
            )
        if choice.get("finish_reason") is not None:
            finished.add(index)


@rule(
    "completions.not-cumulative",
    level="must",
    source=f"{_SOURCE}: partial progress; Alibaba Model Studio, native API: incremental_output",
    breaks="The user reads the beginning again with every chunk.",
    answers=("ds-incremental-output",),
)
def each_chunk_brings_new_text_alone(stream: TextStream) -> Violations:
    """A chunk's text does not repeat all the text before it."""
    texts: dict[str, list[tuple[Chunk, str, str]]] = {}
    for chunk, pointer, choice in stream.pieces:
        if isinstance(text := choice.get("text"), str) and text:
            texts.setdefault(repr(choice.get("index")), []).append((chunk, pointer, text))
    for said in texts.values():
        pairs = [(before[2], after[2]) for before, after in pairwise(said)]
        grown = sum(after != before for before, after in pairs)
        if grown >= _FEW_CHUNKS and all(after.startswith(before) for before, after in pairs):
            chunk, pointer, text = said[-1]
            yield in_chunk(
                chunk,
                f"{pointer}/text",
                received=f"{shown(text)}, all from the start",
                expected="what is new",
            )


@rule(
    "completions.usage-given",
    level="spec",
    source=_USAGE,
    breaks="Costs are 0, benchmarks have no tokens.",
    when=_asks_for_usage,
    answers=("bm-no-prompt-tokens",),
)
def legacy_usage_comes_when_asked(stream: TextStream) -> Violations:
    """A legacy stream that is asked for usage gives it in one last chunk, whose `choices` is empty."""
    given = list(_with_usage(stream))
    if not given:
        yield Violation(received="no usage in any chunk", expected="one chunk with usage")
    for chunk in given:
        if chunk.body.get("choices") != []:
            yield in_chunk(
                chunk, "/choices", received=shown(chunk.body.get("choices")), expected="[] beside usage"
            )
        if chunk is not stream.chunks[-1]:
            yield in_chunk(chunk, "/usage", received="chunks after it", expected="usage in the last chunk")


@rule(
    "completions.usage-null-elsewhere",
    level="recommended",
    source=f"{_USAGE}: all other chunks have usage null",
    breaks="Only strict validators.",
    when=_asks_for_usage,
)
def legacy_usage_is_null_elsewhere(stream: TextStream) -> Violations:
    """When usage is asked for, every other chunk of a legacy stream has `usage: null`."""
    for chunk in stream.chunks:
        if "usage" not in chunk.body:
            yield in_chunk(chunk, "/usage", received="no key", expected="null")


@rule(
    "completions.usage-unasked",
    level="spec",
    source=_USAGE,
    breaks="Loops on `chunk.choices[0]` raise IndexError at a usage chunk that nobody asked for.",
    when=_does_not_ask,
)
def legacy_usage_does_not_come_unasked(stream: TextStream) -> Violations:
    """A legacy stream that is not asked for usage gives none.

    LangChain's own stream asks by itself, so what was sent decides.
    """
    if "stream_options" not in stream.observation.asked:
        for chunk in _with_usage(stream):
            yield in_chunk(chunk, "/usage", received=shown(chunk.body["usage"]), expected="no usage")
