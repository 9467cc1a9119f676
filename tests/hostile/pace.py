"""Lies by time."""

import time
from socket import socket

from harness.scenario import Mode
from harness.wire.exchange import Ending
from tests.hostile.behaviour import chunk, chunked, drip, events, lie, message, wait
from tests.servers import head

_BODY = message('"Hi"')


@lie(Ending.TIMEOUT, says=r"not at its end after 0\.6 s: \d+ bytes of the body came")
def drips_its_body(connection: socket, _: bytes) -> None:
    connection.sendall(head())
    drip(connection, _BODY)


@lie(Ending.TIMEOUT, says="not at its end")
def drips_its_chunk_sizes(connection: socket, _: bytes) -> None:
    chunked(connection, b"")
    drip(connection, b"0000000000000000000000000000000000000001;a=b")


@lie(Ending.TIMEOUT, Ending.CUT, says="not at its end|a chunk size that is none")
def drips_zeros_for_a_chunk_size(connection: socket, _: bytes) -> None:
    chunked(connection, b"")
    drip(connection, b"0")


@lie(Ending.TIMEOUT, says="not at its end")
def sends_white_space_while_it_thinks(connection: socket, _: bytes) -> None:
    connection.sendall(head())
    drip(connection, b"\n")


@lie(Ending.TIMEOUT, says="silent")
def falls_silent_in_its_body(connection: socket, _: bytes) -> None:
    connection.sendall(head(headers=[f"Content-Length: {len(_BODY)}"]) + _BODY[:50])
    wait(connection)


@lie(Ending.TIMEOUT, says="silent", mode=Mode.STREAM)
def falls_silent_before_its_first_event(connection: socket, _: bytes) -> None:
    events(connection)
    wait(connection)


@lie(Ending.TIMEOUT, says="not at its end", mode=Mode.STREAM)
def sends_a_token_just_before_each_deadline(connection: socket, _: bytes) -> None:
    events(connection)
    while True:
        connection.sendall(chunk('{"content":"a"}'))
        time.sleep(0.2)
