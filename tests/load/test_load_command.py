"""`likewise load` from end to end in one process, against the fast lane."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest

from harness.endpoint import server as reference
from harness.endpoint.fast import FastSettings, running
from harness.endpoint.fast_answers import Failure
from harness.load import load_run
from harness.load.record import RequestRecord
from harness.load.workload import load_workload
from tests.load import runs
from tests.load.commands import ended, expected, load, records_of, start_load, told, wait_for

_A_SECOND = ("--arrivals", "users:3", "--duration", "1")


@pytest.fixture
def fast() -> Iterator[str]:
    with running(FastSettings(tokens=4, first_token_ms=5, inter_token_ms=2)) as base_url:
        yield base_url


def test_a_closed_loop_is_measured_and_every_request_kept(fast: str, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "requests-7.jsonl.zst").write_bytes(b"of an earlier run")
    code, out, err = load(fast, tmp_path / "run", *_A_SECOND)
    assert (code, err) == (expected(tmp_path / "run", 0), "")
    assert out.startswith("First output after ")
    assert [path.name for path in (tmp_path / "run").glob("requests*")] == ["requests.jsonl.zst"]
    run = told(tmp_path / "run")
    records = records_of(tmp_path / "run")
    assert run["ending"] == "complete"
    assert run["clients"][0]["outcomes"] == {"ok": len(records)}
    assert run["clients"][0]["conformance"]["judged"] == len(records)
    assert [record.ordinal for record in records] == list(range(len(records)))


def test_an_open_loop_asks_on_time_and_counts_the_waiting(tmp_path: Path) -> None:
    """All requests that were due see a server that freezes, also those that a cap holds back."""
    frozen = FastSettings(tokens=2, first_token_ms=5, freeze_at_s=0.6, freeze_s=1)
    with running(frozen) as base_url:
        code, _, err = load(
            base_url, tmp_path / "run", "--arrivals", "constant:40", "--duration", "2.5", "--cap", "4"
        )
    assert (code, err) == (expected(tmp_path / "run", 0), "")
    records = records_of(tmp_path / "run")
    assert [record.due_ns - records[0].due_ns for record in records] == [i * 25_000_000 for i in range(100)]
    waited = [record for record in records if record.ended_ns - record.due_ns > 400_000_000]
    assert len(waited) >= 20
    assert max(_in_flight(records)) <= 4
    assert records[0].woke_ns is None, "it had a slot at once, and what it waited is the generator's lateness"
    assert sum(record.woke_ns is not None for record in records) >= 20


def _in_flight(records: list[RequestRecord]) -> Iterator[int]:
    for record in records:
        yield sum(other.start_ns <= record.start_ns < other.ended_ns for other in records)


def test_what_has_no_answer_when_the_time_is_over_has_timed_out(tmp_path: Path) -> None:
    """A server that takes a second for each request keeps nobody waiting unseen, and misses the objective."""
    with running(FastSettings(tokens=2, first_token_ms=1000)) as base_url:
        arguments = ("--arrivals", "constant:10", "--cap", "1", "--duration", "2", "--timeout", "1.5")
        code, _, err = load(base_url, tmp_path / "run", *arguments, "--slo", "errors<1%")
    assert (code, err) == (expected(tmp_path / "run", 1), "")
    records = records_of(tmp_path / "run")
    outcomes = told(tmp_path / "run")["clients"][0]["outcomes"]
    assert [record.ordinal for record in records] == list(range(20))
    assert outcomes["ok"] + outcomes["timeout"] == 20
    assert outcomes["timeout"] >= 15
    assert all(record.start_ns == record.ended_ns for record in records[10:])


def test_a_trace_is_asked_at_its_times(fast: str, tmp_path: Path) -> None:
    rows = [
        {"timestamp": at, "input_length": 600, "output_length": 5, "hash_ids": [1, at]} for at in (0, 250)
    ]
    (tmp_path / "trace.jsonl").write_text("\n".join(map(json.dumps, rows)))
    code, _, err = load(fast, tmp_path / "run", "--arrivals", "trace:trace.jsonl", "--duration", "1")
    assert (code, err) == (expected(tmp_path / "run", 0), "")
    first, second = records_of(tmp_path / "run")
    assert second.due_ns - first.due_ns == 250_000_000
    assert told(tmp_path / "run")["notes"] == [
        "The trace ends after 0.25 of 1 s: from then on nothing is due."
    ]
    code, out, _ = load(fast, tmp_path / "run", "--arrivals", "trace:trace.jsonl", "--duration", "0.2")
    assert "The run ends before the trace: 1 of its 2 requests are due." in out


def test_a_sweep_measures_each_level(fast: str, tmp_path: Path) -> None:
    arguments = ("--arrivals", "users:1", "--duration", "0.8", "--sweep", "1,3")
    code, _, err = load(fast, tmp_path / "run", *arguments)
    curve = told(tmp_path / "run")["curve"]
    assert err == ""
    assert code in (0, 3)  # 3 where the machine had no time for any level
    assert [step["level"] for step in curve["steps"]] == [1, 3]
    assert all(step["figures"]["requests"] for step in curve["steps"])
    kept = [record.ordinal for record in records_of(tmp_path / "run")]
    assert kept.count(0) == 2


def test_a_search_ends_between_the_level_that_keeps_and_the_one_that_misses(tmp_path: Path) -> None:
    """A user who waits 100 ms for each answer asks no 15 times a second; two or more of them do."""
    with running(FastSettings(tokens=1, first_token_ms=100)) as base_url:
        arguments = ("--arrivals", "users:1", "--duration", "0.8", "--find-max", "requests<15/s,errors<1%")
        code, out, err = load(base_url, tmp_path / "run", *arguments)
    run = told(tmp_path / "run")
    verdicts = {
        step["level"]: all(one["is_met"] for one in step["verdicts"])
        and not step["figures"]["measurement"]["invalid"]
        for step in run["curve"]["steps"]
    }
    highest = run["curve"]["highest"]
    assert err == ""
    assert out.startswith(run["curve"]["found"])
    assert code == (3 if not any(verdicts.values()) else 0)
    assert highest is None or (verdicts[highest], verdicts.get(highest + 1)) == (True, False)
    assert run["plan"]["objectives"] == ["requests<15/s", "errors<1%"]


def test_a_search_in_which_no_level_keeps_the_objectives_is_exit_code_one(tmp_path: Path) -> None:
    with running(FastSettings(tokens=1, first_token_ms=20, failure=Failure.CUT, failure_every=2)) as base_url:
        arguments = ("--arrivals", "users:2", "--duration", "0.6", "--find-max", "errors<1%")
        code, out, err = load(base_url, tmp_path / "run", *arguments)
    run = told(tmp_path / "run")
    assert (code, err) == (3 if "No level could be measured." in out else 1, "")
    assert [step["level"] for step in run["curve"]["steps"]] == [2, 1]
    assert run["curve"]["highest"] is None


@pytest.mark.parametrize(("earlier_ms", "code", "word"), [(0.2, 1, "worse"), (500, 0, "better")])
def test_a_baseline_tells_better_from_worse(earlier_ms: float, code: int, word: str, tmp_path: Path) -> None:
    earlier = runs.load_run(runs.some_records(earlier_ms, failures=0))
    asked = load_workload("short-chat")
    workload = replace(earlier.workload, source=asked.source)
    plan = replace(earlier.plan, arrivals="users:3")
    load_run.save(replace(earlier, workload=workload, plan=plan), tmp_path / "earlier")
    with running(FastSettings(tokens=1, first_token_ms=20)) as base_url:
        told_code, _, err = load(base_url, tmp_path / "run", *_A_SECOND, "--baseline", "earlier")
    assert (told_code, err) == (expected(tmp_path / "run", code), "")
    differences = told(tmp_path / "run")["baseline"]["differences"]
    assert any(each["figure"] == "ttft_ms.p50" and each["is_real"] for each in differences)
    summary = (tmp_path / "run" / "summary.md").read_text()
    assert "Since the run of" in summary
    assert f"| {word} by " in summary


def test_nothing_is_asked_where_the_baseline_or_the_folder_is_no_use(tmp_path: Path) -> None:
    log, folder = tmp_path / "sent", tmp_path / "run"
    (tmp_path / "file").write_text("")
    (tmp_path / "check").mkdir()
    (tmp_path / "check" / "run.json").write_text("{}")
    load_run.save(runs.load_run(), folder)
    kept = (folder / "load.json").read_bytes()
    with running(FastSettings(log=log)) as base_url:
        for arguments, said in (
            (
                ("--baseline", "run", "--out", "new", "--clients", "openai"),
                "figures of raw stream and this run of openai",
            ),
            (("--baseline", "file"), "holds no load run"),
            (("--baseline", "run"), "run is the baseline itself"),
            (("--baseline", "run", "--out", "new"), "the text of the workload short-chat is another"),
            (("--out", str(tmp_path / "file" / "run")), "can't be written (Not a directory)"),
            (("--out", str(tmp_path / "check")), "holds a conformance run"),
        ):
            code, out, err = load(base_url, folder, *_A_SECOND, *arguments)
            assert (code, out) == (2, "")
            assert said in err
            assert "Traceback" not in err
    assert log.read_bytes() == b""
    assert (folder / "load.json").read_bytes() == kept


@pytest.mark.parametrize(
    ("failure", "said"),
    [(Failure.HTTP_500, "HTTP 500: Something broke"), (Failure.UNFINISHED, "there is no finish_reason")],
)
def test_no_load_goes_to_a_target_that_fails_one_request(failure: Failure, said: str, tmp_path: Path) -> None:
    log = tmp_path / "sent"
    with running(FastSettings(failure=failure, log=log)) as base_url:
        code, out, err = load(base_url, tmp_path / "run", "--duration", "1")
    assert (code, out) == (3, "")
    assert said in err
    assert "Traceback" not in err
    assert len(log.read_bytes().splitlines()) == 1
    assert not (tmp_path / "run" / "load.json").exists()


def test_a_wrong_key_and_a_model_that_is_not_there_are_told_before_the_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with reference.running() as address:
        monkeypatch.setenv("RIGHT", address.key)
        monkeypatch.setenv("WRONG", "sk-of-somebody-else")
        for key, model, said, advice in (
            ("WRONG", "standin-1", "HTTP 401", "Check the key in WRONG"),
            ("RIGHT", "nonsuch", "HTTP 404", "and the model 'nonsuch'"),
        ):
            arguments = (*_A_SECOND, "--api-key-env", key, "--model", model)
            code, out, err = load(address.base_url, tmp_path / "run", *arguments)
            assert (code, out) == (3, "")
            assert said in err
            assert advice in err
            assert "sk-of-somebody-else" not in err


def test_the_page_is_there_while_the_load_is_made_and_on_this_machine_alone(
    fast: str, tmp_path: Path
) -> None:
    with running(FastSettings()) as free:
        port = int(free.rpartition(":")[2].partition("/")[0])
    child = start_load(fast, tmp_path / "run", "--arrivals", "users:2", "--duration", "4", "--web", str(port))
    page = f"http://127.0.0.1:{port}"
    wait_for(lambda: "chat TTFT" in _got(f"{page}/stats/requests"))
    assert "<title>Locust" in _got(page)
    listening = psutil.Process(child.pid).net_connections("tcp4")
    assert {one.laddr.ip for one in listening if one.status == psutil.CONN_LISTEN} == {"127.0.0.1"}
    code, _, err = ended(child)
    assert (code, err) == (expected(tmp_path / "run", 0), "")
    assert _got(page) == ""


def _got(url: str) -> str:
    try:
        return httpx.get(url, trust_env=False).text
    except httpx.HTTPError:
        return ""


def test_a_page_whose_port_is_taken_is_one_clear_sentence(fast: str, tmp_path: Path) -> None:
    port = fast.rpartition(":")[2].partition("/")[0]
    code, out, err = load(fast, tmp_path / "run", "--web", port)
    assert (code, out) == (2, "")
    assert "Choose another --web." in err
    assert "Traceback" not in err
