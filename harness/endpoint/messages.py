"""The messages of a chat request: what each role may say, in which order, and how one is read.

Sources: OpenAI API reference, "Create chat completion"; openai/openai-openapi, ChatCompletionRequestMessage;
RFC 2397 (data URLs).
"""

import base64
import binascii
from collections.abc import Sequence
from typing import cast

from harness.endpoint import shape
from harness.endpoint.answer import Json, JsonObject
from harness.endpoint.conversation import Call, Message
from harness.endpoint.refusal import Refusal
from harness.endpoint.shape import Check, Fields, array, choice, nullable, string

ROLES = ("system", "assistant", "user", "function", "tool", "developer")
NAME_OF_FUNCTION = string(min_length=1, max_length=64, pattern="[a-zA-Z0-9_-]+")
_NAME = nullable(string(max_length=64, pattern=r"[^\s<|\\/>]+"))


def message(roles: Sequence[str] = ROLES, *, is_closed: bool = True) -> Check:
    """A message of one of these roles, with what its role needs, and with nothing more if it is closed."""
    by_role = _by_role(is_closed=is_closed)

    def check(value: Json, path: str) -> None:
        if not isinstance(value, dict):
            raise shape.wrong_type(path, "an object", value)
        if "role" not in value:
            raise shape.missing(f"{path}.role")
        choice(*roles)(value["role"], f"{path}.role")
        by_role[str(value["role"])](value, path)

    return check


def _parts(*kinds: str) -> Check:
    """Content: a string, or an array of parts of these kinds."""
    parts = array(_part(kinds), minimum=1)

    def check(value: Json, path: str) -> None:
        if isinstance(value, list):
            parts(value, path)
        elif value is not None and not isinstance(value, str):
            raise shape.wrong_type(path, "one of a string or array of objects", value)

    return check


def _part(kinds: tuple[str, ...]) -> Check:
    def check(value: Json, path: str) -> None:
        Fields({"type": choice(*kinds)}, required=("type",))(value, path)
        _PARTS[str(cast("JsonObject", value)["type"])](value, path)

    return check


def _image_url(value: Json, path: str) -> None:
    Fields({"url": string(), "detail": choice("auto", "low", "high")}, required=("url",))(value, path)
    picture(str(cast("JsonObject", value)["url"]))


def picture(url: str) -> bytes:
    """The bytes of a data URL (RFC 2397); nothing is fetched, so any other URL is refused."""
    if not url.startswith("data:"):
        raise Refusal(f"Error while downloading {url}.", code="invalid_image_url")
    kind, comma, data = url.partition(",")
    if not comma or not kind.startswith("data:image/") or not kind.endswith(";base64"):
        raise Refusal(
            "You uploaded an unsupported image. Please make sure your image has of one the following "
            "formats: ['png', 'jpeg', 'gif', 'webp'].",
            code="invalid_image_format",
        )
    try:
        return base64.b64decode(data + "=" * (-len(data) % 4), validate=True)
    except binascii.Error:
        raise Refusal("Invalid base64 image_url.", code="invalid_base64_image") from None


def _no_such_part(value: Json, path: str) -> None:
    raise Refusal(
        f"Invalid value: '{cast('JsonObject', value)['type']}' content is not supported with this model.",
        param=f"{path}.type",
        code="unsupported_value",
    )


_PARTS: dict[str, Check] = {
    "text": Fields({"text": string()}, required=("text",)),
    "refusal": Fields({"refusal": string()}, required=("refusal",)),
    "image_url": Fields({"image_url": _image_url}, required=("image_url",)),
    "input_audio": _no_such_part,
    "file": _no_such_part,
}
_CALLED = Fields({"name": NAME_OF_FUNCTION, "arguments": string()}, required=("name", "arguments"))


def _by_role(*, is_closed: bool) -> dict[str, Check]:
    """What a message of each role may hold."""

    def said(required: tuple[str, ...] = (), **more: Check) -> Fields:
        return Fields({"role": shape.anything, "name": _NAME, **more}, required=required, is_closed=is_closed)

    call = Fields(
        {"id": string(max_length=40), "type": choice("function"), "function": _CALLED},
        required=("id", "type", "function"),
        is_closed=is_closed,
    )
    return {
        "system": said(content=_parts("text")),
        "developer": said(content=_parts("text")),
        "user": said(content=_parts("text", "image_url", "input_audio", "file")),
        "assistant": said(
            content=_parts("text", "refusal"),
            refusal=nullable(string()),
            tool_calls=array(call, minimum=1, maximum=128),
            function_call=nullable(_CALLED),
            audio=nullable(Fields({"id": string()}, required=("id",))),
            annotations=nullable(array(shape.anything)),
        ),
        "tool": said(("tool_call_id",), content=_parts("text"), tool_call_id=string()),
        "function": said(("name",), content=nullable(string())),
    }


def check_conversation(messages: Sequence[Json]) -> None:
    """Everybody says something, every tool message answers a call, and every call is answered."""
    waiting: list[str] = []
    caller = -1
    for i, said in enumerate(cast("Sequence[JsonObject]", messages)):
        if said.get("content") is None and not _may_be_null(said):
            if "content" not in said:
                raise shape.missing(f"messages[{i}].content")
            raise Refusal(
                "Invalid value for 'content': expected a string, got null.", param=f"messages.[{i}].content"
            )
        if said["role"] == "tool":
            _check_awaited(said, i, waiting, is_first=caller < 0)
            waiting.remove(str(said["tool_call_id"]))
            continue
        _check_none_waiting(waiting, caller)
        waiting = [str(call["id"]) for call in cast("list[JsonObject]", said.get("tool_calls") or [])]
        caller = i if waiting else -1
    _check_none_waiting(waiting, caller)


def _may_be_null(said: JsonObject) -> bool:
    """Whether a message needs no content: a function's result, or what an assistant says otherwise."""
    instead = ("tool_calls", "function_call", "refusal")
    return said["role"] == "function" or any(said.get(other) for other in instead)


def _check_awaited(said: JsonObject, i: int, waiting: list[str], *, is_first: bool) -> None:
    """A tool message answers one of the calls that wait for an answer."""
    if is_first:
        raise Refusal(
            "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
            "'tool_calls'.",
            param=f"messages.[{i}].role",
        )
    if said["tool_call_id"] not in waiting:
        raise Refusal(
            f"Invalid parameter: 'tool_call_id' of '{said['tool_call_id']}' not found in 'tool_calls' of "
            "previous message.",
            param=f"messages.[{i}].tool_call_id",
        )


def _check_none_waiting(waiting: list[str], caller: int) -> None:
    if waiting:
        raise Refusal(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            "'tool_call_id'. The following tool_call_ids did not have response messages: "
            f"{', '.join(waiting)}",
            param=f"messages.[{caller}].role",
        )


def read_message(said: JsonObject) -> Message:
    """A checked message as the model takes it."""
    content = said.get("content")
    parts = cast("list[JsonObject]", content) if isinstance(content, list) else []
    texts = [str(part.get("text") or part.get("refusal") or "") for part in parts]
    urls = [
        str(cast("JsonObject", part["image_url"])["url"]) for part in parts if part["type"] == "image_url"
    ]
    return Message(
        role=str(said["role"]),
        text=content if isinstance(content, str) else "".join(texts),
        name=str(said.get("name") or ""),
        images=tuple(picture(url) for url in urls),
        calls=tuple(_read_call(call) for call in cast("list[JsonObject]", said.get("tool_calls") or [])),
        call_id=str(said.get("tool_call_id") or ""),
    )


def _read_call(call: JsonObject) -> Call:
    function = cast("JsonObject", call["function"])
    return Call(str(call["id"]), str(function["name"]), str(function["arguments"]))
