"""Answers that were recorded, said again to the clients: what each makes of these very bytes.

    PLAIN = Answer(200, {"content-type": "application/json"}, (0, b"..."))
    assert violations("chat.created", "founding", "openai", plain=PLAIN) == []

A server on loopback says them; nothing leaves this machine.
"""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson

from harness import content
from harness.answer import Answer
from harness.clients import Connection, lacks_of_clients
from harness.evidence import Observation
from harness.judge import can_ask, judge
from harness.observe import Allowance, Observer, observer
from harness.plan import Call
from harness.run import load_exchanges
from harness.scenario import Ask, FollowUp, Mode, Operation, Scenario
from harness.wire.exchange import Ending, Exchange


def recorded(folder: str | Path, scenario: str, client: str, mode: str) -> Answer:
    """An answer of a run's folder."""
    return Answer.of(load_exchanges(Path(folder))[scenario, client, mode])


def violations(
    rule: str, scenario: str, client: str, *, plain: Answer | None = None, stream: Answer | None = None
) -> list[str]:
    """Why a rule fails on these answers, as sentences; none when it holds.

    KeyError: there is no such rule or scenario.
    """
    known = content.scenario(scenario)
    if known is None:
        raise KeyError(scenario)
    answers = [(Mode.PLAIN, plain), (Mode.STREAM, stream)]
    with replaying([client]) as replayed:
        seen = [replayed(known, client, mode, answer) for mode, answer in answers if answer is not None]
    return [verdict.reason for verdict in judge([content.rules()[rule]], seen) if verdict.outcome == "fail"]


@dataclass(frozen=True, slots=True)
class Replayer:
    """Says an answer to a client and gives what was seen of that."""

    opened: Observer
    server: "_Server"

    def __call__(self, scenario: Scenario, client: str, mode: Mode, answer: Answer) -> Observation:
        """One observation; the scenario is kept, whatever it takes to make the client ask."""
        self.server.answer = answer
        ask = scenario.ask
        if isinstance(ask, FollowUp):
            ask = _ask_of(ask.operation, answer.asked)
        seen = self.opened.observe(Call(replace(scenario, ask=ask), client, mode))
        return replace(seen, scenario=scenario)


def _ask_of(operation: Operation, asked: bytes) -> Ask:
    params = orjson.loads(asked) if asked else {}
    return Ask(operation, {name: value for name, value in params.items() if name not in {"model", "stream"}})


@contextmanager
def replaying(clients: Iterable[str]) -> Iterator[Replayer]:
    """Open clients on a server that says what it is told to."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        connection = Connection(f"http://127.0.0.1:{server.server_port}/v1", "recorded", "sk-recorded")
        try:
            with observer(connection, clients, [], Allowance(retries=0)) as opened:
                yield Replayer(opened, server)
        finally:
            server.shutdown()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    answer: Answer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _say(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        answer = self.server.answer
        started_s = time.monotonic()
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            # http.server writes Latin-1, which reads the bytes of UTF-8 as they are.
            self.send_header(name, value.encode().decode("latin-1"))
        self.send_header("Content-Length", str(sum(len(data) for _, data in answer.pieces) + answer.is_cut))
        self.send_header("Connection", "close")
        if answer.framed_twice:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        writes = [
            (at_ms, b"%x\r\n%b\r\n" % (len(data), data) if answer.framed_twice else data)
            for at_ms, data in answer.pieces
        ] or [(0, b"")]
        last_ms, last = writes.pop()
        # What comes behind the end comes with it, so that nobody has to wait for it.
        writes.append((last_ms, last + (b"0\r\n\r\n" if answer.framed_twice else b"") + answer.surplus))
        for at_ms, data in writes:
            time.sleep(max(0.0, started_s + at_ms / 1000 - time.monotonic()))
            self.wfile.write(data)
        self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _say  # noqa: N815  # names that http.server looks for

    def log_message(self, *_: Any) -> None:
        """Say nothing: what is served here is the harness's own business."""


def seen_by(clients: Sequence[str], told: Iterable[tuple[Scenario, Mode, Exchange]]) -> Iterator[Observation]:
    """What each client makes of recorded exchanges; each observation holds the exchange as recorded.

    A client that can't ask for an answer has not seen it, and gives no observation.
    """
    lacks = lacks_of_clients()
    with replaying(clients) as replayed:
        for scenario, mode, exchange in told:
            for client in clients:
                if not can_ask(client, scenario, mode) or lacks[client](scenario.ask, mode):
                    continue
                seen = replayed(scenario, client, mode, Answer.of(exchange))
                if seen.exchange.ended is not Ending.UNSENT:
                    yield replace(seen, exchange=exchange)
