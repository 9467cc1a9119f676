"""Proving: the figures, the matrix, what is missed, what goes on after an interruption, the command."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types

from harness import content, prove
from harness.endpoint.faults import faults
from harness.errors import CodeChangedError, RunFolderError, UsageError
from harness.proof import (
    Catch,
    MutatedAnswer,
    Pair,
    Proof,
    Retrial,
    Trial,
    Unjudged,
    Way,
    json_schema,
    load,
    save,
)
from harness.prove import MUTATIONS, TRUTH, Task, tasks
from harness.report.proof_page import answer, render
from harness.report.proof_terminal import told

_ROOT = Path(__file__).parents[2]


def likewise(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )


def trial(**changes: object) -> Trial:
    """A fault that its one rule caught through two clients."""
    caught = Catch("tools.id-given", "must", ["raw", "openai"], ["plain"], "tool-call", "received null")
    whole = Trial(
        id="st-id-empty",
        kind="fault",
        dialect="openai",
        sentence="The id of a plain call is empty.",
        rows=["st-id-empty"],
        source="",
        because="",
        expected=["tools.id-given"],
        scenarios=["tool-call"],
        clients=["raw", "openai", "langchain"],
        state="caught",
        silent=[],
        catches=[caught],
        followed=[],
        by_default="named",
        unjudged=[],
        broken=[],
        requests=6,
        verdicts=300,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]  # a test's own words


def proof(*trials: Trial, mutated: Sequence[MutatedAnswer] = ()) -> Proof:
    return Proof(
        schema="likewise/proof/1",
        started="2026-11-25T00:00:00+00:00",
        finished="2026-11-25T00:03:00+00:00",
        is_complete=True,
        environment=prove.Environment("0.1.0", "3.11", "x", {}),
        trials=list(trials),
        mutated=list(mutated),
        pairs=[],
        retrials=[],
        rows=[],
        untripped=[],
    )


UNJUDGED = Unjudged("usage.counted", "inconclusive", 2, ["raw"], ["plain"], "founding", "no usage came")


def _beyond(count: int) -> list[Catch]:
    return [Catch(f"x.{number}", "spec", ["raw"], ["plain"], "founding", "") for number in range(count)]


# --- the figures ---


def test_the_figures_count_faults_and_legal_trials_at_one_level() -> None:
    advice = Catch("tools.id-given", "recommended", ["raw"], ["plain"], "tool-call", "received null")
    legal = trial(id="gzip", kind="variation", state="quiet", expected=[], catches=[])
    made = proof(
        trial(),
        trial(catches=[advice, *_beyond(1)]),
        trial(state="missed", silent=["tools.id-given"]),
        legal,
        replace(legal, catches=[advice]),
        replace(legal, catches=_beyond(1), state="false alarm"),
        replace(legal, unjudged=[UNJUDGED], because="Nothing is counted."),
        mutated=[MutatedAnswer("a", 9, ["/id as 1"])],
    )
    assert (made.caught, made.sensitivity) == ((2, 3), (1, 3))
    assert (made.specificity, made.advised, len(made.unjudged)) == ((3, 4), 1, 1)
    assert made.mutations == (8, 9)
    assert answer(made) == (
        "2 of 3 faults caught, 1 of them at level spec and 1 by a recommendation alone; "
        "3 named by a check without claims; a fault trips 0 other rules in the median and 1 at most; "
        "1 false alarms in 4 legal trials, 1 of which get a recommendation "
        "and 1 of which leave a rule unjudged; "
        "8 of 9 single mutations pointed at"
    )


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (
            trial(state="missed", silent=["tools.id-given"]),
            "st-id-empty is missed: tools.id-given did not fail.",
        ),
        (
            trial(id="gzip", kind="variation", state="false alarm", expected=[]),
            "gzip (openai) is legal, and tools.id-given failed.",
        ),
        (
            trial(id="gzip", kind="variation", state="quiet", expected=[], catches=[], unjudged=[UNJUDGED]),
            "gzip (openai) leaves unjudged usage.counted and does not say why.",
        ),
        (trial(catches=_beyond(4)), "st-id-empty trips 4 rules beyond its own and does not say why."),
        (trial(broken=["x: raised"]), "st-id-empty: x: raised"),
    ],
)
def test_what_is_not_proved_is_said_and_is_exit_code_1(one: Trial, said: str) -> None:
    made = proof(one)
    assert (list(made.failures()), made.exit_code) == ([said], 1)


def test_many_rules_with_a_reason_are_no_failure() -> None:
    assert proof(trial(catches=_beyond(4), because="It ends the stream.")).exit_code == 0


def test_a_mutation_that_nobody_points_at_is_a_failure() -> None:
    made = proof(mutated=[MutatedAnswer("founding, plain", 9, ["/id as 1"])])
    assert list(made.failures()) == ["founding, plain: nobody points at /id as 1."]


def test_the_matrix_names_the_rules_with_their_clients() -> None:
    one = trial(catches=[*trial().catches, *_beyond(1)])
    assert told(one) == "✓ st-id-empty: tools.id-given (raw, openai); beyond its own x.0"


# --- what there is to prove ---


def test_everything_is_proved_when_nothing_is_named() -> None:
    ids = {task.id for task in tasks()}
    assert {TRUTH, MUTATIONS, "st-index-missing", "gzip"} <= ids
    assert {task.dialect for task in tasks() if task.id == "gzip"} == {"openai", "dashscope"}
    assert len({task.key for task in tasks()}) == len(tasks())


def test_pairs_of_faults_are_the_same_ones_each_time() -> None:
    assert len(tasks(["*+*"])) == 60
    assert prove.pairs() == prove.pairs()


@pytest.mark.parametrize(
    ("first", "second", "named", "masked"),
    [
        ("st-index-missing", "em-index-missing.zero", ["st-index-missing", "em-index-missing.zero"], []),
        ("sf-stream-ignored", "sf-comment-as-data", [], ["sf-stream-ignored", "sf-comment-as-data"]),
    ],
)
def test_of_two_faults_at_once_each_is_named_or_masked(
    first: str, second: str, named: list[str], masked: list[str]
) -> None:
    shows = (*faults()[first].shows, *faults()[second].shows)
    told = prove.proved(prove.Task(f"{first}+{second}", "openai", shows))
    assert told == Pair((first, second), named, masked, [])


def test_a_fault_that_hides_behind_another_is_no_proof() -> None:
    made = replace(proof(trial()), pairs=[Pair(("a-fault", "b-fault"), ["a-fault"], [], ["b-fault"])])
    assert list(made.failures()) == ["b-fault is missed beside a-fault."]
    assert made.exit_code == 1


def test_a_sample_of_the_faults_is_tried_in_each_other_way() -> None:
    ways = Counter(task.way for task in tasks() if task.way)
    assert ways == dict.fromkeys(get_args(Way), 60)


@pytest.mark.parametrize("way", get_args(Way))
def test_a_fault_is_caught_in_another_way(way: Way) -> None:
    dialect = "dashscope" if "DashScope" in way else "openai"
    shows = faults()["st-index-missing"].shows
    told = prove.proved(prove.Task("st-index-missing", dialect, shows, way=way))
    assert told == Retrial("st-index-missing", way, [])


def test_a_fault_that_is_missed_in_another_way_is_no_proof() -> None:
    made = replace(proof(trial()), retrials=[Retrial("a-fault", "with small writes", ["a.rule"])])
    assert list(made.failures()) == ["a-fault, with small writes, is missed: a.rule did not fail."]


def test_a_pattern_names_several() -> None:
    assert {task.id for task in tasks(["st-id-empty*"])} == {
        "st-id-empty",
        "st-id-empty.stream",
        "st-id-empty-continuation",
    }


def test_a_pattern_that_names_nothing_is_told() -> None:
    with pytest.raises(UsageError, match="no fault and no variation named 'st-nothing'"):
        tasks(["st-nothing"])


def test_a_follow_up_is_asked_after_what_it_follows() -> None:
    assert [one.id for one in prove.asked_in("openai", ["tool-result"])] == ["tool-call", "tool-result"]


def test_what_a_dialect_does_not_claim_is_not_asked_in_it() -> None:
    assert prove.asked_in("dashscope", ["completion"]) == []


# --- trials ---


def test_a_fault_is_caught_through_every_client_with_a_message_that_names_it() -> None:
    found = prove.tried(Task("sc-two-finish-chunks", "openai", ("founding",)))
    (own,) = found.own
    assert (found.state, own.rule, own.clients) == (
        "caught",
        "stream.finish-once",
        ["raw", "openai", "langchain"],
    )
    assert "only one finish reason" in own.message


def test_a_fault_without_its_rule_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    left = {name: rule for name, rule in content.rules().items() if name != "stream.finish-once"}
    monkeypatch.setattr(content, "rules", lambda: left)
    found = prove.tried(Task("sc-two-finish-chunks", "openai", ("founding",)))
    assert (found.state, found.silent) == ("missed", ["stream.finish-once"])


def test_a_variation_is_quiet_in_both_dialects() -> None:
    for dialect in ("openai", "dashscope"):
        found = prove.tried(Task("keep-alives", dialect, ("founding",)))
        assert (found.state, found.unjudged) == ("quiet", [])


def test_a_rule_that_passes_on_the_truth_and_is_not_judged_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = replace(prove.faults()["cn-body-empty"], is_fault=False, caught_by=())
    monkeypatch.setattr(prove, "departure", lambda name: wrong if name == "cn-body-empty" else None)
    found = prove.tried(Task("cn-body-empty", "openai", ("founding",)))
    lost = {one.rule: one for one in found.unjudged}
    assert lost["chat.choice-count"].outcome == "inconclusive"
    assert lost["chat.choice-count"].clients == ["raw", "openai", "langchain"]
    assert "http.json" not in lost  # it fails, which is no silence


def test_a_fault_that_is_asked_as_if_it_were_the_truth_is_a_false_alarm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = replace(prove.faults()["cn-finish-upper"], is_fault=False, caught_by=())
    monkeypatch.setattr(prove, "departure", lambda _: wrong)
    assert prove.tried(Task("cn-finish-upper", "openai", ("founding",))).state == "false alarm"


# --- going on ---


def test_what_was_interrupted_goes_on_where_it_stopped(tmp_path: Path) -> None:
    wanted = tasks(["mo-empty", "mo-paged"])
    log, asked = tmp_path / "trials.jsonl", []
    prove.prove(wanted[:1], tmp_path, 1, asked.append, is_complete=False)
    with log.open("ab") as file:
        file.write(b'{"key":"mo-paged/openai/models-list","kind":"Tri')  # killed while it wrote
    kept = log.read_bytes().splitlines()[:2]
    done = prove.prove(wanted, tmp_path, 1, asked.append, is_complete=False)
    assert (done.sensitivity, len(asked)) == ((2, 2), 3)
    assert log.read_bytes().splitlines()[:2] == kept


def test_what_is_there_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prove, "_in_processes", lambda todo, _: map(prove._signed, todo))
    first = prove.prove(tasks(["mo-empty"]), tmp_path, 1, lambda _: None, is_complete=False)
    before = (tmp_path / "trials.jsonl").read_bytes()
    monkeypatch.setattr(prove, "now", lambda: "later")
    again = prove.prove(tasks(["mo-empty"]), tmp_path, 1, lambda _: None, is_complete=False)
    assert (again.trials, (tmp_path / "trials.jsonl").read_bytes()) == (first.trials, before)
    assert (again.started, again.finished) == (first.started, "later")


def test_results_of_other_code_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prove, "_in_processes", lambda todo, _: map(prove._signed, todo))
    log = tmp_path / "trials.jsonl"
    log.write_bytes(
        b'{"code":"other","started":"before"}\n{"key":"mo-empty/openai/models-list","kind":"Trial","result":{}}\n'
    )
    made = prove.prove(tasks(["mo-empty"]), tmp_path, 1, lambda _: None, is_complete=False)
    assert made.sensitivity == (1, 1)
    assert json.loads(log.read_bytes().splitlines()[0]) == {
        "code": prove.fingerprint(),
        "started": made.started,
    }
    assert made.started != "before"


@pytest.mark.parametrize(
    "name", ["langchain-core", "pydantic", "orjson", "h11", "jsonschema", "openai", "uvicorn"]
)
def test_another_version_of_a_library_is_other_code(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said, here = prove.version, prove.fingerprint()
    monkeypatch.setattr(prove, "version", lambda one: "0.0.other" if one == name else said(one))
    assert prove.fingerprint.__wrapped__() != here


def test_another_python_is_other_code(monkeypatch: pytest.MonkeyPatch) -> None:
    here = prove.fingerprint()
    monkeypatch.setattr(prove.platform, "python_version", lambda: "3.99.0")
    assert prove.fingerprint.__wrapped__() != here


def test_a_process_with_other_code_is_refused_and_its_result_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prove, "fingerprint", lambda: "edited since")
    with pytest.raises(CodeChangedError, match=r"changed while it was being proved\. Run `likewise prove`"):
        prove.prove(tasks(["mo-empty"]), tmp_path, 1, lambda _: None, is_complete=False)
    assert len((tmp_path / "trials.jsonl").read_bytes().splitlines()) == 1


# --- files and the command ---


def test_a_proof_is_what_its_schema_says_and_is_read_again(tmp_path: Path) -> None:
    made = proof(trial(), trial(unjudged=[UNJUDGED]), mutated=[MutatedAnswer("a", 1, [])])
    save(made, tmp_path)
    Draft202012Validator(json_schema()).validate(json.loads((tmp_path / "proof.json").read_bytes()))
    assert load(tmp_path) == made


def test_a_folder_without_a_proof_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="holds no proof"):
        load(tmp_path)
    (tmp_path / "proof.json").write_text("{}")
    with pytest.raises(RunFolderError, match="not a proof that this version reads"):
        load(tmp_path)


def test_keys_of_a_file_that_is_no_proof_do_not_act_on_the_terminal(tmp_path: Path) -> None:
    made = json.loads(save(proof(), tmp_path).read_bytes())
    made["environment"]["clients"] = {"\x1b[2J" + "x" * 100: 1}
    (tmp_path / "proof.json").write_text(json.dumps(made))
    with pytest.raises(RunFolderError) as told:
        load(tmp_path)
    assert "environment.clients.␛[2Jxxx" in str(told.value)
    assert "more characters" in str(told.value)
    assert "\x1b" not in str(told.value)


def test_the_page_stands_alone_and_says_the_figures() -> None:
    page = render(proof(trial(), trial(id="sc-role-missing", sentence="No delta has the role <script>.")))
    assert "2 of 2 faults caught, 2 of them at level spec" in page
    assert "<script>." not in page
    assert not re.search(r'(?:src|href)="(?!#)', page)


def test_the_command_proves_and_writes(tmp_path: Path) -> None:
    result = likewise("prove", "mo-empty", "keep-alives", "--out", "out", "--jobs", "1", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (
        "1 of 1 faults caught, 1 of them at level spec and 0 by a recommendation alone; "
        "1 named by a check without claims; a fault trips 0 other rules in the median and 0 at most; "
        "0 false alarms in 2 legal trials, 0 of which get a recommendation "
        "and 0 of which leave a rule unjudged."
    ) in " ".join(result.stdout.split())
    assert "✓ mo-empty: models.not-empty (raw, openai)" in result.stdout
    kept = load(tmp_path / "out")
    assert (kept.is_complete, [one.state for one in kept.trials]) == (False, ["caught", "quiet", "quiet"])
    assert (tmp_path / "out" / "proof.html").exists()


def test_a_name_that_there_is_not_ends_the_command_with_2(tmp_path: Path) -> None:
    result = likewise("prove", "nothing-such", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("Error: There is no fault and no variation named 'nothing-such'.")


def test_serve_departs_as_it_is_told_and_refuses_what_there_is_not(tmp_path: Path) -> None:
    result = likewise("serve", "--fault", "st-index-mising", cwd=tmp_path)
    assert result.returncode == 2
    assert "st-index-missing" in result.stderr
