"""Models that don't play along: what a model may choose to do is no failure of the endpoint."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harness import content
from harness.clients import Connection
from harness.effect import effect_of
from harness.evidence import Observation
from harness.judge import judge
from harness.observe import observer
from harness.plan import Call
from harness.scenario import Mode
from harness.verdict import Outcome
from tests.servers import says, server, sized
from tests.suites.conftest import Lies


def told(body: object, scenario: str, client: str = "raw") -> Observation:
    with (
        server(says(sized(json.dumps(body).encode()))) as base_url,
        observer(Connection(base_url, "standin-1", "sk-x"), [client], []) as asks,
    ):
        return asks.observe(Call(content.scenarios()[scenario], client, Mode.PLAIN))


def outcome(rule: str, *seen: Observation) -> Outcome:
    (verdict,) = judge([content.rules()[rule]], seen)
    return verdict.outcome


def changed(lies: Lies, scenario: str, change: Callable[[Any], object], client: str = "raw") -> Observation:
    body: Any = json.loads(lies.truth(scenario, client, Mode.PLAIN).response.body)
    change(body)
    return told(body, scenario, client)


def empty(tokens: int) -> Callable[[Any], None]:
    def change(body: Any) -> None:
        body["choices"][0]["message"]["content"] = ""
        body["usage"].update(completion_tokens=tokens, total_tokens=body["usage"]["prompt_tokens"] + tokens)

    return change


@pytest.mark.parametrize(("tokens", "expected"), [(1, Outcome.INCONCLUSIVE), (9, Outcome.FAIL)])
def test_a_model_may_end_at_once_but_tokens_may_not_get_lost(
    lies: Lies, tokens: int, expected: Outcome
) -> None:
    assert outcome("chat.says-something", changed(lies, "with-usage", empty(tokens))) is expected


def cut(body: Any) -> None:
    body["choices"][0].update(finish_reason="length")
    body["choices"][0]["message"]["content"] = '{"zq_hull": "ke'


def test_a_helper_that_raises_for_a_document_that_the_cap_cut_does_so_by_design(lies: Lies) -> None:
    seen = changed(lies, "json-schema-parse", cut, "openai")
    assert seen.reply.raised
    assert seen.reply.raised.type == "openai.LengthFinishReasonError"
    assert outcome("client.no-exception", seen) is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(("text", "expected"), [("another text", Outcome.INCONCLUSIVE), (None, Outcome.FAIL)])
def test_finish_reasons_are_compared_where_the_texts_are_the_same(
    lies: Lies, text: str | None, expected: Outcome
) -> None:
    def ends_by_cap(body: Any) -> None:
        choice = body["choices"][0]
        choice["finish_reason"] = "length"
        choice["message"]["content"] = text or choice["message"]["content"]

    streamed = lies.truth("with-usage", "raw", Mode.STREAM)
    assert outcome("parity.finish-reason", changed(lies, "with-usage", ends_by_cap), streamed) is expected


def test_what_a_client_changes_is_silently_wrong_and_another_id_differs(lies: Lies) -> None:
    seen = lies.truth("founding", "openai", Mode.STREAM)
    another_text = replace(seen.reply, choices=(replace(seen.reply.choices[0], text="x"),))
    another_id = replace(seen.reply, response_id="chatcmpl-x")
    raises = changed(lies, "founding", lambda body: body.update(choices=None), "langchain")
    assert effect_of(seen) == ("unaffected", "")
    assert effect_of(replace(seen, reply=another_text))[0] == "silently wrong"
    assert effect_of(replace(seen, reply=another_id))[0] == "differs"
    assert effect_of(raises)[0] == "raises"


def test_an_id_that_a_client_never_tells_is_no_effect_of_the_answer(lies: Lies) -> None:
    seen = lies.truth("founding", "langchain", Mode.STREAM)
    assert seen.reply.response_id is None
    assert effect_of(seen) == ("unaffected", "")


def test_a_refusal_that_was_asked_for_is_not_compared_and_one_that_was_not_raises(lies: Lies) -> None:
    asked_for = lies.truth("no-messages", "openai", Mode.PLAIN)
    answered = lies.truth("founding", "openai", Mode.PLAIN).scenario
    assert effect_of(asked_for) == ("not compared", "")
    assert effect_of(replace(asked_for, scenario=answered))[0] == "raises"


@pytest.mark.parametrize("mode", Mode)
def test_a_response_in_langchains_parts_is_compared_by_what_the_parts_say(lies: Lies, mode: Mode) -> None:
    seen = lies.truth("response", "langchain", mode)
    said: Any = seen.reply.choices[0].text
    other = replace(seen.reply.choices[0], text=[{**part, "text": "x"} for part in said])
    assert isinstance(said, list)
    assert effect_of(seen) == ("unaffected", "")
    assert effect_of(replace(seen, reply=replace(seen.reply, choices=(other,))))[0] == "silently wrong"


def test_a_call_of_a_response_that_a_client_loses_is_silently_wrong(lies: Lies) -> None:
    seen = lies.truth("response-tool", "langchain", Mode.PLAIN)
    without = replace(seen.reply.choices[0], tool_calls=())
    assert effect_of(seen) == ("unaffected", "")
    assert effect_of(replace(seen, reply=replace(seen.reply, choices=(without,))))[0] == "silently wrong"


def test_an_answer_to_a_raw_request_has_no_user(lies: Lies) -> None:
    body = json.loads(lies.truth("founding", "raw", Mode.PLAIN).response.body)
    assert effect_of(told(body, "bad-role")) == ("not compared", "")


def test_texts_of_legacy_completions_and_responses_are_compared(lies: Lies) -> None:
    for scenario in ("completion", "response"):
        assert effect_of(lies.truth(scenario, "openai", Mode.STREAM)) == ("unaffected", "")
