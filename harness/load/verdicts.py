"""Whether the figures of a run keep its objectives."""

from collections.abc import Iterable
from dataclasses import dataclass

from harness.load.histogram import Estimate, Proportion
from harness.load.metrics import ClientFigures
from harness.load.objectives import TIMES, Objective, Unit


@dataclass(frozen=True, slots=True)
class ObjectiveVerdict:
    """An objective and what was measured, in its unit; `value` is None where nothing could be measured.

    `is_clear` is False where the confidence interval holds the limit, so that another run may say otherwise.
    """

    client: str
    objective: str
    unit: Unit
    value: float | None
    is_met: bool
    is_clear: bool


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
    return ObjectiveVerdict(
        figures.client,
        str(objective),
        objective.unit,
        measured.value,
        is_met,
        is_clear=all(objective.is_met_by(bound) is is_met for bound in bounds),
    )


def _measured(objective: Objective, figures: ClientFigures) -> Estimate | None:
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


def _percent(proportion: Proportion) -> Estimate | None:
    share = proportion.share
    if share is None:
        return None
    low, high = (None if bound is None else bound * 100 for bound in (share.low, share.high))
    return Estimate(share.value * 100, low, high)


def _exact(value: float | None) -> Estimate | None:
    return None if value is None else Estimate(value, None, None)
