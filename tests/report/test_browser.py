"""The page in a real browser: nothing is loaded, nothing complains, nothing overflows, the script works."""

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Mapping
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from harness.report import html
from tests.report.runs import EXCHANGES, RUNS

_BROWSER = next(
    filter(
        None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))
    ),
    None,
)

pytestmark = pytest.mark.skipif(_BROWSER is None, reason="no Chromium is installed")

_WIDTHS = (360, 1440)

_FRAME = """<!doctype html><title>frames</title><link rel="icon" href="data:,">
<script>
console.error("the console is heard");
addEventListener("load", () => {
  const seen = [...document.querySelectorAll("iframe")].map((frame) => {
    const page = frame.contentDocument;
    const filter = page.querySelector("form.filter");
    const rows = [...page.querySelectorAll("table.rules tbody tr")];
    const shownRows = () => rows.filter((row) => !row.hidden).length;
    const allRows = shownRows();
    filter.elements.text.value = "no rule says this";
    filter.dispatchEvent(new Event("input"));
    return {
      overflow: page.documentElement.scrollWidth - frame.clientWidth,
      loaded: frame.contentWindow.performance.getEntriesByType("resource").length,
      hiddenButtons: page.querySelectorAll("button.copy[hidden]").length,
      rows: [allRows, shownRows()],
      status: filter.querySelector("[role=status]").textContent,
    };
  });
  document.body.textContent = JSON.stringify(seen);
});
</script>
<body>%s</body>"""


def _browsed(page: str, folder: Path) -> tuple[list[Mapping[str, Any]], list[str], list[str]]:
    """What the browser made of a page at each width, its console's lines, and the paths that it asked for."""
    frames = "".join(
        f'<iframe src="/report.html" width="{width}" height="800"></iframe>' for width in _WIDTHS
    )
    pages = {"/": _FRAME % frames, "/report.html": page}
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = pages.get(self.path, "").encode()
            self.send_response(200 if self.path in pages else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            dumped = subprocess.run(
                [
                    str(_BROWSER),
                    "--headless",
                    *(["--no-sandbox"] if os.geteuid() == 0 else []),
                    "--disable-gpu",
                    "--disable-quic",
                    "--disable-background-networking",
                    "--disable-component-update",
                    "--disable-sync",
                    "--no-first-run",
                    "--enable-logging=stderr",
                    f"--user-data-dir={folder}",
                    "--dump-dom",
                    f"http://127.0.0.1:{server.server_port}/",
                ],
                capture_output=True,
                text=True,
                timeout=120,
            )
        finally:
            server.shutdown()
    body = re.search(r"<body>(.*)</body>", dumped.stdout, re.DOTALL)
    assert body is not None, dumped.stderr
    said = re.findall(r"CONSOLE.*?\] (\".*)", dumped.stderr)
    return json.loads(unescape(body[1])), said, asked


@pytest.mark.parametrize("name", RUNS)
def test_the_page_stands_alone_and_fits_a_phone_and_a_desk(name: str, tmp_path: Path) -> None:
    seen, said, asked = _browsed(html.render(RUNS[name], EXCHANGES), tmp_path)
    rules = len({verdict.rule for verdict in RUNS[name].verdicts})
    assert len(seen) == len(_WIDTHS)
    for frame in seen:
        assert frame["overflow"] <= 0
        assert frame["loaded"] == 0
        assert frame["hiddenButtons"] == 0
        assert frame["rows"] == [rules, 0]
        assert frame["status"] == f"0 of {rules} rules"
    assert [line for line in said if "the console is heard" not in line] == []
    assert len(said) == 1
    assert set(asked) == {"/", "/report.html"}
