"""The OpenAI SDK, `openai`, sync and async, as its documentation shows it."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.clients import Connection
from harness.clients.reply import (
    RESPONSE_COUNTS,
    Gathered,
    Reply,
    ReplyChoice,
    ToolCall,
    gathered_from,
    reads,
    reply_of,
    usage_of,
)
from harness.clients.sdk import http_options, sdk_options
from harness.scenario import AnyAsk, Ask, Http, Mode, Operation
from harness.wire.recording import AsyncRecordingTransport, RecordingTransport, client_options

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal
    from openai import AsyncOpenAI, OpenAI


def _call(sdk: "OpenAI | AsyncOpenAI", ask: AnyAsk) -> tuple[Ask, Callable[..., Any]]:
    """The SDK's method for an operation, or for the helper that stands over it."""
    if not isinstance(ask, Ask):
        raise TypeError("the OpenAI SDK sends what its methods send, and no raw request")
    resource: Any = {
        "chat": sdk.chat.completions,
        "completions": sdk.completions,
        "embeddings": sdk.embeddings,
        "models": sdk.models,
        "responses": sdk.responses,
    }[ask.operation]
    return ask, getattr(resource, ask.helper or ("list" if ask.operation == "models" else "create"))


def _arguments(method: Callable[..., Any], connection: Connection, ask: Ask, mode: Mode) -> dict[str, Any]:
    """Arguments of a method; parameters that the SDK does not know travel in `extra_body`."""
    if ask.operation == "models":
        return {}
    params = ask.params_for(mode)
    known = inspect.signature(method).parameters
    unknown = {name: value for name, value in params.items() if name not in known}
    extra = {**connection.own_params(ask, mode), **unknown}
    arguments: dict[str, Any] = {
        "model": connection.model_for(*ask.uses),
        **{name: value for name, value in params.items() if name in known},
        **({"stream": True} if mode is Mode.STREAM and ask.helper != "stream" else {}),
        **({"extra_body": extra} if extra else {}),
    }
    if ask.helper == "parse":
        arguments["response_format"] = _model_class(params["response_format"])
    return arguments


def _model_class(response_format: Any) -> type[Any]:
    """A pydantic class with the string properties of a schema, as a user of `parse` would have written it."""
    from pydantic import ConfigDict, create_model

    asked = response_format["json_schema"]
    fields: dict[str, Any] = dict.fromkeys(asked["schema"]["properties"], (str, ...))
    model: type[Any] = create_model(asked["name"], __config__=ConfigDict(extra="forbid"), **fields)
    return model


def _chat_reply(completion: Any) -> Reply:
    return replace(_unprinted_reply(completion), printed=(completion.model_dump_json(),))


@reads
def _unprinted_reply(completion: Any) -> Reply:
    return Reply(
        choices=tuple(
            ReplyChoice(
                index=choice.index,
                text=choice.message.content,
                tool_calls=tuple(_tool_call(call) for call in choice.message.tool_calls or ()),
                finish_reason=choice.finish_reason,
                refusal=choice.message.refusal,
            )
            for choice in completion.choices
        ),
        usage=usage_of(completion.usage),
        response_id=completion.id,
        model=completion.model,
    )


@reads
def _parsed_reply(completion: Any) -> Reply:
    parsed = completion.choices[0].message.parsed
    return replace(_unprinted_reply(completion), data=None if parsed is None else parsed.model_dump())


def _tool_call(call: Any) -> ToolCall:
    """A call of a function, or of a custom tool, of whose fragments the SDK's chunks have a plain mapping."""
    custom = getattr(call, "custom", None)
    if custom is not None:
        values = custom if isinstance(custom, Mapping) else vars(custom)
        return ToolCall(call.id, values.get("name"), values.get("input"))
    function = call.function
    return ToolCall(call.id, function and function.name, function and function.arguments)


@reads
def _completion_reply(completion: Any) -> Reply:
    return Reply(
        choices=tuple(
            ReplyChoice(choice.index, choice.text, finish_reason=choice.finish_reason)
            for choice in completion.choices
        ),
        usage=usage_of(completion.usage),
        response_id=completion.id,
        model=completion.model,
    )


@reads
def _embeddings_reply(answer: Any) -> Reply:
    vectors = [item.embedding for item in answer.data]
    return Reply(data=vectors, usage=usage_of(answer.usage), model=answer.model)


@reads
def _models_reply(page: Any) -> Reply:
    return Reply(data=[model.id for model in page.data])


_CALLS: Mapping[str, str] = {"function_call": "arguments", "custom_tool_call": "input"}
"""Items that are calls, and where each has what it is called with."""


@reads
def _response_reply(response: Any) -> Reply:
    calls = [item for item in response.output if item.type in _CALLS]
    choice = ReplyChoice(
        index=0,
        text=response.output_text,
        tool_calls=tuple(
            ToolCall(call.call_id, call.name, getattr(call, _CALLS[call.type])) for call in calls
        ),
        finish_reason=response.status,
    )
    usage = usage_of(response.usage, RESPONSE_COUNTS)
    return Reply(choices=(choice,), usage=usage, response_id=response.id, model=response.model)


_PLAIN: Mapping[tuple[Operation, str], Callable[[Any], Reply]] = {
    ("chat", ""): _chat_reply,
    ("chat", "parse"): _parsed_reply,
    ("completions", ""): _completion_reply,
    ("embeddings", ""): _embeddings_reply,
    ("models", ""): _models_reply,
    ("responses", ""): _response_reply,
}


def _add_chunk(gathered: Gathered, chunk: Any) -> None:
    gathered.printed.append(chunk.model_dump_json())
    _add_values(gathered, chunk)


@reads
def _add_values(gathered: Gathered, chunk: Any) -> None:
    gathered.pieces += 1
    gathered.response_id = gathered.response_id or chunk.id
    gathered.model = gathered.model or chunk.model
    gathered.usage = usage_of(chunk.usage) or gathered.usage
    for choice in chunk.choices:
        gathered.add_text(choice.index, choice.delta.content)
        gathered.add_refusal(choice.index, choice.delta.refusal)
        for call in choice.delta.tool_calls or ():
            gathered.add_call(choice.index, call.index, _tool_call(call))
        gathered.finish(choice.index, choice.finish_reason)


@reads
def _add_completion_chunk(gathered: Gathered, chunk: Any) -> None:
    gathered.pieces += 1
    gathered.response_id = gathered.response_id or chunk.id
    gathered.model = gathered.model or chunk.model
    gathered.usage = usage_of(chunk.usage) or gathered.usage
    for choice in chunk.choices:
        gathered.add_text(choice.index, choice.text)
        gathered.finish(choice.index, choice.finish_reason)


@reads
def _add_response_event(gathered: Gathered, event: Any) -> None:
    gathered.pieces += 1
    match event.type:
        case "response.output_text.delta":
            gathered.add_text(0, event.delta)
        case "response.output_item.added" if event.item.type in _CALLS:
            call = ToolCall(event.item.call_id, event.item.name, None)
            gathered.add_call(0, event.output_index, call)
        case "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta":
            gathered.add_call(0, event.output_index, ToolCall(None, None, event.delta))
        case "response.completed" | "response.incomplete" | "response.failed":
            gathered.finish(0, event.response.status)
            gathered.usage = usage_of(event.response.usage, RESPONSE_COUNTS)
            gathered.response_id, gathered.model = event.response.id, event.response.model


_STREAMED: Mapping[Operation, Callable[[Gathered, Any], None]] = {
    "chat": _add_chunk,
    "completions": _add_completion_chunk,
    "responses": _add_response_event,
}

_ACCUMULATED: Mapping[Operation, tuple[str, Callable[[Any], Reply]]] = {
    "chat": ("get_final_completion", _chat_reply),
    "responses": ("get_final_response", _response_reply),
}
"""What the SDK's own stream helper puts together, and how its user reads it."""


@dataclass(frozen=True, slots=True)
class _OpenAiClient:
    """`OpenAI()`, without retries."""

    connection: Connection
    sdk: "OpenAI"
    version: str

    def perform(self, any_ask: AnyAsk, mode: Mode) -> Reply:
        ask, method = _call(self.sdk, any_ask)
        arguments = _arguments(method, self.connection, ask, mode)
        if mode is Mode.PLAIN:
            return reply_of(lambda: _PLAIN[ask.operation, ask.helper](method(**arguments)))
        if ask.helper == "stream":
            return reply_of(lambda: self._accumulated(ask, method, arguments))

        def take(gathered: Gathered) -> None:
            for event in method(**arguments):
                _STREAMED[ask.operation](gathered, event)

        return gathered_from(take)

    def _accumulated(self, ask: Ask, method: Callable[..., Any], arguments: Mapping[str, Any]) -> Reply:
        final, read = _ACCUMULATED[ask.operation]
        with method(**arguments) as stream:
            pieces = sum(1 for _ in stream)
            return replace(read(getattr(stream, final)()), pieces=pieces)


@dataclass(frozen=True, slots=True)
class _AsyncOpenAiClient:
    """`AsyncOpenAI()`, without retries."""

    connection: Connection
    sdk: "AsyncOpenAI"
    portal: "BlockingPortal"
    version: str

    def perform(self, any_ask: AnyAsk, mode: Mode) -> Reply:
        ask, method = _call(self.sdk, any_ask)
        arguments = _arguments(method, self.connection, ask, mode)

        async def ask_plain() -> Reply:
            return _PLAIN[ask.operation, ask.helper](await method(**arguments))

        async def accumulate() -> Reply:
            final, read = _ACCUMULATED[ask.operation]
            async with method(**arguments) as stream:
                pieces = [event async for event in stream]
                return replace(read(await getattr(stream, final)()), pieces=len(pieces))

        async def take(gathered: Gathered) -> None:
            async for event in await method(**arguments):
                _STREAMED[ask.operation](gathered, event)

        if mode is Mode.PLAIN:
            return reply_of(lambda: self.portal.call(ask_plain))
        if ask.helper == "stream":
            return reply_of(lambda: self.portal.call(accumulate))
        return gathered_from(lambda gathered: self.portal.call(take, gathered))


@contextmanager
def _open(connection: Connection) -> Iterator[_OpenAiClient]:
    import httpx2
    import openai

    options = client_options(
        httpx2, RecordingTransport, connection.base_url, connection.limits, connection.way
    )
    http = httpx2.Client(**options, **http_options(connection))
    with openai.OpenAI(http_client=http, **sdk_options(connection)) as sdk:
        yield _OpenAiClient(connection, sdk, f"openai {openai.__version__}")


@contextmanager
def _open_async(connection: Connection) -> Iterator[_AsyncOpenAiClient]:
    import httpx2
    import openai
    from anyio.from_thread import start_blocking_portal

    options = client_options(
        httpx2, AsyncRecordingTransport, connection.base_url, connection.limits, connection.way
    )
    with start_blocking_portal() as portal:
        http = httpx2.AsyncClient(**options, **http_options(connection))
        sdk = openai.AsyncOpenAI(http_client=http, **sdk_options(connection))
        with portal.wrap_async_context_manager(sdk):
            yield _AsyncOpenAiClient(connection, sdk, portal, f"openai {openai.__version__}")


_REQUIRED: Mapping[Operation, str] = {"chat": "messages", "completions": "prompt", "embeddings": "input"}


def _lacks(ask: AnyAsk, mode: Mode) -> str:
    if isinstance(ask, Http):
        return "a raw request: it sends what its methods send"
    if isinstance(ask, Ask) and ask.helper:
        return f"the helper {ask.helper}: it is another client's"
    required = _REQUIRED.get(ask.operation)
    if isinstance(ask, Ask) and required is not None and required not in ask.params_for(mode):
        return f"{ask.operation} without {required}: its method requires it"
    return ""


LACKS = _lacks
CLIENTS = {"openai": _open, "openai-async": _open_async}
