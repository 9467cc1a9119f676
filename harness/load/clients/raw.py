"""The `raw` client: the fastest reader that can be made inside Locust, on connections of its own."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import orjson

from harness.clients import Connection as Endpoint
from harness.errors import UsageError
from harness.load.clients import body_of
from harness.load.connection import Connection, Origin, UnreachableError
from harness.load.received import Due, End, Received, Taken
from harness.scenario import PATHS, Mode, Operation
from harness.wire.redaction import Secrets

NAME = "raw"


@dataclass(slots=True)
class RawClient:
    """One user: a request at a time on a connection that is kept."""

    endpoint: Endpoint
    origin: Origin
    secrets: Secrets | None
    fronts: Mapping[Operation, str]
    connection: Connection | None = field(default=None, init=False)

    def perform(self, due: Due, mode: Mode) -> Taken:
        """Ask, and read the answer to its end."""
        body = orjson.dumps(body_of(due, self.endpoint, mode))
        request = self._message(due, body)
        limits = self.endpoint.limits
        start_ns = time.monotonic_ns()
        try:
            received = self._connected(limits.connect_s).exchange(request, limits)
            if _has_lost_race(received):
                received = self._connected(limits.connect_s).exchange(request, limits)
        except UnreachableError as error:
            return Taken(
                due, NAME, mode, start_ns, time.monotonic_ns(), self.secrets, body, detail=str(error)
            )
        return Taken(due, NAME, mode, start_ns, received.ended_ns, self.secrets, body, received)

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
        front = self.fronts[due.request.operation]
        head = f"{front}X-Client-Request-Id: {due.ordinal}\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body


def _front(endpoint: Endpoint, origin: Origin, path: str) -> str:
    """The head of each request for a path, as far as it is always the same."""
    url = endpoint.url(path)
    host, slash, rest = url.partition("://")[2].partition("/")
    is_absolute = origin.proxy is not None and not origin.has_tunnel
    headers = {
        "host": host,
        "content-type": "application/json",
        "accept-encoding": "identity",
        "user-agent": "likewise",
        **endpoint.auth_headers,
    }
    own = {name.lower(): value for name, value in endpoint.way.headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in {**headers, **own}.items())
    target = url if is_absolute else f"{slash}{rest}"
    return f"POST {target} HTTP/1.1\r\n{lines}{origin.proxy_headers if is_absolute else ''}"


def _has_lost_race(received: Received) -> bool:
    """Whether a connection that was kept ended with no byte of an answer (RFC 9112, 9.3.1).

    The server has closed it while the request was on its way and has not seen that.
    """
    was_kept = received.connected_ns is None
    return was_kept and not received.reads and received.end in (End.CUT, End.RESET)


def opened(endpoint: Endpoint) -> Callable[[], RawClient]:
    """What makes a client for each user; they share what was looked up of the endpoint."""
    origin = Origin.of(endpoint.base_url, endpoint.way)
    if origin.proxy is not None and origin.proxy.scheme == "https":
        raise UsageError(
            "The raw client of a load run speaks no TLS to a proxy.",
            "Name the proxy by http://, or ask by --clients openai or langchain.",
        )
    fronts = {operation: _front(endpoint, origin, path) for operation, path in PATHS.items()}
    return partial(RawClient, endpoint, origin, endpoint.redacted, fronts)
