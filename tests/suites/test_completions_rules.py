"""Every rule on legacy completions fails on the lie that it is there for, and on no legal variation."""

import dataclasses
from collections.abc import Callable
from itertools import accumulate
from typing import Any

import pytest

from harness import content
from harness.judge import judge
from harness.scenario import Mode
from harness.verdict import Outcome
from tests.suites.conftest import Change, Lies


def choice(place: int = 0, **values: object) -> Change:
    return lambda body: body["choices"][place].update(values)


def logprobs(change: Change) -> Change:
    return lambda body: change(body["choices"][0]["logprobs"])


def renamed_choices(body: Any) -> None:
    body["choices"].reverse()


def generated_alone(body: Any) -> None:
    """The log probabilities of what was generated, without the prompt's."""
    arrays = body["choices"][0]["logprobs"]
    for name in arrays:
        arrays[name] = [arrays[name][-1]]


def one_token_more(body: Any) -> None:
    body["choices"][0]["text"] += " mat"


@pytest.mark.parametrize(
    ("rule", "scenario", "lie"),
    [
        ("completions.schema-must", "completion", lambda body: body.pop("id")),
        ("completions.schema-must", "completion", choice(text=None)),
        ("completions.schema-must", "completion", lambda body: body.update(object="chat.completion")),
        ("completions.schema-spec", "completion", lambda body: body["choices"][0].pop("logprobs")),
        ("completions.schema-recommended", "completion", lambda body: body.pop("usage")),
        ("completions.choice-count", "completion-prompts", lambda body: body["choices"].pop()),
        ("completions.choice-count", "completion-n", lambda body: body["choices"].pop()),
        ("completions.choice-indexes", "completion", choice(index=1)),
        ("completions.choice-indexes", "completion-prompts", renamed_choices),
        ("completions.cap-obeyed", "completion", lambda body: body["usage"].update(completion_tokens=13)),
        ("completions.cut-is-called-length", "completion", choice(finish_reason="stop")),
        ("completions.stop-excluded", "completion-stop", choice(text=" c d e")),
        ("completions.stop-excluded", "completion-stop", choice(text="Hello! How can I help you today?")),
        ("completions.echo", "completion-echo", choice(text=" mat and purred")),
        ("completions.nothing-generated", "completion-scored", one_token_more),
        ("completions.usage-sum", "completion", lambda body: body["usage"].update(total_tokens=1)),
        ("completions.prompt-counted", "completion", lambda body: body["usage"].update(prompt_tokens=0)),
        (
            "completions.choices-counted",
            "completion-n",
            lambda body: body["usage"].update(completion_tokens=6),
        ),
        (
            "completions.echo-offsets",
            "completion-echo-logprobs",
            logprobs(lambda arrays: arrays["text_offset"].__setitem__(5, 0)),
        ),
        (
            "completions.echo-offsets",
            "completion-echo-logprobs",
            logprobs(lambda arrays: arrays.update(text_offset=[at + 18 for at in arrays["text_offset"]])),
        ),
        ("completions.model-named", "completion", lambda body: body.update(model="another")),
        ("completions.same-kind-in-both-modes", "completion", choice(text="")),
        ("completions.cap-obeyed", "completion-cap-one", choice(text="Hello! How can I help you today?")),
        ("completions.same-finish-in-both-modes", "completion", choice(finish_reason="stop")),
        ("completions.logprobs-given", "completion-logprobs", choice(logprobs=None)),
        (
            "completions.logprobs-lengths",
            "completion-logprobs",
            logprobs(lambda arrays: arrays["tokens"].pop()),
        ),
        (
            "completions.logprobs-spell-the-text",
            "completion-logprobs",
            logprobs(lambda arrays: arrays["tokens"].reverse()),
        ),
        (
            "completions.logprobs-range",
            "completion-logprobs",
            logprobs(lambda arrays: arrays.update(token_logprobs=[0.5] * 6)),
        ),
        (
            "completions.logprobs-range",
            "completion-logprobs",
            logprobs(lambda arrays: arrays["token_logprobs"].__setitem__(0, None)),
        ),
        (
            "completions.logprobs-alternatives",
            "completion-logprobs",
            logprobs(lambda arrays: arrays["top_logprobs"][0].update(a=-1.0, b=-1.0)),
        ),
        (
            "completions.logprobs-alternatives",
            "completion-logprobs",
            logprobs(lambda arrays: arrays["top_logprobs"][0].clear()),
        ),
        (
            "completions.logprobs-offsets",
            "completion-logprobs",
            logprobs(lambda arrays: arrays.update(text_offset=[0] * 6)),
        ),
        ("completions.echo-logprobs", "completion-scored", generated_alone),
        (
            "completions.echo-logprobs",
            "completion-scored",
            logprobs(lambda arrays: arrays["token_logprobs"].__setitem__(0, -0.5)),
        ),
    ],
)
def test_a_lie_in_a_completion_is_caught(lies: Lies, rule: str, scenario: str, lie: Change) -> None:
    assert rule in lies.plain(scenario, lie)


@pytest.mark.parametrize(
    ("client", "mode"), [("raw", Mode.PLAIN), ("openai", Mode.STREAM), ("langchain", Mode.PLAIN)]
)
def test_a_text_that_the_client_changed_is_caught(lies: Lies, client: str, mode: Mode) -> None:
    truth = lies.truth("completion", client, mode)
    altered = dataclasses.replace(truth.reply, choices=())
    verdicts = judge(content.rules().values(), [dataclasses.replace(truth, reply=altered)])
    assert "completions.client-text" in {one.rule for one in verdicts if one.outcome is Outcome.FAIL}


def cumulative(events: Any) -> None:
    texts = accumulate(event["choices"][0]["text"] for event in events)
    for event, text in zip(events, texts, strict=True):
        event["choices"][0]["text"] = text


@pytest.mark.parametrize(
    ("rule", "scenario", "lie"),
    [
        ("completions.chunk-schema-must", "completion", lambda events: events[1].pop("object")),
        (
            "completions.chunk-schema-spec",
            "completion",
            lambda events: events[1]["choices"][0].pop("finish_reason"),
        ),
        ("completions.choice-count", "completion-n", lambda events: events.__delitem__(slice(1, None, 2))),
        (
            "completions.stop-excluded",
            "completion-stop",
            lambda events: events[0]["choices"][0].update(text=" c d e"),
        ),
        (
            "completions.no-error",
            "completion",
            lambda events: events.insert(1, {"error": {"message": "No."}}),
        ),
        (
            "completions.no-error",
            "completion",
            lambda events: events.insert(1, {"code": 500, "message": "No."}),
        ),
        ("completions.one-answer", "completion", lambda events: events[1].update(id="cmpl-2")),
        ("completions.one-answer", "completion", lambda events: events[1].update(created=1)),
        ("completions.one-answer", "completion", lambda events: events[1].update(model="another")),
        ("completions.finish-once", "completion", lambda events: events.pop()),
        ("completions.finish-once", "completion", lambda events: events.append(events[-1])),
        ("completions.finish-last", "completion", lambda events: events.append(events[0])),
        ("completions.not-cumulative", "completion", cumulative),
        ("completions.usage-given", "completion-with-usage", lambda events: events.pop()),
        (
            "completions.usage-given",
            "completion-with-usage",
            lambda events: events[-1].update(choices=events[0]["choices"]),
        ),
        ("completions.usage-given", "completion-with-usage", lambda events: events.insert(0, events[-1])),
        ("completions.usage-null-elsewhere", "completion-with-usage", lambda events: events[0].pop("usage")),
        (
            "completions.usage-unasked",
            "completion-n",
            lambda events: events[0].update(
                usage={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
            ),
        ),
    ],
)
def test_a_lie_in_a_streamed_completion_is_caught(lies: Lies, rule: str, scenario: str, lie: Change) -> None:
    assert rule in lies.streamed(scenario, lie)


@pytest.mark.parametrize(
    ("rule", "lie"),
    [
        ("completions.json-payloads", lambda body: body.replace(b"data: {", b"data: data: {", 1)),
        ("completions.json-payloads", lambda body: b"data: []\n\n" + body),
        ("completions.ends-with-done", lambda body: body.replace(b"data: [DONE]\n\n", b"")),
        ("completions.ends-with-done", lambda body: body + b"data: [DONE]\n\n"),
        ("completions.ends-with-done", lambda body: body + body.partition(b"\n\n")[0] + b"\n\n"),
        ("completions.last-event-ended", lambda body: body.rstrip(b"\n")),
    ],
)
def test_a_lie_in_the_bytes_of_a_completion_is_caught(
    lies: Lies, rule: str, lie: Callable[[bytes], bytes]
) -> None:
    assert rule in lies.framed("completion", lie)


@pytest.mark.parametrize(
    "variation",
    [
        lambda body: body,
        lambda body: body.replace(b"\n", b"\r\n"),
        lambda body: body.replace(b"\n", b"\r"),
        lambda body: body.replace(b"data: ", b"data:"),
        lambda body: b": keep-alive\n\n" + body,
        lambda body: body.replace(b'"text":" 2"', b'"text":" 2","likewise":[1]'),
        lambda body: body.replace(b'"logprobs":null', b'"logprobs": null'),
    ],
)
@pytest.mark.parametrize("client", ["raw", "openai", "langchain"])
def test_a_legal_stream_passes(lies: Lies, variation: Callable[[bytes], bytes], client: str) -> None:
    assert not lies.framed("completion", variation, client=client)


def in_one_chunk(events: Any) -> None:
    """The whole text and the finish reason in one chunk, as servers without real streaming send it."""
    last = events[-1]["choices"][0]
    last["text"] = "".join(event["choices"][0]["text"] for event in events)
    del events[:-1]


def finish_with_the_last_text(events: Any) -> None:
    events[-2]["choices"][0]["finish_reason"] = events[-1]["choices"][0]["finish_reason"]
    del events[-1]


@pytest.mark.parametrize("variation", [in_one_chunk, finish_with_the_last_text])
def test_chunks_of_another_size_pass(lies: Lies, variation: Change) -> None:
    assert not lies.streamed("completion", variation)


@pytest.mark.parametrize(
    ("scenario", "variation"),
    [
        ("completion", lambda body: body.update(system_fingerprint=None, likewise=1)),
        ("completion", lambda body: body.update(model="standin-1-2026-01-01", id="cmpl-other")),
        ("completion", lambda body: body["usage"].update(prompt_tokens_details={"cached_tokens": 0})),
        ("completion-stop", choice(text=" c d ", finish_reason="stop", stop_reason="e")),
        ("completion-logprobs", logprobs(lambda arrays: arrays.update(text_offset=[66, 67, 69, 71, 73, 75]))),
        ("completion-logprobs", logprobs(lambda arrays: arrays.update(top_logprobs=None))),
        ("completion-logprobs", logprobs(lambda arrays: arrays["top_logprobs"][0].update(third=-3.0))),
        ("completion-logprobs", logprobs(lambda arrays: arrays["token_logprobs"].__setitem__(0, 0))),
        ("completion-scored", choice(finish_reason="stop")),
        ("completion-echo", choice(text="The cat sat on the mat.")),
    ],
)
def test_a_legal_completion_passes(lies: Lies, scenario: str, variation: Change) -> None:
    assert not lies.plain(scenario, variation)
