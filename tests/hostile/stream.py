"""Lies in streams of events."""

import time
from socket import socket

from harness.scenario import Mode
from harness.wire.exchange import Ending
from tests.hostile.behaviour import DONE, chunk, drip, events, flood, lie, wait

_ONE = chunk('{"role":"assistant","content":"Hi"}')
_LAST = chunk("{}", '"stop"')


@lie(Ending.TIMEOUT, says="not at its end", mode=Mode.STREAM)
def drips_comments_after_done(connection: socket, _: bytes) -> None:
    events(connection, _ONE, _LAST, DONE)
    drip(connection, b": still here\n\n")


@lie(Ending.TIMEOUT, says="silent", mode=Mode.STREAM)
def stays_open_after_done(connection: socket, _: bytes) -> None:
    events(connection, _ONE, _LAST, DONE)
    wait(connection)


@lie(Ending.TIMEOUT, says="not at its end", mode=Mode.STREAM)
def comments_for_ever(connection: socket, _: bytes) -> None:
    events(connection)
    drip(connection, b": thinking\n\n")


@lie(Ending.OVERSIZED, says="the stream passed 2,000 lines", mode=Mode.STREAM)
def sends_empty_events_for_ever(connection: socket, _: bytes) -> None:
    events(connection)
    flood(connection, b"\n")


@lie(Ending.OVERSIZED, says="passed", mode=Mode.STREAM)
def sends_chunks_for_ever(connection: socket, _: bytes) -> None:
    events(connection)
    flood(connection, _ONE)


@lie(Ending.OVERSIZED, says="the body passed", mode=Mode.STREAM)
def never_ends_a_line(connection: socket, _: bytes) -> None:
    events(connection)
    flood(connection, b"data: ")


@lie(Ending.TIMEOUT, says="silent", mode=Mode.STREAM, fails=["http.whole-body"])
def falls_silent_in_mid_stream(connection: socket, _: bytes) -> None:
    events(connection, _ONE)
    wait(connection)


@lie(mode=Mode.STREAM)
def ends_in_the_middle_of_an_event(connection: socket, _: bytes) -> None:
    events(connection, _ONE, _ONE[:40])


@lie(mode=Mode.STREAM)
def says_done_a_hundred_times(connection: socket, _: bytes) -> None:
    events(connection, _ONE, _LAST, *[DONE] * 100)


@lie(mode=Mode.STREAM)
def says_nothing_but_done(connection: socket, _: bytes) -> None:
    events(connection, DONE)


@lie(mode=Mode.STREAM)
def says_no_event_at_all(connection: socket, _: bytes) -> None:
    events(connection)


@lie(mode=Mode.STREAM)
def sends_one_byte_at_a_time(connection: socket, _: bytes) -> None:
    data = _ONE + _LAST + DONE
    events(connection, *(data[at : at + 1] for at in range(len(data))))


@lie(mode=Mode.STREAM)
def ends_lines_in_every_way(connection: socket, _: bytes) -> None:
    events(connection, _ONE.replace(b"\n", b"\r"), _ONE.replace(b"\n", b"\r\n"), _LAST, DONE)


@lie(mode=Mode.STREAM)
def has_a_byte_order_mark_in_each_event(connection: socket, _: bytes) -> None:
    events(connection, *[b"\xef\xbb\xbf" + _ONE] * 3, DONE)


@lie(mode=Mode.STREAM)
def has_five_hundred_choices(connection: socket, _: bytes) -> None:
    each = '{"index":%d,"delta":{"content":"x"},"finish_reason":"stop"}'
    choices = "[" + ",".join(each % number for number in range(500)) + "]"
    events(connection, chunk("{}", choices=choices), DONE)


@lie(mode=Mode.STREAM)
def has_indexes_that_are_none(connection: socket, _: bytes) -> None:
    each = '{"index":%s,"delta":{"content":"x"},"finish_reason":null}'
    choices = "[" + ",".join(each % index for index in ("-1", "1.5", '"a"', "null", "[]", "{}", "true")) + "]"
    events(connection, chunk("{}", choices=choices), DONE)


@lie(mode=Mode.STREAM)
def has_a_call_with_an_index_of_billions(connection: socket, _: bytes) -> None:
    call = '{"tool_calls":[{"index":4000000000,"id":"1","function":{"name":"f","arguments":"{}"}}]}'
    events(connection, chunk(call), chunk("{}", '"tool_calls"'), DONE)


@lie(mode=Mode.STREAM)
def says_an_error_and_goes_on(connection: socket, _: bytes) -> None:
    events(connection, _ONE, b'data: {"error":{"message":null,"code":{}}}\n\n', _LAST, DONE)


@lie(mode=Mode.STREAM)
def says_chunks_that_are_no_objects(connection: socket, _: bytes) -> None:
    events(connection, b"data: 5\n\n", b"data: []\n\n", b'data: "x"\n\n', b"data: null\n\n", DONE)


@lie(mode=Mode.STREAM)
def asks_to_come_again_in_a_century(connection: socket, _: bytes) -> None:
    events(connection, b"retry: " + b"9" * 5_000 + b"\n\n", _ONE, _LAST, DONE)


@lie(Ending.TIMEOUT, says="not at its end", mode=Mode.STREAM)
def thinks_without_end(connection: socket, _: bytes) -> None:
    events(connection)
    while True:
        connection.sendall(chunk('{"reasoning_content":"hm"}'))
        time.sleep(0.05)
