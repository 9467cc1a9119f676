import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from bench_peers import aiperf, evalscope, guidellm, httpx_streaming, locust_http_user, servebench
from bench_peers.peer import TOKENS, Asked, Reported, Told, by_the_log, compared, counted_as, found
from hypothesis import given
from hypothesis import strategies as st

_MS = 1_000_000


def _line(
    received_ms: int, ttft_ms: int, client_request_id: str = "", tokens: int = TOKENS
) -> dict[str, Any]:
    """A line of the endpoint's log."""
    sent_ns = [received_ms * _MS] + [(received_ms + ttft_ms) * _MS] * tokens
    return {"client_request_id": client_request_id, "received_ns": received_ms * _MS, "sent_ns": sent_ns}


def _told(*requests: Reported) -> Told:
    return Told(requests, len(requests), 0)


def test_every_peer_is_found_by_its_file_and_pinned() -> None:
    peers = found()

    assert {
        "AIPerf",
        "EvalScope",
        "GuideLLM",
        "httpx",
        "Locust, FastHttpUser",
        "Locust, HttpUser",
        "servebench",
    } <= {peer.name for peer in peers}
    assert all("==" in requirement for peer in peers for requirement in peer.requirements)


def test_every_peer_is_told_where_how_many_and_how_long() -> None:
    asked = Asked("http://127.0.0.1:4711/v1", 37, 41.0, Path("folder"))

    for peer in found():
        command = " ".join(peer.command(asked))
        assert all(part in command for part in ("127.0.0.1:4711", "37", "41")), peer.name


def test_requests_with_identifiers_are_held_against_their_own_lines() -> None:
    told = _told(Reported(0, 25.0, "b"), Reported(1 * _MS, 23.0, "a"))

    result = compared(told, [_line(0, 20, "a"), _line(0, 21, "b")], from_ns=0)

    assert result.paired_by == "identifier"
    assert sorted(result.errors_ms) == [3.0, 4.0]


def test_requests_without_identifiers_are_held_against_the_sorted_true_times() -> None:
    told = _told(Reported(0, 30.0), Reported(0, 24.0))

    result = compared(told, [_line(0, 22), _line(0, 21)], from_ns=0)

    assert result.paired_by == "rank"
    assert result.errors_ms == [3.0, 8.0]


def test_what_began_too_early_or_did_not_end_does_not_count() -> None:
    told = _told(Reported(0, 90.0), Reported(1000 * _MS, 22.0))
    log = [_line(0, 80), _line(1000, 21), _line(1000, 60, tokens=TOKENS // 2)]

    assert compared(told, log, from_ns=500 * _MS).errors_ms == [1.0]


def test_a_request_that_only_one_side_knows_moves_no_other_one() -> None:
    told = _told(*[Reported(0, 20.0 + i) for i in range(100)])
    log = [_line(0, 20 + i) for i in range(99)]

    assert max(compared(told, log, from_ns=0).errors_ms) <= 1.0


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=30))
def test_by_rank_the_mean_error_is_never_above_that_by_identifier(times: list[tuple[int, int]]) -> None:
    log = [_line(0, true, str(i)) for i, (_, true) in enumerate(times)]
    by_id = _told(*[Reported(0, float(ms), str(i)) for i, (ms, _) in enumerate(times)])
    by_rank = _told(*[Reported(0, float(ms)) for ms, _ in times])

    assert sum(compared(by_rank, log, 0).errors_ms) <= sum(compared(by_id, log, 0).errors_ms)


@pytest.mark.parametrize(
    ("clock", "start_ms"), [("monotonic", 5_000), ("epoch", 905_000), ("first request", 0)]
)
def test_times_of_any_clock_become_those_of_the_log(clock: Any, start_ms: int) -> None:
    told = _told(Reported(start_ms * _MS, 20.0), Reported((start_ms + 7) * _MS, 20.0))

    moved = by_the_log(told, clock, [_line(5_000, 20), _line(5_007, 20)], epoch_ahead_ns=900_000 * _MS)

    assert [request.start_ns for request in moved.requests] == [5_000 * _MS, 5_007 * _MS]


@pytest.mark.parametrize(
    ("good", "failed", "verdict"),
    [
        (10, 10, "failure"),
        (20, 0, "success"),
        (18, 2, "some"),
        (10, 0, "left out"),
        (0, 0, "no result"),
    ],
)
def test_a_broken_answer_counts_as_the_tool_counts_it(good: int, failed: int, verdict: str) -> None:
    assert counted_as(Told((), good, failed), answers=20) == verdict


def test_servebench_is_read(tmp_path: Path) -> None:
    requests = [
        {"start": 0.5, "ok": True, "ttft": 0.021},
        {"start": 0.6, "ok": True, "ttft": None},
        {"start": 0.7, "ok": False, "ttft": 0.03},
    ]
    (tmp_path / "run.json").write_text(json.dumps({"levels": [{"requests": requests}]}))

    assert servebench.told(tmp_path) == Told([Reported(500 * _MS, 21.0)], good=2, failed=1)


def test_guidellm_is_read_without_what_it_did_not_wait_for(tmp_path: Path) -> None:
    requests = {
        "successful": [
            {"start_time": 2.5, "time_to_first_token_ms": 21.0},
            {"start_time": 2.6, "time_to_first_token_ms": None},
        ],
        "errored": [{"start_time": 2.7, "time_to_first_token_ms": None}],
        "incomplete": [{"start_time": 2.8, "time_to_first_token_ms": 22.0}],
    }
    (tmp_path / "report.json").write_text(json.dumps({"benchmarks": [{"requests": requests}]}))

    assert guidellm.told(tmp_path) == Told([Reported(2500 * _MS, 21.0)], good=2, failed=1)


def test_aiperf_is_read_without_what_it_cancelled(tmp_path: Path) -> None:
    def line(was_cancelled: bool, error: object, **metrics: object) -> str:  # noqa: FBT001  # a line's own fields
        metadata = {"request_start_ns": 9, "x_request_id": "r", "was_cancelled": was_cancelled}
        return json.dumps({"metadata": metadata, "metrics": metrics, "error": error})

    ttft = {"value": 21.5, "unit": "ms"}
    lines = [
        line(False, None, time_to_first_token=ttft),  # noqa: FBT003  # as above
        line(False, {"code": 500}),  # noqa: FBT003  # as above
        line(True, None),  # noqa: FBT003  # as above
    ]
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "profile_export.jsonl").write_text("\n".join(lines))

    assert aiperf.told(tmp_path) == Told([Reported(9, 21.5, "r")], good=1, failed=1)


def test_evalscope_is_read(tmp_path: Path) -> None:
    database = tmp_path / "out" / "model" / "benchmark_data.db"
    database.parent.mkdir(parents=True)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE result (start_time REAL, first_chunk_latency REAL, success INTEGER)")
        connection.executemany("INSERT INTO result VALUES (?, ?, ?)", [(1.5, 0.25, 1), (2.0, None, 0)])
        connection.commit()

    assert evalscope.told(tmp_path) == Told([Reported(1500 * _MS, 250.0)], good=1, failed=1)


def test_programs_are_read_between_what_else_is_printed(tmp_path: Path) -> None:
    timed = {"start_ns": 5, "ttft_ms": 20.5, "client_request_id": "0"}
    printed = f"Starting\n{json.dumps(timed)}\n{json.dumps({**timed, 'ttft_ms': None})}\n{{broken\n"
    (tmp_path / "output.txt").write_text(printed)
    (tmp_path / "statistics.json").write_text('[{"num_requests": 7, "num_failures": 3}]')

    assert locust_http_user.PEER.told(tmp_path) == Told([Reported(5, 20.5, "0")], good=4, failed=3)
    assert httpx_streaming.told(tmp_path) == Told([Reported(5, 20.5, "0")], good=1, failed=0)
