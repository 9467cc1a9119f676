import json

import pytest
from endpoint_caller import joined

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
