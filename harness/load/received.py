"""What came in answer to a request, and the record that it makes: alike for every client."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import orjson

from harness.load.arrival_clock import RawRead, arrivals_ns
from harness.load.http_body import Chunks, Head, NotHttpError, Pieces, body_pieces, dechunked, header_pairs
from harness.load.reading import SAID_BYTES, Reading, read_plain, read_stream
from harness.load.record import Answered, Outcome, RequestRecord
from harness.load.workload import LoadRequest
from harness.scenario import Mode
from harness.wire.json_text import shown
from harness.wire.redaction import Secrets, redact_text
from harness.wire.words import plain_words

_DETAIL_CHARS = 200


class End(Enum):
    """How the reading of an answer ended."""

    COMPLETE = "complete"
    CUT = "cut"
    RESET = "reset"
    LEFT = "left"
    """The client stopped reading before the end, as SDKs do at [DONE] and at what they can't read."""
    TIMEOUT = "timeout"
    OVERSIZED = "oversized"
    """The harness stopped reading at its limit."""
    NOT_HTTP = "not http"


_OUTCOMES = {
    End.CUT: Outcome.CUT,
    End.RESET: Outcome.RESET,
    End.TIMEOUT: Outcome.TIMEOUT,
    End.OVERSIZED: Outcome.OVERSIZED,
    End.NOT_HTTP: Outcome.NOT_HTTP,
}


@dataclass(frozen=True, slots=True)
class Received:
    """The bytes in answer to a request with the reads that brought them, and how they ended.

    `connected_ns` is None on a connection that stood already. `ahead_ns` is by how much the kernel's stamps
    are ahead of the monotonic clock, None where it gave none. `chunks` are those of the body where the reader
    has looked at them already.
    """

    connected_ns: int | None
    sent_ns: int
    ended_ns: int
    end: End
    detail: str
    head: Head | None
    raw: bytes
    reads: Sequence[RawRead]
    ahead_ns: int | None
    chunks: Chunks | None = None


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


@dataclass(frozen=True, slots=True)
class Taken:
    """A request that has ended, before anybody has looked at what came: that can wait until there is time.

    `received` is None where there was no connection, and `detail` says why. Without `seen`, whoever read the
    bytes is the one who used them. `secrets` are those that an endpoint may echo in what it says.
    """

    due: Due
    client: str
    mode: Mode
    start_ns: int
    ended_ns: int
    secrets: Secrets | None
    request: bytes = b""
    received: Received | None = None
    seen: Seen | None = None
    detail: str = ""

    def answered(self) -> Answered:
        """Read what came."""
        due, received = self.due, self.received
        due_ns = self.start_ns if due.due_ns is None else due.due_ns
        if received is None:
            record = RequestRecord(
                due.ordinal,
                self.client,
                self.mode,
                due_ns,
                self.start_ns,
                Outcome.UNREACHABLE,
                self.ended_ns,
                woke_ns=due.woke_ns,
                detail=self._shown(self.detail),
                worker=due.worker,
            )
            return Answered(record, self.request)
        arrived = arrivals_ns(received.reads, received.ahead_ns)
        body, pieces = _body(received, arrived)
        reading = _reading(received, self.mode, body, pieces)
        outcome, detail = _outcome(received, reading, body)
        seen = self.seen or _seen_by_reader(received, reading, arrived)
        if outcome is Outcome.OK and seen.raised:
            outcome, detail = Outcome.CLIENT_ERROR, seen.raised
        is_whole = received.end is End.COMPLETE and arrived
        head = received.head
        # One read without a stamp is enough for nobody to know how late the times of this request are.
        is_kernels = received.ahead_ns is not None and all(stamp for _, stamp, _ in received.reads)
        record = RequestRecord(
            due.ordinal,
            self.client,
            self.mode,
            due_ns,
            self.start_ns,
            outcome,
            ended_ns=arrived[-1] if is_whole else self.ended_ns,
            woke_ns=due.woke_ns,
            connected_ns=received.connected_ns,
            sent_ns=received.sent_ns,
            first_byte_ns=arrived[0] if arrived else None,
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
            detail=self._shown(detail),
            clock="kernel" if is_kernels else "read",
            late_ns=_longest_unread_ns(received, arrived) if is_kernels else None,
            worker=due.worker,
        )
        headers = header_pairs(received.raw, head) if head else ()
        return Answered(record, self.request, headers, body, pieces, reading.data)

    def _shown(self, detail: str) -> str:
        """The start of a detail. The key is taken out first: half of it might not be found."""
        said = plain_words(detail.encode("utf-8", "backslashreplace").decode())
        return redact_text(said, self.secrets)[:_DETAIL_CHARS]


def _longest_unread_ns(received: Received, arrived: Sequence[int]) -> int | None:
    reads = zip(received.reads, arrived, strict=True)
    return max([read_ns - arrived_ns for (read_ns, _, _), arrived_ns in reads], default=None)


def _body(received: Received, arrived: Sequence[int]) -> tuple[bytes, Pieces]:
    """The body without its transfer coding, and the reads that made it."""
    head, raw = received.head, received.raw
    if head is None:
        return b"", ()
    raw_reads = [(at_ns, size) for at_ns, (_, _, size) in zip(arrived, received.reads, strict=True)]
    if not head.is_chunked:
        body = raw[head.size : head.answer_size]
        whole = Chunks([body], [head.size + len(body)])
        return body, body_pieces(whole, raw_reads)
    try:
        chunks = received.chunks or dechunked(raw, head.size)
    except NotHttpError:
        return b"", ()
    return b"".join(chunks.parts), body_pieces(chunks, raw_reads)


def _reading(received: Received, mode: Mode, body: bytes, pieces: Pieces) -> Reading:
    if received.end is End.OVERSIZED:
        # Nobody reads what is too much: one such answer would hold up a whole run.
        return Reading(Outcome.OVERSIZED, received.detail)
    if received.head is None or received.head.status != 200 or not body:
        return Reading(Outcome.EMPTY, "the body is empty")
    return read_stream(body, pieces) if mode is Mode.STREAM else read_plain(body, pieces[-1][0])


def _outcome(received: Received, reading: Reading, body: bytes) -> tuple[Outcome, str]:
    """What became of a request: the status first, then what the endpoint said, then how the bytes ended."""
    head = received.head
    if head is not None and head.status != 200:
        kind = Outcome.RATE_LIMITED if head.status == 429 else Outcome.HTTP_ERROR
        return kind, f"HTTP {head.status}: {_message(body)}"
    if head is not None and reading.trouble is Outcome.ERROR_EVENT:
        return Outcome.ERROR_EVENT, reading.detail
    if received.end in _OUTCOMES and not (reading.is_done and reading.trouble is None):
        return _OUTCOMES[received.end], received.detail
    if (
        received.end is End.LEFT
        and reading.trouble in (Outcome.EMPTY, Outcome.UNFINISHED)
        and received.detail
    ):
        return Outcome.CLIENT_ERROR, received.detail
    return reading.trouble or Outcome.OK, reading.detail


def _message(body: bytes) -> str:
    try:
        value = orjson.loads(body[body.find(b"{") : body.rfind(b"}") + 1])
        message = value["error"]["message"]
        return message if isinstance(message, str) else shown(message)
    except (ValueError, KeyError, TypeError):
        return body[:SAID_BYTES].decode("utf-8", "replace").strip()


def _seen_by_reader(received: Received, reading: Reading, arrived: Sequence[int]) -> Seen:
    first_ns = reading.arrivals_ns[0] if reading.arrivals_ns else None
    reads = zip(received.reads, arrived, strict=True)
    first_seen_ns = next((read[0] for read, arrived_ns in reads if arrived_ns == first_ns), None)
    return Seen(first_seen_ns, received.reads[-1][0] if received.reads else received.ended_ns)
