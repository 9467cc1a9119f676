"""One page that stands alone: a file without a network, readable on a phone, on paper and by ear."""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.load.load_run import LoadRun
from harness.load.metrics import ClientFigures
from harness.load.objectives import STATISTICS
from harness.report.load import summary
from harness.report.load.charts import charts
from harness.report.load.summary import FigureText
from harness.report.page import page

FILES = "report.html"

_TEXT_CHARS = 800


@dataclass(frozen=True, slots=True)
class ClientView:
    """A client with what the page says of it: single numbers, and the figures that it has values of."""

    told: ClientFigures
    facts: list[tuple[str, str]]
    endpoint: list[FigureText]
    own: list[FigureText]


def render(run: LoadRun) -> Mapping[str, str]:
    """The run as one HTML page."""
    state = summary.state(run)
    text = page(
        "load.html",
        _TEXT_CHARS,
        run=run,
        state=state,
        symbol=summary.SYMBOLS[state],
        state_text=summary.STATES[state],
        headline=summary.headline(run),
        asked=summary.asked(run),
        of_which_level=summary.of_which_level(run),
        cut_short=summary.cut_short_text(run),
        levels=list(summary.level_rows(run.curve)) if run.curve else [],
        level_reasons=list(summary.level_reasons(run.curve)) if run.curve else [],
        charts=list(charts(run)),
        statistics=STATISTICS,
        clients=[
            ClientView(
                client,
                list(summary.facts(client)),
                _present(client, summary.OF_THE_ENDPOINT),
                _present(client, summary.OF_THE_CLIENT),
            )
            for client in run.clients
        ],
        number=summary.number,
        interval=summary.interval,
        verdict_text=summary.verdict_text,
        difference_text=summary.difference_text,
        verdict_symbols=summary.VERDICT_SYMBOLS,
    )
    return {FILES: text}


def _present(client: ClientFigures, figures: tuple[FigureText, ...]) -> list[FigureText]:
    return [figure for figure in figures if figure.name in client.figures]
