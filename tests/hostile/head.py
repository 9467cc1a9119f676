"""Lies before the body."""

import time
from socket import socket

from harness.wire.exchange import Ending
from tests.hostile.behaviour import drip, flood, lie, message, plain, reset, wait
from tests.servers import head

_BODY = message('"Hi"')


@lie(Ending.CUT, says="ended before an answer began")
def says_nothing(_: socket, __: bytes) -> None:
    """Closes the connection without a byte."""


@lie(Ending.CUT, says="reset")
def resets_at_once(connection: socket, _: bytes) -> None:
    reset(connection)


@lie(Ending.TIMEOUT, says=r"silent for 0\.25 s before an answer began")
def never_answers(connection: socket, _: bytes) -> None:
    wait(connection)


@lie(Ending.TIMEOUT, says=r"not at its end after 0\.6 s: \d+ bytes came, and no head was whole")
def drips_its_head(connection: socket, _: bytes) -> None:
    drip(connection, head())


@lie(Ending.TIMEOUT, says="no head was whole")
def says_100_for_ever(connection: socket, _: bytes) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.02)


@lie(Ending.OVERSIZED, says=r"the head passed 16,384 bytes")
def floods_with_early_hints(connection: socket, _: bytes) -> None:
    flood(connection, b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")


@lie(Ending.OVERSIZED, says="the head passed")
def has_headers_without_end(connection: socket, _: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    flood(connection, b"X-More: and more\r\n")


@lie(Ending.OVERSIZED, says="the head passed")
def has_one_endless_header(connection: socket, _: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    flood(connection, b"x")


@lie(Ending.TIMEOUT, says=r"silent for 0\.25 s after \d+ bytes of a head")
def stops_in_its_head(connection: socket, _: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Ty")
    wait(connection)


@lie(Ending.CUT, says="ended")
def closes_in_its_head(connection: socket, _: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Ty")


@lie(Ending.TIMEOUT, says="after the head", why="silent for .* after the head")
def is_silent_after_its_head(connection: socket, _: bytes) -> None:
    connection.sendall(head())
    wait(connection)


@lie(Ending.NOT_HTTP, says="a status line that is none")
def begins_with_a_line_of_its_log(connection: socket, _: bytes) -> None:
    connection.sendall(b"INFO: starting\r\n")
    plain(connection, _BODY)


@lie(Ending.NOT_HTTP, says="a status line that is none")
def answers_in_tls(connection: socket, _: bytes) -> None:
    connection.sendall(b"\x15\x03\x01\x00\x02\x02\x16\r\n\r\n")


@lie(Ending.NOT_HTTP, says="status line that is none")
def speaks_no_http_at_all(connection: socket, _: bytes) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")


@lie(Ending.NOT_HTTP, says="status line that is none")
def says_a_version_that_is_not_there(connection: socket, _: bytes) -> None:
    connection.sendall(b"HTTP/9.7.3 200 OK\r\n\r\n" + _BODY)


@lie(Ending.NOT_HTTP, says="header line that is none")
def has_a_header_without_a_colon(connection: socket, _: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nthis is no header\r\n\r\n" + _BODY)


@lie(Ending.NOT_HTTP, says="header line that is none")
def has_a_nul_in_a_header(connection: socket, _: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Nul: a\0b\r\n\r\n" + _BODY)


@lie(Ending.NOT_HTTP, Ending.COMPLETE)
def has_escapes_in_its_reason(connection: socket, _: bytes) -> None:
    connection.sendall(b"HTTP/1.1 500 \x1b[2J\x9b31m\r\nContent-Length: 0\r\n\r\n")


@lie(Ending.COMPLETE)
def has_direction_marks_in_a_header(connection: socket, _: bytes) -> None:
    plain(connection, _BODY, "200 OK", "X-Request-Id: \u202eabc\u2066")


@lie(Ending.NOT_HTTP, Ending.COMPLETE, Ending.CUT, Ending.TIMEOUT)
def switches_protocols(connection: socket, _: bytes) -> None:
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n")
    wait(connection)
