"""A key goes to no public host in plain HTTP, and its user is told where it can be read on the way."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from harness.access import Access, Variable
from harness.cli import app
from harness.connecting import connection_to, notes_on, reach_of
from harness.endpoint.server import running
from harness.endpoint.settings import Settings
from harness.errors import UsageError
from harness.target import Target
from tests.test_cli import likewise

KEY = "sk-canary-0123456789"
ENVIRON = {"A_KEY": KEY, "ORG": "org-canary-0123456789", "WORD": "there"}
TARGET = Target("gateway", "http://llm.example/v1", "m", "A_KEY", "openai", frozenset())


@pytest.mark.parametrize(
    ("host", "reach"),
    [
        ("127.0.0.1", "loopback"),
        ("127.8.8.8:8000", "loopback"),
        ("127.1", "loopback"),
        ("0x7f000001", "loopback"),
        ("0.0.0.0:8000", "loopback"),
        ("[::1]:8000", "loopback"),
        ("[::ffff:127.0.0.1]", "loopback"),
        ("localhost:8000", "loopback"),
        ("LOCALHOST.", "loopback"),
        ("api.localhost", "loopback"),
        ("10.1.2.3", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1:4000", "private"),
        ("169.254.1.1", "private"),
        ("[fe80::1]", "private"),
        ("[fd00::1]", "private"),
        ("[::ffff:10.0.0.1]", "private"),
        ("gpu-box", "private"),
        ("gpu.local", "private"),
        ("gpu.corp.internal", "private"),
        ("172.32.0.1", "public"),
        ("11.0.0.1", "public"),
        ("8.8.8.8", "public"),
        ("134744072", "public"),
        ("[2001:4860:4860::8888]", "public"),
        ("[::ffff:8.8.8.8]", "public"),
        ("llm.example", "public"),
        ("local.example", "public"),
        ("notlocalhost.example", "public"),
        ("10.0.0.1.example", "public"),
        ("internal.example", "public"),
    ],
)
def test_how_far_a_host_is(host: str, reach: str) -> None:
    assert reach_of(f"http://{host}/v1") == reach


@pytest.mark.parametrize(
    ("target", "happened"),
    [
        (TARGET, 'The key of "gateway" would travel to llm.example in plain HTTP'),
        (replace(TARGET, access=Access(auth="api-key")), "would travel to llm.example in plain HTTP"),
        (replace(TARGET, api_key_env=None, access=Access(headers={"X-Org": Variable("ORG")})), "plain HTTP"),
        (replace(TARGET, api_key_env=None, access=Access(query={"v": Variable("ORG")})), "plain HTTP"),
    ],
)
def test_a_secret_is_not_sent_to_a_public_host_in_plain_http(target: Target, happened: str) -> None:
    with pytest.raises(UsageError) as raised:
        connection_to(target, ENVIRON)
    assert happened in raised.value.happened
    assert "--allow-plaintext-key" in raised.value.next_step
    assert "allow_plaintext_key = true" in raised.value.next_step
    assert "canary" not in str(raised.value)
    allowed = replace(target, access=replace(target.access, allow_plaintext_key=True))
    (note,) = notes_on(connection_to(allowed, ENVIRON))
    assert "The key travels to llm.example in plain HTTP" in note


@pytest.mark.parametrize(
    "target",
    [
        replace(TARGET, base_url="https://llm.example/v1"),
        replace(TARGET, base_url="http://127.0.0.1:8000/v1"),
        replace(TARGET, api_key_env=None),
        replace(TARGET, access=Access(auth="none")),
        replace(TARGET, api_key_env=None, access=Access(headers={"X-Team": "t"}, query={"v": "1"})),
    ],
)
def test_nothing_is_said_where_no_secret_can_be_read_on_the_way(target: Target) -> None:
    assert list(notes_on(connection_to(target, ENVIRON))) == []


def test_in_a_private_network_it_is_sent_with_a_note() -> None:
    (note,) = notes_on(connection_to(replace(TARGET, base_url="http://gpu-box:8000/v1"), ENVIRON))
    assert note == ("The key travels to gpu-box:8000 in plain HTTP: whoever is on the way can read it.")


@pytest.mark.parametrize("command", [["check"], ["load", "--yes"], ["diff"]])
def test_every_command_refuses_it_before_it_asks(command: Sequence[str], tmp_path: Path) -> None:
    (tmp_path / "likewise.toml").write_text(
        '[targets.far]\nbase_url = "http://llm.invalid/v1"\nmodel = "m"\napi_key_env = "A_KEY"\n'
    )
    names = ["far", "far"] if command == ["diff"] else ["far"]
    result = likewise(*command, *names, cwd=tmp_path, A_KEY=KEY)
    assert result.returncode == 2
    assert 'Error: The key of "far" would travel to llm.invalid in plain HTTP' in result.stderr
    assert KEY not in result.stderr
    # Let through, it comes to nothing: there is no such host.
    let = likewise(*command, *names, "--allow-plaintext-key", cwd=tmp_path, A_KEY=KEY)
    assert let.returncode == 3


@pytest.mark.parametrize("key", ["assistant", "stream", "standin-1", "4242", "chat.completion"])
def test_a_key_that_is_a_word_of_right_answers_makes_no_finding(key: str, tmp_path: Path) -> None:
    with running(Settings(key=key)) as address:
        options = ("--base-url", address.base_url, "--model", address.model, "--api-key-env", "A_KEY")
        command = ("check", *options, "--clients", "raw", "--out", str(tmp_path), "--quiet")
        result = CliRunner(env={"A_KEY": key}).invoke(app, command)
    assert result.exit_code == 0, result.output
    run = orjson.loads((tmp_path / "run.json").read_bytes())
    assert {verdict["outcome"] for verdict in run["verdicts"]} == {"pass"}
    assert [note for note in run["notes"] if "overwritten in headers and URLs only" in note] == run["notes"]
    assert len(run["notes"]) == 1
