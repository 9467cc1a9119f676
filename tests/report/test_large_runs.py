"""Large runs cost what they weigh: work grows with the verdicts and not with their square."""

import cProfile
import pstats
import tracemalloc
from collections.abc import Callable

import pytest

from harness import report
from harness.run import Run
from tests.report.rendered import on_terminal
from tests.report.runs import EXCHANGES, many

_FORMATS = [*report.formats(), "terminal"]


def renderer(name: str) -> Callable[[Run], str]:
    if name == "terminal":
        return on_terminal
    return lambda run: report.formats()[name].render(run, EXCHANGES)


def calls(render: Callable[[Run], str], run: Run) -> int:
    """How many function calls a report takes: a measure of work that no other process disturbs."""
    profile = cProfile.Profile()
    profile.runcall(render, run)
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]  # typeshed lacks it


@pytest.mark.parametrize("name", _FORMATS)
def test_ten_times_the_verdicts_take_about_ten_times_the_work(name: str) -> None:
    render = renderer(name)
    render(many(10))
    assert calls(render, many(5_000)) < 20 * calls(render, many(500))


@pytest.mark.parametrize("name", _FORMATS)
def test_five_thousand_verdicts_are_rendered_in_little_memory(name: str) -> None:
    run, render = many(5_000), renderer(name)
    render(run)
    tracemalloc.start()
    render(run)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 50_000_000
