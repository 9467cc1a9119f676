"""Judging under load: right answers pass, wrong ones break the rules that they break in a check too."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.evidence import Object
from harness.evidence.chat import DONE
from harness.load.judging import FOREIGN, TRUNCATED, USAGE_LOST, Judge
from harness.load.reading import read_stream
from harness.load.record import Answered, Outcome
from harness.load.workload import LoadRequest
from harness.scenario import Mode
from harness.stream_machine import CHAT, chat_defects, chat_signals, walk
from harness.target import Waiver
from tests.load.records import record
from tests.load.streams import chunk, framed, stream_of, streamed

NONCE = "0123456789abcdef"
ASKED = LoadRequest("chat", {"messages": [], "max_tokens": 8}, NONCE)
ECHO = replace(ASKED, expects_echo=True)


def _answered(body: bytes, *, outcome: Outcome = Outcome.OK, status: int = 200, media: str = "") -> Answered:
    return Answered(
        replace(record(outcome=outcome), status=status, deviations=None),
        orjson.dumps({"model": "m", "stream": True, "stream_options": {"include_usage": True}}),
        (("Content-Type", media or "text/event-stream"),),
        body,
        data=read_stream(body, ((0, len(body)),)).data,
    )


def _plain(body: object, media: str = "application/json") -> Answered:
    answered = _answered(orjson.dumps(body), media=media)
    return replace(answered, record=replace(answered.record, mode=Mode.PLAIN))


def _told(answered: Answered, asked: LoadRequest = ASKED) -> tuple[str, ...] | None:
    return Judge().deviations(answered, asked)


def test_a_right_stream_has_no_deviation() -> None:
    assert _told(_answered(streamed(["Hello", " there"]))) == ()


def test_comments_and_other_line_ends_are_no_deviation() -> None:
    body = b": keep-alive\n\n" + streamed(["Hello"])
    assert _told(_answered(body)) == ()
    assert _told(_answered(streamed(["Hello"]).replace(b"\n", b"\r\n"))) == ()


@pytest.mark.parametrize(
    ("name", "lie", "rule"),
    [
        ("no done", lambda body: body.replace(b"data: [DONE]\n\n", b""), "stream.ends-with-done"),
        ("done twice", lambda body: body + b"data: [DONE]\n\n", "stream.done-once"),
        ("no finish", lambda body: body.replace(b'"stop"', b"null"), "stream.finish-given"),
        ("an event that is no JSON", lambda body: b"data: oops\n\n" + body, "stream.json-payloads"),
        ("created as text", lambda body: body.replace(b"1700000000", b'"now"'), "stream.schema-must"),
        ("a last event without an end", lambda body: body[:-1], "stream.last-event-ended"),
        ("usage that does not add up", lambda body: body.replace(b":52", b":53"), "stream.usage-sum"),
        (
            "an error in the stream",
            lambda body: b'data: {"error":{"message":"x"}}\n\n' + body,
            "stream.no-error",
        ),
    ],
)
def test_a_lie_breaks_the_rule_that_it_breaks_in_a_check(
    name: str, lie: Callable[[bytes], bytes], rule: str
) -> None:
    told = _told(_answered(lie(streamed(["Hello"]))))
    assert told is not None, name
    assert rule in told


def test_a_lost_usage_chunk_is_told_by_its_name() -> None:
    told = _told(_answered(streamed(["Hello"], usage=False)))
    assert told == (USAGE_LOST,)


def test_a_cut_answer_is_told_by_its_name() -> None:
    told = _told(_answered(streamed(["Hello"])[:200], outcome=Outcome.CUT))
    assert told is not None
    assert TRUNCATED in told


def test_an_answer_with_another_requests_nonce_is_another_requests() -> None:
    assert _told(_answered(streamed([NONCE[:5], NONCE[5:]])), ECHO) == ()
    assert _told(_answered(streamed(["fedcba98", "76543210"])), ECHO) == (FOREIGN,)
    assert _told(_answered(streamed(["I will", " not."])), ECHO) == ()


_COMPLETION: Object = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hi", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 20, "completion_tokens": 32, "total_tokens": 52},
}


def test_plain_answers_are_judged_by_their_schema() -> None:
    assert _told(_plain(_COMPLETION)) == ()
    told = _told(_plain({**_COMPLETION, "choices": "none"}))
    assert told is not None
    assert "chat.schema-must" in told


def test_what_never_answered_is_not_judged() -> None:
    assert _told(_answered(b"", outcome=Outcome.UNREACHABLE)) is None
    assert _told(_answered(b"", outcome=Outcome.TIMEOUT)) is None


def test_a_waived_rule_is_no_deviation() -> None:
    judge = Judge([Waiver("stream.ends-with-done", "known")])
    body = streamed(["Hello"]).replace(b"data: [DONE]\n\n", b"")
    assert judge.deviations(_answered(body), ASKED) == ()


def test_answers_of_one_kind_are_explained_once() -> None:
    judge = Judge()
    body = streamed(["Hello"]).replace(b"data: [DONE]\n\n", b"")
    told = [judge.deviations(_answered(body), ASKED) for _ in range(20)]
    assert set(told) == {("stream.ends-with-done",)}
    assert judge.deviations(_answered(streamed(["a"])), ASKED) == ()
    assert len(judge.kinds) == 1


@given(st.lists(st.text(max_size=6), max_size=8), st.booleans(), st.booleans())
def test_a_stream_is_right_whatever_its_text(
    texts: list[str],
    in_one_word: bool,  # noqa: FBT001  # drawn
    padded: bool,  # noqa: FBT001  # drawn
) -> None:
    said = ["yes", *(["same"] * len(texts) if in_one_word else texts)]
    assert _told(_answered(streamed(said, padded=padded))) == ()


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("at", [0, 1, 2, 3, 4])
def test_a_lie_in_one_of_many_like_chunks_is_seen(at: int, padded: bool) -> None:  # noqa: FBT001  # a parameter
    parts = streamed(["Hello"] * 5, padded=padded).split(b"\n\n")
    for lie in (
        parts[1 + at].replace(b'"m"', b"7"),
        parts[1 + at].replace(b'"Hello"', b'"Hel\xfflo"'),
        parts[1 + at].replace(b"Hello", b"Hel\tlo"),
        parts[1 + at].replace(b'"chatcmpl-1"', b'"chatcmpl-2"'),
    ):
        body = b"\n\n".join([*parts[: 1 + at], lie, *parts[2 + at :]])
        assert _told(_answered(body)) not in {(), None}, lie


_deltas: st.SearchStrategy[Any] = st.sampled_from(
    [
        {"content": "word"},
        {"role": "assistant", "content": ""},
        {"role": "user"},
        {"content": "text"},
        {"reasoning_content": "hm"},
        {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]},
        {},
    ]
)
_chunks: st.SearchStrategy[Any] = st.one_of(
    st.builds(
        chunk, _deltas, st.sampled_from([None, None, "stop", "tool_calls", "length"]), st.integers(0, 1)
    ),
    st.just({**chunk({}), "choices": [], "usage": {"total_tokens": 1}}),
    st.just({**chunk({}), "usage": {"total_tokens": 1}}),
    st.just({**chunk({}), "choices": []}),
    st.just({"error": {"message": "x"}}),
    st.just({"code": 1, "message": "x"}),
    st.just(DONE),
)


@settings(max_examples=40)
@given(st.lists(st.tuples(_chunks, st.integers(1, 4)), min_size=1, max_size=8), st.booleans())
def test_what_is_alike_need_not_be_opened(payloads: list[tuple[Any, int]], padded: bool) -> None:  # noqa: FBT001  # drawn
    every = [payload for payload, times in payloads for _ in range(times)]
    if padded:
        every = [
            {**payload, "obfuscation": "xyz"[: 1 + at % 3]} if isinstance(payload, dict) else payload
            for at, payload in enumerate(every)
        ]
    answered = _answered(framed(every))
    assert answered.data is not None
    assert _told(answered) == _told(replace(answered, data=None))


@given(st.lists(_chunks, min_size=1, max_size=8))
def test_the_quick_walk_finds_the_defects_of_the_slow_one(payloads: list[Object | str]) -> None:
    stream = stream_of(payloads)
    slow = {found.defect for found in walk(CHAT, chat_signals(stream))}
    assert chat_defects(payloads, is_whole=True) == slow
