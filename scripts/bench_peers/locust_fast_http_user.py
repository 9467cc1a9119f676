"""Locust's FastHttpUser with its own `iter_lines`."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench_peers.lines import PROGRAMS, reported
from bench_peers.peer import Asked, Peer, Told


def command(locustfile: str, asked: Asked) -> Sequence[str]:
    """Locust without its page, with its statistics as JSON at the end."""
    host = asked.base_url.removesuffix("/v1")
    users = ("--users", str(asked.streams), "--spawn-rate", str(asked.streams))
    duration = ("--run-time", f"{asked.seconds:.0f}s", "--stop-timeout", "5")
    options = ("--headless", "--loglevel", "CRITICAL", "--json-file", str(asked.folder / "statistics"))
    return ("locust", "-f", str(PROGRAMS / locustfile), "--host", host, *users, *duration, *options)


def told(folder: Path) -> Told:
    """The lines that the user printed, and the failures of Locust's own statistics."""
    statistics = json.loads((folder / "statistics.json").read_text())
    failed = sum(entry["num_failures"] for entry in statistics)
    good = sum(entry["num_requests"] for entry in statistics) - failed
    return Told(reported((folder / "output.txt").read_text()), good, failed)


PEER = Peer(
    "Locust, FastHttpUser",
    (),
    partial(command, "locust_fast_http_user.py"),
    told,
    "from before the call to the first content",
)
