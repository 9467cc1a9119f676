import pytest
from endpoint_caller import chunks


def complete(openai, prompt, **params):
    answer = openai.post("/completions", {"model": openai.address.model, "prompt": prompt, **params})
    assert answer.status_code == 200, answer.text
    return answer


def test_a_completion_has_its_own_shape(openai):
    answer = complete(openai, "Count from 1 to 5").json()
    assert answer["object"] == "text_completion"
    assert answer["id"].startswith("cmpl-")
    assert answer["choices"] == [{"text": "1 2 3 4 5", "index": 0, "logprobs": None, "finish_reason": "stop"}]
    assert answer["usage"] == {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}


def test_sixteen_tokens_are_the_cap_unless_another_is_set(openai):
    answer = complete(openai, "Count from 1 to 50").json()
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 16
    assert complete(openai, "Count from 1 to 50", max_tokens=3).json()["choices"][0]["text"] == "1 2 3"


def test_every_prompt_gets_its_choices_in_order(openai):
    answer = complete(openai, ["Say one", "Say two"], n=2).json()
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2, 3]
    assert [choice["text"] for choice in answer["choices"]] == ["one", "one", "two", "two"]


def test_token_ids_are_prompts_too(openai):
    assert len(complete(openai, [1, 2, 3]).json()["choices"]) == 1
    assert len(complete(openai, [[1, 2], [3]]).json()["choices"]) == 2


def test_an_echoed_prompt_has_its_log_probabilities_but_for_the_first(openai):
    answer = complete(openai, "Count from 1 to 3", echo=True, logprobs=2).json()
    (choice,) = answer["choices"]
    logprobs = choice["logprobs"]
    assert choice["text"] == "Count from 1 to 31 2 3"
    assert "".join(logprobs["tokens"]) == choice["text"]
    assert len({len(column) for column in logprobs.values()}) == 1
    assert len(logprobs["tokens"]) == answer["usage"]["total_tokens"]
    assert logprobs["token_logprobs"][0] is None
    assert logprobs["top_logprobs"][0] is None
    assert all(value <= 0 for value in logprobs["token_logprobs"][1:])
    assert [choice["text"][offset:][0] for offset in logprobs["text_offset"]] == [
        token[0] for token in logprobs["tokens"]
    ]


def test_no_tokens_at_all_may_be_asked_for_to_score_a_prompt(openai):
    answer = complete(openai, "a b c", echo=True, logprobs=1, max_tokens=0).json()
    assert answer["choices"][0]["text"] == "a b c"
    assert answer["usage"]["completion_tokens"] == 0


def test_a_stop_sequence_is_not_in_the_text(openai):
    assert complete(openai, "Count from 1 to 9", stop=" 4").json()["choices"][0]["text"] == "1 2 3"


@pytest.mark.parametrize("params", [{}, {"echo": True}, {"n": 2}, {"echo": True, "logprobs": 1}])
def test_a_stream_joins_to_the_plain_answer(openai, params):
    plain = complete(openai, "Count from 1 to 30", **params).json()
    options = {"include_usage": True}
    streamed = chunks(
        complete(openai, "Count from 1 to 30", stream=True, stream_options=options, **params).content
    )
    *before, last = streamed
    assert {chunk["object"] for chunk in streamed} == {"text_completion"}
    assert all(chunk["usage"] is None for chunk in before)
    assert (last["choices"], last["usage"]) == ([], plain["usage"])
    for whole in plain["choices"]:
        parts = [
            choice for chunk in before for choice in chunk["choices"] if choice["index"] == whole["index"]
        ]
        assert "".join(part["text"] for part in parts) == whole["text"]
        assert [part["finish_reason"] for part in parts if part["finish_reason"]] == [whole["finish_reason"]]
        if params.get("logprobs"):
            tokens = [token for part in parts if part["logprobs"] for token in part["logprobs"]["tokens"]]
            assert tokens == whole["logprobs"]["tokens"]


@pytest.mark.parametrize(
    ("params", "param", "code"),
    [
        ({"prompt": 7}, "prompt", "invalid_type"),
        ({"logprobs": True}, "logprobs", "invalid_type"),
        ({"logprobs": 6}, "logprobs", "integer_above_max_value"),
        ({"max_tokens": -1}, "max_tokens", "integer_below_min_value"),
        ({"max_tokens": 9000}, "prompt", "context_length_exceeded"),
        ({"messages": []}, "messages", "unknown_parameter"),
        ({"stream_options": {}}, "stream_options", None),
        ({"n": 2, "best_of": 1}, None, None),
        ({"n": 100, "prompt": ["a", "b"]}, "n", None),
    ],
)
def test_wrong_completion_requests_are_refused(openai, params, param, code):
    answer = openai.post("/completions", {"model": openai.address.model, "prompt": "a", **params})
    assert answer.status_code == 400
    assert (answer.json()["error"]["param"], answer.json()["error"]["code"]) == (param, code)
