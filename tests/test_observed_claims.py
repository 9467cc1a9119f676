"""What an endpoint was seen to do, ready for likewise.toml."""

import tomllib
from collections.abc import Callable
from dataclasses import replace

from harness.evidence import Observation
from harness.observed_claims import as_toml, observed_claims, unshown
from harness.rule import Level, Rule, Violations, rule
from harness.scenario import Scenario, chat
from harness.verdict import Outcome, Verdict

SCENARIOS = {
    name: Scenario(name, "A question.", chat({"messages": []}), needs=frozenset({name}))
    for name in ("tools", "n", "stop", "seed")
} | {"plain": Scenario("plain", "A question.", chat({"messages": []}))}


def holds(_: Observation) -> Violations:
    """It holds."""
    yield from ()


def made(rule_id: str, level: Level, when: Callable[[Scenario], bool]) -> Rule:
    return rule(rule_id, level=level, source="", breaks="", when=when)(holds)


RULES = {
    one.id: one
    for one in (
        made("params.must", "must", lambda scenario: bool(scenario.needs)),
        made("params.spec", "spec", lambda scenario: bool(scenario.needs)),
        made("stream.must", "must", lambda _: True),
    )
}


def verdict(scenario: str, outcome: Outcome, rule_id: str = "params.must") -> Verdict:
    known = RULES[rule_id]
    return Verdict(known.id, known.level, known.surface, scenario, "raw", "plain", outcome)


def test_what_passes_works_and_what_fails_or_is_refused_does_not() -> None:
    claims = observed_claims(
        SCENARIOS,
        RULES,
        [
            verdict("tools", Outcome.PASS),
            verdict("n", Outcome.PASS),
            verdict("n", Outcome.FAIL),
            verdict("stop", Outcome.UNSUPPORTED),
            verdict("seed", Outcome.INCONCLUSIVE),
        ],
    )
    assert (claims.works, set(claims.fails)) == (("tools",), {"n", "stop"})
    assert "seed" in claims.not_seen


def test_a_rule_that_need_not_hold_is_no_mark_against_a_capability() -> None:
    verdicts = [verdict("tools", Outcome.PASS), verdict("tools", Outcome.FAIL, "params.spec")]
    assert observed_claims(SCENARIOS, RULES, verdicts).works == ("tools",)


def test_what_fails_beside_it_says_nothing_of_a_capability() -> None:
    beside = [
        verdict("tools", Outcome.PASS),
        verdict("tools", Outcome.FAIL, "stream.must"),
        verdict("n", Outcome.PASS, "stream.must"),
    ]
    claims = observed_claims(SCENARIOS, RULES, beside)
    assert (claims.works, claims.fails) == (("tools",), ())


def test_what_needs_more_is_no_mark_against_what_is_shown_with_less() -> None:
    named = Scenario("named", "A question.", chat({"messages": []}), needs=frozenset({"tools", "n"}))
    for outcome in (Outcome.FAIL, Outcome.UNSUPPORTED):
        claims = observed_claims(
            {**SCENARIOS, "named": named},
            RULES,
            [verdict("tools", Outcome.PASS), verdict("named", outcome)],
        )
        assert (claims.works, claims.fails) == (("tools",), ("n",))


def test_a_claim_that_nothing_could_judge_is_named_with_the_reason() -> None:
    undecided = replace(verdict("tools", Outcome.INCONCLUSIVE), reason="the model made no tool call")
    assert list(unshown({"tools", "n"}, SCENARIOS, RULES, [undecided, verdict("n", Outcome.PASS)])) == [
        ("tools", "the model made no tool call")
    ]


def test_the_line_can_be_pasted() -> None:
    claims = observed_claims(SCENARIOS, RULES, [verdict("tools", Outcome.PASS), verdict("n", Outcome.FAIL)])
    assert tomllib.loads(as_toml(claims)) == {"claims": ["tools"]}
    assert "# seen to fail or to be refused: n" in as_toml(claims)
