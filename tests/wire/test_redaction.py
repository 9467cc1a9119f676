"""Redaction, tested with planted canaries: whole, cut by reads, spelt otherwise, and short."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.wire.redaction import redact, redact_headers, redact_pieces, redact_text, redact_url, secrets_of

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
