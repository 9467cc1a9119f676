"""The comparison as one page that stands alone; its looks are in `reports/templates`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.comparison import Column, Comparison, Row
from harness.comparison.load_charts import charts
from harness.comparison.made import Made
from harness.comparison.sentences import (
    CAUSES,
    SYMBOLS,
    change_groups,
    changes_sentence,
    mark_words,
    step,
)
from harness.report import findings
from harness.report.load.summary import asked
from harness.report.page import page
from harness.uses import USES, UseName, UseState, state_over

FILENAME = "compare.html"

_TEXT_CHARS = 500
_ROWS = 600
_CHANGES = 200


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that are told together."""

    title: str
    lead: str
    rows: tuple[Row, ...]


def render(made: Made) -> str:
    """The page; where there is a baseline, with what became of it."""
    rules, changes, load = made.rules, made.changes, made.load
    columns = rules.columns if rules else ()
    rows = rules.rows if rules else ()
    return page(
        "compare.html",
        _TEXT_CHARS,
        comparison=rules,
        columns=columns,
        answer=made.answer,
        load=load,
        charts=tuple(charts(load)) if load else (),
        changes=changes,
        changes_sentence=changes_sentence(changes) if changes else "",
        change_groups=change_groups(changes) if changes else (),
        change_limit=_CHANGES,
        causes=CAUSES,
        step=step,
        uses=_uses(columns),
        use_symbols=findings.SYMBOLS,
        groups=[group for group in _groups(rules) if group.rows] if rules else [],
        row_limit=_ROWS,
        surfaces=tuple(dict.fromkeys(row.rule.surface for row in rows)),
        states=tuple(state for state in SYMBOLS if any(_has(row, state) for row in rows)),
        symbols=SYMBOLS,
        mark_words=mark_words,
        cost_sentence=findings.cost_sentence,
        asked=asked,
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


def _uses(columns: Sequence[Column]) -> Mapping[UseName, Mapping[str, UseState]]:
    """For each use that was asked its state in each column, over the clients of the column."""
    found = {use: {column.label: _state(column, use) for column in columns} for use in USES}
    return {use: states for use, states in found.items() if set(states.values()) != {"not asked"}}


def _state(column: Column, use: UseName) -> UseState:
    cells = (cell for cell in column.run.uses if cell.use == use and cell.client in column.clients)
    return state_over(cell.state for cell in cells)
