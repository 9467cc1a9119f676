"""DashScope's dialect of the OpenAI API: what it takes, and how its answers differ.

Source: Alibaba Model Studio, pages "OpenAI compatible - Chat", "Qwen API reference", "Error codes", "Deep
thinking", "Partial mode", "Context Cache", "OpenAI-compatible - Responses" and "Retrieve a response". What
one observer alone has seen of /responses is marked so in harness/dialects/dashscope.toml.
"""

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import cast

import orjson

from harness.endpoint import messages, requests, responses, shape
from harness.endpoint.answer import (
    EVENT_STREAM,
    Answer,
    Headers,
    Json,
    JsonObject,
    Kind,
    Piece,
    Wire,
    event,
    plain,
)
from harness.endpoint.conversation import Ask, prompt_tokens
from harness.endpoint.departure import Asked
from harness.endpoint.messages import read_message
from harness.endpoint.prefix_cache import Prefix
from harness.endpoint.refusal import Refusal, Unparsable
from harness.endpoint.shape import Fields, array, nullable

MODEL = "qwen-plus"
THINKING_MODEL = "qwen3.5-plus"
"""A newer model: it thinks unless it is told not to, plain too, and takes `max_completion_tokens`."""
COMPLETION_MODEL = "qwen-coder-turbo"
EMBEDDING_MODEL = "text-embedding-v4"
DIMENSIONS = (64, 128, 256, 512, 768, 1024, 1536, 2048)
DEFAULT_DIMENSIONS = 1024
MOST_INPUTS = 10
INPUT_TOKENS = 8192
OUTPUT_TOKENS = 8192
_NATIVE = "InvalidParameter"
"""The code, and type, of errors that come from the native API behind this one."""
_NATIVE_CODES: Mapping[str | None, str] = {
    "invalid_api_key": "InvalidApiKey",
    "model_not_found": "ModelNotFound",
}
ROLES = ("system", "assistant", "user", "tool", "function")

# --- requests ---


def _tool_choice(value: Json, path: str) -> None:
    """`none`, `auto` or one named function: Qwen models know no `required`."""
    if isinstance(value, str) and value not in ("none", "auto"):
        raise Refusal('tool_choice is one of the strings that should be ["none", "auto"]', param=path)
    requests.tool_choice(value, path)


def _stop(value: Json, path: str) -> None:
    """A string, or up to four strings, token ids, or arrays of token ids, and no mixture."""
    if isinstance(value, list) and value:
        array(shape.anything, of="strings", maximum=4)(value, path)
        kinds = {type(item) for item in value}
        if len(kinds) > 1 or not kinds <= {str, int, list}:
            raise shape.wrong_type(path, "an array of strings or an array of token ids", value)
        if kinds == {list}:
            array(array(shape.integer(0), of="integers"), of="arrays")(value, path)
    elif not isinstance(value, str | list):
        raise shape.wrong_type(path, "one of a string or array", value)


def _dimensions(value: Json, path: str) -> None:
    """One of the sizes that the model can give."""
    if value not in DIMENSIONS:
        raise Refusal(
            f"Value error, dimension {value} is invalid, it should be in {list(DIMENSIONS)}.: {path}",
            code=_NATIVE,
            kind=_NATIVE,
        )


CHAT = Fields(
    {
        "model": shape.string(),
        "messages": array(messages.message(ROLES, is_closed=False), minimum=1),
        "tools": nullable(array(requests.tool, minimum=1)),
        "tool_choice": nullable(_tool_choice),
        "parallel_tool_calls": nullable(shape.boolean),
        "max_tokens": nullable(shape.integer(1, OUTPUT_TOKENS)),
        "max_completion_tokens": nullable(shape.integer(1, OUTPUT_TOKENS)),
        "n": nullable(shape.integer(1, 4)),
        "temperature": nullable(shape.decimal(0, 2, is_open_above=True)),
        "top_p": nullable(shape.decimal(0, 1, is_open_below=True)),
        "top_k": nullable(shape.integer(0)),
        "presence_penalty": nullable(shape.decimal(-2, 2)),
        "repetition_penalty": nullable(shape.decimal(0, 100, is_open_below=True)),
        "logprobs": nullable(shape.boolean),
        "top_logprobs": nullable(shape.integer(0, 5)),
        "logit_bias": nullable(requests.logit_bias),
        "seed": nullable(shape.integer(0, 2**63 - 1)),
        "response_format": nullable(requests.response_format),
        "stop": nullable(_stop),
        "stream": nullable(shape.boolean),
        "stream_options": nullable(Fields({"include_usage": shape.boolean})),
        "enable_thinking": nullable(shape.boolean),
        "thinking_budget": nullable(shape.integer(1)),
        "enable_search": nullable(shape.boolean),
    }
)
"""What a chat request may hold; whatever is not here is ignored."""
_OF_NEWER_MODELS = frozenset({"max_completion_tokens"})
"""What older models ignore, whatever its value."""


def check_chat(body: JsonObject) -> JsonObject:
    """What DashScope takes of a body, without what it ignores; refuses what it refuses."""
    requests.check_present(body)
    is_newer = body["model"] == THINKING_MODEL
    if not is_newer:
        body = {key: value for key, value in body.items() if key not in _OF_NEWER_MODELS}
    CHAT(body, "")
    body = {key: body[key] for key in CHAT.fields if body.get(key) is not None}
    messages.check_conversation(cast("list[Json]", body["messages"]))
    if body.get("n", 1) != 1 and body.get("tools"):
        raise Refusal("Range of n should be [1, 1] when tools are given", param="n")
    requests.check_tools_given(body, "tool_choice")
    requests.check_choice(body)
    requests.check_logprobs(body)
    requests.check_json_word(body)
    thinks = bool(body.setdefault("enable_thinking", is_newer))
    if thinks:
        _check_thinking(body, may_be_plain=is_newer)
    _check_partial(cast("list[JsonObject]", body["messages"]), thinks=thinks)
    return body


def _check_partial(said: list[JsonObject], *, thinks: bool) -> None:
    """Only the last message may be a part of the answer, of the assistant's own, and without thinking."""
    for i, one in enumerate(said):
        if one.get("partial") is True and (thinks or one["role"] != "assistant" or one is not said[-1]):
            raise Refusal(
                "partial is for the last message, of the role assistant, in non-thinking mode",
                param=f"messages[{i}].partial",
            )


def marked(body: JsonObject) -> tuple[Prefix, ...]:
    """The prompt up to each content part with a `cache_control`, in their order."""
    said = cast("list[JsonObject]", body["messages"])
    return tuple(
        _prefix([*said[:i], {**one, "content": parts[: j + 1]}])
        for i, one in enumerate(said)
        if isinstance(parts := one.get("content"), list)
        for j, part in enumerate(cast("list[JsonObject]", parts))
        if part.get("cache_control")
    )


def _prefix(said: list[JsonObject]) -> Prefix:
    """The same for the same words, however they are cut into parts."""
    messages = tuple(read_message(one) for one in said)
    return Prefix(repr(messages), prompt_tokens(Ask(messages)))


def _check_thinking(body: JsonObject, *, may_be_plain: bool) -> None:
    if not body.get("stream") and not may_be_plain:
        raise Refusal("parameter.enable_thinking must be set to false for non-streaming calls")
    if isinstance(body.get("tool_choice"), dict):
        raise Refusal(
            "The tool_choice parameter does not support being set to required or object in thinking mode"
        )
    if cast("JsonObject", body.get("response_format") or {}).get("type") not in (None, "text"):
        raise Refusal("Json mode response is not supported when enable_thinking is true")


EMBEDDINGS = Fields(
    {
        "model": shape.string(),
        "input": shape.anything,
        "dimensions": nullable(_dimensions),
        "encoding_format": nullable(shape.choice("float", "base64")),
    }
)
"""What an embeddings request may hold; the rest is ignored. Either `encoding_format` gives floats."""


def check_embeddings(body: JsonObject) -> JsonObject:
    """What DashScope takes of a body: up to ten texts, and no token ids."""
    if not body.get("model"):
        raise Refusal("you must provide a model parameter")
    if "input" not in body:
        raise shape.missing("input")
    EMBEDDINGS(body, "")
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise Refusal(
            "Value error, contents is neither str nor list of str.: payload.input.contents",
            code=_NATIVE,
            kind=_NATIVE,
        )
    if len(texts) > MOST_INPUTS:
        message = (
            f"Value error, batch size is invalid, it should not be larger than {MOST_INPUTS}.: input.contents"
        )
        raise Refusal(message, code=_NATIVE, kind=_NATIVE)
    return {
        "model": body["model"],
        "input": body["input"],
        "dimensions": body.get("dimensions") or DEFAULT_DIMENSIONS,
    }


def check_responses(body: JsonObject) -> JsonObject:
    """What DashScope takes of a body for /responses: it ignores what it doesn't know, and other tools too."""
    body = {key: value for key, value in body.items() if key in responses.RESPONSES.fields}
    if isinstance(body.get("tools"), list):
        tools = cast("list[Json]", body["tools"])
        body["tools"] = [
            tool for tool in tools if not isinstance(tool, dict) or tool.get("type") == "function"
        ]
    return responses.check(body)


def fit(prompt: int, cap: int | None) -> int:
    """Input and output have a limit each."""
    if prompt > INPUT_TOKENS:
        raise Refusal(f"Range of input length should be [1, {INPUT_TOKENS}]")
    return cap or OUTPUT_TOKENS


# --- answers ---


def shaped(answer: Answer) -> Answer:
    """The answer with its objects and its content type as DashScope sends them."""
    headers = tuple(
        (name, "text/event-stream;charset=UTF-8" if value.startswith("text/event-stream") else value)
        for name, value in answer.headers
    )
    return replace(answer, headers=headers, pieces=tuple(_shaped_piece(piece) for piece in answer.pieces))


def _shaped_piece(piece: Piece) -> Piece:
    rewrite = _SHAPES.get(str((piece.data or {}).get("object")))
    if rewrite and piece.data:
        return replace(piece, data=rewrite(piece.data))
    response = (piece.data or {}).get("response")
    if piece.data and isinstance(response, dict):
        return replace(piece, data={**piece.data, "response": _response(response)})
    return piece


def frame(piece: Piece) -> bytes:
    """The bytes of an event. Those of /responses have a number, a comment, and no space after the colon."""
    if piece.event is None or piece.data is None:
        return event(piece)
    lines = (
        f"id:{piece.data['sequence_number']}".encode(),
        f"event:{piece.event}".encode(),
        b":HTTP_STATUS/200",
        b"data:" + orjson.dumps(piece.data),
    )
    return b"\n".join(lines) + b"\n\n"


def _completion(data: JsonObject) -> JsonObject:
    """No refusal, annotations or service tier; an index on tool calls; the keys in another order."""
    choices: list[Json] = [
        {
            "message": _message(cast("JsonObject", one["message"])),
            "finish_reason": one["finish_reason"],
            "index": one["index"],
            "logprobs": _logprobs(one["logprobs"]),
        }
        for one in cast("list[JsonObject]", data["choices"])
    ]
    return {
        "model": data["model"],
        "usage": _usage(data["usage"]),
        "choices": choices,
        "object": data["object"],
        "created": data["created"],
        "system_fingerprint": None,
        "id": data["id"],
    }


def _message(message: JsonObject) -> JsonObject:
    calls = cast("list[JsonObject]", message.get("tool_calls") or [])
    shaped: JsonObject = {"content": message["content"] or "", "role": message["role"]}
    if "reasoning_content" in message:
        shaped["reasoning_content"] = message["reasoning_content"]
    if calls:
        shaped["tool_calls"] = [
            {"function": call["function"], "index": i, "id": call["id"], "type": call["type"]}
            for i, call in enumerate(calls)
        ]
    return shaped


def _chunk(data: JsonObject) -> JsonObject:
    """Usage on every chunk, null until the last; the keys in another order."""
    choices: list[Json] = [
        {
            "delta": _delta(cast("JsonObject", one["delta"])),
            "index": one["index"],
            "logprobs": _logprobs(one["logprobs"]),
            "finish_reason": one["finish_reason"],
        }
        for one in cast("list[JsonObject]", data["choices"])
    ]
    return {
        "choices": choices,
        "object": data["object"],
        "usage": _usage(data.get("usage")),
        "created": data["created"],
        "system_fingerprint": None,
        "model": data["model"],
        "id": data["id"],
    }


def _delta(delta: JsonObject) -> JsonObject:
    """Empty content where OpenAI has nothing, null beside reasoning; later fragments repeat their head."""
    if "role" in delta:
        return {"content": "", "role": delta["role"]}
    if "reasoning_content" in delta:
        return {"content": None, "reasoning_content": delta["reasoning_content"]}
    if "tool_calls" in delta:
        return {"tool_calls": [_fragment(call) for call in cast("list[JsonObject]", delta["tool_calls"])]}
    return {"content": delta.get("content", "")}


def _fragment(call: JsonObject) -> JsonObject:
    function = cast("JsonObject", call["function"])
    if "id" in call:
        return {"index": call["index"], "id": call["id"], "type": "function", "function": function}
    later: JsonObject = {"arguments": function["arguments"], "name": None}
    return {"index": call["index"], "id": "", "type": "function", "function": later}


def _logprobs(logprobs: Json) -> Json:
    return {"content": logprobs["content"]} if isinstance(logprobs, dict) else None


def _usage(usage: Json) -> Json:
    """Reasoning counts among the text tokens; without reasoning there are no completion details."""
    if not isinstance(usage, dict):
        return None
    details = cast("JsonObject", usage["completion_tokens_details"])
    shaped: JsonObject = {key: usage[key] for key in ("prompt_tokens", "completion_tokens", "total_tokens")}
    if details["reasoning_tokens"]:
        shaped["completion_tokens_details"] = {
            "reasoning_tokens": details["reasoning_tokens"],
            "text_tokens": usage["completion_tokens"],
        }
    shaped["prompt_tokens_details"] = _cached(cast("JsonObject", usage["prompt_tokens_details"]))
    return shaped


def _cached(details: JsonObject) -> JsonObject:
    """What was read from the cache, and what a request with marks wrote to it."""
    read: JsonObject = {"cached_tokens": details["cached_tokens"]}
    if "cache_write_tokens" not in details:
        return read
    written = details["cache_write_tokens"]
    return {
        **read,
        "cache_creation": {"ephemeral_5m_input_tokens": written},
        "cache_creation_input_tokens": written,
        "cache_type": "ephemeral",
    }


def _response(data: JsonObject) -> JsonObject:
    """Without what is null, and without the text, reasoning and truncation that nobody asked for."""
    kept: JsonObject = {
        key: value
        for key, value in data.items()
        if key == "usage" or (value is not None and value != _UNASKED.get(key))
    }
    if isinstance(usage := data.get("usage"), dict):
        counts: JsonObject = {key: usage[key] for key in ("input_tokens", "output_tokens", "total_tokens")}
        kept["usage"] = {**usage, "x_details": [counts]}
    return kept


_UNASKED: JsonObject = {
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "reasoning": {"effort": None, "summary": None},
    "truncation": "disabled",
}


def _embeddings(data: JsonObject) -> JsonObject:
    """With an id."""
    return {**data, "id": str(uuid.uuid4())} if "usage" in data else data


_SHAPES: Mapping[str, Callable[[JsonObject], JsonObject]] = {
    "chat.completion": _completion,
    "chat.completion.chunk": _chunk,
    "list": _embeddings,
    "response": _response,
}
"""How an object is rewritten, by its `object`."""

# --- errors and headers ---

_PREFIX = "<400> InternalError.Algo.InvalidParameter: "
_RANGES: Mapping[str, str] = {
    "temperature": "Temperature should be in [0.0, 2.0)",
    "top_p": "Range of top_p should be (0.0, 1.0]",
    "n": "Range of n should be [1, 4]",
    "max_tokens": f"Range of max_tokens should be [1, {OUTPUT_TOKENS}]",
    "presence_penalty": "Presence_penalty should be in [-2.0, 2.0]",
    "top_logprobs": "Range of top_logprobs should be [0, 5]",
    "seed": "Range of seed should be [0, 9223372036854775807]",
}


def refused(refusal: Refusal, unique: str, asked: Asked) -> Answer:
    """The error body with two ids beside the error; smaller from the gateway, and flat on /responses.

    A stream of /responses from an unknown model is answered, and says that it failed.
    """
    if asked.operation == "responses":
        other = "Not Found" if refusal.status == 404 else _NATIVE
        code = _NATIVE_CODES.get(refusal.code, other)
        if asked.is_stream and refusal.code == "model_not_found":
            return _failed(code, refusal.message, unique)
        return plain({"code": code, "message": refusal.message, "request_id": unique}, status=refusal.status)
    if isinstance(refusal, Unparsable):
        message = "Required body invalid, please check the request body format."
        return plain({"error": {"message": message, "type": refusal.kind}}, status=400)
    message, own_code = _rephrased(refusal)
    own_id = unique if own_code == _NATIVE else f"chatcmpl-{unique}"
    error: JsonObject = {"code": own_code, "param": None, "message": message, "type": refusal.kind}
    return plain({"error": error, "id": own_id, "request_id": unique}, status=refusal.status)


def _failed(code: str, message: str, unique: str) -> Answer:
    """A stream of the one event that says why there is no response."""
    response: JsonObject = {
        "id": f"resp_{unique}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "failed",
        "error": {"code": code, "message": message},
        "output": [],
    }
    kind = "response.failed"
    data: JsonObject = {"type": kind, "sequence_number": 0, "response": response}
    return Answer(200, EVENT_STREAM, (Piece(Kind.FINISH, data, event=kind),), is_stream=True)


def _rephrased(refusal: Refusal) -> tuple[str, str | None]:
    """DashScope's message and code for a refusal."""
    if refusal.code == "invalid_api_key":
        return "Incorrect API key provided. ", refusal.code
    if refusal.status != 400 or refusal.code == _NATIVE:
        return refusal.message, refusal.code
    code, param = "invalid_parameter_error", refusal.param or ""
    if refusal.code == "empty_array":
        return f"[] is too short - '{param}'", code
    if refusal.code == "invalid_value" and param.endswith(".role"):
        place = param.replace("[", ".['")
        value = refusal.message.split("'")[1]
        return f"{value} is not one of {list(ROLES)} - '{place}'", code
    if refusal.code and refusal.code.endswith("_value") and param in _RANGES:
        return _PREFIX + _RANGES[param], code
    if not param and not refusal.code:
        return refusal.message, code
    place = "" if param in refusal.message else f" - '{param}'"
    return f"{_PREFIX}{refusal.message}{place}", code


def headers(unique: str, wire: Wire) -> Headers:
    """The headers of DashScope's gateway; times are unix milliseconds."""
    arrived_ms = time.time_ns() // 1_000_000
    cost_ms = max(1, round(wire.first_ms))
    return (
        ("x-request-id", unique),
        ("x-dashscope-call-gateway", "true"),
        ("req-cost-time", str(cost_ms)),
        ("req-arrive-time", str(arrived_ms)),
        ("resp-start-time", str(arrived_ms + cost_ms)),
        ("x-envoy-upstream-service-time", str(cost_ms)),
    )
