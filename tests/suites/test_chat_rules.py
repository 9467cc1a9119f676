"""Every rule on the plain chat completion fails on the lie that it is there for, and legal answers pass."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.scenario import Mode
from harness.verdict import Outcome
from tests.suites.conftest import Change, Lies
from tests.suites.test_stream_rules import outcomes, put_garbage, retold, set_delta


def set_message(body: Any, **values: object) -> None:
    body["choices"][0]["message"].update(values)


def set_choice(body: Any, **values: object) -> None:
    body["choices"][0].update(values)


def set_usage(body: Any, **values: object) -> None:
    body["usage"].update(values)


@pytest.mark.parametrize(
    ("rule", "scenario", "lie"),
    [
        ("chat.schema-must", "founding", lambda body: body.pop("created")),
        ("chat.schema-must", "founding", lambda body: body.update(choices=None)),
        ("chat.schema-must", "founding", lambda body: set_message(body, content=[{"type": "text"}])),
        ("chat.schema-must", "founding", lambda body: set_choice(body, finish_reason="STOP")),
        ("chat.schema-must", "founding", lambda body: set_choice(body, finish_reason=None)),
        ("chat.schema-spec", "founding", lambda body: set_message(body, annotations=None)),
        ("chat.schema-spec", "founding", lambda body: body.update(created=0)),
        ("chat.schema-recommended", "founding", lambda body: body.pop("service_tier")),
        ("chat.choice-count", "founding", lambda body: body["choices"].append(body["choices"][0])),
        ("chat.choice-count", "founding", lambda body: body.update(choices=[])),
        ("chat.choice-indexes", "founding", lambda body: set_choice(body, index=1)),
        ("chat.says-something", "founding", lambda body: set_message(body, content="")),
        ("chat.no-empty-tool-calls", "founding", lambda body: set_message(body, tool_calls=[])),
        ("chat.usage-given", "founding", lambda body: body.pop("usage")),
        ("chat.usage-sum", "founding", lambda body: set_usage(body, total_tokens=1)),
        (
            "chat.usage-parts",
            "founding",
            lambda body: set_usage(body, prompt_tokens_details={"cached_tokens": 9_999}),
        ),
        (
            "chat.usage-parts",
            "founding",
            lambda body: set_usage(
                body, completion_tokens=0, completion_tokens_details={"reasoning_tokens": 1}
            ),
        ),
        ("chat.usage-counts-text", "founding", lambda body: set_usage(body, completion_tokens=0)),
        ("chat.cap-obeyed", "capped", lambda body: set_usage(body, completion_tokens=13)),
        ("chat.cut-is-called-length", "capped", lambda body: set_choice(body, finish_reason="stop")),
        ("chat.model-named", "founding", lambda body: body.update(model="another")),
        ("chat.created-now", "founding", lambda body: body.update(created=1)),
        ("chat.created-now", "founding", lambda body: body.update(created=body["created"] * 1000)),
        ("chat.no-error-in-choice", "founding", lambda body: set_choice(body, error={"code": 502})),
        ("chat.key-case", "founding", lambda body: set_message(body, toolCalls=[])),
        ("chat.no-control-tokens", "founding", lambda body: set_message(body, content="<think>hm</think>")),
        ("chat.no-control-tokens", "founding", lambda body: set_message(body, content="Yes.<|im_end|>")),
        (
            "chat.no-control-tokens",
            "founding",
            lambda body: set_message(body, content="]<]minimax[>[</tool_call>"),
        ),
        (
            "chat.one-reasoning-field",
            "founding",
            lambda body: set_message(body, reasoning="hm", reasoning_content="hm"),
        ),
    ],
)
def test_a_lie_in_a_completion_is_caught(lies: Lies, rule: str, scenario: str, lie: Change) -> None:
    assert rule in lies.plain(scenario, lie)


def test_a_control_token_in_a_stream_is_caught(lies: Lies) -> None:
    failures = lies.streamed("founding", lambda events: set_delta(events[1], content="<|im_start|>"))
    assert "chat.no-control-tokens" in failures


LEAKED = [
    "<think>hm</think>",
    "<think>\nWhat is it?\n</think>\n\nFour.",
    "Add the two.\n</think>\n\nFour.",
    "Add the two.</think>Four.",
    "<|channel|>analysis<|message|>Add the two.",
    "Four. <|end|><|start|>assistant",
    "Four.<|im_end|>\n<|im_start|>user\nAnd five?",
    "Four.<|im_end|>\nAnd five?",
    'I look it up.\n<tool_call>\n{"name": "f"}\n</tool_call>\nWait.',
    'I look it up.\n<tool_call> {"name": "f"} </tool_call>\nWait.',
    "It's four.<|im_end|><|im_start|>user: what's five?",
    '[TOOL_CALLS][{"name": "f"}]',
    "```python\nprint(4)\n```<|im_end|>",
    "```python\nprint(4)<|im_end|>",
    "The tag is `x`.<|eot_id|>",
    "\u201cFour\u201d, she said.<end_of_turn>\n",
    "<\uff5cend\u2581of\u2581sentence\uff5c>",
]
SPOKEN_OF = [
    "R1 writes its thoughts between `<think>` and `</think>`.",
    "`<think>`",
    "A turn begins so:\n```\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n```\nand so on.",
    "```\n<|im_start|>system\n```",
    "~~~xml\n<tool_call>\n{}\n</tool_call>\n~~~",
    "ChatML:\n\n    <|im_start|>user\n    Hi<|im_end|>\n\nLlama has another.",
    "> <think>\n> hm\n> </think>\n\nThat is how it begins.",
    'It ends with "<|im_end|>".',
    "\u201c<think>\nhm\n</think>\u201d is what it wrote.",
    "\u300c<think>\u300d\u3068\u66f8\u304d\u307e\u3059\u3002",
    "R1 opens with <think> and closes with </think>, Hermes has <tool_call>.",
    "\u7528<think>\u548c</think>\u6807\u7b7e\u5305\u88f9\u601d\u8003\u3002",
    "Two tags (<think>, </think>) stand around it.",
    "- `<|im_start|>`: begins a turn\n- `<|im_end|>`: ends it",
    "| token | meaning |\n|---|---|\n| `<|im_end|>` | end |",
]


@pytest.mark.parametrize("text", LEAKED)
def test_markup_that_leaks_is_a_finding(lies: Lies, text: str) -> None:
    assert "chat.no-control-tokens" in lies.plain("founding", lambda body: set_message(body, content=text))


@pytest.mark.parametrize("text", SPOKEN_OF)
def test_markup_that_a_text_speaks_of_is_none(lies: Lies, text: str) -> None:
    told = lies.plain("founding", lambda body: set_message(body, content=text))
    assert "chat.no-control-tokens" not in told


@given(st.text(alphabet="<|>/`~\"'think_im\n \u201c\u201d()", max_size=80))
def test_any_text_is_judged(lies: Lies, text: str) -> None:
    answer = {"index": 0, "message": {"content": text}, "finish_reason": "stop"}
    seen = retold(lies.truth("founding", "raw", Mode.PLAIN), json.dumps({"choices": [answer]}).encode())
    assert outcomes("chat", seen)["chat.no-control-tokens"] in (Outcome.PASS, Outcome.FAIL)


def test_another_carrier_of_reasoning_in_the_stream_is_caught(lies: Lies) -> None:
    plain, streamed = (lies.truth("founding", "raw", mode) for mode in Mode)
    body = json.loads(plain.response.body)
    set_message(body, reasoning_content="hm")
    lines = streamed.response.body.replace(b'"delta":{"content"', b'"delta":{"reasoning":"hm","content"', 1)
    found = outcomes("chat", retold(plain, json.dumps(body).encode()), retold(streamed, lines))
    assert found["chat.one-reasoning-field"] is Outcome.FAIL


@pytest.mark.parametrize(
    "variation",
    [
        lambda body: body.update(extra=None),
        lambda body: body.update(id="x", provider="y", model="standin-1-2026-01-01"),
        lambda body: set_message(body, content="a < b and <b>bold</b>, |x| <|> [1]", reasoning_content="hm"),
        lambda body: set_message(body, content="if (a <|b| && c|> d) <think twice>"),
        lambda body: set_message(body, content=None, refusal="I can't."),
        lambda body: [body["choices"][0]["message"].pop(key) for key in ("refusal", "annotations")],
        lambda body: set_choice(body, finish_reason="content_filter"),
        lambda body: body["choices"][0].pop("logprobs"),
        lambda body: body.update(system_fingerprint=None, service_tier=None),
        lambda body: [body["usage"].pop(f"{part}_tokens_details") for part in ("prompt", "completion")],
    ],
)
def test_legal_answers_pass(lies: Lies, variation: Callable[[Any], object]) -> None:
    seen = lies.truth("with-usage", "raw", Mode.PLAIN)
    body = json.loads(seen.response.body)
    variation(body)
    found = outcomes("chat", retold(seen, json.dumps(dict(reversed(body.items()))).encode()))
    del found["chat.schema-recommended"]
    assert set(found.values()) == {Outcome.PASS}


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_no_rule_breaks_on_garbage(lies: Lies, data: st.DataObject) -> None:
    plain, streamed = (lies.truth("with-usage", "raw", mode) for mode in Mode)
    body = json.loads(plain.response.body)
    for _ in range(data.draw(st.integers(1, 3))):
        put_garbage(body, data)
    assert Outcome.ERROR not in outcomes("chat", retold(plain, json.dumps(body).encode()), streamed).values()
