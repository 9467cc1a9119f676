"""The framing of HTTP/1.1: where an answer begins and ends. HTTP libraries tell their users little of it."""

from harness.evidence import NotJudgedError, Observation
from harness.rule import Violation, Violations, rule
from harness.wire.exchange import Ending

_QUOTED_BYTES = 60
_LENGTH = "RFC 9112, 6.3: message body length"


@rule(
    "http.status-line",
    level="must",
    source="RFC 9112, 2.1: a response begins with its status line",
    breaks="Every client raises a connection error.",
)
def an_answer_begins_with_its_status_line(observation: Observation) -> Violations:
    """An answer begins with its status line, and nothing comes before it."""
    exchange = observation.exchange
    if exchange.ended is Ending.NOT_HTTP:
        yield Violation(received=f"no HTTP: {exchange.detail}", expected="HTTP/1.1 and a status")
    elif exchange.response is None:
        raise NotJudgedError(f"no answer: {exchange.detail}")


@rule(
    "http.one-framing",
    level="spec",
    source="RFC 9112, 6.2: no Content-Length beside Transfer-Encoding; timoklimmer/powerproxy-aoai#53",
    breaks="Proxies refuse the answer, or take its end for the beginning of the next one.",
)
def the_length_is_said_once(observation: Observation) -> Violations:
    """An answer has a Content-Length or a Transfer-Encoding, and not both."""
    length, coding = map(observation.response.header, ("content-length", "transfer-encoding"))
    if length is not None and coding is not None:
        yield Violation(
            received=f"content-length: {length} beside transfer-encoding: {coding}", expected="one of the two"
        )


@rule(
    "http.length-reached",
    level="must",
    source=_LENGTH,
    breaks="Clients wait for bytes that never come, and then raise over an answer that is whole.",
)
def no_length_is_longer_than_its_body(observation: Observation) -> Violations:
    """A whole answer is as long as its Content-Length says."""
    if missing := observation.bytes_missing:
        length = observation.response.header("content-length")
        yield Violation(
            received=f"content-length: {length}, {missing} bytes more than the whole answer has",
            expected="the length of the body",
        )


@rule(
    "http.nothing-after-end",
    level="must",
    source=f"{_LENGTH}; 9.2: associating a response to a request; braintrustdata/braintrust-proxy#1124",
    breaks="Clients lose the rest of the answer, or raise over the next one on the same connection.",
)
def nothing_comes_after_the_end(observation: Observation) -> Violations:
    """Nothing comes after the end that an answer's Content-Length, or its last chunk, says."""
    response = observation.response
    if response.surplus:
        length = response.header("content-length")
        end = "its last chunk" if length is None else f"the {length} bytes of its content-length"
        yield Violation(
            received=f"{_quoted(response.surplus)} after {end}", expected="nothing, or the next answer"
        )


def _quoted(data: bytes) -> str:
    """Bytes with their line ends, which may be all that they are."""
    return repr(data[:_QUOTED_BYTES].decode("utf-8", "replace"))
