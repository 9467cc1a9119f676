"""Headers that decide how a body is read, who else may read it, and how an answer is traced."""

import re
from collections import Counter

from harness.evidence import Observation, joined, shown
from harness.evidence.runs import WholeRun
from harness.rule import Ground, Violation, Violations, rule

_CHARSET = re.compile(r"charset\s*=\s*\"?([^\";\s]+)", re.IGNORECASE)
_LIFETIME = re.compile(r"(?:^|[\s,])(public|(?:s-maxage|max-age)\s*=\s*\"?0*[1-9]\d*)", re.IGNORECASE)


@rule(
    "http.content-coding",
    level="must",
    source="RFC 9110, 12.5.3: Accept-Encoding",
    breaks="The client takes compressed bytes for the answer and raises, or shows rubbish.",
    upholds=Ground.READABLE,
)
def the_coding_is_one_that_was_asked_for(observation: Observation) -> Violations:
    """A body is compressed only in a way that the client said it understands, and then it is."""
    coding = (observation.response.header("content-encoding") or "identity").strip().lower()
    asked = [
        value.partition(";")[0].strip().lower()
        for name, values in observation.exchange.request.headers
        if name.lower() == "accept-encoding"
        for value in values.split(",")
    ]
    if coding != "identity" and coding not in asked and "*" not in asked:
        yield Violation(
            received=f"content-encoding: {coding}", expected=f"one of {', '.join(asked)}, or none"
        )
    elif coding != "identity":
        sent = b"".join(read.data for read in observation.response.reads)
        if sent and sent == observation.response.body:
            yield Violation(received=f"{shown(sent)} as {coding}", expected=f"what is compressed by {coding}")


@rule(
    "http.own-request-id",
    level="spec",
    source="OpenAI API reference, debugging requests: X-Client-Request-Id",
    breaks="Programs that name their requests, to find them again after a timeout, raise.",
    when=lambda scenario: scenario.id == "own-request-id",
)
def a_client_may_name_its_request(observation: Observation) -> Violations:
    """A request may have an id of the client's own in X-Client-Request-Id."""
    if observation.response.status != 200:
        yield Violation(received=f"HTTP {observation.response.status}", expected="HTTP 200")


@rule(
    "http.charset",
    level="spec",
    source="RFC 8259, 8.1; WHATWG HTML, 9.2.5: both are always UTF-8",
    breaks="Clients that believe the header read other letters than were sent.",
)
def a_named_charset_is_utf8(observation: Observation) -> Violations:
    """Where the content type names a charset, it is UTF-8."""
    found = _CHARSET.search(observation.response.header("content-type") or "")
    if found and found[1].lower() not in {"utf-8", "utf8"}:
        yield Violation(received=f"charset={found[1]}", expected="charset=utf-8, or none")


@rule(
    "http.not-cached",
    level="spec",
    source="RFC 9111, 3 and 5.1; OpenAI sends cache-control: no-cache",
    breaks="A cache on the way gives one user's answer to another, or the same answer for ever.",
)
def no_cache_may_keep_an_answer(observation: Observation) -> Violations:
    """No cache is allowed to keep the answer to a POST, and none has."""
    if observation.exchange.request.method != "POST":
        return
    response = observation.response
    allowed = _LIFETIME.search(response.header("cache-control") or "")
    if allowed:
        yield Violation(received=f"cache-control: {allowed[1]}", expected="no lifetime, and not public")
    age = response.header("age") or "0"
    if age.strip("0 "):
        yield Violation(received=f"age: {age}", expected="an answer made for this request")


@rule(
    "http.request-id-unique",
    level="recommended",
    source="OpenAI API reference, debugging requests: x-request-id is unique to each request",
    breaks="A log or a bug report that names an answer by its id points at several.",
)
def no_two_answers_share_a_request_id(run: WholeRun) -> Violations:
    """No two answers of a run have the same x-request-id."""
    responses = [seen.exchange.response for seen in run.observations if seen.exchange.response]
    ids = Counter(filter(None, (response.header("x-request-id") for response in responses)))
    repeated = [request_id for request_id, times in ids.items() if times > 1]
    if repeated:
        yield Violation(
            received=f"{len(repeated)} ids more than once: {joined(repeated[:3])}", expected="each id once"
        )


@rule(
    "http.rate-limit-remaining",
    level="recommended",
    source="OpenAI API guide, rate limits in headers",
    breaks="Clients that pace themselves by these headers send too much or too little.",
)
def no_more_remains_than_the_limit(observation: Observation) -> Violations:
    """Where both are given, x-ratelimit-remaining-* is no more than x-ratelimit-limit-*."""
    response = observation.response
    for kind in ("requests", "tokens"):
        limit, left = (response.header(f"x-ratelimit-{name}-{kind}") or "" for name in ("limit", "remaining"))
        if _is_number(limit) and _is_number(left) and int(left) > int(limit):
            yield Violation(received=f"{left} of {limit} {kind}", expected=f"at most {limit}")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
