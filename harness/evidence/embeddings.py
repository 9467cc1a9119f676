"""Embeddings evidence: the vectors of an answer, read from JSON numbers and from base64 alike."""

import base64
import binascii
import math
import operator
import struct
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self, TypeAlias

from harness.evidence import PLAIN, Cells, Object, Observation, objects, success
from harness.evidence.grounds import OF_A_BODY, Grounds
from harness.scenario import Scenario
from harness.wire.exchange import Json

Vector: TypeAlias = tuple[float, ...]

_FLOAT32_BYTES = 4


@dataclass(frozen=True)
class Entry:
    """One embedding: its JSON pointer, its object, and its place in `data`, counted from 0."""

    pointer: str
    body: Object
    place: int

    @cached_property
    def vector(self) -> Vector | None:
        """The vector; None where it is neither numbers nor base64 of 32-bit floats."""
        return vector_of(self.body.get("embedding"))


@dataclass(frozen=True)
class Embeddings:
    """The answer to POST /embeddings."""

    MODES: ClassVar[Cells] = PLAIN
    RESTS_ON: ClassVar[Grounds] = OF_A_BODY

    observation: Observation
    body: Object

    @staticmethod
    def applies(scenario: Scenario) -> bool:
        """Scenarios that ask for embeddings and get them."""
        return scenario.is_answered_by("embeddings")

    @classmethod
    def of(cls, observation: Observation) -> Self:
        """The embeddings of an observation."""
        return cls(observation, success(observation))

    @property
    def inputs(self) -> tuple[Json, ...]:
        """What was to be embedded: texts or arrays of tokens."""
        asked = self.observation.asked.get("input")
        is_one = not isinstance(asked, list) or all(isinstance(item, int) for item in asked)
        return (asked,) if is_one or not isinstance(asked, list) else tuple(asked)

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """The embeddings in the order of the answer; what is no object is left to the schema."""
        found = objects(self.body.get("data"), "/data")
        return tuple(Entry(pointer, body, int(pointer.rpartition("/")[2])) for pointer, body in found)

    @property
    def vectors(self) -> tuple[tuple[Entry, Json, Vector], ...]:
        """Entry, input and vector for each entry that has a vector and stands at the place of an input."""
        inputs = self.inputs
        return tuple(
            (entry, inputs[entry.place], entry.vector)
            for entry in self.entries
            if entry.vector is not None and entry.place < len(inputs)
        )


def vector_of(value: object) -> Vector | None:
    """A vector from an array of numbers, or from base64 of little-endian 32-bit floats; None for neither."""
    if isinstance(value, str):
        return _unpacked(value)
    if not isinstance(value, list) or not value:
        return None
    numbers = [float(item) for item in value if isinstance(item, int | float) and not isinstance(item, bool)]
    return tuple(numbers) if len(numbers) == len(value) else None


def _unpacked(text: str) -> Vector | None:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    if not data or len(data) % _FLOAT32_BYTES:
        return None
    return struct.unpack(f"<{len(data) // _FLOAT32_BYTES}f", data)


def cosine(one: Vector, other: Vector) -> float:
    """The cosine of the angle between two vectors; NaN where they can't be compared.

    They can't when their lengths differ, when one is all zeros, or when they hold what is no finite number.
    """
    if len(one) != len(other) or not all(map(math.isfinite, (*one, *other))):
        return math.nan
    norms = math.hypot(*one) * math.hypot(*other)
    return sum(map(operator.mul, one, other)) / norms if norms else math.nan
