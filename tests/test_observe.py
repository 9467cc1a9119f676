"""Observing: what is asked again, and how often."""

from harness import content
from harness.clients import Connection
from harness.evidence import Observation
from harness.observe import observer
from harness.plan import Call
from harness.scenario import Mode
from harness.wire.exchange import Ending
from tests.servers import Answer, closes_kept_connections, resets_after, server, sized

KEPT = sized(b'{"error":{"message":"No.","type":"x","param":null,"code":null}}', "400 Bad Request").replace(
    b"Connection: close\r\n", b""
)


def asked_twice(answer: Answer) -> tuple[Observation, ...]:
    call = Call(content.scenarios()["founding"], "raw", Mode.PLAIN)
    with server(answer) as base_url, observer(Connection(base_url, "m", "sk-x"), ["raw"], []) as asks:
        return asks.observe(call), asks.observe(call)


def test_a_request_on_a_kept_connection_that_was_closed_is_sent_again_and_counted() -> None:
    first, second = asked_twice(closes_kept_connections(KEPT))
    assert (len(first.tries), len(second.tries)) == (1, 2)
    assert second.response.status == 400


def test_a_new_connection_that_is_reset_is_a_cut_and_asked_once_more() -> None:
    for seen in asked_twice(resets_after()):
        assert [one.ended for one in seen.tries] == [Ending.CUT, Ending.CUT]
