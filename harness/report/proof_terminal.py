"""What a proof says on the terminal when it is over."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from harness.proof import Proof, Trial
from harness.report.proof_page import answer
from harness.report.text import one_line

_TEXT_CHARS = 300
_TRIALS = 40
"""The matrix of more is for the page."""


def render(proof: Proof, console: Console, written: Sequence[Path]) -> None:
    """Print the figures, the matrix of a few trials, what is not proved, and the files."""
    console.print(Text(f"{answer(proof)}.", "bold"))
    for trial in proof.of_kind("fault") if len(proof.trials) <= _TRIALS else ():
        console.print(Text(told(trial)), soft_wrap=True)
    for failure in proof.failures():
        console.print(Text(f"✗ {one_line(failure, _TEXT_CHARS)}", "red"))
    if proof.is_complete and proof.untripped:
        console.print(Text(f"No fault trips {', '.join(proof.untripped)}."))
    for path in written:
        console.print(Text(str(path)), soft_wrap=True)


def told(trial: Trial) -> str:
    """Which rules caught a fault, each with its clients, and which others it tripped."""
    own = "; ".join(f"{one.rule} ({', '.join(one.clients)})" for one in trial.own) or "nothing"
    beyond = f"; beyond its own {', '.join(one.rule for one in trial.beyond)}" if trial.beyond else ""
    return f"{'✓' if trial.is_good else '✗'} {trial.id}: {own}{beyond}"
