"""What a run says on the terminal when it is over; the same in a pipe, with or without colour."""

from collections.abc import Mapping
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness import report
from harness.report.findings import (
    SYMBOLS,
    Finding,
    cells,
    client_effects,
    cost_sentence,
    counts_sentence,
    curls,
    findings,
    followers,
    parameters_by_answer,
    rates_of,
    reasons,
    shown_cell,
    summary_line,
    use_clients,
    use_reasons,
    use_rows,
    who_else_breaks,
)
from harness.report.text import command, one_line, plural
from harness.run import Run
from harness.uses import UseState
from harness.verdict import BROKEN, Outcome

__all__ = ["render", "summary_line"]

_FINDINGS = 20
_KINDS = 2
_FOLLOWERS = 6
_CELLS = 6
_REASONS = 5
_TEXT_CHARS = 300
_CURL_CHARS = 1_200

_STYLES: Mapping[UseState, str] = {
    "works": "green",
    "works in part": "yellow",
    "deviates": "red",
    "breaks": "bold red",
    "unsupported": "dim",
    "not judged": "yellow",
    "not asked": "dim",
}


def render(run: Run, console: Console, folder: Path) -> None:
    """Print a run: the answer, the use table, what fails and why, what was not judged, the files.

    Text of strangers is printed as text: no markup is read in it, and control characters are made visible.
    """
    console.print(Text(summary_line(run), "bold"))
    if run.uses:
        _print_uses(run, console)
    _print_findings(run, console)
    _print_reasons(run, console)
    _print_parameters(run, console)
    console.print()
    console.print(Text(f"{counts_sentence(run)}. {cost_sentence(run)}."))
    if run.flakiness.flaky:
        console.print(Text(one_line(f"Flaky: {run.flakiness.sentence}.", _TEXT_CHARS), "yellow"))
    for path in _written(folder):
        console.print(Text(str(path)), soft_wrap=True)


def _print_uses(run: Run, console: Console) -> None:
    table = Table("use", box=SIMPLE_HEAD, pad_edge=False)
    for client in use_clients(run):
        table.add_column(Text(one_line(client, _TEXT_CHARS)), no_wrap=True)
    for use, row in use_rows(run).items():
        states = [row[client].state for client in use_clients(run)]
        table.add_row(use, *(Text(f"{SYMBOLS[state]} {state}", _STYLES[state]) for state in states))
    console.print(table)
    for cell, places in use_reasons(run):
        said = Text.assemble(
            (f"{cell.state}  ", _STYLES[cell.state]), one_line(", ".join(places), _TEXT_CHARS)
        )
        console.print(said.append(f": {one_line(cell.reason, _TEXT_CHARS)}"))


def _print_findings(run: Run, console: Console) -> None:
    found = findings(run)
    counted = [finding for finding in found if finding.counts]
    beyond = [finding for finding in found if not finding.counts]
    repeats = curls(run)
    for finding in counted[:_FINDINGS]:
        console.print()
        console.print(Text(f"✗ {finding.rule.sentence}", "bold red"))
        console.print(Padding(_finding(finding, run), (0, 0, 0, 2)))
        curl = repeats.get(shown_cell(finding.example))
        if curl:
            # Unwrapped, so that it can be copied.
            console.print(Text(f"  {command(curl, _CURL_CHARS)}"), soft_wrap=True)
    if len(counted) > _FINDINGS:
        console.print()
        console.print(Text(f"{plural(len(counted) - _FINDINGS, 'more rule')} failed: see the reports."))
    if beyond:
        console.print()
        names = ", ".join(one_line(finding.rule.id, _TEXT_CHARS) for finding in beyond[:_FINDINGS])
        console.print(Text(f"Beyond level {run.level}, which does not count, {len(beyond):,} more: {names}"))


def _finding(finding: Finding, run: Run) -> Table:
    rule = finding.rule
    grid = _grid()

    def add(label: str, text: str, style: str = "") -> None:
        if text:
            grid.add_row(label, Text(one_line(text, _TEXT_CHARS), style))

    add("rule", f"{rule.id} ({rule.level}), in {len(finding.failed):,} of {plural(finding.judged, 'cell')}")
    add("cells", cells(finding.failed, _CELLS))
    for rate in rates_of(run, rule.id)[:_KINDS]:
        add("rate", rate)
    effects = client_effects(run, finding)
    for at, effect in enumerate(effects):
        add("" if at else "clients", effect.sentence)
    add("who else" if effects else "who breaks", who_else_breaks(rule, effects))
    if finding.followed_by:
        add("follows", followers(finding, _FOLLOWERS))
    for kind in finding.kinds[:_KINDS]:
        add("received", kind.first.received, "red")
        add("expected", kind.first.expected, "green")
        add("place", kind.first.place)
    if len(finding.kinds) > _KINDS:
        add("", f"and {plural(len(finding.kinds) - _KINDS, 'other way')} to fail")
    return grid


def _print_reasons(run: Run, console: Console) -> None:
    """One entry per reason, for all outcomes that are neither pass nor fail, and one per note."""
    grid = _grid()
    for outcome in (outcome for outcome in Outcome if outcome not in BROKEN | {Outcome.PASS}):
        found = reasons(run.exceptions, outcome)
        for at, reason in enumerate(found[:_REASONS]):
            of = f"{len(reason.verdicts):,} × "
            grid.add_row("" if at else outcome.value, Text(of + one_line(reason.text, _TEXT_CHARS)))
        if len(found) > _REASONS:
            grid.add_row("", f"and {plural(len(found) - _REASONS, 'other reason')}")
    for note in run.notes[:_REASONS]:
        grid.add_row("note", Text(one_line(note, _TEXT_CHARS)))
    if grid.row_count:
        console.print()
        console.print(grid)


def _print_parameters(run: Run, console: Console) -> None:
    """What became of the parameters, when not all of them were honoured."""
    groups = parameters_by_answer(run)
    if len(groups) <= 1 and not groups.keys() - {"honoured", "undecided"}:
        return
    grid = _grid()
    for answer, names in groups.items():
        grid.add_row(answer, Text(one_line(", ".join(names), _TEXT_CHARS)))
    console.print()
    console.print(Text("Request parameters", "bold"))
    console.print(grid)


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


def _written(folder: Path) -> list[Path]:
    """The files of a run that its folder holds."""
    names = ["run.json", *(chosen.FILENAME for chosen in report.formats().values())]
    return [folder / name for name in names if (folder / name).is_file()]
