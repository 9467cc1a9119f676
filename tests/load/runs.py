"""Load runs that never were, with figures of records that are known."""

import random
from collections.abc import Iterable
from functools import cache

from harness.access import Access
from harness.clients import Connection
from harness.load.job import Job
from harness.load.load_run import SCHEMA, LoadRun, Plan, Worker, WorkloadSummary
from harness.load.metrics import ClientFigures, Tally, figures, timeline
from harness.load.objectives import parse_objectives
from harness.load.record import Outcome, RequestRecord
from harness.load.verdicts import verdicts
from harness.load.workload import load_workload
from harness.run import Environment, TargetSummary
from harness.scenario import Mode
from tests.load.records import STARTED_NS, record

OBJECTIVES = ("ttft.p95<500ms", "itl.p99<80ms", "errors<0.5%")


def tally_of(records: Iterable[RequestRecord], objectives: tuple[str, ...] = OBJECTIVES) -> Tally:
    """A tally of thirty seconds, two of them warm-up and one cool-down."""
    tally = Tally("raw", "stream", STARTED_NS, 2.0, 27.0, parse_objectives(objectives))
    tally.add(records, judging_ns=10_000_000)
    return tally


@cache
def some_records(ttft_ms: float = 120.0, *, seed: int = 1, failures: int = 7) -> tuple[RequestRecord, ...]:
    """Thirty seconds at twenty requests a second, a few of which fail or deviate."""
    source = random.Random(seed)  # noqa: S311  # repeatable, not secret
    records = [
        record(
            number,
            due_s=number / 20,
            ttft_ms=source.lognormvariate(0, 0.3) * ttft_ms,
            gaps_ms=tuple(source.gauss(20, 3) for _ in range(31)),
            tokens=32,
            late_ms=source.expovariate(5),
            deviations=("stream.ends-with-done",) if number % 50 == 9 else (),
        )
        for number in range(600)
    ]
    for number in range(failures):
        place = 60 + number * 70
        outcome = (Outcome.HTTP_ERROR, Outcome.EMPTY, Outcome.CUT)[number % 3]
        detail = "HTTP 500: <b>overloaded</b>" if outcome is Outcome.HTTP_ERROR else ""
        records[place] = record(place, due_s=place / 20, outcome=outcome, deviations=None, detail=detail)
    return tuple(records)


def figures_of(records: Iterable[RequestRecord], objectives: tuple[str, ...] = OBJECTIVES) -> ClientFigures:
    """The figures of records."""
    return figures(tally_of(records, objectives))


def load_run(records: Iterable[RequestRecord] | None = None) -> LoadRun:
    """A whole run."""
    tally = tally_of(some_records() if records is None else records)
    told = figures(tally)
    return LoadRun(
        schema=SCHEMA,
        target=TargetSummary("our <gateway>", "http://127.0.0.1:8000/v1", "model-1", "openai"),
        workload=WorkloadSummary("short-chat", "The founding prompt.", "chat", 'sentence = "…"\n'),
        plan=Plan("poisson:20", 1, 30.0, 2.0, 1.0, objectives=list(OBJECTIVES)),
        started="2026-11-25T10:00:00+00:00",
        finished="2026-11-25T10:00:30+00:00",
        ending="complete",
        environment=Environment("0.1.0", "3.11.7", "Linux", {"raw": "gevent"}),
        clients=[told],
        timeline=timeline(tally),
        objectives=verdicts(parse_objectives(OBJECTIVES), told),
        workers=[Worker("worker-1", 600)],
    )


def job(base_url: str) -> Job:
    """One user's second."""
    workload = load_workload("short-chat")
    return Job(
        run_id="run",
        base_url=base_url,
        model="m",
        models={},
        params={},
        access=Access(),
        api_key_env="KEY",
        target="gateway",
        dialect="openai",
        client="raw",
        mode=Mode.STREAM,
        workload_name=workload.name,
        workload_source=workload.source,
        arrivals="users:1",
        trace=None,
        seed=1,
        duration_s=1,
        warm_up_s=0,
        cool_down_s=0,
        cap=None,
        timeout_s=5,
        objectives=[],
        is_judged=True,
    )


def connection(job: Job, key: str) -> Connection:
    """What the clients of a job ask with."""
    return Connection(job.base_url, job.model, key)
