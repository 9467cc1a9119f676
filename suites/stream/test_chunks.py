"""The chunks of a streamed chat completion: their shape, their order, what holds them together."""

from collections.abc import Iterator

from harness.evidence import Object, joined, shown
from harness.evidence.chat import ChunkStream, Delta
from harness.rule import Ground, Level, Violations, in_chunk, rule, shape
from harness.schemas import violations

_SOURCE = "OpenAI API reference, the chat completion chunk object"


def _is_error(body: Object) -> bool:
    return body.get("error") is not None


def _schema(stream: ChunkStream, level: Level) -> Violations:
    for chunk in stream.chunks:
        if not _is_error(chunk.body):
            for found in violations("chat_completion_chunk", chunk.body, level):
                if found.level == level:
                    yield in_chunk(chunk, found.pointer, received=found.received, expected=found.expected)


@rule(
    "stream.schema-must",
    level="must",
    source=f"{_SOURCE}; the required fields of the openai SDK's types",
    breaks="A client raises, loses data without a word, or hands on a wrong value.",
    answers=(
        "az-delta-missing",
        "lc-azure-delta-none",
        "su-usage-empty-object",
        "sc-object-wrong",
        "cn-content-array",
        "cn-finish-eos",
        "cn-finish-eos-token",
        "cn-finish-upper",
        "cn-finish-error",
        "sc-finish-every-chunk",
    ),
    upholds=shape,
)
def every_chunk_has_what_clients_need(stream: ChunkStream) -> Violations:
    """Every chunk has the fields that clients need, in the right type."""
    yield from _schema(stream, "must")


@rule(
    "stream.schema-spec",
    level="spec",
    source=f"{_SOURCE}; openai/openai-openapi, corrected by recorded answers",
    breaks="Clients with strict types refuse the chunk.",
    answers=("sc-role-null", "sc-finish-key-absent", "az-empty-ids"),
    upholds=shape,
)
def every_chunk_is_as_openai_documents_it(stream: ChunkStream) -> Violations:
    """Every chunk has the fields and types that OpenAI documents."""
    yield from _schema(stream, "spec")


@rule(
    "stream.schema-recommended",
    level="recommended",
    source="recorded streams of OpenAI",
    breaks="Nobody that is known: OpenAI always sends it.",
    upholds=shape,
)
def every_chunk_has_what_openai_always_sends(stream: ChunkStream) -> Violations:
    """Every chunk has the optional fields that OpenAI always sends."""
    yield from _schema(stream, "recommended")


def _same(stream: ChunkStream, key: str) -> Violations:
    values = (chunk.body.get(key) for chunk in stream.chunks)
    first = next((value for value in values if value), None)
    for chunk in stream.chunks:
        value = chunk.body.get(key)
        if value != first and not _is_error(chunk.body):
            yield in_chunk(chunk, f"/{key}", received=shown(value), expected=f"{shown(first)}, as before")


@rule(
    "stream.same-id",
    level="spec",
    source=f"{_SOURCE}: id, the same in each chunk; ggml-org/llama.cpp#5880",
    breaks="Tracing and callers that group chunks by id see many answers.",
    answers=("sc-id-changes", "az-empty-ids"),
)
def all_chunks_have_one_id(stream: ChunkStream) -> Violations:
    """All chunks of a stream have the same id."""
    yield from _same(stream, "id")


@rule(
    "stream.same-created",
    level="spec",
    source=f"{_SOURCE}: created, the same in each chunk",
    breaks="Callers that group chunks see many answers.",
    answers=("sc-id-changes", "az-empty-ids"),
)
def all_chunks_have_one_created(stream: ChunkStream) -> Violations:
    """All chunks of a stream have the same created time."""
    yield from _same(stream, "created")


@rule(
    "stream.same-model",
    level="spec",
    source=f"{_SOURCE}: model; openai/openai-python#1677",
    breaks="Costs and metrics keyed by the model's name go astray.",
    answers=("az-empty-ids",),
)
def all_chunks_have_one_model(stream: ChunkStream) -> Violations:
    """All chunks of a stream have the same model."""
    yield from _same(stream, "model")


@rule(
    "stream.choice-indexes",
    level="spec",
    source=f"{_SOURCE}: choices[].index",
    breaks="Clients that key choices by their index lose one.",
    upholds=Ground.CHOICES,
    rests_on=(Ground.SHAPE,),
)
def streamed_choices_are_numbered_from_zero(stream: ChunkStream) -> Violations:
    """The choices of a stream have the indexes 0 to n-1."""
    asked = stream.observation.asked.get("n")
    indexes = [choice.index for choice in stream.choices]
    most = asked if isinstance(asked, int) else 1
    expected = list(range(min(len(indexes), most)))
    if sorted(map(str, indexes)) != sorted(map(str, expected)):
        stray = next((choice for choice in stream.choices if choice.index not in expected), stream.choices[0])
        first = stray.deltas[0]
        yield in_chunk(
            first.chunk, f"{first.pointer}/index", received=joined(indexes), expected=joined(expected)
        )


@rule(
    "stream.no-message",
    level="spec",
    source=f"{_SOURCE}: choices[].delta; perplexityai/api-discussion#209",
    breaks="Readers that prefer `message` show the text twice; the stream grows with its square.",
    answers=("sf-delta-and-message",),
)
def no_chunk_carries_the_message(stream: ChunkStream) -> Violations:
    """No choice of a chunk has a `message` beside or instead of its `delta`."""
    for part in _deltas(stream):
        if part.choice.get("message") is not None:
            yield in_chunk(
                part.chunk,
                f"{part.pointer}/message",
                received=shown(part.choice["message"]),
                expected="a delta alone",
            )


@rule(
    "stream.no-empty-tool-calls",
    level="spec",
    source=f"{_SOURCE}: delta.tool_calls; vllm-project/vllm#44104",
    breaks="Loops on `delta.tool_calls is not None` raise IndexError at plain text.",
    answers=("cn-tool-calls-empty-array",),
)
def no_fragments_are_no_list(stream: ChunkStream) -> Violations:
    """A delta without tool calls has no `tool_calls`, or null, but not an empty list."""
    for part in _deltas(stream):
        if part.delta.get("tool_calls") == []:
            yield in_chunk(
                part.chunk, f"{part.pointer}/delta/tool_calls", received="[]", expected="no key, or null"
            )


@rule(
    "stream.no-error-in-choice",
    level="must",
    source="OpenAI API reference, errors; maximhq/bifrost#5425",
    breaks="The SDK and LangChain take an answer that broke off for a whole one.",
    answers=("cn-finish-error",),
    upholds=Ground.ENDING,
)
def no_choice_carries_an_error(stream: ChunkStream) -> Violations:
    """No choice of a chunk has an `error`."""
    for part in _deltas(stream):
        if part.choice.get("error") is not None:
            yield in_chunk(
                part.chunk,
                f"{part.pointer}/error",
                received=shown(part.choice["error"]),
                expected="an error object for the whole stream",
            )


@rule(
    "stream.key-case",
    level="must",
    source=f"{_SOURCE}: finish_reason, tool_calls; jakobdylanc/llmcord#84",
    breaks="Clients read the documented key, find nothing, and take the answer for cut.",
    answers=("sc-finish-camelcase",),
    upholds=Ground.SHAPE,
)
def keys_are_in_snake_case(stream: ChunkStream) -> Violations:
    """No key of a choice or delta is OpenAI's in camel case, such as `finishReason`."""
    for part in _deltas(stream):
        for pointer, values in ((part.pointer, part.choice), (f"{part.pointer}/delta", part.delta)):
            for key in sorted(_CAMEL_CASE & values.keys()):
                yield in_chunk(part.chunk, f"{pointer}/{key}", received=key, expected="the key in snake_case")


_CAMEL_CASE = frozenset({"finishReason", "toolCalls", "functionCall", "logProbs"})


@rule(
    "stream.finish-alone",
    level="recommended",
    source="recorded streams of OpenAI end with an empty delta; vllm-project/vllm#36944",
    breaks="Readers that stop at the finish reason lose the last piece of text.",
    answers=("sc-finish-in-content-chunk",),
)
def the_finish_reason_comes_alone(stream: ChunkStream) -> Violations:
    """A finish reason comes in a chunk that brings no content or tool call."""
    for part in _deltas(stream):
        said = [key for key in ("content", "refusal", "tool_calls") if part.delta.get(key)]
        if part.finish_reason is not None and said:
            yield in_chunk(
                part.chunk, f"{part.pointer}/delta/{said[0]}", received=shown(part.delta), expected="{}"
            )


def _deltas(stream: ChunkStream) -> Iterator[Delta]:
    return (part for choice in stream.choices for part in choice.deltas)
