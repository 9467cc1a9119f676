"""Redaction, tested with planted canaries: whole, cut by reads, spelt otherwise, and short."""

import base64
import json
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.wire.redaction import (
    is_telling,
    redact,
    redact_headers,
    redact_pieces,
    redact_text,
    redact_url,
    secrets_of,
)

KEY = "sk-canary/+é 0123456789"


@pytest.mark.parametrize(
    "spelt",
    [
        KEY,
        quote(KEY, safe=""),
        json.dumps(KEY)[1:-1],
        json.dumps(KEY)[1:-1].replace("/", "\\/"),
        base64.b64encode(KEY.encode()).decode(),
        base64.urlsafe_b64encode(KEY.encode()).decode(),
    ],
)
def test_every_spelling_of_a_secret_is_overwritten(spelt: str) -> None:
    text = f'{{"message": "key {spelt} is wrong"}}'
    redacted = redact(text.encode(), secrets_of([KEY]))
    assert spelt.rstrip("=").encode() not in redacted
    assert len(redacted) == len(text.encode())


@given(st.binary(max_size=40), st.binary(max_size=40), st.data())
def test_a_secret_cut_by_reads_is_overwritten_and_no_size_changes(
    before: bytes, after: bytes, data: st.DataObject
) -> None:
    body = before + KEY.encode() + after
    cuts = sorted(data.draw(st.sets(st.integers(0, len(body)))))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    redacted = redact_pieces(pieces, secrets_of([KEY]))
    assert KEY.encode() not in b"".join(redacted)
    assert [len(piece) for piece in redacted] == [len(piece) for piece in pieces]


@pytest.mark.parametrize(
    "key", ["abc", "test", "there", "assistant", "chat.completion", "12345678901234567890"]
)
def test_a_key_that_is_a_word_or_a_number_stays_in_answers(key: str) -> None:
    body = json.dumps({"content": key, "n": 12345678901234567890}).encode()
    assert redact(body, secrets_of([key])) == body
    assert redact_text(f"{key} x{key} {key}", secrets_of([key])) == f"{key} x{key} {key}"


def test_a_key_that_is_a_word_is_overwritten_in_headers_and_urls() -> None:
    secrets = secrets_of(["there"])
    headers = (
        ("X-Key", "there"),
        ("X-Auth", "Bearer there"),
        ("X-Is", "is there one"),
        ("Connection", "there"),
    )
    assert redact_headers(headers, secrets) == (
        ("X-Key", "*****"),
        ("X-Auth", "Bearer *****"),
        ("X-Is", "is there one"),
        ("Connection", "there"),
    )
    assert redact_url("http://there/v1?k=there&a=1", secrets) == "http://there/v1?k=*****&a=1"


def test_a_key_that_is_the_models_name_stays_in_answers() -> None:
    assert (
        redact(b'{"model": "standin-1"}', secrets_of(["standin-1"], "standin-1")) == b'{"model": "standin-1"}'
    )


_LETTERS = "".join(chr(code) for code in range(33, 127))
_ESCAPES = st.sampled_from([
    str,
    str.swapcase,
    lambda one: f"\\u{ord(one):04x}",
    lambda one: f"\\U{ord(one):04X}".replace("U", "u"),
    lambda one: f"%{ord(one):02X}",
    lambda one: f"%{ord(one):02x}",
    lambda one: f"\\x{ord(one):02x}",
    lambda one: f"&#{ord(one)};",
    lambda one: f"&#x{ord(one):x};",
])  # fmt: skip
_NO_ESCAPE = "".join(sorted({*_LETTERS} - {*"\\%&"}))
_keys = st.text(_LETTERS, min_size=8, max_size=60).filter(is_telling)
_around = st.text(st.characters(codec="utf-8", exclude_characters='"\\%&'), max_size=20)


def _letters(text: str) -> str:
    """What is left of a text to read; quotes and slashes stay where JSON has to escape them."""
    return re.sub(r'[*"\\/]', "", text)


@given(st.text(_NO_ESCAPE, min_size=8, max_size=60).filter(is_telling), _around, _around, st.data())
def test_a_key_in_which_any_letters_are_escaped_is_overwritten(
    key: str, before: str, after: str, data: st.DataObject
) -> None:
    spelt = "".join(data.draw(_ESCAPES)(one) for one in data.draw(st.sampled_from([key, key[::-1]])))
    redacted = redact_text(before + spelt + after, secrets_of([key]))
    assert len(redacted) == len(before + spelt + after)
    assert _letters(redacted[len(before) : len(before + spelt)]) == ""


@given(_keys, st.binary(max_size=9), st.binary(max_size=9))
def test_a_key_within_what_is_encoded_is_overwritten(key: str, before: bytes, after: bytes) -> None:
    whole = before + key.encode() + after
    for encoded in (base64.b64encode(whole), base64.urlsafe_b64encode(whole)):
        start, end = -(-len(before) * 8 // 6), len(before + key.encode()) * 8 // 6
        redacted = redact(b'{"k": "' + encoded + b'"}', secrets_of([key]))
        assert _letters(redacted[7 + start : 7 + end].decode()) == ""
    redacted = redact(b'{"k": "' + whole.hex().encode() + b'"}', secrets_of([key]))
    assert _letters(redacted[7 + 2 * len(before) :][: 2 * len(key)].decode()) == ""


@given(_keys, st.data())
def test_a_key_that_is_spelled_over_strings_is_overwritten_in_each_as_in_the_whole(
    key: str, data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(key) - 1))))
    parts = [key[start:end] for start, end in pairwise([0, *cuts, len(key)])]
    wrap = data.draw(st.sampled_from(_WRAPS))
    body = wrap(parts)
    redacted = redact(body, secrets_of([key]))
    assert len(redacted) == len(body)
    told = "".join(_values(redacted))
    assert _letters(told) == ""
    assert told == redact_text(key, secrets_of([key]))


def _events(parts: Sequence[str]) -> bytes:
    return b"".join(
        b"data: " + json.dumps({"id": "c", "d": [{"x": part}]}).encode() + b"\n\n" for part in parts
    )


_WRAPS = (
    _events,
    lambda parts: _events(parts).replace(b"\n", b"\r\n"),
    lambda parts: _events(parts).replace(b"\n", b"\r"),
    lambda parts: _events(parts).replace(b"data: ", b"data:"),
    lambda parts: b"\n".join(json.dumps({"x": part}).encode() for part in parts),
    lambda parts: json.dumps({"t": [{"y": "q", "x": part} for part in parts]}).encode(),
    lambda parts: json.dumps({"t": [{"x": part, "top": [{"x": "q"}]} for part in parts]}, indent=1).encode(),
)


def _values(body: bytes) -> Iterator[str]:
    """The values of x at the upper level, as a JSON reader has them."""
    for token in re.finditer(rb'(top": \[\s*\{)?\s*"x": ("(?:[^"\\]|\\.)*")', body):
        if token[1] is None:
            yield json.loads(token[2])


@given(st.dictionaries(st.text(max_size=5), st.recursive(st.none() | st.integers() | st.text(max_size=9),
       st.lists, max_leaves=9), max_size=5), st.data())  # fmt: skip
def test_json_stays_json_of_the_same_shape(value: dict[str, object], data: st.DataObject) -> None:
    key = data.draw(_keys)
    body = json.dumps({**value, "key": [key, *key]}, ensure_ascii=data.draw(st.booleans())).encode()
    redacted = json.loads(redact(body, secrets_of([key])))
    assert len(redacted["key"]) == 1 + len(key)
    assert _letters("".join(redacted["key"])) == ""


def test_a_start_or_an_end_of_a_long_key_is_overwritten() -> None:
    key = "sk-0123456789abcdefghijklmnop"
    for cut in (key[:13], key[:-1], key[-12:], key[3:], f"{key[:14]}...{key[-14:]}"):
        assert _letters(redact_text(f"key {cut} is", secrets_of([key]))).replace(".", "") == "key  is"
    assert redact_text(f"key {key[:11]}", secrets_of([key])) == f"key {key[:11]}"


def test_a_body_in_which_there_is_no_secret_is_the_very_same() -> None:
    body = _events(["Hello", "there", " 100%", "\u00e9"])
    assert redact(body, secrets_of([KEY])) is body


def test_without_a_secret_nothing_changes() -> None:
    assert redact(b"anything", secrets_of([""])) == b"anything"


def test_headers_that_are_secret_by_name_are_blanked_whatever_they_hold() -> None:
    headers = (("Authorization", "Bearer x1"), ("Set-Cookie", "a=1; Path=/"), ("X-Id", "7"), ("X-Echo", KEY))
    assert redact_headers(headers, secrets_of([KEY])) == (
        ("Authorization", "Bearer **"),
        ("Set-Cookie", "***********"),
        ("X-Id", "7"),
        ("X-Echo", "*********/*·***********"),
    )
