"""A dialect: what an endpoint is known to do differently, as data with a reason for each difference.

One TOML file per dialect in `harness/dialects/`; its waivers have the shape of those in likewise.toml.
"""

import tomllib
from functools import cache
from pathlib import Path

from harness.target import Waiver

_FOLDER = Path(__file__).parent / "dialects"


def dialects() -> tuple[str, ...]:
    """The names of all dialects."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


@cache
def waivers_of(dialect: str) -> tuple[Waiver, ...]:
    """What a dialect declares."""
    declared = tomllib.loads((_FOLDER / f"{dialect}.toml").read_text(encoding="utf-8"))
    return tuple(Waiver(**waiver) for waiver in declared.get("waivers", ()))
