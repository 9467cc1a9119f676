"""The `raw` client: the fastest reader that can be made inside Locust, on connections of its own."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import orjson

from harness.clients import Connection as Endpoint
from harness.load.clients import body_of, secret_of
from harness.load.connection import Connection, Origin, UnreachableError
from harness.load.received import Due, End, Received, Taken
from harness.scenario import PATHS, Mode

NAME = "raw"


@dataclass(slots=True)
class RawClient:
    """One user: a request at a time on a connection that is kept."""

    endpoint: Endpoint
    origin: Origin
    secret: re.Pattern[bytes] | None
    connection: Connection | None = field(default=None, init=False)

    def perform(self, due: Due, mode: Mode) -> Taken:
        """Ask, and read the answer to its end."""
        body = orjson.dumps(body_of(due, self.endpoint, mode))
        request = self._message(due, body)
        limits = self.endpoint.limits
        start_ns = time.monotonic_ns()
        try:
            received = self._connected(limits.connect_s).exchange(request, limits.total_s)
            if _has_lost_race(received):
                received = self._connected(limits.connect_s).exchange(request, limits.total_s)
        except UnreachableError as error:
            return Taken(due, NAME, mode, start_ns, time.monotonic_ns(), self.secret, body, detail=str(error))
        return Taken(due, NAME, mode, start_ns, received.ended_ns, self.secret, body, received)

    def close(self) -> None:
        """Close the connection."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _connected(self, connect_s: float) -> Connection:
        if self.connection is not None and (not self.connection.is_usable or self.connection.is_stale()):
            self.close()
        if self.connection is None:
            self.connection = Connection(self.origin, connect_s)
        return self.connection

    def _message(self, due: Due, body: bytes) -> bytes:
        _, _, rest = self.endpoint.base_url.partition("://")
        host, slash, path = rest.partition("/")
        head = (
            f"POST {slash}{path}{PATHS[due.request.operation]} HTTP/1.1\r\nHost: {host}\r\n"
            f"Authorization: Bearer {self.endpoint.key}\r\nContent-Type: application/json\r\n"
            f"Accept-Encoding: identity\r\nUser-Agent: likewise\r\nX-Client-Request-Id: {due.ordinal}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def _has_lost_race(received: Received) -> bool:
    """Whether a connection that was kept ended with no byte of an answer (RFC 9112, 9.3.1).

    The server has closed it while the request was on its way and has not seen that.
    """
    was_kept = received.connected_ns is None
    return was_kept and not received.reads and received.end in (End.CUT, End.RESET)


def opened(endpoint: Endpoint) -> Callable[[], RawClient]:
    """What makes a client for each user; they share what was looked up of the endpoint."""
    return partial(RawClient, endpoint, Origin.of(endpoint.base_url), secret_of(endpoint))
