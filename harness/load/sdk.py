"""What the SDKs' load clients have in common: a request is used as its user would, and noted beneath."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx2
import orjson

from harness.clients import Connection as Endpoint
from harness.load.clients import body_of
from harness.load.received import Due, Seen, Taken
from harness.load.tap import Tap, client, refusal_of_proxy
from harness.scenario import Mode
from harness.wire.redaction import Secrets

Use = Callable[[Due, Mode], Iterator[bool]]
"""Asks, and yields for each thing that its user gets whether there is output in it."""


@dataclass(slots=True)
class SdkClient:
    """One user of an SDK, with an HTTP client of its own."""

    name: str
    endpoint: Endpoint
    tap: Tap
    http: httpx2.Client
    use: Use
    secrets: Secrets | None

    def perform(self, due: Due, mode: Mode) -> Taken:
        """Ask, and use up the answer."""
        self.tap.begin()
        start_ns = time.monotonic_ns()
        first_ns: int | None = None
        error: Exception | None = None
        try:
            for has_output in self.use(due, mode):
                if has_output and first_ns is None:
                    first_ns = time.monotonic_ns()
        except Exception as raised:  # noqa: BLE001  # whatever the SDK raises is what its user gets
            error = raised
        ended_ns = time.monotonic_ns()
        refusal = refusal_of_proxy(error)
        detail = f"{type(error).__name__}: {refusal or error}" if error else ""
        request = orjson.dumps(body_of(due, self.endpoint, mode))
        received = self.tap.received(ended_ns, error)
        seen = Seen(first_ns, ended_ns, detail)
        return Taken(due, self.name, mode, start_ns, ended_ns, self.secrets, request, received, seen, detail)

    def close(self) -> None:
        """Close its connections."""
        self.http.close()


def sdk_client(name: str, endpoint: Endpoint, use: Callable[[httpx2.Client], Use]) -> SdkClient:
    """A client for one user; `use` is given the HTTP client to build on."""
    tap = Tap(endpoint.limits)
    http = client(tap, endpoint)
    return SdkClient(name, endpoint, tap, http, use(http), endpoint.redacted)
