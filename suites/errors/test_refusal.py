"""That a bad request is refused: with which status, and with nothing that makes a client try again."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

from harness.evidence import BOTH, Cells, NotJudgedError, Object, Observation, Refusal, shown
from harness.evidence.grounds import NONE, Grounds
from harness.rule import Ground, Violation, Violations, rule
from harness.scenario import Scenario

_SOURCE = "OpenAI API reference, error codes"


def _is(kind: str) -> Callable[[Scenario], bool]:
    return lambda scenario: not scenario.is_answered and scenario.mistake.kind == kind


def _answered(observation: Observation) -> Violations:
    response = observation.response
    if response.status < 400:
        if not observation.is_claimed:
            raise NotJudgedError("the target does not claim to refuse this")
        yield Violation(received=f"HTTP {response.status}: {shown(response.body)}", expected="HTTP 4xx")


@rule(
    "errors.refused",
    level="must",
    source=f"{_SOURCE}; ddalcu/mlx-serve#257",
    breaks="The caller takes a mistake for an answer: of another model, to another question, for anyone.",
    answers=("er-200-with-error", "er-model-unknown-status", "er-401-accepted", "bm-wrong-model"),
    when=_is("unanswerable"),
)
def a_bad_request_is_refused(observation: Observation) -> Violations:
    """A request that nobody can answer is not answered with success."""
    yield from _answered(observation)


@rule(
    "errors.values-refused",
    level="spec",
    source=f"{_SOURCE}; openai/openai-openapi CreateChatCompletionRequest: required, enum, bounds",
    breaks="The caller believes that a value counts which was dropped, or made another.",
    answers=("em-unknown-format-accepted", "cr-unknown-ignored"),
    when=_is("value"),
)
def an_impossible_value_is_refused(observation: Observation) -> Violations:
    """A value that OpenAI's document rules out is refused."""
    yield from _answered(observation)


@rule(
    "errors.limits-refused",
    level="recommended",
    source=f"{_SOURCE}; recorded refusals of OpenAI, whose document names no bound",
    breaks="The caller gets a shorter answer than it asked for, and nothing says so.",
    answers=("er-context-200",),
    when=_is("limit"),
)
def more_than_the_model_has_is_refused(observation: Observation) -> Violations:
    """More tokens than the model's context holds are refused."""
    yield from _answered(observation)


@rule(
    "errors.combinations-refused",
    level="recommended",
    source=f"{_SOURCE}; recorded refusals of OpenAI; BerriAI/litellm#5803, agno-agi/agno#5317",
    breaks="Nobody at this endpoint: but the program is refused when it moves to OpenAI.",
    when=_is("combination"),
)
def what_does_not_go_together_is_refused(observation: Observation) -> Violations:
    """Parameters that OpenAI does not take together are refused."""
    yield from _answered(observation)


@rule(
    "errors.unknown-parameter",
    level="recommended",
    source=f"{_SOURCE}: unknown_parameter; Blaizzy/mlx-vlm#1044, ROCm/FastFlowLM#554",
    breaks="A parameter that is misspelt, or that the endpoint lacks, is silently off.",
    answers=("cr-unknown-ignored",),
    when=_is("unknown"),
)
def an_unknown_parameter_is_refused(observation: Observation) -> Violations:
    """A parameter that there is not is refused."""
    yield from _answered(observation)


@rule(
    "errors.not-the-servers-fault",
    level="must",
    source=f"{_SOURCE}; openai SDK: statuses from 500 on are retried; EleutherAI/lm-evaluation-harness#1411",
    breaks="The SDK sends the same bad request three times, and routers take the server for broken.",
    answers=("er-model-unknown-status", "er-long-prompt"),
    when=lambda scenario: not scenario.is_answered,
    upholds=Ground.NO_CRASH,
)
def a_bad_request_is_no_server_error(observation: Observation) -> Violations:
    """A bad request does not bring the server down: it is not answered with HTTP 5xx."""
    response = observation.response
    if response.status >= 500:
        yield Violation(received=f"HTTP {response.status}: {shown(response.body)}", expected="HTTP 4xx")


@rule(
    "errors.not-retried",
    level="must",
    source="openai SDK: x-should-retry true overrides the status, 408 and 409 are sent again",
    breaks="The SDK sends the same bad request three times.",
    rests_on=(Ground.NO_CRASH,),
)
def a_refusal_does_not_ask_for_a_retry(refusal: Refusal) -> Violations:
    """A refusal does not make clients send the same bad request again."""
    response = refusal.observation.response
    if (response.header("x-should-retry") or "").strip().lower() == "true":
        yield Violation(received="x-should-retry: true", expected="no such header, or false")
    if response.status in {408, 409}:
        yield Violation(received=f"HTTP {response.status}", expected="a status that is not sent again")


@rule(
    "errors.status",
    level="spec",
    source=f"{_SOURCE}; recorded refusals of OpenAI",
    breaks="The SDK raises another class than the caller's `except` names.",
    answers=("er-model-unknown-status", "er-long-prompt"),
    rests_on=(Ground.NO_CRASH,),
)
def a_refusal_has_a_fitting_status(refusal: Refusal) -> Violations:
    """A refusal has the HTTP status that OpenAI gives, or one that says the same."""
    wanted, status = refusal.observation.scenario.refused_with, refusal.observation.response.status
    if status not in wanted:
        yield Violation(received=f"HTTP {status}", expected=" or ".join(f"HTTP {code}" for code in wanted))


@rule(
    "errors.same-status-as-openai",
    level="recommended",
    source=f"{_SOURCE}; recorded refusals of OpenAI; abetlen/llama-cpp-python#187, yazinsai/OpenOats#319",
    breaks="The SDK raises UnprocessableEntityError or BadRequestError where OpenAI's users catch another.",
    answers=("er-422-for-400", "er-model-unknown-status"),
)
def a_refusal_has_openais_own_status(refusal: Refusal) -> Violations:
    """A refusal has the very HTTP status that OpenAI gives."""
    wanted, status = refusal.observation.scenario.refused_with, refusal.observation.response.status
    if status in wanted[1:]:
        yield Violation(received=f"HTTP {status}", expected=f"HTTP {wanted[0]}")


@rule(
    "errors.is-no-stream",
    level="must",
    source="recorded refusals of OpenAI: an error before the first token is a normal HTTP error",
    breaks="Clients read an event stream where they expect JSON.",
    upholds=Ground.MODE,
)
def a_refusal_is_no_stream(refusal: Refusal) -> Violations:
    """A refused stream is refused with JSON, and not with events."""
    response = refusal.observation.response
    if response.media_type == "text/event-stream" or response.body.lstrip().startswith(b"data:"):
        yield Violation(received=shown(response.body), expected="a JSON error object")


@rule(
    "errors.one-status",
    level="recommended",
    source="adrianlyjak/obsidian-aloud-tts#114; RFC 9457, 3.1.2",
    breaks="Callers that read the body's number retry what never succeeds, or give up what would.",
    answers=("er-retryable-code-confusion",),
)
def the_body_repeats_the_status(refusal: Refusal) -> Violations:
    """Where a refusal's body names an HTTP status, it is the status of the answer."""
    status, body = refusal.observation.response.status, refusal.observation.json
    for pointer, value in _statuses(body if isinstance(body, dict) else {}):
        if value != status:
            yield Violation(
                received=f"{value} in the body of HTTP {status}", expected=str(status), pointer=pointer
            )


def _statuses(body: Object) -> Iterator[tuple[str, int]]:
    error = body.get("error")
    for prefix, values in (("", body), ("/error", error if isinstance(error, dict) else {})):
        for key in ("status", "status_code", "http_code", "code"):
            text = str(values.get(key))
            if len(text) == 3 and text.isascii() and text.isdigit() and text >= "400":
                yield f"{prefix}/{key}", int(text)


@dataclass(frozen=True)
class RefusalPair:
    """The refusals of one request, plain and streamed."""

    MODES: ClassVar[Cells] = BOTH
    RESTS_ON: ClassVar[Grounds] = NONE

    plain: Refusal
    streamed: Refusal

    @staticmethod
    def applies(scenario: Scenario) -> bool:
        """Scenarios that expect a refusal."""
        return Refusal.applies(scenario)

    @classmethod
    def of(cls, plain: Observation, streamed: Observation) -> Self:
        """Both refusals."""
        return cls(Refusal.of(plain), Refusal.of(streamed))


@rule(
    "errors.same-in-both-modes",
    level="spec",
    source="recorded refusals of OpenAI: an error before the first token is a normal HTTP error",
    breaks="A program that catches a mistake plain meets another exception when it streams.",
)
def both_modes_are_refused_alike(pair: RefusalPair) -> Violations:
    """A bad request is refused with the same status in both modes."""
    plain, streamed = (one.observation.response.status for one in (pair.plain, pair.streamed))
    if plain != streamed:
        yield Violation(received=f"HTTP {streamed} streamed", expected=f"HTTP {plain}, as plain")
