"""When requests are due: one seeded schedule of absolute offsets, which workers split among themselves.

A schedule is written in one word, as the command line and workload files have it:

    users:16                           closed loop: 16 users, each asks again when it has its answer
    constant:50                        50 requests a second, evenly
    poisson:50                         the same rate, independent arrivals
    gamma(4):50                        bursts: gaps whose coefficient of variation is 4
    poisson:10/30s,10-100/60s,100      steps and ramps: 30 s at 10, up to 100 in 60 s, 100 from then on
    trace:azure.csv                    as a file has it

An open schedule is a renewal process of rate 1 whose time is stretched by the asked rate (the inverse of the
cumulative intensity; Çinlar, "Introduction to Stochastic Processes", 1975), so that each kind of arrivals
goes with each course of the rate. Nothing here waits or knows what is asked.
"""

import csv
import math
import random
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate, islice
from pathlib import Path
from typing import Literal, TypeAlias, assert_never

import orjson

from harness.errors import TraceError, UsageError
from harness.toml_table import did_you_mean, shown_value

Spacing: TypeAlias = Literal["constant", "poisson", "gamma"]
SPACINGS: tuple[Spacing, ...] = ("constant", "poisson", "gamma")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request of a schedule: its number through all workers, and when it is due, from the run's start on.

    The token counts are what a trace asks for; None leaves them to the workload. `hash_ids` are the blocks
    of text with which its prompt begins, as Mooncake's traces have them: where two requests begin with the
    same ids, they begin with the same text.
    """

    ordinal: int
    due_s: float
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    hash_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the run in which the rate goes evenly from one value to another; it may be endless."""

    from_per_s: float
    to_per_s: float
    duration_s: float = math.inf

    @property
    def requests(self) -> float:
        """How many requests are due in it."""
        if self.from_per_s == self.to_per_s == 0:
            return 0.0
        return (self.from_per_s + self.to_per_s) / 2 * self.duration_s

    def offset_s(self, requests: float) -> float:
        """When so many requests of it have been due; `requests` is at most all of them."""
        if math.isinf(self.duration_s) or self.from_per_s == self.to_per_s:
            return requests / self.from_per_s
        # The root of slope/2 t² + from t = requests that does not cancel, whatever the slope's sign.
        slope = (self.to_per_s - self.from_per_s) / self.duration_s
        root = math.sqrt(max(0.0, self.from_per_s**2 + 2 * slope * requests))
        return min(self.duration_s, 2 * requests / (self.from_per_s + root)) if requests else 0.0


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """Requests are due whatever became of those before; `variation` is the gaps' coefficient of variation."""

    spacing: Spacing
    pieces: tuple[Piece, ...]
    variation: float = 1.0


Row: TypeAlias = tuple[float, int, int, tuple[int, ...]]
"""A request of a trace: seconds from the first one on, prompt tokens, output tokens, hash ids."""


@dataclass(frozen=True, slots=True)
class TraceReplay:
    """Requests are due as they once came."""

    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """So many users, each of whom asks again when it has its answer. There are no due times."""

    users: int


Schedule: TypeAlias = OpenLoop | TraceReplay | ClosedLoop

_NEARLY = 0.95
"""How much of a run a trace has to last for, so that its rates are the trace's."""

_MAX_PER_S = 1_000_000

_FORMS = (
    "users:16, constant:50, poisson:50, gamma(4):50, trace:FILE, "
    "or a course of rates such as poisson:10/30s,10-100/60s,100"
)


def parse_schedule(text: str) -> Schedule:
    """The schedule that a word means; raises UsageError for one that means none.

    A trace is read here, so that its mistakes (TraceError) are told before the first request.
    """
    kind, colon, rest = text.partition(":")
    found = re.fullmatch(r"([a-z]+)(?:\(([^)]*)\))?", kind.strip())
    if found is None or not colon:
        raise _unclear(text, "no kind of arrivals stands before a colon")
    name, argument = found[1], found[2]
    if argument is not None and name != "gamma":
        raise _unclear(text, f"{name} takes nothing in parentheses")
    if name == "users":
        return ClosedLoop(_users(text, rest))
    if name == "trace":
        if not rest.strip():
            raise _unclear(text, "no file is named")
        return TraceReplay(tuple(read_trace(Path(rest))))
    for spacing in SPACINGS:
        if spacing == name:
            variation = 4.0 if argument is None else _number(text, argument, "the coefficient of variation")
            if not 0.01 <= variation <= 100:
                raise _unclear(text, "the coefficient of variation is not between 0.01 and 100")
            return OpenLoop(spacing, _pieces(text, rest), variation)
    kinds = ("users", "trace", *SPACINGS)
    raise _unclear(
        text,
        f"there is no kind {shown_value(name)}. {did_you_mean(name, kinds)}".strip().removesuffix("."),
    )


def at_rate(schedule: Schedule, rate_per_s: float) -> Schedule:
    """The same kind of load at another level: a rate, or a number of users in a closed loop.

    Raises UsageError for a trace, which has its own rate, and for a course of several rates.
    """
    match schedule:
        case ClosedLoop():
            return ClosedLoop(max(1, round(rate_per_s)))
        case OpenLoop(pieces=(_,)):
            return OpenLoop(schedule.spacing, (Piece(rate_per_s, rate_per_s),), schedule.variation)
        case _:
            raise UsageError(
                "A search or a sweep needs arrivals of one rate.",
                "Use users, constant, poisson or gamma with one rate.",
            )


def level_of(schedule: Schedule) -> float:
    """The rate or the number of users of a schedule that has one."""
    if isinstance(schedule, ClosedLoop):
        return float(schedule.users)
    return schedule.pieces[0].from_per_s if isinstance(schedule, OpenLoop) else 1.0


def word_of(schedule: Schedule) -> str:
    """The word that `parse_schedule` reads as this schedule of one level."""
    match schedule:
        case ClosedLoop(users):
            return f"users:{users}"
        case OpenLoop("gamma", (piece, *_), variation):
            return f"gamma({variation:.6f}):{piece.from_per_s:.6f}"
        case OpenLoop(spacing, (piece, *_)):
            return f"{spacing}:{piece.from_per_s:.6f}"
        case _:
            raise UsageError("A trace has no level to change.", "Leave --sweep and --find-max out.")


def arrivals(schedule: OpenLoop | TraceReplay, seed: int, duration_s: float) -> Iterator[Arrival]:
    """The requests that are due before `duration_s`, in order; the same for the same seed, on any machine.

    They are made as they are taken: a run may be long.
    """
    match schedule:
        case OpenLoop():
            due = _stretched(_unit_arrivals(schedule, random.Random(seed)), schedule.pieces)  # noqa: S311  # repeatable, not secret
            # In a ramp, and where pieces meet, rounding may put a time one last place before its predecessor.
            for ordinal, due_s in enumerate(accumulate(due, max)):
                if due_s >= duration_s:
                    return
                yield Arrival(ordinal, due_s)
        case TraceReplay():
            for ordinal, row in enumerate(schedule.rows):
                if row[0] >= duration_s:
                    return
                yield Arrival(ordinal, *row)
        case _:
            assert_never(schedule)


def replayed(trace: TraceReplay, duration_s: float) -> str:
    """What a run leaves out of a trace, or a trace of a run; empty where neither leaves out much."""
    lasts_s, count = trace.rows[-1][0], sum(row[0] < duration_s for row in trace.rows)
    if count < len(trace.rows):
        return f"The run ends before the trace: {count:,} of its {len(trace.rows):,} requests are due."
    if lasts_s < duration_s * _NEARLY:
        return f"The trace ends after {lasts_s:g} of {duration_s:g} s: from then on nothing is due."
    return ""


def share(schedule: Iterable[Arrival], worker: int, workers: int) -> Iterator[Arrival]:
    """One worker's part, every `workers`-th request; all parts together are the schedule."""
    return islice(schedule, worker, None, workers)


def _unit_arrivals(schedule: OpenLoop, source: random.Random) -> Iterator[float]:
    """Arrivals at rate 1."""
    shape = schedule.variation**-2
    gaps: dict[Spacing, Callable[[], float]] = {
        "constant": lambda: 1.0,
        "poisson": lambda: source.expovariate(1.0),
        "gamma": lambda: source.gammavariate(shape, 1 / shape),
    }
    gap = gaps[schedule.spacing]
    at = 0.0 if schedule.spacing == "constant" else gap()
    count = 0
    while True:
        yield at
        count += 1
        # Even arrivals are counted and not added up, as a sum of floats would drift.
        at = float(count) if schedule.spacing == "constant" else at + gap()


def _stretched(unit: Iterable[float], pieces: tuple[Piece, ...]) -> Iterator[float]:
    """Arrivals at rate 1 put into the time in which the pieces let them come."""
    remaining = iter(pieces)
    piece, began_s, before = next(remaining), 0.0, 0.0
    for at in unit:
        while at - before > piece.requests or (at - before == piece.requests and piece.requests == 0):
            began_s, before = began_s + piece.duration_s, before + piece.requests
            following = next(remaining, None)
            if following is None:
                return
            piece = following
        yield began_s + piece.offset_s(at - before)


def _pieces(text: str, rest: str) -> tuple[Piece, ...]:
    words = rest.split(",")
    pieces = tuple(_piece(text, word.strip(), is_last=at == len(words)) for at, word in enumerate(words, 1))
    if all(piece.requests == 0 for piece in pieces):
        raise _unclear(text, "no request is ever due")
    return pieces


def _piece(text: str, word: str, *, is_last: bool) -> Piece:
    number = r"[0-9]*\.?[0-9]+(?:[eE][0-9]+)?"
    found = re.fullmatch(rf"({number})(?:-({number}))?(?:/({number})s)?", word)
    if found is None:
        raise _unclear(text, f"{shown_value(word)} is no rate such as 50, 50/30s or 10-100/60s")
    first = float(found[1])
    last = first if found[2] is None else float(found[2])
    if not max(first, last) <= _MAX_PER_S:
        raise _unclear(text, f"a rate is above {_MAX_PER_S:,} a second")
    if found[3] is None:
        if not is_last or first != last:
            raise _unclear(text, f"{shown_value(word)} needs a duration, such as {word}/30s")
        return Piece(first, last)
    if not 0 < float(found[3]) < math.inf:
        raise _unclear(text, f"{shown_value(word)} takes no time")
    return Piece(first, last, float(found[3]))


def _users(text: str, rest: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", rest.strip()) or int(rest) == 0:
        raise _unclear(text, f"{shown_value(rest)} is no number of users")
    return int(rest)


def _number(text: str, word: str, what: str) -> float:
    if not re.fullmatch(r"[0-9]*\.?[0-9]+", word.strip()):
        raise _unclear(text, f"{what} is no number")
    return float(word)


def _unclear(text: str, why: str) -> UsageError:
    return UsageError(f"The arrivals {shown_value(text)} are unclear: {why}.", f"Write {_FORMS}.")


# --- traces ---


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a trace names its columns, and what its numbers of time count."""

    time: str
    prompt: str
    output: str
    unit_s: float


_SHAPES = (
    _Shape("TIMESTAMP", "ContextTokens", "GeneratedTokens", 1.0),
    _Shape("timestamp", "input_length", "output_length", 1e-3),
    _Shape("timestamp", "prompt_tokens", "output_tokens", 1.0),
)
"""The Azure LLM inference traces of 2023 and 2024; Mooncake's, in milliseconds; a plain one in seconds."""

_MAX_TOKENS = 10_000_000


def read_trace(path: Path) -> Iterator[Row]:
    """The rows of a trace, CSV or JSONL by its first character.

    Raises TraceError with file and line at the first row that can't be replayed.
    """
    try:
        # utf-8-sig, as spreadsheets write a byte order mark
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _replayed(path, _rows(path, file))
    except OSError as error:
        raise TraceError(f"{path}: the trace can't be read: {error.strerror}.", "Check the path.") from None
    except UnicodeDecodeError:
        raise TraceError(f"{path}: the trace is not UTF-8 text.", "Save the file as UTF-8.") from None


def _replayed(path: Path, rows: Iterable[tuple[int, dict[str, object]]]) -> Iterator[Row]:
    shape: _Shape | None = None
    first_s = last_s = 0.0
    for line, row in rows:
        if shape is None:
            shape = _shape(path, line, row)
            first_s = last_s = _time_s(path, line, row, shape)
        at_s = _time_s(path, line, row, shape)
        if at_s < last_s:
            raise _wrong(
                path, line, f"{shape.time} goes back by {last_s - at_s:g} s", "Sort the trace by time."
            )
        last_s = at_s
        prompt, output = (_tokens(path, line, row, name) for name in (shape.prompt, shape.output))
        yield at_s - first_s, prompt, output, _hash_ids(path, line, row)
    if shape is None:
        raise _wrong(path, 1, "there is no request", "Give a trace with one request a line.")


def _rows(path: Path, file: Iterable[str]) -> Iterator[tuple[int, dict[str, object]]]:
    """Each row with its line, counted from 1."""
    lines = iter(file)
    first = next(lines, "")
    if first.lstrip().startswith("{"):
        yield 1, _json_row(path, 1, first)
        for number, line in enumerate(lines, 2):
            if line.strip():
                yield number, _json_row(path, number, line)
        return
    names = [name.strip() for name in next(csv.reader([first]), [])]
    reader = csv.reader(lines)
    try:
        for values in reader:
            if values:
                if len(values) != len(names):
                    found = f"{len(values)} values stand under {len(names)} names"
                    raise _wrong(path, reader.line_num + 1, found, "Correct that line.")
                yield reader.line_num + 1, dict(zip(names, values, strict=True))
    except csv.Error as error:
        raise _wrong(path, reader.line_num + 1, f"this is not CSV: {error}", "Correct that line.") from None
    if not names:
        raise _wrong(path, 1, "the file is empty", "Give a trace with one request a line.")


def _json_row(path: Path, line: int, text: str) -> dict[str, object]:
    try:
        row = orjson.loads(text)
    except orjson.JSONDecodeError:
        row = None
    if not isinstance(row, dict):
        raise _wrong(path, line, "this is not a JSON object", "Write one object a line.")
    return row


def _shape(path: Path, line: int, row: dict[str, object]) -> _Shape:
    for shape in _SHAPES:
        if {shape.time, shape.prompt, shape.output} <= row.keys():
            return shape
    known = "; or ".join(f"{shape.time}, {shape.prompt}, {shape.output}" for shape in _SHAPES)
    names = ", ".join(map(str, row)) or "none"
    raise _wrong(path, line, f"the columns are {shown_value(names)}", f"Name them {known}.")


def _time_s(path: Path, line: int, row: dict[str, object], shape: _Shape) -> float:
    value = row.get(shape.time)
    try:
        at_s = float(value) * shape.unit_s if isinstance(value, str | int | float) else math.nan
    except ValueError:
        at_s = _clock_s(str(value))
    if not math.isfinite(at_s):
        raise _wrong(
            path, line, f"{shape.time} is {shown_value(value)}, which is no time", "Correct that line."
        )
    return at_s


def _clock_s(text: str) -> float:
    """ISO 8601; without a zone it is UTC, so that no summer time tears a hole into it."""
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        return math.nan
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _tokens(path: Path, line: int, row: dict[str, object], name: str) -> int:
    value = row.get(name)
    count = int(value) if isinstance(value, str) and re.fullmatch(r" *[0-9]{1,9} *", value) else value
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= _MAX_TOKENS:
        raise _wrong(
            path, line, f"{name} is {shown_value(value)}, which is no count of tokens", "Correct that line."
        )
    return count


def _hash_ids(path: Path, line: int, row: dict[str, object]) -> tuple[int, ...]:
    """A list of whole numbers, in CSV as JSON; empty where there is no such column."""
    value = row.get("hash_ids", [])
    try:
        ids = orjson.loads(value) if isinstance(value, str) else value
    except orjson.JSONDecodeError:
        ids = None
    if not isinstance(ids, list) or not all(type(each) is int for each in ids):
        raise _wrong(
            path,
            line,
            f"hash_ids is {shown_value(value)}, which is no list of whole numbers",
            "Correct that line, or leave the column out.",
        )
    return tuple(ids)


def _wrong(path: Path, line: int, what: str, next_step: str) -> TraceError:
    return TraceError(f"{path}:{line}: {what}.", next_step)
