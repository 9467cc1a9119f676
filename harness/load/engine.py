"""Load by Locust: its runner has the users, its events the statistics, its protocol the workers.

Importing this module imports Locust, which patches the process for gevent. So it is imported by what does
nothing but make load, and there before anything that waits on a socket.
"""

import logging
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from locust import User, constant, runners, task
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

from harness.clients import Connection as Endpoint
from harness.clients import isolated_environment, quiet_libraries
from harness.connecting import connection_to
from harness.errors import LikewiseError, NothingJudgedError, UsageError
from harness.load.clients import LoadClient
from harness.load.job import NS, Job
from harness.load.load_run import Worker, check_writable
from harness.load.metrics import Tally
from harness.load.record import RequestRecord
from harness.load.record_log import forget
from harness.load.session import Session, Share
from harness.orphan import await_end_of

_LISTENING, _JOB, _READY, _BEGIN, _TALLY, _DONE = (
    f"likewise_{name}" for name in ("listening", "job", "ready", "begin", "tally", "done")
)
STOPPING = (signal.SIGINT, signal.SIGTERM)
"""What asks a process to end: Ctrl-C, and whatever runs it."""

WORKER_KEY = "LIKEWISE_WORKER_KEY"
"""The variable in which workers on the master's own machine get the key that it has resolved."""

_PAGE_HOST = "127.0.0.1"
_HEAD_START_S = 0.3
_CONNECT_S = 60
_WELCOME_S = 1
_READY_S = 300
"""How long workers may take to open their users' clients."""

_SILENCE_S = 10
"""How long a worker may be silent before it counts as dead."""

_FINISH_S = 60
"""How long workers may take to read what they have taken, once the load is over."""


class LoadEnvironment(Environment):
    """Locust's environment, with the session whose requests its users ask.

    There is none in a worker that is about to be sent home, to which Locust may have given users still.
    """

    likewise_session: Session | None = None


class RequestFailedError(Exception):
    """How a failed request appears in Locust's own statistics."""


class LoadUser(User):
    """One user of a closed loop, or the one that keeps the schedule of an open loop."""

    wait_time = constant(0)
    client: LoadClient

    def on_start(self) -> None:
        """Open a client, and wait for its turn."""
        session: Session | None = self.environment.likewise_session
        if session is not None and not session.is_open:
            self.client = session.open_client()
            session.await_turn()

    def on_stop(self) -> None:
        """Close it."""
        session: Session | None = self.environment.likewise_session
        if session is not None and not session.is_open:
            self.client.close()

    @task
    def ask(self) -> None:
        """Ask for as long as the run lasts: to Locust, a task that costs less than one for each request."""
        session: Session | None = self.environment.likewise_session
        if session is None:
            raise StopUser
        if session.is_open:
            session.guard(session.dispatch)
        else:
            session.guard(session.ask_on, self.client)
        _until_killed()


def _until_killed() -> None:
    """Do nothing more: a user of Locust's that returned would be asked to go on."""
    Event().wait()


def fire(environment: Any, record: RequestRecord, operation: str) -> None:
    """Tell Locust of a request, so that its statistics and its page show it."""
    failed = None if record.is_ok else RequestFailedError(f"{record.outcome.value}: {record.detail}")
    shared = {"request_type": record.client, "response_length": 0, "context": {}, "exception": failed}
    if record.is_ok and record.first_output_ns is not None:
        ttft_ms = (record.first_output_ns - record.due_ns) / 1e6
        environment.events.request.fire(name=f"{operation} TTFT", response_time=ttft_ms, **shared)
    total_ms = (record.ended_ns - record.due_ns) / 1e6
    environment.events.request.fire(name=f"{operation} total", response_time=total_ms, **shared)


def _told_to(environment: Any, job: Job) -> Callable[[RequestRecord], None]:
    operation = job.workload.operation
    return lambda record: fire(environment, record, operation)


@dataclass(frozen=True, slots=True)
class Progress:
    """How a run stands."""

    elapsed_s: float
    in_flight: int
    workers: int
    tally: Tally


@dataclass(frozen=True, slots=True)
class Made:
    """The load that was made of a job; `users` is None where requests had due times of their own."""

    tally: Tally
    users: int | None
    workers: list[Worker]
    cpu_share: float
    is_complete: bool
    ended_s: float

    @property
    def has_lost_a_worker(self) -> bool:
        """Whether the load was less than asked."""
        return any(worker.has_died for worker in self.workers)

    @property
    def has_no_worker(self) -> bool:
        """Whether nobody is left to make more."""
        return all(worker.has_died for worker in self.workers)


OnProgress = Callable[[Progress], None]


def make_alone(
    job: Job, endpoint: Endpoint, folder: Path, on_progress: OnProgress, stop: Event, web: int | None
) -> Made:
    """Make the load of a job in this process; ends early, with what there is, once `stop` is set."""
    _hush_locust()
    environment = LoadEnvironment(user_classes=[LoadUser], host=job.base_url)
    runner = environment.create_local_runner()
    with _page(environment, web):
        session = Session(job, endpoint, Share(), folder, _told_to(environment, job))
        environment.likewise_session = session
        session.prepare()
        session.begin(time.monotonic_ns() + round(_HEAD_START_S * NS))
        runner.start(job.users, spawn_rate=job.users)
        on_progress(Progress(session.elapsed_s, 0, 1, session.tally))
        while not session.is_over.is_set() and not stop.is_set() and not session.is_at_deadline:
            gevent.wait([session.is_over, stop], timeout=1, count=1)
            on_progress(Progress(session.elapsed_s, session.in_flight, 1, session.tally))
        return _ended(session, runner, is_complete=not stop.is_set())


def _ended(session: Session, runner: Any, *, is_complete: bool) -> Made:
    ended_s, cpu_share = session.elapsed_s, session.cpu_share
    try:
        session.finish()
    finally:
        runner.quit()
    workers = [Worker("1", _requests(session.tally))]
    users = None if session.is_open else session.job.users
    return Made(session.tally, users, workers, cpu_share, is_complete, ended_s)


def _requests(tally: Tally) -> int:
    return sum(tally.outcomes.values()) + tally.outside


def _hush_locust() -> None:
    """Keep Locust's log from the terminal: what is wrong with a run stands in its report."""
    logging.getLogger("locust").setLevel(logging.CRITICAL)


@contextmanager
def _page(environment: Any, port: int | None) -> Iterator[None]:
    """Locust's own page, where a port is given."""
    if port is None:
        yield
        return
    _check_port(_PAGE_HOST, port, "--web")
    # the page looks for options of Locust's own in the command line, and ends the process over any other
    sys.argv = sys.argv[:1]
    page = environment.create_web_ui(_PAGE_HOST, port)
    try:
        yield
    finally:
        page.stop()


@contextmanager
def called_on_stopping(react: Callable[..., object], *arguments: object) -> Iterator[None]:
    """Have something called, between greenlets, when this process is asked to end."""
    handlers = [gevent.signal_handler(number, react, *arguments) for number in STOPPING]
    try:
        yield
    finally:
        for handler in handlers:
            handler.cancel()


@contextmanager
def given_up_by_ctrl_c() -> Iterator[None]:
    """While there is nothing to keep, Ctrl-C or SIGTERM ends everything at once.

    Left to itself, gevent would print when and where it came.
    """
    with called_on_stopping(gevent.kill, gevent.getcurrent(), KeyboardInterrupt):
        yield


# --- the master ---


@dataclass(slots=True)
class _Part:
    """What the master knows of a worker."""

    index: int
    tally: Tally | None = None
    in_flight: int = 0
    cpu_share: float = 0.0
    is_ready: bool = False
    is_done: bool = False
    is_complete: bool = False
    has_died: bool = False
    heard_ns: int | None = None
    """When it was last heard of since it began; None before: opening clients for many users takes long."""


class Master:
    """Has workers make load, one job after another, and merges what they have measured."""

    def __init__(self, workers: int, host: str, port: int, web: int | None) -> None:
        """Listen for workers; raises UsageError where that can't be done."""
        _check_port(host, port, "--master-port")
        _hush_locust()
        self._environment = LoadEnvironment(user_classes=[LoadUser])
        self._runner: MasterRunner = self._environment.create_master_runner(host, port)
        self._workers = workers
        self._listening: set[str] = set()
        self._parts: dict[str, _Part] = {}
        self._error = ""
        listeners = {
            _LISTENING: self._on_listening,
            _READY: self._on_ready,
            _TALLY: self._on_tally,
            _DONE: self._on_done,
        }
        for message, listener in listeners.items():
            self._runner.register_message(message, listener)
        self._environment.events.worker_connect.add_listener(self._on_connect)  # type: ignore[no-untyped-call]  # Locust's
        self._page = ExitStack()
        self._page.enter_context(_page(self._environment, web))

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._runner.server.port)

    def await_workers(self, are_alive: Callable[[], bool]) -> None:
        """Wait until all workers are there; raises NothingJudgedError when they don't come."""
        until_s = time.monotonic() + _CONNECT_S
        while len(self._ready) < self._workers:
            if time.monotonic() > until_s or not are_alive():
                raise NothingJudgedError(
                    f"Only {len(self._ready)} of {self._workers} workers came.",
                    "Start each with `likewise load --worker --master-host` and this machine's address.",
                )
            gevent.sleep(0.05)

    @property
    def _ready(self) -> list[str]:
        """The workers that may be sent a job; to one that has just connected it would be lost."""
        return sorted(client.id for client in self._runner.clients.ready if client.id in self._listening)

    def make(self, job: Job, on_progress: OnProgress, stop: Event) -> Made:
        """Make the load of a job; a worker that dies on the way leaves what it had told."""
        ids = self._ready[: self._workers]
        for surplus in [client_id for client_id in self._runner.clients if client_id not in ids]:
            self._send_home(surplus)
        self._parts = {client_id: _Part(index) for index, client_id in enumerate(ids)}
        for client_id, part in self._parts.items():
            sent = {"job": job.to_json(), "worker": part.index, "workers": len(ids)}
            self._runner.send_message(_JOB, sent, client_id)
        self._wait_for(lambda part: part.is_ready, _READY_S, stop)
        if not stop.is_set() and not self._all(lambda part: part.is_ready):
            self._error = self._error or f"it was not ready within {_READY_S} s."
        self._refuse_trouble()
        for client_id, part in self._parts.items():
            part.heard_ns = time.monotonic_ns()
            self._runner.send_message(_BEGIN, {"in_s": _HEAD_START_S}, client_id)
        self._environment.host = job.base_url
        users = len(ids) if job.is_open else job.users
        self._runner.start(users, spawn_rate=users)
        # Without it, Locust moves no user when a worker comes or goes: each worker has its own share to ask.
        self._runner._users_dispatcher = None  # Locust has no other way to say so
        began_ns = time.monotonic_ns() + round(_HEAD_START_S * NS)
        on_progress(self._progress(job, began_ns))
        while not stop.is_set() and not self._error and not self._all(lambda part: part.is_done):
            stop.wait(1)
            on_progress(progress := self._progress(job, began_ns))
            if progress.elapsed_s > job.duration_s + job.timeout_s + _SILENCE_S:
                break
        ended_s = (time.monotonic_ns() - began_ns) / NS
        is_complete = self._all(lambda part: part.is_done and not part.has_died)
        self._runner.stop()
        self._wait_for(lambda part: part.is_done, _FINISH_S, Event())
        self._refuse_trouble()
        parts = self._parts.values()
        workers = [
            Worker(
                str(part.index + 1),
                0 if part.tally is None else _requests(part.tally),
                part.has_died or not part.is_done,
            )
            for part in parts
        ]
        busiest = max(part.cpu_share for part in parts)
        tally = self._merged(job, began_ns)
        return Made(tally, None if job.is_open else users, workers, busiest, is_complete, ended_s)

    def _on_connect(self, client_id: str, **_: object) -> None:
        """Send a worker home that comes when the schedule is shared out: Locust would give users to it."""
        if self._parts and client_id not in self._parts:
            # One that is sent home while it is still connecting never hears of it.
            gevent.spawn_later(_WELCOME_S, self._send_home, client_id)

    def _send_home(self, client_id: str) -> None:
        self._runner.send_message("quit", None, client_id)
        self._runner.clients.pop(client_id, None)

    def _refuse_trouble(self) -> None:
        if self._error:
            raise NothingJudgedError(f"A worker can't make load: {self._error}", "Mend it there.")

    def quit(self) -> None:
        """End the workers and the page."""
        self._page.close()
        self._runner.quit()

    def _on_listening(self, msg: Any, **_: object) -> None:
        self._listening.add(msg.node_id)

    def _on_ready(self, msg: Any, **_: object) -> None:
        self._error = self._error or msg.data["error"]
        if msg.node_id in self._parts:
            self._parts[msg.node_id].is_ready = True

    def _on_tally(self, msg: Any, **_: object) -> None:
        part = self._parts.get(msg.node_id)
        if part is not None:
            part.tally = Tally.from_json(msg.data["tally"])
            part.in_flight, part.cpu_share = msg.data["in_flight"], msg.data["cpu_share"]
            part.heard_ns = time.monotonic_ns()

    def _on_done(self, msg: Any, **more: object) -> None:
        self._on_tally(msg, **more)
        self._error = self._error or msg.data["error"]
        if msg.node_id in self._parts:
            self._parts[msg.node_id].is_done = True

    def _all(self, holds: Callable[[_Part], bool]) -> bool:
        """Whether something holds for each worker; one that has died is done with everything."""
        for client_id, part in self._parts.items():
            client = self._runner.clients.get(client_id)
            is_missing = client is None or client.state == STATE_MISSING
            is_silent = part.heard_ns is not None and time.monotonic_ns() - part.heard_ns > _SILENCE_S * NS
            if not part.is_done and (is_missing or is_silent):
                part.has_died = part.is_done = part.is_ready = True
        return all(map(holds, self._parts.values()))

    def _wait_for(self, holds: Callable[[_Part], bool], timeout_s: float, stop: Event) -> None:
        until_s = time.monotonic() + timeout_s
        while not self._all(holds) and time.monotonic() < until_s and not stop.is_set():
            stop.wait(0.02)

    def _progress(self, job: Job, began_ns: int) -> Progress:
        parts = self._parts.values()
        alive, in_flight = sum(not part.has_died for part in parts), sum(part.in_flight for part in parts)
        elapsed_s = (time.monotonic_ns() - began_ns) / NS
        return Progress(elapsed_s, in_flight, alive, self._merged(job, began_ns))

    def _merged(self, job: Job, began_ns: int) -> Tally:
        merged = job.tally(began_ns)
        for part in self._parts.values():
            if part.tally is not None:
                merged.merge(part.tally)
        return merged


def _check_port(host: str, port: int, option: str) -> None:
    """Raise UsageError where nobody can listen: Locust would end the process over it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("" if host == "*" else host, port))
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"Nothing can listen on {host}:{port}: {getattr(error, 'strerror', None) or error}.",
                f"Choose another {option}.",
            ) from None


# --- a worker ---


@given_up_by_ctrl_c()
def work(host: str, port: int, folder: Path, environ: Mapping[str, str]) -> str:
    """Do what the master says until it says no more, and say what that was.

    Raises NothingJudgedError where there is no master.
    """
    check_writable(folder)
    _hush_locust()
    _await_master(host, port)
    # A master that listens and does not answer would be asked for five minutes.
    runners.CONNECT_RETRY_COUNT = _CONNECT_S // runners.CONNECT_TIMEOUT
    environment = LoadEnvironment(user_classes=[LoadUser])
    try:
        runner = environment.create_worker_runner(host, port)
    except (ConnectionError, OSError) as error:
        raise _no_master(host, port, error) from None
    requests_before: list[int] = []
    sessions: deque[Session] = deque(maxlen=1)  # that of the last job: a tally of each level would add up

    def on_job(msg: Any, **_: object) -> None:
        error = ""
        try:
            session = _session(environment, msg.data, folder, environ, is_first=not sessions)
            session.prepare()
            environment.likewise_session = session
            requests_before.extend(_requests(before.tally) for before in sessions)
            sessions.append(session)
        except LikewiseError as trouble:
            error = trouble.happened
        runner.send_message(_READY, {"error": error})

    def on_begin(msg: Any, **_: object) -> None:
        session = sessions[-1]
        session.begin(time.monotonic_ns() + round(msg.data["in_s"] * NS))
        gevent.spawn(_report, runner, session)

    def on_stop(**_: object) -> None:
        for session in sessions:
            session.is_over.set()

    runner.register_message(_JOB, on_job)
    runner.register_message(_BEGIN, on_begin)
    environment.events.test_stop.add_listener(on_stop)  # type: ignore[no-untyped-call]  # Locust's
    runner.send_message(_LISTENING)
    if WORKER_KEY in environ:
        gevent.spawn(_end_with, os.getppid(), runner)
    with isolated_environment(), quiet_libraries():
        runner.greenlet.join()
    if not sessions:
        return "The master had workers enough, and nothing for this one to do."
    requests = sum(requests_before) + _requests(sessions[-1].tally)
    return f"{requests:,} requests made; the master has their figures, and {folder} the requests."


def _session(
    environment: LoadEnvironment,
    sent: Mapping[str, Any],
    folder: Path,
    environ: Mapping[str, str],
    *,
    is_first: bool,
) -> Session:
    """The part of the master's job that falls to this worker; raises LikewiseError where it can't be."""
    try:
        job = Job.from_json(sent["job"])
    except (KeyError, TypeError, ValueError):
        raise NothingJudgedError(
            "It can't read the job, which a likewise of another version has sent.",
            "Install the same version everywhere.",
        ) from None
    endpoint = connection_to(job.endpoint_target, environ, environ.get(WORKER_KEY) or None)
    if is_first and environ.get(WORKER_KEY) is None:
        # a folder of its own, and not that of the master, who has seen to it
        forget(folder)
    part = Share(sent["worker"], sent["workers"])
    return Session(job, endpoint, part, folder, _told_to(environment, job))


def _end_with(master_pid: int, runner: WorkerRunner) -> None:
    """End when the master that has started this process is killed: Locust would go on for a minute."""
    await_end_of(master_pid)
    runner.quit()


def _await_master(host: str, port: int) -> None:
    """Wait until somebody listens there; raises NothingJudgedError when nobody does.

    A worker may well start before its master, and one that comes too late must not wait for ever.
    """
    until_s = time.monotonic() + _CONNECT_S
    while True:
        try:
            socket.create_connection((host, port), timeout=5).close()
        except OSError as error:
            if time.monotonic() > until_s:
                raise _no_master(host, port, error) from None
        else:
            return
        gevent.sleep(0.2)


def _no_master(host: str, port: int, error: OSError) -> NothingJudgedError:
    why = error.strerror or str(error) or "nobody answers"
    return NothingJudgedError(
        f"No master was at {host}:{port} within {_CONNECT_S} s: {why}.",
        "Start it with `likewise load --master`; a worker that comes when it has ended has nothing to do.",
    )


def _report(runner: WorkerRunner, session: Session) -> None:
    """Tell the master each second how it stands, and at the end what came of it."""
    while not session.is_over.wait(1) and not session.is_at_deadline:
        runner.send_message(_TALLY, _told(session))
    at_end = _told(session)
    finishing = gevent.spawn(_trouble_in_finishing, session)
    while not gevent.wait([finishing], timeout=1):
        runner.send_message(_TALLY, at_end)
    runner.send_message(_DONE, {**at_end, "tally": session.tally.to_json(), "error": finishing.get()})


def _trouble_in_finishing(session: Session) -> str:
    try:
        session.finish()
    except LikewiseError as trouble:
        return trouble.happened
    return ""


def _told(session: Session) -> dict[str, Any]:
    return {
        "tally": session.tally.to_json(),
        "in_flight": session.in_flight,
        "cpu_share": session.cpu_share,
    }
