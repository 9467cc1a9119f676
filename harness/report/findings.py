"""What a run says to its reader, before any format: the answer in a sentence, failures by rule, reasons."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Literal, TypeAlias

from harness import content
from harness.effect import EFFECTS, Effect
from harness.report.text import one_line, plural
from harness.rule import LEVELS, Level, Violation
from harness.run import RequestSummary, Run, Tally
from harness.uses import USE_STATES, UseCell, UseName, UseState, state_over
from harness.verdict import BROKEN, Outcome, Verdict
from harness.wire.exchange import Ending

Cell: TypeAlias = tuple[str, str, str]
"""Scenario, client and mode."""

SYMBOLS: Mapping[UseState, str] = {
    "works": "✓",
    "works in part": "◐",
    "deviates": "≠",
    "breaks": "✗",
    "unsupported": "–",
    "not judged": "○",
    "not asked": "·",
}
"""Beside their words, so that the use table is read at a glance and never by colour alone."""

_NAME_CHARS = 200
_CELLS_OF_A_PARAMETER = 3
_JUDGED = BROKEN | {Outcome.PASS, Outcome.WAIVED}
_SPOKEN_OF = (("httpx", "httpx"), ("openai", "SDK"), ("langchain-openai", "LangChain"))
"""The clients by the names of their libraries, and by what rules call them."""
_UNKNOWN_RULE = "A rule that this version does not know."


@dataclass(frozen=True, slots=True)
class RuleText:
    """What a rule says of itself; of a rule that is no longer known, only what its verdicts remember."""

    id: str
    level: Level
    surface: str
    sentence: str
    breaks: str
    source: str


@dataclass(frozen=True, slots=True)
class Kind:
    """Violations that are alike: one expectation at one place, whatever its numbers.

    `first` is one of them, found by `verdict`; `count` is how many there are.
    """

    first: Violation
    verdict: Verdict
    count: int


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that fails: where, of how many cells it judged, and in which ways."""

    rule: RuleText
    counts: bool
    """Whether the exit code counts it, at the run's level."""
    failed: tuple[Verdict, ...]
    judged: int
    kinds: tuple[Kind, ...]
    followed_by: tuple[tuple[str, int], ...] = ()
    """The rules that fail because of it, each with the number of its cells, the most frequent first."""

    @property
    def example(self) -> Verdict:
        """The verdict that shows it best."""
        return self.kinds[0].verdict if self.kinds else self.failed[0]


@dataclass(frozen=True, slots=True)
class Reason:
    """Verdicts that have their outcome for the same reason."""

    outcome: Outcome
    text: str
    verdicts: tuple[Verdict, ...]

    @property
    def rules(self) -> tuple[str, ...]:
        """The ids of the rules, in order."""
        return tuple(dict.fromkeys(verdict.rule for verdict in self.verdicts))


def rule_text(verdict: Verdict | Tally) -> RuleText:
    """The texts of a verdict's rule, with the level at which it was judged."""
    known = content.rules().get(verdict.rule)
    if known is None:
        return RuleText(verdict.rule, verdict.level, verdict.surface, _UNKNOWN_RULE, "", "")
    return RuleText(known.id, verdict.level, known.surface, known.sentence, known.breaks, known.source)


def findings(run: Run) -> tuple[Finding, ...]:
    """The rules that fail, those of the strictest level first, then those that fail in most cells."""
    judged: Counter[str] = Counter()
    for kind, count in run.counts.items():
        judged[kind.rule] += count if kind.outcome in _JUDGED else 0
    failed = (verdict for verdict in run.exceptions if verdict.outcome is Outcome.FAIL)
    following: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for verdict in run.exceptions:
        if verdict.outcome is Outcome.CONSEQUENCE:
            following[verdict.cause][verdict.rule] += 1
    found = [_finding(run, verdicts, judged, following) for verdicts in grouped(failed, "rule")]
    return tuple(
        sorted(
            found,
            key=lambda finding: (LEVELS.index(finding.rule.level), -len(finding.failed), finding.rule.id),
        )
    )


def grouped(verdicts: Iterable[Verdict], by: Literal["rule", "surface"]) -> Iterator[tuple[Verdict, ...]]:
    """The verdicts of each rule, or of each surface, in order of appearance."""
    groups: defaultdict[str, list[Verdict]] = defaultdict(list)
    name = attrgetter(by)
    for verdict in verdicts:
        groups[name(verdict)].append(verdict)
    return map(tuple, groups.values())


def reasons(verdicts: Iterable[Verdict], *outcomes: Outcome) -> tuple[Reason, ...]:
    """The verdicts of these outcomes by outcome and reason, the most frequent first."""
    groups: dict[tuple[Outcome, str], list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.outcome in outcomes:
            groups.setdefault((verdict.outcome, verdict.reason), []).append(verdict)
    found = (Reason(outcome, text, tuple(group)) for (outcome, text), group in groups.items())
    return tuple(
        sorted(found, key=lambda reason: (outcomes.index(reason.outcome), -len(reason.verdicts), reason.text))
    )


def cells(verdicts: Iterable[Verdict], limit: int) -> str:
    """Where verdicts are: `founding, capped: raw plain, openai stream; models: raw plain`.

    At most `limit` lists of clients, each with at most `limit` scenarios. A rule that reads whole runs has no
    cell of its own.
    """
    by_scenario: dict[str, dict[str, None]] = {}
    for verdict in verdicts:
        by_scenario.setdefault(verdict.scenario, {})[f"{verdict.client} {verdict.mode}"] = None
    by_cells: dict[tuple[str, ...], list[str]] = {}
    for scenario, names in by_scenario.items():
        by_cells.setdefault(tuple(names), []).append(scenario)
    lists = [
        "the whole run" if scenarios == ["all"] else f"{_listed(scenarios, limit)}: {_listed(names, limit)}"
        for names, scenarios in by_cells.items()
    ]
    return _listed(lists, limit, separator="; ")


def followers(finding: Finding, limit: int) -> str:
    """The rules that fail because of a finding: `client.no-exception (49), parity.kind (3)`."""
    return _listed([f"{rule} ({count:,})" for rule, count in finding.followed_by], limit)


def shown_cell(verdict: Verdict) -> Cell:
    """The request that shows a verdict: of a verdict about both modes the streamed one."""
    return verdict.scenario, verdict.client, "stream" if verdict.mode == "both" else verdict.mode


def curls(run: Run) -> Mapping[Cell, str]:
    """The lines that repeat the requests; a request that was never sent has none."""
    return {
        (request.scenario, request.client, request.mode): request.curl
        for request in run.requests
        if request.ended != Ending.UNSENT
    }


def use_rows(run: Run) -> Mapping[UseName, Mapping[str, UseCell]]:
    """The use table: per use its cells by client."""
    rows: dict[UseName, dict[str, UseCell]] = {}
    for cell in run.uses:
        rows.setdefault(cell.use, {})[cell.client] = cell
    return rows


def use_clients(run: Run) -> tuple[str, ...]:
    """The columns of the use table."""
    return tuple(dict.fromkeys(cell.client for cell in run.uses))


def use_reasons(run: Run) -> tuple[tuple[UseCell, tuple[str, ...]], ...]:
    """Why cells of the use table say what they say, from the gravest: a cell of each reason, and all places.

    A place is a use with the clients that it is about, where these are not all.
    """
    groups: dict[tuple[UseState, str], tuple[UseCell, dict[UseName, list[str]]]] = {}
    for cell in sorted(run.uses, key=lambda cell: USE_STATES.index(cell.state)):
        if cell.reason:
            # What fails by one rule is told once: the bytes that it quotes differ from answer to answer.
            fails = cell.state in {"breaks", "deviates"}
            alike = cell.reason.partition(": ")[0] if fails else cell.reason
            first = groups.setdefault((cell.state, alike), (cell, {}))
            first[1].setdefault(cell.use, []).append(cell.client)
    every = len(use_clients(run))
    return tuple(
        (
            first,
            tuple(
                use if len(clients) == every else f"{use} ({', '.join(clients)})"
                for use, clients in by_use.items()
            ),
        )
        for first, by_use in groups.values()
    )


def parameters_by_answer(run: Run) -> Mapping[str, tuple[str, ...]]:
    """What became of the request parameters with a visible effect: for each answer the parameters.

    A parameter that fared differently from cell to cell stands with them: `stop (stop openai stream)`.
    """
    answers = Counter(found.parameter for found in run.parameters)
    groups: dict[str, list[str]] = {}
    for found in run.parameters:
        where = f" ({_listed(found.cells, _CELLS_OF_A_PARAMETER)})" if answers[found.parameter] > 1 else ""
        groups.setdefault(found.answer, []).append(f"{found.parameter}{where}")
    return {answer: tuple(names) for answer, names in groups.items()}


@dataclass(frozen=True, slots=True)
class ClientEffect:
    """What a client, with its version, made of the answers that a finding is about, at worst."""

    client: str
    effect: Effect
    detail: str

    @property
    def sentence(self) -> str:
        """`openai 3.54.0 raises: TypeError: …`."""
        return f"{self.client}: {self.effect}{f' ({self.detail})' if self.detail else ''}"


def client_effects(run: Run, finding: Finding) -> tuple[ClientEffect, ...]:
    """What each client made of the scenarios and modes in which a rule fails."""
    return effects_at(run, finding, requests_by_place(run))


def requests_by_place(run: Run) -> Mapping[tuple[str, str], Sequence[RequestSummary]]:
    """The requests of each scenario in each mode, through whatever client."""
    found: dict[tuple[str, str], list[RequestSummary]] = {}
    for request in run.requests:
        found.setdefault((request.scenario, request.mode), []).append(request)
    return found


def effects_at(
    run: Run, finding: Finding, requests: Mapping[tuple[str, str], Sequence[RequestSummary]]
) -> tuple[ClientEffect, ...]:
    """As `client_effects`, for many findings of one run."""
    places = dict.fromkeys((verdict.scenario, mode) for verdict in finding.failed for mode in _modes(verdict))
    worst: dict[str, RequestSummary] = {}
    for request in (request for place in places for request in requests.get(place, ())):
        if request.effect == "raises" and not _may_be_why(run, finding, request):
            continue
        known = worst.get(request.client)
        if known is None or _rank(request) < _rank(known):
            worst[request.client] = request
    order = {client: at for at, client in enumerate(run.environment.clients)}
    return tuple(
        ClientEffect(
            run.environment.clients.get(client, client),
            worst[client].effect,
            worst[client].effect_detail,
        )
        for client in sorted(worst, key=lambda client: order.get(client, len(order)))
    )


def _may_be_why(run: Run, finding: Finding, request: RequestSummary) -> bool:
    """Whether a client may have raised because of a finding, and not by design or because of another one."""
    cause = run.causes_of_exceptions.get((request.scenario, request.client, request.mode))
    return cause is None or cause == finding.rule.id


def who_else_breaks(rule: RuleText, effects: Iterable[ClientEffect]) -> str:
    """What the rule says of who breaks, without what is said of clients that were seen unaffected."""
    unharmed = [one.client for one in effects if one.effect in {"unaffected", "differs"}]
    words = [word for name, word in _SPOKEN_OF if any(client.startswith(f"{name} ") for client in unharmed)]
    clauses = re.split(r"(?<=[.;]) ", rule.breaks)
    kept = [clause for clause in clauses if not any(word in clause for word in words)]
    text = " ".join(kept).rstrip(";")
    return f"{text[:1].upper()}{text[1:]}"


def _modes(verdict: Verdict) -> tuple[str, ...]:
    return ("plain", "stream") if verdict.mode == "both" else (verdict.mode,)


def _rank(request: RequestSummary) -> int:
    return EFFECTS.index(request.effect)


def rates_of(run: Run, rule_id: str) -> tuple[str, ...]:
    """The rates at which a rule failed where the run asked several times, as sentences."""
    return tuple(rate.sentence for rate in run.rates if rate.rule == rule_id)


def outcome_counts(run: Run) -> Mapping[Outcome, int]:
    """How many verdicts have each outcome that there is, in the order in which outcomes are told."""
    found: Counter[Outcome] = Counter()
    for kind, count in run.counts.items():
        found[kind.outcome] += count
    return {outcome: found[outcome] for outcome in Outcome if found[outcome]}


def summary_line(run: Run) -> str:
    """The answer of a run, as one sentence."""
    return f"{target_line(run)} {answer(run)}"


def target_line(run: Run) -> str:
    """Who was asked: `gpt-4o at https://api.openai.com/v1`."""
    return one_line(f"{run.target.model} at {run.target.base_url}", _NAME_CHARS)


def answer(run: Run) -> str:
    """What the target does, as the rest of a sentence that starts with it; the use table in words."""
    if run.unjudged:
        failing = len(_rules_with(run, Outcome.FAIL))
        found = f"; {plural(failing, 'rule')} {_verb(failing)} on what came" if failing else ""
        return f"could not be judged: {one_line(run.unjudged, _NAME_CHARS)}{found}."
    partial = f"(partial: {one_line('; '.join(run.partial), _NAME_CHARS)}) " if run.partial else ""
    return f"{partial}{'; '.join((*_use_clauses(run), _rules_clause(run)))}."


_CLAUSES: Mapping[UseState, str] = {
    "breaks": "breaks in",
    "deviates": "deviates in",
    "works in part": "works in part for",
    "works": "works for",
    "unsupported": "does not support",
    "not judged": "not judged:",
    "not asked": "not asked:",
}


_NAMED_USES = 4
"""What works is counted where more uses do, since the table names them."""


def _use_clauses(run: Run) -> Iterator[str]:
    """What works, and what does not, from the gravest on."""
    by_state: dict[UseState, list[str]] = {}
    for use, cells_of in use_rows(run).items():
        states = [cell.state for cell in cells_of.values()]
        state = state_over(states)
        those = [cell.client for cell in cells_of.values() if cell.state == state]
        asked = [known for known in states if known not in {"not asked", "unsupported"}]
        is_of_some = state in {"breaks", "deviates"} and len(those) < len(asked)
        by_state.setdefault(state, []).append(f"{use} ({', '.join(those)})" if is_of_some else use)
    if list(by_state) == ["works"] and len(by_state["works"]) > 1:
        yield f"works for all {len(by_state['works'])} uses"
        return
    for state, clause in _CLAUSES.items():
        if names := by_state.get(state):
            is_many = state == "works" and len(names) > _NAMED_USES
            others = "other uses" if by_state.keys() & {"breaks", "deviates", "works in part"} else "uses"
            yield f"{clause} {len(names)} {others}" if is_many else f"{clause} {_in_words(names)}"
    if not by_state:
        yield "was not asked anything that shows a use"


def _in_words(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _verb(count: int) -> str:
    return "fails" if count == 1 else "fail"


def counts_sentence(run: Run) -> str:
    """How many verdicts there are, and of which outcomes."""
    by_outcome = ", ".join(f"{count:,} {outcome.value}" for outcome, count in outcome_counts(run).items())
    return f"{plural(len(run.verdicts), 'verdict')}: {by_outcome}" if run.verdicts else "no verdicts"


def cost_sentence(run: Run) -> str:
    """What a run took: requests, tokens as the endpoint counted them, and time."""
    return ", ".join((plural(len(run.requests), "request"), _tokens_clause(run), f"{duration_s(run):.0f} s"))


def duration_s(run: Run) -> float:
    """From the run's start to its end, in seconds; 0.0 when its times can't be read."""
    try:
        return (datetime.fromisoformat(run.finished) - datetime.fromisoformat(run.started)).total_seconds()
    except (ValueError, TypeError):
        return 0.0


def _finding(
    run: Run,
    failed: tuple[Verdict, ...],
    judged: Mapping[str, int],
    following: Mapping[str, Counter[str]],
) -> Finding:
    return Finding(
        rule=rule_text(failed[0]),
        counts=failed[0].counts_at(run.level),
        failed=failed,
        judged=judged[failed[0].rule],
        kinds=tuple(_kinds(failed)),
        followed_by=tuple(following.get(failed[0].rule, Counter()).most_common()),
    )


@lru_cache(10_000)
def _without_numbers(pointer: str) -> str:
    return re.sub(r"\d+", "*", pointer)


def _kinds(failed: Iterable[Verdict]) -> Iterator[Kind]:
    groups: dict[tuple[str, str], list[tuple[Verdict, Violation]]] = {}
    for verdict in failed:
        for violation in verdict.evidence:
            place = _without_numbers(violation.pointer or "")
            groups.setdefault((place, violation.expected), []).append((verdict, violation))
    for group in groups.values():
        verdict, first = group[0]
        yield Kind(first, verdict, len(group))


def _listed(names: Iterable[str], limit: int, separator: str = ", ") -> str:
    names = list(names)
    more = f"{separator}{len(names) - limit:,} more" if len(names) > limit else ""
    return separator.join(names[:limit]) + more


def _rules_clause(run: Run) -> str:
    counted = {verdict.rule for verdict in run.failures()}
    beyond = _rules_with(run, Outcome.FAIL) - counted
    broken = _rules_with(run, Outcome.ERROR)
    if counted:
        clause = f"{plural(len(counted), 'rule')} {_verb(len(counted))}"
        clause += f", and {len(beyond):,} beyond level {run.level}" if beyond else ""
    elif beyond:
        clause = f"{plural(len(beyond), 'rule')} {_verb(len(beyond))} beyond level {run.level}"
    elif _rules_with(run, Outcome.PASS, Outcome.WAIVED):
        clause = "no rule fails of those that were judged" if run.partial else "no rule fails"
    else:
        clause = "no rule could be judged"
    if broken:
        clause += f"; {plural(len(broken), 'rule')} broke by a fault of likewise"
    return clause


def _rules_with(run: Run, *outcomes: Outcome) -> set[str]:
    return {kind.rule for kind in run.counts if kind.outcome in outcomes}


def _tokens_clause(run: Run) -> str:
    prompt, completion = run.tokens.prompt, run.tokens.completion
    if prompt is None and completion is None:
        return "no usage said"
    said = [("prompt token", prompt), ("completion token", completion)]
    return " and ".join(plural(count, noun) for noun, count in said if count is not None)
