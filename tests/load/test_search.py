"""The search finds the level at which a server with a known capacity begins to fail."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.load.metrics import ClientFigures
from harness.load.objectives import parse_objectives
from harness.load.search import find_max, parse_levels, sweep
from tests.load.records import record
from tests.load.runs import figures_of

_WANTED = parse_objectives(["ttft.p95<500ms", "errors<1%"])


def _server(capacity: float, asked: list[float] | None = None) -> Callable[[float], ClientFigures]:
    """Answers within 100 ms up to its capacity, and within a second beyond it."""

    def measure(level: float) -> ClientFigures:
        if asked is not None:
            asked.append(level)
        ttft_ms = 100.0 if level <= capacity else 1000.0
        return figures_of(record(n, due_s=3 + n / 10, ttft_ms=ttft_ms) for n in range(20))

    return measure


@settings(max_examples=10, deadline=None)
@given(st.floats(0.5, 2000), st.floats(1, 100))
def test_the_highest_rate_is_found_within_five_per_cent(capacity: float, start: float) -> None:
    found = find_max(_server(capacity), _WANTED, start)
    assert found.level is not None
    assert capacity / 1.051 <= found.level <= capacity
    assert len(found.steps) <= 24


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 500), st.integers(1, 64))
def test_the_highest_number_of_users_is_found_exactly(capacity: int, start: int) -> None:
    asked: list[float] = []
    found = find_max(_server(capacity, asked), _WANTED, start, is_whole=True)
    assert found.level == capacity
    assert all(level == int(level) for level in asked)


def test_it_is_said_what_was_missed_above() -> None:
    found = find_max(_server(40), _WANTED, 10)
    assert "is the highest level that keeps the objectives: at " in found.sentence
    assert "ttft.p95 was 1,000 ms, not below 500 ms" in found.sentence


def test_a_server_that_keeps_nothing_has_no_highest_level() -> None:
    found = find_max(_server(0), _WANTED, 10)
    assert found.level is None
    assert found.sentence.startswith("No level keeps the objectives: even at 0.0")
    hasty = find_max(_server(0), _WANTED, 10, lowest=2)
    assert [step.level for step in hasty.steps] == [10, 5, 2.5]
    assert hasty.sentence.startswith("No level keeps the objectives: even at 2.5 requests/s, ttft.p95 was")
    assert find_max(_server(0), _WANTED, 4, is_whole=True).level is None
    assert find_max(_server(40), _WANTED, 1, lowest=20).level == pytest.approx(40, rel=0.06)


def test_where_the_generator_is_saturated_the_search_says_at_least() -> None:
    def measure(level: float) -> ClientFigures:
        late_ms = 0 if level < 50 else 80
        return figures_of(record(n, due_s=3 + n / 10, ttft_ms=100, late_ms=late_ms) for n in range(20))

    found = find_max(measure, _WANTED, 10)
    assert found.level == pytest.approx(49, rel=0.06)
    assert found.sentence.startswith("At least 4")
    assert "The generator was saturated" in found.sentence


def test_a_sweep_measures_each_level() -> None:
    steps = sweep(_server(10), parse_levels("1,8,16"), _WANTED)
    assert [(step.level, step.is_kept) for step in steps] == [(1, True), (8, True), (16, False)]


def test_what_is_interrupted_keeps_the_levels_before() -> None:
    def measured_until(last: float) -> Callable[[float], ClientFigures | None]:
        measure = _server(10)
        return lambda level: measure(level) if level <= last else None

    assert [step.level for step in sweep(measured_until(8), parse_levels("1,8,16,2"), _WANTED)] == [1, 8]
    found = find_max(measured_until(8), _WANTED, 4)
    assert [step.level for step in found.steps] == [4, 8]
    assert found.sentence == "The search was cut short: 8 requests/s kept the objectives."
    assert find_max(measured_until(0), _WANTED, 4).sentence.endswith(": no level was measured.")


@pytest.mark.parametrize("text", ["", "1,x", "0", "1,,2", "-4"])
def test_levels_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="unclear"):
        parse_levels(text)


def test_a_level_is_measured_once() -> None:
    with pytest.raises(UsageError, match="stands twice"):
        parse_levels("1,2,1.0")
