"""Legal answers, in the shapes that OpenAI documents: said again to the clients, none is found fault with.

`recorded/*.jsonl` holds a file for each operation and one for errors, a line for each answer, as `likewise
judge` reads them; `case` names it. Texts, ids and counts are made up.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.clients import DEFAULT_CLIENTS
from harness.rejudge import judged_again, recording
from harness.run import Run
from harness.verdict import Outcome

_FOLDER = Path(__file__).parent / "recorded"

_AT_LEAST = {"chat": 40, "responses": 45, "completions": 15, "embeddings": 8, "errors": 25}

_STATUSES = {400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 503}


def _lines() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(_FOLDER.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield path.stem, json.loads(line)


_LINES = tuple(_lines())


def _line(case: str) -> dict[str, Any]:
    (found,) = (line for _, line in _LINES if line["case"] == case)
    return found


def _judged(folder: Path, line: dict[str, Any]) -> Run:
    path = folder / "one.jsonl"
    path.write_text(json.dumps(line, ensure_ascii=False), encoding="utf-8")
    return judged_again(recording(path, DEFAULT_CLIENTS))


def _found(run: Run) -> dict[str, set[str]]:
    """The rules that find fault or break, with the clients through which they do."""
    found: dict[str, set[str]] = {}
    for one in run.verdicts:
        is_finding = one.outcome is Outcome.FAIL and one.level != "recommended"
        if is_finding or one.outcome is Outcome.ERROR:
            found.setdefault(f"{one.rule}: {one.reason}", set()).add(one.client)
    return found


@pytest.mark.parametrize("line", [pytest.param(line, id=f"{kind}: {line['case']}") for kind, line in _LINES])
def test_a_legal_answer_is_no_finding(tmp_path: Path, line: dict[str, Any]) -> None:
    run = _judged(tmp_path, line)
    assert _found(run) == {}
    assert any(one.client == "raw" and one.outcome is Outcome.PASS for one in run.verdicts)


def test_every_kind_of_answer_is_there() -> None:
    counted = Counter(kind for kind, _ in _LINES)
    assert {kind: counted[kind] >= least for kind, least in _AT_LEAST.items()} == dict.fromkeys(
        _AT_LEAST, True
    )
    assert counted.keys() == _AT_LEAST.keys()
    assert len({line["case"] for _, line in _LINES}) == len(_LINES)
    assert {line["status"] for kind, line in _LINES if kind == "errors"} == _STATUSES


@pytest.mark.parametrize("kind", ["chat", "responses", "completions"])
def test_each_operation_that_streams_is_there_plain_and_streamed(kind: str) -> None:
    modes = Counter(line["request"].get("stream", False) for told, line in _LINES if told == kind)
    assert min(modes[False], modes[True]) >= 4


_CHANGED = {
    "empty choices that bring nothing": (
        "a moderation chunk without choices",
        '"moderation":{',
        '"other":{',
        "stream.empty-choices",
    ),
    "bytes of another character": (
        "log probabilities of halves of a character",
        "[240, 159, 166]",
        "[240, 159, 167]",
        "params.logprobs-bytes",
    ),
    "a call of MCP that is under way": (
        "a call of MCP that failed, streamed",
        '"status":"failed"',
        '"status":"in_progress"',
        "responses.items-finished",
    ),
    "a message that failed": (
        "a plain response",
        '"status": "completed", "content"',
        '"status": "failed", "content"',
        "responses.items-finished",
    ),
    "more tokens than the best of three have": (
        "the best of three",
        '"completion_tokens": 6',
        '"completion_tokens": 7',
        "completions.cap-obeyed",
    ),
    "a choice too many for one prompt of tokens": (
        "prompts of tokens",
        "[[791, 9581], [791, 13180]]",
        "[791, 9581, 791, 13180]",
        "completions.choice-count",
    ),
    "an error that no client reads": (
        "500 an error of the server",
        '{"error": {"message"',
        '{"fault": {"message"',
        "http.success",
    ),
    "a failure that nobody put into the background": (
        "a failed response",
        '"background": true}',
        '"background": false}',
        "http.no-error-in-success",
    ),
}
"""The answer, what is changed in its line, and the rule that has to fail."""


@pytest.mark.parametrize("name", _CHANGED)
def test_what_makes_it_legal_is_needed(tmp_path: Path, name: str) -> None:
    case, told, changed, rule = _CHANGED[name]
    line = _line(case)
    written = {
        key: json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
        for key, value in line.items()
        if key in ("request", "response")
    }
    texts = {key: text.replace(told, changed) for key, text in written.items()}
    assert texts != written
    assert rule in {found.partition(":")[0] for found in _found(_judged(tmp_path, {**line, **texts}))}
