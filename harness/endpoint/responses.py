"""The Responses API: from a request to the response object, or to the events that build it up.

The objects are those of the OpenAI API reference, "The response object" and "Streaming events". Only
messages, function calls and reasoning are items here; every other tool and item is refused.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import cast

from harness.endpoint import chat, model, requests, shape
from harness.endpoint.answer import EVENT_STREAM, Answer, Json, JsonObject, Kind, Piece, plain
from harness.endpoint.conversation import Ask, Call, Choice, Form, Message, Mode, prompt_tokens
from harness.endpoint.messages import picture
from harness.endpoint.model import Finish, Generated, Limits
from harness.endpoint.refusal import Refusal
from harness.endpoint.requests import Fit
from harness.endpoint.shape import Fields, array, choice, nullable
from harness.endpoint.stamp import Stamp, filling

_LEAST_CAP = 16
_MOST_STORED = 1000


@dataclass(frozen=True, slots=True)
class Stored:
    """A response that is kept, with the conversation up to and including it."""

    response: JsonObject
    messages: tuple[Message, ...]


@dataclass(slots=True)
class Store:
    """The last thousand responses, by id. The only thing that the endpoint remembers."""

    kept: OrderedDict[str, Stored] = field(default_factory=OrderedDict)

    def keep(self, stored: Stored) -> None:
        """Keep a response and forget the oldest beyond the limit."""
        self.kept[str(stored.response["id"])] = stored
        while len(self.kept) > _MOST_STORED:
            self.kept.popitem(last=False)

    def found(self, response_id: str) -> Stored:
        """The response with this id. Refuses an unknown one with 404."""
        if response_id not in self.kept:
            raise Refusal(f"Response with id '{response_id}' not found.", status=404)
        return self.kept[response_id]

    def dropped(self, response_id: str) -> JsonObject:
        """Forget the response with this id and say so. Refuses an unknown one with 404."""
        self.found(response_id)
        del self.kept[response_id]
        return {"id": response_id, "object": "response", "deleted": True}


# --- requests ---

_FUNCTION = Fields({"type": shape.anything, **requests.FUNCTION.fields}, required=("name",), is_closed=True)
_FORMAT = Fields(
    {"type": shape.anything, **requests.JSON_SCHEMA.fields}, required=("name", "schema"), is_closed=True
)


def _input(value: Json, path: str) -> None:
    """A text, or items."""
    if isinstance(value, list):
        array(_item)(value, path)
    elif not isinstance(value, str):
        raise shape.wrong_type(path, "one of a string or array of input items", value)


def _item(value: Json, path: str) -> None:
    if not isinstance(value, dict):
        raise shape.wrong_type(path, "an object", value)
    kind = value.get("type", "message")
    choice(*_ITEMS)(kind, f"{path}.type")
    _ITEMS[str(kind)](value, path)


def _content(value: Json, path: str) -> None:
    """A text, or parts of the kinds that go in or have come out."""
    if isinstance(value, list):
        array(_part)(value, path)
    elif not isinstance(value, str):
        raise shape.wrong_type(path, "one of a string or array of content parts", value)


def _part(value: Json, path: str) -> None:
    Fields({"type": choice("input_text", "output_text", "refusal", "input_image")}, required=("type",))(
        value, path
    )
    part = cast("JsonObject", value)
    member = {"refusal": "refusal", "input_image": "image_url"}.get(str(part["type"]), "text")
    Fields({member: shape.string()}, required=(member,))(value, path)
    if member == "image_url":
        picture(str(part["image_url"]))


_ITEMS = {
    "message": Fields(
        {"role": choice("user", "assistant", "system", "developer"), "content": _content},
        required=("role", "content"),
    ),
    "function_call": Fields(
        {"call_id": shape.string(min_length=1), "name": shape.string(), "arguments": shape.string()},
        required=("call_id", "name", "arguments"),
    ),
    "function_call_output": Fields(
        {"call_id": shape.string(min_length=1), "output": _content}, required=("call_id", "output")
    ),
    "reasoning": Fields({"id": shape.string(), "summary": array(shape.anything)}, required=("id", "summary")),
}


def _tool(value: Json, path: str) -> None:
    Fields({"type": shape.string()}, required=("type",))(value, path)
    tool = cast("JsonObject", value)
    if tool["type"] != "function":
        raise Refusal(
            f"Tool of type '{tool['type']}' is not supported with this model.",
            param=f"{path}.type",
            code="unsupported_value",
        )
    _FUNCTION(value, path)
    requests.check_parameters(tool, f"{path}.parameters")


def _tool_choice(value: Json, path: str) -> None:
    if isinstance(value, dict):
        if value.get("type") == "allowed_tools":
            named = array(
                Fields({"type": choice("function"), "name": shape.string()}, required=("type", "name"))
            )
            Fields({"mode": choice("auto", "required"), "tools": named}, required=("mode", "tools"))(
                value, path
            )
        else:
            Fields({"type": choice("function"), "name": shape.string()}, required=("type", "name"))(
                value, path
            )
    else:
        requests.tool_choice(value, path)


def _text(value: Json, path: str) -> None:
    Fields({"format": _format, "verbosity": nullable(choice("low", "medium", "high"))}, is_closed=True)(
        value, path
    )


def _format(value: Json, path: str) -> None:
    Fields({"type": choice("text", "json_object", "json_schema")}, required=("type",))(value, path)
    form = cast("JsonObject", value)
    if form["type"] == "json_schema":
        _FORMAT(value, path)
        requests.check_schema(form, f"{path}.schema")


_REASONING = Fields(
    {
        "effort": nullable(choice(*requests.EFFORTS)),
        "summary": nullable(choice("auto", "concise", "detailed")),
        "generate_summary": nullable(choice("auto", "concise", "detailed")),
    },
    is_closed=True,
)

RESPONSES = Fields(
    {
        "model": shape.string(),
        "input": _input,
        "instructions": nullable(shape.string()),
        "tools": nullable(array(_tool, maximum=128)),
        "tool_choice": _tool_choice,
        "parallel_tool_calls": nullable(shape.boolean),
        "max_output_tokens": nullable(shape.integer(_LEAST_CAP)),
        "max_tool_calls": nullable(shape.integer(1)),
        "temperature": nullable(shape.decimal(0, 2)),
        "top_p": nullable(shape.decimal(0, 1)),
        "top_logprobs": nullable(shape.integer(0, 20)),
        "text": nullable(_text),
        "reasoning": nullable(_REASONING),
        "previous_response_id": nullable(shape.string()),
        "store": nullable(shape.boolean),
        "stream": nullable(shape.boolean),
        "stream_options": nullable(Fields({"include_obfuscation": shape.boolean}, is_closed=True)),
        "include": nullable(array(shape.string(), of="strings")),
        "truncation": nullable(choice("auto", "disabled")),
        "service_tier": nullable(choice(*requests.TIERS)),
        "metadata": nullable(shape.metadata),
        "user": nullable(shape.string()),
        "safety_identifier": nullable(shape.string(max_length=64)),
        "prompt_cache_key": nullable(shape.string(max_length=64)),
        "prompt_cache_retention": nullable(choice("in_memory", "24h")),
        "background": nullable(shape.boolean),
        "conversation": nullable(shape.refused),
        "prompt": nullable(shape.refused),
    },
    required=("model", "input"),
    is_closed=True,
)


def check(body: JsonObject) -> JsonObject:
    """The body, when OpenAI would take it."""
    RESPONSES(body, "")
    if body.get("background"):
        raise shape.unsupported("background")
    if body.get("stream_options") is not None and not body.get("stream"):
        raise Refusal(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )
    wanted = read_choice(body.get("tool_choice")).names or frozenset()
    for name in sorted(wanted - {str(tool["name"]) for tool in _tools(body)}):
        raise Refusal(f"Tool choice '{name}' not found in 'tools' parameter.", param="tool_choice")
    if read_choice(body.get("tool_choice")).mode is Mode.REQUIRED and not _tools(body):
        raise Refusal("Tool choice 'required' must be specified with 'tools' parameter.", param="tool_choice")
    if _format_of(body)["type"] == "json_object" and not any(
        requests.JSON_WORD.search(message.text) for message in _read_items(body["input"])
    ):
        raise Refusal(
            "Response input messages must contain the word 'json' in some form to use 'text.format' of type "
            "'json_object'.",
            param="input",
        )
    return body


def read_choice(value: Json) -> Choice:
    """A checked `tool_choice`, whose functions stand without the object that chat wraps around them."""
    if not isinstance(value, dict):
        return requests.read_choice(value)
    if value["type"] == "allowed_tools":
        names = frozenset(str(tool["name"]) for tool in cast("list[JsonObject]", value["tools"]))
        return Choice(Mode(str(value["mode"])), names)
    return Choice(Mode.REQUIRED, frozenset({str(value["name"])}), is_named=True)


def _tools(body: JsonObject) -> list[JsonObject]:
    return cast("list[JsonObject]", body.get("tools") or [])


def _read_items(value: Json) -> Iterator[Message]:
    """The messages of an input. Reasoning is not said again."""
    if isinstance(value, str):
        yield Message("user", value)
        return
    for item in cast("list[JsonObject]", value):
        match item.get("type", "message"):
            case "function_call":
                yield Message(
                    "assistant",
                    "",
                    calls=(Call(str(item["call_id"]), str(item["name"]), str(item["arguments"])),),
                )
            case "function_call_output":
                yield Message("tool", _said(item["output"]), call_id=str(item["call_id"]))
            case "message":
                images = tuple(
                    picture(str(part["image_url"])) for part in _parts(item["content"]) if "image_url" in part
                )
                yield Message(str(item["role"]), _said(item["content"]), images=images)


def _parts(content: Json) -> list[JsonObject]:
    return cast("list[JsonObject]", content) if isinstance(content, list) else []


def _said(content: Json) -> str:
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text") or part.get("refusal") or "") for part in _parts(content))


def _check_calls(messages: tuple[Message, ...]) -> None:
    """Every call has its output, and every output its call."""
    called = [call.id for message in messages for call in message.calls]
    answered = [message.call_id for message in messages if message.role == "tool"]
    for call_id in answered:
        if call_id not in called:
            raise Refusal(
                f"No tool call found for function call output with call_id {call_id}.", param="input"
            )
    for call_id in called:
        if call_id not in answered:
            raise Refusal(f"No tool output found for function call {call_id}.", param="input")


# --- answers ---


def answer(body: JsonObject, stamp: Stamp, store: Store, fit: Fit, *, keeps_format: bool = True) -> Answer:
    """The answer to a checked body, plain or streamed as it asks; kept unless `store` is false.

    An endpoint that does not keep the format gives it back as it was asked, and answers in plain text.
    """
    said = (*_before(body, store), *_read_items(body["input"]))
    _check_calls(said)
    instructions = cast("str | None", body.get("instructions"))
    ask = _ask(body, (Message("developer", instructions), *said) if instructions else said)
    ask = ask if keeps_format else replace(ask, form=Form.TEXT, schema={})
    effort = cast("str | None", cast("JsonObject", body.get("reasoning") or {}).get("effort"))
    cost = prompt_tokens(ask)
    limits = Limits(fit(cost, cast("int | None", body.get("max_output_tokens"))))
    made = model.generate(ask, limits, model.reasoning(ask, effort))
    items = _items(body, stamp, made)
    response = _response(body, stamp, made, items, cost)
    if body.get("store") is not False:
        store.keep(Stored(response, (*said, *_read_items(cast("list[Json]", items)))))
    if body.get("stream"):
        return Answer(
            200, EVENT_STREAM, tuple(_numbered(_events(body, response, items, made))), is_stream=True
        )
    return plain(response, tokens=made.tokens)


def _before(body: JsonObject, store: Store) -> tuple[Message, ...]:
    """The conversation that this request goes on with."""
    previous = body.get("previous_response_id")
    if previous is None:
        return ()
    if previous not in store.kept:
        raise Refusal(
            f"Previous response with id '{previous}' not found.",
            param="previous_response_id",
            code="previous_response_not_found",
        )
    return store.kept[str(previous)].messages


def _ask(body: JsonObject, messages: tuple[Message, ...]) -> Ask:
    form = _format_of(body)
    parallel = body.get("parallel_tool_calls")
    return Ask(
        messages=messages,
        tools=tuple(requests.read_tool(tool) for tool in _tools(body)),
        choice=read_choice(body.get("tool_choice")),
        is_parallel=parallel is not False,
        form=Form(str(form["type"])),
        schema=cast("JsonObject", form.get("schema") or {}),
    )


def _format_of(body: JsonObject) -> JsonObject:
    return cast("JsonObject", cast("JsonObject", body.get("text") or {}).get("format") or {"type": "text"})


def _items(body: JsonObject, stamp: Stamp, made: Generated) -> list[JsonObject]:
    """The finished output items: reasoning, then a message or calls; what the cap cut off is incomplete."""
    items: list[JsonObject] = []
    if made.reasoning:
        items.append({"id": stamp.id("rs_"), "type": "reasoning", "summary": []})
    for i, call in enumerate(made.calls):
        items.append(
            {
                "id": stamp.id("fc_", i),
                "type": "function_call",
                "status": "completed",
                "arguments": call.text,
                "call_id": stamp.id("call_", i),
                "name": call.name,
            }
        )
    if not made.calls and (made.words or made.finish is not Finish.LENGTH):
        text = _text_part(made.text, _logprobs(body, made.words, 0))
        items.append(
            {
                "id": stamp.id("msg_"),
                "type": "message",
                "status": "completed",
                "content": [text],
                "role": "assistant",
            }
        )
    if made.finish is Finish.LENGTH and items and "status" in items[-1]:
        items[-1]["status"] = "incomplete"
    return items


def _text_part(text: str, logprobs: list[Json]) -> JsonObject:
    return {"type": "output_text", "annotations": [], "logprobs": logprobs, "text": text}


def _logprobs(body: JsonObject, words: tuple[str, ...], start: int) -> list[Json]:
    """One entry per token where the request includes them."""
    if "message.output_text.logprobs" not in cast("list[Json]", body.get("include") or []):
        return []
    top = cast("int | None", body.get("top_logprobs")) or 0
    return [chat.token_logprob(word, start + i, top) for i, word in enumerate(words)]


def _response(
    body: JsonObject, stamp: Stamp, made: Generated, items: list[JsonObject], cost: int
) -> JsonObject:
    """The response object at its end."""
    is_cut = made.finish is Finish.LENGTH
    reasoning = cast("JsonObject", body.get("reasoning") or {})
    verbosity = cast("JsonObject", body.get("text") or {}).get("verbosity") or "medium"
    return {
        "id": stamp.id("resp_"),
        "object": "response",
        "created_at": stamp.created,
        "status": "incomplete" if is_cut else "completed",
        "background": False,
        "completed_at": None if is_cut else stamp.created,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "max_tool_calls": body.get("max_tool_calls"),
        "model": body["model"],
        "output": cast("list[Json]", items),
        "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
        "previous_response_id": body.get("previous_response_id"),
        "prompt_cache_key": body.get("prompt_cache_key"),
        "reasoning": {"effort": reasoning.get("effort"), "summary": reasoning.get("summary")},
        "safety_identifier": body.get("safety_identifier"),
        "service_tier": requests.tier_used(body.get("service_tier")),
        "store": body.get("store") is not False,
        "temperature": _or(body.get("temperature"), 1.0),
        "text": {"format": _echoed_format(_format_of(body)), "verbosity": verbosity},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": [_echoed_tool(tool) for tool in _tools(body)],
        "top_logprobs": _or(body.get("top_logprobs"), 0),
        "top_p": _or(body.get("top_p"), 1.0),
        "truncation": _or(body.get("truncation"), "disabled"),
        "usage": _usage(made, cost),
        "user": body.get("user"),
        "metadata": _or(body.get("metadata"), {}),
    }


def _or(value: Json, default: Json) -> Json:
    return default if value is None else value


def _echoed_format(form: JsonObject) -> JsonObject:
    """The format with what it doesn't say filled in."""
    return {**form, "strict": bool(form.get("strict"))} if form["type"] == "json_schema" else form


def _echoed_tool(tool: JsonObject) -> JsonObject:
    return {
        "type": "function",
        "description": tool.get("description"),
        "name": tool["name"],
        "parameters": tool.get("parameters"),
        "strict": bool(tool.get("strict")),
    }


def _usage(made: Generated, cost: int) -> JsonObject:
    return {
        "input_tokens": cost,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": made.tokens,
        "output_tokens_details": {"reasoning_tokens": len(made.reasoning)},
        "total_tokens": cost + made.tokens,
    }


# --- events ---


def _numbered(events: Iterator[Piece]) -> Iterator[Piece]:
    """Each event with its type first and its sequence number second, as its name says."""
    for number, event in enumerate(events):
        data: JsonObject = {"type": event.event, "sequence_number": number, **(event.data or {})}
        yield replace(event, data=data)


def _events(
    body: JsonObject, response: JsonObject, items: list[JsonObject], made: Generated
) -> Iterator[Piece]:
    """The events from the response's creation to its end, item by item."""
    opened: JsonObject = {
        **response,
        "status": "in_progress",
        "completed_at": None,
        "incomplete_details": None,
        "output": [],
        "usage": None,
    }
    yield Piece(Kind.ROLE, {"response": opened}, event="response.created")
    yield Piece(Kind.ROLE, {"response": opened}, event="response.in_progress")
    calls = iter(made.calls)
    hidden = len(made.reasoning)
    for place, item in enumerate(items):
        at: JsonObject = {"item_id": item["id"], "output_index": place}
        match item["type"]:
            case "message":
                inner = _message_events(body, item, at, made.words, hidden)
            case "function_call":
                inner = _call_events(item, at, next(calls).arguments, hidden)
            case _:
                inner = iter(())
        yield Piece(
            Kind.ROLE, {"output_index": place, "item": _opened(item)}, event="response.output_item.added"
        )
        yield from inner
        yield Piece(Kind.FINISH, {"output_index": place, "item": item}, event="response.output_item.done")
        hidden = hidden if item["type"] == "reasoning" else 0
    yield Piece(Kind.USAGE, {"response": response}, hidden, event=f"response.{response['status']}")


def _opened(item: JsonObject) -> JsonObject:
    """An item as it begins: without its content."""
    match item["type"]:
        case "message":
            return {**item, "status": "in_progress", "content": []}
        case "function_call":
            return {**item, "status": "in_progress", "arguments": ""}
    return item


def _message_events(
    body: JsonObject, item: JsonObject, at: JsonObject, words: tuple[str, ...], hidden: int
) -> Iterator[Piece]:
    (part,) = cast("list[JsonObject]", item["content"])
    at = {**at, "content_index": 0}
    filled = cast("JsonObject", body.get("stream_options") or {}).get("include_obfuscation") is not False
    yield Piece(Kind.ROLE, {**at, "part": _text_part("", [])}, event="response.content_part.added")
    for i, word in enumerate(words):
        delta: JsonObject = {**at, "delta": word, "logprobs": _logprobs(body, (word,), i)}
        if filled:
            delta["obfuscation"] = filling(f"{at['item_id']}/{i}", word)
        yield Piece(Kind.CONTENT, delta, 1 + hidden, event="response.output_text.delta")
        hidden = 0
    done: JsonObject = {**at, "text": part["text"], "logprobs": part["logprobs"]}
    yield Piece(Kind.FINISH, done, hidden, event="response.output_text.done")
    yield Piece(Kind.FINISH, {**at, "part": part}, event="response.content_part.done")


def _call_events(
    item: JsonObject, at: JsonObject, arguments: tuple[str, ...], hidden: int
) -> Iterator[Piece]:
    for i, part in enumerate(arguments):
        made = (2 + hidden) if i == 0 else 1  # the name is a token too
        yield Piece(
            Kind.TOOL_CALL, {**at, "delta": part}, made, event="response.function_call_arguments.delta"
        )
    done: JsonObject = {**at, "arguments": item["arguments"], "name": item["name"]}
    yield Piece(Kind.FINISH, done, event="response.function_call_arguments.done")
