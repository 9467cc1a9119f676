"""Promises: what a target claims, and what of it nothing in a run could show."""

from dataclasses import dataclass
from typing import ClassVar, Self

from harness.evidence import Cells, NotJudgedError, Observation
from harness.evidence.grounds import NONE, Grounds
from harness.scenario import Scenario


@dataclass(frozen=True)
class Promises:
    """Claimed capabilities of which no rule could judge anything, each with the reason.

    It is made of a run's verdicts, when all other rules have spoken.
    """

    MODES: ClassVar[Cells] = ()
    RESTS_ON: ClassVar[Grounds] = NONE

    unshown: tuple[tuple[str, str], ...]

    @staticmethod
    def applies(scenario: Scenario) -> bool:
        """No single scenario gives this evidence."""
        return not scenario.id

    @classmethod
    def of(cls, *_: Observation) -> Self:
        """Observations alone do not say what could be judged."""
        raise NotJudgedError("it is judged when a whole check has been")
