"""Reading what the programs in `as_users_write` print: a line of JSON for each answer."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench_peers.peer import Reported

PROGRAMS = Path(__file__).parent / "as_users_write"


def objects(text: str) -> Iterator[dict[str, Any]]:
    """The lines that are JSON objects; a tool prints others between them."""
    for line in text.splitlines():
        if line.startswith("{") and line.endswith("}"):
            yield json.loads(line)


def reported(text: str) -> list[Reported]:
    """The answers that had a token."""
    return [
        Reported(told["start_ns"], told["ttft_ms"], told["client_request_id"])
        for told in objects(text)
        if told.get("ttft_ms") is not None
    ]
