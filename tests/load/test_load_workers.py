"""Load that several processes make together, by Locust's own protocol."""

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.endpoint.fast import FastSettings, running
from harness.endpoint.fast_answers import Failure
from harness.load.metrics import Tally, figures
from harness.load.record import encode
from harness.load.record_log import append, path_of, read
from tests.load.commands import SHORT, ended, expected, load, records_of, start, start_load, told, wait_for
from tests.load.records import record


@pytest.fixture
def fast() -> Iterator[str]:
    with running(FastSettings(tokens=4, first_token_ms=5, inter_token_ms=2)) as base_url:
        yield base_url


@pytest.fixture
def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return str(free.getsockname()[1])


def test_two_processes_share_one_schedule_and_their_figures_are_those_of_one(tmp_path: Path) -> None:
    """Every other answer is empty, which the target's user accepts of its rules, if not of its outcome."""
    folder = tmp_path / "run"
    with running(FastSettings(tokens=4, failure=Failure.EMPTY, failure_every=2)) as base_url:
        (tmp_path / "likewise.toml").write_text(
            f'[targets.mine]\nbase_url = "{base_url}"\nmodel = "standin-fast"\n\n'
            '[[targets.mine.waivers]]\nrule = "stream.says-something"\nreason = "Ours."\n'
            "expires = 2999-01-01\n"
        )
        asked = ("--arrivals", "poisson:60", "--duration", "1.5", "--processes", "2", "--out", "run")
        code, _, err = ended(start("load", "mine", *SHORT, *asked, cwd=tmp_path))
    run, records = told(folder), records_of(folder)
    assert (code, err) == (expected(folder, 0), "")
    assert [record.ordinal for record in records] == list(range(len(records)))
    assert {record.worker for record in records} == {0, 1}
    assert sum(worker["requests"] for worker in run["workers"]) == len(records)
    (client,) = run["clients"]
    one = Tally("raw", "stream", min(record.due_ns for record in records), 0, 1000)
    one.add(records)
    alone = figures(one)
    assert client["figures"].keys() == alone.figures.keys()
    for name, distribution in alone.figures.items():
        assert client["figures"][name]["histogram"] == distribution.histogram, name
    assert client["outcomes"] == alone.outcomes
    assert client["outcomes"]["empty"] > 0
    assert client["conformance"]["judged"] == len(records)
    assert client["conformance"]["deviations"] == {}


def test_a_worker_without_a_user_ends_with_the_run(fast: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    asked = ("--arrivals", "users:1", "--duration", "1.5", "--processes", "2")
    code, _, err = load(fast, folder, *asked)
    assert (code, err) == (expected(folder, 0), "")
    run = told(folder)
    assert run["ending"] == "complete"
    assert min(worker["requests"] for worker in run["workers"]) == 0


def test_workers_tell_of_what_has_no_answer_too(tmp_path: Path) -> None:
    with running(FastSettings(tokens=2, first_token_ms=1000)) as base_url:
        arguments = ("--arrivals", "constant:10", "--cap", "2", "--duration", "1.5", "--timeout", "1.2")
        _, _, err = load(base_url, tmp_path / "run", *arguments, "--processes", "2")
    assert err == ""
    assert [record.ordinal for record in records_of(tmp_path / "run")] == list(range(15))
    assert sum(told(tmp_path / "run")["clients"][0]["outcomes"].values()) == 15


def test_a_master_has_workers_make_its_load_and_they_forget_what_they_made_before(
    fast: str, free_port: str, tmp_path: Path
) -> None:
    earlier = path_of(tmp_path / "worker", 3)
    earlier.parent.mkdir()
    with earlier.open("wb") as file:
        append(file, encode(record(99)))
    worker = start("load", "--worker", "--master-port", free_port, "--out", "worker", cwd=tmp_path)
    asked = ("--arrivals", "constant:20", "--duration", "1", "--master", "1", "--master-port", free_port)
    code, _, err = load(fast, tmp_path / "run", *asked)
    assert (code, err) == (expected(tmp_path / "run", 0), "")
    assert told(tmp_path / "run")["clients"][0]["outcomes"] == {"ok": 20}
    said = "20 requests made; the master has their figures, and worker the requests.\n"
    assert ended(worker) == (0, said, "")
    assert [record.ordinal for record in records_of(tmp_path / "worker")] == list(range(20))


def test_a_worker_too_many_is_sent_home(fast: str, free_port: str, tmp_path: Path) -> None:
    worker = ("load", "--worker", "--master-port", free_port, "--out")
    load = ("--arrivals", "constant:20", "--duration", "90", "--master", "1", "--master-port", free_port)
    master = start_load(fast, tmp_path / "run", *load)
    wanted = start(*worker, "wanted", cwd=tmp_path)
    wait_for(lambda: any(read(tmp_path / "wanted")))
    surplus = start(*worker, "surplus", cwd=tmp_path)
    said = "The master had workers enough, and nothing for this one to do.\n"
    assert ended(surplus)[1:] == (said, "")
    master.send_signal(signal.SIGINT)
    assert (ended(master)[2], ended(wanted)[2]) == ("", "")
    records = records_of(tmp_path / "wanted")
    assert [record.ordinal for record in records] == list(range(len(records)))
    assert not any(read(tmp_path / "surplus"))


def test_a_worker_without_a_master_gives_up_in_a_sentence(free_port: str, tmp_path: Path) -> None:
    hurried = "from harness.load import engine; engine._CONNECT_S = 1; from harness.cli import main; main()"
    worker = ("load", "--worker", "--master-port", free_port, "--out", "worker")
    code, out, err = ended(start(*worker, cwd=tmp_path, command=(sys.executable, "-c", hurried)))
    assert (code, out) == (3, "")
    assert f"No master was at 127.0.0.1:{free_port} within 1 s: Connection refused." in err
    assert "Traceback" not in err


def test_a_worker_that_cannot_write_says_so_before_it_looks_for_its_master(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, out, err = ended(start("load", "--worker", "--out", "file/worker", cwd=tmp_path))
    assert (code, out) == (2, "")
    assert "can't be written (Not a directory)" in err
    assert "Traceback" not in err


def test_a_worker_that_dies_is_told_of_and_the_others_figures_stand(fast: str, tmp_path: Path) -> None:
    """What the run was held against is kept by too little load, which says nothing: exit code 3."""
    folder = tmp_path / "run"
    asked = ("--arrivals", "users:4", "--duration", "4", "--processes", "2", "--slo", "errors<50%")
    child = start_load(fast, folder, *asked)
    wait_for(lambda: len({record.worker for record in read(folder)}) == 2)
    os.kill(_workers_of(child.pid)[0], signal.SIGKILL)
    code, out, err = ended(child)
    run = told(folder)
    assert (code, err) == (3, "")
    assert sorted(worker["has_died"] for worker in run["workers"]) == [False, True]
    assert run["ending"] == "short of a worker"
    assert run["clients"][0]["requests"] > 0
    for text in (out, (folder / "summary.md").read_text()):
        assert "Of 2 workers, 1 died (" in text.replace("\\", "")
        assert "Measured in part" in text
        assert "Keeps" not in text
    assert [verdict["is_met"] for verdict in run["objectives"]] == [True]


@pytest.mark.parametrize("asked", [("--sweep", "2,4"), ("--find-max", "errors<50%")])
@pytest.mark.parametrize("dead", [1, 2])
def test_a_level_that_lost_a_worker_is_void(
    dead: int, asked: tuple[str, str], fast: str, tmp_path: Path
) -> None:
    """A search concludes nothing from it; a sweep goes on as long as somebody is left."""
    folder = tmp_path / "run"
    load = ("--arrivals", "users:2", "--duration", "4", "--processes", "2", *asked)
    child = start_load(fast, folder, *load)
    wait_for(lambda: len({record.worker for record in read(folder)}) == 2)
    for pid in _workers_of(child.pid)[:dead]:
        os.kill(pid, signal.SIGKILL)
    code, out, err = ended(child)
    run = told(folder)
    assert (code, err) == (3, "")
    assert run["ending"] == "short of a worker"
    steps = run["curve"]["steps"]
    assert f"Of 2 workers, {dead} died" in steps[0]["figures"]["measurement"]["invalid"][-1]
    assert [step["level"] for step in steps] == [2, 4][: len(steps)]
    assert len(steps) == (2 if dead == 1 and asked[0] == "--sweep" else 1)
    assert run["curve"]["highest"] is None
    assert "2 users: not valid. " in out
    assert "Keeps" not in out


def _workers_of(pid: int) -> list[int]:
    children = psutil.Process(pid).children(recursive=True)
    return [child.pid for child in children if "--worker" in child.cmdline()]
