"""How many files, and so connections, this process may have open at a time."""

import resource
from contextlib import suppress


def allow_many_open_files() -> None:
    """Raise the limit as far as the system lets a process: load may have more streams than 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # some systems say unlimited and allow less
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
