"""The ledger of known deviations: each row is caught by a rule, or says why none can see it."""

import re
from pathlib import Path

import pytest

from harness import content
from harness.deviations import ledger, load
from harness.errors import ConfigError

_ANSWERED = {row for rule in content.rules().values() for row in rule.answers}

_GOOD = """\
[areas]
cn = "Plain answers"

[[deviations]]
id = "cn-first"
damage = "crash"
symptom = "The body is empty."
source = "owner/repository#1"
"""


def test_every_row_is_caught_by_a_rule_or_says_why_none_can_see_it() -> None:
    rows = ledger().rows.values()
    assert [row.id for row in rows if row.unanswered is None and row.id not in _ANSWERED] == []


def test_no_rule_answers_a_row_that_is_not_there() -> None:
    unknown = {rule.id: sorted(set(rule.answers) - ledger().rows.keys()) for rule in content.rules().values()}
    assert {rule: rows for rule, rows in unknown.items() if rows} == {}


def test_no_row_is_caught_and_said_to_be_invisible_at_once() -> None:
    assert [row.id for row in ledger().rows.values() if row.unanswered and row.id in _ANSWERED] == []


def test_no_rule_names_a_row_twice() -> None:
    rules = content.rules().values()
    assert [rule.id for rule in rules if len(set(rule.answers)) != len(rule.answers)] == []


def test_every_area_has_rows() -> None:
    assert ledger().areas.keys() == {row.area for row in ledger().rows.values()}


def test_a_source_is_threads_or_pages_or_common_knowledge() -> None:
    thread, page = r"[\w.-]+/[\w.-]+#[1-9]\d*", r'[\w. -]+, "[\w. -]+"'
    form = re.compile(f"({thread}|{page})(; ({thread}|{page}))*|common knowledge")
    assert [row.id for row in ledger().rows.values() if not form.fullmatch(row.source)] == []


def test_a_good_file_is_read(tmp_path: Path) -> None:
    known = load(_file(tmp_path, _GOOD))
    row = known.rows["cn-first"]
    assert (known.areas, row.area, row.damage, row.unanswered) == (
        {"cn": "Plain answers"},
        "cn",
        "crash",
        None,
    )


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (_GOOD + 'sorce = "typo"\n', 9, "sorce"),
        (_GOOD + _GOOD.partition("\n\n")[2], 10, "no other row"),
        (_GOOD.replace('"crash"', '"boom"'), 6, "one of crash"),
        (_GOOD.replace('damage = "crash"\n', ""), 4, "one of crash"),
        (_GOOD.replace("cn-first", "zz-first"), 5, "starts with one of cn"),
        (_GOOD.replace('"The body is empty."', '" "'), 7, "not empty"),
        (_GOOD.replace('source = "owner/repository#1"\n', ""), 4, "source"),
        (_GOOD + 'unanswered = ""\n', 9, "not empty"),
        (_GOOD.replace("[areas]", "[zones]"), 1, "zones"),
        (_GOOD + "[[\n", 9, "not TOML"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    with pytest.raises(ConfigError) as told:
        load(_file(tmp_path, text))
    assert told.value.happened.startswith(f"deviations.toml:{line}: ")
    assert said in str(told.value)


def _file(folder: Path, text: str) -> Path:
    path = folder / "deviations.toml"
    path.write_text(text, encoding="utf-8")
    return path
