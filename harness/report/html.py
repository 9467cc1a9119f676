"""One page that stands alone: a file without a network, readable on a phone, on paper and by ear.

The page's looks are in `reports/templates`; what it says is put together here.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from harness import content
from harness.report import Exchanges, findings, text
from harness.report.excerpt import Excerpt, excerpt
from harness.report.findings import Cell, Finding, Kind, Reason, RuleText
from harness.report.page import page
from harness.report.timeline import WIDTH, Timeline, timeline
from harness.run import Run
from harness.verdict import Outcome, Verdict

FILENAME = "report.html"

MAX_BYTES = 1_500_000

_UNJUDGED = (Outcome.ERROR, Outcome.INCONCLUSIVE, Outcome.UNSUPPORTED, Outcome.SKIPPED)


@dataclass(frozen=True, slots=True)
class Detail:
    """How much of a run a page tells: how many of each, and how many characters of a text."""

    findings: int
    kinds: int
    reasons: int
    rules: int
    requests: int
    text_chars: int
    excerpt_chars: int
    curl_chars: int


_DETAILS = (
    Detail(200, 6, 40, 400, 600, text_chars=800, excerpt_chars=1_600, curl_chars=6_000),
    Detail(80, 3, 20, 250, 300, text_chars=400, excerpt_chars=800, curl_chars=1_500),
    Detail(12, 1, 6, 80, 40, text_chars=200, excerpt_chars=300, curl_chars=300),
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
    """A rule that fails, with its evidence."""

    finding: Finding
    evidence: tuple[Evidence, ...]


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


def render(run: Run, exchanges: Exchanges) -> str:
    """The run as one HTML page of at most MAX_BYTES bytes; where it says less than the run, it says so."""
    for detail in _DETAILS:
        page = _page(run, exchanges, detail)
        if len(page.encode()) <= MAX_BYTES:
            break
    return page


def _page(run: Run, exchanges: Exchanges, detail: Detail) -> str:
    failing = findings.findings(run)
    rules = tuple(_rule_views(run))
    streams = tuple(_streams(run, exchanges))
    curls = {cell: text.command(curl, detail.curl_chars) for cell, curl in findings.curls(run).items()}
    return page(
        "report.html",
        detail.text_chars,
        run=run,
        detail=detail,
        target=findings.target_line(run),
        answer=findings.answer(run),
        counts=findings.counts_sentence(run),
        cost=findings.cost_sentence(run),
        symbols=findings.SYMBOLS,
        dropin_modes=findings.dropin_modes(run),
        dropin_rows=findings.dropin_rows(run),
        dropin_reasons=findings.dropin_reasons(run),
        findings=[_finding_view(found, exchanges, curls, detail) for found in failing[: detail.findings]],
        finding_count=len(failing),
        finding_numbers={found.rule.id: at for at, found in enumerate(failing[: detail.findings], 1)},
        waived=findings.reasons(run.verdicts, Outcome.WAIVED),
        unjudged=findings.reasons(run.verdicts, *_UNJUDGED),
        streams=streams,
        scale_ms=max((drawn.ended_ms for _, drawn in streams), default=0.0) or 1.0,
        stream_width=WIDTH,
        rules=rules[: detail.rules],
        rule_count=len(rules),
        clients=tuple(rules[0].outcomes) if rules else (),
        surfaces=tuple(dict.fromkeys(rule.rule.surface for rule in rules)),
        outcomes=tuple(findings.outcome_counts(run)),
        curls=curls,
    )


def _finding_view(
    finding: Finding, exchanges: Exchanges, curls: Mapping[Cell, str], detail: Detail
) -> FindingView:
    return FindingView(
        finding, tuple(_evidence(kind, exchanges, curls, detail) for kind in finding.kinds[: detail.kinds])
    )


def _evidence(kind: Kind, exchanges: Exchanges, curls: Mapping[Cell, str], detail: Detail) -> Evidence:
    cell = findings.shown_cell(kind.verdict)
    exchange = exchanges.get(cell)
    shown = excerpt(kind.first, exchange, detail.excerpt_chars) if exchange else None
    return Evidence(kind, shown, curls.get(cell, ""))


def _rule_views(run: Run) -> Iterator[RuleView]:
    clients = tuple(dict.fromkeys(verdict.client for verdict in run.verdicts))
    for verdicts in findings.by_rule(run.verdicts):
        yield RuleView(
            findings.rule_text(verdicts[0]),
            {client: _counts(verdicts, client) for client in clients},
            findings.reasons(verdicts, *(outcome for outcome in Outcome if outcome is not Outcome.PASS)),
        )


def _counts(verdicts: Iterable[Verdict], client: str) -> Mapping[Outcome, int]:
    found = Counter(verdict.outcome for verdict in verdicts if verdict.client == client)
    return {outcome: found[outcome] for outcome in Outcome if found[outcome]}


def _streams(run: Run, exchanges: Exchanges) -> Iterator[tuple[str, Timeline]]:
    """The drop-in streams and when their events came."""
    scenarios = content.scenarios()
    for request in run.requests:
        exchange = exchanges.get((request.scenario, request.client, request.mode))
        known = scenarios.get(request.scenario)
        if request.mode == "stream" and exchange is not None and known is not None and known.is_dropin:
            drawn = timeline(exchange)
            if drawn is not None:
                yield f"{request.client}, {request.scenario}", drawn
