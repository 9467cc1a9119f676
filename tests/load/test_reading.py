"""What is read of an answer: the same as by decoding each of its events, however they came."""

import json
from bisect import bisect_left
from itertools import cycle
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.load.http_body import Chunks, NotHttpError, body_pieces, dechunked, header_pairs, parsed_head
from harness.load.reading import read_plain, read_stream
from harness.load.record import Outcome

_TEXT = st.text(max_size=6) | st.sampled_from([" token", '"', "\\", "\n", "data: ", "é", "\u2028", "[DONE]"])
_PADDINGS = ("x", "yz", "yz7yz7yz7", "", 'a"b', "é", 7, None)
_DELTAS = st.one_of(
    _TEXT.map(lambda text: {"content": text}),
    _TEXT.map(lambda text: {"reasoning_content": text}),
    _TEXT.map(lambda text: {"content": text, "reasoning_content": text}),
    st.just({"role": "assistant", "content": ""}),
    st.just({}),
    st.just({"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}),
)


def _chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": "a", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


def _event(value: Any, *, space: str = " ", compact: bool = True) -> bytes:
    separators = (",", ":") if compact else None
    return f"data:{space}{json.dumps(value, ensure_ascii=False, separators=separators)}\n\n".encode()


_END = _event(_chunk({}, "stop")) + _event({**_chunk({}), "choices": [], "usage": {"completion_tokens": 7}})
_DONE = b"data: [DONE]\n\n"


def _is_output(delta: dict[str, Any]) -> bool:
    return any(delta.get(key) for key in ("content", "reasoning_content", "tool_calls"))


@given(
    deltas=st.lists(st.tuples(_DELTAS, st.integers(1, 4)), max_size=8),
    cuts=st.lists(st.integers(1, 2000), max_size=12),
    comment=st.sampled_from([b"", b": ping\n\n"]),
    space=st.sampled_from(["", " "]),
    compact=st.booleans(),
    paddings=st.lists(st.sampled_from([{}, *({"obfuscation": value} for value in _PADDINGS)]), min_size=1),
)
def test_each_output_arrives_with_its_last_byte(
    *,
    deltas: list[tuple[dict[str, Any], int]],
    cuts: list[int],
    comment: bytes,
    space: str,
    compact: bool,
    paddings: list[dict[str, Any]],
) -> None:
    events = [delta for delta, times in deltas for _ in range(times)]
    body, ends = b"", []
    for delta, padding in zip(events, cycle(paddings), strict=False):
        body += comment + _event(_chunk(delta, **padding), space=space, compact=compact)
        if _is_output(delta):
            ends.append(len(body))
    body += _END + _DONE
    sizes = sorted({*(cut for cut in cuts if cut < len(body)), len(body)})
    reading = read_stream(body, tuple((1000 + i, size) for i, size in enumerate(sizes)))
    assert reading.arrivals_ns == tuple(1000 + bisect_left(sizes, end) for end in ends)
    assert reading.trouble is (None if ends else Outcome.EMPTY)
    assert reading.usage.completion_tokens == 7


@pytest.mark.parametrize(
    "noise",
    [
        _event(_chunk({"role": "assistant", "content": ""})),
        b": a comment\n\n",
        _event(_chunk({"content": ""})),
        _event({"id": "a", "choices": [], "usage": {"completion_tokens": 1}}),
        _event(_chunk({"content": None, "refusal": None})),
    ],
)
def test_what_carries_no_output_is_never_the_first_token(noise: bytes) -> None:
    body = noise + _event(_chunk({"content": "a"})) + _END + _DONE
    reading = read_stream(body, ((1, len(noise)), (2, len(body))))
    assert reading.first_ns == {"content": 2}
    assert reading.arrivals_ns == (2,)


def test_each_kind_of_output_has_its_own_first_time() -> None:
    call = {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]}
    deltas = [{"reasoning_content": "h"}, {"reasoning": "m"}, {"content": "a"}, {"content": "b"}, call]
    body, pieces = b"", []
    for i, delta in enumerate(deltas):
        body += _event(_chunk(delta))
        pieces.append((i, len(body)))
    body += _END + _DONE
    reading = read_stream(body, (*pieces, (9, len(body))))
    assert reading.first_ns == {"reasoning": 0, "content": 2, "tool_call": 4}


_OUTPUT = b"".join(_event(_chunk({"content": f" {i}"})) for i in range(5))
_FINISH = _event(_chunk({}, "stop"))


@pytest.mark.parametrize(
    ("body", "trouble"),
    [
        (_OUTPUT + _FINISH + _DONE, None),
        (_OUTPUT.replace(b"\n", b"\r\n") + _FINISH + _DONE, None),
        (_OUTPUT + _FINISH, Outcome.UNFINISHED),
        (_OUTPUT + _DONE, Outcome.UNFINISHED),
        (_FINISH + _DONE, Outcome.EMPTY),
        (b"", Outcome.EMPTY),
        (_OUTPUT + b'data: {"choices":[\n\n' + _OUTPUT + _FINISH + _DONE, Outcome.NOT_JSON),
        (_OUTPUT + b"data: 17\n\n" + _FINISH + _DONE, Outcome.NOT_JSON),
        (_OUTPUT.replace(b' 3"', b" 3") + _FINISH + _DONE, Outcome.NOT_JSON),
        (_OUTPUT.replace(b" 3", b"\xff") + _FINISH + _DONE, Outcome.NOT_JSON),
        (_OUTPUT.replace(b" 3", b"\\x") + _FINISH + _DONE, Outcome.NOT_JSON),
        (_OUTPUT + b'data: {"error":{"message":"overloaded"}}\n\n', Outcome.ERROR_EVENT),
        (_OUTPUT + b'event: error\ndata: {"message":"overloaded"}\n\n', Outcome.ERROR_EVENT),
    ],
)
def test_what_is_wrong_with_a_stream_is_told(body: bytes, trouble: Outcome | None) -> None:
    assert read_stream(body, ((1, len(body)),)).trouble is trouble


@pytest.mark.parametrize(
    ("body", "trouble"),
    [
        ({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}, None),
        ({"choices": [{"message": {"content": ""}, "finish_reason": "stop"}]}, Outcome.EMPTY),
        ({"choices": [{"message": {"content": "a"}, "finish_reason": None}]}, Outcome.UNFINISHED),
        ({"choices": []}, Outcome.EMPTY),
        ({"error": {"message": "no"}}, Outcome.ERROR_EVENT),
        ({"data": [{"embedding": [0.5]}]}, None),
        ([], Outcome.NOT_JSON),
    ],
)
def test_what_is_wrong_with_a_plain_answer_is_told(body: object, trouble: Outcome | None) -> None:
    assert read_plain(json.dumps(body).encode(), 1).trouble is trouble


_ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_ODD_USAGE = _ODD | st.fixed_dictionaries(
    {"prompt_tokens": _ODD, "completion_tokens": _ODD, "completion_tokens_details": _ODD}
)
_ODD_CHOICE = _ODD | st.fixed_dictionaries(
    {"finish_reason": _ODD}, optional={"delta": _ODD | _DELTAS, "message": _ODD | _DELTAS, "content": _ODD}
)
_ODD_ANSWER = _ODD | st.fixed_dictionaries(
    {"choices": _ODD | st.lists(_ODD_CHOICE, max_size=2), "usage": _ODD_USAGE},
    optional={"error": _ODD, "data": _ODD, "obfuscation": _ODD},
)


@given(answers=st.lists(_ODD_ANSWER, min_size=1, max_size=4), compact=st.booleans())
@example(answers=[{"choices": [{"delta": {"content": "a"}}, {"delta": "b"}]}], compact=True)
def test_whatever_json_an_endpoint_answers_is_read(answers: list[object], *, compact: bool) -> None:
    body = b"".join(_event(answer, compact=compact) for answer in answers) + _DONE
    plain = json.dumps(answers[0]).encode()
    for reading in (read_stream(body, ((1, len(body)),)), read_plain(plain, 1)):
        counts = (reading.usage.prompt_tokens, reading.usage.completion_tokens)
        assert all(count is None or 0 <= count <= 1_000_000_000 for count in counts)
        assert isinstance(reading.detail, str)


@pytest.mark.parametrize("count", [-1, 2**32 - 1, 1.5, True, "7", None])
def test_what_can_be_no_number_of_tokens_is_none(count: object) -> None:
    body = _OUTPUT + _FINISH + _event({"choices": [], "usage": {"completion_tokens": count}}) + _DONE
    reading = read_stream(body, ((1, len(body)),))
    assert (reading.trouble, reading.usage.completion_tokens) == (None, None)


_CHUNK_WORDS = [b"-6", b"6", b"0", b"0x10", b"1_0", b" ", b";x", b"\r\n", b"abcdef", b"-0"]


@given(parts=st.lists(st.binary(min_size=1, max_size=20), max_size=6), cut=st.integers(1, 300))
def test_a_chunked_body_is_read_however_it_is_cut(parts: list[bytes], cut: int) -> None:
    whole = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    assert b"".join(dechunked(whole, 0).parts) == b"".join(parts)
    assert dechunked(whole, 0).end == len(whole)
    head = whole[: min(cut, len(whole) - 1)]
    chunks = dechunked(head, 0)
    assert chunks.end is None
    assert b"".join(parts).startswith(b"".join(chunks.parts))


@given(raw=st.binary(max_size=60) | st.lists(st.sampled_from(_CHUNK_WORDS), max_size=12).map(b"".join))
def test_any_bytes_are_chunks_or_none(raw: bytes) -> None:
    try:
        chunks = dechunked(raw, 0)
    except NotHttpError:
        return
    assert sum(map(len, chunks.parts)) <= len(raw)
    assert chunks.raw_ends == sorted(chunks.raw_ends)


@pytest.mark.parametrize("size", [b"-6", b"+6", b"0x6", b"1_0", b"", b" 6", b"six", b"6 6"])
def test_a_chunk_size_is_hexadecimal_and_nothing_else(size: bytes) -> None:
    with pytest.raises(NotHttpError):
        dechunked(size + b"\r\nabcdefgh\r\n0\r\n\r\n", 0)


@pytest.mark.parametrize("length", [b"-1", b"9" * 5000, b"1_0", b"0x6"])
def test_a_length_that_is_none_is_told(length: bytes) -> None:
    with pytest.raises(NotHttpError, match="Content-Length"):
        parsed_head(b"HTTP/1.1 200 OK\r\nContent-Length: " + length + b"\r\n\r\n")


def test_a_read_that_ends_within_a_chunk_has_brought_what_it_brought() -> None:
    chunks = Chunks([b"abcd", b"ef"], [7, 14])
    assert body_pieces(chunks, [(1, 5), (2, 9), (3, 14), (4, 21)]) == ((1, 2), (2, 4), (3, 6), (4, 6))


def test_a_head_is_read_whatever_the_order_of_its_fields() -> None:
    fields = [b"Content-Type: text/plain", b"transfer-encoding: Chunked", b"Connection: close", b"X: y"]
    for turn in range(len(fields)):
        lines = [b"HTTP/1.1 200 OK", *fields[turn:], *fields[:turn]]
        data = b"HTTP/1.1 100 Continue\r\n\r\n" + b"\r\n".join(lines) + b"\r\n\r\nrest"
        head = parsed_head(data)
        assert head is not None
        assert (head.is_chunked, head.keeps_connection, data[head.size :]) == (True, False, b"rest")
        assert ("X", "y") in header_pairs(data, head)
        assert parsed_head(data[: head.size - 1]) is None
