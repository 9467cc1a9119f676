"""Servers on loopback that say exactly the bytes they are told to, each named by what it does wrong."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

_TLS_HANDSHAKE = b"\x16"


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
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


def _accept(listener: socket.socket, answer: Callable[[socket.socket], None]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(connection, answer), daemon=True).start()


def _serve(connection: socket.socket, answer: Callable[[socket.socket], None]) -> None:
    with connection:
        try:
            _read_request(connection)
            answer(connection)
        except OSError:
            return


def _read_request(connection: socket.socket) -> None:
    data = b""
    while b"\r\n\r\n" not in data:
        received = connection.recv(65536)
        if not received:
            raise OSError("the client left")
        data += received
        if data.startswith(_TLS_HANDSHAKE):
            return
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [
        line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
    ]
    while len(body) < int(lengths[0] if lengths else 0):
        body += connection.recv(65536)


def says(*pieces: bytes) -> Callable[[socket.socket], None]:
    """Writes the pieces as they are, and closes."""

    def answer(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)

    return answer


def resets_after(*pieces: bytes) -> Callable[[socket.socket], None]:
    """Writes the pieces, then resets the connection."""

    def answer(connection: socket.socket) -> None:
        says(*pieces)(connection)
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
