"""What marks one answer: its ids, its time, its maker's fingerprint, and the filling of its deltas."""

import hashlib
import string
import time
from dataclasses import dataclass

from harness.endpoint import speech

FINGERPRINT = "fp_6c696b6577"
"""The `system_fingerprint` of every answer: the stand-in never changes under a running server."""
_LETTERS = string.ascii_letters + string.digits
_OBFUSCATED_TO = 16
"""Obfuscation fills the text of a delta up to a multiple of so many characters."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What makes an answer this one and no other: a unique text and the time in unix seconds."""

    unique: str
    created: int

    @classmethod
    def now(cls, unique: str) -> "Stamp":
        """A stamp of this moment."""
        return cls(unique, int(time.time()))

    def id(self, prefix: str, *place: int) -> str:
        """An id that nothing else in this or any other answer has."""
        key = "/".join((self.unique, *map(str, place)))
        return prefix + hashlib.blake2b(key.encode(), digest_size=12, person=prefix.encode()).hexdigest()


def filling(key: str, text: str) -> str:
    """The obfuscation of a delta, whose length hides the length of its text."""
    letters = _LETTERS[speech.draw(key) % len(_LETTERS) :] * _OBFUSCATED_TO
    return letters[: -len(text) % _OBFUSCATED_TO or _OBFUSCATED_TO]
