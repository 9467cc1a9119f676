"""Observing: asks an endpoint through the clients; the only place that makes requests."""

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager, suppress
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
from harness.first_answer import LONG_WAIT_S, asked_to_wait_s
from harness.flakiness import flake_of
from harness.plan import Call
from harness.scenario import AnyAsk, FollowUp, NoFollowUpError, Scenario
from harness.wire.exchange import Ending, Exchange, Request
from harness.wire.limits import LEAST_BODY_BYTES, RUN_BODY_BYTES
from harness.wire.recording import recording
from harness.wire.redaction import Secrets, secrets_of

NO_PROGRAMS: Mapping[str, Introduced] = MappingProxyType({})
BUSY_STATUSES = (429, 503)
RETRIES = 2
"""How often a request is asked again, at most, while the endpoint says that it is busy."""
LONGEST_WAIT_S = 20.0


class TimeUpError(Exception):
    """The time of the whole run is up: what was to be asked, or was on its way, says nothing."""


class Allowance:
    """How fast a run may ask, how often it may ask again, and how long in all; shared by its threads.

    `retries` is for the whole run, `retries_each` for each request; `wait_after_flake_s` is how long a
    failure has to pass. `until_ns` is when the run has to end, as `time.monotonic_ns` has it, 0 for never.
    """

    def __init__(
        self,
        rpm: int | None = None,
        retries: int | None = None,
        retries_each: int = RETRIES,
        wait_after_flake_s: float = 0.5,
        until_ns: int = 0,
    ) -> None:
        self.until_ns = until_ns
        self.retries_each = retries_each
        self.wait_after_flake_s = wait_after_flake_s
        self._interval_s = 60 / rpm if rpm else 0.0
        self._retries = retries
        self._next_s = 0.0
        self._body_bytes = RUN_BODY_BYTES
        self._lock = threading.Lock()

    def is_over(self, in_s: float = 0.0) -> bool:
        """Whether the run's time is up, or will be then."""
        return bool(self.until_ns) and time.monotonic_ns() + in_s * 1e9 >= self.until_ns

    def wait(self) -> None:
        """Wait for the next turn at the asked rate; raises TimeUpError where it comes too late."""
        with self._lock:
            now_s = time.monotonic()
            turn_s = max(self._next_s, now_s)
            self._next_s = turn_s + self._interval_s
        if self.is_over(turn_s - now_s):
            raise TimeUpError
        time.sleep(max(0.0, turn_s - now_s))

    def body_bytes(self) -> int:
        """How long a body may be, as far as the whole run goes."""
        return max(self._body_bytes, LEAST_BODY_BYTES)

    def take_bytes(self, body_bytes: int) -> None:
        """Count bytes of bodies that were read."""
        with self._lock:
            self._body_bytes -= body_bytes

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

        Every try is kept. `before` is the observation that a follow-up goes on from. Raises TimeUpError.
        """
        earlier: list[Exchange] = []
        reply, exchange = self._ask(call, before)
        while (wait_s := _wait_before_retry_s(exchange, earlier, self.allowance)) is not None:
            if self.allowance.is_over(wait_s) or not self.allowance.take_retry():
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

        It ends where the run's time is up. Each call comes with the observation that it goes on from, if it
        is a follow-up. Left early, it asks nothing more and does not wait for what is under way.
        """
        pool = ThreadPoolExecutor(concurrency, thread_name_prefix="observer")
        try:
            for future in as_completed([pool.submit(self.observe, *call) for call in calls]):
                with suppress(TimeUpError):
                    yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, call: Call, before: Observation | None) -> tuple[Reply, Exchange]:
        self.allowance.wait()
        hush_libraries()
        with recording(self.secrets, self.allowance.until_ns, self.allowance.body_bytes()) as tape:
            try:
                ask = _ask_after(call.scenario, before)
            except (NoFollowUpError, NotJudgedError) as reason:
                return Reply(), unsent(str(reason))
            given = reply_of(lambda: self.clients[call.client].perform(ask, call.mode))
        self.allowance.take_bytes(tape.took_bytes)
        if tape.exchanges and tape.exchanges[-1].ended is Ending.OVERSIZED:
            # What came before is as much as nobody reads; that it was too much is what there is to tell.
            given = Reply(raised=given.raised, notes=given.notes)
        reply = kept(given, self.secrets)
        if self.allowance.is_over() and tape.exchanges and tape.exchanges[-1].ended not in _ENDED:
            raise TimeUpError
        if tape.exchanges:
            return reply, tape.exchanges[-1]
        return reply, unsent(_why_unsent(reply))


def _why_unsent(reply: Reply) -> str:
    return reply.broken or (reply.raised.message if reply.raised else "the client sent nothing")


_ENDED = frozenset({Ending.COMPLETE, Ending.LEFT})


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
        wait_s = asked_to_wait_s(response)
        if wait_s is not None and wait_s > LONG_WAIT_S:
            return None
        return min(float(len(earlier) + 1) if wait_s is None else wait_s, LONGEST_WAIT_S)
    is_second_failure = any(flake_of(one) for one in earlier)
    return allowance.wait_after_flake_s if flake_of(exchange) and not is_second_failure else None
