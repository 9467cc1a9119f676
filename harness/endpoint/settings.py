"""How the reference endpoint is set: its dialect, its key, its latency, its log.

Nothing here imports a server, so that a command line can read settings without paying for one.
"""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.endpoint.departure import Departure

DIALECTS = ("openai", "dashscope")
JITTERS = ("none", "uniform", "normal", "lognormal", "exponential")
_SPREAD_JITTERS = ("uniform", "normal", "lognormal")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s)")
_MS_PER_UNIT = {"us": 0.001, "ms": 1.0, "s": 1000.0}
_NEXT_STEP = 'Write it like "ttft=200ms,itl=20ms,jitter=lognormal:0.2,seed=7".'


@dataclass(frozen=True, slots=True)
class Latency:
    """How long the endpoint takes, in milliseconds: to the first token, and from one token to the next.

    `jitter` names how single waits lie around these values, `spread` how widely, as a share of the value:
    `uniform` within ±spread, `normal` with a standard deviation of spread, `lognormal` with the value as
    median and spread as sigma. `exponential` has the value as mean and no spread of its own. Every draw
    comes from `seed` and the ordinal of the request, so that a run can be repeated.
    """

    first_token_ms: float = 0.0
    inter_token_ms: float = 0.0
    jitter: str = "none"
    spread: float = 0.0
    seed: int = 0

    @classmethod
    def parse(cls, text: str) -> "Latency":
        """The latency that `text` describes: `ttft=`, `itl=` (us, ms, s), `jitter=KIND[:SPREAD]`, `seed=`.

        Raises `UsageError` for anything else.
        """
        values: dict[str, float | int | str] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            key, _, value = part.partition("=")
            reader = _READERS.get(key.strip())
            if reader is None:
                raise UsageError(f"Latency has no part named {part!r}.", _NEXT_STEP)
            values.update(reader(value.strip()))
        return cls(**values)  # type: ignore[arg-type]  # each reader gives its own field's type


@dataclass(frozen=True, slots=True)
class Settings:
    """One reference endpoint. `key` is the only key it accepts; `log` takes one JSON line per request.

    `faults` names the departures from its own ways, faults and legal variations, that it is told to make.
    Raises `UsageError` for a dialect it doesn't speak and for a departure that there is not.
    """

    dialect: str = "openai"
    key: str = "sk-likewise-reference"
    latency: Latency = Latency()
    log: Path | None = None
    faults: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.dialect not in DIALECTS:
            raise UsageError(
                f"The reference endpoint has no dialect {self.dialect!r}.",
                f"Use one of: {', '.join(DIALECTS)}.",
            )
        if self.faults:
            _ = self.departures

    @property
    def departures(self) -> "tuple[Departure, ...]":
        """The faults and variations that are named, each once."""
        from harness.endpoint.faults import faults
        from harness.endpoint.variations import variations

        known = {**faults(), **variations()}
        for name in self.faults:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=3)
                raise UsageError(
                    f"The reference endpoint has no fault {name!r}.",
                    f"Did you mean {' or '.join(near)}?" if near else "docs/proof.md lists them.",
                )
        return tuple(known[name] for name in dict.fromkeys(self.faults))


def duration_ms(text: str) -> float:
    """Milliseconds of a duration like `20ms` or `1.5s`; a bare 0 is allowed."""
    if text == "0":
        return 0.0
    match = _DURATION.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is not a duration.", _NEXT_STEP)
    return float(match[1]) * _MS_PER_UNIT[match[2]]


def _jitter(text: str) -> dict[str, float | int | str]:
    """The fields `jitter` and `spread` of a text like `lognormal:0.2`."""
    kind, colon, spread = text.partition(":")
    if kind not in JITTERS:
        raise UsageError(f"There is no jitter {kind!r}.", f"Use one of: {', '.join(JITTERS)}.")
    if (kind in _SPREAD_JITTERS) != bool(colon):
        raise UsageError(
            f"The jitter {kind!r} {'takes no' if colon else 'needs a'} spread.",
            f"A spread goes with {', '.join(_SPREAD_JITTERS)}, like uniform:0.5.",
        )
    try:
        share = float(spread or 0)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 10:
        raise UsageError(f"{spread!r} is not a spread.", "Write a share of the value from 0 to 10, like 0.2.")
    return {"jitter": kind, "spread": share}


def _seed(text: str) -> dict[str, float | int | str]:
    if not re.fullmatch(r"-?\d{1,18}", text):
        raise UsageError(f"{text!r} is not a seed.", "Write an integer, like seed=7.")
    return {"seed": int(text)}


_READERS: Mapping[str, Callable[[str], dict[str, float | int | str]]] = {
    "ttft": lambda text: {"first_token_ms": duration_ms(text)},
    "itl": lambda text: {"inter_token_ms": duration_ms(text)},
    "jitter": _jitter,
    "seed": _seed,
}
