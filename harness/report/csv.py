"""Verdicts as comma-separated values, for spreadsheets."""

import csv
from functools import lru_cache
from operator import attrgetter
from typing import TextIO

from harness.report import Exchanges
from harness.report.text import one_line
from harness.run import Run

FILENAME = "verdicts.csv"

_TEXT_CHARS = 1_000
_FORMULA_STARTS = ("=", "+", "-", "@")
"""A spreadsheet calculates what starts so, and an endpoint may have said it."""

_TOLD = ("rule", "level", "surface", "scenario", "client", "mode", "outcome", "reason")
_SHOWN = ("received", "expected", "place")


def render(run: Run, exchanges: Exchanges, file: TextIO) -> None:  # noqa: ARG001  # the verdicts are enough
    """A line per verdict, with the first of its violations."""
    table = csv.writer(file, lineterminator="\n")
    table.writerow((*_TOLD, *_SHOWN))
    # A large run says the same few texts a million times.
    cell, told, shown = lru_cache(10_000)(_cell), attrgetter(*_TOLD), attrgetter(*_SHOWN)
    for verdict in run.verdicts:
        first = map(cell, shown(verdict.evidence[0])) if verdict.evidence else ("", "", "")
        table.writerow((*map(cell, told(verdict)), *first))


def _cell(text: str) -> str:
    shown = one_line(text, _TEXT_CHARS)
    return f"'{shown}" if shown.startswith(_FORMULA_STARTS) else shown
