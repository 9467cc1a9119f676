"""Workloads: the files that come along, lengths, nonces, what a cache may answer, mistakes."""

import statistics
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigError, UsageError
from harness.load.workload import Chance, Length, Workload, load_workload, parse_workload, workloads


def _asked(workload: Workload, ordinal: int = 0, run_id: str = "run") -> str:
    """Everything that the model reads, in its order."""
    params = workload.request(run_id, 1, ordinal).params
    messages = params.get("messages")
    if isinstance(messages, list):
        return "\n".join(str(message["content"]) for message in messages if isinstance(message, dict))
    return str(params["input"])


@pytest.mark.parametrize("name", workloads())
def test_each_workload_that_comes_along_is_sound_and_asks_something(name: str) -> None:
    workload = load_workload(name)
    assert workload.sentence.endswith(".")
    assert workload.user in _asked(workload)


def test_all_the_kinds_of_load_are_there() -> None:
    assert {
        "short-chat",
        "long-prompt",
        "long-answer",
        "shared-prefix",
        "conversation",
        "tool-calls",
        "structured-output",
        "embeddings",
    } <= set(workloads())


@pytest.mark.parametrize("name", workloads())
def test_a_worker_elsewhere_builds_the_same_request(name: str) -> None:
    workload = load_workload(name)
    again = parse_workload(name, workload.source)
    assert workload.request("run", 7, 1234) == again.request("run", 7, 1234)


def test_the_founding_prompt_is_asked_in_its_words() -> None:
    request = load_workload("short-chat").request("run", 1, 5)
    assert request.params["messages"] == [
        {"role": "system", "content": f"[{request.nonce}] You are a helpful assistant."},
        {"role": "user", "content": "你是谁？"},
    ]


@pytest.mark.parametrize("name", [name for name in workloads() if load_workload(name).cacheable == "nothing"])
def test_no_cache_can_answer_because_each_prompt_begins_with_a_nonce_of_its_own(name: str) -> None:
    workload = load_workload(name)
    beginnings = {_asked(workload, ordinal, run)[:18] for ordinal in range(50) for run in ("one", "two")}
    assert len(beginnings) == 100


def test_a_shared_prefix_is_shared_and_what_follows_is_not() -> None:
    first, second = (_asked(load_workload("shared-prefix"), ordinal) for ordinal in (1, 2))
    shared = len(" ".join(first.split()[:2000]))
    assert first[:shared] == second[:shared]
    assert first != second


def test_a_conversation_sends_along_what_was_said_before() -> None:
    workload = load_workload("conversation")
    turns = [workload.request("run", 1, ordinal).params["messages"] for ordinal in range(4)]
    assert [len(messages) for messages in turns if isinstance(messages, list)] == [2, 4, 6, 8]
    assert isinstance(turns[2], list)
    assert isinstance(turns[3], list)
    assert turns[3][:5] == turns[2][:5]
    assert _asked(workload, 4)[:18] != _asked(workload, 3)[:18]


def test_an_echo_is_asked_for_and_said_to_be_expected() -> None:
    request = load_workload("echo").request("run", 1, 3)
    assert request.expects_echo
    assert _asked(load_workload("echo"), 3).endswith(f": {request.nonce}")


def test_a_trace_replaces_the_lengths() -> None:
    request = load_workload("long-prompt").request("run", 1, 0, prompt_tokens=100, output_tokens=9)
    assert request.params["max_tokens"] == 9
    messages = request.params["messages"]
    assert isinstance(messages, list)
    assert isinstance(messages[-1], dict)
    assert 100 <= len(str(messages[-1]["content"]).split()) <= 115


def _traced(workload: Workload, hash_ids: Sequence[int], *, ordinal: int = 0, run_id: str = "run") -> str:
    """What the model reads of a trace's request with 1,200 tokens in its prompt, in its order."""
    request = workload.request(run_id, 1, ordinal, prompt_tokens=1200, output_tokens=9, hash_ids=hash_ids)
    messages = request.params["messages"]
    assert isinstance(messages, list)
    return "\n".join(str(message["content"]) for message in messages if isinstance(message, dict))


@pytest.mark.parametrize("name", ["short-chat", "long-prompt", "shared-prefix", "conversation", "echo"])
@pytest.mark.parametrize("shared", [0, 1, 2])
def test_requests_begin_alike_as_far_as_a_trace_says(name: str, shared: int) -> None:
    """Not a word less, and not one more: a cache that works in words has the hits of the trace."""
    workload = load_workload(name)
    first = _traced(workload, [7, 8, 9]).split()
    second = _traced(workload, [7, 8, 9][:shared] + [70, 80, 90][shared:], ordinal=1).split()
    alike = next(place for place, pair in enumerate(zip(first, second, strict=False)) if len({*pair}) == 2)
    before = len(workload.system.split()) + 1
    assert alike - before == shared * 512
    assert 1200 <= len(first) <= 1200 + before + 30


def test_what_a_trace_shares_is_shared_with_no_other_run_and_of_no_other_length() -> None:
    workload = load_workload("short-chat")
    same = [_traced(workload, [7, 8, 9], ordinal=ordinal) for ordinal in (0, 1)]
    assert same[0] != same[1], "the nonce"
    assert same[0].split()[:1200] == same[1].split()[:1200]
    assert same[0].split()[0] != _traced(workload, [7, 8, 9], run_id="another").split()[0]
    assert len(_traced(workload, [7]).split()) == len(same[0].split()), "what is in no block is filled up"


@given(st.integers(1, 100_000))
def test_a_prompt_of_any_length_can_be_made(tokens: int) -> None:
    workload = Workload("w", "s.", "Hello.", prompt_tokens=Length("fixed", tokens))
    assert len(_asked(workload).split()) == tokens + 2


@pytest.mark.parametrize(
    ("length", "centre"),
    [
        (Length("uniform", 100, 300), 200),
        (Length("normal", 200, 30), 200),
        (Length("lognormal", 200, 0.5), 200),
        (Length("fixed", 200), 200),
    ],
)
def test_lengths_follow_their_distribution(length: Length, centre: int) -> None:
    chance = Chance("1")
    assert statistics.median(length.draw(chance) for _ in range(5000)) == pytest.approx(centre, rel=0.03)


def test_lengths_stay_within_their_bounds() -> None:
    chance = Chance("1")
    drawn = {Length("normal", 10, 50, minimum=5, maximum=12).draw(chance) for _ in range(500)}
    assert min(drawn) == 5
    assert max(drawn) == 12


_SOUND = 'sentence = "S."\nuser = "Hello."\n'


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ('user = "x"', ":1: sentence: expected a text, found nothing", "Add a line"),
        (_SOUND + "turn = 4", ":3: turn: expected one of the keys", 'Did you mean "turns"'),
        (_SOUND + "turns = 0", ":3: turns: expected a whole number from 1 to 1,000, found 0", ""),
        (_SOUND + "output_tokens = 1.5", ":3: output_tokens: expected a whole number", ""),
        (
            _SOUND + "output_tokens = { normal = [5] }",
            ":3: output_tokens.normal: expected two numbers",
            "mean",
        ),
        (
            _SOUND + "output_tokens = { uniform = [9, 5] }",
            ":3: output_tokens.uniform: expected two numbers",
            "",
        ),
        (_SOUND + "output_tokens = { min = 5 }", ":3: output_tokens: expected one of uniform, normal", ""),
        (_SOUND + "output_tokens = { normal = [5, 1], min = 9, max = 3 }", ":3: output_tokens.max:", ""),
        (_SOUND + 'cacheable = "all"', ":3: cacheable: expected one of nothing, prefix, everything", ""),
        (_SOUND + 'cacheable = "everything"\necho = true', ":4: echo: expected false", ""),
        (_SOUND + "echo = 1", ":3: echo: expected true or false, found 1", ""),
        (_SOUND + 'operation = "embeddings"\nturns = 2', ":4: turns: expected no such key", ""),
        (_SOUND + 'objectives = ["ttft<5ms"]', ":3: objectives: expected an objective", "ttft needs one of"),
        (
            _SOUND + "[params]\nstream = true",
            ":4: params.stream: expected only what the harness does not",
            "",
        ),
        (_SOUND + "[params]\nsince = 2027-01-01", ":4: params.since: expected values that JSON has", ""),
        (_SOUND + "oops", ":3: this is not TOML", ""),
    ],
)
def test_a_mistake_is_told_with_file_line_and_key(tmp_path: Path, text: str, place: str, what: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text + "\n", encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        load_workload(str(path))
    assert raised.value.happened.startswith(f"{path}{place}")
    assert what in str(raised.value)


def test_a_file_of_ones_own_is_a_workload(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        _SOUND + 'objectives = ["ttft.p95<500ms"]\n[params]\ntemperature = 0.5\n', encoding="utf-8"
    )
    workload = load_workload(str(path))
    assert workload.name == "mine"
    assert [str(objective) for objective in workload.objectives] == ["ttft.p95<500ms"]
    assert workload.request("run", 1, 0).params["temperature"] == 0.5


def test_a_workload_that_there_is_not_is_told_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match='Did you mean "short-chat"'):
        load_workload("short-chats")


def test_a_file_that_there_is_not_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read"):
        load_workload(str(tmp_path / "none.toml"))
