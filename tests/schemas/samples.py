"""The golden samples: hand-made wire objects that repeat recorded shapes, one JSON file each.

`golden/<kind>/<name>.json` holds `about`, the `instance`, and under `violates` the pointers that violate the
kind's schema, by the lowest level that demands them.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from harness.schemas import JSON, Level

LEVELS: tuple[Level, ...] = get_args(Level)
FOLDER = Path(__file__).parent / "golden"


@dataclass(frozen=True, slots=True)
class Sample:
    kind: str
    name: str
    about: str
    violates: dict[Level, list[str]]
    instance: JSON

    def satisfies(self, level: Level) -> bool:
        return not any(below in self.violates for below in LEVELS[: LEVELS.index(level) + 1])

    def __str__(self) -> str:
        return f"{self.kind}-{self.name}"


SAMPLES = tuple(
    Sample(file.parent.name, file.stem, **json.loads(file.read_bytes()))
    for file in sorted(FOLDER.rglob("*.json"))
)


def sample(kind: str, name: str) -> Sample:
    return next(each for each in SAMPLES if (each.kind, each.name) == (kind, name))
