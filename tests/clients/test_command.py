"""Programs as clients: what they are asked and told, and that nothing they do wrong falls on the endpoint."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from jsonschema import Draft202012Validator

from harness import content
from harness.access import Access, Variable
from harness.asked import settings_of
from harness.check import Settings, check, plan_for
from harness.clients import Connection, command
from harness.clients.command import Command, Introduced, introduced
from harness.clients.protocol import json_schema
from harness.clients.reply import Usage
from harness.connecting import connection_to
from harness.errors import ConfigError, UsageError
from harness.evidence import Observation
from harness.foreign import commands, introductions, told
from harness.judge import judge
from harness.observe import observer
from harness.plan import Call
from harness.scenario import Http, Mode, Scenario
from harness.target import resolve
from harness.verdict import Outcome
from harness.wire.exchange import Ending
from harness.wire.limits import Limits
from tests.clients.test_access import EMBED, KEY, ORG, target_at
from tests.clients.test_clients import ASK, TEXT, TOOL_CHUNKS, TOOL_COMPLETION, WELL_BEHAVED, events, stream
from tests.gateways import endpoint
from tests.servers import by_mode, head, says, server, sized

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "command-clients.md").read_text()
EXAMPLE = re.search(r"^```python title=client.py\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)[1]  # type: ignore[index]
HELLO = {"likewise": 1, "client": "made 1", "operations": {"chat": "any"}}
_BEGIN = """
import json, os, signal, subprocess, sys, time, urllib.request
def say(line):
    print(line if isinstance(line, str) else json.dumps(line), flush=True)
def ask(question, **more):
    key = os.environ[question["key_variable"]]
    headers = {"content-type": "application/json", "authorization": "Bearer " + key}
    body = json.dumps({"model": question["model"], **question["parameters"], **more}).encode()
    paths = {"chat": "/chat/completions", "embeddings": "/embeddings"}
    url = question["base_url"] + paths[question["operation"]]
    return json.load(urllib.request.urlopen(urllib.request.Request(url, body, headers)))
def told(question):
    answer = {"question": question["question"]}
    try:
        ask(question)
        return {**answer, "text": "I am."}
    except Exception as error:
        status = getattr(error, "code", None)
        return {**answer, "exception": {"type": type(error).__name__, "status": status}}
"""
MINE = f'[clients.mine]\ncommand = ["{sys.executable}", "client.py"]\n'
each_mode = pytest.mark.parametrize("mode", list(Mode))


def program(folder: Path, each: str, hello: object = HELLO, *, begin: str = "") -> Command:
    """A program that says hello, and does something at each question."""
    path = folder / "client.py"
    loop = f"for line in sys.stdin:\n    question = json.loads(line)\n    {each}\n"
    path.write_text(f"{_BEGIN}\n{begin}\nsay({hello!r})\n{loop}")
    return Command((sys.executable, str(path)), folder)


@contextmanager
def asked_by(
    made: Command | Introduced, base_url: str, key: str = KEY, limits: Limits = Limits()
) -> Iterator[object]:
    known = made if isinstance(made, Introduced) else introduced(made)
    connection = Connection(base_url, "standin", key, limits=limits)
    with observer(connection, ["made"], connection.secrets, programs={"made": known}) as opened:
        yield lambda scenario=ASK, mode=Mode.PLAIN: opened.observe(Call(scenario, "made", mode))


def seen_of(made: Command, *, questions: int = 1, limits: Limits = Limits()) -> list[Observation]:
    with server(WELL_BEHAVED) as base_url, asked_by(made, base_url, limits=limits) as ask:
        return [ask() for _ in range(questions)]  # type: ignore[operator]


@pytest.fixture
def example(tmp_path: Path) -> Command:
    (tmp_path / "client.py").write_text(EXAMPLE)
    return Command((sys.executable, "client.py"), tmp_path)


def test_the_example_of_the_page_is_short() -> None:
    assert len([line for line in EXAMPLE.splitlines() if line.strip()]) <= 42


@each_mode
def test_the_user_of_a_program_gets_what_was_on_the_wire(example: Command, mode: Mode) -> None:
    with server(WELL_BEHAVED) as base_url, asked_by(example, base_url) as ask:
        seen = ask(mode=mode)  # type: ignore[operator]
    assert (seen.reply.raised, seen.reply.broken) == (None, "")
    assert (seen.reply.text, seen.reply.finish_reason, seen.reply.usage) == (TEXT, "stop", Usage(3, 4, 7))
    assert seen.client_version == "urllib"
    # whether its stream has ended when the program leaves at [DONE] is chance
    assert seen.exchange.ended in {Ending.COMPLETE, Ending.LEFT}
    assert seen.exchange.request.url == f"{base_url}/chat/completions"
    assert seen.asked.get("stream", False) is (mode is Mode.STREAM)
    assert KEY not in repr(seen)


@each_mode
def test_tool_calls_reach_its_user_whole(example: Command, mode: Mode) -> None:
    answer = by_mode(says(sized(orjson.dumps(TOOL_COMPLETION))), says(stream(events(*TOOL_CHUNKS))))
    with server(answer) as base_url, asked_by(example, base_url) as ask:
        calls = ask(mode=mode).reply.tool_calls  # type: ignore[operator]
    assert [(call.id, json.loads(call.arguments)["city"]) for call in calls] == [
        ("call_1", "北京"),
        ("call_2", "Oslo"),
    ]


@pytest.mark.parametrize("answer", [says(b""), says(head(media_type="text/event-stream") + b"data: {")])
def test_what_the_library_raises_is_told(example: Command, answer: object) -> None:
    with server(answer) as base_url, asked_by(example, base_url) as ask:  # type: ignore[arg-type]
        seen = ask(mode=Mode.STREAM)  # type: ignore[operator]
    assert seen.reply.raised is not None
    assert seen.reply.broken == ""


def test_it_agrees_with_the_wire_wherever_it_is_tried(example: Command) -> None:
    (example.folder / "likewise.toml").write_text(
        f'[clients.mine]\ncommand = ["{sys.executable}", "client.py"]\n'
    )
    done = likewise(example.folder, "check-client", "mine")
    assert (done.returncode, done.stderr) == (0, "")
    assert "differs" not in done.stdout
    assert done.stdout.startswith("mine: urllib\n  can ask chat with any parameter\n")
    assert "agrees     founding, stream, with sf-early-close" in done.stdout


def test_a_program_that_gives_its_user_something_else_is_found(tmp_path: Path) -> None:
    program(tmp_path, "say(told(question))", {**HELLO, "operations": {"chat": ["messages", "max_tokens"]}})
    (tmp_path / "likewise.toml").write_text(MINE)
    done = likewise(tmp_path, "check-client", "mine")
    assert done.returncode == 1
    assert "  can ask chat with max_tokens, messages\n" in done.stdout
    assert 'differs    founding, plain: silently wrong: text "I am." for' in done.stdout
    assert "not asked  founding, stream, with crlf: it can't express chat.stream" in done.stdout


def likewise(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


# --- what it is asked, and what it sees ---


def test_it_is_asked_one_schema_conforming_line_and_sees_no_variable_of_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY", "PYTHONSTARTUP"):
        monkeypatch.setenv(name, f"canary-of-{name}")
    note = f"open({str(tmp_path / 'seen.json')!r}, 'w').write(json.dumps([question, dict(os.environ)]))"
    (seen,) = seen_of(program(tmp_path, f"{note}; say(told(question))"))
    assert (seen.reply.text, seen.reply.broken) == ("I am.", "")
    question, environ = json.loads((tmp_path / "seen.json").read_text())
    lines = Draft202012Validator(json_schema())
    for line in (HELLO, question, {"question": 1, "text": "I am."}):
        lines.validate(line)
    assert question["parameters"] == ASK.ask.params  # type: ignore[union-attr]
    assert (question["operation"], question["mode"], question["model"]) == ("chat", "plain", "standin")
    assert "canary-of" not in repr(environ)
    assert environ.keys() <= {*command.SHARED_VARIABLES, command.KEY_VARIABLE, "LC_CTYPE"}
    assert environ[question["key_variable"]] == KEY
    assert KEY not in repr(question)


def test_what_the_target_says_of_its_access_holds_for_a_program(tmp_path: Path) -> None:
    made = introduced(
        program(
            tmp_path, "say(told(question))", {**HELLO, "operations": {"chat": "any", "embeddings": ["input"]}}
        )
    )
    access = Access(headers={"X-Org": Variable("ORG_ID")}, query={"api-version": "1 0"}, auth="api-key")
    with endpoint() as gateway:
        target = replace(target_at(gateway, access), params={"top_k": 1}, models={"embeddings": "e"})
        connection = connection_to(target, {"SOME_KEY": KEY, "ORG_ID": ORG})
        with observer(connection, ["made"], connection.secrets, programs={"made": made}) as opened:
            seen = [opened.observe(Call(one, "made", Mode.PLAIN)) for one in (ASK, EMBED)]
    assert [sent.headers["x-org"] for sent in gateway.sent] == [ORG] * 2
    assert [sent.headers["api-key"] for sent in gateway.sent] == [KEY] * 2
    assert [sent.query for sent in gateway.sent] == [{"api-version": "1 0"}] * 2
    assert gateway.sent[0].body["top_k"] == 1
    assert [sent.body["model"] for sent in gateway.sent] == ["m", "e"]
    assert not {KEY, ORG} & set(re.findall(r"[\w-]+", repr(seen)))


def test_where_no_key_is_needed_none_is_sent(tmp_path: Path) -> None:
    with (
        endpoint() as gateway,
        asked_by(program(tmp_path, "say(told(question))"), gateway.base_url, key="") as ask,
    ):
        ask()  # type: ignore[operator]
    assert "authorization" not in gateway.sent[0].headers


def test_one_process_answers_all_questions(tmp_path: Path) -> None:
    each = "say({'question': question['question'], 'text': str(os.getpid()) + ask(question)['id']})"
    texts = [seen.reply.text for seen in seen_of(program(tmp_path, each), questions=3)]
    assert len(set(texts)) == 1


# --- what it can't express ---


def test_what_it_can_not_express_is_not_planned_and_told(tmp_path: Path) -> None:
    hello = {**HELLO, "operations": {"chat": ["messages", "max_tokens", "stream"], "models": []}}
    (tmp_path / "likewise.toml").write_text(MINE)
    program(tmp_path, "say(told(question))", hello)
    settings = settings_of("raw,mine", "plain,stream", "spec", config=tmp_path / "likewise.toml")
    calls = [call for call in plan_for(resolve("reference", {}), settings).calls if call.client == "mine"]
    assert {call.scenario.operation for call in calls} == {"chat", "models"}
    asked = {name for call in calls for name in call.scenario.params_for(call.mode)}
    assert asked == {"messages", "max_tokens"}
    (said,) = told(settings.programs, content.scenarios().values(), settings.modes, is_full=False)
    assert "embeddings" in said
    assert "chat.tools" in said
    whole = settings_of("raw", "plain,stream", "spec")
    assert [
        call for call in plan_for(resolve("reference", {}), settings).calls if call.client == "raw"
    ] == list(plan_for(resolve("reference", {}), whole).calls)


def test_what_it_can_not_express_is_not_sent_either(tmp_path: Path) -> None:
    made = program(tmp_path, "say(told(question))", {**HELLO, "operations": {"chat": ["messages"]}})
    raw = Scenario("raw", "Raw.", Http("GET", "/models"))
    with endpoint() as gateway, asked_by(made, gateway.base_url) as ask:
        unsent = [ask(EMBED), ask(mode=Mode.STREAM), ask(raw)]  # type: ignore[operator]
    assert [seen.exchange.ended for seen in unsent] == [Ending.UNSENT] * 3
    assert unsent[0].exchange.detail == "made can't express embeddings"
    assert gateway.sent == []


# --- what it does wrong ---

_WRONGS = {
    "dies": ("sys.exit('no more memory')", "it ended with exit code 1: no more memory"),
    "dies_of_a_signal": ("os.kill(os.getpid(), signal.SIGKILL)", "it ended with exit code"),
    "dies_after_asking": ("ask(question); sys.exit('late')", "late"),
    "hangs": ("time.sleep(60)", "it did not answer within"),
    "says_garbage": ("say('Listening on port 80')", "no Answer of the protocol"),
    "says_another_shape": ("say({'question': question['question'], 'content': 'I am.'})", "at content"),
    "says_half_a_line": ("sys.stdout.write('{'); sys.stdout.flush(); os._exit(0)", "a line that has no end"),
    "answers_another_question": ("say({'question': 99})", "it answered question 99 where question"),
    "answers_twice": ("line = json.dumps(told(question)); say(line + chr(10) + line)", "one more line"),
    "closes_its_output": ("os.close(1); time.sleep(60)", "it closed its output"),
}


@pytest.mark.parametrize("wrong", _WRONGS)
def test_nobody_blames_the_endpoint_for_a_program_that(
    wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_GRACE_S", 0.1)
    each, reason = _WRONGS[wrong]
    founding = content.scenarios()["founding"]
    limits = replace(Limits(), total_s=0.4)
    with server(WELL_BEHAVED) as base_url, asked_by(program(tmp_path, each), base_url, limits=limits) as ask:
        seen = [ask(founding, mode) for mode in Mode]  # type: ignore[operator]
    assert all(reason in one.reply.broken for one in seen), seen[0].reply
    verdicts = [*judge(content.rules().values(), seen)]
    of_client = [verdict for verdict in verdicts if verdict.client == "made"]
    assert {verdict.outcome for verdict in of_client} == {Outcome.INCONCLUSIVE}
    assert all("the client itself failed" in verdict.reason for verdict in of_client)
    assert Outcome.FAIL not in {verdict.outcome for verdict in verdicts}


def test_what_it_says_as_it_dies_holds_no_key(tmp_path: Path) -> None:
    (seen,) = seen_of(program(tmp_path, "sys.exit('no such key: ' + os.environ['LIKEWISE_KEY'])"))
    assert f"no such key: {'*' * len(KEY)}" in seen.reply.broken


@pytest.mark.parametrize(
    ("hello", "reason"),
    [
        ({**HELLO, "likewise": 2}, "no Hello of the protocol"),
        ({**HELLO, "operations": {"images": "any"}}, "at operations/images"),
        ("Welcome!", "no Hello of the protocol"),
    ],
)
def test_a_hello_that_is_none_is_told(hello: object, reason: str, tmp_path: Path) -> None:
    assert reason in introduced(program(tmp_path, "say(told(question))", hello)).failure


def test_a_program_that_says_no_hello_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_HELLO_S", 0.3)
    assert "within 0.3 s" in introduced(Command(("sleep", "60"), tmp_path)).failure


def test_after_a_failure_it_is_started_again_and_after_three_no_more(tmp_path: Path) -> None:
    log = tmp_path / "starts"
    begin = f"open({str(log)!r}, 'a').write('.')"
    dies_at_first = f"sys.exit(1) if len(open({str(log)!r}).read()) == 2 else say(told(question))"
    seen = seen_of(program(tmp_path, dies_at_first, begin=begin), questions=3)
    assert [bool(one.reply.broken) for one in seen] == [True, False, False]
    log.unlink()
    seen = seen_of(program(tmp_path, "sys.exit(1)", begin=begin), questions=6)
    assert log.read_text() == "." * 4, "one for its hello, three to be asked"
    assert "it failed 3 times" in seen[-1].reply.broken


def test_a_missing_executable_leaves_the_rest_of_the_run_standing(tmp_path: Path) -> None:
    missing = introduced(Command(("there-is-no-such-program",), tmp_path))
    settings = Settings(("raw", "mine"), profile="smoke", programs={"mine": missing})
    with check(resolve("reference", {}), settings, {}) as checking:
        checking.observe(tmp_path / "run", lambda _: None)
        run = checking.judged()
    assert "No such file" in missing.failure
    assert {one.outcome for one in run.verdicts if one.client == "mine"} == {Outcome.INCONCLUSIVE}
    assert {one.outcome for one in run.verdicts if one.client == "raw"} == {Outcome.PASS}
    assert any("The client mine did not say hello: " in note for note in run.notes)
    assert any("The client mine itself failed in 2 calls" in note for note in run.notes)
    assert run.exit_code == 3, "founding calls came to nothing"


# --- what stays ---


def _is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def _gone(*pids: int) -> bool:
    until = time.monotonic() + 10
    while any(map(_is_running, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    return not any(map(_is_running, pids))


_STAYS = """
signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.signal(signal.SIGINT, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
open("pids", "a").write(f"{os.getpid()} {child.pid} ")
"""


def _pids(folder: Path) -> list[int]:
    return [int(word) for word in (folder / "pids").read_text().split()]


def test_nothing_stays_of_a_program_that_heeds_no_end(tmp_path: Path) -> None:
    made = program(tmp_path, "say(told(question)); time.sleep(120)", begin=_STAYS)
    seen_of(made)
    assert len(_pids(tmp_path)) == 4
    assert _gone(*_pids(tmp_path))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_stays_when_likewise_is_interrupted(how: signal.Signals, tmp_path: Path) -> None:
    program(tmp_path, "open('asked', 'w'); time.sleep(120)", begin=_STAYS)
    (tmp_path / "likewise.toml").write_text(MINE)
    words = ("check", "--clients", "raw,mine", "--quiet", "--out", "out")
    with subprocess.Popen(
        [sys.executable, "-m", "harness", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as running_check:
        until = time.monotonic() + 30
        while not (tmp_path / "asked").exists() and time.monotonic() < until:
            time.sleep(0.02)
        running_check.send_signal(how)
        running_check.wait(30)
    assert len(_pids(tmp_path)) == 4
    assert _gone(*_pids(tmp_path))


# --- the file ---


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[clients.raw]\ncommand = ['x']", "a name that no client of likewise has"),
        ("[clients.mine]\ncommand = 'node x'", "an array of texts"),
        ("[clients.mine]\ncommand = []", "an array of texts"),
        ("[clients.mine]\ncommand = ['node', 1]", "a text that is not empty"),
        ("[clients.mine]\ncommands = ['node']", "one of the keys command"),
    ],
)
def test_a_mistake_in_the_table_is_told_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "likewise.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        commands(file)
    assert message in error.value.happened
    assert error.value.happened.startswith(f"{file}:")


def test_a_name_that_no_client_has_is_told_with_all_names(tmp_path: Path) -> None:
    file = tmp_path / "likewise.toml"
    file.write_text("[clients.mine]\ncommand = ['true']\n")
    with pytest.raises(UsageError) as error:
        settings_of("raw,other", "plain", "spec", config=file)
    assert "mine" in error.value.next_step


def test_a_program_is_started_only_if_it_is_asked_for(tmp_path: Path) -> None:
    known = {"mine": Command(("there-is-no-such-program",), tmp_path)}
    assert introductions(known, ["raw"]) == {}


def test_the_profile_full_gives_a_program_no_asynchronous_twin(tmp_path: Path) -> None:
    file = tmp_path / "likewise.toml"
    file.write_text("[clients.mine]\ncommand = ['true']\n")
    settings = settings_of("raw,mine", "plain", "spec", profile="full", config=file)
    assert settings.clients == ("raw", "mine", "raw-async")


def test_a_whole_run_with_a_program_is_judged_as_any(example: Command, tmp_path: Path) -> None:
    settings = Settings(("raw", "mine"), profile="smoke", programs={"mine": introduced(example)})
    with check(resolve("reference", {}), settings, {}) as checking:
        checking.observe(tmp_path / "run", lambda _: None)
        run = checking.judged()
    assert run.exit_code == 0
    assert {"raw", "mine"} == set(run.environment.clients)
    assert {request.effect for request in run.requests} == {"unaffected"}
