"""Verdicts as comma-separated values, for spreadsheets."""

import csv
import io

from harness.report import Exchanges
from harness.report.text import one_line
from harness.run import Run
from harness.verdict import Verdict

FILENAME = "verdicts.csv"

_TEXT_CHARS = 1_000
_FORMULA_STARTS = ("=", "+", "-", "@")
"""A spreadsheet calculates what starts so, and an endpoint may have said it."""

_COLUMNS = (
    "rule",
    "level",
    "surface",
    "scenario",
    "client",
    "mode",
    "outcome",
    "reason",
    "received",
    "expected",
    "place",
)


def render(run: Run, exchanges: Exchanges) -> str:  # noqa: ARG001  # the verdicts say all that is needed
    """A line per verdict, with the first of its violations."""
    lines = io.StringIO()
    table = csv.writer(lines, lineterminator="\n")
    table.writerow(_COLUMNS)
    table.writerows([_cell(text) for text in _texts(verdict)] for verdict in run.verdicts)
    return lines.getvalue()


def _texts(verdict: Verdict) -> tuple[str, ...]:
    first = verdict.evidence[0] if verdict.evidence else None
    shown = (first.received, first.expected, first.place) if first else ("", "", "")
    place = (verdict.rule, verdict.level, verdict.surface, verdict.scenario, verdict.client, verdict.mode)
    return (*place, verdict.outcome.value, verdict.reason, *shown)


def _cell(text: str) -> str:
    shown = one_line(text, _TEXT_CHARS)
    return f"'{shown}" if shown.startswith(_FORMULA_STARTS) else shown
