"""JUnit XML as a CI server reads it."""

from collections.abc import Mapping
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given

from harness.rule import LEVELS, Level, Violation
from harness.run import Run
from harness.verdict import Outcome
from tests.report.rendered import rendered
from tests.report.runs import EXCHANGES, FAILING, RUNS, run, verdict
from tests.report.test_text import ANY_TEXT


def parsed(finished: Run) -> ElementTree.Element:
    return ElementTree.fromstring(rendered("junit", finished, EXCHANGES))  # noqa: S314  # our own text


@pytest.mark.parametrize("name", RUNS)
def test_every_verdict_is_a_case_and_the_sums_agree(name: str) -> None:
    root = parsed(RUNS[name])
    assert len(root.findall(".//testcase")) == len(RUNS[name].verdicts)
    tags: Mapping[str, str] = {
        "failures": "failure",
        "errors": "error",
        "skipped": "skipped",
        "tests": "testcase",
    }
    for group in [root, *root.findall("testsuite")]:
        for total, tag in tags.items():
            assert int(group.attrib[total]) == len(group.findall(f".//{tag}"))


@pytest.mark.parametrize("level", LEVELS)
def test_a_failure_is_what_the_exit_code_counts(level: Level) -> None:
    finished = replace(FAILING, level=level)
    assert len(parsed(finished).findall(".//failure")) == len(finished.failures()) > 0


def test_a_suite_is_a_surface() -> None:
    verdicts = [verdict("chat.a"), verdict("stream.b"), verdict("chat.c")]
    suites = parsed(run(verdicts)).findall("testsuite")
    assert {suite.attrib["name"]: suite.attrib["tests"] for suite in suites} == {"chat": "2", "stream": "1"}


@pytest.mark.parametrize(
    "outcome", [Outcome.WAIVED, Outcome.UNSUPPORTED, Outcome.INCONCLUSIVE, Outcome.SKIPPED]
)
def test_what_was_not_judged_is_skipped_and_says_why(outcome: Outcome) -> None:
    (skipped,) = parsed(run([verdict("made.up", outcome, reason="because")])).findall(".//skipped")
    assert skipped.attrib["message"] == f"{outcome.value}: because"


@given(ANY_TEXT)
def test_any_text_is_well_formed_xml(text: str) -> None:
    failing = run(
        [verdict("made.up", Outcome.FAIL, cell=(text, text, text), evidence=[Violation(text, text, text)])]
    )
    (failure,) = parsed(failing).findall(".//failure")
    assert "Expected: " in str(failure.text)


def test_the_evidence_of_one_case_is_bounded() -> None:
    endless = [Violation("x" * 1_000_000, "y", f"/{at}") for at in range(1_000)]
    assert len(rendered("junit", run([verdict("made.up", Outcome.FAIL, evidence=endless)]), {})) < 50_000
