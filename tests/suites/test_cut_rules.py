"""What an answer that was cut lacks proves nothing; what it holds, and what no cut explains, still does."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from harness import content
from harness.clients import Connection
from harness.evidence import Observation
from harness.judge import judge
from harness.observe import observer
from harness.plan import Call
from harness.scenario import Mode
from harness.verdict import Outcome
from tests.servers import says, server, sized
from tests.suites.conftest import Lies

_CANNED = "Hello! How can I help you today?"
Change = Callable[[Any], None]


def said(text: str | None, finish_reason: str, *, tokens: int, reasoning: int | None = 0) -> Change:
    """Every choice says this text and calls nothing; `reasoning` None: the usage has no details."""

    def change(body: Any) -> None:
        for choice in body["choices"]:
            choice["message"].update(content=text)
            choice["message"].pop("tool_calls", None)
            choice.update(finish_reason=finish_reason, logprobs=None)
        used = body["usage"]
        used.update(completion_tokens=tokens, total_tokens=used["prompt_tokens"] + tokens)
        if reasoning is None:
            del used["completion_tokens_details"]
        else:
            used["completion_tokens_details"]["reasoning_tokens"] = reasoning

    return change


def thought_to_the_cap(cap: int) -> Change:
    return said("", "length", tokens=cap, reasoning=cap)


def outcome(lies: Lies, rule: str, scenario: str, change: Change) -> Outcome:
    body: Any = json.loads(lies.truth(scenario, "raw", Mode.PLAIN).response.body)
    change(body)
    seen = [told(sized(json.dumps(body).encode()), scenario)]
    known = content.rules()[rule]
    if known.reads.MODES == ((Mode.PLAIN, Mode.STREAM),):
        seen.append(lies.truth(scenario, "raw", Mode.STREAM))
    (verdict,) = judge([known], seen)
    return verdict.outcome


def told(answer: bytes, scenario: str) -> Observation:
    with (
        server(says(answer)) as base_url,
        observer(Connection(base_url, "standin-1", "sk-x"), ["raw"], []) as asks,
    ):
        return asks.observe(Call(content.scenarios()[scenario], "raw", Mode.PLAIN))


@pytest.mark.parametrize(
    ("rule", "scenario", "cap"),
    [
        ("params.stop-honoured", "stop", 24),
        ("params.stop-honoured", "stop-letter", 24),
        ("params.stop-finish-reason", "stop-list", 24),
        ("params.n-choices-whole", "two-choices", 16),
        ("params.logprobs-honoured", "logprobs", 6),
        ("params.top-logprobs-honoured", "top-logprobs", 10),
        ("params.seed-honoured", "seeded", 8),
        ("params.response-format-honoured", "json-object", 32),
        ("params.tool-choice-honoured", "tool-call-named", 48),
        ("params.tool-choice-honoured", "tool-call-required", 48),
        ("params.tool-choice-honoured", "tool-forbidden", 24),
        ("params.parallel-tool-calls-honoured", "tool-call-single", 64),
        ("params.characters-unharmed", "unicode-echo", 64),
        ("structured.matches-schema", "json-schema", 48),
        ("structured.ends-with-stop", "json-schema", 48),
        ("tools.finish-reason", "tool-call", 48),
        ("parity.kind", "tool-call", 48),
        ("parity.finish-reason", "tool-call", 48),
        ("parity.kind", "with-usage", 16),
    ],
)
def test_thoughts_that_use_up_the_cap_leave_a_rule_undecided(
    lies: Lies, rule: str, scenario: str, cap: int
) -> None:
    assert outcome(lies, rule, scenario, thought_to_the_cap(cap)) is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("rule", "scenario", "cap"),
    [
        ("params.max-tokens-honoured", "cap-one", 1),
        ("params.max-completion-tokens-honoured", "cap-one-completion", 1),
        ("params.max-completion-tokens-honoured", "capped-completion", 12),
        ("chat.cut-is-called-length", "capped", 12),
        ("chat.cap-obeyed", "capped", 12),
    ],
)
def test_a_cap_holds_that_thoughts_use_up(lies: Lies, rule: str, scenario: str, cap: int) -> None:
    assert outcome(lies, rule, scenario, thought_to_the_cap(cap)) is Outcome.PASS


@pytest.mark.parametrize(
    ("rule", "scenario", "change"),
    [
        ("params.stop-honoured", "stop-letter", said(_CANNED, "stop", tokens=9)),
        ("params.stop-honoured", "stop-letter", said(_CANNED, "length", tokens=24)),
        ("params.max-tokens-honoured", "cap-one", said(_CANNED, "stop", tokens=9)),
        ("params.max-tokens-honoured", "cap-one", said("Hi there!", "stop", tokens=3)),
        ("params.max-completion-tokens-honoured", "cap-one-completion", said(_CANNED, "stop", tokens=1)),
        ("params.n-choices-whole", "two-choices", said("", "length", tokens=16)),
        ("params.n-choices-whole", "two-choices", said("", "stop", tokens=2)),
        ("params.tool-choice-honoured", "tool-call-named", said(_CANNED, "stop", tokens=9)),
        ("params.stop-finish-reason", "stop-list", said("1 2 3 4 5 6 7 8", "length", tokens=8)),
        ("chat.cut-is-called-length", "capped", said("1 2 3 4 5 6", "stop", tokens=12)),
        ("parity.kind", "tool-call-named", said(_CANNED, "stop", tokens=9)),
    ],
)
def test_what_no_cut_explains_is_caught(lies: Lies, rule: str, scenario: str, change: Change) -> None:
    assert outcome(lies, rule, scenario, change) is Outcome.FAIL


@pytest.mark.parametrize(
    ("rule", "scenario", "change"),
    [
        ("params.stop-honoured", "stop-letter", said("I can't do that.", "stop", tokens=6)),
        ("params.stop-honoured", "stop-list", said("1 2 3 4 5 6 7 8", "length", tokens=24)),
        ("params.stop-honoured", "stop", said("I can count to 5", "stop", tokens=5)),
        ("params.stop-finish-reason", "stop", said("I can count to 5", "length", tokens=5)),
        ("params.stop-finish-reason", "stop-letter", said("I could", "length", tokens=3)),
        ("params.max-tokens-honoured", "capped", said(_CANNED, "stop", tokens=9)),
        ("params.n-choices-whole", "two-choices", said("", "length", tokens=16, reasoning=None)),
        ("chat.cut-is-called-length", "capped", said(_CANNED, "stop", tokens=12)),
        ("parity.kind", "tool-call", said(_CANNED, "stop", tokens=9)),
        ("parity.finish-reason", "tool-call", said(_CANNED, "stop", tokens=9)),
        ("chat.says-something", "stop", said("", "stop", tokens=9)),
    ],
)
def test_what_may_have_ended_by_itself_is_undecided(
    lies: Lies, rule: str, scenario: str, change: Change
) -> None:
    assert outcome(lies, rule, scenario, change) is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("scenario", "text"),
    [("stop", "I like the number 6"), ("stop-list", "Use version v9"), ("stop-list", "It was all that jazz")],
)
def test_what_a_text_ends_with_is_no_piece_of_a_stop_sequence_by_chance(
    lies: Lies, scenario: str, text: str
) -> None:
    change = said(text, "stop", tokens=6)
    assert outcome(lies, "params.stop-not-included", scenario, change) is not Outcome.FAIL


@pytest.mark.parametrize(("scenario", "text"), [("stop", "1 2 3 4 5 6"), ("stop-list", "1 2 3 4 5 6 7 8 9")])
def test_a_piece_of_a_stop_sequence_at_the_end_of_the_count_is_caught(
    lies: Lies, scenario: str, text: str
) -> None:
    change = said(text, "stop", tokens=12)
    assert outcome(lies, "params.stop-not-included", scenario, change) is Outcome.FAIL


def test_thoughts_beyond_max_tokens_do_not_show_that_it_is_ignored(lies: Lies) -> None:
    change = said("1 2 3 4 5 6", "length", tokens=212, reasoning=200)
    assert outcome(lies, "params.max-tokens-honoured", "capped", change) is Outcome.PASS


@pytest.mark.parametrize(
    "rule", ["http.success", "params.max-completion-tokens-accepted", "params.refused-cleanly"]
)
def test_a_model_may_refuse_what_its_thoughts_leave_no_room_for(rule: str) -> None:
    message = "Could not finish the message because max_tokens or model output limit was reached."
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    seen = told(sized(json.dumps({"error": error}).encode(), "400 No"), "capped-completion")
    (verdict,) = judge([content.rules()[rule]], [seen])
    assert verdict.outcome in {Outcome.PASS, Outcome.INCONCLUSIVE}


def cut_response(body: Any) -> None:
    body.update(status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    body["output"] = [{"id": "rs_1", "type": "reasoning", "summary": []}]
    body["usage"].update(output_tokens=48)


@pytest.mark.parametrize(
    ("rule", "scenario"),
    [
        ("responses.tool-choice-named", "response-tool-named"),
        ("responses.tool-choice-none", "response-tool-none"),
        ("responses.format-obeyed", "response-format"),
        ("responses.call-shape", "response-tool"),
        ("responses.modes-agree", "response-tool"),
    ],
)
def test_a_cut_response_leaves_a_rule_undecided(lies: Lies, rule: str, scenario: str) -> None:
    assert outcome(lies, rule, scenario, cut_response) is Outcome.INCONCLUSIVE


def test_a_response_that_used_up_its_cap_may_have_half_a_call_whatever_it_says(lies: Lies) -> None:
    def change(body: Any) -> None:
        (call,) = (item for item in body["output"] if item["type"] == "function_call")
        call["arguments"] = call["arguments"][:8]
        body["usage"].update(output_tokens=48, total_tokens=body["usage"]["input_tokens"] + 48)

    def whole(body: Any) -> None:
        change(body)
        body["usage"].update(output_tokens=9, total_tokens=body["usage"]["input_tokens"] + 9)

    assert outcome(lies, "responses.call-shape", "response-tool", change) is Outcome.INCONCLUSIVE
    assert outcome(lies, "responses.call-shape", "response-tool", whole) is Outcome.FAIL


def test_a_cut_response_of_another_model_is_caught_all_the_same(lies: Lies) -> None:
    def change(body: Any) -> None:
        cut_response(body)
        body["model"] = "another-model"

    assert outcome(lies, "responses.modes-agree", "response-tool", change) is Outcome.FAIL
