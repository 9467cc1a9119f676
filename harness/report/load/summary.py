"""What a load run says, in words and numbers that all its reports share."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from harness.load.difference import Difference
from harness.load.histogram import Estimate, Proportion
from harness.load.load_run import Curve, LoadRun
from harness.load.metrics import ClientFigures
from harness.load.search import Step
from harness.load.verdicts import ObjectiveVerdict
from harness.report.text import plural

State: TypeAlias = Literal["keeps", "misses", "worse", "measured", "cut short", "not compared", "not valid"]

SYMBOLS: Mapping[State, str] = {
    "keeps": "✓",
    "misses": "✗",
    "worse": "✗",
    "measured": "●",
    "cut short": "○",
    "not compared": "○",
    "not valid": "○",
}
STATES: Mapping[State, str] = {
    "keeps": "Keeps its objectives",
    "misses": "Misses an objective",
    "worse": "Worse than its baseline",
    "measured": "Measured",
    "cut short": "Measured in part",
    "not compared": "Not comparable with its baseline",
    "not valid": "Not valid",
}


@dataclass(frozen=True, slots=True)
class FigureText:
    """A figure as reports name it, its unit, and what it means."""

    name: str
    label: str
    unit: str
    meaning: str


VERDICT_SYMBOLS = {"kept": "✓", "missed": "✗", "not judged": "○"}

OF_THE_ENDPOINT = (
    FigureText("ttft_ms", "TTFT", "ms", "from when the request was due to its first output"),
    FigureText("ttft_from_send_ms", "TTFT from send", "ms", "from when the request was sent"),
    FigureText("first_reasoning_ms", "First reasoning", "ms", "from due to the first reasoning"),
    FigureText("first_content_ms", "First content", "ms", "from due to the first content"),
    FigureText("first_tool_call_ms", "First tool call", "ms", "from due to the first tool call"),
    FigureText("itl_ms", "Inter-token latency", "ms", "between two outputs that follow one another"),
    FigureText("worst_gap_ms", "Worst gap", "ms", "the longest of these in each request"),
    FigureText("tpot_ms", "Time per output token", "ms", "after the first, as usage counts them"),
    FigureText("latency_ms", "Latency to last output", "ms", "from due to the last output"),
    FigureText("total_ms", "Latency to the end", "ms", "from due to the end of the answer"),
    FigureText("output_tokens_per_s", "Output tokens/s", "", "of each request"),
    FigureText("prompt_tokens", "Prompt tokens", "", "of each request, as usage counts them"),
    FigureText("completion_tokens", "Completion tokens", "", "of each request, as usage counts them"),
)
OF_THE_CLIENT = (
    FigureText("generator_lateness_ms", "Generator late", "ms", "from due to when it was taken up"),
    FigureText("slot_wait_ms", "Waiting for a slot", "ms", "under the cap of requests in flight"),
    FigureText("connect_ms", "Connecting", "ms", "of requests that opened a connection"),
    FigureText("reader_lateness_ms", "Reader late", "ms", "the longest that bytes lay unread"),
    FigureText("client_own_ms", "Client's own time", "ms", "from the first output's arrival to its user"),
)


def state(run: LoadRun) -> State:
    """The outcome in a word; the exit code is the same for several of them."""
    if run.invalid:
        return "not valid"
    if run.baseline is not None and not run.baseline.differences:
        return "not compared"
    if run.has_missed:
        return "misses"
    if run.has_worsened:
        return "worse"
    if run.ending != "complete":
        return "cut short"
    if run.exit_code:
        return "not valid"
    return "keeps" if run.plan.objectives else "measured"


def headline(run: LoadRun) -> str:
    """The answer in a sentence, or in one for each client."""
    if run.curve is not None:
        return run.curve.found or _swept(run.curve)
    several = len(run.clients) > 1
    told = [
        f"{client.client}: {_answered(client)}" if several else _answered(client) for client in run.clients
    ]
    return " ".join(told) or "Nothing was measured."


def _answered(client: ClientFigures) -> str:
    if not client.requests:
        return "No request of the measured window had ended."
    errors = share(client.errors)
    found = client.figures.get("ttft_ms") or client.figures.get("total_ms")
    if found is None:
        return f"No answer: {errors} of {plural(client.requests, 'request')} failed."
    what = "First output" if "ttft_ms" in client.figures else "The whole answer"
    p50, p95 = (number(found.statistics[name].value) for name in ("p50", "p95"))
    pace = f"at {_rate(client.requests_per_s)}" if client.requests_per_s else "and no end within the window"
    return f"{what} after {p50} ms (p50) and {p95} ms (p95) {pace}, {errors} errors."


def cut_short_text(run: LoadRun) -> str:
    """What to know of a run that did not end as it was meant to; empty for others."""
    count = sum(client.requests + client.outside_window for client in run.clients)
    had_ended = f"these are the figures of the {plural(count, 'request')} that had ended."
    match run.ending, run.curve:
        case "interrupted", None:
            return f"This run was interrupted: {had_ended}"
        case "interrupted", _:
            return "This run was interrupted: of its levels, those stand here that had ended."
        case "killed", None:
            return f"This run was killed: {had_ended}"
        case "killed", _:
            return "This run was killed: of its levels, those stand here that had ended."
        case "short of a worker", None:
            dead = [worker for worker in run.workers if worker.has_died]
            named = ", ".join(f"{each.name} after {plural(each.requests, 'request')}" for each in dead)
            return (
                f"Of {plural(len(run.workers), 'worker')}, {len(dead)} died ({named}). From then on the load "
                "was less than asked; the figures are those of the others and what the dead had told."
            )
        case "short of a worker", _:
            return "A worker died: the level at which it did is not valid."
    return ""


def level_rows(curve: Curve) -> Iterator[tuple[str, ...]]:
    """Each level of a curve, the lowest first: its verdict, TTFT p50 and p95, requests/s, errors, goodput."""
    for step in sorted(curve.steps, key=lambda step: step.level):
        ttft = step.figures.figures.get("ttft_ms")
        times = [f"{number(ttft.statistics[name].value)} ms" if ttft else "none" for name in ("p50", "p95")]
        verdict = "kept" if step.is_kept else "missed"
        yield (
            level(step, curve.unit),
            "not valid" if not step.is_valid else (verdict if step.verdicts else "measured"),
            *times,
            number(step.figures.requests_per_s),
            share(step.figures.errors),
            share(step.figures.goodput),
        )


def level_reasons(curve: Curve) -> Iterator[str]:
    """Why levels are not valid, and what those of a sweep miss; of a search, its sentence says that."""
    for step in sorted(curve.steps, key=lambda step: step.level):
        at = level(step, curve.unit)
        yield from (f"{at}: not valid. {reason}" for reason in step.figures.measurement.invalid)
        missed = "; ".join(verdict.sentence for verdict in step.verdicts if not verdict.is_met)
        if step.is_valid and missed and not curve.found:
            yield f"{at}: {missed}."


def _rate(requests_per_s: float) -> str:
    told = number(requests_per_s)
    return f"{told} request/s" if told == "1" else f"{told} requests/s"


def _swept(curve: Curve) -> str:
    valid = sorted((step for step in curve.steps if step.is_valid), key=lambda step: step.level)
    if not valid:
        return "No level of load was measured."
    missed = next((step for step in valid if not step.is_kept), None)
    if missed is not None:
        why = "; ".join(verdict.sentence for verdict in missed.verdicts if not verdict.is_met)
        return f"Misses an objective at {level(missed, curve.unit)}: {why}."
    rate = _rate(max(step.figures.requests_per_s for step in valid))
    levels = f"{plural(len(valid), 'level')} of load up to {level(valid[-1], curve.unit)}"
    told = f"At most {rate} at {levels}"
    medians = [
        found.statistics["p50"].value for step in valid if (found := step.figures.figures.get("ttft_ms"))
    ]
    if not medians:
        return f"{told}, no output."
    span = " to ".join(dict.fromkeys(map(number, (min(medians), max(medians)))))
    return f"{told}, first output after {span} ms (p50)."


def of_which_level(run: LoadRun) -> str:
    """Which level the figures and the time lines of a curve are of; empty for other runs."""
    shown = run.curve.shown if run.curve else None
    if run.curve is None or shown is None:
        return ""
    which = "found" if shown.level == run.curve.highest else "measured last"
    return f"of the level that was {which}, {level(shown, run.curve.unit)}"


def _arrivals(run: LoadRun) -> str:
    if run.curve is None or not run.curve.steps:
        return run.plan.arrivals
    kind, levels = run.plan.arrivals.partition(":")[0], [step.level for step in run.curve.steps]
    return f"{kind}:{min(levels):g} to {max(levels):g} at {plural(len(levels), 'level')}"


def asked(run: LoadRun) -> str:
    """How it was asked, in a sentence."""
    plan = run.plan
    cap = f", at most {plan.cap} in flight" if plan.cap else ""
    lasted = f"{plan.duration_s:g} s{' each' if run.curve else ''}"
    return (
        f"Workload {run.workload.name}, arrivals {_arrivals(run)}, seed {plan.seed}{cap}; "
        f"{lasted}, of which {plan.warm_up_s:g} s of warm-up and {plan.cool_down_s:g} s of "
        "cool-down stand outside."
    )


def facts(client: ClientFigures) -> Iterator[tuple[str, str]]:
    """The figures of a client that are one number."""
    outside = f"{client.outside_window:,} outside the window"
    if not client.requests:
        yield "Requests", f"none in the window, {outside}"
        return
    yield "Requests", f"{client.requests:,} in {number(client.window_s)} s, {outside}"
    yield "Errors", interval_of(client.errors)
    has_no_end = client.outcomes.get("ok") and not client.requests_per_s
    no_end = "; no answer ended within the window, which wants to be longer" if has_no_end else ""
    yield "Requests/s", number(client.requests_per_s) + no_end
    tokens = client.output_tokens_per_s_total
    yield "Output tokens/s", "not known" if tokens is None else number(tokens)
    in_flight = client.concurrency
    yield "In flight", "not known" if in_flight is None else f"{number(in_flight)} on average"
    yield "Goodput", f"{interval_of(client.goodput)}; {_rate(client.goodput_per_s)}"
    conformance = client.conformance
    if conformance.judged:
        cost = (
            ""
            if conformance.cost_us is None
            else f"; judging took {number(conformance.cost_us)} µs an answer"
        )
        yield "Deviating answers", interval_of(conformance.deviating) + cost
    if client.tokens_note:
        yield "Tokens", client.tokens_note


def verdict_text(run: LoadRun, verdict: ObjectiveVerdict) -> str:
    """What became of an objective; figures that are not valid judge nothing."""
    if any(client.measurement.invalid for client in run.clients if client.client == verdict.client):
        return "not judged"
    return "kept" if verdict.is_met else "missed"


def difference_text(difference: Difference) -> tuple[str, str, str, str]:
    """A difference as its figure, before, after, and what is to be made of it."""
    name, _, statistic = difference.figure.partition(".")
    label = next((f"{known.label} {statistic}" for known in OF_THE_ENDPOINT if known.name == name), name)
    say = percent if not statistic else lambda value: f"{number(value)} ms"
    return label, say(difference.before), say(difference.after), verdict_on(difference)


def verdict_on(difference: Difference) -> str:
    """What is to be made of a difference, such as `worse by 2.1 to 3.8 ms`."""
    if not difference.is_real:
        return "no difference shown"
    verdict = "worse" if difference.is_worse else "better"
    if difference.low is None or difference.high is None:
        return verdict
    least, most = sorted((abs(difference.low), abs(difference.high)))
    return f"{verdict} by {number(least)} to {number(most)} ms"


def number(value: float) -> str:
    """A number to about three digits."""
    size = abs(value)
    if size >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def share(proportion: Proportion) -> str:
    """A share as a percentage."""
    return "none" if proportion.share is None else percent(proportion.share.value)


def percent(part: float) -> str:
    """A part as a percentage to about two digits; nothing but nought and the whole is rounded to them."""
    value = part * 100
    to_the_end = min(value, 100 - value)
    digits = min(9, 1 - math.floor(math.log10(to_the_end))) if 0 < to_the_end < 10 else 0
    told = f"{value:.{digits}f}"
    return f"{told.rstrip('0').rstrip('.') if digits else told} %"


def interval_of(proportion: Proportion) -> str:
    """A share with its count and its interval."""
    counted = f"{proportion.count:,} of {proportion.of:,}"
    found = proportion.share
    if found is None or found.low is None or found.high is None:
        return counted
    return f"{share(proportion)} ({percent(found.low)} to {percent(found.high)}), {counted}"


def interval(estimate: Estimate) -> str:
    """The bounds of an estimate, as far as there are any."""
    match estimate.low, estimate.high:
        case None, None:
            return ""
        case low, None if low == estimate.value:
            return "or more"
        case low, None:
            return f"{number(low or 0)} or more"
        case None, high:
            return f"up to {number(high or 0)}"
        case low, high:
            return f"{number(low or 0)} to {number(high or 0)}"


def level(step: Step, unit: str) -> str:
    """A level with its unit."""
    return plural(round(step.level), "user") if unit == "users" else f"{step.level:,.4g} {unit}"
