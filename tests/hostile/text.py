"""Lies in text: half characters, and characters that act."""

from socket import socket

from harness.scenario import Mode
from harness.wire.exchange import Ending
from tests.hostile.behaviour import DONE, chunk, events, lie, message, plain, quoted

_ACTING = "\x1b]0;title\x07\x1b[2J\x9b31m\u202eevil\u2066\u0000\u2028"


@lie(fails=["http.whole-characters"])
def says_half_an_emoji(connection: socket, _: bytes) -> None:
    plain(connection, message(r'"\ud83d"'))


@lie(fails=["http.whole-characters"])
def says_the_halves_in_the_wrong_order(connection: socket, _: bytes) -> None:
    plain(connection, message(r'"\ude00\ud83d"'))


@lie(fails=["http.whole-characters"])
def has_half_an_emoji_in_a_key(connection: socket, _: bytes) -> None:
    plain(connection, message('"Hi"', **{r"\ud83d": "1"}))


@lie(fails=["http.whole-characters"])
def has_half_an_emoji_in_its_id(connection: socket, _: bytes) -> None:
    plain(connection, message('"Hi"', id=r'"\ud83d"', model=r'"\udc00"', object=r'"\ud83d"'))


@lie(fails=["http.whole-characters"])
def has_half_an_emoji_in_a_call(connection: socket, _: bytes) -> None:
    call = r'{"id":"\ud83d","type":"function","function":{"name":"\ud83d","arguments":"{\"a\":\"\ud83d\"}"}}'
    choice = '[{"index":0,"message":{"role":"assistant","tool_calls":[%s]},"finish_reason":"tool_calls"}]'
    plain(connection, message("null", choices=choice % call))


@lie(mode=Mode.STREAM, fails=["http.whole-characters"])
def cuts_an_emoji_in_half(connection: socket, _: bytes) -> None:
    """As servers in JavaScript do that send a text by its UTF-16 units."""
    halves = (chunk(rf'{{"content":"{half}"}}') for half in (r"\ud83d", r"\ude00"))
    events(connection, *halves, chunk("{}", '"stop"'), DONE)


@lie(fails=["http.utf8"])
def says_half_an_emoji_in_utf_8(connection: socket, _: bytes) -> None:
    plain(connection, message('"X"').replace(b'"X"', b'"\xed\xa0\xbd"'))


@lie(fails=["http.utf8"])
def says_bytes_that_are_no_utf_8(connection: socket, _: bytes) -> None:
    plain(connection, message('"X"').replace(b'"X"', b'"\xff\xfe\xc0\xaf\xf5"'))


@lie(mode=Mode.STREAM)
def cuts_a_character_over_two_events(connection: socket, _: bytes) -> None:
    one = chunk('{"content":"X"}')
    events(connection, one.replace(b"X", b"\xf0\x9f"), one.replace(b"X", b"\x98\x80"), DONE)


@lie()
def says_what_acts_on_a_terminal(connection: socket, _: bytes) -> None:
    plain(connection, message(quoted(_ACTING), id=quoted(_ACTING), model=quoted(_ACTING)))


@lie(why=r"⟨U\+202E⟩")
def says_what_acts_in_its_refusal(connection: socket, _: bytes) -> None:
    plain(connection, f'{{"error":{{"message":{quoted(_ACTING)}}}}}'.encode(), "401 Unauthorized")


@lie(Ending.COMPLETE, Ending.LEFT, why="a redirect")
def says_what_acts_in_its_redirect(connection: socket, _: bytes) -> None:
    plain(connection, b"", "302 Found", "Location: http://\u202eevil\u2066.example/")


@lie(fails=["http.success"])
def says_what_acts_raw_in_its_error(connection: socket, _: bytes) -> None:
    plain(connection, _ACTING.encode(), "500 Oops")


@lie(mode=Mode.STREAM)
def says_what_acts_in_every_field(connection: socket, _: bytes) -> None:
    acting = _ACTING.replace("\u2028", "").encode()
    events(connection, b"event: " + acting + b"\nid: " + acting + b"\n: " + acting + b"\n", chunk("{}"), DONE)


@lie()
def says_the_markup_of_every_report(connection: socket, _: bytes) -> None:
    plain(connection, message(quoted("]]></textarea><script>alert(1)</script>[bold]|`x` & \" '"), id='"<b>"'))


@lie()
def says_a_thousand_marks_on_one_letter(connection: socket, _: bytes) -> None:
    plain(connection, message(quoted("a" + "\u0301" * 1_000)))
