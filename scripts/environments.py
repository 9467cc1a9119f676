"""Environments of their own for other people's programs, under `.peers/`."""

import os
import subprocess
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

FOLDER = Path(__file__).parent.parent / ".peers"
INSTALL_SECONDS = 600


def environment(name: str, requirements: Sequence[str]) -> Path:
    """The folder of an environment that has the requirements; made the first time, and when they change.

    Raises subprocess.SubprocessError when they can't be installed.
    """
    home = FOLDER / name
    mark, wanted = home / "installed", "\n".join([*requirements, ""])
    if not mark.exists() or mark.read_text() != wanted:
        mark.unlink(missing_ok=True)
        venv.create(home, with_pip=True)
        subprocess.run(  # noqa: S603  # the requirements stand in this repository
            [home / "bin" / "python", "-m", "pip", "install", "--quiet", *requirements],
            check=True,
            timeout=INSTALL_SECONDS,
        )
        mark.write_text(wanted)
    return home


def without_keys(home: Path) -> Mapping[str, str]:
    """The variables for other people's code, which sees none of the user's keys and no home but its own."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG"}}
    return {**kept, "HOME": str(home)}
