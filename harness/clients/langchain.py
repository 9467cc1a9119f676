"""langchain_openai's `ChatOpenAI`: `invoke` and `stream`, `ainvoke` and `astream`."""

import functools
import json
import operator
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

from harness.clients import Connection
from harness.clients.reply import (
    Reply,
    ReplyChoice,
    ToolCall,
    Usage,
    raised,
    reply_of,
)
from harness.scenario import Ask, Chat, Mode
from harness.wire.recording import AsyncRecordingTransport, RecordingTransport, client_options

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal
    from langchain_openai import ChatOpenAI


def _messages_and_options(ask: Ask, mode: Mode) -> tuple[Any, dict[str, Any]]:
    """What goes to `invoke` and `stream`: the messages, and every other parameter by its own name.

    LangChain renames `max_tokens` to `max_completion_tokens`; in `extra_body` it keeps its name.
    """
    if not isinstance(ask, Chat):
        raise TypeError("langchain_openai asks chat scenarios only")
    params: dict[str, Any] = ask.params_for(mode)
    messages = params.pop("messages")
    if "max_tokens" in params:
        params["extra_body"] = {"max_tokens": params.pop("max_tokens")}
    return messages, params


def _plain_reply(message: Any) -> Reply:
    return Reply(
        choices=(_choice(message),),
        usage=_usage(message.usage_metadata),
        response_id=message.response_metadata.get("id"),
        model=message.response_metadata.get("model_name"),
        printed=(_printed(message),),
        notes=tuple(filter(None, [_founding_line_is_refused()])),
    )


def _choice(message: Any) -> ReplyChoice:
    return ReplyChoice(
        index=0,
        text=message.content,
        tool_calls=tuple(
            ToolCall(call["id"], call["name"], _arguments(call["args"]))
            for call in (*message.tool_calls, *message.invalid_tool_calls)
        ),
        finish_reason=message.response_metadata.get("finish_reason"),
        refusal=message.additional_kwargs.get("refusal"),
    )


def _arguments(args: Any) -> str | None:
    """LangChain parses arguments; those that it could not parse stay text."""
    return args if args is None or isinstance(args, str) else json.dumps(args, ensure_ascii=False)


def _usage(counts: Any) -> Usage | None:
    if counts is None:
        return None
    return Usage(counts["input_tokens"], counts["output_tokens"], counts["total_tokens"])


@cache
def _founding_line_is_refused() -> str:
    """Why today's library refuses the founding page's print line; empty where it still runs."""
    from langchain_core.messages import AIMessage

    try:
        with warnings.catch_warnings(action="ignore"):
            AIMessage("").json(ensure_ascii=False)
    except TypeError as error:
        return (
            f"the founding page's `.json(ensure_ascii=False)` raises TypeError ({error}) "
            "in today's library, whatever the endpoint; `.model_dump_json()` is the current spelling"
        )
    return ""


def _printed(message: Any) -> str:
    if _founding_line_is_refused():
        return str(message.model_dump_json())
    return str(message.json(ensure_ascii=False))


def _streamed_reply(chunks: Sequence[Any], error: Exception | None) -> Reply:
    """What the user has who added up the chunks, as LangChain's users put a stream together."""
    if not chunks:
        return Reply(raised=None if error is None else raised(error))
    reply = reply_of(lambda: _plain_reply(functools.reduce(operator.add, chunks)))
    return replace(
        reply,
        raised=reply.raised if error is None else raised(error),
        pieces=len(chunks),
        printed=tuple(map(_printed, chunks)),
    )


@dataclass(frozen=True, slots=True)
class _LangChainClient:
    """`ChatOpenAI().invoke(...)` and `.stream(...)`, without retries."""

    llm: "ChatOpenAI"
    version: str

    def perform(self, ask: Ask, mode: Mode) -> Reply:
        messages, options = _messages_and_options(ask, mode)
        if mode is Mode.PLAIN:
            return reply_of(lambda: _plain_reply(self.llm.invoke(messages, **options)))
        chunks: list[Any] = []
        try:
            chunks.extend(self.llm.stream(messages, **options))
        except Exception as error:  # noqa: BLE001  # whatever the client raises is what its user gets
            return _streamed_reply(chunks, error)
        return _streamed_reply(chunks, None)


@dataclass(frozen=True, slots=True)
class _AsyncLangChainClient:
    """`await ChatOpenAI().ainvoke(...)` and `.astream(...)`, without retries."""

    llm: "ChatOpenAI"
    portal: "BlockingPortal"
    version: str

    def perform(self, ask: Ask, mode: Mode) -> Reply:
        messages, options = _messages_and_options(ask, mode)

        async def ask_plain() -> Reply:
            return _plain_reply(await self.llm.ainvoke(messages, **options))

        async def take(chunks: list[Any]) -> None:
            async for chunk in self.llm.astream(messages, **options):
                chunks.append(chunk)  # noqa: PERF401  # what came before an exception must be kept

        if mode is Mode.PLAIN:
            return reply_of(lambda: self.portal.call(ask_plain))
        chunks: list[Any] = []
        try:
            self.portal.call(take, chunks)
        except Exception as error:  # noqa: BLE001  # whatever the client raises is what its user gets
            return _streamed_reply(chunks, error)
        return _streamed_reply(chunks, None)


def _llm(connection: Connection, **http: Any) -> "ChatOpenAI":
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    return ChatOpenAI(
        api_key=SecretStr(connection.key),
        base_url=connection.base_url,
        model=connection.model,
        max_retries=0,
        use_responses_api=False,
        **http,
    )


def _version() -> str:
    return f"langchain-openai {metadata.version('langchain-openai')}"


@contextmanager
def _open(connection: Connection) -> Iterator[_LangChainClient]:
    import httpx2

    options = client_options(httpx2, RecordingTransport, connection.base_url, connection.limits)
    with httpx2.Client(**options) as http:
        yield _LangChainClient(_llm(connection, http_client=http), _version())


@contextmanager
def _open_async(connection: Connection) -> Iterator[_AsyncLangChainClient]:
    import httpx2
    from anyio.from_thread import start_blocking_portal

    options = client_options(httpx2, AsyncRecordingTransport, connection.base_url, connection.limits)
    with start_blocking_portal() as portal:
        http = httpx2.AsyncClient(**options)
        with portal.wrap_async_context_manager(http):
            yield _AsyncLangChainClient(_llm(connection, http_async_client=http), portal, _version())


CLIENTS = {"langchain": _open, "langchain-async": _open_async}
