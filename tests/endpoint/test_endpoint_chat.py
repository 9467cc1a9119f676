import re
import time
import zlib
from base64 import b64encode
from struct import pack

import pytest


def test_an_answer_has_every_member_that_openai_always_sends(openai):
    answer = openai.chat("Say exactly: hello")
    assert list(answer) == [
        "id",
        "object",
        "created",
        "model",
        "choices",
        "usage",
        "service_tier",
        "system_fingerprint",
    ]
    assert answer["object"] == "chat.completion"
    assert answer["id"].startswith("chatcmpl-")
    assert abs(answer["created"] - time.time()) < 60
    assert answer["model"] == openai.address.model
    assert answer["service_tier"] == "default"
    (choice,) = answer["choices"]
    assert choice["index"] == 0
    assert choice["finish_reason"] == "stop"
    assert choice["message"] == {"role": "assistant", "content": "hello", "refusal": None, "annotations": []}


def test_every_answer_has_its_own_id_and_the_same_words(openai):
    answers = [openai.chat("What is a compiler?") for _ in range(5)]
    assert len({answer["id"] for answer in answers}) == 5
    assert len({answer["choices"][0]["message"]["content"] for answer in answers}) == 1
    assert len({str(answer["usage"]) for answer in answers}) == 1


def test_usage_adds_up_and_has_its_details(openai):
    usage = openai.chat("Count from 1 to 10")["usage"]
    assert usage["completion_tokens"] == 10
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == 0
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 0


def test_it_says_what_it_is_in_the_language_it_is_asked_in(openai):
    assert "参考替身模型" in openai.text("你是谁？")
    assert "stand-in" in openai.text("Who are you?")


@pytest.mark.parametrize(
    "text",
    [
        "pong",
        "你好，世界！🌍",
        "a\u2028b\u2029c\u0085d",
        "e\u0301\u0302 👩‍👩‍👧",
        'say "this" {"a": 1}',
        "tab\there",
        "\x01\x1f",
        "x" * 500,
    ],
)
def test_it_repeats_a_text_to_the_letter(openai, text):
    assert openai.text(f"Repeat exactly: {text}") == text


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("Reply with only the word banana.", "banana"),
        ('Say "pong".', "pong"),
        ("Echo this:\n```\none\ntwo\n```", "one\ntwo"),
        ("请原样重复：春天", "春天"),
        ("Count from 3 to 6", "3 4 5 6"),
        ("Count from 1 to 4, separated by commas", "1, 2, 3, 4"),
        ("Count from 4 down to 1, one per line", "4\n3\n2\n1"),
        ("Write the alphabet in lower case", "a b c d e f g h i j k l m n o p q r s t u v w x y z"),
        ("从1数到3", "1 2 3"),
    ],
)
def test_it_follows_plain_instructions(openai, prompt, text):
    assert openai.text(prompt) == text


def test_it_remembers_what_it_was_told(openai):
    told = [
        {"role": "user", "content": "My name is Zoltan."},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "What is my name?"},
    ]
    assert "Zoltan" in openai.text(told)
    assert "Zoltan" not in openai.text(told[-1:])


@pytest.mark.parametrize("role", ["system", "developer"])
def test_it_obeys_the_word_rules_of_whoever_set_it_up(openai, role):
    rules = [
        {"role": role, "content": "End every answer with the word over."},
        {"role": "user", "content": "Say hi"},
    ]
    assert openai.text(rules) == "hi over"
    rules[0] = {"role": role, "content": "Always answer with the word plum."}
    assert openai.text(rules) == "plum"


def test_a_text_in_parts_is_the_same_text(openai):
    parts = [{"type": "text", "text": "Repeat exactly: "}, {"type": "text", "text": "two halves"}]
    whole, split = (
        openai.chat("Repeat exactly: two halves"),
        openai.chat([{"role": "user", "content": parts}]),
    )
    assert split["choices"] == whole["choices"]
    assert split["usage"] == whole["usage"]


def test_something_long_is_long(openai):
    assert openai.chat("Write a long story about a fox.")["usage"]["completion_tokens"] > 200


def test_choices_differ_and_are_paid_for_once_per_prompt(openai):
    one, three = openai.chat("What is a compiler?"), openai.chat("What is a compiler?", n=3)
    assert [choice["index"] for choice in three["choices"]] == [0, 1, 2]
    assert len({choice["message"]["content"] for choice in three["choices"]}) == 3
    assert three["usage"]["prompt_tokens"] == one["usage"]["prompt_tokens"]
    assert three["usage"]["completion_tokens"] > one["usage"]["completion_tokens"]


def test_a_seed_changes_free_words_and_repeats_them(openai):
    assert openai.text("What is a compiler?", seed=1) == openai.text("What is a compiler?", seed=1)
    assert len({openai.text("What is a compiler?", seed=seed) for seed in range(5)}) > 1


@pytest.mark.parametrize("cap", ["max_tokens", "max_completion_tokens"])
def test_a_cap_ends_the_answer_by_length(openai, cap):
    answer = openai.chat("Count from 1 to 100", **{cap: 5})
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["choices"][0]["message"]["content"] == "1 2 3 4 5"
    assert answer["usage"]["completion_tokens"] == 5


@pytest.mark.parametrize("stop", [" 5", [" 5"], ["zz", "4 5"], ["5", "3"]])
def test_a_stop_sequence_ends_the_answer_before_itself(openai, stop):
    answer = openai.chat("Count from 1 to 20", stop=stop)
    (choice,) = answer["choices"]
    sequences = [stop] if isinstance(stop, str) else stop
    assert choice["finish_reason"] == "stop"
    assert not any(sequence in choice["message"]["content"] for sequence in sequences)
    assert "1 2 3 4 5 6".startswith(choice["message"]["content"])


def test_a_cap_before_the_stop_sequence_wins(openai):
    assert (
        openai.chat("Count from 1 to 20", stop=" 15", max_tokens=3)["choices"][0]["finish_reason"] == "length"
    )


def test_log_probabilities_come_with_every_token(openai):
    answer = openai.chat("Repeat exactly: 你好 world", logprobs=True, top_logprobs=4)
    entries = answer["choices"][0]["logprobs"]["content"]
    assert len(entries) == answer["usage"]["completion_tokens"]
    assert b"".join(bytes(entry["bytes"]) for entry in entries).decode() == "你好 world"
    for entry in entries:
        assert entry["logprob"] <= 0
        assert len(entry["top_logprobs"]) == 4
        assert entry["top_logprobs"][0]["token"] == entry["token"]
        ranked = [other["logprob"] for other in entry["top_logprobs"]]
        assert ranked == sorted(ranked, reverse=True)


def test_log_probabilities_without_alternatives_have_none(openai):
    answer = openai.chat("Say hi", logprobs=True)
    assert answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"] == []
    assert openai.chat("Say hi")["choices"][0]["logprobs"] is None


def test_hidden_reasoning_is_counted_and_not_shown(openai):
    plain, thought = openai.chat("Say hi"), openai.chat("Say hi", reasoning_effort="low")
    hidden = thought["usage"]["completion_tokens_details"]["reasoning_tokens"]
    assert hidden > 0
    assert thought["usage"]["completion_tokens"] == plain["usage"]["completion_tokens"] + hidden
    assert thought["choices"][0]["message"] == plain["choices"][0]["message"]


def test_a_cap_that_reasoning_uses_up_leaves_no_words(openai):
    answer = openai.chat("Say hi", reasoning_effort="high", max_completion_tokens=8)
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["choices"][0]["message"]["content"] == ""
    assert answer["usage"]["completion_tokens"] == 8


def test_a_longer_prompt_and_a_tool_cost_more(openai):
    def cost(**params):
        return openai.chat("Say hi", **params)["usage"]["prompt_tokens"]

    tool = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
    assert cost(tools=[tool]) > cost()
    longer = openai.chat("Say hi, and nothing else")["usage"]["prompt_tokens"]
    assert longer > cost()


def test_the_order_of_keys_costs_nothing(openai):
    def cost(parameters):
        tool = {"type": "function", "function": {"name": "find", "parameters": parameters}}
        return openai.chat("Say hi", tools=[tool])["usage"]["prompt_tokens"]

    one = {
        "type": "object",
        "properties": {"a": {"type": "string", "enum": ["x"]}},
        "additionalProperties": False,
    }
    other = {
        "additionalProperties": False,
        "properties": {"a": {"enum": ["x"], "type": "string"}},
        "type": "object",
    }
    assert cost(one) == cost(other)


@pytest.mark.parametrize(
    ("text", "tokens"), [("abcdef", 1), ("abcdefg", 2), ("你好", 2), ("1234", 2), ("a b", 2)]
)
def test_words_digits_and_ideographs_are_counted_by_rule(openai, text, tokens):
    assert openai.chat(f"Repeat exactly: {text}")["usage"]["completion_tokens"] == tokens


@pytest.mark.parametrize(
    "params", [{"temperature": 2}, {"temperature": 0}, {"top_p": 1}, {"presence_penalty": -2}]
)
def test_the_bounds_of_a_range_belong_to_it(openai, params):
    assert openai.text("Say hi", **params) == "hi"


def test_headers_say_who_answered_and_what_is_left(openai):
    headers = openai.ask("Say hi").headers
    assert headers["content-type"] == "application/json"
    assert re.fullmatch(r"req_\w+", headers["x-request-id"])
    assert headers["openai-version"] == "2020-10-01"
    assert int(headers["openai-processing-ms"]) > 0
    for kind in ("requests", "tokens"):
        assert int(headers[f"x-ratelimit-remaining-{kind}"]) < int(headers[f"x-ratelimit-limit-{kind}"])
        assert re.fullmatch(r"(\d+h)?(\d+m)?(\d+(\.\d+)?(s|ms))", headers[f"x-ratelimit-reset-{kind}"])


def png(colour: tuple[int, int, int], filtered: int = 0) -> str:
    """A picture of four by four pixels in one colour, as a data URL; every row after the first `filtered`."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return pack(">I", len(body)) + name + body + pack(">I", zlib.crc32(name + body))

    row = bytes(colour) * 4
    below = {0: row, 2: bytes(12)}[filtered]
    pixels = zlib.compress(b"\0" + row + (bytes([filtered]) + below) * 3)
    picture = (
        chunk(b"IHDR", pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0)) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )
    return "data:image/png;base64," + b64encode(b"\x89PNG\r\n\x1a\n" + picture).decode()


def seen(url: str) -> list[dict]:
    parts = [
        {"type": "text", "text": "Which colour is it?"},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    return [{"role": "user", "content": parts}]


@pytest.mark.parametrize("filtered", [0, 2])
@pytest.mark.parametrize(
    ("name", "colour"), [("red", (255, 0, 0)), ("green", (0, 200, 0)), ("blue", (0, 0, 255))]
)
def test_it_names_the_colour_of_a_picture(openai, name, colour, filtered):
    assert name in openai.text(seen(png(colour, filtered)))
    assert name in openai.text(seen(png(colour, filtered).rstrip("=")))


def test_it_admits_what_it_cannot_see(openai):
    assert "can't" in openai.text(seen("data:image/png;base64," + b64encode(b"no picture").decode()))


def test_a_picture_elsewhere_is_not_fetched(openai):
    assert openai.refusal(seen("https://example.com/cat.png"))["code"] == "invalid_image_url"


def test_its_own_answer_can_be_said_back_to_it(openai):
    first = openai.chat("Say exactly: one")["choices"][0]["message"]
    later = [
        {"role": "user", "content": "Say exactly: one"},
        first,
        {"role": "user", "content": "Say exactly: two"},
    ]
    assert openai.text(later) == "two"
