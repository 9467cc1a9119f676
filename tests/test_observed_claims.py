"""What an endpoint was seen to do, ready for likewise.toml."""

import tomllib

from harness.observed_claims import as_toml, observed_claims
from harness.rule import Level
from harness.scenario import Scenario, chat
from harness.verdict import Outcome, Verdict

SCENARIOS = {
    name: Scenario(name, "A question.", chat({"messages": []}), needs=frozenset({name}))
    for name in ("tools", "n", "stop", "seed")
}


def verdict(scenario: str, outcome: Outcome, level: Level = "spec") -> Verdict:
    return Verdict("a.rule", level, "a", scenario, "raw", "plain", outcome)


def test_what_passes_works_and_what_fails_or_is_refused_does_not() -> None:
    claims = observed_claims(
        SCENARIOS,
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


def test_a_recommendation_that_is_not_followed_is_no_failure() -> None:
    verdicts = [verdict("tools", Outcome.PASS), verdict("tools", Outcome.FAIL, "recommended")]
    assert observed_claims(SCENARIOS, verdicts).works == ("tools",)


def test_the_line_can_be_pasted() -> None:
    claims = observed_claims(SCENARIOS, [verdict("tools", Outcome.PASS), verdict("n", Outcome.FAIL)])
    assert tomllib.loads(as_toml(claims)) == {"claims": ["tools"]}
    assert "# seen to fail or to be refused: n" in as_toml(claims)
