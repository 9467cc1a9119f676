"""Markdown as GitHub reads it."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import example, given
from markdown_it import MarkdownIt
from markdown_it.token import Token

from harness.report import markdown
from harness.rule import Violation
from harness.run import Run
from harness.uses import UseCell
from harness.verdict import Outcome
from tests.report.rendered import rendered
from tests.report.runs import CONFORMING, EXCHANGES, FAILING, HOSTILE, RUNS, endless, many, run, verdict
from tests.report.test_text import ANY_TEXT

_READER = MarkdownIt("commonmark").enable("table")
_STRUCTURE = {
    "heading",
    "paragraph",
    "inline",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "bullet_list",
    "list_item",
}


def tokens(text: str) -> Iterator[Token]:
    for block in _READER.parse(text):
        yield block
        yield from block.children or []


def shape(text: str) -> list[str]:
    """The structure of a text, without its words."""
    return [token.type for token in tokens(text)]


@pytest.mark.parametrize("name", RUNS)
def test_no_stranger_says_anything_but_code(name: str) -> None:
    found = list(tokens(rendered("markdown", RUNS[name], EXCHANGES)))
    kinds = {token.type.removesuffix("_open").removesuffix("_close") for token in found}
    assert kinds <= _STRUCTURE | {"text", "softbreak", "code_inline", "fence"}
    words = " ".join(token.content for token in found if token.type == "text")
    assert not re.search(r"evil|@|https?:|[<>\[\]|`]", words)


@given(ANY_TEXT)
@example(HOSTILE)
@example("`")
@example(" ")
@example("")
@example("\\|")
def test_no_text_breaks_the_structure(text: str) -> None:
    def made_of(word: str) -> Run:
        return replace(
            run(
                [
                    verdict("made.up", Outcome.FAIL, evidence=[Violation(word, word, f"/{word}")]),
                    verdict("made.up", Outcome.WAIVED, reason=f"{word}."),
                ]
            ),
            uses=[UseCell("chat", f"raw{word}", "breaks", f"why {word}")],
            notes=[word],
        )

    assert shape(rendered("markdown", made_of(text), {})) == shape(rendered("markdown", made_of("word"), {}))


def test_the_use_table_is_a_table() -> None:
    found = shape(rendered("markdown", FAILING, EXCHANGES))
    assert (found.count("th_open"), found.count("td_open")) == (4, 8)


@pytest.mark.parametrize("big", [many(5_000), endless()], ids=["many", "endless"])
def test_it_is_cut_at_its_limit_and_says_so(big: Run) -> None:
    text = rendered("markdown", big, {})
    assert len(text.encode()) <= markdown.MAX_BYTES
    assert "Cut here: " in text
    assert "Cut here: " not in rendered("markdown", CONFORMING, {})
