"""The proof of the suites: run them against the reference endpoint, told to depart from what is right.

A *trial* is one departure asked through every client, and what all rules said of it. A fault has to be
noticed by the rules that name it, a legal variation by nobody, and the endpoint without either by nobody.
Everything is asked over real sockets; only the single mutations of `harness.mutation` are judged on recorded
exchanges.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness import content
from harness.clients import DEFAULT_CLIENTS, Connection
from harness.dialect import waivers_of
from harness.endpoint.server import running
from harness.endpoint.settings import Settings
from harness.evidence import Observation
from harness.judge import can_ask, judge
from harness.observe import observer
from harness.plan import Call
from harness.rule import Level
from harness.scenario import FollowUp, Mode, Scenario
from harness.verdict import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Catch:
    """A rule that failed in a trial: where, through which clients and in which modes, and what it said first."""

    rule: str
    level: Level
    clients: list[str]
    modes: list[str]
    scenario: str
    message: str


def tried(departures: Iterable[str], dialect: str, scenario_ids: Iterable[str]) -> list[Verdict]:
    """Every verdict on an endpoint that departs in these ways."""
    settings = Settings(dialect=dialect, faults=tuple(departures))
    with running(settings) as address:
        connection = Connection(address.base_url, address.model, address.key, address.embedding_model)
        seen = list(_observed(connection, _scenarios(scenario_ids)))
    return list(judge(content.rules().values(), seen, waivers_of(dialect)))


def _scenarios(ids: Iterable[str]) -> list[Scenario]:
    """The scenarios of these ids, and before each follow-up the one that it goes on from."""
    known, found = content.scenarios(), {}
    for scenario_id in ids:
        ask = known[scenario_id].ask
        if isinstance(ask, FollowUp):
            found[ask.after] = known[ask.after]
        found[scenario_id] = known[scenario_id]
    return list(found.values())


def _observed(connection: Connection, scenarios: Iterable[Scenario]) -> Iterator[Observation]:
    found: dict[tuple[str, str, Mode], Observation] = {}
    with observer(connection, DEFAULT_CLIENTS, []) as opened:
        for scenario in scenarios:
            ask = scenario.ask
            for client in DEFAULT_CLIENTS:
                for mode in scenario.modes if can_ask(client, scenario) else ():
                    before = found.get((ask.after, client, mode)) if isinstance(ask, FollowUp) else None
                    seen = opened.observe(Call(scenario, client, mode), before)
                    found[scenario.id, client, mode] = seen
                    yield seen


def catches(verdicts: Iterable[Verdict]) -> list[Catch]:
    """The rules that failed, each once."""
    by_rule: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.outcome in {Outcome.FAIL, Outcome.ERROR}:
            by_rule.setdefault(verdict.rule, []).append(verdict)
    return [
        Catch(
            rule,
            failed[0].level,
            list(dict.fromkeys(verdict.client for verdict in failed)),
            list(dict.fromkeys(verdict.mode for verdict in failed)),
            failed[0].scenario,
            failed[0].reason,
        )
        for rule, failed in by_rule.items()
    ]
