"""The dominant colour of a small PNG, which is all that the stand-in sees in a picture.

Source: Portable Network Graphics specification, third edition: chunks (5), IDAT and filtering (9, 10).
"""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples per pixel by colour type."""
_GREY = (0, 4)
_PALETTE = 3
_LARGEST_PIXELS = 256 * 256

_COLOURS = {
    "red": (230, 20, 20),
    "green": (20, 170, 40),
    "blue": (20, 40, 230),
    "yellow": (240, 230, 20),
    "cyan": (20, 220, 230),
    "magenta": (230, 20, 220),
    "orange": (250, 140, 10),
    "purple": (120, 20, 140),
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
}
CHINESE_NAMES = {
    "red": "红色",
    "green": "绿色",
    "blue": "蓝色",
    "yellow": "黄色",
    "cyan": "青色",
    "magenta": "品红色",
    "orange": "橙色",
    "purple": "紫色",
    "black": "黑色",
    "white": "白色",
    "grey": "灰色",
}


def colour(picture: bytes) -> str:
    """The English name of a PNG's most frequent colour; empty for a picture that the stand-in can't read.

    It reads non-interlaced PNGs with eight bits per sample and at most 65536 pixels.
    """
    try:
        pixels = Counter(_pixels(picture))
    except (ValueError, KeyError, IndexError, struct.error, zlib.error):
        return ""
    if not pixels:
        return ""
    (red, green, blue), _ = pixels.most_common(1)[0]
    return min(_COLOURS, key=lambda name: _distance(_COLOURS[name], (red, green, blue)))


def _distance(one: tuple[int, int, int], other: tuple[int, int, int]) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def _pixels(picture: bytes) -> Iterator[tuple[int, int, int]]:
    """Every pixel as red, green and blue."""
    chunks = list(_chunks(picture))
    header = next((data for name, data in chunks if name == b"IHDR"), b"")
    width, height, depth, colour_type, _, _, interlace = struct.unpack(">IIBBBBB", header)
    if depth != 8 or interlace or not 0 < width * height <= _LARGEST_PIXELS:
        raise ValueError("a PNG of a kind that is not read")
    channels = _CHANNELS[colour_type]
    palette = next((data for name, data in chunks if name == b"PLTE"), b"")
    packed = b"".join(data for name, data in chunks if name == b"IDAT")
    rows = zlib.decompressobj().decompress(packed, height * (width * channels + 1))
    for row in _unfiltered(rows, width * channels, height, channels):
        for start in range(0, len(row), channels):
            sample = row[start]
            if colour_type == _PALETTE:
                red, green, blue = palette[3 * sample : 3 * sample + 3]
                yield red, green, blue
            elif colour_type in _GREY:
                yield sample, sample, sample
            else:
                yield row[start], row[start + 1], row[start + 2]


def _chunks(picture: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The name and the data of each chunk, without looking at its checksum."""
    if not picture.startswith(_SIGNATURE):
        raise ValueError("not a PNG")
    offset = len(_SIGNATURE)
    while offset + 8 <= len(picture):
        (size,) = struct.unpack_from(">I", picture, offset)
        yield picture[offset + 4 : offset + 8], picture[offset + 8 : offset + 8 + size]
        offset += size + 12


def _unfiltered(rows: bytes, row_size: int, height: int, channels: int) -> Iterator[bytes]:
    """The rows with their filters undone."""
    above = bytearray(row_size)
    for y in range(height):
        start = y * (row_size + 1)
        kind, row = rows[start], bytearray(rows[start + 1 : start + 1 + row_size])
        if len(row) != row_size:
            raise ValueError("a PNG that ends too early")
        for x in range(row_size):
            left = row[x - channels] if x >= channels else 0
            corner = above[x - channels] if x >= channels else 0
            row[x] = (row[x] + _predicted(kind, left, above[x], corner)) & 0xFF
        above = row
        yield bytes(row)


def _predicted(kind: int, left: int, up: int, corner: int) -> int:
    """What filter type `kind` adds to a byte (PNG specification, 9.2)."""
    guess = left + up - corner
    paeth = min((left, up, corner), key=lambda value: abs(guess - value))
    return (0, left, up, (left + up) // 2, paeth)[kind]
