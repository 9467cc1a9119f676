"""Plain Locust with the users of loadtests/, as somebody runs it who is at home there."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.endpoint import server as reference
from harness.endpoint.fast import FastSettings, running
from tests.load.commands import LOCUST, ended, start, wait_for


@pytest.fixture
def fast() -> Iterator[str]:
    with running(FastSettings(tokens=4, first_token_ms=5, inter_token_ms=2)) as base_url:
        yield base_url


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("RawUser",), "There is no --host."),
        (("RawUser", "--host", "http://127.0.0.1:9/v1", "--workload", "nonsuch"), "nonsuch"),
        (("RawUser", "--host", "http://127.0.0.1:9/v1", "--api-key-env", "NO_SUCH_KEY"), "NO_SUCH_KEY"),
    ],
)
def test_bad_input_is_one_clear_sentence(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    code, _, err = ended(start(*arguments, cwd=tmp_path, command=LOCUST))
    assert code == 2
    assert said in err
    assert "Traceback" not in err


def test_first_tokens_show_under_clear_names(fast: str, tmp_path: Path) -> None:
    options = ("--users", "1", "--run-time", "100", "--host", fast, "--model", "standin-fast", "RawUser")
    told = tmp_path / "told"
    with told.open("w") as err:
        locust = start(*options, cwd=tmp_path, command=LOCUST, stderr=err)
        wait_for(lambda: re.search(r"raw +chat TTFT +[1-9]", told.read_text()))
        locust.send_signal(signal.SIGTERM)
        _, out, _ = ended(locust)
    assert re.search(r"raw +chat total +[1-9]", told.read_text())
    assert re.search(r"raw ttft_ms: p50 \d", out)


def test_a_single_request_has_its_figures(tmp_path: Path) -> None:
    told = tmp_path / "told"
    with running(FastSettings(tokens=2, first_token_ms=4_000)) as base_url, told.open("w") as err:
        target = ("--host", base_url, "--model", "standin-fast")
        options = ("--users", "1", "--run-time", "100", *target, "OpenAIUser")
        locust = start(*options, cwd=tmp_path, command=LOCUST, stderr=err)
        wait_for(lambda: re.search(r"openai +chat TTFT +[1-9]", told.read_text()))
        locust.send_signal(signal.SIGTERM)
        _, out, _ = ended(locust)
    found = re.search(r"openai ttft_ms: p50 ([\d,]+)", out)
    assert found, out
    assert int(found[1].replace(",", "")) >= 4_000
    assert "HTTP Request:" not in told.read_text()


def test_a_key_that_is_refused_is_told_with_what_to_do(tmp_path: Path) -> None:
    told = tmp_path / "told"
    with reference.running() as address, told.open("w") as err:
        options = ("--users", "1", "--run-time", "100", "--host", address.base_url, "--model", "m", "RawUser")
        locust = start(*options, cwd=tmp_path, command=LOCUST, stderr=err)
        wait_for(lambda: re.search(r"raw +chat total +[1-9]\d* +[1-9]\d*\(100", told.read_text()))
        locust.send_signal(signal.SIGTERM)
        _, out, _ = ended(locust)
    assert re.search(r"raw: none of [\d,]+ requests succeeded. http error: HTTP 401", out)
    assert "--api-key-env" in out
