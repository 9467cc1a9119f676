"""Repeating: what depends on chance is asked again, every try is judged, and the rate is told."""

import pytest

from harness import content
from harness.plan import Budget, Plan, plan
from harness.rates import rates, share_interval
from harness.scenario import BOTH_MODES
from harness.target import CAPABILITIES
from harness.verdict import Outcome, Verdict


def planned(repeat: int, budget: Budget | None = None) -> Plan:
    return plan(
        content.scenarios().values(),
        ["raw", "openai", "langchain"],
        BOTH_MODES,
        claims=frozenset(CAPABILITIES),
        profile="standard",
        repeat=repeat,
        budget=budget or Budget(),
    )


def verdict(scenario: str, outcome: Outcome) -> Verdict:
    return Verdict("a.rule", "spec", "a", scenario, "raw", "plain", outcome)


def test_what_depends_on_chance_is_asked_again_and_nothing_else() -> None:
    once, thrice = planned(1).calls, planned(3).calls
    again = thrice[len(once) :]
    assert thrice[: len(once)] == once
    by_chance = [call for call in once if call.scenario.depends_on_chance]
    assert len(again) == 2 * len(by_chance)
    assert {call.scenario.name for call in again} == {
        f"{call.scenario.id}#{number}" for call in by_chance for number in (2, 3)
    }


def test_a_budget_takes_the_repetitions_first() -> None:
    once = planned(1)
    within = planned(2, Budget(requests=len(once.calls) + 1))
    assert within.calls[:-1] == once.calls
    assert all(call.scenario.repetition for call in within.left_out)


def test_a_full_check_keeps_to_its_bounds() -> None:
    once = planned(1)
    assert len(once.calls) <= 300
    assert once.tokens <= 12_000


def test_every_try_counts_and_the_rate_has_its_interval() -> None:
    tries = [
        verdict("tool-call", Outcome.PASS),
        verdict("tool-call#2", Outcome.FAIL),
        verdict("tool-call#3", Outcome.INCONCLUSIVE),
        verdict("tool-call#4", Outcome.FAIL),
    ]
    (rate,) = rates(tries)
    assert (rate.scenario, rate.failed, rate.judged) == ("tool-call", 2, 3)
    assert rate.sentence == "2 of 3 tries fail (21% to 94%): tool-call raw plain"


def test_what_was_asked_once_or_never_failed_has_no_rate() -> None:
    assert not list(
        rates([verdict("a", Outcome.FAIL), verdict("b", Outcome.PASS), verdict("b#2", Outcome.PASS)])
    )


@pytest.mark.parametrize(
    ("hits", "tries", "interval"),
    # Wilson's interval as R's prop.test(hits, tries, correct = FALSE) gives it.
    [(0, 10, (0.0, 0.2775)), (1, 5, (0.0362, 0.6245)), (5, 5, (0.5655, 1.0)), (50, 100, (0.4038, 0.5962))],
)
def test_the_interval_is_wilsons(hits: int, tries: int, interval: tuple[float, float]) -> None:
    assert share_interval(hits, tries) == pytest.approx(interval, abs=5e-5)
