"""What a comparison says on the terminal; the same in a pipe."""

from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.comparison import Comparison
from harness.comparison.load import LoadComparison
from harness.comparison.made import Made
from harness.comparison.sentences import SYMBOLS, changes_sentence, mark_words, step
from harness.report.text import one_line, plural

_ROWS = 30
_REGRESSIONS = 20
_TEXT_CHARS = 200
_STYLES = {"fails": "bold red", "error": "bold red", "waived": "dim", "not judged": "dim", "not asked": "dim"}


def render(made: Made, console: Console, written: tuple[Path, ...]) -> None:
    """Print the answer, what changed since the baseline, what differs, and the files."""
    console.print(Text(one_line(made.answer, 1_000), "bold"))
    changes = made.changes
    if changes is not None:
        console.print(Text(changes_sentence(changes), "bold red" if changes.regressions else ""))
        for change in changes.regressions[:_REGRESSIONS]:
            new = change.new
            said = f"{new.rule}  {new.scenario} {new.client} {new.mode}: {step(change)}; {new.reason}"
            console.print(Text(f"✗ {one_line(said, _TEXT_CHARS)}"))
    if made.load is not None:
        console.print()
        _print_load(made.load, console)
    if made.rules is not None and made.rules.different:
        console.print()
        _print_rows(made.rules, console)
    for path in written:
        console.print(Text(str(path)), soft_wrap=True)


def summary_line(made: Made) -> str:
    """The comparison in a line."""
    told = [changes_sentence(made.changes)] if made.changes else []
    return one_line(" ".join([made.answer, *told]), 2_000)


def _print_load(comparison: LoadComparison, console: Console) -> None:
    table = Table("under load", box=SIMPLE_HEAD, pad_edge=False)
    for one in comparison.series:
        table.add_column(Text(one.label))
    for row in comparison.rows:
        told = (
            Text(f"{value.text}\n{value.verdict}".strip(), "bold red" if value.is_worse else "")
            for value in row.values
        )
        table.add_row(row.label, *told)
    console.print(table)
    for note in comparison.notes:
        console.print(Text(one_line(note, _TEXT_CHARS)))


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
    if len(comparison.different) > _ROWS:
        console.print(Text(f"and {plural(len(comparison.different) - _ROWS, 'more rule')} in the files"))
