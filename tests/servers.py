"""Servers on loopback that say exactly the bytes they are told to, each named by what it does wrong."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import httpx

Answer = Callable[[socket.socket, bytes], None]
"""Writes to the connection what the server says to a request."""

_TLS_HANDSHAKE = b"\x16"


@contextmanager
def server(answer: Answer) -> Iterator[str]:
    """A server that reads each request to its end, lets `answer` write, and closes; gives its base_url."""
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=_accept, args=(listener, answer), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def _accept(listener: socket.socket, answer: Answer) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(connection, answer), daemon=True).start()


def _serve(connection: socket.socket, answer: Answer) -> None:
    with connection:
        try:
            answer(connection, _read_request(connection))
        except (OSError, httpx.TransportError):  # the client left, and with it what a front asks behind it
            return


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        received = connection.recv(65536)
        if not received:
            raise OSError("the client left")
        data += received
        if data.startswith(_TLS_HANDSHAKE):
            return data
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [
        line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
    ]
    while len(body) < int(lengths[0] if lengths else 0):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def closes_kept_connections(*pieces: bytes) -> Answer:
    """Writes the pieces and keeps the connection, but resets it at its second request."""

    def answer(connection: socket.socket, request: bytes) -> None:
        says(*pieces)(connection, request)
        _read_request(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return answer


def says(*pieces: bytes) -> Answer:
    """Writes the pieces as they are, and closes."""

    def answer(connection: socket.socket, _: bytes) -> None:
        for piece in pieces:
            connection.sendall(piece)

    return answer


def by_mode(plain: Answer, streamed: Answer) -> Answer:
    """Answers a request for a stream one way, any other another way."""

    def answer(connection: socket.socket, request: bytes) -> None:
        asks_for_stream = b'"stream":true' in request.replace(b" ", b"")
        (streamed if asks_for_stream else plain)(connection, request)

    return answer


def resets_after(*pieces: bytes) -> Answer:
    """Writes the pieces, then resets the connection."""

    def answer(connection: socket.socket, request: bytes) -> None:
        says(*pieces)(connection, request)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return answer


def head(
    status: str = "200 OK", *, media_type: str = "application/json", headers: Sequence[str] = ()
) -> bytes:
    """A response head whose body ends with the connection."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {media_type}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def sized(body: bytes, status: str = "200 OK", *, media_type: str = "application/json") -> bytes:
    """A whole response with its length."""
    return head(status, media_type=media_type, headers=[f"Content-Length: {len(body)}"]) + body
