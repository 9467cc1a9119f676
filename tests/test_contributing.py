"""CONTRIBUTING.md's examples, run as they stand there, in a copy of the project."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.endpoint.server import running
from tests.servers import says, server, sized

_ROOT = Path(__file__).parent.parent
_COPIED = ("harness", "suites", "loadtests", "reports/templates", "tests/__init__.py", "tests/servers.py")
_COPIED_TESTS = ("tests/suites/__init__.py", "tests/suites/conftest.py")
_BLOCK = re.compile(r"^```(\w+) title=(\S+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)

_EIGHT_HOURS_LATER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 4_000_000_000,
    "model": "standin-1",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "standin", "refusal": None},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
}


@dataclass(frozen=True)
class Project:
    """A copy of the project with every example in it, and the reference endpoint for it to ask."""

    root: Path
    key: str

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, "PYTHONPATH": str(self.root), "OUR_GATEWAY_API_KEY": self.key}
        return subprocess.run(
            [sys.executable, *arguments], cwd=self.root, env=environ, capture_output=True, text=True
        )

    def likewise(self, *arguments: str) -> str:
        """What a command prints; exit code 1 is a verdict on the endpoint and no failure of the command."""
        run = self.python("-m", "harness", *arguments)
        assert run.returncode in {0, 1}, run.stderr
        return run.stdout

    def checked(self, *arguments: str) -> Mapping[str, Any]:
        """The run that a check makes."""
        folder = self.root / "run"
        self.likewise("check", *arguments, "--quiet", "--format", "junit", "--out", str(folder))
        found: dict[str, Any] = json.loads((folder / "run.json").read_bytes())
        return found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    root = tmp_path_factory.mktemp("project")
    for name in (*_COPIED, *_COPIED_TESTS):
        _copy(_ROOT / name, root / name)
    with running() as address:
        for _, name, text in _BLOCK.findall((_ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")):
            path = root / name
            before = (
                path.read_text(encoding="utf-8") + "\n" if path.suffix == ".toml" and path.exists() else ""
            )
            assert before or not path.exists(), f"{name} is there already: the example needs another name"
            path.write_text(
                before + text.replace("http://127.0.0.1:8765/v1", address.base_url), encoding="utf-8"
            )
        yield Project(root, address.key)


def _copy(source: Path, copy: Path) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copyfile(source, copy)


@pytest.fixture(scope="module")
def run(project: Project) -> Mapping[str, Any]:
    """A check of the reference endpoint through the example's preset and the example's client."""
    return project.checked("our-gateway", "--clients", "raw,handwritten")


def test_every_example_is_run() -> None:
    """Each heading with a file of its own has an example, and each example's file is named by a test here."""
    names = {name for _, name, _ in _BLOCK.findall((_ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))}
    assert names == {
        "suites/chat/test_clock.py",
        "tests/suites/test_clock_rules.py",
        "suites/chat/scripts.py",
        "harness/presets/our-gateway.toml",
        "harness/clients/handwritten.py",
        "harness/report/tsv.py",
        "harness/dialects/dashscope.toml",
        "suites/deviations.toml",
        "harness/endpoint/faults/clock.py",
        "harness/endpoint/variations/ids.py",
        "loadtests/workloads/haiku.toml",
        "harness/load/clients/by_hand.py",
        "harness/report/load/percentiles.py",
    }


def test_the_rule_passes_on_the_reference_endpoint(run: Mapping[str, Any]) -> None:
    outcomes = {
        verdict["outcome"]
        for verdict in run["verdicts"]
        if (verdict["rule"], verdict["client"]) == ("chat.clock-in-utc", "raw")
        and verdict["scenario"] in {"founding", "right-to-left"}
    }
    assert outcomes == {"pass"}


def test_the_rule_fails_on_its_lie(project: Project) -> None:
    told = project.python("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/suites/test_clock_rules.py")
    assert "2 passed" in told.stdout, told.stdout + told.stderr


def test_the_rule_is_explained(project: Project) -> None:
    assert "The time of an answer agrees" in project.likewise("rules", "chat.clock-in-utc")


def test_the_scenario_is_asked_in_both_modes(run: Mapping[str, Any]) -> None:
    asked = {
        (request["client"], request["mode"], request["status"])
        for request in run["requests"]
        if request["scenario"] == "right-to-left"
    }
    assert {("raw", "plain", 200), ("raw", "stream", 200)} <= asked


def test_the_preset_is_listed(project: Project) -> None:
    assert re.search(r"our-gateway +preset: Our gateway", project.likewise("targets"))


def test_the_client_gets_the_founding_answer_in_both_modes(run: Mapping[str, Any]) -> None:
    founding = [
        verdict
        for verdict in run["verdicts"]
        if (verdict["scenario"], verdict["client"]) == ("founding", "handwritten")
    ]
    assert {verdict["mode"] for verdict in founding} >= {"plain", "stream"}
    assert not [verdict for verdict in founding if verdict["outcome"] == "fail"]


def test_the_report_has_a_line_for_each_verdict(project: Project, run: Mapping[str, Any]) -> None:
    project.likewise("report", "run", "--format", "tsv", "--out", "tsv")
    lines = (project.root / "tsv" / "verdicts.tsv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + len(run["verdicts"])


@pytest.mark.parametrize(("dialect", "outcome"), [("openai", "fail"), ("dashscope", "waived")])
def test_the_waiver_turns_its_failure_into_a_waived_one(project: Project, dialect: str, outcome: str) -> None:
    date = b"Date: Tue, 24 Nov 2026 04:13:39 GMT\r\n"
    answer = sized(json.dumps(_EIGHT_HOURS_LATER).encode()).replace(b"\r\n", b"\r\n" + date, 1)
    with server(says(answer)) as base_url:
        (project.root / "likewise.toml").write_text(
            f'[targets.it]\nbase_url = "{base_url}"\nmodel = "standin-1"\ndialect = "{dialect}"\n'
        )
        run = project.checked("it", "--clients", "raw", "--modes", "plain", "--profile", "smoke")
    told = {verdict["outcome"] for verdict in run["verdicts"] if verdict["rule"] == "chat.clock-in-utc"}
    assert told == {outcome}


def test_the_row_stands_in_the_rulebook(project: Project) -> None:
    (project.root / "docs").mkdir()
    assert project.python("-m", "harness.rulebook").returncode == 0
    assert "cn-clock-local" in (project.root / "docs" / "deviations.md").read_text(encoding="utf-8")


def test_the_workload_is_found_and_asks_something_else_each_time(project: Project) -> None:
    script = (
        "from harness.load.workload import load_workload\n"
        "haiku = load_workload('haiku')\n"
        "print(len({str(haiku.request('run', 1, n).params['messages']) for n in range(20)}))"
    )
    asked = project.python("-c", script)
    assert asked.stdout.strip() == "20", asked.stderr


def test_the_load_client_asks_and_the_load_report_has_its_percentiles(project: Project) -> None:
    asked = ("--workload", "haiku", "--clients", "by_hand", "--arrivals", "constant:10")
    made = (
        "--duration",
        "1",
        "--warm-up",
        "0",
        "--cool-down",
        "0",
        "--format",
        "percentiles",
        "--out",
        "load",
    )
    done = project.python("-m", "harness", "load", "our-gateway", *asked, *made)
    assert done.returncode in {0, 1, 3}, done.stderr  # this machine may have no time for it
    (client,) = json.loads((project.root / "load" / "load.json").read_bytes())["clients"]
    assert client["outcomes"] == {"ok": 10}
    assert client["figures"]["client_own_ms"]["count"] == 10
    lines = (project.root / "load" / "percentiles.tsv").read_text(encoding="utf-8").splitlines()
    assert any(line.startswith("by_hand\tstream\tttft_ms\tp95\t") for line in lines)


def test_the_fault_is_caught_by_its_rule_and_the_variation_by_nobody(project: Project) -> None:
    told = project.likewise("prove", "cn-clock-local", "id-uuid", "--jobs", "1", "--out", "proof")
    assert "1 of 1 faults caught, 0 of them at level spec and 1 by a recommendation alone" in told
    assert "0 false alarms in 2 legal trials" in " ".join(told.split())
    assert "✓ cn-clock-local: chat.clock-in-utc (raw, openai, langchain)" in told
