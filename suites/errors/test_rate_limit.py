"""What an endpoint says when it has had enough: HTTP 429 or 503, where a run meets one."""

import re
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from harness.evidence import Observation, parsed, shown
from harness.rule import Violation, Violations, rule
from harness.schemas import violations
from harness.wire.exchange import Response

_SOURCE = "openai/openai-openapi TooManyRequests; OpenAI API guide, rate limits"
_BUSY = (429, 503)
_UNTIL_PAID = re.compile(r"insufficient_quota|arrear|overdue|billing|spend_limit|balance", re.IGNORECASE)
_LONGEST_WAIT_S = 120


def _busy(observation: Observation) -> Iterator[Response]:
    """What each try was told that the endpoint was too busy for, also where a later one was answered."""
    responses = (exchange.response for exchange in observation.tries)
    return (response for response in responses if response is not None and response.status in _BUSY)


@rule(
    "errors.busy-form",
    level="spec",
    source=_SOURCE,
    breaks="The exception carries no message, and no code that tells a rate limit from an unpaid bill.",
)
def a_busy_endpoint_says_so_in_openais_form(observation: Observation) -> Violations:
    """HTTP 429 and 503 carry an error object like any refusal."""
    for response in _busy(observation):
        body = parsed(response.body)
        if not isinstance(body, dict):
            yield Violation(received=shown(response.body), expected="a JSON error object")
            continue
        for found in violations("error", body, "must"):
            yield Violation(found.received, found.expected, found.pointer)


@rule(
    "errors.retry-after",
    level="spec",
    source=f"{_SOURCE}: Retry-After; RFC 9110, 10.2.3; openai SDK: 0 and over 120 s are not waited for",
    breaks="The SDK falls back on half a second, or gives up: all its retries are burnt.",
)
def the_wait_can_be_obeyed(observation: Observation) -> Violations:
    """Where Retry-After is given with 429 or 503, it is whole seconds from 1 to 120, or a date."""
    for response in _busy(observation):
        value = response.header("retry-after")
        if value is None or _is_date(value):
            continue
        if not re.fullmatch(r"[0-9]{1,3}", value) or not 1 <= int(value) <= _LONGEST_WAIT_S:
            yield Violation(received=f"retry-after: {value}", expected="1 to 120 seconds, or an HTTP date")


def _is_date(value: str) -> bool:
    try:
        return bool(parsedate_to_datetime(value))
    except ValueError:
        return False


@rule(
    "errors.retry-after-given",
    level="recommended",
    source=f"{_SOURCE}; etalab-ia/OpenGateLLM#364, BerriAI/litellm#4695",
    breaks="The SDK waits half a second to eight: all its retries are burnt before the limit is over.",
)
def a_rate_limit_says_when_to_come_back(observation: Observation) -> Violations:
    """HTTP 429 says when to come back, unless waiting is of no use."""
    for response in _busy(observation):
        if response.status != 429 or _UNTIL_PAID.search(response.body.decode("utf-8", "replace")):
            continue
        names = {name.lower() for name, _ in response.headers}
        is_told = names & {"retry-after", "retry-after-ms"} or any("ratelimit-reset" in one for one in names)
        if not is_told:
            yield Violation(received="no retry-after header", expected="retry-after: seconds")
