"""The figures of a load run, tallied as its requests end: nothing is kept that grows with their number.

A tally is one client's. Latencies are those of requests that succeeded and were due in the measured window,
which lies between warm-up and cool-down; every share has all requests of the window beneath it, failures as
well. Throughput, of good requests too, counts what arrived within the window. Tallies of workers merge
exactly, as all that they hold are whole numbers; their times count from each machine's own start.

    ttft_ms            due → first output (reasoning, content, refusal or tool call): what a user waits
    ttft_from_send_ms  request sent → first output: what the endpoint takes
    itl_ms             between two outputs that follow one another
    worst_gap_ms       the longest of these in each request
    tpot_ms            first → last output, by the tokens after the first one, as `usage` counts them
    latency_ms         due → last output; total_ms: due → end of the answer
"""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import sub
from typing import Any

import numpy as np

from harness.load.histogram import RESOLUTION, Estimate, Histogram, Proportion, Saved, Ticks, proportion
from harness.load.objectives import TIMES, Objective
from harness.load.record import RequestRecord

_NS_A_TICK = 1000
_NS_A_SECOND = 1_000_000_000
_CELLS = 600
_DETAILS = 20
_DETAIL_CHARS = 200


def _between(start: str, end: str) -> Callable[[RequestRecord], Sequence[int]]:
    """A span of a record in nanoseconds; empty where an end of it is missing."""

    def span(record: RequestRecord) -> Sequence[int]:
        began, ended = getattr(record, start), getattr(record, end)
        return () if began is None or ended is None else (ended - began,)

    return span


def _ticks(spans_ns: int | Ticks) -> Any:
    return (spans_ns + _NS_A_TICK // 2) // _NS_A_TICK


def _gaps(record: RequestRecord) -> Sequence[int]:
    times = record.arrivals_ns
    return list(map(sub, times[1:], times))


def _worst_gap(record: RequestRecord) -> Sequence[int]:
    gaps = _gaps(record)
    return (max(gaps),) if gaps else ()


def _tpot(record: RequestRecord) -> Sequence[int]:
    tokens, first, last = record.completion_tokens, record.first_output_ns, record.last_output_ns
    if tokens is None or tokens < 2 or first is None or last is None or last == first:
        return ()
    return ((last - first) // (tokens - 1),)


def _output_rate(record: RequestRecord) -> Sequence[int]:
    """Thousandths of tokens a second, from the sending of the request to the last output."""
    tokens, sent, last = record.completion_tokens, record.sent_ns, record.last_output_ns
    if not tokens or sent is None or last is None or last <= sent:
        return ()
    return (tokens * 1000 * _NS_A_SECOND // (last - sent),)


def _count_of(name: str) -> Callable[[RequestRecord], Sequence[int]]:
    def count(record: RequestRecord) -> Sequence[int]:
        value = getattr(record, name)
        return () if value is None else (value * 1000,)

    return count


def _generator_lateness(record: RequestRecord) -> Sequence[int]:
    taken_ns = record.start_ns if record.woke_ns is None else record.woke_ns
    return (taken_ns - record.due_ns,)


def _reader_lateness(record: RequestRecord) -> Sequence[int]:
    return () if record.late_ns is None else (record.late_ns,)


_OF_SUCCESSES: Mapping[str, Callable[[RequestRecord], Sequence[int]]] = {
    "ttft_ms": _between("due_ns", "first_output_ns"),
    "ttft_from_send_ms": _between("sent_ns", "first_output_ns"),
    "first_reasoning_ms": _between("due_ns", "first_reasoning_ns"),
    "first_content_ms": _between("due_ns", "first_content_ns"),
    "first_tool_call_ms": _between("due_ns", "first_tool_call_ns"),
    "itl_ms": _gaps,
    "worst_gap_ms": _worst_gap,
    "tpot_ms": _tpot,
    "latency_ms": _between("due_ns", "last_output_ns"),
    "total_ms": _between("due_ns", "ended_ns"),
    "output_tokens_per_s": _output_rate,
    "prompt_tokens": _count_of("prompt_tokens"),
    "completion_tokens": _count_of("completion_tokens"),
    "client_own_ms": _between("first_output_ns", "seen_first_output_ns"),
    "reader_lateness_ms": _reader_lateness,
}
_OF_ALL: Mapping[str, Callable[[RequestRecord], Sequence[int]]] = {
    "connect_ms": _between("start_ns", "connected_ns"),
    "generator_lateness_ms": _generator_lateness,
    "slot_wait_ms": _between("woke_ns", "start_ns"),
}
FIGURES = (*_OF_SUCCESSES, *_OF_ALL)
"""The names of all distributions. Each is a function of one record: times in ns, others in thousandths."""


@dataclass(slots=True)
class Cell:
    """A stretch of the time line; TTFT in microseconds, to about two digits."""

    due: int = 0
    succeeded: int = 0
    failed: int = 0
    tokens: int = 0
    busy_ns: int = 0
    """The time that requests were in flight in it, all together."""
    ttft_ticks: Counter[int] = field(default_factory=Counter)

    def merge(self, other: "Cell") -> None:
        """Add another cell's counts."""
        self.due += other.due
        self.succeeded += other.succeeded
        self.failed += other.failed
        self.tokens += other.tokens
        self.busy_ns += other.busy_ns
        self.ttft_ticks.update(other.ttft_ticks)


@dataclass(slots=True)
class Tally:
    """What is counted of one client's requests in the window, `measured_s` long, that follows `warm_up_s`."""

    client: str
    mode: str
    started_ns: int
    warm_up_s: float
    measured_s: float
    objectives: tuple[Objective, ...] = ()
    histograms: dict[str, Histogram] = field(default_factory=lambda: {name: Histogram() for name in FIGURES})
    outcomes: Counter[str] = field(default_factory=Counter)
    details: Counter[str] = field(default_factory=Counter)
    deviations: Counter[str] = field(default_factory=Counter)
    clocks: Counter[str] = field(default_factory=Counter)
    outside: int = 0
    judged: int = 0
    conformant: int = 0
    good: int = 0
    good_ended: int = 0
    """Good requests that ended within the window, whenever they were due: what a rate may count."""
    uncounted: int = 0
    """Successes whose answer told no usage."""
    ended: int = 0
    tokens: int = 0
    """Of the output, that arrived within the window."""
    prompt_tokens: int = 0
    judging_ns: int = 0
    cell_s: int = 1
    cells: dict[int, Cell] = field(default_factory=dict)

    def add(self, records: Iterable[RequestRecord], judging_ns: int = 0) -> None:
        """Count requests that have ended; the more at a time, the less each of them costs."""
        self.judging_ns += judging_ns
        batch = list(records)
        for record in batch:
            self._add_to_time_line(record)
            if self._is_good(record):
                self.good += self._is_measured(record.due_ns)
                self.good_ended += self._is_measured(record.ended_ns)
        due = [record for record in batch if self._is_measured(record.due_ns)]
        self.outside += len(batch) - len(due)
        succeeded = [record for record in due if record.is_ok]
        for parts, of in ((_OF_SUCCESSES, succeeded), (_OF_ALL, due)):
            for name, values_of in parts.items():
                given = [values for record in of if (values := values_of(record))]
                told = np.fromiter(chain.from_iterable(given), np.int64)
                self.histograms[name].add(_ticks(told) if name.endswith("_ms") else told, len(given))
        for record in due:
            self._count(record)

    def _is_measured(self, at_ns: int) -> bool:
        offset_s = (at_ns - self.started_ns) / _NS_A_SECOND - self.warm_up_s
        return 0 <= offset_s < self.measured_s

    def _count(self, record: RequestRecord) -> None:
        self.outcomes[record.outcome.value] += 1
        if not record.is_ok:
            detail = f"{record.outcome.value}: {record.detail[:_DETAIL_CHARS]}".removesuffix(": ")
            if detail in self.details or len(self.details) < _DETAILS:
                self.details[detail] += 1
        self.clocks[record.clock] += 1
        if record.deviations is not None:
            self.judged += 1
            self.conformant += not record.deviations
            self.deviations.update(set(record.deviations))
        if record.is_ok:
            self.uncounted += record.completion_tokens is None and record.prompt_tokens is None
            self.prompt_tokens += record.prompt_tokens or 0

    def _is_good(self, record: RequestRecord) -> bool:
        """Whether a request succeeded, conforms and keeps every objective on a time."""
        wanted = (objective for objective in self.objectives if objective.figure in TIMES)
        return record.is_ok and not record.deviations and all(_meets(record, each) for each in wanted)

    def _add_to_time_line(self, record: RequestRecord) -> None:
        self._cell(record.due_ns).due += 1
        end = self._cell(record.ended_ns)
        end.succeeded += record.is_ok
        end.failed += not record.is_ok
        self.ended += record.is_ok and self._is_measured(record.ended_ns)
        if record.is_ok and record.first_output_ns is not None:
            ticks = _ticks(record.first_output_ns - record.due_ns)
            coarse = max(0, ticks.bit_length() - 7)
            middle = (ticks >> coarse << coarse) + (1 << coarse >> 1)
            self._cell(record.first_output_ns).ttft_ticks[middle] += 1
        self._spread_tokens(record)
        at_ns = record.start_ns
        while at_ns < record.ended_ns:
            next_ns = min(record.ended_ns, self._cell_end_ns(at_ns))
            self._cell(at_ns).busy_ns += next_ns - at_ns
            at_ns = next_ns

    def _spread_tokens(self, record: RequestRecord) -> None:
        """Lay a request's tokens on the times at which its output arrived."""
        tokens, times = record.completion_tokens, record.arrivals_ns
        if not tokens or not times or not record.is_ok:
            return
        began_ns = self.started_ns + round(self.warm_up_s * _NS_A_SECOND)
        ended_ns = began_ns + round(self.measured_s * _NS_A_SECOND)
        within = (bisect_left(times, began_ns), bisect_left(times, ended_ns))
        self.tokens += tokens * within[1] // len(times) - tokens * within[0] // len(times)
        at = 0
        while at < len(times):
            until = bisect_left(times, self._cell_end_ns(times[at]))
            until = max(until, at + 1)
            share = tokens * until // len(times) - tokens * at // len(times)
            self._cell(times[at]).tokens += share
            at = until

    def _cell_end_ns(self, at_ns: int) -> int:
        step_ns = self.cell_s * _NS_A_SECOND
        return self.started_ns + ((at_ns - self.started_ns) // step_ns + 1) * step_ns

    def _cell(self, at_ns: int) -> Cell:
        number = max(0, at_ns - self.started_ns) // (self.cell_s * _NS_A_SECOND)
        while number >= _CELLS:
            self._coarsen()
            number //= 2
        cell = self.cells.get(number)
        if cell is None:
            cell = self.cells[number] = Cell()
        return cell

    def _coarsen(self) -> None:
        """Join each two cells, so that a long run has no more of them than a short one."""
        self.cell_s *= 2
        cells, self.cells = self.cells, {}
        for number, cell in cells.items():
            self.cells.setdefault(number // 2, Cell()).merge(cell)

    def merge(self, other: "Tally") -> None:
        """Add the tally of another worker of the same run and client."""
        for name, histogram in self.histograms.items():
            histogram.merge(other.histograms[name])
        for counter in _COUNTERS:
            getattr(self, counter).update(getattr(other, counter))
        for count in _COUNTS:
            setattr(self, count, getattr(self, count) + getattr(other, count))
        while self.cell_s < other.cell_s:
            self._coarsen()
        for number, cell in other.cells.items():
            self.cells.setdefault(number * other.cell_s // self.cell_s, Cell()).merge(cell)

    def to_json(self) -> Saved:
        """The tally as JSON values; `from_json` gives it back."""
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            "histograms": {name: histogram.to_json() for name, histogram in self.histograms.items()},
            "counters": {name: dict(getattr(self, name)) for name in _COUNTERS},
            "cells": [
                [
                    number,
                    cell.due,
                    cell.succeeded,
                    cell.failed,
                    cell.tokens,
                    cell.busy_ns,
                    sorted(cell.ttft_ticks.items()),
                ]
                for number, cell in sorted(self.cells.items())
            ],
        }

    @classmethod
    def from_json(cls, saved: Saved, objectives: tuple[Objective, ...] = ()) -> "Tally":
        """What `to_json` gave; the objectives are known to both sides."""
        fields: dict[str, Any] = {name: saved[name] for name in _PLAIN}
        fields |= {name: Counter(value) for name, value in saved["counters"].items()}
        fields["histograms"] = {
            name: Histogram.from_json(value) for name, value in saved["histograms"].items()
        }
        fields["cells"] = {number: _cell_from(values) for number, *values in saved["cells"]}
        return cls(objectives=objectives, **fields)


_COUNTERS = ("outcomes", "details", "deviations", "clocks")
_COUNTS = (
    "outside",
    "judged",
    "conformant",
    "good",
    "good_ended",
    "uncounted",
    "ended",
    "tokens",
    "prompt_tokens",
    "judging_ns",
)


_PLAIN = ("client", "mode", "started_ns", "warm_up_s", "measured_s", "cell_s", *_COUNTS)


def _cell_from(values: Sequence[Any]) -> Cell:
    due, succeeded, failed, tokens, busy_ns, ticks = values
    return Cell(due, succeeded, failed, tokens, busy_ns, Counter(dict(map(tuple, ticks))))


def _meets(record: RequestRecord, objective: Objective) -> bool:
    """Whether one request keeps an objective on a time; of its gaps, their mean has to."""
    values = _OF_ALL_FIGURES[TIMES[objective.figure]](record)
    if not values:
        # A request without gaps can't have too long ones; one without a first output has not succeeded.
        return True
    return objective.is_met_by(sum(values) / len(values) / 1e6)


_OF_ALL_FIGURES: Mapping[str, Callable[[RequestRecord], Sequence[int]]] = {**_OF_SUCCESSES, **_OF_ALL}

# --- figures ---


@dataclass(frozen=True, slots=True)
class Distribution:
    """A figure of many values: its percentiles, mean and maximum, and the histogram they were taken of."""

    count: int
    statistics: dict[str, Estimate]
    histogram: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Moment:
    """A stretch of a client's time line, `length_s` from `at_s` on; a figure is None where nothing came."""

    client: str
    mode: str
    at_s: float
    length_s: float
    due: int
    requests_per_s: float
    errors_per_s: float
    tokens_per_s: float
    in_flight: float
    ttft_p50_ms: float | None
    ttft_p95_ms: float | None


@dataclass(frozen=True, slots=True)
class Conformance:
    """What the rules said of the answers; the cost is of judging, in microseconds an answer."""

    judged: int
    deviating: Proportion
    deviations: dict[str, int]
    cost_us: float | None


@dataclass(frozen=True, slots=True)
class Measurement:
    """How far the figures can be trusted, and why a run is not valid.

    `clock` says whose arrival times they are: the kernel's, the reader's, or mixed. `error_ms` bounds the
    error of the arrival times of 99 % of the requests, None where nothing can tell; `cpu_share` is how much
    of its core the busiest process of the generator used up.
    """

    clock: str
    error_ms: float | None
    cpu_share: float | None
    resolution: float
    sentence: str
    invalid: list[str]


@dataclass(frozen=True, slots=True)
class ClientFigures:
    """All figures of one client.

    `requests`, `errors` and `goodput` are of what was due in the measured window, `requests_per_s` and
    `goodput_per_s` of what ended in it. `concurrency` is None where the window is too short to tell.
    """

    client: str
    mode: str
    requests: int
    window_s: float
    outside_window: int
    errors: Proportion
    outcomes: dict[str, int]
    details: dict[str, int]
    requests_per_s: float
    output_tokens_per_s_total: float | None
    tokens_note: str
    goodput: Proportion
    goodput_per_s: float
    conformance: Conformance
    measurement: Measurement
    concurrency: float | None
    figures: dict[str, Distribution]


SATURATED_LATENESS_MS = 10.0
"""A generator later than this at its 99th percentile, and than a tenth of the median TTFT, is saturated."""

SATURATED_CPU = 0.95

BUSY_USERS = 0.9
"""Of a closed loop's users, how many have a request in flight at least; fewer mean a saturated generator."""


def figures(
    tally: Tally, *, until_s: float | None = None, cpu_share: float | None = None, users: int | None = None
) -> ClientFigures:
    """The figures of a tally.

    `until_s` is the offset at which the run ended, where that was before its time; `cpu_share` is the part of
    its core that the busiest process of the generator had used up; `users` is how many a closed loop has.
    """
    window_s = tally.measured_s
    if until_s is not None:
        window_s = max(0.0, min(window_s, until_s - tally.warm_up_s))
    requests = tally.outcomes.total()
    succeeded = tally.outcomes["ok"]
    concurrency = _concurrency(tally, window_s)
    # Of a run that was cut short, the requests that were in flight are missing from the concurrency.
    idle = [] if until_s is not None else [*_idle_users(tally, concurrency, window_s, users)]
    found = {name: _distribution(histogram) for name, histogram in tally.histograms.items() if len(histogram)}
    return ClientFigures(
        client=tally.client,
        mode=tally.mode,
        requests=requests,
        window_s=window_s,
        outside_window=tally.outside,
        errors=proportion(requests - succeeded, requests),
        outcomes=dict(tally.outcomes.most_common()),
        details=dict(tally.details.most_common()),
        requests_per_s=_per_s(tally.ended, window_s),
        output_tokens_per_s_total=_per_s(tally.tokens, window_s) if "completion_tokens" in found else None,
        tokens_note=_tokens_note(succeeded, tally.uncounted),
        goodput=proportion(tally.good, requests),
        goodput_per_s=_per_s(tally.good_ended, window_s),
        conformance=_conformance(tally),
        measurement=_measurement(tally, cpu_share, idle),
        concurrency=concurrency,
        figures=found,
    )


def _distribution(histogram: Histogram) -> Distribution:
    return Distribution(len(histogram), histogram.estimates(), histogram.to_json())


def _per_s(count: int, window_s: float) -> float:
    return count / window_s if window_s else 0.0


def _tokens_note(succeeded: int, uncounted: int) -> str:
    if not succeeded or not uncounted:
        return ""
    if uncounted == succeeded:
        return "No answer told its usage, so nothing is known of tokens."
    return f"{uncounted:,} of {succeeded:,} answers told no usage; figures on tokens leave them out."


def _conformance(tally: Tally) -> Conformance:
    cost_us = tally.judging_ns / 1000 / tally.judged if tally.judged and tally.judging_ns else None
    deviating = proportion(tally.judged - tally.conformant, tally.judged)
    return Conformance(tally.judged, deviating, dict(tally.deviations.most_common()), cost_us)


def _concurrency(tally: Tally, window_s: float) -> float | None:
    """The mean number of requests in flight over the whole cells of the window; None where there is none."""
    first = -(-tally.warm_up_s // tally.cell_s)
    last = (tally.warm_up_s + window_s) // tally.cell_s
    busy_ns = sum(cell.busy_ns for number, cell in tally.cells.items() if first <= number < last)
    return busy_ns / _NS_A_SECOND / (tally.cell_s * (last - first)) if last > first else None


def timeline(tally: Tally) -> list[Moment]:
    """When things happened, warm-up and cool-down too."""
    return [_moment(tally, number, cell) for number, cell in sorted(tally.cells.items())]


def _moment(tally: Tally, number: int, cell: Cell) -> Moment:
    cell_s = tally.cell_s
    return Moment(
        client=tally.client,
        mode=tally.mode,
        at_s=float(number * cell_s),
        length_s=float(cell_s),
        due=cell.due,
        requests_per_s=cell.succeeded / cell_s,
        errors_per_s=cell.failed / cell_s,
        tokens_per_s=cell.tokens / cell_s,
        in_flight=cell.busy_ns / _NS_A_SECOND / cell_s,
        ttft_p50_ms=quantile_ms(cell.ttft_ticks, 0.5),
        ttft_p95_ms=quantile_ms(cell.ttft_ticks, 0.95),
    )


def quantile_ms(ticks: Counter[int], share: float) -> float | None:
    """The value in ms at a share of counted microseconds; None of nothing."""
    wanted, seen = share * ticks.total(), 0
    for value, count in sorted(ticks.items()):
        seen += count
        if seen >= wanted:
            return value / 1000
    return None


def _idle_users(tally: Tally, concurrency: float | None, window_s: float, users: int | None) -> Iterator[str]:
    """Whether a closed loop's users stood about, since the generator was too slow to have them ask."""
    requests = tally.outcomes.total()
    if users is None or not requests or not concurrency:
        return
    idle_ms = (users - concurrency) * window_s / requests * 1000
    if concurrency < users * BUSY_USERS and idle_ms > SATURATED_LATENESS_MS:
        yield (
            f"The generator was saturated: of {users:,} users, {concurrency:,.0f} had a request in flight, "
            f"and each waited {idle_ms:,.0f} ms before it could ask again."
        )


def _measurement(tally: Tally, cpu_share: float | None, idle: Sequence[str]) -> Measurement:
    late, reader = tally.histograms["generator_lateness_ms"], tally.histograms["reader_lateness_ms"]
    kernel = bool(tally.clocks["kernel"]) and len(tally.clocks) == 1
    clock = "kernel" if kernel else ("mixed" if tally.clocks["kernel"] else "read")
    error_ms = reader.quantile(0.99) if kernel and len(reader) else None
    invalid = list(idle)
    if not tally.outcomes:
        invalid.append("No request was due in the measured window.")
    lateness_ms, ttft_ms = late.quantile(0.99), tally.histograms["ttft_ms"].quantile(0.5)
    if lateness_ms > SATURATED_LATENESS_MS and lateness_ms > ttft_ms / 10:
        count = len(late)
        at_least = count - math.ceil(0.99 * count) + 1
        invalid.append(
            f"The generator was saturated: {at_least:,} of {count:,} requests left {lateness_ms:,.1f} ms "
            "late or later."
        )
    if cpu_share is not None and cpu_share > SATURATED_CPU:
        invalid.append(f"The generator was saturated: it used {cpu_share:.0%} of its core.")
    return Measurement(clock, error_ms, cpu_share, RESOLUTION, _trust(error_ms, late, cpu_share), invalid)


def _trust(error_ms: float | None, late: Histogram, cpu_share: float | None) -> str:
    p50_ms, p99_ms = late.quantile(0.5), late.quantile(0.99)
    used = "" if cpu_share is None else f" and used {cpu_share:.0%} of its core"
    left = f"The generator was late by {p50_ms:.2f} ms (p50) and {p99_ms:.2f} ms (p99){used}."
    if error_ms is None:
        return (
            f"{left} Not all arrivals are the kernel's: those of the client's own read are late by as much "
            "as it was busy; by how much is not known."
        )
    return (
        f"{left} Arrivals are the kernel's. In 99 % of the requests no bytes lay unread for longer than "
        f"{error_ms:.2f} ms, and none of their arrivals can be wrong by more than that. Percentiles are "
        "exact to 0.1 %."
    )
