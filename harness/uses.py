"""Uses: what people do with an endpoint. A run asks in their order, and its first table has a row for each.

Every call belongs to one use. So does every verdict: what it says of the token counts of a chat belongs to
`usage`, and all else to the use of its call.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from harness.evidence import Observation
from harness.rule import Level, Rule
from harness.scenario import Mode, Operation, Scenario
from harness.verdict import Outcome, Verdict

UseName: TypeAlias = Literal[
    "chat",
    "stream",
    "tools",
    "streamed tools",
    "JSON",
    "usage",
    "errors",
    "parameters",
    "embeddings",
    "models",
    "Responses",
    "legacy completions",
]
USES: tuple[UseName, ...] = get_args(UseName)
"""In the order of how many people need them."""

UseState: TypeAlias = Literal[
    "breaks", "deviates", "works", "works in part", "unsupported", "not judged", "not asked"
]
USE_STATES: tuple[UseState, ...] = get_args(UseState)
"""From the gravest."""

_TOOLS = frozenset({"tools", "tool-choice-named", "tool-choice-required", "parallel-tools", "strict-tools"})
_JSON = frozenset({"json-object", "json-schema"})
_OF_OPERATION: Mapping[Operation, UseName] = {
    "embeddings": "embeddings",
    "models": "models",
    "responses": "Responses",
    "completions": "legacy completions",
}
_OF_SURFACE: Mapping[str, UseName] = {
    "embeddings": "embeddings",
    "models": "models",
    "responses": "Responses",
    "completions": "legacy completions",
    "errors": "errors",
    "stream": "stream",
    "tools": "tools",
    "structured": "JSON",
    "params": "parameters",
}
_SHOWN_BY: Mapping[UseName, frozenset[str]] = {
    "chat": frozenset({"chat"}),
    "stream": frozenset({"stream"}),
    "tools": frozenset({"tools"}),
    "streamed tools": frozenset({"tools"}),
    "JSON": frozenset({"structured", "params"}),
    "errors": frozenset({"errors"}),
    "parameters": frozenset({"params"}),
    "embeddings": frozenset({"embeddings"}),
    "models": frozenset({"models"}),
    "Responses": frozenset({"responses"}),
    "legacy completions": frozenset({"completions"}),
}
"""The surfaces whose rules say that a use works: that HTTP is in order says nothing of a tool call."""


@dataclass(frozen=True, slots=True)
class UseCell:
    """One cell of the use table: whether a use works for a client's user, and if not, the gravest reason."""

    use: UseName
    client: str
    state: UseState
    reason: str = ""


def use_of_call(scenario: Scenario, mode: Mode) -> UseName:
    """The use that a call belongs to."""
    if not scenario.is_answered:
        return "errors"
    if scenario.operation != "chat":
        return _OF_OPERATION[scenario.operation]
    is_streamed = mode is Mode.STREAM
    if scenario.needs & _TOOLS:
        return "streamed tools" if is_streamed else "tools"
    if scenario.needs & _JSON:
        return "JSON"
    if scenario.needs == {"stream-usage"}:
        return "usage"
    if scenario.needs:
        return "parameters"
    return "stream" if is_streamed else "chat"


def use_of_verdict(verdict: Verdict, scenario: Scenario | None, rule: Rule | None = None) -> UseName:
    """The use that a verdict speaks of; `scenario` is None for a verdict on the whole run."""
    is_of_chat = scenario is None or (scenario.is_answered and scenario.operation == "chat")
    is_of_tokens = "usage" in verdict.rule or (rule is not None and rule.effect_of == "stream_options")
    if is_of_tokens and is_of_chat and verdict.surface not in _OF_OPERATION:
        return "usage"
    if scenario is None:
        return _OF_SURFACE.get(verdict.surface, "chat")
    return use_of_call(scenario, Mode.PLAIN if verdict.mode == Mode.PLAIN else Mode.STREAM)


def use_table(
    observations: Sequence[Observation],
    verdicts: Iterable[Verdict],
    scenarios: Mapping[str, Scenario],
    rules: Mapping[str, Rule],
    *,
    level: Level,
    unasked: Mapping[tuple[UseName, str], tuple[UseState, str]],
) -> Iterator[UseCell]:
    """A cell for each use and each client of the run.

    `scenarios` knows every scenario that a verdict names; `unasked` says what stands in a cell where nothing
    was asked, and why.
    """
    clients = tuple(dict.fromkeys(seen.client for seen in observations))
    seen_of: defaultdict[tuple[UseName, str], list[Observation]] = defaultdict(list)
    for seen in observations:
        seen_of[use_of_call(seen.scenario, seen.mode), seen.client].append(seen)
    said_of: defaultdict[tuple[UseName, str], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        use = use_of_verdict(verdict, scenarios.get(verdict.scenario), rules.get(verdict.rule))
        for client in clients if verdict.client == "all" else (verdict.client,):
            said_of[use, client].append(verdict)
    shown_by = {use: _rules_that_show(use, rules) for use in USES}
    for use in USES:
        for client in clients:
            place = use, client
            nothing = unasked.get(place, ("not asked", _NEVER))
            standing = _standing(seen_of[place], said_of[place], shown_by[use], level, nothing)
            yield UseCell(use, client, *standing)


def _rules_that_show(use: UseName, rules: Mapping[str, Rule]) -> frozenset[str]:
    """The rules that must have something to say where a use works; none where any may."""
    about = [rule for rule in rules.values() if rule.surface in _SHOWN_BY.get(use, frozenset())]
    needed = {"tools": _TOOLS, "streamed tools": _TOOLS, "JSON": _JSON}.get(use, frozenset())
    proper = [rule.id for rule in about if rule.shows & needed]
    return frozenset(proper or (rule.id for rule in about))


def state_over(states: Iterable[UseState]) -> UseState:
    """The state of a use over several clients: the gravest of those that were asked."""
    found = set(states)
    for grave in ("breaks", "deviates"):
        if grave in found:
            return grave
    if "works" in found and "not judged" in found:
        return "works in part"
    return next((state for state in _FROM_CERTAIN if state in found), "not asked")


_FROM_CERTAIN: tuple[UseState, ...] = ("works in part", "works", "not judged", "unsupported", "not asked")


def _standing(
    seen: Sequence[Observation],
    said: Sequence[Verdict],
    shown_by: frozenset[str],
    level: Level,
    nothing: tuple[UseState, str],
) -> tuple[UseState, str]:
    of_client = [verdict for verdict in said if verdict.client != "all"]
    broken = [verdict for verdict in said if verdict.harms_at("must")]
    deviating = [verdict for verdict in said if verdict.harms_at("spec") or verdict.harms_at(level)]
    if broken:
        return "breaks", _told(broken)
    if deviating:
        return "deviates", _told(deviating)
    outcomes = {verdict.outcome for verdict in of_client}
    if not outcomes:
        return nothing
    if outcomes == {Outcome.SKIPPED}:
        return "not asked", of_client[0].reason
    if outcomes <= {Outcome.UNSUPPORTED, Outcome.SKIPPED}:
        return "unsupported", next(one.reason for one in of_client if one.outcome is Outcome.UNSUPPORTED)
    passed = {one.rule for one in of_client if one.outcome in {Outcome.PASS, Outcome.WAIVED}}
    if not (passed & shown_by if shown_by else passed):
        return "not judged", _commonest(of_client)
    if partial := _in_part(seen, of_client):
        return "works in part", partial
    refused = {name for one in seen if one.is_unsupported for name in one.scenario.needs}
    answered = {name for one in seen if not one.is_unsupported for name in one.scenario.needs}
    return "works", f"without {', '.join(sorted(refused - answered))}" if refused - answered else ""


_NEVER = "no scenario of this run asks for it through this client"


def _told(failed: Sequence[Verdict]) -> str:
    """The first finding, else the first consequence, and how many more rules fail."""
    first = next((one for one in failed if not one.cause), failed[0])
    more = len({verdict.cause or verdict.rule for verdict in failed} - {first.cause or first.rule})
    others = f" (and {more} more rule{'s' if more > 1 else ''})" if more else ""
    follows = f", which follows from {first.cause}" if first.cause else ""
    return f"{first.rule}: {first.reason}{follows}{others}"


def _in_part(seen: Sequence[Observation], said: Iterable[Verdict]) -> str:
    """Why a use was judged in part only; empty where it was judged whole."""
    nothing = [one for one in seen if one.came_to_nothing]
    if nothing:
        return f"{len(nothing)} of {len(seen)} calls came to nothing: {nothing[0].came_to_nothing}"
    skipped = {(one.scenario, one.mode) for one in said if one.outcome is Outcome.SKIPPED}
    return f"{len(skipped)} more calls were not asked: the budget left them out" if skipped else ""


def _commonest(said: Iterable[Verdict]) -> str:
    undecided = Counter(
        one.reason for one in said if one.outcome in {Outcome.INCONCLUSIVE, Outcome.ERROR} and one.reason
    )
    return undecided.most_common(1)[0][0] if undecided else "no rule could judge it"
