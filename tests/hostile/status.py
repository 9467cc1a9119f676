"""Lies by status."""

from socket import socket

from harness.wire.exchange import Ending
from tests.hostile.behaviour import lie, message, plain
from tests.servers import sized

_BODY = message('"Hi"')
_ERROR = b'{"error":{"message":"No.","type":"x","param":null,"code":null}}'


@lie()
def is_busy_for_a_century(connection: socket, _: bytes) -> None:
    plain(connection, _ERROR, "429 Too Many Requests", "Retry-After: 3153600000")


@lie()
def is_busy_for_a_negative_time(connection: socket, _: bytes) -> None:
    plain(connection, _ERROR, "503 Busy", "Retry-After: -5")


@lie()
def is_busy_for_a_number_without_end(connection: socket, _: bytes) -> None:
    plain(connection, _ERROR, "429 Too Many Requests", f"Retry-After: {'9' * 5_000}")


@lie(why="a redirect")
def redirects_to_itself(connection: socket, _: bytes) -> None:
    plain(connection, b"", "307 Temporary Redirect", "Location: /v1/chat/completions")


@lie(why="an HTML page")
def is_a_web_page(connection: socket, _: bytes) -> None:
    connection.sendall(sized(b"<!doctype html><title>Hi</title>", media_type="text/html"))


@lie(why="an empty body")
def says_ok_and_nothing(connection: socket, _: bytes) -> None:
    plain(connection, b"")


@lie(Ending.COMPLETE, Ending.NOT_HTTP)
def says_a_status_of_999(connection: socket, _: bytes) -> None:
    plain(connection, _BODY, "999 Whatever")


@lie(Ending.NOT_HTTP, says="status")
def says_a_status_of_four_digits(connection: socket, _: bytes) -> None:
    plain(connection, _BODY, "2000 OK")


@lie(Ending.COMPLETE, Ending.TIMEOUT, Ending.CUT)
def says_not_modified(connection: socket, _: bytes) -> None:
    plain(connection, b"", "304 Not Modified")


@lie(fails=["http.success"])
def fails_with_nothing(connection: socket, _: bytes) -> None:
    plain(connection, b"\n", "500 ")


@lie(fails=["http.success"])
def fails_with_a_text_for_an_object(connection: socket, _: bytes) -> None:
    plain(connection, b'{"error":"\\ud83d no"}', "400 Bad Request")


@lie()
def succeeds_with_an_error(connection: socket, _: bytes) -> None:
    plain(connection, _ERROR)
