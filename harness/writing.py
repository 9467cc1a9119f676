"""Writing files: what is said where one can't be written, and files that are whole or not there at all."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import UnwritableError

_FULL = frozenset({"ENOSPC", "EDQUOT", "EFBIG"})
"""The names of the errors that more room would mend; not every system has all of them."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say of a file that can't be written, in a block that makes its folder or writes it, what to do.

    Raises UnwritableError.
    """
    try:
        yield
    except OSError as error:
        next_step = "Make room" if errno.errorcode.get(error.errno or 0) in _FULL else "Mend its permissions"
        raise UnwritableError(
            f"{path} can't be written ({error.strerror}).", f"{next_step}, or name another folder."
        ) from error


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write what takes a file's place when the block ends; its folder is made.

    What was there before stays where that can't be done; raises UnwritableError then.
    """
    unfinished = path.with_name(f"{path.name}.unfinished")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield unfinished
            unfinished.replace(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
