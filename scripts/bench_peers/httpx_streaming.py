"""httpx, in a loop over its lines: what is written when there is no tool at hand."""

from collections.abc import Sequence
from pathlib import Path

from bench_peers.lines import PROGRAMS, reported
from bench_peers.peer import Asked, Peer, Told


def command(asked: Asked) -> Sequence[str]:
    """The program, by the Python of the environment."""
    program = str(PROGRAMS / "httpx_streaming.py")
    return ("python", program, asked.base_url, str(asked.streams), str(asked.seconds))


def told(folder: Path) -> Told:
    """What the program printed; it counts no failures."""
    requests = reported((folder / "output.txt").read_text())
    return Told(requests, len(requests), 0)


PEER = Peer(
    "httpx",
    (),
    command,
    told,
    "from before the call to the first content",
    has_failures=False,
)
