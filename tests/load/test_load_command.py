"""`likewise load` and plain Locust as their users run them, against the fast lane."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.endpoint.fast import FastSettings, running
from harness.endpoint.fast_answers import Failure
from harness.load.record import RequestRecord
from harness.load.record_log import read

_ROOT = Path(__file__).parent.parent.parent
_COMMAND = [sys.executable, "-c", "from harness.cli import main; main()"]
_SHORT = ("--warm-up", "0", "--cool-down", "0", "--format", "markdown", "--quiet")


@pytest.fixture
def fast() -> Iterator[str]:
    with running(FastSettings(tokens=4, first_token_ms=5, inter_token_ms=2)) as base_url:
        yield base_url


def _start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    environ = {**os.environ, "PYTHONPATH": str(_ROOT)}
    pipe = subprocess.PIPE
    command = [*_COMMAND, *arguments]
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environ, cwd=cwd)


def _load(base_url: str, folder: Path, *arguments: str) -> tuple[int, str, str]:
    """The exit code and what was printed."""
    target = ("--base-url", base_url, "--model", "standin-fast", "--out", str(folder))
    child = _start("load", *target, *_SHORT, *arguments, cwd=folder.parent)
    out, err = child.communicate(timeout=180)
    return child.returncode, out, err


def _told(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "load.json").read_bytes())
    return loaded


def _expected(folder: Path, code: int) -> int:
    """The exit code, unless the machine had no time for the generator, and the run says so."""
    run = _told(folder)
    figures = [*run["clients"], *(step["figures"] for step in (run["curve"] or {"steps": []})["steps"])]
    return 3 if any(one["measurement"]["invalid"] for one in figures) else code


def _records(folder: Path) -> list[RequestRecord]:
    return sorted(read(folder), key=lambda record: record.ordinal)


def test_a_closed_loop_is_measured_and_every_request_kept(fast: str, tmp_path: Path) -> None:
    code, out, err = _load(fast, tmp_path / "run", "--arrivals", "users:3", "--duration", "1")
    assert (code, err) == (_expected(tmp_path / "run", 0), "")
    assert out.startswith("First output after ")
    run = _told(tmp_path / "run")
    records = _records(tmp_path / "run")
    assert run["is_complete"]
    assert run["clients"][0]["outcomes"] == {"ok": len(records)}
    assert run["clients"][0]["conformance"]["judged"] == len(records)
    assert [record.ordinal for record in records] == list(range(len(records)))


def test_an_open_loop_asks_on_time_and_counts_the_waiting(tmp_path: Path) -> None:
    """All requests that were due see a server that freezes, also those that a cap holds back."""
    frozen = FastSettings(tokens=2, first_token_ms=5, freeze_at_s=0.6, freeze_s=1)
    with running(frozen) as base_url:
        code, _, err = _load(
            base_url, tmp_path / "run", "--arrivals", "constant:40", "--duration", "2.5", "--cap", "4"
        )
    assert (code, err) == (_expected(tmp_path / "run", 0), "")
    records = _records(tmp_path / "run")
    assert [record.due_ns - records[0].due_ns for record in records] == [i * 25_000_000 for i in range(100)]
    waited = [record for record in records if record.ended_ns - record.due_ns > 400_000_000]
    assert len(waited) >= 20
    assert max(_in_flight(records)) <= 4
    assert records[0].woke_ns is None, "it had a slot at once, and what it waited is the generator's lateness"
    assert sum(record.woke_ns is not None for record in records) >= 20


def test_what_has_no_answer_when_the_time_is_over_has_timed_out(tmp_path: Path) -> None:
    """A server that takes a second for each request keeps nobody waiting unseen."""
    with running(FastSettings(tokens=2, first_token_ms=1000)) as base_url:
        arguments = ("--arrivals", "constant:10", "--cap", "1", "--duration", "2", "--timeout", "1.5")
        code, _, err = _load(base_url, tmp_path / "run", *arguments, "--slo", "errors<1%")
    assert (code, err) == (_expected(tmp_path / "run", 1), "")
    records = _records(tmp_path / "run")
    outcomes = _told(tmp_path / "run")["clients"][0]["outcomes"]
    assert [record.ordinal for record in records] == list(range(20))
    assert outcomes["ok"] + outcomes["timeout"] == 20
    assert outcomes["timeout"] >= 15
    assert all(record.start_ns == record.ended_ns for record in records[10:])


def test_workers_tell_of_what_has_no_answer_too(tmp_path: Path) -> None:
    with running(FastSettings(tokens=2, first_token_ms=1000)) as base_url:
        arguments = ("--arrivals", "constant:10", "--cap", "2", "--duration", "2", "--timeout", "1.5")
        _, _, err = _load(base_url, tmp_path / "run", *arguments, "--processes", "2")
    assert err == ""
    assert [record.ordinal for record in _records(tmp_path / "run")] == list(range(20))
    assert sum(_told(tmp_path / "run")["clients"][0]["outcomes"].values()) == 20


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_full_disk_ends_the_run_in_a_sentence(processes: str, fast: str, tmp_path: Path) -> None:
    load = ("--arrivals", "users:8", "--duration", "60", "--processes", processes)
    target = ("--base-url", fast, "--model", "standin-fast", "--out", "run")
    child = _start("load", *target, *_SHORT, *load, cwd=tmp_path)
    psutil.Process(child.pid).rlimit(psutil.RLIMIT_FSIZE, (10_000, 10_000))  # its workers inherit it
    out, err = child.communicate(timeout=50)
    assert child.returncode in (2, 3)
    assert "can't be written (File too large)" in err
    assert "Traceback" not in err
    assert out == ""


def _in_flight(records: list[RequestRecord]) -> Iterator[int]:
    for record in records:
        yield sum(other.start_ns <= record.start_ns < other.ended_ns for other in records)


def test_two_processes_share_one_schedule(fast: str, tmp_path: Path) -> None:
    arguments = ("--arrivals", "poisson:60", "--duration", "2", "--processes", "2")
    code, _, err = _load(fast, tmp_path / "run", *arguments)
    assert (code, err) == (_expected(tmp_path / "run", 0), "")
    records = _records(tmp_path / "run")
    run = _told(tmp_path / "run")
    assert [record.ordinal for record in records] == list(range(len(records)))
    assert {record.worker for record in records} == {0, 1}
    assert run["clients"][0]["outcomes"] == {"ok": len(records)}
    assert sum(worker["requests"] for worker in run["workers"]) == len(records)


def test_a_master_has_workers_make_its_load(fast: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    worker = _start("load", "--worker", "--master-port", port, "--out", "worker", cwd=tmp_path)
    arguments = ("--arrivals", "constant:20", "--duration", "1", "--master", "1", "--master-port", port)
    code, _, err = _load(fast, tmp_path / "run", *arguments)
    assert (code, err) == (_expected(tmp_path / "run", 0), "")
    assert _told(tmp_path / "run")["clients"][0]["outcomes"] == {"ok": 20}
    assert worker.wait(20) == 0
    assert [record.ordinal for record in _records(tmp_path / "worker")] == list(range(20))


def test_a_worker_too_many_is_sent_home(fast: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    worker = ("load", "--worker", "--master-port", port, "--out")
    target = ("--base-url", fast, "--model", "standin-fast", "--out", "run", *_SHORT)
    load = ("--arrivals", "constant:20", "--duration", "90", "--master", "1", "--master-port", port)
    master = _start("load", *target, *load, cwd=tmp_path)
    wanted = _start(*worker, "wanted", cwd=tmp_path)
    _wait_for(lambda: any(read(tmp_path / "wanted")))
    surplus = _start(*worker, "surplus", cwd=tmp_path)
    assert surplus.communicate(timeout=60) == ("", "")
    master.send_signal(signal.SIGINT)
    assert (master.communicate(timeout=30)[1], wanted.communicate(timeout=30)[1]) == ("", "")
    records = _records(tmp_path / "wanted")
    assert [record.ordinal for record in records] == list(range(len(records)))
    assert not any(read(tmp_path / "surplus"))


def test_the_waivers_of_a_target_hold_under_load(tmp_path: Path) -> None:
    """Every other answer is empty, which the target's user accepts of its rules, if not of its outcome."""
    with running(FastSettings(tokens=4, failure=Failure.EMPTY, failure_every=2)) as base_url:
        (tmp_path / "likewise.toml").write_text(
            f'[targets.mine]\nbase_url = "{base_url}"\nmodel = "standin-fast"\n\n'
            '[[targets.mine.waivers]]\nrule = "stream.says-something"\nreason = "Ours."\n'
            "expires = 2999-01-01\n"
        )
        load = ("--arrivals", "constant:40", "--duration", "1", "--processes", "2", "--out", "run")
        child = _start("load", "mine", *_SHORT, *load, cwd=tmp_path)
        _, err = child.communicate(timeout=90)
    assert err == ""
    client = _told(tmp_path / "run")["clients"][0]
    assert client["outcomes"]["empty"] > 0
    assert client["conformance"]["judged"] == 40
    assert client["conformance"]["deviations"] == {}


def test_a_worker_that_dies_is_told_of_and_the_others_figures_stand(fast: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    target = ("--base-url", fast, "--model", "standin-fast", "--out", str(folder))
    load = ("--arrivals", "users:4", "--duration", "14", "--processes", "2")
    child = _start("load", *target, *_SHORT, *load, cwd=tmp_path)
    _wait_for(lambda: len({record.worker for record in read(folder)}) == 2)
    os.kill(_workers_of(child.pid)[0], signal.SIGKILL)
    _, err = child.communicate(timeout=60)
    run = _told(folder)
    assert sorted(worker["has_died"] for worker in run["workers"]) == [False, True]
    assert not run["is_complete"]
    assert run["clients"][0]["requests"] > 0
    assert any("died" in note for note in run["notes"]), err


def _workers_of(pid: int) -> list[int]:
    children = psutil.Process(pid).children(recursive=True)
    return [child.pid for child in children if "--worker" in child.cmdline()]


def _wait_for(condition: Any, timeout_s: float = 90) -> None:
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_ctrl_c_keeps_what_was_measured(fast: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    target = ("--base-url", fast, "--model", "standin-fast", "--out", str(folder))
    child = _start("load", *target, *_SHORT, "--arrivals", "users:2", "--duration", "60", cwd=tmp_path)
    _wait_for(lambda: any(read(folder)))
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    run = _told(folder)
    assert child.returncode == 130
    assert "Traceback" not in err
    assert out.startswith("First output after ")
    assert not run["is_complete"]
    assert run["clients"][0]["requests"] == len(_records(folder)) > 0


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--sweep", "1,2,4"), "0 levels of load"),
        (("--find-max", "errors<1%"), "The search was interrupted: no level was measured."),
    ],
)
def test_ctrl_c_ends_a_curve_and_leaves_out_the_level_it_cut_short(
    asked: tuple[str, ...], said: str, fast: str, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    target = ("--base-url", fast, "--model", "standin-fast", "--out", str(folder))
    load = ("--arrivals", "users:1", "--duration", "60", "--format", "html,markdown,llmd", *asked)
    child = _start("load", *target, "--quiet", *load, cwd=tmp_path)
    _wait_for(lambda: any(read(folder)))
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    run = _told(folder)
    assert (child.returncode, err) == (130, "")
    assert out.startswith(said)
    assert not run["is_complete"]
    assert run["curve"]["steps"] == []


def test_a_run_that_was_killed_is_reported_from_its_requests(fast: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    target = ("--base-url", fast, "--model", "standin-fast", "--out", str(folder))
    child = _start("load", *target, *_SHORT, "--arrivals", "users:2", "--duration", "60", cwd=tmp_path)
    _wait_for(lambda: any(read(folder)))
    child.kill()
    child.communicate()
    report = _start("report", str(folder), "--format", "markdown", cwd=tmp_path)
    out, err = report.communicate(timeout=60)
    assert (report.returncode, err) == (0, "")
    assert f"{len(_records(folder)):,} requests" in Path(out.split()[0]).read_text()


def test_a_missed_objective_is_exit_code_one(fast: str, tmp_path: Path) -> None:
    arguments = ("--arrivals", "users:1", "--duration", "1", "--slo", "ttft.p50<0.001ms")
    code, _, _ = _load(fast, tmp_path / "run", *arguments)
    assert code == _expected(tmp_path / "run", 1)


def test_a_sweep_measures_each_level(fast: str, tmp_path: Path) -> None:
    arguments = ("--arrivals", "users:1", "--duration", "0.8", "--sweep", "1,3")
    code, _, err = _load(fast, tmp_path / "run", *arguments)
    curve = _told(tmp_path / "run")["curve"]
    assert err == ""
    assert code in (0, 3)  # 3 where the machine had no time for any level
    assert [step["level"] for step in curve["steps"]] == [1, 3]
    assert all(step["figures"]["requests"] for step in curve["steps"])
    kept = [record.ordinal for record in _records(tmp_path / "run")]
    assert kept.count(0) == 2


@pytest.mark.parametrize(
    ("failure", "said"),
    [(Failure.HTTP_500, "HTTP 500: Something broke"), (Failure.UNFINISHED, "there is no finish_reason")],
)
def test_no_load_goes_to_a_target_that_fails_one_request(failure: Failure, said: str, tmp_path: Path) -> None:
    log = tmp_path / "sent"
    with running(FastSettings(failure=failure, log=log)) as base_url:
        code, out, err = _load(base_url, tmp_path / "run", "--duration", "1")
    assert (code, out) == (3, "")
    assert said in err
    assert "Traceback" not in err
    assert len(log.read_bytes().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--base-url", "http://192.0.2.1/v1", "--model", "m"), "is not on this machine"),
        (("--base-url", "http://127.0.0.1:9/v1", "--model", "m"), "Connection refused"),
        (("--workload", "nonsuch"), "nonsuch"),
        (("--arrivals", "sometimes:5"), "sometimes"),
        (("--slo", "speed<5"), "speed"),
        (("--clients", "curl"), "curl"),
        (("--duration", "2"), "nothing to measure"),
        (("--duration", "inf"), "has an end"),
        (("--timeout", "inf"), "has an end"),
        (("--master", "1", "--processes", "2"), "Leave out --processes"),
        (("--sweep", "1", "--find-max", "errors<1%"), "not both"),
        (("--worker", "--master-port", "70000"), "65535"),
    ],
)
def test_bad_input_is_one_clear_sentence(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    child = _start("load", *arguments, cwd=tmp_path)
    out, err = child.communicate(timeout=60)
    assert child.returncode in (2, 3)
    assert said in err
    assert "Traceback" not in err
    assert out == ""


def test_a_page_whose_port_is_taken_is_one_clear_sentence(fast: str, tmp_path: Path) -> None:
    port = fast.rpartition(":")[2].partition("/")[0]
    code, out, err = _load(fast, tmp_path / "run", "--web", port)
    assert (code, out) == (2, "")
    assert "Choose another --web." in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("RawUser",), "There is no --host."),
        (("RawUser", "--host", "http://127.0.0.1:9/v1", "--workload", "nonsuch"), "nonsuch"),
        (("RawUser", "--host", "http://127.0.0.1:9/v1", "--api-key-env", "NO_SUCH_KEY"), "NO_SUCH_KEY"),
    ],
)
def test_a_plain_locust_takes_bad_input_as_one_clear_sentence(arguments: tuple[str, ...], said: str) -> None:
    command = [sys.executable, "-m", "locust", "-f", str(_ROOT / "loadtests" / "locustfile.py"), "--headless"]
    environ = {**os.environ, "PYTHONPATH": str(_ROOT)}
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, env=environ, timeout=60)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_plain_locust_shows_first_tokens_under_clear_names(fast: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "locust", "-f", str(_ROOT / "loadtests" / "locustfile.py")]
    options = ["--headless", "--users", "1", "--host", fast, "--model", "standin-fast", "RawUser"]
    environ = {**os.environ, "PYTHONPATH": str(_ROOT)}
    told = tmp_path / "told"
    with (
        told.open("w") as err,
        subprocess.Popen(
            [*command, *options], stdout=subprocess.PIPE, stderr=err, text=True, env=environ
        ) as locust,
    ):
        _wait_for(lambda: re.search(r"raw +chat TTFT +[1-9]", told.read_text()))
        locust.send_signal(signal.SIGTERM)
        out, _ = locust.communicate(timeout=60)
    assert re.search(r"raw +chat total +[1-9]", told.read_text())
    assert re.search(r"raw ttft_ms: p50 \d", out)
