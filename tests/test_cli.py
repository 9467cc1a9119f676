"""The commands as their users run them: what they print, what they write, how they end."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest

from harness.endpoint.server import Address, running
from harness.uses import USES
from tests.servers import head, says, server, sized

KEY = "sk-canary-0123456789"


def likewise(*arguments: object, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Address]:
    with running() as address:
        yield address


def at(base_url: str, *more: object) -> Sequence[object]:
    return "check", "--base-url", base_url, "--model", "standin-1", "--api-key-env", "A_KEY", *more


def one_sentence(result: subprocess.CompletedProcess[str]) -> str:
    """What a user reads who did something wrong: two lines, no traceback, no key."""
    assert "Traceback" not in result.stderr + result.stdout
    assert KEY not in result.stderr + result.stdout
    assert result.stderr.startswith("Error: ")
    return result.stderr


def test_without_a_target_the_reference_endpoint_is_checked_and_conforms(tmp_path: Path) -> None:
    result = likewise("check", "--out", "out", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"works for all {len(USES)} uses; no rule fails." in " ".join(result.stdout.split())
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"run.json", "exchanges.jsonl.zst", "junit.xml", "summary.md", "report.html"}
    run = json.loads((tmp_path / "out" / "run.json").read_bytes())
    assert (run["schema"], run["is_complete"]) == ("likewise/run/2", True)
    assert {verdict["outcome"] for verdict in run["verdicts"]} == {"pass"}
    junit = ElementTree.parse(tmp_path / "out" / "junit.xml")  # noqa: S314  # our own file
    assert len(junit.findall(".//testcase")) == len(run["verdicts"])


def test_every_scenario_is_asked_once_per_client_and_mode(tmp_path: Path) -> None:
    likewise("check", "--out", "out", "--quiet", cwd=tmp_path)
    requests = json.loads((tmp_path / "out" / "run.json").read_bytes())["requests"]
    asked = [(request["scenario"], request["client"], request["mode"]) for request in requests]
    assert len(asked) == len(set(asked))
    assert all(request["attempts"] == 1 for request in requests)


def test_an_interrupted_run_is_gone_on_with_and_asks_only_what_it_lacks(
    tmp_path: Path, endpoint: Address
) -> None:
    common = at(endpoint.base_url, "--clients", "raw", "--quiet")
    likewise(*common, "--budget-requests", 9, "--out", "run", cwd=tmp_path, A_KEY=endpoint.key)
    first = json.loads((tmp_path / "run" / "run.json").read_bytes())["requests"]
    result = likewise(*common, "--resume", "run", cwd=tmp_path, A_KEY=endpoint.key)
    assert result.returncode == 0, result.stdout + result.stderr
    run = json.loads((tmp_path / "run" / "run.json").read_bytes())
    assert run["is_complete"]
    assert len(run["requests"]) > len(first) == 9
    assert [one["duration_ms"] for one in run["requests"][:9]] == [one["duration_ms"] for one in first]


def test_a_folder_of_nothing_is_not_gone_on_with(tmp_path: Path) -> None:
    result = likewise("check", "--resume", "nowhere", cwd=tmp_path)
    assert (result.returncode, result.stdout.count("Traceback")) == (2, 0)
    assert "holds no answer of reference" in result.stderr


def test_a_run_stays_within_its_budget(tmp_path: Path) -> None:
    result = likewise("check", "--budget-requests", 7, "--out", "out", cwd=tmp_path)
    assert "7 requests" in result.stdout
    assert "left out by the budget" in result.stdout
    assert len(json.loads((tmp_path / "out" / "run.json").read_bytes())["requests"]) == 7


def test_quiet_is_one_line(tmp_path: Path) -> None:
    result = likewise("check", "--quiet", "--profile", "smoke", "--out", "out", cwd=tmp_path)
    assert (result.returncode, result.stdout.count("\n")) == (0, 1)


def test_a_report_can_be_rendered_again(tmp_path: Path) -> None:
    likewise("check", "--quiet", "--profile", "smoke", "--out", "out", "--format", "markdown", cwd=tmp_path)
    result = likewise("report", "out", "--format", "junit", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (0, f"{Path('out/junit.xml')}\n")
    assert not (tmp_path / "out" / "report.html").exists()


def test_the_key_is_sent_and_written_nowhere(tmp_path: Path, endpoint: Address) -> None:
    result = likewise(*at(endpoint.base_url, "--out", "out", "--quiet"), cwd=tmp_path, A_KEY=endpoint.key)
    assert result.returncode == 0, result.stdout + result.stderr
    import zstandard

    for path in (tmp_path / "out").iterdir():
        data = path.read_bytes()
        if path.suffix == ".zst":
            data = zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()
        assert endpoint.key.encode() not in data, path.name


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (says(sized(b"<!DOCTYPE html><p>Hello", media_type="text/html")), "with an HTML page"),
        (says(sized(b"")), "with an empty body"),
        (says(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "does not speak HTTP"),
        (says(b""), "closed the connection without an answer"),
        (says(sized(b'{"error": {"message": "no such key"}}', "401 Unauthorized")), "HTTP 401: no such key"),
        (says(sized(b'{"error": {"message": "no route"}}', "404 Not Found")), "HTTP 404: no route"),
        (says(head("308 Permanent Redirect", headers=["Location: http://127.0.0.1:9/v1"])), "a redirect to"),
    ],
    ids=["html", "empty", "ssh", "closed", "wrong-key", "not-found", "redirect"],
)
def test_what_is_no_api_is_said_in_one_sentence(tmp_path: Path, answer: object, sentence: str) -> None:
    with server(answer) as base_url:
        result = likewise(*at(base_url), cwd=tmp_path, A_KEY=KEY)
    assert result.returncode == 3
    assert sentence in one_sentence(result)


def test_an_address_without_v1_gets_the_hint(tmp_path: Path) -> None:
    with server(says(sized(b"nothing here", "404 Not Found", media_type="text/plain"))) as base_url:
        result = likewise(*at(base_url.removesuffix("/v1")), cwd=tmp_path, A_KEY=KEY)
    assert result.returncode == 3
    assert "most end in /v1" in one_sentence(result)


def test_a_refused_connection_is_said_in_one_sentence(tmp_path: Path) -> None:
    with server(says(b"")) as base_url:
        pass
    result = likewise(*at(base_url), cwd=tmp_path, A_KEY=KEY)
    assert result.returncode == 3
    assert "can't be reached" in one_sentence(result)


def test_a_host_that_does_not_exist_is_said_in_one_sentence(tmp_path: Path) -> None:
    result = likewise(*at("https://no-such-host.invalid/v1"), cwd=tmp_path, A_KEY=KEY)
    assert result.returncode == 3
    assert "can't be reached" in one_sentence(result)


def test_a_tls_failure_is_said_in_one_sentence(tmp_path: Path) -> None:
    with server(says(sized(b"{}"))) as base_url:
        result = likewise(*at(base_url.replace("http:", "https:")), cwd=tmp_path, A_KEY=KEY)
    assert result.returncode == 3
    assert "over TLS" in one_sentence(result)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["check", "no-such-target"], "no-such-target"),
        (["check", "openai"], "OPENAI_API_KEY"),
        (["check", "--model", "m"], "go with --base-url"),
        (["check", "--base-url", "http://127.0.0.1:1/v1"], "needs the model"),
        (at("http://127.0.0.1:1/v1?x=1&x=2"), "query"),
        (at("http://127.0.0.1:1/v1/chat/completions"), "/chat/completions"),
        (["check", "--clients", "curl"], "There is no client 'curl'"),
        (["check", "--modes", "fast"], "There is no mode 'fast'"),
        (["check", "--format", "pdf"], "There is no format 'pdf'"),
        (["rules", "stream.finish-onc"], "Did you mean stream.finish-once?"),
        (["report", "nowhere"], "or, for reports and comparisons, `likewise load`"),
        (["check", "--config", "nowhere.toml"], "nowhere.toml"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, (list, tuple)) else "",
)
def test_a_mistake_of_the_user_is_said_in_one_sentence(
    tmp_path: Path, arguments: Sequence[object], sentence: str
) -> None:
    result = likewise(*arguments, cwd=tmp_path, OPENAI_API_KEY="", A_KEY=KEY)
    assert result.returncode == 2
    assert sentence in one_sentence(result)


def test_a_mistake_in_the_file_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "likewise.toml").write_text('[targets.mine]\npreset = "openai"\nmodell = "x"\n')
    result = likewise("check", "mine", cwd=tmp_path)
    assert result.returncode == 2
    assert "likewise.toml:3" in one_sentence(result)


def test_the_first_file_is_written_once_and_can_be_used(tmp_path: Path) -> None:
    assert likewise("init", cwd=tmp_path).returncode == 0
    assert "production" in likewise("targets", cwd=tmp_path).stdout
    assert "is here already" in one_sentence(likewise("init", cwd=tmp_path))


@pytest.mark.parametrize(
    ("room_bytes", "name"), [(1_000, "exchanges.jsonl.zst"), (20_000, "run.json"), (160_000, "report.html")]
)
def test_a_disk_that_fills_up_is_said_in_one_sentence(room_bytes: int, name: str, tmp_path: Path) -> None:
    """What was written before it did is whole; what was not is not there."""
    script = (
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({room_bytes}, {room_bytes}));"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "from harness.cli import main; main()"
    )
    arguments = ("check", "reference", "--profile", "smoke", "--quiet", "--out", "out")
    result = subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert f"{Path('out', name)} can't be written (File too large)" in one_sentence(result)
    assert "Make room" in result.stderr
    left = {path.name for path in (tmp_path / "out").iterdir()}
    written = ("exchanges.jsonl.zst", "run.json", "report.html")
    assert left == {"exchanges.jsonl.zst", *written[: written.index(name)]}


def test_rules_are_listed_and_explained(tmp_path: Path) -> None:
    listed = likewise("rules", cwd=tmp_path).stdout
    assert "stream.finish-once" in listed
    explained = likewise("rules", "stream.finish-once", cwd=tmp_path).stdout
    assert all(word in explained for word in ("finish", "must", "breaks", "source"))


def test_several_targets_are_checked_into_folders_of_their_own(tmp_path: Path) -> None:
    arguments = ("check", "reference", "reference-dashscope", "--profile", "smoke", "--quiet", "--out", "out")
    result = likewise(*arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"reference", "reference-dashscope"}


def test_a_deviating_endpoint_gives_exit_code_1_and_the_reason(tmp_path: Path) -> None:
    with server(says(sized(b'{"id": "x", "choices": null}'))) as base_url:
        result = likewise(*at(base_url, "--out", "out"), cwd=tmp_path, A_KEY=KEY)
    assert result.returncode == 1
    assert " breaks in chat, stream, " in " ".join(result.stdout.split())
    assert "no rule fails" not in result.stdout
    assert "chat.schema-must" in result.stdout


def test_ctrl_c_keeps_what_was_asked_and_ends_cleanly(tmp_path: Path, endpoint: Address) -> None:
    command = [
        sys.executable,
        "-m",
        "harness",
        *map(str, at(endpoint.base_url, "--rpm", 60, "--out", "out")),
    ]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**os.environ, "A_KEY": endpoint.key},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    log = tmp_path / "out" / "exchanges.jsonl.zst"
    deadline = time.monotonic() + 60
    while not (log.exists() and log.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "Traceback" not in output
    run = json.loads((tmp_path / "out" / "run.json").read_bytes())
    assert run["is_complete"] is False
    assert run["requests"]


def test_ctrl_c_before_anything_has_begun_ends_it_without_a_word() -> None:
    """While the command line itself is loaded, as by a user who has seen a mistake in what was typed."""
    code = (
        "import builtins, os, signal; load = builtins.__import__\n"
        "def interrupted(name, *rest):\n"
        "    if name == 'harness.cli': os.kill(os.getpid(), signal.SIGINT)\n"
        "    return load(name, *rest)\n"
        "builtins.__import__ = interrupted\n"
        "from harness.__main__ import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_serve_refuses_faults_that_hide_one_another(tmp_path: Path) -> None:
    told = likewise(
        "serve", "--port", "0", "--fault", "cn-body-empty", "--fault", "cn-id-static", cwd=tmp_path
    )
    assert told.returncode == 2
    assert "'cn-id-static' does not show beside 'cn-body-empty': they take hold" in " ".join(
        told.stderr.split()
    )


def test_serve_answers_until_it_is_interrupted(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", "serve", "--port", "0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    base_url, _, model, _, key, *_ = process.stdout.readline().split()
    listed = httpx.get(f"{base_url}/models", headers={"authorization": f"Bearer {key}"})
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
    assert model in listed.text
    assert (process.returncode, rest) == (0, "")
