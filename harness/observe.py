"""Observing: asks an endpoint through the clients; the only place that makes requests."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from re import Pattern

from harness.clients import Client, Connection, clients, isolated_environment
from harness.clients.reply import Reply
from harness.errors import UsageError
from harness.evidence import Observation
from harness.judge import can_ask
from harness.scenario import Mode, Scenario
from harness.wire.exchange import Ending, Exchange, Request
from harness.wire.recording import recording
from harness.wire.redaction import secret_pattern

RETRIED_STATUSES = (429, 503)
MAX_ATTEMPTS = 3
LONGEST_WAIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Call:
    """One thing to ask: a scenario through a client in a mode."""

    scenario: Scenario
    client: str
    mode: Mode


def calls_for(
    scenarios: Iterable[Scenario], client_names: Sequence[str], modes: Sequence[Mode], claims: frozenset[str]
) -> tuple[Call, ...]:
    """All that a run asks, each once, the founding calls first; what is not claimed is not asked."""
    return tuple(
        Call(scenario, client, mode)
        for scenario in sorted(scenarios, key=lambda scenario: not scenario.is_dropin)
        if scenario.needs <= claims
        for client in client_names
        if can_ask(client, scenario)
        for mode in scenario.modes
        if mode in modes
    )


@dataclass(frozen=True, slots=True)
class Observer:
    """Opened clients of one endpoint; `secrets` is what is overwritten in everything recorded."""

    clients: Mapping[str, Client]
    secrets: Pattern[bytes] | None

    def observe(self, call: Call) -> Observation:
        """Ask once; again only on 429 and 503, which ask for it, and the attempts are counted."""
        client = self.clients[call.client]
        for attempt in range(1, MAX_ATTEMPTS + 1):
            reply, exchange = self._ask(client, call)
            wait_s = _wait_before_retry_s(exchange, attempt)
            if wait_s is None:
                break
            time.sleep(wait_s)
        return Observation(call.scenario, call.client, client.version, call.mode, exchange, reply, attempt)

    def observe_all(self, calls: Iterable[Call], concurrency: int) -> Iterator[Observation]:
        """Ask everything, a few at a time, and give each observation as soon as it is there.

        Left early, it asks nothing more and does not wait for what is under way.
        """
        pool = ThreadPoolExecutor(concurrency, thread_name_prefix="observer")
        try:
            for future in as_completed([pool.submit(self.observe, call) for call in calls]):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, client: Client, call: Call) -> tuple[Reply, Exchange]:
        with recording(self.secrets) as tape:
            reply = client.perform(call.scenario.ask, call.mode)
        if tape.exchanges:
            return reply, tape.exchanges[-1]
        detail = reply.raised.message if reply.raised else "the client sent nothing"
        now_ns = time.monotonic_ns()
        return reply, Exchange(Request("", "", (), b"", now_ns), None, Ending.UNSENT, now_ns, detail)


@contextmanager
def observer(
    connection: Connection, client_names: Iterable[str], secrets: Iterable[str]
) -> Iterator[Observer]:
    """Open clients for an endpoint; the SDKs see no variable of the user's while they are open."""
    known = clients()
    with ExitStack() as stack:
        stack.enter_context(isolated_environment())
        opened = {name: stack.enter_context(known[name](connection)) for name in client_names}
        yield Observer(opened, secret_pattern(secrets))


def checked_clients(names: Iterable[str]) -> tuple[str, ...]:
    """Client names as the user gave them, each once; raises UsageError for one that there is not."""
    names = tuple(dict.fromkeys(names))
    unknown = [name for name in names if name not in clients()]
    if unknown:
        raise UsageError(f"There is no client {unknown[0]!r}.", f"Choose from {', '.join(clients())}.")
    return names


def _wait_before_retry_s(exchange: Exchange, attempt: int) -> float | None:
    """How long to wait before asking again; None when the exchange stands as it is."""
    response = exchange.response
    if response is None or response.status not in RETRIED_STATUSES or attempt == MAX_ATTEMPTS:
        return None
    asked = response.header("retry-after") or ""
    wait_s = float(asked) if asked.isascii() and asked.isdigit() else float(attempt)
    return min(wait_s, LONGEST_WAIT_S)
