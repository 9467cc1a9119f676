"""Making a comparison of run folders, and writing it down."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from harness import run
from harness.comparison import columns_of, compared, html, markdown
from harness.comparison.baseline import Changes, changes
from harness.comparison.load import compared_load, load_changes
from harness.comparison.made import Made
from harness.errors import UsageError
from harness.load import load_run
from harness.load.recovery import as_far_as_it_came
from harness.rejudge import recording
from harness.rule import Level
from harness.writing import whole


class Format(Protocol):
    """A format of comparisons: a module of this package."""

    FILENAME: str

    def render(self, made: Made) -> str:
        """The comparison's text, ready to be written as UTF-8."""
        ...


FORMATS: Mapping[str, Format] = {"html": html, "markdown": markdown}


def make(folders: Sequence[Path], baseline: Path | None, clients: Sequence[str], level: Level | None) -> Made:
    """The comparison of these folders, the baseline first: of the run.json and the load.json in them.

    Raises UsageError where there is nothing to compare, RunFolderError for a folder that holds no run.
    """
    if baseline is not None and len(folders) != 1:
        raise UsageError("A baseline is held against one run.", "Name one run after --baseline OLD.")
    every = [*([baseline] if baseline else []), *folders]
    loads = {str(folder): as_far_as_it_came(folder) for folder in every if _has(folder, load_run.FILENAME)}
    runs = {
        str(folder): run.load(folder)
        for folder in every
        if _has(folder, "run.json") or not _has(folder, load_run.FILENAME)
    }
    load = compared_load(loads, clients) if loads else None
    rules = None if load and len(runs) < 2 else compared(columns_of(runs, clients))
    if baseline is None:
        return Made(rules, load)
    old, new = loads.get(str(baseline)), loads.get(str(folders[0]))
    return Made(
        rules,
        load,
        _changes(baseline, folders[0], level) if _has(baseline, "run.json") else None,
        load_changes(old, new, clients) if old and new else None,
    )


def _has(folder: Path, name: str) -> bool:
    return (folder / name).is_file()


def _changes(old: Path, new: Path, level: Level | None) -> Changes:
    return changes(recording(old, ()), recording(new, ()), level)


def write(made: Made, folder: Path, formats: Sequence[str]) -> tuple[Path, ...]:
    """Write the comparison into a folder in these formats, and give the files' paths."""
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise UsageError(f"A comparison has no format {unknown[0]!r}.", f"Choose from {', '.join(FORMATS)}.")
    return tuple(_written(made, folder, name) for name in formats)


def _written(made: Made, folder: Path, name: str) -> Path:
    path = folder / FORMATS[name].FILENAME
    text = FORMATS[name].render(made)
    with whole(path) as unfinished:
        unfinished.write_bytes(text.encode("utf-8", "backslashreplace"))
    return path
