"""Markdown for a CI job's summary; what a stranger said stands in code alone, where nothing in it is read."""

from collections.abc import Iterable, Iterator, Mapping

from harness.load.load_run import Curve, LoadRun
from harness.load.metrics import ClientFigures
from harness.report.load import summary
from harness.report.load.summary import FigureText, interval, number
from harness.report.markdown import code, fitted, in_cell

FILES = "summary.md"

_TEXT_CHARS = 500
_SHOWN = ("p50", "p95", "p99", "max", "mean")


def render(run: LoadRun) -> Mapping[str, str]:
    """The run as Markdown."""
    return {FILES: fitted(_blocks(run), "report.html and load.json")}


def _blocks(run: LoadRun) -> Iterator[str]:
    """Parts that each end with a line feed."""
    state = summary.state(run)
    target = in_cell(run.target.name)
    yield f"## {summary.SYMBOLS[state]} {target}: {_prose(summary.headline(run))}\n"
    yield f"{summary.STATES[state]}. {_prose(summary.asked(run))}\n"
    if told := summary.cut_short_text(run):
        yield f"**Measured in part.** {_prose(told)}\n"
    for reason in run.invalid:
        yield f"**Not valid.** {_prose(reason)}\n"
    if run.objectives:
        yield _table(
            ("objective", "client", "measured", "verdict"),
            (
                (
                    in_cell(verdict.objective),
                    in_cell(verdict.client),
                    verdict.measured,
                    _verdict(summary.verdict_text(run, verdict), is_clear=verdict.is_clear),
                )
                for verdict in run.objectives
            ),
        )
    if run.curve is not None:
        yield _curve(run.curve)
        yield "".join(f"- {_prose(reason)}\n" for reason in summary.level_reasons(run.curve))
        yield from (f"What follows is {which}.\n" for which in [summary.of_which_level(run)] if which)
    if run.baseline is not None:
        yield f"### Since the run of {in_cell(run.baseline.target)} at {in_cell(run.baseline.started)}\n"
        yield _table(
            ("client", "figure", "before", "now", "verdict"),
            (
                (in_cell(f"{each.client}, {each.mode}"), *summary.difference_text(each))
                for each in run.baseline.differences
            ),
        )
    for client in run.clients:
        yield from _client(client)
    if run.notes:
        yield "### Notes\n\n" + "".join(f"- {code(note, _TEXT_CHARS)}\n" for note in run.notes[:20])


def _verdict(said: str, *, is_clear: bool) -> str:
    near = "" if is_clear or said == "not judged" else ", but too near to be sure"
    return f"{summary.VERDICT_SYMBOLS[said]} {said}{near}"


def _curve(curve: Curve) -> str:
    names = ("level", "verdict", "TTFT p50", "TTFT p95", "requests/s", "errors", "goodput")
    return _table(names, summary.level_rows(curve))


def _client(client: ClientFigures) -> Iterator[str]:
    yield f"### {in_cell(f'{client.client}, {client.mode}')}\n"
    yield "".join(f"- {label}: {_prose(said)}\n" for label, said in summary.facts(client))
    figures = [*summary.OF_THE_ENDPOINT, *summary.OF_THE_CLIENT]
    present = [figure for figure in figures if figure.name in client.figures]
    if present:
        yield _table(("figure", *_SHOWN), (_figure_row(figure, client) for figure in present))
    for title, counts in (
        ("Failures", client.details),
        ("Rules that answers break", client.conformance.deviations),
    ):
        if counts:
            lines = (f"- {count:,} × {code(name, _TEXT_CHARS)}\n" for name, count in counts.items())
            yield f"{title}:\n\n" + "".join(lines)
    yield f"{_prose(client.measurement.sentence)}\n"


def _figure_row(figure: FigureText, client: ClientFigures) -> tuple[str, ...]:
    statistics = client.figures[figure.name].statistics
    label = f"{figure.label} {figure.unit}".strip()
    cells = []
    for name in _SHOWN:
        bounds = interval(statistics[name]) if name != "max" else ""
        cells.append(number(statistics[name].value) + (f" ({bounds})" if bounds else ""))
    return label, *cells


def _table(names: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(names)
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _prose(sentence: str) -> str:
    """Our own words, in which a stranger's name may stand."""
    return "".join(f"\\{char}" if char in "\\`*_[]<>|~#@&" else char for char in sentence)
