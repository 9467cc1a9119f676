"""Every rule on a chat stream fails on the lie that it is there for, and legal streams pass."""

import dataclasses
import json
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import content
from harness.evidence import Observation
from harness.judge import judge
from harness.scenario import Mode
from harness.verdict import Outcome
from harness.wire.exchange import Read
from tests.servers import Answer, head
from tests.suites.conftest import Change, Lies

_STREAM_HEAD = head(media_type="text/event-stream; charset=utf-8")
_CUMULATIVE = ["1", "1 2", "1 2 3", "1 2 3 4"]


def retold(seen: Observation, body: bytes) -> Observation:
    """An observation with another body, all else as it was."""
    response = seen.response
    headers = tuple((name, value) for name, value in response.headers if name != "content-encoding")
    read = Read(response.reads[-1].arrived_ns, body)
    changed = dataclasses.replace(response, headers=headers, reads=(read,))
    return dataclasses.replace(seen, exchange=dataclasses.replace(seen.exchange, response=changed))


def outcomes(surface: str, *seen: Observation) -> dict[str, Outcome]:
    """What the rules of a surface say of observations; the worst of a rule's verdicts counts."""
    rules = [rule for rule in content.rules().values() if rule.surface == surface]
    found: dict[str, Outcome] = {}
    for verdict in judge(rules, seen):
        if found.get(verdict.rule) not in (Outcome.ERROR, Outcome.FAIL):
            found[verdict.rule] = verdict.outcome
    return found


def choice(event: Any) -> Any:
    return event["choices"][0]


def set_delta(event: Any, **values: object) -> None:
    choice(event)["delta"].update(values)


def set_choice(event: Any, **values: object) -> None:
    choice(event).update(values)


def chunk(event: Any, *, finish_reason: str | None = None, **delta: object) -> Any:
    """A chunk like another one with another delta."""
    return {
        **event,
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}],
    }


def set_texts(events: Any, texts: list[str]) -> None:
    """Put other texts between the role and the finish."""
    events[1:-2] = [chunk(events[1], content=text) for text in texts]


def set_usage(events: Any, **values: object) -> None:
    events[-1]["usage"].update(values)


def insert_reasoning(events: Any) -> None:
    events.insert(1, chunk(events[1], reasoning_content="hm"))
    set_usage(events, completion_tokens_details={"reasoning_tokens": 1})


FRAGMENT = {"index": 0, "function": {"arguments": "{}"}}
CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}


@pytest.mark.parametrize(
    ("rule", "scenario", "lie"),
    [
        ("stream.schema-must", "founding", lambda events: choice(events[1]).pop("delta")),
        ("stream.schema-must", "founding", lambda events: events[1].update(object="")),
        ("stream.schema-must", "founding", lambda events: set_delta(events[1], content=["a"])),
        ("stream.schema-must", "founding", lambda events: set_choice(events[-1], finish_reason="eos")),
        ("stream.schema-must", "with-usage", lambda events: events[-1].update(usage={})),
        ("stream.schema-spec", "founding", lambda events: set_delta(events[1], role=None)),
        ("stream.schema-spec", "founding", lambda events: choice(events[1]).pop("finish_reason")),
        ("stream.schema-spec", "founding", lambda events: events[1].update(id="")),
        ("stream.schema-recommended", "founding", lambda events: events[1].pop("service_tier")),
        ("stream.same-id", "founding", lambda events: events[1].update(id="chatcmpl-other")),
        ("stream.same-created", "founding", lambda events: events[1].update(created=1)),
        ("stream.same-model", "founding", lambda events: events[1].update(model="another")),
        ("stream.choice-indexes", "founding", lambda events: set_choice(events[0], index=1)),
        ("stream.no-message", "founding", lambda events: set_choice(events[1], message={"content": "我"})),
        ("stream.no-empty-tool-calls", "founding", lambda events: set_delta(events[1], tool_calls=[])),
        ("stream.no-error-in-choice", "founding", lambda events: set_choice(events[1], error={"code": 502})),
        ("stream.key-case", "founding", lambda events: set_choice(events[-1], finishReason="STOP")),
        ("stream.finish-alone", "founding", lambda events: set_delta(events[-1], content="。")),
        ("stream.no-replaced-text", "founding", lambda events: set_delta(events[1], content="\ufffd")),
        ("stream.has-chunks", "founding", lambda events: events.clear()),
        ("stream.no-error", "founding", lambda events: events.insert(3, {"error": {"message": "x"}})),
        ("stream.no-flat-error", "founding", lambda events: events.insert(3, {"code": 1, "message": "x"})),
        (
            "stream.nothing-after-error",
            "founding",
            lambda events: events.insert(3, {"error": {"message": "x"}}),
        ),
        ("stream.empty-choices", "founding", lambda events: events.insert(0, {**events[0], "choices": []})),
        ("stream.usage-once", "with-usage", lambda events: events.append(events[-1])),
        ("stream.usage-chunk", "with-usage", lambda events: events[-2].update(usage=events.pop()["usage"])),
        ("stream.usage-last", "with-usage", lambda events: events.insert(0, events.pop())),
        ("stream.usage-given", "with-usage", lambda events: events.pop()),
        ("stream.usage-null-elsewhere", "with-usage", lambda events: events[0].pop("usage")),
        ("stream.usage-unasked", "founding", lambda events: events[-1].update(usage={"total_tokens": 1})),
        ("stream.usage-key-unasked", "founding", lambda events: events[0].update(usage=None)),
        ("stream.usage-sum", "with-usage", lambda events: set_usage(events, total_tokens=1)),
        (
            "stream.usage-parts",
            "with-usage",
            lambda events: set_usage(events, completion_tokens_details={"reasoning_tokens": 99}),
        ),
        ("stream.usage-on-top", "founding", lambda events: set_choice(events[-1], usage={"total_tokens": 1})),
        ("stream.role-first", "founding", lambda events: events.pop(0)),
        ("stream.role-once", "founding", lambda events: set_delta(events[1], role="assistant")),
        ("stream.role-assistant", "founding", lambda events: set_delta(events[0], role="user")),
        ("stream.says-something", "founding", lambda events: events.__delitem__(slice(1, -1))),
        ("stream.call-started", "founding", lambda events: set_delta(events[1], tool_calls=[FRAGMENT])),
        ("stream.calls-made", "founding", lambda events: set_choice(events[-1], finish_reason="tool_calls")),
        (
            "stream.no-empty-before-call",
            "founding",
            lambda events: events.__setitem__(
                slice(1, -1), [chunk(events[0], content=""), chunk(events[0], tool_calls=[CALL])]
            ),
        ),
        ("stream.finish-once", "founding", lambda events: set_choice(events[1], finish_reason="")),
        ("stream.finish-given", "founding", lambda events: events.pop()),
        ("stream.finish-last", "founding", lambda events: events.append(events[1])),
        ("stream.several-chunks", "capped", lambda events: set_texts(events, ["1 2 3 4 5 6 7 8 9 " * 8])),
        ("stream.fine-chunks", "with-usage", lambda events: set_usage(events, completion_tokens=99)),
        ("stream.is-incremental", "capped", lambda events: set_texts(events, _CUMULATIVE)),
        ("stream.count-unbroken", "capped", lambda events: set_texts(events, _CUMULATIVE)),
        ("stream.count-unbroken", "capped", lambda events: events.pop(3)),
        ("stream.count-unbroken", "capped", lambda events: events.insert(3, events[2])),
        ("stream.no-lost-text", "capped", lambda events: set_usage(events, completion_tokens=400)),
        ("stream.no-uncounted-text", "capped", lambda events: set_usage(events, completion_tokens=0)),
    ],
)
def test_a_lie_in_a_chunk_is_caught(lies: Lies, rule: str, scenario: str, lie: Change) -> None:
    assert rule in lies.streamed(scenario, lie)


@pytest.mark.parametrize("said", [["100, ", "100, ", "100"], ["7 ", "7 ", "7 ", "7"], ["1"]])
def test_a_small_model_need_not_count_at_all(lies: Lies, said: list[str]) -> None:
    assert "stream.count-unbroken" not in lies.streamed("capped", lambda events: set_texts(events, said))


@pytest.mark.parametrize("first", [1, 2])
def test_a_small_model_may_begin_to_count_where_it_likes(lies: Lies, first: int) -> None:
    count = [f"{number} " for number in range(first, first + 9)]
    assert "stream.count-unbroken" not in lies.streamed("capped", lambda events: set_texts(events, count))
    del count[4]
    assert "stream.count-unbroken" in lies.streamed("capped", lambda events: set_texts(events, count))


@pytest.mark.parametrize(
    ("rule", "lie"),
    [
        ("stream.json-payloads", lambda body: body.replace(b"data: {", b"data: data: {", 1)),
        ("stream.json-payloads", lambda body: b"data: : PROCESSING\n\n" + body),
        ("stream.json-payloads", lambda body: body.replace(b"}\n\ndata: {", b"}\ndata: {", 1)),
        ("stream.json-payloads", lambda body: body.replace(b"[DONE]", b"[done]")),
        ("stream.known-fields", lambda body: body + b"Stream ended with error.\n\n"),
        ("stream.data-only", lambda body: b"event: chunk\n" + body),
        ("stream.no-empty-event", lambda body: b"data:\n\n" + body),
        ("stream.no-empty-event", lambda body: (b"id: 1\n" + body).replace(b"\n\n", b"\n\n\n", 1)),
        ("stream.last-event-ended", lambda body: body.removesuffix(b"\n")),
        ("stream.no-bom", lambda body: b"\xef\xbb\xbf" + body),
        ("stream.one-line-end", lambda body: body.replace(b"\n\n", b"\r\n\r\n", 2)),
        ("stream.ends-with-done", lambda body: body.replace(b"data: [DONE]\n\n", b"")),
        ("stream.done-once", lambda body: body + b"data: [DONE]\n\n"),
        ("stream.nothing-after-done", lambda body: body + body),
        ("stream.ends-at-done", lambda body: body + b": bye\n\n"),
    ],
)
def test_a_lie_in_the_framing_is_caught(lies: Lies, rule: str, lie: Callable[[bytes], bytes]) -> None:
    assert rule in lies.framed("founding", lie)


@pytest.mark.parametrize(
    ("rule", "media_type"),
    [
        ("stream.charset", "text/event-stream; charset=iso-8859-1"),
        ("stream.charset-named", "text/event-stream"),
    ],
)
def test_a_lie_about_the_charset_is_caught(lies: Lies, rule: str, media_type: str) -> None:
    body = lies.truth("founding", "raw", Mode.STREAM).response.body
    assert rule in lies.told(_in_pieces(head(media_type=media_type) + body), "founding", Mode.STREAM)


def test_a_stream_that_was_held_back_is_caught(lies: Lies) -> None:
    answer = _in_pieces(_STREAM_HEAD, _counted(range(1, 40)))
    assert "stream.spread-over-time" in lies.told(answer, "founding", Mode.STREAM)


def test_a_stream_that_comes_in_bursts_is_caught(lies: Lies) -> None:
    bursts = [_counted(range(first, first + 30)) for first in (1, 31, 61)]
    assert "stream.no-bursts" in lies.told(_in_pieces(_STREAM_HEAD, *bursts), "founding", Mode.STREAM)


def _counted(numbers: range) -> bytes:
    return b"".join(
        b'data: {"choices":[{"index":0,"delta":{"content":"%d "}}]}\n\n' % number for number in numbers
    )


def _in_pieces(*pieces: bytes) -> Answer:
    """Writes the pieces with a pause of 600 ms before each but the first."""

    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(pieces[0])
        for piece in pieces[1:]:
            time.sleep(0.6)
            connection.sendall(piece)

    return answer


def test_a_client_that_left_at_done_is_not_blamed_on_the_stream(lies: Lies) -> None:
    seen = lies.truth("founding", "openai", Mode.STREAM)
    assert set(outcomes("stream", seen).values()) == {Outcome.PASS}


@pytest.mark.parametrize(
    "variation",
    [
        lambda body: b": keep-alive\n\n" + body.replace(b"data: ", b": queueing\n\ndata: "),
        lambda body: body.replace(b"\n", b"\r\n"),
        lambda body: body.replace(b"\n", b"\r"),
        lambda body: body.replace(b"data: ", b"data:"),
        lambda body: body.replace(b"data: ", b"retry: 3000\ndata: ", 1),
        lambda body: body.replace(b',"refusal":null', b""),
        lambda body: body.replace(b'"logprobs":null,', b""),
        lambda body: body.replace(b'"delta":{}', b'"delta":{"content":""}'),
        lambda body: body.replace(b'"model":', b'"provider":"x","model":'),
        lambda body: body.replace(b'"finish_reason":"stop"', b'"finish_reason":"content_filter"'),
        lambda body: body.replace(b'"finish_reason":null}', b'"finish_reason":null,"token_ids":[1]}'),
        lambda body: body.replace(b'"model":"standin-1"', b'"model":"standin-1-2026-01-01"'),
        lambda body: body.replace(b"data: {", b"data:\ndata: {"),
    ],
)
@pytest.mark.parametrize("scenario", ["founding", "with-usage", "unicode-echo"])
def test_legal_variations_pass(lies: Lies, scenario: str, variation: Callable[[bytes], bytes]) -> None:
    seen = lies.truth(scenario, "raw", Mode.STREAM)
    found = outcomes("stream", retold(seen, variation(seen.response.body)))
    assert not [rule for rule, outcome in found.items() if outcome is not Outcome.PASS]


@pytest.mark.parametrize(
    "variation",
    [
        insert_reasoning,
        lambda events: events.insert(1, chunk(events[1])),
        lambda events: events.insert(0, chunk(events[0])),
        lambda events: set_texts(events, ["ha", "ha", "ha"]),
        lambda events: set_texts(events, ["pong, and a few words more in this one chunk"]),
        lambda events: set_texts(events, ["a", "ab", "ba"]),
        lambda events: [event.pop("obfuscation") for event in events],
    ],
)
def test_legal_chunks_pass(lies: Lies, variation: Change) -> None:
    failures = lies.streamed("with-usage", variation)
    assert not [rule for rule, verdict in failures.items() if verdict.level != "recommended"]


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_no_rule_breaks_on_garbage(lies: Lies, data: st.DataObject) -> None:
    seen = lies.truth("with-usage", "raw", Mode.STREAM)
    lines = [line for line in seen.response.body.split(b"\n") if line.startswith(b"data: {")]
    events = [json.loads(line.removeprefix(b"data: ")) for line in lines]
    for _ in range(data.draw(st.integers(1, 3))):
        put_garbage(events, data)
    body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    assert Outcome.ERROR not in outcomes("stream", retold(seen, body)).values()


GARBAGE = st.sampled_from(
    ["null", "0", "-1", "1.5", "true", '""', '"x"', "[]", "[[]]", "[null]", '["x"]', "{}", '{"x":{}}', "[{}]"]
)


def put_garbage(node: Any, data: st.DataObject) -> None:
    """Put garbage somewhere into JSON, in place."""
    while True:
        keys = list(node) if isinstance(node, dict) else range(len(node))
        key = data.draw(st.sampled_from(list(keys)))
        if isinstance(node[key], dict | list) and node[key] and data.draw(st.booleans()):
            node = node[key]
            continue
        node[key] = json.loads(data.draw(GARBAGE))
        return
