"""The pages in a real browser: nothing is loaded, nothing complains, nothing overflows, the script works."""

import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Literal, cast

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from harness.comparison import columns_of, compared
from harness.comparison import html as comparison_html
from harness.comparison.difference import differences
from harness.comparison.difference_report import html as difference_html
from harness.comparison.load import compared_load
from harness.comparison.made import Made
from tests.load.runs import load_run, some_records
from tests.report.rendered import rendered
from tests.report.runs import CONFORMING, EXCHANGES, FAILING, HOSTILE, HOSTILE_RUN, RUNS, exchange

_BROWSER = next(
    filter(
        None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))
    ),
    None,
)

pytestmark = pytest.mark.skipif(_BROWSER is None, reason="no Chromium is installed")

_WIDTHS = (360, 1440)
_SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

_SIDES = (
    {("founding", "raw", "plain"): exchange(b'{"a":1,"b":"x"}')},
    {("founding", "raw", "plain"): exchange(b'{"b":"y","c":' + b'"<script>alert(1)</script>"' + b"}")},
)

_LOADS = {
    name: replace(load_run(some_records(ttft_ms)), target=replace(CONFORMING.target, name=name))
    for name, ttft_ms in (("backend", 120.0), (HOSTILE, 240.0))
}

PAGES: Mapping[str, str] = {
    **{name: rendered("html", run, EXCHANGES) for name, run in RUNS.items()},
    "comparison": comparison_html.render(Made(compared(columns_of({"1": CONFORMING, "2": FAILING})))),
    "hostile comparison": comparison_html.render(
        Made(compared(columns_of({"1": HOSTILE_RUN, "2": FAILING})))
    ),
    "load comparison": comparison_html.render(Made(None, compared_load(_LOADS))),
    "difference": difference_html(("backend", HOSTILE), differences(*_SIDES), 1),
}
FILTERED = [name for name in PAGES if name not in {"difference", "load comparison"}]

_CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Opened:
    """A page that a browser has open, and what was asked for and said while it was."""

    page: Page
    asked: list[str]
    said: list[str]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=_BROWSER,
            args=[
                *(["--no-sandbox"] if os.geteuid() == 0 else []),
                *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
                *("--disable-background-networking", "--disable-component-update"),
            ],
        )
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where the pages are served, each under its number."""
    names = list(PAGES)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = PAGES[names[int(self.path[1:])]].encode() if self.path[1:].isdigit() else b""
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator["OpenPage"]:
    opener = OpenPage(browser, address, [])
    yield opener
    for page in opener.pages:
        page.close()


@dataclass(frozen=True)
class OpenPage:
    browser: Browser
    address: str
    pages: list[Page]

    def __call__(self, name: str, width: int = 1440, scheme: str = "light") -> Opened:
        page = self.browser.new_page(
            viewport={"width": width, "height": 900},
            color_scheme=cast("Literal['light', 'dark']", scheme),
        )
        self.pages.append(page)
        opened = Opened(page, [], [])
        page.on("request", lambda request: opened.asked.append(request.url))
        page.on("console", lambda message: opened.said.append(message.text))
        page.on("pageerror", lambda error: opened.said.append(str(error)))
        page.goto(self.address + str(list(PAGES).index(name)))
        return opened


@pytest.mark.parametrize("name", PAGES)
def test_a_page_stands_alone_and_says_nothing_to_the_console(name: str, open_page: OpenPage) -> None:
    opened = open_page(name)
    assert len(opened.asked) - ("favicon" in opened.asked[-1]) == 1
    assert opened.said == []


def test_the_console_and_the_network_are_heard(open_page: OpenPage) -> None:
    """What the test above relies on."""
    opened = open_page("conforming")
    opened.page.evaluate("console.error('heard'); fetch('/nothing').catch(() => {})")
    opened.page.wait_for_timeout(200)
    assert any("heard" in line for line in opened.said)
    assert any("Content Security Policy" in line for line in opened.said)


@pytest.mark.parametrize("width", _WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_nothing_overflows_even_when_everything_is_open(name: str, width: int, open_page: OpenPage) -> None:
    page = open_page(name, width).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", _SCHEMES)
@pytest.mark.parametrize("name", PAGES)
def test_every_text_has_contrast(name: str, scheme: str, open_page: OpenPage) -> None:
    page = open_page(name, scheme=scheme).page
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    texts = page.evaluate(_CONTRAST)
    assert len(texts) > 10
    assert [text for text in texts if text["ratio"] < text["wanted"]] == []


@pytest.mark.parametrize("name", FILTERED)
def test_rules_are_filtered_and_empty_groups_go(name: str, open_page: OpenPage) -> None:
    page = open_page(name).page
    rows = page.locator("table.rules tr[data-outcomes]")
    total = rows.count()
    status = page.locator("form.filter [role=status]")
    assert status.inner_text() == f"{total} of {total} rules"
    page.locator("form.filter [name=text]").fill("no rule says this")
    assert status.inner_text() == f"0 of {total} rules"
    assert page.locator("table.rules tbody tr:visible").count() == 0
    page.locator("form.filter [name=text]").fill("")
    assert rows.locator("visible=true").count() == total


@pytest.mark.parametrize(("name", "outcome"), [("failing", "fail"), ("comparison", "fails")])
def test_a_filter_by_outcome_shows_those_alone(name: str, outcome: str, open_page: OpenPage) -> None:
    page = open_page(name).page
    page.locator("form.filter [name=outcome]").select_option(outcome)
    shown = page.locator("table.rules tr[data-outcomes]:visible")
    assert shown.count() > 0
    for row in shown.all():
        assert f"/{outcome}" in (row.get_attribute("data-outcomes") or "")


def test_a_page_can_be_walked_with_the_keyboard(open_page: OpenPage) -> None:
    page = open_page("failing").page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the answer"
    assert page.locator(".skip").bounding_box()["x"] >= 0  # type: ignore[index]
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.tagName"))
    assert {"A", "BUTTON", "SUMMARY", "INPUT", "SELECT", "PRE"} <= reached


@pytest.mark.parametrize("name", PAGES)
def test_a_screen_reader_finds_its_way(name: str, open_page: OpenPage) -> None:
    page = open_page(name).page
    assert page.locator("h1").count() == page.locator("main").count() == 1
    assert page.evaluate("document.documentElement.lang") == "en"
    unnamed = """() => [...document.querySelectorAll("button, select, input, a, summary, [tabindex]")]
        .filter((one) => !(one.textContent.trim() || one.labels?.length || one.getAttribute("aria-label")
                           || one.getAttribute("aria-labelledby"))).length"""
    assert page.evaluate(unnamed) == 0
    levels = [
        int(tag[1]) for tag in page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(h => h.tagName)")
    ]
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_paper_shows_findings_whole_and_no_controls(open_page: OpenPage) -> None:
    page = open_page("failing").page
    page.emulate_media(media="print")
    assert page.locator("form.filter").is_hidden()
    assert page.locator("button:visible").count() == 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.parametrize("name", ["hostile", "hostile comparison", "difference"])
def test_nothing_of_a_stranger_is_executed(name: str, open_page: OpenPage) -> None:
    page = open_page(name).page
    assert page.locator("script").count() == 1
    assert page.locator("textarea, b:has-text('@someone'), a[href^=http]").count() == 0
