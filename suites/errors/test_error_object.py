"""What a refusal says: an error object that clients understand and that names the mistake."""

import re

from harness.evidence import Refusal, shown
from harness.rule import Level, Violation, Violations, rule, shape
from harness.schemas import violations

_SOURCE = "OpenAI API reference, error codes"

_INTERNALS = re.compile(
    r"""Traceback\ \(most\ recent\ call|File\ \\?"[^"]+",\ line\ \d|<class\ '
    |\bat\ [\w.$]+\([\w.]+\.(?:java|kt|js|ts):\d+|goroutine\ \d+\ \[|\bpanicked\ at\b|Jinja|\.py:\d+""",
    re.VERBOSE,
)

_SERVER_TYPE = re.compile(
    r"(?:internal|server)_?(?:server)?_?error|api_error|service_unavailable.*", re.IGNORECASE
)

_KEY = re.compile(r"\bsk-[\w-]+")

_REQUIRED = frozenset({"model", "messages", "input", "prompt"})


def _schema(refusal: Refusal, level: Level) -> Violations:
    for found in violations("error", refusal.observation.json, level):
        if found.level == level:
            yield Violation(found.received, found.expected, found.pointer)


@rule(
    "errors.schema-must",
    level="must",
    source=f"{_SOURCE}; openai/openai-openapi ErrorResponse",
    breaks="The exception carries no message that says what is wrong, no code and no param.",
    answers=(
        "er-detail-list",
        "er-detail-nested",
        "er-error-array",
        "er-envelope-other",
        "er-missing-fields",
        "er-401-body",
        "er-cloudflare-envelope",
        "er-type-null",
        "os-error-body-list",
        "az-flat-403",
    ),
    upholds=shape,
)
def a_refusal_says_what_is_wrong(refusal: Refusal) -> Violations:
    """A refusal is `{"error": {"message": …, "type": …}}`."""
    yield from _schema(refusal, "must")


@rule(
    "errors.schema-spec",
    level="spec",
    source=f"{_SOURCE}; openai/openai-openapi Error",
    breaks="Callers that branch on `code` or `param` find no such key; typed clients refuse the body.",
    answers=("er-missing-fields", "er-retryable-code-confusion", "er-type-null"),
    upholds=shape,
)
def a_refusal_is_as_openai_documents_it(refusal: Refusal) -> Violations:
    """The error object has message, type, param and code, each in the documented type."""
    yield from _schema(refusal, "spec")


@rule(
    "errors.message",
    level="spec",
    source=f"{_SOURCE}; earendil-works/pi#6238",
    breaks="The exception's text is empty: its reader learns nothing but the status.",
)
def the_message_is_not_empty(refusal: Refusal) -> Violations:
    """The error's message is not empty."""
    message = refusal.error.get("message")
    if isinstance(message, str) and not message.strip():
        yield Violation(received=shown(message), expected="what is wrong", pointer="/error/message")


@rule(
    "errors.names-the-mistake",
    level="recommended",
    source="recorded refusals of OpenAI: each names the parameter that is to blame",
    breaks="Nobody but the developer, who has to guess which parameter is wrong.",
    when=lambda scenario: bool(scenario.mistake.named),
)
def a_refusal_names_the_mistake(refusal: Refusal) -> Violations:
    """The error's message or its param names what is wrong."""
    words = refusal.observation.scenario.mistake.named
    said = f"{refusal.error.get('message')} {refusal.error.get('param')}"
    if not any(re.search(rf"(?<![^\W_]){word}s?(?![^\W_])", said, re.IGNORECASE) for word in words):
        yield Violation(
            received=shown(said), expected=f"the word {' or '.join(words)}", pointer="/error/message"
        )


@rule(
    "errors.param",
    level="recommended",
    source=f"{_SOURCE}; openai/openai-openapi Error: param; HunorLaczko/ha-groq-cloud-api#20",
    breaks="Callers that show or drop the parameter to blame look for one that was never sent.",
    answers=("er-missing-fields",),
)
def the_param_is_one_of_the_request(refusal: Refusal) -> Violations:
    """The error's param is null, or names a parameter of the request."""
    param = refusal.error.get("param")
    if isinstance(param, str):
        name = re.split(r"[.\[]", param, maxsplit=1)[0]
        if name not in refusal.observation.asked and name not in _REQUIRED:
            yield Violation(
                received=shown(param), expected="null, or a parameter of the request", pointer="/error/param"
            )


@rule(
    "errors.code",
    level="recommended",
    source=f"{_SOURCE}: invalid_api_key, model_not_found",
    breaks="Callers that branch on the code treat a wrong key or model as any other error.",
    answers=("er-401-body",),
    when=lambda scenario: bool(scenario.mistake.code),
)
def a_refusal_has_openais_code(refusal: Refusal) -> Violations:
    """A wrong key and an unknown model have OpenAI's error codes."""
    wanted, code = refusal.observation.scenario.mistake.code, refusal.error.get("code")
    if code != wanted:
        yield Violation(received=shown(code), expected=shown(wanted), pointer="/error/code")


@rule(
    "errors.too-long-code",
    level="recommended",
    source=f"{_SOURCE}: context_length_exceeded; NVIDIA/TensorRT-LLM#19457, vllm-project/vllm#12886",
    breaks="Agents shorten their history on this code alone, and give up on any other.",
    answers=("er-long-prompt",),
    when=lambda scenario: scenario.id == "bad-huge-max-tokens",
)
def too_many_tokens_have_openais_code(refusal: Refusal) -> Violations:
    """A request for more tokens than the model has is refused with context_length_exceeded.

    OpenAI says `invalid_value` or `integer_above_max_value` where `max_tokens` alone is above the model's
    output limit, and `unsupported_parameter` where the model takes no `max_tokens`.
    """
    code = refusal.error.get("code")
    if code not in _TOO_LONG:
        yield Violation(received=shown(code), expected='"context_length_exceeded"', pointer="/error/code")


_TOO_LONG = (
    "context_length_exceeded",
    "invalid_value",
    "integer_above_max_value",
    "unsupported_parameter",
)


@rule(
    "errors.type-fits",
    level="recommended",
    source=f"{_SOURCE}: invalid_request_error and server_error; ggml-org/llama.cpp#15780",
    breaks="Callers that branch on the type retry a request that never succeeds.",
    answers=("er-long-prompt",),
)
def the_type_blames_the_request(refusal: Refusal) -> Violations:
    """The type of a refusal with HTTP 4xx does not blame the server."""
    kind = refusal.error.get("type")
    if refusal.observation.response.status < 500 and isinstance(kind, str) and _SERVER_TYPE.fullmatch(kind):
        yield Violation(
            received=shown(kind), expected='such as "invalid_request_error"', pointer="/error/type"
        )


@rule(
    "errors.no-internals",
    level="recommended",
    source="OWASP ASVS 4.0, 7.4.1: error messages do not reveal internals; michaelfeil/infinity#519",
    breaks="Strangers learn how the server is built; the user reads a stack trace.",
    answers=("er-type-null",),
)
def a_refusal_shows_no_internals(refusal: Refusal) -> Violations:
    """A refusal shows no stack trace and no source file of the server."""
    found = _INTERNALS.search(refusal.observation.response.body.decode("utf-8", "replace"))
    if found:
        yield Violation(received=shown(found[0]), expected="a message for the caller")


@rule(
    "errors.key-hidden",
    level="recommended",
    source="recorded refusals of OpenAI: all but the ends of a wrong key is masked",
    breaks="A key that was mistyped, or meant for another host, ends up in logs and bug reports.",
)
def a_refusal_does_not_repeat_the_key(refusal: Refusal) -> Violations:
    """A refusal does not repeat the key that was sent.

    The record of the request holds asterisks in the key's place, so a key in the body is known by its length.
    """
    seen = refusal.observation
    headers = seen.exchange.request.headers
    sent = [value for name, value in headers if name.lower() in {"authorization", "api-key"}]
    for word in _KEY.findall(seen.response.body.decode("utf-8", "replace")):
        if any(len(word) == len(value.rpartition(" ")[2]) for value in sent):
            yield Violation(received=word, expected="the key masked, or left out")
