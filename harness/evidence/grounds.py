"""Grounds: what must be in order before more of an answer can be judged, from the most basic on.

A kind of evidence says on which grounds it rests, a rule which ground it upholds. Where a rule that upholds a
ground fails, a failure of what rests on that ground at the same place is its consequence, and no finding of
its own: one fault gives one finding (see `harness.consequence`).
"""

import re
from enum import IntEnum, auto
from typing import TypeAlias


class Ground(IntEnum):
    """What a rule can uphold, in the order in which one builds on another."""

    NO_CRASH = auto()
    """The server did not fail at the request."""
    MODE = auto()
    """The answer came in the mode that was asked for."""
    WHOLE = auto()
    """The answer came to its end."""
    READABLE = auto()
    """Every body, and every event, can be read."""
    FORM = auto()
    """The form of the request's messages is accepted."""
    ACCEPTED = auto()
    """What was asked for is accepted."""
    SERVED = auto()
    """A good request is answered with success."""
    SHAPE = auto()
    """What holds the parts of an answer has its shape."""
    CHOICES = auto()
    """The choices, the items, the calls can be told apart."""
    HONOURED = auto()
    """What was asked for has its effect."""
    CALLS = auto()
    """The fragments of each call can be put together."""
    CALL = auto()
    """Each call has its id, its name and its arguments."""
    SAID = auto()
    """Something is said where it belongs: a text, a refusal, a call."""
    ENDING = auto()
    """The end of an answer is told where clients look for it."""
    ENDED = auto()
    """The end of an answer is told, and told rightly."""


Grounds: TypeAlias = frozenset[Ground]

NONE: Grounds = frozenset()
OF_A_BODY: Grounds = frozenset({Ground.MODE, Ground.WHOLE, Ground.READABLE})
OF_AN_ANSWER: Grounds = OF_A_BODY | {Ground.SHAPE, Ground.CHOICES}
OF_A_USER: Grounds = OF_AN_ANSWER | {Ground.CALLS, Ground.CALL, Ground.SAID, Ground.ENDING, Ground.ENDED}
"""What a client tells its user can only be right where what it reads is; so can what two answers share."""

_FINISH = re.compile(r"/choices/\d+/finish_reason")
_READ_BY_ALL = re.compile(
    r"|(/response)?/(choices|data|output)(/\d+(/(index|delta|message|text|embedding|id|type"
    r"|(delta/|message/)?content(/\d+(/(type|text))?)?))?)?"
    r"|/(type|response|delta|text|item|part|output_index|content_index)(/(id|type))?"
)
"""The places, as JSON pointers, without which nobody finds the parts of an answer."""


def shape(pointer: str | None) -> Ground | None:
    """The ground that a schema upholds at a place; None where only the place itself is wrong."""
    if _FINISH.fullmatch(pointer or ""):
        return Ground.ENDING
    return Ground.SHAPE if _READ_BY_ALL.fullmatch(pointer or "") else None
