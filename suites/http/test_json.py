"""JSON that some readers take and others refuse: half characters, and integers that are too long."""

import json
import re
from collections.abc import Iterator

from harness.evidence import Observation, parsed, shown
from harness.rule import Violation, Violations, rule
from harness.wire.sse import read_events

_HALF = re.compile("[\ud800-\udfff]")
_WRITTEN_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_LONG = re.compile(rb"[0-9]{19}")
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1


def _texts(observation: Observation) -> Iterator[tuple[int | None, bytes]]:
    """The JSON texts of an answer: of a stream the data of each event, with its number."""
    response = observation.response
    if response.media_type != "text/event-stream":
        yield None, response.body
        return
    for number, event in enumerate(read_events([(0, response.body)])):
        if event.data is not None:
            yield number, event.data.encode()


@rule(
    "http.whole-characters",
    level="must",
    source="RFC 8259, 8.2: unpaired surrogates; RFC 7493, 2.1",
    breaks="Python's print raises UnicodeEncodeError; strict readers of JSON refuse the answer.",
)
def no_string_has_half_a_character(observation: Observation) -> Violations:
    """No string has half of a surrogate pair, as where a text is cut between its UTF-16 units."""
    if _WRITTEN_HALF.search(observation.response.body) is None:
        return
    for number, text in _texts(observation):
        for pointer, string in _strings(parsed(text)):
            if half := _HALF.search(string):
                yield Violation(
                    received=f"half a character, \\u{ord(half[0]):04x}, in {shown(string)}",
                    expected="whole characters",
                    pointer=pointer,
                    event=number,
                )


def _strings(value: object) -> Iterator[tuple[str, str]]:
    """JSON pointer and text of each string; a key is told at its own value."""
    waiting = [("", value)]
    while waiting:
        pointer, one = waiting.pop()
        if isinstance(one, str):
            yield pointer, one
        elif isinstance(one, dict):
            for key, inner in one.items():
                at = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
                waiting.append((at, inner))
                if _HALF.search(key):
                    yield at, key
        elif isinstance(one, list):
            waiting.extend((f"{pointer}/{index}", inner) for index, inner in enumerate(one))


@rule(
    "http.json-integers",
    level="spec",
    source="RFC 8259, 6; RFC 7493, 2.2",
    breaks="Readers in other languages raise, or make a float or another number of it.",
)
def every_integer_fits_into_64_bits(observation: Observation) -> Violations:
    """Every integer fits into 64 bits."""
    if _LONG.search(observation.response.body) is None:
        return
    for number, text in _texts(observation):
        if _LONG.search(text) and isinstance(parsed(text), dict):
            for integer in _long_integers(text):
                yield Violation(
                    received=f"an integer of {len(integer.lstrip('-'))} digits, {integer[:24]}",
                    expected="an integer of at most 64 bits",
                    event=number,
                )


def _long_integers(text: bytes) -> list[str]:
    found: list[str] = []

    def note(digits: str) -> int:
        value = int(digits)
        if not _SMALLEST <= value <= _LARGEST:
            found.append(digits)
        return value

    json.loads(text, parse_int=note)
    return found
