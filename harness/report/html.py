"""One page that stands alone: a file without a network, readable on a phone, on paper and by ear.

The page's looks are in `reports/templates`; what it says is put together here.
"""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from harness.report import Exchanges, findings, text
from harness.report.excerpt import Excerpt, excerpt
from harness.report.findings import Cell, ClientEffect, Finding, Kind, Reason, RuleText
from harness.report.page import page
from harness.report.replay_test import replay_test
from harness.report.timeline import WIDTH, Timeline, timeline
from harness.rule import LEVELS
from harness.run import RequestSummary, Run, Tally
from harness.verdict import Outcome, Verdict

FILENAME = "report.html"

MAX_BYTES = 1_500_000

_WRONG = ("ignored", "refused wrongly")
_UNJUDGED = (Outcome.ERROR, Outcome.INCONCLUSIVE, Outcome.UNSUPPORTED, Outcome.SKIPPED)


@dataclass(frozen=True, slots=True)
class Detail:
    """How much of a run a page tells: how many of each, and how many characters of a text."""

    findings: int
    kinds: int
    reasons: int
    rules: int
    requests: int
    streams: int
    text_chars: int
    excerpt_chars: int
    curl_chars: int


_DETAILS = (
    Detail(200, 6, 40, 400, 600, 30, text_chars=800, excerpt_chars=1_600, curl_chars=6_000),
    Detail(80, 3, 20, 250, 300, 12, text_chars=400, excerpt_chars=800, curl_chars=1_500),
    Detail(12, 1, 6, 80, 40, 3, text_chars=200, excerpt_chars=300, curl_chars=300),
)
"""From all that helps to what always fits, whatever the run says."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A way in which a rule fails, with the piece of the answer and the line that repeats the request."""

    kind: Kind
    excerpt: Excerpt | None
    curl: str


@dataclass(frozen=True, slots=True)
class FindingView:
    """A rule that fails, with its evidence, what clients made of it, and a test that repeats it."""

    finding: Finding
    evidence: tuple[Evidence, ...]
    effects: tuple[ClientEffect, ...]
    breaks: str
    rates: tuple[str, ...]
    test: str


@dataclass(frozen=True, slots=True)
class RuleView:
    """A rule in the table of all rules: its verdicts by client and outcome, and why some are no pass."""

    rule: RuleText
    outcomes: Mapping[str, Mapping[Outcome, int]]
    reasons: tuple[Reason, ...]

    @property
    def tokens(self) -> str:
        """What the page's filter looks at: `raw/pass raw/fail openai/pass`, clients by their number."""
        return " ".join(
            f"{number}/{outcome.value}"
            for number, counts in enumerate(self.outcomes.values())
            for outcome in counts
        )


@dataclass(frozen=True, slots=True)
class _Told:
    """What a run says, found once for pages of whatever detail."""

    failing: Sequence[Finding]
    counted: Sequence[Verdict]
    rules: Sequence[RuleView]
    quick_start: Sequence[Cell]
    curls: Mapping[Cell, str]
    asked: Mapping[tuple[str, str], Sequence[RequestSummary]]
    in_any_detail: Mapping[str, Any]
    """Values of the template."""


def render(run: Run, exchanges: Exchanges, file: TextIO) -> None:
    """The run as one HTML page of at most MAX_BYTES bytes; where it says less than the run, it says so."""
    told = _told(run)
    for detail in _DETAILS:
        page = _page(run, exchanges, told, detail)
        if len(page.encode()) <= MAX_BYTES:
            break
    file.write(page)


def _told(run: Run) -> _Told:
    failing, rules = findings.findings(run), tuple(_rule_views(run))
    values = {
        "run": run,
        "target": findings.target_line(run),
        "answer": findings.answer(run),
        "counts": findings.counts_sentence(run),
        "cost": findings.cost_sentence(run),
        "symbols": findings.SYMBOLS,
        "use_clients": findings.use_clients(run),
        "use_rows": findings.use_rows(run),
        "use_reasons": findings.use_reasons(run),
        "finding_count": len(failing),
        "levels": LEVELS,
        "waived": findings.reasons(run.exceptions, Outcome.WAIVED),
        "parameters": _parameters(run),
        "unjudged": findings.reasons(run.exceptions, *_UNJUDGED),
        "stream_width": WIDTH,
        "rule_count": len(rules),
        "clients": tuple(rules[0].outcomes) if rules else (),
        "surfaces": tuple(dict.fromkeys(rule.rule.surface for rule in rules)),
        "outcomes": tuple(findings.outcome_counts(run)),
        "exit_code": run.exit_code,
    }
    curls, asked = findings.curls(run), findings.requests_by_place(run)
    return _Told(failing, run.failures(), rules, tuple(_quick_start(run)), curls, asked, values)


def _quick_start(run: Run) -> Iterator[Cell]:
    """The requests of the founding calls."""
    return ((one.scenario, one.client, one.mode) for one in run.requests if one.is_quick_start)


def _page(run: Run, exchanges: Exchanges, told: _Told, detail: Detail) -> str:
    shown = told.failing[: detail.findings]
    streams = tuple(_streams(exchanges, told, detail.streams))
    return page(
        "report.html",
        detail.text_chars,
        **told.in_any_detail,
        detail=detail,
        findings=[_finding_view(run, found, told, exchanges, detail) for found in shown],
        finding_numbers={found.rule.id: at for at, found in enumerate(shown, 1)},
        streams=streams,
        scale_ms=max((drawn.ended_ms for _, drawn in streams), default=0.0) or 1.0,
        rules=told.rules[: detail.rules],
        curls={
            cell: text.command(told.curls[cell], detail.curl_chars)
            for cell in ((one.scenario, one.client, one.mode) for one in run.requests[: detail.requests])
            if cell in told.curls
        },
    )


def _finding_view(
    run: Run, finding: Finding, told: _Told, exchanges: Exchanges, detail: Detail
) -> FindingView:
    effects = findings.effects_at(run, finding, told.asked)
    return FindingView(
        finding,
        tuple(_evidence(kind, exchanges, told.curls, detail) for kind in finding.kinds[: detail.kinds]),
        effects,
        findings.who_else_breaks(finding.rule, effects),
        findings.rates_of(run, finding.rule.id),
        replay_test(finding.example, exchanges),
    )


def _evidence(kind: Kind, exchanges: Exchanges, curls: Mapping[Cell, str], detail: Detail) -> Evidence:
    cell = findings.shown_cell(kind.verdict)
    exchange = exchanges.get(cell)
    shown = excerpt(kind.first, exchange, detail.excerpt_chars) if exchange else None
    return Evidence(kind, shown, text.command(curls.get(cell, ""), detail.curl_chars))


def _parameters(run: Run) -> Mapping[str, tuple[str, ...]]:
    """The request parameters by what became of them, what is wrong first."""
    found = findings.parameters_by_answer(run)
    return {answer: found[answer] for answer in sorted(found, key=lambda answer: answer not in _WRONG)}


def _rule_views(run: Run) -> Iterator[RuleView]:
    clients = tuple(dict.fromkeys(kind.client for kind in run.counts))
    first: dict[str, Tally] = {}
    counts: Counter[tuple[str, str, Outcome]] = Counter()
    for kind, count in run.counts.items():
        first.setdefault(kind.rule, kind)
        counts[kind.rule, kind.client, kind.outcome] += count
    not_passed = {verdicts[0].rule: verdicts for verdicts in findings.grouped(run.exceptions, "rule")}
    for rule, kind in first.items():
        yield RuleView(
            findings.rule_text(kind),
            {
                client: {outcome: count for outcome in Outcome if (count := counts[rule, client, outcome])}
                for client in clients
            },
            findings.reasons(not_passed.get(rule, ()), *Outcome),
        )


def _streams(exchanges: Exchanges, told: _Told, limit: int) -> Iterator[tuple[str, Timeline]]:
    """The streams of the founding calls, then those that findings show, with the times of their events."""
    shown = [findings.shown_cell(kind.verdict) for found in told.failing[:limit] for kind in found.kinds[:1]]
    cells = [cell for cell in dict.fromkeys((*told.quick_start, *shown)) if cell[2] == "stream"][:limit]
    guilty = _guilty_events(told.counted, set(cells))
    for cell in cells:
        drawn = timeline(exchanges[cell], guilty.get(cell, ())) if cell in exchanges else None
        if drawn is not None:
            yield f"{cell[1]}, {cell[0]}", drawn


def _guilty_events(counted: Iterable[Verdict], cells: Container[Cell]) -> Mapping[Cell, set[int]]:
    found: dict[Cell, set[int]] = {}
    for verdict in counted:
        if findings.shown_cell(verdict) in cells:
            events = {violation.event for violation in verdict.evidence if violation.event is not None}
            found.setdefault(findings.shown_cell(verdict), set()).update(events)
    return found
