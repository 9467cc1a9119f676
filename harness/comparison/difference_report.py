"""What differs between two sides: on the terminal, as Markdown, and as a page."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from harness.comparison.difference import Cell, Difference, Kind
from harness.report.markdown import code, fitted, heading
from harness.report.page import page
from harness.report.text import one_line, plural
from harness.writing import whole

KINDS: dict[Kind, str] = {
    "removed": "Removed on the way",
    "altered": "Altered on the way",
    "introduced": "Introduced on the way",
}

_LINES = 40
_CELLS = 4
_TEXT_CHARS = 400
_ROWS = 500


def sentence(names: Sequence[str], found: Sequence[Difference], compared: int) -> str:
    """The answer: how many fields differ, in how many calls."""
    first, second = (one_line(name, _TEXT_CHARS) for name in names)
    if not compared:
        return f"{first} and {second} answered no call in common."
    if not found:
        return f"{second} answers as {first} does, in {plural(compared, 'call')}."
    counts = Counter(one.kind for one in found)
    told = ", ".join(f"{counts[kind]:,} {kind}" for kind in KINDS if counts[kind])
    return f"From {first} to {second}, {told}; {plural(compared, 'call')} compared."


def render(console: Console, names: Sequence[str], found: Sequence[Difference], compared: int) -> None:
    """Print the answer and the first differences."""
    console.print(Text(sentence(names, found, compared), "bold"))
    for one in found[:_LINES]:
        console.print(
            Text(one_line(f"{one.kind:<10} {one.place}: {change(one)}  ({where(one.cells)})", _TEXT_CHARS))
        )
    if len(found) > _LINES:
        console.print(Text(f"and {plural(len(found) - _LINES, 'more difference')} in the files"))


def change(one: Difference) -> str:
    """What stood there and what stands there now."""
    return f"{one.before} → {one.after}" if one.kind == "altered" else one.before or one.after


def where(cells: Sequence[Cell]) -> str:
    """The calls, the first of them by name: `founding raw plain, … 3 more`."""
    more = f", {len(cells) - _CELLS:,} more" if len(cells) > _CELLS else ""
    return ", ".join(" ".join(cell) for cell in cells[:_CELLS]) + more


def markdown(names: Sequence[str], found: Sequence[Difference], compared: int) -> str:
    """The differences as Markdown that fits a comment."""
    return fitted(_blocks(names, found, compared), "diff.html")


def _blocks(names: Sequence[str], found: Sequence[Difference], compared: int) -> Iterator[str]:
    yield f"## {heading(sentence(names, found, compared))}\n"
    for kind, title in KINDS.items():
        lines = [
            f"- {code(one.place, _TEXT_CHARS)} {code(change(one), _TEXT_CHARS)}: "
            f"{plural(len(one.cells), 'call')}, {code(where(one.cells), _TEXT_CHARS)}"
            for one in found
            if one.kind == kind
        ]
        if lines:
            yield "\n".join([f"### {title}", "", *lines]) + "\n"


def html(names: Sequence[str], found: Sequence[Difference], compared: int) -> str:
    """The differences as one page that stands alone."""
    return page(
        "diff.html",
        _TEXT_CHARS,
        answer=sentence(names, found, compared),
        names=names,
        groups=[(kind, title, _of_kind(found, kind)) for kind, title in KINDS.items()],
        row_limit=_ROWS,
        change=change,
        where=where,
    )


def _of_kind(found: Iterable[Difference], kind: Kind) -> list[Difference]:
    return [one for one in found if one.kind == kind]


def write(folder: Path, names: Sequence[str], found: Sequence[Difference], compared: int) -> tuple[Path, ...]:
    """Write both files into a folder, and give their paths."""
    paths = folder / "diff.html", folder / "diff.md"
    for path, text in zip(
        paths, (html(names, found, compared), markdown(names, found, compared)), strict=True
    ):
        with whole(path) as unfinished:
            unfinished.write_bytes(text.encode("utf-8", "backslashreplace"))
    return paths
