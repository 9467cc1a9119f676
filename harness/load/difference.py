"""Whether two runs differ, tested and not eyeballed.

A percentile's difference is judged by the bootstrap: both histograms are drawn anew many times, each as often
as it has requests (Efron and Tibshirani, "An Introduction to the Bootstrap", 13.3). It has to be more than
2 % of the earlier value: with enough requests, every two runs differ by something. Shares are compared by
Fisher's exact test. As many figures are compared, Holm's correction keeps the chance of a false alarm at 5 %.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.load.histogram import CONFIDENCE, PERCENTILES, Histogram, Proportion
from harness.load.metrics import ClientFigures

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from harness.load.load_run import LoadRun

_DRAWS = 20_000
_RELEVANT = 0.02
"""What a percentile has to change by, as a part of what it was, before anybody needs to hear of it."""

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

    The p-value of a percentile is that of a change by more than 2 %. The interval of a share is None; its
    p-value tests it. `is_real` holds after Holm's correction.
    """

    client: str
    mode: str
    figure: str
    before: float
    after: float
    change: float
    low: float | None
    high: float | None
    p_value: float
    is_real: bool

    @property
    def is_worse(self) -> bool:
        """Whether a real difference is one for the worse: more of anything but goodput."""
        return self.is_real and (self.change < 0 if self.figure == "goodput" else self.change > 0)


def unlike(before: "LoadRun", after: "LoadRun") -> str:
    """Why a difference between two runs would be nobody's doing, in a clause; empty where they are alike.

    Of runs at several levels, the kind of arrivals counts: `at_one_level` has them at the same level, or
    finds that there is none.
    """
    if before.workload.source != after.workload.source:
        names = (before.workload.name, after.workload.name)
        same_name = f"the text of the workload {names[0]} is another"
        return same_name if len(set(names)) == 1 else "the workload {} there, {} here".format(*names)
    arrivals = [run.plan.arrivals for run in (before, after)]
    if before.curve or after.curve:
        arrivals = [word.partition(":")[0] for word in arrivals]
    if len(set(arrivals)) > 1:
        return "arrivals {} there, {} here".format(*arrivals)
    are_capped = [run.output_cap != "none" for run in (before, after)]
    if len(set(are_capped)) > 1:
        return "answers {} a cap there, {} one here".format(
            *("with" if is_capped else "without" for is_capped in are_capped)
        )
    caps = ["no cap" if run.plan.cap is None else f"a cap of {run.plan.cap:,}" for run in (before, after)]
    return "{} there, {} here".format(*caps) if len(set(caps)) > 1 else ""


def are_as_strict(before: "LoadRun", after: "LoadRun") -> bool:
    """Whether both runs count the same requests as good ones: by the same objectives, judged or not."""
    strictness = [
        (set(run.plan.objectives), any(client.conformance.judged for client in run.clients))
        for run in (before, after)
    ]
    return strictness[0] == strictness[1]


def differences(
    before: Iterable[ClientFigures], after: Iterable[ClientFigures], *, with_goodput: bool = True
) -> list[Difference]:
    """What each client has in both runs, compared; goodput only where both are as strict."""
    earlier = {(figures.client, figures.mode): figures for figures in before}
    found = [
        replace(each, client=figures.client, mode=figures.mode)
        for figures in after
        if (figures.client, figures.mode) in earlier
        for each in _of_one(earlier[figures.client, figures.mode], figures)
        if with_goodput or each.figure != "goodput"
    ]
    return _corrected(found)


def _of_one(before: ClientFigures, after: ClientFigures) -> list[Difference]:
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
    return found


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
    first, second = before.quantile(share), after.quantile(share)
    # Twice the smaller tail that is not beyond the margin; no draw tells of less than one in all draws.
    margin = _RELEVANT * first
    tail = min(int((changes <= margin).sum()), int((changes >= -margin).sum()))
    p_value = min(1.0, 2 * (tail + 1) / (_DRAWS + 1))
    return _difference(figure, first, second, p_value, float(low), float(high))


def _of_shares(figure: str, before: Proportion, after: Proportion) -> Difference:
    from scipy import stats  # type: ignore[import-untyped]  # heavy, and needed to compare only

    table = [[each.count, each.of - each.count] for each in (before, after)]
    p_value = float(stats.fisher_exact(table).pvalue)
    first, second = before.count / before.of, after.count / after.of
    return _difference(figure, first, second, p_value)


def _difference(
    figure: str,
    before: float,
    after: float,
    p_value: float,
    low: float | None = None,
    high: float | None = None,
) -> Difference:
    return Difference("", "", figure, before, after, after - before, low, high, p_value, is_real=False)


def _corrected(found: list[Difference]) -> list[Difference]:
    """Holm (1979): the smallest p-value is held against 5 % by the number of all, the next by one fewer."""
    corrected = list(found)
    for rank, at in enumerate(sorted(range(len(found)), key=lambda at: found[at].p_value)):
        if found[at].p_value > (1 - CONFIDENCE) / (len(found) - rank):
            break
        corrected[at] = replace(found[at], is_real=True)
    return corrected
