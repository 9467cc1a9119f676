"""Distributions of a run: HDR histograms that merge exactly, and estimates with confidence intervals.

A histogram counts whole thousandths: microseconds for times in ms, thousandths of a token for tokens/s. It
keeps three significant digits (HdrHistogram, G. Tene), and count, sum, smallest and greatest value exactly.
Histograms of several workers are added; percentiles are taken of the sum and never averaged.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any, TypeAlias

import numpy as np
from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]  # it ships no types
from numpy.typing import NDArray

from harness.rates import share_interval

SIGNIFICANT_DIGITS = 3
RESOLUTION = 10**-SIGNIFICANT_DIGITS
"""How far a percentile may lie from the value that was recorded, as a part of it."""

PERCENTILES: Mapping[str, float] = {
    "p50": 0.5,
    "p75": 0.75,
    "p90": 0.9,
    "p95": 0.95,
    "p99": 0.99,
    "p99.9": 0.999,
}
CONFIDENCE = 0.95
_HIGHEST_TICKS = 24 * 3600 * 1_000_000
_TICKS = 1000
_HALF_BITS = 10
"""A bucket's width doubles after each 1,024 of them, which three significant digits need."""

_BUCKETS = (_HIGHEST_TICKS.bit_length() - _HALF_BITS + 1) << _HALF_BITS

Saved: TypeAlias = dict[str, Any]
Ticks: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its 95 % confidence interval; a bound is None where there are too few values for one."""

    value: float
    low: float | None
    high: float | None


class Histogram:
    """Counts of values; see the module for its units.

    `requests` counts what the values come from: the gaps of one stream are not independent of one another, so
    that intervals are as wide as if each request had given one value.
    """

    __slots__ = ("_counts", "greatest", "requests", "smallest", "squares", "total")

    def __init__(self) -> None:
        self._counts: Ticks = np.zeros(_BUCKETS, np.int64)
        self.requests = 0
        self.total = 0
        self.squares = 0
        self.smallest: int | None = None
        self.greatest: int | None = None

    def __len__(self) -> int:
        return int(self._counts.sum())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]  # it changes

    def add(self, ticks: Sequence[int] | Ticks, requests: int) -> None:
        """Count values, in thousandths, that so many requests gave. What lies below zero counts as zero."""
        kept = np.clip(np.asarray(ticks, np.int64), 0, _HIGHEST_TICKS)
        if not len(kept):
            return
        np.add.at(self._counts, _buckets_of(kept), 1)
        smallest, greatest = int(kept.min()), int(kept.max())
        self.requests += requests
        self.total += int(kept.sum())
        self.squares += _sum_of_squares(kept, greatest)
        self._widen(smallest, greatest)

    def merge(self, other: "Histogram") -> None:
        """Add another histogram's counts."""
        if other.smallest is None or other.greatest is None:
            return
        self._counts += other._counts
        self.requests += other.requests
        self.total += other.total
        self.squares += other.squares
        self._widen(other.smallest, other.greatest)

    def _widen(self, smallest: int, greatest: int) -> None:
        self.smallest = smallest if self.smallest is None else min(self.smallest, smallest)
        self.greatest = greatest if self.greatest is None else max(self.greatest, greatest)

    @property
    def mean(self) -> float:
        """The exact mean; 0 of nothing."""
        return self.total / len(self) / _TICKS if len(self) else 0.0

    @property
    def deviation(self) -> float:
        """The standard deviation; 0 of fewer than two values."""
        count = len(self)
        if count < 2:
            return 0.0
        # In whole numbers, since the difference of two great squares is small.
        return float(((count * self.squares - self.total**2) / (count * (count - 1))) ** 0.5) / _TICKS

    def quantiles(self, shares: Iterable[float]) -> list[float]:
        """For each share, the smallest value that at least that share of the values does not exceed."""
        buckets = self.buckets()
        if self.smallest is None or self.greatest is None:
            return [0.0 for _ in shares]
        reached = list(accumulate(count for _, count in buckets))
        at = (bisect_left(reached, share * reached[-1] * (1 - 1e-12)) for share in shares)
        smallest, greatest = self.smallest / _TICKS, self.greatest / _TICKS
        return [max(smallest, min(greatest, buckets[number][0])) for number in at]

    def quantile(self, share: float) -> float:
        """One of `quantiles`; 0 of nothing."""
        return self.quantiles([share])[0]

    def estimate(self, statistic: str) -> Estimate | None:
        """A percentile such as `p99.9`, `mean` or `max`, with its interval; None of nothing.

        A percentile's interval are the order statistics that enclose it by the binomial distribution (Hahn
        and Meeker, "Statistical Intervals", 5.2); a mean's is Student's.
        """
        if not len(self):
            return None
        if statistic == "max":
            return Estimate((self.greatest or 0) / _TICKS, (self.greatest or 0) / _TICKS, None)
        if statistic == "mean":
            return self._mean_estimate()
        return self._percentiles([statistic])[statistic]

    def estimate_among(self, statistic: str, failures: int) -> Estimate:
        """A percentile or `max` of one value a request and of failures, which are later than any value.

        What falls on a failure is infinite.
        """
        values = len(self)
        count = values + failures

        def at(share: float | None) -> float | None:
            if share is None:
                return None
            is_beyond = math.ceil(share * count * (1 - 1e-12)) > values
            return math.inf if is_beyond else self.quantile(share * count / values)

        share = PERCENTILES.get(statistic, 1.0)
        low, high = _ranks(share, count) if share < 1 else (1.0, None)
        return Estimate(at(share) or 0.0, at(low), at(high))

    def estimates(self) -> dict[str, Estimate]:
        """Every percentile, the mean and the maximum; empty of nothing."""
        if not len(self):
            return {}
        ends = {name: found for name in ("mean", "max") if (found := self.estimate(name)) is not None}
        return self._percentiles(PERCENTILES) | ends

    def _percentiles(self, names: Iterable[str]) -> dict[str, Estimate]:
        wanted = {name: (PERCENTILES[name], *_ranks(PERCENTILES[name], self.requests)) for name in names}
        shares = sorted({share for three in wanted.values() for share in three if share is not None})
        values: dict[float | None, float | None] = dict(zip(shares, self.quantiles(shares), strict=True))
        return {
            name: Estimate(values[share] or 0.0, values.get(low), values.get(high))
            for name, (share, low, high) in wanted.items()
        }

    def _mean_estimate(self) -> Estimate:
        if self.requests < 2:
            return Estimate(self.mean, None, None)
        from scipy import special  # type: ignore[import-untyped]  # needed at a run's end only

        quantile = float(special.stdtrit(self.requests - 1, (1 + CONFIDENCE) / 2))
        reach = quantile * self.deviation / self.requests**0.5
        return Estimate(self.mean, max(0.0, self.mean - reach), self.mean + reach)

    def buckets(self) -> list[tuple[float, int]]:
        """Each value that was seen, to three digits, and how often, in order."""
        seen = np.flatnonzero(self._counts)
        beyond = np.maximum((seen >> _HALF_BITS) - 1, 0)
        middle = (seen - (beyond << _HALF_BITS) << beyond) + ((1 << beyond) - 1) / 2
        return list(zip((middle / _TICKS).tolist(), self._counts[seen].tolist(), strict=True))

    def to_json(self) -> Saved:
        """What load.json and the workers' messages hold: the counts in HdrHistogram's own coding, V2."""
        coder, seen = _coder(), np.flatnonzero(self._counts)
        if len(seen):
            _counts_in(coder)[:] = self._counts
            coder.set_internal_tacking_values(int(seen[0]), int(seen[-1]), len(self))
        return {
            "requests": self.requests,
            "total": self.total,
            # in words, as it outgrows the 64 bits that JSON and MessagePack writers stop at
            "squares": str(self.squares),
            "smallest": self.smallest,
            "greatest": self.greatest,
            "hdr": coder.encode().decode(),
        }

    @classmethod
    def from_json(cls, saved: Saved) -> "Histogram":
        """What `to_json` gave; raises KeyError or ValueError for anything else."""
        histogram = cls()
        coder = _coder()
        coder.decode_and_add(saved["hdr"])
        histogram._counts += _counts_in(coder)
        histogram.requests, histogram.total = int(saved["requests"]), int(saved["total"])
        histogram.squares = int(saved["squares"])
        histogram.smallest, histogram.greatest = saved["smallest"], saved["greatest"]
        return histogram


def _coder() -> Any:
    return HdrHistogram(1, _HIGHEST_TICKS, SIGNIFICANT_DIGITS)


def _counts_in(coder: Any) -> Ticks:
    counts: Ticks = np.frombuffer(coder.counts, np.int64)
    return counts


def _buckets_of(ticks: Ticks) -> Ticks:
    """The number of each value's bucket, as HdrHistogram counts them."""
    beyond = np.maximum(np.frexp(ticks.astype(np.float64))[1] - _HALF_BITS - 1, 0)
    buckets: Ticks = (beyond << _HALF_BITS) + (ticks >> beyond)
    return buckets


def _sum_of_squares(ticks: Ticks, greatest: int) -> int:
    if greatest**2 * len(ticks) < 2**63:
        return int(np.dot(ticks, ticks))
    return sum(value**2 for value in ticks.tolist())


@lru_cache(maxsize=1024)
def _ranks(share: float, count: int) -> tuple[float | None, float | None]:
    """The shares at which the bounds of a percentile's interval lie, None where the sample does not reach."""
    tail = (1 - CONFIDENCE) / 2
    below = _binomial_quantile(tail, count, share)
    above = _binomial_quantile(1 - tail, count, share) + 1
    return (below / count if below >= 1 else None), (above / count if above <= count else None)


def _binomial_quantile(probability: float, count: int, share: float) -> int:
    """The smallest number of hits in so many tries that is not exceeded with this probability."""
    from scipy import special  # `stats` has it by its name, and takes a second longer to load

    below: int = max(0, math.ceil(special.bdtrik(probability, count, share)) - 1)
    return below if special.bdtr(below, count, share) >= probability else below + 1


@dataclass(frozen=True, slots=True)
class Proportion:
    """So many of so many, and their share with its 95 % interval, which is None of nothing."""

    count: int
    of: int
    share: Estimate | None


def proportion(count: int, of: int) -> Proportion:
    """A share with its interval."""
    if of == 0:
        return Proportion(count, of, None)
    return Proportion(count, of, Estimate(count / of, *share_interval(count, of)))
