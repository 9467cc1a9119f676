"""Checks other people's stand-in servers and writes two tables: `make peers`.

Each is installed from the package index into an environment of its own under `.peers/`, started on a free
port of 127.0.0.1, asked what it does out of the box, and ended. Adding one is adding an entry to PEERS.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from environments import FOLDER, environment, without_keys

from harness.errors import LikewiseError
from harness.report.findings import SYMBOLS
from harness.run import Run, load
from harness.uses import USES, state_over

ROOT = Path(__file__).parent.parent
RUNS = ROOT / "runs" / "peers"
START_SECONDS = 240
CHECK_SECONDS = 600
END_SECONDS = 30
KEY = "sk-peer-7f3c1e9a5b2d4860c8e1f7a3b9d05264"


@dataclass(frozen=True, slots=True)
class Peer:
    """A server: what to install, how to start it on `{port}`, with which files and variables."""

    name: str
    package: str
    command: Sequence[str]
    model: str
    files: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


_STUBLLM_FIXTURE = """\
fixtures:
  - name: any
    match:
      provider: openai
    response:
      content: "I am a stand-in."
"""

_FAKELLM_CONFIG = """\
rules:
  - name: any
    when: {}
    respond:
      content: "I am a stand-in."
"""

_LITELLM_CONFIG = f"""\
general_settings:
  master_key: {KEY}
model_list:
  - model_name: standin
    litellm_params:
      model: openai/standin
      api_key: not-used
      mock_response: "I am a stand-in."
"""

_LEGEND = """\
Checked by `make peers`, with no capability claimed: what each can do is found out. llmock answers as it does
by itself. The others answer any chat with the one sentence that `scripts/peers.py` gives them, so they ignore
what a request asks for where their user has not written down an answer to it. The runs with their evidence
are in `runs/peers/`."""

PEERS = (
    Peer("llmock", "llmock", ("llmock", "serve", "--port", "{port}", "--log-level", "error"), "gpt-4o-mini"),
    Peer(
        "fakellm",
        "fakellm",
        ("fakellm", "serve", "--port", "{port}", "--config", "fakellm.yaml"),
        "gpt-4o-mini",
        {"fakellm.yaml": _FAKELLM_CONFIG},
    ),
    Peer(
        "stubllm",
        "stubllm",
        ("stubllm", "serve", "--port", "{port}", "--fixture-file", "fixture.yaml", "--log-level", "error"),
        "gpt-4o-mini",
        {"fixture.yaml": _STUBLLM_FIXTURE},
    ),
    Peer(
        "LiteLLM proxy",
        "litellm[proxy]",
        ("litellm", "--host", "127.0.0.1", "--port", "{port}", "--config", "litellm.yaml"),
        "standin",
        {"litellm.yaml": _LITELLM_CONFIG},
        {"LITELLM_LOCAL_MODEL_COST_MAP": "True"},  # otherwise it asks another host for prices as it starts
    ),
)


def installed(peer: Peer) -> Path:
    """The peer's environment; installs it the first time."""
    home = environment(peer.command[0], [peer.package])
    for name, text in peer.files.items():
        (home / name).write_text(text, encoding="utf-8")
    return home


@contextmanager
def started(peer: Peer, home: Path) -> Iterator[str]:
    """The base_url of the peer while it runs."""
    port = free_port()
    program, *arguments = (part.format(port=port) for part in peer.command)
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  # the commands are those of PEERS
            [str(home / "bin" / program), *arguments],
            cwd=home,
            env={**without_keys(home), **peer.environment},
            stdout=log,
            stderr=log,
        )
        try:
            wait_until_open(port, process)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait_until_open(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when the server accepts connections; raise RuntimeError when it does not come up."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise RuntimeError("the server did not come up; see its server.log under .peers/")


def checked(peer: Peer) -> Run:
    """The run of the peer; raises LikewiseError without a run, RuntimeError when the peer does not start."""
    out = RUNS / peer.command[0]
    shutil.rmtree(out, ignore_errors=True)
    with started(peer, installed(peer)) as base_url:
        command = [sys.executable, "-m", "harness", "check", "--base-url", base_url]
        options = ["--model", peer.model, "--api-key-env", "LIKEWISE_PEER_KEY", "--out", str(out), "--quiet"]
        variables = {**os.environ, "LIKEWISE_PEER_KEY": KEY}
        subprocess.run([*command, *options], env=variables, timeout=CHECK_SECONDS, check=False)  # noqa: S603  # ours
    return load(out)


def use_lines(runs: Mapping[str, Run]) -> Iterator[str]:
    """What each server can be used for, over all clients: the use table's symbol and word."""
    yield from _head("use", runs)
    for use in USES:
        cells = []
        for run in runs.values():
            state = state_over(cell.state for cell in run.uses if cell.use == use)
            cells.append(f"{SYMBOLS[state]} {state}")
        yield f"| {use} | {' | '.join(cells)} |"


def rule_lines(runs: Mapping[str, Run]) -> Iterator[str]:
    """Which rules each server fails, those of level must first."""
    yield from _head("rule", runs)
    failed = {
        name: {(verdict.level, verdict.rule) for verdict in run.failures()} for name, run in runs.items()
    }
    for level, rule in sorted(set().union(*failed.values())):
        marks = ["✗" if (level, rule) in of_server else "" for of_server in failed.values()]
        yield f"| `{rule}` ({level}) | {' | '.join(marks)} |"


def _head(first: str, runs: Mapping[str, Run]) -> Iterator[str]:
    yield f"| {first} | {' | '.join(runs)} |"
    yield "| --- " * (1 + len(runs)) + "|"


def version(peer: Peer) -> str:
    """The version that was installed."""
    (site,) = (FOLDER / peer.command[0] / "lib").glob("python3*/site-packages")
    name = peer.package.partition("[")[0]
    (found,) = (d for d in metadata.distributions(path=[str(site)]) if d.metadata["Name"].lower() == name)
    return found.version


def main() -> None:
    """Check every peer and write the tables."""
    runs: dict[str, Run] = {}
    failures = []
    for peer in PEERS:
        print(f"{peer.name} …", flush=True)  # noqa: T201  # progress of a script
        try:
            run = checked(peer)
            runs[f"{peer.name} {version(peer)}"] = run
        except (LikewiseError, RuntimeError, subprocess.SubprocessError) as error:
            failures.append(f"{peer.name} could not be checked: {error}")
    text = "\n".join(
        [
            "# Other people's stand-in servers, out of the box",
            "",
            _LEGEND,
            *(line for failure in failures for line in ("", failure)),
            "",
            *use_lines(runs),
            "",
            "What fails, at level must or spec:",
            "",
            *rule_lines(runs),
            "",
        ]
    )
    RUNS.mkdir(parents=True, exist_ok=True)
    (RUNS / "peers.md").write_text(text, encoding="utf-8")
    print(text)  # noqa: T201  # the script's result


if __name__ == "__main__":
    main()
