"""The text for the tracker, and the test in it: it fails on the bytes that failed, and on no others."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from harness import run
from harness.check import Settings, check
from harness.errors import RunFolderError, UsageError
from harness.report.bugreport import bugreport
from harness.report.findings import findings
from harness.report.replay_test import replay_test
from harness.run import Run
from harness.target import ad_hoc, resolve
from harness.verdict import Outcome, Verdict
from harness.wire.exchange import Exchange
from tests.report.runs import EXCHANGES, FAILING, HOSTILE, HOSTILE_RUN
from tests.servers import by_mode, head, says, server

_PLAIN = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"m","choices":'
    b'[{"index":0,"message":{"role":"assistant","content":"Hi \xe4\xbd\xa0"},"finish_reason":null}]}'
)
_STREAM = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":'
    b'[{"index":0,"delta":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}\n\n'
)
"""A null where the reason must stand, no usage, and a stream without its end."""


@dataclass(frozen=True)
class Checked:
    run: Run
    exchanges: Mapping[tuple[str, str, str], Exchange]
    folder: Path


def _checked(target_url: str | None, place: Path) -> Checked:
    target = resolve("reference", {}) if target_url is None else ad_hoc(target_url, "m", None)
    with check(target, Settings(profile="smoke"), {}) as checking:
        checking.observe(place, lambda _: None)
        return Checked(checking.judged(), run.load_exchanges(place), place)


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checked]:
    plain = says(head() + _PLAIN)
    streamed = says(head(media_type="text/event-stream") + _STREAM)
    with server(by_mode(plain, streamed)) as base_url:
        yield _checked(base_url, tmp_path_factory.mktemp("wrong"))


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Checked:
    return _checked(None, tmp_path_factory.mktemp("right"))


def _outcomes(checked: Checked, tests: Mapping[str, str]) -> Mapping[str, str]:
    """What pytest says of each test, all run in one session, in the folder of the run."""
    folder = checked.folder / "tests"
    folder.mkdir()
    for name, text in tests.items():
        (folder / f"test_{name}.py").write_text(text, encoding="utf-8")
    session = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "--tb=line", "-p", "no:cacheprovider", str(folder)],
        capture_output=True,
        text=True,
        cwd=checked.folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)},
    )
    return {
        name: outcome
        for outcome, name in re.findall(
            r"^(PASSED|FAILED|ERROR) .*?test_(\d+)\.py", session.stdout, re.MULTILINE
        )
    }


def _texts(checked: Checked, verdicts: list[Verdict]) -> Mapping[str, str]:
    made = [replay_test(verdict, checked.exchanges) for verdict in verdicts]
    return {str(at): text for at, text in enumerate(made) if text}


def test_every_finding_has_a_test_that_fails_on_its_bytes(wrong: Checked) -> None:
    examples = [finding.example for finding in findings(wrong.run) if finding.example.client != "all"]
    texts = _texts(wrong, examples)
    assert len(texts) == len(examples) > 5
    assert _outcomes(wrong, texts) == dict.fromkeys(texts, "FAILED")


def test_the_same_test_passes_on_bytes_that_are_right(wrong: Checked, right: Checked) -> None:
    rules = {finding.rule.id for finding in findings(wrong.run)}
    passing = [
        verdict
        for verdict in right.run.verdicts
        if verdict.rule in rules and verdict.client == "openai" and verdict.outcome is Outcome.PASS
    ]
    texts = _texts(right, passing[:12])
    assert len(texts) > 5
    assert _outcomes(right, texts) == dict.fromkeys(texts, "PASSED")


def test_a_test_is_about_ten_lines_of_ascii(wrong: Checked) -> None:
    for finding in findings(wrong.run):
        text = replay_test(finding.example, wrong.exchanges)
        assert text.isascii()
        assert len(text.splitlines()) <= 17


def test_a_finding_without_an_answer_has_no_test(wrong: Checked) -> None:
    assert replay_test(findings(wrong.run)[0].example, {}) == ""
    assert replay_test(HOSTILE_RUN.verdicts[0], EXCHANGES) == ""


def test_a_bug_report_says_what_its_reader_needs(wrong: Checked) -> None:
    text = bugreport(wrong.run, wrong.exchanges, "chat.schema-must")
    for title in ("What was sent", "What came", "What the contract says", "Who breaks", "How to repeat it"):
        assert f"### {title}\n" in text
    assert "curl -sS" in text
    assert '▶"finish_reason": null◀' in text
    assert "Source: " in text
    assert "- `langchain-openai " in text
    assert "def test_chat_schema_must():" in text


def test_hostile_text_in_a_bug_report_stays_text() -> None:
    text = bugreport(HOSTILE_RUN, EXCHANGES, HOSTILE)
    rendered = MarkdownIt("js-default").render(text)
    assert "<script>" not in rendered
    assert "<a " not in rendered
    assert not {"\x1b", "\x00", "\u202e"} & set(text)


def test_a_rule_that_holds_is_no_bug() -> None:
    with pytest.raises(UsageError, match=r"does not fail in this run\. These do: made\.null"):
        bugreport(FAILING, {}, "made.limited")


def test_the_newest_run_is_found(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="no run below"):
        run.newest(tmp_path)
    run_folder = tmp_path / "a" / "b"
    run_folder.mkdir(parents=True)
    run.save(FAILING, run_folder)
    assert run.newest(tmp_path) == run_folder
