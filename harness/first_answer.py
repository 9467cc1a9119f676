"""The first answer of an endpoint: whether there is something to judge at all, and if not, what to do."""

from collections import Counter
from collections.abc import Iterable, Sequence

from harness.access import Variable
from harness.errors import NothingJudgedError
from harness.evidence import NO_JSON, Observation, parsed, shown
from harness.target import Target
from harness.wire.exchange import Ending, Response

_UNANSWERED = {
    Ending.UNREACHABLE: (
        "can't be reached",
        "Check the host and the port of base_url, and that the endpoint runs.",
    ),
    Ending.TLS: (
        "can't be reached over TLS",
        "Check the endpoint's certificate, and use http:// if it speaks no TLS.",
    ),
    Ending.NOT_HTTP: (
        "does not speak HTTP",
        "Check the port, and use https:// if the endpoint speaks TLS.",
    ),
    Ending.TIMEOUT: ("did not answer in time", "Check that the model is loaded, then ask again."),
    Ending.OVERSIZED: (
        "sent more than anybody reads",
        "Check the host and the port of base_url, and what stands before the endpoint.",
    ),
    Ending.CUT: (
        "closed the connection without an answer",
        "Look into the endpoint's log, and use https:// if it speaks TLS.",
    ),
    Ending.UNSENT: ("could not be asked", "Check base_url and model."),
}


LONG_WAIT_S = 60.0
"""Whoever asks for more has used up what is there for hours or days: no check waits for it."""

_DAY_S = 86_400
_BUSY_ADVICE = "Wait until the limit is over, or ask with a key that has another one."


def asked_to_wait_s(response: Response) -> float | None:
    """The seconds after which an answer asks to come again; None where it says nothing that can be read."""
    asked = response.header("retry-after") or ""
    return float(asked) if asked.isascii() and asked.isdigit() else None


def raise_if_nothing_to_judge(seen: Observation, target: Target) -> None:
    """Raise NothingJudgedError when no API stands there, or when it refuses the key or the model."""
    exchange = seen.exchange
    if exchange.response is None:
        happened, next_step = _UNANSWERED.get(exchange.ended, _UNANSWERED[Ending.CUT])
        if exchange.ended is Ending.UNREACHABLE and target.access.proxy is not None:
            happened, next_step = happened + through_proxy(target), PROXY_ADVICE
        raise NothingJudgedError(f"{target.base_url} {happened}: {exchange.detail}.", next_step)
    response = exchange.response
    answered = f"{exchange.request.url} answered HTTP {response.status}"
    if response.status in {401, 403}:
        raise NothingJudgedError(f"{answered}: {_said(response)}.", key_advice(target))
    wait_s = asked_to_wait_s(response)
    if response.status in {429, 503} and wait_s is not None and wait_s > LONG_WAIT_S:
        wanted = "in days" if wait_s > _DAY_S else f"in {wait_s:,.0f} s"
        raise NothingJudgedError(f"{answered}: it is busy, and asks to come again {wanted}.", _BUSY_ADVICE)
    if 300 <= response.status < 400:
        location = response.header("location") or "somewhere else"
        raise NothingJudgedError(f"{answered}, a redirect to {location}.", "Set base_url to where it leads.")
    if not response.body.strip() and exchange.ended not in {Ending.COMPLETE, Ending.LEFT}:
        _, next_step = _UNANSWERED.get(exchange.ended, _UNANSWERED[Ending.CUT])
        raise NothingJudgedError(f"{answered} and then no answer: {exchange.detail}.", next_step)
    if not response.body.strip():
        raise NothingJudgedError(f"{answered} with an empty body.", base_url_advice(target))
    if is_html(response.media_type, response.body):
        raise NothingJudgedError(f"{answered} with an HTML page.", base_url_advice(target))
    if response.status in {404, 405}:
        raise NothingJudgedError(f"{answered}: {_said(response)}.", base_url_advice(target, or_model=True))


def why_nothing_was_judged(observations: Iterable[Observation]) -> str:
    """What became of all founding calls, so that nothing can be said; empty where one was answered."""
    calls = [seen for seen in observations if seen.scenario.is_quick_start]
    reasons = Counter(seen.came_to_nothing for seen in calls)
    if not calls or reasons[""]:
        return ""
    told = ", ".join(f"{reason} ({count} of {len(calls)})" for reason, count in reasons.most_common(3))
    return f"the founding calls came to nothing: {told}"


_LATEST = 24
_MOST_STUCK = 12


def why_to_give_up(observations: Sequence[Observation]) -> str:
    """Why the rest of a check would be waiting: half of the latest calls ran into silence or a rate limit.

    Empty where it goes on. `observations` are in the order in which they came.
    """
    stuck = Counter(filter(None, map(_stuck, observations[-_LATEST:])))
    if stuck.total() < _MOST_STUCK:
        return ""
    told = ", ".join(f"{count} × {way}" for way, count in stuck.most_common())
    return f"of the latest {min(len(observations), _LATEST)} calls, {stuck.total()} were for nothing, {told}"


def _stuck(seen: Observation) -> str:
    response = seen.exchange.response
    if seen.exchange.ended is Ending.TIMEOUT:
        return seen.exchange.detail.partition(" after ")[0].partition(" before ")[0]
    return "HTTP 429" if response is not None and response.status == 429 else ""


PROXY_ADVICE = "Check that the proxy runs, and that it lets requests to this host pass."


def through_proxy(target: Target) -> str:
    """The words that name a target's proxy; a variable is named in the place of what it holds."""
    match target.access.proxy:
        case None:
            return ""
        case Variable(name):
            return f" through the proxy of {name}"
        case url:
            return f" through the proxy {url}"


def _said(response: Response) -> str:
    body = parsed(response.body)
    error = body.get("error", body) if isinstance(body, dict) else body
    message = error.get("message", error) if isinstance(error, dict) else error
    return shown(response.body if message is NO_JSON else message).strip('".')


def is_html(media_type: str, body: bytes) -> bool:
    """Whether a body is a web page, as where a base URL leads to a site and not to its API."""
    head = body.lstrip()[:15].lower()
    return media_type == "text/html" or head.startswith((b"<!doctype html", b"<html"))


def key_advice(target: Target) -> str:
    """What to do when a key is refused."""
    if target.api_key_env is None:
        return "Name the variable that holds the key: --api-key-env, or api_key_env in likewise.toml."
    return f"Check the key in {target.api_key_env}; keys are often bound to a region, a project or a plan."


def base_url_advice(target: Target, *, or_model: bool = False) -> str:
    """What to look at when no API stands where one should."""
    has_version = target.base_url.rstrip("/").endswith("/v1")
    hint = "" if has_version else f"; most end in /v1, as {target.base_url}/v1 would"
    model = f", and the model {target.model!r}" if or_model else ""
    return f"Check the base_url {target.base_url}{hint}{model}."
