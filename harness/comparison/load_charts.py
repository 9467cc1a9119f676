"""The charts of a load comparison: overlaid distributions, TTFT against load, throughput against latency."""

from collections.abc import Iterator

from markupsafe import Markup

from harness.comparison.load import LoadComparison, Point, Series, points
from harness.report.chart import SHAPES, Spec, svg
from harness.report.load.charts import Chart, encoding_of, levels, percentiles, spectrum

_DISTRIBUTIONS = (
    ("ttft_ms", "TTFT by percentile"),
    ("itl_ms", "Inter-token latency by percentile"),
    ("latency_ms", "Latency by percentile"),
)


def charts(comparison: LoadComparison) -> Iterator[Chart]:
    """Every chart that the series have figures for."""
    names = ", ".join(one.label for one in comparison.series)
    for figure, title in _DISTRIBUTIONS:
        rows = [
            {"x": at, "y": value, "series": one.label}
            for one in comparison.series
            for at, value in spectrum(one.figures, figure)
        ]
        if rows:
            yield Chart(title, percentiles(f"compared-{figure}", rows, f"{title} for {names}."))
    yield from _against_load(comparison.series)
    yield from _front(comparison.series)


def _against_load(series: tuple[Series, ...]) -> Iterator[Chart]:
    """TTFT at each level, for the series that were measured at several."""
    units = dict.fromkeys(one.run.curve.unit for one in series if one.run.curve)
    for unit in units:
        rows = [
            {
                "x": step.level,
                "y": found.value,
                "low": found.value if found.low is None else found.low,
                "high": found.value if found.high is None else found.high,
                "series": one.label,
            }
            for one in series
            if one.run.curve and one.run.curve.unit == unit
            for step in sorted(one.run.curve.steps, key=lambda step: step.level)
            if step.figures.client == one.figures.client and "ttft_ms" in step.figures.figures
            for found in [step.figures.figures["ttft_ms"].statistics["p50"]]
        ]
        if rows:
            title = "TTFT p50 against concurrency" if unit == "users" else "TTFT p50 against rate"
            label = f"{title}, with confidence intervals."
            yield Chart(title, levels(f"compared-{unit[:4]}", rows, unit, "TTFT in ms", label))


def _front(series: tuple[Series, ...]) -> Iterator[Chart]:
    unit, found = points(series)
    if len(found) > 1:
        yield Chart("Throughput against latency", _drawn_front(unit, found))


def _drawn_front(unit: str, found: tuple[Point, ...]) -> Markup:
    rows = [
        {"x": one.latency_ms, "y": one.throughput, "series": one.series, "best": one.is_best} for one in found
    ]
    best = sorted((row for row in rows if row["best"]), key=lambda row: float(str(row["x"])))
    encoding = encoding_of(rows, "latency p50 in ms", unit)
    names = list(dict.fromkeys(str(row["series"]) for row in rows))
    place = {axis: encoding[axis] for axis in ("x", "y")}
    shape = {
        "field": "series",
        "type": "nominal",
        "sort": None,
        "scale": {"domain": names, "range": [SHAPES[at % len(SHAPES)] for at in range(len(names))]},
    }
    spec: Spec = {
        "layer": [
            {
                "data": {"values": best},
                "mark": {
                    "type": "line",
                    "color": "var(--soft)",
                    "strokeWidth": 1,
                    "interpolate": "step-before",
                },
                "encoding": place,
            },
            {
                "data": {"values": best},
                "mark": {
                    "type": "point",
                    "filled": False,
                    "size": 160,
                    "stroke": "var(--ink)",
                    "strokeWidth": 1.2,
                },
                "encoding": place,
            },
            {
                "data": {"values": rows},
                "mark": {"type": "point"},
                "encoding": {**place, "color": encoding["color"], "shape": shape},
            },
        ]
    }
    label = f"{unit} against latency; {len(best)} of {len(rows)} points are on the best front."
    return svg(spec, label, "compared-front")
