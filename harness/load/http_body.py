"""HTTP/1.1 as far as reading a response needs it: the head, and the bytes of the body with their times.

Source: RFC 9112, 4 (status line), 6.3 (length of the body), 7.1 (chunked transfer coding).
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from harness.wire.exchange import Headers

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) (\d{3})(?: [^\r\n]*)?\r\n")
_FIELDS = re.compile(rb"\r\n(transfer-encoding|content-length|connection):([^\r]*)(?=\r\n)", re.IGNORECASE)
"""What says how a body is framed."""

_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]+)[ \t]*(?:;|\Z)")
_LENGTH = re.compile(rb"[0-9]{1,18}")

Pieces = tuple[tuple[int, int], ...]
"""The reads that made a body: when bytes arrived, and how many of the body's bytes there were after them."""


class NotHttpError(Exception):
    """What came is no HTTP response; the message says what it is."""


@dataclass(frozen=True, slots=True)
class Head:
    """A response's head: where it begins behind interim ones, how many bytes there are up to its end.

    `length` is the body's, None where the head doesn't give it.
    """

    status: int
    start: int
    size: int
    is_chunked: bool
    length: int | None
    keeps_connection: bool

    @property
    def answer_size(self) -> int | None:
        """Where an answer of known length ends, counted from its first byte."""
        return None if self.length is None else self.size + self.length


def parsed_head(data: bytes | bytearray) -> Head | None:
    """The head at the start of the data; None while it is not whole."""
    start = 0
    while True:
        line = _STATUS_LINE.match(data, start)
        end = data.find(b"\r\n\r\n", start)
        if line is None and (end >= 0 or not b"HTTP/1.".startswith(data[start : start + 7])):
            raise NotHttpError(f"it began with {bytes(data[start : start + 20])!r}")
        if line is None or end < 0:
            return None
        status = int(line[2])
        if status >= 200:
            break
        start = end + 4
    fields = {name.lower(): value.strip().lower() for name, value in _FIELDS.findall(data, start, end + 2)}
    is_chunked = b"chunked" in fields.get(b"transfer-encoding", b"")
    length = None if is_chunked else 0 if status in (204, 304) else _length(fields.get(b"content-length"))
    connection = fields.get(b"connection", b"")
    keeps = b"keep-alive" in connection if line[1] == b"0" else b"close" not in connection
    return Head(
        status,
        start,
        end + 4,
        is_chunked,
        length,
        keeps and (is_chunked or length is not None),
    )


def header_pairs(data: bytes, head: Head) -> Headers:
    """The header fields of a head, in order."""
    lines = data[head.start : head.size - 4].decode("latin-1").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines)
    return tuple((name, value.strip()) for name, _, value in pairs)


def _length(value: bytes | None) -> int | None:
    if value is None:
        return None
    if not _LENGTH.fullmatch(value):
        raise NotHttpError(f"its Content-Length is {value[:20].decode('latin-1')!r}")
    return int(value)


@dataclass(frozen=True, slots=True)
class Chunks:
    """A chunked body as far as it came: its parts, and where in the raw bytes each ends.

    `end` is where the last chunk and its trailers end, None where they have not come.
    """

    parts: list[bytes]
    raw_ends: list[int]
    end: int | None = None


def dechunked(raw: bytes, start: int) -> Chunks:
    """The chunks from `start` on, the last one perhaps cut off; raises NotHttpError where there are none."""
    parts: list[bytes] = []
    raw_ends: list[int] = []
    size = len(raw)
    position, data_start, line = start, start, b""
    length = 0
    while True:
        # chunks of one length follow one another in most streams
        if line and raw.startswith(line, position):
            data_start = position + len(line)
        else:
            line_end = raw.find(b"\r\n", position)
            if line_end < 0:
                return Chunks(parts, raw_ends)
            data_start = line_end + 2
            line, length = raw[position:data_start], _chunk_length(raw[position:line_end])
            if length == 0:
                return Chunks(parts, raw_ends, _end_of_trailers(raw, data_start))
        position = data_start + length
        parts.append(raw[data_start:position])
        if position + 2 > size:
            raw_ends.append(min(position, size))
            return Chunks(parts, raw_ends)
        raw_ends.append(position)
        position += 2


def _end_of_trailers(raw: bytes, start: int) -> int | None:
    """Where the empty line ends that ends them; None where it has not come."""
    if raw.startswith(b"\r\n", start):
        return start + 2
    found = raw.find(b"\r\n\r\n", start)
    return None if found < 0 else found + 4


def _chunk_length(line: bytes) -> int:
    size = _CHUNK_SIZE.match(line)
    if size is None:
        raise NotHttpError(f"a chunk's size is {line[:20]!r}")
    return int(size[1], 16)


def body_pieces(chunks: Chunks, reads: Sequence[tuple[int, int]]) -> Pieces:
    """The reads of raw bytes, given as (time, raw bytes until then), as reads of the body's bytes."""
    body_ends = list(accumulate(map(len, chunks.parts)))
    end_of = dict(zip(chunks.raw_ends, body_ends, strict=True))

    def body_end(raw_size: int) -> int:
        index = bisect_right(chunks.raw_ends, raw_size)
        known = body_ends[index - 1] if index else 0
        if index == len(body_ends):
            return known
        # the read may end within a chunk
        return max(known, body_ends[index] - (chunks.raw_ends[index] - raw_size))

    # most reads end where a chunk does
    return tuple([(at_ns, end_of.get(size - 2) or body_end(size)) for at_ns, size in reads])
