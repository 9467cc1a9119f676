"""The socket on which an endpoint listens."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from harness.errors import UsageError

QUEUE = 2048
"""How many connections may wait to be accepted."""


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket, closed at the end. Clients that come before the server wait in its queue."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the protocol is named; with it, events wait for 40 ms
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(QUEUE)
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"The endpoint can't listen on {host}:{port}: {getattr(error, 'strerror', None) or error}.",
                "Choose another port, or 0 for a free one.",
            ) from None
        yield listener
