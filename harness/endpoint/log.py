"""The log of true send times, which says when each write went out, whatever a client believes it measured.

One JSON line per request:

    {"request_id": …, "path": …, "received_ns": …, "writes": [[kind, sent_ns, size_bytes], …], "ended_ns": …}

All times are nanoseconds of `time.monotonic_ns`, which the processes of one machine share. `sent_ns` is taken
before the write, so that no arrival can be earlier; `size_bytes` counts the body's bytes in that write, so
that it is 0 for the head. `ended_ns` is the last write's time, or when the client was found gone.
"""

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from harness.errors import UsageError


@dataclass(slots=True)
class Sent:
    """What has been sent for one request. It grows while the answer goes out."""

    request_id: str
    path: str
    received_ns: int
    writes: list[tuple[str, int, int]] = field(default_factory=list)
    ended_ns: int = 0

    def write(self, kind: str, size_bytes: int) -> None:
        """Note a write that is about to go out."""
        self.ended_ns = time.monotonic_ns()
        self.writes.append((kind, self.ended_ns, size_bytes))


Log = queue.SimpleQueue[Sent | None]


@contextmanager
def opened(path: Path | None) -> Iterator[Log | None]:
    """A queue whose records a thread of its own writes to `path`; complete when the context is left.

    None without a path. Raises `UsageError` for a path that can't be written.
    """
    if path is None:
        yield None
        return
    try:
        file = path.open("wb")
    except OSError as error:
        raise UsageError(
            f"The log {path} can't be written: {error.strerror}.",
            "Name a file in a folder that you may write to.",
        ) from None
    log: Log = queue.SimpleQueue()

    def write() -> None:
        while (sent := log.get()) is not None:
            file.write(orjson.dumps(sent, option=orjson.OPT_APPEND_NEWLINE))

    with file:
        writer = threading.Thread(target=write, name="likewise-log", daemon=True)
        writer.start()
        try:
            yield log
        finally:
            log.put(None)
            writer.join()
