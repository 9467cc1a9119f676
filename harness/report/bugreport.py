"""A failing rule as Markdown, ready to be pasted into the tracker of the endpoint."""

from collections.abc import Iterator

from harness.errors import UsageError
from harness.report import Exchanges
from harness.report.excerpt import Excerpt, excerpt
from harness.report.findings import (
    Finding,
    Kind,
    cells,
    client_effects,
    curls,
    findings,
    rates_of,
    shown_cell,
    target_line,
    who_else_breaks,
)
from harness.report.markdown import code, fenced, prose
from harness.report.replay_test import replay_test
from harness.report.text import command, one_line, plural
from harness.run import Run

_KINDS = 3
_CELLS = 12
_TEXT_CHARS = 1_000
_EXCERPT_CHARS = 1_500
_CURL_CHARS = 6_000

_LEVELS = {
    "must": "clients raise, lose data or hand on something false",
    "spec": "clients that take OpenAI at its word break",
    "recommended": "OpenAI always sends it",
}


def bugreport(run: Run, exchanges: Exchanges, rule: str) -> str:
    """What was sent, what came, what the contract says, who breaks, and how to repeat it.

    Raises UsageError when the rule does not fail in this run.
    """
    failing = findings(run)
    found = next((finding for finding in failing if finding.rule.id == rule), None)
    if found is None:
        ids = ", ".join(finding.rule.id for finding in failing[:8])
        raise UsageError(
            f"The rule {one_line(rule, 80)} does not fail in this run.",
            f"These do: {ids}." if ids else "None does; `likewise rules` lists them all.",
        )
    return "\n".join(_blocks(run, exchanges, found))


def _blocks(run: Run, exchanges: Exchanges, finding: Finding) -> Iterator[str]:
    rule, example = finding.rule, finding.example
    yield f"## {prose(rule.sentence)}\n"
    yield (
        f"It does not hold for {code(target_line(run), _TEXT_CHARS)}, "
        f"in {len(finding.failed):,} of {plural(finding.judged, 'cell')} "
        f"({code(cells(finding.failed, _CELLS), _TEXT_CHARS)}), seen on {code(run.started[:10], 20)}.\n"
    )
    yield "### What was sent\n"
    curl = curls(run).get(shown_cell(example))
    yield fenced(command(curl, _CURL_CHARS)) + "\n" if curl else "Nothing that curl could repeat.\n"
    yield "### What came\n"
    for kind in finding.kinds[:_KINDS]:
        yield from _kind(kind, exchanges)
    if not finding.kinds:
        yield f"{code(example.reason, _TEXT_CHARS)}\n"
    if len(finding.kinds) > _KINDS:
        yield f"and {plural(len(finding.kinds) - _KINDS, 'other way')} to fail.\n"
    yield "### What the contract says\n"
    yield f"{prose(rule.sentence)} Level {code(rule.level, 20)}: {_LEVELS[rule.level]}.\n"
    if rule.source:
        yield f"Source: {prose(rule.source)}\n"
    yield from (
        f"Asked several times: {code(rate, _TEXT_CHARS)}.\n" for rate in rates_of(run, rule.id)[:_KINDS]
    )
    yield "### Who breaks\n"
    effects = client_effects(run, finding)
    told = [f"- {code(effect.sentence, _TEXT_CHARS)}" for effect in effects]
    if told:
        yield "What each client made of these answers:\n\n" + "\n".join(told) + "\n"
    if breaks := who_else_breaks(rule, effects):
        yield f"{'Others: ' if told else ''}{prose(breaks)}\n"
    yield "### How to repeat it\n"
    yield "The line above repeats the request, with the key in `LIKEWISE_KEY`."
    test = replay_test(example, exchanges)
    if test:
        yield "\nThis test says the recorded bytes again (`pip install likewise`, then `pytest`):\n"
        yield fenced(test.rstrip(), "python") + "\n"
    yield f"\nFound by likewise {code(run.environment.likewise, 40)}, rule {code(rule.id, 100)}.\n"


def _kind(kind: Kind, exchanges: Exchanges) -> Iterator[str]:
    place = f" at {code(kind.first.place, _TEXT_CHARS)}" if kind.first.place else ""
    more = f" ({kind.count:,} times)" if kind.count > 1 else ""
    yield f"- received{place}: {code(kind.first.received, _TEXT_CHARS)}{more}"
    yield f"- expected: {code(kind.first.expected, _TEXT_CHARS)}\n"
    exchange = exchanges.get(shown_cell(kind.verdict))
    if exchange is not None:
        shown = excerpt(kind.first, exchange, _EXCERPT_CHARS)
        yield f"{code(shown.title, 200)}{', the guilty part between ▶ and ◀' if shown.guilty else ''}:\n"
        yield fenced(_marked(shown), "text") + "\n"


def _marked(shown: Excerpt) -> str:
    guilty = f"▶{shown.guilty}◀" if shown.guilty else ""
    return f"{shown.before}{guilty}{shown.after}"
