"""Redaction, tested with planted canaries: whole, cut by reads, spelt otherwise, and short."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.wire.redaction import redact, redact_headers, redact_pieces, redact_text, secret_pattern

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
    redacted = redact(text.encode(), secret_pattern([KEY]))
    assert spelt.rstrip("=").encode() not in redacted
    assert len(redacted) == len(text.encode())


@given(st.binary(max_size=40), st.binary(max_size=40), st.data())
def test_a_secret_cut_by_reads_is_overwritten_and_no_size_changes(
    before: bytes, after: bytes, data: st.DataObject
) -> None:
    body = before + KEY.encode() + after
    cuts = sorted(data.draw(st.sets(st.integers(0, len(body)))))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    redacted = redact_pieces(pieces, secret_pattern([KEY]))
    assert KEY.encode() not in b"".join(redacted)
    assert [len(piece) for piece in redacted] == [len(piece) for piece in pieces]


def test_a_short_secret_does_not_shred_innocent_words() -> None:
    pattern = secret_pattern(["abc"])
    assert redact_text('abcdef "abc" xabc abc', pattern) == 'abcdef "***" xabc ***'


def test_without_a_secret_nothing_changes() -> None:
    assert redact(b"anything", secret_pattern([""])) == b"anything"


def test_headers_that_are_secret_by_name_are_blanked_whatever_they_hold() -> None:
    headers = (("Authorization", "Bearer x1"), ("Set-Cookie", "a=1; Path=/"), ("X-Id", "7"), ("X-Echo", KEY))
    assert redact_headers(headers, secret_pattern([KEY])) == (
        ("Authorization", "Bearer **"),
        ("Set-Cookie", "***********"),
        ("X-Id", "7"),
        ("X-Echo", "*" * len(KEY.encode())),
    )
