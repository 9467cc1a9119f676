"""Load runs that end before their time: by Ctrl-C, by a kill, by a full disk."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.endpoint.fast import FastSettings, running
from harness.load.record_log import read
from tests.load.commands import SHORT, ended, records_of, start, start_load, told, wait_for
from tests.servers import server


@pytest.fixture
def fast() -> Iterator[str]:
    with running(FastSettings(tokens=4, first_token_ms=5, inter_token_ms=2)) as base_url:
        yield base_url


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_full_disk_ends_the_run_in_a_sentence(processes: str, fast: str, tmp_path: Path) -> None:
    child = start_load(
        fast, tmp_path / "run", "--arrivals", "users:8", "--duration", "60", "--processes", processes
    )
    psutil.Process(child.pid).rlimit(psutil.RLIMIT_FSIZE, (5_000, 5_000))  # its workers inherit it
    code, out, err = ended(child)
    assert code in (2, 3)
    assert "can't be written (File too large)" in err
    assert "Traceback" not in err
    assert out == ""


def test_a_disk_that_is_full_already_is_told_before_the_first_request(tmp_path: Path) -> None:
    log = tmp_path / "sent"
    with running(FastSettings(log=log)) as base_url:
        child = start_load(base_url, tmp_path / "run")
        psutil.Process(child.pid).rlimit(psutil.RLIMIT_FSIZE, (0, 0))
        code, out, err = ended(child)
    assert (code, out) == (2, "")
    assert "can't be written (File too large)" in err
    assert "Traceback" not in err
    assert log.read_bytes() == b""


def test_ctrl_c_keeps_what_was_measured(fast: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    child = start_load(fast, folder, "--arrivals", "users:2", "--duration", "60", "--slo", "errors<1%")
    wait_for(lambda: any(read(folder)))
    child.send_signal(signal.SIGINT)
    code, out, err = ended(child)
    run = told(folder)
    assert (code, err) == (130, "")
    assert out.startswith("First output after ")
    assert run["ending"] == "interrupted"
    assert run["clients"][0]["requests"] == len(records_of(folder)) > 0
    assert [verdict["is_met"] for verdict in run["objectives"]] == [True]


@pytest.mark.parametrize("processes", ["1", "2"])
def test_what_runs_a_load_run_may_end_it_and_has_its_reports(
    processes: str, fast: str, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    child = start_load(fast, folder, "--arrivals", "users:2", "--duration", "60", "--processes", processes)
    wait_for(lambda: any(read(folder)))
    child.send_signal(signal.SIGTERM)
    code, _, err = ended(child)
    assert (code, err) == (130, "")
    assert told(folder)["clients"][0]["requests"] == len(records_of(folder)) > 0
    assert (folder / "summary.md").exists()


def test_the_reference_endpoint_does_not_outlive_a_killed_run(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    child = start("load", "--arrivals", "users:1", "--duration", "60", "--out", "run", cwd=tmp_path)
    wait_for(lambda: any(read(folder)))
    endpoints = psutil.Process(child.pid).children(recursive=True)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    _, alive = psutil.wait_procs(endpoints, timeout=30)
    assert endpoints
    assert alive == []


@pytest.mark.parametrize("arrivals", ["users:2", "constant:50"])
def test_a_mistake_of_the_generators_own_ends_the_run_in_a_sentence(
    arrivals: str, fast: str, tmp_path: Path
) -> None:
    """Locust alone would try again for ever, with a traceback each time."""
    code = (
        "import gevent.monkey; gevent.monkey.patch_all(); from harness.load.workload import Workload; "
        "ask = Workload.request; "
        "Workload.request = lambda *a, **k: ask(*a, **k) if a[3] < 3 else {}['mistake']; "
        "from harness.cli import main; main()"
    )
    target = ("--base-url", fast, "--model", "standin-fast", "--out", str(tmp_path / "run"))
    asked = ("--arrivals", arrivals, "--duration", "60")
    child = start("load", *target, *SHORT, *asked, cwd=tmp_path, command=(sys.executable, "-c", code))
    exit_code, out, err = ended(child)
    assert (exit_code, out) == (3, "")
    assert err.startswith("Error: The load generator failed: KeyError: 'mistake'.")
    assert "Traceback" not in err


@pytest.mark.parametrize("client", ["raw", "openai"])
def test_ctrl_c_ends_a_probe_that_nobody_answers(client: str, tmp_path: Path) -> None:
    is_asked, is_over = threading.Event(), threading.Event()

    def keeps_silent(_connection: socket.socket, _request: bytes) -> None:
        is_asked.set()
        is_over.wait(60)

    with server(keeps_silent) as base_url:
        child = start_load(base_url, tmp_path / "run", "--clients", client)
        wait_for(is_asked.is_set)
        child.send_signal(signal.SIGINT)
        assert ended(child) == (130, "", "")
        is_over.set()
    assert not (tmp_path / "run" / "load.json").exists()


def test_ctrl_c_ends_the_waiting_of_a_master_and_of_a_worker(fast: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    master = start_load(fast, tmp_path / "run", "--master", "2", "--master-port", port)
    wait_for(lambda: _is_listening(master.pid))
    worker = start("load", "--worker", "--master-port", port, "--out", "worker", cwd=tmp_path)
    wait_for(lambda: _is_connected(worker.pid))
    for child in (worker, master):
        child.send_signal(signal.SIGINT)
        assert ended(child) == (130, "", "")


def _is_listening(pid: int) -> bool:
    found = psutil.Process(pid).net_connections("tcp4")
    return any(one.status == psutil.CONN_LISTEN for one in found)


def _is_connected(pid: int) -> bool:
    found = psutil.Process(pid).net_connections("tcp4")
    return any(one.status == psutil.CONN_ESTABLISHED for one in found)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--sweep", "1,2,4"), "No level of load was measured."),
        (("--find-max", "errors<1%"), "The search was cut short: no level was measured."),
    ],
)
def test_ctrl_c_ends_a_curve_and_leaves_out_the_level_it_cut_short(
    asked: tuple[str, ...], said: str, fast: str, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    child = start_load(fast, folder, "--arrivals", "users:1", "--duration", "60", *asked)
    wait_for(lambda: any(read(folder)))
    child.send_signal(signal.SIGINT)
    code, out, err = ended(child)
    run = told(folder)
    assert (code, err) == (130, "")
    assert out.startswith(said)
    assert run["ending"] == "interrupted"
    assert run["curve"]["steps"] == []


def test_a_run_that_was_killed_is_reported_from_its_requests(fast: str, tmp_path: Path) -> None:
    """Nothing is due in the first second, so that the window can't be told from the requests alone."""
    folder = tmp_path / "run"
    asked = ("--arrivals", "constant:0/1s,30", "--duration", "60", "--warm-up", "1.5")
    child = start_load(fast, folder, *asked, "--slo", "ttft.p95<10s", "--slo", "ttft.p95<0.001ms")
    wait_for(lambda: len(list(read(folder))) > 30)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    records = records_of(folder)
    assert [record.ordinal for record in records] == list(range(len(records)))
    assert told(folder)["ending"] == "killed"
    summary = _reported(folder)
    measured = sum(record.ordinal >= 15 for record in records)
    assert f"Requests: {measured:,} in " in summary
    assert f"{len(records) - measured} outside the window" in summary
    assert f"the figures of the {len(records):,} requests that had ended" in summary
    assert "This run was killed: " in summary
    kept, missed = (line for line in summary.splitlines() if "ttft.p95<" in line)
    assert "kept" in kept or "not judged" in kept
    assert "missed" in missed or "not judged" in missed


@pytest.mark.parametrize("asked", [("--sweep", "1,2,3,4,5,6,7,8,9"), ("--find-max", "errors<1%")])
def test_a_curve_that_was_killed_has_the_levels_that_had_ended(
    asked: tuple[str, str], fast: str, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    child = start_load(fast, folder, "--arrivals", "users:1", "--duration", "0.7", *asked)
    wait_for(lambda: (folder / "load.json").exists() and len(told(folder)["curve"]["steps"]) >= 2)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    # a third may have ended before the kill
    levels = [step["level"] for step in told(folder)["curve"]["steps"]]
    assert levels[:2] == [1, 2]
    summary = _reported(folder)
    assert "This run was killed: of its levels, those stand here that had ended." in summary
    assert all(f"| {level:g} user{'s' * (level > 1)} |" in summary for level in levels)
    assert summary.count("requests that had ended") == 0
    if asked[0] == "--find-max":
        assert "The search was cut short: " in summary


def _reported(folder: Path) -> str:
    code, out, err = ended(start("report", str(folder), "--format", "markdown", cwd=folder.parent))
    assert (code, err) == (0, "")
    return Path(out.split()[0]).read_text()


def test_workers_of_a_run_that_was_killed_end_and_their_requests_are_reported(
    fast: str, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    child = start_load(fast, folder, "--arrivals", "constant:30", "--duration", "60", "--processes", "2")
    wait_for(lambda: len({record.worker for record in read(folder)}) == 2)
    workers = psutil.Process(child.pid).children(recursive=True)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert alive == []
    assert {record.worker for record in records_of(folder)} == {0, 1}
    assert f"the figures of the {len(records_of(folder)):,} requests that had ended" in _reported(folder)
