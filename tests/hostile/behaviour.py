"""What a hostile behaviour is: a function that writes to a connection, named by its lie, and what it gets.

Each module beside with `@lie` functions is a group. Adding one is adding a function.
"""

import importlib
import json
import pkgutil
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from harness.scenario import Mode
from harness.wire.exchange import Ending
from harness.wire.limits import Limits
from tests.servers import Answer, head

LIMITS = Limits(
    connect_s=1.0,
    silence_s=0.25,
    total_s=0.6,
    head_bytes=16 * 1024,
    wire_bytes=512 * 1024,
    body_bytes=256 * 1024,
    stream_lines=2_000,
)
"""Short ones, so that what waits or fills comes to its end soon."""

GROUPS = ("head", "framing", "coding", "json_text", "stream", "text", "size", "pace", "status")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One way to be hostile. `endings` are those that the raw client may see, `says` a pattern of the detail.

    `fails` are rules that tell of it to a raw user; `why` is a pattern of the one sentence that a check says
    in the place of a verdict, where it says one.
    """

    name: str
    group: str
    answer: Answer
    endings: frozenset[Ending]
    says: str
    fails: tuple[str, ...]
    why: str
    mode: Mode

    @property
    def limits(self) -> Limits:
        """The bounds that it meets: time is short only where time ends it, however busy the machine is."""
        is_by_time = Ending.TIMEOUT in self.endings
        return LIMITS if is_by_time else replace(LIMITS, connect_s=10.0, silence_s=10.0, total_s=12.0)


def lie(
    *endings: Ending, says: str = "", fails: Sequence[str] = (), why: str = "", mode: Mode = Mode.PLAIN
) -> Callable[[Answer], Answer]:
    """Mark a function that answers so."""

    def marked(answer: Answer) -> Answer:
        answer.__dict__["lie"] = frozenset(endings or {Ending.COMPLETE}), says, tuple(fails), why, mode
        return answer

    return marked


@cache
def behaviours() -> tuple[Behaviour, ...]:
    """All of them, by group and in the order of their modules."""
    return tuple(_found())


def _found() -> Iterator[Behaviour]:
    there = {module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])}
    for group in GROUPS:
        assert group in there
        for name, answer in vars(importlib.import_module(f"tests.hostile.{group}")).items():
            if "lie" in getattr(answer, "__dict__", {}):
                yield Behaviour(name, group, answer, *answer.__dict__["lie"])


# --- what they are made of ---


def message(content: str, **more: object) -> bytes:
    """The JSON of a chat answer whose content is this JSON text; `more` are JSON texts of other members."""
    members = {
        "id": '"chatcmpl-1"',
        "object": '"chat.completion"',
        "created": "1790000000",
        "model": '"standin"',
        "choices": f'[{{"index":0,"message":{{"role":"assistant","content":{content},"refusal":null}},'
        '"logprobs":null,"finish_reason":"stop"}]',
        "usage": '{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}',
        **more,
    }
    return ("{" + ",".join(f'"{name}":{text}' for name, text in members.items()) + "}").encode()


def chunk(delta: str, finish: str = "null", **more: object) -> bytes:
    """One event with a chunk whose delta is this JSON text."""
    members = {
        "id": '"chatcmpl-1"',
        "object": '"chat.completion.chunk"',
        "created": "1790000000",
        "model": '"standin"',
        "choices": f'[{{"index":0,"delta":{delta},"finish_reason":{finish}}}]',
        **more,
    }
    return ("data: {" + ",".join(f'"{name}":{text}' for name, text in members.items()) + "}\n\n").encode()


DONE = b"data: [DONE]\n\n"


def plain(connection: socket.socket, body: bytes, status: str = "200 OK", *headers: str) -> None:
    """Say a whole plain answer."""
    connection.sendall(head(status, headers=(f"Content-Length: {len(body)}", *headers)) + body)


def events(connection: socket.socket, *pieces: bytes) -> None:
    """Say a whole stream, each piece by itself."""
    connection.sendall(head(media_type="text/event-stream"))
    for piece in pieces:
        connection.sendall(piece)


def chunked(connection: socket.socket, body: bytes) -> None:
    """Say the head of a chunked answer and what stands for its chunks."""
    connection.sendall(head(headers=["Transfer-Encoding: chunked"]) + body)


def drip(connection: socket.socket, data: bytes, every_s: float = 0.02) -> None:
    """Say the data byte by byte, over and over, until the client has gone."""
    while True:
        for at in range(len(data)):
            connection.sendall(data[at : at + 1])
            time.sleep(every_s)


def flood(connection: socket.socket, data: bytes) -> None:
    """Say the data over and over, as fast as it goes, until the client has gone."""
    block = data * max(1, 32_768 // len(data))
    while True:
        connection.sendall(block)


def wait(connection: socket.socket) -> None:
    """Say nothing until the client has gone."""
    connection.settimeout(20)
    while connection.recv(4096):
        pass


def reset(connection: socket.socket) -> None:
    """Close with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def quoted(text: str) -> str:
    """A text as JSON, with half pairs as escapes."""
    return json.dumps(text)
