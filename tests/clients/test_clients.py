"""Every client in both modes: what it sends, and what its user gets, on answers of known bytes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import pytest

from harness.clients import Connection, clients
from harness.clients.reply import Reply, ToolCall, Usage, from_json
from harness.observe import Call, observer
from harness.scenario import Mode, Scenario, chat
from harness.wire.exchange import Ending, Exchange
from tests.servers import Answer, by_mode, head, says, server, sized

KEY = "sk-canary-0123456789"
TEXT = "我是替身。"
ASK = Scenario("ask", "A question.", chat({"messages": [{"role": "user", "content": "你是谁？"}]}))

COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_790_000_000,
    "model": "standin",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": TEXT, "refusal": None},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
}


def chunk(delta: object, finish_reason: str | None = None, **more: object) -> dict[str, object]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_790_000_000,
        "model": "standin",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
        **more,
    }


def events(*chunks: object, done: bool = True) -> bytes:
    data = b"".join(b"data: " + orjson.dumps(chunk) + b"\n\n" for chunk in chunks)
    return data + (b"data: [DONE]\n\n" if done else b"")


CHUNKS = [
    chunk({"role": "assistant", "content": ""}),
    *(chunk({"content": character}) for character in TEXT),
    chunk({}, "stop"),
    {**chunk({}), "choices": [], "usage": COMPLETION["usage"]},
]


def stream(body: bytes) -> bytes:
    return head(media_type="text/event-stream") + body


WELL_BEHAVED = by_mode(says(sized(orjson.dumps(COMPLETION))), says(stream(events(*CHUNKS))))

CALLS = [
    {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "北京"}'}},
    {"id": "call_2", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}},
]
TOOL_COMPLETION = {
    **COMPLETION,
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": None, "tool_calls": CALLS},
            "finish_reason": "tool_calls",
        }
    ],
}
TOOL_CHUNKS = [
    chunk({"role": "assistant", "content": None}),
    *(
        chunk({"tool_calls": [{"index": index, **call, "function": {**call["function"], "arguments": ""}}]})
        for index, call in enumerate(CALLS)
    ),
    *(
        chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
        for index, call in enumerate(CALLS)
        for piece in (call["function"]["arguments"][:6], call["function"]["arguments"][6:])
    ),
    chunk({}, "tool_calls"),
]

ALL_CLIENTS = list(clients())
each_client = pytest.mark.parametrize("client", ALL_CLIENTS)
each_mode = pytest.mark.parametrize("mode", list(Mode))


@contextmanager
def asked(
    answer: Answer, client: str, mode: Mode, scenario: Scenario = ASK
) -> Iterator[tuple[Exchange, Reply]]:
    with (
        server(answer) as base_url,
        observer(Connection(base_url, "standin", KEY), [client], [KEY]) as opened,
    ):
        seen = opened.observe(Call(scenario, client, mode))
        yield seen.exchange, seen.reply


def test_there_are_three_clients_sync_and_async() -> None:
    kinds = ("raw", "openai", "langchain")
    assert set(ALL_CLIENTS) == {*kinds, *(f"{kind}-async" for kind in kinds)}


@each_client
@each_mode
def test_the_user_gets_what_was_on_the_wire(client: str, mode: Mode) -> None:
    with asked(WELL_BEHAVED, client, mode) as (exchange, reply):
        assert reply.raised is None
        assert (reply.text, reply.finish_reason) == (TEXT, "stop")
        assert reply.usage == Usage(3, 4, 7)
        assert exchange.ended in {Ending.COMPLETE, Ending.LEFT}
        assert any(TEXT in json.dumps(json.loads(line), ensure_ascii=False) for line in reply.printed) or (
            mode is Mode.STREAM and len(reply.printed) >= len(TEXT)
        )


@each_client
@each_mode
def test_tool_calls_reach_the_user_whole(client: str, mode: Mode) -> None:
    answer = by_mode(says(sized(orjson.dumps(TOOL_COMPLETION))), says(stream(events(*TOOL_CHUNKS))))
    with asked(answer, client, mode) as (_, reply):
        assert reply.finish_reason == "tool_calls"
        calls = [ToolCall(call.id, call.name, json.loads(call.arguments or "")) for call in reply.tool_calls]
        assert calls == [ToolCall(c["id"], "weather", json.loads(c["function"]["arguments"])) for c in CALLS]


@each_client
@each_mode
def test_the_request_is_the_clients_own(client: str, mode: Mode) -> None:
    with asked(WELL_BEHAVED, client, mode) as (exchange, _):
        body = orjson.loads(exchange.request.body)
        headers = {name.lower(): value for name, value in exchange.request.headers}
        assert (exchange.request.method, exchange.request.url.endswith("/v1/chat/completions")) == (
            "POST",
            True,
        )
        assert body["model"] == "standin"
        assert body["messages"][0]["content"] == "你是谁？"
        assert body.get("stream", False) is (mode is Mode.STREAM)
        agent = headers["user-agent"]
        assert agent.startswith("python-httpx/" if client.startswith("raw") else ("OpenAI/", "AsyncOpenAI/"))
        assert agent.startswith("Async") is (client in {"openai-async", "langchain-async"})


@each_client
@each_mode
def test_variables_of_the_user_go_nowhere(client: str, mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "LANGSMITH_API_KEY"):
        monkeypatch.setenv(name, f"canary-of-{name}")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    with asked(WELL_BEHAVED, client, mode) as (exchange, reply):
        assert reply.raised is None
        sent = repr(exchange.request.headers) + exchange.request.body.decode()
        assert "canary-of" not in sent


@each_client
@each_mode
def test_a_refusal_reaches_the_user_as_an_exception_with_its_status(client: str, mode: Mode) -> None:
    refusal = {"error": {"message": "no", "type": "invalid_request_error", "param": None, "code": "bad"}}
    with asked(says(sized(orjson.dumps(refusal), "400 Bad Request")), client, mode) as (exchange, reply):
        assert exchange.response is not None
        assert exchange.response.status == 400
        assert reply.raised is not None
        assert (reply.raised.status, reply.raised.code) == (400, "bad")


@each_client
def test_what_came_before_a_cut_is_kept(client: str) -> None:
    cut = head(media_type="text/event-stream", headers=["Content-Length: 9999"]) + events(
        *CHUNKS[:3], done=False
    )
    with asked(says(cut), client, Mode.STREAM) as (exchange, reply):
        assert exchange.ended is Ending.CUT
        assert reply.raised is not None
        assert reply.text == TEXT[:2]


@each_client
@each_mode
def test_an_unreachable_endpoint_is_an_exception_and_an_exchange_without_answer(
    client: str, mode: Mode
) -> None:
    with server(says(b"")) as base_url:
        pass
    with observer(Connection(base_url, "standin", KEY), [client], [KEY]) as opened:
        seen = opened.observe(Call(ASK, client, mode))
    assert (seen.exchange.ended, seen.exchange.response) == (Ending.UNREACHABLE, None)
    assert seen.reply.raised is not None


@each_client
@each_mode
def test_a_reply_survives_its_serialisation(client: str, mode: Mode) -> None:
    with asked(WELL_BEHAVED, client, mode) as (_, reply):
        assert from_json(orjson.loads(orjson.dumps(reply))) == reply


def test_the_founding_pages_print_line_is_tried_and_its_refusal_told() -> None:
    with asked(WELL_BEHAVED, "langchain", Mode.PLAIN) as (_, reply):
        assert "ensure_ascii" in reply.notes[0]
        assert json.loads(reply.printed[0])["content"] == TEXT


@pytest.mark.parametrize(
    ("client", "choices", "exception"),
    [
        ("openai", None, "TypeError"),
        ("langchain", None, "TypeError"),
        ("langchain", [], "IndexError"),
        ("raw", None, "TypeError"),
    ],
)
def test_no_client_repairs_missing_choices(client: str, choices: object, exception: str) -> None:
    body = orjson.dumps({**COMPLETION, "choices": choices})
    with asked(says(sized(body)), client, Mode.PLAIN) as (_, reply):
        assert reply.raised is not None
        assert reply.raised.type == exception


def test_a_rate_limit_is_waited_for_and_every_try_is_kept() -> None:
    limited = head("429 Too Many Requests", headers=["Retry-After: 0", "Content-Length: 2"]) + b"{}"
    with (
        server(says(limited)) as base_url,
        observer(Connection(base_url, "standin", KEY), ["raw"], [KEY]) as opened,
    ):
        assert len(opened.observe(Call(ASK, "raw", Mode.PLAIN)).tries) == 3
