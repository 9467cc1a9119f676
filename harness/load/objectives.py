"""Objectives: what a load run has to keep, in one word each.

    ttft.p95<500ms   itl.p99<80ms   latency.mean<2s   errors<0.5%   goodput>99%   goodput>10/s   requests>50/s

A figure of time is taken at `p50`, `p75`, `p90`, `p95`, `p99`, `p99.9`, `max` or `mean`. Objectives on times
are also what goodput asks of each single request: there, their percentile does not matter. A request that
fails is later than any limit: percentiles and maxima of how long a request waits are of all that were due.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias

from harness.errors import UsageError
from harness.toml_table import did_you_mean, shown_value

Unit: TypeAlias = Literal["ms", "%", "/s"]
Below: TypeAlias = Literal["<", ">"]

STATISTICS = ("p50", "p75", "p90", "p95", "p99", "p99.9", "max", "mean")

TIMES: Mapping[str, str] = {
    "ttft": "ttft_ms",
    "ttft_sent": "ttft_from_send_ms",
    "itl": "itl_ms",
    "gap": "worst_gap_ms",
    "tpot": "tpot_ms",
    "latency": "latency_ms",
    "connect": "connect_ms",
}
"""The figures of time that an objective can name, and their fields in load.json."""

WAITS = ("ttft", "ttft_sent", "latency")
"""The times that every request has one of: of one that fails, it is infinite."""

_LEVELS: Mapping[str, tuple[Unit, ...]] = {
    "errors": ("%",),
    "deviations": ("%",),
    "goodput": ("%", "/s"),
    "requests": ("/s",),
    "tokens": ("/s",),
}
"""The figures that are one number a run, and the units that they have."""

PLURALS = ("errors", "deviations", "requests", "tokens")

_SCALES_MS = {"us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3}
_EXAMPLES = "ttft.p95<500ms, itl.p99<80ms, errors<0.5%, goodput>99% or goodput>10/s"


@dataclass(frozen=True, slots=True)
class Objective:
    """One objective. `statistic` is empty where the figure is one number; `limit` is in `unit`."""

    figure: str
    statistic: str
    comparison: Below
    limit: float
    unit: Unit

    def __str__(self) -> str:
        # as many digits as the limit has: workers get it as text, and read it again
        limit = f"{Decimal(repr(self.limit)).normalize():f}"
        return f"{self.name}{self.comparison}{limit}{self.unit}"

    @property
    def name(self) -> str:
        """The figure, at its percentile if it has one."""
        return f"{self.figure}.{self.statistic}" if self.statistic else self.figure

    def is_met_by(self, value: float) -> bool:
        """Whether a value in the objective's unit keeps it."""
        return value < self.limit if self.comparison == "<" else value > self.limit


def parse_objective(text: str) -> Objective:
    """The objective that a word means; raises UsageError for none, or one always kept or missed."""
    objective = _read(text)
    share = objective.unit == "%"
    if objective.comparison == "<" and (objective.limit == 0 or (share and objective.limit > 100)):
        raise _unclear(text, f"{'nothing' if objective.limit == 0 else 'everything'} keeps it")
    if share and objective.comparison == ">" and objective.limit >= 100:
        raise _unclear(text, "nothing keeps it")
    return objective


def _read(text: str) -> Objective:
    compact = re.sub(r"\s+", "", text)
    found = re.fullmatch(
        r"([A-Za-z_]+)(?:\.([A-Za-z0-9.]+))?(<=|>=|<|>)([0-9]*\.?[0-9]+)(us|µs|ms|s|%|/s)", compact
    )
    if found is None:
        raise _unclear(text, "it is not a figure, < or >, and a number with its unit")
    figure, statistic, sign, number, unit = found.groups()
    if len(sign) > 1:
        raise _unclear(text, f"{sign} is not known; use {sign[0]}")
    comparison: Below = "<" if sign == "<" else ">"
    if figure in TIMES:
        if statistic not in STATISTICS:
            known = ", ".join(STATISTICS)
            raise _unclear(text, f"{figure} needs one of {known} behind a point, as in {figure}.p95")
        if unit not in _SCALES_MS:
            raise _unclear(text, f"{figure} is a time, in ms or s")
        return Objective(figure, statistic, comparison, float(number) * _SCALES_MS[unit], "ms")
    if figure not in _LEVELS:
        known_figures = (*TIMES, *_LEVELS)
        hint = did_you_mean(figure, known_figures) or f"There are {', '.join(known_figures)}."
        raise _unclear(text, f"there is no figure {shown_value(figure)}. {hint}".removesuffix("."))
    if statistic:
        raise _unclear(text, f"{figure} is one number, so nothing stands behind a point")
    for known in _LEVELS[figure]:
        if known == unit:
            return Objective(figure, "", comparison, float(number), known)
    raise _unclear(text, f"{figure} is given in {' or '.join(_LEVELS[figure])}")


def parse_objectives(texts: Iterable[str]) -> tuple[Objective, ...]:
    """Objectives as the command line gives them: several options, several in one, parted by commas."""
    words = [word for text in texts for word in text.split(",")]
    return tuple(dict.fromkeys(parse_objective(word) for word in words))


def _unclear(text: str, why: str) -> UsageError:
    return UsageError(
        f"The objective {shown_value(text)} is unclear: {why}.", f"Write it such as {_EXAMPLES}."
    )
