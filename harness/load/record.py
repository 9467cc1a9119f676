"""What is measured of one request, and how it is kept: a line of JSON each.

All times are nanoseconds of `time.monotonic_ns` of the machine that asked; None where a thing did not happen.
"""

from dataclasses import dataclass, fields
from enum import StrEnum
from itertools import accumulate
from operator import sub
from typing import Any, Literal, TypeAlias

import orjson

from harness.scenario import Mode

Clock: TypeAlias = Literal["kernel", "read"]
"""Who says when bytes arrived: the kernel, or whoever read them, which is later by as much as it was busy."""


class Outcome(StrEnum):
    """What became of a request; everything but OK is a failure, whatever the status was."""

    OK = "ok"
    EMPTY = "empty"
    """A 200 whose answer is complete and holds no output."""
    RATE_LIMITED = "rate limited"
    """429."""
    HTTP_ERROR = "http error"
    """Any other status than 200."""
    ERROR_EVENT = "error event"
    """An error within a stream that began as a 200."""
    CUT = "cut"
    """The connection ended before the body did."""
    RESET = "reset"
    UNFINISHED = "unfinished"
    """The stream ended without a finish reason or without [DONE]."""
    NOT_JSON = "not json"
    """A body, or an event of a stream, that is no JSON object."""
    NOT_HTTP = "not http"
    TIMEOUT = "timeout"
    OVERSIZED = "oversized"
    """The harness stopped reading at its limit."""
    UNREACHABLE = "unreachable"
    """No connection was made."""
    CLIENT_ERROR = "client error"
    """The client raised something over an answer that is right on the wire."""


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request.

    `ordinal` counts the requests of a run through all workers. `due_ns` is when the schedule wanted it,
    which a closed loop makes `start_ns`, when the generator began with it; `woke_ns` is when the generator
    had it in hand, so that what follows until `start_ns` is waiting for a free slot under a cap.
    `connected_ns` is None on a connection that stood already; `sent_ns` is taken when the last byte of the
    request has gone into a standing one.

    An output event is an event of a stream that carries reasoning, content, refusal or a tool call; the body
    of a plain answer counts as one. `arrivals_ns` are theirs. `seen_first_output_ns` and `seen_end_ns` are
    when the code that uses the client had them in hand. `late_ns` is the longest time that bytes lay unread,
    None where the clock can't tell. The tokens are those of the server's usage; None where it gave none.
    `deviations` are the rules that the answer breaks; None where nobody judged it.
    """

    ordinal: int
    client: str
    mode: Mode
    due_ns: int
    start_ns: int
    outcome: Outcome
    ended_ns: int
    woke_ns: int | None = None
    connected_ns: int | None = None
    sent_ns: int | None = None
    first_byte_ns: int | None = None
    first_event_ns: int | None = None
    first_reasoning_ns: int | None = None
    first_content_ns: int | None = None
    first_tool_call_ns: int | None = None
    last_output_ns: int | None = None
    seen_first_output_ns: int | None = None
    seen_end_ns: int | None = None
    arrivals_ns: tuple[int, ...] = ()
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    status: int | None = None
    detail: str = ""
    clock: Clock = "read"
    late_ns: int | None = None
    worker: int = 0
    deviations: tuple[str, ...] | None = None

    @property
    def first_output_ns(self) -> int | None:
        """When the first output arrived, of whatever kind."""
        return self.arrivals_ns[0] if self.arrivals_ns else None

    @property
    def is_ok(self) -> bool:
        """Whether the request got what it asked for."""
        return self.outcome is Outcome.OK


@dataclass(frozen=True, slots=True)
class Answered:
    """A record with what was on the wire, for whoever judges it later.

    `request` is the request's JSON body, `body` the response's without its transfer coding. `pieces` are the
    reads that made it: when the bytes arrived, and how many of the body's bytes there were after them.
    `data` is what a stream's events say, as `Reading.data`.
    """

    record: RequestRecord
    request: bytes
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    pieces: tuple[tuple[int, int], ...] = ()
    data: tuple[bytes, ...] | None = None


_NAMES = tuple(field.name for field in fields(RequestRecord))
_TIMES = frozenset(name for name in _NAMES if name.endswith("_ns")) - {"due_ns", "arrivals_ns", "late_ns"}
_DEFAULTS = {field.name: field.default for field in fields(RequestRecord)}


def encode(record: RequestRecord) -> bytes:
    """One line of JSON with its end: times count from `due_ns`, arrivals from one another."""
    line: dict[str, Any] = {}
    for name in _NAMES:
        value = getattr(record, name)
        if value != _DEFAULTS[name]:
            line[name] = value - record.due_ns if name in _TIMES else value
    if record.arrivals_ns:
        times = record.arrivals_ns
        line["arrivals_ns"] = list(map(sub, times, (record.due_ns, *times)))
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def decode(line: bytes) -> RequestRecord:
    """The record of a line that `encode` made; raises ValueError, KeyError or TypeError for another."""
    values: dict[str, Any] = orjson.loads(line)
    due_ns = values["due_ns"]
    for name in values.keys() & _TIMES:
        values[name] += due_ns
    values["arrivals_ns"] = tuple(accumulate(values.get("arrivals_ns", ()), initial=due_ns))[1:]
    if "deviations" in values:
        values["deviations"] = tuple(values["deviations"])
    return RequestRecord(**{**values, "mode": Mode(values["mode"]), "outcome": Outcome(values["outcome"])})
