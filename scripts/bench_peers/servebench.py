"""servebench."""

import json
from collections.abc import Sequence
from pathlib import Path

from bench_peers.peer import MODEL, NS, TOKENS, Asked, Peer, Reported, Told


def command(asked: Asked) -> Sequence[str]:
    """One closed-loop level for some seconds."""
    level = ("--concurrency", str(asked.streams), "--duration", str(asked.seconds), "--warmup", "0")
    lengths = ("--input-len", "8", "--output-len", str(TOKENS))
    target = ("--url", asked.base_url, "--model", MODEL)
    return ("servebench", "run", *target, *level, *lengths, "--out", str(asked.folder / "run.json"))


def told(folder: Path) -> Told:
    """The requests of its one level; times in seconds since the level began."""
    (level,) = json.loads((folder / "run.json").read_text())["levels"]
    requests = level["requests"]
    timed = [
        Reported(round(request["start"] * NS), request["ttft"] * 1000)
        for request in requests
        if request["ok"] and request["ttft"] is not None
    ]
    good = sum(request["ok"] for request in requests)
    return Told(timed, good, len(requests) - good)


PEER = Peer(
    "servebench",
    ("servebench==1.1.3",),
    command,
    told,
    "from before the call, connecting with it, to the first content",
    clock="first request",
)
