"""Search: the highest level of load that keeps the objectives, and the curve over several levels.

A level is a rate in requests a second, or a number of users. Nothing here makes load: `measure` does, and
gives the figures of one level.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from harness.errors import UsageError
from harness.load.metrics import ClientFigures
from harness.load.objectives import Objective
from harness.load.verdicts import ObjectiveVerdict, verdicts
from harness.toml_table import shown_value

Measure: TypeAlias = Callable[[float], ClientFigures | None]
"""Gives the figures of a level; None when the user has ended the measuring."""

Keep: TypeAlias = Callable[[Iterable["Step"]], None]
"""Is given what has been measured whenever there is another level, so that a killed run has it."""

_CLOSENESS = 1.05
_MAX_STEPS = 24


@dataclass(frozen=True, slots=True)
class Step:
    """One level that was measured, and what came of it."""

    level: float
    figures: ClientFigures
    verdicts: tuple[ObjectiveVerdict, ...] = ()

    @property
    def is_valid(self) -> bool:
        """Whether the load was really made."""
        return not self.figures.measurement.invalid

    @property
    def is_kept(self) -> bool:
        """Whether the load was really made and every objective kept."""
        return self.is_valid and all(verdict.is_met for verdict in self.verdicts)


@dataclass(frozen=True, slots=True)
class Found:
    """The highest level that kept the objectives, None if none did; the sentence says what bounds it."""

    level: float | None
    sentence: str
    steps: tuple[Step, ...]


def sweep(
    measure: Measure,
    levels: Iterable[float],
    objectives: Iterable[Objective] = (),
    keep: Keep = lambda _: None,
) -> tuple[Step, ...]:
    """Each level in turn, until the user ends it."""
    wanted, steps = tuple(objectives), list[Step]()
    for level in levels:
        step = _step(measure, level, wanted)
        if step is None:
            break
        steps.append(step)
        keep(steps)
    return tuple(steps)


def find_max(
    measure: Measure,
    objectives: Iterable[Objective],
    start: float,
    *,
    is_whole: bool = False,
    lowest: float = 1e-3,
    keep: Keep = lambda _: None,
) -> Found:
    """Double the level until it fails, then halve the distance until the bounds are 5 % apart.

    `is_whole` is for users, who come in whole numbers. `lowest` is the level below which none is looked for.
    An endpoint that fails at some level is taken to fail at every higher one. A level at which the generator
    is saturated ends the search upwards. Where `measure` gives nothing, the search says between which levels
    the highest lies, as far as that is known.
    """
    wanted, steps = tuple(objectives), list[Step]()
    kept, failed = 0.0, float("inf")
    level = max(1.0, round(start)) if is_whole else start
    while len(steps) < _MAX_STEPS and not _is_close(kept, failed, is_whole=is_whole):
        step = _step(measure, level, wanted)
        if step is None:
            return cut_short(steps, is_whole=is_whole)
        steps.append(step)
        keep(steps)
        kept, failed = (level, failed) if step.is_kept else (kept, level)
        level = _next(kept, failed, is_whole=is_whole)
        if not kept and level < lowest:
            break
    return Found(kept or None, _sentence(kept, steps, is_whole=is_whole), tuple(steps))


def parse_levels(text: str) -> tuple[float, ...]:
    """Levels as the command line gives them; raises UsageError for what is none."""
    words = [word.strip() for word in text.split(",")]
    if not all(re.fullmatch(r"[0-9]*\.?[0-9]+", word) and float(word) > 0 for word in words):
        raise UsageError(
            f"The levels {shown_value(text)} are unclear.", "Write numbers above zero, such as 1,2,4,8,16,32."
        )
    levels = tuple(map(float, words))
    if len(set(levels)) < len(levels):
        raise UsageError(f"A level stands twice in {shown_value(text)}.", "Name each level once.")
    return levels


def _step(measure: Measure, level: float, objectives: tuple[Objective, ...]) -> Step | None:
    figures = measure(level)
    return None if figures is None else Step(level, figures, tuple(verdicts(objectives, figures)))


def _next(kept: float, failed: float, *, is_whole: bool) -> float:
    """The level to try: twice what was kept, half of what failed, or between the two."""
    if failed == float("inf"):
        return kept * 2
    if is_whole:
        return (kept + failed) // 2
    return (kept * failed) ** 0.5 if kept else failed / 2


def _is_close(kept: float, failed: float, *, is_whole: bool) -> bool:
    return failed - kept <= 1 if is_whole else bool(kept) and failed / kept <= _CLOSENESS


def cut_short(steps: Iterable[Step], *, is_whole: bool) -> Found:
    """What a search that did not come to its end has found by these levels."""
    measured, named = tuple(steps), partial(_named, is_whole=is_whole)
    kept = max((step.level for step in measured if step.is_kept), default=None)
    failed = min((step.level for step in measured if step.is_valid and not step.is_kept), default=None)
    known = [f"{named(kept)} kept the objectives"] if kept else []
    known += [f"{named(failed)} did not"] if failed else []
    said = f"The search was cut short: {', '.join(known) or 'no level was measured'}."
    return Found(kept, said, measured)


def _named(level: float, *, is_whole: bool) -> str:
    return f"{level:,.4g} {'requests/s' if not is_whole else 'user' if level == 1 else 'users'}"


def _sentence(kept: float, steps: list[Step], *, is_whole: bool) -> str:
    named = partial(_named, is_whole=is_whole)
    above = min((step for step in steps if not step.is_kept), key=lambda step: step.level, default=None)
    if above is None:
        return f"{named(kept)} kept every objective, and no higher level was tried."
    if not above.is_valid:
        why = above.figures.measurement.invalid[0]
        at_least = f"At least {named(kept)}" if kept else "No level was kept"
        return f"{at_least}: {named(above.level)} could not be measured. {why}"
    missed = "; ".join(verdict.sentence for verdict in above.verdicts if not verdict.is_met)
    if not kept:
        return f"No level keeps the objectives: even at {named(above.level)}, {missed}."
    return f"{named(kept)} is the highest level that keeps the objectives: at {named(above.level)}, {missed}."
