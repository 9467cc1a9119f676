"""Lies about where a body begins and ends."""

from socket import socket

from harness.wire.exchange import Ending
from tests.hostile.behaviour import chunked, drip, flood, lie, message, plain, wait
from tests.servers import head

_BODY = message('"Hi"')


def _one_chunk(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


@lie(fails=["http.one-framing"])
def has_both_framings(connection: socket, _: bytes) -> None:
    headers = [f"Content-Length: {len(_BODY)}", "Transfer-Encoding: chunked"]
    connection.sendall(head(headers=headers) + _one_chunk(_BODY) + b"0\r\n\r\n")


@lie(Ending.NOT_HTTP, says="two lengths that differ")
def has_two_lengths(connection: socket, _: bytes) -> None:
    connection.sendall(head(headers=["Content-Length: 5", "Content-Length: 9"]) + _BODY)


@lie(Ending.NOT_HTTP, says="a Content-Length that is no number")
def has_a_negative_length(connection: socket, _: bytes) -> None:
    connection.sendall(head(headers=["Content-Length: -1"]) + _BODY)


@lie(Ending.NOT_HTTP, says="a Content-Length that is no number")
def has_a_length_of_letters(connection: socket, _: bytes) -> None:
    connection.sendall(head(headers=["Content-Length: many"]) + _BODY)


@lie(Ending.CUT, says=r"ended after \d+ of 9999 bytes", fails=["http.whole-body"])
def promises_more_than_it_sends(connection: socket, _: bytes) -> None:
    connection.sendall(head(headers=["Content-Length: 9999"]) + _BODY)


@lie(Ending.TIMEOUT, says=r"silent for 0\.25 s after \d+ bytes of the body", fails=["http.whole-body"])
def promises_an_exabyte(connection: socket, _: bytes) -> None:
    connection.sendall(head(headers=["Content-Length: 999999999999999999"]) + _BODY)
    wait(connection)


@lie(fails=["http.nothing-after-end"])
def sends_more_than_its_length(connection: socket, _: bytes) -> None:
    connection.sendall(head(headers=[f"Content-Length: {len(_BODY)}"]) + _BODY + _BODY)


@lie(Ending.CUT, says="a chunk size that is none")
def has_a_chunk_size_that_is_none(connection: socket, _: bytes) -> None:
    chunked(connection, b"zz\r\n" + _BODY + b"\r\n0\r\n\r\n")


@lie(Ending.CUT, says="a chunk size that is none")
def has_a_negative_chunk_size(connection: socket, _: bytes) -> None:
    chunked(connection, b"-5\r\n" + _BODY + b"\r\n0\r\n\r\n")


@lie(Ending.CUT, says="a chunk size that is none")
def has_a_chunk_size_of_a_hundred_digits(connection: socket, _: bytes) -> None:
    chunked(connection, b"f" * 100 + b"\r\n" + _BODY)


@lie(Ending.CUT, says="chunk")
def has_a_chunk_longer_than_its_size(connection: socket, _: bytes) -> None:
    chunked(connection, b"5\r\n" + _BODY + b"\r\n0\r\n\r\n")


@lie(Ending.CUT, says="a line of the head, or of a chunk, without end")
def has_a_chunk_extension_without_end(connection: socket, _: bytes) -> None:
    chunked(connection, b"5;name=")
    flood(connection, b"x")


@lie(Ending.TIMEOUT, says=r"not at its end after 0\.6 s")
def drips_its_trailers(connection: socket, _: bytes) -> None:
    chunked(connection, _one_chunk(_BODY) + b"0\r\n")
    drip(connection, b"X-Trailer: more\r\n")


@lie(Ending.CUT, says="a line of the head, or of a chunk, without end")
def floods_with_trailers(connection: socket, _: bytes) -> None:
    chunked(connection, _one_chunk(_BODY) + b"0\r\n")
    flood(connection, b"X-Trailer: more\r\n")


@lie(Ending.CUT, says="ended before the last chunk")
def forgets_its_last_chunk(connection: socket, _: bytes) -> None:
    chunked(connection, _one_chunk(_BODY))


@lie(Ending.CUT, says="ended before the last chunk")
def closes_in_a_chunk(connection: socket, _: bytes) -> None:
    chunked(connection, b"fff\r\n" + _BODY)


@lie(Ending.COMPLETE)
def sends_chunks_of_one_byte(connection: socket, _: bytes) -> None:
    chunked(connection, b"".join(_one_chunk(_BODY[at : at + 1]) for at in range(len(_BODY))) + b"0\r\n\r\n")


@lie(Ending.CUT, Ending.NOT_HTTP, says="Transfer-Encoding that is not chunked")
def codes_its_transfer_in_gzip(connection: socket, _: bytes) -> None:
    connection.sendall(head(headers=["Transfer-Encoding: gzip"]) + _BODY)


@lie(Ending.COMPLETE)
def has_a_body_with_204(connection: socket, _: bytes) -> None:
    plain(connection, _BODY, "204 No Content")


@lie(Ending.TIMEOUT, says="silent")
def stays_open_after_a_body_without_length(connection: socket, _: bytes) -> None:
    connection.sendall(head() + _BODY)
    wait(connection)
