"""Verdicts as comma-separated values, for spreadsheets."""

import csv
from functools import lru_cache
from typing import TextIO

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


def render(run: Run, exchanges: Exchanges, file: TextIO) -> None:  # noqa: ARG001  # the verdicts are enough
    """A line per verdict, with the first of its violations."""
    table = csv.writer(file, lineterminator="\n")
    table.writerow(_COLUMNS)
    # A large run says the same few texts a million times.
    cell = lru_cache(10_000)(_cell)
    table.writerows(map(cell, _texts(verdict)) for verdict in run.verdicts)


def _texts(verdict: Verdict) -> tuple[str, ...]:
    first = verdict.evidence[0] if verdict.evidence else None
    shown = (first.received, first.expected, first.place) if first else ("", "", "")
    place = (verdict.rule, verdict.level, verdict.surface, verdict.scenario, verdict.client, verdict.mode)
    return (*place, verdict.outcome.value, verdict.reason, *shown)


def _cell(text: str) -> str:
    shown = one_line(text, _TEXT_CHARS)
    return f"'{shown}" if shown.startswith(_FORMULA_STARTS) else shown
