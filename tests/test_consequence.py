"""Consequences: one fault gives one finding, and what fails because of it says so."""

from collections.abc import Mapping

import pytest

from harness.check import Settings, check
from harness.consequence import traced
from harness.endpoint.server import running
from harness.endpoint.settings import Settings as EndpointSettings
from harness.evidence import Observation
from harness.evidence.grounds import Ground, shape
from harness.report.findings import findings
from harness.rule import Level, Rule, Violation, Violations, rule
from harness.scenario import Scenario, chat
from harness.target import Target
from harness.verdict import Outcome, Verdict

PLAIN = Scenario("plain-question", "A question.", chat({"messages": []}))
WITH_TOOLS = Scenario("with-tools", "Tools.", chat({"tools": []}), needs=frozenset({"tools"}))
SCENARIOS: Mapping[str, Scenario] = {one.id: one for one in (PLAIN, WITH_TOOLS)}


def a_rule(rule_id: str, level: Level = "must", **grounds: object) -> Rule:
    @rule(rule_id, level=level, source="here", breaks="nobody", **grounds)  # type: ignore[arg-type]  # a test's own
    def something_holds(observation: Observation) -> Violations:
        """Something holds."""
        yield from ()
        assert observation

    return something_holds


RULES = {
    one.id: one
    for one in (
        a_rule("basic.read", upholds=Ground.READABLE),
        a_rule("basic.choices", upholds=Ground.CHOICES, rests_on=(Ground.READABLE,)),
        a_rule("basic.advice", "recommended", upholds=Ground.READABLE),
        a_rule("shape.must", upholds=shape),
        a_rule("text.right", rests_on=(Ground.READABLE, Ground.CHOICES)),
        a_rule("text.place"),
        a_rule("text.place-at-spec", "spec"),
        a_rule("x.accepted", upholds=Ground.ACCEPTED),
        a_rule("y.served", upholds=Ground.SERVED, rests_on=(Ground.ACCEPTED,)),
        a_rule("alone.stands"),
    )
}


def fail(
    rule_id: str, *pointers: str, scenario: str = PLAIN.id, client: str = "raw", mode: str = "plain"
) -> Verdict:
    evidence = tuple(Violation("7", "8", pointer) for pointer in pointers or ("/x",))
    level = RULES[rule_id].level
    return Verdict(rule_id, level, "x", scenario, client, mode, Outcome.FAIL, "received 7", evidence)


def causes(*verdicts: Verdict) -> dict[str, str]:
    """Of each rule that fails what its failure follows from; "" where it is a finding."""
    return {one.rule: one.cause for one in traced(verdicts, RULES, SCENARIOS)}


def test_what_rests_on_a_ground_follows_from_the_rule_that_upholds_it() -> None:
    (basic, other) = traced([fail("basic.read"), fail("text.right")], RULES, SCENARIOS)
    assert (basic.outcome, basic.cause) == (Outcome.FAIL, "")
    assert (other.outcome, other.cause) == (Outcome.CONSEQUENCE, "basic.read")


def test_the_cause_is_the_root_of_them_all() -> None:
    found = causes(fail("basic.choices"), fail("text.right"), fail("basic.read"))
    assert found == {"basic.read": "", "basic.choices": "basic.read", "text.right": "basic.read"}


def test_nothing_follows_from_a_recommendation_nor_what_rests_on_nothing() -> None:
    found = causes(fail("basic.advice"), fail("text.right"), fail("basic.choices"), fail("alone.stands"))
    assert found["basic.choices"] == found["alone.stands"] == ""


@pytest.mark.parametrize("elsewhere", [{"client": "openai"}, {"mode": "stream"}, {"scenario": WITH_TOOLS.id}])
def test_what_fails_at_another_place_is_a_finding_of_its_own(elsewhere: dict[str, str]) -> None:
    assert causes(fail("basic.read"), fail("text.right", **elsewhere))["text.right"] == ""


def test_what_is_said_of_both_modes_follows_from_either() -> None:
    assert (
        causes(fail("basic.read", mode="stream"), fail("text.right", mode="both"))["text.right"]
        == "basic.read"
    )


def test_a_schema_upholds_what_holds_an_answers_parts_and_nothing_else() -> None:
    assert {place for place in ("/choices", "/choices/0/index", "/created", "/usage") if shape(place)} == {
        "/choices",
        "/choices/0/index",
    }


def test_a_schema_leaves_the_word_to_a_rule_that_says_what_is_wrong_there() -> None:
    assert causes(fail("shape.must", "/a"), fail("text.place", "/a", "/b"))["shape.must"] == "text.place"
    assert causes(fail("shape.must", "/a", "/c"), fail("text.place", "/a", "/b"))["shape.must"] == ""
    assert causes(fail("shape.must", "/a"), fail("text.place-at-spec", "/a"))["shape.must"] == ""


def test_not_accepted_needs_the_plain_question_to_be_accepted() -> None:
    refused = fail("y.served")
    assert causes(refused, fail("x.accepted", scenario=WITH_TOOLS.id))["x.accepted"] == "y.served"
    assert causes(fail("x.accepted", scenario=WITH_TOOLS.id))["x.accepted"] == ""


def test_a_refusal_that_is_named_is_no_second_finding() -> None:
    assert causes(fail("x.accepted"), fail("y.served")) == {"x.accepted": "", "y.served": "x.accepted"}


@pytest.mark.parametrize(
    ("fault", "only"),
    [("sc-choice-index", "stream.choice-indexes"), ("cn-choices-null", "chat.choice-count")],
)
def test_a_fault_in_every_answer_is_one_finding(fault: str, only: str) -> None:
    with running(EndpointSettings(faults=(fault,))) as address:
        environ = {"KEY": address.key}
        target = Target("lying", address.base_url, address.model, "KEY", "openai", frozenset())
        with check(target, Settings(clients=("raw", "openai")), environ) as checking:
            checking.all_observations()
            checking.has_ended = True
            run = checking.judged()
    (finding,) = (one for one in findings(run) if one.rule.level != "recommended")
    assert finding.rule.id == only
    assert finding.followed_by
    assert run.exit_code == 1
