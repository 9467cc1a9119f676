"""Reports of a load run, made of load.json alone. Each module here with a `render` is a format of its name.

The other modules are what the formats share.
"""

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Protocol, cast

from harness.load.load_run import LoadRun
from harness.writing import whole, writing


class Format(Protocol):
    """A report format: a module of this package. Its files have names of the pattern `FILES`."""

    FILES: str

    def render(self, run: LoadRun) -> Mapping[str, str]:
        """The text of each file by its name, ready to be written as UTF-8."""
        ...


@cache
def formats() -> Mapping[str, Format]:
    """Every format by its name; the modules load when they are first asked for."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = {name: importlib.import_module(f"{__name__}.{name}") for name in names}
    return {name: cast("Format", module) for name, module in modules.items() if hasattr(module, "render")}


def forget(folder: Path) -> None:
    """Remove the reports of an earlier run; raises UnwritableError where that can't be done."""
    for each in formats().values():
        for path in folder.glob(each.FILES):
            with writing(path):
                path.unlink()


def write(run: LoadRun, folder: Path, names: Iterable[str]) -> tuple[Path, ...]:
    """Write the reports of these formats into a folder, made if need be, and give their paths.

    Raises UnwritableError when the folder can't be written to, KeyError for a name that is no format.
    """
    texts = {file: text for name in names for file, text in formats()[name].render(run).items()}
    return tuple(_written(folder / file, text) for file, text in texts.items())


def _written(path: Path, text: str) -> Path:
    with whole(path) as unfinished:
        # What has no UTF-8 form is made visible by every format; this holds even where one forgets.
        unfinished.write_bytes(text.encode("utf-8", "backslashreplace"))
    return path
