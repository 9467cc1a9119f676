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
from harness.load.metrics import figures
from harness.load.objectives import parse_objectives
from harness.load.record import Outcome
from harness.load.search import Step, find_max
from harness.load.verdicts import verdicts
from harness.report.load import charts, forget, formats, terminal, write
from harness.report.load.charts import Chart
from harness.report.load.summary import percent
from tests.load.records import record
from tests.load.runs import figures_of, load_run, some_records, tally_of

_GOLDEN = Path(__file__).parent / "golden"
_WANTED = parse_objectives(["ttft.p95<500ms"])


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


def _terminal(run: LoadRun, *, quiet: bool = False) -> str:
    return "\n".join(terminal.lines(run, quiet=quiet))


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
    interrupted = replace(_run(), ending="interrupted")
    short = replace(
        _run(), ending="short of a worker", workers=[Worker("1", 500), Worker("2", 41, has_died=True)]
    )
    for run, said in (
        (interrupted, "This run was interrupted: these are the figures of the 600 requests that had ended."),
        (short, "Of 2 workers, 1 died (2 after 41 requests). From then on the load was less than asked"),
    ):
        for text in (
            _page(run),
            _markdown(run).replace("\\", ""),
            _terminal(run),
            _terminal(run, quiet=True),
        ):
            assert said in text


def test_what_differs_since_the_baseline_is_told() -> None:
    kept, slower = (load_run(some_records(ttft_ms, failures=0)) for ttft_ms in (120, 150))
    run = compared(slower, kept)
    for text in (_page(run), _markdown(run)):
        assert "Worse than its baseline" in text
        assert re.search(r"worse by \d+(\.\d+)? to \d+(\.\d+)? ms", text)
        assert "no difference shown" in text


def test_a_run_in_which_everything_failed_is_told() -> None:
    failed = load_run(record(n, due_s=3 + n, outcome=Outcome.UNREACHABLE) for n in range(5))
    for text in (_page(failed), _markdown(failed), _terminal(failed)):
        assert "No answer: 100 % of 5 requests failed." in text


def test_a_run_without_requests_can_be_reported() -> None:
    empty = load_run([])
    assert "No request was due" in _page(empty)
    assert "No request was due" in _markdown(empty)


def test_the_markdown_is_as_it_was() -> None:
    assert _markdown(_run()) == (_GOLDEN / "summary.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("quiet", [False, True])
def test_the_terminal_is_as_it_was(*, quiet: bool) -> None:
    golden = _GOLDEN / ("terminal-quiet.txt" if quiet else "terminal.txt")
    assert _terminal(_run(), quiet=quiet) + "\n" == golden.read_text(encoding="utf-8")


def test_each_of_several_clients_is_named_with_what_is_its_own() -> None:
    raw = _run().clients[0]
    invalid = replace(raw.measurement, invalid=["The generator was saturated."])
    run = replace(_run(), clients=[raw, replace(raw, client="openai", measurement=invalid)])
    for text in (_page(run), _markdown(run), _terminal(run)):
        assert re.search(r"raw: First output after [^:]* errors\. openai: First output after ", text)
        assert "openai: The generator was saturated." in text
        assert "raw: The generator" not in text
    assert "✓ raw: ttft.p95 was 203 ms, below 500 ms" in _terminal(run)


def test_the_figures_of_a_search_are_those_of_the_level_that_it_found() -> None:
    curve = _searched().curve
    assert curve is not None
    assert curve.shown is not None
    assert curve.shown.level == curve.highest != curve.steps[-1].level
    for text in (_page(_searched()), _markdown(_searched()), _terminal(_searched())):
        assert "of the level that was found, " in text


def test_a_level_says_why_it_is_not_valid_and_what_it_misses() -> None:
    found = find_max(
        lambda level: figures_of(some_records(600 if level > 4 else 100)),
        parse_objectives(["ttft.p95<500ms"]),
        4,
    )
    void = replace(
        found.steps[0],
        level=1,
        figures=replace(
            found.steps[0].figures,
            measurement=replace(found.steps[0].figures.measurement, invalid=["Of 2 workers, 1 died (2)."]),
        ),
    )
    run = replace(_run(), curve=Curve("users", [*found.steps, void]))
    for text in (_page(run), _markdown(run), _terminal(run, quiet=True)):
        assert "1 user: not valid. Of 2 workers, 1 died (2)" in text.replace("\\", "")
        assert re.search(r"8 users: ttft\.p95 was [\d,]+ ms, not below 500 ms", text)
        assert "Misses an objective at " in text


def test_a_run_that_ended_before_its_window_claims_nothing() -> None:
    early = [record(n, due_s=n / 10) for n in range(15)]
    told = figures(tally_of(early), until_s=1.5)
    run = replace(load_run(early), clients=[told], ending="interrupted", objectives=verdicts(_WANTED, told))
    for text in (_page(run), _markdown(run), _terminal(run)):
        assert "No request of the measured window had ended." in text
        assert "none in the window, 15 outside the window" in text
        assert "100 %" not in text
        assert "0 requests/s" not in text
        assert "No request failed" not in text


def test_answers_that_outlast_the_window_are_said_to() -> None:
    slow = [record(n, due_s=3 + n, ttft_ms=100, gaps_ms=(40_000,)) for n in range(5)]
    text = _terminal(load_run(slow))
    assert text.startswith("First output after 100 ms (p50) and 100 ms (p95) and no end within the window")
    assert "Requests/s             0; no answer ended within the window, which wants to be longer" in text


def test_texts_to_embed_have_an_answer_and_tokens_of_their_own() -> None:
    vectors = [
        replace(
            record(n, due_s=3 + n / 10, gaps_ms=(), tokens=None),
            first_content_ns=None,
            last_output_ns=None,
            arrivals_ns=(),
            prompt_tokens=9,
        )
        for n in range(20)
    ]
    text = _terminal(load_run(vectors))
    assert text.startswith("The whole answer after 105 ms (p50)")
    assert "No answer told its usage" not in text
    assert "Output tokens/s        not known" in text


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.5, "50 %"),
        (0.99996, "99.996 %"),
        (0.996, "99.6 %"),
        (0.0000042, "0.00042 %"),
        (0.05, "5 %"),
        (0.0123, "1.2 %"),
        (0.95, "95 %"),
    ],
)
def test_nothing_but_nought_and_the_whole_is_rounded_to_them(part: float, said: str) -> None:
    assert percent(part) == said


def test_reports_of_an_earlier_run_are_gone_from_a_folder(tmp_path: Path) -> None:
    write(replace(_run(), clients=_run().clients * 2), tmp_path, formats())
    (tmp_path / "notes.md").write_text("mine")
    forget(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.md"]


def test_the_benchmark_report_of_a_curve_has_the_concurrency_of_its_level() -> None:
    steps = [Step(level, _run().clients[0]) for level in (4, 16)]
    curve = replace(_run(), curve=Curve("users", steps), plan=replace(_run().plan, arrivals="users:1"))
    told = json.loads(formats()["llmd"].render(curve)["benchmark-report.json"])
    assert told["scenario"]["load"]["standardized"]["concurrency"] == 16
    load_benchmark_report(told)


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
    of_one = replace(run, curve=Curve("users", steps[:1]))
    assert re.search(r"up to 4 users, first output after \d+ ms \(p50\)", _terminal(of_one))


def test_noughts_alone_stand_at_the_bottom_of_their_chart() -> None:
    fine = load_run(some_records(failures=0)).clients[0]
    right = replace(fine, conformance=replace(fine.conformance, deviating=fine.errors))
    steps = [Step(level, right) for level in (1, 2)]
    drawings = {
        chart.title: chart.drawing for chart in charts.charts(replace(_run(), curve=Curve("users", steps)))
    }
    assert ">1.0<" in drawings["What goes wrong against load"]
