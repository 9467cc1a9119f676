"""How a bad request is refused: by status, as JSON, with an error object that clients understand."""

from harness.evidence import Observation, Refusal, shown
from harness.rule import Level, Violation, Violations, rule
from harness.scenario import Scenario
from harness.schemas import violations

_SOURCE = "OpenAI API reference, errors"


def _is_refused(scenario: Scenario) -> bool:
    return not scenario.is_answered


def _schema(refusal: Refusal, level: Level) -> Violations:
    for found in violations("error", refusal.observation.json, level):
        if found.level == level:
            yield Violation(found.received, found.expected, found.pointer)


@rule(
    "errors.refused",
    level="must",
    source=_SOURCE,
    breaks="The caller takes a mistake for an answer.",
    when=_is_refused,
)
def a_bad_request_is_refused(observation: Observation) -> Violations:
    """A request that OpenAI refuses is not answered with success, and does not bring the server down."""
    response = observation.response
    if not 400 <= response.status < 500:
        yield Violation(received=f"HTTP {response.status}: {shown(response.body)}", expected="HTTP 4xx")


@rule(
    "errors.status",
    level="spec",
    source=f"{_SOURCE}; recorded refusals of OpenAI",
    breaks="The SDK raises another class than the caller's `except` names.",
)
def a_refusal_has_openais_status(refusal: Refusal) -> Violations:
    """A refusal has the HTTP status that OpenAI gives."""
    wanted, status = refusal.observation.scenario.refused_with, refusal.observation.response.status
    if status not in wanted:
        yield Violation(received=f"HTTP {status}", expected=" or ".join(f"HTTP {code}" for code in wanted))


@rule(
    "errors.schema-must",
    level="must",
    source=f"{_SOURCE}; openai/openai-openapi ErrorResponse",
    breaks="The exception carries no message that says what is wrong.",
)
def a_refusal_says_what_is_wrong(refusal: Refusal) -> Violations:
    """A refusal is `{"error": {"message": …, "type": …}}`."""
    yield from _schema(refusal, "must")


@rule(
    "errors.schema-spec",
    level="spec",
    source=f"{_SOURCE}; openai/openai-openapi Error",
    breaks="Callers that branch on `code` or `param` find no such key; typed clients refuse the body.",
)
def a_refusal_is_as_openai_documents_it(refusal: Refusal) -> Violations:
    """The error object has message, type, param and code, each in the documented type."""
    yield from _schema(refusal, "spec")


@rule(
    "errors.is-no-stream",
    level="must",
    source="recorded refusals of OpenAI: an error before the first token is a normal HTTP error",
    breaks="Clients read an event stream where they expect JSON.",
)
def a_refusal_is_no_stream(refusal: Refusal) -> Violations:
    """A refused stream is refused with JSON, and not with events."""
    response = refusal.observation.response
    if response.media_type == "text/event-stream" or response.body.lstrip().startswith(b"data:"):
        yield Violation(received=shown(response.body), expected="a JSON error object")


@rule(
    "errors.code",
    level="recommended",
    source=f"{_SOURCE}: invalid_api_key, model_not_found",
    breaks="Callers that branch on the code treat a wrong key or model as any other error.",
    when=lambda scenario: scenario.id in _CODES,
)
def a_refusal_has_openais_code(refusal: Refusal) -> Violations:
    """A wrong key and an unknown model have OpenAI's error codes."""
    wanted, code = _CODES[refusal.observation.scenario.id], refusal.error.get("code")
    if code != wanted:
        yield Violation(received=shown(code), expected=shown(wanted), pointer="/error/code")


_CODES = {"wrong-key": "invalid_api_key", "unknown-model": "model_not_found"}
