import pytest
from endpoint_caller import joined

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def test_the_stream_ends_with_one_done(openai):
    body = openai.ask("Say exactly: hello there", stream=True).content
    assert body.count(b"[DONE]") == 1
    assert body.endswith(b"data: [DONE]\n\n")


def test_every_event_is_one_data_line_and_a_blank_line(openai):
    body = openai.ask("Repeat exactly: a\u2028b\nc", stream=True).content
    *events, rest = body.split(b"\n\n")
    assert rest == b""
    assert all(event.startswith(b"data: ") and b"\n" not in event and b"\r" not in event for event in events)


def test_the_stream_says_what_it_is(openai):
    headers = openai.ask("Say hi", stream=True).headers
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["x-request-id"]


def test_all_chunks_share_id_time_and_model(openai):
    stream = openai.stream("Count from 1 to 5")
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in stream}) == 1
    assert {chunk["object"] for chunk in stream} == {"chat.completion.chunk"}


def test_the_role_comes_once_and_first(openai):
    first, *rest = openai.stream("Count from 1 to 5")
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert all("role" not in chunk["choices"][0]["delta"] for chunk in rest)


def test_one_token_comes_per_chunk(openai):
    deltas = [chunk["choices"][0]["delta"] for chunk in openai.stream("Count from 1 to 3")]
    assert [delta["content"] for delta in deltas[1:-1]] == ["1", " 2", " 3"]


def test_the_finish_reason_comes_once_last_and_with_an_empty_delta(openai):
    *before, last = openai.stream("Count from 1 to 5")
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in before)
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["choices"][0]["delta"] == {}


def test_usage_comes_only_when_asked_for(openai):
    assert all("usage" not in chunk for chunk in openai.stream("Say hi"))
    *before, last = openai.stream("Say hi", stream_options={"include_usage": True})
    assert all(chunk["usage"] is None for chunk in before)
    assert last["choices"] == []
    assert last["usage"] == openai.chat("Say hi")["usage"]


def test_obfuscation_fills_every_chunk_unless_it_is_refused(openai):
    options = {"include_usage": True}
    assert all(chunk["obfuscation"] for chunk in openai.stream("Say hi", stream_options=options))
    options = {"include_obfuscation": False}
    assert all("obfuscation" not in chunk for chunk in openai.stream("Say hi", stream_options=options))


def test_streams_of_several_choices_take_turns(openai):
    stream = openai.stream("What is a compiler?", n=2)
    plain = openai.chat("What is a compiler?", n=2)
    assert [joined(stream, index) for index in (0, 1)] == [
        choice["message"]["content"] for choice in plain["choices"]
    ]
    finished = [choice for chunk in stream for choice in chunk["choices"] if choice["finish_reason"]]
    assert sorted(choice["index"] for choice in finished) == [0, 1]
    order = [chunk["choices"][0]["index"] for chunk in stream]
    assert order[:6] == [0, 1, 0, 1, 0, 1]


def test_streamed_log_probabilities_spell_the_content(openai):
    stream = openai.stream("Repeat exactly: 你好 world", logprobs=True, top_logprobs=2)
    entries = [
        entry for chunk in stream for entry in (chunk["choices"][0]["logprobs"] or {"content": []})["content"]
    ]
    plain = openai.chat("Repeat exactly: 你好 world", logprobs=True, top_logprobs=2)
    assert entries == plain["choices"][0]["logprobs"]["content"]


def test_a_tool_call_comes_in_fragments_that_join_to_the_plain_one(openai):
    stream = openai.stream("What is the weather in Paris and Tokyo?", tools=[TOOL])
    fragments = [call for chunk in stream for call in chunk["choices"][0]["delta"].get("tool_calls", [])]
    for index in (0, 1):
        first, *rest = [fragment for fragment in fragments if fragment["index"] == index]
        assert first["id"].startswith("call_")
        assert first["type"] == "function"
        assert first["function"]["name"] == "get_weather"
        assert len(rest) > 1
        assert all(set(fragment) == {"index", "function"} for fragment in rest)
        assert all(set(fragment["function"]) == {"arguments"} for fragment in rest)
    plain = openai.chat("What is the weather in Paris and Tokyo?", tools=[TOOL])["choices"][0]["message"]
    spelled = [
        "".join(part["function"]["arguments"] for part in fragments if part["index"] == index)
        for index in (0, 1)
    ]
    assert spelled == [call["function"]["arguments"] for call in plain["tool_calls"]]
    assert stream[0]["choices"][0]["delta"]["content"] is None
    assert stream[-1]["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("stream", [None, False])
def test_no_stream_is_no_stream_however_it_is_said(openai, stream):
    answer = openai.ask("Say hi", stream=stream)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["object"] == "chat.completion"


def test_a_mistake_in_a_stream_request_is_a_plain_refusal(openai):
    answer = openai.ask("Say hi", stream=True, temperature=9)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"]["param"] == "temperature"
