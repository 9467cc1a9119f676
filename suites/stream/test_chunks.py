"""The chunks of a streamed chat completion: their shape, their order, what holds them together."""

from harness.evidence import Object, joined, shown
from harness.evidence.chat import ChunkStream, Delta
from harness.rule import Level, Violation, Violations, in_chunk, rule
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
)
def every_chunk_has_what_clients_need(stream: ChunkStream) -> Violations:
    """Every chunk has the fields that clients need, in the right type."""
    yield from _schema(stream, "must")


@rule(
    "stream.schema-spec",
    level="spec",
    source=f"{_SOURCE}; openai/openai-openapi, corrected by recorded answers",
    breaks="Clients with strict types refuse the chunk.",
)
def every_chunk_is_as_openai_documents_it(stream: ChunkStream) -> Violations:
    """Every chunk has the fields and types that OpenAI documents."""
    yield from _schema(stream, "spec")


@rule(
    "stream.schema-recommended",
    level="recommended",
    source="recorded streams of OpenAI",
    breaks="Nobody that is known: OpenAI always sends it.",
)
def every_chunk_has_what_openai_always_sends(stream: ChunkStream) -> Violations:
    """Every chunk has the optional fields that OpenAI always sends."""
    yield from _schema(stream, "recommended")


@rule(
    "stream.no-error",
    level="must",
    source="openai/openai-python#1160; vercel/ai#13506",
    breaks="The SDK raises APIError without a status, which it never retries; raw readers find no choices.",
)
def a_good_stream_carries_no_error(stream: ChunkStream) -> Violations:
    """A stream carries no error object."""
    for chunk in stream.chunks:
        if _is_error(chunk.body):
            yield in_chunk(chunk, "/error", received=shown(chunk.body["error"]), expected="chunks to the end")


@rule(
    "stream.no-flat-error",
    level="must",
    source="seen with openai 3.54 and langchain-openai 1.7: a flat error is handed on as a chunk",
    breaks="Every client swallows the error and takes the answer for whole.",
)
def an_error_in_a_stream_is_nested(stream: ChunkStream) -> Violations:
    """An error in mid-stream is `{"error": {…}}`, and not a flat `{"code": …, "message": …}`."""
    for chunk in stream.chunks:
        if (
            "choices" not in chunk.body
            and "error" not in chunk.body
            and {"code", "message"} & chunk.body.keys()
        ):
            yield in_chunk(chunk, "", received=shown(chunk.body), expected='{"error": {"message": …}}')


def _same(stream: ChunkStream, key: str) -> Violations:
    first = stream.chunks[0].body.get(key) if stream.chunks else None
    for chunk in stream.chunks:
        value = chunk.body.get(key)
        if value != first and not _is_error(chunk.body):
            yield in_chunk(chunk, f"/{key}", received=shown(value), expected=f"{shown(first)}, as before")


@rule(
    "stream.same-id",
    level="spec",
    source=f"{_SOURCE}: id, the same in each chunk; ggml-org/llama.cpp#5880",
    breaks="Tracing and callers that group chunks by id see many answers.",
)
def all_chunks_have_one_id(stream: ChunkStream) -> Violations:
    """All chunks of a stream have the same id."""
    yield from _same(stream, "id")


@rule(
    "stream.same-created",
    level="spec",
    source=f"{_SOURCE}: created, the same in each chunk",
    breaks="Callers that group chunks see many answers.",
)
def all_chunks_have_one_created(stream: ChunkStream) -> Violations:
    """All chunks of a stream have the same created time."""
    yield from _same(stream, "created")


@rule(
    "stream.same-model",
    level="spec",
    source=f"{_SOURCE}: model; openai/openai-python#1677",
    breaks="Costs and metrics keyed by the model's name go astray.",
)
def all_chunks_have_one_model(stream: ChunkStream) -> Violations:
    """All chunks of a stream have the same model."""
    yield from _same(stream, "model")


@rule(
    "stream.role-first",
    level="spec",
    source=f"{_SOURCE}: delta.role; recorded streams of OpenAI",
    breaks="Accumulated messages have no role, and replaying them is refused.",
)
def the_first_delta_has_the_role(stream: ChunkStream) -> Violations:
    """The first delta of each choice has the role `assistant`."""
    for choice in stream.choices:
        first = choice.deltas[0]
        if first.delta.get("role") != "assistant":
            yield _in_delta(first, "role", received=shown(first.delta.get("role")), expected='"assistant"')


@rule(
    "stream.role-once",
    level="spec",
    source=f"{_SOURCE}: delta.role; BerriAI/litellm#9986",
    breaks="The SDK's accumulator makes the role `assistantassistant`.",
)
def the_role_comes_once(stream: ChunkStream) -> Violations:
    """The role comes once for each choice."""
    for choice in stream.choices:
        for later in choice.deltas[1:]:
            if later.delta.get("role") is not None:
                yield _in_delta(later, "role", received=shown(later.delta["role"]), expected="no role again")


@rule(
    "stream.finish-once",
    level="must",
    source=f"{_SOURCE}: finish_reason; ollama/ollama#4357, anomalyco/opencode#43882",
    breaks="Clients stop at the first one and lose text, or take a cut answer for a whole one.",
)
def each_choice_finishes_once(stream: ChunkStream) -> Violations:
    """Each choice of a stream has exactly one finish reason."""
    for choice in stream.choices:
        if not choice.finishes:
            yield _in_delta(
                choice.deltas[-1], "finish_reason", received="none in the whole stream", expected="one"
            )
        for again in choice.finishes[1:]:
            yield _in_delta(
                again, "finish_reason", received=f"{shown(again.finish_reason)} again", expected="only one"
            )


@rule(
    "stream.finish-last",
    level="must",
    source=f"{_SOURCE}: finish_reason, null until the choice's last chunk",
    breaks="Clients that stop at the finish reason lose what follows.",
)
def nothing_of_a_choice_follows_its_finish(stream: ChunkStream) -> Violations:
    """No content, refusal or tool call of a choice follows its finish reason."""
    for choice in stream.choices:
        has_finished = False
        for part in choice.deltas:
            if has_finished and _says(part):
                yield _in_delta(
                    part, "delta", received=shown(part.delta), expected="nothing after the finish"
                )
            has_finished = has_finished or part.finish_reason is not None


@rule(
    "stream.says-something",
    level="must",
    source="vllm-project/vllm#5895; a stream without output is not an answer",
    breaks="The user has an empty answer and no error.",
)
def a_finished_stream_says_something(stream: ChunkStream) -> Violations:
    """A stream that ends with `stop` has text, a refusal or tool calls."""
    for choice in stream.choices:
        if choice.finish_reason == "stop" and not any(_says(part) for part in choice.deltas):
            yield Violation(received="a finish reason alone", expected="text, a refusal or tool calls")


@rule(
    "stream.empty-choices",
    level="spec",
    source=f"{_SOURCE}: choices is empty in the usage chunk alone; pydantic/pydantic-ai#164",
    breaks="Loops on `chunk.choices[0]` raise IndexError.",
)
def only_the_usage_chunk_has_no_choices(stream: ChunkStream) -> Violations:
    """Only the usage chunk has an empty `choices`."""
    for chunk in stream.chunks:
        if chunk.body.get("choices") == [] and not chunk.body.get("usage"):
            yield in_chunk(chunk, "/choices", received="[]", expected="a choice, or usage beside it")


@rule(
    "stream.choice-indexes",
    level="spec",
    source=f"{_SOURCE}: choices[].index",
    breaks="Clients that key choices by their index lose one.",
)
def streamed_choices_are_numbered_from_zero(stream: ChunkStream) -> Violations:
    """The choices of a stream have the indexes 0 to n-1."""
    asked = stream.observation.asked.get("n")
    indexes = [choice.index for choice in stream.choices]
    expected = list(range(asked if isinstance(asked, int) else 1))
    if sorted(map(str, indexes)) != sorted(map(str, expected)):
        yield Violation(received=joined(indexes) or "no choice", expected=joined(expected))


def _says(part: Delta) -> bool:
    keys = ("content", "refusal", "tool_calls", "function_call", "reasoning_content", "reasoning")
    return any(part.delta.get(key) for key in keys)


def _in_delta(part: Delta, key: str, *, received: str, expected: str) -> Violation:
    place = f"{part.pointer}/{key}" if key in {"finish_reason", "delta"} else f"{part.pointer}/delta/{key}"
    return in_chunk(part.chunk, place, received=received, expected=expected)
