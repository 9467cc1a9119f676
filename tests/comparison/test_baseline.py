"""Why a verdict changed: the endpoint, the question, the client library, the rules, the schemas, a waiver."""

import dataclasses
from pathlib import Path

import orjson
import pytest

from harness.comparison.baseline import Changes, changes
from harness.comparison.sentences import change_groups, changes_sentence
from harness.errors import UsageError
from harness.rejudge import recording
from harness.run import Run
from harness.target import Waiver
from harness.verdict import Outcome
from tests.comparison.folders import (
    Line,
    changed,
    is_plain_chat,
    judged_otherwise,
    other_question,
    without_finish_reason,
)

RULE = "chat.schema-must"


def _changes(old: Path, new: Path) -> Changes:
    return changes(recording(old, ()), recording(new, ()))


def test_the_same_run_shows_no_change(folder: Path) -> None:
    found = _changes(folder, folder)
    assert (found.changes, found.exit_code) == ((), 0)
    assert found.compared > 100
    assert "No verdict changed" in changes_sentence(found)


def test_what_the_endpoint_broke_is_a_regression(folder: Path, tmp_path: Path) -> None:
    found = _changes(folder, changed(folder, tmp_path / "new", line=without_finish_reason))
    assert found.exit_code == 1
    assert {change.cause for change in found.changes} == {"endpoint"}
    assert RULE in {change.new.rule for change in found.regressions}
    assert all(
        change.rejudged.outcome is Outcome.PASS for change in found.regressions if change.new.rule == RULE
    )
    assert changes_sentence(found).startswith("The endpoint got worse: ")
    assert change_groups(found)[0].first.is_regression


def test_what_the_endpoint_mended_is_none(folder: Path, tmp_path: Path) -> None:
    found = _changes(changed(folder, tmp_path / "old", line=without_finish_reason), folder)
    assert found.changes
    assert found.exit_code == 0


@pytest.mark.parametrize(
    ("rules", "schemas", "cause"),
    [
        (True, False, "rules"),
        (False, True, "schemas"),
        (True, True, "rules or schemas"),
        (False, False, "rules"),
    ],
)
def test_what_today_s_judge_sees_otherwise_is_no_regression(
    folder: Path, tmp_path: Path, *, rules: bool, schemas: bool, cause: str
) -> None:
    old = changed(folder, tmp_path / "old", run_json=judged_otherwise(RULE, rules=rules, schemas=schemas))
    found = _changes(old, folder)
    assert {(change.new.rule, change.cause) for change in found.changes} == {(RULE, cause)}
    assert found.exit_code == 0


def test_a_judge_that_got_stricter_blames_nobody_else(folder: Path, tmp_path: Path) -> None:
    """Both answers are wrong; only the old run did not see it."""

    def blind(run: Run) -> Run:
        return dataclasses.replace(run, judged_by=dataclasses.replace(run.judged_by, rules={}))

    old = changed(folder, tmp_path / "old", line=without_finish_reason, run_json=blind)
    new = changed(folder, tmp_path / "new", line=without_finish_reason)
    found = _changes(old, new)
    assert {change.cause for change in found.changes} == {"rules"}
    assert RULE in {change.new.rule for change in found.changes}
    assert found.exit_code == 0


def test_only_what_is_waived_comes_of_waivers(folder: Path, tmp_path: Path) -> None:
    def waived(run: Run) -> Run:
        verdicts = [
            dataclasses.replace(one, outcome=Outcome.WAIVED) if one.rule == RULE else one
            for one in run.verdicts
        ]
        return dataclasses.replace(run, verdicts=verdicts)

    found = _changes(changed(folder, tmp_path / "old", run_json=waived), folder)
    assert {(change.new.rule, change.cause) for change in found.changes} == {(RULE, "waivers")}


def test_a_waiver_that_ended_is_no_regression_of_the_endpoint(folder: Path, tmp_path: Path) -> None:
    def waived(run: Run) -> Run:
        verdicts = [
            dataclasses.replace(one, outcome=Outcome.WAIVED) if one.outcome is Outcome.FAIL else one
            for one in run.verdicts
        ]
        return dataclasses.replace(run, waivers=[Waiver(RULE, "known")], verdicts=verdicts)

    wrong = changed(folder, tmp_path / "wrong", line=without_finish_reason)
    old = changed(wrong, tmp_path / "old", run_json=waived)
    found = _changes(old, wrong)
    assert not found.regressions


def test_another_question_is_no_regression_of_the_endpoint(folder: Path, tmp_path: Path) -> None:
    old = changed(folder, tmp_path / "old", line=other_question)
    new = changed(folder, tmp_path / "new", line=without_finish_reason)
    found = _changes(old, new)
    # What both modes give is held against each other, so the question of a pair is that of either.
    assert {change.cause for change in found.changes} == {"question"}
    assert found.exit_code == 0


def test_another_version_of_a_client_is_no_regression_of_the_endpoint(folder: Path, tmp_path: Path) -> None:
    def newer(line: Line) -> None:
        if line["client"] == "openai":
            line["client_version"] = "openai 99"
            for choice in line["reply"]["choices"]:
                choice["text"] = "another text"

    found = _changes(folder, changed(folder, tmp_path / "new", line=newer))
    assert {change.cause for change in found.changes} == {"client"}
    assert {change.new.client for change in found.changes} == {"openai"}
    assert found.exit_code == 0


def test_a_client_s_new_version_is_not_the_endpoint_s_doing_where_raw_did_not_ask(
    folder: Path, tmp_path: Path
) -> None:
    def only_langchain(line: Line) -> None:
        if line["client"] == "raw":
            line["client"] = "gone"

    def newer(line: Line) -> None:
        only_langchain(line)
        if line["client"] == "langchain":
            line["client_version"] = "langchain 99"
            without_finish_reason(line)

    old = changed(folder, tmp_path / "old", line=only_langchain)
    found = _changes(old, changed(folder, tmp_path / "new", line=newer))
    assert {change.cause for change in found.changes} == {"client"}
    assert found.exit_code == 0


def test_a_change_of_claims_is_no_regression_of_the_endpoint(folder: Path, tmp_path: Path) -> None:
    def refused(line: Line) -> None:
        if is_plain_chat(line):
            line["exchange"]["response"]["status"] = 404

    def refused_and_not_claimed(line: Line) -> None:
        refused(line)
        if is_plain_chat(line):
            line["is_claimed"] = False

    old = changed(folder, tmp_path / "old", line=refused_and_not_claimed)
    found = _changes(old, changed(folder, tmp_path / "new", line=refused))
    assert {change.cause for change in found.changes} == {"claims"}
    assert Outcome.UNSUPPORTED in {change.rejudged.outcome for change in found.changes}
    assert found.exit_code == 0


def _same_id(line: Line) -> None:
    response = line["exchange"]["response"]
    if is_plain_chat(line):
        body = orjson.loads(response["body"])
        response["body"] = orjson.dumps({**body, "id": "chatcmpl-same"}).decode()
        response["reads"] = [[response["reads"][0][0], len(response["body"].encode())]]


def test_whole_runs_are_judged_on_what_both_asked(folder: Path, tmp_path: Path) -> None:
    """The new run asks something more, and its answers have one id: that is no change of the endpoint."""
    whole = "usage.unique-ids"
    same = changed(folder, tmp_path / "same", line=_same_id)
    assert whole in {change.new.rule for change in _changes(folder, same).regressions}
    old = changed(folder, tmp_path / "old", line=other_question)
    assert whole not in {change.new.rule for change in _changes(old, same).changes}


def test_whole_runs_through_a_newer_client_alone_blame_the_client(folder: Path, tmp_path: Path) -> None:
    def gone(line: Line) -> None:
        if line["client"] == "raw":
            line["client"] = "gone"
            line["scenario"] = "gone"

    def newer(line: Line) -> None:
        gone(line)
        line["client_version"] = "99"
        if line["scenario"] != "gone":
            _same_id(line)

    old = changed(folder, tmp_path / "old", line=gone)
    found = _changes(old, changed(folder, tmp_path / "new", line=newer))
    assert {(change.new.rule, change.cause) for change in found.changes} >= {("usage.unique-ids", "client")}
    assert found.exit_code == 0


def test_runs_without_a_cell_in_common_say_nothing(folder: Path, tmp_path: Path) -> None:
    def other_client(line: Line) -> None:
        line["client"] = f"other-{line['client']}"

    found = _changes(folder, changed(folder, tmp_path / "new", line=other_client))
    assert found.exit_code == 3
    assert "Nothing stands in both" in changes_sentence(found)


def test_a_run_that_was_never_finished_is_no_baseline(folder: Path, tmp_path: Path) -> None:
    copy = changed(folder, tmp_path / "old")
    (copy / "run.json").unlink()
    with pytest.raises(UsageError, match="baseline needs"):
        _changes(copy, folder)
