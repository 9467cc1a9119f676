"""Other objects that say the same: JSON written otherwise, optional keys, ids, recorded shapes."""

import json
from typing import Any

import orjson

from harness.endpoint.departure import (
    Asked,
    Small,
    asked,
    body_bytes,
    calls_of,
    choices_of,
    each,
    errors,
    event_bytes,
    events,
    every,
    objects,
    request,
    variation,
)
from harness.endpoint.refusal import Refusal

_PLAIN = objects("chat.completion")
_EACH = each("chat")
_CHAT = ("founding", "with-usage", "tool-call")
_JSON = "RFC 8259, 4 and 7: the order of keys, white space and escapes mean nothing"
_NEW_KEYS = "OpenAI API reference, backward compatibility: new keys may come at any time"
_IDS = "OpenAI API reference, backward compatibility: the form of ids may change"
_OPTIONAL = "openai/openai-openapi, corrected by recorded answers: optional"
_RECORDED = "recorded answers of OpenAI"


def _reversed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _reversed(value[key]) for key in reversed(value)}
    return [_reversed(item) for item in value] if isinstance(value, list) else value


# --- JSON ---


@variation("key-order", on=_PLAIN, shows=_CHAT, source=_JSON)
def key_order(body: Any) -> Any:
    """The keys of a plain answer come in the opposite order."""
    return _reversed(body)


@variation("key-order-stream", on=_EACH, shows=_CHAT, source=_JSON)
def key_order_stream(chunk: Any) -> Any:
    """The keys of chunks come in the opposite order."""
    return _reversed(chunk)


@variation("key-order-error", on=errors, shows=("no-messages",), source=_JSON)
def key_order_error(body: Any) -> Any:
    """The keys of an error come in the opposite order."""
    return _reversed(body)


@variation("key-order-responses", on=each("responses"), shows=("response",), source=_JSON)
def key_order_responses(event: Any) -> Any:
    """The keys of events come in the opposite order."""
    return _reversed(event)


@variation("white-space", on=body_bytes("chat"), shows=_CHAT, source=_JSON)
def white_space(body: bytes) -> bytes:
    """A plain answer is indented, with line ends before and after it."""
    return b"\n" + orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2) + b"\n"


@variation(
    "white-space-first", on=body_bytes("chat"), shows=_CHAT, source=_JSON, rows=("sf-deepseek-keepalive",)
)
def white_space_first(body: bytes) -> bytes:
    """Empty lines come before a plain answer, as from a queue."""
    return b"\n\n\n\n" + body


def _in_event(event: bytes, write: Small) -> bytes:
    payload = event.removeprefix(b"data: ").removesuffix(b"\n\n")
    return event if payload == b"[DONE]" else b"data: " + write(json.loads(payload)).encode() + b"\n\n"


@variation("white-space-stream", on=event_bytes("chat"), shows=_CHAT, source=_JSON)
def white_space_stream(event: bytes) -> bytes:
    """The JSON of chunks has spaces after commas and colons."""
    return _in_event(event, lambda chunk: json.dumps(chunk, ensure_ascii=False))


@variation("escapes", on=body_bytes("chat"), shows=("founding", "unicode-echo"), source=_JSON)
def escapes(body: bytes) -> bytes:
    """Everything beyond ASCII is escaped in a plain answer."""
    return json.dumps(json.loads(body)).encode()


@variation("escapes-stream", on=event_bytes("chat"), shows=("founding", "unicode-echo"), source=_JSON)
def escapes_stream(event: bytes) -> bytes:
    """Everything beyond ASCII is escaped in chunks."""
    return _in_event(event, json.dumps)


@variation("escaped-slash", on=body_bytes("chat"), shows=("founding",), source=_JSON)
def escaped_slash(body: bytes) -> bytes:
    """A full stop is written as an escape, though it need not be."""
    return body.replace("。".encode(), b"\\u3002").replace(b"standin-1", b"standin\\u002d1")


# --- keys ---


@variation("extra-keys", on=_PLAIN, shows=_CHAT, source=_NEW_KEYS, rows=("cn-extra-fields",))
def extra_keys(body: Any) -> None:
    """A plain answer has keys of the vendor's own at every level."""
    body.update(provider="x", metadata={}, usage={**body["usage"], "cost": 0.01, "num_sources": 0})
    for choice in choices_of(body):
        choice.update(matched_stop=None, stop_reason=None, native_finish_reason="stop")
        choice["message"].update(thinking_blocks=None, provider_specific_fields={"a": [1]})


@variation("extra-keys-stream", on=_EACH, shows=_CHAT, source=_NEW_KEYS, rows=("sc-extra-toplevel",))
def extra_keys_stream(chunk: Any) -> None:
    """Chunks have keys of the vendor's own at every level."""
    chunk.update(lastOne=False, provider="x")
    for choice in choices_of(chunk):
        choice.update(matched_stop=None, stop_reason=None)
        choice["delta"].setdefault("provider_specific_fields", None)


@variation(
    "extra-keys-error",
    on=errors,
    shows=("no-messages", "wrong-key"),
    source=_NEW_KEYS,
    rows=("er-extra-toplevel",),
)
def extra_keys_error(body: Any) -> None:
    """id and request_id stand beside an error, and one key more is in it."""
    body.update(id="chatcmpl-1", request_id="1")
    body["error"]["inner_error"] = {}


@variation(
    "extra-keys-models", on=objects("list", operation="models"), shows=("models-list",), source=_NEW_KEYS
)
def extra_keys_models(body: Any) -> None:
    """Models have a context length, a parent and the former permission."""
    for model in body["data"]:
        model.update(context_length=8192, root=model["id"], parent=None, permission=[{}], shutdown_date=None)


@variation(
    "extra-keys-embeddings",
    on=objects("list", operation="embeddings"),
    shows=("embedding-batch",),
    source=_NEW_KEYS,
)
def extra_keys_embeddings(body: Any) -> None:
    """Embeddings have an id and a time."""
    body.update(id="1", created=1)


@variation("extra-keys-responses", on=objects("response"), shows=("response",), source=_NEW_KEYS)
def extra_keys_responses(body: Any) -> None:
    """A response has keys that came later, and the vendor's own."""
    body.update(image=None, tool_usage={}, access_programs=None, x_provider="x")


@variation("fingerprint-absent", on=_PLAIN, shows=_CHAT, source=_OPTIONAL)
def fingerprint_absent(body: Any) -> None:
    """A plain answer has no system_fingerprint and no service_tier."""
    body.pop("system_fingerprint", None)
    body.pop("service_tier", None)


@variation("fingerprint-null", on=_PLAIN, shows=_CHAT, source=_RECORDED)
def fingerprint_null(body: Any) -> None:
    """system_fingerprint and service_tier are null."""
    body["system_fingerprint"] = body["service_tier"] = None


@variation("fingerprint-empty", on=_PLAIN, shows=_CHAT, source=_RECORDED, rows=("cn-system-fp",))
def fingerprint_empty(body: Any) -> None:
    """system_fingerprint is an empty text, as from OpenAI's search models."""
    body["system_fingerprint"] = ""


@variation("fingerprint-null-stream", on=_EACH, shows=_CHAT, source=_RECORDED, rows=("cn-system-fp",))
def fingerprint_null_stream(chunk: Any) -> None:
    """system_fingerprint and service_tier of chunks are null."""
    chunk["system_fingerprint"] = chunk["service_tier"] = None


@variation("fingerprint-absent-stream", on=_EACH, shows=_CHAT, source=_OPTIONAL)
def fingerprint_absent_stream(chunk: Any) -> None:
    """Chunks have no system_fingerprint and no service_tier."""
    chunk.pop("system_fingerprint", None)
    chunk.pop("service_tier", None)


@variation("refusal-absent", on=_PLAIN, shows=_CHAT, source=_OPTIONAL)
def refusal_absent(body: Any) -> None:
    """A message has no refusal and no annotations."""
    for choice in choices_of(body):
        choice["message"].pop("refusal", None)
        choice["message"].pop("annotations", None)


@variation("logprobs-absent", on=_PLAIN, shows=_CHAT, source=_RECORDED)
def logprobs_absent(body: Any) -> None:
    """Choices have no logprobs key."""
    for choice in choices_of(body):
        choice.pop("logprobs", None)


@variation("logprobs-absent-stream", on=_EACH, shows=_CHAT, source=_RECORDED)
def logprobs_absent_stream(chunk: Any) -> None:
    """Choices of chunks have no logprobs key."""
    for choice in choices_of(chunk):
        choice.pop("logprobs", None)


@variation(
    "logprobs-without-refusal",
    on=_PLAIN,
    shows=("logprobs", "top-logprobs"),
    source="openai/openai-openapi: the document's own example has content alone",
)
def logprobs_without_refusal(body: Any) -> None:
    """logprobs has no refusal key."""
    for choice in choices_of(body):
        (choice["logprobs"] or {}).pop("refusal", None)


@variation("details-absent", on=_PLAIN, shows=("founding", "with-usage"), source=_OPTIONAL)
def details_absent(body: Any) -> None:
    """usage has the three sums and no details."""
    body["usage"] = {key: value for key, value in body["usage"].items() if not key.endswith("_details")}


@variation("details-more", on=_PLAIN, shows=("founding", "with-usage"), source=_RECORDED)
def details_more(body: Any) -> None:
    """usage details count texts and pictures, as OpenAI's audio models do."""
    used = body["usage"]
    used["prompt_tokens_details"].update(text_tokens=used["prompt_tokens"], image_tokens=0)
    used.setdefault("completion_tokens_details", {}).update(text_tokens=used["completion_tokens"])


@variation(
    "cached-tokens", on=_PLAIN, shows=("founding", "with-usage"), source="OpenAI API guide, prompt caching"
)
def cached_tokens(body: Any) -> None:
    """Half of the prompt's tokens are cached."""
    body["usage"]["prompt_tokens_details"]["cached_tokens"] = body["usage"]["prompt_tokens"] // 2


@variation(
    "obfuscation-absent", on=_EACH, shows=_CHAT, source="OpenAI API reference, chat/create: stream_options"
)
def obfuscation_absent(chunk: Any) -> None:
    """Chunks have no obfuscation."""
    chunk.pop("obfuscation", None)


@variation("obfuscation-long", on=_EACH, shows=_CHAT, source=_RECORDED)
def obfuscation_long(chunk: Any) -> None:
    """Chunks have an obfuscation of hundreds of characters."""
    chunk["obfuscation"] = "aZ09" * 100


@variation("tier-other", on=_PLAIN, shows=_CHAT, source="OpenAI API reference, chat/create: service_tier")
def tier_other(body: Any) -> None:
    """The answer came by another tier."""
    body["service_tier"] = "flex"


# --- ids, times, names ---


@variation("id-plain", on=_PLAIN, shows=_CHAT, source=_IDS)
def id_plain(body: Any) -> None:
    """The id is hexadecimal, without chatcmpl-."""
    body["id"] = body["id"].removeprefix("chatcmpl-").encode().hex()


@variation("id-gen", on=_EACH, shows=_CHAT, source=_IDS)
def id_gen(chunk: Any) -> None:
    """The id of a stream begins with gen-."""
    chunk["id"] = chunk["id"].replace("chatcmpl-", "gen-1764000000-")


@variation("call-id-other", on=_PLAIN, shows=("tool-call", "tool-result"), source=_IDS)
def call_id_other(body: Any) -> None:
    """Ids of tool calls are toolu_ and nine letters and digits."""
    for call in calls_of(body):
        call["id"] = f"toolu_{call['id'][-9:]}"


@variation("call-id-uuid", on=_EACH, shows=("tool-call", "tool-result-streamed"), source=_IDS)
def call_id_uuid(chunk: Any) -> None:
    """Ids of streamed tool calls are UUIDs."""
    for call in calls_of(chunk):
        if call.get("id"):
            call["id"] = f"chatcmpl-tool-{call['id'][-24:]}"


@variation(
    "snapshot", on=every("chat"), shows=("with-usage", "tool-call"), source=_RECORDED, rows=("cn-model-echo",)
)
def snapshot(body: Any) -> None:
    """Answers name a snapshot of the model."""
    body["model"] = f"{body['model']}-2026-08-07"


@variation("snapshot-completions", on=every("completions"), shows=("completion",), source=_RECORDED)
def snapshot_completions(body: Any) -> None:
    """Legacy completions name a snapshot of the model."""
    body["model"] = f"{body['model']}-2026-08-07"


# --- chunks ---


@variation(
    "finish-with-empty-content",
    on=_EACH,
    shows=("founding", "with-usage"),
    source='DashScope\'s documentation: the last delta has the content ""',
)
def finish_with_empty_content(chunk: Any) -> None:
    """The finish reason comes with {"content": ""}."""
    for choice in choices_of(chunk):
        if choice["finish_reason"]:
            choice["delta"] = {"content": ""}


@variation(
    "finish-with-empty-delta",
    on=_EACH,
    shows=("founding", "with-usage", "tool-call"),
    source=_RECORDED,
    rows=("sc-finish-in-empty-delta", "ds-finish-empty-delta"),
)
def finish_with_empty_delta(chunk: Any) -> None:
    """The finish reason comes with {}."""
    for choice in choices_of(chunk):
        if choice["finish_reason"]:
            choice["delta"] = {}


@variation(
    "role-without-content",
    on=_EACH,
    shows=("founding", "tool-call"),
    source="OpenAI API reference, the chat completion chunk object: content is optional",
)
def role_without_content(chunk: Any) -> None:
    """The first delta has the role alone."""
    for choice in choices_of(chunk):
        if "role" in choice["delta"]:
            choice["delta"] = {"role": "assistant"}


@variation(
    "role-with-null-content",
    on=_EACH,
    shows=("founding", "tool-call"),
    source="recorded streams of OpenAI with tool calls: the first delta has the content null",
)
def role_with_null_content(chunk: Any) -> None:
    """The first delta has the content null."""
    for choice in choices_of(chunk):
        if "role" in choice["delta"]:
            choice["delta"] = {"role": "assistant", "content": None}


@variation(
    "role-with-text",
    on=events("chat"),
    shows=("founding", "with-usage"),
    source="OpenAI API reference, the chat completion chunk object: a delta may have role and content",
)
def role_with_text(chunks: list[Any]) -> None:
    """The first delta has the role and the first text."""
    first = chunks.pop(0)
    chunks[0]["choices"][0]["delta"].update(role=first["choices"][0]["delta"]["role"])


@variation(
    "refusal-null-in-deltas",
    on=_EACH,
    shows=("founding", "with-usage"),
    source="openai/openai-openapi: refusal is nullable",
)
def refusal_null(chunk: Any) -> None:
    """Every delta of text has refusal null."""
    for choice in choices_of(chunk):
        if choice["delta"].get("content"):
            choice["delta"]["refusal"] = None


@variation(
    "many-token-chunks",
    on=events("chat"),
    shows=("founding", "with-usage"),
    source="OpenAI promises no size of chunks",
)
def many_token_chunks(chunks: list[Any]) -> None:
    """A chunk holds three tokens."""
    texts = [chunk for chunk in chunks if chunk["choices"] and chunk["choices"][0]["delta"].get("content")]
    for start in range(0, len(texts), 3):
        kept, *rest = texts[start : start + 3]
        for chunk in rest:
            kept["choices"][0]["delta"]["content"] += chunk["choices"][0]["delta"]["content"]
            chunks.remove(chunk)


@variation(
    "one-character-chunks",
    on=events("chat"),
    shows=("founding", "with-usage"),
    source="OpenAI promises no size of chunks",
)
def one_character_chunks(chunks: list[Any]) -> list[Any]:
    """A chunk holds one character."""
    split: list[Any] = []
    for chunk in chunks:
        content = chunk["choices"] and chunk["choices"][0]["delta"].get("content")
        for character in content or "":
            (choice,) = chunk["choices"]
            split.append(
                {**chunk, "choices": [{**choice, "delta": {**choice["delta"], "content": character}}]}
            )
        if not content:
            split.append(chunk)
    return split


@variation(
    "empty-deltas-between",
    on=events("chat"),
    shows=("founding", "with-usage"),
    source="OpenAI API reference, the chat completion chunk object: every member of delta is optional",
)
def empty_deltas_between(chunks: list[Any]) -> list[Any]:
    """Between texts come chunks with an empty delta, as while tokens are held back."""
    made: list[Any] = []
    for chunk in chunks:
        made.append(chunk)
        if chunk["choices"] and chunk["choices"][0]["delta"].get("content"):
            (choice,) = chunk["choices"]
            made.append({**chunk, "choices": [{**choice, "delta": {}}]})
    return made


@variation(
    "call-in-one-fragment",
    on=events("chat"),
    shows=("tool-call", "tool-call-helper"),
    source="OpenAI promises no size of fragments",
    rows=("st-single-blob",),
)
def call_in_one_fragment(chunks: list[Any]) -> None:
    """A whole call comes in one fragment."""
    first, *rest = [chunk for chunk in chunks if any(calls_of(chunk))]
    (call,) = calls_of(first)
    for chunk in rest:
        (more,) = calls_of(chunk)
        call["function"]["arguments"] += more["function"]["arguments"]
        chunks.remove(chunk)


@variation(
    "call-in-character-fragments",
    on=events("chat"),
    shows=("tool-call", "tool-call-helper"),
    source="OpenAI promises no size of fragments",
)
def call_in_character_fragments(chunks: list[Any]) -> list[Any]:
    """A fragment holds one character of the arguments."""
    split: list[Any] = []
    for chunk in chunks:
        calls = list(calls_of(chunk))
        arguments = calls[0]["function"]["arguments"] if calls else ""
        if not arguments:
            split.append(chunk)
        for character in arguments:
            (choice,) = chunk["choices"]
            call = {**calls[0], "function": {**calls[0]["function"], "arguments": character}}
            split.append({**chunk, "choices": [{**choice, "delta": {"tool_calls": [call]}}]})
    return split


@variation(
    "text-before-call",
    on=events("chat"),
    shows=("tool-call",),
    source="OpenAI API reference, the chat completion object: a message may have text and tool calls",
)
def text_before_call(chunks: list[Any]) -> None:
    """A text comes before the calls of a stream."""
    (choice,) = chunks[0]["choices"]
    delta = {"content": "Let me look."}
    chunks.insert(1, {**chunks[0], "choices": [{**choice, "delta": delta}]})


@variation(
    "text-beside-call",
    on=_PLAIN,
    shows=("tool-call", "tool-result"),
    source="OpenAI API reference, the chat completion object: a message may have text and tool calls",
)
def text_beside_call(body: Any) -> None:
    """A message has a text and calls."""
    for choice in choices_of(body):
        if choice["message"].get("tool_calls"):
            choice["message"]["content"] = "Let me look."


@variation(
    "reasoning-taken-back",
    on=request("chat"),
    shows=("tool-result",),
    source="DeepSeek API documentation: reasoning_content may come back",
)
def reasoning_taken_back(body: Any) -> None:
    """A message that comes back with reasoning_content is accepted."""
    messages = body.get("messages")
    for message in messages if isinstance(messages, list) else ():
        message.pop("reasoning_content", None)


@variation(
    "reasoning-shown",
    on=_PLAIN,
    shows=("founding", "tool-call", "tool-result"),
    source=f"DeepSeek API documentation, reasoning_content; {_NEW_KEYS}",
    rows=("lc-reasoning-dropped", "lc-maintainer-policy"),
    beside=("reasoning-taken-back",),
)
def reasoning_shown(body: Any) -> None:
    """A message has reasoning_content beside its text, and its tokens count."""
    for choice in choices_of(body):
        choice["message"]["reasoning_content"] = "The user wants an answer."
    used = body["usage"]
    used["completion_tokens"] += 5
    used["total_tokens"] += 5
    used.setdefault("completion_tokens_details", {})["reasoning_tokens"] = 5


@variation(
    "thoughts-until-the-cap",
    on=request("chat"),
    shows=("capped-completion",),
    source="recorded answers of OpenAI: the content is an empty text when the cap is hit while thinking",
)
def thoughts_until_the_cap(body: Any) -> None:
    """The cap is used up by hidden reasoning, so that the answer is empty and ends with length."""
    if body.get("max_completion_tokens") == 12:
        body["reasoning_effort"] = "high"


@variation(
    "named-call-ends-with-tool-calls",
    on=every("chat"),
    shows=("tool-call-named",),
    source="OpenAI API reference, chat/create: a named call ends with stop or with tool_calls",
)
def named_call_ends_with_tool_calls(body: Any) -> None:
    """The finish reason of a call that was demanded by name is tool_calls."""
    for choice in choices_of(body):
        choice["finish_reason"] = choice["finish_reason"] and "tool_calls"


@variation(
    "fewer-alternatives",
    on=every("chat"),
    shows=("top-logprobs",),
    source="OpenAI API reference, the chat completion object: top_logprobs may be fewer than asked for",
)
def fewer_alternatives(body: Any) -> None:
    """Tokens have an alternative less than asked for."""
    for choice in choices_of(body):
        for token in (choice["logprobs"] or {}).get("content") or ():
            token["top_logprobs"] = token["top_logprobs"][:-1]


@variation(
    "logprobs-bytes-null",
    on=every("chat"),
    shows=("logprobs", "top-logprobs"),
    source="openai/openai-openapi: bytes are null for a token without them",
)
def bytes_null(body: Any) -> None:
    """The bytes of tokens are null."""
    for choice in choices_of(body):
        for token in (choice["logprobs"] or {}).get("content") or ():
            token["bytes"] = None


@variation(
    "choices-one-after-another",
    on=events("chat"),
    shows=("two-choices",),
    source="OpenAI API reference, the chat completion chunk object: the order between choices is free",
)
def choices_one_after_another(chunks: list[Any]) -> list[Any]:
    """The second choice of a stream begins when the first has ended."""
    return sorted(chunks, key=lambda chunk: chunk["choices"][0]["index"] if chunk["choices"] else 9)


@variation(
    "busy-once",
    on=asked,
    shows=("founding",),
    source="openai/openai-openapi TooManyRequests: whoever comes back later is answered",
)
def busy_once(seen: Asked) -> Asked:
    """The first request is answered HTTP 429 with Retry-After: 1."""
    if seen.ordinal == 0:
        raise Refusal(
            "Rate limit reached",
            status=429,
            kind="requests",
            code="rate_limit_exceeded",
            headers=(("retry-after", "1"),),
        )
    return seen


@variation(
    "reasoning-streamed",
    on=events("chat"),
    shows=("with-usage",),
    source=f"DeepSeek API documentation, reasoning_content; {_NEW_KEYS}",
    rows=("sc-reasoning-pollution",),
)
def reasoning_streamed(chunks: list[Any]) -> None:
    """Two hundred chunks with reasoning_content and the content null come before the text."""
    (choice,) = chunks[0]["choices"]
    delta = {"content": None, "reasoning_content": "Hm. "}
    thoughts = [{**chunks[0], "choices": [{**choice, "delta": delta}]} for _ in range(200)]
    chunks[1:1] = thoughts
    for chunk in chunks:
        if chunk.get("usage"):
            used = chunk["usage"]
            used["completion_tokens"] += 200
            used["total_tokens"] += 200
            if "completion_tokens_details" in used:
                used["completion_tokens_details"]["reasoning_tokens"] = 200


@variation(
    "moderation-last",
    on=_EACH,
    shows=("founding",),
    source="openai SDK 3.54: chunks may carry moderation",
)
def moderation(chunk: Any) -> None:
    """Chunks have moderation null."""
    chunk["moderation"] = None


# --- other legal answers ---


@variation("error-code-other", on=errors, shows=("bad-temperature", "bad-role"), source=_RECORDED)
def error_code_other(body: Any) -> None:
    """A bad value has another of OpenAI's codes."""
    body["error"]["code"] = "invalid_request_error"


@variation("error-code-null", on=errors, shows=("no-messages", "bad-temperature"), source=_RECORDED)
def error_code_null(body: Any) -> None:
    """The code of an error is null."""
    body["error"]["code"] = None


@variation("error-param-null", on=errors, shows=("no-messages", "bad-temperature"), source=_RECORDED)
def error_param_null(body: Any) -> None:
    """The param of an error is null, and its message names what is wrong."""
    body["error"]["param"] = None


@variation(
    "embeddings-always-numbers",
    on=request("embeddings"),
    shows=("embedding-text", "embedding-batch"),
    source="OpenAI API reference, embeddings: encoding_format; the SDK asks for base64 by itself and copes",
)
def embeddings_always_numbers(body: Any) -> None:
    """Vectors are numbers where the SDK asked for base64 of its own accord."""
    body.pop("encoding_format", None)


@variation(
    "responses-without-logprobs",
    on=objects("response"),
    shows=("response",),
    source="the document's own examples have no logprobs",
)
def responses_without_logprobs(body: Any) -> None:
    """Texts of a response have no logprobs, usage no cache_write_tokens."""
    body["usage"]["input_tokens_details"].pop("cache_write_tokens", None)
    for item in body["output"]:
        for part in item.get("content", ()):
            part.pop("logprobs", None)


@variation(
    "responses-from-one",
    on=events("responses"),
    shows=("response",),
    source="captures of compatible servers: numbers begin at 1",
)
def responses_from_one(chunks: list[Any]) -> None:
    """Sequence numbers begin at 1."""
    for event in chunks:
        event["sequence_number"] += 1


@variation(
    "responses-queued",
    on=events("responses"),
    shows=("response",),
    source="OpenAI API reference, streaming events: response.queued",
)
def responses_queued(chunks: list[Any]) -> None:
    """response.queued comes before response.in_progress."""
    queued = {**chunks[0], "type": "response.queued"}
    queued["response"] = {**chunks[0]["response"], "status": "queued"}
    chunks.insert(1, queued)
    for number, event in enumerate(chunks):
        event["sequence_number"] = number


_REFUSED = "I'm sorry, I can't help with that."
_MAY_REFUSE = "OpenAI API guide, structured outputs: refusals; a message has content or refusal"
_DECIDES_NOTHING = "A refusal decides nothing of the document or the call that was asked for."
_REFUSABLE = (
    "founding",
    "json-object",
    "json-schema",
    "json-schema-parse",
    "langchain-json-schema",
    "langchain-json-mode",
    "tool-call",
    "tool-call-named",
    "tool-call-required",
    "tool-result",
)


@variation("refused", on=_PLAIN, shows=_REFUSABLE, source=_MAY_REFUSE, because=_DECIDES_NOTHING)
def refused(body: Any) -> None:
    """The model refuses: content is null, and refusal says so."""
    for choice in choices_of(body):
        choice["message"].update(content=None, refusal=_REFUSED)
        choice["message"].pop("tool_calls", None)
        choice["finish_reason"] = "stop"


@variation(
    "refused-stream", on=events("chat"), shows=_REFUSABLE, source=_MAY_REFUSE, because=_DECIDES_NOTHING
)
def refused_stream(chunks: list[Any]) -> None:
    """The model refuses in a stream: the deltas have refusal and no content."""
    first, *later = chunks
    role, said = (
        {**first, "choices": [{**first["choices"][0], "delta": delta}]} for delta in _REFUSAL_DELTAS
    )
    ends = [chunk for chunk in later if not choices_of(chunk) or choices_of(chunk)[0]["finish_reason"]]
    for choice in (choice for chunk in ends for choice in choices_of(chunk)):
        choice.update(delta={}, finish_reason="stop")
    chunks[:] = [role, said, *ends]


_REFUSAL_DELTAS = ({"role": "assistant", "content": None, "refusal": ""}, {"refusal": _REFUSED})


@variation(
    "responses-refused",
    on=objects("response"),
    shows=("response-format", "response-tool-named"),
    source="OpenAI API reference, the response object: output[].content[], a refusal",
    because=_DECIDES_NOTHING,
)
def responses_refused(body: Any) -> None:
    """The model refuses: the message has a part of type refusal."""
    body["output"] = [
        {
            "id": "msg_1",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "refusal", "refusal": _REFUSED}],
        }
    ]


@variation(
    "text-about-markup",
    on=_PLAIN,
    shows=("founding",),
    source="CommonMark, 6.1 and 4.5: code spans and code blocks say their text as it is",
)
def text_about_markup(body: Any) -> None:
    """The text speaks of the markup of templates, in code and in quotation marks."""
    body["choices"][0]["message"]["content"] = (
        'Thoughts stand between `<think>` and `</think>`, a turn ends with "<|im_end|>":\n\n'
        "```\n<|im_start|>user\nHi<|im_end|>\n```"
    )


@variation(
    "responses-reasoning-item",
    on=objects("response"),
    shows=("response",),
    source="OpenAI API reference, the response object: reasoning items",
    rows=("re-multi-message-parse",),
)
def responses_reasoning_item(body: Any) -> None:
    """A reasoning item comes before the message."""
    body["output"].insert(0, {"id": "rs_1", "type": "reasoning", "summary": []})


@variation(
    "completion-chunks-joined",
    on=events("completions"),
    shows=("completion",),
    source="recorded legacy streams of OpenAI: text and finish reason may come in one chunk",
)
def completion_finish_with_text(chunks: list[Any]) -> None:
    """The last text of a legacy stream comes with its finish reason."""
    last = chunks[-1]["choices"] and chunks[-1]["choices"][0]["finish_reason"]
    if last:
        chunks.pop()
        chunks[-1]["choices"][0]["finish_reason"] = last


@variation(
    "models-constant",
    on=objects("list", operation="models"),
    shows=("models-list",),
    source="nothing outside says when a model was made, or by whom",
    rows=("mo-hardcoded", "mo-no-capabilities", "mo-permission-incomplete"),
)
def models_constant(body: Any) -> None:
    """All models, one of pictures among them, have the same created and owned_by, and a bare permission."""
    body["data"].append({**body["data"][0], "id": "pictures-1"})
    for model in body["data"]:
        model.update(created=1_686_935_002, owned_by="openai", permission=[{"id": "modelperm-1"}])


@variation(
    "error-message-prefix",
    on=errors,
    shows=("no-messages", "bad-temperature"),
    source="OpenAI promises nothing of a message's wording",
    rows=("ds-error-prefix",),
)
def error_message_prefix(body: Any) -> None:
    """The message of an error begins with a status and an inner code."""
    body["error"]["message"] = f"<400> InternalError.Algo.InvalidParameter: {body['error']['message']}"
