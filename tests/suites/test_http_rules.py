"""Every rule on HTTP fails on the lie that it is there for; no rule of any surface breaks on garbage."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import content
from harness.evidence import Observation
from harness.judge import judge
from harness.scenario import Mode
from harness.verdict import Outcome
from harness.wire.exchange import Read
from tests.servers import Answer, head, resets_after, says, sized
from tests.suites.conftest import Lies

_BODY = b'{"object": "chat.completion"}'
_CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(_BODY), _BODY)
_EVENT = b'data: {"object": "chat.completion.chunk"}\n\n'


def answer(*headers: str, body: bytes = _BODY, media_type: str = "application/json") -> Answer:
    return says(head(media_type=media_type, headers=headers) + body)


@pytest.mark.parametrize(
    ("rule", "lie"),
    [
        ("http.answered", says()),
        ("http.whole-body", says(head(headers=["Content-Length: 99"]) + _BODY)),
        ("http.whole-body", resets_after(head(headers=["Content-Length: 99"]) + _BODY)),
        ("http.status-line", says(b"INFO answering\r\n" + sized(_BODY))),
        ("http.length-reached", says(head(headers=["Content-Length: 99"]) + _BODY)),
        ("http.one-framing", answer("Content-Length: 29", "Transfer-Encoding: chunked", body=_CHUNKED)),
        ("http.nothing-after-end", says(sized(_BODY) + b"\r\n")),
        ("http.nothing-after-end", says(sized(_BODY) + b"HTTP/1.1 200 OK\r\n\r\n")),
        ("http.nothing-after-end", answer("Content-Length: 9")),
        ("http.nothing-after-end", answer("Transfer-Encoding: chunked", body=_CHUNKED + b"0\r\n\r\n")),
        ("http.success", says(sized(_BODY, "500 Oops"))),
        ("http.success", says(sized(_BODY, "201 Created"))),
        ("http.no-error-in-success", says(sized(b'{"error": {"message": "No."}}'))),
        ("http.no-error-in-success", says(sized(b'{"object": "error", "code": 404, "message": "No."}'))),
        ("http.no-error-in-success", says(sized(b'{"code": "NotFound", "message": "No."}'))),
        ("http.no-error-in-success", says(sized(b'{"success": false, "errors": []}'))),
        ("http.no-error-in-success", says(sized(b'{"base_resp": {"status_code": 1008}, "choices": null}'))),
        ("http.json", says(sized(b"unsupported model"))),
        ("http.json", says(sized(b'{"logprob": NaN}'))),
        ("http.json", says(sized(b"[]"))),
        ("http.unique-keys", says(sized(b'{"id": "1", "id": "2"}'))),
        ("http.utf8", says(sized(b'{"id": "\xff"}'))),
        ("http.json-media-type", says(sized(_BODY, media_type="text/plain"))),
        ("http.plain-is-not-streamed", answer(body=_EVENT, media_type="text/event-stream")),
        ("http.plain-is-not-streamed", answer(body=_BODY + b"\n\ndata: [DONE]\n\n")),
        ("http.request-id", answer()),
        ("http.rate-limit-headers", answer("X-RateLimit-Limit-Tokens: plenty")),
        ("http.rate-limit-headers", answer("X-RateLimit-Reset-Tokens: soon")),
        (
            "http.rate-limit-remaining",
            answer("X-RateLimit-Limit-Tokens: 5", "X-RateLimit-Remaining-Tokens: 9"),
        ),
        ("http.content-coding", answer("Content-Encoding: likewise")),
        ("http.charset", answer(media_type="application/json; charset=iso-8859-1")),
        ("http.not-cached", answer("Cache-Control: public, max-age=60")),
        ("http.not-cached", answer("Cache-Control: private, max-age=060")),
        ("http.not-cached", answer("Age: 12")),
    ],
)
def test_a_lie_about_a_plain_answer_is_caught(lies: Lies, rule: str, lie: Answer) -> None:
    assert rule in lies.told(lie, "founding", Mode.PLAIN)


@pytest.mark.parametrize(
    ("rule", "scenario", "lie"),
    [
        ("http.stream-media-type", "founding", answer(body=_EVENT)),
        ("http.stream-is-streamed", "founding", answer()),
        ("http.stream-media-type", "completion", answer(body=_EVENT)),
        ("http.stream-is-streamed", "completion", answer()),
        (
            "http.unique-keys",
            "founding",
            answer(body=b'data: {"id": 1, "id": 2}\n\n', media_type="text/event-stream"),
        ),
    ],
)
def test_a_lie_about_a_stream_is_caught(lies: Lies, rule: str, scenario: str, lie: Answer) -> None:
    assert rule in lies.told(lie, scenario, Mode.STREAM)


def test_a_request_that_is_refused_for_its_own_id_is_caught(lies: Lies) -> None:
    refusal = says(sized(b'{"error": {"message": "No."}}', "400 Bad Request"))
    assert "http.own-request-id" in lies.told(refusal, "own-request-id", Mode.PLAIN)


def test_an_overlong_request_id_that_is_accepted_is_told(lies: Lies) -> None:
    assert "errors.combinations-refused" in lies.told(says(sized(_BODY)), "bad-request-id", Mode.PLAIN)


def test_a_request_id_that_comes_again_is_caught(lies: Lies) -> None:
    streamed = lies.truth("founding", "raw", Mode.STREAM).response
    again = answer(f"X-Request-Id: {streamed.header('x-request-id')}")
    assert "http.request-id-unique" in lies.told(again, "founding", Mode.PLAIN)


@pytest.mark.parametrize(
    "headers",
    [
        ["X-RateLimit-Reset-Tokens: 6m0s", "X-RateLimit-Limit-Tokens: 0"],
        ["X-RateLimit-Reset-Requests: 1.57s", "X-RateLimit-Reset-Tokens: 1.5ms"],
        ["X-RateLimit-Limit-Requests: 5", "X-RateLimit-Remaining-Requests: 5"],
        ["Cache-Control: no-store, max-age=0"],
        ["Cache-Control: no-cache, must-revalidate", "Age: 0"],
        [
            "Set-Cookie: __cf_bm=1; path=/",
            "Server: cloudflare",
            "Strict-Transport-Security: max-age=31536000",
        ],
    ],
)
def test_legal_headers_pass(lies: Lies, headers: list[str]) -> None:
    truth = lies.truth("founding", "raw", Mode.PLAIN).response.body
    assert not lies.told(answer("X-Request-Id: req-1", *headers, body=truth), "founding", Mode.PLAIN)


@pytest.mark.parametrize(
    "media_type", ["application/json; charset=UTF-8", 'Application/JSON;charset="utf-8"']
)
def test_a_legal_content_type_passes(lies: Lies, media_type: str) -> None:
    truth = lies.truth("founding", "raw", Mode.PLAIN).response.body
    legal = answer("X-Request-Id: req-1", body=truth, media_type=media_type)
    assert not lies.told(legal, "founding", Mode.PLAIN)


def test_space_around_json_is_legal(lies: Lies) -> None:
    truth = lies.truth("founding", "raw", Mode.PLAIN).response.body
    spaced = answer("X-Request-Id: req-1", body=b"\n\n" + truth + b"\n")
    assert not lies.told(spaced, "founding", Mode.PLAIN)


_SCENARIOS = (
    "no-messages",
    "models-list",
    "model-retrieve",
    "embedding-batch",
    "embedding-base64",
    "completion",
    "completion-prompts",
    "completion-echo",
    "completion-logprobs",
    "completion-scored",
    "completion-with-usage",
)

_GARBAGE: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)


def paths(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The keys and indexes that lead to each value within a value, itself first."""
    yield path
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield from paths(inner, (*path, step))


def changed(value: Any, path: tuple[Any, ...], garbage: object) -> Any:
    if not path:
        return garbage
    copy = value.copy()
    copy[path[0]] = changed(value[path[0]], path[1:], garbage)
    return copy


def with_body(seen: Observation, body: bytes) -> Observation:
    response = dataclasses.replace(seen.response, reads=(Read(0, body),))
    return dataclasses.replace(seen, exchange=dataclasses.replace(seen.exchange, response=response))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_rule_breaks_on_garbage(lies: Lies, data: st.DataObject) -> None:
    scenario = content.scenarios()[data.draw(st.sampled_from(_SCENARIOS))]
    seen = lies.truth(scenario.id, "raw", data.draw(st.sampled_from(scenario.modes)))
    lines = seen.response.body.split(b"\n")
    places = [place for place, line in enumerate(lines) if b"{" in line]
    place = data.draw(st.sampled_from(places))
    prefix, brace, rest = lines[place].partition(b"{")
    truth = orjson.loads(brace + rest)
    lie = changed(truth, data.draw(st.sampled_from(list(paths(truth)))), data.draw(_GARBAGE))
    lines[place] = prefix + orjson.dumps(lie)
    verdicts = judge(content.rules().values(), [with_body(seen, b"\n".join(lines))])
    assert [verdict for verdict in verdicts if verdict.outcome is Outcome.ERROR] == []
