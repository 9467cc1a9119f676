"""The comparison as Markdown for a CI job's summary or a comment on a pull request."""

from collections.abc import Iterable, Iterator, Sequence

from harness.comparison import Comparison, Row
from harness.comparison.baseline import Changes
from harness.comparison.load import LoadComparison, Value
from harness.comparison.made import Made
from harness.comparison.sentences import (
    CAUSES,
    SYMBOLS,
    ChangeGroup,
    change_groups,
    changes_sentence,
    mark_words,
    step,
)
from harness.report.findings import cells
from harness.report.markdown import code, fitted, heading, in_cell, prose, row
from harness.report.text import plural

FILENAME = "compare.md"

_TEXT_CHARS = 300
_CHANGES = 40
_CELLS = 4


def render(made: Made) -> str:
    """The comparison as Markdown; a note says what was left out to keep it short."""
    return fitted(_blocks(made), "compare.html")


def _blocks(made: Made) -> Iterator[str]:
    yield f"## {heading(made.answer)}\n"
    if made.changes is not None:
        yield f"{prose(changes_sentence(made.changes))}\n"
        yield from _changes(made.changes)
    if made.load is not None:
        yield from _load(made.load)
    if made.rules is not None:
        yield from _rules(made.rules)


def _rules(comparison: Comparison) -> Iterator[str]:
    for title, rows in (("They differ", comparison.different), ("They fail in each", comparison.failing)):
        if rows:
            yield f"### {title}\n"
            yield _table("rule", [column.label for column in comparison.columns], map(_row, rows))
    told = ((comparison.alike, "alike"), (comparison.partial, "not judged everywhere"))
    yield ", ".join(f"{plural(len(rows), 'rule')} {word}" for rows, word in told) + ".\n"


def _load(comparison: LoadComparison) -> Iterator[str]:
    yield "### Under load\n"
    rows = (row(one.label, [_figure(value) for value in one.values]) for one in comparison.rows)
    yield _table("figure", [one.label for one in comparison.series], rows)
    yield from (f"- {code(note, _TEXT_CHARS)}\n" for note in comparison.notes)


def _figure(value: Value) -> str:
    bounds = f" ({value.bounds})" if value.bounds else ""
    return f"{value.text}{bounds}{f', {value.verdict}' if value.verdict else ''}"


def _table(first: str, names: Sequence[str], rows: Iterable[str]) -> str:
    head = [row(first, map(in_cell, names)), row("---", ["---"] * len(names))]
    return "\n".join([*head, *rows]) + "\n"


def _row(one: Row) -> str:
    marks = [f"{SYMBOLS[mark.state]} {mark_words(mark)}" for mark in one.marks]
    return row(f"{in_cell(one.rule.id)} ({one.rule.level})", marks)


def _changes(changes: Changes) -> Iterator[str]:
    groups = change_groups(changes)
    for cause, sentence in CAUSES.items():
        found = [group for group in groups if group.cause == cause]
        if found:
            lines = [f"- {_change(group)}" for group in found[:_CHANGES]]
            lines += [f"- and {plural(len(found) - _CHANGES, 'more change')}"] * (len(found) > _CHANGES)
            yield "\n".join([f"### {prose(sentence)}", "", *lines]) + "\n"


def _change(group: ChangeGroup) -> str:
    rules = ", ".join(code(rule, _TEXT_CHARS) for rule in group.rules[:_CELLS])
    more = f" and {plural(len(group.rules) - _CELLS, 'more rule')}" if len(group.rules) > _CELLS else ""
    where = code(cells([change.new for change in group.changes], _CELLS), _TEXT_CHARS)
    why = f": {code(group.reason, _TEXT_CHARS)}" if group.reason else ""
    worse = "**worse:** " if group.first.is_regression else ""
    count = plural(len(group.changes), "verdict")
    return f"{worse}{rules}{more} {step(group.first)}, {count} ({where}){why}"
