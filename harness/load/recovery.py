"""A load run's folder read again: its reports, and the figures of a run that was killed before it had any."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from harness.load import load_run
from harness.load.job import NS
from harness.load.load_run import LoadRun
from harness.load.metrics import Tally, figures, timeline
from harness.load.objectives import parse_objectives
from harness.load.record import RequestRecord
from harness.load.record_log import read
from harness.load.verdicts import verdicts
from harness.report.load import write

_BATCH = 1000
"""How many records to hold at a time: a long run has more than memory takes."""


def rendered_again(folder: Path, out: Path, formats: Sequence[str]) -> tuple[Path, ...]:
    """Write the reports of a load run into a folder, in these formats."""
    return write(as_far_as_it_came(folder), out, formats)


def as_far_as_it_came(folder: Path) -> LoadRun:
    """The load run of a folder, with the figures of what had ended where it was killed before it had any.

    Raises RunFolderError as `load_run.load` does.
    """
    run = load_run.load(folder)
    # Of a curve, the levels that had ended stand in the file; the requests do not tell theirs.
    return run if run.clients or run.curve else recovered(run, folder)


def recovered(run: LoadRun, folder: Path) -> LoadRun:
    """The run with the figures of the requests that its folder holds; they are gone through twice."""
    spans: dict[tuple[str, str], _Span] = {}
    for record in read(folder):
        span = spans.setdefault((record.client, record.mode.value), _Span(record.due_ns, record.ended_ns))
        span.widen(record)
    began_ns = {key: run.started_ns.get(key[0], span.began_ns) for key, span in spans.items()}
    tallies = {key: _tally(run, *key, began_ns[key]) for key in spans}
    records = read(folder)
    while batch := list(islice(records, _BATCH)):
        for key, tally in tallies.items():
            tally.add([record for record in batch if (record.client, record.mode.value) == key])
    told = [
        figures(tally, until_s=(spans[key].ended_ns - began_ns[key]) / NS) for key, tally in tallies.items()
    ]
    wanted = parse_objectives(run.plan.objectives)
    return replace(
        run,
        clients=told,
        timeline=[moment for tally in tallies.values() for moment in timeline(tally)],
        objectives=[verdict for one in told for verdict in verdicts(wanted, one)],
    )


@dataclass(slots=True)
class _Span:
    """From when the first request of a client was due to the end of the last one."""

    began_ns: int
    ended_ns: int

    def widen(self, record: RequestRecord) -> None:
        """Take one more request in."""
        self.began_ns = min(self.began_ns, record.due_ns)
        self.ended_ns = max(self.ended_ns, record.ended_ns)


def _tally(run: LoadRun, client: str, mode: str, began_ns: int) -> Tally:
    plan = run.plan
    measured_s = plan.duration_s - plan.warm_up_s - plan.cool_down_s
    return Tally(client, mode, began_ns, plan.warm_up_s, measured_s, parse_objectives(plan.objectives))
