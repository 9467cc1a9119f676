"""The comparison as one page that stands alone; its looks are in `reports/templates`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.comparison import Column, Comparison, Row
from harness.comparison.baseline import Changes
from harness.comparison.sentences import (
    CAUSES,
    SYMBOLS,
    answer,
    change_groups,
    changes_sentence,
    mark_words,
    step,
)
from harness.report import findings
from harness.report.page import page
from harness.run import Dropin

FILENAME = "compare.html"

_TEXT_CHARS = 500
_ROWS = 600
_CHANGES = 200
_DROPIN_GAP = Dropin("", "", "not judged", "")


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that are told together."""

    title: str
    lead: str
    rows: tuple[Row, ...]


def render(comparison: Comparison, changes: Changes | None = None) -> str:
    """The page; `changes` is what became of the first column in the second, where one is the baseline."""
    groups = [group for group in _groups(comparison) if group.rows]
    return page(
        "compare.html",
        _TEXT_CHARS,
        comparison=comparison,
        columns=comparison.columns,
        answer=answer(comparison),
        changes=changes,
        changes_sentence=changes_sentence(changes) if changes else "",
        change_groups=change_groups(changes) if changes else (),
        change_limit=_CHANGES,
        causes=CAUSES,
        step=step,
        dropin=_dropin(comparison.columns),
        dropin_cells=_dropin_cells(comparison.columns),
        dropin_symbols=findings.SYMBOLS,
        groups=groups,
        row_limit=_ROWS,
        surfaces=tuple(dict.fromkeys(row.rule.surface for row in comparison.rows)),
        states=tuple(state for state in SYMBOLS if any(_has(row, state) for row in comparison.rows)),
        symbols=SYMBOLS,
        mark_words=mark_words,
        cost_sentence=findings.cost_sentence,
    )


def _has(row: Row, state: str) -> bool:
    return any(mark.state == state for mark in row.marks)


def _groups(comparison: Comparison) -> Iterator[Group]:
    yield Group("They differ", "Rules that hold in one column and not in another.", comparison.different)
    yield Group("They fail in each", "Rules that no column keeps.", comparison.failing)
    yield Group(
        "Not judged everywhere",
        "Not claimed, not asked, or no answer of that kind came.",
        comparison.partial,
    )
    yield Group("They are alike", "Rules that hold wherever they were judged.", comparison.alike)


def _dropin_cells(columns: Sequence[Column]) -> tuple[tuple[str, str], ...]:
    """The clients and modes of the drop-in table, as any column has them."""
    return tuple(
        dict.fromkeys(
            (cell.client, cell.mode)
            for column in columns
            for cell in column.run.dropin
            if cell.client in column.clients
        )
    )


def _dropin(columns: Sequence[Column]) -> Mapping[str, Mapping[tuple[str, str], Dropin]]:
    return {
        column.label: {
            (cell.client, cell.mode): cell for cell in column.run.dropin if cell.client in column.clients
        }
        for column in columns
    }
