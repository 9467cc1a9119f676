"""The reference endpoint as a server: routing, keys and bodies in, writes out, at their time.

This is the one place with effects. What is answered is decided by pure functions of the request; here the
answer becomes bytes, the pauses are waited for, and the log is told when each write goes out.
"""

import asyncio
import itertools
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import orjson
import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from harness.endpoint import log, refusal
from harness.endpoint.answer import Answer, Json, JsonObject, Kind, Wire
from harness.endpoint.answering import Make, answered, check_key, encoded, wired
from harness.endpoint.departure import Asked
from harness.endpoint.dialects import DIALECTS
from harness.endpoint.handlers import HANDLERS, Handler, Incoming
from harness.endpoint.listening import QUEUE, listening
from harness.endpoint.log import Log, Sent
from harness.endpoint.pace import pace
from harness.endpoint.prefix_cache import PrefixCache
from harness.endpoint.refusal import Refusal
from harness.endpoint.responses import Store
from harness.endpoint.settings import Settings
from harness.endpoint.stamp import Stamp
from harness.endpoint.status_line import RAW_SOCKET, Protocol
from harness.endpoint.together import check_together

LARGEST_BODY_BYTES = 26_214_400
_CLIENT_ID_LENGTH = 512
_GRACE_S = 1
_KEEP_ALIVE_S = 75
"""Longer than a busy client leaves a connection idle between two requests: closing it would cost a try."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a running endpoint is, what it serves, and the key it takes."""

    base_url: str
    model: str
    embedding_model: str
    key: str


class App:
    """The ASGI application of one endpoint. It keeps responses, marked prompts and a count of requests."""

    def __init__(self, settings: Settings, log: Log | None) -> None:
        self._settings = settings
        self._dialect = DIALECTS[settings.dialect]
        self._departures = settings.departures
        self._log = log
        self._ordinals = itertools.count()
        self._store = Store()
        self._cache = PrefixCache()
        routes = [
            Route(self._dialect.base_path + path, _Resource(self, by_method))
            for path, by_method in HANDLERS.items()
        ]
        self._router = Router(routes, redirect_slashes=False, default=_Resource(self, {}))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        await self._router(scope, receive, send)

    async def serve(self, handlers: Mapping[str, Handler], request: Request, send: Send) -> None:
        """Answer one request by the handler of its method; a path without handlers is unknown."""
        received_ns = time.monotonic_ns()
        asked = self._asked(request)
        pause = pace(self._settings.latency, asked.ordinal)
        unique = self._dialect.new_id()
        make: Make = partial(self._answer, handlers, request, unique)
        try:
            asked = replace(asked, body=_parsed(await _read(request)))
        except ClientDisconnect:
            return
        except Refusal as refused:
            make = partial(_refuse, refused)
        answer = answered(self._dialect, self._departures, asked, make, unique)
        wire = encoded(self._dialect, answer, pause, unique)
        sent = Sent(dict(wire.headers)["x-request-id"], request.scope["path"], received_ns)
        wire = wired(self._departures, asked, wire)
        try:
            if wire.is_raw:
                await _write_raw(wire, sent, request.receive, request.scope["extensions"][RAW_SOCKET])
            else:
                await _write(wire, sent, request.receive, send)
        finally:
            if self._log is not None:
                self._log.put(sent)

    def _asked(self, request: Request) -> Asked:
        """The request, as far as it is known before its body has come."""
        kind, _, key = request.headers.get("authorization", "").partition(" ")
        return Asked(
            request.method,
            request.scope["path"].removeprefix(self._dialect.base_path),
            next(self._ordinals),
            key.strip() if kind.lower() == "bearer" else "",
            self._settings.key,
            self._dialect.models,
            {},
        )

    def _answer(self, handlers: Mapping[str, Handler], request: Request, unique: str, asked: Asked) -> Answer:
        method, path = request.method, request.scope["path"]
        if not handlers:
            raise refusal.unknown_url(method, path)
        if method == "OPTIONS":
            return Answer(204, (("allow", ", ".join(_allowed(handlers))),), ())
        handler = handlers.get("GET" if method == "HEAD" else method)
        if handler is None:
            raise refusal.wrong_method(method, path, _allowed(handlers))
        check_key(asked)
        _check_client_id(request.headers.get("x-client-request-id", ""))
        body = asked.body if method == "POST" else {}
        if body is None:
            raise refusal.unparsable()
        stamp = Stamp.now(unique)
        return handler(Incoming(self._dialect, body, request.path_params, stamp, self._store, self._cache))


@dataclass(frozen=True, slots=True)
class _Resource:
    """What is served at one path, as the router calls it."""

    app: App
    handlers: Mapping[str, Handler]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self.app.serve(self.handlers, Request(scope, receive), send)


def _check_client_id(client_id: str) -> None:
    """A client's own request id is short ASCII."""
    if len(client_id) > _CLIENT_ID_LENGTH or not client_id.isascii():
        raise Refusal(
            f"Invalid 'X-Client-Request-Id' header: expected up to {_CLIENT_ID_LENGTH} ASCII characters."
        )


def _refuse(refused: Refusal, _: Asked) -> Answer:
    raise refused


def _allowed(handlers: Mapping[str, Handler]) -> list[str]:
    return [*handlers, *(["HEAD"] if "GET" in handlers else []), "OPTIONS"]


async def _read(request: Request) -> bytes:
    """The body, up to the size limit."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY_BYTES:
            raise refusal.too_large(len(body), LARGEST_BODY_BYTES)
    return bytes(body)


def _parsed(body: bytes) -> JsonObject | None:
    """The JSON object in a body, whatever its content type says; None when there is none.

    orjson holds to RFC 8259 but lets a repeated key pass; the standard library tells of those.
    """
    try:
        value: Json = orjson.loads(body)
        json.loads(body, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _once(pairs: list[tuple[str, Json]]) -> JsonObject:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a key is there twice")
    return members


async def _write(wire: Wire, sent: Sent, receive: Receive, send: Send) -> None:
    """Send a wire, each write at its time; stop quietly when the client has gone.

    Every wait, also one of no time, lets the other requests run, so that each write reaches the socket by
    itself. Times add up from the moment the request came in, so that one late write doesn't delay the rest.
    """
    headers = [(name.encode(), value.encode()) for name, value in wire.headers]
    start = {"type": "http.response.start", "status": wire.status, "headers": headers}
    due_ns = float(sent.received_ns)
    gone = asyncio.ensure_future(_disconnect(receive))
    try:
        for i, write in enumerate(wire.writes):
            due_ns += write.pause_ms * 1e6
            await asyncio.sleep(max(0.0, (due_ns - time.monotonic_ns()) / 1e9))
            if gone.done():
                sent.ended_ns = time.monotonic_ns()
                return
            if i == 0:
                sent.write(Kind.HEAD, 0)
                await send(start)
            more = i + 1 < len(wire.writes) or wire.is_cut
            sent.write(write.kind, len(write.data))
            await send({"type": "http.response.body", "body": write.data, "more_body": more})
        if not wire.writes:
            sent.write(Kind.HEAD, 0)
            await send(start)
            await send({"type": "http.response.body", "body": b"", "more_body": wire.is_cut})
    finally:
        gone.cancel()


async def _write_raw(wire: Wire, sent: Sent, receive: Receive, transport: asyncio.WriteTransport) -> None:
    """Send bytes that no HTTP library would send, each write at its time, and close the connection."""
    for write in wire.writes:
        await asyncio.sleep(write.pause_ms / 1e3)
        sent.write(write.kind, len(write.data))
        transport.write(write.data)
    transport.close()
    await _disconnect(receive)


async def _disconnect(receive: Receive) -> None:
    """Return when the client has gone; what it still sends of its body is dropped."""
    while (await receive())["type"] != "http.disconnect":
        pass


# --- running ---


@contextmanager
def running(
    settings: Settings = Settings(),  # noqa: B008  # immutable
    *,
    host: str = "127.0.0.1",
    port: int = 0,
) -> Iterator[Address]:
    """A reference endpoint in a thread of this process, ready inside the context and gone after it.

    Port 0 takes a free one. Requests that are under way at the end get one second. Raises `UsageError` when
    the port is in use, the log can't be written, or the departures can't stand together.
    """
    check_together(DIALECTS[settings.dialect], settings.departures)
    with log.opened(settings.log) as records, listening(host, port) as listener:
        server = _server(settings, records)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="likewise-endpoint", daemon=True
        )
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.002)
            yield _address(settings, host, listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


def _server(settings: Settings, records: Log | None) -> uvicorn.Server:
    config = uvicorn.Config(
        App(settings, records),
        loop="asyncio",  # its transports write at once, so that one write is one segment and its time is true
        http=Protocol,
        backlog=QUEUE,
        ws="none",
        lifespan="off",
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
    return uvicorn.Server(config)


def _address(settings: Settings, host: str, port: int) -> Address:
    dialect = DIALECTS[settings.dialect]
    shown = f"[{host}]" if ":" in host else host
    base_url = f"http://{shown}:{port}{dialect.base_path}"
    return Address(base_url, dialect.model, dialect.embedding_model, settings.key)
