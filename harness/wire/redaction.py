"""Takes secrets out of what was recorded, before anything else sees it.

A secret is overwritten by asterisks of the same length, so that byte offsets, chunk sizes and times keep
their meaning. It is found in every spelling in which an endpoint may echo it (as it is, percent-encoded,
escaped in JSON, base64), also where it is cut by the border of two reads.
"""

import base64
import json
import re
from collections.abc import Collection, Iterable
from itertools import accumulate, pairwise
from urllib.parse import quote, unquote_plus

from harness.wire.exchange import Headers

SECRET_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "api-key", "x-api-key", "cookie", "set-cookie"}
)
SHORT_SECRET_CHARS = 8
"""A shorter secret may be part of an innocent word, so it is taken out only where it stands alone."""


def secret_pattern(secrets: Iterable[str]) -> re.Pattern[bytes] | None:
    """A pattern that finds every spelling of every secret; None when there is nothing to hide."""
    spellings = {spelling for secret in secrets if secret for spelling in _spellings(secret)}
    if not spellings:
        return None
    longest_first = sorted(spellings, key=len, reverse=True)
    return re.compile(b"|".join(map(_bounded, longest_first)))


def redact(data: bytes, pattern: re.Pattern[bytes] | None) -> bytes:
    """The same number of bytes, with asterisks for every secret."""
    return data if pattern is None else pattern.sub(lambda match: b"*" * len(match[0]), data)


def redact_pieces(pieces: Iterable[bytes], pattern: re.Pattern[bytes] | None) -> tuple[bytes, ...]:
    """Pieces of one body, redacted as one and cut again at the same places."""
    pieces = tuple(pieces)
    whole = redact(b"".join(pieces), pattern)
    offsets = [0, *accumulate(map(len, pieces))]
    return tuple(whole[start:end] for start, end in pairwise(offsets))


def redact_text(text: str, pattern: re.Pattern[bytes] | None) -> str:
    """A text, with asterisks for every secret."""
    return redact(text.encode("utf-8", "surrogateescape"), pattern).decode("utf-8", "surrogateescape")


def redact_headers(
    headers: Headers, pattern: re.Pattern[bytes] | None, more: Collection[str] = frozenset()
) -> Headers:
    """Headers whose whole value is secret are blanked but for their scheme; the others are searched.

    `more` names secret ones beside those that everybody knows, in small letters.
    """
    secret = {*SECRET_HEADERS, *more}
    return tuple((name, _header_value(name, value, pattern, secret)) for name, value in headers)


def redact_query(url: str, names: Collection[str]) -> str:
    """A URL in whose query the values of these names are blanked; the names are in small letters."""
    front, question_mark, query = url.partition("?")
    pairs = (pair.partition("=") for pair in query.split("&"))
    return (
        front
        + question_mark
        + "&".join(
            f"{name}{sign}{'*' * len(value) if unquote_plus(name).lower() in names else value}"
            for name, sign, value in pairs
        )
    )


def _header_value(
    name: str, value: str, pattern: re.Pattern[bytes] | None, secret_names: Collection[str]
) -> str:
    if name.lower() not in secret_names:
        return redact_text(value, pattern)
    has_scheme = name.lower().endswith("authorization")
    scheme, space, secret = value.partition(" ") if has_scheme else ("", "", value)
    return f"{scheme}{space}{'*' * len(secret)}" if space else "*" * len(value)


def _spellings(secret: str) -> Iterable[bytes]:
    raw = secret.encode()
    yield raw
    yield quote(secret, safe="").encode()
    yield json.dumps(secret)[1:-1].encode()
    yield json.dumps(secret)[1:-1].replace("/", "\\/").encode()
    yield base64.b64encode(raw).rstrip(b"=")
    yield base64.urlsafe_b64encode(raw).rstrip(b"=")


def _bounded(spelling: bytes) -> bytes:
    escaped = re.escape(spelling)
    return (
        escaped
        if len(spelling) >= SHORT_SECRET_CHARS
        else rb"(?<![0-9A-Za-z])" + escaped + rb"(?![0-9A-Za-z])"
    )
