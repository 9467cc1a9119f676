"""requests.jsonl.zst: the records of a run, a line of JSON each, a compressed frame each second."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import zstandard

from harness.load.record import RequestRecord, decode
from harness.writing import writing

_FILES = "requests*.jsonl.zst"


def path_of(folder: Path, worker: int) -> Path:
    """Where a worker writes; each process has a file of its own."""
    return folder / (f"requests-{worker}.jsonl.zst" if worker else "requests.jsonl.zst")


def forget(folder: Path) -> None:
    """Remove the records of an earlier run; raises UsageError where that can't be done."""
    for path in folder.glob(_FILES):
        with writing(path):
            path.unlink()


def append(file: BinaryIO, lines: bytes) -> None:
    """Append whole lines; they are with the operating system when it returns, and survive the process."""
    file.write(zstandard.ZstdCompressor(level=1).compress(lines))
    file.flush()


def read(folder: Path) -> Iterator[RequestRecord]:
    """The records of all workers of a folder, as far as their files are whole."""
    for path in sorted(folder.glob(_FILES)):
        with path.open("rb") as file:
            reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
            try:
                for line in io.BufferedReader(reader):
                    yield decode(line)
            except (zstandard.ZstdError, ValueError, KeyError, TypeError):
                continue  # the frame that was being written when the process ended
