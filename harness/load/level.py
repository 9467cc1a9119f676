"""The level of load at which runs are held against each other: one that each of them has measured."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.load.metrics import ClientFigures

if TYPE_CHECKING:
    from harness.load.load_run import LoadRun


def at_one_level(runs: Sequence["LoadRun"]) -> tuple[Sequence["LoadRun"], str]:
    """The runs with the figures of the highest level that all have measured, and a sentence on it.

    Runs without a curve have one level, and the sentence is empty where no run has more. There are no runs
    where no level is shared: then they can't be held against each other.
    """
    if not any(run.curve for run in runs):
        return runs, ""
    levels = [_levels(run) for run in runs]
    shared = [arrivals for arrivals in levels[0] if all(arrivals in others for others in levels)]
    if not shared:
        told = "; ".join(", ".join(words) or "no valid level" for words in levels)
        return (), f"No level of load was measured in every run, so nothing is compared: {told}."
    highest = shared[-1]
    chosen = [
        replace(run, clients=figures[highest], plan=replace(run.plan, arrivals=highest))
        for run, figures in zip(runs, levels, strict=True)
    ]
    return chosen, f"Compared at {highest}, the highest level of load that was measured in every run."


def _levels(run: "LoadRun") -> Mapping[str, list[ClientFigures]]:
    """The figures of each valid level by its arrivals, such as `users:8`, the highest last."""
    if run.curve is None:
        return {run.plan.arrivals: run.clients}
    kind = run.plan.arrivals.partition(":")[0]
    steps = sorted((step for step in run.curve.steps if step.is_valid), key=lambda step: step.level)
    return {f"{kind}:{step.level:g}": [step.figures] for step in steps}
