"""Recording transports: beneath `httpx` and `httpx2` alike, sync and async, they write down what crosses.

`httpx` carries the raw client; the OpenAI SDK and langchain_openai build on `httpx2`. The two libraries have
the same transport interface under two names, so one pair of classes serves both.

    with recording(secrets) as tape:
        client.post(...)
    tape.exchanges  # one Exchange per request that the client made
"""

import ssl
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

import httpx
import httpx2

from harness.wire.bounds import Bounds, LimitReachedError, hold
from harness.wire.exchange import Ending, Exchange, Headers, Read, Request, Response
from harness.wire.limits import COARSE_READ_BYTES, FINE_READS, KEPT_OF_OVERSIZED_BYTES, Limits
from harness.wire.redaction import Secrets, redact, redact_headers, redact_pieces, redact_text, redact_url
from harness.wire.surplus import note_reads, note_reads_async
from harness.wire.way import Way, proxy_of, tls_context
from harness.wire.words import sentence_of

_LATE_S = 0.002
_LATE_STREAM_S = 0.25
_SURPLUS_BYTES = 256
"""So much is kept of what was overwritten whole: no half of a secret stands at its end."""


@dataclass(slots=True)
class Tape:
    """The exchanges of one client call, in order; `secrets` is what is overwritten in them.

    `until_ns` is when the whole run has to end, as `time.monotonic_ns` has it; 0 where nothing says so.
    `body_bytes` is how long a body may be where that is less than the limits have;
    `took_bytes` is how much was read of all bodies.
    """

    secrets: Secrets | None
    until_ns: int = 0
    body_bytes: int | None = None
    took_bytes: int = 0
    bodies: list["_RecordedBody | _AsyncRecordedBody"] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)


_tape: ContextVar[Tape] = ContextVar("tape")


@contextmanager
def recording(secrets: Secrets | None, until_ns: int = 0, body_bytes: int | None = None) -> Iterator[Tape]:
    """Everything that a recording transport carries inside this block goes to the tape that it gives.

    What a client has not closed when the block ends, as where its user's code raised, was left.
    """
    tape = Tape(secrets, until_ns, body_bytes)
    token = _tape.set(tape)
    try:
        yield tape
    finally:
        _tape.reset(token)
        for body in tape.bodies:
            body.leave()


@dataclass(slots=True)
class _Recorder:
    """One exchange while it happens."""

    request: Request
    bounds: Bounds
    way: Way
    tape: Tape
    response: Response | None = None
    reads: list[Read] = field(default_factory=list)
    stream: Any = None
    surplus: bytes = b""
    has_ended: bool = False
    is_on_kept_connection: bool = True

    def trace(self, name: str, _: object) -> None:
        """Hear what the connection does: the first thing that a new one does is to connect."""
        if name.endswith("connect_tcp.started"):
            self.is_on_kept_connection = False

    async def trace_async(self, name: str, info: object) -> None:
        """The same for an asynchronous connection."""
        self.trace(name, info)

    def start(self, status: int, http_version: str, headers: Headers) -> None:
        self.response = response = Response(status, http_version, headers, time.monotonic_ns(), ())
        is_stream = response.media_type == "text/event-stream"
        self.bounds.took_head(response.header("content-encoding") or "", is_stream=is_stream)

    def read(self, data: bytes) -> None:
        reads = self.reads
        if len(reads) > FINE_READS and len(reads[-1].data) < COARSE_READ_BYTES:
            reads[-1] = Read(time.monotonic_ns(), reads[-1].data + data)
        else:
            reads.append(Read(time.monotonic_ns(), data))
        self.bounds.took_body(data)
        self.bounds.left_s(None)

    def end(self, ended: Ending, detail: str = "") -> None:
        if self.has_ended:
            return
        self.has_ended = True
        self.tape.took_bytes += self.bounds.decoded_bytes
        if ended is Ending.COMPLETE and self.stream is not None:
            self.surplus = self.stream.surplus(self.request.method, self._late_s())
        secrets = self.tape.secrets
        request = Request(
            self.request.method,
            redact_url(self.request.url, secrets, self.way.secret_query),
            redact_headers(self.request.headers, secrets, self.way.secret_headers),
            redact(self.request.body, secrets),
            self.request.sent_ns,
        )
        exchange = Exchange(
            request, self._redacted_response(ended), ended, time.monotonic_ns(), redact_text(detail, secrets)
        )
        self.tape.exchanges.append(exchange)

    def _late_s(self) -> float:
        """How long to wait for what comes after the answer: longer where a stream's rest may be to come."""
        response = self.response
        is_sized = response is not None and response.header("content-length") is not None
        is_stream = response is not None and response.media_type == "text/event-stream"
        return _LATE_STREAM_S if is_sized and is_stream else _LATE_S

    def end_with(self, error: BaseException) -> None:
        ended = _ending_of(error, has_begun=self.response is not None)
        if ended is Ending.CUT and self.response is None and self.is_on_kept_connection:
            ended = Ending.STALE
        self.end(ended, self.bounds.silence or sentence_of(error))

    def _redacted_response(self, ended: Ending) -> Response | None:
        if self.response is None:
            return None
        secrets = self.tape.secrets
        head = self.response
        recorded = Response(head.status, head.http_version, head.headers, head.started_ns, tuple(self.reads))
        if ended is Ending.OVERSIZED:
            recorded = _start_of(recorded)
        headers = redact_headers(recorded.headers, secrets)
        reads = recorded.reads
        pieces = redact_pieces((read.data for read in recorded.decoded_reads), secrets)
        if b"".join(pieces) != recorded.body:
            arrived_ns = (read.arrived_ns for read in recorded.decoded_reads)
            reads = tuple(map(Read, arrived_ns, pieces))
            headers = _undone(headers, recorded)
        surplus = redact(self.surplus, secrets)[:_SURPLUS_BYTES]
        return Response(head.status, head.http_version, headers, head.started_ns, reads, surplus)


def _start_of(recorded: Response) -> Response:
    """As much as is kept of a body that was left at its bound, without its content coding."""
    kept = Response(
        recorded.status,
        recorded.http_version,
        tuple(pair for pair in recorded.headers if pair[0].lower() != "content-encoding"),
        recorded.started_ns,
        (),
    )
    left = KEPT_OF_OVERSIZED_BYTES
    reads = []
    for read in recorded.decoded_reads:
        reads.append(Read(read.arrived_ns, read.data[:left]))
        left -= len(read.data)
        if left <= 0:
            break
    return replace(kept, reads=tuple(reads))


def _undone(headers: Headers, recorded: Response) -> Headers:
    """The headers of a body without its content coding: a compressed one can't be redacted as it is."""
    if recorded.decoded_reads is recorded.reads:
        return headers
    size = {"content-length": str(len(recorded.body))}
    return tuple(
        (name, size.get(name.lower(), value)) for name, value in headers if name.lower() != "content-encoding"
    )


def _ending_of(error: BaseException, *, has_begun: bool) -> Ending:
    """What an exception of either library means; the two share their class names."""
    if isinstance(error, LimitReachedError):
        return error.ending
    is_tls = any(isinstance(link, ssl.SSLError) or "handshake" in str(link) for link in _chain(error))
    if is_tls and not has_begun:
        return Ending.TLS
    match type(error).__name__:
        case "ConnectError" | "ConnectTimeout" | "ProxyError" | "UnsupportedProtocol":
            return Ending.UNREACHABLE
        case "ReadTimeout" | "WriteTimeout" | "PoolTimeout":
            return Ending.TIMEOUT
        case "RemoteProtocolError" if not has_begun and "disconnected" not in str(error):
            return Ending.NOT_HTTP
        case "GeneratorExit" | "CancelledError" | "KeyboardInterrupt":
            return Ending.LEFT
        case _:
            return Ending.CUT


def _recorder(request: Any, limits: Limits, way: Way) -> _Recorder:
    """What records an exchange that begins now, in this context."""
    tape = _tape.get()
    sent = _sent(request)
    if tape.body_bytes is not None:
        limits = replace(limits, body_bytes=min(limits.body_bytes, tape.body_bytes))
    bounds = Bounds(limits, sent.sent_ns, tape.until_ns)
    hold(bounds)
    return _Recorder(sent, bounds, way, tape)


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__


class RecordingTransport(httpx.BaseTransport, httpx2.BaseTransport):
    """A synchronous transport of `library`, httpx or httpx2, that records."""

    def __init__(self, library: ModuleType, base_url: str, limits: Limits, way: Way) -> None:
        self._library, self._limits, self._way = library, limits, way
        self._inner = note_reads(library.HTTPTransport(**_connection_options(library, base_url, way)))

    def handle_request(self, request: Any) -> Any:
        """Send the library's request and give its response, whose body is recorded as it is read."""
        request.read()
        recorder = _recorder(request, self._limits, self._way)
        request.extensions = {**request.extensions, "trace": recorder.trace}
        try:
            response = self._inner.handle_request(request)
        except BaseException as error:
            recorder.end_with(error)
            raise
        return _recorded(self._library, response, recorder, _RecordedBody(response.stream, recorder))

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


class AsyncRecordingTransport(httpx.AsyncBaseTransport, httpx2.AsyncBaseTransport):
    """An asynchronous transport of `library`, httpx or httpx2, that records."""

    def __init__(self, library: ModuleType, base_url: str, limits: Limits, way: Way) -> None:
        self._library, self._limits, self._way = library, limits, way
        inner = library.AsyncHTTPTransport(**_connection_options(library, base_url, way))
        self._inner = note_reads_async(inner)

    async def handle_async_request(self, request: Any) -> Any:
        """Send the library's request and give its response, whose body is recorded as it is read."""
        await request.aread()
        recorder = _recorder(request, self._limits, self._way)
        request.extensions = {**request.extensions, "trace": recorder.trace_async}
        try:
            response = await self._inner.handle_async_request(request)
        except BaseException as error:
            recorder.end_with(error)
            raise
        return _recorded(self._library, response, recorder, _AsyncRecordedBody(response.stream, recorder))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


class _RecordedBody(httpx.SyncByteStream, httpx2.SyncByteStream):
    def __init__(self, stream: Any, recorder: _Recorder) -> None:
        self._stream, self._recorder = stream, recorder

    def __iter__(self) -> Iterator[bytes]:
        stream = iter(self._stream)
        try:
            while True:
                # Whoever reads on may do so in another context than the one that asked.
                hold(self._recorder.bounds)
                data = next(stream, None)
                if data is None:
                    break
                self._recorder.read(data)
                yield data
        except BaseException as error:
            self._recorder.end_with(error)
            raise
        self._recorder.end(Ending.COMPLETE)

    def close(self) -> None:
        self._recorder.end(Ending.LEFT)
        self._stream.close()

    def leave(self) -> None:
        """Close it where nobody has."""
        if not self._recorder.has_ended:
            self.close()


class _AsyncRecordedBody(httpx.AsyncByteStream, httpx2.AsyncByteStream):
    def __init__(self, stream: Any, recorder: _Recorder) -> None:
        self._stream, self._recorder = stream, recorder

    async def __aiter__(self) -> AsyncIterator[bytes]:
        stream = aiter(self._stream)
        try:
            while True:
                hold(self._recorder.bounds)
                data = await anext(stream, None)
                if data is None:
                    break
                self._recorder.read(data)
                yield data
        except BaseException as error:
            self._recorder.end_with(error)
            raise
        self._recorder.end(Ending.COMPLETE)

    async def aclose(self) -> None:
        self._recorder.end(Ending.LEFT)
        await self._stream.aclose()

    def leave(self) -> None:
        """Note that it was left where nobody has closed it; its own event loop closes it."""
        self._recorder.end(Ending.LEFT)


def _recorded(
    library: ModuleType,
    response: Any,
    recorder: _Recorder,
    body: "_RecordedBody | _AsyncRecordedBody",
) -> Any:
    version = response.extensions.get("http_version", b"").decode("ascii", "replace")
    recorder.start(response.status_code, version, _header_pairs(response.headers))
    recorder.tape.bodies.append(body)
    recorder.stream = response.extensions.get("network_stream")
    return library.Response(
        status_code=response.status_code,
        headers=response.headers,
        stream=body,
        extensions=response.extensions,
    )


def client_options(
    library: ModuleType,
    transport: type[RecordingTransport] | type[AsyncRecordingTransport],
    base_url: str,
    limits: Limits,
    way: Way = Way(),
) -> dict[str, Any]:
    """What to open an HTTP client of the library with: recorded, bounded, and staying where it was sent.

    Redirects are not followed: they could carry the key to another host, and a client that was told the right
    base_url has no need of them.
    """
    return {
        "transport": transport(library, base_url, limits, way),
        "timeout": library.Timeout(limits.silence_s, connect=limits.connect_s),
        "follow_redirects": False,
        "trust_env": False,
    }


def _sent(request: Any) -> Request:
    return Request(
        request.method,
        str(request.url),
        _header_pairs(request.headers),
        request.content,
        time.monotonic_ns(),
    )


def _header_pairs(headers: Any) -> Headers:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.raw)


def _connection_options(library: ModuleType, base_url: str, way: Way) -> dict[str, Any]:
    """TLS as the way has it, where the URL asks for it; its proxy, or else that of the user's environment."""
    scheme, _, rest = base_url.partition("://")
    proxy = proxy_of(library, way)
    if proxy is None and not urllib.request.proxy_bypass(rest.partition("/")[0]):
        proxy = urllib.request.getproxies().get(scheme)
    return {
        "verify": tls_context(way.trust) if scheme == "https" else False,
        "proxy": proxy,
        "trust_env": False,
    }
