"""`make hostile`: a table of how each client came out of each behaviour."""

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.visible import visible
from tests.hostile.behaviour import Behaviour, behaviours
from tests.hostile.meeting import CLIENTS, LOAD_CLIENTS, loaded, met

_NAME_CHARS = max(len(one.name) for one in behaviours())
_CELL_CHARS = 19


def _cells(behaviour: Behaviour) -> Iterator[str]:
    for client in CLIENTS:
        with TemporaryDirectory() as folder:
            told = met(behaviour, client, Path(folder))
        yield f"{told.seen.exchange.ended} {told.took_s:.1f} s"
    for client in LOAD_CLIENTS:
        record, took_s = loaded(behaviour, client)
        yield f"{record.outcome} {took_s:.1f} s"


def _row(group: str, name: str, cells: Iterator[str]) -> None:
    sys.stdout.write(f"{group:10}{name:{_NAME_CHARS + 2}}")
    for cell in cells:
        sys.stdout.write(f"{visible(cell):{_CELL_CHARS}}")
        sys.stdout.flush()
    sys.stdout.write("\n")


def main() -> None:
    """Meet each behaviour through every client."""
    _row("group", "behaviour", iter((*CLIENTS, *(f"load {client}" for client in LOAD_CLIENTS))))
    for one in behaviours():
        _row(one.group, one.name, _cells(one))


main()
