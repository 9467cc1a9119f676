"""Errors: bad requests that are answered, refusals of another form, other statuses and headers."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from harness.endpoint.answer import Answer, Wire, plain
from harness.endpoint.departure import (
    Asked,
    any_answer,
    any_wire,
    asked,
    error_wire,
    errors,
    fault,
    plain_wire,
    request,
    with_body,
    with_header,
)
from harness.endpoint.refusal import Refusal

_BAD = ("no-messages", "bad-messages-type")
_FORM = "A body of another form lacks everything that rules on the error object look for."


def _message(body: Any) -> str:
    return str(body["error"]["message"])


# --- the body ---


@fault("er-detail-list", on=errors, shows=_BAD, caught_by=("errors.schema-must",))
def detail_list(body: Any) -> Any:
    """The body is {"detail": [...]}, as FastAPI has it."""
    return {"detail": [{"type": "missing", "loc": ["body", "messages"], "msg": _message(body)}]}


@fault("er-detail-nested", on=errors, shows=_BAD, caught_by=("errors.schema-must",))
def detail_nested(body: Any) -> Any:
    """A right error object is wrapped in detail."""
    return {"detail": body}


@fault(
    "er-error-array",
    on=errors,
    shows=_BAD,
    caught_by=("http.json",),
    also=("os-error-body-list",),
)
def error_array(body: Any) -> Any:
    """The body is an array that holds an error object."""
    return [{"error": {"code": 400, "message": _message(body), "status": "INVALID_ARGUMENT"}}]


@fault("er-envelope-other.reason", on=errors, shows=_BAD, caught_by=("errors.schema-must",))
def envelope_reason(body: Any) -> Any:
    """The body is {"code", "reason", "message"}."""
    return {"code": 400, "reason": "Bad Request", "message": _message(body)}


@fault("er-envelope-other.success", on=errors, shows=_BAD, caught_by=("errors.schema-must",))
def envelope_success(body: Any) -> Any:
    """The body is {"success": false, "message"}."""
    return {"success": False, "message": _message(body)}


@fault("er-envelope-other.problem", on=errors, shows=_BAD, caught_by=("errors.schema-must",))
def envelope_problem(body: Any) -> Any:
    """The body is problem details of RFC 9457."""
    return {
        "type": "urn:problem:bad-request",
        "title": "Bad Request",
        "status": 400,
        "detail": _message(body),
    }


@fault("er-envelope-other.http-code", on=errors, shows=_BAD, caught_by=("errors.schema-spec",))
def envelope_http_code(body: Any) -> Any:
    """The error has an http_code, and neither param nor code."""
    error = {"type": "bad_request_error", "message": _message(body), "http_code": "400"}
    return {"type": "error", "error": error, "request_id": "r-1"}


@fault("er-envelope-other.text", on=errors, shows=_BAD, caught_by=("errors.schema-must",))
def error_text(body: Any) -> Any:
    """error is a text."""
    return {"error": _message(body)}


@fault("er-missing-fields", on=errors, shows=_BAD, caught_by=("errors.schema-spec",))
def fields_missing(body: Any) -> None:
    """The error has no param and no code."""
    del body["error"]["param"], body["error"]["code"]


@fault("er-missing-fields.type", on=errors, shows=_BAD, caught_by=("errors.schema-must",))
def type_missing(body: Any) -> None:
    """The error has no type."""
    del body["error"]["type"]


@fault("er-missing-fields.param", on=errors, shows=_BAD, caught_by=("errors.param",))
def param_empty(body: Any) -> None:
    """param is an empty text."""
    body["error"]["param"] = ""


@fault(
    "er-message-missing",
    on=errors,
    shows=_BAD,
    caught_by=("errors.schema-must",),
    source="OpenAI API reference, error codes: the error object",
)
def message_missing(body: Any) -> None:
    """The error has no message."""
    del body["error"]["message"]


@fault(
    "er-message-empty",
    on=errors,
    shows=_BAD,
    caught_by=("errors.message",),
    source="earendil-works/pi#6238",
)
def message_empty(body: Any) -> None:
    """The error's message is empty."""
    body["error"]["message"] = ""


@fault(
    "er-message-vague",
    on=errors,
    shows=("bad-temperature", "bad-role"),
    caught_by=("errors.names-the-mistake",),
    source="gateways that hide what the server behind them said",
)
def message_vague(body: Any) -> None:
    """The error says that the request is bad, and not in what."""
    body["error"].update(message="Bad request", param=None, code=None)


@fault("er-type-null", on=errors, shows=_BAD, caught_by=("errors.schema-must", "errors.no-internals"))
def type_null(body: Any) -> None:
    """The error's type is null, and its message shows a class of the server."""
    body["error"].update(type=None, code=400, message=f"<class 'EngineError'> -> {_message(body)}")


@fault(
    "er-code-integer",
    on=errors,
    shows=_BAD,
    caught_by=("errors.schema-spec",),
    also=("er-retryable-code-confusion",),
    source="vllm-project/vllm#41114",
)
def code_integer(body: Any) -> None:
    """code is a number."""
    body["error"]["code"] = 400


@fault("er-retryable-code-confusion", on=errors, shows=_BAD, caught_by=("errors.one-status",))
def code_of_a_server_error(body: Any) -> None:
    """code is "503" in the body of HTTP 400."""
    body["error"]["code"] = "503"


@fault("er-cloudflare-envelope", on=errors, shows=_BAD, caught_by=("errors.schema-must",))
def cloudflare_envelope(body: Any) -> Any:
    """The body is {"success": false, "errors": [...]}."""
    failed = [{"code": 7009, "message": _message(body)}]
    return {"result": None, "success": False, "errors": failed, "messages": []}


@fault("az-flat-403", on=errors, shows=_BAD, caught_by=("errors.schema-must",))
def flat(body: Any) -> Any:
    """The body is {"message": "..."} alone."""
    return {"message": _message(body)}


@fault(
    "er-stack-trace",
    on=errors,
    shows=_BAD,
    caught_by=("errors.no-internals",),
    source="michaelfeil/infinity#519",
)
def stack_trace(body: Any) -> None:
    """The error's message is a stack trace."""
    body["error"]["message"] = 'Traceback (most recent call last):\n  File "/srv/app.py", line 7\nmessages'


@fault(
    "er-type-server",
    on=errors,
    shows=_BAD,
    caught_by=("errors.type-fits",),
    also=("er-long-prompt",),
    source="ggml-org/llama.cpp#15780",
)
def type_of_a_server_error(body: Any) -> None:
    """The type of a bad request is server_error."""
    body["error"]["type"] = "server_error"


@fault(
    "er-key-shown",
    on=any_answer,
    shows=("wrong-key",),
    caught_by=("errors.key-hidden",),
    source="OpenAI masks all but the ends of a wrong key",
)
def key_shown(seen: Asked, answer: Answer) -> Answer:
    """The refusal of a wrong key repeats it."""
    if answer.status != 401:
        return answer
    error: Any = {
        "message": f"Incorrect API key provided: {seen.key}",
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_api_key",
    }
    return plain({"error": error}, status=401)


# --- the status ---


def _is_chat_refusal(answer: Answer) -> bool:
    return 400 <= answer.status < 500


@fault(
    "er-200-with-error",
    on=any_answer,
    shows=_BAD,
    caught_by=("errors.refused", "http.no-error-in-success"),
)
def refused_with_200(_: Asked, answer: Answer) -> Answer:
    """HTTP 200 whose body is an error object."""
    return replace(answer, status=200) if _is_chat_refusal(answer) else answer


@fault(
    "er-200-with-error.flat",
    on=any_answer,
    shows=_BAD,
    caught_by=("errors.refused", "http.no-error-in-success"),
)
def refused_with_200_flat(_: Asked, answer: Answer) -> Answer:
    """HTTP 200 whose body is {"object": "error", "message", "code"}."""
    if not _is_chat_refusal(answer):
        return answer
    return plain({"object": "error", "message": "bad request", "type": "BadRequestError", "code": 400})


@fault("er-422-for-400", on=any_answer, shows=_BAD, caught_by=("errors.same-status-as-openai",))
def status_422(_: Asked, answer: Answer) -> Answer:
    """HTTP 422 where OpenAI answers 400."""
    return replace(answer, status=422) if answer.status == 400 else answer


@fault(
    "er-500-for-400",
    on=any_answer,
    shows=_BAD,
    caught_by=("errors.not-the-servers-fault",),
    source="EleutherAI/lm-evaluation-harness#1411",
)
def status_500(_: Asked, answer: Answer) -> Answer:
    """HTTP 500 for a bad request."""
    return replace(answer, status=500) if _is_chat_refusal(answer) else answer


@fault(
    "er-409-for-400",
    on=any_answer,
    shows=_BAD,
    caught_by=("errors.not-retried",),
    source="the SDK sends a request again on HTTP 409",
)
def status_409(_: Asked, answer: Answer) -> Answer:
    """HTTP 409 for a bad request."""
    return replace(answer, status=409) if answer.status == 400 else answer


@fault(
    "er-should-retry",
    on=error_wire,
    shows=_BAD,
    caught_by=("errors.not-retried",),
    source="x-should-retry overrides the status in the SDK",
)
def should_retry(wire: Wire) -> Wire:
    """A bad request is answered with x-should-retry: true."""
    return with_header(wire, "x-should-retry", "true")


@fault(
    "er-401-body",
    on=errors,
    shows=("wrong-key",),
    caught_by=("errors.schema-must",),
)
def unauthorised_text(_: Any) -> Any:
    """A wrong key is answered {"error": "Unauthorized"}."""
    return {"error": "Unauthorized"}


@fault(
    "er-401-body.message",
    on=errors,
    shows=("wrong-key",),
    caught_by=("errors.schema-must",),
)
def unauthorised_message(_: Any) -> Any:
    """A wrong key is answered {"message": "Invalid API Key"}."""
    return {"message": "Invalid API Key"}


@fault(
    "er-401-body.code",
    on=errors,
    shows=("wrong-key",),
    caught_by=("errors.code",),
)
def unauthorised_code(body: Any) -> None:
    """A wrong key has the code unauthorized."""
    body["error"]["code"] = "unauthorized"


@fault(
    "er-401-as-403",
    on=any_answer,
    shows=("wrong-key", "missing-key"),
    caught_by=("errors.status",),
    source="OpenAI API reference, error codes: 401 for a wrong key",
)
def unauthorised_403(_: Asked, answer: Answer) -> Answer:
    """A wrong key is answered HTTP 403."""
    return replace(answer, status=403) if answer.status == 401 else answer


@fault(
    "er-401-accepted",
    on=asked,
    shows=("wrong-key",),
    caught_by=("errors.refused",),
)
def any_key(seen: Asked) -> Asked:
    """Any key is accepted."""
    return replace(seen, key=seen.right_key) if seen.key else seen


@fault(
    "er-401-accepted.none",
    on=asked,
    shows=("missing-key", "bad-models-key"),
    caught_by=("errors.refused",),
)
def no_key(seen: Asked) -> Asked:
    """No key is needed."""
    return replace(seen, key=seen.key or seen.right_key)


@fault(
    "er-model-unknown-status.400",
    on=any_answer,
    shows=("unknown-model",),
    caught_by=("errors.same-status-as-openai",),
)
def unknown_model_400(_: Asked, answer: Answer) -> Answer:
    """An unknown model is answered HTTP 400."""
    return replace(answer, status=400) if answer.status == 404 else answer


@fault(
    "er-model-unknown-status.500",
    on=any_answer,
    shows=("unknown-model",),
    caught_by=("errors.not-the-servers-fault",),
)
def unknown_model_500(_: Asked, answer: Answer) -> Answer:
    """An unknown model is answered HTTP 500."""
    return replace(answer, status=500) if answer.status == 404 else answer


@fault(
    "er-model-unknown-status.200",
    on=asked,
    shows=("unknown-model",),
    caught_by=("errors.refused",),
    also=("bm-wrong-model",),
)
def unknown_model_200(seen: Asked) -> Asked:
    """An unknown model is answered by whatever is loaded."""
    if seen.operation != "chat" or not seen.body or "model" not in seen.body:
        return seen
    return replace(seen, body={**seen.body, "model": seen.models[0]})


@fault(
    "er-model-code",
    on=errors,
    shows=("unknown-model",),
    caught_by=("errors.code",),
    source="OpenAI API reference, error codes: model_not_found",
)
def unknown_model_code(body: Any) -> None:
    """An unknown model has the code invalid_model."""
    body["error"]["code"] = "invalid_model"


def _page(status: int) -> bytes:
    return (
        f"<html>\r\n<head><title>{status} Bad Gateway</title></head>\r\n<body>\r\n"
        f"<center><h1>{status} Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n"
        "</body>\r\n</html>\r\n"
    ).encode()


@fault("er-html", on=error_wire, shows=_BAD, caught_by=("http.json",))
def html_for_a_refusal(wire: Wire) -> Wire:
    """A refusal is an HTML page."""
    return with_header(with_body(wire, _page(wire.status)), "content-type", "text/html")


@fault(
    "er-html.502",
    on=plain_wire("chat"),
    shows=("founding",),
    caught_by=("http.success", "http.json"),
    because="A good request that is refused lacks its answer for the clients' users too.",
)
def html_502(wire: Wire) -> Wire:
    """A good request is answered with HTTP 502 and a proxy's HTML page."""
    return replace(with_header(with_body(wire, _page(502)), "content-type", "text/html"), status=502)


@fault("er-ctype-json-missing", on=error_wire, shows=_BAD, caught_by=("http.json-media-type",))
def json_as_text(wire: Wire) -> Wire:
    """A JSON error is labelled text/plain."""
    return with_header(wire, "content-type", "text/plain; charset=utf-8")


@fault(
    "er-ratelimit-headers",
    on=any_wire,
    shows=("founding",),
    caught_by=("http.rate-limit-headers",),
)
def rate_limit_reset(wire: Wire) -> Wire:
    """x-ratelimit-reset-requests is a date."""
    return with_header(wire, "x-ratelimit-reset-requests", "2026-01-01T00:00:00Z")


@fault(
    "er-ratelimit-headers.limit",
    on=any_wire,
    shows=("founding",),
    caught_by=("http.rate-limit-headers",),
)
def rate_limit_unlimited(wire: Wire) -> Wire:
    """x-ratelimit-limit-requests is a word."""
    return with_header(wire, "x-ratelimit-limit-requests", "unlimited")


@fault(
    "er-ratelimit-remaining",
    on=any_wire,
    shows=("founding",),
    caught_by=("http.rate-limit-remaining",),
    source="OpenAI API guide, rate limits in headers",
)
def rate_limit_remaining(wire: Wire) -> Wire:
    """More requests remain than the limit allows."""
    return with_header(wire, "x-ratelimit-remaining-requests", "20000")


@fault(
    "er-request-id-missing",
    on=any_wire,
    shows=("founding",),
    caught_by=("http.request-id",),
    source="OpenAI API reference, debugging requests: x-request-id",
)
def request_id_missing(wire: Wire) -> Wire:
    """There is no x-request-id."""
    return with_header(wire, "x-request-id", None)


@fault(
    "er-request-id-static",
    on=any_wire,
    shows=("founding",),
    caught_by=("http.request-id-unique",),
    source="OpenAI API reference, debugging requests: x-request-id",
)
def request_id_static(wire: Wire) -> Wire:
    """Every answer has the same x-request-id."""
    return with_header(wire, "x-request-id", "req_1")


@fault(
    "er-content-coding",
    on=any_wire,
    shows=("founding",),
    caught_by=("http.content-coding",),
    source="RFC 9110, 8.4: a coding that the client did not ask for",
    because="Nobody can read a body in a coding that nobody knows.",
)
def content_coding(wire: Wire) -> Wire:
    """The body is labelled with a coding that was not asked for."""
    return with_header(wire, "content-encoding", "compress")


@fault(
    "er-gzip-false",
    on=plain_wire("chat"),
    shows=("founding",),
    caught_by=("http.content-coding",),
    source="gateways that pass the header on and undo the coding",
    because="Nobody can read a body that is not in its coding.",
)
def gzip_false(wire: Wire) -> Wire:
    """The body is labelled gzip, and is not."""
    return with_header(wire, "content-encoding", "gzip")


@fault(
    "er-charset",
    on=plain_wire("chat"),
    shows=("founding",),
    caught_by=("http.charset",),
    source="RFC 8259, 8.1: JSON is UTF-8",
)
def charset(wire: Wire) -> Wire:
    """A JSON body in UTF-8 names the charset ISO-8859-1."""
    return with_header(wire, "content-type", "application/json; charset=ISO-8859-1")


@fault(
    "er-sse-refusal",
    on=error_wire,
    shows=("no-messages",),
    caught_by=("errors.is-no-stream",),
    source="an error before the first token is a normal HTTP error",
    because=_FORM,
)
def refusal_as_event(wire: Wire) -> Wire:
    """A refusal is an event, with its HTTP status."""
    body = b"data: " + wire.writes[0].data + b"\n\n"
    return with_header(with_body(wire, body), "content-type", "text/event-stream")


@fault(
    "er-stream-refusal-200",
    on=any_answer,
    shows=("no-messages",),
    caught_by=("errors.refused",),
    also=("er-200-with-error",),
    source="gateways that open the stream before they read the request",
)
def refused_stream_200(seen: Asked, answer: Answer) -> Answer:
    """A refused stream has HTTP 200 and an error in JSON."""
    return replace(answer, status=200) if seen.is_stream and answer.status >= 400 else answer


# --- requests that have to be refused ---


_CHAT = request("chat")


@fault(
    "er-long-prompt.500",
    on=any_answer,
    shows=("bad-huge-max-tokens",),
    caught_by=("errors.not-the-servers-fault",),
)
def too_long_500(_: Asked, answer: Answer) -> Answer:
    """More tokens than the model has are answered HTTP 500."""
    return replace(answer, status=500) if answer.status == 400 else answer


@fault(
    "er-long-prompt.code",
    on=errors,
    shows=("bad-huge-max-tokens",),
    caught_by=("errors.too-long-code",),
)
def too_long_code(body: Any) -> None:
    """More tokens than the model has have the code exceed_context_size_error."""
    body["error"].update(code="exceed_context_size_error", n_prompt_tokens=9, n_ctx=4096)


@fault(
    "er-context-200",
    on=any_answer,
    shows=("bad-huge-max-tokens",),
    caught_by=("errors.limits-refused", "http.no-error-in-success"),
)
def too_long_200(_: Asked, answer: Answer) -> Answer:
    """More tokens than the model has are answered HTTP 200 with an error's text."""
    return replace(answer, status=200) if answer.status == 400 else answer


@fault(
    "er-long-prompt.clamped",
    on=_CHAT,
    shows=("bad-huge-max-tokens",),
    caught_by=("errors.limits-refused",),
)
def too_long_clamped(body: Any) -> None:
    """A max_tokens beyond the context is made smaller, and nothing says so."""
    if isinstance(body.get("max_tokens"), int):
        body["max_tokens"] = min(body["max_tokens"], 64)


_BOUNDS = "openai/openai-openapi CreateChatCompletionRequest: minimum and maximum"
_REQUIRED = "openai/openai-openapi CreateChatCompletionRequest: required"
_VALUES = ("errors.values-refused",)
_COMBINATIONS = ("errors.combinations-refused",)


def _within(body: Any, name: str, lowest: float, highest: float) -> None:
    if isinstance(body.get(name), (int, float)):
        body[name] = max(lowest, min(body[name], highest))


def _in_messages(body: Any) -> Iterator[Any]:
    messages = body.get("messages")
    return (said for said in (messages if isinstance(messages, list) else ()) if isinstance(said, dict))


@fault(
    "er-value-clamped",
    on=_CHAT,
    shows=("bad-temperature",),
    caught_by=_VALUES,
    source=_BOUNDS,
)
def temperature_clamped(body: Any) -> None:
    """A temperature that is too high is made the highest."""
    _within(body, "temperature", -99, 2)


@fault(
    "er-value-clamped.temperature-low",
    on=_CHAT,
    shows=("bad-temperature-low",),
    caught_by=_VALUES,
    source=_BOUNDS,
)
def temperature_clamped_low(body: Any) -> None:
    """A temperature below 0 is made 0."""
    _within(body, "temperature", 0, 99)


@fault("er-value-clamped.top-p", on=_CHAT, shows=("bad-top-p",), caught_by=_VALUES, source=_BOUNDS)
def top_p_clamped(body: Any) -> None:
    """A top_p that is too high is made the highest."""
    _within(body, "top_p", 0, 1)


@fault("er-value-clamped.n", on=_CHAT, shows=("bad-n",), caught_by=_VALUES, source=_BOUNDS)
def n_of_none(body: Any) -> None:
    """n of 0 is made 1."""
    _within(body, "n", 1, 999)


@fault("er-value-clamped.n-many", on=_CHAT, shows=("bad-n-many",), caught_by=_VALUES, source=_BOUNDS)
def n_clamped(body: Any) -> None:
    """n above 128 is made 1."""
    if body.get("n") == 129:
        body["n"] = 1


@fault(
    "er-value-clamped.top-logprobs",
    on=_CHAT,
    shows=("bad-top-logprobs-many",),
    caught_by=_VALUES,
    source=_BOUNDS,
)
def top_logprobs_clamped(body: Any) -> None:
    """top_logprobs above 20 is made 20."""
    _within(body, "top_logprobs", 0, 20)


@fault("er-value-clamped.max-tokens", on=_CHAT, shows=("bad-max-tokens",), caught_by=_VALUES, source=_BOUNDS)
def no_tokens_unbounded(body: Any) -> None:
    """max_tokens of 0 is taken for no bound."""
    if body.get("max_tokens") == 0:
        del body["max_tokens"]


@fault(
    "er-bias-ignored",
    on=_CHAT,
    shows=("bad-logit-bias",),
    caught_by=_VALUES,
    source="OpenAI API reference, chat/create: logit_bias, from -100 to 100",
)
def bias_ignored(body: Any) -> None:
    """logit_bias is dropped, whatever it is."""
    body.pop("logit_bias", None)


@fault(
    "er-stops-cut",
    on=_CHAT,
    shows=("bad-stop",),
    caught_by=_VALUES,
    source="OpenAI API reference, chat/create: stop, up to 4 sequences",
)
def stops_cut(body: Any) -> None:
    """Of five stop sequences, the first four count."""
    if isinstance(body.get("stop"), list):
        body["stop"] = body["stop"][:4]


@fault(
    "er-schema-missing",
    on=_CHAT,
    shows=("bad-json-schema",),
    caught_by=_VALUES,
    source="openai/openai-openapi ResponseFormatJsonSchema: json_schema is required",
)
def schema_missing(body: Any) -> None:
    """A json_schema without a schema has no effect."""
    if body.get("response_format") == {"type": "json_schema"}:
        del body["response_format"]


@fault(
    "er-tool-unknown",
    on=_CHAT,
    shows=("bad-tool-choice",),
    caught_by=_VALUES,
    source="recorded refusals of OpenAI: tool choice not found in tools parameter",
)
def tool_unknown(body: Any) -> None:
    """A demand for a tool that is not among the tools has the effect of auto."""
    if "likewise_no_tool" in str(body.get("tool_choice")):
        body["tool_choice"] = "auto"


@fault("er-model-missing", on=asked, shows=("bad-missing-model",), caught_by=_VALUES, source=_REQUIRED)
def model_missing(seen: Asked) -> Asked:
    """A request without a model is answered by whatever is loaded."""
    if seen.operation != "chat" or not seen.body or "model" in seen.body:
        return seen
    return replace(seen, body={**seen.body, "model": seen.models[0]})


@fault(
    "er-role-accepted",
    on=_CHAT,
    shows=("bad-role",),
    caught_by=_VALUES,
    source="openai/openai-openapi ChatCompletionRequestMessage: role",
)
def role_accepted(body: Any) -> None:
    """A role that there is not is taken for user."""
    for message in _in_messages(body):
        if message.get("role") == "likewise":
            message["role"] = "user"


@fault("er-role-missing", on=_CHAT, shows=("bad-missing-role",), caught_by=_VALUES, source=_REQUIRED)
def role_missing(body: Any) -> None:
    """A message without a role is taken for a user's."""
    for message in _in_messages(body):
        message.setdefault("role", "user")


@fault("er-content-missing", on=_CHAT, shows=("bad-missing-content",), caught_by=_VALUES, source=_REQUIRED)
def content_missing(body: Any) -> None:
    """A user message without content is taken for an empty one."""
    for message in _in_messages(body):
        if message.get("role") == "user":
            message.setdefault("content", "")


@fault(
    "er-combination-accepted",
    on=_CHAT,
    shows=("bad-stream-options",),
    caught_by=_COMBINATIONS,
    source="BerriAI/litellm#5803",
)
def stream_options_dropped(body: Any) -> None:
    """stream_options without stream are dropped."""
    if not body.get("stream"):
        body.pop("stream_options", None)


@fault(
    "er-combination-accepted.top-logprobs",
    on=_CHAT,
    shows=("bad-top-logprobs",),
    caught_by=_COMBINATIONS,
    source="OpenAI API reference, chat/create: top_logprobs needs logprobs",
)
def top_logprobs_dropped(body: Any) -> None:
    """top_logprobs without logprobs is dropped."""
    if not body.get("logprobs"):
        body.pop("top_logprobs", None)


@fault(
    "er-combination-accepted.tool-choice",
    on=_CHAT,
    shows=("bad-tool-choice-alone",),
    caught_by=_COMBINATIONS,
    source="recorded refusals of OpenAI: tool_choice is only allowed when tools are specified",
)
def tool_choice_dropped(body: Any) -> None:
    """tool_choice without tools is dropped."""
    if not body.get("tools"):
        body.pop("tool_choice", None)


@fault(
    "er-combination-accepted.json",
    on=_CHAT,
    shows=("bad-json-object",),
    caught_by=_COMBINATIONS,
    source="agno-agi/agno#5317",
)
def json_word_unneeded(body: Any) -> None:
    """A JSON object is wanted without the word JSON, and words are given."""
    if body.get("response_format") == {"type": "json_object"} and "JSON" not in str(body.get("messages")):
        del body["response_format"]


@fault(
    "er-combination-accepted.strict",
    on=_CHAT,
    shows=("bad-strict-schema",),
    caught_by=_COMBINATIONS,
    source="OpenAI API guide, structured outputs: all fields are required, no others allowed",
)
def loose_schema_accepted(body: Any) -> None:
    """A strict schema that is not strict is taken for a loose one."""
    form = body.get("response_format") or {}
    if form.get("type") == "json_schema":
        form["json_schema"]["strict"] = False


@fault(
    "er-combination-accepted.tool-result",
    on=_CHAT,
    shows=("bad-tool-result",),
    caught_by=_COMBINATIONS,
    source="recorded refusals of OpenAI: messages with role tool must be a response to tool_calls",
)
def orphan_result_dropped(body: Any) -> None:
    """A tool's result that answers no call is dropped."""
    messages = list(_in_messages(body))
    if messages and not any(message.get("tool_calls") for message in messages):
        body["messages"] = [message for message in messages if message.get("role") != "tool"]


@fault(
    "er-broken-json-500",
    on=any_answer,
    shows=("broken-json", "bad-empty-body"),
    caught_by=("errors.not-the-servers-fault",),
    source="OpenAI API reference, error codes: HTTP 400 for a body that is no JSON",
)
def broken_json_500(seen: Asked, answer: Answer) -> Answer:
    """A body that is no JSON brings the server down."""
    return replace(answer, status=500) if seen.body is None and answer.status == 400 else answer


@fault(
    "er-path-200",
    on=any_answer,
    shows=("bad-path",),
    caught_by=("errors.refused",),
    source="gateways that serve their own page at every path",
)
def unknown_path_200(_: Asked, answer: Answer) -> Answer:
    """An unknown path is answered HTTP 200."""
    return plain({"status": "ok"}) if answer.status == 404 else answer


@fault(
    "er-method-404-text",
    on=error_wire,
    shows=("bad-method", "bad-path"),
    caught_by=("http.json",),
    source="routers that answer unknown paths by themselves",
)
def router_text(wire: Wire) -> Wire:
    """A router's own refusal is a line of text."""
    return with_header(with_body(wire, b"404 page not found\n"), "content-type", "text/plain")


@fault(
    "er-modes-differ",
    on=any_answer,
    shows=("no-messages",),
    caught_by=("errors.same-in-both-modes",),
    source="gateways with two code paths",
)
def modes_differ(seen: Asked, answer: Answer) -> Answer:
    """A bad request is refused with 400 plain and with 422 streamed."""
    return replace(answer, status=422) if seen.is_stream and answer.status == 400 else answer


def _busy(retry_after: str) -> Refusal:
    return Refusal(
        "Rate limit reached",
        status=429,
        kind="requests",
        code="rate_limit_exceeded",
        headers=(("retry-after", retry_after),),
    )


@fault(
    "er-retry-after-missing",
    on=plain_wire("chat"),
    shows=("defaults",),
    caught_by=("errors.retry-after-given",),
)
def retry_after_missing(wire: Wire) -> Wire:
    """HTTP 429 comes without Retry-After and without x-ratelimit headers."""
    busy = b'{"error":{"message":"Slow down","type":"requests","param":null,"code":"rate_limit_exceeded"}}'
    for name, _ in wire.headers:
        if name.startswith("x-ratelimit-"):
            wire = with_header(wire, name, None)
    return replace(with_body(wire, busy), status=429)


@fault(
    "er-retry-after-unreadable",
    on=request("chat"),
    shows=("defaults",),
    caught_by=("errors.retry-after",),
    source="the SDK reads seconds or a date",
)
def retry_after_unreadable(_: Any) -> None:
    """Retry-After of HTTP 429 is "1m"."""
    raise _busy("1m")


@fault(
    "er-retry-after-zero",
    on=request("chat"),
    shows=("defaults",),
    caught_by=("errors.retry-after",),
    source="the SDK does not wait for 0 seconds",
)
def retry_after_zero(_: Any) -> None:
    """Retry-After of HTTP 429 is 0."""
    raise _busy("0")


@fault(
    "er-busy-form",
    on=any_answer,
    shows=("defaults",),
    caught_by=("errors.busy-form",),
    source="OpenAI API reference, error codes: 429",
)
def busy_form(_: Asked, answer: Answer) -> Answer:
    """HTTP 429 carries {"message": "..."} alone."""
    return Answer(429, (*answer.headers, ("retry-after", "1")), plain({"message": "slow down"}).pieces)
