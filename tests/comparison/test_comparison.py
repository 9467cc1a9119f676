"""The matrix: two targets, two days, the clients of one run; differences first."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from harness.comparison import Comparison, columns_of, compared, html, markdown
from harness.comparison.made import Made
from harness.comparison.sentences import answer
from harness.errors import UsageError
from harness.run import Run
from harness.verdict import Outcome
from tests.report.runs import CONFORMING, FAILING, HOSTILE_RUN, many, run, verdict

HOLDS = run([verdict("made.a"), verdict("made.b"), verdict("made.c", Outcome.INCONCLUSIVE, reason="no")])
BREAKS = replace(
    run([verdict("made.a", Outcome.FAIL, reason="it is null"), verdict("made.b"), verdict("made.c")]),
    target=replace(HOLDS.target, name="other"),
)


def _compared(runs: Mapping[str, Run], *clients: str) -> Comparison:
    return compared(columns_of(runs, clients))


def test_rules_that_differ_come_first() -> None:
    found = _compared({"1": HOLDS, "2": BREAKS})
    assert [row.rule.id for row in found.rows] == ["made.a", "made.c", "made.b"]
    assert [row.rule.id for row in found.different] == ["made.a"]
    assert [row.rule.id for row in found.partial] == ["made.c"]
    assert [row.rule.id for row in found.alike] == ["made.b"]
    assert answer(found) == "mine holds 1 rule that other does not."


def test_the_sentence_names_who_keeps_what() -> None:
    worse = replace(
        run([verdict("made.a"), verdict("made.b", Outcome.FAIL, reason="x")]), target=HOLDS.target
    )
    found = _compared({"1": BREAKS, "2": worse})
    assert answer(found) == "other holds 1 rule that mine does not, and mine 1 that other does not."
    assert answer(_compared({"1": HOLDS, "2": HOLDS})) == "1 and 2 are alike in all of 2 rules."
    assert answer(_compared({"1": BREAKS, "2": BREAKS})) == (
        "1 and 2 are alike in all of 3 rules; 1 rule fails in both."
    )


def test_the_clients_of_one_run_are_compared() -> None:
    one = run([verdict("made.a", cell=("founding", client, "plain")) for client in ("raw", "openai")])
    broken = verdict("made.a", Outcome.FAIL, cell=("founding", "langchain", "plain"), reason="lost")
    found = _compared({"1": replace(one, verdicts=[*one.verdicts, broken])})
    assert [column.label for column in found.columns] == ["raw", "openai", "langchain"]
    assert [mark.state for mark in found.different[0].marks] == ["holds", "holds", "fails"]
    narrowed = _compared({"1": replace(one, verdicts=[*one.verdicts, broken])}, "raw", "openai")
    assert [column.label for column in narrowed.columns] == ["raw", "openai"]
    assert not narrowed.different


def test_two_targets_are_compared_through_one_client() -> None:
    failing = verdict("made.a", Outcome.FAIL, cell=("founding", "langchain", "plain"), reason="lost")
    other = replace(BREAKS, verdicts=[verdict("made.a"), failing])
    assert _compared({"1": HOLDS, "2": other}).different
    assert not _compared({"1": HOLDS, "2": other}, "raw").different


def test_the_same_target_on_two_days_is_told_apart() -> None:
    later = replace(HOLDS, started="2026-12-01T00:00:00+00:00")
    labels = [column.label for column in columns_of({"a": HOLDS, "b": later})]
    assert labels == ["mine, 2026-11-24", "mine, 2026-12-01"]
    assert [column.label for column in columns_of({"a": HOLDS, "b": HOLDS})] == ["a", "b"]


def test_too_little_to_compare_is_said_in_two_sentences() -> None:
    for runs, clients in (({"1": HOLDS}, ("raw",)), ({"1": HOLDS, "2": BREAKS}, ("nobody",))):
        with pytest.raises(UsageError):
            columns_of(runs, clients)


@pytest.mark.parametrize("render", [html.render, markdown.render])
def test_hostile_text_stays_text(render: Callable[[Made], str]) -> None:
    text = render(Made(_compared({"1": HOSTILE_RUN, "2": FAILING})))
    assert not {"\x1b", "\x00", "\u202e"} & set(text)
    rendered = text if render is html.render else MarkdownIt("js-default").render(text)
    assert "<script>alert" not in rendered
    assert "<b>" not in rendered.replace("<b><bdi>", "")
    assert 'href="http' not in rendered


def test_markdown_fits_a_comment() -> None:
    text = markdown.render(Made(_compared({"1": many(20_000), "2": CONFORMING})))
    assert len(text.encode()) < 60_000


def test_markdown_says_what_its_golden_text_says() -> None:
    text = markdown.render(Made(_compared({"1": HOLDS, "2": BREAKS})))
    assert text == GOLDEN


GOLDEN = """\
## mine holds 1 rule that other does not.

### They differ

| rule | `mine` | `other` |
| --- | --- | --- |
| `made.a` (spec) | ✓ holds in 1 | ✗ fails in 1 of 1 |

1 rule alike, 1 rule not judged everywhere.

"""
