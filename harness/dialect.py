"""A dialect: what an endpoint is known to do differently, as data with a reason for each difference.

One TOML file per dialect in `harness/dialects/`.
"""

import tomllib
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from harness.target import Waiver

_FOLDER = Path(__file__).parent / "dialects"


@dataclass(frozen=True, slots=True)
class Difference:
    """What an endpoint does where OpenAI does something else, why that is accepted, and what it violates.

    `source` says where that stands, and `read` when it was read there; `is_of_one_observer` where no page
    says it and one observer alone has seen it.
    """

    id: str
    difference: str
    reason: str
    source: str
    read: date
    is_of_one_observer: bool
    waivers: tuple[Waiver, ...]


def dialects() -> tuple[str, ...]:
    """The names of all dialects."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


@cache
def differences_of(dialect: str) -> tuple[Difference, ...]:
    """What a dialect declares."""
    declared = tomllib.loads((_FOLDER / f"{dialect}.toml").read_text(encoding="utf-8"))
    return tuple(
        Difference(
            entry["id"],
            entry["difference"],
            entry["reason"],
            entry["source"],
            entry["read"],
            entry.get("observer") == "one",
            tuple(
                Waiver(reason=f"{entry['id']}: {entry['difference']} {entry['reason']}", **waived)
                for waived in entry.get("waives", ())
            ),
        )
        for entry in declared.get("differences", ())
    )


def waivers_of(dialect: str) -> tuple[Waiver, ...]:
    """What the differences of a dialect violate."""
    return tuple(waiver for difference in differences_of(dialect) for waiver in difference.waivers)
