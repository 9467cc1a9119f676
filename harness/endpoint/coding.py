"""Gzip and deflate, in the one way that leaves an encoder no choice.

zlib and zlib-ng compress the same data differently, and versions of Python write different headers of gzip.
What the endpoint sends has to be the same bytes on each, so data is coded here: each byte by its fixed code,
and repeats are left as they are.
"""

import struct
import zlib
from collections.abc import Sequence

_CODES = tuple(f"{0x30 + byte:08b}" if byte < 144 else f"{0x190 + byte - 144:09b}" for byte in range(256))
_END = "0000000"
"""RFC 1951, 3.2.6: the fixed codes, and what ends a block of them."""
_FIXED, _STORED = "010", "000"
"""The heads of blocks that others follow, in the order of their bits."""
_LAST = b"\x03\x00"
"""A last block in which nothing is."""
_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""RFC 1952, 2.3: no name, no time, system unknown."""
_ZLIB_HEAD = b"\x78\x01"
"""RFC 1950, 2.2: a window of 32 KiB, the lowest level."""


def gzipped(pieces: Sequence[bytes]) -> list[bytes]:
    """One gzip file in as many pieces, each of which can be decoded as soon as it comes."""
    whole = b"".join(pieces)
    coded = [_coded(piece) for piece in pieces]
    coded[0] = _GZIP_HEAD + coded[0]
    coded[-1] += _LAST + struct.pack("<II", zlib.crc32(whole), len(whole) % 2**32)
    return coded


def deflated(data: bytes) -> bytes:
    """What HTTP calls deflate: the format of zlib."""
    return _ZLIB_HEAD + _coded(data) + _LAST + struct.pack(">I", zlib.adler32(data))


def _coded(data: bytes) -> bytes:
    """A block of the data, and an empty stored one that ends on the border of a byte."""
    bits = _FIXED + "".join(_CODES[byte] for byte in data) + _END + _STORED
    return int(bits[::-1], 2).to_bytes(-(-len(bits) // 8), "little") + b"\x00\x00\xff\xff"
