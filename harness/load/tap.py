"""Beneath an SDK: what its HTTP library reads off the socket, and when the kernel says that it came.

`httpx2` builds on `httpcore2`, whose network backend is the one place where sockets are read. The library
stays as its users have it; only the reading notes what it reads.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpcore2
import httpx2

from harness.clients import Connection as Endpoint
from harness.clients.sdk import http_options
from harness.load.arrival_clock import (
    ANCILLARY_SIZE,
    RawRead,
    ask_for_stamps,
    is_same,
    realtime_ahead_ns,
    stamp_of,
)
from harness.load.http_body import Head, NotHttpError, dechunked, parsed_head
from harness.load.received import End, Received
from harness.wire.bounds import Bounds, LimitReachedError
from harness.wire.exchange import Ending
from harness.wire.limits import Limits
from harness.wire.way import proxy_of, tls_context


@dataclass(slots=True)
class Tap:
    """What is noted of one request at a time, which may take so much."""

    limits: Limits
    raw: bytearray = field(default_factory=bytearray)
    reads: list[RawRead] = field(default_factory=list)
    connected_ns: int | None = None
    sent_ns: int | None = None
    has_stamps: bool = False
    has_ended: bool = False
    ahead_ns: int = 0
    bounds: Bounds = field(init=False)
    passed: LimitReachedError | None = None

    def begin(self) -> None:
        """Forget the request before."""
        self.raw, self.reads, self.connected_ns, self.sent_ns = bytearray(), [], None, None
        self.has_ended = False
        self.ahead_ns = realtime_ahead_ns()
        self.bounds, self.passed = Bounds(self.limits, time.monotonic_ns()), None

    def left_s(self, timeout_s: float | None) -> float:
        """How long a read may take: the library's own bound, and no longer than the request has left."""
        with self.noting():
            return self.bounds.left_s(timeout_s)

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Keep what is raised at a bound: the SDKs raise something else over it."""
        try:
            yield
        except LimitReachedError as error:
            self.passed = error
            raise

    def received(self, ended_ns: int, error: Exception | None) -> Received | None:
        """What has come; None where nothing could be sent, or only a proxy was asked."""
        if self.sent_ns is None or refusal_of_proxy(error):
            return None
        raw = bytes(self.raw)
        try:
            head = parsed_head(raw)
            end, detail = self._end(raw, head, error)
        except NotHttpError as not_http:
            head, end, detail = None, End.NOT_HTTP, str(not_http)
        has_stamps = self.has_stamps and is_same(self.ahead_ns, realtime_ahead_ns())
        ahead_ns = self.ahead_ns if has_stamps else None
        return Received(
            self.connected_ns, self.sent_ns, ended_ns, end, detail, head, raw, self.reads, ahead_ns
        )

    def _end(self, raw: bytes, head: Head | None, error: Exception | None) -> tuple[End, str]:
        if head is not None and _is_whole(raw, head, has_ended=self.has_ended):
            return End.COMPLETE, ""
        if self.passed is not None:
            is_late = self.passed.ending is Ending.TIMEOUT
            return End.TIMEOUT if is_late else End.OVERSIZED, str(self.passed)
        causes = list(_causes(error))
        if any(isinstance(cause, httpcore2.TimeoutException) for cause in causes):
            return End.TIMEOUT, str(error)
        if any(isinstance(cause, ConnectionResetError) for cause in causes):
            return End.RESET, "Connection reset by peer"
        if self.has_ended:
            return End.CUT, "the connection ended before the answer did"
        return End.LEFT, "" if error is None else f"{type(error).__name__}: {error}"


def refusal_of_proxy(error: Exception | None) -> str:
    """What a proxy said that opened no tunnel; empty where it was not that."""
    said = (str(cause) for cause in _causes(error) if isinstance(cause, httpcore2.ProxyError))
    return next(said, "")


def _is_whole(raw: bytes, head: Head, *, has_ended: bool) -> bool:
    if head.is_chunked:
        return dechunked(raw, head.size).end is not None
    return has_ended if head.answer_size is None else len(raw) >= head.answer_size


def _causes(error: BaseException | None) -> Iterable[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


class _TappedStream(httpcore2.NetworkStream):
    """A stream of the library's own whose reads are noted; over TLS the kernel's stamps can't be had."""

    def __init__(self, stream: httpcore2.NetworkStream, tap: Tap) -> None:
        self._stream, self._tap = stream, tap
        self._sock: Any = stream.get_extra_info("socket")
        self._is_tls = stream.get_extra_info("ssl_object") is not None
        tap.has_stamps = not self._is_tls and ask_for_stamps(self._sock)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read as the library would, with the stamp beside it, for as long as the request may take."""
        timeout = self._tap.left_s(timeout)
        if not self._tap.has_stamps:
            data, stamp = self._stream.read(max_bytes, timeout), b""
        else:
            try:
                self._sock.settimeout(timeout)
                data, ancillary, _, _ = self._sock.recvmsg(max_bytes, ANCILLARY_SIZE)
                stamp = stamp_of(ancillary)
            except TimeoutError as error:
                raise httpcore2.ReadTimeout(error) from error
            except OSError as error:
                raise httpcore2.ReadError(error) from error
        if data:
            self._tap.raw += data
            self._tap.reads.append((time.monotonic_ns(), stamp, len(self._tap.raw)))
            with self._tap.noting():
                self._tap.bounds.took(len(data))
        else:
            self._tap.has_ended = True
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write, and note when the last of it has gone."""
        self._stream.write(buffer, timeout)
        self._tap.sent_ns = time.monotonic_ns()

    def close(self) -> None:
        """Close it."""
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        """The same over TLS; what a proxy said before is no part of the answer."""
        self._tap.raw, self._tap.reads = bytearray(), []
        tls = _TappedStream(self._stream.start_tls(ssl_context, server_hostname, timeout), self._tap)
        self._tap.connected_ns = time.monotonic_ns()
        return tls

    def get_extra_info(self, info: str) -> Any:
        """What the library wants to know of it."""
        return self._stream.get_extra_info(info)


class _TappedBackend(httpcore2.SyncBackend):
    def __init__(self, tap: Tap) -> None:
        self._tap = tap

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect, and note when the connection stands."""
        stream = super().connect_tcp(host, port, timeout, local_address, socket_options)
        self._tap.connected_ns = time.monotonic_ns()
        return _TappedStream(stream, self._tap)


class TappedTransport(httpx2.HTTPTransport):
    """The library's own transport, over sockets whose reads are noted."""

    def __init__(self, tap: Tap, **options: Any) -> None:
        super().__init__(**options)
        self._tap = tap
        # The library's transport takes no backend; its pool does.
        self._pool._network_backend = _TappedBackend(tap)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; a coded body, which nobody asked for, is undone no further than its bound."""
        response = super().handle_request(request)
        codings = response.headers.get("content-encoding", "")
        self._tap.bounds.took_head(codings, is_stream=False)
        if codings:
            response.stream = _BoundedBody(response.stream, self._tap)
        return response


class _BoundedBody(httpx2.SyncByteStream):
    def __init__(self, stream: Any, tap: Tap) -> None:
        self._stream, self._tap = stream, tap

    def __iter__(self) -> Iterator[bytes]:
        for data in self._stream:
            with self._tap.noting():
                self._tap.bounds.took_body(data)
            yield data

    def close(self) -> None:
        """Close it."""
        self._stream.close()


def client(tap: Tap, endpoint: Endpoint) -> httpx2.Client:
    """The HTTP client to open an SDK with: it stays where it is sent, and heeds no environment."""
    is_tls = endpoint.base_url.startswith("https:")
    transport = TappedTransport(
        tap,
        verify=tls_context(endpoint.way.trust) if is_tls else False,
        proxy=proxy_of(httpx2, endpoint.way),
        trust_env=False,
    )
    return httpx2.Client(
        transport=transport,
        timeout=httpx2.Timeout(endpoint.limits.silence_s, connect=endpoint.limits.connect_s),
        headers={"Accept-Encoding": "identity"},
        follow_redirects=False,
        trust_env=False,
        **http_options(endpoint),
    )
