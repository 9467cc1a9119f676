"""The bounds of one exchange while it happens, held where its bytes are read: beneath every HTTP library.

A library bounds single reads, if at all, so that a server which drips bytes is never too slow for it, and it
looks at no clock while it reads interim answers, trailers, or comments after `[DONE]`.
"""

import time
from contextvars import ContextVar
from dataclasses import dataclass, field

from harness.wire.coding import CodingError, Decoding, TooLongError
from harness.wire.exchange import Ending
from harness.wire.limits import Limits

_LEAST_S = 0.001
"""A socket with no time at all would not block, and raise something else."""


class LimitReachedError(Exception):
    """Raised into the client when an exchange passes the harness's limits; the exchange says which."""

    def __init__(self, ending: Ending, detail: str) -> None:
        super().__init__(detail)
        self.ending = ending


@dataclass(slots=True)
class Bounds:
    """What one exchange has taken of what it may take; times in ns of `time.monotonic_ns`.

    `until_ns` is when the whole run has to end; 0 where nothing says so. `silence` is the sentence on a read
    that brought nothing in time, empty where there was none.
    """

    limits: Limits
    began_ns: int
    until_ns: int = 0
    wire_bytes: int = 0
    body_bytes: int = 0
    decoded_bytes: int = 0
    stream_lines: int = 0
    has_head: bool = False
    silence: str = ""
    _decoding: Decoding | None = field(default=None, repr=False)

    def left_s(self, asked_s: float | None) -> float:
        """How long the next read or write may take; raises LimitReachedError where there may be none.

        A head that is not whole yet may have come with some of its body, so it is looked at before each read.
        """
        now_ns = time.monotonic_ns()
        if self.until_ns and now_ns >= self.until_ns:
            raise LimitReachedError(Ending.TIMEOUT, "the run's time was up")
        limits = self.limits
        if not self.has_head and self.wire_bytes > limits.head_bytes:
            raise LimitReachedError(Ending.OVERSIZED, f"the head passed {limits.head_bytes:,} bytes")
        left_s = limits.total_s - (now_ns - self.began_ns) / 1e9
        if left_s <= 0:
            raise LimitReachedError(
                Ending.TIMEOUT, f"not at its end after {limits.total_s:g} s: {self.where}"
            )
        if self.until_ns:
            left_s = min(left_s, (self.until_ns - now_ns) / 1e9)
        bound_s = limits.silence_s if asked_s is None else min(asked_s, limits.silence_s)
        return max(min(left_s, bound_s), _LEAST_S)

    def connect_s(self, asked_s: float | None) -> float:
        """How long an attempt to connect may take."""
        bound_s = self.limits.connect_s if asked_s is None else min(asked_s, self.limits.connect_s)
        return min(self.left_s(None), bound_s)

    def was_silent(self, waited_s: float) -> None:
        """Take note of a read that brought nothing; raises LimitReachedError where all of its time is up."""
        self.left_s(None)
        self.silence = f"silent for {waited_s:g} s {self.stage}"

    def took(self, size_bytes: int) -> None:
        """Count bytes that came over the wire; raises LimitReachedError."""
        self.wire_bytes += size_bytes
        if self.wire_bytes > self.limits.wire_bytes:
            raise LimitReachedError(
                Ending.OVERSIZED, f"the answer passed {self.limits.wire_bytes:,} bytes on the wire"
            )

    def took_head(self, codings: str, *, is_stream: bool) -> None:
        """The head is there, and says in which codings the body is."""
        self.has_head = True
        self._decoding = Decoding(codings, self.limits.body_bytes)
        self.stream_lines = 0 if is_stream else -1

    def took_body(self, data: bytes) -> None:
        """Count bytes of the body, and what they say once decoded; raises LimitReachedError."""
        decoding = self._decoding
        self.body_bytes += len(data)
        if decoding is None:
            return
        try:
            for piece in decoding.pieces(data):
                self.decoded_bytes += len(piece)
                if self.stream_lines >= 0:
                    self.stream_lines += piece.count(b"\n") + piece.count(b"\r")
        except TooLongError as error:
            raise LimitReachedError(Ending.OVERSIZED, str(error)) from None
        except CodingError:
            # The library will tell its user; what can't be decoded takes no more room than it has.
            self._decoding = None
        if self.stream_lines > self.limits.stream_lines:
            raise LimitReachedError(Ending.OVERSIZED, f"the stream passed {self.limits.stream_lines:,} lines")

    @property
    def stage(self) -> str:
        """How far an answer has come, as the end of a sentence."""
        if not self.wire_bytes:
            return "before an answer began"
        if not self.has_head:
            return f"after {self.wire_bytes:,} bytes of a head"
        return f"after {self.body_bytes:,} bytes of the body" if self.body_bytes else "after the head"

    @property
    def where(self) -> str:
        """The same as a clause."""
        if not self.wire_bytes:
            return "no answer began"
        if not self.has_head:
            return f"{self.wire_bytes:,} bytes came, and no head was whole"
        return f"{self.body_bytes:,} bytes of the body came"


_current: ContextVar[Bounds | None] = ContextVar("bounds", default=None)


def hold(bounds: Bounds) -> None:
    """From here on, what is read in this context counts for this exchange."""
    _current.set(bounds)


def current() -> Bounds | None:
    """The bounds of the exchange that is read in this context."""
    return _current.get()
