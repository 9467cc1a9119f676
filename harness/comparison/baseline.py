"""Why did it change? The old run's evidence, judged by today's rules, stands between the old run and the new.

What differs between the old verdict and the old evidence judged today comes of the judge: its rules, its
schemas, or what is waived. What differs between that and the new verdict comes of what was asked: of the
endpoint, unless the question or the client library changed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

import orjson

from harness.errors import UsageError
from harness.evidence import Observation
from harness.fingerprint import JudgedBy, today
from harness.rejudge import Recording, day_of, judged_again
from harness.rule import Level
from harness.run import Run
from harness.scenario import FollowUp
from harness.verdict import Outcome, Verdict

Cause: TypeAlias = Literal[
    "endpoint", "question", "client", "rules", "schemas", "rules or schemas", "waivers"
]

_VARIES = frozenset({"model"})
"""Of a request: another target's name for its model asks the same question."""


@dataclass(frozen=True, slots=True)
class Change:
    """A cell whose verdict changed: what the old run said, what its evidence says today, what is said now.

    `old` is None where the old run had no verdict on the cell.
    """

    new: Verdict
    old: Verdict | None
    rejudged: Verdict
    cause: Cause
    is_regression: bool
    """Whether it counts as a failure now, and did not on the old evidence, by the endpoint's doing."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed from a baseline to a new run; cells that stand in one of them alone are counted."""

    changes: tuple[Change, ...]
    compared: int
    only_old: int
    only_new: int

    @property
    def regressions(self) -> tuple[Change, ...]:
        """What the endpoint broke."""
        return tuple(change for change in self.changes if change.is_regression)

    @property
    def exit_code(self) -> int:
        """1 when the endpoint got worse, 3 when no cell stands in both runs."""
        return (1 if self.regressions else 0) if self.compared else 3


def changes(old: Recording, new: Recording, level: Level | None = None) -> Changes:
    """What changed from the old recording to the new one; both are judged by today's rules.

    Waivers and their day are the new run's: they are no change of the endpoint.
    """
    if old.run is None or new.run is None:
        raise UsageError(
            "A baseline needs the run.json of both runs.", "Name folders that `likewise check` has finished."
        )
    judging = partial(
        judged_again,
        level=level,
        waivers=new.run.waivers,
        day=day_of(new.run),
        dialect=new.run.target.dialect,
    )
    before, after = _by_cell(judging(old)), _by_cell(judging(new))
    told = _by_cell(old.run)
    context = _Context(old.run.judged_by, _seen(old), _seen(new), before, after, level or new.run.level)
    both = before.keys() & after.keys()
    found = [
        context.change(cell, told.get(cell))
        for cell in after
        if cell in both
        and len({one.outcome for one in (told.get(cell), before[cell], after[cell]) if one}) > 1
    ]
    return Changes(tuple(found), len(both), len(before) - len(both), len(after) - len(both))


_Cell: TypeAlias = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class _Context:
    judged_by: JudgedBy
    old_seen: Mapping[tuple[str, str, str], Observation]
    new_seen: Mapping[tuple[str, str, str], Observation]
    before: Mapping[_Cell, Verdict]
    after: Mapping[_Cell, Verdict]
    level: Level

    def change(self, cell: _Cell, told: Verdict | None) -> Change:
        rejudged, new = self.before[cell], self.after[cell]
        if rejudged.outcome is new.outcome:
            return Change(new, told, rejudged, self._judge_cause(new.rule), is_regression=False)
        cause = self._asked_cause(cell)
        is_worse = new.counts_at(self.level) and rejudged.outcome in _BETTER_THAN_FAIL
        return Change(new, told, rejudged, cause, is_regression=is_worse and cause == "endpoint")

    def _judge_cause(self, rule: str) -> Cause:
        now = today()
        rules_changed = self.judged_by.rules.get(rule) != now.rules.get(rule)
        schemas_changed = self.judged_by.schemas != now.schemas
        if rules_changed and schemas_changed:
            return "rules or schemas"
        if schemas_changed:
            return "schemas"
        return "rules" if rules_changed else "waivers"

    def _asked_cause(self, cell: _Cell) -> Cause:
        pairs = list(self._pairs(cell))
        # A next turn is made of the answer before it, so that it differs wherever that one does.
        if any(
            _question(old) != _question(new) and not isinstance(new.scenario.ask, FollowUp)
            for old, new in pairs
        ):
            return "question"
        if any(old.client_version != new.client_version for old, new in pairs) and not self._raw_changed(
            cell
        ):
            return "client"
        return "endpoint"

    def _raw_changed(self, cell: _Cell) -> bool:
        """Whether the verdict changed without the client library too, or can't be seen without it."""
        rule, scenario, _, mode = cell
        raw = (rule, scenario, "raw", mode)
        if raw not in self.before or raw not in self.after:
            return True
        return self.before[raw].outcome is not self.after[raw].outcome

    def _pairs(self, cell: _Cell) -> Iterator[tuple[Observation, Observation]]:
        _, scenario, client, mode = cell
        for one in ("plain", "stream") if mode == "both" else (mode,):
            key = (scenario, client, one)
            if key in self.old_seen and key in self.new_seen:
                yield self.old_seen[key], self.new_seen[key]


_BETTER_THAN_FAIL = frozenset({Outcome.PASS, Outcome.WAIVED, Outcome.UNSUPPORTED})


def _question(seen: Observation) -> object:
    """What was asked, but for what names the target."""
    asked = {name: value for name, value in seen.asked.items() if name not in _VARIES}
    return seen.exchange.request.method, orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)


def _by_cell(run: Run) -> Mapping[_Cell, Verdict]:
    return {verdict.cell: verdict for verdict in run.verdicts}


def _seen(recording: Recording) -> Mapping[tuple[str, str, str], Observation]:
    return {(seen.scenario.name, seen.client, seen.mode.value): seen for seen in recording.observations}
