"""Markdown for a CI job's summary, as GitHub renders it.

What a stranger said stands in code alone, where neither links nor HTML nor mentions are read.
Source: GitHub Flavored Markdown Spec (code spans, fenced code blocks, tables).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TextIO

from harness.report import Exchanges
from harness.report.findings import (
    SYMBOLS,
    Cell,
    Finding,
    Kind,
    answer,
    cells,
    cost_sentence,
    counts_sentence,
    curls,
    effects_at,
    findings,
    followers,
    parameters_by_answer,
    rates_of,
    reasons,
    requests_by_place,
    shown_cell,
    target_line,
    use_clients,
    use_reasons,
    use_rows,
    who_else_breaks,
)
from harness.report.text import command, one_line, plural
from harness.run import RequestSummary, Run
from harness.verdict import BROKEN, Outcome

FILENAME = "summary.md"

MAX_BYTES = 60_000
"""Leaves room in a job summary, of which GitHub takes 1 MiB, and fits a comment of 65,536 characters."""

_KINDS = 3
_CELLS = 12
_TEXT_CHARS = 500
_CURL_CHARS = 1_500
_NAME_CHARS = 100


def render(run: Run, exchanges: Exchanges, file: TextIO) -> None:  # noqa: ARG001  # the verdicts are enough
    """The run as Markdown of at most MAX_BYTES bytes; a note says what was left out."""
    file.write(fitted(_blocks(run), "report.html and run.json"))


def fitted(blocks: Iterable[str], elsewhere: str) -> str:
    """As many of the blocks, from the first on, as fit into MAX_BYTES; a note says where the others are."""
    text, left_out = "", 0
    for block in blocks:
        if left_out or len((text + block).encode()) > MAX_BYTES - 200:
            left_out += 1
        else:
            text += block + "\n"
    if left_out:
        text += f"\nCut here: {plural(left_out, 'more part')} in {elsewhere}.\n"
    return text


def _blocks(run: Run) -> Iterator[str]:
    """Parts that make sense without those after them, each ending with a line feed."""
    yield f"## {code(target_line(run), _TEXT_CHARS)} {heading(answer(run))}\n"
    if run.uses:
        yield from _uses(run)
    yield f"{counts_sentence(run)}. {cost_sentence(run)}.\n"
    if run.flakiness.flaky:
        yield f"Flaky: {code(run.flakiness.sentence, _TEXT_CHARS)}.\n"
    repeats, asked = curls(run), requests_by_place(run)
    for finding in findings(run):
        yield _finding(finding, run, repeats, asked)
    yield from _reasons(run)
    yield from _parameters(run)


def _parameters(run: Run) -> Iterator[str]:
    """What became of the request parameters that have a visible effect."""
    groups = parameters_by_answer(run)
    if groups:
        lines = [f"- {answer_}: {code(', '.join(names), _TEXT_CHARS)}" for answer_, names in groups.items()]
        yield "\n".join(["### Request parameters", "", *lines]) + "\n"


def _uses(run: Run) -> Iterator[str]:
    clients = use_clients(run)
    lines = [row("use", map(in_cell, clients)), row("---", ["---"] * len(clients))]
    for use, cells_of in use_rows(run).items():
        states = [cells_of[client].state for client in clients]
        lines.append(row(use, [f"{SYMBOLS[state]} {state}" for state in states]))
    yield "\n".join(lines) + "\n"
    reasons_told = [
        f"- {code(', '.join(places), _TEXT_CHARS)} ({cell.state}): {code(cell.reason, _TEXT_CHARS)}\n"
        for cell, places in use_reasons(run)
    ]
    if reasons_told:
        yield "".join(reasons_told)


def _finding(
    finding: Finding,
    run: Run,
    repeats: Mapping[Cell, str],
    asked: Mapping[tuple[str, str], Sequence[RequestSummary]],
) -> str:
    rule = finding.rule
    beyond = "" if finding.counts else f" (does not count at level {run.level})"
    lines = [
        f"### {prose(rule.sentence)}",
        "",
        f"{code(rule.id, _NAME_CHARS)}, level {code(rule.level, _NAME_CHARS)}{beyond}, "
        f"fails in {len(finding.failed):,} of {plural(finding.judged, 'cell')}",
        "",
    ]
    lines.append(f"- cells: {code(cells(finding.failed, _CELLS), _TEXT_CHARS)}")
    lines += [f"- rate: {code(rate, _TEXT_CHARS)}" for rate in rates_of(run, rule.id)[:_KINDS]]
    effects = effects_at(run, finding, asked)
    lines += [f"- client {code(effect.sentence, _TEXT_CHARS)}" for effect in effects]
    if breaks := who_else_breaks(rule, effects):
        lines.append(f"- who {'else ' if effects else ''}breaks: {prose(breaks)}")
    if finding.followed_by:
        lines.append(f"- follows from it: {code(followers(finding, _CELLS), _TEXT_CHARS)}")
    for kind in finding.kinds[:_KINDS]:
        lines += _kind(kind)
    if len(finding.kinds) > _KINDS:
        lines.append(f"- and {plural(len(finding.kinds) - _KINDS, 'other way')} to fail")
    curl = repeats.get(shown_cell(finding.example))
    if curl:
        lines += ["", fenced(command(curl, _CURL_CHARS))]
    return "\n".join(lines) + "\n"


def _kind(kind: Kind) -> Iterator[str]:
    place = f" at {code(kind.first.place, _TEXT_CHARS)}" if kind.first.place else ""
    times = f" ({kind.count:,} times)" if kind.count > 1 else ""
    yield f"- received {code(kind.first.received, _TEXT_CHARS)}{place}{times}"
    yield f"  expected {code(kind.first.expected, _TEXT_CHARS)}"


def _reasons(run: Run) -> Iterator[str]:
    told = [outcome for outcome in Outcome if outcome not in BROKEN | {Outcome.PASS}]
    every = reasons(run.exceptions, *told)
    for outcome in told:
        found = [reason for reason in every if reason.outcome is outcome]
        if found:
            lines = [f"### {outcome.value.capitalize()}", ""]
            lines += [
                f"- {plural(len(reason.verdicts), 'verdict')} of {plural(len(reason.rules), 'rule')}: "
                f"{code(reason.text, _TEXT_CHARS)}"
                for reason in found[:_CELLS]
            ]
            lines += [f"- and {plural(len(found) - _CELLS, 'other reason')}"] * (len(found) > _CELLS)
            yield "\n".join(lines) + "\n"
    if run.notes:
        notes = [f"- {code(note, _TEXT_CHARS)}" for note in run.notes[:_CELLS]]
        yield "\n".join(["### Notes", "", *notes]) + "\n"


def row(first: str, cells_: Iterable[str]) -> str:
    """A row of a table."""
    return f"| {' | '.join([first, *cells_])} |"


def in_cell(text: str) -> str:
    """A code span within a table."""
    # Renderers disagree on an escaped pipe after a backslash, so there is none.
    return code(text.replace("|", "¦"), _NAME_CHARS)


def code(text: str, limit: int) -> str:
    """A code span: more backticks than the text has in a row, and a space where they would touch."""
    shown = one_line(text, limit)
    fence = "`" * (_longest_run(shown) + 1)
    pad = " " if not shown.strip() or "`" in shown[:1] + shown[-1:] else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def fenced(text: str, language: str = "sh") -> str:
    """A fenced code block."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def heading(text: str) -> str:
    """A sentence with a stranger's names in it: prose, unless a part of it would link or call somebody."""
    return code(text, _TEXT_CHARS) if re.search(r"://|www\.|[@`]", text) else prose(text)


def prose(text: str) -> str:
    """A rule's own text, whose code spans stay; nothing else in it is read as Markdown."""
    parts = re.split("(`[^`]*`)", text)
    return "".join(part if at % 2 else _escaped(part) for at, part in enumerate(parts))


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|~#@&])", r"\\\1", text)
