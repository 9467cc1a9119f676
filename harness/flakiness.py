"""Flakiness: what failed once and not again, which says nothing of what was asked."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.evidence import Observation, failure_of
from harness.rates import share_interval
from harness.wire.exchange import Ending, Exchange

_TOO_MANY_REQUESTS = 429


@dataclass(frozen=True, slots=True)
class Flakiness:
    """How many requests failed at first and not when they were asked again, and in which ways.

    `low` and `high` are the 95 % interval of the share.
    """

    requests: int
    flaky: int
    kinds: dict[str, int]
    low: float
    high: float

    @property
    def sentence(self) -> str:
        """The rate in words; empty where nothing was flaky."""
        if not self.flaky:
            return ""
        ways = ", ".join(f"{count:,} × {kind}" for kind, count in self.kinds.items())
        share = f"{self.flaky / self.requests:.1%} (95 % interval {self.low:.1%} to {self.high:.1%})"
        return f"{self.flaky:,} of {self.requests:,} requests failed once and not again, {share}: {ways}"


def flake_of(exchange: Exchange) -> str:
    """How a try failed in a way that need not come again; empty where it did not.

    A rate limit is none: it says itself that it passes. Nor is a kept connection that had been closed.
    """
    response = exchange.response
    if exchange.ended in {Ending.STALE, Ending.UNSENT}:
        return ""
    if response is None or exchange.ended in {Ending.CUT, Ending.TIMEOUT}:
        return exchange.ended.value
    return "" if response.status == _TOO_MANY_REQUESTS else failure_of(exchange)


def flakiness(observations: Sequence[Observation]) -> Flakiness:
    """What came of asking again, over a whole run."""
    kinds: Counter[str] = Counter()
    for seen in observations:
        ways = [way for exchange in seen.earlier if (way := flake_of(exchange))]
        if ways and not flake_of(seen.exchange):
            kinds[ways[0]] += 1
    flaky = kinds.total()
    low, high = share_interval(flaky, len(observations)) if observations else (0.0, 0.0)
    return Flakiness(len(observations), flaky, dict(kinds.most_common()), low, high)
