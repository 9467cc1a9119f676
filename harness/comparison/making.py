"""Making a comparison of run folders, and writing it down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness import run
from harness.comparison import Comparison, columns_of, compared, html, markdown
from harness.comparison.baseline import Changes, changes
from harness.errors import UsageError
from harness.rejudge import recording
from harness.rule import Level


class Format(Protocol):
    """A format of comparisons: a module of this package."""

    FILENAME: str

    def render(self, comparison: Comparison, changes: Changes | None = None) -> str:
        """The comparison's text, ready to be written as UTF-8."""
        ...


FORMATS: Mapping[str, Format] = {"html": html, "markdown": markdown}


@dataclass(frozen=True, slots=True)
class Made:
    """A comparison, and what changed from its baseline where there is one."""

    comparison: Comparison
    changes: Changes | None

    @property
    def exit_code(self) -> int:
        """That of the changes; without a baseline, comparing judges nobody."""
        return self.changes.exit_code if self.changes else 0


def made(folders: Sequence[Path], baseline: Path | None, clients: Sequence[str], level: Level | None) -> Made:
    """The comparison of these folders, the baseline first.

    Raises UsageError where there is nothing to compare, RunFolderError for a folder that holds no run.
    """
    if baseline is not None and len(folders) != 1:
        raise UsageError("A baseline is held against one run.", "Name one run after --baseline OLD.")
    every = [*([baseline] if baseline else []), *folders]
    comparison = compared(columns_of({str(folder): run.load(folder) for folder in every}, clients))
    if baseline is None:
        return Made(comparison, None)
    return Made(comparison, changes(recording(baseline, ()), recording(folders[0], ()), level))


def write(comparison: Made, folder: Path, formats: Sequence[str]) -> tuple[Path, ...]:
    """Write the comparison into a folder in these formats, and give the files' paths."""
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise UsageError(f"A comparison has no format {unknown[0]!r}.", f"Choose from {', '.join(FORMATS)}.")
    return tuple(_written(comparison, folder, name) for name in formats)


def _written(comparison: Made, folder: Path, name: str) -> Path:
    path = folder / FORMATS[name].FILENAME
    text = FORMATS[name].render(comparison.comparison, comparison.changes)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise UsageError(
            f"{path} can't be written ({error.strerror}).", "Name another folder, or mend its permissions."
        ) from error
    return path
