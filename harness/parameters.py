"""Accepted is not honoured: what an endpoint makes of each request parameter with a visible effect."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from harness.evidence import Observation, shown
from harness.rule import Rule
from harness.verdict import Outcome, Verdict

Answer: TypeAlias = Literal["honoured", "ignored", "refused cleanly", "refused wrongly", "undecided"]

_ANSWERS: tuple[Answer, ...] = get_args(Answer)
_BY_OUTCOME: Mapping[Outcome, Answer] = {
    Outcome.PASS: "honoured",
    Outcome.FAIL: "ignored",
    Outcome.WAIVED: "ignored",
    Outcome.UNSUPPORTED: "refused cleanly",
}


@dataclass(frozen=True, slots=True)
class ParameterVerdict:
    """What became of a parameter in these cells (`tool-call-named raw plain`), with what shows it."""

    parameter: str
    answer: Answer
    cells: list[str]
    reason: str


def parameter_verdicts(
    rules: Iterable[Rule], verdicts: Iterable[Verdict], observations: Iterable[Observation]
) -> Iterator[ParameterVerdict]:
    """For each parameter what the rules on its effect say, one value for each answer that was seen."""
    parameters = {rule.id: rule.effect_of for rule in rules if rule.effect_of}
    observed = {(seen.scenario.name, seen.client, seen.mode.value): seen for seen in observations}
    found: dict[tuple[str, Answer], list[tuple[Verdict, str]]] = {}
    for verdict in verdicts:
        if verdict.rule in parameters and verdict.outcome is not Outcome.SKIPPED:
            mode = "stream" if verdict.mode == "both" else verdict.mode
            seen = observed.get((verdict.scenario, verdict.client, mode))
            answer, reason = _answer(verdict, seen)
            found.setdefault((parameters[verdict.rule], answer), []).append((verdict, reason))
    for parameter in dict.fromkeys(parameters.values()):
        if not any(known == parameter for known, _ in found):
            yield ParameterVerdict(parameter, "undecided", [], "nothing was asked that shows it")
        for answer in _ANSWERS:
            if group := found.get((parameter, answer)):
                cells = [f"{verdict.scenario} {verdict.client} {verdict.mode}" for verdict, _ in group]
                yield ParameterVerdict(parameter, answer, cells, group[0][1])


def _answer(verdict: Verdict, seen: Observation | None) -> tuple[Answer, str]:
    """What one verdict shows; where the rule could not judge, the HTTP status may."""
    response = seen.exchange.response if seen else None
    if verdict.outcome in _BY_OUTCOME:
        return _BY_OUTCOME[verdict.outcome], verdict.reason
    if seen is None or response is None or response.status < 400 or response.status in {401, 429}:
        return "undecided", verdict.reason
    said = f"HTTP {response.status} {shown(response.body)}"
    return ("refused cleanly" if seen.is_clean_refusal else "refused wrongly"), said
