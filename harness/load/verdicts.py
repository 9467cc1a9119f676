"""Whether the figures of a run keep its objectives."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from harness.load.histogram import Estimate, Histogram, Proportion
from harness.load.metrics import ClientFigures
from harness.load.objectives import PLURALS, TIMES, WAITS, Objective, Unit, parse_objective


@dataclass(frozen=True, slots=True)
class ObjectiveVerdict:
    """An objective and what was measured, in its unit; `value` is None where nothing could be measured.

    `is_clear` is False where the confidence interval holds the limit, so that another run may say otherwise.
    `is_unanswered` says that so many requests failed that the percentile is that of one without an answer.
    """

    client: str
    objective: str
    unit: Unit
    value: float | None
    is_met: bool
    is_clear: bool
    is_unanswered: bool = False

    @property
    def measured(self) -> str:
        """What was measured, in words; the number has as many digits as tell it from the limit."""
        if self.value is None:
            return "no answer" if self.is_unanswered else "nothing"
        limit = parse_objective(self.objective).limit
        return f"{_unlike(self.value, limit)} {self.unit}"

    @property
    def sentence(self) -> str:
        """The objective and what came of it, such as `ttft.p95 was 831 ms, not below 500 ms`."""
        wanted = parse_objective(self.objective)
        be = "were" if wanted.figure in PLURALS else "was"
        if self.value is None:
            return (
                f"{wanted.name} {'fell on a failed request' if self.is_unanswered else f'{be} not measured'}"
            )
        side = "below" if wanted.comparison == "<" else "above"
        negated = "" if self.is_met else "not "
        return f"{wanted.name} {be} {self.measured}, {negated}{side} {wanted.limit:,.12g} {wanted.unit}"


def verdicts(objectives: Iterable[Objective], figures: ClientFigures) -> list[ObjectiveVerdict]:
    """Each objective held against a client's figures; what could not be measured is not met."""
    return [_verdict(objective, figures) for objective in objectives]


def _verdict(objective: Objective, figures: ClientFigures) -> ObjectiveVerdict:
    measured = _measured(objective, figures)
    if measured is None:
        return ObjectiveVerdict(
            figures.client, str(objective), objective.unit, None, is_met=False, is_clear=True
        )
    bounds = [bound for bound in (measured.low, measured.high) if bound is not None]
    is_met = objective.is_met_by(measured.value)
    is_unanswered = math.isinf(measured.value)
    return ObjectiveVerdict(
        figures.client,
        str(objective),
        objective.unit,
        None if is_unanswered else measured.value,
        is_met,
        all(objective.is_met_by(bound) is is_met for bound in bounds),
        is_unanswered,
    )


def _unlike(value: float, limit: float) -> str:
    """A value to three digits or more, so that a rounded one does not read like the limit that it misses."""
    for digits in range(10):
        told = f"{value:,.{digits}f}"
        rounded = float(told.replace(",", ""))
        if abs(rounded - value) <= abs(value) / 200 and (rounded != limit or value == limit):
            return told
    return f"{value:g}"


def _measured(objective: Objective, figures: ClientFigures) -> Estimate | None:
    if objective.figure in WAITS and objective.statistic != "mean" and figures.errors.count:
        return _waited(objective, figures)
    if objective.figure in TIMES:
        found = figures.figures.get(TIMES[objective.figure])
        return None if found is None else found.statistics.get(objective.statistic)
    match objective.figure, objective.unit:
        case "errors", _:
            return _percent(figures.errors)
        case "deviations", _:
            return _percent(figures.conformance.deviating)
        case "goodput", "%":
            return _percent(figures.goodput)
        case "goodput", _:
            return _exact(figures.goodput_per_s)
        case "tokens", _:
            return _exact(figures.output_tokens_per_s_total)
        case _:
            return _exact(figures.requests_per_s)


def _waited(objective: Objective, figures: ClientFigures) -> Estimate | None:
    """How long requests waited, of all that were due: one that fails waits for ever."""
    found = figures.figures.get(TIMES[objective.figure])
    if found is None and figures.errors.count < figures.requests:
        return None
    values = Histogram() if found is None else Histogram.from_json(found.histogram)
    return values.estimate_among(objective.statistic, figures.errors.count)


def _percent(proportion: Proportion) -> Estimate | None:
    share = proportion.share
    if share is None:
        return None
    low, high = (None if bound is None else bound * 100 for bound in (share.low, share.high))
    return Estimate(share.value * 100, low, high)


def _exact(value: float | None) -> Estimate | None:
    return None if value is None else Estimate(value, None, None)
