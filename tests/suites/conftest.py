"""Lies: answers of the reference endpoint, changed in one way, that a rule must catch."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from harness import content
from harness.clients import Connection
from harness.endpoint.server import running
from harness.evidence import Observation
from harness.judge import judge
from harness.observe import Call, Observer, observer
from harness.scenario import Mode
from harness.verdict import Outcome, Verdict
from tests.servers import Answer, says, server

Change = Callable[[Any], object]
"""Changes JSON in place; what it returns is not looked at."""


@dataclass
class Lies:
    """Asks a scenario of a server that repeats the reference endpoint's answer with a change, and judges it.

    Each method gives the rules that fail, by id. A change gets the answer's JSON (for a stream, the list of
    its events' JSON, `[DONE]` left out) and changes it in place; everything else stays as it was.
    """

    reference: Observer
    truths: dict[tuple[str, str, Mode], Observation] = field(default_factory=dict)

    def truth(self, scenario: str, client: str, mode: Mode) -> Observation:
        """What the reference endpoint answers; asked once."""
        key = (scenario, client, mode)
        if key not in self.truths:
            self.truths[key] = self.reference.observe(Call(content.scenarios()[scenario], client, mode))
        return self.truths[key]

    def plain(self, scenario: str, change: Change, *, client: str = "raw") -> Mapping[str, Verdict]:
        """The failures when the plain answer is changed."""
        truth = self.truth(scenario, client, Mode.PLAIN)
        body = orjson.loads(truth.response.body)
        change(body)
        return self.told(says(_head_of(truth) + orjson.dumps(body)), scenario, Mode.PLAIN, client=client)

    def streamed(self, scenario: str, change: Change, *, client: str = "raw") -> Mapping[str, Verdict]:
        """The failures when the events of the streamed answer are changed."""
        body = self.truth(scenario, client, Mode.STREAM).response.body
        payloads = [line.removeprefix(b"data: ") for line in body.split(b"\n") if line.startswith(b"data: ")]
        events = [orjson.loads(payload) for payload in payloads if payload != b"[DONE]"]
        change(events)
        frames = b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in events)
        return self.framed(scenario, lambda _: frames + b"data: [DONE]\n\n", client=client)

    def framed(
        self, scenario: str, change: Callable[[bytes], bytes], *, client: str = "raw"
    ) -> Mapping[str, Verdict]:
        """The failures when the bytes of the streamed answer are changed."""
        truth = self.truth(scenario, client, Mode.STREAM)
        answer = says(_head_of(truth) + change(truth.response.body))
        return self.told(answer, scenario, Mode.STREAM, client=client)

    def told(
        self, answer: Answer, scenario: str, mode: Mode, *, client: str = "raw"
    ) -> Mapping[str, Verdict]:
        """The failures when a server gives this answer in one mode, and tells the truth in the other."""
        other = Mode.STREAM if mode is Mode.PLAIN else Mode.PLAIN
        known = content.scenarios()[scenario]
        seen = [self.truth(scenario, client, other)] if other in known.modes else []
        with (
            server(answer) as base_url,
            observer(Connection(base_url, "standin-1", "sk-x"), [client], []) as o,
        ):
            seen.append(o.observe(Call(known, client, mode)))
        verdicts = judge(content.rules().values(), seen)
        return {verdict.rule: verdict for verdict in verdicts if verdict.outcome is Outcome.FAIL}


def _head_of(seen: Observation) -> bytes:
    """The response's head as it was, for a body of another length that ends with the connection."""
    response = seen.response
    kept = [(name, value) for name, value in response.headers if name.lower() not in _FRAMING]
    lines = [f"HTTP/1.1 {response.status} As Before", "Connection: close", *(f"{n}: {v}" for n, v in kept)]
    return "\r\n".join([*lines, "", ""]).encode()


_FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "content-encoding"})


@pytest.fixture(scope="session")
def lies() -> Iterator[Lies]:
    """The reference endpoint's answers, ready to be changed."""
    with running() as address:
        models = {"embeddings": address.embedding_model}
        connection = Connection(address.base_url, address.model, address.key, models)
        names = ("raw", "openai", "langchain")
        with observer(connection, names, []) as opened:
            yield Lies(opened)
