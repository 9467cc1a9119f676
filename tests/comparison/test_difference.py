"""Which hop lost it: what varies is no difference, what is gone, new or another is told once."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from harness.comparison.difference import Difference, differences, fields
from harness.comparison.difference_report import html, markdown, sentence
from harness.wire.exchange import Exchange
from tests.report.runs import HOSTILE, exchange

CALL = ("founding", "raw", "plain")
BODY: Mapping[str, Any] = {
    "id": "chatcmpl-1",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3},
}


def _told(before: object, after: object) -> list[tuple[str, str, str, str]]:
    sides = [{CALL: exchange(json.dumps(body).encode())} for body in (before, after)]
    return [(one.kind, one.place, one.before, one.after) for one in differences(*sides)]


def test_what_varies_is_no_difference() -> None:
    other = {**BODY, "id": "other", "created": 99, "usage": {"prompt_tokens": 4}}
    other["choices"] = [
        {**BODY["choices"][0], "message": {"role": "assistant", "content": "Hello there"}}
    ] * 2
    assert _told(BODY, other) == []


@pytest.mark.parametrize(
    ("after", "told"),
    [
        ({**BODY, "usage": None}, ("altered", "body/usage", "an object", "null")),
        ({k: v for k, v in BODY.items() if k != "usage"}, ("removed", "body/usage", "an object", "")),
        ({**BODY, "x_gateway": True}, ("introduced", "body/x_gateway", "", "true")),
        ({**BODY, "model": "gateway/m"}, ("altered", "body/model", '"m"', '"gateway/m"')),
        ({**BODY, "choices": []}, ("altered", "body/choices", "a list", "an empty list")),
    ],
)
def test_what_is_gone_new_or_another_is_told(after: object, told: tuple[str, str, str, str]) -> None:
    assert told in _told(BODY, after)


def test_a_missing_object_is_told_once_and_not_field_by_field() -> None:
    places = [place for _, place, _, _ in _told(BODY, {k: v for k, v in BODY.items() if k != "usage"})]
    assert places == ["body/usage"]


def _stream(body: bytes) -> Exchange:
    import dataclasses

    plain = exchange(body)
    assert plain.response is not None
    return dataclasses.replace(
        plain, response=dataclasses.replace(plain.response, headers=(("content-type", "text/event-stream"),))
    )


def test_streams_are_compared_event_by_event_whatever_their_number() -> None:
    one = _stream(b'data: {"delta":{"content":"a"}}\n\ndata: {"delta":{"content":"b"}}\n\ndata: [DONE]\n\n')
    fewer = _stream(b'data: {"delta":{"content":"ab"}}\n\ndata: [DONE]\n\n')
    assert differences({CALL: one}, {CALL: fewer}) == ()
    commented = _stream(b': ping\n\ndata: {"delta":{"content":"ab"}}\n\n')
    told = {(d.kind, d.place) for d in differences({CALL: one}, {CALL: commented})}
    assert told == {("removed", "[DONE]"), ("introduced", "comments")}


def test_an_answer_and_a_refusal_differ_in_their_status_alone() -> None:
    refused = exchange(b'{"error":{"message":"no"}}', status=404)
    (told,) = differences({CALL: exchange(b"{}")}, {CALL: refused})
    assert (told.place, told.before, told.after) == ("status", "HTTP 200", "HTTP 404")


def test_the_same_difference_in_many_calls_is_told_once() -> None:
    calls = [("founding", "raw", mode) for mode in ("plain", "stream")]
    (told,) = differences(
        {call: exchange(b'{"a":1}') for call in calls}, {call: exchange(b"{}") for call in calls}
    )
    assert told == Difference("removed", "body/a", "a number", "", tuple(calls))


def test_only_calls_of_both_sides_are_compared() -> None:
    assert differences({CALL: exchange(b"{}")}, {}) == ()
    assert sentence(("a", "b"), (), 0) == "a and b answered no call in common."
    assert sentence(("a", "b"), (), 2) == "b answers as a does, in 2 calls."


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@given(JSON, JSON)
def test_a_difference_is_symmetric_and_nothing_differs_from_itself(one: object, other: object) -> None:
    mirrored = {"removed": "introduced", "introduced": "removed", "altered": "altered"}
    assert _told(one, one) == []
    there, back = _told(one, other), _told(other, one)
    assert sorted((mirrored[kind], place) for kind, place, _, _ in there) == sorted(
        (kind, place) for kind, place, _, _ in back
    )


@given(st.binary(max_size=60))
def test_any_body_has_fields(body: bytes) -> None:
    assert fields(_stream(body))["status"] == {"HTTP 200"}


def test_hostile_text_stays_text() -> None:
    hostile = json.dumps({HOSTILE: HOSTILE, "model": HOSTILE})
    found = differences(
        {CALL: exchange(b'{"model": 1}')}, {CALL: exchange(hostile.encode("utf-8", "replace"))}
    )
    assert len(found) == 2
    names = (HOSTILE, HOSTILE)
    page, text = html(names, found, 1), markdown(names, found, 1)
    assert "<script>alert" not in page
    rendered = MarkdownIt("js-default").render(text)
    assert "<script>" not in rendered
    assert "<a " not in rendered
    assert not {"\x1b", "\x00", "\u202e"} & set(page + text)
