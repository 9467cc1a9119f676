"""Answers that OpenAI itself gives, said again to the three clients: no rule of must or spec may fail."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import content as content_of_suites
from harness.clients import DEFAULT_CLIENTS
from harness.clients.reply import Raised, Reply
from harness.judge import judge
from harness.rejudge import judged_again, recording
from harness.run import Run
from harness.verdict import Outcome

_QUESTION = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
_USAGE = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
_HEAD = {"created": 1_790_000_000, "model": "m", "service_tier": "default", "system_fingerprint": "fp"}


def completion(finish_reason: str = "stop", **message: object) -> dict[str, Any]:
    said = {"role": "assistant", "content": None, "refusal": None, "annotations": [], **message}
    choice = {"index": 0, "message": said, "logprobs": None, "finish_reason": finish_reason}
    return {"id": "chatcmpl-1", "object": "chat.completion", **_HEAD, "choices": [choice], "usage": _USAGE}


def chunks(*deltas: Mapping[str, object], finish_reason: str = "stop") -> str:
    said = [(delta, None) for delta in deltas]
    events = [
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            **_HEAD,
            "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
        }
        for delta, finish in [*said, ({}, finish_reason)]
    ]
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"


def response(*output: Mapping[str, object], **values: object) -> dict[str, Any]:
    counts = {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 18,
    }
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_790_000_000,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": "m",
        "output": list(output),
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": counts,
        **values,
    }


def events(*told: Mapping[str, object], final: Mapping[str, object]) -> str:
    """A Responses stream of these events between the created response and the final one."""
    begun = {**final, "status": "in_progress", "output": [], "usage": None}
    numbered = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        *told,
        {"type": f"response.{final['status']}", "response": final},
    ]
    return "".join(
        f"event: {event['type']}\ndata: {json.dumps({**event, 'sequence_number': number})}\n\n"
        for number, event in enumerate(numbered)
    )


def asked(**params: object) -> dict[str, object]:
    return {"request": {**_QUESTION, **params}}


def asked_for_a_response(**params: object) -> dict[str, object]:
    return {"request": {"model": "m", "input": "hi", **params}, "path": "/v1/responses"}


def judged(folder: Path, *lines: Mapping[str, object]) -> Run:
    path = folder / "recorded.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return judged_again(recording(path, DEFAULT_CLIENTS))


def failing(run: Run) -> list[tuple[str, str, str]]:
    return [
        (one.rule, one.client, one.reason)
        for one in run.verdicts
        if one.outcome in (Outcome.FAIL, Outcome.ERROR) and one.level != "recommended"
    ]


_RUN_SQL = {"type": "custom", "custom": {"name": "run_sql"}}
_CALL = {"id": "call_1", "type": "custom", "custom": {"name": "run_sql", "input": "SELECT 1"}}
_ITEM = {
    "id": "ctc_1",
    "type": "custom_tool_call",
    "status": "completed",
    "call_id": "call_1",
    "name": "run_sql",
    "input": "SELECT 1",
}
_PLACE = {"output_index": 0, "item_id": "ctc_1"}

CUSTOM_TOOLS = {
    "plain": {**asked(tools=[_RUN_SQL]), "response": completion("tool_calls", tool_calls=[_CALL])},
    "streamed": {
        **asked(tools=[_RUN_SQL], stream=True),
        "response": chunks(
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"index": 0, **_CALL, "custom": {"name": "run_sql", "input": ""}}],
                "refusal": None,
            },
            {"tool_calls": [{"index": 0, "custom": {"input": "SELECT "}}]},
            {"tool_calls": [{"index": 0, "custom": {"input": "1"}}]},
            finish_reason="tool_calls",
        ),
    },
    "response": {
        **asked_for_a_response(tools=[{"type": "custom", "name": "run_sql"}]),
        "response": response(_ITEM),
    },
    "streamed response": {
        **asked_for_a_response(tools=[{"type": "custom", "name": "run_sql"}], stream=True),
        "response": events(
            {
                "type": "response.output_item.added",
                "output_index": 0,
                "item": {**_ITEM, "status": "in_progress", "input": ""},
            },
            {"type": "response.custom_tool_call_input.delta", **_PLACE, "delta": "SELECT "},
            {"type": "response.custom_tool_call_input.delta", **_PLACE, "delta": "1"},
            {"type": "response.custom_tool_call_input.done", **_PLACE, "input": "SELECT 1"},
            {"type": "response.output_item.done", "output_index": 0, "item": _ITEM},
            final=response(_ITEM),
        ),
    },
}


@pytest.mark.parametrize("name", CUSTOM_TOOLS)
def test_a_call_of_a_custom_tool_is_right(tmp_path: Path, name: str) -> None:
    assert failing(judged(tmp_path, CUSTOM_TOOLS[name])) == []


@pytest.mark.parametrize("name", CUSTOM_TOOLS)
def test_every_client_that_has_custom_tools_tells_the_call(tmp_path: Path, name: str) -> None:
    path = tmp_path / "recorded.jsonl"
    path.write_text(json.dumps(CUSTOM_TOOLS[name]), encoding="utf-8")
    for seen in recording(path, DEFAULT_CLIENTS).observations:
        if seen.client == "langchain" and "response" not in name:
            assert seen.reply.raised
            assert not seen.reply.raised.in_reading
        else:
            (call,) = seen.reply.tool_calls
            assert (call.id, call.name, call.arguments) == ("call_1", "run_sql", "SELECT 1")


def test_an_answer_that_nobody_can_read_is_still_a_finding(tmp_path: Path) -> None:
    line = {**asked(), "response": {**completion(content="Hi"), "choices": None}}
    run = judged(tmp_path, line)
    assert {("chat.choice-count", client) for client in DEFAULT_CLIENTS} <= {one[:2] for one in failing(run)}
    assert {(one.client, one.cause) for one in run.verdicts if one.rule == "client.no-exception"} == {
        (client, "chat.choice-count") for client in DEFAULT_CLIENTS
    }


@pytest.mark.parametrize(
    ("content", "outcome"),
    [("Hi", Outcome.INCONCLUSIVE), (["Hi"], Outcome.FAIL), (None, Outcome.INCONCLUSIVE)],
)
def test_our_own_failure_to_read_a_right_answer_is_told_as_ours(
    tmp_path: Path, content: object, outcome: Outcome
) -> None:
    path = tmp_path / "recorded.jsonl"
    line = {**asked(), "response": completion(content=content, refusal=None if content else "I can't.")}
    path.write_text(json.dumps(line), encoding="utf-8")
    (seen,) = recording(path, ["raw"]).observations
    unread = replace(seen, reply=Reply(raised=Raised("KeyError", "'x'", in_reading=True)))
    (verdict,) = judge([content_of_suites.rules()["client.no-exception"]], [unread])
    assert verdict.outcome is outcome


_FORMAT = {"type": "json_object"}
_FUNCTION = {
    "type": "function",
    "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
}
_FUNCTION_CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}

WITHHELD = {
    "a refusal": {**asked(response_format=_FORMAT), "response": completion(refusal="I can't.")},
    "a refusal in a stream": {
        **asked(response_format=_FORMAT, stream=True),
        "response": chunks({"role": "assistant", "content": None, "refusal": ""}, {"refusal": "I can't."}),
    },
    "a filter": {**asked(response_format=_FORMAT), "response": completion("content_filter", content="The")},
    "a call": {
        **asked(response_format=_FORMAT, tools=[_FUNCTION]),
        "response": completion("tool_calls", tool_calls=[_FUNCTION_CALL]),
    },
    "a refusal of a call": {
        **asked(tools=[_FUNCTION], tool_choice="required"),
        "response": completion(refusal="I can't."),
    },
}


@pytest.mark.parametrize("name", WITHHELD)
def test_what_comes_instead_of_what_was_asked_decides_nothing(tmp_path: Path, name: str) -> None:
    assert failing(judged(tmp_path, WITHHELD[name])) == []


@pytest.mark.parametrize("text", ["Hello.", "[]"])
def test_a_text_where_a_document_was_asked_for_is_still_a_finding(tmp_path: Path, text: str) -> None:
    line = {**asked(response_format=_FORMAT), "response": completion(content=text)}
    assert "params.response-format-honoured" in {rule for rule, _, _ in failing(judged(tmp_path, line))}


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_a_response_in_the_background_may_be_still_to_come(tmp_path: Path, status: str) -> None:
    to_come = response(status=status, usage=None, background=True)
    in_background = {**asked_for_a_response(background=True), "response": to_come}
    at_once = {**asked_for_a_response(), "response": to_come}
    assert failing(judged(tmp_path, in_background)) == []
    assert {rule for rule, _, _ in failing(judged(tmp_path, at_once))} == {"responses.not-failed"}


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_response_that_failed_is_a_finding_and_need_not_have_usage(
    tmp_path: Path, *, is_stream: bool
) -> None:
    error = {"code": "server_error", "message": "It broke."}
    final = response(status="failed", usage=None, error=error)
    line = {**asked_for_a_response(stream=is_stream), "response": events(final=final) if is_stream else final}
    found = {rule for rule, _, _ in failing(judged(tmp_path, line))}
    assert ("responses.not-failed" if is_stream else "http.no-error-in-success") in found
    assert "responses.usage-given" not in found


@pytest.mark.parametrize("key", ["delta", "input"])
def test_the_input_of_a_custom_tool_is_what_was_streamed_of_it(tmp_path: Path, key: str) -> None:
    told = str(CUSTOM_TOOLS["streamed response"]["response"])
    wrong = (
        told.replace('"delta": "1"', '"delta": "2"') if key == "delta" else told.replace("SELECT 1", "DROP")
    )
    line = {**CUSTOM_TOOLS["streamed response"], "response": wrong}
    found = {rule for rule, _, _ in failing(judged(tmp_path, line))}
    assert {"responses.text-is-deltas", "responses.calls-in-response"} <= found


def test_the_final_response_has_the_input_of_a_custom_tool_that_was_streamed(tmp_path: Path) -> None:
    told = str(CUSTOM_TOOLS["streamed response"]["response"])
    begun, completed, end = told.rpartition("event: response.completed")
    line = {
        **CUSTOM_TOOLS["streamed response"],
        "response": begun + completed + end.replace("SELECT 1", "DROP"),
    }
    assert "responses.calls-in-response" in {rule for rule, _, _ in failing(judged(tmp_path, line))}


def test_a_custom_tools_call_has_an_end_of_its_input(tmp_path: Path) -> None:
    told = str(CUSTOM_TOOLS["streamed response"]["response"])
    frames = [frame for frame in told.split("\n\n") if "custom_tool_call_input.done" not in frame]
    line = {**CUSTOM_TOOLS["streamed response"], "response": "\n\n".join(frames)}
    assert "responses.text-done" in {rule for rule, _, _ in failing(judged(tmp_path, line))}


def test_another_time_in_the_events_of_a_response_is_no_finding(tmp_path: Path) -> None:
    told = str(CUSTOM_TOOLS["streamed response"]["response"])
    line = {
        **CUSTOM_TOOLS["streamed response"],
        "response": told.replace("1790000000", "1790000009", 1),
    }
    assert failing(judged(tmp_path, line)) == []


def test_recorded_traffic_does_not_show_why_a_prompt_costs_another_number(tmp_path: Path) -> None:
    less = {**completion(content="Hello"), "id": "chatcmpl-2", "usage": {**_USAGE, "prompt_tokens": 4}}
    less["usage"] = {**less["usage"], "total_tokens": 13}
    run = judged(tmp_path, {**asked(), "response": completion(content="Hi")}, {**asked(), "response": less})
    found = {one.outcome for one in run.verdicts if one.rule == "usage.same-prompt-same-cost"}
    assert found == {Outcome.INCONCLUSIVE}
    assert failing(run) == []


def test_recorded_traffic_does_not_show_that_one_endpoint_gave_a_call_id_twice(tmp_path: Path) -> None:
    call = completion("tool_calls", tool_calls=[_FUNCTION_CALL])
    lines = [
        {**asked(tools=[_FUNCTION]), "response": {**call, "id": f"chatcmpl-{number}"}} for number in (1, 2)
    ]
    run = judged(tmp_path, *lines)
    found = {one.outcome for one in run.verdicts if one.rule == "tools.ids-of-one-answer"}
    assert found == {Outcome.INCONCLUSIVE}
    assert failing(run) == []


def _outcome_of_ids(run: Run) -> Outcome:
    return next(one.outcome for one in run.verdicts if one.rule == "usage.unique-ids")


def test_an_exchange_that_a_file_holds_twice_is_one_answer(tmp_path: Path) -> None:
    line = {**asked(), "response": completion(content="Hi")}
    assert _outcome_of_ids(judged(tmp_path, line, line)) is Outcome.PASS


def test_recorded_traffic_does_not_show_that_one_endpoint_gave_an_id_twice(tmp_path: Path) -> None:
    lines = [{**asked(), "response": completion(content=text)} for text in ("Hi", "Hello")]
    run = judged(tmp_path, *lines)
    assert _outcome_of_ids(run) is Outcome.INCONCLUSIVE
    assert failing(run) == []


@pytest.mark.parametrize(("text", "outcome"), [("Hi", Outcome.PASS), ("Hello", Outcome.FAIL)])
def test_an_id_of_two_different_answers_to_ourselves_is_a_finding(
    tmp_path: Path, text: str, outcome: Outcome
) -> None:
    path = tmp_path / "recorded.jsonl"
    lines = [{**asked(), "response": completion(content=said)} for said in ("Hi", text)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    own = [
        replace(seen, scenario=replace(seen.scenario, is_recorded=False))
        for seen in recording(path, ["raw"]).observations
    ]
    rule = content_of_suites.rules()["usage.unique-ids"]
    assert [verdict.outcome for verdict in judge([rule], own)] == [outcome]
