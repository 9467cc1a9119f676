"""Comparisons of runs: which rules hold where. Pure: read from runs, nothing is asked and nothing is drawn.

What is compared stands in columns: several runs, or the clients of one. A rule holds in a column when it
holds in every cell that the column has of it; what was not judged says nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from harness.errors import UsageError
from harness.report.findings import RuleText, rule_text
from harness.report.text import one_line
from harness.rule import LEVELS
from harness.run import Run, TargetSummary
from harness.verdict import Outcome, Verdict

State: TypeAlias = Literal["fails", "error", "waived", "holds", "not judged", "not asked"]

_LABEL_CHARS = 80

_JUDGED: frozenset[State] = frozenset({"fails", "waived", "holds"})
_BY_OUTCOME: tuple[tuple[Outcome, State], ...] = (
    (Outcome.FAIL, "fails"),
    (Outcome.ERROR, "error"),
    (Outcome.WAIVED, "waived"),
    (Outcome.PASS, "holds"),
)
"""What decides first, from the gravest on."""


class Named(Protocol):
    """What a run of any kind says of itself."""

    @property
    def target(self) -> TargetSummary:
        """Which endpoint was asked."""
        ...

    @property
    def started(self) -> str:
        """When, as ISO 8601."""
        ...


@dataclass(frozen=True, slots=True)
class Column:
    """What is compared: a run, or one of its clients. `label` is fit to be shown, and tells it apart."""

    label: str
    run: Run
    clients: tuple[str, ...]

    def verdicts(self) -> Iterator[Verdict]:
        """The verdicts that belong to the column; those about the whole run belong to every client."""
        return (one for one in self.run.verdicts if one.client in self.clients or one.client == "all")


@dataclass(frozen=True, slots=True)
class Mark:
    """What a column says of a rule: in how many of the cells that were judged it fails, and where."""

    state: State
    failed: tuple[Verdict, ...]
    judged: int
    reason: str
    """Why it is no pass, in the words of the first verdict that says so."""


@dataclass(frozen=True, slots=True)
class Row:
    """A rule across the columns."""

    rule: RuleText
    marks: tuple[Mark, ...]

    @property
    def differs(self) -> bool:
        """Whether it was judged in at least two columns, and not alike."""
        return len({mark.state for mark in self.marks} & _JUDGED) > 1

    @property
    def is_shared(self) -> bool:
        """Whether at least two columns judged it."""
        return sum(mark.state in _JUDGED for mark in self.marks) > 1

    @property
    def is_partial(self) -> bool:
        """Whether a column could not judge it, and the others say nothing different."""
        return not self.differs and any(mark.state not in _JUDGED for mark in self.marks)

    @property
    def fails(self) -> bool:
        """Whether it fails in every column."""
        return not self.differs and not self.is_partial and any(mark.state == "fails" for mark in self.marks)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Columns and the rules across them, those that differ first."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def different(self) -> tuple[Row, ...]:
        """Rules that hold in one column and not in another."""
        return tuple(row for row in self.rows if row.differs)

    @property
    def partial(self) -> tuple[Row, ...]:
        """Rules that were not judged in every column."""
        return tuple(row for row in self.rows if row.is_partial)

    @property
    def failing(self) -> tuple[Row, ...]:
        """Rules that fail in every column."""
        return tuple(row for row in self.rows if row.fails)

    @property
    def alike(self) -> tuple[Row, ...]:
        """The others."""
        return tuple(row for row in self.rows if not (row.differs or row.is_partial or row.fails))


def columns_of(runs: Mapping[str, Run], clients: Sequence[str] = ()) -> tuple[Column, ...]:
    """The columns of a comparison, by the runs' folders: the runs, or the clients of the only one.

    `clients` narrows all of them. Raises UsageError when nothing is left to compare.
    """
    if len(runs) == 1:
        (run,) = runs.values()
        columns = tuple(
            Column(one_line(client, _LABEL_CHARS), run, (client,)) for client in _clients_of(run, clients)
        )
    else:
        labels = labels_of(runs)
        columns = tuple(
            Column(labels[folder], run, _clients_of(run, clients)) for folder, run in runs.items()
        )
    empty = [column.label for column in columns if not column.clients]
    if len(columns) < 2 or empty:
        raise UsageError(
            f"{empty[0]} was not asked through {', '.join(clients)}."
            if empty
            else "One column is no comparison.",
            "Name at least two runs, or one that went through several clients.",
        )
    return columns


def compared(columns: Sequence[Column]) -> Comparison:
    """The comparison of these columns."""
    by_column = [_by_rule(column.verdicts()) for column in columns]
    ids = dict.fromkeys(rule for found in by_column for rule in found)
    rows = [_row([found.get(rule, ()) for found in by_column]) for rule in ids]
    return Comparison(tuple(columns), tuple(sorted(rows, key=_place)))


def _row(verdicts: Sequence[Sequence[Verdict]]) -> Row:
    first = next(group[0] for group in verdicts if group)
    return Row(rule_text(first), tuple(map(_mark, verdicts)))


def _mark(verdicts: Sequence[Verdict]) -> Mark:
    outcomes = {verdict.outcome for verdict in verdicts}
    state = next((state for outcome, state in _BY_OUTCOME if outcome in outcomes), None)
    judged = {Outcome.PASS, Outcome.FAIL, Outcome.WAIVED}
    telling = {"fails": Outcome.FAIL, "waived": Outcome.WAIVED, "error": Outcome.ERROR}.get(str(state))
    return Mark(
        state or ("not judged" if verdicts else "not asked"),
        tuple(verdict for verdict in verdicts if verdict.outcome is Outcome.FAIL),
        sum(verdict.outcome in judged for verdict in verdicts),
        next(
            (one.reason for one in verdicts if one.outcome is telling or (telling is None and one.reason)), ""
        ),
    )


def _place(row: Row) -> tuple[int, int, str]:
    group = 0 if row.differs else 1 if row.fails else 2 if row.is_partial else 3
    return group, LEVELS.index(row.rule.level), row.rule.id


def _by_rule(verdicts: Iterable[Verdict]) -> Mapping[str, list[Verdict]]:
    groups: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        groups.setdefault(verdict.rule, []).append(verdict)
    return groups


def _clients_of(run: Run, wanted: Sequence[str]) -> tuple[str, ...]:
    asked = dict.fromkeys(request.client for request in run.requests)
    return tuple(client for client in asked if not wanted or client in wanted)


def labels_of(runs: Mapping[str, Named]) -> Mapping[str, str]:
    """A name for each run: its target's, with the day, the time or the folder where that is not enough."""
    candidates: tuple[Callable[[str, Named], str], ...] = (
        lambda _, run: run.target.name,
        lambda _, run: f"{run.target.name}, {run.started[:10]}",
        lambda _, run: f"{run.target.name}, {run.started[:19].replace('T', ' ')}",
        lambda folder, _: folder,
    )
    for label in candidates:
        labels = {folder: one_line(label(folder, run), _LABEL_CHARS) for folder, run in runs.items()}
        if len(set(labels.values())) == len(labels):
            break
    return labels
