"""The run folder: published schema, reading back, and folders that are cut short or no run at all."""

import json
from pathlib import Path

import pytest
import zstandard
from jsonschema import Draft202012Validator

from harness import run
from harness.check import Settings, check
from harness.errors import RunFolderError
from harness.rulebook import publish_schemas
from harness.run import Run
from harness.target import resolve
from harness.uses import USES
from harness.verdict import Outcome

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short run on the reference endpoint."""
    place = tmp_path_factory.mktemp("run")
    with check(resolve("reference", {}), Settings(profile="smoke"), {}) as checking:
        checking.observe(place, lambda _: None)
        run.save(checking.judged(), place)
    return place


def test_the_published_schemas_are_fresh(tmp_path: Path) -> None:
    publish_schemas(tmp_path)
    published = ROOT / "harness" / "schemas" / "published"
    told = {path.name: path.read_text() for path in published.iterdir()}
    assert told == {path.name: path.read_text() for path in tmp_path.iterdir()}, "run make docs"


def test_a_run_conforms_to_the_published_schema(folder: Path) -> None:
    schema = run.json_schema()
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(json.loads((folder / "run.json").read_bytes()))


def test_a_run_reads_back_as_it_was(folder: Path, tmp_path: Path) -> None:
    read = run.load(folder)
    run.save(read, tmp_path)
    assert (tmp_path / "run.json").read_bytes() == (folder / "run.json").read_bytes()


@pytest.mark.parametrize("indent", [None, 2, 4])
def test_a_run_whose_lines_another_program_set_reads_back_too(
    folder: Path, tmp_path: Path, indent: int | None
) -> None:
    (tmp_path / "run.json").write_text(
        json.dumps(json.loads((folder / "run.json").read_bytes()), indent=indent)
    )
    assert run.load(tmp_path) == run.load(folder)


def test_every_request_of_a_run_has_its_exchange(folder: Path) -> None:
    requests = run.load(folder).requests
    assert {(r.scenario, r.client, r.mode) for r in requests} == set(run.load_exchanges(folder))


def test_a_log_that_was_cut_short_gives_what_is_whole(folder: Path, tmp_path: Path) -> None:
    log = (folder / "exchanges.jsonl.zst").read_bytes()
    (tmp_path / "exchanges.jsonl.zst").write_bytes(log[: len(log) * 2 // 3])
    kept = run.load_exchanges(tmp_path)
    assert 0 < len(kept) < len(run.load_exchanges(folder))


def test_a_log_that_another_program_compressed_as_a_whole_gives_the_same(
    folder: Path, tmp_path: Path
) -> None:
    lines = "".join(f"{json.dumps(line)}\n" for line in run.recorded_lines(folder / "exchanges.jsonl.zst"))
    (tmp_path / "exchanges.jsonl.zst").write_bytes(zstandard.ZstdCompressor().compress(lines.encode()))
    assert dict(run.load_exchanges(tmp_path)) == dict(run.load_exchanges(folder))


def test_an_exchange_that_is_none_is_missing(folder: Path, tmp_path: Path) -> None:
    first, second = list(run.recorded_lines(folder / "exchanges.jsonl.zst"))[:2]
    lines = "".join(f"{json.dumps(line)}\n" for line in ({**first, "exchange": {"request": 5}}, second))
    (tmp_path / "exchanges.jsonl.zst").write_bytes(zstandard.ZstdCompressor().compress(lines.encode()))
    kept = run.load_exchanges(tmp_path)
    assert [key in kept for key in kept] == [False, True]


def test_a_log_of_something_else_gives_nothing(tmp_path: Path) -> None:
    (tmp_path / "exchanges.jsonl.zst").write_bytes(b"not zstandard")
    assert dict(run.load_exchanges(tmp_path)) == {}


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema": "another/tool/1"}', "\x00"])
def test_what_is_no_run_is_said_in_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunFolderError, match=r"cut short|names no schema|follows the schema"):
        run.load(tmp_path)


def test_the_use_table_has_a_cell_for_each_use_and_client(folder: Path) -> None:
    read: Run = run.load(folder)
    cells = {(cell.use, cell.client): cell.state for cell in read.uses}
    assert cells.keys() == {(use, client) for use in USES for client in ("raw", "openai", "langchain")}
    assert {cells[use, client] for use in ("chat", "stream") for client in read.environment.clients} == {
        "works"
    }


@pytest.mark.parametrize("target", ["reference", "reference-dashscope"])
def test_no_client_changes_anything_of_right_answers(target: str, tmp_path: Path) -> None:
    """Whatever a clean run asks, its users have what was sent, but where a dialect declares a refusal."""
    with check(resolve(target, {}), Settings(), {}) as checking:
        checking.observe(tmp_path, lambda _: None)
        run.save(checking.judged(), tmp_path)
    clean = run.load(tmp_path)
    told = clean.requests
    declared = {
        (one.scenario, one.client, one.mode) for one in clean.verdicts if one.outcome is Outcome.WAIVED
    }
    changed = [
        one
        for one in told
        if one.effect not in {"unaffected", "not compared"}
        and not (one.effect == "raises" and (one.scenario, one.client, one.mode) in declared)
    ]
    assert [(one.scenario, one.client, one.mode, one.effect_detail) for one in changed] == []
    assert {one.client for one in told if one.effect == "unaffected"} == {"raw", "openai", "langchain"}
