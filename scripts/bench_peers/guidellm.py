"""GuideLLM, in the last version that installs without PyTorch."""

import json
from collections.abc import Sequence
from pathlib import Path

from bench_peers.peer import MODEL, NS, PROMPT, TOKENIZER, Asked, Peer, Reported, Told

PROMPTS = 10_000
"""More than are asked in any run: it ends when it has none left."""


def command(asked: Asked) -> Sequence[str]:
    """A closed loop whose requests are all kept."""
    target = ("--target", asked.base_url.removesuffix("/v1"), "--model", MODEL)
    load = ("--rate-type", "concurrent", "--rate", str(asked.streams), "--max-seconds", str(asked.seconds))
    data = ("--data", str(asked.folder / "prompts.jsonl"), "--processor", str(asked.folder / "tokenizer"))
    kept = ("--output-path", str(asked.folder / "report.json"), "--output-sampling", str(PROMPTS))
    quiet = ("--disable-console-outputs", "--disable-progress")
    return ("guidellm", "benchmark", "run", *target, *load, *data, *kept, *quiet)


def told(folder: Path) -> Told:
    """The requests of its one level; times in seconds of the epoch. What it cut off is not counted."""
    (level,) = json.loads((folder / "report.json").read_text())["benchmarks"]
    good = level["requests"]["successful"]
    timed = [
        Reported(round(request["start_time"] * NS), request["time_to_first_token_ms"])
        for request in good
        if request["time_to_first_token_ms"]
    ]
    return Told(timed, len(good), len(level["requests"]["errored"]))


PEER = Peer(
    "GuideLLM",
    ("guidellm==0.3.1",),
    command,
    told,
    "from before the call to the first content",
    clock="epoch",
    files={"prompts.jsonl": f'{{"prompt": "{PROMPT}"}}\n' * PROMPTS, **TOKENIZER},
    variables={"GUIDELLM__PREFERRED_ROUTE": "chat_completions"},
)
