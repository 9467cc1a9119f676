"""HTTP/1.1 as far as reading a response needs it: the head, and the bytes of the body with their times.

Source: RFC 9112, 4 (status line), 6.3 (length of the body), 7.1 (chunked transfer coding).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from harness.wire.exchange import Headers

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) (\d{3})(?: [^\r\n]*)?\r\n")

Pieces = tuple[tuple[int, int], ...]
"""The reads that made a body: when bytes arrived, and how many of the body's bytes there were after them."""


class NotHttpError(Exception):
    """What came is no HTTP response; the message says what it is."""


@dataclass(frozen=True, slots=True)
class Head:
    """A response's head of `size` bytes; `length` is the body's, None where the head doesn't give it."""

    status: int
    headers: Headers
    size: int
    is_chunked: bool
    length: int | None
    keeps_connection: bool


def parsed_head(data: bytes) -> Head | None:
    """The head at the start of the data, after any interim ones; None while it is not whole."""
    start = 0
    while True:
        end = data.find(b"\r\n\r\n", start)
        if end < 0:
            if not b"HTTP/1.".startswith(data[start : start + 7]):
                raise NotHttpError(f"it began with {data[start : start + 20]!r}")
            return None
        line = _STATUS_LINE.match(data, start)
        if line is None:
            raise NotHttpError(f"it began with {data[start : start + 20]!r}")
        if not 100 <= int(line[2]) < 200:
            break
        start = end + 4
    headers = tuple(map(_header, data[line.end() : end].split(b"\r\n"))) if line.end() < end else ()
    status = int(line[2])
    values = {name.lower(): value for name, value in headers}
    is_chunked = "chunked" in values.get("transfer-encoding", "").lower()
    connection = values.get("connection", "").lower()
    keeps = "keep-alive" in connection if line[1] == b"0" else "close" not in connection
    length = 0 if status in (204, 304) else _length(values.get("content-length"))
    return Head(
        status,
        headers,
        end + 4,
        is_chunked,
        None if is_chunked else length,
        keeps and (is_chunked or length is not None),
    )


def _header(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode("latin-1").partition(":")
    return name, value.strip()


def _length(value: str | None) -> int | None:
    if value is None:
        return None
    if not value.isdigit():
        raise NotHttpError(f"its Content-Length is {value!r}")
    return int(value)


@dataclass(frozen=True, slots=True)
class Chunks:
    """A chunked body as far as it came: its parts, where in the raw bytes each ends, whether it is whole."""

    parts: list[bytes]
    raw_ends: list[int]
    is_whole: bool


def dechunked(raw: bytes, start: int) -> Chunks:
    """The chunks from `start` on, the last one perhaps cut off; raises NotHttpError where there are none."""
    parts: list[bytes] = []
    raw_ends: list[int] = []
    position, size = start, len(raw)
    while True:
        line_end = raw.find(b"\r\n", position)
        if line_end < 0:
            return Chunks(parts, raw_ends, is_whole=False)
        try:
            length = int(raw[position:line_end].partition(b";")[0], 16)
        except ValueError:
            raise NotHttpError(f"a chunk's size is {raw[position:line_end][:20]!r}") from None
        if length == 0:
            is_whole = raw.startswith(b"\r\n", line_end + 2) or raw.find(b"\r\n\r\n", line_end + 2) >= 0
            return Chunks(parts, raw_ends, is_whole)
        data_end = line_end + 2 + length
        parts.append(raw[line_end + 2 : data_end])
        raw_ends.append(min(data_end, size))
        position = data_end + 2
        if position > size:
            return Chunks(parts, raw_ends, is_whole=False)


def body_pieces(chunks: Chunks, reads: Sequence[tuple[int, int]]) -> Pieces:
    """The reads of raw bytes, given as (time, raw bytes until then), as reads of the body's bytes."""
    body_ends = list(accumulate(map(len, chunks.parts)))
    pieces: list[tuple[int, int]] = []
    index, count = 0, len(body_ends)
    for arrived_ns, raw_size in reads:
        while index < count and chunks.raw_ends[index] <= raw_size:
            index += 1
        known = body_ends[index - 1] if index else 0
        if index < count:
            # the read may end within a chunk
            missing = chunks.raw_ends[index] - raw_size
            known = max(known, body_ends[index] - missing)
        pieces.append((arrived_ns, known))
    return tuple(pieces)
