"""A connection that costs as little as can be while an answer streams in, on gevent and without its patches.

The hub's own callback reads: it keeps the time and the bytes and looks for nothing but the answer's end. The
greenlet that asked sleeps meanwhile, and is woken once every socket that is ready has been read.
"""

import base64
import errno
import os
import re
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import unquote, urlsplit

import gevent
from gevent import monkey
from gevent import socket as green
from gevent.hub import Waiter

from harness.load.arrival_clock import (
    ANCILLARY_SIZE,
    RawRead,
    ask_for_stamps,
    is_same,
    realtime_ahead_ns,
    stamp_of,
)
from harness.load.http_body import Chunks, Head, NotHttpError, dechunked, parsed_head
from harness.load.received import End, Received
from harness.wire.limits import Limits
from harness.wire.way import Way, tls_context

_Socket: Any = monkey.get_original("socket", "socket")
_READ_SIZE = 65536
_BUFFER = bytearray(_READ_SIZE)
"""What every socket is read into, one at a time, before its bytes go where they are kept."""

_VIEW = memoryview(_BUFFER)
_LAST_CHUNK = re.compile(rb"\r\n0+[ \t]*(?:;[^\r\n]*)?\r\n")
"""The line of a last chunk, with its extensions (RFC 9112, 7.1)."""

_LINE_SIZE = 256
"""How far back of what has come such a line may begin that ends in it."""


class UnreachableError(Exception):
    """No connection could be made; the message says why."""


@dataclass(frozen=True)
class Origin:
    """Where an endpoint listens, and the way there; addresses are looked up once."""

    scheme: str
    host: str
    port: int
    way: Way = Way()

    @classmethod
    def of(cls, base_url: str, way: Way = Way()) -> "Origin":
        """The origin of a URL."""
        parts = urlsplit(base_url)
        default = 443 if parts.scheme == "https" else 80
        return cls(parts.scheme, parts.hostname or "", parts.port or default, way)

    @cached_property
    def proxy(self) -> "Origin | None":
        """Where the proxy listens through which the endpoint is reached."""
        return None if self.way.proxy is None else Origin.of(self.way.proxy)

    @cached_property
    def proxy_headers(self) -> str:
        """What a proxy wants to know: who asks, where its URL says so (RFC 7617)."""
        parts = urlsplit(self.way.proxy or "")
        if parts.username is None:
            return ""
        words = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return f"Proxy-Authorization: Basic {base64.b64encode(words.encode()).decode()}\r\n"

    @property
    def has_tunnel(self) -> bool:
        """Whether a proxy is asked for a connection through it, which TLS needs (RFC 9110, 9.3.6)."""
        return self.proxy is not None and self.scheme == "https"

    @cached_property
    def addresses(self) -> list[Any]:
        """Every address, as getaddrinfo gives them; raises UnreachableError where there is none."""
        if self.proxy is not None:
            return self.proxy.addresses
        try:
            return list(green.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM))
        except OSError as error:
            raise UnreachableError(f"{self.host}: {error.strerror or error}") from None

    @cached_property
    def tls(self) -> ssl.SSLContext | None:
        """The trust of the way, for https."""
        return tls_context(self.way.trust) if self.scheme == "https" else None


class Connection:
    """One connection, for one request at a time."""

    def __init__(self, origin: Origin, connect_s: float) -> None:
        """Connect; raises UnreachableError."""
        self.is_usable = True
        self._hub = gevent.get_hub()
        self._sock = _connected(origin, connect_s)
        if origin.has_tunnel:
            _open_tunnel(self._sock, origin, connect_s)
        self._watcher = self._hub.loop.io(self._sock.fileno(), 1)
        self._has_stamps = ask_for_stamps(self._sock)
        self._tls: ssl.SSLObject | None = None
        if origin.tls is not None:
            self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            self._tls = origin.tls.wrap_bio(self._incoming, self._outgoing, server_hostname=origin.host)
            self._shake_hands(connect_s)
        self._connected_ns: int | None = time.monotonic_ns()

    def close(self) -> None:
        """Close the socket, at once and for good."""
        self.is_usable = False
        self._watcher.stop()
        self._watcher.close()
        self._sock.close()

    def is_stale(self) -> bool:
        """Whether the other side has closed an idle connection, or sent what nobody asked for."""
        try:
            self._sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def exchange(self, request: bytes, limits: Limits) -> Received:
        """Send a request and read the answer to its end, or to the first bound that it passes."""
        timeout_s = limits.total_s
        connected_ns, self._connected_ns = self._connected_ns, None
        ahead_ns = realtime_ahead_ns()
        reader = _Reader(self._receive, self._hub.loop.run_callback, limits)
        timer = self._hub.loop.timer(timeout_s)
        timer.start(reader.end, End.TIMEOUT, f"no end within {timeout_s:g} s")
        try:
            if failed := self._send(request, timeout_s):
                reader.end(End.RESET, failed)
            sent_ns = time.monotonic_ns()
            self._watcher.start(reader.readable)
            if reader.ended is None:
                reader.waiter.get()
        except BaseException:
            self.is_usable = False
            raise
        finally:
            timer.close()
            self._watcher.stop()
        return self._received(reader, connected_ns, sent_ns, ahead_ns)

    def _received(self, reader: "_Reader", connected_ns: int | None, sent_ns: int, ahead_ns: int) -> Received:
        end, detail = reader.ended or (End.CUT, "")
        self.is_usable = end is End.COMPLETE and reader.keeps_connection
        has_stamps = self._has_stamps and is_same(ahead_ns, realtime_ahead_ns())
        return Received(
            connected_ns,
            sent_ns,
            reader.ended_ns,
            end,
            detail,
            reader.head,
            reader.whole or bytes(reader.raw),
            reader.reads,
            ahead_ns if has_stamps else None,
            reader.chunks,
        )

    def _receive(self, kept: bytearray) -> bytes:
        """Add what is there, and give the kernel's stamp of it.

        Raises BlockingIOError where nothing is, and OSError for a reset.
        """
        if self._has_stamps:
            size, ancillary, _, _ = self._sock.recvmsg_into((_BUFFER,), ANCILLARY_SIZE)
            stamp = stamp_of(ancillary)
        else:
            size, stamp = self._sock.recv_into(_BUFFER), b""
        kept += _VIEW[:size] if self._tls is None else self._decrypted(bytes(_VIEW[:size]))
        return stamp

    def _decrypted(self, data: bytes) -> bytes:
        """What the TLS records say; raises BlockingIOError while none is whole."""
        assert self._tls is not None  # noqa: S101  # only called over TLS
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        plain: list[bytes] = []
        try:
            while piece := self._tls.read(_READ_SIZE):
                plain.append(piece)
        except ssl.SSLWantReadError:
            if not plain:
                raise BlockingIOError from None
        except ssl.SSLZeroReturnError:
            pass
        except ssl.SSLEOFError:
            pass
        return b"".join(plain)

    def _send(self, data: bytes, timeout_s: float) -> str:
        """Send all of it; gives what went wrong, empty if nothing did."""
        if self._tls is not None:
            self._tls.write(data)
            data = self._outgoing.read()
        view = memoryview(data)
        try:
            while view:
                try:
                    view = view[self._sock.send(view) :]
                except BlockingIOError:
                    green.wait_write(self._sock.fileno(), timeout_s)
        except OSError as error:
            # the answer that explains it may be there to read, as with a 413
            return "" if isinstance(error, BrokenPipeError | ConnectionResetError) else str(error)
        return ""

    def _shake_hands(self, timeout_s: float) -> None:
        assert self._tls is not None  # noqa: S101  # only called over TLS
        while True:
            try:
                self._tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                done = False
            except ssl.SSLError as error:
                self.close()
                raise UnreachableError(f"TLS: {error.reason or error}") from None
            try:
                if data := self._outgoing.read():
                    self._sock.send(data)
                if done:
                    return
                green.wait_read(self._sock.fileno(), timeout_s)
                data = self._sock.recv(_READ_SIZE)
            except OSError as error:
                self.close()
                raise UnreachableError(f"TLS: {error}") from None
            if not data:
                self.close()
                raise UnreachableError("TLS: the connection ended in the handshake")
            self._incoming.write(data)


class _Reader:
    """The reading of one answer by the hub: keeps what comes, and looks for its end."""

    __slots__ = (
        "_defer",
        "_has_last_chunk",
        "_is_chunked",
        "_limits",
        "_receive",
        "chunks",
        "ended",
        "ended_ns",
        "head",
        "raw",
        "reads",
        "waiter",
        "whole",
    )

    def __init__(
        self,
        receive: Callable[[bytearray], bytes],
        defer: Callable[..., object],
        limits: Limits,
    ) -> None:
        self._receive, self._defer, self._limits = receive, defer, limits
        self.waiter: Waiter[None] = Waiter()
        self.raw = bytearray()
        self.whole = b""
        self.reads: list[RawRead] = []
        self.head: Head | None = None
        self.chunks: Chunks | None = None
        self.ended: tuple[End, str] | None = None
        self.ended_ns = 0
        self._is_chunked = False
        self._has_last_chunk = False

    @property
    def keeps_connection(self) -> bool:
        """Whether another request may go this way: the server keeps it open, and said no more than this."""
        if self.head is None or not self.head.keeps_connection:
            return False
        ends_at = self.chunks.end if self.chunks is not None else self.head.answer_size
        return ends_at == len(self.raw)

    def readable(self) -> None:
        """Called by the hub whenever there is something to read."""
        raw = self.raw
        size = len(raw)
        try:
            stamp = self._receive(raw)
        except BlockingIOError:
            return
        except OSError as error:
            self.end(End.RESET, error.strerror or str(error))
            return
        if len(raw) == size:
            self._end_of_connection()
            return
        self.reads.append((time.monotonic_ns(), stamp, len(raw)))
        if len(raw) > self._limits.wire_bytes:
            self.end(End.OVERSIZED, f"the answer passed {self._limits.wire_bytes:,} bytes on the wire")
            return
        if not self._is_chunked:
            self._look_for_end()
        elif self._has_last_chunk or raw.find(b"\r\n0", max(0, size - _LINE_SIZE)) >= 0:
            self._look_for_last_chunk(max(0, size - _LINE_SIZE))

    def end(self, end: End, detail: str) -> None:
        """Take no more, and wake whoever waits."""
        if self.ended is None:
            self.ended, self.ended_ns = (end, detail), time.monotonic_ns()
            self._defer(self.waiter.switch, None)

    def _look_for_end(self) -> None:
        if self.head is None:
            self._look_for_head()
        elif self._is_chunked:
            self._look_for_last_chunk(self.head.size - 2)
        elif self.head.answer_size is not None and len(self.raw) >= self.head.answer_size:
            self.end(End.COMPLETE, "")

    def _look_for_head(self) -> None:
        try:
            self.head = parsed_head(self.raw)
        except NotHttpError as error:
            self.end(End.NOT_HTTP, str(error))
            return
        if self.head is None:
            if len(self.raw) > self._limits.head_bytes:
                self.end(End.OVERSIZED, f"the head passed {self._limits.head_bytes:,} bytes")
            return
        self._is_chunked = self.head.is_chunked
        self._look_for_end()

    def _look_for_last_chunk(self, start: int) -> None:
        self._has_last_chunk = self._has_last_chunk or _LAST_CHUNK.search(self.raw, start) is not None
        if self.head is None or not self._has_last_chunk:
            return
        raw = bytes(self.raw)
        try:
            chunks = dechunked(raw, self.head.size)
            if chunks.end is not None:
                self.whole, self.chunks = raw, chunks
                self.end(End.COMPLETE, "")
        except NotHttpError as error:
            self.end(End.NOT_HTTP, str(error))

    def _end_of_connection(self) -> None:
        if self.head is None:
            self.end(End.CUT, "the connection ended before the answer began")
        elif not self._is_chunked and self.head.answer_size is None:
            self.end(End.COMPLETE, "")
        else:
            self.end(End.CUT, "the connection ended before the body did")


def _connected(origin: Origin, connect_s: float) -> Any:
    """A socket with a standing TCP connection, that never blocks; raises UnreachableError."""
    reason = "no address"
    for family, kind, protocol, _, address in origin.addresses:
        try:
            sock = _Socket(family, kind, protocol)
        except OSError as error:
            reason = error.strerror or str(error)
            continue
        try:
            sock.setblocking(False)  # noqa: FBT003  # the standard library's signature
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            code = sock.connect_ex(address)
            if code == errno.EINPROGRESS:
                green.wait_write(sock.fileno(), connect_s)
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code == 0:
                return sock
            reason = os.strerror(code)
        except TimeoutError:
            reason = f"no connection within {connect_s:g} s"
        except BaseException:
            sock.close()
            raise
        sock.close()
    raise UnreachableError(reason)


_LONGEST_TUNNEL_ANSWER = 16_384


def _open_tunnel(sock: Any, origin: Origin, timeout_s: float) -> None:
    """Ask the proxy for a connection to the endpoint; raises UnreachableError, and closes the socket then."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    place = f"{host}:{origin.port}"
    request = f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n{origin.proxy_headers}\r\n"
    try:
        said = _said_by_proxy(sock, request.encode(), timeout_s)
    except BaseException as error:
        sock.close()
        if isinstance(error, OSError):
            raise UnreachableError(f"the proxy did not answer: {error}") from None
        raise
    status = re.match(rb"HTTP/1\.\d (\d{3}[^\r\n]*)", said)
    if status is None or not status[1].startswith(b"2"):
        sock.close()
        answer = status[1].decode("latin-1") if status else "with what is not HTTP"
        raise UnreachableError(f"the proxy answered {answer}")


def _said_by_proxy(sock: Any, request: bytes, timeout_s: float) -> bytes:
    """The head of a proxy's answer; raises OSError where none comes."""
    sock.send(request)
    said = b""
    while b"\r\n\r\n" not in said:
        green.wait_read(sock.fileno(), timeout_s)
        data = sock.recv(_READ_SIZE)
        said += data
        if not data or len(said) > _LONGEST_TUNNEL_ANSWER:
            raise ConnectionError("the connection ended in the head of an answer")
    return said
