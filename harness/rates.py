"""Rates: how often a rule failed where a run asked the same thing several times."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from harness.verdict import BROKEN, Outcome, Verdict

_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Rate:
    """A rule that failed `failed` times of the `judged` times that it could judge the same cell.

    `low` and `high` bound the share of failures with 95 % confidence.
    """

    rule: str
    scenario: str
    client: str
    mode: str
    failed: int
    judged: int
    low: float
    high: float

    @property
    def sentence(self) -> str:
        """The rate in words."""
        return (
            f"{self.failed} of {self.judged} tries fail ({self.low:.0%} to {self.high:.0%}): "
            f"{self.scenario} {self.client} {self.mode}"
        )


def rates(verdicts: Iterable[Verdict]) -> Iterator[Rate]:
    """The rate of every cell that was judged more than once and failed at least once."""
    cells: dict[tuple[str, str, str, str], list[Outcome]] = {}
    for verdict in verdicts:
        if verdict.outcome in {Outcome.PASS, Outcome.WAIVED, *BROKEN}:
            scenario = verdict.scenario.partition("#")[0]
            cell = (verdict.rule, scenario, verdict.client, verdict.mode)
            cells.setdefault(cell, []).append(verdict.outcome)
    for cell, outcomes in cells.items():
        failed, judged = sum(outcome in BROKEN for outcome in outcomes), len(outcomes)
        if failed and judged > 1:
            low, high = share_interval(failed, judged)
            yield Rate(*cell, failed, judged, round(low, 4), round(high, 4))


def share_interval(hits: int, tries: int) -> tuple[float, float]:
    """Bounds of a share with 95 % confidence (E. B. Wilson 1927, JASA 22: 209-212).

    Of a check that repeats itself and of a load run alike. They hold the true share in 95 % of the runs on
    average over all shares, with few tries as well (L. Brown, T. Cai, A. DasGupta 2001, Statistical Science
    16: 101-133), where exact ones are wider than they say, and need no library.
    """
    z = NormalDist().inv_cdf((1 + _CONFIDENCE) / 2)
    share, weight = hits / tries, 1 + z * z / tries
    middle = (share + z * z / (2 * tries)) / weight
    reach = z * sqrt(share * (1 - share) / tries + z * z / (4 * tries * tries)) / weight
    return 0.0 if hits == 0 else middle - reach, 1.0 if hits == tries else middle + reach
