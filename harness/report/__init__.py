"""Reports of a run. Each module here with a FILENAME and a `render` is a format, named as the module is.

`terminal` prints instead of writing a file; the other modules are what the formats share.
"""

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Protocol, TextIO, TypeAlias, cast

from harness.run import Run
from harness.wire.exchange import Exchange
from harness.writing import whole

Exchanges: TypeAlias = Mapping[tuple[str, str, str], Exchange]
"""The exchanges of a run by scenario, client and mode; those that were not kept are missing."""


class Format(Protocol):
    """A report format: a module of this package."""

    FILENAME: str

    def render(self, run: Run, exchanges: Exchanges, file: TextIO) -> None:
        """Write the report, of a large run piece by piece: a million verdicts fit into no string."""
        ...


@cache
def formats() -> Mapping[str, Format]:
    """Every format by its name; the modules load when they are first asked for."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = {name: importlib.import_module(f"{__name__}.{name}") for name in names}
    return {name: cast("Format", module) for name, module in modules.items() if hasattr(module, "FILENAME")}


def write(run: Run, exchanges: Exchanges, folder: Path, names: Iterable[str]) -> tuple[Path, ...]:
    """Write the reports of these formats into a folder, made if need be, and give their paths.

    Raises UnwritableError when the folder can't be written to, KeyError for a name that is no format.
    """
    return tuple(_written(formats()[name], run, exchanges, folder) for name in names)


def _written(chosen: Format, run: Run, exchanges: Exchanges, folder: Path) -> Path:
    path = folder / chosen.FILENAME
    with (
        whole(path) as unfinished,
        # What has no UTF-8 form is made visible by every format; this holds even where one forgets.
        unfinished.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        chosen.render(run, exchanges, file)
    return path
