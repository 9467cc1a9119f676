"""What came in answer to a request, and the record that it makes: alike for every client."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeAlias

import orjson

from harness.load.arrival_clock import Ancillary, stamp_ns
from harness.load.http_body import Chunks, Head, NotHttpError, Pieces, body_pieces, dechunked
from harness.load.reading import Reading, read_plain, read_stream
from harness.load.record import Answered, Clock, Outcome, RequestRecord
from harness.load.workload import LoadRequest
from harness.scenario import Mode


class End(Enum):
    """How the reading of an answer ended."""

    COMPLETE = "complete"
    CUT = "cut"
    RESET = "reset"
    TIMEOUT = "timeout"
    NOT_HTTP = "not http"


_OUTCOMES = {
    End.CUT: Outcome.CUT,
    End.RESET: Outcome.RESET,
    End.TIMEOUT: Outcome.TIMEOUT,
    End.NOT_HTTP: Outcome.NOT_HTTP,
}

RawRead: TypeAlias = tuple[int, Ancillary, bytes]
"""When it was read, what the kernel said beside it, and the bytes."""


@dataclass(frozen=True, slots=True)
class Read:
    """One read of a socket: when the bytes reached the machine, when they were read, and the bytes."""

    arrived_ns: int
    read_ns: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Received:
    """The reads in answer to a request, and how they ended. `connected_ns`: None on a standing connection."""

    connected_ns: int | None
    sent_ns: int
    ended_ns: int
    end: End
    detail: str
    head: Head | None
    reads: Sequence[Read]
    clock: Clock


@dataclass(frozen=True, slots=True)
class Due:
    """A request whose time has come; times as in `RequestRecord`. `due_ns` is None in a closed loop."""

    ordinal: int
    request: LoadRequest
    due_ns: int | None = None
    woke_ns: int | None = None
    worker: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """What the code that used the client saw: its first output, its end, and what the client raised."""

    first_output_ns: int | None
    end_ns: int
    raised: str = ""


def reads_of(raw: Sequence[RawRead], ahead_ns: int | None) -> list[Read]:
    """The reads at the kernel's times; `ahead_ns` is None where the kernel gives none."""
    if ahead_ns is None:
        return [Read(read_ns, read_ns, data) for read_ns, _, data in raw]
    reads = []
    for read_ns, ancillary, data in raw:
        stamp = stamp_ns(ancillary)
        reads.append(Read(read_ns if stamp is None else min(read_ns, stamp - ahead_ns), read_ns, data))
    return reads


def unanswered(
    due: Due, client: str, mode: Mode, start_ns: int, ended_ns: int, outcome: Outcome, detail: str
) -> Answered:
    """The record of a request that found nobody to answer it."""
    record = RequestRecord(
        due.ordinal,
        client,
        mode,
        start_ns if due.due_ns is None else due.due_ns,
        start_ns,
        outcome,
        ended_ns,
        woke_ns=due.woke_ns,
        detail=detail,
        worker=due.worker,
    )
    return Answered(record, b"")


def answered(
    due: Due, client: str, mode: Mode, start_ns: int, request: bytes, received: Received, seen: Seen | None
) -> Answered:
    """The record of what came. Without `seen`, whoever read the bytes is the one who used them."""
    body, pieces = _body(received)
    head, reads = received.head, received.reads
    reading = _reading(received, mode, body, pieces)
    outcome, detail = _outcome(received, reading)
    seen = seen or _seen_by_reader(received, reading)
    if outcome is Outcome.OK and seen.raised:
        outcome, detail = Outcome.CLIENT_ERROR, seen.raised
    bare = unanswered(due, client, mode, start_ns, received.ended_ns, outcome, detail)
    record = replace(
        bare.record,
        connected_ns=received.connected_ns,
        sent_ns=received.sent_ns,
        first_byte_ns=reads[0].arrived_ns if reads else None,
        first_event_ns=reading.first_event_ns,
        first_reasoning_ns=reading.first_ns.get("reasoning"),
        first_content_ns=reading.first_ns.get("content"),
        first_tool_call_ns=reading.first_ns.get("tool_call"),
        last_output_ns=reading.arrivals_ns[-1] if reading.arrivals_ns else None,
        seen_first_output_ns=seen.first_output_ns,
        seen_end_ns=seen.end_ns,
        arrivals_ns=reading.arrivals_ns,
        prompt_tokens=reading.usage.prompt_tokens,
        completion_tokens=reading.usage.completion_tokens,
        reasoning_tokens=reading.usage.reasoning_tokens,
        cached_tokens=reading.usage.cached_tokens,
        status=head.status if head else None,
        clock=received.clock,
        late_ns=max((read.read_ns - read.arrived_ns for read in reads), default=None)
        if received.clock == "kernel"
        else None,
    )
    return Answered(record, request, head.headers if head else (), body, pieces)


def _body(received: Received) -> tuple[bytes, Pieces]:
    """The body without its transfer coding, and the reads that made it."""
    head = received.head
    if head is None:
        return b"", ()
    raw = b"".join([read.data for read in received.reads])
    size = 0
    raw_reads = [(read.arrived_ns, size := size + len(read.data)) for read in received.reads]
    if not head.is_chunked:
        whole = Chunks([raw[head.size :]], [len(raw)], is_whole=True)
        return whole.parts[0], body_pieces(whole, raw_reads)
    try:
        chunks = dechunked(raw, head.size)
    except NotHttpError:
        return b"", ()
    return b"".join(chunks.parts), body_pieces(chunks, raw_reads)


def _reading(received: Received, mode: Mode, body: bytes, pieces: Pieces) -> Reading:
    if received.head is None or received.head.status != 200 or not body:
        return Reading(Outcome.EMPTY, "the body is empty")
    return (
        read_stream(body, pieces) if mode is Mode.STREAM else read_plain(body, received.reads[-1].arrived_ns)
    )


def _outcome(received: Received, reading: Reading) -> tuple[Outcome, str]:
    """What became of a request: the status first, then what the endpoint said, then how the bytes ended."""
    head = received.head
    if head is not None and head.status != 200:
        kind = Outcome.RATE_LIMITED if head.status == 429 else Outcome.HTTP_ERROR
        return kind, f"HTTP {head.status}: {_message(received, head)}"
    if head is not None and reading.trouble is Outcome.ERROR_EVENT:
        return Outcome.ERROR_EVENT, reading.detail
    if received.end is not End.COMPLETE and not (reading.is_done and reading.trouble is None):
        return _OUTCOMES[received.end], received.detail
    return reading.trouble or Outcome.OK, reading.detail


def _message(received: Received, head: Head) -> str:
    body = b"".join([read.data for read in received.reads])[head.size :]
    try:
        value = orjson.loads(body[body.find(b"{") : body.rfind(b"}") + 1])
        return str(value["error"]["message"])[:200]
    except (ValueError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace").strip()


def _seen_by_reader(received: Received, reading: Reading) -> Seen:
    first_ns = reading.arrivals_ns[0] if reading.arrivals_ns else None
    return Seen(
        next((read.read_ns for read in received.reads if read.arrived_ns == first_ns), None),
        received.reads[-1].read_ns if received.reads else received.ended_ns,
    )
