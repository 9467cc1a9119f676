"""What a run prints: the same words on a terminal and in a pipe, and nothing that acts."""

import io
import re
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from harness.report import terminal
from tests.report.rendered import on_terminal
from tests.report.runs import FAILING, HOSTILE_RUN, RUNS, many
from tests.report.test_text import is_seen


@pytest.mark.parametrize("name", RUNS)
def test_eighty_columns_are_enough_but_for_what_is_to_be_copied(name: str) -> None:
    for line in on_terminal(RUNS[name]).split("\n"):
        assert cell_len(line) <= 80 or line.startswith("  curl ")


@pytest.mark.parametrize("name", RUNS)
def test_a_curl_line_is_never_broken(name: str) -> None:
    printed = on_terminal(RUNS[name], width=40)
    assert all(line.endswith("'") for line in printed.split("\n") if line.startswith("  curl "))


def test_nothing_of_a_stranger_acts_on_the_terminal() -> None:
    printed = on_terminal(HOSTILE_RUN)
    assert all(is_seen(char) or char == "\n" for char in printed)
    assert "[bold red]markup[/]" in on_terminal(HOSTILE_RUN, width=2_000)


def test_colour_adds_nothing_but_colour() -> None:
    coloured = io.StringIO()
    console = Console(file=coloured, width=80, highlight=False, force_terminal=True, color_system="truecolor")
    terminal.render(FAILING, console, Path("nowhere"))
    plain = re.sub(r"\x1b\[[0-9;]*m", "", coloured.getvalue())
    assert "\x1b[" in coloured.getvalue()
    assert "".join(f"{line.rstrip()}\n" for line in plain.split("\n")) == on_terminal(FAILING)


def test_a_long_list_of_failures_is_cut_and_says_so() -> None:
    printed = on_terminal(many(5_000))
    assert re.search(r"\d+ more rules failed: see the reports", printed)
    assert len(printed.split("\n")) < 400
