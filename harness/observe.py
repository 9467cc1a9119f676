"""Observing: asks an endpoint through the clients; the only place that makes requests."""

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from harness.clients import (
    Client,
    Connection,
    clients,
    hush_libraries,
    isolated_environment,
    quiet_libraries,
)
from harness.clients.command import Introduced, opens
from harness.clients.reply import Reply, kept, reply_of
from harness.errors import UsageError
from harness.evidence import NotJudgedError, Observation
from harness.flakiness import flake_of
from harness.plan import Call
from harness.scenario import AnyAsk, FollowUp, NoFollowUpError, Scenario
from harness.wire.exchange import Ending, Exchange, Request
from harness.wire.recording import recording
from harness.wire.redaction import Secrets, secrets_of

NO_PROGRAMS: Mapping[str, Introduced] = MappingProxyType({})
BUSY_STATUSES = (429, 503)
RETRIES = 2
"""How often a request is asked again, at most, while the endpoint says that it is busy."""
LONGEST_WAIT_S = 20.0


class Allowance:
    """How fast a run may ask, and how often it may ask again; shared by its threads.

    `retries` is for the whole run, `retries_each` for each request; `wait_after_flake_s` is how long a
    failure has to pass.
    """

    def __init__(
        self,
        rpm: int | None = None,
        retries: int | None = None,
        retries_each: int = RETRIES,
        wait_after_flake_s: float = 0.5,
    ) -> None:
        self.retries_each = retries_each
        self.wait_after_flake_s = wait_after_flake_s
        self._interval_s = 60 / rpm if rpm else 0.0
        self._retries = retries
        self._next_s = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Wait for the next turn at the asked rate."""
        with self._lock:
            now_s = time.monotonic()
            turn_s = max(self._next_s, now_s)
            self._next_s = turn_s + self._interval_s
        time.sleep(max(0.0, turn_s - now_s))

    def take_retry(self) -> bool:
        """Whether one more retry is allowed; it is taken."""
        with self._lock:
            if self._retries == 0:
                return False
            self._retries = None if self._retries is None else self._retries - 1
            return True


@dataclass(frozen=True, slots=True)
class Observer:
    """Opened clients of one endpoint; `secrets` is what is overwritten in all that comes of it."""

    clients: Mapping[str, Client]
    secrets: Secrets | None
    allowance: Allowance

    def observe(self, call: Call, before: Observation | None = None) -> Observation:
        """Ask once; again while the endpoint is busy, and once more after a failure that may pass.

        Every try is kept. `before` is the observation that a follow-up goes on from.
        """
        earlier: list[Exchange] = []
        reply, exchange = self._ask(call, before)
        while (wait_s := _wait_before_retry_s(exchange, earlier, self.allowance)) is not None:
            if not self.allowance.take_retry():
                break
            time.sleep(wait_s)
            earlier.append(exchange)
            reply, exchange = self._ask(call, before)
        return Observation(
            call.scenario,
            call.client,
            self.clients[call.client].version,
            call.mode,
            exchange,
            reply,
            tuple(earlier),
            is_claimed=not call.is_probe,
        )

    def observe_all(
        self, calls: Iterable[tuple[Call, Observation | None]], concurrency: int
    ) -> Iterator[Observation]:
        """Ask everything, a few at a time, and give each observation as soon as it is there.

        Each call comes with the observation that it goes on from, if it is a follow-up. Left early, it asks
        nothing more and does not wait for what is under way.
        """
        pool = ThreadPoolExecutor(concurrency, thread_name_prefix="observer")
        try:
            for future in as_completed([pool.submit(self.observe, *call) for call in calls]):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, call: Call, before: Observation | None) -> tuple[Reply, Exchange]:
        self.allowance.wait()
        hush_libraries()
        with recording(self.secrets) as tape:
            try:
                ask = _ask_after(call.scenario, before)
            except (NoFollowUpError, NotJudgedError) as reason:
                return Reply(), unsent(str(reason))
            given = reply_of(lambda: self.clients[call.client].perform(ask, call.mode))
        reply = kept(given, self.secrets)
        if tape.exchanges:
            return reply, tape.exchanges[-1]
        return reply, unsent(_whyunsent(reply))


def _whyunsent(reply: Reply) -> str:
    return reply.broken or (reply.raised.message if reply.raised else "the client sent nothing")


def unsent(detail: str) -> Exchange:
    """The exchange of a call for which nothing was sent."""
    now_ns = time.monotonic_ns()
    return Exchange(Request("", "", (), b"", now_ns), None, Ending.UNSENT, now_ns, detail)


def _ask_after(scenario: Scenario, before: Observation | None) -> AnyAsk:
    if not isinstance(scenario.ask, FollowUp):
        return scenario.ask
    if before is None:
        raise NoFollowUpError(f"{scenario.ask.after} was not asked")
    return scenario.ask.make(before)


@contextmanager
def observer(
    connection: Connection,
    client_names: Iterable[str],
    secrets: Iterable[str],
    allowance: Allowance | None = None,
    programs: Mapping[str, Introduced] = NO_PROGRAMS,
) -> Iterator[Observer]:
    """Open clients for an endpoint; the SDKs see no variable of the user's while they are open.

    `programs` are the clients that are no module of this project.
    """
    known = {**clients(), **{name: opens(name, program) for name, program in programs.items()}}
    with ExitStack() as stack:
        stack.enter_context(isolated_environment())
        stack.enter_context(quiet_libraries())
        opened = {name: stack.enter_context(known[name](connection)) for name in client_names}
        yield Observer(opened, secrets_of(secrets, connection.names), allowance or Allowance())


def checked_clients(names: Iterable[str], programs: Iterable[str] = ()) -> tuple[str, ...]:
    """Client names as the user gave them, each once; raises UsageError for one that there is not."""
    names, known = tuple(dict.fromkeys(names)), (*clients(), *programs)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"There is no client {unknown[0]!r}.", f"Choose from {', '.join(known)}.")
    return names


def _wait_before_retry_s(
    exchange: Exchange, earlier: Sequence[Exchange], allowance: Allowance
) -> float | None:
    """How long to wait before asking again; None when the exchange stands as it is."""
    response = exchange.response
    if len(earlier) >= allowance.retries_each:
        return None
    if exchange.ended is Ending.STALE:
        return 0.0
    if response is not None and response.status in BUSY_STATUSES:
        asked = response.header("retry-after") or ""
        wait_s = float(asked) if asked.isascii() and asked.isdigit() else float(len(earlier) + 1)
        return min(wait_s, LONGEST_WAIT_S)
    is_second_failure = any(flake_of(one) for one in earlier)
    return allowance.wait_after_flake_s if flake_of(exchange) and not is_second_failure else None
