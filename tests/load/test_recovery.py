"""A run that was killed: its figures are those of the records that its folder holds."""

from dataclasses import replace
from pathlib import Path

from harness.load.metrics import figures
from harness.load.record import Outcome, encode
from harness.load.record_log import append, path_of
from harness.load.recovery import recovered
from harness.report.load.summary import cut_short_text
from harness.scenario import Mode
from tests.load import runs
from tests.load.records import record


def test_the_figures_are_those_of_the_records_of_each_client(tmp_path: Path) -> None:
    raw = [record(n, due_s=n / 100) for n in range(2500)]
    plain = [replace(record(n, due_s=n / 100, outcome=Outcome.EMPTY), mode=Mode.PLAIN) for n in range(300)]
    other = [record(n, due_s=n / 100, ttft_ms=300, client="openai") for n in range(600)]
    for worker, records in enumerate((raw[::2] + plain, other, raw[1::2])):
        with path_of(tmp_path, worker).open("wb") as file:
            append(file, b"".join(map(encode, records)))
    killed = replace(runs.load_run(), ending="killed", clients=[], timeline=[], objectives=[])
    run = recovered(killed, tmp_path)
    told = {(client.client, client.mode): client for client in run.clients}
    assert set(told) == {("raw", "stream"), ("raw", "plain"), ("openai", "stream")}
    assert told["raw", "stream"].figures == figures(runs.tally_of(raw)).figures
    assert told["raw", "plain"].errors.count == told["raw", "plain"].requests == 100
    assert told["openai", "stream"].figures["ttft_ms"].statistics["p50"].value == 300
    assert {moment.client for moment in run.timeline} == {"raw", "openai"}
    assert "the figures of the 3,400 requests that had ended" in cut_short_text(run)


def test_a_folder_without_records_has_no_figures(tmp_path: Path) -> None:
    killed = replace(runs.load_run(), ending="killed", clients=[], timeline=[], objectives=[])
    assert recovered(killed, tmp_path).clients == []
