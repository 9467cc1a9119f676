"""Observed claims: what an endpoint was seen to do, in the words of likewise.toml."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.rule import Rule
from harness.scenario import Scenario
from harness.target import CAPABILITIES
from harness.verdict import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class ObservedClaims:
    """Capabilities by what was seen of them; each stands in one of the three."""

    works: tuple[str, ...]
    fails: tuple[str, ...]
    not_seen: tuple[str, ...]


def observed_claims(
    scenarios: Mapping[str, Scenario], rules: Mapping[str, Rule], verdicts: Iterable[Verdict]
) -> ObservedClaims:
    """What the verdicts show of each capability.

    It works when a rule about it passed and none failed; it fails when one did, or when the endpoint refused
    it. What fails beside it, such as a token count, says nothing of it.
    """
    shown = shown_outcomes(scenarios, rules, verdicts)
    fails = [name for name, seen in shown.items() if seen & {Outcome.FAIL, Outcome.UNSUPPORTED}]
    works = [name for name, seen in shown.items() if Outcome.PASS in seen and name not in fails]
    return ObservedClaims(
        tuple(works), tuple(fails), tuple(name for name in shown if name not in {*works, *fails})
    )


def unshown(
    claimed: Iterable[str],
    scenarios: Mapping[str, Scenario],
    rules: Mapping[str, Rule],
    verdicts: Sequence[Verdict],
) -> Iterator[tuple[str, str]]:
    """Each claimed capability of which no rule could say anything, with the commonest reason."""
    shown = shown_outcomes(scenarios, rules, verdicts)
    for name in sorted(claimed):
        if not shown[name] & {Outcome.PASS, Outcome.FAIL}:
            reasons = Counter(
                verdict.reason
                for verdict in verdicts
                if verdict.outcome is Outcome.INCONCLUSIVE
                and name in _needs(scenarios, verdict)
                and _is_about(rules.get(verdict.rule), verdict)
            )
            yield name, reasons.most_common(1)[0][0] if reasons else "no rule reads what came"


def shown_outcomes(
    scenarios: Mapping[str, Scenario], rules: Mapping[str, Rule], verdicts: Iterable[Verdict]
) -> Mapping[str, set[Outcome]]:
    """For each capability the outcomes of the rules about it.

    What needs several is no mark against one that a scenario with fewer shows: a function that is named and
    not called says nothing of tools that are called elsewhere.
    """
    has_own = frozenset().union(*(rule.shows for rule in rules.values()))
    shown: dict[str, set[frozenset[str]]] = {name: set() for name in CAPABILITIES}
    others: list[tuple[Outcome, frozenset[str]]] = []
    for verdict in verdicts:
        rule, needs = rules.get(verdict.rule), _needs(scenarios, verdict)
        if not _is_about(rule, verdict):
            continue
        if verdict.outcome not in _SHOWN:
            others.append((verdict.outcome, needs))
            continue
        for name in needs:
            if name not in has_own or (rule is not None and name in rule.shows):
                shown[name].add(needs)
    outcomes = {name: {Outcome.PASS} if sets else set() for name, sets in shown.items()}
    for outcome, needs in dict.fromkeys(others):
        for name in needs:
            if not any(fewer < needs for fewer in shown[name]):
                outcomes[name].add(outcome)
    return outcomes


_SHOWN = {Outcome.PASS, Outcome.WAIVED}
_ABOUT = frozenset(
    {"params", "tools", "structured", "embeddings", "models", "completions", "responses", "errors"}
)
"""The surfaces whose rules speak of what was asked for; the others speak of any answer."""


def _is_about(rule: Rule | None, verdict: Verdict) -> bool:
    """Whether a verdict says if a capability is there: by a rule that must hold, or that shows an effect."""
    has_effect = rule is not None and bool(rule.effect_of)
    return verdict.surface in _ABOUT and (verdict.level == "must" or has_effect)


def _needs(scenarios: Mapping[str, Scenario], verdict: Verdict) -> frozenset[str]:
    scenario = scenarios.get(verdict.scenario.partition("#")[0])
    return scenario.needs if scenario else frozenset()


def as_toml(claims: ObservedClaims) -> str:
    """The line for likewise.toml, with what was seen to fail and what was not seen as comments."""
    lines = ["claims = [", *(f'    "{name}",' for name in claims.works), "]"]
    if claims.fails:
        lines.append(f"# seen to fail or to be refused: {', '.join(claims.fails)}")
    if claims.not_seen:
        lines.append(f"# nothing was seen of: {', '.join(claims.not_seen)}")
    return "\n".join(lines)
