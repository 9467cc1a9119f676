"""Why did it change? The old run's evidence, judged by today's rules, stands between the old run and the new.

What differs between the old verdict and the old evidence judged today comes of the judge: its rules, its
schemas, or what is waived. What differs between that and the new verdict comes of what was asked: of the
endpoint, unless the question, the claims or the client library changed. Rules about whole runs are judged on
what both runs asked alike.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
    "endpoint", "question", "claims", "client", "rules", "schemas", "rules or schemas", "waivers"
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
    pairs = _pairs(old, new)
    alike = _asked_alike(pairs.values())
    all_before = _by_cell(judging(old))
    before = _with_whole_runs(all_before, judging, old, [seen for seen, _ in alike])
    after = _with_whole_runs(_by_cell(judging(new)), judging, new, [seen for _, seen in alike])
    # What was told of a whole run, and is told of it today, stands for what is told of its part.
    told = {
        cell: before.get(cell, verdict) if _is_same(verdict, all_before.get(cell)) else verdict
        for cell, verdict in _by_cell(old.run).items()
    }
    context = _Context(old.run.judged_by, pairs, alike, before, after, level or new.run.level)
    both = before.keys() & after.keys()
    found = [
        context.change(cell, told.get(cell))
        for cell in after
        if cell in both
        and len({one.outcome for one in (told.get(cell), before[cell], after[cell]) if one}) > 1
    ]
    return Changes(tuple(found), len(both), len(before) - len(both), len(after) - len(both))


_Cell: TypeAlias = tuple[str, str, str, str]
_Key: TypeAlias = tuple[str, str, str]
_Pair: TypeAlias = tuple[Observation, Observation]


@dataclass(frozen=True, slots=True)
class _Context:
    judged_by: JudgedBy
    pairs: Mapping[_Key, _Pair]
    alike: Sequence[_Pair]
    before: Mapping[_Cell, Verdict]
    after: Mapping[_Cell, Verdict]
    level: Level

    def change(self, cell: _Cell, told: Verdict | None) -> Change:
        rejudged, new = self.before[cell], self.after[cell]
        if rejudged.outcome is new.outcome:
            return Change(new, told, rejudged, self._judge_cause(told, new), is_regression=False)
        cause = self._asked_cause(cell)
        is_worse = new.counts_at(self.level) and rejudged.outcome in _BETTER_THAN_FAIL
        return Change(new, told, rejudged, cause, is_regression=is_worse and cause == "endpoint")

    def _judge_cause(self, told: Verdict | None, new: Verdict) -> Cause:
        now = today()
        rules_changed = self.judged_by.rules.get(new.rule) != now.rules.get(new.rule)
        schemas_changed = self.judged_by.schemas != now.schemas
        if rules_changed and schemas_changed:
            return "rules or schemas"
        if schemas_changed:
            return "schemas"
        is_waived = Outcome.WAIVED in {one.outcome for one in (told, new) if one}
        return "waivers" if is_waived and not rules_changed else "rules"

    def _asked_cause(self, cell: _Cell) -> Cause:
        pairs = self._pairs_of(cell)
        if any(old.is_claimed != new.is_claimed for old, new in pairs):
            return "claims"
        if not all(_is_same_question(*pair) for pair in pairs):
            return "question"
        if not all(_is_same_client(*pair) for pair in pairs) and not self._raw_changed(cell):
            return "client"
        return "endpoint"

    def _raw_changed(self, cell: _Cell) -> bool:
        """Whether the verdict changed without the client library too; not known where raw did not ask."""
        rule, scenario, _, mode = cell
        raw = (rule, scenario, "raw", mode)
        if raw not in self.before or raw not in self.after:
            return False
        return self.before[raw].outcome is not self.after[raw].outcome

    def _pairs_of(self, cell: _Cell) -> Sequence[_Pair]:
        _, scenario, client, mode = cell
        if _is_whole_run(cell):
            return self.alike
        modes = ("plain", "stream") if mode == "both" else (mode,)
        keys = [(scenario, client, one) for one in modes]
        return [self.pairs[key] for key in keys if key in self.pairs]


_BETTER_THAN_FAIL = frozenset({Outcome.PASS, Outcome.WAIVED, Outcome.UNSUPPORTED})


def _asked_alike(pairs: Iterable[_Pair]) -> Sequence[_Pair]:
    """What both runs asked and claimed alike, of the same client libraries where there is any of those."""
    alike = [
        (old, new) for old, new in pairs if old.is_claimed == new.is_claimed and _is_same_question(old, new)
    ]
    return [pair for pair in alike if _is_same_client(*pair)] or alike


def _is_same_question(old: Observation, new: Observation) -> bool:
    """Whether both were asked the same; a next turn is made of the answer before it, and differs as that."""
    return isinstance(new.scenario.ask, FollowUp) or _question(old) == _question(new)


def _is_same_client(old: Observation, new: Observation) -> bool:
    """Whether what asked can't be why the answers differ; raw HTTP is what the endpoint said."""
    return new.client == "raw" or old.client_version == new.client_version


def _question(seen: Observation) -> object:
    """What was asked, but for what names the target."""
    asked = {name: value for name, value in seen.asked.items() if name not in _VARIES}
    return seen.exchange.request.method, orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)


def _is_same(one: Verdict, other: Verdict | None) -> bool:
    return other is not None and one.outcome is other.outcome


def _is_whole_run(cell: _Cell) -> bool:
    return cell[1:] == ("all", "all", "both")


def _by_cell(run: Run) -> dict[_Cell, Verdict]:
    return {verdict.cell: verdict for verdict in run.verdicts}


def _with_whole_runs(
    verdicts: Mapping[_Cell, Verdict],
    judging: Callable[[Recording], Run],
    recording: Recording,
    seen: Sequence[Observation],
) -> Mapping[_Cell, Verdict]:
    """Verdicts, of which those on the whole run are given on these observations alone."""
    chosen = set(map(id, seen))
    part = tuple(one for one in recording.observations if id(one) in chosen)
    of_part = _by_cell(judging(replace(recording, observations=part))) if part else {}
    return {cell: verdict for cell, verdict in verdicts.items() if not _is_whole_run(cell)} | {
        cell: verdict for cell, verdict in of_part.items() if _is_whole_run(cell)
    }


def _pairs(old: Recording, new: Recording) -> Mapping[_Key, _Pair]:
    """What was asked in both runs, by scenario, client and mode."""
    before, after = _seen(old), _seen(new)
    return {key: (before[key], after[key]) for key in after if key in before}


def _seen(recording: Recording) -> Mapping[_Key, Observation]:
    return {(seen.scenario.name, seen.client, seen.mode.value): seen for seen in recording.observations}
