"""A program as a client: any executable that reads questions on stdin and writes answers on stdout.

What it asks goes through the recording proxy, so that it is observed as the libraries of this process are.
A program that hangs, dies, or says what it must not, gives a reply that is `broken`: nothing is judged by it.
It is started anew for the next question, a few times.
"""

import itertools
import os
import queue
import select
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

from pydantic import BaseModel, ValidationError

from harness.clients import Client, Connection, OpenClient, guard
from harness.clients.protocol import VERSION, Answer, Hello, Question
from harness.clients.reply import Reply
from harness.scenario import ANYTHING, AnyAsk, Ask, Expression, Mode
from harness.wire.proxy import RecordingProxy, recording_proxy
from harness.wire.redaction import redact_text

_Line = TypeVar("_Line", bound=BaseModel)

KEY_VARIABLE = "LIKEWISE_KEY"
PLACEHOLDER_KEY = "likewise-no-key-needed"
"""Libraries refuse to be opened without a key; where none is to be sent, the proxy takes it out again."""

SHARED_VARIABLES = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "TEMP",
    "TMP",
    "SYSTEMROOT",
)
"""All that a program sees of the user's environment: what makes programs run, and no secret."""

_HELLO_S = 30.0
_GRACE_S = 10.0
"""How long a program may take for its answer, beside what the exchange itself may take."""
_END_S = 1.0
_LOOK_EACH_S = 0.2
_LONGEST_LINE_BYTES = 64 * 1024 * 1024
_LONGEST_WORDS_BYTES = 4096
_SHOWN_CHARS = 300
_UNREAD_LINES = 8
_FAILURES = 3
"""After so many it is not started again: each may have taken as long as an exchange may."""


class ClientFailedError(Exception):
    """A program did not do what a client does; the message says what it did instead."""


@dataclass(frozen=True, slots=True)
class Command:
    """An executable with its arguments, and the folder in which it is started."""

    words: tuple[str, ...]
    folder: Path


@dataclass(frozen=True, slots=True)
class Introduced:
    """A program that has said hello: what it is, and what it can express.

    Where it said none, `failure` says why, and it is asked what every client is asked.
    """

    command: Command
    expression: Expression
    version: str = ""
    failure: str = ""


class _Process:
    """A program while it runs. Whatever it does wrong raises ClientFailedError."""

    def __init__(self, command: Command, key: str) -> None:
        shared = {name: os.environ[name] for name in SHARED_VARIABLES if name in os.environ}
        try:
            self._program = subprocess.Popen(  # noqa: S603  # the user's own command
                [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), *command.words],
                cwd=command.folder,
                env={**shared, KEY_VARIABLE: key or PLACEHOLDER_KEY},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # Ctrl-C in a terminal is for likewise, which then ends it.
                start_new_session=True,
            )
        except OSError as error:
            raise ClientFailedError(f"it can't be started in {command.folder}: {error.strerror}") from error
        self._stdin, stdout, stderr = self._program.stdin, self._program.stdout, self._program.stderr
        assert self._stdin and stdout and stderr  # noqa: S101, PT018  # they were opened as pipes
        os.set_blocking(self._stdin.fileno(), False)
        self._lines: queue.Queue[bytes] = queue.Queue(_UNREAD_LINES)
        self._last_words: deque[bytes] = deque(maxlen=20)
        self._readers = (
            threading.Thread(target=self._read_lines, args=(stdout,), name="command-client", daemon=True),
            threading.Thread(target=self._read_words, args=(stderr,), name="command-client", daemon=True),
        )
        for reader in self._readers:
            reader.start()

    def line(self, wait_s: float) -> bytes:
        """Its next line, without the line's end."""
        until_s = time.monotonic() + wait_s
        while True:
            try:
                line = self._lines.get(timeout=_LOOK_EACH_S)
            except queue.Empty:
                if self._program.poll() is None and time.monotonic() < until_s:
                    continue
                if self._program.poll() is None:
                    raise ClientFailedError(f"it did not answer within {wait_s:g} s") from None
                line = b""
            if not line:
                raise ClientFailedError(self._death())
            if not line.endswith(b"\n"):
                raise ClientFailedError(f"it wrote a line that has no end: {_shown(line)}")
            return line[:-1]

    def write(self, line: bytes, wait_s: float) -> None:
        """Give it a line; a program that does not read is not waited for for ever."""
        assert self._stdin  # noqa: S101  # it was opened as a pipe
        left, until_s = memoryview(line + b"\n"), time.monotonic() + wait_s
        while left:
            _, ready, _ = select.select((), (self._stdin,), (), max(0.0, until_s - time.monotonic()))
            if not ready:
                raise ClientFailedError(f"it did not read its question within {wait_s:g} s")
            try:
                left = left[os.write(self._stdin.fileno(), left) :]
            except OSError:
                raise ClientFailedError(self._death()) from None

    def refuse_more(self) -> None:
        """See that it says nothing that nobody has asked for."""
        with suppress(queue.Empty):
            if line := self._lines.get_nowait():
                raise ClientFailedError(f"it wrote one more line, for which nobody had asked: {_shown(line)}")

    def end(self) -> None:
        """End it: by the end of its input, else by force."""
        assert self._stdin  # noqa: S101  # it was opened as a pipe
        with suppress(OSError):
            self._stdin.close()
        try:
            self._program.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._program.terminate()
            self._program.wait()
        for reader in self._readers:
            reader.join(_END_S)

    def _death(self) -> str:
        """How it ended, in the last words that it said."""
        with suppress(subprocess.TimeoutExpired):
            self._program.wait(_END_S)
        self._readers[1].join(_END_S)
        code = self._program.poll()
        how = "it closed its output" if code is None else f"it ended with exit code {code}"
        words = next((line for line in reversed(self._last_words) if line.strip()), b"")
        return f"{how}: {_shown(words)}" if words else how

    def _read_lines(self, stdout: IO[bytes]) -> None:
        with stdout:
            while line := stdout.readline(_LONGEST_LINE_BYTES):
                try:
                    self._lines.put_nowait(line)
                except queue.Full:
                    # What it says now is too much already: it may wait at its pipe until it is ended.
                    return
        with suppress(queue.Full):
            self._lines.put_nowait(b"")

    def _read_words(self, stderr: IO[bytes]) -> None:
        with stderr:
            while line := stderr.readline(_LONGEST_WORDS_BYTES):
                self._last_words.append(line)


class _CommandClient:
    """A program, asked one thing at a time; `version` is what it calls itself."""

    def __init__(
        self, name: str, introduced: Introduced, connection: Connection, proxy: RecordingProxy
    ) -> None:
        self.version = introduced.version
        self._name, self._introduced = name, introduced
        self._connection, self._proxy = connection, proxy
        self._secrets = connection.redacted
        self._wait_s = connection.limits.total_s + _GRACE_S
        self._process: _Process | None = None
        self._questions = itertools.count(1)
        self._failures: list[str] = []
        self._lock = threading.Lock()
        self._is_closed = False

    def perform(self, ask: AnyAsk, mode: Mode) -> Reply:
        """Ask once. What can't be expressed is not asked, as with any library; a failure breaks the reply."""
        if not isinstance(ask, Ask):
            raise TypeError("a program is asked for operations of the API, and sends no raw request")
        if lacks := self._introduced.expression.lacks(ask, mode):
            raise TypeError(f"{self._name} can't express {lacks}")
        with self._lock:
            if len(self._failures) >= _FAILURES:
                return Reply(broken=f"it failed {_FAILURES} times, at first so: {self._failures[0]}")
            try:
                return self._performed(ask, mode)
            except ClientFailedError as failure:
                # What a program says as it dies may hold what it was given.
                self._failures.append(redact_text(str(failure), self._secrets))
                self._end()
                return Reply(broken=self._failures[-1])

    def close(self) -> None:
        """End the program, also while it is asked; it is not started again."""
        self._is_closed = True
        self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end()

    def _performed(self, ask: Ask, mode: Mode) -> Reply:
        self._refuse_if_closed()
        process = self._process = self._process or self._started()
        self._refuse_if_closed()
        process.refuse_more()
        number = next(self._questions)
        with self._proxy.asking() as base_url:
            process.write(_question(number, self._connection, ask, mode, base_url), self._wait_s)
            answer = _parsed(Answer, process.line(self._wait_s))
        if answer.question != number:
            raise ClientFailedError(
                f"it answered question {answer.question} where question {number} was asked"
            )
        process.refuse_more()
        return answer.reply()

    def _refuse_if_closed(self) -> None:
        if self._is_closed:
            raise ClientFailedError("the run was over")

    def _started(self) -> _Process:
        process = _Process(self._introduced.command, self._connection.key)
        try:
            _parsed(Hello, process.line(_HELLO_S))
        except ClientFailedError:
            process.end()
            raise
        return process


def introduced(command: Command) -> Introduced:
    """What a program says of itself; it is started for that, without a key, and ended again."""
    try:
        process = _Process(command, "")
    except ClientFailedError as failure:
        return Introduced(command, ANYTHING, failure=str(failure))
    try:
        hello = _parsed(Hello, process.line(_HELLO_S))
    except ClientFailedError as failure:
        return Introduced(command, ANYTHING, failure=str(failure))
    finally:
        process.end()
    parameters = {
        operation: None if names == "any" else frozenset(names)
        for operation, names in hello.operations.items()
    }
    return Introduced(command, Expression(parameters), hello.client)


def opens(name: str, introduced: Introduced) -> OpenClient:
    """What opens the client of this name; the program is started with its first question."""

    @contextmanager
    def opened(connection: Connection) -> Iterator[Client]:
        with recording_proxy(
            connection.base_url, connection.limits, connection.way, sends_key=bool(connection.auth_headers)
        ) as proxy:
            client = _CommandClient(name, introduced, connection, proxy)
            try:
                yield client
            finally:
                client.close()

    return opened


def _question(number: int, connection: Connection, ask: Ask, mode: Mode, base_url: str) -> bytes:
    params = {**connection.own_params(ask, mode), **ask.params_for(mode)}
    model = params.pop("model", connection.model_for(*ask.uses))
    return (
        Question(
            likewise=VERSION,
            question=number,
            operation=ask.operation,
            mode=mode,
            model=str(model),
            parameters=params,
            base_url=base_url,
            key_variable=KEY_VARIABLE,
        )
        .model_dump_json()
        .encode()
    )


def _parsed(kind: type[_Line], line: bytes) -> _Line:
    try:
        return kind.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        place = "/".join(map(str, first["loc"]))
        what = f"{first['msg']}{f' at {place}' if place else ''}"
        raise ClientFailedError(
            f"it wrote a line that is no {kind.__name__} of the protocol ({what}): {_shown(line)}"
        ) from error


def _shown(line: bytes) -> str:
    text = " ".join(line.decode("utf-8", "replace").split())
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
