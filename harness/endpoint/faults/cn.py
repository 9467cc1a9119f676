"""Chat completions: faults of the plain answer."""

from dataclasses import replace
from typing import Any

import orjson

from harness.endpoint.answer import Wire
from harness.endpoint.departure import (
    body_bytes,
    choices_of,
    each,
    every,
    fault,
    objects,
    plain_wire,
    request,
    with_body,
    with_header,
)
from harness.endpoint.refusal import Refusal

_COMPLETION = objects("chat.completion")
_FOUNDING = ("founding",)


@fault("cn-id-static", on=_COMPLETION, shows=("founding", "with-usage"), caught_by=("usage.unique-ids",))
def id_static(body: Any) -> None:
    """Every answer has the id chatcmpl-20."""
    body["id"] = "chatcmpl-20"


@fault("cn-created-missing.absent", on=_COMPLETION, shows=_FOUNDING, caught_by=("chat.schema-must",))
def created_absent(body: Any) -> None:
    """The key created is missing."""
    del body["created"]


@fault(
    "cn-created-missing.zero",
    on=_COMPLETION,
    shows=_FOUNDING,
    caught_by=("chat.created-now",),
)
def created_zero(body: Any) -> None:
    """created is 0."""
    body["created"] = 0


@fault(
    "cn-created-milliseconds",
    on=_COMPLETION,
    shows=_FOUNDING,
    caught_by=("chat.created-now",),
    source="seen where a server's own clock counts milliseconds",
)
def created_milliseconds(body: Any) -> None:
    """created is in milliseconds."""
    body["created"] *= 1000


@fault(
    "cn-created-float",
    on=_COMPLETION,
    shows=_FOUNDING,
    caught_by=("chat.schema-must",),
    source="openai/openai-python#3531",
)
def created_float(body: Any) -> None:
    """created is a number with a fraction."""
    body["created"] += 0.25


@fault(
    "cn-choices-null",
    on=_COMPLETION,
    shows=_FOUNDING,
    caught_by=("chat.choice-count",),
    also=("lc-null-choices",),
    because="Without a choice there is no text, which the clients' users miss too.",
)
def choices_null(body: Any) -> None:
    """choices is null, with HTTP 200."""
    body["choices"] = None


@fault(
    "cn-choices-null.with-error",
    on=_COMPLETION,
    shows=_FOUNDING,
    caught_by=("http.no-error-in-success",),
)
def choices_null_with_error(body: Any) -> None:
    """choices is null with HTTP 200, and the true error stands beside it."""
    body["choices"] = None
    body["error"] = {"message": "Upstream failed", "type": "server_error", "param": None, "code": "502"}


@fault(
    "cn-choices-missing",
    on=_COMPLETION,
    shows=_FOUNDING,
    caught_by=("chat.choice-count",),
    source="langchain-ai/langchain#32252",
    because="Without a choice there is no text, which the clients' users miss too.",
)
def choices_missing(body: Any) -> None:
    """The key choices is missing."""
    del body["choices"]


@fault(
    "cn-choices-empty",
    on=_COMPLETION,
    shows=_FOUNDING,
    caught_by=("chat.choice-count",),
    source="langchain_openai raises IndexError on it",
    because="Without a choice there is no text, which the clients' users miss too.",
)
def choices_empty(body: Any) -> None:
    """choices is an empty array."""
    body["choices"] = []


@fault(
    "cn-body-string",
    on=plain_wire("chat"),
    shows=_FOUNDING,
    caught_by=("http.json",),
    also=("os-200-text",),
)
def body_string(wire: Wire) -> Wire:
    """HTTP 200 with a sentence as text/plain."""
    return with_header(with_body(wire, b"unsupported model: standin-1"), "content-type", "text/plain")


@fault(
    "cn-body-string.html",
    on=plain_wire("chat"),
    shows=_FOUNDING,
    caught_by=("http.json",),
)
def body_html(wire: Wire) -> Wire:
    """HTTP 200 with an HTML page."""
    page = b"<!doctype html><html><body><h1>Welcome</h1></body></html>"
    return with_header(with_body(wire, page), "content-type", "text/html; charset=utf-8")


@fault(
    "cn-body-empty",
    on=plain_wire("chat"),
    shows=_FOUNDING,
    caught_by=("http.json",),
    source="seen where a proxy loses the body of a reused connection",
)
def body_empty(wire: Wire) -> Wire:
    """HTTP 200 with an empty body."""
    return with_body(wire, b"")


@fault(
    "cn-body-nan",
    on=body_bytes("chat"),
    shows=("logprobs",),
    caught_by=("http.json",),
    source="RFC 8259, 6: Infinity and NaN are not permitted",
)
def body_nan(body: bytes) -> bytes:
    """A log probability is NaN, which is not JSON."""
    return body.replace(b'"logprob":-', b'"logprob":NaN,"was":-', 1)


@fault(
    "cn-key-twice",
    on=body_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("http.unique-keys",),
    source="RFC 8259, 4: names should be unique",
)
def key_twice(body: bytes) -> bytes:
    """The key model is there twice, with two values."""
    return body.replace(b'{"id"', b'{"model":"another","id"', 1)


@fault(
    "cn-half-character",
    on=body_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("http.whole-characters",),
    source="RFC 8259, 8.2: unpaired surrogates",
)
def half_character(body: bytes) -> bytes:
    """A text begins with half of a surrogate pair, as JavaScript writes one that was cut."""
    return body.replace(b'"content":"', b'"content":"\\ud83d', 1)


@fault(
    "cn-created-long",
    on=body_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("http.json-integers",),
    source="RFC 8259, 6: integers beyond 53 bits",
)
def created_long(body: bytes) -> bytes:
    """The time created has thirty digits."""
    return body.replace(b'"created":', b'"created":10000000000000000000', 1)


@fault(
    "cn-gbk",
    on=body_bytes("chat"),
    shows=("founding",),
    caught_by=("http.utf8",),
    source="RFC 8259, 8.1: JSON between systems is UTF-8",
)
def gbk(body: bytes) -> bytes:
    """The body is encoded in GBK."""
    return body.decode().encode("gbk", "ignore")


@fault(
    "cn-sse-tail-on-json",
    on=plain_wire("chat"),
    shows=_FOUNDING,
    caught_by=("http.plain-is-not-streamed",),
)
def sse_tail_on_json(wire: Wire) -> Wire:
    """A plain answer is labelled text/event-stream, and [DONE] follows its JSON."""
    body = wire.writes[0].data + b"\n\ndata: [DONE]\n\n"
    return with_header(with_body(wire, body), "content-type", "text/event-stream")


@fault(
    "cn-wrong-default-stream",
    on=request("chat"),
    shows=_FOUNDING,
    caught_by=("http.plain-is-not-streamed",),
)
def default_stream(body: Any) -> None:
    """A request without stream is answered with events."""
    body.setdefault("stream", True)


@fault(
    "cn-wrong-default-stream.false",
    on=request("chat"),
    shows=("defaults",),
    caught_by=("http.plain-is-not-streamed", "params.stream-honoured"),
)
def stream_false_streams(body: Any) -> None:
    """A request with stream false is answered with events."""
    if body.get("stream") is False:
        body["stream"] = True


@fault("cn-choice-index-offbyone", on=_COMPLETION, shows=_FOUNDING, caught_by=("chat.choice-indexes",))
def choice_index_offbyone(body: Any) -> None:
    """The only choice has the index 1."""
    body["choices"][0]["index"] = 1


def _finish(body: Any, reason: str | None) -> None:
    for choice in choices_of(body):
        choice["finish_reason"] = reason


@fault("cn-finish-eos", on=_COMPLETION, shows=_FOUNDING, caught_by=("chat.schema-must",))
def finish_eos(body: Any) -> None:
    """The finish reason is "eos"."""
    _finish(body, "eos")


@fault("cn-finish-eos-token.eos", on=_COMPLETION, shows=_FOUNDING, caught_by=("chat.schema-must",))
def finish_eos_token(body: Any) -> None:
    """The finish reason is "eos_token"."""
    _finish(body, "eos_token")


@fault(
    "cn-finish-eos-token.stop-sequence",
    on=_COMPLETION,
    shows=("stop",),
    caught_by=("chat.schema-must",),
)
def finish_stop_sequence(body: Any) -> None:
    """The finish reason at a stop sequence is "stop_sequence"."""
    _finish(body, "stop_sequence")


@fault("cn-finish-upper", on=_COMPLETION, shows=_FOUNDING, caught_by=("chat.schema-must",))
def finish_upper(body: Any) -> None:
    """The finish reason is "STOP"."""
    _finish(body, "STOP")


@fault("cn-finish-null", on=_COMPLETION, shows=_FOUNDING, caught_by=("chat.schema-must",))
def finish_null(body: Any) -> None:
    """A finished plain answer has the finish reason null."""
    _finish(body, None)


@fault(
    "cn-finish-empty",
    on=_COMPLETION,
    shows=_FOUNDING,
    caught_by=("chat.schema-must",),
    source="ollama/ollama#4357",
)
def finish_empty(body: Any) -> None:
    """The finish reason is an empty text."""
    _finish(body, "")


@fault(
    "cn-finish-missing",
    on=_COMPLETION,
    shows=_FOUNDING,
    caught_by=("chat.schema-must",),
    source="langchain-ai/langchain#7296",
)
def finish_missing(body: Any) -> None:
    """The key finish_reason is missing."""
    for choice in choices_of(body):
        del choice["finish_reason"]


@fault(
    "cn-finish-stop-on-cap",
    on=_COMPLETION,
    shows=("capped",),
    caught_by=("chat.cut-is-called-length",),
    source="contract of finish_reason: OpenAI API reference, the chat completion object",
)
def finish_stop_on_cap(body: Any) -> None:
    """An answer that its cap cut says stop."""
    _finish(body, "stop")


@fault(
    "cn-finish-toolcalls-on-truncation",
    on=_COMPLETION,
    shows=("tool-call-cut",),
    caught_by=("tools.cut-is-length",),
)
def finish_toolcalls_on_truncation(body: Any) -> None:
    """The cap cut a call's arguments, and the finish reason says tool_calls."""
    _finish(body, "tool_calls")


@fault("cn-usage-sum", on=_COMPLETION, shows=_FOUNDING, caught_by=("chat.usage-sum",))
def usage_sum(body: Any) -> None:
    """total_tokens counts 405 tokens of reasoning that neither part counts."""
    body["usage"]["total_tokens"] += 405


@fault("cn-usage-sum.parts", on=_COMPLETION, shows=("reasoning",), caught_by=("chat.usage-parts",))
def usage_parts(body: Any) -> None:
    """reasoning_tokens are not among the completion_tokens."""
    used = body["usage"]
    thought = used["completion_tokens_details"]["reasoning_tokens"]
    used["completion_tokens"] -= thought
    used["total_tokens"] = used["prompt_tokens"] + used["completion_tokens"]


@fault(
    "cn-usage-missing",
    on=_COMPLETION,
    shows=_FOUNDING,
    caught_by=("chat.usage-given",),
    also=("bm-no-prompt-tokens",),
    source="panbanda/higgs#77",
)
def usage_missing(body: Any) -> None:
    """A plain answer has no usage."""
    del body["usage"]


@fault(
    "cn-usage-strings",
    on=_COMPLETION,
    shows=_FOUNDING,
    caught_by=("chat.schema-must",),
    source="openai/openai-python#3531",
)
def usage_strings(body: Any) -> None:
    """The counts of usage are texts."""
    for key in ("prompt_tokens", "completion_tokens", "total_tokens"):
        body["usage"][key] = str(body["usage"][key])


@fault(
    "cn-usage-zero",
    on=_COMPLETION,
    shows=_FOUNDING,
    caught_by=("chat.usage-counts-text",),
    also=("bm-zero-token-success",),
    source="vllm-project/vllm#5895",
)
def usage_zero(body: Any) -> None:
    """usage counts no completion tokens for an answer that has text."""
    used = body["usage"]
    used["completion_tokens"], used["total_tokens"] = 0, used["prompt_tokens"]


@fault("cn-content-array", on=_COMPLETION, shows=_FOUNDING, caught_by=("chat.schema-must",))
def content_array(body: Any) -> None:
    """content is an array of typed parts."""
    message = body["choices"][0]["message"]
    message["content"] = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
        {"type": "text", "text": message["content"]},
    ]


@fault(
    "cn-content-missing",
    on=_COMPLETION,
    shows=_FOUNDING,
    caught_by=("chat.schema-spec",),
    source="OpenAI API reference, the chat completion object: message.content is required",
)
def content_missing(body: Any) -> None:
    """The message has no content key."""
    del body["choices"][0]["message"]["content"]


@fault("cn-refusal-missing", on=_COMPLETION, shows=_FOUNDING, caught_by=("chat.schema-recommended",))
def refusal_missing(body: Any) -> None:
    """The message has no refusal key."""
    del body["choices"][0]["message"]["refusal"]


@fault(
    "cn-role-wrong",
    on=_COMPLETION,
    shows=_FOUNDING,
    caught_by=("chat.schema-must",),
    source="OpenAI API reference, the chat completion object: message.role is assistant",
)
def role_wrong(body: Any) -> None:
    """The message's role is "model"."""
    body["choices"][0]["message"]["role"] = "model"


@fault(
    "cn-object-wrong",
    on=_COMPLETION,
    shows=_FOUNDING,
    caught_by=("chat.schema-must",),
    source="OpenAI API reference, the chat completion object: object",
)
def object_wrong(body: Any) -> None:
    """object is "text_completion"."""
    body["object"] = "text_completion"


@fault("cn-model-echo", on=_COMPLETION, shows=_FOUNDING, caught_by=("chat.model-named", "parity.model"))
def model_echo(body: Any) -> None:
    """The plain answer names the model by a routing prefix."""
    body["model"] = f"hosted_vllm/{body['model']}"


@fault(
    "bm-wrong-model",
    on=_COMPLETION,
    shows=_FOUNDING,
    caught_by=("chat.model-named",),
)
def wrong_model(body: Any) -> None:
    """Another model than the one named answers, and says so."""
    body["model"] = "llama-3.2-1b"


def _without_top(body: Any, *, status: int, message: str) -> None:
    if body.get("logprobs") and not body.get("top_logprobs"):
        raise Refusal(
            message, status=status, kind="server_error" if status >= 500 else "invalid_request_error"
        )


@fault(
    "cn-logprobs-needs-top.400",
    on=request("chat"),
    shows=("logprobs",),
    caught_by=("params.logprobs-accepted",),
)
def logprobs_needs_top(body: Any) -> None:
    """logprobs true without top_logprobs is refused."""
    _without_top(body, status=400, message="logprobs needs top_logprobs")


@fault(
    "cn-logprobs-needs-top.500",
    on=request("chat"),
    shows=("logprobs",),
    caught_by=("params.logprobs-accepted",),
)
def logprobs_needs_top_500(body: Any) -> None:
    """logprobs true without top_logprobs brings the server down."""
    _without_top(body, status=500, message="KeyError: 'output_top_logprobs'")


@fault(
    "cn-reasoning-field-name.in-content",
    on=_COMPLETION,
    shows=("reasoning",),
    caught_by=("chat.no-control-tokens",),
)
def reasoning_in_content(body: Any) -> None:
    """The content begins with the reasoning in think tags."""
    message = body["choices"][0]["message"]
    message["content"] = f"<think>\nAdd the two.\n</think>\n\n{message['content']}"


@fault(
    "cn-reasoning-field-name.two-names",
    on=_COMPLETION,
    shows=("reasoning",),
    caught_by=("chat.one-reasoning-field",),
)
def reasoning_two_names(body: Any) -> None:
    """The reasoning stands under reasoning and under reasoning_content."""
    message = body["choices"][0]["message"]
    message["reasoning"] = message["reasoning_content"] = "Add the two."


@fault(
    "cn-control-token-leak.tool-call",
    on=_COMPLETION,
    shows=_FOUNDING,
    caught_by=("chat.no-control-tokens",),
)
def control_token_leak(body: Any) -> None:
    """The content ends with the template's mark-up of a tool call."""
    body["choices"][0]["message"]["content"] += '\n<tool_call>\n{"name": "get_weather"}\n</tool_call>'


@fault(
    "cn-control-token-leak.turn",
    on=_COMPLETION,
    shows=_FOUNDING,
    caught_by=("chat.no-control-tokens",),
)
def control_token_turn(body: Any) -> None:
    """The content ends with the token that ends a turn."""
    body["choices"][0]["message"]["content"] += "<|im_end|>"


@fault(
    "cn-control-token-leak.minimax",
    on=_COMPLETION,
    shows=_FOUNDING,
    caught_by=("chat.no-control-tokens",),
)
def control_token_minimax(body: Any) -> None:
    """The content ends with a mangled end of a tool call."""
    body["choices"][0]["message"]["content"] += "]<]minimax[>[</tool_call>"


@fault(
    "cn-tool-calls-empty-array",
    on=_COMPLETION,
    shows=_FOUNDING,
    caught_by=("chat.no-empty-tool-calls",),
    also=("lc-tool-calls-empty",),
)
def tool_calls_empty(body: Any) -> None:
    """A message without a call has tool_calls []."""
    body["choices"][0]["message"]["tool_calls"] = []


@fault(
    "cn-tool-calls-empty-array.stream",
    on=each("chat"),
    shows=_FOUNDING,
    caught_by=("stream.no-empty-tool-calls",),
)
def tool_calls_empty_streamed(chunk: Any) -> None:
    """Every delta has tool_calls []."""
    for choice in choices_of(chunk):
        choice["delta"].setdefault("tool_calls", [])


@fault(
    "cn-usage-prompt-unstable",
    on=_COMPLETION,
    shows=("with-usage", "bad-parameter"),
    caught_by=("usage.same-prompt-same-cost",),
)
def usage_prompt_unstable(body: Any) -> None:
    """prompt_tokens differs from answer to answer, as if a cache were counted out of it."""
    used = body["usage"]
    used["prompt_tokens"] += sum(map(ord, body["id"])) % 97 + 1
    used["total_tokens"] = used["prompt_tokens"] + used["completion_tokens"]


@fault(
    "cn-finish-error",
    on=_COMPLETION,
    shows=_FOUNDING,
    caught_by=("chat.schema-must", "chat.no-error-in-choice"),
)
def finish_error(body: Any) -> None:
    """Half an answer has the finish reason "error", an error in its choice and usage null."""
    choice = body["choices"][0]
    choice["message"]["content"] = choice["message"]["content"][:4]
    choice["finish_reason"] = "error"
    choice["error"] = {"code": 502, "message": "Upstream error from provider"}
    body["usage"] = None


@fault(
    "lc-empty-content-nonstream",
    on=_COMPLETION,
    shows=_FOUNDING,
    caught_by=("chat.says-something",),
)
def empty_content(body: Any) -> None:
    """The plain answer is empty and ends with stop, while the streamed one has text."""
    body["choices"][0]["message"]["content"] = ""


@fault(
    "cn-error-in-200-null-safe",
    on=_COMPLETION,
    shows=_FOUNDING,
    caught_by=("http.no-error-in-success",),
    source="envelopes of gateways that answer HTTP 200 whatever happens",
)
def error_beside_answer(body: Any) -> None:
    """An error object stands beside a whole answer."""
    body["error"] = {"message": "quota nearly used up", "type": "warning", "param": None, "code": None}


@fault(
    "cn-id-missing",
    on=_COMPLETION,
    shows=_FOUNDING,
    caught_by=("chat.schema-must",),
    source="OpenAI API reference, the chat completion object: id",
)
def id_missing(body: Any) -> None:
    """The key id is missing."""
    del body["id"]


@fault(
    "cn-id-integer",
    on=_COMPLETION,
    shows=_FOUNDING,
    caught_by=("chat.schema-must",),
    source="openai/openai-python#3531",
)
def id_integer(body: Any) -> None:
    """The id is a number."""
    body["id"] = 20


@fault(
    "cn-double-encoded",
    on=body_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("http.json",),
    source="gateways that serialise what is serialised already",
)
def double_encoded(body: bytes) -> bytes:
    """The body is a JSON text that holds the JSON."""
    return orjson.dumps(body.decode())


@fault(
    "cn-truncated-json",
    on=plain_wire("chat"),
    shows=_FOUNDING,
    caught_by=("http.json",),
    source="proxies with a limit on bodies",
)
def truncated_json(wire: Wire) -> Wire:
    """The body ends in the middle of the JSON, and content-length agrees with it."""
    return with_body(wire, wire.writes[0].data[: len(wire.writes[0].data) // 2])


@fault(
    "cn-short-body",
    on=plain_wire("chat"),
    shows=_FOUNDING,
    caught_by=("http.whole-body",),
    source="RFC 9112, 6.3: a body shorter than its content-length is incomplete",
)
def short_body(wire: Wire) -> Wire:
    """The connection is cut in the middle of a plain body."""
    write = wire.writes[0]
    half = replace(write, data=write.data[: len(write.data) // 2])
    return replace(wire, writes=(half,), is_cut=True)


@fault(
    "cn-finish-camelcase",
    on=_COMPLETION,
    shows=_FOUNDING,
    caught_by=("chat.key-case",),
    also=("sc-finish-camelcase",),
    source="jakobdylanc/llmcord#84",
)
def finish_camel_case(body: Any) -> None:
    """The finish reason of a plain answer stands under finishReason."""
    for choice in choices_of(body):
        choice["finishReason"] = choice.pop("finish_reason")


@fault(
    "cn-reasoning-twice",
    on=_COMPLETION,
    shows=("reasoning",),
    caught_by=("params.reasoning-apart",),
    also=("cn-reasoning-field-name",),
    source="lmstudio-ai/lmstudio-bug-tracker#723",
)
def reasoning_twice(body: Any) -> None:
    """The reasoning stands in reasoning_content and in the content as well."""
    message = body["choices"][0]["message"]
    message["reasoning_content"] = "The user wants the sum of two numbers, so I add the two."
    message["content"] = f"{message['reasoning_content']} {message['content']}"


@fault(
    "cn-reasoning-uncounted",
    on=_COMPLETION,
    shows=("founding",),
    caught_by=("params.reasoning-counted",),
    also=("bm-hidden-reasoning",),
    source="PaddlePaddle/FastDeploy#8113",
)
def reasoning_uncounted(body: Any) -> None:
    """Reasoning is shown, and usage counts 0 tokens of it."""
    body["choices"][0]["message"]["reasoning_content"] = "The user wants to know who I am."


@fault(
    "cn-usage-prompt-zero",
    on=every("chat"),
    shows=("with-usage", "founding"),
    caught_by=("params.messages-counted",),
    source="OpenAI API reference, completion usage: a prompt costs tokens",
)
def prompt_uncounted(body: Any) -> None:
    """usage counts no prompt tokens, and its total is that of the completion."""
    if usage := body.get("usage"):
        usage.update(prompt_tokens=0, total_tokens=usage["completion_tokens"])


@fault(
    "cn-object-wrong.chunk",
    on=_COMPLETION,
    shows=_FOUNDING,
    caught_by=("chat.schema-must",),
    source="Portkey-AI/gateway#858",
)
def object_of_chunks(body: Any) -> None:
    """A plain answer is called chat.completion.chunk, and its usage counts the completion alone."""
    body["object"] = "chat.completion.chunk"
    body["usage"] = {"completion_tokens": body["usage"]["completion_tokens"]}
