"""The comparison as Markdown for a CI job's summary or a comment on a pull request."""

from collections.abc import Iterator

from harness.comparison import Comparison, Row
from harness.comparison.baseline import Changes
from harness.comparison.sentences import (
    CAUSES,
    SYMBOLS,
    ChangeGroup,
    answer,
    change_groups,
    changes_sentence,
    mark_words,
    step,
)
from harness.report.findings import cells
from harness.report.markdown import code, fitted, in_cell, prose, row
from harness.report.text import plural

FILENAME = "compare.md"

_TEXT_CHARS = 300
_CHANGES = 40
_CELLS = 4


def render(comparison: Comparison, changes: Changes | None = None) -> str:
    """The comparison as Markdown; a note says what was left out to keep it short."""
    return fitted(_blocks(comparison, changes), "compare.html")


def _blocks(comparison: Comparison, changes: Changes | None) -> Iterator[str]:
    # A name with backticks would open and close code spans of its own.
    said = answer(comparison).replace("`", "'")
    yield f"## {prose(said)}\n"
    if changes is not None:
        yield f"{prose(changes_sentence(changes))}\n"
        yield from _changes(changes)
    for title, rows in (("They differ", comparison.different), ("They fail in each", comparison.failing)):
        if rows:
            yield f"### {title}\n"
            head = [row("rule", [in_cell(column.label) for column in comparison.columns])]
            head.append(row("---", ["---"] * len(comparison.columns)))
            yield "\n".join(head + [_row(one) for one in rows]) + "\n"
    told = ((comparison.alike, "alike"), (comparison.partial, "not judged everywhere"))
    yield ", ".join(f"{plural(len(rows), 'rule')} {word}" for rows, word in told) + ".\n"


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
