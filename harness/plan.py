"""A plan: everything that a run may ask, and what that may cost, known before the first request."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, TypeAlias

from harness.judge import NOBODY, can_ask
from harness.scenario import FollowUp, Http, Lacks, Mode, Operation, Scenario
from harness.uses import USES, UseName, use_of_call

Profile: TypeAlias = Literal["smoke", "standard", "full"]

Key: TypeAlias = tuple[str, str, Mode]
"""Scenario, client and mode."""

ProbedSet: TypeAlias = tuple[Operation, frozenset[str]]
"""An operation, and capabilities that nobody claims."""

CAPS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
"""The parameters that bound an answer, in whichever operation."""

UNCAPPED_TOKENS = 192
"""What a request without a cap is counted as, such as a stream that is asked for without any parameter."""


@dataclass(frozen=True, slots=True)
class Call:
    """One thing to ask: a scenario through a client in a mode.

    `is_probe` marks a call that finds out what an endpoint makes of a thing that it does not claim.
    """

    scenario: Scenario
    client: str
    mode: Mode
    is_probe: bool = False

    @property
    def key(self) -> Key:
        """Scenario, client and mode."""
        return self.scenario.name, self.client, self.mode

    @property
    def after(self) -> Key | None:
        """The call that a follow-up goes on from; None for any other call."""
        ask = self.scenario.ask
        return (ask.after, self.client, self.mode) if isinstance(ask, FollowUp) else None

    @property
    def tokens(self) -> int:
        """The most completion tokens that it asks for."""
        ask = self.scenario.ask
        if isinstance(ask, Http) or ask.operation in {"embeddings", "models"} or self.scenario.refused_with:
            return 0
        if isinstance(ask, FollowUp):
            return ask.tokens
        params = ask.params_for(self.mode)
        cap = next((cap for name in CAPS if isinstance(cap := params.get(name), int)), UNCAPPED_TOKENS)
        choices = params.get("n")
        return cap * (choices if isinstance(choices, int) else 1)


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that a run may ask; None: no bound."""

    requests: int | None = None
    tokens: int | None = None


@dataclass(frozen=True)
class Plan:
    """The calls of a run in order, and what the budget left out."""

    calls: tuple[Call, ...]
    left_out: tuple[Call, ...] = ()

    @property
    def tokens(self) -> int:
        """The most completion tokens that it asks for."""
        return sum(call.tokens for call in self.calls)

    @cached_property
    def by_key(self) -> Mapping[Key, Call]:
        """The calls by their keys, in order."""
        return {call.key: call for call in self.calls}

    @property
    def every_call(self) -> tuple[Call, ...]:
        """What it asks, and what it leaves out."""
        return self.calls + self.left_out


def plan(
    scenarios: Iterable[Scenario],
    clients: Sequence[str],
    modes: Sequence[Mode],
    *,
    claims: frozenset[str],
    profile: Profile,
    repeat: int,
    budget: Budget,
    lacks: Mapping[str, Lacks] = NOBODY,
) -> Plan:
    """What to ask: the first question and the founding calls, then the others by the use that they serve.

    What the endpoint does not claim is asked as far as a probe finds that it can. Of each use the simplest
    scenario comes before the others of any, so that a small budget buys the most. Last, what depends on
    chance is asked again until it has been asked `repeat` times. `lacks` says what clients can't express: of
    those that are programs and, in the profile `full`, of all.
    """
    chosen = [one for one in scenarios if profile != "smoke" or one.is_quick_start or one.is_first]
    calls = list(_calls(chosen, clients, modes, lacks, is_full=profile == "full"))
    first = [call for call in calls if call.scenario.is_first][:1]
    openings = _openings(calls)

    def order(call: Call) -> tuple[bool, bool, int, bool]:
        scenario = call.scenario
        use = USES.index(use_of_call(scenario, call.mode))
        return not scenario.is_quick_start, scenario.id not in openings, use, call.after is not None

    others = [call for call in sorted(calls, key=order) if call not in first]
    if profile == "smoke":
        others = [call for call in others if call.scenario.is_quick_start]
    ordered = [*first, *others]
    again = (
        replace(call, scenario=replace(call.scenario, repetition=repetition))
        for repetition in range(1, repeat)
        for call in ordered
        if call.scenario.depends_on_chance
    )
    probes = _probes(ordered, claims)
    found_out = {probed for probed, _ in probes}
    return within(
        budget,
        [
            replace(call, is_probe=call.key in probes.values())
            for call in (*ordered, *again)
            if _can_be_found_out(call.scenario, claims, found_out)
        ],
    )


def _calls(
    scenarios: Iterable[Scenario],
    clients: Sequence[str],
    modes: Sequence[Mode],
    lacks: Mapping[str, Lacks],
    *,
    is_full: bool,
) -> Iterator[Call]:
    found = {
        call.key: call
        for scenario in scenarios
        for client in clients
        for mode in scenario.modes
        if mode in modes and can_ask(client, scenario, mode, lacks, is_full=is_full)
        if (call := Call(scenario, client, mode))
    }
    # A program may express a follow-up, and not what it goes on from.
    return (call for call in found.values() if call.after is None or call.after in found)


def _simplicity(scenario: Scenario) -> tuple[int, bool, bool]:
    """Orders scenarios by how little they need; those first that go through several clients, raw among them.

    What goes through one client alone is there for a special case, whose refusal would say too much.
    """
    clients = scenario.asked_by
    return len(scenario.needs), bool(clients) and "raw" not in clients, len(clients) == 1


def _openings(calls: Iterable[Call]) -> frozenset[str]:
    """The simplest scenario of each use."""
    found: dict[UseName, Scenario] = {}
    for call in sorted(calls, key=lambda call: _simplicity(call.scenario)):
        if call.after is None:
            found.setdefault(use_of_call(call.scenario, call.mode), call.scenario)
    return frozenset(scenario.id for scenario in found.values())


def probed_set(scenario: Scenario, claims: frozenset[str]) -> ProbedSet:
    """What a probe of this scenario would show: whether an operation has these capabilities."""
    return scenario.operation, scenario.needs - claims


def _can_be_found_out(scenario: Scenario, claims: frozenset[str], probed: Iterable[ProbedSet]) -> bool:
    """Whether probes show all that is missing; what only a refusal shows has to be claimed."""
    operation, missing = probed_set(scenario, claims)
    shown = (some for other, some in probed if other == operation and some <= missing)
    return missing == frozenset().union(*shown)


def _probes(calls: Iterable[Call], claims: frozenset[str]) -> Mapping[tuple[ProbedSet, Mode], Key]:
    """For each set of capabilities that is not claimed, a call in each mode that needs it and little else.

    A follow-up is one only where nothing else is asked that needs the set.
    """
    found: dict[tuple[ProbedSet, Mode], Key] = {}
    for call in sorted(calls, key=lambda call: (call.after is not None, *_simplicity(call.scenario))):
        probed = probed_set(call.scenario, claims)
        if probed[1] and call.scenario.is_answered:
            found.setdefault((probed, call.mode), call.key)
    return found


def within(budget: Budget, calls: Iterable[Call]) -> Plan:
    """As many calls as the budget allows, in order; a follow-up never stays without what it follows."""
    kept: dict[Key, Call] = {}
    left_out: list[Call] = []
    tokens = 0
    for call in calls:
        lacks_its_start = call.after is not None and call.after not in kept
        is_too_much = (budget.requests is not None and len(kept) >= budget.requests) or (
            budget.tokens is not None and tokens + call.tokens > budget.tokens
        )
        if is_too_much or lacks_its_start:
            left_out.append(call)
        else:
            kept[call.key] = call
            tokens += call.tokens
    return Plan(tuple(kept.values()), tuple(left_out))
