"""Whether two runs differ, tested and not eyeballed.

A percentile's difference is judged by the bootstrap: both histograms are drawn anew many times, each as often
as it has requests (Efron and Tibshirani, "An Introduction to the Bootstrap", 13.3). Shares are compared by
Fisher's exact test. As many figures are compared, Holm's correction keeps the chance of a false alarm at 5 %.
"""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.load.histogram import CONFIDENCE, PERCENTILES, Histogram, Proportion
from harness.load.metrics import ClientFigures

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_DRAWS = 20_000
_COMPARED = (
    ("ttft_ms", "p50"),
    ("ttft_ms", "p95"),
    ("ttft_ms", "p99"),
    ("itl_ms", "p50"),
    ("itl_ms", "p99"),
    ("tpot_ms", "p50"),
    ("latency_ms", "p50"),
    ("latency_ms", "p95"),
)


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of two runs: `after` less `before`, its interval, and how likely chance alone makes as much.

    The interval of a share is None; its p-value tests it. `is_real` holds after Holm's correction.
    """

    figure: str
    before: float
    after: float
    change: float
    low: float | None
    high: float | None
    p_value: float
    is_real: bool


def differences(before: ClientFigures, after: ClientFigures) -> list[Difference]:
    """What two runs of one client share, compared."""
    found = [
        _of_percentiles(
            f"{figure}.{statistic}",
            statistic,
            Histogram.from_json(before.figures[figure].histogram),
            Histogram.from_json(after.figures[figure].histogram),
        )
        for figure, statistic in _COMPARED
        if figure in before.figures and figure in after.figures
    ]
    for name, first, second in (
        ("errors", before.errors, after.errors),
        ("goodput", before.goodput, after.goodput),
        ("deviations", before.conformance.deviating, after.conformance.deviating),
    ):
        if first.of and second.of:
            found.append(_of_shares(name, first, second))
    return _corrected(found)


def _of_percentiles(figure: str, statistic: str, before: Histogram, after: Histogram) -> Difference:
    import numpy as np  # heavy, and needed to compare only

    share = PERCENTILES[statistic]
    source = np.random.default_rng(0)

    def drawn(histogram: Histogram) -> "npt.NDArray[np.float64]":
        # A resample's order statistic is the value at the share that the order statistic of as many uniform
        # numbers gives, and that share is beta distributed: no resample has to be made.
        count = histogram.requests
        rank = max(1, math.ceil(share * count))
        values, counts = np.array(list(histogram.buckets()), dtype=np.float64).T
        reached = counts.cumsum() / counts.sum()
        at = np.searchsorted(reached, source.beta(rank, count - rank + 1, size=_DRAWS))
        chosen: npt.NDArray[np.float64] = values[np.minimum(at, len(values) - 1)]
        return chosen

    changes = drawn(after) - drawn(before)
    low, high = np.quantile(changes, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    # Twice the smaller tail beyond zero, of which no draw tells less than one in all draws.
    tail = min(int((changes <= 0).sum()), int((changes >= 0).sum()))
    p_value = min(1.0, 2 * (tail + 1) / (_DRAWS + 1))
    first, second = before.quantile(share), after.quantile(share)
    return Difference(
        figure, first, second, second - first, float(low), float(high), p_value, is_real=p_value < 0.05
    )


def _of_shares(figure: str, before: Proportion, after: Proportion) -> Difference:
    from scipy import stats  # type: ignore[import-untyped]  # heavy, and needed to compare only

    table = [[each.count, each.of - each.count] for each in (before, after)]
    p_value = float(stats.fisher_exact(table).pvalue)
    first, second = before.count / before.of, after.count / after.of
    return Difference(figure, first, second, second - first, None, None, p_value, is_real=p_value < 0.05)


def _corrected(found: list[Difference]) -> list[Difference]:
    """Holm (1979): the smallest p-value is held against 5 % by the number of all, the next by one fewer."""
    is_real: dict[str, bool] = {}
    still = True
    for rank, each in enumerate(sorted(found, key=lambda difference: difference.p_value)):
        still = still and each.p_value <= (1 - CONFIDENCE) / (len(found) - rank)
        is_real[each.figure] = still
    return [replace(each, is_real=is_real[each.figure]) for each in found]
