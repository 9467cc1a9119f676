"""Histograms: exact to three digits, merged without loss, with intervals that hold what they promise."""

import json
import math
import random
import statistics

import msgpack
import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]  # it ships no types

from harness.load.histogram import PERCENTILES, Estimate, Histogram, proportion

_ticks = st.lists(st.integers(0, 10**9), min_size=1, max_size=200)


def _of(ticks: list[int]) -> Histogram:
    histogram = Histogram()
    histogram.add(ticks, len(ticks))
    return histogram


@settings(max_examples=50, deadline=None)
@given(_ticks)
def test_percentiles_are_those_of_the_values_to_three_digits(ticks: list[int]) -> None:
    ordered = sorted(ticks)
    histogram = _of(ticks)
    for share in PERCENTILES.values():
        exact = ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)] / 1000
        assert histogram.quantile(share) == pytest.approx(exact, rel=1e-3, abs=1e-3)


@settings(max_examples=50, deadline=None)
@given(_ticks)
def test_mean_deviation_and_ends_are_exact(ticks: list[int]) -> None:
    histogram = _of(ticks)
    assert histogram.mean == pytest.approx(statistics.fmean(ticks) / 1000)
    assert (histogram.smallest, histogram.greatest) == (min(ticks), max(ticks))
    if len(ticks) > 1:
        assert histogram.deviation == pytest.approx(statistics.stdev(ticks) / 1000, rel=1e-6, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(_ticks, _ticks)
def test_merged_histograms_are_the_histogram_of_all(first: list[int], second: list[int]) -> None:
    merged = _of(first)
    merged.merge(_of(second))
    assert merged == _of(first + second)
    assert Histogram.from_json(json.loads(json.dumps(merged.to_json()))) == merged


def test_long_times_are_written_by_what_writes_64_bits() -> None:
    histogram = _of([10**9] * 20)
    saved = histogram.to_json()
    assert Histogram.from_json(orjson.loads(orjson.dumps(saved))) == histogram
    assert Histogram.from_json(msgpack.unpackb(msgpack.packb(saved))) == histogram


def test_nothing_has_no_estimates() -> None:
    assert Histogram().estimates() == {}
    assert Histogram.from_json(Histogram().to_json()) == Histogram()


def test_a_negative_span_counts_as_none() -> None:
    assert _of([-5, 10]).smallest == 0


def test_few_values_give_no_bound_that_they_cannot_give() -> None:
    told = _of(list(range(1, 21))).estimates()
    assert told["p50"].low is not None
    assert told["p50"].high is not None
    assert told["p99"].high is None
    assert told["max"].high is None
    assert _of([7]).estimates()["mean"].low is None


@pytest.mark.parametrize("statistic", ["p50", "p95", "mean"])
def test_of_a_hundred_intervals_about_95_hold_the_truth(statistic: str) -> None:
    source = random.Random(5)  # noqa: S311  # repeatable, not secret
    truth = {"p50": math.log(2), "p95": math.log(20), "mean": 1.0}[statistic] * 100
    held = 0
    for _ in range(200):
        found = _of([round(source.expovariate(1) * 100_000) for _ in range(400)]).estimate(statistic)
        assert found is not None
        held += (found.low or 0) <= truth <= (found.high or math.inf)
    assert 180 <= held <= 199


def test_the_interval_of_a_share_holds_it_in_95_of_100_runs() -> None:
    """On average over all shares up to 5 %, which are those of errors, and never in fewer than 90."""
    shares, held = np.linspace(0.0005, 0.05, 100), np.zeros(100)
    for count in range(201):
        found = proportion(count, 1000).share
        assert found is not None
        assert (found.low or 0) <= found.value <= (found.high or 0)
        holds = ((found.low or 0) <= shares) & (shares <= (found.high or 0))
        held += holds * stats.binom.pmf(count, 1000, shares)
    assert 0.945 <= held.mean() <= 0.96
    assert held.min() > 0.9


def test_a_share_of_nothing_is_none() -> None:
    assert proportion(0, 0).share is None
    assert proportion(0, 100).share == Estimate(0, 0, pytest.approx(0.037, abs=1e-4))
