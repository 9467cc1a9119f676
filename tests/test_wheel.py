"""A wheel built from the tree and installed elsewhere checks an endpoint: the content travels inside it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the wheel's content and nothing of the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    site = folder / "site"
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(site),
        str(wheel),
    ]
    subprocess.run(install, check=True, capture_output=True)
    return site


def run(installed: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_command_runs_the_suites_that_travel_in_the_wheel(installed: Path, tmp_path: Path) -> None:
    where = run(installed, tmp_path, "-c", "from harness.content import folder; print(folder('suites'))")
    assert where.stdout.startswith(str(installed))
    result = run(installed, tmp_path, "-m", "harness", "check", "--profile", "smoke", "--out", "out")
    assert result.returncode == 0, result.stdout + result.stderr
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000


def test_the_suites_in_the_wheel_run_as_plain_pytest(installed: Path, tmp_path: Path) -> None:
    suites = installed / "harness" / "bundled" / "suites" / "parity"
    result = run(installed, tmp_path, "-m", "pytest", "-q", str(suites), "-k", "founding and raw")
    assert result.returncode == 0, result.stdout + result.stderr
    assert " passed" in result.stdout
