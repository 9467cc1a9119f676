import json

import pytest
from endpoint_caller import data, joined

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "description": "Get the weather.", "parameters": CITY},
}


def test_an_answer_has_dashscopes_keys_in_dashscopes_order(dashscope):
    answer = dashscope.chat("你是谁？")
    assert list(answer) == ["model", "usage", "choices", "object", "created", "system_fingerprint", "id"]
    assert answer["system_fingerprint"] is None
    (choice,) = answer["choices"]
    assert list(choice) == ["message", "finish_reason", "index", "logprobs"]
    assert list(choice["message"]) == ["content", "role"]
    assert answer["usage"]["prompt_tokens_details"] == {"cached_tokens": 0}


def test_the_id_is_the_request_id(dashscope):
    answer = dashscope.ask("Say hi")
    assert answer.json()["id"] == f"chatcmpl-{answer.headers['x-request-id']}"
    assert answer.headers["x-dashscope-call-gateway"] == "true"
    assert int(answer.headers["resp-start-time"]) >= int(answer.headers["req-arrive-time"])
    assert not [name for name in answer.headers if name.startswith("x-ratelimit")]


@pytest.mark.parametrize("options", [None, {"include_usage": True}])
def test_every_chunk_has_usage_and_only_a_wanted_one_is_filled(dashscope, options):
    stream = dashscope.stream("Say hi", **({"stream_options": options} if options else {}))
    assert all("usage" in chunk for chunk in stream)
    filled = [chunk for chunk in stream if chunk["usage"]]
    assert len(filled) == bool(options)
    assert all(chunk["choices"] == [] for chunk in filled)


def test_chunks_have_dashscopes_shape(dashscope):
    first, *middle, last = dashscope.stream("Say exactly: 你好")
    assert list(first) == ["choices", "object", "usage", "created", "system_fingerprint", "model", "id"]
    assert first["choices"][0]["delta"] == {"content": "", "role": "assistant"}
    assert joined(middle) == "你好"
    assert last["choices"][0]["delta"] == {"content": ""}
    assert last["choices"][0]["finish_reason"] == "stop"


def test_the_charset_is_spelled_its_own_way(dashscope):
    assert dashscope.ask("Say hi", stream=True).headers["content-type"] == "text/event-stream;charset=UTF-8"


def test_later_tool_fragments_repeat_their_head_emptily(dashscope):
    stream = dashscope.stream("What is the weather in Paris?", tools=[WEATHER])
    deltas = [chunk["choices"][0]["delta"] for chunk in stream]
    first, *later = [delta["tool_calls"][0] for delta in deltas if "tool_calls" in delta]
    assert first["id"].startswith("call_")
    assert all(
        (call["id"], call["type"], call["function"]["name"]) == ("", "function", None) for call in later
    )
    assert json.loads("".join(call["function"]["arguments"] for call in later)) == {"city": "Paris"}


def test_whole_tool_calls_have_an_index(dashscope):
    message = dashscope.chat("What is the weather in Paris?", tools=[WEATHER])["choices"][0]["message"]
    assert message["content"] == ""
    assert message["tool_calls"][0]["index"] == 0


def test_parallel_calls_have_to_be_asked_for(dashscope):
    def called(**params):
        answer = dashscope.chat("What is the weather in Paris and Tokyo?", tools=[WEATHER], **params)
        return len(answer["choices"][0]["message"]["tool_calls"])

    assert (called(), called(parallel_tool_calls=True)) == (1, 2)


def test_thinking_is_streamed_before_the_answer(dashscope):
    stream = dashscope.stream(
        "Say exactly: done", enable_thinking=True, stream_options={"include_usage": True}
    )
    deltas = [chunk["choices"][0]["delta"] for chunk in stream if chunk["choices"]]
    thought = [i for i, delta in enumerate(deltas) if delta.get("reasoning_content")]
    spoken = [i for i, delta in enumerate(deltas) if delta.get("content")]
    assert thought
    assert max(thought) < min(spoken)
    assert joined(stream) == "done"
    details = stream[-1]["usage"]["completion_tokens_details"]
    assert details["reasoning_tokens"] == len(thought)
    assert details["text_tokens"] == stream[-1]["usage"]["completion_tokens"]


def test_what_it_does_not_know_is_ignored(dashscope):
    plain = dashscope.chat("Say hi")["choices"]
    assert (
        dashscope.chat("Say hi", no_such_param=1, stream_options={"include_usage": True})["choices"] == plain
    )


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"temperature": 2}, "Temperature should be in [0.0, 2.0)"),
        ({"top_p": 0}, "Range of top_p should be (0.0, 1.0]"),
        ({"n": 5}, "Range of n should be [1, 4]"),
        ({"n": 2, "tools": [WEATHER]}, "Range of n should be [1, 1]"),
        ({"max_tokens": 0}, "Range of max_tokens should be [1, 8192]"),
        ({"presence_penalty": 3}, "Presence_penalty should be in [-2.0, 2.0]"),
        ({"logprobs": True, "top_logprobs": 21}, "Range of top_logprobs should be [0, 5]"),
        ({"top_logprobs": 2}, "'top_logprobs' parameter is only allowed when 'logprobs' is enabled"),
        ({"logit_bias": {"100": 500}}, "Invalid 'logit_bias.100': decimal above maximum value"),
        ({"stop": list("abcde")}, "Invalid 'stop': array too long"),
        ({"tool_choice": "auto"}, "'tool_choice' is only allowed when 'tools' are specified"),
        ({"response_format": {"type": "json_schema"}}, "'response_format.json_schema'"),
        ({"messages": [{"content": "x"}]}, "'messages[0].role'"),
        ({"messages": [{"role": "user"}]}, "'messages[0].content'"),
        ({"tools": [WEATHER], "tool_choice": "required"}, 'should be ["none", "auto"]'),
        ({"response_format": {"type": "json_object"}}, "must contain the word 'json'"),
        ({"enable_thinking": True}, "parameter.enable_thinking must be set to false for non-streaming calls"),
        ({"messages": []}, "[] is too short"),
        (
            {"messages": [{"role": "developer", "content": "x"}]},
            "developer is not one of ['system', 'assistant',",
        ),
        (
            {"messages": [{"role": "user", "content": "word " * 9000}]},
            "Range of input length should be [1, 8192]",
        ),
    ],
)
def test_refusals_have_dashscopes_texts_and_ids(dashscope, params, text):
    answer = dashscope.ask("hi", **params)
    body = answer.json()
    assert answer.status_code == 400
    assert text in body["error"]["message"]
    assert body["error"]["code"] == "invalid_parameter_error"
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["id"] == f"chatcmpl-{body['request_id']}"


def test_its_gateway_refuses_a_broken_body_briefly(dashscope):
    answer = dashscope.http.post("/chat/completions", content=b"{")
    assert answer.status_code == 400
    assert set(answer.json()["error"]) == {"message", "type"}


def test_a_wrong_key_gets_the_text_of_its_page(dashscope):
    answer = dashscope.http.get("/models", headers={"authorization": "Bearer sk-wrong"})
    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == "Incorrect API key provided. "
    assert answer.json()["error"]["code"] == "invalid_api_key"


def test_stop_may_be_token_ids_but_no_mixture(dashscope):
    assert dashscope.text("Say hi", stop=[[1, 2], [3]]) == "hi"
    assert dashscope.ask("Say hi", stop=["a", 1]).status_code == 400


def test_embeddings_are_floats_of_a_listed_size_and_have_an_id(dashscope):
    body = {"model": dashscope.address.embedding_model, "input": ["a", "b"], "encoding_format": "base64"}
    answer = dashscope.post("/embeddings", body).json()
    assert answer["id"]
    assert [len(item["embedding"]) for item in answer["data"]] == [1024, 1024]
    assert len(dashscope.post("/embeddings", {**body, "dimensions": 64}).json()["data"][0]["embedding"]) == 64
    assert dashscope.post("/embeddings", {**body, "dimensions": 65}).status_code == 400


@pytest.mark.parametrize(
    ("given", "text"),
    [(["a"] * 11, "should not be larger than 10"), ([[1, 2, 3]], "neither str nor list of str")],
)
def test_embeddings_refuse_long_batches_and_token_ids(dashscope, given, text):
    answer = dashscope.post("/embeddings", {"model": dashscope.address.embedding_model, "input": given})
    assert answer.status_code == 400
    assert text in answer.json()["error"]["message"]
    assert answer.json()["id"] == answer.headers["x-request-id"]


def test_responses_are_framed_and_refused_in_their_own_way(dashscope):
    body = {"model": dashscope.address.model, "input": "Say hi", "stream": True, "no_such_param": 1}
    events = dashscope.post("/responses", body).content.split(b"\n\n")
    assert events[0].startswith(b"id:0\nevent:response.created\n:HTTP_STATUS/200\ndata:{")
    answer = dashscope.post("/responses", {"model": dashscope.address.model})
    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "message", "request_id"}


# --- newer models ---

THINKER = "qwen3.5-plus"


def test_a_newer_model_thinks_by_default_and_shows_it_plain_and_streamed(dashscope):
    answer = dashscope.chat("Say exactly: done", model=THINKER)
    message = answer["choices"][0]["message"]
    assert message["content"] == "done"
    streamed = dashscope.stream("Say exactly: done", model=THINKER, stream_options={"include_usage": True})
    deltas = [chunk["choices"][0]["delta"] for chunk in streamed if chunk["choices"]]
    assert "".join(delta.get("reasoning_content") or "" for delta in deltas) == message["reasoning_content"]
    thought = answer["usage"]["completion_tokens_details"]["reasoning_tokens"]
    assert thought == streamed[-1]["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0


def test_a_newer_model_can_be_told_not_to_think(dashscope):
    answer = dashscope.chat("Say exactly: done", model=THINKER, enable_thinking=False)
    assert "reasoning_content" not in answer["choices"][0]["message"]
    assert "completion_tokens_details" not in answer["usage"]


def test_an_older_model_thinks_only_when_it_is_told_to(dashscope):
    assert "reasoning_content" not in dashscope.chat("Say hi")["choices"][0]["message"]


def test_thinking_budget_bounds_the_thoughts_and_not_the_answer(dashscope):
    answer = dashscope.chat("Say exactly: one two three", model=THINKER, thinking_budget=3)
    assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] == 3
    assert answer["choices"][0]["message"]["content"] == "one two three"


def test_max_tokens_does_not_count_the_thoughts_and_max_completion_tokens_does(dashscope):
    def told(**cap):
        choice = dashscope.chat("Count from 1 to 100", model=THINKER, **cap)["choices"][0]
        return choice["message"]["content"], choice["finish_reason"]

    content, reason = told(max_tokens=4)
    assert (content[:3], reason) == ("1 2", "length")
    assert told(max_completion_tokens=4) == ("", "length")


def test_json_by_a_schema_is_kept(dashscope):
    schema = {**CITY, "additionalProperties": False}
    form = {"type": "json_schema", "json_schema": {"name": "city", "strict": True, "schema": schema}}
    assert json.loads(dashscope.text("A city, please.", response_format=form)).keys() == {"city"}


# --- partial messages ---


def test_a_partial_message_is_continued(dashscope):
    said = [
        {"role": "user", "content": "Say exactly: spring has come"},
        {"role": "assistant", "content": "spring has", "partial": True},
    ]
    assert dashscope.text(said) == " come"
    assert joined(dashscope.stream(said)) == " come"
    assert dashscope.text([said[0], {**said[1], "partial": False}]) == "spring has come"


@pytest.mark.parametrize(
    ("said", "params"),
    [
        ([{"role": "user", "content": "hi", "partial": True}], {}),
        (
            [
                {"role": "assistant", "content": "a", "partial": True},
                {"role": "user", "content": "hi"},
            ],
            {},
        ),
        (
            [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "a", "partial": True}],
            {"model": THINKER},
        ),
    ],
    ids=["a-users", "not-the-last", "while-thinking"],
)
def test_a_partial_message_that_cannot_be_continued_is_refused(dashscope, said, params):
    assert "partial is for the last message" in dashscope.refusal(said, **params)["message"]


# --- the marked cache ---


def marked(text, question):
    part = {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}
    return [{"role": "system", "content": [part]}, {"role": "user", "content": question}]


def used(dashscope, said):
    return dashscope.chat(said)["usage"]["prompt_tokens_details"]


def test_a_marked_prompt_is_written_once_and_read_from_then_on(dashscope):
    text = "the first handbook " * 600
    first = used(dashscope, marked(text, "What is it?"))
    written = first["cache_creation_input_tokens"]
    assert written >= 1024
    assert first["cache_creation"] == {"ephemeral_5m_input_tokens": written}
    assert (first["cached_tokens"], first["cache_type"]) == (0, "ephemeral")
    again = used(dashscope, marked(text, "And who wrote it?"))
    assert (again["cached_tokens"], again["cache_creation_input_tokens"]) == (written, 0)


def test_a_prompt_that_is_longer_is_written_from_where_the_cache_ends(dashscope):
    text = "the second handbook " * 600
    written = used(dashscope, marked(text, "What is it?"))["cache_creation_input_tokens"]
    said = marked(text, "What is it?")
    more = {"type": "text", "text": "more " * 50, "cache_control": {"type": "ephemeral"}}
    said[1]["content"] = [more]
    longer = used(dashscope, said)
    assert longer["cached_tokens"] == written
    assert 50 <= longer["cache_creation_input_tokens"] < 100


def test_a_short_prompt_is_not_cached(dashscope):
    said = marked("a short handbook", "What is it?")
    assert used(dashscope, said) == used(dashscope, said)
    assert used(dashscope, said)["cached_tokens"] == 0


def test_without_a_mark_nothing_is_said_of_writing(dashscope):
    assert used(dashscope, [{"role": "user", "content": "hi"}]) == {"cached_tokens": 0}


# --- the list of models ---


def test_the_list_of_models_wants_a_key(dashscope):
    assert dashscope.http.get("/models", headers={"authorization": ""}).status_code == 401
    names = [one["id"] for one in dashscope.http.get("/models").json()["data"]]
    assert {dashscope.address.model, THINKER, dashscope.address.embedding_model} <= set(names)


# --- /responses ---


def responded(dashscope, **params):
    answer = dashscope.post("/responses", {"model": dashscope.address.model, **params})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_response_leaves_out_what_would_be_null_and_counts_in_details_of_its_own(dashscope):
    answer = responded(dashscope, input="Say hi")
    assert None not in answer.values()
    assert not answer.keys() & {"error", "incomplete_details", "instructions", "text", "reasoning"}
    counts = {key: answer["usage"][key] for key in ("input_tokens", "output_tokens", "total_tokens")}
    assert answer["usage"]["x_details"] == [counts]
    assert responded(dashscope, input="Say hi", instructions="Be brief.")["instructions"] == "Be brief."


def test_a_response_that_was_cut_says_why(dashscope):
    answer = responded(dashscope, input="Count from 1 to 100", max_output_tokens=16)
    assert answer["incomplete_details"] == {"reason": "max_output_tokens"}


def test_a_response_goes_on_from_the_one_before(dashscope):
    first = responded(dashscope, input="My name is Ada.")
    second = responded(dashscope, input="What is my name?", previous_response_id=first["id"])
    assert "Ada" in second["output"][-1]["content"][0]["text"]
    assert second["previous_response_id"] == first["id"]


def test_a_response_ignores_its_format_and_gives_it_back(dashscope):
    form = {"type": "json_schema", "name": "city", "schema": CITY}
    answer = responded(dashscope, input="Say hi", text={"format": form})
    assert answer["output"][-1]["content"][0]["text"] == "hi"
    assert answer["text"]["format"]["name"] == "city"


def test_a_response_takes_tools_of_any_type(dashscope):
    assert responded(dashscope, input="Say hi", tools=[{"type": "no_such_tool"}])["output"]


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [
        ({"input": 42}, 400, "InvalidParameter"),
        ({"input": "hi", "previous_response_id": "resp_none"}, 400, "InvalidParameter"),
        ({"input": "hi", "model": "no-such-model"}, 404, "ModelNotFound"),
    ],
)
def test_a_response_is_refused_with_native_codes(dashscope, params, status, code):
    answer = dashscope.post("/responses", {"model": dashscope.address.model, **params})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json().keys() == {"code", "message", "request_id"}


def test_an_unknown_model_streamed_is_a_stream_that_failed(dashscope):
    body = {"model": "no-such-model", "input": "hi", "stream": True}
    answer = dashscope.post("/responses", body)
    assert answer.status_code == 200
    (event,) = (json.loads(text) for text in data(answer.content))
    assert (event["type"], event["sequence_number"]) == ("response.failed", 0)
    assert event["response"]["error"]["code"] == "ModelNotFound"
    wrong_key = {"authorization": "Bearer sk-wrong"}
    assert dashscope.http.post("/responses", json=body, headers=wrong_key).status_code == 401
