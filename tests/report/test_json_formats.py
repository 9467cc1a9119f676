"""The formats that are JSON: each keeps its published schema, and CTRF's counts agree with the exit code."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from harness import report
from harness.report import badge, ctrf
from harness.rule import LEVELS, Violation
from harness.verdict import Outcome
from tests.report.rendered import rendered
from tests.report.runs import EXCHANGES, FAILING, RUNS, run, verdict
from tests.report.test_text import ANY_TEXT

PUBLISHED = Path(__file__).parent.parent.parent / "harness" / "schemas" / "published"


def _document(name: str, case: str) -> Any:
    return json.loads(rendered(name, RUNS[case], EXCHANGES))


@pytest.mark.parametrize("case", RUNS)
@pytest.mark.parametrize("name", ["badge_json", "ctrf"])
def test_a_json_format_keeps_its_published_schema(name: str, case: str) -> None:
    schema = json.loads((PUBLISHED / report.formats()[name].FILENAME).read_bytes())
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(_document(name, case))


@pytest.mark.parametrize("case", RUNS)
def test_the_sums_of_ctrf_agree_with_its_tests(case: str) -> None:
    results = _document("ctrf", case)["results"]
    statuses = [test["status"] for test in results["tests"]]
    summary = results["summary"]
    assert summary["tests"] == len(statuses) == len(RUNS[case].verdicts)
    for status in ("passed", "failed", "skipped"):
        assert summary[status] == statuses.count(status)
    assert summary["stop"] >= summary["start"]


@pytest.mark.parametrize("level", LEVELS)
def test_what_the_exit_code_counts_has_failed(level: Any) -> None:
    import dataclasses

    finished = dataclasses.replace(FAILING, level=level)
    tests = json.loads(rendered("ctrf", finished, {}))["results"]["tests"]
    counted = sum(test["status"] == "failed" and test["rawStatus"] == "fail" for test in tests)
    assert counted == len(finished.failures())


@given(ANY_TEXT)
def test_any_text_keeps_the_schema(text: str) -> None:
    finished = run(
        [verdict("made.up", Outcome.FAIL, cell=(text, text, text), evidence=[Violation(text, text, text)])]
    )
    Draft202012Validator(ctrf.json_schema()).validate(json.loads(rendered("ctrf", finished, {})))
    assert rendered("csv", finished, {}).encode().count(b"\n") == 2


def test_a_spreadsheet_calculates_nothing_that_an_endpoint_said() -> None:
    finished = run([verdict("made.up", Outcome.FAIL, evidence=[Violation("=1+1", "@x")])])
    assert ",'=1+1,'@x," in rendered("csv", finished, {})


@pytest.mark.parametrize("case", RUNS)
def test_both_badges_say_the_same(case: str) -> None:
    said = json.loads(rendered("badge_json", RUNS[case], {}))
    drawn = rendered("badge", RUNS[case], {})
    assert said["message"] in drawn
    assert said["color"] in drawn
    assert "href" not in drawn


def test_a_badge_says_how_many_uses_work_and_how_many_rules_fail() -> None:
    assert badge.message(RUNS["conforming"]) == "2 of 2 uses"
    assert badge.message(FAILING) == "0 of 2 uses, 2 rules fail"
    assert badge.message(run([verdict("made.up", Outcome.INCONCLUSIVE, reason="x")])) == "not judged"
