"""A plan: everything that a run will ask, and what that may cost, known before the first request."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from harness.judge import can_ask
from harness.scenario import FollowUp, Http, Mode, Scenario

Profile: TypeAlias = Literal["smoke", "standard", "full"]

UNCAPPED_TOKENS = 192
"""What a request without a cap is counted as: the founding calls have none, and ask who the model is."""


@dataclass(frozen=True, slots=True)
class Call:
    """One thing to ask: a scenario through a client in a mode.

    `is_probe` marks the one call that finds out what an endpoint makes of a thing that it does not claim.
    """

    scenario: Scenario
    client: str
    mode: Mode
    is_probe: bool = False

    @property
    def tokens(self) -> int:
        """The most completion tokens that it asks for."""
        ask = self.scenario.ask
        if isinstance(ask, Http) or ask.operation in {"embeddings", "models"} or self.scenario.refused_with:
            return 0
        if isinstance(ask, FollowUp):
            return ask.tokens
        params = ask.params_for(self.mode)
        caps = [params.get(name) for name in ("max_tokens", "max_completion_tokens", "max_output_tokens")]
        cap = next((cap for cap in caps if isinstance(cap, int)), UNCAPPED_TOKENS)
        choices = params.get("n")
        return cap * (choices if isinstance(choices, int) else 1)


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that a run may ask; None: no bound."""

    requests: int | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The calls of a run in order, and what the budget left out."""

    calls: tuple[Call, ...]
    left_out: tuple[Call, ...] = ()

    @property
    def tokens(self) -> int:
        """The most completion tokens that it asks for."""
        return sum(call.tokens for call in self.calls)


def plan(
    scenarios: Iterable[Scenario],
    clients: Sequence[str],
    modes: Sequence[Mode],
    *,
    claims: frozenset[str],
    profile: Profile,
    repeat: int,
    budget: Budget,
) -> Plan:
    """What to ask: the founding calls, then what is claimed, then one probe of each thing that is not.

    Last, what depends on chance is asked again until it has been asked `repeat` times.
    """
    chosen = [scenario for scenario in scenarios if scenario.is_dropin or profile != "smoke"]
    ordered = sorted(chosen, key=lambda one: (not one.is_dropin, isinstance(one.ask, FollowUp)))
    claimed = [scenario for scenario in ordered if scenario.needs <= claims]
    again = [
        replace(scenario, repetition=repetition)
        for repetition in range(1, repeat)
        for scenario in claimed
        if scenario.depends_on_chance
    ]
    calls = [
        *_claimed(claimed, clients, modes),
        *_probes(ordered, clients, modes, claims),
        *_claimed(again, clients, modes),
    ]
    return _within(budget, calls)


def _claimed(scenarios: Iterable[Scenario], clients: Sequence[str], modes: Sequence[Mode]) -> Iterator[Call]:
    for scenario in scenarios:
        for client in clients:
            if can_ask(client, scenario):
                yield from (Call(scenario, client, mode) for mode in scenario.modes if mode in modes)


def _probes(
    scenarios: Iterable[Scenario], clients: Sequence[str], modes: Sequence[Mode], claims: frozenset[str]
) -> Iterator[Call]:
    """For each set of capabilities that is not claimed, a call that needs it and little else."""
    first: dict[frozenset[str], Call] = {}
    for scenario in sorted(scenarios, key=lambda scenario: len(scenario.needs)):
        missing = scenario.needs - claims
        if missing and scenario.is_answered and not isinstance(scenario.ask, FollowUp):
            calls = _claimed([scenario], clients, modes)
            probe = next(calls, None)
            if probe is not None:
                first.setdefault(missing, Call(scenario, probe.client, probe.mode, is_probe=True))
    yield from first.values()


def _within(budget: Budget, calls: Iterable[Call]) -> Plan:
    """As many calls as the budget allows, in order; a follow-up never stays without what it follows."""
    kept: dict[tuple[str, str, Mode], Call] = {}
    left_out: list[Call] = []
    tokens = 0
    for call in calls:
        ask = call.scenario.ask
        lacks_its_start = isinstance(ask, FollowUp) and (ask.after, call.client, call.mode) not in kept
        is_too_much = (budget.requests is not None and len(kept) >= budget.requests) or (
            budget.tokens is not None and tokens + call.tokens > budget.tokens
        )
        if is_too_much or lacks_its_start:
            left_out.append(call)
        else:
            kept[call.scenario.name, call.client, call.mode] = call
            tokens += call.tokens
    return Plan(tuple(kept.values()), tuple(left_out))
