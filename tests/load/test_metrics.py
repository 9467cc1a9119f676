"""Figures: each is what its definition says, failures count, workers merge exactly, saturation is refused."""

import json
import random
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.load.metrics import Tally, figures, timeline
from harness.load.objectives import parse_objectives
from harness.load.record import Outcome, RequestRecord
from tests.load.records import MS, STARTED_NS, S, record


def _tally(
    records: Iterable[RequestRecord] = (),
    *,
    warm_up_s: float = 0.0,
    measured_s: float = 100.0,
    objectives: tuple[str, ...] = (),
) -> Tally:
    tally = Tally("raw", "stream", STARTED_NS, warm_up_s, measured_s, parse_objectives(objectives))
    tally.add(records)
    return tally


def _value(tally: Tally, figure: str, statistic: str = "p50") -> float:
    return figures(tally).figures[figure].statistics[statistic].value


def test_each_time_is_what_its_definition_says() -> None:
    tally = _tally([record(ttft_ms=100, gaps_ms=(20, 50, 20), tokens=10, late_ms=3)])
    expected = {
        "ttft_ms": 100,
        "ttft_from_send_ms": 96,
        "first_content_ms": 100,
        "worst_gap_ms": 50,
        "tpot_ms": 10,
        "latency_ms": 190,
        "total_ms": 195,
        "generator_lateness_ms": 3,
        "slot_wait_ms": 0,
        "client_own_ms": 0.5,
        "reader_lateness_ms": 0.1,
        "output_tokens_per_s": 10 / 0.186,
        "prompt_tokens": 20,
        "completion_tokens": 10,
    }
    assert {name: _value(tally, name) for name in expected} == pytest.approx(expected, rel=2e-3)
    assert _value(tally, "itl_ms", "mean") == 30
    assert "connect_ms" not in figures(tally).figures


def test_waiting_for_a_free_slot_counts_as_latency_and_not_as_a_late_generator() -> None:
    waited = replace(record(ttft_ms=2100), woke_ns=STARTED_NS, start_ns=STARTED_NS + 2000 * MS)
    tally = _tally([waited])
    assert _value(tally, "ttft_ms") == pytest.approx(2100, rel=2e-3)
    assert _value(tally, "slot_wait_ms") == pytest.approx(2000, rel=2e-3)
    assert _value(tally, "generator_lateness_ms") == 0
    assert figures(tally).measurement.invalid == []


def test_a_failure_counts_beneath_every_share_and_in_no_latency() -> None:
    told = figures(
        _tally(
            [record(number) for number in range(8)]
            + [record(8, outcome=Outcome.EMPTY), record(9, outcome=Outcome.HTTP_ERROR, detail="HTTP 500")]
        )
    )
    assert (told.requests, told.errors.count, told.errors.of) == (10, 2, 10)
    assert told.figures["ttft_ms"].count == 8
    assert told.goodput.count == 8
    assert told.outcomes == {"ok": 8, "empty": 1, "http error": 1}
    assert told.details == {"empty": 1, "http error: HTTP 500": 1}
    assert told.errors.share is not None
    assert told.errors.share.low == pytest.approx(0.0567, abs=1e-3)
    assert told.errors.share.high == pytest.approx(0.5098, abs=1e-3)


def test_goodput_counts_what_meets_every_objective_and_conforms() -> None:
    tally = _tally(
        [
            record(0),
            record(1, ttft_ms=600),
            record(2, gaps_ms=(20, 400, 20)),
            record(3, deviations=("stream.one-done",)),
            record(4, outcome=Outcome.CUT),
            record(5, deviations=None),
        ],
        objectives=("ttft.p95<500ms", "itl.p99<80ms", "errors<1%"),
        measured_s=10,
    )
    told = figures(tally)
    assert (told.goodput.count, told.goodput.of, told.goodput_per_s) == (2, 6, 0.2)
    assert told.conformance.judged == 5
    assert told.conformance.deviations == {"stream.one-done": 1}


def test_goodput_is_never_more_than_the_server_delivers() -> None:
    """One answer a second to ten requests a second, each of which is good however long it waited."""
    records = [record(n, due_s=n / 10, ttft_ms=n * 900 + 1000, gaps_ms=()) for n in range(100)]
    told = figures(_tally(records, measured_s=10))
    assert told.goodput.count == 100
    assert told.goodput_per_s == told.requests_per_s == 0.9


def test_warm_up_and_cool_down_stand_outside_the_figures() -> None:
    tally = _tally(
        [record(0, due_s=0, ttft_ms=900), record(1, due_s=1), record(2, due_s=2.9), record(3, due_s=3)],
        warm_up_s=1,
        measured_s=2,
    )
    told = figures(tally)
    assert (told.requests, told.outside_window) == (2, 2)
    assert told.figures["ttft_ms"].statistics["max"].value == 100


def test_throughput_counts_what_arrived_within_the_window() -> None:
    half_out = record(0, due_s=9.9, ttft_ms=50, gaps_ms=(20.0,) * 9, tokens=100)
    tally = _tally([half_out], measured_s=10)
    told = figures(tally)
    assert told.output_tokens_per_s_total == pytest.approx(3)
    assert told.requests_per_s == 0
    assert sum(moment.tokens_per_s for moment in timeline(tally)) == 100


def test_tokens_come_from_usage_and_where_there_is_none_it_is_said() -> None:
    told = figures(_tally([record(0, tokens=None), record(1, tokens=None)]))
    assert told.output_tokens_per_s_total is None
    assert "tpot_ms" not in told.figures
    assert told.tokens_note == "No answer told its usage, so nothing is known of tokens."
    some = figures(_tally([record(0, tokens=None), record(1)]))
    assert some.tokens_note.startswith("1 of 2 answers told no usage")


def test_the_time_line_shows_when_things_happened() -> None:
    records = [record(number, due_s=number / 10) for number in range(50)]
    records += [record(99, due_s=3.5, outcome=Outcome.RESET), record(50, due_s=4.9, ttft_ms=2500)]
    moments = timeline(_tally(records))
    assert [moment.at_s for moment in moments] == [0, 1, 2, 3, 4, 5, 6, 7]
    assert [moment.due for moment in moments[:5]] == [10, 10, 10, 11, 11]
    assert moments[3].errors_per_s == 1
    assert moments[1].ttft_p50_ms == pytest.approx(100, rel=0.02)
    assert moments[-1].ttft_p95_ms == pytest.approx(2500, rel=0.02)


def test_concurrency_is_what_was_in_flight() -> None:
    records = [record(n, due_s=n / 10, ttft_ms=900, gaps_ms=(95.0,)) for n in range(100)]
    assert figures(_tally(records, warm_up_s=2, measured_s=6)).concurrency == pytest.approx(10)


def test_a_long_run_keeps_no_longer_a_time_line_than_a_short_one() -> None:
    tally = _tally((record(n, due_s=n) for n in range(5000)), measured_s=10_000)
    assert len(tally.cells) <= 601
    assert sum(cell.due for cell in tally.cells.values()) == 5000


_records = st.lists(
    st.builds(
        record,
        st.integers(0, 10**6),
        due_s=st.floats(0, 20),
        ttft_ms=st.floats(0.1, 5000),
        gaps_ms=st.lists(st.floats(0, 300), max_size=5).map(tuple),
        tokens=st.one_of(st.none(), st.integers(0, 50)),
        late_ms=st.floats(0, 50),
        outcome=st.sampled_from(Outcome),
        deviations=st.sampled_from([None, (), ("stream.one-done",)]),
    ),
    max_size=30,
)


@settings(max_examples=15, deadline=None)
@given(_records, st.integers(1, 4), st.integers(0, 1000))
def test_workers_tallies_merge_into_exactly_that_of_one(
    records: list[RequestRecord], workers: int, seed: int
) -> None:
    random.Random(seed).shuffle(records)  # noqa: S311  # repeatable, not secret
    whole = _tally(records, warm_up_s=2, measured_s=15, objectives=("ttft.p95<500ms",))
    merged = _tally(warm_up_s=2, measured_s=15, objectives=("ttft.p95<500ms",))
    for worker in range(workers):
        part = _tally(records[worker::workers], warm_up_s=2, measured_s=15, objectives=("ttft.p95<500ms",))
        merged.merge(Tally.from_json(json.loads(json.dumps(part.to_json()))))
    assert merged.to_json() == whole.to_json()


def test_a_saturated_generator_makes_the_run_invalid() -> None:
    late = figures(_tally(record(n, due_s=n / 100, late_ms=40, ttft_ms=140) for n in range(200)))
    assert "The generator was saturated: 3 of 200 requests left 40.0 ms late" in late.measurement.invalid[0]
    busy = figures(_tally([record()]), cpu_share=0.99)
    assert busy.measurement.invalid == ["The generator was saturated: it used 99% of its core."]
    assert figures(_tally([record()]), cpu_share=0.5).measurement.invalid == []


def test_users_that_stand_about_make_a_closed_loop_invalid() -> None:
    records = [record(n, due_s=n / 10, ttft_ms=900, gaps_ms=(95.0,)) for n in range(100)]
    tally = _tally(records, warm_up_s=2, measured_s=6)
    assert figures(tally, users=10).measurement.invalid == []
    assert figures(tally, users=20).measurement.invalid == [
        "The generator was saturated: of 20 users, 10 had a request in flight, "
        "and each waited 1,000 ms before it could ask again."
    ]
    assert figures(tally, users=20, until_s=8).measurement.invalid == []


def test_users_of_a_window_of_less_than_a_second_are_not_said_to_stand_about() -> None:
    tally = _tally([record(n, due_s=2 + n / 10) for n in range(6)], warm_up_s=2, measured_s=0.6)
    assert figures(tally, users=1).measurement.invalid == []


def test_a_run_without_requests_is_not_valid() -> None:
    told = figures(_tally())
    assert told.measurement.invalid == ["No request was due in the measured window."]
    assert told.errors.share is None


def test_the_measurement_says_whose_clock_it_was() -> None:
    kernel = figures(_tally([record()])).measurement
    assert (kernel.clock, kernel.error_ms) == ("kernel", pytest.approx(0.1))
    read = figures(_tally([replace(record(), clock="read", late_ns=None)])).measurement
    assert (read.clock, read.error_ms) == ("read", None)
    assert "is not known" in read.sentence


def test_a_stall_is_told_in_full_when_due_times_count() -> None:
    """A server that freezes for two seconds at 50 requests a second."""

    def ttft_ms(due_s: float) -> float:
        return max(20.0, (12.0 - due_s) * 1000 + 20) if 10 <= due_s < 12 else 20.0

    records = [record(n, due_s=n / 50, ttft_ms=ttft_ms(n / 50), gaps_ms=()) for n in range(1000)]
    told = sorted(ttft_ms(n / 50) for n in range(1000))
    tally = _tally(records)
    for statistic, share in (("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999)):
        assert _value(tally, "ttft_ms", statistic) == pytest.approx(told[int(share * 1000) - 1], rel=0.03)


def test_gaps_of_one_stream_are_no_independent_values() -> None:
    source = random.Random(1)  # noqa: S311  # repeatable, not secret
    slow = [source.gauss(20, 5) for _ in range(40)]
    records = [record(n, due_s=n, gaps_ms=(gap_ms,) * 50) for n, gap_ms in enumerate(slow)]
    low, high = (
        getattr(figures(_tally(records)).figures["itl_ms"].statistics["p50"], end) for end in ("low", "high")
    )
    ordered = sorted(slow)
    assert low == pytest.approx(ordered[13], rel=0.05)
    assert high == pytest.approx(ordered[26], rel=0.05)


def test_arrivals_never_lose_a_token() -> None:
    source = random.Random(3)  # noqa: S311  # repeatable, not secret
    records = [
        record(n, due_s=n / 7, gaps_ms=tuple(source.uniform(0, 900) for _ in range(n % 9)), tokens=n % 31)
        for n in range(300)
    ]
    tally = _tally(records)
    assert sum(cell.tokens for cell in tally.cells.values()) == sum(n % 31 for n in range(300))
    assert all(earlier < later for earlier, later in pairwise(sorted(tally.cells)))
    assert S == 1000 * MS
