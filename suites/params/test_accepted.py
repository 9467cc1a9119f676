"""Parameters and forms of messages that OpenAI documents: accepted, or at least refused in a form to act on.

`http.success` says that a good request was refused; these rules say which documented thing is missing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

from harness.evidence import BOTH, Cells, NotJudgedError, Observation, shown
from harness.evidence.chat import Completion
from harness.evidence.grounds import NONE, OF_AN_ANSWER, Grounds
from harness.rule import Ground, Violation, Violations, rule
from harness.scenario import Mode, Scenario

_SOURCE = "OpenAI API reference, chat/create"
_PASSING_STATUSES = (408, 409, 502, 503, 504)
"""Statuses that say nothing of the request: it may be answered another time."""


@dataclass(frozen=True)
class BothModes:
    """What came of one question, plain and streamed."""

    MODES: ClassVar[Cells] = BOTH
    RESTS_ON: ClassVar[Grounds] = NONE

    plain: Observation
    streamed: Observation

    @staticmethod
    def applies(scenario: Scenario) -> bool:
        """Scenarios that expect an answer."""
        return scenario.is_answered

    @classmethod
    def of(cls, plain: Observation, streamed: Observation) -> Self:
        """Both observations."""
        return cls(plain, streamed)


def _is(*ids: str) -> Callable[[Scenario], bool]:
    return lambda scenario: scenario.id in ids


def _asks_for_tools(scenario: Scenario) -> bool:
    return scenario.is_answered_by("chat") and "tools" in scenario.params_for(Mode.PLAIN)


def _refused(observation: Observation) -> Violations:
    response = observation.response
    if response.status in _PASSING_STATUSES:
        raise NotJudgedError(f"HTTP {response.status} says nothing of the request")
    if observation.ran_out:
        raise NotJudgedError("the cap was used up before anything was said")
    if response.status >= 400:
        yield Violation(received=f"HTTP {response.status}: {shown(response.body)}", expected="an answer")


@rule(
    "params.refused-cleanly",
    level="spec",
    source="OpenAI API reference, errors: HTTP 4xx with an error object",
    breaks="The SDK raises InternalServerError and by default asks twice more; nothing says what is wrong.",
    answers=("cr-content-parts-user", "cr-system-not-first"),
    when=lambda scenario: scenario.is_answered_by("chat"),
)
def what_is_not_supported_is_refused_with_reason(observation: Observation) -> Violations:
    """What an endpoint does not do, it refuses with HTTP 4xx and an error object."""
    response = observation.response
    if response.status in (*_PASSING_STATUSES, 401):
        raise NotJudgedError(f"HTTP {response.status} says nothing of the request")
    if observation.is_recorded_error:
        raise NotJudgedError(
            f"HTTP {response.status}: recorded traffic does not show if the request was good"
        )
    if response.status >= 400 and not observation.is_clean_refusal:
        yield Violation(
            received=f"HTTP {response.status}: {shown(response.body)}: refused wrongly",
            expected="an answer, or HTTP 4xx with an error object",
        )


@rule(
    "params.max-tokens-accepted",
    level="must",
    source=f"{_SOURCE}: max_tokens, deprecated and still taken by most models; teilomillet/gollm#33",
    breaks="Programs written for older models raise at their first call.",
    answers=("cr-max-tokens-rejected",),
    when=_is("capped"),
    upholds=Ground.ACCEPTED,
)
def max_tokens_is_accepted(observation: Observation) -> Violations:
    """max_tokens is accepted."""
    yield from _refused(observation)


@rule(
    "params.max-completion-tokens-accepted",
    level="must",
    source=f"{_SOURCE}: max_completion_tokens; Gitlawb/openclaude#805",
    breaks="LangChain sends max_tokens by this name: every call of a user with a cap raises.",
    answers=("cr-strict-params-moonshot", "ds-params-unsupported", "lc-max-completion-tokens"),
    when=_is("capped-completion"),
    upholds=Ground.ACCEPTED,
)
def max_completion_tokens_is_accepted(observation: Observation) -> Violations:
    """max_completion_tokens is accepted."""
    yield from _refused(observation)


@rule(
    "params.n-accepted",
    level="must",
    source=f"{_SOURCE}: n, 1 to 128",
    breaks="LangChain's `generate` with n, and programs that choose among answers, raise.",
    answers=("cr-n-limits", "ds-n"),
    when=_is("two-choices"),
    upholds=Ground.ACCEPTED,
)
def two_choices_may_be_asked_for(observation: Observation) -> Violations:
    """Two choices may be asked for, plain and streamed."""
    yield from _refused(observation)


@rule(
    "params.logprobs-accepted",
    level="must",
    source=f"{_SOURCE}: logprobs; vllm-project/vllm#4795, sgl-project/sglang#4440",
    breaks="Evaluation programs raise.",
    answers=("cn-logprobs-needs-top",),
    when=_is("logprobs", "top-logprobs"),
    upholds=Ground.ACCEPTED,
)
def log_probabilities_may_be_asked_for(observation: Observation) -> Violations:
    """The parameter logprobs is accepted with and without top_logprobs."""
    yield from _refused(observation)


@rule(
    "params.temperature-accepted",
    level="must",
    source=f"{_SOURCE}: temperature, 0 to 2; Bike4Mind/bike4mind#1089",
    breaks="Programs that want their answers to repeat raise.",
    answers=("cr-fixed-temperature",),
    when=_is("seeded"),
    upholds=Ground.ACCEPTED,
)
def temperature_zero_is_accepted(observation: Observation) -> Violations:
    """Temperature 0 is accepted."""
    yield from _refused(observation)


@rule(
    "params.tools-accepted",
    level="must",
    source=f"{_SOURCE}: tools, tool_choice, with stream too; cloudwego/eino#994",
    breaks="Agents, and LangChain's structured output by function calling, raise.",
    answers=("ds-tool-choice-thinking", "ds-tool-stream-unsupported-old"),
    when=_asks_for_tools,
    upholds=Ground.ACCEPTED,
    rests_on=(Ground.FORM,),
)
def tools_and_their_choice_are_accepted(observation: Observation) -> Violations:
    """Tools are accepted with every tool_choice that the endpoint claims, plain and streamed."""
    yield from _refused(observation)


@rule(
    "params.both-modes-accepted",
    level="must",
    source=f"{_SOURCE}: stream; infiniflow/ragflow#5912, infiniflow/ragflow#8972",
    breaks="LangChain's `invoke` and the SDK's plain `create` raise, whatever is asked.",
    answers=("ds-stream-only", "ds-thinking-nonstream", "ds-modelscope-variant"),
    when=_is("founding", "uncapped"),
    upholds=Ground.ACCEPTED,
)
def both_modes_are_accepted(modes: BothModes) -> Violations:
    """A question that one mode accepts is accepted by the other, with a cap and without any parameter."""
    refusals = [[*_refused(seen)] for seen in (modes.plain, modes.streamed)]
    if not all(refusals):
        yield from (violation for refusal in refusals for violation in refusal)


@rule(
    "params.defaults-accepted",
    level="must",
    source=f"{_SOURCE}: the defaults of n, response_format, stream, temperature and top_p",
    breaks="Programs that spell their settings out raise.",
    answers=("cr-groq-400-fields",),
    when=_is("defaults"),
    upholds=Ground.ACCEPTED,
)
def defaults_may_be_spelled_out(observation: Observation) -> Violations:
    """The documented defaults of optional parameters may be spelled out."""
    yield from _refused(observation)


@rule(
    "params.nulls-accepted",
    level="spec",
    source="openai/openai-openapi CreateChatCompletionRequest: nullable parameters",
    breaks="Typed clients that write every field of a request raise.",
    when=_is("nulls"),
    upholds=Ground.ACCEPTED,
)
def optional_parameters_may_be_null(observation: Observation) -> Violations:
    """Optional parameters that the document lets be null may be null."""
    yield from _refused(observation)


@rule(
    "params.reasoning-effort-accepted",
    level="must",
    source=f"{_SOURCE}: reasoning_effort",
    breaks="Programs that limit how long a model thinks raise.",
    answers=("ds-params-unsupported",),
    when=_is("reasoning"),
    upholds=Ground.ACCEPTED,
)
def reasoning_effort_is_accepted(observation: Observation) -> Violations:
    """reasoning_effort is accepted by an endpoint that reasons."""
    yield from _refused(observation)


@rule(
    "params.characters-accepted",
    level="must",
    source="RFC 8259, 7: every character may stand in a string, control characters escaped",
    breaks="Programs that send a terminal's output or other texts in many scripts raise.",
    when=_is("control-characters", "unicode-echo"),
    upholds=Ground.FORM,
)
def every_character_is_accepted(observation: Observation) -> Violations:
    """Messages may hold every character, control characters among them."""
    yield from _refused(observation)


@rule(
    "params.developer-role-accepted",
    level="must",
    source=f"{_SOURCE}: developer messages; decolua/9router#773",
    breaks="Newer clients, and LangChain for some model names, send this role in place of system.",
    answers=("cr-developer-role", "ds-developer", "ds-params-unsupported"),
    when=_is("developer-role"),
    upholds=Ground.FORM,
)
def the_role_developer_is_accepted(observation: Observation) -> Violations:
    """A message of the role developer is accepted."""
    yield from _refused(observation)


@rule(
    "params.system-anywhere",
    level="must",
    source=f"{_SOURCE}: messages in any order; vllm-project/vllm#41114",
    breaks="Agents that add notes as system messages stop at the first note.",
    answers=("cr-system-not-first",),
    when=_is("system-twice", "system-late"),
    upholds=Ground.FORM,
)
def system_messages_may_stand_anywhere(observation: Observation) -> Violations:
    """A second system message is accepted, beside the first one and later on."""
    yield from _refused(observation)


@rule(
    "params.user-parts-accepted",
    level="must",
    source=f"{_SOURCE}: user messages, content as an array of parts; infiniflow/ragflow#15358",
    breaks="LangChain's and the SDK's users of multi-part content raise.",
    answers=("cr-content-parts-user",),
    when=_is("parts-user"),
    upholds=Ground.FORM,
)
def a_user_may_speak_in_parts(observation: Observation) -> Violations:
    """The content of a user message may be an array of text parts."""
    yield from _refused(observation)


@rule(
    "params.other-parts-accepted",
    level="must",
    source=f"{_SOURCE}: system, assistant and tool messages, content as an array of parts",
    breaks="LangChain's messages with lists of parts, tool results among them, raise.",
    answers=("cr-content-parts-tool-assistant", "cr-array-tool-result"),
    when=_is("parts-system", "parts-assistant", "parts-tool"),
    upholds=Ground.FORM,
)
def other_roles_may_speak_in_parts(observation: Observation) -> Violations:
    """The content of a system, assistant or tool message may be an array of text parts."""
    yield from _refused(observation)


@rule(
    "params.call-without-text-accepted",
    level="must",
    source=f"{_SOURCE}: assistant messages, content optional beside tool_calls; ollama/ollama#10604",
    breaks="Every agent stops at its second turn, depending on how its client writes no content.",
    answers=("cr-assistant-content-null",),
    when=_is("content-null", "content-empty", "content-absent"),
    upholds=Ground.FORM,
)
def a_call_needs_no_text(observation: Observation) -> Violations:
    """Beside tool calls, an assistant message's content may be null, empty or absent."""
    yield from _refused(observation)


@rule(
    "params.foreign-call-id-accepted",
    level="must",
    source="anomalyco/opencode#1680, langchain-ai/langchain#24668",
    breaks="A conversation that began with another server can't go on here.",
    answers=("cr-replay-tool-id-format",),
    when=_is("content-null", "content-empty", "content-absent"),
    upholds=Ground.FORM,
)
def a_call_id_of_another_server_is_accepted(observation: Observation) -> Violations:
    """A tool call id in OpenAI's form is accepted, whoever made it."""
    yield from _refused(observation)


@rule(
    "params.empty-answer-accepted",
    level="must",
    source=f"{_SOURCE}: assistant messages; vllm-project/vllm#21089",
    breaks="A conversation can't go on after one empty answer.",
    answers=("cr-assistant-empty-string",),
    when=_is("assistant-empty"),
    upholds=Ground.FORM,
)
def an_empty_answer_may_stand_in_the_past(observation: Observation) -> Violations:
    """An assistant message may be empty."""
    yield from _refused(observation)


@rule(
    "params.empty-tail-accepted",
    level="spec",
    source=f"{_SOURCE}: messages in any order; abdulmominsakib/localmind#11",
    breaks="Interfaces that keep an empty message for the answer raise.",
    answers=("cr-empty-assistant-tail",),
    when=_is("assistant-tail"),
    upholds=Ground.FORM,
)
def a_conversation_may_end_with_an_empty_answer(observation: Observation) -> Violations:
    """The last message may be an empty one of the assistant."""
    yield from _refused(observation)


@rule(
    "params.system-alone-accepted",
    level="spec",
    source=f"{_SOURCE}: messages, one or more, of any role; verl-project/verl#7725",
    breaks="Programs that put their whole prompt into the system message raise.",
    answers=("cr-system-only",),
    when=_is("system-alone"),
    upholds=Ground.FORM,
)
def a_system_message_may_stand_alone(observation: Observation) -> Violations:
    """A conversation may be one system message."""
    yield from _refused(observation)


@rule(
    "params.names-accepted",
    level="must",
    source=f"{_SOURCE}: messages[].name; the Groq documentation, OpenAI compatibility",
    breaks="Programs with several speakers raise.",
    answers=("cr-groq-400-fields",),
    when=_is("names"),
    upholds=Ground.FORM,
)
def messages_may_name_who_speaks(observation: Observation) -> Violations:
    """Messages may have a name."""
    yield from _refused(observation)


@rule(
    "params.image-accepted",
    level="must",
    source=f"{_SOURCE}: image parts as data URLs; vllm-project/vllm#28123",
    breaks="Programs that show pictures of their own raise.",
    answers=("cr-image-data-url",),
    when=_is("image"),
    upholds=Ground.FORM,
)
def a_picture_may_be_a_data_url(observation: Observation) -> Violations:
    """A picture may be sent as a data URL."""
    yield from _refused(observation)


@rule(
    "params.image-answered",
    level="must",
    source=f"{_SOURCE}: image parts; langchain-ai/langchain#32252",
    breaks="LangChain raises TypeError; the user has no answer and no error.",
    answers=("cr-image-null-choices",),
    when=_is("image"),
    upholds=Ground.SAID,
    rests_on=OF_AN_ANSWER,
)
def a_picture_gets_an_answer(completion: Completion) -> Violations:
    """A question about a picture is answered by a choice with a message."""
    if not completion.messages:
        yield Violation(
            received=shown(completion.body.get("choices")),
            expected="a choice with a message",
            pointer="/choices",
        )
