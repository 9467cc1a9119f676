"""load.json: published schema, reading back, exit codes, and folders that hold something else."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from harness.cli import main
from harness.errors import RunFolderError, UnwritableError, UsageError
from harness.load import load_run
from harness.load.load_run import Curve, Ending, LoadRun
from harness.load.objectives import parse_objectives
from harness.load.record import Outcome
from harness.load.search import Step, find_max
from harness.load.verdicts import verdicts
from harness.report.load.summary import state
from harness.rulebook import publish_schemas
from tests.load import runs
from tests.load.records import record

ROOT = Path(__file__).parents[2]


def test_the_published_schema_is_fresh(tmp_path: Path) -> None:
    publish_schemas(tmp_path)
    published = ROOT / "harness" / "schemas" / "published" / "load.json"
    assert published.read_text() == (tmp_path / "load.json").read_text(), "run make docs"


def test_a_run_conforms_to_the_published_schema_and_reads_back_as_it_was(tmp_path: Path) -> None:
    run = _with_curve(runs.load_run())
    load_run.save(run, tmp_path)
    Draft202012Validator(load_run.json_schema()).validate(json.loads((tmp_path / "load.json").read_bytes()))
    assert load_run.load(tmp_path) == run


def _with_curve(run: LoadRun) -> LoadRun:
    found = find_max(lambda _: run.clients[0], (), 1)
    run = load_run.compared(run, run)
    return replace(run, curve=Curve("requests/s", list(found.steps[:2]), found.level, found.sentence))


def test_the_exit_code_tells_objectives_and_validity_apart() -> None:
    kept = runs.load_run(runs.some_records(failures=0))
    assert kept.exit_code == 0
    assert runs.load_run(runs.some_records(ttft_ms=900)).exit_code == 1
    assert load_run.compared(kept, kept).exit_code == 0
    slower = runs.load_run(runs.some_records(ttft_ms=150, failures=0))
    assert load_run.compared(slower, kept).exit_code == 1
    assert load_run.compared(kept, slower).exit_code == 0
    late = runs.load_run([replace(each, woke_ns=each.due_ns + 50_000_000) for each in runs.some_records()])
    assert late.exit_code == 3
    assert "saturated" in late.invalid[0]
    failed = runs.load_run(record(n, due_s=3, outcome=Outcome.UNREACHABLE) for n in range(5))
    assert failed.exit_code == 1
    assert replace(failed, objectives=[], plan=replace(failed.plan, objectives=[])).exit_code == 3


@pytest.mark.parametrize("ending", ["short of a worker", "interrupted", "killed"])
def test_objectives_that_a_part_of_a_run_kept_are_no_success(ending: Ending) -> None:
    kept, missed = (runs.load_run(runs.some_records(ttft_ms, failures=0)) for ttft_ms in (120, 900))
    assert replace(kept, ending=ending).exit_code == 3
    assert replace(missed, ending=ending).exit_code == 1
    assert state(replace(kept, ending=ending)) == "cut short"
    assert state(kept) == "keeps"


def test_a_sweep_misses_where_one_of_its_levels_does_and_keeps_what_is_valid_alone() -> None:
    run = runs.load_run(runs.some_records(failures=0))
    late = [replace(each, woke_ns=each.due_ns + 50_000_000) for each in runs.some_records()]
    kept, missed, void = (
        Step(level, figures, tuple(verdicts(parse_objectives(runs.OBJECTIVES), figures)))
        for level, figures in enumerate(
            map(runs.figures_of, (runs.some_records(failures=0), runs.some_records(900), late)), 1
        )
    )
    for steps, code in (([kept], 0), ([kept, missed], 1), ([kept, void], 3), ([missed, void], 1)):
        assert replace(run, curve=Curve("users", steps)).exit_code == code
    bare = [replace(step, verdicts=()) for step in (kept, void)]
    curve = Curve("users", bare)
    assert replace(run, curve=curve, objectives=[], plan=replace(run.plan, objectives=[])).exit_code == 0


def test_a_search_that_lost_a_worker_has_found_nothing() -> None:
    run = runs.load_run(runs.some_records(failures=0))
    steps = [Step(1, run.clients[0]), Step(2, run.clients[0])]
    cut_short = Curve("users", steps, 2, "The search was cut short: 2 users kept the objectives.")
    assert replace(run, curve=cut_short).exit_code == 0
    assert replace(run, curve=cut_short, ending="short of a worker").exit_code == 3
    nothing = replace(cut_short, highest=None)
    assert replace(run, curve=nothing).exit_code == 1
    assert replace(run, curve=nothing, ending="short of a worker").exit_code == 3


def test_a_curve_is_held_against_its_baseline_at_a_level_of_both() -> None:
    fast, slow = (
        runs.figures_of(runs.some_records(ttft_ms=ttft_ms, failures=0)) for ttft_ms in (120.0, 240.0)
    )
    run = runs.load_run(runs.some_records(failures=0))
    before = replace(run, curve=Curve("requests/s", [Step(5, fast), Step(10, fast), Step(20, slow)]))
    after = replace(run, curve=Curve("requests/s", [Step(10, slow), Step(5, fast)]))
    held = load_run.compared(after, before)
    assert held.notes[0].startswith("Compared at poisson:10, ")
    assert held.exit_code == 1
    found = replace(
        held, curve=Curve("requests/s", held.curve.steps, 10, "It keeps 10.") if held.curve else None
    )
    assert found.exit_code == 1
    elsewhere = load_run.compared(replace(run, curve=Curve("requests/s", [Step(7, fast)])), before)
    assert elsewhere.notes[0].startswith("No level of load was measured in every run")
    assert elsewhere.exit_code == 3


def test_runs_of_different_clients_have_nothing_to_compare() -> None:
    run = runs.load_run()
    other = replace(run, clients=[replace(client, client="openai") for client in run.clients])
    asked = [(client.client, client.mode) for client in run.clients]
    with pytest.raises(UsageError, match="figures of openai stream and this run of raw stream"):
        load_run.check_comparable(other, run, asked)
    with pytest.raises(UsageError, match="figures of no client"):
        load_run.check_comparable(replace(run, clients=[]), run, asked)


def test_a_baseline_that_was_asked_otherwise_is_refused() -> None:
    run = runs.load_run()
    asked = [(client.client, client.mode) for client in run.clients]
    load_run.check_comparable(run, run, asked)
    summarised = replace(run.workload, name="long-prompt", source="sentence = 1")
    for other, why in (
        (
            replace(run, plan=replace(run.plan, arrivals="poisson:10")),
            "arrivals poisson:10 there, poisson:20",
        ),
        (replace(run, plan=replace(run.plan, cap=8)), "a cap of 8 there, no cap here"),
        (replace(run, output_cap="none"), "answers without a cap there, with one here"),
        (replace(run, workload=summarised), "the workload long-prompt there, short-chat here"),
        (replace(run, workload=replace(run.workload, source="")), "the text of the workload short-chat is"),
    ):
        with pytest.raises(UsageError, match=why):
            load_run.check_comparable(other, run, asked)
    swept = replace(run, curve=Curve("requests/s", [Step(10, run.clients[0])]))
    load_run.check_comparable(swept, run, asked)
    late = [replace(each, woke_ns=each.due_ns + 50_000_000) for each in runs.some_records()]
    with pytest.raises(UsageError, match="The baseline is not valid: The generator was saturated"):
        load_run.check_comparable(runs.load_run(late), run, asked)


def test_a_baseline_whose_cap_was_spelled_otherwise_is_of_the_same_load() -> None:
    run = runs.load_run()
    other = replace(run, output_cap="max_completion_tokens")
    load_run.check_comparable(other, run, [(client.client, client.mode) for client in run.clients])
    held = load_run.compared(run, other)
    assert held.notes == []
    assert held.baseline is not None
    assert held.baseline.differences


def test_what_else_was_asked_otherwise_is_told() -> None:
    run = runs.load_run()
    assert load_run.compared(run, run).notes == []
    other = replace(run, plan=replace(run.plan, seed=7, objectives=["errors<1%"]))
    held = load_run.compared(run, other)
    assert held.notes == [
        "The baseline was asked otherwise, which may be what differs: "
        "seed 7 (here 1), objectives errors<1% (here ttft.p95<500ms, itl.p99<80ms, errors<0.5%)."
    ]
    assert held.baseline is not None
    assert "goodput" not in [each.figure for each in held.baseline.differences]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnwritableError, match=r"can't be written \(Not a directory\)"):
        load_run.save(runs.load_run(), tmp_path / "file" / "run")


def test_a_folder_without_a_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="holds no load run"):
        load_run.load(tmp_path / "none")


def test_a_folder_of_a_check_is_told(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(RunFolderError, match="a conformance run and no load run"):
        load_run.load(tmp_path)


def test_a_run_that_was_cut_short_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "requests.jsonl.zst").write_bytes(b"")
    monkeypatch.setattr(sys, "argv", ["likewise", "report", str(tmp_path)])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "cut short before its first figures" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda text: text[: len(text) // 2], "is cut off or damaged"),
        (lambda text: text.replace("likewise/load/1", "likewise/load/0"), 'was written as "likewise/load/0"'),
        (lambda _: "{}", "does not say what it is"),
        (lambda text: text.replace('"seed": 1', '"seed": "x"'), "plan.seed: Input should be a valid integer"),
    ],
)
def test_a_file_that_this_version_does_not_read_is_told(tmp_path: Path, change: object, what: str) -> None:
    load_run.save(runs.load_run(), tmp_path)
    path = tmp_path / "load.json"
    assert callable(change)
    path.write_text(change(path.read_text()))
    with pytest.raises(RunFolderError) as raised:
        load_run.load(tmp_path)
    assert what in str(raised.value)


@pytest.mark.parametrize("of", ["environment", "the whole", "schema"])
def test_a_terminal_obeys_nothing_that_a_file_says(
    of: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    escape = "\x1b]0;mine\x07\x1b[2J\u202e"
    load_run.save(runs.load_run(), tmp_path)
    content = json.loads((tmp_path / "load.json").read_bytes())
    match of:
        case "environment":
            content["environment"]["clients"] = {escape: {escape: escape}}
        case "schema":
            content["schema"] = escape
        case _:
            content = {"schema": load_run.SCHEMA, escape: escape}
    (tmp_path / "load.json").write_text(json.dumps(content))
    monkeypatch.setattr(sys, "argv", ["likewise", "report", str(tmp_path)])
    with pytest.raises(SystemExit) as raised:
        main()
    err = capsys.readouterr().err
    assert raised.value.code == 2
    assert "load.json" in err
    assert [char for char in err if not char.isprintable() and char != "\n"] == []
