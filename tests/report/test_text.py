"""Text of strangers, made fit to be shown."""

import json
import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st

from harness.report.text import command, many_lines, one_line
from tests.report.runs import HOSTILE

ANY_TEXT = st.text(st.characters(codec=None), max_size=60)
_JOINERS = {"\u200c", "\u200d"}


def is_seen(char: str) -> bool:
    """Whether a character shows itself and does nothing else: no control, no override, no lone surrogate."""
    return char in _JOINERS or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(ANY_TEXT)
@example(HOSTILE)
@example("\r\n\t")
def test_one_line_is_one_line_in_which_all_is_seen(text: str) -> None:
    assert all(is_seen(char) for char in one_line(text, 1_000))


@given(ANY_TEXT)
@example(HOSTILE)
def test_many_lines_keeps_line_feeds_and_tabs_alone(text: str) -> None:
    shown = many_lines(text, 1_000)
    assert all(is_seen(char) or char in "\n\t" for char in shown)
    assert (shown.count("\n"), shown.count("\t")) == (text.count("\n"), text.count("\t"))


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=60).filter(str.isprintable))
@example("你是谁？ 👩‍👩‍👧 e\u0301\u00a0ñ\u3000“quoted”")
def test_what_is_printable_is_left_as_it_is(text: str) -> None:
    assert one_line(text, 1_000) == text


@given(ANY_TEXT, st.integers(0, 60))
def test_what_is_cut_is_counted(text: str, limit: int) -> None:
    rest = len(text) - limit
    note = f"… ({rest} more characters)"
    assert one_line(text, limit).endswith(note) == (rest > 0)
    assert one_line(text, limit).removesuffix(note) == one_line(text[:limit], limit)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(_VALUES)
def test_a_curl_line_keeps_the_meaning_of_its_body_and_hides_nothing(value: object) -> None:
    shown = command(json.dumps(value, ensure_ascii=False), 1_000_000)
    assert json.loads(shown) == value
    assert shown.isprintable()


def test_a_curl_line_that_is_too_long_is_a_comment() -> None:
    assert command("curl " + "x" * 2_000, 1_000).startswith("# too long to show (2,005 characters)")
