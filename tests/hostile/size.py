"""Lies by size. Each says more than the bound in a form that costs a reader the most."""

from socket import socket

from harness.scenario import Mode
from harness.wire.exchange import Ending
from tests.hostile.behaviour import DONE, chunk, chunked, events, flood, lie, message, plain
from tests.servers import head


@lie(Ending.OVERSIZED, says="the body passed 262,144 bytes", fails=["http.whole-body"])
def has_a_body_without_end(connection: socket, _: bytes) -> None:
    connection.sendall(head())
    flood(connection, b"x")


@lie(Ending.OVERSIZED, says="the body passed")
def has_a_text_of_megabytes(connection: socket, _: bytes) -> None:
    plain(connection, message('"' + "a" * 5_000_000 + '"'))


@lie(Ending.OVERSIZED, says="the body passed")
def has_an_error_of_megabytes(connection: socket, _: bytes) -> None:
    plain(connection, b'{"error":{"message":"' + b"a" * 5_000_000 + b'"}}', "500 Oops")


@lie(Ending.OVERSIZED, Ending.TIMEOUT)
def floods_with_chunks_of_one_byte(connection: socket, _: bytes) -> None:
    chunked(connection, b"")
    flood(connection, b"1\r\nx\r\n")


@lie()
def has_sixty_thousand_empty_arrays(connection: socket, _: bytes) -> None:
    plain(connection, message('"Hi"', extra="[" + "[]," * 60_000 + "1]"))


@lie()
def has_a_thousand_choices(connection: socket, _: bytes) -> None:
    each = '{"index":%d,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}'
    plain(connection, message("null", choices="[" + ",".join(each % at for at in range(1_000)) + "]"))


@lie(mode=Mode.STREAM)
def has_nine_hundred_wrong_chunks(connection: socket, _: bytes) -> None:
    events(connection, chunk('{"content":5}', '"odd"', id="7") * 900, DONE)


@lie()
def is_white_space_alone(connection: socket, _: bytes) -> None:
    plain(connection, b" \n" * 60_000)


@lie()
def has_white_space_before_its_answer(connection: socket, _: bytes) -> None:
    plain(connection, b" " * 100_000 + message('"Hi"'))
