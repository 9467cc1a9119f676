"""Lies in content codings. Each bomb says a hundred times the bound, and more, in a few kilobytes."""

import gzip
import zlib
from socket import socket

import brotli
import zstandard

from harness.wire.exchange import Ending
from tests.hostile.behaviour import lie, message, plain

_BODY = message('"Hi"')
_MUCH = message('"' + "a" * 30_000_000 + '"')
_BOMB = "the body passed 262,144 bytes"


def _coded(connection: socket, coding: str, body: bytes) -> None:
    plain(connection, body, "200 OK", f"Content-Encoding: {coding}")


@lie(Ending.OVERSIZED, says=_BOMB, fails=["http.whole-body"])
def gzip_bomb(connection: socket, _: bytes) -> None:
    _coded(connection, "gzip", gzip.compress(_MUCH))


@lie(Ending.OVERSIZED, says=_BOMB)
def gzip_in_gzip_bomb(connection: socket, _: bytes) -> None:
    _coded(connection, "gzip, gzip", gzip.compress(gzip.compress(_MUCH)))


@lie(Ending.OVERSIZED, says=_BOMB)
def deflate_bomb(connection: socket, _: bytes) -> None:
    _coded(connection, "deflate", zlib.compress(_MUCH))


@lie(Ending.OVERSIZED, says=_BOMB)
def raw_deflate_bomb(connection: socket, _: bytes) -> None:
    _coded(connection, "deflate", zlib.compress(_MUCH)[2:-4])


@lie(Ending.OVERSIZED, says=_BOMB)
def zstd_bomb(connection: socket, _: bytes) -> None:
    _coded(connection, "zstd", zstandard.ZstdCompressor().compress(_MUCH))


@lie(Ending.OVERSIZED, says=_BOMB)
def brotli_bomb(connection: socket, _: bytes) -> None:
    _coded(connection, "br", brotli.compress(_MUCH, quality=1))


@lie(Ending.OVERSIZED, Ending.COMPLETE, Ending.LEFT, Ending.CUT)
def zstd_with_a_window_of_a_gigabyte(connection: socket, _: bytes) -> None:
    _coded(connection, "zstd", b"\x28\xb5\x2f\xfd\x00" + b"\xa0" + b"\x01\x00\x00" * 50)


@lie(Ending.COMPLETE, Ending.LEFT, fails=["http.content-coding"])
def says_gzip_and_is_plain(connection: socket, _: bytes) -> None:
    _coded(connection, "gzip", _BODY)


@lie(Ending.COMPLETE, Ending.LEFT)
def ends_in_the_middle_of_its_gzip(connection: socket, _: bytes) -> None:
    _coded(connection, "gzip", gzip.compress(_BODY)[:40])


@lie(Ending.COMPLETE, Ending.LEFT, fails=["http.content-coding"])
def says_a_coding_that_nobody_knows(connection: socket, _: bytes) -> None:
    _coded(connection, "likewise", _BODY)


@lie(Ending.COMPLETE, Ending.LEFT)
def names_a_hundred_codings(connection: socket, _: bytes) -> None:
    _coded(connection, ", ".join(["gzip"] * 100), gzip.compress(_BODY))
