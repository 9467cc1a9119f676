"""Takes secrets out of what came from an endpoint, before anything else sees it.

A secret is found in every spelling in which it can be read by eye or by one decoding: as it is, in other
letter case, backwards, in base64 at any offset, in hexadecimal; and with any of its characters escaped as
JSON, URLs, HTML or Python do. It is found where it is cut: over reads, events and deltas, and where its end
is missing.

Every character becomes one of the same size, so that offsets, lengths and times keep their meaning, and the
same characters become the same on both sides of a comparison: in the JSON on the wire and in what a client
made of it.
"""

import base64
import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import TypeAlias
from urllib.parse import unquote_plus

from harness.wire.exchange import Headers

SECRET_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "api-key", "x-api-key", "cookie", "set-cookie"}
)
SHORT_SECRET_CHARS = 8
"""A shorter secret may be part of an innocent word."""

LONG_SECRET_CHARS = 20
"""No word that answers are full of has so many characters; a shorter secret is told from words by a digit."""

_PART_CHARS = 12
"""So much of the start or the end of a secret of twice that size is taken for it: messages are cut short."""

_DECODINGS = 3
"""How many escapes may lie over each other. One is JSON's own, and one more is what its reader undoes."""

_FRAMING_HEADERS = frozenset(
    {"connection", "content-encoding", "content-length", "content-type", "retry-after", "transfer-encoding"}
)
"""What these say decides how an answer is read, so that a key that is such a word stays in them."""

_Span: TypeAlias = tuple[int, int]


def is_telling(secret: str) -> bool:
    """Whether a secret can be told from the words and numbers of innocent answers.

    It has 8 characters or more, a digit among them; or 20 characters or more. It is no number.
    """
    is_no_word = len(secret) >= LONG_SECRET_CHARS or any(map(str.isdigit, secret))
    return len(secret) >= SHORT_SECRET_CHARS and is_no_word and not secret.isdigit()


@dataclass(frozen=True)
class Secrets:
    """What is overwritten: `telling` ones wherever they come up, `common` ones in headers and URLs alone."""

    telling: frozenset[str]
    common: frozenset[str] = frozenset()

    def text(self, text: str) -> str:
        """The text with its secrets overwritten; each character stays one."""
        if not any(part in view for view in _views(text) for part in self._wanted):
            return text
        return _blanked(text, self._spans(text))

    def body(self, text: str) -> str:
        """The same for a body of JSON or events, where a secret may be spelled over many strings."""
        if not self.may_be_in(text):
            return text
        return self.text(_without_spelled(text, self))

    def may_be_in(self, text: str) -> bool:
        """Whether it is worth to look closer; most bodies are done with here."""
        return any(
            any(part in view for part in self._wanted)
            or any(_are_neighbours(pairs, view) for pairs in self._pairs)
            or any(_is_numbered(secret, view) for secret in self._small)
            for view in _views(text)
        )

    def _spans(self, text: str) -> list[_Span]:
        """Where the secrets are, also as far as only their start or end is there."""
        found: set[_Span] = set()
        breaks: list[Sequence[tuple[int, int]]] = []
        for view in _views(text):
            for span in self._spans_in(view):
                start, end = span
                for of_level in reversed(breaks):
                    start, end = _before_decoding(start, of_level), _before_decoding(end, of_level)
                found.add((start, end))
            breaks.append(list(_breaks(view)))
        return sorted(found)

    def _spans_in(self, view: str) -> Iterator[_Span]:
        for spelling in self._spellings:
            yield from ((start, start + len(spelling)) for start in _places(spelling, view))
        for secret in self._long:
            for start in _places(secret[:_PART_CHARS], view):
                yield start, start + _common_start(secret, view[start : start + len(secret)])
            for place in _places(secret[-_PART_CHARS:], view):
                end = place + _PART_CHARS
                before = view[max(0, end - len(secret)) : end]
                yield end - _common_start(secret[::-1], before[::-1]), end

    @cached_property
    def _small(self) -> tuple[str, ...]:
        return tuple(sorted(map(_lowered, self.telling)))

    @cached_property
    def _long(self) -> tuple[str, ...]:
        return tuple(secret for secret in self._small if len(secret) >= 2 * _PART_CHARS)

    @cached_property
    def _spellings(self) -> tuple[str, ...]:
        """Every spelling but for escapes, in small letters."""
        return tuple(sorted({_lowered(one) for secret in self.telling for one in _spellings(secret)}))

    @cached_property
    def _pairs(self) -> tuple[Sequence[tuple[str, str]], ...]:
        """Of each spelling its neighbours, the rarest first: most texts are done with at the first pair."""
        return tuple(
            sorted(set(pairwise(spelling)), key=_rarity, reverse=True) for spelling in self._spellings
        )

    @cached_property
    def _wanted(self) -> tuple[str, ...]:
        parts = [part for secret in self._long for part in (secret[:_PART_CHARS], secret[-_PART_CHARS:])]
        return (*self._spellings, *parts)


def secrets_of(values: Iterable[str], innocent: str = "") -> Secrets | None:
    """The secrets among these values; None when there is nothing to hide.

    A value that stands in `innocent`, such as the model's own name, is common.
    """
    known = frozenset(filter(None, values))
    telling = frozenset(value for value in known if is_telling(value) and value not in innocent)
    return Secrets(telling, known - telling) if known else None


def redact(data: bytes, secrets: Secrets | None) -> bytes:
    """The same number of bytes of a body, with its secrets overwritten."""
    if secrets is None or not secrets.telling:
        return data
    text = data.decode("utf-8", "surrogateescape")
    redacted = secrets.body(text)
    return data if redacted is text else redacted.encode("utf-8", "surrogateescape")


def redact_pieces(pieces: Iterable[bytes], secrets: Secrets | None) -> tuple[bytes, ...]:
    """Pieces of one body, redacted as one and cut again at the same places."""
    pieces = tuple(pieces)
    whole = redact(b"".join(pieces), secrets)
    offsets = [0, *accumulate(map(len, pieces))]
    return tuple(whole[start:end] for start, end in pairwise(offsets))


def redact_text(text: str, secrets: Secrets | None) -> str:
    """A text, such as a message, with its secrets overwritten."""
    return text if secrets is None else secrets.text(text)


def redact_headers(headers: Headers, secrets: Secrets | None, more: Collection[str] = frozenset()) -> Headers:
    """Headers whose whole value is secret are blanked but for their scheme; the others are searched.

    `more` names secret ones beside those that everybody knows, in small letters.
    """
    secret = {*SECRET_HEADERS, *more}
    return tuple(
        (redact_text(name, secrets), _header_value(name, value, secrets, secret)) for name, value in headers
    )


def redact_url(url: str, secrets: Secrets | None, names: Collection[str] = ()) -> str:
    """A URL in whose query the values of these names are blanked, too; the names are in small letters."""
    front, question_mark, query = url.partition("?")
    common = frozenset() if secrets is None else secrets.common
    pairs = (pair.partition("=") for pair in query.split("&"))
    blanked = "&".join(
        f"{name}{sign}{'*' * len(value) if _is_secret(name, value, names, common) else value}"
        for name, sign, value in pairs
    )
    return redact_text(front + question_mark + blanked, secrets)


def _is_secret(name: str, value: str, names: Collection[str], common: Collection[str]) -> bool:
    decoded = unquote_plus(value)
    return unquote_plus(name).lower() in names or (decoded in common and not decoded.isdigit())


def _header_value(name: str, value: str, secrets: Secrets | None, secret_names: Collection[str]) -> str:
    small = name.lower()
    if small not in secret_names:
        return _searched(small, value, secrets)
    scheme, space, secret = value.partition(" ") if small.endswith("authorization") else ("", "", value)
    return f"{scheme}{space}{'*' * len(secret)}" if space else "*" * len(value)


def _searched(name: str, value: str, secrets: Secrets | None) -> str:
    """A header's value that may hold a secret by the endpoint's fault; a number may be there by chance."""
    if secrets is None or name in _FRAMING_HEADERS:
        return redact_text(value, secrets)
    front, space, last = value.rpartition(" ")
    if last in secrets.common and not last.isdigit() and " " not in front:
        return f"{front}{space}{'*' * len(last)}"
    return redact_url(value, secrets) if "?" in value else secrets.text(value)


# --- spellings ---


def _spellings(secret: str) -> Iterator[str]:
    raw = secret.encode("utf-8", "surrogatepass")
    yield secret
    yield secret[::-1]
    yield raw.hex()
    for offset in range(3):
        # What stands before and after decides over the characters at the ends, which are left out.
        start, end = -(-offset * 8 // 6), (offset + len(raw)) * 8 // 6
        yield base64.b64encode(bytes(offset) + raw).decode()[start:end]
        yield base64.urlsafe_b64encode(bytes(offset) + raw).decode()[start:end]
    if not secret.isascii():
        yield json.dumps(secret)[1:-1]
        yield raw.decode("latin-1")  # as its bytes look once a URL's escapes are undone
    if " " in secret:
        yield secret.replace(" ", "+")


def _lowered(text: str) -> str:
    """In small letters, each character one: a few capitals become two."""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else "".join(one.lower()[0] for one in text)


def _places(wanted: str, text: str) -> Iterator[int]:
    place = text.find(wanted)
    while place >= 0:
        yield place
        place = text.find(wanted, place + 1)


def _common_start(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def _blanked(text: str, spans: Collection[_Span]) -> str:
    if not spans:
        return text
    characters = list(text)
    for start, end in spans:
        characters[start:end] = map(_blank, characters[start:end])
    return "".join(characters)


_BLANKS = "*·•𝄪"


def _blank(character: str) -> str:
    """What stands in the place of a secret's character, in as many bytes.

    JSON escapes the three that stay in two bytes, into which no asterisk fits.
    """
    if character in '"\\/' or "\ud800" <= character <= "\udfff":
        return character
    return _BLANKS[len(character.encode()) - 1]


# --- escapes ---

_ESCAPE = re.compile(
    r"\\\\{0,7}(?:(?:u00|x)([0-9a-f]{2})|([\"/]))|%([0-9a-f]{2})|&#(?:x0{0,4}([0-9a-f]{2})|0{0,4}([0-9]{2,3}));"
)
_MARKS = ("%", "\\u00", "\\x", "\\/", "&#")


def _views(text: str) -> Iterator[str]:
    """The text in small letters as it is, and with its escapes undone once, twice and so on."""
    view = _lowered(text)
    yield view
    for _ in range(_DECODINGS):
        if not any(mark in view for mark in _MARKS):
            return
        decoded = _lowered(_ESCAPE.sub(_decoded, view))
        if decoded == view:
            return
        view = decoded
        yield view


def _decoded(escape: re.Match[str]) -> str:
    by_json, as_it_is, by_url, by_html, by_number = escape.groups()
    if as_it_is:
        return as_it_is
    number = int(by_number) if by_number else int(by_json or by_url or by_html, 16)
    return chr(number) if number < 256 else "?"


def _breaks(view: str) -> Iterator[tuple[int, int]]:
    """Places of a view after its decoding with those before, wherever their distance changes."""
    taken = 0
    for escape in _ESCAPE.finditer(view):
        yield escape.start() - taken, escape.start()
        taken += escape.end() - escape.start() - 1
        yield escape.end() - taken, escape.end()


def _before_decoding(place: int, breaks: Sequence[tuple[int, int]]) -> int:
    """Where a place of the decoded view was before."""
    low, high = 0, len(breaks)
    while low < high:
        middle = (low + high) // 2
        if breaks[middle][0] <= place:
            low = middle + 1
        else:
            high = middle
    after, before = breaks[low - 1] if low else (0, 0)
    return before + place - after


# --- secrets that are spelled over the strings of a body ---

_ENDS, _STARTS = frozenset('"\\\r\n'), frozenset(["", *'": \r\n'])


def _rarity(pair: tuple[str, str]) -> int:
    """How seldom answers have the first character of a pair, as JSON and English go."""
    return "0123456789etaoinsrhldcumjxfpgbkyvw+/-zq".find(pair[0])


def _are_neighbours(pairs: Iterable[tuple[str, str]], view: str) -> bool:
    """Whether each two neighbours may stand beside each other, in one string or in two: a quick look."""
    for one, other in pairs:
        after = {view[place + 1 : place + 2] for place in _places(one, view)}
        if other in after:
            continue
        before = (view[place - 1 : place] for place in _places(other, view))
        if after.isdisjoint(_ENDS) or _STARTS.isdisjoint(before):
            return False
    return True


_NUMBERS = re.compile(r"\[\s*[0-9]{2,3}\s*[,\]]")


def _is_numbered(secret: str, view: str) -> bool:
    """Whether an array may hold the characters as numbers, as the `bytes` of log probabilities do."""
    return _NUMBERS.search(view) is not None and all(
        any(f"{start}{ord(one)}" in view for start in "[, \n" for one in {character, character.upper()})
        for character in secret
    )


_EVENT = re.compile(r".+?(?:(?:\r\n|\n|\r){2}|\Z)", re.DOTALL)
_TOKEN = re.compile(
    r'"(?P<string>(?:[^"\\\r\n]|\\[^\r\n])*+)"?(?P<colon>\s*:)?|(?P<number>-?[0-9][0-9.eE+-]*)|[{}\[\],]'
)
_LINE = re.compile(
    r'(?:^|(?<=[\r\n]))(?:(?P<field>[a-z]*): ?(?P<value>[^"\r\n]*)|(?P<bare>[^"\r\n]+))(?=[\r\n]|\Z)'
)
_UNIT = re.compile(r"\\u[0-9a-fA-F]{4}|\\.|.", re.DOTALL)
_INDEX = re.compile(r'"[a-z_]*index"\s*:\s*(\d+)|"type"\s*:\s*"([^"]*)"')


@dataclass(frozen=True, slots=True)
class _Piece:
    """A string, a line, or a number of an array: where it stands, its units as written and what they mean."""

    start: int
    units: tuple[str, ...]
    value: str


def _without_spelled(text: str, secrets: Secrets) -> str:
    """A body in whose strings the secrets are overwritten, each by itself and read one after another."""
    pieces: list[_Piece] = []
    groups: dict[object, list[int]] = defaultdict(list)
    for event in _EVENT.finditer(text):
        signature = hash(tuple(_INDEX.findall(event[0])))
        for piece, names in (*_strings(text, *event.span()), *_lines(text, *event.span())):
            for group in _groups(*names, signature):
                groups[group].append(len(pieces))
            pieces.append(piece)
    hidden: dict[int, set[int]] = defaultdict(set)
    for members in groups.values():
        places = [(number, place) for number in members for place in range(len(pieces[number].value))]
        for start, end in secrets._spans("".join(pieces[number].value for number in members)):
            for number, place in places[start:end]:
                hidden[number].add(place)
    written = list(text)
    for number, blanks in hidden.items():
        piece = pieces[number]
        units = [
            _written(unit, _blank(character)) if place in blanks else unit
            for place, (unit, character) in enumerate(zip(piece.units, piece.value, strict=True))
        ]
        redacted = "".join(units)
        written[piece.start : piece.start + len(redacted)] = redacted
    return "".join(written)


_NEAREST = 12
_Names: TypeAlias = tuple[tuple[str, ...], tuple[int, ...]]


def _groups(path: tuple[str, ...], positions: tuple[int, ...], signature: object) -> Iterator[object]:
    """The strings that a string may go on from: those of its keys, with all positions, or all but one."""
    yield path
    yield path, positions, signature
    for number in range(len(positions)):
        yield path, number, positions[:number] + positions[number + 1 :]


def _strings(text: str, start: int, end: int) -> Iterator[tuple[_Piece, _Names]]:
    """The strings of JSON and the numbers of its arrays, with the keys and positions that lead to them."""
    keys: list[str] = []
    positions: list[int] = []
    key = ""
    for token in _TOKEN.finditer(text, start, end):
        mark = token[0]
        if token["string"] is not None:
            units = tuple(_UNIT.findall(token["string"]))
            value = "".join(map(_meant, units))
            is_key = token["colon"] is not None
            yield _Piece(token.start() + 1, units, value), _names(keys, "\0key" if is_key else key, positions)
            key = value if is_key else key
        elif token["number"] is not None:
            is_character = mark.isdigit() and len(mark) < 4 and 32 < int(mark) < 127
            if is_character and positions and positions[-1] >= 0:
                yield _Piece(token.start(), (mark,), chr(int(mark))), _names(keys, key, positions)
        elif mark in "{[":
            keys.append(key)
            positions.append(0 if mark == "[" else -1)
            key = ""
        elif mark == ",":
            if positions and positions[-1] >= 0:
                positions[-1] += 1
        elif keys:
            key = keys.pop()
            positions.pop()


def _names(keys: Sequence[str], key: str, positions: Sequence[int]) -> _Names:
    """The nearest keys and positions: a body of nothing but brackets must not take for ever."""
    near = tuple(position for position in positions[-_NEAREST:] if position >= 0)
    return (*keys[-_NEAREST:], key), near


def _lines(text: str, start: int, end: int) -> Iterator[tuple[_Piece, _Names]]:
    """The lines without strings, by their field: comments, ids, and data that is no JSON."""
    for line in _LINE.finditer(text, start, end):
        value = line["bare"] or line["value"]
        place = line.start("bare" if line["bare"] else "value")
        yield _Piece(place, tuple(value), value), (("line", line["field"] or ""), ())


def _meant(unit: str) -> str:
    if len(unit) == 1:
        return unit
    return chr(int(unit[2:], 16)) if len(unit) == 6 else unit[1]


def _written(unit: str, character: str) -> str:
    """The character, written as this unit is."""
    if unit.isdigit() and len(unit) > 1:
        return f"{ord(character):>{len(unit)}}"
    if len(unit) == 1:
        return character
    return f"\\u{ord(character):04x}" if len(unit) == 6 else f"\\{character}"
