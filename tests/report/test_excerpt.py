"""The piece of an answer that is shown for a violation."""

import json
from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st

from harness.report.excerpt import LARGEST_READ_BYTES, excerpt
from harness.report.timeline import timeline
from harness.rule import Violation
from harness.wire.exchange import Ending
from tests.report.runs import PLAIN_BODY, STREAM_BODY, exchange

LIMIT = 500


def at(
    pointer: str | None = None, event: int | None = None, span: tuple[int, int] | None = None
) -> Violation:
    return Violation("this", "that", pointer, event, span)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=500), *[st.integers(-5, 500)] * 2)
def test_the_guilty_bytes_stand_in_their_context(text: str, start: int, end: int) -> None:
    shown = excerpt(at(span=(start, end)), exchange(text.encode()), LIMIT)
    first, last = max(start, 0), max(end, 0)
    assert shown.guilty == text[first:last]
    assert text[:first].endswith(shown.before.removeprefix("…"))
    assert text[last:].startswith(shown.after.removesuffix("…"))
    assert (len(shown.before) > 0, len(shown.after) > 0) == (len(text[:first]) > 0, len(text[last:]) > 0)


def test_guilty_bytes_that_are_no_text_are_shown_as_bytes() -> None:
    shown = excerpt(at(span=(3, 5)), exchange(b"ab \xff\xfe cd"), LIMIT)
    assert (shown.before, shown.guilty, shown.after) == ("ab ", "\\xff\\xfe", " cd")


def test_a_context_never_starts_or_ends_within_a_character() -> None:
    body = "谁".encode() * 200
    shown = excerpt(at(span=(300, 303)), exchange(body), LIMIT)
    assert (set(shown.before), shown.guilty, set(shown.after)) == ({"…", "谁"}, "谁", {"…", "谁"})


def test_an_event_without_a_span_is_found_by_its_number() -> None:
    shown = excerpt(at("/n", event=1), exchange(STREAM_BODY, reads=4), LIMIT)
    assert shown.guilty == 'data: {"n":2}\n\n'
    assert shown.title.startswith("event 1")


def test_line_ends_are_seen_apart() -> None:
    assert excerpt(at(event=0), exchange(b"data: 1\r\n\r\n"), LIMIT).guilty == "data: 1␍\n␍\n"


def test_a_pointer_sets_its_key_apart() -> None:
    shown = excerpt(at("/choices/0/finish_reason"), exchange(PLAIN_BODY), LIMIT)
    assert shown.guilty == '"finish_reason": null'
    assert shown.title == "the body at /choices/0"
    assert json.loads(shown.before + shown.guilty + shown.after) == json.loads(PLAIN_BODY)["choices"][0]


def test_a_missing_key_shows_the_object_that_misses_it() -> None:
    shown = excerpt(at("/choices/0/message/role"), exchange(PLAIN_BODY), LIMIT)
    assert (shown.guilty, shown.title) == ("", "the body at /choices/0/message")
    assert json.loads(shown.before) == {"content": "Hi"}


def test_a_key_is_found_by_its_escaped_name() -> None:
    shown = excerpt(at("/a~1b~0"), exchange(b'{"a/b~": 1, "c": 2}'), LIMIT)
    assert shown.guilty == '"a/b~": 1'


def test_what_has_no_place_shows_headers_and_both_ends() -> None:
    shown = excerpt(at(), exchange(b"start" + b"." * 10_000 + b"end"), LIMIT)
    assert shown.before.startswith("HTTP/1.1 200\ncontent-type: application/json\n\nstart...")
    assert shown.before.endswith("...end")
    assert "bytes …" in shown.before


def test_no_answer_shows_how_the_exchange_ended() -> None:
    unanswered = replace(exchange(b""), response=None, ended=Ending.UNREACHABLE, detail="refused\x1b[31m")
    assert excerpt(at("/x"), unanswered, LIMIT).before == "unreachable: refused␛[31m"
    assert timeline(unanswered) is None


@given(
    st.binary(max_size=200) | st.text(max_size=100).map(lambda text: json.dumps({text: [text]}).encode()),
    st.none()
    | st.text(st.characters(codec=None), max_size=20)
    | st.sampled_from(["/0", "//0", "/" + "9" * 5_000]),
    st.none() | st.integers(-3, 9),
)
@example(b'{"a":' * 400 + b"1" + b"}" * 400, "/a/a", None)
@example(b"[" * 2_000, "/0", 0)
def test_every_answer_can_be_shown(body: bytes, pointer: str | None, event: int | None) -> None:
    shown = excerpt(at(pointer, event), exchange(body), LIMIT)
    assert len(shown.before + shown.guilty + shown.after) < 20 * LIMIT


def test_an_endless_answer_is_cut() -> None:
    body = b'data: {"n":"' + b"x" * 10 * LARGEST_READ_BYTES + b'"}\n\n'
    for violation in (at(), at("/n"), at("/n", event=0), at("/n", 0, (0, len(body)))):
        shown = excerpt(violation, exchange(body), LIMIT)
        assert len(shown.before + shown.guilty + shown.after) < 4 * LIMIT


def test_a_timeline_has_the_arrival_of_each_event() -> None:
    drawn = timeline(exchange(b"data: 1\n\n" * 4, reads=2))
    assert drawn is not None
    assert (drawn.arrivals_ms, drawn.ended_ms) == ((10.0, 10.0, 20.0, 20.0), 30.0)
    assert drawn.summary == "4 events; first at 10 ms, last at 20 ms; ended at 30 ms"
    assert drawn.path(40.0).count("M") == 4
    assert drawn.path(40.0).startswith("M250.0 0")


def test_of_many_events_a_sample_is_drawn() -> None:
    drawn = timeline(exchange(b"data: 1\n\n" * 30_000))
    assert drawn is not None
    assert len(drawn.arrivals_ms) == 30_000
    assert 100 < drawn.path(40.0).count("M") <= 500
