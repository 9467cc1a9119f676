"""A difference between two runs is told when there is one, and seldom when there is none."""

from dataclasses import replace

from harness.load.difference import Difference, differences
from tests.load.records import MS, record
from tests.load.runs import figures_of, some_records


def _found(before: float, after: float, *, seed: int, failures: int = 0) -> dict[str, Difference]:
    first = figures_of(some_records(before, seed=1, failures=0))
    second = figures_of(some_records(after, seed=seed, failures=failures))
    return {each.figure: each for each in differences([first], [second])}


def test_a_slower_run_is_found_to_be_slower() -> None:
    found = _found(120, 150, seed=2)
    ttft = found["ttft_ms.p50"]
    assert ttft.is_real
    assert ttft.low is not None
    assert ttft.high is not None
    assert 0 < ttft.low <= 30 <= ttft.high
    assert ttft.is_worse
    assert not found["itl_ms.p50"].is_real


def test_two_runs_of_the_same_are_not_found_to_differ() -> None:
    alarms = sum(any(each.is_real for each in _found(120, 120, seed=seed).values()) for seed in range(2, 9))
    assert alarms <= 1


def test_a_difference_that_nobody_would_feel_is_none() -> None:
    """One percent, however many requests show it."""
    records = [record(number, due_s=number / 100, ttft_ms=100 + number % 3) for number in range(3_000)]
    slower = [replace(each, due_ns=each.due_ns - MS) for each in records]
    found = {each.figure: each for each in differences([figures_of(records)], [figures_of(slower)])}
    ttft = found["ttft_ms.p50"]
    assert ttft.low is not None
    assert ttft.low > 0
    assert not any(each.is_real for each in found.values())


def test_the_same_run_does_not_differ_from_itself() -> None:
    found = _found(120, 120, seed=1)
    assert all(each.change == 0 and not each.is_real for each in found.values())


def test_more_errors_are_found() -> None:
    found = _found(120, 120, seed=2, failures=8)
    assert found["errors"].after > found["errors"].before
    assert found["errors"].p_value < 0.05


def test_runs_with_nothing_in_common_are_not_compared() -> None:
    assert differences([figures_of([])], [figures_of([record()])]) == []
    other = replace(figures_of(some_records()), client="openai")
    assert differences([figures_of(some_records())], [other]) == []
