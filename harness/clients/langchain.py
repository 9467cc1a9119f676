"""langchain_openai: `invoke` and `stream`, `ainvoke` and `astream`, and what stands over them."""

import functools
import inspect
import json
import operator
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
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
    reads,
    reply_of,
)
from harness.clients.sdk import http_options, sdk_options
from harness.scenario import AnyAsk, Ask, FollowUp, Http, Mode, ModelUse, Operation
from harness.wire.recording import AsyncRecordingTransport, RecordingTransport, client_options

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal


def _messages_and_options(ask: Ask, mode: Mode, own: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """What goes to `invoke` and `stream`: the messages, and every other parameter by its own name.

    LangChain renames `max_tokens` to `max_completion_tokens`; in `extra_body` it keeps its name. The target's
    `own` fields are there, too.
    """
    params: dict[str, Any] = ask.params_for(mode)
    messages = params.pop("input" if ask.operation == "responses" else "messages")
    extra = dict(own)
    if "max_tokens" in params:
        extra["max_tokens"] = params.pop("max_tokens")
    return messages, {**params, **({"extra_body": extra} if extra else {})}


def _plain_reply(message: Any) -> Reply:
    return replace(_unprinted_reply(message), printed=(_printed(message),))


@reads
def _unprinted_reply(message: Any) -> Reply:
    return Reply(
        choices=(_choice(message),),
        usage=_usage(message.usage_metadata),
        response_id=message.response_metadata.get("id"),
        model=message.response_metadata.get("model_name"),
        notes=tuple(filter(None, [_founding_line_is_refused()])),
    )


def _choice(message: Any) -> ReplyChoice:
    return ReplyChoice(
        index=0,
        text=message.content,
        tool_calls=tuple(
            ToolCall(call["id"], call["name"], _input(message, call) or _arguments(call["args"]))
            for call in (*message.tool_calls, *message.invalid_tool_calls)
        ),
        finish_reason=message.response_metadata.get("finish_reason"),
        refusal=message.additional_kwargs.get("refusal"),
    )


def _input(message: Any, call: Mapping[str, Any]) -> str | None:
    """The free text that a custom tool is called with, which LangChain wraps into arguments of its own."""
    blocks = message.content if isinstance(message.content, list) else []
    custom = [
        block for block in blocks if isinstance(block, dict) and block.get("type") == "custom_tool_call"
    ]
    is_custom = any(block.get("call_id") == call["id"] for block in custom)
    return call["args"].get("__arg1") if is_custom and isinstance(call["args"], dict) else None


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
class _Runnable:
    """A LangChain runnable with what goes into it, and how its user reads what comes out."""

    runnable: Any
    given: Any
    options: Mapping[str, Any]
    read: Callable[[Any], Reply]


def _runnable(models: "_Models", ask: Ask, mode: Mode) -> _Runnable:
    own = models.connection.own_params(ask, mode)
    if ask.operation == "completions":
        params: dict[str, Any] = {**ask.params_for(mode), **({"extra_body": own} if own else {})}
        return _Runnable(models.completions(), params.pop("prompt"), params, lambda text: _text_reply([text]))
    messages, options = _messages_and_options(ask, mode, own)
    llm = models.chat(ask.uses, use_responses_api=ask.operation == "responses")
    if ask.helper:
        schema = {**options.pop("response_format")["json_schema"]["schema"], "title": "answer"}
        structured = llm.with_structured_output(schema, method=ask.helper, include_raw=True, **options)
        return _Runnable(structured, messages, {}, _structured_reply)
    return _Runnable(llm, messages, options, _plain_reply)


def _structured_reply(answer: Mapping[str, Any]) -> Reply:
    """The object and the message it came in; without `include_raw`, the parsing error is what a user gets."""
    error = answer["parsing_error"]
    return replace(
        _plain_reply(answer["raw"]), data=answer["parsed"], raised=None if error is None else raised(error)
    )


def _data_reply(data: Any) -> Reply:
    return Reply(data=data)


def _text_reply(pieces: Sequence[str]) -> Reply:
    return Reply(choices=(ReplyChoice(0, "".join(pieces)),), pieces=len(pieces))


def _streamed(chunks: Sequence[Any], error: Exception | None) -> Reply:
    if chunks and isinstance(chunks[0], str):
        return replace(_text_reply(chunks), raised=None if error is None else raised(error))
    return _streamed_reply(chunks, error)


@dataclass(frozen=True, slots=True)
class _Models:
    """The LangChain models of one connection, over one recorded HTTP client."""

    connection: Connection
    http: Mapping[str, Any]

    def chat(self, uses: Sequence[ModelUse], *, use_responses_api: bool) -> Any:
        from langchain_openai import ChatOpenAI

        return ChatOpenAI(**self._common(*uses), use_responses_api=use_responses_api)

    def completions(self) -> Any:
        from langchain_openai import OpenAI

        return OpenAI(**self._common("completions"))

    def embeddings(self, ask: Ask) -> Any:
        """Embeddings of texts as they are: turning them into tokens would need a tokenizer from a hub."""
        from langchain_openai import OpenAIEmbeddings

        options: dict[str, Any] = {name: value for name, value in ask.params.items() if name != "input"}
        if own := self.connection.own_params(ask, Mode.PLAIN):
            options["extra_body"] = own
        return OpenAIEmbeddings(
            **self._common("embeddings"), check_embedding_ctx_length=False, model_kwargs=options
        )

    def _common(self, *uses: ModelUse) -> dict[str, Any]:
        return {**sdk_options(self.connection), "model": self.connection.model_for(*uses), **self.http}


def _checked(ask: AnyAsk) -> Ask:
    if not isinstance(ask, Ask):
        raise TypeError("LangChain sends what its models send, and no raw request")
    return ask


@dataclass(frozen=True, slots=True)
class _LangChainClient:
    """`ChatOpenAI().invoke(...)` and `.stream(...)` and their like, without retries."""

    models: _Models
    version: str

    def perform(self, any_ask: AnyAsk, mode: Mode) -> Reply:
        ask = _checked(any_ask)
        if ask.operation == "embeddings":
            params: Any = ask.params
            return reply_of(lambda: _data_reply(self.models.embeddings(ask).embed_documents(params["input"])))
        run = _runnable(self.models, ask, mode)
        if mode is Mode.PLAIN:
            return reply_of(lambda: run.read(run.runnable.invoke(run.given, **run.options)))
        chunks: list[Any] = []
        try:
            chunks.extend(run.runnable.stream(run.given, **run.options))
        except Exception as error:  # noqa: BLE001  # whatever the client raises is what its user gets
            return _streamed(chunks, error)
        return _streamed(chunks, None)


@dataclass(frozen=True, slots=True)
class _AsyncLangChainClient:
    """`await ChatOpenAI().ainvoke(...)` and `.astream(...)` and their like, without retries."""

    models: _Models
    portal: "BlockingPortal"
    version: str

    def perform(self, any_ask: AnyAsk, mode: Mode) -> Reply:
        ask = _checked(any_ask)
        if ask.operation == "embeddings":
            params: Any = ask.params
            model = self.models.embeddings(ask)
            return reply_of(lambda: _data_reply(self.portal.call(model.aembed_documents, params["input"])))
        run = _runnable(self.models, ask, mode)

        async def ask_plain() -> Reply:
            return run.read(await run.runnable.ainvoke(run.given, **run.options))

        async def take(chunks: list[Any]) -> None:
            async for chunk in run.runnable.astream(run.given, **run.options):
                chunks.append(chunk)  # noqa: PERF401  # what came before an exception must be kept

        if mode is Mode.PLAIN:
            return reply_of(lambda: self.portal.call(ask_plain))
        chunks: list[Any] = []
        try:
            self.portal.call(take, chunks)
        except Exception as error:  # noqa: BLE001  # whatever the client raises is what its user gets
            return _streamed(chunks, error)
        return _streamed(chunks, None)


def _version() -> str:
    return f"langchain-openai {metadata.version('langchain-openai')}"


@contextmanager
def _open(connection: Connection) -> Iterator[_LangChainClient]:
    import httpx2

    options = client_options(
        httpx2, RecordingTransport, connection.base_url, connection.limits, connection.way
    )
    with httpx2.Client(**options, **http_options(connection)) as http:
        yield _LangChainClient(_Models(connection, {"http_client": http}), _version())


@contextmanager
def _open_async(connection: Connection) -> Iterator[_AsyncLangChainClient]:
    import httpx2
    from anyio.from_thread import start_blocking_portal

    options = client_options(
        httpx2, AsyncRecordingTransport, connection.base_url, connection.limits, connection.way
    )
    with start_blocking_portal() as portal:
        http = httpx2.AsyncClient(**options, **http_options(connection))
        with portal.wrap_async_context_manager(http):
            models = _Models(connection, {"http_async_client": http})
            yield _AsyncLangChainClient(models, portal, _version())


_ROLES = frozenset({"user", "assistant", "system", "developer", "tool", "function"})


def _lacks(ask: AnyAsk, mode: Mode) -> str:
    if isinstance(ask, Http):
        return "a raw request: it sends what its models send"
    if ask.operation == "models":
        return "models: it has no call for their list"
    if isinstance(ask, FollowUp):
        is_chat = ask.operation == "chat"
        return "" if is_chat else f"a next turn of {ask.operation}: its messages are no output items"
    if ask.helper:
        return f"the helper {ask.helper}: it is another client's"
    params = ask.params_for(mode)
    return _lacks_of_input(ask.operation, params) or _lacks_of_parameters(ask.operation, params)


def _lacks_of_input(operation: Operation, params: Mapping[str, Any]) -> str:
    match operation, params.get(_INPUTS[operation]):
        case "embeddings", given:
            are_texts = isinstance(given, list) and all(isinstance(text, str) for text in given)
            return "" if given and are_texts else "an input that is no list of texts: it takes no other"
        case "completions" | "responses", str():
            return ""
        case "completions", _:
            return "a prompt that is no text: it takes a list for messages"
        case _, given:
            is_right = isinstance(given, list) and all(map(_is_message, given))
            return "" if is_right else "messages that are none: it makes objects of its own of them"


_INPUTS: Mapping[Operation, str] = {
    "chat": "messages",
    "completions": "prompt",
    "embeddings": "input",
    "responses": "input",
}


def _is_message(value: object) -> bool:
    return isinstance(value, dict) and value.get("role") in _ROLES and "content" in value


def _lacks_of_parameters(operation: Operation, params: Mapping[str, Any]) -> str:
    if operation == "embeddings":
        more = sorted(params.keys() - {"input"})
        return f"embeddings with {more[0]}: its method takes texts alone" if more else ""
    if params.get("n") not in {None, 1}:
        return "n: a reply of its models has one choice, and its streams mix all into that one"
    unknown = sorted(params.keys() - _parameters_of_the_sdk(operation))
    return f"{unknown[0]}: it calls a method of the SDK that knows no such parameter" if unknown else ""


@cache
def _parameters_of_the_sdk(operation: Operation) -> frozenset[str]:
    """What the methods know that LangChain calls."""
    from openai.resources import Completions
    from openai.resources.chat import Completions as ChatCompletions
    from openai.resources.responses import Responses

    methods: Mapping[Operation, Any] = {
        "chat": ChatCompletions.create,
        "completions": Completions.create,
        "responses": Responses.create,
    }
    return frozenset(inspect.signature(methods[operation]).parameters)


LACKS = _lacks
CLIENTS = {"langchain": _open, "langchain-async": _open_async}
