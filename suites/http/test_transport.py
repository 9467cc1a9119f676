"""HTTP beneath every surface: that an answer comes, whole, and says what it is."""

import json
import re
from collections import Counter

from harness.evidence import NO_JSON, NotJudgedError, Object, Observation, parsed, shown, why_no_json
from harness.evidence.chat import DONE
from harness.rule import Ground, Violation, Violations, rule
from harness.scenario import Mode, Scenario
from harness.wire.exchange import Ending

_NUMBER = r"\d+(?:\.\d+)?"
_GO_DURATION = re.compile(rf"(?=.)(?:{_NUMBER}(?:h|m|s|ms|us|µs|ns))*")
_RATE_LIMITS = "x-ratelimit-"


def _is_answered(scenario: Scenario) -> bool:
    return scenario.is_answered and scenario.id not in _MAY_BE_REFUSED


_MAY_BE_REFUSED = frozenset(
    {
        "embedding-large-batch",
        "cap-one",
        "cap-one-completion",
        "nulls",
        "assistant-tail",
        "system-alone",
        "completion-echo-logprobs",
        "response-assistant-parts",
    }
)
"""Requests that rules of their own judge, at their own level, or that ask again what another one is about: a
batch larger than an endpoint takes, a cap in which a model that reasons can't say anything, forms of a
request that few clients send."""


def _can_be_streamed(scenario: Scenario) -> bool:
    return any(map(scenario.is_answered_by, ("chat", "completions", "responses")))


def _is_success(observation: Observation) -> bool:
    return 200 <= observation.response.status < 300


@rule(
    "http.answered",
    level="must",
    source="RFC 9110, 3.4",
    breaks="Every client raises a connection error.",
)
def every_request_is_answered(observation: Observation) -> Violations:
    """Every request gets an HTTP response."""
    exchange = observation.exchange
    if exchange.ended is Ending.UNSENT:
        raise NotJudgedError(f"not asked: {exchange.detail}")
    if exchange.response is None:
        yield Violation(
            received=f"{exchange.ended}: {exchange.detail}",
            expected="an HTTP response",
        )


@rule(
    "http.whole-body",
    level="must",
    source="RFC 9112, 8",
    breaks="httpx raises RemoteProtocolError, the SDK APIConnectionError, in the middle of the answer.",
    answers=("sf-early-close", "os-stream-read-past-finish"),
    upholds=Ground.WHOLE,
)
def the_body_arrives_whole(observation: Observation) -> Violations:
    """The body arrives whole: the connection is not cut, stalled or left to drip."""
    response, exchange = observation.response, observation.exchange
    if exchange.ended not in {Ending.COMPLETE, Ending.LEFT}:
        yield Violation(
            received=f"{exchange.ended} after {len(response.body)} bytes: {exchange.detail}",
            expected="the body's end",
        )


@rule(
    "http.success",
    level="must",
    source="OpenAI API reference, chat/create",
    breaks="Every SDK raises.",
    answers=(
        "mo-retrieve-404",
        "em-token-array-rejected",
        "ds-embed-tokens",
        "co-endpoint-missing",
        "ds-thinking-nonstream",
        "ds-modelscope-variant",
        "ds-stream-only",
    ),
    when=_is_answered,
    upholds=Ground.SERVED,
    rests_on=(
        Ground.FORM,
        Ground.ACCEPTED,
    ),
)
def a_good_request_succeeds(observation: Observation) -> Violations:
    """A good request is answered with HTTP 200."""
    response = observation.response
    if observation.ran_out:
        raise NotJudgedError("the cap was used up before anything was said")
    if observation.is_recorded_error:
        raise NotJudgedError(
            f"HTTP {response.status}: recorded traffic does not show if the request was good"
        )
    if response.status != 200:
        yield Violation(received=f"HTTP {response.status}: {shown(response.body)}", expected="HTTP 200")


@rule(
    "http.no-error-in-success",
    level="must",
    source="OpenAI API reference, errors; runpod-workers/worker-vllm#57",
    breaks="The SDK gives an answer whose fields are all None; LangChain raises TypeError.",
    answers=("er-200-with-error", "er-context-200", "er-envelope-other", "cn-choices-null"),
    upholds=Ground.READABLE,
)
def success_is_no_error(observation: Observation) -> Violations:
    """An HTTP success does not carry an error."""
    if observation.mode is Mode.STREAM or not _is_success(observation):
        return
    body = observation.json
    if isinstance(body, dict) and _is_error(body) and not _failed_in_the_background(observation, body):
        yield Violation(
            received=f"HTTP {observation.response.status} with {shown(body)}",
            expected="an HTTP error status with an error object",
            pointer="" if body.get("error") is None else "/error",
        )


def _failed_in_the_background(observation: Observation, body: Object) -> bool:
    """Whether it is a response that failed after it was taken, whose own status says so."""
    return (
        observation.asked.get("background") is True
        and body.get("object") == "response"
        and body.get("status") == "failed"
    )


def _is_error(body: Object) -> bool:
    """Whether a body says in any of the known ways that something went wrong."""
    base = body.get("base_resp")
    return (
        body.get("error") is not None
        or body.get("object") == "error"
        or body.get("success") is False
        or ("object" not in body and {"code", "message"} <= body.keys())
        or (isinstance(base, dict) and base.get("status_code") not in (None, 0))
    )


@rule(
    "http.json",
    level="must",
    source="RFC 8259; Python's json accepts NaN, other parsers do not",
    breaks="The SDK gives a str instead of an object; strict parsers raise.",
    answers=("cn-body-string", "os-200-text", "er-html", "er-error-array"),
    upholds=Ground.READABLE,
    rests_on=(
        Ground.MODE,
        Ground.WHOLE,
    ),
)
def a_plain_body_is_json(observation: Observation) -> Violations:
    """A plain answer, or a refusal, is one JSON object."""
    if observation.mode is Mode.STREAM and _is_success(observation):
        return
    body = observation.response.body
    value = parsed(body)
    if not isinstance(value, dict):
        kind = f"{why_no_json(body)}: " if value is NO_JSON else ""
        yield Violation(received=f"{kind}{shown(body)}", expected="a JSON object", pointer="")


@rule(
    "http.unique-keys",
    level="spec",
    source="RFC 8259, 4",
    breaks="Parsers differ in which of the two values they keep.",
)
def no_key_is_given_twice(observation: Observation) -> Violations:
    """No JSON object has a key twice."""
    bodies = [observation.response.body]
    if observation.response.media_type == "text/event-stream":
        bodies = [line.partition(b":")[2] for line in observation.response.body.splitlines()]
    for body in bodies:
        if isinstance(parsed(body), dict):
            for key in _repeated_keys(body):
                yield Violation(received=f"{key!r} twice in {shown(body)}", expected="each key once")


def _repeated_keys(body: bytes) -> list[str]:
    repeated: list[str] = []

    def note(pairs: list[tuple[str, object]]) -> dict[str, object]:
        counts = Counter(name for name, _ in pairs)
        repeated.extend(sorted(name for name, count in counts.items() if count > 1))
        return dict(pairs)

    json.loads(body, object_pairs_hook=note)
    return repeated


@rule(
    "http.utf8",
    level="must",
    source="RFC 8259, 8.1; WHATWG HTML, 9.2.5",
    breaks="Parsers raise, or text is shown with replacement characters.",
    upholds=Ground.READABLE,
)
def the_body_is_utf8(observation: Observation) -> Violations:
    """The body is well-formed UTF-8."""
    body = observation.response.body
    try:
        body.decode()
    except UnicodeDecodeError as error:
        yield Violation(
            received=f"bytes {body[error.start : error.end].hex(' ')} at {error.start}",
            expected="well-formed UTF-8",
            span=(error.start, error.end),
        )


@rule(
    "http.json-media-type",
    level="spec",
    source="RFC 8259, 11; the recorded answers of OpenAI",
    breaks="The SDK gives a str instead of an object when the type is not JSON's.",
    answers=("er-ctype-json-missing", "er-html", "cn-body-string", "cn-sse-tail-on-json"),
    rests_on=(
        Ground.MODE,
        Ground.READABLE,
    ),
)
def json_says_that_it_is_json(observation: Observation) -> Violations:
    """A JSON body has the content type application/json."""
    response = observation.response
    is_stream = observation.mode is Mode.STREAM and _is_success(observation)
    if not is_stream and response.media_type != "application/json":
        yield Violation(
            received=response.header("content-type") or "no content-type", expected="application/json"
        )


@rule(
    "http.stream-media-type",
    level="spec",
    source="WHATWG HTML, 9.2.3; vllm-project/vllm-ascend#6985",
    breaks="Benchmark tools and browsers' EventSource refuse the stream; the SDKs do not look.",
    answers=("sf-wrong-ctype-json", "bm-ctype"),
    when=_can_be_streamed,
    rests_on=(Ground.MODE,),
)
def a_stream_says_that_it_is_one(observation: Observation) -> Violations:
    """A streamed answer has the content type text/event-stream."""
    response = observation.response
    is_stream = observation.mode is Mode.STREAM and _is_success(observation)
    if is_stream and response.media_type != "text/event-stream":
        yield Violation(
            received=response.header("content-type") or "no content-type", expected="text/event-stream"
        )


@rule(
    "http.plain-is-not-streamed",
    level="must",
    source="OpenAI API reference, chat/create: stream is false unless asked for; decolua/9router#3492",
    breaks="The SDK gives a str instead of an object.",
    answers=("cn-wrong-default-stream", "cn-sse-tail-on-json"),
    when=_can_be_streamed,
    upholds=Ground.MODE,
)
def nobody_gets_a_stream_unasked(observation: Observation) -> Violations:
    """A request without `stream: true` is not answered with events."""
    if observation.mode is Mode.PLAIN and _is_success(observation):
        body = observation.response.body
        if body.lstrip().startswith((b"data:", b"event:")) or body.rstrip().endswith(
            f"data: {DONE}".encode()
        ):
            yield Violation(received=shown(body), expected="one JSON object")


@rule(
    "http.stream-is-streamed",
    level="must",
    source="OpenAI API reference, chat/create: stream; tinyhumansai/tinyagents#56",
    breaks="The SDK yields no chunk and raises nothing; LangChain raises ValueError.",
    answers=("sf-stream-ignored",),
    when=_can_be_streamed,
    upholds=Ground.MODE,
)
def who_asks_for_a_stream_gets_one(observation: Observation) -> Violations:
    """A request with `stream: true` is answered with events."""
    if observation.mode is Mode.STREAM and _is_success(observation):
        body = observation.response.body
        if b"data:" not in body or isinstance(parsed(body), dict):
            yield Violation(received=shown(body), expected="server-sent events")


@rule(
    "http.request-id",
    level="recommended",
    source="OpenAI API reference, debugging requests: x-request-id",
    breaks="Nobody: but an error can't be traced, and the SDK's request_id is None.",
)
def every_answer_has_a_request_id(observation: Observation) -> Violations:
    """Every answer carries an x-request-id."""
    if not observation.response.header("x-request-id"):
        yield Violation(received="no x-request-id header", expected="an x-request-id header")


@rule(
    "http.rate-limit-headers",
    level="recommended",
    source="OpenAI API guide, rate limits in headers",
    breaks="Clients that pace themselves by these headers raise or wait wrongly.",
    answers=("er-ratelimit-headers",),
)
def rate_limit_headers_can_be_read(observation: Observation) -> Violations:
    """Where x-ratelimit-* headers are given, limits are integers and resets are durations such as 6m0s."""
    for name, value in observation.response.headers:
        kind = name.lower().removeprefix(_RATE_LIMITS)
        if kind == name.lower():
            continue
        if kind.startswith("reset") and not _GO_DURATION.fullmatch(value):
            yield Violation(received=f"{name}: {value}", expected="a duration such as 120ms or 6m0s")
        if kind.startswith(("limit", "remaining")) and not value.isdigit():
            yield Violation(received=f"{name}: {value}", expected="an integer")
