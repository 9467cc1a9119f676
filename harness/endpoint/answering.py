"""From a request to its answer, by way of the departures of each stage: pure but for what `make` does."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from harness.endpoint.answer import Answer, Pause, Wire, encode
from harness.endpoint.departure import Asked, Departure
from harness.endpoint.dialects import Dialect
from harness.endpoint.refusal import Refusal, missing_key, wrong_key

Make = Callable[[Asked], Answer]
"""What answers a request; it raises `Refusal` where it refuses."""


def check_key(asked: Asked) -> None:
    """The key is there, and is the right one."""
    if not asked.key:
        raise missing_key()
    if asked.key != asked.right_key:
        raise wrong_key(asked.key)


def answered(
    dialect: Dialect, departures: Iterable[Departure], asked: Asked, make: Make, unique: str
) -> Answer:
    """What is said to a request. Each stage applies the departures in the order in which they are named."""
    departures = tuple(departures)
    changed = asked
    try:
        for departure in departures:
            changed = departure.requested(changed)
        answer = make(changed)
    except Refusal as refused:
        answer = dialect.refused(refused, unique, asked)
        answer = replace(answer, headers=(*answer.headers, *refused.headers))
    answer = dialect.shaped(answer)
    for departure in departures:
        answer = departure.answered(asked, answer)
    return answer


def encoded(dialect: Dialect, answer: Answer, pause: Pause, unique: str) -> Wire:
    """The bytes of an answer, with the headers that every answer has."""
    wire = encode(answer, pause, dialect.frame)
    return replace(wire, headers=(*wire.headers, *dialect.headers(unique, wire)))


def wired(departures: Iterable[Departure], asked: Asked, wire: Wire) -> Wire:
    """How it is said."""
    for departure in departures:
        wire = departure.wired(asked, wire)
    return wire
