"""Judging: rules on observations give verdicts. Pure: no network, no clock but the waivers' day."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache, lru_cache, partial
from types import MappingProxyType
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from harness.evidence import Evidence, NotJudgedError, Observation, shown
from harness.evidence.grounds import Ground
from harness.evidence.promises import Promises
from harness.rule import Level, Rule, Violation
from harness.scenario import Lacks, Mode, Scenario
from harness.target import Waiver
from harness.verdict import Outcome, Verdict
from harness.wire.exchange import Ending
from harness.wire.json_text import well_formed

Lookup = Callable[[str, str, Mode], Observation]
"""Finds the observation of a scenario, a client and a mode; KeyError when there is none."""


LEFT_OUT = "the budget left it out"


@dataclass(frozen=True, slots=True)
class Cell:
    """What one verdict is about: a scenario through a client, in one mode or in both."""

    scenario: Scenario
    client: str
    modes: tuple[Mode, ...]

    @property
    def mode(self) -> str:
        """The mode as verdicts name it."""
        return self.modes[0].value if len(self.modes) == 1 else "both"


def cells_of(
    rule: Rule,
    scenarios: Iterable[Scenario],
    clients: Sequence[str],
    modes: Sequence[Mode],
    lacks: Mapping[str, Lacks],
) -> Iterator[Cell]:
    """Every cell that a rule judges, given what the run asks."""
    for scenario in scenarios:
        for cell_modes in rule.cells(scenario):
            if set(cell_modes) <= set(modes):
                for client in clients:
                    if all(can_ask(client, scenario, mode, lacks) for mode in cell_modes):
                        yield Cell(scenario, client, cell_modes)


NOBODY: Mapping[str, Lacks] = MappingProxyType({})


def can_ask(
    client: str,
    scenario: Scenario,
    mode: Mode,
    lacks: Mapping[str, Lacks] = NOBODY,
    *,
    is_full: bool = False,
) -> bool:
    """Whether a client asks a scenario; an async twin does what its sync one does.

    `lacks` says of clients what they can't express: of those that are programs, and, where `is_full`, of all.
    """
    asked_by, own = scenario.asked_by, client.removesuffix("-async")
    if own in asked_by:
        return True
    if client in lacks:
        return is_for_every_client(scenario, is_full=is_full) and not lacks[client](scenario.ask, mode)
    return not asked_by


def is_for_every_client(scenario: Scenario, *, is_full: bool) -> bool:
    """Whether each client asks it that can: all do, or all but an SDK that is named nowhere.

    In the profile `full`, that is so of whatever other clients than raw may send.
    """
    asked_by = scenario.asked_by
    return not asked_by or {"raw"} < asked_by or (is_full and scenario.cost != "wire")


def judge_cell(rule: Rule, cell: Cell, lookup: Lookup, waivers: Iterable[Waiver], today: date) -> Verdict:
    """What the rule says of the cell."""
    observations = [lookup(cell.scenario.name, cell.client, mode) for mode in cell.modes]
    refusal = next((seen for seen in observations if seen.is_unsupported), None)
    if refusal is not None:
        return Verdict(*_place(rule, cell), Outcome.UNSUPPORTED, refused(refusal))
    broken = next((seen.reply.broken for seen in observations if seen.reply.broken), "")
    if broken:
        return Verdict(*_place(rule, cell), Outcome.INCONCLUSIVE, f"the client itself failed: {broken}")
    return _judged(rule, _place(rule, cell), observations, waivers, today)


def unasked(rule: Rule, cell: Cell, reason: str) -> Verdict:
    """What is said of a cell that was not asked: the budget left it out, or a probe of it was refused."""
    outcome = Outcome.SKIPPED if reason == LEFT_OUT else Outcome.UNSUPPORTED
    return Verdict(*_place(rule, cell), outcome, reason)


def refused(seen: Observation) -> str:
    """What an endpoint said that refuses cleanly what it does not claim."""
    return f"not claimed, and refused cleanly: HTTP {seen.response.status} {shown(seen.response.body)}"


def judge_promises(
    rules: Iterable[Rule],
    unshown: Sequence[tuple[str, str]],
    scenarios: Iterable[Scenario],
    waivers: Iterable[Waiver],
    today: date,
) -> Iterator[Verdict]:
    """What the rules on claims say, when all other verdicts are there.

    `unshown` holds claims with the reason why nothing shows them; each is judged at the first scenario that
    needs it. Where all are shown, the whole run is.
    """
    needing = {name: one.id for one in reversed([*scenarios]) for name in one.needs}
    for rule in (rule for rule in rules if rule.reads is Promises):
        if not unshown:
            yield _verdict(rule, _whole_run(rule), partial(Promises, ()), (), waivers, today)
        for claim in unshown:
            place = rule.id, rule.level, rule.surface, needing[claim[0]], "all", Mode.PLAIN.value
            yield _verdict(rule, place, partial(Promises, (claim,)), (), waivers, today)


def judge_whole_run(
    rule: Rule, observations: Sequence[Observation], waivers: Iterable[Waiver], today: date
) -> Verdict:
    """What a rule that reads whole runs says of these observations, but for those that a client broke."""
    whole = [seen for seen in observations if not seen.reply.broken]
    return _judged(rule, _whole_run(rule), whole, waivers, today)


def judge(
    rules: Iterable[Rule],
    observations: Sequence[Observation],
    waivers: Sequence[Waiver] = (),
    today: date | None = None,
) -> Iterator[Verdict]:
    """Every verdict that the rules give on these observations."""
    found = {(seen.scenario.name, seen.client, seen.mode): seen for seen in observations}
    today = today or date.today()

    def lookup(scenario: str, client: str, mode: Mode) -> Observation:
        return found[scenario, client, mode]

    for rule in rules:
        if rule.judges_whole_runs and rule.reads is not Promises:
            yield judge_whole_run(rule, observations, waivers, today)
        for cell in _observed_cells(rule, found):
            yield judge_cell(rule, cell, lookup, waivers, today)


def left_out(
    rules: Iterable[Rule], calls: Iterable[tuple[Scenario, str, Mode]], observations: Iterable[Observation]
) -> Iterator[Verdict]:
    """A skipped verdict for each cell that a rule could not judge because the budget left a call out."""
    found = {(seen.scenario.name, seen.client, seen.mode) for seen in observations}
    missing = {(scenario.name, client, mode): scenario for scenario, client, mode in calls}
    for rule in rules:
        for (scenario_id, client, mode), scenario in missing.items():
            for modes in rule.cells(scenario):
                not_asked = [other for other in modes if (scenario_id, client, other) not in found]
                if not_asked and not_asked[0] is mode:
                    place = _place(rule, Cell(scenario, client, modes))
                    yield Verdict(*place, Outcome.SKIPPED, LEFT_OUT)


def idle_waivers(
    waivers: Iterable[Waiver], rules: Mapping[str, Rule], observations: Sequence[Observation], today: date
) -> Iterator[str]:
    """What is to be said of waivers that are over, that name no rule, or that nothing needs any more."""
    for waiver in waivers:
        if waiver.rule not in rules:
            yield f"The waiver of {waiver.rule} names no rule; `likewise rules` lists them."
        elif not _stands(waiver, today):
            yield f"The waiver of {waiver.rule} is over since {waiver.expires}: it waives nothing any more."
        elif all(
            verdict.outcome is not Outcome.WAIVED and not verdict.waived
            for verdict in judge([rules[waiver.rule]], observations, [waiver], today)
        ):
            yield f"The waiver of {waiver.rule} matches nothing any more: take it out."


def _observed_cells(rule: Rule, found: Mapping[tuple[str, str, Mode], Observation]) -> Iterator[Cell]:
    for (_, client, mode), seen in found.items():
        for modes in rule.cells(seen.scenario):
            if modes[0] is mode and all((seen.scenario.name, client, other) in found for other in modes):
                yield Cell(seen.scenario, client, modes)


Place: TypeAlias = tuple[str, Level, str, str, str, str]
"""The first fields of a verdict: rule, level, surface, scenario, client, mode."""


def _place(rule: Rule, cell: Cell) -> Place:
    return rule.id, rule.level, rule.surface, cell.scenario.name, cell.client, cell.mode


def _whole_run(rule: Rule) -> Place:
    return rule.id, rule.level, rule.surface, "all", "all", "both"


def _judged(
    rule: Rule, place: Place, observations: Sequence[Observation], waivers: Iterable[Waiver], today: date
) -> Verdict:
    urls = [seen.exchange.request.url for seen in observations]
    verdict = _verdict(rule, place, lambda: _evidence(rule.reads, tuple(observations)), urls, waivers, today)
    if verdict.outcome is Outcome.FAIL and Ground.WHOLE in rule.rests_on:
        left = next(filter(None, map(_left_early, observations)), "")
        if left and all(violation.event is None for violation in verdict.evidence):
            return Verdict(*place, Outcome.INCONCLUSIVE, left)
    return verdict


def _left_early(seen: Observation) -> str:
    """Why an answer that was not read to its end proves nothing by what is not in it; empty where it was."""
    raised = seen.reply.raised
    if raised is None or seen.exchange.ended is not Ending.LEFT:
        return ""
    return f"the client raised {raised.type} and left before the end: what it did not read proves nothing"


def _verdict(
    rule: Rule,
    place: Place,
    evidence_of: Callable[[], object],
    urls: Sequence[str],
    waivers: Iterable[Waiver],
    today: date,
) -> Verdict:
    try:
        evidence = evidence_of()
        if isinstance(evidence, NotJudgedError):
            return Verdict(*place, Outcome.INCONCLUSIVE, well_formed(str(evidence)))
        standing = [waiver for waiver in waivers if waiver.rule == rule.id and _stands(waiver, today)]
        standing = [waiver for waiver in standing if all(_is_of_path(waiver, url) for url in urls)]
        violations = tuple(_told(map(_well_formed, rule.check(evidence)), standing))
    except NotJudgedError as reason:
        return Verdict(*place, Outcome.INCONCLUSIVE, well_formed(str(reason)))
    except Exception as error:  # noqa: BLE001  # a rule that breaks is our fault and must not end the run
        raised = well_formed(f"{type(error).__name__}: {error}")
        return Verdict(*place, Outcome.ERROR, f"the rule itself raised {raised}")
    if not violations:
        return Verdict(*place, Outcome.PASS)
    left = tuple(violation for violation in violations if not _waiver_of(violation, standing))
    if left:
        waived = len(violations) - len(left)
        return Verdict(*place, Outcome.FAIL, _sentence(left[0]), left, waived)
    first = _waiver_of(violations[0], standing)
    return Verdict(*place, Outcome.WAIVED, first.reason if first else "", violations, len(violations))


_MOST_VIOLATIONS = 100
"""So many are told of one verdict: an answer may break a rule a million times."""


def _told(violations: Iterable[Violation], waivers: Sequence[Waiver]) -> Iterator[Violation]:
    """The first violations; one that no waiver covers is among them, wherever it comes."""
    is_covered = True
    for number, violation in enumerate(violations):
        covered = _waiver_of(violation, waivers) is not None
        if number < _MOST_VIOLATIONS or (is_covered and not covered):
            yield violation
        is_covered = is_covered and covered
        if number >= _MOST_VIOLATIONS and not is_covered:
            return


def _well_formed(violation: Violation) -> Violation:
    """The same in text that can be written, whatever an answer had in it."""
    texts = f"{violation.received}{violation.expected}{violation.pointer or ''}"
    if texts.isascii():
        return violation
    return replace(
        violation,
        received=well_formed(violation.received),
        expected=well_formed(violation.expected),
        pointer=None if violation.pointer is None else well_formed(violation.pointer),
    )


@lru_cache(maxsize=4096)
def _evidence(kind: type[Evidence], observations: tuple[Observation, ...]) -> Any:
    """One piece of evidence, or why there is none; made once for all the rules that read it."""
    try:
        return kind.of(*observations)
    except NotJudgedError as reason:
        return reason


def _sentence(violation: Violation) -> str:
    where = f" at {violation.place}" if violation.place else ""
    return f"received {violation.received}{where}; expected {violation.expected}"


def _stands(waiver: Waiver, today: date) -> bool:
    return waiver.expires is None or today <= waiver.expires


def _is_of_path(waiver: Waiver, url: str) -> bool:
    return waiver.path is None or urlsplit(url).path.endswith(waiver.path)


def _waiver_of(violation: Violation, waivers: Iterable[Waiver]) -> Waiver | None:
    return next((waiver for waiver in waivers if _covers(waiver, violation)), None)


def _covers(waiver: Waiver, violation: Violation) -> bool:
    is_there = waiver.pointer is None or _pointer_pattern(waiver.pointer).fullmatch(violation.pointer or "")
    return bool(is_there) and (
        waiver.received is None or re.fullmatch(waiver.received, violation.received, re.DOTALL) is not None
    )


@cache
def _pointer_pattern(glob: str) -> re.Pattern[str]:
    """A glob over a JSON pointer, in which `*` stands for one step."""
    return re.compile("/".join("[^/]+" if step == "*" else re.escape(step) for step in glob.split("/")))
