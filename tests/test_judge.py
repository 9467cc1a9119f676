"""Judging: outcomes, waivers, and what a broken rule does not break."""

from dataclasses import replace
from datetime import date

import orjson
import pytest

from harness.clients.reply import Reply
from harness.evidence import NotJudgedError, Observation
from harness.judge import judge
from harness.rule import Rule, Violation, Violations, rule
from harness.scenario import Mode, Scenario, chat
from harness.target import Waiver
from harness.verdict import Outcome, Verdict
from harness.wire.exchange import Ending, Exchange, Read, Request, Response

SCENARIO = Scenario("asked", "A question.", chat({"messages": []}))
TODAY = date(2026, 11, 24)


def observed(body: object = None, *, status: int = 200, mode: Mode = Mode.PLAIN) -> Observation:
    read = Read(2, orjson.dumps(body))
    response = Response(status, "HTTP/1.1", (("content-type", "application/json"),), 1, (read,))
    request = Request("POST", "http://127.0.0.1/v1/chat/completions", (), b"{}", 0)
    exchange = Exchange(request, response, Ending.COMPLETE, 3)
    return Observation(SCENARIO, "raw", "httpx 0", mode, exchange, Reply())


def make(check_violations: Violations | None = None, raises: Exception | None = None) -> Rule:
    violations = tuple(check_violations or ())

    @rule("test.rule", level="spec", source="here", breaks="nobody")
    def something_holds(observation: Observation) -> Violations:
        """Something holds."""
        if raises:
            raise raises
        yield from violations
        assert observation

    return something_holds


def judged(a_rule: Rule, *waivers: Waiver) -> Verdict:
    (verdict,) = judge([a_rule], [observed({})], waivers, TODAY)
    return verdict


BAD = Violation("7", "a string", "/choices/0/message/content")
WORSE = Violation("[]", "a string", "/choices/1/message/content")


def test_no_violation_is_a_pass() -> None:
    assert judged(make()).outcome is Outcome.PASS


def test_a_violation_is_a_failure_with_its_evidence_and_a_sentence() -> None:
    verdict = judged(make([BAD]))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, (BAD,))
    assert verdict.reason == "received 7 at /choices/0/message/content; expected a string"


def test_evidence_that_did_not_come_is_inconclusive() -> None:
    verdict = judged(make(raises=NotJudgedError("no stream")))
    assert (verdict.outcome, verdict.reason) == (Outcome.INCONCLUSIVE, "no stream")


def test_a_rule_that_breaks_is_our_error_and_not_the_endpoints_failure() -> None:
    verdict = judged(make(raises=ZeroDivisionError("oops")))
    assert (verdict.outcome, verdict.counts_at("recommended")) == (Outcome.ERROR, False)
    assert "ZeroDivisionError" in verdict.reason


@pytest.mark.parametrize("pointer", [None, "/choices/*/message/content", "/choices/0/message/content"])
def test_a_waiver_that_covers_the_place_waives_with_its_reason(pointer: str | None) -> None:
    verdict = judged(make([BAD]), Waiver("test.rule", "we know", pointer))
    assert (verdict.outcome, verdict.reason) == (Outcome.WAIVED, "we know")


@pytest.mark.parametrize(
    "waiver",
    [
        Waiver("another.rule", "not this one"),
        Waiver("test.rule", "elsewhere", "/choices/*/message"),
        Waiver("test.rule", "one step only", "/choices/*"),
        Waiver("test.rule", "over", expires=date(2026, 11, 23)),
        Waiver("test.rule", "other requests", path="/responses"),
    ],
)
def test_a_waiver_of_something_else_waives_nothing(waiver: Waiver) -> None:
    assert judged(make([BAD]), waiver).outcome is Outcome.FAIL


def test_a_waiver_may_be_for_the_requests_to_one_path() -> None:
    waiver = Waiver("test.rule", "here", path="/chat/completions")
    assert judged(make([BAD]), waiver).outcome is Outcome.WAIVED


@pytest.mark.parametrize("received", ["7", r"\d", "7|null"])
def test_a_waiver_may_be_for_what_was_received(received: str) -> None:
    assert judged(make([BAD]), Waiver("test.rule", "seven", received=received)).outcome is Outcome.WAIVED


@pytest.mark.parametrize("received", ["nothing", "null", ""])
def test_a_waiver_of_one_kind_hides_no_other_kind_at_its_place(received: str) -> None:
    waiver = Waiver("test.rule", "another kind", "/choices/*/message/content", received=received)
    assert judged(make([BAD]), waiver).outcome is Outcome.FAIL


def test_what_was_received_is_matched_as_a_whole() -> None:
    longer = replace(BAD, received="70")
    assert judged(make([longer]), Waiver("test.rule", "seven", received="7")).outcome is Outcome.FAIL


def test_a_waiver_holds_until_its_last_day() -> None:
    assert judged(make([BAD]), Waiver("test.rule", "today", expires=TODAY)).outcome is Outcome.WAIVED


def test_what_no_waiver_covers_still_fails_and_is_the_evidence() -> None:
    verdict = judged(make([BAD, WORSE]), Waiver("test.rule", "the first", "/choices/0/message/content"))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, (WORSE,))


def test_a_failure_counts_at_its_level_and_at_those_that_ask_for_more() -> None:
    verdict = judged(make([BAD]))
    assert [verdict.counts_at(level) for level in ("must", "spec", "recommended")] == [False, True, True]


def test_a_rule_judges_each_observation_that_it_applies_to() -> None:
    observations = [observed({}), observed({}, mode=Mode.STREAM)]
    assert [verdict.mode for verdict in judge([make()], observations, (), TODAY)] == ["plain", "stream"]
    narrowed = replace(make(), when=lambda scenario: scenario.id == "another")
    assert list(judge([narrowed], observations, (), TODAY)) == []


def test_a_rate_limited_answer_is_not_judged() -> None:
    @rule("test.status", level="must", source="here", breaks="nobody")
    def the_status_is_200(observation: Observation) -> Violations:
        """The status is 200."""
        if observation.response.status != 200:
            yield Violation(str(observation.response.status), "200")

    (verdict,) = judge([the_status_is_200], [observed({}, status=429)], (), TODAY)
    assert verdict.outcome is Outcome.INCONCLUSIVE
