"""Reports of load runs: one page that stands alone, Markdown, and a report that others' tools read."""

import json
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest
from llmd_benchmark_report import load_benchmark_report  # type: ignore[import-untyped]  # it ships no types

from harness.errors import UnwritableError
from harness.load.load_run import Curve, LoadRun, Worker, compared
from harness.load.objectives import parse_objectives
from harness.load.record import Outcome
from harness.load.search import Step, find_max
from harness.report.load import charts, formats, write
from harness.report.load.charts import Chart
from tests.load.records import record
from tests.load.runs import figures_of, load_run, some_records

_GOLDEN = Path(__file__).parent / "golden" / "summary.md"


@cache
def _run() -> LoadRun:
    return load_run()


@cache
def _searched() -> LoadRun:
    def at(level: float) -> list[float]:
        return [80 + level * 3]

    found = find_max(
        lambda level: figures_of(some_records(at(level)[0], seed=int(level))),
        parse_objectives(["ttft.p95<500ms"]),
        4,
    )
    return replace(_run(), curve=Curve("requests/s", list(found.steps), found.level, found.sentence))


def _page(run: LoadRun) -> str:
    return formats()["html"].render(run)["report.html"]


@cache
def _page_of_run() -> str:
    return _page(_run())


def _markdown(run: LoadRun) -> str:
    return formats()["markdown"].render(run)["summary.md"]


def test_the_formats_are_found_in_their_folder() -> None:
    assert list(formats()) == ["html", "llmd", "markdown"]


class _Links(HTMLParser):
    """What a page would load, and what it would run."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.inline_styles = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"src", "href", "xlink:href"} and value and not value.startswith("#"):
                self.loads.append(f"{tag} {value}")
            self.inline_styles += name == "style"


@pytest.mark.parametrize("run", [_run, _searched])
def test_the_page_stands_alone(run: object) -> None:
    assert callable(run)
    links = _Links()
    page = _page(run())
    links.feed(page)
    assert links.loads == []
    assert links.inline_styles == 0
    assert len(page) < 600_000


def test_what_a_stranger_says_does_not_act_in_the_page_of_run() -> None:
    assert "<gateway>" not in _page_of_run()
    assert "our &lt;gateway&gt;" in _page_of_run()
    assert "<b>overloaded</b>" not in _page_of_run()


def test_the_page_tells_verdicts_figures_failures_and_deviations() -> None:
    text = re.sub(r"<[^>]+>", " ", _page_of_run())
    for told in (
        "Misses an objective",
        "ttft.p95&lt;500ms",
        "TTFT from send",
        "Worst gap",
        "http error",
        "stream.ends-with-done",
        "Arrivals are the kernel&#39;s",
        "How far to trust this",
    ):
        assert told in text, told


def test_figures_that_are_not_valid_judge_nothing() -> None:
    late = load_run(replace(each, woke_ns=each.due_ns + 50_000_000) for each in some_records())
    page = _page(late)
    assert "Not valid" in page
    assert "The generator was saturated" in page
    assert "not judged" in page
    assert "○ not judged" in _markdown(late)


def test_an_interrupted_run_and_a_dead_worker_are_told() -> None:
    run = replace(_run(), is_complete=False, workers=[Worker("worker-2", 41, has_died=True)])
    for text in (_page(run), _markdown(run)):
        assert "interrupted" in text
        assert "worker-2" in text
        assert "41 requests" in text


def test_what_differs_since_the_baseline_is_told() -> None:
    kept, slower = (load_run(some_records(ttft_ms, failures=0)) for ttft_ms in (120, 150))
    run = compared(slower, kept)
    for text in (_page(run), _markdown(run)):
        assert "Worse than its baseline" in text
        assert re.search(r"worse, by \d+(\.\d+)? to \d+(\.\d+)? ms", text)
        assert "no difference shown" in text


def test_a_run_in_which_everything_failed_is_told() -> None:
    failed = load_run(record(n, due_s=3 + n, outcome=Outcome.UNREACHABLE) for n in range(5))
    assert "No output at" in _page(failed)
    assert "No output at" in _markdown(failed)


def test_a_run_without_requests_can_be_reported() -> None:
    empty = load_run([])
    assert "No request was due" in _page(empty)
    assert "No request was due" in _markdown(empty)


def test_the_markdown_is_as_it_was() -> None:
    assert _markdown(_run()) == _GOLDEN.read_text(encoding="utf-8")


def test_a_search_is_told_with_its_levels() -> None:
    text = _markdown(_searched())
    assert "is the highest level that keeps the objectives" in text
    assert text.count("requests/s |") >= 5


def _charts(run: LoadRun) -> list[Chart]:
    return list(charts.charts(run))


def test_each_chart_says_what_it_shows() -> None:
    drawn = {chart.title: str(chart.drawing) for chart in _charts(_searched())}
    assert list(drawn) == [
        "TTFT against rate",
        "Throughput against load",
        "What goes wrong against load",
        "TTFT over time",
        "Requests over time",
        "In flight over time",
        "TTFT by percentile",
        "Inter-token latency by percentile",
        "Latency by percentile",
    ]
    for title, drawing in drawn.items():
        assert 'role="img" aria-label="' in drawing, title


def test_a_peak_of_a_long_run_is_not_lost_in_its_chart() -> None:
    records = [record(n, due_s=n, ttft_ms=654 if n == 311 else 100) for n in range(599)]
    chart = next(chart for chart in _charts(load_run(records)) if chart.title == "TTFT over time")
    assert "at most 65" in str(chart.drawing)


def test_the_benchmark_report_is_one_that_its_own_package_reads() -> None:
    report = load_benchmark_report(json.loads(formats()["llmd"].render(_run())["benchmark-report.json"]))
    aggregate = report.results.request_performance.aggregate
    assert (aggregate.requests.total, aggregate.requests.failures) == (540, 7)
    assert aggregate.requests.incomplete == 2
    assert aggregate.latency.time_to_first_token.units == "ms"
    expected = _run().clients[0].figures["ttft_ms"].statistics["p99"].value
    assert aggregate.latency.time_to_first_token.p99 == pytest.approx(expected)
    assert aggregate.throughput.output_token_rate.mean == pytest.approx(
        _run().clients[0].output_tokens_per_s_total
    )


def test_each_client_has_a_benchmark_report_of_its_own() -> None:
    other = replace(_run().clients[0], client="openai")
    files = formats()["llmd"].render(replace(_run(), clients=[_run().clients[0], other]))
    assert list(files) == ["benchmark-report.json", "benchmark-report-openai-stream.json"]
    for text in files.values():
        load_benchmark_report(json.loads(text))


def test_reports_are_written_and_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    paths = write(_run(), tmp_path / "out", ["markdown", "llmd"])
    assert [path.name for path in paths] == ["summary.md", "benchmark-report.json"]
    (tmp_path / "file").write_text("")
    with pytest.raises(UnwritableError, match="can't be written"):
        write(_run(), tmp_path / "file", ["markdown"])


def test_a_sweep_is_told_by_its_levels_and_says_which_its_figures_are_of() -> None:
    steps = [Step(level, _run().clients[0]) for level in (4, 1)]
    run = replace(_run(), curve=Curve("users", steps), plan=replace(_run().plan, arrivals="users:2"))
    for text in (_page(run), _markdown(run)):
        assert re.search(r"At most [\d.]+ requests/s at 2 levels of load up to 4 users, first output", text)
        assert "arrivals users:1 to 4 at 2 levels" in text
        assert "of the level that was measured last, 1 user" in text
    assert "measured last" not in _page(_run()) + _markdown(_run())


def test_noughts_alone_stand_at_the_bottom_of_their_chart() -> None:
    fine = load_run(some_records(failures=0)).clients[0]
    right = replace(fine, conformance=replace(fine.conformance, deviating=fine.errors))
    steps = [Step(level, right) for level in (1, 2)]
    drawings = {
        chart.title: chart.drawing for chart in charts.charts(replace(_run(), curve=Curve("users", steps)))
    }
    assert ">1.0<" in drawings["What goes wrong against load"]
