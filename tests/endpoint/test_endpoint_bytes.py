"""The endpoint's bytes are its own: no version of Python and no library for compression has a say in them."""

import gzip
import socket
import zlib
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.endpoint import coding
from harness.endpoint.server import running
from harness.endpoint.settings import Settings

_PIECES = st.lists(st.binary(max_size=300), min_size=1, max_size=5)


def _status_line(settings: Settings, request: bytes) -> bytes:
    with running(settings) as address:
        at = urlsplit(address.base_url)
        with socket.create_connection((at.hostname, at.port), timeout=20) as connection:
            connection.sendall(request)
            return connection.makefile("rb").readline()


@pytest.mark.parametrize(
    ("request_line", "faults", "line"),
    [
        (
            b"POST /v1/chat/completions HTTP/1.1",
            ("er-422-for-400",),
            b"HTTP/1.1 422 Unprocessable Content\r\n",
        ),
        (b"GET /v1/models HTTP/1.1", (), b"HTTP/1.1 200 OK\r\n"),
        (b"this is not HTTP", (), b"HTTP/1.1 400 Bad Request\r\n"),
    ],
)
def test_a_status_has_the_phrase_of_its_rfc_whatever_the_interpreter_calls_it(
    request_line: bytes, faults: tuple[str, ...], line: bytes
) -> None:
    head = (
        b"\r\nhost: x\r\nauthorization: Bearer " + Settings().key.encode() + b"\r\ncontent-length: 0\r\n\r\n"
    )
    assert _status_line(Settings(faults=faults), request_line + head) == line


@given(_PIECES)
def test_a_coded_stream_can_be_read_piece_by_piece(pieces: list[bytes]) -> None:
    decoder = zlib.decompressobj(zlib.MAX_WBITS | 16)
    assert [decoder.decompress(piece) for piece in coding.gzipped(pieces)] == pieces
    assert decoder.eof
    assert decoder.unused_data == b""


@given(st.binary(max_size=3000))
def test_what_is_coded_is_read_by_any_decoder(data: bytes) -> None:
    assert gzip.decompress(b"".join(coding.gzipped([data]))) == data
    assert zlib.decompress(coding.deflated(data)) == data


def test_data_has_one_coded_form() -> None:
    assert (
        coding.deflated(b"pong").hex()
        == "78012ac8cf4b07000000ffff0300" + zlib.adler32(b"pong").to_bytes(4).hex()
    )
