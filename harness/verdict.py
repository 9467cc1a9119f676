"""A verdict: what a rule says of one scenario through one client in one mode."""

from dataclasses import dataclass
from enum import StrEnum

from harness.rule import LEVELS, Level, Violation


class Outcome(StrEnum):
    """The three answers (holds, does not hold, could not be judged) and why they are sometimes not given."""

    PASS = "pass"  # noqa: S105  # an outcome, not a password
    FAIL = "fail"
    CONSEQUENCE = "consequence"
    """Does not hold because something more basic does not, which is the finding."""
    WAIVED = "waived"
    """Does not hold, as the dialect or the user's file declares, with a reason."""
    UNSUPPORTED = "unsupported"
    """The endpoint refuses cleanly what it never claimed."""
    INCONCLUSIVE = "inconclusive"
    """The answer that the rule reads did not come."""
    SKIPPED = "skipped"
    ERROR = "error"
    """The rule itself broke: a fault of the harness."""


BROKEN = frozenset({Outcome.FAIL, Outcome.CONSEQUENCE})
"""The outcomes of a rule that does not hold, as a finding of its own or not."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One rule on one cell. `mode` is plain, stream, or both; `reason` is empty for a pass.

    A rule that reads whole runs has the scenario and the client `all`. `waived` counts the violations that a
    waiver covers; they are the evidence only where nothing else was violated. `cause` is the rule that a
    consequence follows from.
    """

    rule: str
    level: Level
    surface: str
    scenario: str
    client: str
    mode: str
    outcome: Outcome
    reason: str = ""
    evidence: tuple[Violation, ...] = ()
    waived: int = 0
    cause: str = ""

    @property
    def cell(self) -> tuple[str, str, str, str]:
        """What it is about: rule, scenario, client and mode. No two verdicts of a run share it."""
        return self.rule, self.scenario, self.client, self.mode

    def counts_at(self, level: Level) -> bool:
        """Whether it is a finding at this level."""
        return self.outcome is Outcome.FAIL and self._is_within(level)

    def harms_at(self, level: Level) -> bool:
        """Whether something does not hold at this level, as a finding of its own or not."""
        return self.outcome in BROKEN and self._is_within(level)

    def _is_within(self, level: Level) -> bool:
        return LEVELS.index(self.level) <= LEVELS.index(level)
