"""Whatever an endpoint repeats of the secrets that it is sent: no command writes or prints them."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
import zstandard
from typer.testing import CliRunner

from harness import report
from harness.cli import app
from harness.load.clients import client_names
from harness.report.bugreport import bugreport
from harness.report.load import formats as load_formats
from harness.run import load as load_run
from harness.run import load_exchanges
from tests.secrets.echoes import ENVIRON, KEY, ORG, OTHER, PLAIN, STREAM, echoes, spellings
from tests.secrets.search import leaks, texts_of

_ROOT = Path(__file__).parents[2]
_ACCESS = ("--api-key-env", "CANARY_KEY", "--header", "X-Org=env:CANARY_ORG")


@dataclass(frozen=True)
class Ran:
    """What a command printed and wrote."""

    code: int
    printed: str
    folder: Path


def _run(command: Sequence[object], cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, command)],
        cwd=cwd,
        env={**os.environ, **ENVIRON},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="backslashreplace",
    )


def _ended(child: subprocess.Popen[str], folder: Path) -> Ran:
    printed, _ = child.communicate(timeout=120)
    return Ran(child.returncode, printed, folder)


def _at(base_url: str) -> Sequence[str]:
    return "--base-url", base_url, "--model", "echo", *_ACCESS


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A check with every report."""
    cwd = tmp_path_factory.mktemp("checked")
    options = ("--format", ",".join(report.formats()), "--out", "out", "--budget-requests", "45")
    with echoes() as (base_url, _):
        return _ended(_run(("harness", "check", *_at(base_url), *options), cwd), cwd / "out")


def assert_clean(ran: Ran) -> None:
    assert "Traceback" not in ran.printed
    found = {
        f"{name}: {spelt}"
        for name, text in [("printed", ran.printed), *texts_of(ran.folder)]
        for secret in (KEY, ORG)
        for spelt in leaks(text, secret)
    }
    assert sorted(found) == []


@pytest.mark.parametrize("secret", [KEY, ORG])
def test_the_search_finds_every_spelling(secret: str) -> None:
    for name, spelt in spellings(secret).items():
        assert leaks(f"it is {spelt}.", secret), name


@pytest.mark.parametrize("way", sorted({*PLAIN, *STREAM, *OTHER} - {"compressed"}))
def test_the_search_finds_every_way(way: str, tmp_path: Path) -> None:
    for ways in (PLAIN, STREAM, OTHER):
        if way in ways:
            head, _, body = ways[way]().decode("latin-1").partition("\r\n\r\n")
            seen = {"response": {"head": head, "body": body}}
            line = {"exchange": seen, "earlier": [], "reply": {"printed": (), "choices": (), "data": None}}
            (tmp_path / "exchanges.jsonl.zst").write_bytes(zstandard.compress(orjson.dumps(line)))
            assert any(leaks(text, KEY) for _, text in texts_of(tmp_path))


def test_a_check_keeps_and_prints_no_secret(checked: Ran) -> None:
    run = orjson.loads((checked.folder / "run.json").read_bytes())
    assert len({verdict["rule"] for verdict in run["verdicts"] if verdict["outcome"] == "fail"}) > 20
    assert_clean(checked)


@pytest.mark.parametrize(
    "words",
    [
        ("judge", "RUN"),
        ("compare", "RUN", "RUN"),
        ("compare", "RUN", "--baseline", "RUN"),
        ("diff", "RUN", "RUN"),
    ],
    ids=" ".join,
)
def test_what_is_made_of_a_run_has_no_secret(words: Sequence[str], checked: Ran, tmp_path: Path) -> None:
    command = [str(checked.folder) if word == "RUN" else word for word in words]
    result = CliRunner().invoke(app, [*command, "--out", str(tmp_path)])
    assert result.exit_code in {0, 1}
    assert list(tmp_path.iterdir())
    assert_clean(Ran(result.exit_code, result.output, tmp_path))


def test_a_bug_report_has_no_secret(checked: Ran) -> None:
    run, exchanges = load_run(checked.folder), load_exchanges(checked.folder)
    failing = {verdict.rule for verdict in run.verdicts if verdict.outcome == "fail"}
    assert len(failing) > 20
    for rule in failing:
        text = bugreport(run, exchanges, rule)
        assert f"rule `{rule}`" in text
        assert [leaks(text, secret) for secret in (KEY, ORG)] == [[], []]


def _file(folder: Path, *urls: str) -> Path:
    """A likewise.toml of targets named a, b and so on."""
    path = folder / "likewise.toml"
    path.write_text(
        "".join(
            f'[targets.{name}]\nbase_url = "{url}"\nmodel = "echo"\napi_key_env = "CANARY_KEY"\n'
            'headers = { X-Org = { env = "CANARY_ORG" } }\n'
            for name, url in zip("ab", urls, strict=False)
        )
    )
    return path


def test_load_keeps_and_prints_no_secret(tmp_path: Path) -> None:
    with echoes() as (base_url, used):
        options = ("--arrivals", "constant:60", "--duration", "1", "--warm-up", "0", "--cool-down", "0")
        more = ("--clients", ",".join(client_names()), "--format", ",".join(load_formats()), "--out", "out")
        ran = _ended(_run(("harness", "load", *_at(base_url), *options, *more), tmp_path), tmp_path / "out")
    assert used >= set(STREAM)
    run = orjson.loads((ran.folder / "load.json").read_bytes())
    assert [bool(client["details"]) for client in run["clients"]] == [True, True, True]
    assert_clean(ran)


def test_a_diff_keeps_and_prints_no_secret(tmp_path: Path) -> None:
    with echoes() as (base_url, _), echoes() as (other_url, _):
        config = _file(tmp_path, base_url, other_url)
        command = ("diff", "a", "b", "--config", config, "--profile", "smoke", "--out", tmp_path / "out")
        result = CliRunner(env=ENVIRON).invoke(app, list(map(str, command)))
    assert (tmp_path / "out" / "a" / "exchanges.jsonl.zst").exists()
    assert_clean(Ran(result.exit_code, result.output, tmp_path / "out"))


def test_pytest_shows_and_keeps_no_secret(tmp_path: Path) -> None:
    with echoes() as (base_url, _):
        _file(tmp_path, base_url)
        options = ("--target", "a", "--clients", "raw,langchain", "--budget-requests", "30", "--out", "out")
        shown = ("-rA", "--log-cli-level", "DEBUG", "--junitxml", "out/pytest.xml", "-p", "no:cacheprovider")
        suite = _ROOT / "suites" / "clients"
        ran = _ended(_run(("pytest", suite, *options, *shown), tmp_path), tmp_path / "out")
    assert " failed" in ran.printed
    assert (ran.folder / "pytest.xml").exists()
    assert_clean(ran)


@pytest.mark.parametrize("way", ["unauthorized", "redirect", "error page", "no HTTP"])
def test_what_a_check_says_in_the_place_of_a_verdict_has_no_secret(way: str, tmp_path: Path) -> None:
    with echoes(way) as (base_url, _):
        result = CliRunner(env=ENVIRON).invoke(app, ["check", *_at(base_url), "--out", str(tmp_path)])
    assert (result.exit_code, "Error: " in result.output) == (3, True)
    assert_clean(Ran(3, result.output, tmp_path))


def test_what_load_says_in_the_place_of_figures_has_no_secret(tmp_path: Path) -> None:
    with echoes("unauthorized") as (base_url, _):
        ran = _ended(_run(("harness", "load", *_at(base_url)), tmp_path), tmp_path)
    assert ran.code == 3
    assert_clean(ran)
