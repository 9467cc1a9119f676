"""Raw HTTP by `httpx`: the user who posts JSON and reads lines, with no SDK between."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from harness.clients import Connection
from harness.clients.reply import (
    RESPONSE_COUNTS,
    Gathered,
    Reply,
    ReplyChoice,
    ToolCall,
    gathered_from,
    raised,
    reads,
    reply_of,
    usage_of,
)
from harness.scenario import PATHS, AnyAsk, Ask, FollowUp, Mode, Operation
from harness.wire.recording import AsyncRecordingTransport, RecordingTransport, client_options
from harness.wire.sse import read_events

if TYPE_CHECKING:
    import httpx
    from anyio.from_thread import BlockingPortal

WRONG_KEY = "sk-likewise-wrong-key"


class HttpStatusError(Exception):
    """What a raw user raises on an HTTP error, with the error object's code."""

    def __init__(self, status_code: int, body: bytes) -> None:
        super().__init__(f"HTTP {status_code}: {body[:300].decode('utf-8', 'replace')}")
        self.status_code = status_code
        self.code = _error_code(body)


class StreamError(Exception):
    """What a raw user raises on an error object in mid-stream."""

    def __init__(self, error: object) -> None:
        super().__init__(f"error event: {json.dumps(error, ensure_ascii=False)[:300]}")
        self.code = error.get("code") if isinstance(error, Mapping) else None


def _error_code(body: bytes) -> str | None:
    try:
        code = json.loads(body)["error"]["code"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return code if isinstance(code, str) else None


@dataclass(frozen=True, slots=True)
class _Message:
    """One HTTP request, ready for `client.stream`."""

    method: str
    url: str
    content: bytes
    headers: Mapping[str, str]


def _message(connection: Connection, ask: AnyAsk, mode: Mode) -> _Message:
    way = connection.way
    right = {**way.headers, **connection.auth_headers}
    json_headers = {"content-type": "application/json"}
    if isinstance(ask, FollowUp):
        raise TypeError("a follow-up is asked after it was made from the answer before it")
    if isinstance(ask, Ask):
        url = connection.url(PATHS[ask.operation])
        if ask.operation == "models":
            return _Message("GET", url, b"", right)
        stream = {"stream": True} if mode is Mode.STREAM else {}
        body = {
            "model": connection.model_for(*ask.uses),
            **connection.own_params(ask, mode),
            **ask.params_for(mode),
            **stream,
        }
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        return _Message("POST", url, content, {**right, **json_headers})
    wrong = way.auth_headers(WRONG_KEY) if connection.key else {}
    keys = {"right": connection.auth_headers, "wrong": wrong, "none": {}}
    model, embedding_model = connection.model_for("chat"), connection.model_for("embeddings")
    content = ask.body.replace(b"{model}", model.encode()).replace(b"{embedding}", embedding_model.encode())
    path = ask.path.replace("{model}", quote(model, safe=""))
    headers = {**way.headers, **keys[ask.key], **(json_headers if ask.body else {}), **dict(ask.headers)}
    return _Message(ask.method, connection.url(path), _with_params(content, connection), headers)


def _with_params(body: bytes, connection: Connection) -> bytes:
    """A body with the target's own fields, where it is a JSON object that lacks them."""
    try:
        given = json.loads(body) if connection.params else None
    except ValueError:
        return body
    if not isinstance(given, dict):
        return body
    return json.dumps({**connection.params, **given}, ensure_ascii=False).encode()


@reads
def _chat_reply(answer: Any) -> Reply:
    return Reply(
        choices=tuple(
            ReplyChoice(
                index=choice.get("index"),
                text=choice["message"].get("content"),
                tool_calls=tuple(_tool_call(call) for call in choice["message"].get("tool_calls") or ()),
                finish_reason=choice.get("finish_reason"),
                refusal=choice["message"].get("refusal"),
            )
            for choice in answer["choices"]
        ),
        usage=usage_of(answer.get("usage")),
        response_id=answer.get("id"),
        model=answer.get("model"),
        printed=(json.dumps(answer, ensure_ascii=False),),
    )


@reads
def _completion_reply(answer: Any) -> Reply:
    return Reply(
        choices=tuple(
            ReplyChoice(choice.get("index"), choice["text"], finish_reason=choice.get("finish_reason"))
            for choice in answer["choices"]
        ),
        usage=usage_of(answer.get("usage")),
        response_id=answer.get("id"),
        model=answer.get("model"),
    )


@reads
def _embeddings_reply(answer: Any) -> Reply:
    return Reply(
        data=[item["embedding"] for item in answer["data"]],
        usage=usage_of(answer.get("usage")),
        model=answer.get("model"),
    )


@reads
def _models_reply(answer: Any) -> Reply:
    return Reply(data=[model["id"] for model in answer["data"]])


_CALLS: Mapping[str, str] = {"function_call": "arguments", "custom_tool_call": "input"}
"""Items that are calls, and where each has what it is called with."""


@reads
def _response_reply(answer: Any) -> Reply:
    items = answer["output"]
    parts = [part for item in items if item["type"] == "message" for part in item["content"]]
    calls = [item for item in items if item["type"] in _CALLS]
    choice = ReplyChoice(
        index=0,
        text="".join(part["text"] for part in parts if part["type"] == "output_text"),
        tool_calls=tuple(
            ToolCall(call["call_id"], call["name"], call[_CALLS[call["type"]]]) for call in calls
        ),
        finish_reason=answer.get("status"),
    )
    usage = usage_of(answer.get("usage"), RESPONSE_COUNTS)
    return Reply(choices=(choice,), usage=usage, response_id=answer["id"], model=answer.get("model"))


_PLAIN: Mapping[Operation, Callable[[Any], Reply]] = {
    "chat": _chat_reply,
    "completions": _completion_reply,
    "embeddings": _embeddings_reply,
    "models": _models_reply,
    "responses": _response_reply,
}


def _tool_call(call: Mapping[str, Any]) -> ToolCall:
    if custom := call.get("custom"):
        return ToolCall(call.get("id"), custom.get("name"), custom.get("input"))
    function = call.get("function") or {}
    return ToolCall(call.get("id"), function.get("name"), function.get("arguments"))


def _streamed_reply(body: bytes, add: Callable[[Gathered, Any], None]) -> Reply:
    def take(gathered: Gathered) -> None:
        for event in read_events([(0, body)]):
            if event.ended and event.data not in (None, "[DONE]"):
                value = json.loads(event.data or "")
                gathered.printed.append(event.data or "")
                if value.get("error"):
                    raise StreamError(value["error"])
                gathered.pieces += 1
                add(gathered, value)

    return gathered_from(take)


@reads
def _add_chunk(gathered: Gathered, chunk: Any) -> None:
    gathered.response_id = gathered.response_id or chunk.get("id")
    gathered.model = gathered.model or chunk.get("model")
    gathered.usage = usage_of(chunk.get("usage")) or gathered.usage
    for choice in chunk["choices"]:
        index = choice.get("index")
        delta = choice["delta"] if "delta" in choice else {"content": choice["text"]}
        gathered.add_text(index, delta.get("content"))
        gathered.add_refusal(index, delta.get("refusal"))
        for call in delta.get("tool_calls") or ():
            gathered.add_call(index, call.get("index"), _tool_call(call))
        gathered.finish(index, choice.get("finish_reason"))


@reads
def _add_response_event(gathered: Gathered, event: Any) -> None:
    match event["type"]:
        case "response.output_text.delta":
            gathered.add_text(0, event["delta"])
        case "response.output_item.added" if event["item"]["type"] in _CALLS:
            item = event["item"]
            gathered.add_call(0, event["output_index"], ToolCall(item["call_id"], item["name"], None))
        case "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta":
            gathered.add_call(0, event["output_index"], ToolCall(None, None, event["delta"]))
        case "response.completed" | "response.incomplete" | "response.failed":
            response = event["response"]
            gathered.finish(0, response["status"])
            gathered.usage = usage_of(response.get("usage"), RESPONSE_COUNTS)
            gathered.response_id, gathered.model = response["id"], response.get("model")


_STREAMED: Mapping[Operation, Callable[[Gathered, Any], None]] = {
    "chat": _add_chunk,
    "completions": _add_chunk,
    "responses": _add_response_event,
}


@dataclass(slots=True)
class _Answer:
    """What came of a request: it is read to its end before anything is made of it."""

    status: int = 0
    body: bytearray = field(default_factory=bytearray)
    error: Exception | None = None


def _reply(answer: _Answer, ask: AnyAsk, mode: Mode) -> Reply:
    body = bytes(answer.body)
    if answer.status >= 300:
        return Reply(raised=raised(HttpStatusError(answer.status, body)))
    if not isinstance(ask, Ask):
        reply = reply_of(lambda: Reply(data=json.loads(body)))
    elif mode is Mode.STREAM:
        reply = _streamed_reply(body, _STREAMED[ask.operation])
    else:
        reply = reply_of(lambda: _PLAIN[ask.operation](json.loads(body)))
    return reply if answer.error is None else replace(reply, raised=raised(answer.error))


@dataclass(frozen=True, slots=True)
class _RawClient:
    """POST and read, synchronously."""

    connection: Connection
    http: "httpx.Client"
    version: str

    def perform(self, ask: AnyAsk, mode: Mode) -> Reply:
        message, answer = _message(self.connection, ask, mode), _Answer()
        try:
            with self.http.stream(**asdict(message)) as response:
                answer.status = response.status_code
                for data in response.iter_bytes():
                    answer.body += data
        except Exception as error:  # noqa: BLE001  # whatever the client raises is what its user gets
            answer.error = error
        return _reply(answer, ask, mode)


@dataclass(frozen=True, slots=True)
class _AsyncRawClient:
    """POST and read, in an event loop of its own."""

    connection: Connection
    http: "httpx.AsyncClient"
    portal: "BlockingPortal"
    version: str

    def perform(self, ask: AnyAsk, mode: Mode) -> Reply:
        return self.portal.call(self._perform, ask, mode)

    async def _perform(self, ask: AnyAsk, mode: Mode) -> Reply:
        message, answer = _message(self.connection, ask, mode), _Answer()
        try:
            async with self.http.stream(**asdict(message)) as response:
                answer.status = response.status_code
                async for data in response.aiter_bytes():
                    answer.body += data
        except Exception as error:  # noqa: BLE001  # whatever the client raises is what its user gets
            answer.error = error
        return _reply(answer, ask, mode)


@contextmanager
def _open(connection: Connection) -> Iterator[_RawClient]:
    import httpx

    options = client_options(
        httpx, RecordingTransport, connection.base_url, connection.limits, connection.way
    )
    with httpx.Client(**options) as http:
        yield _RawClient(connection, http, f"httpx {httpx.__version__}")


@contextmanager
def _open_async(connection: Connection) -> Iterator[_AsyncRawClient]:
    import httpx
    from anyio.from_thread import start_blocking_portal

    options = client_options(
        httpx, AsyncRecordingTransport, connection.base_url, connection.limits, connection.way
    )
    with start_blocking_portal() as portal:
        http = httpx.AsyncClient(**options)
        with portal.wrap_async_context_manager(http):
            yield _AsyncRawClient(connection, http, portal, f"httpx {httpx.__version__}")


def _lacks(ask: AnyAsk, _: Mode) -> str:
    return f"the helper {ask.helper}: it has none" if isinstance(ask, Ask) and ask.helper else ""


LACKS = _lacks
CLIENTS = {"raw": _open, "raw-async": _open_async}
