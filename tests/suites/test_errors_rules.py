"""Every rule on refusals fails on the lie that it is there for, and on no legal variation."""

from typing import Any

import orjson
import pytest

from harness import content
from harness.scenario import Ask, Mode
from tests.servers import head, says, sized
from tests.suites.conftest import Change, Lies

_ERROR = {"message": "No.", "type": "invalid_request_error", "param": None, "code": None}


def refused(status: str, *headers: str, **error: object) -> bytes:
    body = orjson.dumps({"error": {**_ERROR, **error}})
    return head(status, headers=[*headers, f"Content-Length: {len(body)}"]) + body


def error(**values: object) -> Change:
    return lambda body: body["error"].update(values)


def in_place_of(body: Any) -> Change:
    def change(truth: Any) -> None:
        truth.clear()
        truth.update(body)

    return change


@pytest.mark.parametrize(
    ("rule", "scenario", "lie"),
    [
        ("errors.schema-must", "no-messages", lambda body: body["error"].pop("message")),
        ("errors.schema-must", "no-messages", error(type=None)),
        ("errors.schema-must", "no-messages", in_place_of({"error": "No."})),
        ("errors.schema-must", "no-messages", in_place_of({"detail": "No."})),
        ("errors.schema-must", "no-messages", in_place_of({"detail": [{"loc": ["body"], "msg": "No."}]})),
        ("errors.schema-must", "no-messages", in_place_of({"detail": {"error": _ERROR}})),
        ("errors.schema-must", "wrong-key", in_place_of({"message": "No.", "code": 401})),
        ("errors.schema-must", "no-messages", in_place_of({"title": "No.", "status": 400, "detail": "No."})),
        (
            "errors.schema-must",
            "no-messages",
            in_place_of({"success": False, "errors": [{"message": "No."}]}),
        ),
        ("errors.schema-spec", "no-messages", lambda body: body["error"].pop("param")),
        ("errors.schema-spec", "no-messages", error(code=400)),
        ("errors.message", "no-messages", error(message=" ")),
        ("errors.names-the-mistake", "no-messages", error(message="Bad request.", param=None)),
        ("errors.names-the-mistake", "bad-n", error(message="No token is wanted.", param=None)),
        ("errors.param", "no-messages", error(param="")),
        ("errors.param", "no-messages", error(param="invalid_parameter_error")),
        ("errors.code", "wrong-key", error(code=None)),
        ("errors.code", "unknown-model", error(code="not_found")),
        ("errors.too-long-code", "bad-huge-max-tokens", error(code=None)),
        ("errors.type-fits", "no-messages", error(type="server_error")),
        ("errors.type-fits", "no-messages", error(type="InternalServerError")),
        (
            "errors.no-internals",
            "no-messages",
            error(message='Traceback (most recent call last): File "/srv/app.py", line 3, in messages'),
        ),
        ("errors.no-internals", "no-messages", error(message="<class 'app.TooShort'> -> messages")),
        ("errors.key-hidden", "wrong-key", error(message="Incorrect API key: sk-likewise-wrong-key")),
        ("errors.one-status", "no-messages", error(code=404)),
        ("errors.one-status", "no-messages", lambda body: body.update(status=500)),
    ],
)
def test_a_lie_in_an_error_object_is_caught(lies: Lies, rule: str, scenario: str, lie: Change) -> None:
    assert rule in lies.plain(scenario, lie)


@pytest.mark.parametrize(
    ("rule", "scenario", "answer"),
    [
        ("errors.refused", "no-messages", sized(b'{"object": "chat.completion"}')),
        ("errors.refused", "unknown-model", head("302 Found", headers=["Location: /login"])),
        ("errors.values-refused", "bad-temperature", sized(b'{"object": "chat.completion"}')),
        ("errors.limits-refused", "bad-huge-max-tokens", sized(orjson.dumps({"error": _ERROR}))),
        ("errors.values-refused", "bad-encoding-format", sized(b'{"object": "list"}')),
        ("errors.values-refused", "bad-n-many", sized(b'{"object": "chat.completion"}')),
        ("errors.values-refused", "bad-missing-content", sized(b'{"object": "chat.completion"}')),
        ("errors.combinations-refused", "bad-stream-options", sized(b'{"object": "chat.completion"}')),
        ("errors.combinations-refused", "bad-tool-choice-alone", sized(b'{"object": "chat.completion"}')),
        ("errors.unknown-parameter", "bad-parameter", sized(b'{"object": "chat.completion"}')),
        ("errors.not-the-servers-fault", "bad-messages-type", refused("500 Oops")),
        ("errors.not-retried", "no-messages", refused("400 No", "X-Should-Retry: true")),
        ("errors.not-retried", "no-messages", refused("409 No")),
        ("errors.status", "wrong-key", refused("403 No")),
        ("errors.status", "bad-model-name", refused("400 No")),
        ("errors.same-status-as-openai", "no-messages", refused("422 No")),
        ("errors.same-status-as-openai", "unknown-model", refused("400 No")),
        ("errors.is-no-stream", "no-messages", head("400 No") + b'data: {"error": {"message": "No."}}\n\n'),
        ("errors.same-in-both-modes", "unknown-model", refused("400 No")),
        ("http.json", "no-messages", sized(b"<html>No.</html>", "400 No", media_type="text/html")),
        ("http.json", "no-messages", sized(orjson.dumps([{"error": _ERROR}]), "400 No")),
        ("http.json-media-type", "no-messages", sized(b"{}", "400 No", media_type="text/plain")),
    ],
)
def test_a_lie_about_a_refusal_is_caught(lies: Lies, rule: str, scenario: str, answer: bytes) -> None:
    assert rule in lies.told(says(answer), scenario, Mode.PLAIN)


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        ("bad-top-logprobs-many", "logprobs is not supported with this model"),
        ("bad-json-schema", "This model does not support response_format"),
        ("bad-tool-choice-alone", "Tools are not supported by this model"),
        ("bad-logit-bias", "logit_bias is not supported"),
    ],
)
def test_a_refusal_of_the_parameter_as_such_is_a_refusal(lies: Lies, scenario: str, message: str) -> None:
    answer = refused("400 No", "X-Request-Id: req-1", message=message)
    assert not lies.told(says(answer), scenario, Mode.PLAIN)


def test_a_bad_request_needs_no_capability_unless_it_goes_beyond_chat() -> None:
    chats = [
        scenario
        for scenario in content.scenarios().values()
        if scenario.refused_with and isinstance(scenario.ask, Ask) and scenario.ask.operation == "chat"
    ]
    assert len(chats) > 20
    assert {one.id for one in chats if one.needs} == {"bad-parameter", "bad-stream-options"}


@pytest.mark.parametrize(
    ("rule", "answer"),
    [
        ("errors.busy-form", head("429 No", headers=["Retry-After: 0"]) + b"slow down"),
        ("errors.busy-form", head("429 No", headers=["Retry-After: 0"]) + b'{"message": "slow down"}'),
        ("errors.retry-after", refused("429 No", "Retry-After: 0")),
    ],
)
def test_a_lie_about_a_rate_limit_is_caught(lies: Lies, rule: str, answer: bytes) -> None:
    assert rule in lies.told(says(answer), "broken-json", Mode.PLAIN)


def test_a_rate_limit_without_a_time_to_come_back_is_caught(lies: Lies) -> None:
    assert "errors.retry-after-given" in lies.told(
        says(refused("429 No", code="rate_limit_exceeded")), "broken-json", Mode.PLAIN
    )


def legal(*headers: str, status: str = "400 No", **values: object) -> bytes:
    named = {"message": "'messages' is wrong", "param": "messages", **values}
    return refused(status, "X-Request-Id: req-1", *headers, **named)


@pytest.mark.parametrize(
    "answer",
    [
        legal(),
        legal("X-Should-Retry: false"),
        legal(param=None),
        legal(param="messages[0].role"),
        legal(code="empty_array"),
        legal(type="BadRequestError"),
        legal(details={"line": 3}),
        legal(message="messages: 没有内容 🙂"),
    ],
)
def test_a_legal_refusal_passes(lies: Lies, answer: bytes) -> None:
    assert not lies.told(says(answer), "no-messages", Mode.PLAIN)


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (legal(status="422 No"), {"errors.same-status-as-openai", "errors.same-in-both-modes"}),
        (
            sized(
                orjson.dumps(
                    {"request_id": "1", "id": "chatcmpl-1", "error": {**_ERROR, "param": "messages"}}
                ),
                "400 No",
            ),
            {"http.request-id"},
        ),
    ],
)
def test_a_tolerated_refusal_fails_nothing_more(lies: Lies, answer: bytes, wanted: set[str]) -> None:
    assert lies.told(says(answer), "no-messages", Mode.PLAIN).keys() == wanted


@pytest.mark.parametrize(
    "answer",
    [
        refused("429 No", "Retry-After: 0", code="insufficient_quota"),
        refused("429 No", "Retry-After: 0", "Retry-After-Ms: 10"),
    ],
)
def test_a_rate_limit_that_says_when_is_not_said_to_keep_it(lies: Lies, answer: bytes) -> None:
    assert "errors.retry-after-given" not in lies.told(says(answer), "broken-json", Mode.PLAIN)


def test_a_date_is_a_legal_time_to_come_back(lies: Lies) -> None:
    answer = refused("429 No", "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT")
    caught = lies.told(says(answer), "broken-json", Mode.PLAIN)
    assert not {"errors.retry-after", "errors.retry-after-given"} & caught.keys()
