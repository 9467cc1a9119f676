"""Every rule on the Responses API fails on the lie that it is there for, and legal answers pass."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import content
from harness.evidence import Observation
from harness.observe import Call
from harness.scenario import Mode
from harness.verdict import Outcome
from tests.servers import says, sized
from tests.suites.conftest import Change, Lies
from tests.suites.test_stream_rules import outcomes, put_garbage, retold


def read(body: bytes) -> list[Any]:
    """The events of a stream by their data."""
    return [json.loads(line.removeprefix(b"data: ")) for line in body.split(b"\n") if line[:5] == b"data:"]


def written(events: list[Any]) -> bytes:
    """A stream of events, each named after its type."""
    names = (event.get("type") if isinstance(event, dict) else "" for event in events)
    return b"".join(
        f"event: {name}\ndata: {json.dumps(event)}\n\n".encode()
        for name, event in zip(names, events, strict=True)
    )


def changed(change: Change) -> Callable[[bytes], bytes]:
    """A change of the bytes of a stream, from one of its events."""

    def rewrite(body: bytes) -> bytes:
        events = read(body)
        change(events)
        return written(events)

    return rewrite


def find(events: Any, name: str) -> Any:
    return next(event for event in events if event["type"] == f"response.{name}")


def drop(events: Any, name: str) -> None:
    events[:] = [event for event in events if event["type"] != f"response.{name}"]


def again(events: Any, name: str) -> None:
    """An event twice in a row."""
    event = find(events, name)
    events.insert(events.index(event), event)


def item(body: Any) -> Any:
    return body["output"][0]


def follow_up(lies: Lies, scenario: str) -> Observation:
    """A follow-up's observation, after that of the scenario that it follows."""
    known = content.scenarios()[scenario]
    before = lies.truth(known.ask.after, "raw", Mode.PLAIN)
    return lies.reference.observe(Call(known, "raw", Mode.PLAIN), before)


@pytest.mark.parametrize(
    ("rule", "scenario", "lie"),
    [
        ("responses.schema-must", "response", lambda body: body.pop("tools")),
        ("responses.schema-must", "response", lambda body: item(body)["content"][0].pop("text")),
        ("responses.schema-must", "response", lambda body: body.update(output=None)),
        ("responses.schema-spec", "response", lambda body: body.pop("metadata")),
        (
            "responses.schema-must",
            "response-capped",
            lambda body: body.update(incomplete_details={"reason": "length"}),
        ),
        ("responses.schema-recommended", "response", lambda body: body.pop("truncation")),
        ("responses.not-failed", "response", lambda body: body.update(status="failed")),
        ("responses.status-details", "response-capped", lambda body: body.update(incomplete_details=None)),
        ("responses.says-something", "response", lambda body: body.update(output=[])),
        ("responses.item-ids-unique", "response", lambda body: body["output"].append(item(body))),
        ("responses.items-finished", "response", lambda body: item(body).update(status="in_progress")),
        ("responses.usage-given", "response", lambda body: body.update(usage=None)),
        ("responses.usage-sum", "response", lambda body: body["usage"].update(total_tokens=1)),
        (
            "responses.usage-parts",
            "response",
            lambda body: body["usage"].update(output_tokens_details={"reasoning_tokens": 99}),
        ),
        ("responses.input-counted", "response", lambda body: body["usage"].update(input_tokens=0)),
        ("responses.input-counted", "response-items", lambda body: body["usage"].update(input_tokens=5)),
        ("responses.cap-obeyed", "response-capped", lambda body: body["usage"].update(output_tokens=17)),
        ("responses.cut-is-incomplete", "response-capped", lambda body: body.update(status="completed")),
        (
            "responses.cut-item-is-incomplete",
            "response-capped",
            lambda body: item(body).update(status="completed"),
        ),
        ("responses.model-named", "response", lambda body: body.update(model="another")),
        ("responses.call-shape", "response-tool", lambda body: item(body).update(name="x")),
        ("responses.call-shape", "response-tool", lambda body: item(body).update(arguments="{")),
        ("responses.tools-echoed", "response-tool", lambda body: body.update(tools=[])),
        ("responses.tool-choice-named", "response-tool-named", lambda body: body.update(output=[])),
        (
            "responses.tool-choice-none",
            "response-tool-none",
            lambda body: body.update(output=[{"type": "function_call", "name": "next_ferry"}]),
        ),
        (
            "responses.format-obeyed",
            "response-format",
            lambda body: item(body)["content"][0].update(text='{"count": 3}'),
        ),
        ("responses.modes-agree", "response", lambda body: body.update(model="another")),
    ],
)
def test_a_lie_in_a_response_is_caught(lies: Lies, rule: str, scenario: str, lie: Change) -> None:
    assert rule in lies.plain(scenario, lie)


@pytest.mark.parametrize(
    ("rule", "lie"),
    [
        ("responses.event-schema-must", lambda events: events[3].pop("sequence_number")),
        ("responses.event-schema-must", lambda events: events[-1]["response"].update(output=None)),
        ("responses.event-schema-spec", lambda events: events[0]["response"].pop("metadata")),
        (
            "responses.event-schema-recommended",
            lambda events: find(events, "output_text.delta").pop("logprobs"),
        ),
        ("responses.sequence-numbers", lambda events: events[3].update(sequence_number=0)),
        ("responses.same-id", lambda events: events[-1]["response"].update(id="resp_x")),
        (
            "responses.same-created",
            lambda events: events[-1]["response"].update(created_at=events[0]["response"]["created_at"] + 1),
        ),
        ("responses.part-places", lambda events: find(events, "content_part.added").update(content_index=1)),
        (
            "responses.streamed-before-final",
            lambda events: events.__setitem__(slice(None), [one for one in events if "response" in one]),
        ),
        ("responses.item-ids", lambda events: find(events, "output_text.delta").update(item_id="x")),
        ("responses.item-ids", lambda events: item(events[-1]["response"]).update(id="x")),
        ("responses.item-places", lambda events: find(events, "output_item.added").update(output_index=1)),
        ("responses.text-is-deltas", lambda events: find(events, "output_text.done").update(text="x")),
        (
            "responses.part-is-deltas",
            lambda events: find(events, "content_part.done")["part"].update(text="x"),
        ),
        (
            "responses.item-is-deltas",
            lambda events: find(events, "output_item.done")["item"].update(content=[]),
        ),
        ("responses.response-is-deltas", lambda events: events[-1]["response"].update(output=[])),
        ("responses.calls-in-response", lambda events: events[-1]["response"].update(output=[])),
        ("responses.terminal-status", lambda events: events[-1]["response"].update(status="in_progress")),
        ("responses.created-first", lambda events: drop(events, "created")),
        ("responses.opened-once", lambda events: again(events, "in_progress")),
        ("responses.in-progress-first", lambda events: drop(events, "in_progress")),
        ("responses.no-error-event", lambda events: events.insert(3, {"type": "error", "message": "x"})),
        ("responses.terminal-event", lambda events: drop(events, "completed")),
        ("responses.nothing-after-terminal", lambda events: again(events, "completed")),
        ("responses.item-added", lambda events: drop(events, "output_item.added")),
        ("responses.item-added-once", lambda events: again(events, "output_item.added")),
        ("responses.item-done", lambda events: drop(events, "output_item.done")),
        ("responses.nothing-after-item-done", lambda events: again(events, "output_item.done")),
        ("responses.part-added", lambda events: drop(events, "content_part.added")),
        ("responses.part-added-once", lambda events: again(events, "content_part.added")),
        ("responses.text-done", lambda events: drop(events, "output_text.done")),
        ("responses.nothing-after-text-done", lambda events: again(events, "output_text.done")),
        ("responses.part-done", lambda events: drop(events, "content_part.done")),
    ],
)
def test_a_lie_in_an_event_is_caught(lies: Lies, rule: str, lie: Change) -> None:
    assert rule in lies.framed("response", changed(lie))


@pytest.mark.parametrize(
    ("rule", "lie"),
    [
        (
            "responses.text-is-deltas",
            lambda events: find(events, "function_call_arguments.done").update(arguments="{}"),
        ),
        (
            "responses.item-is-deltas",
            lambda events: find(events, "output_item.done")["item"].update(arguments="{}"),
        ),
        (
            "responses.calls-in-response",
            lambda events: item(events[-1]["response"]).update(arguments="{}"),
        ),
        ("responses.text-done", lambda events: drop(events, "function_call_arguments.done")),
        ("responses.item-added", lambda events: drop(events, "output_item.added")),
    ],
)
def test_a_lie_in_a_streamed_call_is_caught(lies: Lies, rule: str, lie: Change) -> None:
    assert rule in lies.framed("response-tool", changed(lie))


@pytest.mark.parametrize(
    ("rule", "lie"),
    [
        ("responses.json-payloads", lambda body: body.replace(b'"}\n\n', b"\n\n", 1)),
        ("responses.no-empty-event", lambda body: body + b"data:\n\n"),
        ("responses.no-empty-event", lambda body: body + b"event: done\n\n"),
        ("responses.last-event-ended", lambda body: body.removesuffix(b"\n")),
        ("responses.no-bom", lambda body: b"\xef\xbb\xbf" + body),
        ("responses.event-name", lambda body: body.replace(b"event: response.", b"event: ", 1)),
        ("responses.event-named", lambda body: body.replace(b"event: response.created\n", b"")),
    ],
)
def test_a_lie_in_the_framing_of_events_is_caught(
    lies: Lies, rule: str, lie: Callable[[bytes], bytes]
) -> None:
    seen = lies.truth("response-unicode", "raw", Mode.STREAM)
    assert b'"}\n\n' in seen.response.body
    assert rule in lies.framed("response-unicode", lie)


@pytest.mark.parametrize(
    ("rule", "scenario", "lie"),
    [
        ("responses.next-turn-remembers", "response-next-turn", lambda b: b["usage"].update(input_tokens=14)),
        ("responses.previous-id-echoed", "response-next-turn", lambda b: b.update(previous_response_id=None)),
        ("responses.kept-is-found", "response-kept", lambda body: body.update(id="resp_x")),
        ("responses.kept-is-found", "response-kept", lambda body: body.update(output=[])),
    ],
)
def test_a_lie_in_a_next_turn_is_caught(lies: Lies, rule: str, scenario: str, lie: Change) -> None:
    seen = follow_up(lies, scenario)
    body = json.loads(seen.response.body)
    lie(body)
    assert outcomes("responses", seen)[rule] is Outcome.PASS
    assert outcomes("responses", retold(seen, json.dumps(body).encode()))[rule] is Outcome.FAIL


def test_a_replay_that_is_refused_is_caught(lies: Lies) -> None:
    answer = says(sized(b'{"error":{"message":"17 validation errors"}}', "422 Unprocessable Entity"))
    assert "responses.replay-accepted" in lies.told(answer, "response-items", Mode.PLAIN)


def test_an_assistants_parts_that_are_refused_are_caught(lies: Lies) -> None:
    answer = says(sized(b'{"error":{"message":"no variant of InputItem"}}', "422 Unprocessable Entity"))
    told = lies.told(answer, "response-assistant-parts", Mode.PLAIN)
    assert "responses.assistant-parts-accepted" in told
    assert "http.success" not in told


def test_a_response_that_was_not_streamed_is_blamed_for_that_alone(lies: Lies) -> None:
    def alone(events: Any) -> None:
        events[:] = [event for event in events if "response" in event]

    told = {
        rule for rule in lies.framed("response", changed(alone)) if not rule.startswith("responses.client")
    }
    assert told == {"responses.streamed-before-final", "responses.sequence-numbers"}


def test_an_answer_that_counts_no_input_is_not_one_that_forgot(lies: Lies) -> None:
    seen = follow_up(lies, "response-next-turn")
    body = json.loads(seen.response.body)
    body["usage"].update(input_tokens=0)
    found = outcomes("responses", retold(seen, json.dumps(body).encode()))
    assert found["responses.input-counted"] is Outcome.FAIL
    assert found["responses.next-turn-remembers"] is Outcome.INCONCLUSIVE


def test_a_repeated_response_id_is_caught(lies: Lies) -> None:
    plain, streamed = (lies.truth("response", "raw", mode) for mode in Mode)
    own, other = (read_id(seen) for seen in (plain, streamed))
    found = outcomes("responses", retold(plain, plain.response.body.replace(own, other)), streamed)
    assert found["responses.own-id"] is Outcome.FAIL


def read_id(seen: Observation) -> bytes:
    start = seen.response.body.index(b"resp_")
    return seen.response.body[start : seen.response.body.index(b'"', start)]


def test_a_text_call_or_count_that_the_user_does_not_get_is_caught(lies: Lies) -> None:
    def lose(events: Any) -> None:
        events[-1]["response"].update(output=[], usage=None)

    texts = lies.framed("response", changed(lose), client="openai")
    assert "responses.response-is-deltas" in texts
    assert "responses.client-text" in texts
    assert "responses.client-calls" in lies.framed("response-tool", changed(lose), client="raw")


def test_a_count_that_the_user_does_not_get_is_caught(lies: Lies) -> None:
    plain = lies.truth("response", "raw", Mode.PLAIN)
    other = plain.response.body.replace(b'"input_tokens":14,', b'"input_tokens":15,')
    assert outcomes("responses", retold(plain, other))["responses.client-usage"] is Outcome.FAIL


@pytest.mark.parametrize(
    "variation",
    [
        lambda body: body + b"data: [DONE]\n\n",
        lambda body: b": keep-alive\n\n" + body,
        lambda body: body.replace(b"\n", b"\r\n"),
        lambda body: body.replace(b"data: ", b":HTTP_STATUS/200\ndata:"),
        lambda body: body.replace(b"event: ", b"id: 7\nevent:"),
        changed(lambda events: [event.update(sequence_number=n + 1) for n, event in enumerate(events)]),
        changed(lambda events: [event.update(extra={"a": 1}) for event in events]),
        changed(lambda events: events.insert(1, {**events[0], "type": "response.queued"})),
    ],
)
@pytest.mark.parametrize("scenario", ["response", "response-capped", "response-tool"])
def test_legal_streams_pass(lies: Lies, scenario: str, variation: Callable[[bytes], bytes]) -> None:
    seen = lies.truth(scenario, "raw", Mode.STREAM)
    found = outcomes("responses", retold(seen, variation(seen.response.body)))
    of_a_run = {one.id for one in content.rules().values() if one.judges_whole_runs}
    bad = {rule for rule, outcome in found.items() if outcome is not Outcome.PASS} - of_a_run
    assert bad <= {"responses.sequence-numbers"}
    assert not bad or b"response.queued" in variation(seen.response.body)


@pytest.mark.parametrize("mode", list(Mode))
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_no_rule_breaks_on_garbage(lies: Lies, mode: Mode, data: st.DataObject) -> None:
    seen = lies.truth("response-tool", "raw", mode)
    value = read(seen.response.body) if mode is Mode.STREAM else json.loads(seen.response.body)
    for _ in range(data.draw(st.integers(1, 3))):
        put_garbage(value, data)
    body = written(value) if mode is Mode.STREAM else json.dumps(value).encode()
    assert Outcome.ERROR not in outcomes("responses", retold(seen, body)).values()
