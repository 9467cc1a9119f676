"""The charts of a load run: its time line, the distribution of its latencies, its curve over levels."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from markupsafe import Markup

from harness.load.histogram import Histogram
from harness.load.load_run import Curve, LoadRun
from harness.load.metrics import ClientFigures, Moment
from harness.load.search import Step
from harness.report.chart import DASHES, SHAPES, Spec, svg
from harness.report.load.summary import number

Rows: TypeAlias = list[dict[str, Any]]

_POINTS = 200
_SHARES = [1 - 10 ** -(step / 10) for step in range(3, 31)]
"""Shares from the median on, at even distances towards 99.9 %, so that the tail is seen."""

_NINES_OF_HALF = 0.3


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing with its title and what it shows."""

    title: str
    drawing: Markup


def charts(run: LoadRun) -> Iterator[Chart]:
    """Every chart that the run has figures for."""
    if run.curve is not None and len(run.curve.steps) > 1:
        yield from _curve(run.curve)
    yield from _time_line(run)
    yield from _distributions(run.clients)


def _time_line(run: LoadRun) -> Iterator[Chart]:
    names = {(client.client, client.mode): f"{client.client} {client.mode}" for client in run.clients}
    moments = [moment for moment in run.timeline if (moment.client, moment.mode) in names]
    if len({moment.at_s for moment in moments}) < 2:
        return
    several = len(names) > 1

    def series(what: str, moment: Moment) -> str:
        return f"{names[moment.client, moment.mode]}, {what}" if several else what

    window = _window(run)
    ttft: Rows = [
        {"x": moment.at_s, "y": value, "series": series(what, moment)}
        for moment in moments
        for what, value in (("p50", moment.ttft_p50_ms), ("p95", moment.ttft_p95_ms))
        if value is not None
    ]
    ttft = _thinned(ttft)
    if ttft:
        worst = max(row["y"] for row in ttft)
        label = f"TTFT over the {run.plan.duration_s:g} seconds of the run; at most {number(worst)} ms."
        yield Chart("TTFT over time", _lines("ttft-time", ttft, "seconds", "TTFT in ms", label, window))
    # where nothing fails, or users of a closed loop ask when they can, a line of its own would say nothing
    is_open = run.plan.arrivals.partition(":")[0] != "users"
    has_failures = any(moment.errors_per_s for moment in moments)
    rates = [
        {"x": moment.at_s, "y": value, "series": series(what, moment)}
        for moment in moments
        for what, value, is_told in (
            ("due/s", moment.due / moment.length_s, is_open),
            ("succeeded/s", moment.requests_per_s, True),
            ("failed/s", moment.errors_per_s, has_failures),
        )
        if is_told
    ]
    label = "Requests due, succeeded and failed in each second of the run."
    yield Chart(
        "Requests over time", _lines("rates", _thinned(rates), "seconds", "requests/s", label, window)
    )
    flight = [
        {"x": moment.at_s, "y": moment.in_flight, "series": series("in flight", moment)} for moment in moments
    ]
    label = "Requests in flight at a time, over the run."
    yield Chart(
        "In flight over time",
        _lines("flight", _thinned(flight), "seconds", "requests in flight", label, window),
    )


def _window(run: LoadRun) -> Sequence[float]:
    """Where warm-up ends and cool-down begins."""
    plan = run.plan
    ends = ((plan.warm_up_s, plan.warm_up_s > 0), (plan.duration_s - plan.cool_down_s, plan.cool_down_s > 0))
    return [at_s for at_s, is_there in ends if is_there]


def _distributions(clients: Sequence[ClientFigures]) -> Iterator[Chart]:
    several = len(clients) > 1
    for name, title, parts in (
        ("ttft", "TTFT by percentile", (("ttft_ms", "from due"), ("ttft_from_send_ms", "from send"))),
        ("itl", "Inter-token latency by percentile", (("itl_ms", "each gap"), ("worst_gap_ms", "worst gap"))),
        ("latency", "Latency by percentile", (("latency_ms", "last output"), ("total_ms", "end of answer"))),
    ):
        rows = [
            {"x": share, "y": value, "series": f"{client.client} {client.mode}, {part}" if several else part}
            for client in clients
            for figure, part in parts
            for share, value in spectrum(client, figure)
        ]
        if rows:
            label = f"{title}, from the median to the 99.9th, for {', '.join(part for _, part in parts)}."
            yield Chart(title, percentiles(name, rows, label))


def spectrum(client: ClientFigures, figure: str) -> Iterable[tuple[float, float]]:
    """The place of a percentile on an axis of nines, and its value."""
    found = client.figures.get(figure)
    if found is None:
        return ()
    shares = [share for share in _SHARES if found.count * (1 - share) >= 1]
    values = Histogram.from_json(found.histogram).quantiles(shares)
    return [(-math.log10(1 - share), value) for share, value in zip(shares, values, strict=True)]


def _curve(curve: Curve) -> Iterator[Chart]:
    steps = sorted(curve.steps, key=lambda step: step.level)
    title = "TTFT against concurrency" if curve.unit == "users" else "TTFT against rate"
    ttft = [
        {
            "x": step.level,
            "y": found.value,
            "low": found.value if found.low is None else found.low,
            "high": found.value if found.high is None else found.high,
            "series": statistic,
        }
        for step in steps
        for statistic in ("p50", "p95", "p99")
        if (found := _estimate(step, statistic)) is not None
    ]
    if ttft:
        label = f"{title} at {len(steps)} levels, with confidence intervals."
        yield Chart(title, levels("ttft-curve", ttft, curve.unit, "TTFT in ms", label))
    made = [
        {"x": step.level, "y": value, "series": what}
        for step in steps
        for what, value in (
            ("requests/s", step.figures.requests_per_s),
            ("goodput/s", step.figures.goodput_per_s),
        )
    ]
    yield Chart(
        "Throughput against load",
        levels("throughput", made, curve.unit, "requests/s", f"Requests and goodput at {len(steps)} levels."),
    )
    wrong = [
        {"x": step.level, "y": found.share.value * 100, "series": what}
        for step in steps
        for what, found in (
            ("errors", step.figures.errors),
            ("deviating answers", step.figures.conformance.deviating),
        )
        if found.share is not None
    ]
    if wrong:
        label = f"Errors and deviating answers at {len(steps)} levels."
        yield Chart(
            "What goes wrong against load", levels("wrong", wrong, curve.unit, "% of requests", label)
        )


def _estimate(step: Step, statistic: str) -> Any:
    found = step.figures.figures.get("ttft_ms")
    return None if found is None else found.statistics.get(statistic)


def _lines(name: str, rows: Rows, x: str, y: str, label: str, marks: Sequence[float]) -> Markup:
    layers: list[Mapping[str, Any]] = [
        {
            "data": {"values": rows},
            "mark": {"type": "line", "strokeWidth": 1.5},
            "encoding": encoding_of(rows, x, y),
        }
    ]
    if marks:
        rules = [{"x": at} for at in marks]
        layers.append(
            {
                "data": {"values": rules},
                "mark": {"type": "rule", "strokeDash": [2, 3]},
                "encoding": {"x": {"field": "x", "type": "quantitative"}},
            }
        )
    return svg({"layer": layers}, label, name)


def percentiles(name: str, rows: Rows, label: str) -> Markup:
    """Values by percentile, on an axis of nines; rows are those of `spectrum`, with their series."""
    encoding = encoding_of(rows, "percentile", "ms")
    encoding["x"] = {
        **encoding["x"],
        "axis": {
            "title": "percentile",
            "values": [_NINES_OF_HALF, 1, 2, 3],
            "labelExpr": "datum.value < 0.5 ? '50' : datum.value < 1.5 ? '90' : "
            "datum.value < 2.5 ? '99' : '99.9'",
            "labelOverlap": False,
        },
        "scale": {"domainMin": _NINES_OF_HALF, "zero": False, "nice": False},
    }
    return svg({"data": {"values": rows}, "mark": "line", "encoding": encoding}, label, name)


def levels(name: str, rows: Rows, x: str, y: str, label: str) -> Markup:
    """Values by level, with their intervals where rows have `low` and `high`."""
    encoding = encoding_of(rows, x, y)
    if not any(row["y"] for row in rows):
        # Of noughts alone the axis would have no length, and a nought in its middle.
        encoding["y"] = {**encoding["y"], "scale": {"domain": [0, 1]}}
    if rows[-1]["x"] / max(rows[0]["x"], 1e-9) >= 8:
        encoding["x"] = {**encoding["x"], "scale": {"type": "log", "base": 2}}
    # The strokes are the lines' alone: in the legend they would cut its points in pieces.
    colour, strokes = encoding.pop("color"), encoding.pop("strokeDash")
    untold = {name: {**one, "legend": None} for name, one in (("color", colour), ("strokeDash", strokes))}
    layers: list[Mapping[str, Any]] = [
        {"mark": {"type": "line"}, "encoding": untold},
        {"mark": {"type": "point"}, "encoding": {"color": colour, "shape": _shape(rows)}},
    ]
    if "low" in rows[0]:
        layers.append(
            {
                "mark": {"type": "rule", "strokeWidth": 1},
                "encoding": {
                    "y": {"field": "low", "type": "quantitative"},
                    "y2": {"field": "high"},
                    "color": untold["color"],
                },
            }
        )
    spec: Spec = {
        "data": {"values": rows},
        "encoding": encoding,
        "layer": layers,
        "resolve": {"legend": {"color": "independent", "shape": "independent"}},
    }
    return svg(spec, label, name)


def _names(rows: Rows) -> list[str]:
    return list(dict.fromkeys(row["series"] for row in rows))


def _shape(rows: Rows) -> Mapping[str, Any]:
    names = _names(rows)
    shapes = [SHAPES[at % len(SHAPES)] for at in range(len(names))]
    return {"field": "series", "type": "nominal", "scale": {"domain": names, "range": shapes}, "sort": None}


def encoding_of(rows: Rows, x: str, y: str) -> dict[str, Any]:
    """The axes of these titles, and a colour and a stroke for each series."""
    names = _names(rows)
    dashes = [DASHES[at % len(DASHES)] for at in range(len(names))]
    return {
        "x": {"field": "x", "type": "quantitative", "title": x},
        "y": {"field": "y", "type": "quantitative", "title": y},
        "color": {"field": "series", "type": "nominal", "sort": None, "scale": {"domain": names}},
        "strokeDash": {
            "field": "series",
            "type": "nominal",
            "sort": None,
            "scale": {"domain": names, "range": dashes},
        },
    }


def _thinned(rows: Rows) -> Rows:
    """Rows for a drawing that shows no more: of neighbours, the greatest, so that no peak is lost."""
    kept: Rows = []
    for name in _names(rows):
        of_one = [row for row in rows if row["series"] == name]
        step = -(-len(of_one) // _POINTS)
        kept += [max(of_one[at : at + step], key=lambda row: row["y"]) for at in range(0, len(of_one), step)]
    return kept
