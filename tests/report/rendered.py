"""The golden texts: every text format of every hand-made run.

`python -m tests.report.rendered` writes them again; read the difference before you keep it.
"""

import io
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from harness import report
from harness.report import Exchanges, terminal
from harness.run import Run
from tests.report.runs import EXCHANGES, RUNS

FOLDER = Path(__file__).parent / "golden"


def rendered(name: str, run: Run, exchanges: Exchanges = EXCHANGES) -> str:
    """What a format writes of a run."""
    file = io.StringIO()
    report.formats()[name].render(run, exchanges, file)
    return file.getvalue()


def on_terminal(run: Run, *, width: int = 80, folder: Path = Path("nowhere")) -> str:
    """What a run prints into a pipe."""
    printed = io.StringIO()
    terminal.render(run, Console(file=printed, width=width, highlight=False), folder)
    return "".join(f"{line.rstrip()}\n" for line in printed.getvalue().split("\n"))


def texts() -> Mapping[str, str]:
    """Every golden text by its file's name."""
    found = {}
    for name, run in RUNS.items():
        found[f"{name}.terminal.txt"] = on_terminal(run)
        for chosen in ("badge", "badge_json", "csv", "ctrf", "junit", "markdown"):
            found[f"{name}.{report.formats()[chosen].FILENAME}"] = rendered(chosen, run)
    return found


if __name__ == "__main__":
    for name, text in texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
