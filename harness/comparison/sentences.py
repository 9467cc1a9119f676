"""What a comparison says to its reader, before any format."""

from collections import Counter
from collections.abc import Mapping, Sized
from dataclasses import dataclass
from itertools import groupby

from harness.comparison import Comparison, Mark, State
from harness.comparison.baseline import Cause, Change, Changes
from harness.report.text import plural

SYMBOLS: Mapping[State, str] = {
    "fails": "✗",
    "error": "!",
    "waived": "≈",
    "holds": "✓",
    "not judged": "○",
    "not asked": "–",
}

CAUSES: Mapping[Cause, str] = {
    "endpoint": "The endpoint answers otherwise.",
    "question": "The scenario asks for something else than it did.",
    "claims": "The target claims something else than it did.",
    "client": "The client library has another version; raw HTTP saw no change, or did not ask.",
    "rules": "The rules changed: the old answers are judged otherwise today.",
    "schemas": "The schemas changed: the old answers are judged otherwise today.",
    "rules or schemas": "The rules and the schemas changed: the old answers are judged otherwise today.",
    "waivers": "Something is waived now that was not, or no longer.",
}
"""In the order in which they matter to the endpoint's maintainer."""


@dataclass(frozen=True, slots=True)
class ChangeGroup:
    """Changes that have one cause, took the same step and are told in the same words."""

    cause: Cause
    changes: tuple[Change, ...]

    @property
    def first(self) -> Change:
        """One of them."""
        return self.changes[0]

    @property
    def rules(self) -> tuple[str, ...]:
        """The ids of their rules."""
        return tuple(dict.fromkeys(change.new.rule for change in self.changes))

    @property
    def reason(self) -> str:
        """Why the verdict is what it is now; of what holds again, why it did not."""
        return self.first.new.reason or self.first.rejudged.reason


def answer(comparison: Comparison) -> str:
    """The comparison in a sentence that starts with the labels of its columns."""
    names = [column.label for column in comparison.columns]
    judged = sum(row.is_shared for row in comparison.rows)
    who = f"{', '.join(names[:-1])} and {names[-1]}"
    if not judged:
        return f"{who} were judged by no rule in common."
    failing = comparison.failing
    each = "both" if len(names) == 2 else "each"
    more = f"; {plural(len(failing), 'rule')} {_verb(failing, 'fail')} in {each}" if failing else ""
    if not comparison.different:
        return f"{who} are alike in all of {plural(judged, 'rule')}{more}."
    if len(names) > 2:
        return f"{who} differ in {len(comparison.different):,} of {plural(judged, 'rule')}{more}."
    kept = [_kept(comparison, first, second) for first, second in ((0, 1), (1, 0))]
    if not kept[1]:
        return f"{names[0]} holds {plural(kept[0], 'rule')} that {names[1]} does not{more}."
    if not kept[0]:
        return f"{names[1]} holds {plural(kept[1], 'rule')} that {names[0]} does not{more}."
    return (
        f"{names[0]} holds {plural(kept[0], 'rule')} that {names[1]} does not, "
        f"and {names[1]} {kept[1]:,} that {names[0]} does not{more}."
    )


def _kept(comparison: Comparison, first: int, second: int) -> int:
    """How many of the rules that differ are kept better in one column than in another."""
    order: list[State] = ["holds", "waived", "fails"]
    return sum(
        order.index(row.marks[first].state) < order.index(row.marks[second].state)
        for row in comparison.different
    )


def _verb(rows: Sized, verb: str) -> str:
    return f"{verb}s" if len(rows) == 1 else verb


def changes_sentence(changes: Changes) -> str:
    """What changed since the baseline, and by whose doing, in a sentence."""
    if not changes.compared:
        return "Nothing stands in both runs, so nothing can be said of what changed."
    if not changes.changes:
        return f"No verdict changed, of {changes.compared:,} that stand in both runs."
    rules = {change.new.rule for change in changes.regressions}
    worse = (
        f"The endpoint got worse: {plural(len(rules), 'rule')} that held "
        f"{'fails' if len(rules) == 1 else 'fail'} now."
        if rules
        else "The endpoint got no worse."
    )
    causes = Counter(change.cause for change in changes.changes)
    told = ", ".join(f"{causes[cause]:,} by the {cause}" for cause in CAUSES if causes[cause])
    return f"{worse} {plural(len(changes.changes), 'verdict')} changed: {told}."


def change_groups(changes: Changes) -> tuple[ChangeGroup, ...]:
    """The changes by cause, step and reason; what the endpoint broke comes first, each rule by itself."""
    order = list(CAUSES)

    def place(change: Change) -> tuple[int, bool, str, str, str]:
        rule = change.new.rule if change.is_regression else ""
        reason = change.new.reason or change.rejudged.reason
        return order.index(change.cause), not change.is_regression, rule, step(change), reason

    grouped = (tuple(group) for _, group in groupby(sorted(changes.changes, key=place), key=place))
    return tuple(ChangeGroup(group[0].cause, group) for group in grouped)


def mark_words(mark: Mark) -> str:
    """A mark without its symbol: `fails in 3 of 60`."""
    if mark.state == "fails":
        return f"fails in {len(mark.failed):,} of {mark.judged:,}"
    return f"holds in {mark.judged:,}" if mark.state == "holds" else mark.state


def step(change: Change) -> str:
    """How a verdict changed: `pass, now fail`, with what today's rules say of the old evidence between."""
    if change.cause in {"endpoint", "question", "claims", "client"}:
        return f"{change.rejudged.outcome}, now {change.new.outcome}"
    was = change.old.outcome if change.old else "not judged"
    return f"was {was}, by today's judge {change.new.outcome}"
