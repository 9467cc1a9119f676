"""`likewise load` and its like as their users run them, in processes of their own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from harness.load.record import RequestRecord
from harness.load.record_log import read

ROOT = Path(__file__).parents[2]
LOCUST = (sys.executable, "-m", "locust", "-f", str(ROOT / "loadtests" / "locustfile.py"), "--headless")
SHORT = ("--warm-up", "0", "--cool-down", "0", "--format", "markdown", "--quiet")
_COMMAND = (sys.executable, "-c", "from harness.cli import main; main()")


def start(
    *arguments: str,
    cwd: Path,
    command: tuple[str, ...] = _COMMAND,
    stderr: TextIO | int = subprocess.PIPE,
) -> subprocess.Popen[str]:
    """A command that goes on until somebody waits for its end."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=stderr, text=True, env=environ, cwd=cwd
    )


def start_load(base_url: str, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """A load run into a folder."""
    target = ("--base-url", base_url, "--model", "standin-fast", "--out", str(folder))
    return start("load", *target, *SHORT, *arguments, cwd=folder.parent)


def ended(child: subprocess.Popen[str], timeout_s: float = 120) -> tuple[int, str, str]:
    """The exit code and what was printed."""
    out, err = child.communicate(timeout=timeout_s)
    return child.returncode, out, err


def load(base_url: str, folder: Path, *arguments: str) -> tuple[int, str, str]:
    """The exit code of a load run and what was printed."""
    return ended(start_load(base_url, folder, *arguments))


def told(folder: Path) -> dict[str, Any]:
    """load.json."""
    content: dict[str, Any] = json.loads((folder / "load.json").read_bytes())
    return content


def expected(folder: Path, code: int) -> int:
    """The exit code, unless the machine had no time for the generator, and the run says so."""
    run = told(folder)
    figures = [*run["clients"], *(step["figures"] for step in (run["curve"] or {"steps": []})["steps"])]
    return 3 if any(one["measurement"]["invalid"] for one in figures) else code


def records_of(folder: Path) -> list[RequestRecord]:
    """The requests of a folder, in order."""
    return sorted(read(folder), key=lambda record: record.ordinal)


def wait_for(condition: Callable[[], object], timeout_s: float = 90) -> None:
    """Wait until something holds."""
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)
