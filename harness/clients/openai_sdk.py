"""The OpenAI SDK, `openai`, sync and async: `chat.completions.create` as its documentation shows it."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.clients import Connection
from harness.clients.reply import (
    Gathered,
    Reply,
    ReplyChoice,
    ToolCall,
    gathered_from,
    reply_of,
    usage_of,
)
from harness.scenario import Ask, Chat, Mode
from harness.wire.recording import AsyncRecordingTransport, RecordingTransport, client_options

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal
    from openai import AsyncOpenAI, OpenAI


def _arguments(create: Any, model: str, ask: Ask, mode: Mode) -> dict[str, Any]:
    """Arguments of `create`; parameters that the SDK does not know travel in `extra_body`."""
    if not isinstance(ask, Chat):
        raise TypeError("the OpenAI SDK asks chat scenarios only")
    params = ask.params_for(mode)
    known = inspect.signature(create).parameters
    extra = {name: value for name, value in params.items() if name not in known}
    return {
        "model": model,
        **{name: value for name, value in params.items() if name in known},
        **({"stream": True} if mode is Mode.STREAM else {}),
        **({"extra_body": extra} if extra else {}),
    }


def _plain_reply(completion: Any) -> Reply:
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
        printed=(completion.model_dump_json(),),
    )


def _tool_call(call: Any) -> ToolCall:
    function = call.function
    return ToolCall(call.id, function and function.name, function and function.arguments)


def _add_chunk(gathered: Gathered, chunk: Any) -> None:
    gathered.printed.append(chunk.model_dump_json())
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


@dataclass(frozen=True, slots=True)
class _OpenAiClient:
    """`OpenAI().chat.completions.create(...)`, without retries."""

    model: str
    sdk: "OpenAI"
    version: str

    def perform(self, ask: Ask, mode: Mode) -> Reply:
        create = self.sdk.chat.completions.create
        arguments = _arguments(create, self.model, ask, mode)
        if mode is Mode.PLAIN:
            return reply_of(lambda: _plain_reply(create(**arguments)))

        def take(gathered: Gathered) -> None:
            for chunk in create(**arguments):
                _add_chunk(gathered, chunk)

        return gathered_from(take)


@dataclass(frozen=True, slots=True)
class _AsyncOpenAiClient:
    """`await AsyncOpenAI().chat.completions.create(...)`, without retries."""

    model: str
    sdk: "AsyncOpenAI"
    portal: "BlockingPortal"
    version: str

    def perform(self, ask: Ask, mode: Mode) -> Reply:
        create = self.sdk.chat.completions.create
        arguments = _arguments(create, self.model, ask, mode)

        async def ask_plain() -> Reply:
            return _plain_reply(await create(**arguments))

        async def take(gathered: Gathered) -> None:
            async for chunk in await create(**arguments):
                _add_chunk(gathered, chunk)

        if mode is Mode.PLAIN:
            return reply_of(lambda: self.portal.call(ask_plain))
        return gathered_from(lambda gathered: self.portal.call(take, gathered))


@contextmanager
def _open(connection: Connection) -> Iterator[_OpenAiClient]:
    import httpx2
    import openai

    options = client_options(httpx2, RecordingTransport, connection.base_url, connection.limits)
    with openai.OpenAI(
        api_key=connection.key,
        base_url=connection.base_url,
        max_retries=0,
        http_client=httpx2.Client(**options),
    ) as sdk:
        yield _OpenAiClient(connection.model, sdk, f"openai {openai.__version__}")


@contextmanager
def _open_async(connection: Connection) -> Iterator[_AsyncOpenAiClient]:
    import httpx2
    import openai
    from anyio.from_thread import start_blocking_portal

    options = client_options(httpx2, AsyncRecordingTransport, connection.base_url, connection.limits)
    with start_blocking_portal() as portal:
        sdk = openai.AsyncOpenAI(
            api_key=connection.key,
            base_url=connection.base_url,
            max_retries=0,
            http_client=httpx2.AsyncClient(**options),
        )
        with portal.wrap_async_context_manager(sdk):
            yield _AsyncOpenAiClient(connection.model, sdk, portal, f"openai {openai.__version__}")


CLIENTS = {"openai": _open, "openai-async": _open_async}
