"""The fast lane answers as OpenAI does, at the times that it says, and goes wrong on demand."""

import http.client
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest

from harness.endpoint.fast import FastSettings, parsed, running
from harness.endpoint.fast_answers import MODEL, Failure
from harness.errors import UsageError
from harness.schemas import conforms
from harness.wire.sse import read_events

_BODY = {"model": MODEL, "messages": [{"role": "user", "content": "Who are you?"}]}
_STREAM = {**_BODY, "stream": True, "stream_options": {"include_usage": True}}


def _post(
    base_url: str, body: dict[str, Any], number: int = 0, header: str = "X-Client-Request-Id"
) -> tuple[int, bytes]:
    host = base_url.split("/")[2]
    connection = http.client.HTTPConnection(host, timeout=10)
    headers = {header: str(number)}
    connection.request("POST", "/v1/chat/completions", orjson.dumps(body), headers)
    response = connection.getresponse()
    return response.status, response.read()


@pytest.mark.parametrize("is_one_write", [False, True])
def test_a_stream_is_one_that_openai_could_have_sent(*, is_one_write: bool) -> None:
    with running(FastSettings(tokens=3, is_one_write=is_one_write)) as base_url:
        status, body = _post(base_url, _STREAM)
    *chunks, done = [event.data for event in read_events([(0, body)])]
    assert (status, done) == (200, "[DONE]")
    values = [orjson.loads(chunk or "") for chunk in chunks]
    assert all(conforms("chat_completion_chunk", value, "must") for value in values)
    assert [len(value["choices"]) for value in values] == [1, 1, 1, 1, 1, 0]
    assert values[-1]["usage"]["completion_tokens"] == 3


def test_a_plain_answer_is_one_that_openai_could_have_sent() -> None:
    with running(FastSettings(tokens=3)) as base_url:
        status, body = _post(base_url, _BODY)
    assert status == 200
    assert conforms("chat_completion", orjson.loads(body), "must")


@pytest.mark.parametrize("header", ["X-Client-Request-Id", "x-request-id"])
def test_the_log_has_the_identifier_that_the_client_sent(tmp_path: Path, header: str) -> None:
    log = tmp_path / "sent.jsonl"
    with running(FastSettings(tokens=3, log=log)) as base_url:
        _post(base_url, _STREAM, 7, header)
    (line,) = map(orjson.loads, log.read_bytes().splitlines())
    assert line["client_request_id"] == "7"


def test_the_log_says_when_each_token_went(tmp_path: Path) -> None:
    log = tmp_path / "sent.jsonl"
    with running(FastSettings(tokens=3, first_token_ms=30, inter_token_ms=10, log=log)) as base_url:
        began_ns = time.monotonic_ns()
        _post(base_url, _STREAM, 7)
        ended_ns = time.monotonic_ns()
    (line,) = map(orjson.loads, log.read_bytes().splitlines())
    assert line["client_request_id"] == "7"
    times = [began_ns, line["received_ns"], *line["sent_ns"], line["ended_ns"], ended_ns]
    assert times == sorted(times)
    assert len(line["sent_ns"]) == 4
    # the loop's timers go in whole milliseconds, so that a token may be early by half of one
    assert line["sent_ns"][1] - line["received_ns"] >= 29_500_000
    assert line["sent_ns"][3] - line["received_ns"] >= 49_500_000


@pytest.mark.parametrize("body", [_BODY, _STREAM], ids=["plain", "stream"])
@pytest.mark.parametrize("is_one_write", [False, True])
def test_no_answer_ends_before_the_log_says_so(
    tmp_path: Path, body: dict[str, Any], *, is_one_write: bool
) -> None:
    log = tmp_path / "sent.jsonl"
    received_ns = []
    with running(FastSettings(tokens=3, is_one_write=is_one_write, log=log)) as base_url:
        for _ in range(200):
            _post(base_url, body)
            received_ns.append(time.monotonic_ns())
    lines = [orjson.loads(line) for line in log.read_bytes().splitlines()]
    assert all(line["ended_ns"] <= at_ns for line, at_ns in zip(lines, received_ns, strict=True))


def test_the_log_says_nothing_of_tokens_that_nobody_was_there_for(tmp_path: Path) -> None:
    log = tmp_path / "sent.jsonl"
    with running(FastSettings(tokens=20, first_token_ms=5, inter_token_ms=50, log=log)) as base_url:
        connection = http.client.HTTPConnection(base_url.split("/")[2], timeout=10)
        connection.request("POST", "/v1/chat/completions", orjson.dumps(_STREAM))
        response = connection.getresponse()
        response.read1(1)
        response.close()
        connection.close()
        # when a whole answer to somebody else has ended, what was due before it has been dealt with
        _post(base_url, _STREAM)
    left, whole = map(orjson.loads, log.read_bytes().splitlines())
    assert len(left["sent_ns"]) < len(whole["sent_ns"]) == 21


def test_a_freeze_holds_everything(tmp_path: Path) -> None:
    log = tmp_path / "sent.jsonl"
    with running(FastSettings(tokens=1, freeze_at_s=0.1, freeze_s=0.5, log=log)) as base_url:
        until = time.monotonic() + 1
        while time.monotonic() < until:
            _post(base_url, _STREAM)
    lines = [orjson.loads(line) for line in log.read_bytes().splitlines()]
    times = [at_ns for line in lines for at_ns in (line["received_ns"], *line["sent_ns"])]
    assert max(later - earlier for earlier, later in pairwise(times)) >= 500_000_000


def test_only_each_nth_request_fails() -> None:
    with running(FastSettings(tokens=1, failure=Failure.HTTP_500, failure_every=3)) as base_url:
        assert [_post(base_url, _STREAM)[0] for _ in range(6)] == [200, 200, 500, 200, 200, 500]


def test_settings_are_read_from_a_text() -> None:
    wanted = FastSettings(
        tokens=500,
        first_token_ms=200,
        inter_token_ms=20,
        is_one_write=True,
        freeze_at_s=10,
        freeze_s=2,
        failure=Failure.CUT,
        failure_every=100,
    )
    assert parsed("tokens=500,one-write,freeze=10s+2s,failure=cut/100", "ttft=200ms,itl=20ms") == wanted
    assert parsed("") == FastSettings()


@pytest.mark.parametrize(
    "text", ["tokens", "tokens=many", "tokens=0", "freeze=10s", "failure=sometimes", "fast", "one-write=yes"]
)
def test_what_settings_can_not_mean_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parsed(text)


def test_jitter_is_refused() -> None:
    with pytest.raises(UsageError):
        parsed("", "ttft=1ms,jitter=uniform:0.5")
