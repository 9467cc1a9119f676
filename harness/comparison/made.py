"""All that a comparison found."""

from dataclasses import dataclass

from harness.comparison import Comparison, load, sentences
from harness.comparison.baseline import Changes
from harness.comparison.load import LoadChanges, LoadComparison


@dataclass(frozen=True, slots=True)
class Made:
    """What could be compared: rules, figures under load, and what changed of both since a baseline."""

    rules: Comparison | None
    load: LoadComparison | None = None
    changes: Changes | None = None
    load_changes: LoadChanges | None = None

    @property
    def exit_code(self) -> int:
        """1 when the endpoint got worse since its baseline, 3 when something can't be held against it.

        Without a baseline, comparing judges nobody.
        """
        codes = {one.exit_code for one in (self.changes, self.load_changes) if one is not None}
        return next((code for code in (1, 3) if code in codes), 0)

    @property
    def answer(self) -> str:
        """The comparison in a sentence or two."""
        told = [sentences.answer(self.rules)] if self.rules else []
        return " ".join([*told, *([load.answer(self.load)] if self.load else [])])
