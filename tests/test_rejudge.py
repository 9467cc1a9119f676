"""Judging again: a run's folder, one that was killed, and a user's own traffic; no endpoint is asked."""

import json
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard

from harness import run
from harness.check import Settings, check
from harness.comparison.baseline import changes
from harness.errors import RunFolderError, UnwritableError
from harness.rejudge import differing, judged_again, recording, save
from harness.target import Waiver, resolve
from harness.verdict import Outcome
from harness.wire.exchange import Ending, Exchange, Request

QUESTION = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_700_000_000,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
NO_END = {**ANSWER, "choices": [{**ANSWER["choices"][0], "finish_reason": None}]}  # type: ignore[index]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A smoke run of the reference endpoint, which is gone when the tests look at it."""
    place = tmp_path_factory.mktemp("run")
    with check(resolve("reference", {}), Settings(profile="smoke"), {}) as checking:
        checking.observe(place, lambda _: None)
        run.save(checking.judged(), place)
    return place


def _jsonl(path: Path, *lines: Mapping[str, Any]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def _failing(path: Path, *clients: str) -> set[tuple[str, str]]:
    judged = judged_again(recording(path, clients or ("raw",)))
    return {(one.rule, one.client) for one in judged.verdicts if one.outcome is Outcome.FAIL}


def test_a_run_is_judged_as_it_was_when_nothing_changed(folder: Path) -> None:
    was, again = run.load(folder), judged_again(recording(folder, ()))
    assert differing(was, again) == 0
    assert (again.verdicts, again.requests, again.uses) == (was.verdicts, was.requests, was.uses)


def test_a_waiver_of_another_day_is_applied_when_it_is_given(folder: Path) -> None:
    path = folder
    recorded = recording(path, ())
    assert recorded.run is not None
    rule = next(one.rule for one in recorded.run.verdicts)
    judged = judged_again(recorded, waivers=[Waiver(rule, "because")])
    assert [waiver.rule for waiver in judged.waivers] == [rule]


def test_a_killed_run_is_judged_from_what_it_has(folder: Path, tmp_path: Path) -> None:
    log = (folder / "exchanges.jsonl.zst").read_bytes()
    (tmp_path / "exchanges.jsonl.zst").write_bytes(log[: len(log) * 2 // 3])
    judged = judged_again(recording(tmp_path, ()))
    assert 0 < len(judged.requests) < len(run.load(folder).requests)
    assert judged.target.model == "standin-1"
    assert judged.target.base_url.startswith("http://127.0.0.1:")


def test_a_run_that_was_judged_again_is_a_run(folder: Path, tmp_path: Path) -> None:
    recorded = recording(folder, ())
    save(judged_again(recorded), recorded, tmp_path / "new", ["markdown"])
    assert (tmp_path / "new" / "summary.md").exists()
    assert differing(run.load(tmp_path / "new"), judged_again(recording(tmp_path / "new", ()))) == 0


def test_a_log_that_was_cut_short_makes_no_complete_run(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "cut")
    log = tmp_path / "cut" / "exchanges.jsonl.zst"
    log.write_bytes(log.read_bytes()[: log.stat().st_size // 2])
    again = judged_again(recording(tmp_path / "cut", []))
    assert not again.is_complete
    assert any("could not be read" in note for note in again.notes)


@pytest.mark.parametrize(
    "change",
    [
        {"scenario": None},
        {"scenario": 5},
        {"client": []},
        {"attempts": "x"},
        {"reply": {}},
        {"reply": []},
        {"exchange": None},
        {"mode": {}},
    ],
)
def test_a_line_of_junk_ends_what_is_read_and_raises_nothing(
    folder: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    first, second = list(run.recorded_lines(folder / "exchanges.jsonl.zst"))[:2]
    lines = [first, {**second, **change}, second]
    compressed = (zstandard.compress(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)) for line in lines)
    (tmp_path / "exchanges.jsonl.zst").write_bytes(b"".join(compressed))
    assert judged_again(recording(tmp_path, [])).requests


def test_what_a_stranger_sent_is_quoted_in_the_line_that_repeats_it() -> None:
    request = Request("POST; touch x #", "http://127.0.0.1/v1/'", (), b"@/etc/passwd", 0)
    words = shlex.split(run.curl(Exchange(request, None, Ending.CUT, 1)))
    assert words[:5] == ["curl", "-sS", "-N", "-X", "POST; touch x #"]
    assert words[-2:] == ["--data-raw", "@/etc/passwd"]


def test_a_folder_that_cannot_be_made_is_said_in_two_sentences(folder: Path) -> None:
    recorded = recording(folder, [])
    with pytest.raises(UnwritableError, match="can't be written"):
        save(judged_again(recorded), recorded, Path("/dev/null/x"), [])


def test_scenarios_that_are_gone_are_named(folder: Path, tmp_path: Path) -> None:
    lines = list(run.recorded_lines(folder / "exchanges.jsonl.zst"))
    text = b"".join(
        orjson.dumps({**line, "scenario": "gone"} if at else line) + b"\n" for at, line in enumerate(lines)
    )
    (tmp_path / "exchanges.jsonl.zst").write_bytes(zstandard.compress(text))
    assert judged_again(recording(tmp_path, ())).notes[0].endswith("no such scenario: gone.")


def test_a_users_own_lines_are_judged_through_each_client(tmp_path: Path) -> None:
    path = _jsonl(tmp_path / "mine.jsonl", {"request": QUESTION, "response": NO_END})
    assert {("chat.schema-must", "raw"), ("chat.schema-must", "openai")} <= _failing(path, "raw", "openai")
    right = _jsonl(tmp_path / "right.jsonl", {"request": QUESTION, "response": ANSWER})
    assert not any(rule == "chat.schema-must" for rule, _ in _failing(right))


def test_a_users_own_stream_is_the_text_of_its_events(tmp_path: Path) -> None:
    line = {"request": {**QUESTION, "stream": True}, "response": "data: {}\n\n"}
    assert ("stream.has-chunks", "raw") in _failing(_jsonl(tmp_path / "s.jsonl", line))


def test_rules_about_whole_runs_see_each_exchange_once(tmp_path: Path) -> None:
    line = {"request": QUESTION, "response": ANSWER}
    recorded = recording(_jsonl(tmp_path / "mine.jsonl", line), ("raw", "openai"))
    assert (len(recorded.observations), len(recorded.each_once)) == (2, 1)
    assert not any(
        rule == "usage.unique-ids" for rule, _ in _failing(tmp_path / "mine.jsonl", "raw", "openai")
    )
    twice = recording(_jsonl(tmp_path / "twice.jsonl", line, line), ("raw", "openai"))
    assert (len(twice.observations), len(twice.each_once)) == (4, 2)


def test_a_har_file_is_judged_but_for_what_is_no_call(tmp_path: Path) -> None:
    def entry(url: str, body: object) -> Mapping[str, Any]:
        return {
            "request": {"method": "POST", "url": url, "postData": {"text": json.dumps(QUESTION)}},
            "response": {
                "status": 200,
                "httpVersion": "http/2.0",
                "headers": [
                    {"name": "content-type", "value": "application/json"},
                    {"name": "content-encoding", "value": "gzip"},
                    {"name": "set-cookie", "value": "secret=1"},
                ],
                "content": {"text": json.dumps(body)},
            },
        }

    har = {
        "log": {
            "entries": [
                entry("https://x.example/style.css", 1),
                entry("https://x.example/v1/chat/completions", NO_END),
            ]
        }
    }
    path = tmp_path / "mine.har"
    path.write_text(json.dumps(har), encoding="utf-8")
    recorded = recording(path, ("raw",))
    (seen,) = recorded.observations
    assert seen.exchange.response is not None
    assert seen.exchange.response.http_version == "HTTP/2"
    assert "secret" not in str(seen.exchange)
    assert ("chat.schema-must", "raw") in _failing(path)


KEY = "sk-abcdef-0123456789"
COOKIE = "session-of-a-user-42"


def _har_of(path: Path, *entries: tuple[Mapping[str, Any], Mapping[str, Any]]) -> Path:
    """A HAR file of requests and responses, each a change of a call that was answered well."""
    calls = [
        {
            "request": {
                "method": "POST",
                "url": "https://x.example/v1/chat/completions",
                "headers": [{"name": "Authorization", "value": f"Bearer {KEY}"}],
                "postData": {"text": json.dumps(QUESTION)},
                **request,
            },
            "response": {
                "status": 200,
                "httpVersion": "HTTP/1.1",
                "headers": [{"name": "content-type", "value": "application/json"}],
                "content": {"text": json.dumps(ANSWER)},
                **response,
            },
        }
        for request, response in entries
    ]
    path.write_text(json.dumps({"log": {"entries": calls}}), encoding="utf-8")
    return path


def test_an_entry_s_secrets_are_blanked_in_all_of_it(tmp_path: Path) -> None:
    url = f"https://me:{COOKIE}@x.example/v1/chat/completions?key=other%2Dkey%2D7&api-key={KEY}&a={KEY}"
    asked = {**QUESTION, "user": KEY, "metadata": {"key": "other-key-7", "cookie": COOKIE}}
    headers = [
        {"name": "content-type", "value": "application/json"},
        {"name": "x-echo", "value": KEY},
        {"name": "set-cookie", "value": f"sid={COOKIE}; Path=/"},
    ]
    path = _har_of(
        tmp_path / "mine.har",
        (
            {"url": url, "postData": {"text": json.dumps(asked)}},
            {"headers": headers, "content": {"text": json.dumps({**ANSWER, "system_fingerprint": KEY})}},
        ),
    )
    recorded = recording(path, ("raw",))
    told = str(recorded) + str(judged_again(recorded))
    for secret in (KEY, COOKIE, "other-key-7", "other%2Dkey%2D7"):
        assert secret not in told
    assert recorded.observations[0].asked["model"] == "m"
    assert recorded.observations[0].json["id"] == ANSWER["id"]


def test_a_key_that_is_none_breaks_no_body(tmp_path: Path) -> None:
    no_key = {"headers": [{"name": "Authorization", "value": "Bearer null"}]}
    path = _har_of(tmp_path / "mine.har", (no_key, {"content": {"text": json.dumps(NO_END)}}))
    assert recording(path, ("raw",)).observations[0].json == NO_END


def test_headers_that_no_server_can_say_are_dropped(tmp_path: Path) -> None:
    headers = [
        {"name": ":status", "value": "200"},
        {"name": "two words", "value": "1"},
        {"name": "x-split", "value": "a\r\nx-more: b"},
        {"name": "x-kept", "value": "日本"},
        {"name": "content-type", "value": "application/json"},
    ]
    recorded = recording(_har_of(tmp_path / "mine.har", ({}, {"headers": headers})), ("raw", "openai"))
    for seen in recorded.observations:
        assert [name for name, _ in seen.response.headers] == ["x-kept", "content-type"]
        assert seen.reply.raised is None


@pytest.mark.parametrize("status", [0, -1, 99, 600, True, "200"])
def test_what_is_no_status_is_no_answer(status: object, tmp_path: Path) -> None:
    path = _har_of(tmp_path / "mine.har", ({}, {}), ({}, {"status": status}))
    recorded = recording(path, ("raw",))
    assert [seen.scenario.id for seen in recorded.observations] == ["call-1"]
    assert "Left out, as no answer was recorded: 1 of the calls." in judged_again(recorded).notes
    line = {"request": QUESTION, "response": ANSWER, "status": status}
    with pytest.raises(RunFolderError, match="no call that was answered"):
        recording(_jsonl(tmp_path / "mine.jsonl", line), ("raw",))


def test_what_a_browser_asks_for_leave_is_no_call(tmp_path: Path) -> None:
    leave = ({"method": "OPTIONS", "postData": None}, {"status": 204, "headers": [], "content": {}})
    recorded = recording(
        _har_of(tmp_path / "mine.har", leave, ({}, {}), leave, ({}, {"status": 0})), ("raw",)
    )
    assert [seen.scenario.id for seen in recorded.observations] == ["call-2"]
    assert judged_again(recorded).notes == [
        "Left out, as they are a browser's own (CORS preflights): 2 OPTIONS requests.",
        "Left out, as no answer was recorded: 1 of the calls.",
    ]
    with pytest.raises(RunFolderError, match="no call of an OpenAI-compatible API"):
        recording(_har_of(tmp_path / "mine.har", leave), ("raw",))


def test_a_folder_made_of_traffic_is_judged_again_as_the_traffic_was(tmp_path: Path) -> None:
    """Each call with its number, its mode, and one exchange however many clients were told it."""
    listed = {"object": "list", "data": [{"id": "m", "object": "model", "created": 1, "owned_by": "o"}]}
    chunk = {**ANSWER, "object": "chat.completion.chunk", "choices": []}
    path = _jsonl(
        tmp_path / "mine.jsonl",
        {"request": QUESTION, "response": NO_END},
        {"request": {**QUESTION, "stream": True}, "response": f"data: {json.dumps(chunk)}\n\n"},
        {"request": {}, "response": listed, "path": "/v1/models"},
        {"request": QUESTION, "response": NO_END},
    )
    first = recording(path, ("raw", "openai"))
    was = judged_again(first)
    save(was, first, tmp_path / "new", [])
    again = recording(tmp_path / "new", ())
    assert again.unknown == ()
    assert [len(one.each_once) for one in (first, again)] == [4, 4]
    told = judged_again(again)
    assert (told.verdicts, told.requests, told.notes) == (was.verdicts, was.requests, was.notes)
    assert changes(again, again).compared == len(was.verdicts)


def test_what_is_no_url_or_no_method_is_no_call(tmp_path: Path) -> None:
    path = _har_of(
        tmp_path / "mine.har",
        ({"url": "http://[bad/v1/chat/completions"}, {}),
        ({"method": "PO ST"}, {}),
        ({}, {}),
    )
    assert [seen.scenario.id for seen in recording(path, ("raw",)).observations] == ["call-3"]
    line = {"request": QUESTION, "response": ANSWER}
    lines = _jsonl(tmp_path / "mine.jsonl", {**line, "path": "]["}, {**line, "path": "v1/chat/completions"})
    (seen,) = recording(lines, ("raw",)).observations
    assert seen.exchange.request.url == "http://recorded/v1/chat/completions"


def test_a_client_that_can_t_ask_blames_nobody(tmp_path: Path) -> None:
    listed = {"object": "list", "data": [{"id": "m", "object": "model", "created": 1, "owned_by": "o"}]}
    models = {"request": {}, "response": listed, "path": "/v1/models"}
    no_messages = {"request": {"model": "m"}, "response": ANSWER}
    path = _jsonl(tmp_path / "mine.jsonl", models, no_messages)
    asked = {(seen.scenario.id, seen.client) for seen in recording(path, ("raw", "langchain")).observations}
    assert asked == {("call-1", "raw"), ("call-2", "raw")}
    with pytest.raises(RunFolderError, match="no call that langchain can ask"):
        recording(path, ("langchain",))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.har", "[]"),
        ("x.har", '{"log": {"entries": [{}'),
        ("x.har", '{"log": {"entries": []}}'),
        ("x.jsonl", "not json"),
        ("x.jsonl", '{"request": {}}'),
        ("x.jsonl", ""),
        ("x.jsonl", '{"request": {}, "response": {}, "path": "/other"}'),
        ("x.jsonl", '{"request": {}, "response": {}, "path": "]["}'),
    ],
)
def test_a_file_without_a_call_is_said_in_two_sentences(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(RunFolderError) as caught:
        recording(tmp_path / name, ("raw",))
    assert caught.value.happened.endswith(".")
    assert caught.value.next_step


def test_a_folder_without_exchanges_is_said_in_two_sentences(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "run.json", tmp_path)
    with pytest.raises(RunFolderError, match="no exchange"):
        recording(tmp_path, ())
