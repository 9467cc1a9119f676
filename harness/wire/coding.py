"""Content codings undone piece by piece, and never further than a bound: no bomb fills the memory.

Source: RFC 9110, 8.4; RFC 1952 (gzip); RFC 1950 and 1951 (deflate); RFC 7932 (br); RFC 8878 and 9659 (zstd).
"""

import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any, TypeAlias

import zstandard

brotli: Any = None
"""None where it is not installed: then no HTTP library here asks for it, or undoes it."""

with suppress(ImportError):
    brotli = import_module("brotli")

_STEP_BYTES = 256 * 1024
_ZSTD_SLICE_BYTES = 64
"""Four bytes of it may say 128 KiB; its decoder takes no bound on what it gives, so it is fed little."""

_ZSTD_WINDOW_BYTES = 8 * 1024 * 1024
"""The largest window that RFC 9659 allows."""

_MOST_CODINGS = 8

Undo: TypeAlias = Callable[[bytes], Iterator[bytes]]
"""Takes the next bytes and gives what they say, in pieces that are not large."""


class CodingError(Exception):
    """Bytes that are not in the coding which they are said to be in."""


class TooLongError(Exception):
    """A body that is longer than its bound once its coding is undone."""


class Decoding:
    """Undoes the codings of one body, as far as `most_bytes`.

    `is_any` is False where there is nothing to undo: none is named, or one that nobody here knows.
    """

    def __init__(self, codings: str, most_bytes: int) -> None:
        named = [name for part in codings.split(",") if (name := part.strip().lower())]
        known = [_CODINGS[name] for name in reversed(named) if name in _CODINGS]
        self.is_any = bool(known) and len(known) <= _MOST_CODINGS
        self._undos = [make() for make in known] if self.is_any else []
        self._most_bytes = most_bytes
        self._size_bytes = 0

    def feed(self, data: bytes) -> bytes:
        """What the next bytes say; raises CodingError, and TooLongError beyond the bound."""
        return b"".join(self.pieces(data))

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """The same, piece by piece, each before the next one is made."""
        try:
            for piece in self._undone(data, 0):
                self._size_bytes += len(piece)
                if self._size_bytes > self._most_bytes:
                    raise TooLongError(f"the body passed {self._most_bytes:,} bytes")
                yield piece
        except _BROKEN as error:
            raise CodingError(str(error)) from error

    def _undone(self, data: bytes, layer: int) -> Iterator[bytes]:
        if layer == len(self._undos):
            yield data
            return
        for piece in self._undos[layer](data):
            yield from self._undone(piece, layer + 1)


def _zlib(window_bits: int) -> Undo:
    decoder = zlib.decompressobj(window_bits)

    def undo(data: bytes) -> Iterator[bytes]:
        rest = data
        while piece := decoder.decompress(rest, _STEP_BYTES):
            yield piece
            rest = decoder.unconsumed_tail

    return undo


def _deflate() -> Undo:
    """With the frame of zlib, or without it, as many servers send it and HTTP libraries take it."""
    chosen: Undo | None = None

    def undo(data: bytes) -> Iterator[bytes]:
        nonlocal chosen
        if chosen is not None:
            yield from chosen(data)
            return
        chosen = _zlib(zlib.MAX_WBITS)
        try:
            yield from chosen(data)
        except zlib.error:
            chosen = _zlib(-zlib.MAX_WBITS)
            yield from chosen(data)

    return undo


def _zstd() -> Undo:
    made = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
    frame = made.decompressobj()

    def undo(data: bytes) -> Iterator[bytes]:
        nonlocal frame
        for start in range(0, len(data), _ZSTD_SLICE_BYTES):
            rest = data[start : start + _ZSTD_SLICE_BYTES]
            while rest:
                if frame.eof:
                    frame = made.decompressobj()
                if piece := frame.decompress(rest):
                    yield piece
                rest = frame.unused_data

    return undo


def _brotli() -> Undo:
    decoder = brotli.Decompressor()

    def undo(data: bytes) -> Iterator[bytes]:
        rest = data
        while piece := decoder.process(rest, output_buffer_limit=_STEP_BYTES):
            yield piece
            rest = b""

    return undo


_CODINGS: dict[str, Callable[[], Undo]] = {
    "gzip": lambda: _zlib(zlib.MAX_WBITS | 16),
    "x-gzip": lambda: _zlib(zlib.MAX_WBITS | 16),
    "deflate": _deflate,
    "zstd": _zstd,
    **({"br": _brotli} if brotli is not None else {}),
}

_BROKEN: tuple[type[Exception], ...] = (
    zlib.error,
    zstandard.ZstdError,
    *((brotli.error,) if brotli is not None else ()),
)
