"""A load run from end to end: start the target, probe it, make the load, keep what came in a folder.

Nothing but `likewise load` imports this: what it stands on patches the process for gevent.
"""

import os
import platform
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib import metadata
from pathlib import Path

import locust  # noqa: F401  # it patches the process, which has to come before what imports ssl
from gevent.event import Event
from rich.console import Console
from rich.live import Live
from rich.text import Text

from harness import __version__, orphan
from harness.check import now, started
from harness.clients import Connection as Endpoint
from harness.clients import isolated_environment, quiet_libraries
from harness.connecting import connection_to, notes_on
from harness.errors import INTERRUPTED, NothingJudgedError
from harness.load import load_run
from harness.load.arrivals import (
    ClosedLoop,
    TraceReplay,
    at_rate,
    level_of,
    parse_schedule,
    replayed,
    word_of,
)
from harness.load.asked import LoadSettings
from harness.load.engine import (
    STOPPING,
    WORKER_KEY,
    Made,
    Master,
    Progress,
    called_on_stopping,
    given_up_by_ctrl_c,
    make_alone,
)
from harness.load.job import Job
from harness.load.live import line
from harness.load.load_run import Curve, LoadRun, Plan, WorkloadSummary
from harness.load.metrics import ClientFigures, figures, timeline
from harness.load.probe import Probed, probe
from harness.load.record_log import forget
from harness.load.search import Step, cut_short, find_max, sweep
from harness.load.verdicts import verdicts
from harness.report.load import forget as forget_reports
from harness.report.load import write
from harness.report.load.terminal import lines
from harness.run import Environment, TargetSummary
from harness.target import Target

_FEWEST = 10
"""With fewer requests in the window, a search goes no lower: they would say nothing."""

_LIBRARIES = {"raw": "gevent", "openai": "openai", "langchain": "langchain-openai"}


def load_and_report(
    target: Target,
    settings: LoadSettings,
    environ: Mapping[str, str],
    folder: Path,
    formats: Sequence[str],
    baseline: Path | None,
    console: Console,
    *,
    quiet: bool,
) -> int:
    """Make the load, write its reports, print what its user needs to know, and give the exit code."""
    load_run.check_own(folder, baseline)
    before = None if baseline is None else load_run.load(baseline)

    def check(planned: LoadRun) -> None:
        if before is not None:
            asked = [(client, settings.mode.value) for client in settings.clients]
            load_run.check_comparable(before, planned, asked)

    check(_unfinished(target, settings, now()))
    stop = Event()
    with Live(console=console, auto_refresh=False, transient=True) as display:

        def show(name: str, duration_s: float, progress: Progress) -> None:
            if console.is_terminal and not quiet:
                display.update(Text(line(name, duration_s, progress)), refresh=True)

        run = load(target, settings, environ, folder, check, show, stop)
    if before is not None and run.clients:
        run = load_run.compared(run, before)
        load_run.save(run, folder)
    paths = write(run, folder, formats)
    for told in [*lines(run, quiet=quiet), *([] if quiet else paths)]:
        console.print(told, markup=False, soft_wrap=True)
    return INTERRUPTED if stop.is_set() else run.exit_code


def load(
    target: Target,
    settings: LoadSettings,
    environ: Mapping[str, str],
    folder: Path,
    check: Callable[[LoadRun], None],
    show: Callable[[str, float, Progress], None],
    stop: Event,
) -> LoadRun:
    """Make the load and keep the run; `check` raises where it is not to be made as the endpoint wants it.

    Once the load has begun, Ctrl-C sets `stop` and ends it early with what there is; before that, it raises
    KeyboardInterrupt.
    """
    began = now()
    with ExitStack() as stack:
        stack.enter_context(isolated_environment())
        stack.enter_context(quiet_libraries())
        load_run.check_writable(folder)
        with given_up_by_ctrl_c():
            at, endpoint = stack.enter_context(_started(target, environ))
            jobs = [_job(at, settings, client) for client in settings.clients]
            probed = _probed(jobs, at, endpoint)
            jobs = [replace(job, output_cap=probed.output_cap) for job in jobs]
            variables = {name: environ[name] for name in at.access.variables}
            planned = _unfinished(at, settings, began)
            notes = [*planned.notes, *notes_on(endpoint), *probed.notes]
            tell = _Told(replace(planned, output_cap=probed.output_cap, notes=notes), folder, show)
            check(tell.run)
            make = stack.enter_context(_maker(settings, endpoint, variables, folder, tell, stop))
        stack.enter_context(_stopped_by_ctrl_c(stop))
        forget(folder)
        forget_reports(folder)
        load_run.save(tell.run, folder)
        finished = _measured(tell, settings, jobs, make, stop)
    finished = replace(finished, finished=now())
    load_run.save(finished, folder)
    return finished


def _probed(jobs: Iterable[Job], target: Target, endpoint: Endpoint) -> Probed:
    """What the requests before the load found out, one of each client; each is put as the last one was."""
    found = Probed()
    for job in jobs:
        last, found = found, probe(replace(job, output_cap=found.output_cap), target, endpoint)
        found = replace(found, thinks_to_the_cap=found.thinks_to_the_cap or last.thinks_to_the_cap)
    return found


@dataclass(slots=True)
class _Told:
    """What is told of a run that goes on: to its user, and to its folder for the case that it is killed."""

    run: LoadRun
    folder: Path
    show: Callable[[str, float, Progress], None]

    def progress(self, job: Job, progress: Progress) -> None:
        """Show how a job stands; when it begins, keep the time from which the times of its requests count."""
        if self.run.curve is None and job.client not in self.run.started_ns:
            began_ns = {**self.run.started_ns, job.client: progress.tally.started_ns}
            self.run = replace(self.run, started_ns=began_ns)
            load_run.save(self.run, self.folder)
        self.show(f"{job.target} by {job.client}", job.duration_s, progress)

    def curve(self, curve: Curve) -> None:
        """Keep the levels that have ended."""
        self.run = replace(self.run, curve=curve, clients=[curve.shown.figures] if curve.shown else [])
        load_run.save(self.run, self.folder)


Make = Callable[[Job], Made]


def _measured(tell: _Told, settings: LoadSettings, jobs: Sequence[Job], make: Make, stop: Event) -> LoadRun:
    if settings.search or settings.levels:
        return _curve(tell, settings, jobs[0], make, stop)
    made = [make(job) for job in jobs if not stop.is_set()]
    told = [_figures(one) for one in made]
    return replace(
        tell.run,
        ending=_ending(stop, made),
        clients=told,
        timeline=[moment for one in made for moment in timeline(one.tally)],
        objectives=[verdict for one in told for verdict in verdicts(settings.objectives, one)],
        workers=[worker for one in made for worker in one.workers],
    )


def _ending(stop: Event, made: Iterable[Made]) -> load_run.Ending:
    if stop.is_set():
        return "interrupted"
    return "short of a worker" if any(one.has_lost_a_worker for one in made) else "complete"


def _figures(made: Made) -> ClientFigures:
    until_s = None if made.is_complete else made.ended_s
    return figures(made.tally, until_s=until_s, cpu_share=made.cpu_share, users=made.users)


def _curve(tell: _Told, settings: LoadSettings, job: Job, make: Make, stop: Event) -> LoadRun:
    """Measure level after level: those that were asked for, or those that a search wants.

    A level that is interrupted says nothing of what the endpoint does at it, and is left out. One that has
    lost a worker was not made as asked: it is not valid, and a search ends there.
    """
    schedule = parse_schedule(settings.schedule)
    is_whole = isinstance(schedule, ClosedLoop)
    levels: dict[float, Made] = {}

    def measure(level: float) -> ClientFigures | None:
        last = levels[next(reversed(levels))] if levels else None
        is_lost = last is not None and (last.has_no_worker or (settings.search and last.has_lost_a_worker))
        if stop.is_set() or is_lost:
            return None
        word = word_of(at_rate(schedule, level))
        made = make(replace(job, arrivals=word, run_id=f"{job.run_id}-{len(levels)}"))
        if stop.is_set():
            return None
        levels[level] = made
        return _made_in_part(made) if made.has_lost_a_worker else _figures(made)

    def keep(steps: Iterable[Step]) -> None:
        tell.curve(_curve_of(settings, steps))

    if settings.search:
        lowest = 1 if is_whole else _FEWEST / settings.measured_s
        start = level_of(schedule)
        found = find_max(measure, settings.search, start, is_whole=is_whole, lowest=lowest, keep=keep)
        curve = Curve(_unit(settings), list(found.steps), found.level, found.sentence)
    else:
        curve = _curve_of(settings, sweep(measure, settings.levels, settings.objectives, keep))
    shown = [curve.shown] if curve.shown else []
    return replace(
        tell.run,
        ending=_ending(stop, levels.values()),
        clients=[step.figures for step in shown],
        timeline=[moment for step in shown for moment in timeline(levels[step.level].tally)],
        curve=curve,
        workers=[worker for step in shown for worker in levels[step.level].workers],
    )


def _made_in_part(made: Made) -> ClientFigures:
    """The figures of a level whose load was less than asked, which are not valid."""
    found = _figures(made)
    dead = [worker.name for worker in made.workers if worker.has_died]
    reason = (
        f"Of {len(made.workers)} workers, {len(dead)} died ({', '.join(dead)}): the load was less than asked."
    )
    invalid = [*found.measurement.invalid, reason]
    return replace(found, measurement=replace(found.measurement, invalid=invalid))


def _curve_of(settings: LoadSettings, steps: Iterable[Step]) -> Curve:
    """The curve of a sweep, or of a search that goes no further than these levels."""
    unit = _unit(settings)
    if not settings.search:
        return Curve(unit, list(steps))
    found = cut_short(steps, is_whole=unit == "users")
    return Curve(unit, list(found.steps), found.level, found.sentence)


def _unit(settings: LoadSettings) -> load_run.LevelUnit:
    return "users" if isinstance(parse_schedule(settings.schedule), ClosedLoop) else "requests/s"


def _job(target: Target, settings: LoadSettings, client: str) -> Job:
    schedule = parse_schedule(settings.schedule)
    return Job(
        run_id=uuid.uuid4().hex[:12],
        base_url=target.base_url,
        model=target.model,
        models=target.models,
        params=target.params,
        access=target.access,
        api_key_env=target.api_key_env,
        target=target.name,
        dialect=target.dialect,
        client=client,
        mode=settings.mode,
        workload_name=settings.workload.name,
        workload_source=settings.workload.source,
        arrivals=settings.schedule,
        trace=list(schedule.rows) if isinstance(schedule, TraceReplay) else None,
        seed=settings.seed,
        duration_s=settings.duration_s,
        warm_up_s=settings.warm_up_s,
        cool_down_s=settings.cool_down_s,
        cap=settings.cap,
        timeout_s=settings.timeout_s,
        objectives=[str(objective) for objective in settings.search or settings.objectives],
        is_judged=settings.is_judged,
        waivers=target.waivers,
    )


def _unfinished(target: Target, settings: LoadSettings, began: str) -> LoadRun:
    """The run before anything has been measured, and what stays of it if it is killed."""
    workload, is_curve = settings.workload, bool(settings.search or settings.levels)
    schedule = parse_schedule(settings.schedule)
    notes = [replayed(schedule, settings.duration_s)] if isinstance(schedule, TraceReplay) else []
    plan = Plan(
        settings.schedule,
        settings.seed,
        settings.duration_s,
        settings.warm_up_s,
        settings.cool_down_s,
        settings.cap,
        [str(objective) for objective in settings.search or settings.objectives],
    )
    return LoadRun(
        schema=load_run.SCHEMA,
        target=TargetSummary.of(target),
        workload=WorkloadSummary(workload.name, workload.sentence, workload.operation, workload.source),
        plan=plan,
        started=began,
        finished=began,
        ending="killed",
        environment=Environment(
            likewise=__version__,
            python=platform.python_version(),
            platform=platform.platform(terse=True),
            clients={name: _version(name) for name in settings.clients},
        ),
        clients=[],
        timeline=[],
        curve=_curve_of(settings, ()) if is_curve else None,
        notes=[note for note in notes if note],
    )


def _version(client: str) -> str:
    library = _LIBRARIES.get(client, client)
    try:
        return f"{library} {metadata.version(library)}"
    except metadata.PackageNotFoundError:
        return library


@contextmanager
def _maker(
    settings: LoadSettings,
    endpoint: Endpoint,
    variables: Mapping[str, str],
    folder: Path,
    tell: _Told,
    stop: Event,
) -> Iterator[Make]:
    """What makes the load of a job: this process, or workers under it."""
    if not settings.workers:
        yield lambda job: make_alone(job, endpoint, folder, partial(tell.progress, job), stop, settings.web)
        return
    master = Master(settings.workers, settings.bind_host, settings.bind_port, settings.web)
    own: list[subprocess.Popen[bytes]] = []
    has_ended_well = False
    try:
        if settings.has_own_workers:
            own = [_worker(master.port, folder, endpoint.key, variables) for _ in range(settings.workers)]
        master.await_workers(lambda: all(child.poll() is None for child in own))
        yield lambda job: master.make(job, partial(tell.progress, job), stop)
        has_ended_well = True
    finally:
        master.quit()
        for child in own:
            if not has_ended_well:
                child.kill()  # one that has not come yet would never hear that it is over
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()


def _worker(port: int, folder: Path, key: str, variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """A worker in a process of its own, which Ctrl-C does not reach: the master ends it."""
    options = ("--master-host", "127.0.0.1", "--master-port", str(port), "--out", str(folder))
    return subprocess.Popen(  # noqa: S603  # this project's own command
        _command("load", "--worker", *options),
        env={**os.environ, **variables, WORKER_KEY: key},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def _command(*arguments: str, first: str = "") -> list[str]:
    return [sys.executable, "-c", f"{first}from harness.cli import main; main()", *arguments]


_END_WITH_PARENT = f"import {orphan.__name__}; {orphan.__name__}.{orphan.end_with_parent.__name__}(); "


@contextmanager
def _stopped_by_ctrl_c(stop: Event) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM ends the load, the second one the process."""

    def on_interrupt() -> None:
        stop.set()
        first.close()
        for number in STOPPING:
            # gevent would print where a KeyboardInterrupt came
            signal.signal(number, lambda *_: sys.exit(INTERRUPTED))

    with ExitStack() as first:
        first.enter_context(called_on_stopping(on_interrupt))
        yield


@contextmanager
def _started(target: Target, environ: Mapping[str, str]) -> Iterator[tuple[Target, Endpoint]]:
    """The target with its address.

    The reference endpoint gets a process of its own, so that it takes nothing from what measures it.
    """
    if target.starts != "reference":
        with started(target, environ) as (at, endpoint):
            yield at, endpoint
        return
    options = ["serve", "--port", "0", "--dialect", target.dialect, "--latency", "ttft=50ms,itl=10ms"]
    child = subprocess.Popen(  # noqa: S603  # this project's own command
        _command(*options, first=_END_WITH_PARENT), stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        words = (child.stdout.readline() if child.stdout else "").split()
        if len(words) < 5:
            raise NothingJudgedError(
                "The reference endpoint did not start.", "Run `likewise serve` to see why."
            )
        at = replace(target, base_url=words[0])
        yield at, connection_to(at, environ, words[4])
    finally:
        child.kill()
        child.wait()
