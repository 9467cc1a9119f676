"""One process's part of a load run: when it asks, what it takes, and what becomes of that.

schedule ─► client ─► taken ─► answered ─► judged ─► tally, requests.jsonl.zst, Locust's statistics
└──── on time ─────┘  └──────────── whenever there is nothing else to do ───────────┘
"""

import gc
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import gevent
from gevent.event import Event
from gevent.pool import Group

from harness.clients import Connection as Endpoint
from harness.dialect import waivers_of
from harness.errors import BrokenGeneratorError, LikewiseError, UsageError
from harness.load.arrival_clock import stamping
from harness.load.arrivals import ClosedLoop, arrivals, share
from harness.load.clients import LoadClient, OpenClient, clients
from harness.load.job import NS, Job
from harness.load.judging import Judge
from harness.load.metrics import Tally
from harness.load.received import Due, Taken
from harness.load.record import Outcome, RequestRecord, encode
from harness.load.record_log import append, path_of
from harness.load.workload import Workload
from harness.writing import writing

_BATCH = 50
"""How many records to count at a time; more cost less each, and hold the loop longer."""

_OVERDUE = 100
"""For so many answers that wait too long, one more is read at a turn."""

_OPENED_AHEAD = 32
"""How many clients an open loop without users has ready before it begins."""

_GC_THRESHOLD = 100_000
"""How many more objects there must be before cycles are looked for: streams under way make many, and none."""


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of the schedule a process has: every `workers`-th request, from the `worker`-th on."""

    worker: int = 0
    workers: int = 1

    def of(self, count: int) -> int:
        """The part that falls to this process of a number of things."""
        return count // self.workers + (self.worker < count % self.workers)


@dataclass(slots=True)
class Intake:
    """What has been taken and waits to be read, judged, counted and written.

    Twice as many may wait for a moment in which there is nothing else to do as were ever in flight, since all
    of these may end at once. The others are read at once, while the processor still has them at hand.
    """

    job: Job
    tally: Tally
    share: Share
    folder: Path
    on_record: Callable[[RequestRecord], None]
    judge: Judge | None
    is_over: Event
    waiting: deque[Taken] = field(default_factory=deque)
    batch: list[RequestRecord] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    judging_ns: int = 0
    most_in_flight: int = 0
    has_more: Event = field(default_factory=Event)
    has_too_many: Event = field(default_factory=Event)
    is_ending: Event = field(default_factory=Event)
    trouble: LikewiseError | None = None

    def put(self, taken: Taken) -> None:
        """Keep what has been taken for later."""
        self.waiting.append(taken)
        self.has_more.set()
        if self.overdue > 0:
            self.has_too_many.set()

    @property
    def overdue(self) -> int:
        """How many more wait than may; less than none where there is room."""
        return len(self.waiting) - 2 * self.most_in_flight

    def read_when_idle(self) -> None:
        """Read whenever the loop has nothing else to do, until the greenlet is killed."""
        while True:
            self.has_more.wait()
            self.has_more.clear()
            while self.waiting:
                gevent.idle()
                self._read_some(1)

    def read_the_overdue(self) -> None:
        """Read some at every turn of the loop while too many wait, until the greenlet is killed."""
        while True:
            self.has_too_many.wait()
            self.has_too_many.clear()
            while self.overdue > 0:
                gevent.sleep(0)
                self._read_some(1 + self.overdue // _OVERDUE)

    def _read_some(self, count: int) -> None:
        for _ in range(min(count, len(self.waiting))):
            self._read(self.waiting.popleft())
        if len(self.batch) >= _BATCH:
            self.count()

    def write_each_second(self) -> None:
        """Count and write what there is, until it `is_ending`; killed in mid-write, it would lose lines."""
        while not self.is_ending.wait(1):
            self.count()
            self.write()

    def finish(self) -> None:
        """Read, count and write all that is left; raises what the run has ended over."""
        while self.waiting:
            self._read(self.waiting.popleft())
            gevent.sleep(0)  # a worker tells its master meanwhile that it is alive
        self.count()
        self.write()
        if self.trouble is not None:
            raise self.trouble

    def keep(self, record: RequestRecord) -> None:
        """Have a record counted and written."""
        self.batch.append(record)
        self.lines.append(encode(record))
        self.on_record(record)

    def count(self) -> None:
        """Add what has been read to the tally."""
        batch, self.batch = self.batch, []
        judging_ns, self.judging_ns = self.judging_ns, 0
        self.tally.add(batch, judging_ns)

    def write(self) -> None:
        """Append what has been read to the file; compressing it does not hold the loop.

        Where that can't be done, the run is over.
        """
        lines, self.lines = self.lines, []
        if not lines or self.trouble is not None:
            return
        path = path_of(self.folder, self.share.worker)
        if trouble := gevent.get_hub().threadpool.apply(_written, (path, b"".join(lines))):
            self.break_off(trouble)

    def break_off(self, trouble: LikewiseError) -> None:
        """End the run over trouble; the first is what its user is told."""
        self.trouble = self.trouble or trouble
        self.is_over.set()

    def _read(self, taken: Taken) -> None:
        answered = taken.answered()
        record = answered.record
        if self.judge is not None:
            began_ns = time.thread_time_ns()
            deviations = self.judge.deviations(answered, taken.due.request)
            record = replace(record, deviations=deviations)
            self.judging_ns += time.thread_time_ns() - began_ns
        self.keep(record)


def _written(path: Path, lines: bytes) -> UsageError | None:
    """Append to a file; the error is given and not raised, as gevent prints what a thread of its raises."""
    try:
        with writing(path), path.open("ab") as file:
            append(file, lines)
    except UsageError as error:
        return error
    return None


class Session:
    """One process's part of a job. `begin` it, then let users `ask`, or `dispatch` the whole schedule."""

    def __init__(
        self,
        job: Job,
        endpoint: Endpoint,
        share_: Share,
        folder: Path,
        on_record: Callable[[RequestRecord], None],
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.job = job
        self.is_open = job.is_open
        self.share = share_
        self.in_flight = 0
        self.is_over = Event()
        self._open: OpenClient = clients()[job.client](replace(endpoint, limits=job.limits))
        self._workload: Workload = job.workload
        judge = Judge((*waivers_of(job.dialect), *job.waivers)) if job.is_judged else None
        self._intake = Intake(job, job.tally(0), share_, folder, on_record, judge, self.is_over)
        self._cap = None if job.cap is None else share_.of(job.cap)
        self._idle: list[LoadClient] = []
        self._queue: deque[Due] = deque()
        self._unanswered: dict[int, tuple[Due, int]] = {}
        self._begun = 0
        self._asked = 0
        self._is_stopped = False
        self._readers = Group()
        self._stamping = stamping()
        self._writer: gevent.Greenlet[..., None] | None = None
        self._serving = Group()
        self._started_cpu_s = 0.0

    @property
    def tally(self) -> Tally:
        """What has been counted so far."""
        return self._intake.tally

    @property
    def cpu_share(self) -> float:
        """The share of one core that this process has used since it began."""
        wall_s = self.elapsed_s
        return (time.process_time() - self._started_cpu_s) / wall_s if wall_s > 0 else 0.0

    @property
    def elapsed_s(self) -> float:
        """The time since it began."""
        return (time.monotonic_ns() - self.tally.started_ns) / NS

    @property
    def is_at_deadline(self) -> bool:
        """Whether the time is over that the last request may take."""
        return self.elapsed_s >= self.job.duration_s + self.job.timeout_s

    def begin(self, started_ns: int) -> None:
        """Set the time from which everything counts, and begin to read what comes."""
        self._intake.tally = self.job.tally(started_ns)
        self._started_cpu_s = time.process_time()
        # What is there now stays there; looking through it again would only hold the loop.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_GC_THRESHOLD)
        self._readers.spawn(self.guard, self._intake.read_when_idle)
        self._readers.spawn(self.guard, self._intake.read_the_overdue)
        self._writer = gevent.spawn(self.guard, self._intake.write_each_second)
        if not self.is_open and not self.share.of(self.job.users):
            self._is_stopped = True
            self._end_if_over()

    def guard(self, make_load: Callable[..., object], *arguments: object) -> None:
        """Do a part of making the load; a mistake in it ends the run: Locust would try it again for ever."""
        try:
            make_load(*arguments)
        except Exception as error:  # noqa: BLE001  # whatever it is, its user is told in a sentence
            self._intake.break_off(
                BrokenGeneratorError(
                    f"The load generator failed: {type(error).__name__}: {error}.",
                    "Report it with the command, as this is a mistake of likewise's own.",
                )
            )

    def finish(self) -> None:
        """End, with everything counted and written; connections are closed.

        At the deadline, what waits or is in flight has timed out; before it, somebody has ended the run, and
        nothing is known of these. Raises what the run has ended over, such as records that can't be written.
        """
        self._is_stopped = True
        if self.is_at_deadline:
            for record in self._timeouts():
                self._intake.keep(record)
        self._unanswered.clear()
        self._queue.clear()
        self._serving.kill()
        self._readers.kill()
        self._intake.is_ending.set()
        if self._writer is not None:
            self._writer.join()
        try:
            self._intake.finish()
        finally:
            for client in self._idle:
                client.close()
            self._stamping.close()
            gc.unfreeze()

    def _timeouts(self) -> Iterator[RequestRecord]:
        """The records of what was asked, or waits for a slot, and has no answer."""
        now_ns = time.monotonic_ns()
        for due, start_ns in [*self._unanswered.values(), *((due, now_ns) for due in self._queue)]:
            yield RequestRecord(
                due.ordinal,
                self.job.client,
                self.job.mode,
                start_ns if due.due_ns is None else due.due_ns,
                start_ns,
                Outcome.TIMEOUT,
                now_ns,
                woke_ns=due.woke_ns,
                detail=f"no answer {self.job.timeout_s:g} s after the last request was due",
                worker=due.worker,
            )

    def prepare(self) -> None:
        """Open the clients of this process's part of the users: an SDK takes its time to build one.

        An open loop has as many as may be in flight, up to `_OPENED_AHEAD`, and opens more as it needs them.
        """
        wanted = self.share.of(self.job.users)
        if self.is_open:
            wanted = _OPENED_AHEAD if self._cap is None else min(self._cap, _OPENED_AHEAD)
        for _ in range(wanted):
            self._idle.append(self._open())
            gevent.sleep(0)  # a worker has to answer its master meanwhile

    # --- closed loop ---

    def open_client(self) -> LoadClient:
        """A client for a user of its own."""
        return self._idle.pop() if self._idle else self._open()

    def await_turn(self) -> None:
        """Wait until the next of the users of a closed loop is to begin.

        All have begun when half of the warm-up is over. Users that begin together go on in step, and have
        endpoint and generator idle and overrun by turns.
        """
        number = self.share.worker + self._begun * self.share.workers
        self._begun += 1
        behind_ns = round(self.job.warm_up_s / 2 * NS * number / self.job.users)
        self._sleep_until(self.tally.started_ns + behind_ns)

    def ask_on(self, client: LoadClient) -> None:
        """Ask one request of a closed loop after another; once the time is up, wait for the end."""
        while not self._is_stopped and time.monotonic_ns() - self.tally.started_ns < self.job.duration_s * NS:
            ordinal = self.share.worker + self._asked * self.share.workers
            self._asked += 1
            request = self._workload.request(self.job.run_id, self.job.seed, ordinal)
            self.in_flight += 1
            try:
                self._take(client, Due(ordinal, request, worker=self.share.worker))
            finally:
                self.in_flight -= 1
            gevent.sleep(0)  # a connection that is refused at once would hold the loop
        self._is_stopped = True
        self._end_if_over()

    # --- open loop ---

    def dispatch(self) -> None:
        """Ask every request of the schedule at its time, whatever became of those before."""
        job, schedule = self.job, self.job.schedule
        if isinstance(schedule, ClosedLoop):
            raise TypeError("a closed loop has users and no due times")
        mine = share(arrivals(schedule, job.seed, job.duration_s), self.share.worker, self.share.workers)
        for arrival in mine:
            request = self._workload.request(
                job.run_id,
                job.seed,
                arrival.ordinal,
                prompt_tokens=arrival.prompt_tokens,
                output_tokens=arrival.output_tokens,
                hash_ids=arrival.hash_ids,
            )
            due_ns = self.tally.started_ns + round(arrival.due_s * NS)
            self._sleep_until(due_ns)
            if self._is_stopped:
                break
            due = Due(arrival.ordinal, request, due_ns, worker=self.share.worker)
            if self._cap is not None and self.in_flight >= self._cap:
                # what lies between now and its start is waiting; without it, it is the generator's lateness
                self._queue.append(replace(due, woke_ns=time.monotonic_ns()))
            else:
                self.in_flight += 1
                self._serving.spawn(self.guard, self._serve, due)
        self._is_stopped = True
        self._end_if_over()

    def _serve(self, due: Due) -> None:
        """Ask a request, and those that wait for its slot, one after another."""
        client = self._idle.pop() if self._idle else self._open()
        try:
            self._take(client, due)
            while self._queue:
                self._take(client, self._queue.popleft())
        finally:
            self.in_flight -= 1
            self._idle.append(client)
            self._end_if_over()

    def _take(self, client: LoadClient, due: Due) -> None:
        self._intake.most_in_flight = max(self._intake.most_in_flight, self.in_flight)
        self._unanswered[due.ordinal] = due, time.monotonic_ns()
        taken = client.perform(due, self.job.mode)
        # a request that has been counted as a timeout may still end while the run does
        if self._unanswered.pop(due.ordinal, None) is not None:
            self._intake.put(taken)

    def _end_if_over(self) -> None:
        if self._is_stopped and self.in_flight == 0 and not self._queue:
            self.is_over.set()

    def _sleep_until(self, at_ns: int) -> None:
        while (left_ns := at_ns - time.monotonic_ns()) > 0 and not self._is_stopped:
            gevent.sleep(min(left_ns / NS, 0.2))
