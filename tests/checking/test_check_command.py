"""`likewise check` and `pytest suites` as their users run them: what they ask and say, how they end."""

import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.endpoint.server import Address, running
from tests.checking.fronts import KEY, MODEL, Asked, Said, always_429, refusal, standing_before

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Address]:
    with running() as address:
        yield address


def ran(*command: object, cwd: Path, key: str = KEY) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        cwd=cwd,
        env={**os.environ, "A_KEY": key, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
    )


def check(base_url: str, *more: object, cwd: Path, key: str = KEY) -> subprocess.CompletedProcess[str]:
    ask = ("harness", "check", "--base-url", base_url, "--model", MODEL, "--api-key-env", "A_KEY")
    return ran(*ask, *more, cwd=cwd, key=key)


def suites(base_url: str, *more: object, cwd: Path, key: str) -> subprocess.CompletedProcess[str]:
    ask = (
        "pytest",
        "-p",
        "no:cacheprovider",
        "--base-url",
        base_url,
        "--model",
        MODEL,
        "--api-key-env",
        "A_KEY",
    )
    return ran(*ask, *more, cwd=cwd, key=key)


def test_a_dry_run_says_what_it_would_ask_and_asks_nothing(tmp_path: Path) -> None:
    asked = itertools.count()

    def counts(method: str, path: str, body: Asked) -> Said:  # noqa: ARG001  # a front
        next(asked)
        return body

    with standing_before(counts) as base_url:
        result = check(base_url, "--dry-run", "--budget-requests", 40, cwd=tmp_path)
    assert (result.returncode, next(asked), list(tmp_path.iterdir())) == (0, 0, [])
    lines = result.stdout.splitlines()
    assert sum(bool(re.search(r" (raw|openai|langchain) +(plain|stream) ", line)) for line in lines) == 40
    bounds = (
        r"^A check would make at most 40 requests, for at most [\d,]+ completion tokens; nothing was asked\.$"
    )
    assert re.search(bounds, result.stdout, re.MULTILINE)
    assert re.search(r"The budget leaves out \d+ more requests\.", result.stdout)


def test_a_dry_run_with_prices_says_what_a_run_may_cost(tmp_path: Path) -> None:
    (tmp_path / "likewise.toml").write_text(
        '[targets.dear]\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "m"\n'
        "[targets.dear.price]\ninput_per_million = 0\noutput_per_million = 1000000\n"
    )
    result = ran(
        "harness", "check", "dear", "--dry-run", "--profile", "smoke", "--clients", "raw", cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    tokens = 16 + 2 * 192
    assert f"at most {tokens} completion tokens and about {tokens}.0000 USD; nothing" in result.stdout


def test_a_partial_run_says_so_and_is_no_success_where_it_must_be_whole(
    tmp_path: Path, endpoint: Address
) -> None:
    few = ("--clients", "raw", "--budget-requests", 12)
    free = check(endpoint.base_url, *few, "--out", "free", "--quiet", cwd=tmp_path, key=endpoint.key)
    strict = check(
        endpoint.base_url, *few, "--require-complete", "--out", "strict", cwd=tmp_path, key=endpoint.key
    )
    assert (free.returncode, strict.returncode) == (0, 3)
    assert "(partial: the budget left out " in free.stdout
    assert "no rule fails of those that were judged" in free.stdout
    made = json.loads((tmp_path / "strict" / "run.json").read_bytes())
    assert (made["is_complete"], len(made["partial"]), len(made["requests"])) == (False, 1, 12)
    page = (tmp_path / "strict" / "report.html").read_text()
    assert re.search(r"This run is partial: (<bdi>)?the budget left out", page)


def test_quiet_says_the_same_sentence(tmp_path: Path, endpoint: Address) -> None:
    common = ("--profile", "smoke", "--clients", "raw")
    told = check(endpoint.base_url, *common, "--out", "a", cwd=tmp_path, key=endpoint.key).stdout
    quiet = check(endpoint.base_url, *common, "--out", "b", "--quiet", cwd=tmp_path, key=endpoint.key).stdout
    assert quiet.strip()
    assert " ".join(quiet.split()) in " ".join(told.split())


def test_a_rate_limit_that_never_ends_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    with standing_before(always_429) as base_url:
        (tmp_path / "likewise.toml").write_text(
            f'[targets.busy]\nbase_url = "{base_url}"\nmodel = "{MODEL}"\n'
            'api_key_env = "A_KEY"\nretries = 0\n'
        )
        result = ran("harness", "check", "busy", "--out", "out", cwd=tmp_path)
        tests = ran(
            "pytest", "-p", "no:cacheprovider", ROOT / "suites/chat", "--target", "busy", cwd=tmp_path
        )
    assert result.returncode == 3
    assert "could not be judged: the founding calls came to nothing: HTTP 429 (6 of 6)" in result.stdout
    assert "works" not in result.stdout
    assert (tmp_path / "out" / "report.html").exists()
    assert tests.returncode == 3


def test_a_refused_key_is_told_in_two_sentences(tmp_path: Path, endpoint: Address) -> None:
    result = check(endpoint.base_url, cwd=tmp_path, key="sk-another")
    assert result.returncode == 3
    assert "Check the key in A_KEY" in result.stderr
    assert "Traceback" not in result.stderr


def test_pytest_asks_what_its_selection_reads_and_says_so(tmp_path: Path, endpoint: Address) -> None:
    result = suites(
        endpoint.base_url,
        ROOT / "suites/models",
        "--clients",
        "raw",
        "--out",
        "out",
        cwd=tmp_path,
        key=endpoint.key,
    )
    assert result.returncode == 0, result.stdout
    made = json.loads((tmp_path / "out" / "run.json").read_bytes())
    asked = [one["scenario"] for one in made["requests"]]
    assert asked == ["with-usage", "models-list", "model-retrieve"]
    assert "likewise asks at most 3 requests, for at most 16 completion tokens" in result.stdout


def test_pytest_keeps_to_its_budget(tmp_path: Path, endpoint: Address) -> None:
    result = suites(
        endpoint.base_url,
        ROOT / "suites/chat",
        *("--clients", "raw", "--modes", "plain", "--budget-requests", 3, "--out", "out"),
        cwd=tmp_path,
        key=endpoint.key,
    )
    assert result.returncode == 0, result.stdout
    assert len(json.loads((tmp_path / "out" / "run.json").read_bytes())["requests"]) == 3
    assert re.search(r"\d+ more are left out by the budget", result.stdout)


def test_pytest_skips_what_the_endpoint_refuses_cleanly(tmp_path: Path) -> None:
    def has_no_embeddings(method: str, path: str, asked: Asked) -> Said:  # noqa: ARG001  # a front
        is_refused = path.endswith("/embeddings")
        return refusal("Unknown request URL.", status="404 Not Found") if is_refused else asked

    with standing_before(has_no_embeddings) as base_url:
        result = suites(
            base_url, ROOT / "suites/embeddings", "--clients", "raw", "-k", "not whole", cwd=tmp_path, key=KEY
        )
    assert result.returncode == 3
    assert "failed" not in result.stdout
    assert re.search(r"\d+ skipped", result.stdout)
