"""The endpoint's fast lane: prebuilt bytes on a bare protocol, for measuring what measures.

The web framework of the full endpoint would be what a load test measures, so this one has none: it looks for
the end of a request, and writes bytes that stand ready, each at its time. It knows when it sent each of
them, since it writes to the socket itself: a transport of uvloop keeps what it is given until its loop has
gone round.

With a log it writes one JSON line per request:

    {"client_request_id": …, "connection": …, "received_ns": …, "sent_ns": [head, token, …], "ended_ns": …}

Times are nanoseconds of `time.monotonic_ns`, taken before the write, so that no arrival can be earlier.
`ended_ns` is the last write's time, or when the client was found gone. `client_request_id` is what the
request's X-Client-Request-Id says, or its X-Request-Id. How many streams and connections there were at a time
follows from the lines.
"""

import asyncio
import gc
import itertools
import os
import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush, heapreplace
from pathlib import Path
from typing import BinaryIO, cast

import orjson

from harness.endpoint import fast_answers
from harness.endpoint.fast_answers import Failure, Prebuilt
from harness.endpoint.listening import QUEUE, listening
from harness.endpoint.settings import Latency, duration_ms
from harness.errors import UsageError

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CLIENT_ID = re.compile(rb"\r\nx-(?:client-)?request-id:[ \t]*([!-~]*)", re.IGNORECASE)
_STREAMS = re.compile(rb'"stream":\s*true')
_TIMER_NS = 1_000_000
"""How finely timers of the loop go; what is due within half of that goes now, since it would go as early."""

_ASKS_FOR_USAGE = re.compile(rb'"include_usage":\s*true')


@dataclass(frozen=True, slots=True)
class FastSettings:
    """How the fast lane answers.

    `tokens` tokens, the first after `first_token_ms`, the others `inter_token_ms` apart; `is_one_write`
    sends the answer as one write when its last token is due. From `freeze_at_s` after the second request on,
    nothing at all happens for `freeze_s`. Each `failure_every`-th request fails as `failure` says.
    """

    tokens: int = 32
    first_token_ms: float = 0.0
    inter_token_ms: float = 0.0
    is_one_write: bool = False
    freeze_at_s: float = 0.0
    freeze_s: float = 0.0
    failure: Failure | None = None
    failure_every: int = 1
    log: Path | None = None

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise UsageError(f"An answer can't have {self.tokens} tokens.", "Give 1 or more.")


def parsed(answer: str, latency: str = "", log: Path | None = None) -> FastSettings:
    """The settings that a text such as `tokens=32,one-write,freeze=10s+2s,failure=cut/100` describes.

    `freeze=AT+FOR` counts from the second request, as the first is often a probe; `failure=KIND/N` befalls
    each N-th request. `latency` is read as the full endpoint reads it, without jitter. Raises `UsageError`
    for anything else.
    """
    pace = Latency.parse(latency)
    if pace.jitter != "none":
        raise UsageError("The fast lane has no jitter.", "Leave jitter out, or serve without --fast.")
    settings = FastSettings(first_token_ms=pace.first_token_ms, inter_token_ms=pace.inter_token_ms, log=log)
    for part in filter(None, (part.strip() for part in answer.split(","))):
        settings = _with_part(settings, part)
    return settings


def _with_part(settings: FastSettings, part: str) -> FastSettings:
    key, _, value = part.partition("=")
    try:
        match key:
            case "tokens":
                return replace(settings, tokens=int(value))
            case "one-write" if not value:
                return replace(settings, is_one_write=True)
            case "freeze":
                at, _, duration = value.partition("+")
                freeze_s = duration_ms(duration) / 1000
                return replace(settings, freeze_at_s=duration_ms(at) / 1000, freeze_s=freeze_s)
            case "failure":
                kind, _, every = value.partition("/")
                return replace(settings, failure=Failure(kind), failure_every=max(1, int(every or 1)))
    except ValueError:
        pass  # a value that is no number or no failure is told of like any other part that is not known
    raise UsageError(
        f"The fast lane knows no {part!r}.",
        f'Write it like "tokens=32,one-write,freeze=10s+2s,failure=cut/100"; failures: {", ".join(Failure)}.',
    )


@dataclass(slots=True)
class _Lane:
    """What the connections of one server share."""

    settings: FastSettings
    loop: asyncio.AbstractEventLoop
    log: BinaryIO | None
    ordinals: Iterator[int] = field(default_factory=itertools.count)
    connections: Iterator[int] = field(default_factory=itertools.count)
    turns: Iterator[int] = field(default_factory=itertools.count)
    answers: dict[tuple[bool, bool, bool], Prebuilt] = field(default_factory=dict)
    waiting: "list[tuple[int, int, _Sending]]" = field(default_factory=list)
    """A heap of when an answer's next token is due; the number between is for what is due at one time."""
    timer: asyncio.TimerHandle | None = None

    def answer(self, body: bytes) -> Prebuilt:
        """The bytes for the next request; made once for each kind."""
        ordinal = next(self.ordinals)
        settings = self.settings
        if ordinal == 1 and settings.freeze_s:
            self.loop.call_later(settings.freeze_at_s, time.sleep, settings.freeze_s)
        fails = settings.failure is not None and (ordinal + 1) % settings.failure_every == 0
        kind = (_STREAMS.search(body) is not None, _ASKS_FOR_USAGE.search(body) is not None, fails)
        if kind not in self.answers:
            failure = settings.failure if fails else None
            is_stream, usage, _ = kind
            self.answers[kind] = (
                fast_answers.streamed(
                    settings.tokens, usage=usage, is_one_write=settings.is_one_write, failure=failure
                )
                if is_stream
                else fast_answers.plain(settings.tokens, failure)
            )
        return self.answers[kind]

    def send_at(self, due_ns: int, sending: "_Sending") -> None:
        """Send an answer's tokens, the next one when it is due.

        One timer for all that wait costs a third of a timer for each token.
        """
        heappush(self.waiting, (due_ns, next(self.turns), sending))
        if self.waiting[0][2] is sending:
            self._wait()

    def _wait(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        self.timer = self.loop.call_at(self.waiting[0][0] / 1e9, self._send_due) if self.waiting else None

    def _send_due(self) -> None:
        until_ns = time.monotonic_ns() + _TIMER_NS // 2
        gap_ns = round(self.settings.inter_token_ms * 1e6)
        while self.waiting and self.waiting[0][0] <= until_ns:
            due_ns, turn, sending = self.waiting[0]
            if sending.connection.send(sending):
                heapreplace(self.waiting, (due_ns + gap_ns, turn, sending))
            else:
                heappop(self.waiting)
        self._wait()


@dataclass(slots=True)
class _Sending:
    """An answer while it goes out."""

    connection: "_Connection"
    answer: Prebuilt
    client_request_id: str
    received_ns: int
    sent_ns: list[int] = field(default_factory=list)
    next_token: int = 0


class _Connection(asyncio.Protocol):
    """One connection: a request at a time, its answer's writes each at its time."""

    __slots__ = ("_fd", "_has_backlog", "_lane", "_number", "_received", "_transport")

    def __init__(self, lane: _Lane) -> None:
        self._lane = lane
        self._number = next(lane.connections)
        self._received = b""
        self._fd = -1
        self._has_backlog = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket, to which the answers are written past the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._fd = transport.get_extra_info("socket").fileno()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        """Write nothing more to a number that may soon be another socket's."""
        self._fd = -1

    def data_received(self, data: bytes) -> None:
        """Answer when the request is whole."""
        received = self._received + data if self._received else data
        head_size = received.find(b"\r\n\r\n") + 4
        length = _LENGTH.search(received, 0, head_size)
        size = head_size + (int(length[1]) if length else 0)
        is_whole = head_size > 3 and len(received) >= size
        self._received = received[size:] if is_whole else received
        if not is_whole:
            return
        if received.startswith(b"POST "):
            self._answer(received[:head_size], received[head_size:size])
        elif received.startswith(b"GET /v1/models"):
            self._write(fast_answers.models())
        else:
            self._write(fast_answers.unknown_path())

    def _answer(self, head: bytes, body: bytes) -> None:
        lane = self._lane
        client_id = _CLIENT_ID.search(head)
        # the loop's own clock stands still while it works
        received_ns = time.monotonic_ns()
        client_request_id = client_id[1].decode() if client_id else ""
        sending = _Sending(self, lane.answer(body), client_request_id, received_ns)
        sending.sent_ns.append(time.monotonic_ns())
        self._write(sending.answer.head)
        first_ns = round(lane.settings.first_token_ms * 1e6)
        gap_ns = round(lane.settings.inter_token_ms * 1e6)
        if first_ns and sending.answer.tokens:
            lane.send_at(received_ns + first_ns, sending)
        elif self.send(sending):
            lane.send_at(received_ns + gap_ns, sending)

    def send(self, sending: _Sending) -> bool:
        """Send the token that is due and, where no time lies between them, all that follow.

        Gives whether more are to be sent.
        """
        tokens = sending.answer.tokens
        while sending.next_token < len(tokens) and self._fd >= 0:
            sending.sent_ns.append(time.monotonic_ns())
            self._write(tokens[sending.next_token])
            sending.next_token += 1
            if self._lane.settings.inter_token_ms and sending.next_token < len(tokens):
                return True
        self._end(sending)
        return False

    def _end(self, sending: _Sending) -> None:
        answer = sending.answer
        is_over = not answer.tail and self._fd >= 0
        ended_ns = sending.sent_ns[-1] if is_over else time.monotonic_ns()
        if answer.tail:
            self._write(answer.tail)
        if answer.has_to_reset and self._fd >= 0:
            no_linger = struct.pack("ii", 1, 0)
            self._transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, no_linger
            )
        if answer.has_to_close or answer.has_to_reset:
            self._transport.abort()
        if self._lane.log is not None:
            line = {
                "client_request_id": sending.client_request_id,
                "connection": self._number,
                "received_ns": sending.received_ns,
                "sent_ns": sending.sent_ns,
                "ended_ns": ended_ns,
            }
            self._lane.log.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def _write(self, data: bytes) -> None:
        if self._fd < 0 or not data:
            return
        try:
            # what the transport was given has to go first
            is_clear = not self._has_backlog or self._transport.get_write_buffer_size() == 0
            written = os.write(self._fd, data) if is_clear else 0
        except BlockingIOError:
            written = 0
        except OSError:
            self._transport.abort()
            return
        self._has_backlog = written < len(data)
        if self._has_backlog:
            self._transport.write(data[written:])


@contextmanager
def running(settings: FastSettings, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """A fast lane in a thread of this process; gives its base URL, and is gone after the context.

    Raises `UsageError` when the port is in use or the log can't be written.
    """
    loop = _new_loop()
    with _opened(settings.log) as log, listening(host, port) as listener:
        lane = _Lane(settings, loop, log)
        server = loop.run_until_complete(
            loop.create_server(lambda: _Connection(lane), sock=listener, backlog=QUEUE)
        )
        # What is there now stays; looking through it again and again would make the writes late.
        gc.freeze()
        thread = threading.Thread(target=loop.run_forever, name="likewise-fast", daemon=True)
        thread.start()
        try:
            yield f"http://{host}:{listener.getsockname()[1]}/v1"
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            server.close()
            loop.close()
            gc.unfreeze()


@contextmanager
def _opened(path: Path | None) -> Iterator[BinaryIO | None]:
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
    with file:
        yield file


def _new_loop() -> asyncio.AbstractEventLoop:
    """A loop of uvloop, which there is none of for Windows."""
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()
