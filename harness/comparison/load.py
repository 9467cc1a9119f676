"""Load runs held against each other: figures with their intervals, and a difference only where it is shown.

What is compared stands in series: a client of a load run, in a mode. Each is tested against the same client
and mode of the first run, or against the first series where there is none.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.comparison import labels_of
from harness.load.difference import Difference, are_as_strict, differences, unlike
from harness.load.histogram import Estimate
from harness.load.level import at_one_level
from harness.load.load_run import LoadRun
from harness.load.metrics import ClientFigures
from harness.report.load.summary import OF_THE_ENDPOINT, cut_short_text, number, percent, verdict_on

_STATISTICS = (
    ("ttft_ms", ("p50", "p95", "p99")),
    ("itl_ms", ("p50", "p99")),
    ("tpot_ms", ("p50",)),
    ("latency_ms", ("p50", "p95")),
)
_LABELS = {figure.name: figure.label for figure in OF_THE_ENDPOINT}


@dataclass(frozen=True, slots=True)
class Series:
    """A client of a load run in a mode; `label` tells it apart from the others."""

    label: str
    run: LoadRun
    figures: ClientFigures


@dataclass(frozen=True, slots=True)
class Value:
    """A figure of a series with its interval, and what is to be made of it beside what it is held against."""

    text: str
    bounds: str
    verdict: str
    is_worse: bool


@dataclass(frozen=True, slots=True)
class FigureRow:
    """A figure across the series."""

    label: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """A level of load: how fast it answered, how much it made; `is_best` where no other has more of both."""

    series: str
    latency_ms: float
    throughput: float
    is_best: bool = False


@dataclass(frozen=True, slots=True)
class LoadComparison:
    """Series and their figures.

    For each series after the first, `against` has the label of what it is held against, `unlike` why that
    can't be, `found` what differs.
    """

    series: tuple[Series, ...]
    rows: tuple[FigureRow, ...]
    against: tuple[str, ...]
    unlike: tuple[str, ...]
    found: tuple[Mapping[str, Difference], ...]
    at_level: str = ""
    """At which level of load they are compared, where runs have measured several."""

    @property
    def invalid(self) -> tuple[str, ...]:
        """Why figures are not to be believed."""
        return tuple(
            f"{one.label}: {reason}" for one in self.series for reason in one.figures.measurement.invalid
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know before the figures are read."""
        cut_short = (f"{one.label}: {told}" for one in self.series if (told := cut_short_text(one.run)))
        unlike_ones = (
            f"{other.label} can't be held against {first}: {why}."
            for other, first, why in zip(self.series[1:], self.against, self.unlike, strict=True)
            if why
        )
        at_level = [self.at_level] if self.at_level else []
        return (*at_level, *dict.fromkeys(cut_short), *dict.fromkeys(unlike_ones), *self.invalid)


def compared_load(runs: Mapping[str, LoadRun], clients: Sequence[str] = ()) -> LoadComparison | None:
    """The comparison of load runs, by their folders; None where there are not two series."""
    labels = labels_of(runs)
    at_level, told = at_one_level(tuple(runs.values()))
    runs = dict(zip(runs, at_level, strict=True)) if at_level else runs
    several = len(runs) == 1 or any(len(run.clients) > 1 for run in runs.values())
    series = tuple(
        Series(
            _label(labels[folder], figures, alone=len(runs) == 1) if several else labels[folder], run, figures
        )
        for folder, run in runs.items()
        for figures in _chosen(run, clients)
    )
    if len(series) < 2:
        return None
    of_first = len(_chosen(series[0].run, clients))
    against = [series[0]] * (of_first - 1) + [
        _held_against(series[:of_first], other) for other in series[of_first:]
    ]
    pairs = list(zip(against, series[1:], strict=True))
    found = tuple(_differences(*pair) if at_level else {} for pair in pairs)
    return LoadComparison(
        series,
        tuple(_rows(series, found)),
        tuple(one.label for one in against),
        tuple(_why_unlike(*pair) if at_level else "" for pair in pairs),
        found,
        told,
    )


@dataclass(frozen=True, slots=True)
class LoadChanges:
    """What differs from a baseline to a new load run; nothing where they can't be held against each other."""

    differences: tuple[Difference, ...]

    @property
    def exit_code(self) -> int:
        """1 when a figure is shown to be worse, 3 when no figure could be held against its baseline."""
        return int(any(one.is_worse for one in self.differences)) if self.differences else 3


def load_changes(old: LoadRun, new: LoadRun, clients: Sequence[str] = ()) -> LoadChanges:
    """What differs from one load run to another: each client, in each mode, held against itself."""
    at_level, _ = at_one_level((old, new))
    if not at_level or old.invalid or new.invalid or unlike(*at_level):
        return LoadChanges(())
    before, after = at_level
    found = differences(before.clients, _chosen(after, clients), with_goodput=are_as_strict(before, after))
    return LoadChanges(tuple(found))


def _chosen(run: LoadRun, clients: Sequence[str]) -> list[ClientFigures]:
    return [figures for figures in run.clients if not clients or figures.client in clients]


def _held_against(first_run: Sequence[Series], other: Series) -> Series:
    """The same client and mode in the first run, or the first series of all."""
    who = (other.figures.client, other.figures.mode)
    same = (one for one in first_run if (one.figures.client, one.figures.mode) == who)
    return next(same, first_run[0])


def _label(name: str, figures: ClientFigures, *, alone: bool) -> str:
    who = f"{figures.client} {figures.mode}"
    return who if alone else f"{name}, {who}"


def _why_unlike(first: Series, other: Series) -> str:
    modes = (first.figures.mode, other.figures.mode)
    return unlike(first.run, other.run) or (
        "" if len(set(modes)) == 1 else "{} there, {} here".format(*modes)
    )


def _differences(first: Series, other: Series) -> Mapping[str, Difference]:
    """What differs, by figure; nothing where what was measured is not valid or not the same."""
    is_valid = not (first.figures.measurement.invalid or other.figures.measurement.invalid)
    if not is_valid or _why_unlike(first, other):
        return {}
    alike = replace(other.figures, client=first.figures.client)
    found = differences([first.figures], [alike], with_goodput=are_as_strict(first.run, other.run))
    return {each.figure: each for each in found}


def _rows(series: Sequence[Series], found: Sequence[Mapping[str, Difference]]) -> list[FigureRow]:
    nothing: Mapping[str, Difference] = {}
    told = list(zip((nothing, *found), series, strict=True))
    rows = [
        FigureRow(
            f"{_LABELS[name]} {statistic}",
            tuple(_latency(one.figures, name, statistic, differing) for differing, one in told),
        )
        for name, statistics in _STATISTICS
        for statistic in statistics
        if any(name in one.figures.figures for one in series)
    ]
    rows.append(FigureRow("Requests/s", tuple(_plain(one.figures.requests_per_s) for one in series)))
    tokens = [one.figures.output_tokens_per_s_total for one in series]
    if any(value is not None for value in tokens):
        rows.append(FigureRow("Output tokens/s", tuple(map(_plain, tokens))))
    for label, figure in (("Errors", "errors"), ("Goodput", "goodput"), ("Deviating answers", "deviations")):
        shares = [_share_of(one.figures, figure) for one in series]
        if any(shares):
            rows.append(
                FigureRow(
                    label,
                    tuple(
                        _value(share, percent, differing.get(figure))
                        for share, (differing, _) in zip(shares, told, strict=True)
                    ),
                )
            )
    return rows


def _latency(figures: ClientFigures, name: str, statistic: str, differing: Mapping[str, Difference]) -> Value:
    found = figures.figures.get(name)
    estimate = found.statistics.get(statistic) if found else None
    return _value(estimate, lambda value: f"{number(value)} ms", differing.get(f"{name}.{statistic}"))


def _share_of(figures: ClientFigures, figure: str) -> Estimate | None:
    return {
        "errors": figures.errors,
        "goodput": figures.goodput,
        "deviations": figures.conformance.deviating,
    }[figure].share


def _value(estimate: Estimate | None, say: Callable[[float], str], difference: Difference | None) -> Value:
    if estimate is None:
        return Value("none", "", "", is_worse=False)
    bounds = ""
    if estimate.low is not None and estimate.high is not None:
        bounds = f"{say(estimate.low)} to {say(estimate.high)}"
    if difference is None:
        return Value(say(estimate.value), bounds, "", is_worse=False)
    return Value(say(estimate.value), bounds, verdict_on(difference), difference.is_worse)


def _plain(value: float | None) -> Value:
    return Value("not known" if value is None else number(value), "", "", is_worse=False)


def answer(comparison: LoadComparison) -> str:
    """The comparison in a sentence: where series are shown to be better or worse than what they face."""
    clauses = [
        _clause(other.label, first, found)
        for other, first, found in zip(
            comparison.series[1:], comparison.against, comparison.found, strict=True
        )
    ]
    return f"Under load {'; '.join(clauses)}."


def _clause(other: str, first: str, found: Mapping[str, Difference]) -> str:
    real = [difference for difference in found.values() if difference.is_real]
    worse = [_name(difference) for difference in real if difference.is_worse]
    better = [_name(difference) for difference in real if not difference.is_worse]
    if not found:
        return f"{other} can't be held against {first}"
    if not real:
        return f"{other} shows no difference from {first}"
    told = [f"worse than {first} in {_listed(worse)}"] if worse else []
    if better:
        told.append(f"better in {_listed(better)}" if worse else f"better than {first} in {_listed(better)}")
    return f"{other} is {' and '.join(told)}"


def _name(difference: Difference) -> str:
    name, _, statistic = difference.figure.partition(".")
    label = _LABELS.get(name, name)
    # Within a sentence; TTFT stays as it is.
    label = label if label[:2].isupper() else label[:1].lower() + label[1:]
    return f"{label} {statistic}".strip()


def _listed(names: Sequence[str]) -> str:
    return f"{names[0]} and {len(names) - 1} more figures" if len(names) > 2 else " and ".join(names)


def points(series: Sequence[Series]) -> tuple[str, tuple[Point, ...]]:
    """Throughput against latency at every level of every series, and what the throughput counts."""
    levels = [
        (one.label, figures)
        for one in series
        for figures in (
            [step.figures for step in one.run.curve.steps if step.figures.client == one.figures.client]
            if one.run.curve
            else [one.figures]
        )
        if "latency_ms" in figures.figures
    ]
    has_tokens = all(figures.output_tokens_per_s_total is not None for _, figures in levels)
    found = [
        Point(
            label,
            figures.figures["latency_ms"].statistics["p50"].value,
            (figures.output_tokens_per_s_total or 0.0) if has_tokens else figures.requests_per_s,
        )
        for label, figures in levels
    ]
    return "output tokens/s" if has_tokens else "requests/s", tuple(
        replace(one, is_best=not any(_is_better(other, one) for other in found)) for one in found
    )


def _is_better(one: Point, other: Point) -> bool:
    """Whether a point has as much of both and more of one (Pareto dominance)."""
    at_least = one.latency_ms <= other.latency_ms and one.throughput >= other.throughput
    return at_least and (one.latency_ms, one.throughput) != (other.latency_ms, other.throughput)
