"""An answer as data, from objects to bytes.

    Answer   status, headers and the outgoing objects in their order
      │      a dialect rewrites objects here
    encode   each object becomes the bytes of one body, or of one server-sent event
      │
    Wire     status, headers and the socket writes in their order, each with the pause before it

Both ends are immutable values: a function over an `Answer` changes what is said, a function over a `Wire`
changes how it is said, down to the last byte and the end of the connection.

Sources: RFC 8259 (JSON), RFC 9110 and 9112 (HTTP), WHATWG HTML standard 9.2 (server-sent events), OpenAI
API reference.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import orjson

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
JsonObject: TypeAlias = dict[str, Json]
Headers: TypeAlias = tuple[tuple[str, str], ...]
Pause: TypeAlias = Callable[[int], float]
"""The milliseconds that making so many tokens takes."""
Frame: TypeAlias = "Callable[[Piece], bytes]"
"""The bytes of one server-sent event."""


EVENT_STREAM: Headers = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))
"""The headers of a stream."""


class Kind(StrEnum):
    """What a write carries, as the log names it."""

    HEAD = "head"
    """Status line and headers."""
    JSON = "json"
    """The one object of an answer that is no stream."""
    ROLE = "role"
    """The opening of a stream, before any output."""
    REASONING = "reasoning"
    CONTENT = "content"
    TOOL_CALL = "tool_call"
    FINISH = "finish"
    """The finish reason of a choice, or what closes an item of a response."""
    USAGE = "usage"
    DONE = "done"
    """The end marker `[DONE]`."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One outgoing object, or the end marker when `data` is None.

    `tokens` is how many tokens the model made since the piece before, those that nobody sees among them.
    `event` is the name on the `event:` line of a server-sent event; a chat stream has none.
    """

    kind: Kind
    data: JsonObject | None
    tokens: int = 0
    event: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said: a stream of server-sent events, or one JSON object."""

    status: int
    headers: Headers
    pieces: tuple[Piece, ...]
    is_stream: bool = False


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes that go to the socket at once, `pause_ms` after the write before them."""

    kind: Kind
    data: bytes
    pause_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Wire:
    """How it is said. With `is_cut` the connection ends after the last write, in the middle of the body.

    With `is_raw` the writes are all that goes to the socket, status line and headers among it, and the
    connection ends after them.
    """

    status: int
    headers: Headers
    writes: tuple[Write, ...]
    is_cut: bool = False
    is_raw: bool = False

    @property
    def first_ms(self) -> float:
        """How long the first write takes: all of a plain answer, the opening of a stream."""
        return self.writes[0].pause_ms if self.writes else 0.0


def plain(data: JsonObject, *, tokens: int = 0, status: int = 200) -> Answer:
    """An answer of one JSON object that took `tokens` tokens to make."""
    return Answer(status, (("content-type", "application/json"),), (Piece(Kind.JSON, data, tokens),))


def encode(answer: Answer, pause: Pause, frame: Frame) -> Wire:
    """The bytes of an answer: every event one write, or the whole JSON body one write with its length."""
    write = frame if answer.is_stream else _body
    writes = tuple(Write(piece.kind, write(piece), pause(piece.tokens)) for piece in answer.pieces)
    if answer.is_stream:
        return Wire(answer.status, answer.headers, writes)
    size_bytes = sum(len(write.data) for write in writes)
    length = (("content-length", str(size_bytes)),) if writes else ()
    return Wire(answer.status, (*answer.headers, *length), writes)


def _body(piece: Piece) -> bytes:
    return orjson.dumps(piece.data)


def event(piece: Piece) -> bytes:
    """One server-sent event: an `event:` line if it has a name, one `data:` line, a blank line."""
    name = f"event: {piece.event}\n".encode() if piece.event else b""
    data = b"[DONE]" if piece.data is None else orjson.dumps(piece.data)
    return name + b"data: " + data + b"\n\n"
