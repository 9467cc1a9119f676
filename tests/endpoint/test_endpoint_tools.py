import json

import pytest


def tool(name, parameters, description=""):
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": parameters},
    }


CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = tool("get_weather", CITY, "Get the current weather in a city.")
TIME = tool("get_time", CITY, "Get the current time in a city.")
STATUS = tool("server_status", {"type": "object", "properties": {}}, "Report the status of the server.")


def calls(answer):
    message = answer["choices"][0]["message"]
    return [
        (call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in message["tool_calls"]
    ]


def test_a_tool_is_called_for_what_the_prompt_asks(openai):
    answer = openai.chat("What is the weather in Paris in celsius?", tools=[TIME, WEATHER])
    assert calls(answer) == [("get_weather", {"city": "Paris", "unit": "celsius"})]
    assert answer["choices"][0]["message"]["content"] is None
    assert answer["choices"][0]["finish_reason"] == "tool_calls"


def test_each_city_gets_a_call_with_an_id_of_its_own(openai):
    answer = openai.chat("What is the weather in Paris and Tokyo?", tools=[WEATHER])
    assert [arguments["city"] for _, arguments in calls(answer)] == ["Paris", "Tokyo"]
    again = openai.chat("What is the weather in Paris and Tokyo?", tools=[WEATHER])
    ids = [call["id"] for one in (answer, again) for call in one["choices"][0]["message"]["tool_calls"]]
    assert len(set(ids)) == 4


def test_parallel_calls_can_be_forbidden(openai):
    answer = openai.chat(
        "What is the weather in Paris and Tokyo?", tools=[WEATHER], parallel_tool_calls=False
    )
    assert [arguments["city"] for _, arguments in calls(answer)] == ["Paris"]


def test_each_tool_takes_the_city_it_was_asked_about(openai):
    answer = openai.chat("What is the weather in Paris and what time is it in Tokyo?", tools=[TIME, WEATHER])
    assert calls(answer) == [("get_weather", {"city": "Paris"}), ("get_time", {"city": "Tokyo"})]


def test_a_prompt_in_chinese_is_understood(openai):
    answer = openai.chat("北京和上海的天气怎么样？", tools=[WEATHER])
    assert [arguments["city"] for _, arguments in calls(answer)] == ["北京", "上海"]


def test_a_tool_without_parameters_gets_an_empty_object(openai):
    answer = openai.chat("Check the server status", tools=[STATUS])
    assert answer["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == "{}"


def test_nothing_is_called_for_another_question(openai):
    answer = openai.chat("What is the capital of France?", tools=[WEATHER, TIME])
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert "tool_calls" not in answer["choices"][0]["message"]


def test_a_named_tool_is_called_whatever_is_said(openai):
    choice = {"type": "function", "function": {"name": "get_time"}}
    answer = openai.chat("Say hello", tools=[WEATHER, TIME], tool_choice=choice)
    assert [name for name, _ in calls(answer)] == ["get_time"]
    assert answer["choices"][0]["finish_reason"] == "stop"


def test_required_calls_some_tool(openai):
    answer = openai.chat("Say hello", tools=[WEATHER, TIME], tool_choice="required")
    assert len(calls(answer)) == 1
    assert answer["choices"][0]["finish_reason"] == "tool_calls"


def test_none_calls_no_tool(openai):
    answer = openai.chat("What is the weather in Paris?", tools=[WEATHER], tool_choice="none")
    assert "tool_calls" not in answer["choices"][0]["message"]


def test_only_allowed_tools_are_called(openai):
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "get_time"}}]}
    choice = {"type": "allowed_tools", "allowed_tools": allowed}
    answer = openai.chat("What is the weather in Paris?", tools=[WEATHER, TIME], tool_choice=choice)
    assert [name for name, _ in calls(answer)] == ["get_time"]


def test_results_are_put_into_words(openai):
    asked = {"role": "user", "content": "What is the weather in Paris and Tokyo?"}
    called = openai.chat([asked], tools=[WEATHER])["choices"][0]["message"]
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": result}
        for call, result in zip(called["tool_calls"], ["17 degrees", "23 degrees"], strict=True)
    ]
    answer = openai.chat([asked, called, *results], tools=[WEATHER])
    assert "17 degrees" in answer["choices"][0]["message"]["content"]
    assert "23 degrees" in answer["choices"][0]["message"]["content"]
    assert answer["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("content", [None, "", "absent"])
def test_a_call_can_be_said_back_with_any_content(openai, content):
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city":"Rome"}'},
    }
    called = {"role": "assistant", "content": content, "tool_calls": [call]}
    if content == "absent":
        del called["content"]
    result = {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "9 degrees"}]}
    said = [{"role": "user", "content": "What is the weather in Rome?"}, called, result]
    assert "9 degrees" in openai.text(said, tools=[WEATHER])


def test_a_cap_within_the_arguments_ends_by_length(openai):
    answer = openai.chat("What is the weather in Paris?", tools=[WEATHER], max_tokens=3)
    (call,) = answer["choices"][0]["message"]["tool_calls"]
    assert answer["choices"][0]["finish_reason"] == "length"
    with pytest.raises(json.JSONDecodeError):
        json.loads(call["function"]["arguments"])
    assert answer["usage"]["completion_tokens"] == 3
