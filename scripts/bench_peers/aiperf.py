"""AIPerf, with a prompt and a tokenizer of its own folder, so that it asks no other host for them."""

from collections.abc import Sequence
from pathlib import Path

from bench_peers.lines import objects
from bench_peers.peer import MODEL, PROMPT, TOKENIZER, Asked, Peer, Reported, Told


def command(asked: Asked) -> Sequence[str]:
    """A closed loop, a line for each request, nothing drawn on the way."""
    target = ("--url", asked.base_url.removesuffix("/v1"), "--model", MODEL, "--endpoint-type", "chat")
    load = ("--streaming", "--concurrency", str(asked.streams), "--benchmark-duration", str(asked.seconds))
    data = ("--input-file", str(asked.folder / "prompt.jsonl"), "--custom-dataset-type", "single_turn")
    tokens = ("--tokenizer", str(asked.folder / "tokenizer"), "--use-server-token-count")
    quiet = ("--no-gpu-telemetry", "--no-server-metrics", "--ui", "none")
    kept = ("--artifact-dir", str(asked.folder / "artifacts"), "--export-level", "records")
    return ("aiperf", "profile", *target, *load, *data, *tokens, *quiet, *kept)


def told(folder: Path) -> Told:
    """Its lines; times in nanoseconds of the epoch."""
    lines = list(objects((folder / "artifacts" / "profile_export.jsonl").read_text()))
    done = [line for line in lines if not line["metadata"]["was_cancelled"]]
    good = [line for line in done if not line.get("error")]
    timed = [
        Reported(
            line["metadata"]["request_start_ns"],
            line["metrics"]["time_to_first_token"]["value"],
            line["metadata"]["x_request_id"],
        )
        for line in good
        if "time_to_first_token" in line["metrics"]
    ]
    return Told(timed, len(good), len(done) - len(good))


PEER = Peer(
    "AIPerf",
    ("aiperf==0.13.0",),
    command,
    told,
    "from before the call, connecting with it, to the first content",
    clock="epoch",
    files={"prompt.jsonl": f'{{"text": "{PROMPT}"}}\n', **TOKENIZER},
)
