"""A recording proxy on loopback: how a program that is no library of this process is observed.

    with recording_proxy(base_url, limits, way) as proxy, recording(secrets) as tape:
        with proxy.asking() as its_base_url:
            ...  # a program asks there
    tape.exchanges  # what crossed between the proxy and the endpoint, as if it had been asked from here

Plain HTTP/1.1 comes in; what goes out takes the way of the in-process clients, through the same recording
transport. Each read is handed on as it comes. An endpoint that closes without an answer, closes or resets in
the middle of one, or is silent, is so to the program as well; what can't be reached at all, fails in TLS or
passes a limit is a connection that is reset. Only what comes behind an answer's end stays here, recorded.
"""

import secrets
import selectors
import socket
import ssl
import struct
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import h11
import httpx

from harness.wire.limits import Limits
from harness.wire.recording import RecordingTransport
from harness.wire.way import Way

_HEAD_BYTES = 1_048_576
_READ_BYTES = 65_536
_GRACE_S = 1.0
"""How long an answer may go on after its question was answered, before it counts as left."""
_NO_TIME_S = 0.001
_GONE = b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_WITHOUT_BODY = (204, 304)
_RESET = struct.pack("ii", 1, 0)

_Pairs = list[tuple[bytes, bytes]]

_program: ContextVar[socket.socket] = ContextVar("program")
"""The connection of the program whose request is under way."""


@dataclass(frozen=True, slots=True)
class _Request:
    """What a program sent: its target as it stands in the request line, and its headers as they were."""

    method: str
    target: str
    headers: _Pairs
    body: bytes

    @property
    def closes(self) -> bool:
        return b"close" in _tokens(self.headers, b"connection")


@dataclass(slots=True)
class _Question:
    """What is being asked: whose tape takes it, and over which connections."""

    context: Context
    under_way: set[socket.socket] = field(default_factory=set)


class RecordingProxy:
    """A proxy for one endpoint, listening on a free port of 127.0.0.1; `recording_proxy` opens one."""

    def __init__(self, base_url: str, limits: Limits, way: Way, *, sends_key: bool) -> None:
        url = urlsplit(base_url)
        self._origin, self._path = f"{url.scheme}://{url.netloc}", url.path
        self._way, self._sends_key = way, sends_key
        self._timeout = httpx.Timeout(limits.silence_s, connect=limits.connect_s).as_dict()
        self._transport = RecordingTransport(httpx, base_url, limits, way)
        # The library's transport takes no backend; its pool does.
        pool: Any = self._transport._inner._pool
        pool._network_backend = _WatchingBackend(pool._network_backend)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._questions: dict[str, _Question] = {}
        self._connections: set[socket.socket] = set()
        self._changed = threading.Condition()

    @contextmanager
    def asking(self) -> Iterator[str]:
        """A base URL for what is asked now: it goes to the tape that is recording here.

        Nobody else can guess the URL, and it is good for nothing after the context. What is still under way
        then has a moment to end; after that it counts as left.
        """
        name, question = secrets.token_urlsafe(12), _Question(copy_context())
        with self._changed:
            self._questions[name] = question
        try:
            yield f"http://127.0.0.1:{self._listener.getsockname()[1]}/{name}{self._path}"
        finally:
            with self._changed:
                del self._questions[name]
                if not self._changed.wait_for(lambda: not question.under_way, _GRACE_S):
                    _hang_up(question.under_way)
                    self._changed.wait_for(lambda: not question.under_way, _GRACE_S)

    def listen(self) -> None:
        """Serve every connection in a thread of its own, until `close`."""
        while True:
            try:
                program, _ = self._listener.accept()
            except OSError:
                return
            with self._changed:
                self._connections.add(program)
            threading.Thread(target=self._serve, args=(program,), name="proxy", daemon=True).start()

    def close(self) -> None:
        """Hang up on everybody."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._changed:
            _hang_up(self._connections)
            self._changed.wait_for(lambda: not self._connections, _GRACE_S)
        self._transport.close()

    def _serve(self, program: socket.socket) -> None:
        try:
            program.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            first = b""
            while (received := _received(program, first)) is not None:
                request, first = received
                if not self._answered(program, request):
                    return
        except OSError:
            return
        except h11.RemoteProtocolError:
            with suppress(OSError):
                program.sendall(_BAD_REQUEST)
        finally:
            program.close()
            with self._changed:
                self._connections.discard(program)
                self._changed.notify_all()

    def _answered(self, program: socket.socket, request: _Request) -> bool:
        """Hand a request on, and its answer back; whether the connection can take another one."""
        name, slash, rest = request.target.removeprefix("/").partition("/")
        with self._changed:
            question = self._questions.get(name)
            if question is not None:
                question.under_way.add(program)
        if question is None:
            program.sendall(_GONE)
            return False
        try:
            # A context can't be entered twice, and a program may ask several things at a time.
            return question.context.copy().run(self._exchanged, program, request, slash + rest)
        finally:
            with self._changed:
                question.under_way.discard(program)
                self._changed.notify_all()

    def _exchanged(self, program: socket.socket, request: _Request, path: str) -> bool:
        _program.set(program)
        try:
            answer = self._transport.handle_request(self._outgoing(request, path))
        except Exception as error:  # noqa: BLE001  # the recorder has it, the program gets its like
            _end_like(program, error)
            return False
        try:
            return _handed_on(program, request, answer)
        except Exception as error:  # noqa: BLE001  # the same
            _end_like(program, error)
            return False
        finally:
            answer.stream.close()

    def _outgoing(self, request: _Request, path: str) -> httpx.Request:
        """The program's request, to the endpoint, with what every request there carries."""
        way = self._way
        headers = _end_to_end(request.headers)
        own = {**self._auth_headers(headers), **way.headers}
        replaced = {b"host", *(name.lower().encode("latin-1") for name in own)}
        if way.auth != "bearer" or not self._sends_key:
            replaced.add(b"authorization")
        path, _, query = path.partition("?")
        url, _, own_query = way.url(self._origin, path).partition("?")
        queries = "&".join(filter(None, (query, own_query)))
        target = httpx.URL(f"{url}{'?' if queries else ''}{queries}")
        return httpx.Request(
            request.method,
            target,
            headers=[
                (b"Host", target.netloc),
                *(pair for pair in headers if pair[0].lower() not in replaced),
                *((name.encode("latin-1"), value.encode()) for name, value in own.items()),
            ],
            stream=httpx.ByteStream(request.body),
            extensions={"timeout": self._timeout},
        )

    def _auth_headers(self, headers: _Pairs) -> Mapping[str, str]:
        """The key that a program sent as a bearer's, in the header of the way."""
        sent = [value.decode("latin-1") for name, value in headers if name.lower() == b"authorization"]
        if not sent or not self._sends_key or self._way.auth == "bearer":
            return {}
        return self._way.auth_headers(sent[0].partition(" ")[2])


@contextmanager
def recording_proxy(
    base_url: str, limits: Limits, way: Way, *, sends_key: bool = True
) -> Iterator[RecordingProxy]:
    """A proxy for an endpoint, ready inside the context and gone after it.

    It adds the way's own headers and query to what a program sends, and puts the key where the way has it.
    Without `sends_key`, a program's Authorization is a placeholder, and goes no further.
    """
    proxy = RecordingProxy(base_url, limits, way, sends_key=sends_key)
    threading.Thread(target=proxy.listen, name="proxy-listener", daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.close()


def _received(program: socket.socket, first: bytes) -> tuple[_Request, bytes] | None:
    """A whole request, and what came behind it; None where the program has left."""
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_BYTES)
    if first:
        parser.receive_data(first)
    head: h11.Request | None = None
    body = bytearray()
    while True:
        match parser.next_event():
            case h11.NEED_DATA:
                if parser.they_are_waiting_for_100_continue:
                    program.sendall(
                        parser.send(h11.InformationalResponse(status_code=100, headers=[])) or b""
                    )
                parser.receive_data(program.recv(_READ_BYTES))
            case h11.Request() as request:
                head = request
            case h11.Data(data=data):
                body += data
            case h11.EndOfMessage() if head is not None:
                method, target = head.method.decode("ascii"), head.target.decode("latin-1")
                whole = _Request(method, target, head.headers.raw_items(), bytes(body))
                return whole, parser.trailing_data[0]
            case _:
                return None


def _handed_on(program: socket.socket, request: _Request, answer: httpx.Response) -> bool:
    """Write an answer as it comes; whether the connection stands after it."""
    version = answer.extensions.get("http_version", b"HTTP/1.1")
    reason = answer.extensions.get("reason_phrase", b"")
    headers = answer.headers.raw
    lines = [b"%b %d %b" % (version, answer.status_code, reason), *(b"%b: %b" % pair for pair in headers)]
    program.sendall(b"\r\n".join([*lines, b"", b""]))
    names = {name.lower() for name, _ in headers}
    has_body = request.method != "HEAD" and answer.status_code not in _WITHOUT_BODY
    is_chunked = b"transfer-encoding" in names and has_body
    stream: Any = answer.stream
    for data in stream:
        if data:
            program.sendall(b"%x\r\n%b\r\n" % (len(data), data) if is_chunked else data)
    if is_chunked:
        program.sendall(b"0\r\n\r\n")
    is_framed = is_chunked or b"content-length" in names or not has_body
    has_closed = version == b"HTTP/1.0" or b"close" in _tokens(headers, b"connection")
    return is_framed and not has_closed and not request.closes


def _end_like(program: socket.socket, error: BaseException) -> None:
    """Have the connection end as the endpoint's did: a clean end where that closed, else a reset."""
    if not isinstance(error, httpx.RemoteProtocolError):
        with suppress(OSError):
            program.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def _tokens(headers: _Pairs, name: bytes) -> set[bytes]:
    values = (value for key, value in headers if key.lower() == name)
    return {token.strip().lower() for value in values for token in value.split(b",")}


def _end_to_end(headers: _Pairs) -> _Pairs:
    """Headers without those that are of the program's own connection (RFC 9110, 7.6.1).

    `close` and `keep-alive` stay, as the in-process clients send them, too.
    """
    named = _tokens(headers, b"connection") - {b"close", b"keep-alive"}
    if not named:
        return [pair for pair in headers if pair[0].lower() != b"expect"]
    dropped = {*named, b"connection", b"expect"}
    return [pair for pair in headers if pair[0].lower() not in dropped]


def _hang_up(connections: set[socket.socket]) -> None:
    for connection in connections:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


class _WatchedStream:
    """A network stream of the HTTP library, whose reads end when the program that waits has left."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read as the library would; CancelledError where nobody waits for it any more."""
        if not _can_read(self._stream, timeout):
            timeout = _NO_TIME_S
        data: bytes = self._stream.read(max_bytes, timeout)
        return data

    def start_tls(self, *args: Any, **kwargs: Any) -> "_WatchedStream":
        """The same over TLS."""
        return _WatchedStream(self._stream.start_tls(*args, **kwargs))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _WatchingBackend:
    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def connect_tcp(self, *args: Any, **kwargs: Any) -> _WatchedStream:
        return _WatchedStream(self._backend.connect_tcp(*args, **kwargs))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)


def _can_read(stream: Any, timeout_s: float | None) -> bool:
    """Wait until there is something to read; False where the time is over."""
    if isinstance(stream.get_extra_info("ssl_object"), ssl.SSLObject):
        # TLS within TLS may hold back what the socket has given already: it is read without a watch.
        return True
    endpoint, program = stream.get_extra_info("socket"), _program.get()
    if isinstance(endpoint, ssl.SSLSocket) and endpoint.pending():
        return True
    with selectors.DefaultSelector() as selector:
        selector.register(endpoint, selectors.EVENT_READ)
        selector.register(program, selectors.EVENT_READ)
        while ready := {key.fileobj for key, _ in selector.select(timeout_s)}:
            if endpoint in ready:
                return True
            if not _says_more(program):
                raise CancelledError("the client left")
            selector.unregister(program)
    return False


def _says_more(program: socket.socket) -> bool:
    """Whether what makes a program's connection readable is another request, and not its end."""
    try:
        return bool(program.recv(1, socket.MSG_PEEK))
    except OSError:
        return False
