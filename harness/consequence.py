"""Consequences: what fails because something more basic failed at the same place. Pure, over verdicts."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeAlias

from harness.evidence.grounds import Ground
from harness.rule import LEVELS, Rule
from harness.scenario import Operation, Scenario
from harness.verdict import Outcome, Verdict

Place: TypeAlias = tuple[str, str]
"""Scenario and client."""
Cell: TypeAlias = tuple[str, str, str, str]

_NOT_ACCEPTED = frozenset({Ground.FORM, Ground.ACCEPTED})


def traced(
    verdicts: Iterable[Verdict], rules: Mapping[str, Rule], scenarios: Mapping[str, Scenario]
) -> list[Verdict]:
    """The verdicts, in which a failure that follows from another one says so and names it.

    A rule that rests on a ground follows from one that upholds it; that something is not accepted follows
    from the refusal of the plain question of the same operation; a schema, which says only that a place is
    wrong, follows from a rule that says what is wrong there.
    """
    told = list(verdicts)
    failed = [one for one in told if one.outcome is Outcome.FAIL and one.rule in rules]
    by_place: defaultdict[Place, list[Verdict]] = defaultdict(list)
    for verdict in failed:
        by_place[verdict.scenario, verdict.client].append(verdict)
    plain = _plain_questions(scenarios.values())
    causes: dict[Cell, Verdict] = {}
    for verdict in failed:
        beside = by_place[verdict.scenario, verdict.client]
        asked = scenarios.get(verdict.scenario.partition("#")[0])
        twins = by_place.get((plain[asked.operation], verdict.client), []) if asked else []
        if cause := more_basic(verdict, beside, rules) or _plain_refusal(verdict, twins, rules):
            causes[verdict.cell] = cause
    for verdict in failed:
        beside = [one for one in by_place[verdict.scenario, verdict.client] if one.cell not in causes]
        if verdict.cell not in causes and (cause := _more_telling(verdict, beside, rules)):
            causes[verdict.cell] = cause
    return [_followed(one, causes) for one in told]


def _followed(verdict: Verdict, causes: Mapping[Cell, Verdict]) -> Verdict:
    cause = verdict
    while cause.cell in causes:
        cause = causes[cause.cell]
    return verdict if cause is verdict else replace(verdict, outcome=Outcome.CONSEQUENCE, cause=cause.rule)


def more_basic(verdict: Verdict, beside: Iterable[Verdict], rules: Mapping[str, Rule]) -> Verdict | None:
    """The most basic failure at the same place of what the verdict's rule rests on."""
    rule = rules[verdict.rule]
    lowest = min(rule.upheld_by(verdict.evidence), default=None)
    found = [
        (ground, other)
        for other in beside
        if _breaks_grounds(rules[other.rule]) and other.rule != rule.id and _meet(verdict.mode, other.mode)
        for ground in rules[other.rule].upheld_by(other.evidence) & rule.rests_on
        if lowest is None or ground < lowest
    ]
    return min(found, key=lambda each: each[0])[1] if found else None


def _breaks_grounds(rule: Rule) -> bool:
    """Whether more than itself fails with a rule; of what a schema demands, only what clients need."""
    return rule.level == "must" if callable(rule.upholds) else rule.level != "recommended"


def _plain_refusal(verdict: Verdict, twins: Iterable[Verdict], rules: Mapping[str, Rule]) -> Verdict | None:
    """The refusal of the plain question, where the verdict says that something is not accepted."""
    if not rules[verdict.rule].upheld_by(verdict.evidence) & _NOT_ACCEPTED:
        return None
    return next(
        (
            twin
            for twin in twins
            if twin.scenario != verdict.scenario
            and twin.mode == verdict.mode
            and Ground.SERVED in rules[twin.rule].upheld_by(twin.evidence)
        ),
        None,
    )


def _more_telling(verdict: Verdict, beside: Iterable[Verdict], rules: Mapping[str, Rule]) -> Verdict | None:
    """What says of every place that a schema refuses what is wrong with it, at a level as grave."""
    if not callable(rules[verdict.rule].upholds):
        return None
    places = {(one.event, one.pointer) for one in verdict.evidence}
    for other in beside:
        is_as_grave = LEVELS.index(other.level) <= LEVELS.index(verdict.level)
        if other.rule != verdict.rule and other.mode == verdict.mode and is_as_grave:
            is_schema = callable(rules[other.rule].upholds)
            if not is_schema and places <= {(one.event, one.pointer) for one in other.evidence}:
                return other
    return None


def _meet(mode: str, other: str) -> bool:
    return mode == other or "both" in {mode, other}


def _plain_questions(scenarios: Iterable[Scenario]) -> Mapping[Operation, str]:
    """Of each operation the question that needs the least."""
    found: dict[Operation, Scenario] = {}
    for one in scenarios:
        if one.is_answered:
            known = found.get(one.operation)
            if known is None or len(one.needs) < len(known.needs):
                found[one.operation] = one
    return {operation: one.id for operation, one in found.items()}
