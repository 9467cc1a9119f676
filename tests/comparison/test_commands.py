"""The commands that look at what was recorded, as a user types them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.comparison.folders import changed, without_finish_reason


def _likewise(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments], cwd=cwd, capture_output=True, text=True
    )


def test_comparing_writes_a_page_and_blames_nobody(folder: Path, tmp_path: Path) -> None:
    result = _likewise(tmp_path, "compare", str(folder), str(folder), "--out", "both")
    assert result.returncode == 0, result.stderr
    assert {path.name for path in (tmp_path / "both").iterdir()} == {"compare.html", "compare.md"}
    assert "are alike in all of" in result.stdout


def test_a_baseline_is_a_gate(folder: Path, tmp_path: Path) -> None:
    worse = changed(folder, tmp_path / "worse", line=without_finish_reason)
    result = _likewise(tmp_path, "compare", "--baseline", str(folder), str(worse), "--out", "gate", "--quiet")
    assert result.returncode == 1, result.stderr
    assert "The endpoint got worse: " in result.stdout
    back = _likewise(tmp_path, "compare", "--baseline", str(worse), str(folder), "--out", "back", "--quiet")
    assert back.returncode == 0, back.stderr


def test_a_recording_is_judged_again_into_a_folder(folder: Path, tmp_path: Path) -> None:
    result = _likewise(tmp_path, "judge", str(folder), "--out", "again", "--format", "ctrf,badge", "--quiet")
    assert "0 verdicts differ" in result.stdout
    assert json.loads((tmp_path / "again" / "ctrf.json").read_bytes())["reportFormat"] == "CTRF"


def test_two_sides_of_a_gateway_are_held_against_each_other(folder: Path, tmp_path: Path) -> None:
    worse = changed(folder, tmp_path / "worse", line=without_finish_reason)
    result = _likewise(tmp_path, "diff", str(folder), str(worse), "--out", "hop")
    assert result.returncode == 1, result.stderr
    assert 'altered    body/choices/*/finish_reason: "stop" → null' in result.stdout
    same = _likewise(
        tmp_path, "diff", str(folder), "reference", "--profile", "smoke", "--out", "same", "--quiet"
    )
    assert same.returncode == 0, same.stdout + same.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("compare", "nowhere"),
        ("compare", "nowhere", "--baseline", "nowhere"),
        ("judge", "nowhere"),
        ("bugreport", "chat.schema-must"),
        ("diff", "nowhere", "nobody"),
        ("report", "nowhere"),
    ],
)
def test_what_is_not_there_is_said_in_two_sentences(arguments: tuple[str, ...], tmp_path: Path) -> None:
    result = _likewise(tmp_path, *arguments)
    assert result.returncode == 2
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.stderr
