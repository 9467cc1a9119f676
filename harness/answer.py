"""An HTTP answer that can be said again: what came, and when, without the framing of the day."""

from collections.abc import Iterator

from harness.wire.exchange import Ending, Exchange

_TOGETHER_MS = 50
"""Reads that came so close to each other are said as one."""

_KEPT_FROM_MS = 500
"""A body that came faster than this is said at once: no rule looks at times that short."""

_FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "content-encoding"})


class Answer:
    """An HTTP answer to be said again: status, headers, and pieces of the body with their times in ms.

    `asked` is the body of the request, where the scenario alone does not say it; an answer that `is_cut`
    promises one byte more than it says. `surplus` comes behind its end; one that is `framed_twice` has its
    length beside its chunks.
    """

    def __init__(
        self,
        status: int,
        headers: dict[str, str],
        *pieces: tuple[float, bytes],
        asked: bytes = b"",
        is_cut: bool = False,
        surplus: bytes = b"",
        framed_twice: bool = False,
    ) -> None:
        self.status, self.headers, self.pieces = status, headers, pieces
        self.asked, self.is_cut = asked, is_cut
        self.surplus, self.framed_twice = surplus, framed_twice

    @classmethod
    def of(cls, exchange: Exchange) -> "Answer":
        """The answer of a recorded exchange; raises ValueError when there was none."""
        response = exchange.response
        if response is None:
            raise ValueError("the exchange has no answer that could be said again")
        headers = {name: value for name, value in response.headers if name.lower() not in _FRAMING}
        return cls(
            response.status,
            headers,
            *_pieces(exchange),
            asked=exchange.request.body,
            is_cut=exchange.ended is Ending.CUT,
            surplus=response.surplus,
            framed_twice=None not in map(response.header, ("content-length", "transfer-encoding")),
        )


def _pieces(exchange: Exchange) -> Iterator[tuple[float, bytes]]:
    reads = exchange.response.decoded_reads if exchange.response else ()
    sent_ns = exchange.request.sent_ns
    if not reads or (reads[-1].arrived_ns - sent_ns) / 1e6 < _KEPT_FROM_MS:
        yield 0, b"".join(read.data for read in reads)
        return
    at_ms, data = (reads[0].arrived_ns - sent_ns) / 1e6, b""
    last_ms = at_ms
    for read in reads:
        arrived_ms = (read.arrived_ns - sent_ns) / 1e6
        if arrived_ms - last_ms > _TOGETHER_MS and data:
            yield round(at_ms), data
            at_ms, data = arrived_ms, b""
        data, last_ms = data + read.data, arrived_ms
    yield round(at_ms), data
