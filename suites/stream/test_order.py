"""The order of a chat stream: each rule is one defect of the table in `harness.stream_machine`."""

from harness.evidence import shown
from harness.evidence.chat import Answer, ChunkStream, raise_if_ended_at_once
from harness.evidence.grounds import OF_AN_ANSWER
from harness.rule import Ground, Violation, Violations, rule
from harness.scenario import Mode, Scenario
from harness.stream_machine import ChatDefect, chat_violations

_CHUNK = "OpenAI API reference, the chat completion chunk object"
_CREATE = "OpenAI API reference, chat/create: stream"
_USAGE = "OpenAI API reference, chat/create: stream_options.include_usage"


def _asks_for_usage(scenario: Scenario) -> bool:
    options = scenario.params_for(Mode.STREAM).get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


@rule(
    "stream.has-chunks",
    level="must",
    source=f"{_CREATE}; vllm-project/vllm#5895",
    breaks="LangChain raises ValueError; the SDK yields nothing and raises nothing.",
    answers=("bm-zero-token-success",),
    upholds=Ground.READABLE,
)
def a_stream_has_chunks(stream: ChunkStream) -> Violations:
    """A stream has a chunk with a choice before it ends."""
    yield from chat_violations(stream, ChatDefect.NO_CHUNK)


@rule(
    "stream.no-error",
    level="must",
    source="openai/openai-python#1160; vercel/ai#13506",
    breaks="The SDK raises APIError without a status, which it never retries; raw readers find no choices.",
    answers=("sf-error-200", "sf-done-after-error", "os-error-event-stream", "er-context-200"),
    upholds=Ground.READABLE,
)
def a_good_stream_carries_no_error(stream: ChunkStream) -> Violations:
    """A stream carries no error object."""
    yield from chat_violations(stream, ChatDefect.ERROR)


@rule(
    "stream.no-flat-error",
    level="must",
    source="seen with openai 3.54 and langchain-openai 1.7: a flat error is handed on as a chunk",
    breaks="Every client swallows the error and takes the answer for whole.",
    upholds=Ground.READABLE,
)
def an_error_in_a_stream_is_nested(stream: ChunkStream) -> Violations:
    """An error in mid-stream is `{"error": {…}}`, and not a flat `{"code": …, "message": …}`."""
    yield from chat_violations(stream, ChatDefect.FLAT_ERROR)


@rule(
    "stream.nothing-after-error",
    level="spec",
    source="openai SDK: it raises at the error and leaves; awsl-project/maxx#284",
    breaks="Raw readers go on as if nothing had happened; the SDK loses what follows.",
    answers=("sf-done-after-error",),
    upholds=Ground.READABLE,
)
def an_error_ends_the_stream(stream: ChunkStream) -> Violations:
    """No chunk follows an error."""
    yield from chat_violations(stream, ChatDefect.AFTER_ERROR)


@rule(
    "stream.ends-with-done",
    level="spec",
    source=f"{_CREATE} is terminated by data: [DONE]",
    breaks="Raw readers wait for it, or take the answer for cut.",
)
def a_stream_ends_with_done(stream: ChunkStream) -> Violations:
    """A stream has a `data: [DONE]` at its end."""
    yield from chat_violations(stream, ChatDefect.DONE_MISSING)


@rule(
    "stream.done-once",
    level="spec",
    source=f"{_CREATE} is terminated by data: [DONE]; ray-project/ray#62246",
    breaks="What is left on the connection disturbs the next answer; strict readers report a protocol error.",
    answers=("sf-done-duplicate",),
)
def done_comes_once(stream: ChunkStream) -> Violations:
    """`data: [DONE]` comes once."""
    yield from chat_violations(stream, ChatDefect.DONE_AGAIN)


@rule(
    "stream.nothing-after-done",
    level="spec",
    source=f"{_CREATE} is terminated by data: [DONE]",
    breaks="SDKs stop reading there: what follows is lost, and the connection is not used again.",
    answers=("sf-data-after-done",),
)
def nothing_follows_done(stream: ChunkStream) -> Violations:
    """No event follows `data: [DONE]`."""
    yield from chat_violations(stream, ChatDefect.AFTER_DONE)


@rule(
    "stream.ends-at-done",
    level="recommended",
    source=f"{_CREATE} is terminated by data: [DONE]; comments are legal anywhere in a stream of events",
    breaks="The connection is not used again by clients that stop reading there.",
    answers=("sf-data-after-done",),
)
def the_body_ends_at_done(stream: ChunkStream) -> Violations:
    """No comment follows `data: [DONE]`."""
    for number, event in enumerate(stream.events):
        if event.data is None and event.comments and any(done < number for done in stream.done_numbers):
            yield Violation(
                received=f"a comment: {shown(event.comments[0])}",
                expected="the end of the body",
                event=number,
                span=(event.start, event.end),
            )


@rule(
    "stream.empty-choices",
    level="spec",
    source=f"{_CHUNK}: choices is empty in the chunk of usage or moderation alone; pydantic/pydantic-ai#164",
    breaks="Loops on `chunk.choices[0]` raise IndexError.",
    answers=("sc-empty-choices-first", "az-prompt-filter-first"),
)
def only_usage_and_moderation_have_no_choices(stream: ChunkStream) -> Violations:
    """Only a chunk that brings usage or moderation has an empty `choices`."""
    yield from chat_violations(stream, ChatDefect.EMPTY_CHOICES)


@rule(
    "stream.usage-once",
    level="must",
    source="langchain-ai/langchain#30429",
    breaks="LangChain adds the counts up, so that costs come out many times too high.",
    answers=("lc-usage-summed",),
    upholds=Ground.ENDED,
)
def usage_comes_once(stream: ChunkStream) -> Violations:
    """Usage is given by one chunk at most."""
    yield from chat_violations(stream, ChatDefect.USAGE_AGAIN)


@rule(
    "stream.usage-chunk",
    level="spec",
    source=f"{_USAGE}; ggml-org/llama.cpp#15443",
    breaks="Clients that read usage from the chunk without choices miss it.",
    answers=("su-usage-on-finish-chunk",),
    when=_asks_for_usage,
    upholds=Ground.ENDED,
)
def usage_has_a_chunk_of_its_own(stream: ChunkStream) -> Violations:
    """Usage comes in a chunk whose `choices` is empty."""
    yield from chat_violations(stream, ChatDefect.USAGE_BESIDE_CHOICES)


@rule(
    "stream.usage-last",
    level="spec",
    source=_USAGE,
    breaks="Clients that stop at the usage chunk lose what follows.",
    answers=("su-usage-on-finish-chunk",),
)
def no_choices_follow_usage(stream: ChunkStream) -> Violations:
    """No chunk with choices follows the one with usage."""
    yield from chat_violations(stream, ChatDefect.USAGE_NOT_LAST)


@rule(
    "stream.role-first",
    level="spec",
    source=f"{_CHUNK}: delta.role; recorded streams of OpenAI",
    breaks="Accumulated messages have no role, and replaying them is refused.",
    rests_on=OF_AN_ANSWER,
)
def the_role_comes_first(stream: ChunkStream) -> Violations:
    """The first delta of each choice that says anything has the role."""
    yield from chat_violations(stream, ChatDefect.ROLE_LATE)


@rule(
    "stream.role-once",
    level="spec",
    source=f"{_CHUNK}: delta.role; BerriAI/litellm#9986",
    breaks="The SDK's accumulator makes the role `assistantassistant`.",
    answers=("sc-role-every-chunk", "os-accumulate-concat", "ds-data-nospace-rolerepeat"),
    rests_on=OF_AN_ANSWER,
)
def the_role_comes_once(stream: ChunkStream) -> Violations:
    """The role comes once for each choice."""
    yield from chat_violations(stream, ChatDefect.ROLE_AGAIN)


@rule(
    "stream.role-assistant",
    level="spec",
    source=f"{_CHUNK}: delta.role",
    breaks="Callers that replay the message send it under another role.",
    rests_on=OF_AN_ANSWER,
)
def the_role_is_assistant(stream: ChunkStream) -> Violations:
    """The role of a streamed answer is `assistant`."""
    yield from chat_violations(stream, ChatDefect.WRONG_ROLE)


@rule(
    "stream.says-something",
    level="must",
    source="vllm-project/vllm#5895; a stream without output is not an answer",
    breaks="The user has an empty answer and no error.",
    answers=("bm-zero-token-success",),
    upholds=Ground.SAID,
    rests_on=OF_AN_ANSWER,
)
def a_finished_stream_says_something(stream: ChunkStream) -> Violations:
    """A choice that ends with `stop` has text, a refusal or tool calls."""
    for violation in chat_violations(stream, ChatDefect.NOTHING_SAID):
        raise_if_ended_at_once(Answer.of(stream.observation))
        yield violation


@rule(
    "stream.call-started",
    level="must",
    source=f"{_CHUNK}: delta.tool_calls; recorded streams of OpenAI",
    breaks="The arguments belong to a call without a name, which nobody can make.",
    upholds=Ground.CALLS,
    rests_on=OF_AN_ANSWER,
)
def a_call_starts_before_its_arguments(stream: ChunkStream) -> Violations:
    """A tool call's id and name come before its arguments."""
    yield from chat_violations(stream, ChatDefect.CALL_NOT_STARTED)


@rule(
    "stream.calls-made",
    level="must",
    source=f"{_CHUNK}: finish_reason tool_calls; earendil-works/pi#1125",
    breaks="An agent is told to run tools and finds none to run.",
    answers=("sf-tools-lost-when-streaming",),
    upholds=Ground.SAID,
    rests_on=OF_AN_ANSWER,
)
def who_finishes_for_tool_calls_has_made_some(stream: ChunkStream) -> Violations:
    """A choice that ends with `tool_calls` has a tool call."""
    yield from chat_violations(stream, ChatDefect.NO_CALL)


@rule(
    "stream.no-empty-before-call",
    level="recommended",
    source="sgl-project/sglang#29441",
    breaks="Readers that end the text turn at an empty delta drop the tool calls after it.",
    answers=("sc-empty-content-before-tools",),
)
def no_empty_delta_comes_before_a_call(stream: ChunkStream) -> Violations:
    """No empty delta stands between the role and a tool call."""
    yield from chat_violations(stream, ChatDefect.EMPTY_BEFORE_CALL)


@rule(
    "stream.finish-once",
    level="must",
    source=f"{_CHUNK}: finish_reason; ollama/ollama#4357",
    breaks="Clients stop at the first one and lose text and tool arguments.",
    answers=("sc-finish-every-chunk",),
    upholds=Ground.ENDED,
    rests_on=(
        Ground.CHOICES,
        Ground.ENDING,
        Ground.SHAPE,
    ),
)
def each_choice_finishes_once(stream: ChunkStream) -> Violations:
    """No choice of a stream has two finish reasons."""
    yield from chat_violations(stream, ChatDefect.FINISH_AGAIN)


@rule(
    "stream.finish-given",
    level="must",
    source=f"{_CHUNK}: finish_reason; anomalyco/opencode#43882",
    breaks="Nobody can tell a whole answer from a cut one; strict clients raise.",
    answers=(
        "sf-eof-no-finish",
        "sf-early-close",
        "sc-finish-camelcase",
        "cn-finish-null",
        "lc-finish-missing",
    ),
    upholds=Ground.ENDED,
    rests_on=(
        Ground.CHOICES,
        Ground.ENDING,
        Ground.SHAPE,
    ),
)
def each_choice_finishes(stream: ChunkStream) -> Violations:
    """Each choice of a stream has a finish reason before the stream ends."""
    yield from chat_violations(stream, ChatDefect.FINISH_MISSING)


@rule(
    "stream.finish-last",
    level="must",
    source=f"{_CHUNK}: finish_reason, null until the choice's last chunk",
    breaks="Clients that stop at the finish reason lose what follows.",
    answers=("sc-finish-every-chunk",),
    upholds=Ground.ENDED,
    rests_on=(
        Ground.CHOICES,
        Ground.ENDING,
        Ground.SHAPE,
    ),
)
def nothing_of_a_choice_follows_its_finish(stream: ChunkStream) -> Violations:
    """No content, refusal, reasoning or tool call of a choice follows its finish reason."""
    yield from chat_violations(stream, ChatDefect.SAID_AFTER_FINISH)
