"""Observed claims: what an endpoint was seen to do, in the words of likewise.toml."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.scenario import Scenario
from harness.target import CAPABILITIES
from harness.verdict import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class ObservedClaims:
    """Capabilities by what was seen of them; each stands in one of the three."""

    works: tuple[str, ...]
    fails: tuple[str, ...]
    not_seen: tuple[str, ...]


def observed_claims(scenarios: Mapping[str, Scenario], verdicts: Iterable[Verdict]) -> ObservedClaims:
    """What the verdicts show of each capability.

    It works when a scenario that needs it was judged and no rule of level must or spec failed there; it fails
    when one did, or when the endpoint refused it.
    """
    outcomes: dict[str, set[Outcome]] = {name: set() for name in CAPABILITIES}
    for verdict in verdicts:
        scenario = scenarios.get(verdict.scenario.partition("#")[0])
        is_minor = verdict.outcome is Outcome.FAIL and not verdict.counts_at("spec")
        for name in scenario.needs if scenario and not is_minor else ():
            outcomes[name].add(verdict.outcome)
    fails = [name for name, seen in outcomes.items() if seen & {Outcome.FAIL, Outcome.UNSUPPORTED}]
    works = [name for name, seen in outcomes.items() if Outcome.PASS in seen and name not in fails]
    return ObservedClaims(
        tuple(works), tuple(fails), tuple(name for name in outcomes if name not in {*works, *fails})
    )


def as_toml(claims: ObservedClaims) -> str:
    """The line for likewise.toml, with what was seen to fail and what was not seen as comments."""
    lines = ["claims = [", *(f'    "{name}",' for name in claims.works), "]"]
    if claims.fails:
        lines.append(f"# seen to fail or to be refused: {', '.join(claims.fails)}")
    if claims.not_seen:
        lines.append(f"# nothing was seen of: {', '.join(claims.not_seen)}")
    return "\n".join(lines)
