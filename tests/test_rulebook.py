"""The rulebook's pages: fresh, complete, the same every time, and without a link into nothing."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness import content, rulebook
from harness.deviations import ledger
from harness.dialect import dialects, waivers_of
from harness.rule import LEVELS
from harness.target import CAPABILITIES, load
from harness.verdict import Outcome

_ROOT = Path(__file__).parent.parent
_DOCS = _ROOT / "docs"
_HAND_WRITTEN = ("CONTRIBUTING.md", "docs/design.md", "docs/verdicts.md")

_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_NAMED = re.compile(r'<a id="([^"]+)">')


@pytest.mark.parametrize("name", rulebook.pages())
def test_a_page_is_what_the_suites_say_now(name: str) -> None:
    kept = (_DOCS / name).read_text(encoding="utf-8")
    assert kept == rulebook.pages()[name], "the page is out of date: run make docs"


def test_every_rule_stands_in_the_rulebook_with_its_sentence() -> None:
    page = rulebook.pages()["rules.md"]
    headings = _HEADING.findall(page)
    assert [rule for rule in content.rules() if headings.count(rule) != 1] == []
    assert [rule.id for rule in content.rules().values() if not rule.sentence] == []


def test_every_row_scenario_capability_and_waiver_stands_on_its_page() -> None:
    pages = rulebook.pages()
    anchors = _NAMED.findall(pages["deviations.md"])
    assert anchors == list(ledger().rows)
    cells = re.findall(r"^\| \**([\w.-]+)\** \|", pages["scenarios.md"], re.MULTILINE)
    assert set(cells) >= content.scenarios().keys() | CAPABILITIES.keys()
    waivers = [waiver for dialect in dialects() for waiver in waivers_of(dialect)]
    assert pages["dialects.md"].count("](rules.md#") == len(waivers)


def test_the_pages_are_written_where_they_are_asked_for(tmp_path: Path) -> None:
    rulebook.write(tmp_path)
    assert {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == rulebook.pages()


def test_the_pages_do_not_depend_on_the_order_of_sets() -> None:
    def printed(seed: str) -> bytes:
        script = "from harness.rulebook import pages; print(repr(pages()))"
        environ = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(_ROOT)}
        return subprocess.run(
            [sys.executable, "-c", script], env=environ, cwd=_ROOT, capture_output=True, check=True
        ).stdout

    assert printed("1") == printed("2")


def test_tables_have_as_many_cells_in_each_line() -> None:
    for name, text in rulebook.pages().items():
        for table in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
            widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
            assert len(widths) == 1, (name, table)


@pytest.mark.parametrize("source", [*_HAND_WRITTEN, *(f"docs/{name}" for name in rulebook.pages())])
def test_every_link_within_the_project_leads_somewhere(source: str) -> None:
    page = _ROOT / source
    targets = _LINK.findall(_prose(page.read_text(encoding="utf-8")))
    inner = [target for target in targets if not target.startswith(("https://", "http://"))]
    assert [target for target in inner if not _leads_somewhere(page, target)] == []


def test_the_likewise_toml_that_is_shown_is_one(tmp_path: Path) -> None:
    (shown,) = re.findall(
        r"```toml\n(.*?)```", (_DOCS / "verdicts.md").read_text(encoding="utf-8"), re.DOTALL
    )
    path = tmp_path / "likewise.toml"
    path.write_text(shown, encoding="utf-8")
    (waiver,) = load(path)["gateway"].waivers
    assert waiver.rule in content.rules()


def test_every_level_and_outcome_is_explained() -> None:
    page = (_DOCS / "verdicts.md").read_text(encoding="utf-8")
    words = {*LEVELS, *(outcome.value for outcome in Outcome)}
    assert words - set(re.findall(r"^\| ([a-z]+) \|", page, re.MULTILINE)) == set()


def _leads_somewhere(page: Path, target: str) -> bool:
    file, _, anchor = target.partition("#")
    path = (page.parent / file).resolve() if file else page
    if not path.exists():
        return False
    return not anchor or anchor in _anchors(path.read_text(encoding="utf-8"))


def _anchors(text: str) -> set[str]:
    headings = (
        re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in _HEADING.findall(text)
    )
    return {*headings, *_NAMED.findall(text)}


def _prose(text: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
