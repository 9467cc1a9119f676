"""What a comparison says on the terminal; the same in a pipe."""

from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.comparison import Comparison
from harness.comparison.baseline import Changes
from harness.comparison.sentences import SYMBOLS, answer, changes_sentence, mark_words, step
from harness.report.text import one_line, plural

_ROWS = 30
_REGRESSIONS = 20
_TEXT_CHARS = 200
_STYLES = {"fails": "bold red", "error": "bold red", "waived": "dim", "not judged": "dim", "not asked": "dim"}


def render(
    comparison: Comparison, changes: Changes | None, console: Console, written: tuple[Path, ...]
) -> None:
    """Print the answer, what changed since the baseline, the rules that differ, and the files."""
    console.print(Text(one_line(answer(comparison), 1_000), "bold"))
    if changes is not None:
        console.print(Text(changes_sentence(changes), "bold red" if changes.regressions else ""))
        for change in changes.regressions[:_REGRESSIONS]:
            new = change.new
            said = f"{new.rule}  {new.scenario} {new.client} {new.mode}: {step(change)}; {new.reason}"
            console.print(Text(f"✗ {one_line(said, _TEXT_CHARS)}"))
    if comparison.different:
        console.print()
        _print_rows(comparison, console)
    if len(comparison.different) > _ROWS:
        console.print(Text(f"and {plural(len(comparison.different) - _ROWS, 'more rule')} in the files"))
    for path in written:
        console.print(Text(str(path)), soft_wrap=True)


def summary_line(comparison: Comparison, changes: Changes | None) -> str:
    """The comparison in a line."""
    return one_line(" ".join([answer(comparison), *([changes_sentence(changes)] if changes else [])]), 2_000)


def _print_rows(comparison: Comparison, console: Console) -> None:
    table = Table("rule", box=SIMPLE_HEAD, pad_edge=False)
    for column in comparison.columns:
        table.add_column(Text(one_line(column.label, 40)))
    for row in comparison.different[:_ROWS]:
        marks = [
            Text(f"{SYMBOLS[mark.state]} {mark_words(mark)}", _STYLES.get(mark.state, ""))
            for mark in row.marks
        ]
        table.add_row(Text(f"{one_line(row.rule.id, 60)} ({row.rule.level})"), *marks)
    console.print(table)
