import json
import socket
import time

import httpx
import orjson
import pytest

from harness.endpoint.server import running
from harness.endpoint.settings import Latency, Settings
from harness.errors import UsageError

PROMPT = {"messages": [{"role": "user", "content": "Count from 1 to 20"}], "model": "standin-1"}


def post(address, **params):
    headers = {"authorization": f"Bearer {address.key}"}
    return httpx.post(f"{address.base_url}/chat/completions", json={**PROMPT, **params}, headers=headers)


def logged(path):
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_it_is_ready_inside_the_context_and_its_port_is_free_after_it():
    with running() as address:
        port = httpx.URL(address.base_url).port
        assert post(address).status_code == 200
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    with running(port=port) as address:
        assert post(address).status_code == 200


def test_two_can_run_at_once_with_keys_of_their_own():
    with running(Settings(key="one")) as first, running(Settings(key="two")) as second:
        assert post(first).status_code == post(second).status_code == 200
        crossed = {"authorization": "Bearer one"}
        assert httpx.get(f"{second.base_url}/models", headers=crossed).status_code == 401


def test_a_port_in_use_is_a_usage_error():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=str(port)), running(port=port):
            pass


def test_a_log_that_cannot_be_written_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="log"), running(Settings(log=tmp_path / "no" / "log.jsonl")):
        pass


def test_the_log_tells_of_every_write_in_its_order(tmp_path):
    log = tmp_path / "log.jsonl"
    with running(Settings(log=log)) as address:
        before_ns = time.monotonic_ns()
        stream = post(address, stream=True, stream_options={"include_usage": True})
        after_ns = time.monotonic_ns()
        plain = post(address)
    streamed, whole = logged(log)
    assert streamed["request_id"] == stream.headers["x-request-id"]
    assert whole["request_id"] == plain.headers["x-request-id"]
    assert streamed["path"] == "/v1/chat/completions"
    kinds = [kind for kind, _, _ in streamed["writes"]]
    assert kinds == ["head", "role", *["content"] * 20, "finish", "usage", "done"]
    assert [kind for kind, _, _ in whole["writes"]] == ["head", "json"]
    assert sum(size for _, _, size in streamed["writes"]) == len(stream.content)
    assert sum(size for _, _, size in whole["writes"]) == len(plain.content)
    times = [streamed["received_ns"], *(sent for _, sent, _ in streamed["writes"]), streamed["ended_ns"]]
    assert [before_ns, *times, after_ns] == sorted([before_ns, *times, after_ns])


@pytest.mark.parametrize("stream", [False, True])
def test_no_answer_ends_before_the_log_says_so(tmp_path, stream):
    log = tmp_path / "log.jsonl"
    received_ns = []
    with running(Settings(log=log)) as address:
        for _ in range(50):
            post(address, stream=stream)
            received_ns.append(time.monotonic_ns())
    requests = logged(log)
    assert all(one["ended_ns"] == one["writes"][-1][1] for one in requests)
    assert all(one["ended_ns"] <= at_ns for one, at_ns in zip(requests, received_ns, strict=True))


def test_the_log_is_whole_when_the_server_has_stopped(tmp_path):
    log = tmp_path / "log.jsonl"
    with running(Settings(log=log)) as address:
        ids = [post(address, stream=True).headers["x-request-id"] for _ in range(40)]
    assert [request["request_id"] for request in logged(log)] == ids


def test_latency_delays_the_first_token_and_the_ones_after_it(tmp_path):
    log = tmp_path / "log.jsonl"
    # so long that a busy machine sends the role well before
    settings = Settings(latency=Latency(first_token_ms=600, inter_token_ms=5), log=log)
    with running(settings) as address:
        post(address, stream=True)
        post(address)
    streamed, whole = logged(log)
    sent = [(kind, sent_ns - streamed["received_ns"]) for kind, sent_ns, _ in streamed["writes"]]
    first_ns, *_, last_ns = [sent_ns for kind, sent_ns in sent if kind == "content"]
    assert dict(sent)["role"] < 600e6 <= first_ns
    assert last_ns >= 600e6 + 19 * 5e6
    assert whole["writes"][0][1] - whole["received_ns"] >= 600e6 + 19 * 5e6


def test_a_client_that_leaves_does_no_harm(tmp_path):
    log = tmp_path / "log.jsonl"
    with running(Settings(latency=Latency(inter_token_ms=200), log=log)) as address:
        headers = {"authorization": f"Bearer {address.key}"}
        url = f"{address.base_url}/chat/completions"
        with (
            httpx.Client() as client,
            client.stream("POST", url, json={**PROMPT, "stream": True}, headers=headers) as left,
        ):
            next(left.iter_raw())
        assert post(address, max_tokens=2).status_code == 200
    first, second = sorted(logged(log), key=lambda request: request["received_ns"])
    assert "done" not in [kind for kind, _, _ in first["writes"]]
    assert [kind for kind, _, _ in second["writes"]] == ["head", "json"]


def test_streams_at_the_same_time_do_not_wait_for_each_other():
    with running(Settings(latency=Latency(inter_token_ms=60_000))) as address:
        headers = {"authorization": f"Bearer {address.key}"}
        url = f"{address.base_url}/chat/completions"
        with (
            httpx.Client() as client,
            client.stream("POST", url, json={**PROMPT, "stream": True}, headers=headers) as slow,
        ):
            next(slow.iter_raw())
            # one token, after which nothing is waited for
            quick = post(address, stream=True, max_tokens=1)
            assert quick.text.endswith("data: [DONE]\n\n")


def test_a_stream_reaches_the_client_event_by_event():
    with running(Settings(latency=Latency(inter_token_ms=20))) as address:
        headers = {"authorization": f"Bearer {address.key}"}
        url = f"{address.base_url}/chat/completions"
        with (
            httpx.Client() as client,
            client.stream("POST", url, json={**PROMPT, "stream": True}, headers=headers) as answer,
        ):
            parts = list(answer.iter_raw())
    events = [part for part in parts if part.startswith(b"data: {") and part.endswith(b"\n\n")]
    assert sum(b'"content":' in event and event.count(b"data: ") == 1 for event in events) > 10
    assert json.loads(events[0].removeprefix(b"data: "))["object"] == "chat.completion.chunk"
