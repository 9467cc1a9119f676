"""Large runs cost what they weigh: work grows with the verdicts and not with their square."""

import cProfile
import os
import pstats
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness import report
from harness.report import html
from harness.rule import Violation
from harness.run import Run, load, save
from harness.verdict import Outcome
from tests.report.rendered import on_terminal, rendered
from tests.report.runs import EXCHANGES, FAILING, exchange, many, run, verdict

_FORMATS = [*report.formats(), "terminal"]


def renderer(name: str) -> Callable[[Run], str]:
    if name == "terminal":
        return on_terminal
    return lambda run: rendered(name, run, EXCHANGES)


def calls(render: Callable[[Run], str], run: Run) -> int:
    """How many function calls a report takes: a measure of work that no other process disturbs."""
    profile = cProfile.Profile()
    profile.runcall(render, run)
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]  # typeshed lacks it


def peak_bytes(work: Callable[[], object]) -> int:
    """The most memory that something takes while it is at work."""
    tracemalloc.start()
    work()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("name", _FORMATS)
def test_ten_times_the_verdicts_take_about_ten_times_the_work(name: str) -> None:
    render = renderer(name)
    render(many(10))
    assert calls(render, many(5_000)) < 20 * calls(render, many(500))


@pytest.mark.parametrize("name", _FORMATS)
def test_five_thousand_verdicts_are_rendered_in_little_memory(name: str) -> None:
    run, render = many(5_000), renderer(name)
    render(run)
    assert peak_bytes(lambda: render(run)) < 50_000_000


@pytest.mark.parametrize("name", ["csv", "ctrf", "junit"])
def test_a_format_that_tells_every_verdict_never_holds_them_all(name: str) -> None:
    runs = {count: many(count) for count in (5_000, 50_000)}

    def write(run: Run) -> None:
        with Path(os.devnull).open("w") as file:
            report.formats()[name].render(run, EXCHANGES, file)

    write(runs[5_000])
    few, many_more = (peak_bytes(lambda run=run: write(run)) for run in runs.values())
    assert many_more < few + 2_000_000


def test_a_run_is_read_some_verdicts_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the pieces end, and never as a whole."""
    told = many(20)
    save(told, tmp_path)

    def refuse(path: Path) -> bytes:
        raise AssertionError(f"{path} is read as a whole")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    for size_bytes in range(1, 1_000, 7):
        monkeypatch.setattr("harness.run._VERDICTS_BYTES", size_bytes)
        assert load(tmp_path) == told


def test_two_thousand_streams_and_a_line_of_ten_megabytes_fit_into_the_page() -> None:
    line = "x\u202e<script>" * 1_000_000
    cells = [(f"founding#{at + 2}", "raw", "stream") for at in range(2_000)]
    failing = verdict("made.up", Outcome.FAIL, cell=cells[0], evidence=[Violation(line, "less")], reason=line)
    long = replace(
        many(10),
        requests=[replace(FAILING.requests[1], scenario=cell[0], curl=line[:1_000]) for cell in cells],
        verdicts=[failing],
    )
    page = rendered("html", long, dict.fromkeys(cells, exchange(line.encode())))
    assert len(page.encode()) <= html.MAX_BYTES
    assert "<script>x" not in page
    assert "2,000" in page


@pytest.mark.parametrize("name", _FORMATS)
def test_a_line_of_ten_megabytes_is_cut(name: str) -> None:
    line = "<b>\x1b" * 2_500_000
    failing = run([verdict("made.up", Outcome.FAIL, evidence=[Violation(line, line, line)], reason=line)])
    text = renderer(name)(failing)
    assert len(text) < 200_000
    assert "\x1b" not in text
