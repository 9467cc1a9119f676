"""EvalScope's `perf`."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from bench_peers.peer import MODEL, NS, PROMPT, TOKENIZER, TOKENS, Asked, Peer, Reported, Told


def command(asked: Asked) -> Sequence[str]:
    """A closed loop that ends by its time and not by its number of requests."""
    target = ("--url", f"{asked.base_url}/chat/completions", "--model", MODEL, "--api", "openai", "--stream")
    load = ("--parallel", str(asked.streams), "--number", "100000", "--duration", str(asked.seconds))
    asks = ("--prompt", PROMPT, "--max-tokens", str(TOKENS), "--no-test-connection")
    # Without one, it gives up the whole run at the first answer that has no usage.
    tokenizer = ("--tokenizer-path", str(asked.folder / "tokenizer"))
    return (
        "evalscope",
        "perf",
        *target,
        *load,
        *asks,
        *tokenizer,
        "--outputs-dir",
        str(asked.folder / "out"),
    )


def told(folder: Path) -> Told:
    """The rows of its database; times in seconds of the monotonic clock."""
    (database,) = folder.glob("out/**/benchmark_data.db")
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT start_time, first_chunk_latency, success FROM result").fetchall()
    good = [(start_s, first_s) for start_s, first_s, is_good in rows if is_good]
    timed = [Reported(round(start_s * NS), first_s * 1000) for start_s, first_s in good if first_s]
    return Told(timed, len(good), len(rows) - len(good))


PEER = Peer(
    "EvalScope",
    ("evalscope[perf]==1.14.1",),
    command,
    told,
    "from before the call, connecting with it, to the first content",
    files=TOKENIZER,
)
