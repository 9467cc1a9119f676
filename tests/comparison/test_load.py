"""Load runs held against each other: differences only where they are shown, the best front."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from harness.comparison import html, markdown
from harness.comparison.load import LoadComparison, answer, compared_load, points
from harness.comparison.made import Made
from harness.comparison.making import make
from harness.load import load_run
from harness.load.load_run import Curve, LoadRun
from harness.load.record import encode
from harness.load.record_log import append, path_of
from harness.load.search import Step
from tests.load.runs import figures_of, some_records
from tests.load.runs import load_run as made_up
from tests.report.runs import HOSTILE


def run_of(
    name: str = "ours", ttft_ms: float = 120.0, *, seed: int = 1, levels: Sequence[int] = ()
) -> LoadRun:
    """A load run; at each of the levels the first output takes as much longer."""
    base = made_up(some_records(ttft_ms, seed=seed))
    steps = [
        Step(
            level, replace(_figures(ttft_ms * (1 + level / 8), seed), requests_per_s=level / (1 + level / 20))
        )
        for level in levels
    ]
    return replace(
        base, target=replace(base.target, name=name), curve=Curve("users", steps) if levels else None
    )


@cache
def _figures(ttft_ms: float, seed: int) -> load_run.ClientFigures:
    return figures_of(some_records(ttft_ms, seed=seed))


def compared(*runs: LoadRun) -> LoadComparison:
    found = compared_load({str(at): one for at, one in enumerate(runs)})
    assert found is not None
    return found


def _verdicts(found: LoadComparison, label: str) -> list[str]:
    (row,) = [row for row in found.rows if row.label == label]
    return [value.verdict for value in row.values]


def test_a_slower_target_is_shown_to_be_worse_by_an_interval() -> None:
    found = compared(run_of(), run_of("theirs", 240))
    first, second = _verdicts(found, "TTFT p50")
    assert first == ""
    assert second.startswith("worse by ")
    assert second.endswith(" ms")
    assert answer(found).startswith("Under load theirs is worse than ours in TTFT p50")


def test_runs_that_differ_by_chance_alone_show_no_difference() -> None:
    found = compared(run_of(seed=1), run_of("theirs", seed=2))
    assert _verdicts(found, "TTFT p50")[1] == "no difference shown"
    assert answer(found) == "Under load theirs shows no difference from ours."


def test_two_clients_on_one_target_are_compared() -> None:
    one = run_of()
    slower = replace(_figures(200.0, 3), client="openai")
    both = replace(one, clients=[*one.clients, slower])
    found = compared(both)
    assert [series.label for series in found.series] == ["raw stream", "openai stream"]
    assert _verdicts(found, "TTFT p50")[1].startswith("worse by ")
    assert compared_load({"1": both}, ("raw",)) is None


def test_the_same_target_on_two_days_is_told_apart() -> None:
    found = compared(run_of(), replace(run_of(seed=2), started="2026-12-01T00:00:00+00:00"))
    assert [series.label for series in found.series] == ["ours, 2026-11-25", "ours, 2026-12-01"]


def test_nothing_is_said_of_a_run_that_is_not_valid() -> None:
    slow = run_of("theirs", 240)
    measurement = replace(slow.clients[0].measurement, invalid=["The generator was saturated."])
    found = compared(run_of(), replace(slow, clients=[replace(slow.clients[0], measurement=measurement)]))
    assert _verdicts(found, "TTFT p50") == ["", ""]
    assert found.notes == ("theirs: The generator was saturated.",)


def test_curves_are_compared_at_the_highest_level_that_each_has(tmp_path: Path) -> None:
    """Whatever was measured last, and whether one is no curve."""
    one, other = run_of(levels=(1, 4, 16)), run_of("theirs", 240, seed=2, levels=(8, 4, 1))
    found = compared(one, other)
    assert found.notes == (
        "Compared at poisson:4, the highest level of load that was measured in every run.",
    )
    assert one.curve is not None
    assert found.series[0].figures == one.curve.steps[1].figures
    assert _verdicts(found, "TTFT p50")[1].startswith("worse by ")
    at_four = replace(run_of("theirs", 360), plan=replace(other.plan, arrivals="poisson:4"))
    assert "Compared at poisson:4" in compared(one, at_four).at_level
    for at, each in enumerate((one, other)):
        load_run.save(each, tmp_path / str(at))
    assert make([tmp_path / "1"], tmp_path / "0", (), None).exit_code == 1
    assert make([tmp_path / "0"], tmp_path / "1", (), None).exit_code == 0


def test_curves_without_a_level_in_common_are_not_compared(tmp_path: Path) -> None:
    one, other = run_of(levels=(1, 4)), run_of("theirs", 240, levels=(2, 8))
    found = compared(one, other)
    assert found.notes == (
        "No level of load was measured in every run, so nothing is compared: "
        "poisson:1, poisson:4; poisson:2, poisson:8.",
    )
    assert answer(found) == "Under load theirs can't be held against ours."
    for at, each in enumerate((one, other)):
        load_run.save(each, tmp_path / str(at))
    assert make([tmp_path / "1"], tmp_path / "0", (), None).exit_code == 3


def test_the_best_front_has_no_point_that_another_beats() -> None:
    found = compared(run_of(levels=(1, 4, 16)), run_of("theirs", 240, seed=2, levels=(1, 4, 16)))
    _, drawn = points(found.series)
    best = [one for one in drawn if one.is_best]
    assert 0 < len(best) < len(drawn)
    for one in drawn:
        beaten = any(
            other.latency_ms <= one.latency_ms and other.throughput >= one.throughput and other != one
            for other in drawn
        )
        assert one.is_best is not beaten


def test_a_folder_of_load_runs_is_compared_as_such(tmp_path: Path) -> None:
    for at, one in enumerate((run_of(), run_of("theirs", 240))):
        load_run.save(one, tmp_path / str(at))
    made = make([tmp_path / "0", tmp_path / "1"], None, (), None)
    assert made.rules is None
    assert made.exit_code == 0
    gate = make([tmp_path / "1"], tmp_path / "0", (), None)
    assert gate.exit_code == 1
    assert make([tmp_path / "0"], tmp_path / "1", (), None).exit_code == 0


def test_a_run_that_was_killed_is_compared_as_far_as_it_came(tmp_path: Path) -> None:
    killed = replace(run_of("theirs", 240, seed=2), clients=[], timeline=[], objectives=[], ending="killed")
    load_run.save(run_of(), tmp_path / "0")
    load_run.save(killed, tmp_path / "1")
    with path_of(tmp_path / "1", 0).open("wb") as file:
        append(file, b"".join(map(encode, some_records(240, seed=2))))
    found = make([tmp_path / "0", tmp_path / "1"], None, (), None).load
    assert found is not None
    assert _verdicts(found, "TTFT p50")[1].startswith("worse by ")
    assert found.notes == (
        "theirs: This run was killed: these are the figures of the 600 requests that had ended.",
    )


def _two_clients(raw_ms: float, openai_ms: float, seed: int = 1) -> LoadRun:
    base = run_of(ttft_ms=raw_ms, seed=seed)
    return replace(base, clients=[*base.clients, replace(_figures(openai_ms, seed), client="openai")])


@pytest.mark.parametrize(
    ("new", "code"),
    [
        (_two_clients(120, 240), 0),
        (_two_clients(240, 480, seed=2), 1),
        (_two_clients(120, 480, seed=2), 1),
        (run_of(ttft_ms=60), 0),
    ],
    ids=["the same", "both worse", "one worse", "one better, one gone"],
)
def test_a_baseline_holds_each_client_against_itself(new: LoadRun, code: int, tmp_path: Path) -> None:
    load_run.save(_two_clients(120, 240), tmp_path / "old")
    load_run.save(new, tmp_path / "new")
    made = make([tmp_path / "new"], tmp_path / "old", (), None)
    assert made.exit_code == code
    assert make([tmp_path / "old"], tmp_path / "old", (), None).exit_code == 0


def test_each_client_is_shown_beside_itself() -> None:
    one = _two_clients(120, 240)
    found = compared(one, one)
    assert found.against == tuple(found.series[at].label for at in (0, 0, 1))
    assert _verdicts(found, "TTFT p50")[2:] == ["no difference shown"] * 2


@pytest.mark.parametrize(
    "otherwise",
    [
        lambda run: replace(run, workload=replace(run.workload, source="another")),
        lambda run: replace(run, plan=replace(run.plan, arrivals="poisson:99")),
        lambda run: replace(run, clients=[replace(one, mode="plain") for one in run.clients]),
    ],
    ids=["workload", "arrivals", "mode"],
)
def test_runs_that_measured_something_else_are_not_worse(
    otherwise: Callable[[LoadRun], LoadRun], tmp_path: Path
) -> None:
    old, new = run_of(), otherwise(run_of("theirs", 240))
    found = compared(old, new)
    assert answer(found) == "Under load theirs can't be held against ours."
    assert found.notes[-1].startswith("theirs can't be held against ours: ")
    load_run.save(old, tmp_path / "old")
    load_run.save(new, tmp_path / "new")
    assert make([tmp_path / "new"], tmp_path / "old", (), None).exit_code == 3


@pytest.mark.parametrize("render", [html.render, markdown.render])
def test_hostile_names_stay_text(render: object) -> None:
    found = Made(None, compared(run_of(HOSTILE), run_of("theirs", 240)))
    text = render(found)  # type: ignore[operator]
    assert not {"\x1b", "\x00", "\u202e"} & set(text)
    rendered = text if render is html.render else MarkdownIt("js-default").render(text)
    assert "<script>alert" not in rendered
    assert 'href="http' not in rendered


def test_markdown_tells_each_figure_with_its_interval_and_its_verdict() -> None:
    text = markdown.render(Made(None, compared(run_of(), run_of("theirs", 240))))
    (line,) = [line for line in text.splitlines() if line.startswith("| TTFT p50 |")]
    assert " ms (" in line
    assert ", worse by " in line
