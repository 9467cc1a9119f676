"""A load run's folder read again: its reports, and the figures of a run that was killed before it had any."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.load import load_run
from harness.load.job import NS
from harness.load.load_run import LoadRun
from harness.load.metrics import Tally, figures, timeline
from harness.load.record import RequestRecord
from harness.load.record_log import read
from harness.report.load import write


def rendered_again(folder: Path, out: Path, formats: Sequence[str]) -> tuple[Path, ...]:
    """Write the reports of a load run into a folder, in these formats."""
    run = load_run.load(folder)
    return write(run if run.clients else recovered(run, folder), out, formats)


def recovered(run: LoadRun, folder: Path) -> LoadRun:
    """The run with the figures of the requests that its folder holds."""
    records = list(read(folder))
    told = []
    moments = []
    for client in dict.fromkeys(record.client for record in records):
        tally, until_s = _recounted(run, [record for record in records if record.client == client])
        told.append(figures(tally, until_s=until_s))
        moments += timeline(tally)
    note = f"The run was killed; these are the figures of the {len(records):,} requests that had ended."
    return replace(run, clients=told, timeline=moments, notes=[*run.notes, note])


def _recounted(run: LoadRun, records: Sequence[RequestRecord]) -> tuple[Tally, float]:
    """The tally of records, and how long after its start the last of them ended."""
    plan, first = run.plan, records[0]
    began_ns = min(record.due_ns for record in records)
    measured_s = plan.duration_s - plan.warm_up_s - plan.cool_down_s
    tally = Tally(first.client, first.mode.value, began_ns, plan.warm_up_s, measured_s)
    tally.add(records)
    return tally, (max(record.ended_ns for record in records) - began_ns) / NS
