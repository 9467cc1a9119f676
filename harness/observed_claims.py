"""Observed claims: what an endpoint was seen to do, in the words of likewise.toml."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.rule import Rule
from harness.scenario import Scenario
from harness.target import CAPABILITIES
from harness.verdict import BROKEN, Outcome, Verdict


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
    fails = [name for name, seen in shown.items() if seen & {*BROKEN, Outcome.UNSUPPORTED}]
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
    shown, about = shown_outcomes(scenarios, rules, verdicts), _about(scenarios, rules)
    for name in sorted(claimed):
        if not shown[name] & {Outcome.PASS, *BROKEN}:
            reasons = Counter(
                verdict.reason
                for verdict in verdicts
                if verdict.outcome is Outcome.INCONCLUSIVE
                and name in _needs(scenarios, verdict)
                and verdict.rule in about
            )
            yield name, reasons.most_common(1)[0][0] if reasons else "no rule reads what came"


def shown_outcomes(
    scenarios: Mapping[str, Scenario], rules: Mapping[str, Rule], verdicts: Iterable[Verdict]
) -> Mapping[str, set[Outcome]]:
    """For each capability the outcomes of the rules about it.

    What needs several is no mark against one that a scenario with fewer shows: a function that is named and
    not called says nothing of tools that are called elsewhere.
    """
    about = _about(scenarios, rules)
    has_own = frozenset().union(*(rule.shows for rule in rules.values()))
    shown: dict[str, set[frozenset[str]]] = {name: set() for name in CAPABILITIES}
    others: list[tuple[Outcome, frozenset[str]]] = []
    for verdict in verdicts:
        if verdict.rule not in about:
            continue
        needs, shows = _needs(scenarios, verdict), rules[verdict.rule].shows
        if verdict.outcome not in _SHOWN:
            others.append((verdict.outcome, needs))
            continue
        for name in needs:
            if name not in has_own or name in shows:
                shown[name].add(needs)
    outcomes = {name: {Outcome.PASS} if sets else set() for name, sets in shown.items()}
    for outcome, needs in dict.fromkeys(others):
        for name in needs:
            if not any(fewer < needs for fewer in shown[name]):
                outcomes[name].add(outcome)
    return outcomes


_SHOWN = {Outcome.PASS, Outcome.WAIVED}


def _about(scenarios: Mapping[str, Scenario], rules: Mapping[str, Rule]) -> frozenset[str]:
    """The rules that say whether a capability is there.

    They are those that say so themselves, and those that must hold, or show an effect, and judge nothing
    which needs no capability: a rule on any answer says nothing of what was asked for. Those on errors judge
    refusals.
    """
    plain = [one for one in scenarios.values() if not one.needs]
    return frozenset(
        rule.id
        for rule in rules.values()
        if rule.shows
        or (
            (rule.level == "must" or rule.effect_of)
            and (rule.surface == "errors" or not any(map(rule.applies, plain)))
        )
    )


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
