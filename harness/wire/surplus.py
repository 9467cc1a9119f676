"""What a server sent beyond the end of its answer: no HTTP library tells its user.

The libraries read more than an answer from the socket, keep the rest, and take it for the beginning of the
next one, or throw it away with the connection. So the streams that they read from note what they read, and
an HTTP/1.1 parser of our own says where the answer ended (RFC 9112, 6.3).
"""

import selectors
import socket
from typing import Any

import h11

from harness.wire.bounds import current

_LONGEST_HEAD_BYTES = 1_048_576
_KEPT_BYTES = 4096
_LOOKED_AT_BYTES = 2 * 1_048_576
"""Of a longer answer nobody looks for the end: reading it a second time would take too long."""


class NotedStream:
    """A network stream of `httpcore` or `httpcore2`, synchronous, that notes what is read from it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._raw = bytearray()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read as the library would, within the bounds of the exchange."""
        bounds = current()
        if bounds is None:
            data: bytes = self._stream.read(max_bytes, timeout)
        else:
            timeout = bounds.left_s(timeout)
            try:
                data = self._stream.read(max_bytes, timeout)
            except Exception as error:
                if type(error).__name__ == "ReadTimeout":
                    bounds.was_silent(timeout)
                raise
            bounds.took(len(data))
        if len(self._raw) <= _LOOKED_AT_BYTES:
            self._raw += data
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write as the library would, within the bounds of the exchange."""
        bounds = current()
        self._stream.write(buffer, timeout if bounds is None else bounds.left_s(timeout))

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> "NotedStream":
        """The same over TLS; what a proxy said before is no part of an answer."""
        return NotedStream(self._stream.start_tls(ssl_context, server_hostname, _connect_s(timeout)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def surplus(self, method: str, wait_s: float) -> bytes:
        """The first bytes after the answer that was read, empty where there are none; begins anew.

        What has not been read yet is waited for, and left where it is; over TLS it can't be seen.
        """
        raw, self._raw = bytes(self._raw), bytearray()
        found = after_answer(raw, method)
        if not found and self._stream.get_extra_info("ssl_object") is None:
            found = _peeked(self._stream.get_extra_info("socket"), wait_s)
        return found[:_KEPT_BYTES]


class AsyncNotedStream:
    """The same for an asynchronous stream; what has not been read yet is not waited for."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._raw = bytearray()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read as the library would, within the bounds of the exchange."""
        bounds = current()
        if bounds is None:
            data: bytes = await self._stream.read(max_bytes, timeout)
        else:
            timeout = bounds.left_s(timeout)
            try:
                data = await self._stream.read(max_bytes, timeout)
            except Exception as error:
                if type(error).__name__ == "ReadTimeout":
                    bounds.was_silent(timeout)
                raise
            bounds.took(len(data))
        if len(self._raw) <= _LOOKED_AT_BYTES:
            self._raw += data
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write as the library would, within the bounds of the exchange."""
        bounds = current()
        await self._stream.write(buffer, timeout if bounds is None else bounds.left_s(timeout))

    async def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> "AsyncNotedStream":
        """The same over TLS."""
        stream = await self._stream.start_tls(ssl_context, server_hostname, _connect_s(timeout))
        return AsyncNotedStream(stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def surplus(self, method: str, _: float) -> bytes:
        """The first bytes after the answer that was read, empty where there are none; begins anew."""
        raw, self._raw = bytes(self._raw), bytearray()
        return after_answer(raw, method)[:_KEPT_BYTES]


class _NotingBackend:
    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def connect_tcp(self, *args: Any, **kwargs: Any) -> NotedStream:
        kwargs["timeout"] = _connect_s(kwargs.get("timeout"))
        return NotedStream(self._backend.connect_tcp(*args, **kwargs))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)


class _AsyncNotingBackend:
    def __init__(self, backend: Any) -> None:
        self._backend = backend

    async def connect_tcp(self, *args: Any, **kwargs: Any) -> AsyncNotedStream:
        kwargs["timeout"] = _connect_s(kwargs.get("timeout"))
        return AsyncNotedStream(await self._backend.connect_tcp(*args, **kwargs))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)


def _connect_s(asked_s: float | None) -> float | None:
    bounds = current()
    return asked_s if bounds is None else bounds.connect_s(asked_s)


def note_reads(transport: Any) -> Any:
    """A transport of `httpx` or `httpx2`, whose connections now note what they read."""
    # The library's transport takes no backend; its pool does.
    transport._pool._network_backend = _NotingBackend(transport._pool._network_backend)
    return transport


def note_reads_async(transport: Any) -> Any:
    """The same for an asynchronous transport."""
    transport._pool._network_backend = _AsyncNotingBackend(transport._pool._network_backend)
    return transport


def after_answer(raw: bytes, method: str) -> bytes:
    """What stands behind the answer to a request of this method; empty where the answer is not whole."""
    if len(raw) > _LOOKED_AT_BYTES:
        return b""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD_BYTES)
    connection.send(h11.Request(method=method, target="/", headers=[("host", "localhost")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(raw)
    try:
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if event in (h11.NEED_DATA, h11.PAUSED):
                return b""
    except h11.RemoteProtocolError:
        return b""
    return connection.trailing_data[0]


def _peeked(sock: Any, wait_s: float) -> bytes:
    if sock is None or sock.fileno() < 0:
        return b""
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        if not selector.select(wait_s):
            return b""
    try:
        peeked: bytes = sock.recv(_KEPT_BYTES, socket.MSG_PEEK)
    except OSError:
        return b""
    return peeked
