"""The ledger of known deviations: what real endpoints were seen to do differently from OpenAI.

It is content, in suites/deviations.toml. Rules name the rows that they catch by `answers`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias

from harness import content
from harness.toml_table import Table, parsed_table

Damage: TypeAlias = Literal["crash", "silent-loss", "wrong-data", "reject", "nuisance"]

DAMAGES: Mapping[Damage, str] = {
    "crash": "the client raises",
    "silent-loss": "data is lost, and the answer looks like a success",
    "wrong-data": "what comes is plausible and false",
    "reject": "what OpenAI accepts is refused",
    "nuisance": "the common clients cope",
}

_KEYS = ("id", "damage", "symptom", "source", "unanswered")


@dataclass(frozen=True, slots=True)
class Deviation:
    """One row: `symptom` is what is on the wire, `source` public threads and pages, parted by semicolons.

    `unanswered` is the reason why no rule can see it; None where a rule has to.
    """

    id: str
    damage: Damage
    symptom: str
    source: str
    unanswered: str | None

    @property
    def area(self) -> str:
        """The part of the contract that it is about: what stands before the first hyphen of its id."""
        return self.id.partition("-")[0]


@dataclass(frozen=True, slots=True)
class Ledger:
    """`areas` are titles by the prefix of their rows' ids, `rows` the deviations by id, in file order."""

    areas: Mapping[str, str]
    rows: Mapping[str, Deviation]


@cache
def ledger() -> Ledger:
    """The ledger of this project."""
    return load(content.folder("suites") / "deviations.toml")


def load(path: Path) -> Ledger:
    """The ledger of a file; raises ConfigError at its first mistake, with the line."""
    table = parsed_table(path.name, path.read_bytes())
    table.refuse_other_keys_than(("areas", "deviations"))
    titles = table.table("areas")
    areas = {prefix: titles.required_text(prefix) for prefix in titles.values}
    rows: dict[str, Deviation] = {}
    for row_table in table.tables("deviations"):
        row = _row(row_table)
        if row.area not in areas:
            raise row_table.mistake(("id",), f"an id that starts with one of {', '.join(areas)} and a hyphen")
        if row.id in rows:
            raise row_table.mistake(("id",), "an id that no other row has")
        rows[row.id] = row
    return Ledger(areas, rows)


def _row(table: Table) -> Deviation:
    table.refuse_other_keys_than(_KEYS)
    damage = table.choice("damage", tuple(DAMAGES))
    if damage is None:
        raise table.mistake(("damage",), f"one of {', '.join(DAMAGES)}")
    return Deviation(
        id=table.required_text("id"),
        damage=damage,
        symptom=table.required_text("symptom"),
        source=table.required_text("source"),
        unanswered=table.text("unanswered"),
    )
