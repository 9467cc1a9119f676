"""Chat completions: requests that are refused though they are right, and parameters that have no effect."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson

from harness.endpoint.answer import Wire
from harness.endpoint.departure import (
    Asked,
    asked,
    calls_of,
    choices_of,
    events,
    fault,
    objects,
    plain_wire,
    request,
    with_body,
)
from harness.endpoint.refusal import Refusal

_CHAT = request("chat")
_PLAIN = objects("chat.completion")


def _messages(body: Any, role: str = "") -> Iterator[Any]:
    messages = body.get("messages")
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, dict) and role in ("", message.get("role")):
            yield message


def _logprobs(body: Any) -> Iterator[Any]:
    """Every token with its log probability."""
    for choice in choices_of(body):
        yield from (choice["logprobs"] or {}).get("content") or ()


def _crash(message: str) -> Refusal:
    """HTTP 500 with an error object."""
    return Refusal(message, status=500, kind="internal_server_error")


# --- messages ---


@fault(
    "cr-developer-role",
    on=_CHAT,
    shows=("developer-role",),
    caught_by=("params.developer-role-accepted",),
    also=("ds-developer", "ds-params-unsupported"),
)
def developer_role(body: Any) -> None:
    """A message of the role developer is refused with HTTP 400."""
    if any(_messages(body, "developer")):
        raise Refusal(
            "developer is not one of ['system', 'assistant', 'user', 'tool', 'function'] - "
            "'messages.['0].role'",
            code="invalid_parameter_error",
        )


@fault(
    "cr-developer-role.422",
    on=_CHAT,
    shows=("developer-role",),
    caught_by=("params.developer-role-accepted",),
)
def developer_role_422(body: Any) -> None:
    """A message of the role developer is refused with HTTP 422."""
    if any(_messages(body, "developer")):
        raise Refusal("unknown variant `developer`", status=422)


def _late_system(body: Any) -> bool:
    roles = [message.get("role") for message in _messages(body)]
    return "system" in roles[1:]


@fault(
    "cr-system-not-first",
    on=_CHAT,
    shows=("system-twice", "system-late"),
    caught_by=("params.system-anywhere",),
)
def system_not_first(body: Any) -> None:
    """A system message that is not the first is refused."""
    if _late_system(body):
        raise Refusal("System message must be at the beginning.", kind="BadRequestError", code="400")


@fault(
    "cr-system-not-first.500",
    on=_CHAT,
    shows=("system-twice", "system-late"),
    caught_by=("params.system-anywhere", "params.refused-cleanly"),
)
def system_not_first_500(body: Any) -> None:
    """A system message that is not the first brings the server down."""
    if _late_system(body):
        raise _crash("Jinja Exception: System message must be at the beginning.")


def _has_parts(message: Any) -> bool:
    return isinstance(message.get("content"), list)


@fault(
    "cr-content-parts-user",
    on=_CHAT,
    shows=("parts-user",),
    caught_by=("params.user-parts-accepted", "params.refused-cleanly"),
)
def parts_crash(body: Any) -> None:
    """A user message of parts brings the server down."""
    if any(map(_has_parts, _messages(body, "user"))):
        raise _crash("TypeError: can only concatenate str (not 'list') to str")


@fault(
    "cr-content-parts-user.422",
    on=_CHAT,
    shows=("parts-user",),
    caught_by=("params.user-parts-accepted",),
)
def parts_refused(body: Any) -> None:
    """A user message of parts is refused."""
    if any(map(_has_parts, _messages(body, "user"))):
        raise Refusal("Input should be a valid string", status=422)


@fault(
    "cr-content-parts-tool-assistant.tool",
    on=_CHAT,
    shows=("parts-tool",),
    caught_by=("params.other-parts-accepted",),
    also=("cr-array-tool-result",),
)
def parts_of_tool(body: Any) -> None:
    """A tool message of parts is refused."""
    if any(map(_has_parts, _messages(body, "tool"))):
        raise Refusal("Input should be a valid string", param="messages")


@fault(
    "cr-content-parts-tool-assistant.assistant",
    on=_CHAT,
    shows=("parts-assistant",),
    caught_by=("params.other-parts-accepted",),
)
def parts_of_assistant(body: Any) -> None:
    """An assistant message of parts is refused."""
    if any(map(_has_parts, _messages(body, "assistant"))):
        raise Refusal("Input should be a valid string", param="messages")


@fault(
    "cr-content-parts-tool-assistant.system",
    on=_CHAT,
    shows=("parts-system",),
    caught_by=("params.other-parts-accepted",),
)
def parts_of_system(body: Any) -> None:
    """A system message of parts is refused."""
    if any(map(_has_parts, _messages(body, "system"))):
        raise Refusal("Input should be a valid string", param="messages")


@fault(
    "cr-content-parts-dropped",
    on=_CHAT,
    shows=("with-usage", "parts-user"),
    caught_by=("usage.parts-count",),
    source="servers that read the last part alone",
)
def parts_dropped(body: Any) -> None:
    """Of a message of parts, only the last part is read."""
    for message in _messages(body):
        if _has_parts(message):
            message["content"] = message["content"][-1:]


@fault(
    "cr-assistant-content-null.null",
    on=_CHAT,
    shows=("content-null",),
    caught_by=("params.call-without-text-accepted",),
)
def content_null(body: Any) -> None:
    """A returned assistant turn with the content null is refused."""
    if any(message.get("content", 0) is None for message in _messages(body, "assistant")):
        raise Refusal("Input should be a valid string", param="messages")


@fault(
    "cr-assistant-content-null.absent",
    on=_CHAT,
    shows=("content-absent",),
    caught_by=("params.call-without-text-accepted",),
)
def content_absent(body: Any) -> None:
    """A returned assistant turn without content is refused."""
    if any("content" not in message for message in _messages(body, "assistant")):
        raise Refusal("Field required: content", param="messages")


@fault(
    "cr-assistant-content-null.empty",
    on=_CHAT,
    shows=("content-empty",),
    caught_by=("params.call-without-text-accepted",),
)
def content_empty_beside_call(body: Any) -> None:
    """A returned assistant turn with tool calls and the content "" is refused."""
    if any(message.get("content") == "" for message in _messages(body, "assistant")):
        raise Refusal("content must not be empty", param="messages")


@fault(
    "cr-assistant-empty-string",
    on=_CHAT,
    shows=("assistant-empty",),
    caught_by=("params.empty-answer-accepted",),
)
def content_empty(body: Any) -> None:
    """An assistant message with the content "" is refused."""
    if any(message.get("content") == "" for message in _messages(body, "assistant")):
        raise Refusal("Invalid assistant message: role='assistant' content=None tool_calls=None prefix=False")


@fault(
    "cr-groq-400-fields.name",
    on=_CHAT,
    shows=("names",),
    caught_by=("params.names-accepted",),
)
def name_refused(body: Any) -> None:
    """A message with a name is refused."""
    if any("name" in message for message in _messages(body)):
        raise Refusal("property 'messages[0].name' is unsupported", param="messages[0].name")


@fault(
    "cr-groq-400-fields.logprobs",
    on=_CHAT,
    shows=("logprobs", "top-logprobs"),
    caught_by=("params.logprobs-accepted",),
)
def logprobs_refused(body: Any) -> None:
    """logprobs is refused."""
    if body.get("logprobs"):
        raise Refusal("logprobs is not supported with this model", param="logprobs")


@fault(
    "cr-groq-400-fields.n",
    on=_CHAT,
    shows=("two-choices",),
    caught_by=("params.n-accepted",),
    also=("cr-n-limits", "ds-n"),
)
def n_refused(body: Any) -> None:
    """n other than 1 is refused."""
    if body.get("n") not in (None, 1):
        raise Refusal("'n' : number must be at most 1", param="n")


@fault(
    "cr-replay-tool-id-format",
    on=_CHAT,
    shows=("content-null",),
    caught_by=("params.foreign-call-id-accepted",),
)
def tool_id_format(body: Any) -> None:
    """Tool call ids in the history must be nine letters and digits."""
    for message in _messages(body, "tool"):
        call_id = str(message.get("tool_call_id"))
        if not (call_id.isalnum() and len(call_id) == 9):
            raise Refusal(f"Tool call id was {call_id} but must be a-z, A-Z, 0-9, with a length of 9.")


@fault(
    "cr-replay-tool-id-format.own-500",
    on=_CHAT,
    shows=("tool-result",),
    caught_by=("tools.replay-accepted",),
)
def tool_id_own(body: Any) -> None:
    """The server's own tool call ids bring it down when they come back."""
    if any(_messages(body, "tool")):
        raise _crash("ValueError: bad tool call id")


@fault(
    "cr-replay-reasoning-required",
    on=_CHAT,
    shows=("tool-result",),
    caught_by=("tools.replay-accepted",),
    also=("lc-reasoning-replay-400",),
)
def reasoning_required(body: Any) -> None:
    """A returned assistant turn without reasoning_content is refused."""
    if any("reasoning_content" not in message for message in _messages(body, "assistant")):
        raise Refusal("The `reasoning_content` in the thinking mode must be passed back to the API.")


@fault(
    "cr-replay-reasoning-rejected",
    on=_CHAT,
    shows=("tool-result",),
    caught_by=("tools.replay-accepted",),
    beside=("reasoning-shown",),
)
def reasoning_rejected(body: Any) -> None:
    """A returned assistant turn with reasoning_content is refused."""
    if any("reasoning_content" in message for message in _messages(body, "assistant")):
        raise Refusal("Extra inputs are not permitted", param="messages", status=422)


@fault(
    "cr-replay-null-arguments",
    on=_PLAIN,
    shows=("tool-call", "tool-result"),
    caught_by=("tools.replay-accepted", "tools.arguments-are-text"),
    source="BerriAI/litellm#30882",
    because="Arguments that are no text are missed by every rule on calls.",
)
def replay_of_own_key(body: Any) -> None:
    """A call has arguments null, which its own server refuses when they come back."""
    for call in calls_of(body):
        call["function"]["arguments"] = None


@fault(
    "cr-system-only",
    on=_CHAT,
    shows=("system-alone",),
    caught_by=("params.system-alone-accepted",),
)
def system_only(body: Any) -> None:
    """A conversation of one system message brings the server down."""
    if {message.get("role") for message in _messages(body)} == {"system"}:
        raise _crash("Jinja Exception: No user query found in messages.")


@fault(
    "cr-empty-assistant-tail",
    on=_CHAT,
    shows=("assistant-tail",),
    caught_by=("params.empty-tail-accepted",),
)
def assistant_tail(body: Any) -> None:
    """A conversation that ends with an assistant message is refused."""
    roles = [message.get("role") for message in _messages(body)]
    if roles[-1:] == ["assistant"]:
        raise Refusal("Assistant response prefill is incompatible with enable_thinking.")


@fault(
    "cr-image-null-choices",
    on=plain_wire("chat"),
    shows=("image",),
    caught_by=("chat.choice-count",),
)
def image_null_choices(wire: Wire) -> Wire:
    """A picture gives HTTP 200 with choices null."""
    body = orjson.loads(wire.writes[0].data)
    return with_body(wire, orjson.dumps({**body, "choices": None}))


def _image_urls(body: Any) -> Iterator[str]:
    for message in _messages(body):
        for part in message["content"] if _has_parts(message) else ():
            if part.get("type") == "image_url":
                yield part["image_url"]["url"]


@fault(
    "cr-image-data-url.refused",
    on=_CHAT,
    shows=("image",),
    caught_by=("params.image-accepted",),
)
def image_refused(body: Any) -> None:
    """A picture as a data URL is refused."""
    if any(_image_urls(body)):
        raise Refusal("Invalid image url: only https is supported", param="messages")


@fault(
    "cr-image-data-url.500",
    on=_CHAT,
    shows=("image",),
    caught_by=("params.image-accepted", "params.refused-cleanly"),
)
def image_crash(body: Any) -> None:
    """A picture as a data URL brings the server down."""
    if any(_image_urls(body)):
        raise _crash("binascii.Error: Incorrect padding")


# --- parameters that are refused ---


@fault(
    "cr-max-tokens-rejected",
    on=_CHAT,
    shows=("capped",),
    caught_by=("params.max-tokens-accepted",),
)
def max_tokens_rejected(body: Any) -> None:
    """max_tokens is refused."""
    if "max_tokens" in body:
        raise Refusal(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead.",
            param="max_tokens",
            code="unsupported_parameter",
        )


@fault(
    "cr-strict-params-moonshot",
    on=_CHAT,
    shows=("capped-completion",),
    caught_by=("params.max-completion-tokens-accepted",),
    also=("ds-params-unsupported", "lc-max-completion-tokens"),
)
def max_completion_tokens_rejected(body: Any) -> None:
    """max_completion_tokens is refused as unknown."""
    if "max_completion_tokens" in body:
        raise Refusal("Extra inputs are not permitted", param="max_completion_tokens")


@fault(
    "ds-params-unsupported.reasoning-effort",
    on=_CHAT,
    shows=("reasoning",),
    caught_by=("params.reasoning-effort-accepted",),
)
def reasoning_effort_rejected(body: Any) -> None:
    """reasoning_effort is refused."""
    if "reasoning_effort" in body:
        raise Refusal("Unrecognized request argument supplied: reasoning_effort")


@fault(
    "cr-fixed-temperature",
    on=_CHAT,
    shows=("seeded",),
    caught_by=("params.temperature-accepted",),
)
def fixed_temperature(body: Any) -> None:
    """Every temperature but 1 is refused."""
    if body.get("temperature") not in (None, 1):
        raise Refusal("invalid temperature: only 1 is allowed for this model", param="temperature")


@fault(
    "cr-nulls-rejected",
    on=_CHAT,
    shows=("nulls",),
    caught_by=("params.nulls-accepted",),
    source="openai/openai-openapi CreateChatCompletionRequest: nullable",
)
def nulls_rejected(body: Any) -> None:
    """A parameter that is null is refused."""
    for name, value in body.items():
        if value is None:
            raise Refusal(f"{name}: Input should not be null", param=name)


@fault(
    "cr-defaults-rejected",
    on=_CHAT,
    shows=("defaults",),
    caught_by=("params.defaults-accepted",),
    source="OpenAI API reference, chat/create: response_format text is the default",
)
def defaults_rejected(body: Any) -> None:
    """response_format text is refused."""
    if body.get("response_format") == {"type": "text"}:
        raise Refusal("response_format is not supported", param="response_format")


@fault(
    "cr-control-characters",
    on=_CHAT,
    shows=("control-characters",),
    caught_by=("params.characters-accepted", "params.refused-cleanly"),
    source="RFC 8259, 7: every character may be escaped",
)
def control_characters(body: Any) -> None:
    """A control character in a message brings the server down."""
    if any("\x1b" in str(message.get("content")) for message in _messages(body)):
        raise _crash("Invalid control character")


@fault(
    "cr-json-object-rejected",
    on=_CHAT,
    shows=("json-object",),
    caught_by=("structured.accepted",),
)
def json_object_rejected(body: Any) -> None:
    """response_format json_object is refused."""
    if (body.get("response_format") or {}).get("type") == "json_object":
        raise Refusal("'response_format.type' must be 'json_schema' or 'text'", param="response_format")


@fault(
    "cr-json-schema-rejected",
    on=_CHAT,
    shows=("json-schema-typed",),
    caught_by=("structured.accepted",),
    also=("ds-json-schema", "lc-json-schema-default"),
)
def json_schema_words(body: Any) -> None:
    """A schema with $ref or const is refused."""
    if "$ref" in str(body.get("response_format")) or "'const'" in str(body.get("response_format")):
        raise Refusal("Grammar error: Unimplemented keys: $ref, const", param="response_format")


@fault(
    "cr-json-schema-rejected.500",
    on=_CHAT,
    shows=("json-schema",),
    caught_by=("structured.accepted", "params.refused-cleanly"),
)
def json_schema_crash(body: Any) -> None:
    """A json_schema brings the server down."""
    if (body.get("response_format") or {}).get("type") == "json_schema":
        raise _crash("Grammar error: Unknown format: uri")


@fault(
    "ds-thinking-nonstream",
    on=_CHAT,
    shows=("founding",),
    caught_by=("params.both-modes-accepted",),
    also=("ds-modelscope-variant",),
)
def thinking_nonstream(body: Any) -> None:
    """Every plain request is refused unless enable_thinking is false."""
    if not body.get("stream") and body.get("enable_thinking") is not False:
        raise Refusal(
            "parameter.enable_thinking must be set to false for non-streaming calls",
            code="invalid_parameter_error",
        )


@fault(
    "ds-stream-only",
    on=_CHAT,
    shows=("founding",),
    caught_by=("params.both-modes-accepted",),
)
def stream_only(body: Any) -> None:
    """Every plain request is refused."""
    if not body.get("stream"):
        raise Refusal(
            "This model only support stream mode, please enable the stream parameter to access the model. "
        )


@fault(
    "ds-tool-choice-thinking",
    on=_CHAT,
    shows=("tool-call-named", "tool-call-required"),
    caught_by=("params.tools-accepted",),
)
def forced_tool_rejected(body: Any) -> None:
    """tool_choice required, or a named one, is refused."""
    if body.get("tool_choice") == "required" or isinstance(body.get("tool_choice"), dict):
        raise Refusal(
            "<400> InternalError.Algo.InvalidParameter: The tool_choice parameter does not support being set "
            "to required or object in thinking mode"
        )


@fault(
    "cr-tools-rejected",
    on=_CHAT,
    shows=("tool-call",),
    caught_by=("params.tools-accepted",),
    source="vllm-project/vllm without --enable-auto-tool-choice",
)
def tools_rejected(body: Any) -> None:
    """Tools are refused."""
    if body.get("tools"):
        raise Refusal(
            '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
        )


# --- parameters that have no effect ---


def _drops(name: str, **others: Any) -> Any:
    def change(body: Any) -> None:
        if name in body:
            del body[name]
            body.update(others)

    return change


@fault(
    "cr-unknown-ignored",
    on=_CHAT,
    shows=("bad-parameter",),
    caught_by=("errors.unknown-parameter",),
)
def unknown_ignored(body: Any) -> None:
    """A parameter that there is not is dropped."""
    body.pop("likewise_parameter", None)


@fault(
    "cr-unknown-ignored.max-tokens",
    on=_CHAT,
    shows=("capped",),
    caught_by=("params.max-tokens-honoured",),
    because="The answer is not the one that was asked for, in its length, its end and its cost.",
)
def max_tokens_ignored(body: Any) -> None:
    """max_tokens is ignored."""
    _drops("max_tokens")(body)


@fault(
    "lc-max-completion-tokens",
    on=_CHAT,
    shows=("capped-completion",),
    caught_by=("params.max-completion-tokens-honoured",),
)
def max_completion_tokens_ignored(body: Any) -> None:
    """max_completion_tokens is ignored."""
    _drops("max_completion_tokens")(body)


@fault(
    "cr-seed-ignored",
    on=asked,
    shows=("seeded",),
    caught_by=("params.seed-honoured",),
)
def seed_ignored(seen: Asked) -> Asked:
    """The same seed at temperature 0 gives another text each time, under the same system_fingerprint."""
    if seen.operation != "chat" or not seen.body or "seed" not in seen.body:
        return seen
    return replace(seen, body={**seen.body, "seed": seen.ordinal})


@fault(
    "cr-cap-overrun",
    on=_CHAT,
    shows=("capped",),
    caught_by=("chat.cap-obeyed",),
    source="OpenAI API reference, chat/create: max_tokens is the maximum",
)
def cap_overrun(body: Any) -> None:
    """An answer has some tokens more than max_tokens allows."""
    if body.get("max_tokens"):
        body["max_tokens"] += 4


@fault("cr-n-ignored", on=_CHAT, shows=("two-choices",), caught_by=("params.n-honoured",))
def n_ignored(body: Any) -> None:
    """n above 1 gives one choice."""
    _drops("n")(body)


@fault(
    "cr-stop-ignored",
    on=_CHAT,
    shows=("stop", "stop-list"),
    caught_by=("params.stop-honoured",),
)
def stop_ignored(body: Any) -> None:
    """stop is accepted, and the text runs on past it."""
    _drops("stop")(body)


@fault(
    "cr-canned.stop",
    on=_PLAIN,
    shows=("stop-letter",),
    caught_by=("params.stop-honoured",),
    also=("cr-stop-ignored",),
    source="gateways and stand-ins with one answer for everything",
)
def canned_stop(body: Any) -> None:
    """A short text of the server's own has the stop sequence in it."""
    _say_canned(body)


@fault(
    "cr-canned.max-tokens",
    on=_PLAIN,
    shows=("cap-one",),
    caught_by=("params.max-tokens-honoured",),
    also=("cr-unknown-ignored",),
    source="gateways and stand-ins with one answer for everything",
)
def canned_max_tokens(body: Any) -> None:
    """A short text of the server's own is longer than max_tokens allows."""
    _say_canned(body)


@fault(
    "cr-canned.max-completion-tokens",
    on=_PLAIN,
    shows=("cap-one-completion",),
    caught_by=("params.max-completion-tokens-honoured",),
    also=("lc-max-completion-tokens",),
    source="gateways and stand-ins with one answer for everything",
)
def canned_max_completion_tokens(body: Any) -> None:
    """A short text of the server's own is longer than max_completion_tokens allows."""
    _say_canned(body)


def _say_canned(body: Any) -> None:
    for choice in choices_of(body):
        choice["message"]["content"] = "Hello! How can I help you today?"
        choice["finish_reason"] = "stop"
    body["usage"].update(completion_tokens=9, total_tokens=body["usage"]["prompt_tokens"] + 9)


@fault(
    "cr-stop-ignored.letter",
    on=_CHAT,
    shows=("stop-letter",),
    caught_by=("params.stop-honoured",),
)
def stop_letter_ignored(body: Any) -> None:
    """A stop sequence of one letter is ignored."""
    _drops("stop")(body)


@fault(
    "cr-cap-of-one",
    on=_CHAT,
    shows=("cap-one",),
    caught_by=("params.max-tokens-honoured",),
    also=("cr-unknown-ignored",),
    source="OpenAI API reference, chat/create: max_tokens",
)
def cap_of_one_ignored(body: Any) -> None:
    """A max_tokens of 1 is taken for no cap."""
    if body.get("max_tokens") == 1:
        body["max_tokens"] = 200


@fault(
    "cr-stop-ignored.list",
    on=_CHAT,
    shows=("stop-list",),
    caught_by=("params.stop-honoured",),
)
def stop_list_ignored(body: Any) -> None:
    """Of a list of stop sequences, only the first counts."""
    if isinstance(body.get("stop"), list):
        body["stop"] = body["stop"][:1]


@fault("cr-stop-included", on=_PLAIN, shows=("stop",), caught_by=("params.stop-not-included",))
def stop_included(body: Any) -> None:
    """A plain text ends with the stop sequence."""
    for choice in choices_of(body):
        choice["message"]["content"] += "6 7"


@fault(
    "cr-stop-split",
    on=events("chat"),
    shows=("stop",),
    caught_by=("params.stop-not-included",),
)
def stop_split(chunks: list[Any]) -> None:
    """In a stream, the first part of the stop sequence is sent."""
    finish = next(chunk for chunk in chunks if chunk["choices"] and chunk["choices"][0]["finish_reason"])
    (choice,) = finish["choices"]
    part = {**choice, "delta": {"content": "6"}, "finish_reason": None}
    chunks.insert(chunks.index(finish), {**finish, "choices": [part]})


@fault(
    "cr-stop-reason",
    on=_PLAIN,
    shows=("stop",),
    caught_by=("params.stop-finish-reason",),
    source="OpenAI API reference, the chat completion object: finish_reason stop",
)
def stop_reason(body: Any) -> None:
    """An answer that a stop sequence ended says length."""
    for choice in choices_of(body):
        choice["finish_reason"] = "length"


@fault(
    "cr-tool-choice-ignored.required",
    on=_CHAT,
    shows=("tool-call-required",),
    caught_by=("params.tool-choice-honoured",),
)
def tool_choice_required_ignored(body: Any) -> None:
    """tool_choice required has the effect of auto."""
    if body.get("tool_choice") == "required":
        body["tool_choice"] = "auto"


@fault(
    "cr-tool-choice-ignored.named",
    on=_CHAT,
    shows=("tool-call-named",),
    caught_by=("params.tool-choice-honoured",),
)
def tool_choice_named_ignored(body: Any) -> None:
    """A named tool_choice has the effect of auto."""
    if isinstance(body.get("tool_choice"), dict):
        body["tool_choice"] = "auto"


@fault(
    "cr-tool-choice-ignored.none",
    on=_CHAT,
    shows=("tool-forbidden",),
    caught_by=("params.tool-choice-honoured",),
)
def tool_choice_none_ignored(body: Any) -> None:
    """tool_choice none has the effect of auto."""
    if body.get("tool_choice") == "none":
        body["tool_choice"] = "auto"


@fault(
    "cr-parallel-false-ignored",
    on=_CHAT,
    shows=("tool-call-single",),
    caught_by=("params.parallel-tool-calls-honoured",),
)
def parallel_false_ignored(body: Any) -> None:
    """parallel_tool_calls false still gives several calls."""
    _drops("parallel_tool_calls")(body)


@fault(
    "cr-tools-ignored",
    on=_CHAT,
    shows=("tool-call-required", "tool-call-named", "with-usage", "usage-tool"),
    caught_by=("params.tool-choice-honoured", "usage.tool-costs"),
    source="ollama/ollama#8421",
)
def tools_ignored(body: Any) -> None:
    """tools are accepted and ignored: the answer is words."""
    if body.pop("tools", None):
        body.pop("tool_choice", None)


@fault(
    "cr-json-schema-ignored",
    on=_CHAT,
    shows=("json-schema", "langchain-json-schema"),
    caught_by=("params.response-format-honoured",),
    also=("lc-json-schema-default",),
    because="Text where a document is due is missed by whoever reads the document.",
)
def json_schema_ignored(body: Any) -> None:
    """A strict json_schema is accepted, and the answer is words."""
    if (body.get("response_format") or {}).get("type") == "json_schema":
        del body["response_format"]


@fault(
    "cr-json-schema-ignored.other-schema",
    on=_PLAIN,
    shows=("json-schema",),
    caught_by=("structured.matches-schema",),
)
def json_schema_other(body: Any) -> None:
    """A strict json_schema is accepted, and the object has other keys."""
    for choice in choices_of(body):
        choice["message"]["content"] = '{"hull":"oak","crew":3}'


@fault(
    "cr-json-schema-ignored.fenced",
    on=_PLAIN,
    shows=("json-schema", "json-schema-parse"),
    caught_by=("structured.nothing-around",),
    also=("os-parse-fenced",),
)
def json_schema_fenced(body: Any) -> None:
    """The JSON is fenced as Markdown."""
    for choice in choices_of(body):
        choice["message"]["content"] = f"```json\n{choice['message']['content']}\n```"


@fault(
    "cr-json-schema-ignored.enum",
    on=_PLAIN,
    shows=("json-schema",),
    caught_by=("structured.matches-schema",),
)
def json_schema_enum(body: Any) -> None:
    """A value is none of the schema's enum."""
    for choice in choices_of(body):
        text = choice["message"]["content"]
        choice["message"]["content"] = text.replace("kelp-41", "oak").replace("moss-17", "oak")


@fault(
    "cr-json-object-ignored",
    on=_CHAT,
    shows=("json-object",),
    caught_by=("params.response-format-honoured",),
    source="ROCm/FastFlowLM#554",
    because="Text where an object is due is missed by whoever reads the object.",
)
def json_object_ignored(body: Any) -> None:
    """response_format json_object is accepted, and the answer is words."""
    if (body.get("response_format") or {}).get("type") == "json_object":
        body["messages"] = [{"role": "user", "content": "What is a boat?"}]
        del body["response_format"]


@fault(
    "cr-logprobs-ignored",
    on=_CHAT,
    shows=("logprobs", "top-logprobs"),
    caught_by=("params.logprobs-honoured",),
    source="Blaizzy/mlx-vlm#1044",
)
def logprobs_ignored(body: Any) -> None:
    """logprobs is ignored."""
    body.pop("top_logprobs", None)
    body.pop("logprobs", None)


@fault(
    "cr-top-logprobs-ignored",
    on=_CHAT,
    shows=("top-logprobs",),
    caught_by=("params.top-logprobs-honoured",),
    source="sgl-project/sglang#4440",
)
def top_logprobs_ignored(body: Any) -> None:
    """top_logprobs is ignored."""
    body.pop("top_logprobs", None)


@fault(
    "cr-logprobs-positive",
    on=_PLAIN,
    shows=("logprobs",),
    caught_by=("params.logprobs-range",),
    source="OpenAI API reference, the chat completion object: logprob is a logarithm of a probability",
)
def logprobs_positive(body: Any) -> None:
    """Log probabilities are above 0."""
    for token in _logprobs(body):
        token["logprob"] = -token["logprob"]


@fault(
    "cr-logprobs-lost-token",
    on=_PLAIN,
    shows=("top-logprobs",),
    caught_by=("params.logprobs-spell-the-text",),
    source="OpenAI API reference, the chat completion object: logprobs has every token",
)
def logprobs_lost_token(body: Any) -> None:
    """The first token has no log probability."""
    for choice in choices_of(body):
        if choice["logprobs"]:
            del choice["logprobs"]["content"][0]


@fault(
    "cr-logprobs-unasked",
    on=_PLAIN,
    shows=("with-usage",),
    caught_by=("params.logprobs-unasked",),
    source="OpenAI API reference, chat/create: logprobs is false unless asked for",
)
def logprobs_unasked(body: Any) -> None:
    """Log probabilities come unasked."""
    for choice in choices_of(body):
        text = choice["message"]["content"]
        token = {"token": text, "logprob": -0.1, "bytes": list(text.encode()), "top_logprobs": []}
        choice["logprobs"] = {"content": [token], "refusal": None}


@fault(
    "cr-logprobs-bytes",
    on=_PLAIN,
    shows=("top-logprobs",),
    caught_by=("params.logprobs-bytes",),
    source="OpenAI API reference, the chat completion object: bytes are the UTF-8 of the token",
)
def logprobs_bytes(body: Any) -> None:
    """The bytes of a token are another token's."""
    for token in _logprobs(body):
        token["bytes"] = [63]


@fault(
    "cr-escapes-doubled",
    on=_PLAIN,
    shows=("unicode-echo",),
    caught_by=("params.no-double-escapes",),
    source="gateways that escape what is escaped already",
)
def escapes_doubled(body: Any) -> None:
    """Characters beyond ASCII come as JSON escapes, escaped once more."""
    for choice in choices_of(body):
        choice["message"]["content"] = json.dumps(choice["message"]["content"])[1:-1]


@fault(
    "cr-characters-mapped",
    on=_PLAIN,
    shows=("unicode-echo",),
    caught_by=("params.characters-unharmed",),
    source="servers that store text in another encoding",
)
def characters_mapped(body: Any) -> None:
    """Characters beyond the Basic Multilingual Plane come back as question marks."""
    for choice in choices_of(body):
        text = choice["message"]["content"]
        choice["message"]["content"] = "".join("?" if ord(char) > 0xFFFF else char for char in text)


@fault(
    "cr-system-ignored",
    on=_CHAT,
    shows=("usage-longer", "with-usage"),
    caught_by=("usage.longer-costs-more",),
    source="servers that read the last user message alone",
)
def system_ignored(body: Any) -> None:
    """A system message is dropped, and not counted either."""
    body["messages"] = [message for message in _messages(body) if message.get("role") != "system"]


@fault(
    "cr-history-ignored",
    on=_CHAT,
    shows=("tool-call", "tool-result"),
    caught_by=("usage.turns-count",),
    source="servers that read the last user message alone",
)
def history_ignored(body: Any) -> None:
    """A tool's result is dropped from the conversation: the model asks for the tool again."""
    messages = list(_messages(body))
    if any(message.get("role") == "tool" for message in messages):
        body["messages"] = [message for message in messages if message.get("role") == "user"]


@fault(
    "cr-n-counted-once",
    on=_PLAIN,
    shows=("usage-n",),
    caught_by=("params.n-counted",),
    source="OpenAI API reference, completion usage: all choices count",
)
def n_counted_once(body: Any) -> None:
    """The usage of two choices counts one of them."""
    if len(choices_of(body)) == 2:
        used = body["usage"]
        used["completion_tokens"] //= 2
        used["total_tokens"] = used["prompt_tokens"] + used["completion_tokens"]


@fault(
    "cr-stream-null",
    on=asked,
    shows=("nulls",),
    caught_by=("http.plain-is-not-streamed", "params.stream-honoured"),
    also=("cn-wrong-default-stream",),
    source="decolua/9router#3492: omitted, false and null are three requests",
)
def stream_null_streams(seen: Asked) -> Asked:
    """A request with stream null is answered with events."""
    body = seen.body
    if body and "stream" in body and body["stream"] is None:
        return replace(seen, body={**body, "stream": True})
    return seen


@fault(
    "cr-n-choice-empty",
    on=_PLAIN,
    shows=("two-choices",),
    caught_by=("params.n-choices-whole",),
    also=("cr-n-ignored",),
    source="abetlen/llama-cpp-python#1906",
)
def second_choice_empty(body: Any) -> None:
    """The second of two choices is empty and has no end."""
    for choice in choices_of(body)[1:]:
        choice["message"]["content"] = None


@fault(
    "cr-n-prompt-twice",
    on=_PLAIN,
    shows=("with-usage", "usage-n"),
    caught_by=("usage.n-costs-completion",),
    source="OpenAI API reference, completion usage: n choices are made of one prompt",
)
def prompt_counted_twice(body: Any) -> None:
    """The prompt of two choices is counted twice."""
    used = body["usage"]
    used["prompt_tokens"] *= len(choices_of(body))
    used["total_tokens"] = used["prompt_tokens"] + used["completion_tokens"]


@fault(
    "cr-logprobs-uncounted",
    on=_PLAIN,
    shows=("top-logprobs",),
    caught_by=("params.logprobs-counted",),
    source="OpenAI API reference, completion usage: completion_tokens",
)
def logprobs_uncounted(body: Any) -> None:
    """There are more log probabilities than completion_tokens."""
    used = body["usage"]
    used["completion_tokens"], used["total_tokens"] = 1, used["prompt_tokens"] + 1


@fault(
    "cr-logprobs-late",
    on=events("chat"),
    shows=("top-logprobs",),
    caught_by=("params.logprobs-in-text-chunks",),
    source="recorded streams of OpenAI: log probabilities come with their text",
)
def logprobs_late(chunks: list[Any]) -> None:
    """All log probabilities of a stream come in its last chunk."""
    kept: list[Any] = []
    for chunk in chunks:
        for choice in choices_of(chunk):
            kept += (choice["logprobs"] or {}).get("content") or []
            choice["logprobs"] = {"content": kept, "refusal": None} if choice["finish_reason"] else None


@fault(
    "cr-json-keys-sorted",
    on=_PLAIN,
    shows=("json-schema",),
    caught_by=("structured.order-of-keys",),
    source="OpenAI API guide, structured outputs: keys come in the order of the schema",
)
def json_keys_sorted(body: Any) -> None:
    """The keys of a strict answer come in alphabetical order."""
    for choice in choices_of(body):
        text = choice["message"]["content"] or ""
        if text.startswith("{"):
            sorted_text = orjson.dumps(orjson.loads(text), option=orjson.OPT_SORT_KEYS).decode()
            choice["message"]["content"] = sorted_text


@fault(
    "cr-json-whole-ends-otherwise",
    on=_PLAIN,
    shows=("json-schema",),
    caught_by=("structured.ends-with-stop",),
    source="OpenAI API guide, structured outputs: a whole document ends with stop",
)
def json_whole_ends_otherwise(body: Any) -> None:
    """A whole document ends with tool_calls."""
    for choice in choices_of(body):
        choice["finish_reason"] = "tool_calls"


@fault(
    "ds-arrearage",
    on=_CHAT,
    shows=("founding",),
    caught_by=("http.success",),
)
def arrearage(_: Any) -> None:
    """An unpaid bill is HTTP 400 with the code Arrearage."""
    raise Refusal("Access denied, please make sure your account is in good standing.", code="Arrearage")


@fault(
    "ds-content-filter-400",
    on=_CHAT,
    shows=("founding",),
    caught_by=("http.success",),
)
def content_filter_400(_: Any) -> None:
    """Moderated content is refused with HTTP 400."""
    raise Refusal(
        "<400> InternalError.Algo.DataInspectionFailed: Output data may contain inappropriate content.",
        code="data_inspection_failed",
    )


@fault(
    "cr-last-message-only",
    on=_CHAT,
    shows=("with-usage", "conversation"),
    caught_by=("usage.history-counts",),
    source="servers that read the last message alone",
)
def last_message_alone(body: Any) -> None:
    """Of a conversation only the last message is read, and counted."""
    last = list(_messages(body))[-1:]
    if last and last[0].get("role") == "user":
        body["messages"] = last


@fault(
    "cr-n-counted-once.choice",
    on=_PLAIN,
    shows=("with-usage", "usage-n"),
    caught_by=("usage.n-counts-choices",),
    source="OpenAI API reference, completion usage: all choices count",
)
def one_choice_counted(body: Any) -> None:
    """The usage of two choices of several tokens counts the first."""
    if all(choice["message"]["content"] == "pong" for choice in choices_of(body)):
        for choice in choices_of(body):
            choice["message"]["content"] = "pong, and pong again"
        used = body["usage"]
        used.update(completion_tokens=5, total_tokens=used["prompt_tokens"] + 5)
