"""The page: it stands alone, nothing of a stranger's runs in it, and it can be read by everybody."""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from dataclasses import replace as changed
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness import content
from harness.report import html
from harness.rule import Violation
from harness.run import Run
from harness.verdict import Outcome
from tests.report.rendered import rendered
from tests.report.runs import (
    CLIENTS,
    CONFORMING,
    EXCHANGES,
    FAILING,
    HOSTILE,
    HOSTILE_RUN,
    RUNS,
    STREAM_BODY,
    endless,
    exchange,
    many,
    run,
    verdict,
)
from tests.report.test_text import ANY_TEXT, is_seen

_VOID = {"meta", "input", "br", "path"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    parent: "Element | None" = None
    children: "list[Element | str]" = field(default_factory=list)

    def all(self, *tags: str) -> "Iterator[Element]":
        """The elements of these names within, or all, in order."""
        for child in self.children:
            if isinstance(child, Element):
                if not tags or child.tag in tags:
                    yield child
                yield from child.all(*tags)

    @property
    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text for child in self.children)


class _Tree(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = self.open = Element("", {})

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, self.open)
        self.open.children.append(element)
        if tag not in _VOID:
            self.open = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.children.append(Element(tag, {name: value or "" for name, value in attrs}, self.open))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.tag == tag, f"</{tag}> ends <{self.open.tag}>"
        assert self.open.parent is not None
        self.open = self.open.parent

    def handle_data(self, data: str) -> None:
        self.open.children.append(data)


def page(finished: Run) -> Element:
    tree = _Tree()
    tree.feed(rendered("html", finished, EXCHANGES))
    tree.close()
    assert tree.open is tree.root, f"<{tree.open.tag}> has no end"
    return tree.root


@pytest.fixture(scope="module", params=RUNS)
def root(request: pytest.FixtureRequest) -> Element:
    return page(RUNS[request.param])


def test_nothing_is_loaded_from_anywhere(root: Element) -> None:
    for element in root.all():
        for name, value in element.attributes.items():
            assert name not in {"src", "srcset", "action", "background", "poster", "data"}
            assert name != "href" or value.startswith("#")
    assert not list(root.all("link", "img", "iframe", "object", "embed", "base"))
    (style,) = root.all("style")
    assert not re.search(r"url\(|@import|@font-face", style.text)


def test_the_policy_allows_the_pages_own_style_and_script_alone(root: Element) -> None:
    (policy,) = (
        meta.attributes["content"]
        for meta in root.all("meta")
        if meta.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    (style,), (script,) = root.all("style"), root.all("script")
    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()}'"
        for element in (style, script)
    ]
    assert policy.split("; ") == [
        "default-src 'none'",
        f"style-src {hashes[0]}",
        f"script-src {hashes[1]}",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    for element in root.all():
        assert not [name for name in element.attributes if name == "style" or name.startswith("on")]


def test_what_is_not_printable_is_made_visible(root: Element) -> None:
    texts = [element.text for element in root.all("bdi", "code", "pre", "option")]
    assert all(is_seen(char) or char in "\n\t" for text in texts for char in text)
    values = [value for element in root.all() for value in element.attributes.values()]
    assert all(is_seen(char) for value in values for char in value)


def test_what_is_hostile_stays_text() -> None:
    shown = page(HOSTILE_RUN)
    assert shown.text.count("<script>alert(1)</script>") > 10
    assert "⟨U+202E⟩evil⟨U+202C⟩" in shown.text
    assert len(list(shown.all("script"))) == 1


@given(ANY_TEXT, st.binary(max_size=100))
@example(HOSTILE, HOSTILE.encode("utf-8", "surrogatepass"))
def test_no_text_breaks_the_structure(text: str, body: bytes) -> None:
    def shape_of(word: str, body: bytes) -> list[str]:
        failing = run(
            [
                verdict("made.up", Outcome.FAIL, evidence=[Violation(word, word)]),
                verdict("made.up", Outcome.WAIVED, reason=word),
            ]
        )
        tree = _Tree()
        tree.feed(
            rendered(
                "html", changed(failing, notes=[word]), {("founding", "raw", "plain"): exchange(body + b"!")}
            )
        )
        return [element.tag for element in tree.root.all()]

    assert shape_of(text, body) == shape_of("word", b"body")


def test_a_page_is_bounded_whatever_the_run_says() -> None:
    for big in (many(5_000), endless()):
        assert len(rendered("html", big, EXCHANGES).encode()) <= html.MAX_BYTES
    body = b"x" * 10_000_000
    exchanges = dict.fromkeys(EXCHANGES, exchange(body))
    assert len(rendered("html", FAILING, exchanges).encode()) < 200_000


def test_what_is_left_out_is_said() -> None:
    assert re.search(r"and [\d,]+ more rules?, in run\.json", page(many(5_000)).text)
    assert "in run.json" not in page(CONFORMING).text


def test_the_guilty_bytes_are_marked_in_their_context() -> None:
    marks = [mark.text for mark in page(FAILING).all("mark")]
    in_their_context, in_the_time_lines = marks[:2], marks[2:]
    assert in_their_context == ['"finish_reason": null', 'data: {"n":2}\n\n']
    assert in_the_time_lines == ['data: {"n":2}'] * 3
    (event,) = (pre.text for pre in page(FAILING).all("pre") if 'data: {"n":2}' in pre.text)
    assert event == STREAM_BODY.decode()


def test_every_finding_has_its_evidence_and_a_line_to_repeat_it() -> None:
    articles = list(page(FAILING).all("article"))
    assert [next(article.all("h3")).attributes["id"] for article in articles] == [
        f"finding-{number}" for number in (1, 2, 3)
    ]
    for article in articles:
        terms = [term.text for term in article.all("dt")]
        assert {"Cells", "Rule", "Received", "Expected"} <= set(terms)
        assert any(code.text.startswith("curl -X POST") for code in article.all("code"))
        assert list(article.all("button"))
    assert "does not count at level spec" in articles[2].text


def test_a_test_that_is_too_long_is_told_of_where_it_would_stand() -> None:
    rule = next(one for one in content.rules().values() if not one.judges_whole_runs)
    failing = run([verdict(rule.id, Outcome.FAIL, evidence=[Violation("nothing", "something")])])
    for body, summaries, notes in ((b"short", 1, 0), (b"\xff" * 3_000, 0, 1)):
        tree = _Tree()
        tree.feed(rendered("html", failing, {("founding", "raw", "plain"): exchange(body)}))
        (article,) = tree.root.all("article")
        told = [summary.text for summary in article.all("summary")]
        assert told.count("A test that says these bytes again") == summaries
        assert article.text.count(f"likewise bugreport {rule.id} RUN") == notes
        assert article.text.count("exchanges.jsonl.zst has the bytes") == notes


def test_the_use_table_is_said_in_words() -> None:
    table = next(page(FAILING).all("table"))
    rows = [[cell.text.split() for cell in row.all("th", "td")] for row in table.all("tr")]
    assert rows == [
        [["Use"], ["raw"], ["openai"], ["langchain"]],
        [["chat"], ["✗", "breaks"], ["✗", "breaks"], ["✓", "works"]],
        [["stream"], ["✓", "works"], ["✓", "works"], ["○", "not", "judged"]],
    ]


def test_every_rule_and_every_request_has_a_row() -> None:
    _, rules, requests = page(FAILING).all("table")
    assert len(list(rules.all("tr"))) == 1 + len({verdict.rule for verdict in FAILING.verdicts})
    assert len(list(requests.all("tr"))) == 1 + len(FAILING.requests)


def test_a_row_carries_what_the_filter_looks_at() -> None:
    _, rules, _ = page(FAILING).all("table")
    rows = [row.attributes["data-outcomes"] for row in rules.all("tr") if "data-outcomes" in row.attributes]
    assert {"0/pass 0/fail 1/fail", "0/fail 1/fail 2/fail", "3/pass"} <= set(rows)


def test_the_streams_of_the_founding_calls_are_drawn_and_told() -> None:
    figures = [figure for figure in page(CONFORMING).all("figure") if list(figure.all("svg"))]
    assert len(figures) == len(CLIENTS)
    for figure in figures:
        assert "3 events; first at 10 ms, last at 30 ms; ended at 40 ms" in figure.text
        assert [path.attributes["d"].count("v") for path in figure.all("path")] == [0, 3]


def test_ids_are_unique_and_every_link_leads_somewhere(root: Element) -> None:
    ids = [element.attributes["id"] for element in root.all() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    for element in root.all():
        for name in ("href", "aria-labelledby"):
            if name in element.attributes:
                assert element.attributes[name].removeprefix("#") in ids


def test_headings_step_down_one_at_a_time(root: Element) -> None:
    levels = [int(heading.tag[1]) for heading in root.all("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_landmarks_and_table_headers_are_there_for_who_listens(root: Element) -> None:
    assert [len(list(root.all(tag))) for tag in ("main", "nav")] == [1, 1]
    assert next(root.all("html")).attributes["lang"] == "en"
    assert all(section.attributes.get("aria-labelledby") for section in root.all("section", "article"))
    assert all(header.attributes.get("scope") in {"row", "col"} for header in root.all("th"))
    for control in root.all("input", "select"):
        assert control.parent is not None
        assert control.parent.tag == "label"
    for scrolling in root.all("div"):
        if scrolling.attributes.get("class") == "scroll":
            assert scrolling.attributes["tabindex"] == "0"


def _luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_can_be_read_on_every_ground_in_light_in_dark_and_on_paper() -> None:
    style = (content.folder("reports/templates") / "report.css").read_text(encoding="utf-8")
    palettes = [
        {
            name: f"#{''.join(c * 2 for c in value)}" if len(value) == 3 else f"#{value}"
            for name, value in found
        }
        for block in re.findall(r":root\s*{([^}]*)}", style)
        if (found := re.findall(r"--([a-z-]+): #([0-9a-f]{3}|[0-9a-f]{6});", block))
    ]
    assert len(palettes) == 3
    pairs = [(ink, ground) for ink in ("ink", "soft", "accent") for ground in ("paper", "wash")]
    for palette in palettes:
        for ink, ground in [*pairs, ("ink", "accent-wash")]:
            low, high = sorted((_luminance(palette[ink]), _luminance(palette[ground])))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (ink, ground, palette)
