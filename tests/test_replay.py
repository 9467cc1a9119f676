"""Answers said again: through every client, with their times, cut where they were cut."""

import dataclasses
from typing import Any

import pytest

from harness import content
from harness.replay import Answer, replaying, violations
from harness.scenario import Mode
from harness.wire.exchange import Ending
from tests.report.runs import exchange

JSON = {"content-type": "application/json"}
SSE = {"content-type": "text/event-stream"}
DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize("client", ["raw", "openai", "langchain"])
def test_a_rule_fails_on_the_bytes_that_it_failed_on(client: str) -> None:
    two = Answer(200, SSE, (0, b'data: {"choices":[]}\n\n' + DONE + DONE))
    assert violations("stream.ends-with-done", "founding", client, stream=two) == []
    none = Answer(200, SSE, (0, b'data: {"choices":[]}\n\n'))
    assert violations("stream.ends-with-done", "founding", client, stream=none) != []


@pytest.mark.parametrize(
    ("rule", "framing"),
    [("http.nothing-after-end", {"surplus": b"\r\n"}), ("http.one-framing", {"framed_twice": True})],
)
def test_the_framing_of_an_answer_is_said_again(rule: str, framing: dict[str, Any]) -> None:
    wrong, right = Answer(200, JSON, (0, b"{}"), **framing), Answer(200, JSON, (0, b"{}"))
    assert violations(rule, "founding", "raw", plain=wrong) != []
    assert violations(rule, "founding", "raw", plain=right) == []
    with replaying(["raw"]) as replayed:
        seen = replayed(content.scenarios()["founding"], "raw", Mode.PLAIN, wrong)
    again = Answer.of(seen.exchange)
    assert (again.surplus, again.framed_twice) == (wrong.surplus, wrong.framed_twice)


def test_pieces_come_at_their_times_and_a_cut_answer_is_cut() -> None:
    scenario = content.scenarios()["founding"]
    answer = Answer(200, SSE, (0, b"data: {}\n\n"), (120, DONE), is_cut=True)
    with replaying(["raw"]) as replayed:
        seen = replayed(scenario, "raw", Mode.STREAM, answer)
    response = seen.exchange.response
    assert response is not None
    first, last = response.reads[0].arrived_ns, response.reads[-1].arrived_ns
    assert (last - first) / 1e6 > 60
    assert response.body == b"data: {}\n\n" + DONE
    assert seen.exchange.ended in {Ending.CUT, Ending.LEFT}


def test_a_refusal_is_said_once_and_not_asked_for_again() -> None:
    limited = Answer(429, JSON, (0, b'{"error":{"message":"slow down"}}'))
    with replaying(["raw"]) as replayed:
        seen = replayed(content.scenarios()["founding"], "raw", Mode.PLAIN, limited)
    assert len(seen.tries) == 1


def test_reads_of_a_fast_answer_become_one_and_those_of_a_slow_one_keep_their_times() -> None:
    body = b"0123456789"
    fast, slow = Answer.of(exchange(body, reads=5)), Answer.of(exchange(body, reads=10))
    assert fast.pieces == ((0, body),)
    assert slow.pieces == ((0, body),)
    one = exchange(body, reads=2)
    assert one.response is not None
    late = dataclasses.replace(
        one,
        response=dataclasses.replace(
            one.response,
            reads=(one.response.reads[0], dataclasses.replace(one.response.reads[1], arrived_ns=900_000_000)),
        ),
    )
    assert [at for at, _ in Answer.of(late).pieces] == [10, 900]
    assert b"".join(data for _, data in Answer.of(late).pieces) == body


def test_an_exchange_without_an_answer_has_nothing_to_say() -> None:
    with pytest.raises(ValueError, match="no answer"):
        Answer.of(dataclasses.replace(exchange(b""), response=None))
