"""What a load run says on the terminal when it is over; the same in a pipe."""

from collections.abc import Iterator

from harness.load.load_run import Curve, LoadRun
from harness.load.metrics import ClientFigures
from harness.load.verdicts import ObjectiveVerdict
from harness.report.load import summary
from harness.report.text import one_line, plural

_TIMES = ("ttft_ms", "itl_ms", "tpot_ms", "latency_ms")
_FAILURES = 5
_TEXT_CHARS = 300


def lines(run: LoadRun, *, quiet: bool) -> Iterator[str]:
    """The answer and what is wrong; unless it is quiet, all objectives, figures and failures as well."""
    state = summary.state(run)
    yield summary.headline(run)
    yield f"{summary.SYMBOLS[state]} {summary.STATES[state]}."
    yield from filter(None, [summary.cut_short_text(run)])
    yield from (f"Not valid: {reason}" for reason in run.invalid)
    for verdict in run.objectives:
        if not (quiet and verdict.is_met):
            yield f"  {_judged(run, verdict)}"
    if run.curve is not None:
        yield from _levels(run.curve, quiet=quiet)
    yield from _since(run)
    if not quiet:
        yield from filter(None, [_of_which(run)])
        for client in run.clients:
            yield from _client(client, is_one_of_many=len(run.clients) > 1)
    yield from (one_line(note, _TEXT_CHARS) for note in run.notes)


def _judged(run: LoadRun, verdict: ObjectiveVerdict) -> str:
    said = summary.verdict_text(run, verdict)
    client = f"{verdict.client}: " if len(run.clients) > 1 else ""
    near = "" if verdict.is_clear or said == "not judged" else ", but too near to be sure"
    return f"{summary.VERDICT_SYMBOLS[said]} {client}{verdict.sentence}{near}"


def _levels(curve: Curve, *, quiet: bool) -> Iterator[str]:
    if not quiet:
        for level, verdict, p50, p95, rate, errors, _ in summary.level_rows(curve):
            told = f"TTFT p50 {p50}, p95 {p95}, {rate} requests/s, {errors} errors"
            yield f"  {level:<22} {verdict:<9} {told}"
    yield from (f"  {reason}" for reason in summary.level_reasons(curve))


def _since(run: LoadRun) -> Iterator[str]:
    """What is shown to differ from the baseline, the worse first."""
    found = run.baseline.differences if run.baseline else []
    for each in sorted((each for each in found if each.is_real), key=lambda each: not each.is_worse):
        label, before, now, verdict = summary.difference_text(each)
        symbol = "✗" if each.is_worse else "✓"
        yield f"  {symbol} {each.client}, {each.mode}: {label} was {before}, is {now}: {verdict}"
    if found and not any(each.is_real for each in found):
        yield "  No difference from the baseline is shown."


def _of_which(run: LoadRun) -> str:
    which = summary.of_which_level(run)
    return f"These figures are {which}:" if which else ""


def _client(client: ClientFigures, *, is_one_of_many: bool) -> Iterator[str]:
    if is_one_of_many:
        yield f"{client.client}, {client.mode}"
    yield from (f"  {name:<22} {value}" for name, value in summary.facts(client))
    for figure in summary.OF_THE_ENDPOINT:
        if figure.name in _TIMES and figure.name in client.figures:
            statistics = client.figures[figure.name].statistics
            told_ms = (f"{name} {summary.number(statistics[name].value)}" for name in ("p50", "p95", "p99"))
            yield f"  {figure.label:<22} {', '.join(told_ms)} ms"
    told = list(client.details.items())
    yield from (
        f"  ✗ {one_line(detail, _TEXT_CHARS)} ({plural(count, 'time')})" for detail, count in told[:_FAILURES]
    )
    if len(told) > _FAILURES:
        yield f"  and {plural(len(told) - _FAILURES, 'other failure')}: load.json has them"
