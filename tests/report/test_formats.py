"""Every format, on hand-made runs: the golden texts, the rules' own words, the files."""

from pathlib import Path

import pytest

from harness import content, report
from harness.errors import UnwritableError
from harness.report import terminal
from harness.rule import Violation
from harness.verdict import Outcome
from tests.report.rendered import FOLDER, on_terminal, rendered, texts
from tests.report.runs import CONFORMING, EXCHANGES, FAILING, RUNS, run, verdict


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.iterdir()))
def test_a_text_format_says_what_its_golden_text_says(name: str) -> None:
    assert texts()[name] == (FOLDER / name).read_text(encoding="utf-8")


def test_every_text_has_a_golden_text() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(texts())


def test_the_formats_are_the_modules_with_a_file_name() -> None:
    assert {name: chosen.FILENAME for name, chosen in report.formats().items()} == {
        "badge": "badge.svg",
        "badge_json": "badge.json",
        "csv": "verdicts.csv",
        "ctrf": "ctrf.json",
        "html": "report.html",
        "junit": "junit.xml",
        "markdown": "summary.md",
    }


@pytest.mark.parametrize("name", report.formats())
def test_a_report_is_written_where_it_is_asked_for(name: str, tmp_path: Path) -> None:
    (path,) = report.write(FAILING, EXCHANGES, tmp_path / "new" / "folder", [name])
    assert path == tmp_path / "new" / "folder" / report.formats()[name].FILENAME
    assert path.read_text(encoding="utf-8") == rendered(name, FAILING, EXCHANGES)


def test_a_folder_that_cannot_be_written_to_is_said_in_two_sentences(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UnwritableError) as caught:
        report.write(FAILING, {}, tmp_path / "file", ["junit"])
    assert "can't be written" in caught.value.happened
    assert caught.value.next_step


@pytest.mark.parametrize("name", ["ctrf", "html", "junit", "markdown", "terminal"])
def test_a_known_rule_is_told_in_its_own_words(name: str) -> None:
    rule = next(iter(content.rules().values()))
    failing = run(
        [verdict(rule.id, Outcome.FAIL, level=rule.level, evidence=[Violation("a nought", "a cross")])]
    )
    text = on_terminal(failing, width=2000) if name == "terminal" else rendered(name, failing, {})
    for words in (rule.id, rule.sentence, rule.breaks, "a nought", "a cross"):
        assert words in text


@pytest.mark.parametrize("name", report.formats())
@pytest.mark.parametrize("case", RUNS)
def test_a_report_does_not_need_the_exchanges(name: str, case: str) -> None:
    assert rendered(name, RUNS[case], {})


def test_the_sentence_is_the_same_everywhere() -> None:
    sentence = terminal.summary_line(FAILING)
    target = "standin-1 at http://127.0.0.1:9/v1"
    answer = sentence.removeprefix(f"{target} ")
    assert answer != sentence
    assert sentence in on_terminal(FAILING, width=2_000)
    assert f"`{target}` {answer}" in rendered("markdown", FAILING, {})
    assert answer in rendered("html", FAILING, {})


def test_the_files_of_the_run_are_named_at_the_end(tmp_path: Path) -> None:
    report.write(CONFORMING, {}, tmp_path, ["junit"])
    assert on_terminal(CONFORMING, folder=tmp_path).rstrip().endswith(str(tmp_path / "junit.xml"))
    assert "report.html" not in on_terminal(CONFORMING, folder=tmp_path)
