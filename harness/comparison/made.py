"""All that a comparison found."""

from dataclasses import dataclass

from harness.comparison import Comparison, load, sentences
from harness.comparison.baseline import Changes
from harness.comparison.load import LoadComparison


@dataclass(frozen=True, slots=True)
class Made:
    """What could be compared: rules, figures under load, and what changed since a baseline.

    `is_gate` says that the first is the baseline of the second, and that the exit code counts.
    """

    rules: Comparison | None
    load: LoadComparison | None = None
    changes: Changes | None = None
    is_gate: bool = False

    @property
    def exit_code(self) -> int:
        """1 when the endpoint got worse since its baseline; without one, comparing judges nobody."""
        if not self.is_gate:
            return 0
        is_slower = self.load is not None and self.load.is_worse
        return max(self.changes.exit_code if self.changes else 0, int(is_slower))

    @property
    def answer(self) -> str:
        """The comparison in a sentence or two."""
        told = [sentences.answer(self.rules)] if self.rules else []
        return " ".join([*told, *([load.answer(self.load)] if self.load else [])])
