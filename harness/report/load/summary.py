"""What a load run says, in words and numbers that all its reports share."""

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

State: TypeAlias = Literal["keeps", "misses", "worse", "measured", "not valid"]

SYMBOLS: Mapping[State, str] = {"keeps": "✓", "misses": "✗", "worse": "✗", "measured": "●", "not valid": "○"}
STATES: Mapping[State, str] = {
    "keeps": "Keeps its objectives",
    "misses": "Misses an objective",
    "worse": "Worse than its baseline",
    "measured": "Measured",
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
    """The outcome in a word."""
    if run.exit_code == 3:
        return "not valid"
    if run.exit_code == 1:
        return "worse" if all(verdict.is_met for verdict in run.objectives) and run.baseline else "misses"
    return "keeps" if run.objectives or (run.curve is not None and run.curve.found) else "measured"


def headline(run: LoadRun) -> str:
    """The answer in a sentence."""
    if run.curve is not None:
        return run.curve.found or _swept(run.curve)
    if not run.clients:
        return "Nothing was measured."
    client = run.clients[0]
    ttft = client.figures.get("ttft_ms")
    rate = _rate(client.requests_per_s)
    if ttft is None:
        return f"No output at {rate}: {share(client.errors)} of the requests failed."
    p50, p95 = (number(ttft.statistics[name].value) for name in ("p50", "p95"))
    return f"First output after {p50} ms (p50) and {p95} ms (p95) at {rate}, {share(client.errors)} errors."


def _rate(requests_per_s: float) -> str:
    told = number(requests_per_s)
    return f"{told} request/s" if told == "1" else f"{told} requests/s"


def _swept(curve: Curve) -> str:
    valid = sorted((step for step in curve.steps if step.is_valid), key=lambda step: step.level)
    if not valid:
        return "No level of load was measured."
    rate = _rate(max(step.figures.requests_per_s for step in valid))
    levels = f"{plural(len(valid), 'level')} of load up to {level(valid[-1], curve.unit)}"
    told = f"At most {rate} at {levels}"
    medians = [
        found.statistics["p50"].value for step in valid if (found := step.figures.figures.get("ttft_ms"))
    ]
    if not medians:
        return f"{told}, no output."
    return f"{told}, first output after {number(min(medians))} to {number(max(medians))} ms (p50)."


def of_the_last_level(run: LoadRun) -> str:
    """Which level the figures and the time lines of a curve are of; empty for other runs."""
    if run.curve is None or not run.curve.steps:
        return ""
    return f"of the level that was measured last, {level(run.curve.steps[-1], run.curve.unit)}"


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
    yield (
        "Requests",
        f"{client.requests:,} in {client.window_s:g} s, {client.outside_window:,} outside the window",
    )
    yield "Errors", interval_of(client.errors)
    yield "Requests/s", number(client.requests_per_s)
    tokens = client.output_tokens_per_s_total
    yield "Output tokens/s", "not known" if tokens is None else number(tokens)
    yield "In flight", f"{number(client.concurrency)} on average"
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
    if run.invalid:
        return "not judged"
    return "kept" if verdict.is_met else "missed"


def difference_text(difference: Difference) -> tuple[str, str, str, str]:
    """A difference as its figure, before, after, and what is to be made of it."""
    name, _, statistic = difference.figure.partition(".")
    label = next((f"{known.label} {statistic}" for known in OF_THE_ENDPOINT if known.name == name), name)
    say = percent if not statistic else lambda value: f"{number(value)} ms"
    if not difference.is_real:
        verdict = "no difference shown"
    else:
        verdict = "worse" if difference.is_worse else "better"
    if difference.low is not None and difference.high is not None:
        verdict += f", by {number(difference.low)} to {number(difference.high)} ms"
    return label, say(difference.before), say(difference.after), verdict


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
    """A part as a percentage to about two digits."""
    value = part * 100
    return (
        f"{value:.0f} %"
        if value in {0, 100} or 10 <= value <= 90
        else f"{value:.2g} %".replace("1e+02", "100")
    )


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
