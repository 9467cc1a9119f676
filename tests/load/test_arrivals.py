"""The schedule: seeded, ordered, at the asked rate, the same however many workers share it; traces."""

import math
import statistics
from itertools import islice, pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.errors import TraceError, UsageError
from harness.load.arrivals import (
    Arrival,
    ClosedLoop,
    OpenLoop,
    Piece,
    Row,
    TraceReplay,
    arrivals,
    at_rate,
    parse_schedule,
    read_trace,
    share,
)

_rates = st.floats(0.0, 60.0)
_pieces = st.lists(st.builds(Piece, _rates, _rates, st.floats(0.1, 5.0)), min_size=1, max_size=4).map(tuple)
_open_loops = st.builds(
    OpenLoop, st.sampled_from(["constant", "poisson", "gamma"]), _pieces, st.floats(0.1, 10.0)
)


def _due(text: str, duration_s: float, seed: int = 1) -> list[float]:
    schedule = parse_schedule(text)
    assert not isinstance(schedule, ClosedLoop)
    return [arrival.due_s for arrival in arrivals(schedule, seed, duration_s)]


@given(_open_loops, st.integers(0, 2**32), st.integers(1, 7))
def test_the_workers_parts_merge_into_exactly_the_schedule(
    schedule: OpenLoop, seed: int, workers: int
) -> None:
    whole = list(arrivals(schedule, seed, 10.0))
    parts = [list(share(arrivals(schedule, seed, 10.0), worker, workers)) for worker in range(workers)]
    assert sorted((arrival for part in parts for arrival in part), key=lambda each: each.ordinal) == whole


@given(_open_loops, st.integers(0, 2**32))
@example(
    OpenLoop("gamma", (Piece(3.7774488584369035, 12.122989210228917, 2.9222009267836775),), 6.34375), 11481
)
def test_due_times_never_go_back_and_stay_within_the_run(schedule: OpenLoop, seed: int) -> None:
    due = [arrival.due_s for arrival in arrivals(schedule, seed, 6.0)]
    assert all(earlier <= later for earlier, later in pairwise(due))
    assert all(0 <= due_s < 6.0 for due_s in due)


@given(_pieces)
def test_even_arrivals_are_as_many_as_the_rate_asks_for(pieces: tuple[Piece, ...]) -> None:
    count = sum(1 for _ in arrivals(OpenLoop("constant", pieces), 0, math.inf))
    assert abs(count - sum(piece.requests for piece in pieces)) <= 2


def test_even_arrivals_do_not_drift() -> None:
    due = _due("constant:1000", 100.0)
    assert len(due) == 100_000
    assert due[-1] == pytest.approx(99.999, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "variation"), [("poisson:200", 1.0), ("gamma(4):200", 4.0), ("gamma(0.5):200", 0.5)]
)
def test_random_arrivals_keep_their_rate_and_their_variation(text: str, variation: float) -> None:
    due = _due(text, 100.0)
    gaps = [later - earlier for earlier, later in pairwise(due)]
    assert len(due) == pytest.approx(20_000, rel=0.05 * max(1.0, variation))
    assert statistics.stdev(gaps) / statistics.mean(gaps) == pytest.approx(variation, rel=0.1)


def test_steps_and_ramps_change_the_rate_where_they_say() -> None:
    due = _due("constant:10/10s,10-100/10s,100", 30.0)
    counts = [sum(1 for at in due if start <= at < start + 10) for start in (0, 10, 20)]
    assert counts == pytest.approx([100, 550, 1000], abs=2)
    assert sum(1 for at in due if 10 <= at < 15) == pytest.approx(162.5, abs=2)


def test_another_seed_is_another_schedule_and_the_same_seed_the_same() -> None:
    assert _due("poisson:50", 5.0, seed=1) == _due("poisson:50", 5.0, seed=1)
    assert _due("poisson:50", 5.0, seed=1) != _due("poisson:50", 5.0, seed=2)


def test_an_endless_schedule_is_made_as_it_is_taken() -> None:
    schedule = parse_schedule("poisson:1000")
    assert isinstance(schedule, OpenLoop)
    assert len(list(islice(arrivals(schedule, 1, math.inf), 10))) == 10


def test_a_closed_loop_is_its_own_kind() -> None:
    assert parse_schedule("users:16") == ClosedLoop(16)
    assert at_rate(ClosedLoop(16), 4) == ClosedLoop(4)


def test_a_search_changes_the_rate_and_keeps_the_kind() -> None:
    assert at_rate(parse_schedule("gamma(3):50"), 7.5) == OpenLoop("gamma", (Piece(7.5, 7.5),), 3.0)
    with pytest.raises(UsageError, match="one rate"):
        at_rate(parse_schedule("poisson:10/3s,20"), 5)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("50", "before a colon"),
        ("poison:50", 'Did you mean "poisson"'),
        ("poisson:fast", "is no rate"),
        ("poisson:10,20", "needs a duration"),
        ("poisson:10-20", "needs a duration"),
        ("constant:0", "no request is ever due"),
        ("gamma(x):5", "coefficient of variation"),
        ("gamma(0):5", "coefficient of variation"),
        ("poisson(2):5", "nothing in parentheses"),
        ("users:none", "no number of users"),
        ("users:0", "no number of users"),
        ("poisson:1e999", "above 1,000,000 a second"),
        ("poisson:5/0s", "takes no time"),
    ],
)
def test_arrivals_that_mean_nothing_are_refused_in_a_sentence(text: str, why: str) -> None:
    with pytest.raises(UsageError, match="unclear") as raised:
        parse_schedule(text)
    assert why in str(raised.value)


@given(st.text(max_size=30))
def test_any_text_is_a_schedule_or_a_clear_refusal(text: str) -> None:
    try:
        schedule = parse_schedule(text)
    except UsageError:
        return
    assert isinstance(schedule, OpenLoop | TraceReplay | ClosedLoop)


def _trace(folder: Path, text: str, name: str = "trace.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


_AZURE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:17:03.9799600,4808,10
2023-11-16 18:17:04.0319600,3180,8
"""
_AZURE_2024 = """TIMESTAMP,ContextTokens,GeneratedTokens
2024-05-10 00:00:00.009930+00:00,2162,5
2024-05-10 00:00:00.509930+00:00,2399,6
"""
_MOONCAKE = """{"timestamp": 1000, "input_length": 6755, "output_length": 500, "hash_ids": [0, 1]}
{"timestamp": 4052, "input_length": 7234, "output_length": 794, "hash_ids": [0, 14]}
"""
_MOONCAKE_CSV = """timestamp,input_length,output_length,hash_ids
1000,6755,500,"[0, 1]"
4052,7234,794,"[0, 14]"
"""
_PLAIN = "timestamp,prompt_tokens,output_tokens\n5,10,20\n5.5,11,21\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (_AZURE, [(0.0, 4808, 10, ()), (0.052, 3180, 8, ())]),
        (_AZURE_2024, [(0.0, 2162, 5, ()), (0.5, 2399, 6, ())]),
        (_MOONCAKE, [(0.0, 6755, 500, (0, 1)), (3.052, 7234, 794, (0, 14))]),
        (_MOONCAKE_CSV, [(0.0, 6755, 500, (0, 1)), (3.052, 7234, 794, (0, 14))]),
        (_PLAIN, [(0.0, 10, 20, ()), (0.5, 11, 21, ())]),
        ("\ufeff" + _PLAIN, [(0.0, 10, 20, ()), (0.5, 11, 21, ())]),
        (_PLAIN.replace("\n", "\r\n"), [(0.0, 10, 20, ()), (0.5, 11, 21, ())]),
    ],
)
def test_traces_of_the_public_shapes_are_read(tmp_path: Path, text: str, expected: list[Row]) -> None:
    found = list(read_trace(_trace(tmp_path, text)))
    assert [(round(due_s, 5), *told) for due_s, *told in found] == expected


def test_a_trace_ends_with_the_run(tmp_path: Path) -> None:
    schedule = parse_schedule(f"trace:{_trace(tmp_path, _PLAIN)}")
    assert isinstance(schedule, TraceReplay)
    assert list(arrivals(schedule, 1, 0.5)) == [Arrival(0, 0.0, 10, 20)]


@pytest.mark.parametrize(
    ("text", "place", "why"),
    [
        (_AZURE + "2023-11-16 18:17:03.0,1,1\n", 4, "goes back by"),
        (_AZURE + "yesterday,1,1\n", 4, "no time"),
        (_MOONCAKE.replace("[0, 14]", '"all"'), 2, "no list of whole numbers"),
        (_MOONCAKE.replace("[0, 14]", "[0, true]"), 2, "no list of whole numbers"),
        (_AZURE + "2023-11-16 18:17:05,1\n", 4, "2 values stand under 3 names"),
        (_AZURE + "2023-11-16 18:17:05,-1,1\n", 4, "no count of tokens"),
        (_MOONCAKE + '{"timestamp": 5000}\n', 3, "input_length is nothing"),
        (_MOONCAKE + "{oops\n", 3, "not a JSON object"),
        (_PLAIN + "nan,1,1\n", 4, "no time"),
        ("when,what\n1,2\n", 2, "the columns are"),
        ("timestamp,prompt_tokens,output_tokens\n", 1, "no request"),
        ("", 1, "empty"),
    ],
)
def test_a_mistake_in_a_trace_is_told_with_its_line(tmp_path: Path, text: str, place: int, why: str) -> None:
    path = _trace(tmp_path, text)
    with pytest.raises(TraceError) as raised:
        list(read_trace(path))
    assert raised.value.happened.startswith(f"{path}:{place}: ")
    assert why in raised.value.happened


def test_a_trace_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="can't be read"):
        list(read_trace(tmp_path / "none.csv"))
