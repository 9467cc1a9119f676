import json

import orjson
import pytest

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "name": "get_weather", "description": "Get the weather.", "parameters": CITY}
PARIS = "What is the weather in Paris?"


def respond(openai, given, **params):
    answer = openai.post("/responses", {"model": openai.address.model, "input": given, **params})
    assert answer.status_code == 200, answer.text
    return answer


def events(openai, given, **params):
    """Name and data of each event."""
    *blocks, rest = respond(openai, given, stream=True, **params).content.split(b"\n\n")
    assert rest == b""
    pairs = [block.split(b"\n") for block in blocks]
    return [
        (name.removeprefix(b"event: ").decode(), orjson.loads(data.removeprefix(b"data: ")))
        for name, data in pairs
    ]


def text(response):
    (item,) = [item for item in response["output"] if item["type"] == "message"]
    (part,) = item["content"]
    return part["text"]


def test_a_response_has_every_required_member(openai):
    response = respond(openai, "Count from 1 to 3").json()
    required = {
        "id",
        "object",
        "created_at",
        "error",
        "incomplete_details",
        "instructions",
        "model",
        "tools",
        "output",
        "parallel_tool_calls",
        "metadata",
        "tool_choice",
        "temperature",
        "top_p",
        "status",
        "usage",
        "text",
    }
    assert required <= set(response)
    assert response["object"] == "response"
    assert response["status"] == "completed"
    assert text(response) == "1 2 3"
    assert response["output"][0]["content"][0] == {
        "type": "output_text",
        "annotations": [],
        "logprobs": [],
        "text": "1 2 3",
    }
    usage = response["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


def test_what_was_asked_is_said_again(openai):
    asked = {
        "temperature": 0.5,
        "metadata": {"a": "b"},
        "tools": [WEATHER],
        "tool_choice": "none",
        "store": False,
    }
    response = respond(openai, "Say hi", instructions="Be kind.", max_output_tokens=50, **asked).json()
    assert response["temperature"] == 0.5
    assert response["metadata"] == {"a": "b"}
    assert response["tool_choice"] == "none"
    assert response["tools"][0]["name"] == "get_weather"
    assert response["instructions"] == "Be kind."
    assert response["max_output_tokens"] == 50
    assert response["store"] is False


def test_instructions_rule_the_answer(openai):
    assert (
        text(respond(openai, "Say hi", instructions="End every answer with the word over.").json())
        == "hi over"
    )


@pytest.mark.parametrize(
    "given",
    [
        [{"role": "user", "content": "Say exactly: hi"}],
        [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Say exactly: hi"}]}],
    ],
)
def test_input_may_be_a_list(openai, given):
    assert text(respond(openai, given).json()) == "hi"


def test_an_empty_input_is_no_trouble(openai):
    assert respond(openai, [], tools=[WEATHER]).json()["status"] == "completed"


def test_functions_are_called_and_their_output_put_into_words(openai):
    called = respond(openai, PARIS, tools=[WEATHER]).json()
    (call,) = called["output"]
    assert call["type"] == "function_call"
    assert call["name"] == "get_weather"
    assert json.loads(call["arguments"]) == {"city": "Paris"}
    assert call["id"] != call["call_id"]
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "17 degrees"}
    replayed = respond(openai, [{"role": "user", "content": PARIS}, call, output], tools=[WEATHER]).json()
    remembered = respond(openai, [output], previous_response_id=called["id"], tools=[WEATHER]).json()
    assert "17 degrees" in text(replayed)
    assert "17 degrees" in text(remembered)


def test_a_function_may_be_demanded(openai):
    choice = {"type": "function", "name": "get_weather"}
    assert (
        respond(openai, "Say hi", tools=[WEATHER], tool_choice=choice).json()["output"][0]["name"]
        == "get_weather"
    )


def test_its_own_output_can_be_given_back(openai):
    first = respond(openai, "Say exactly: one", reasoning={"effort": "low"}).json()
    said = [
        {"role": "user", "content": "Say exactly: one"},
        *first["output"],
        {"role": "user", "content": "Say two"},
    ]
    assert text(respond(openai, said).json()) == "two"


def test_a_document_follows_its_schema(openai):
    form = {"type": "json_schema", "name": "place", "schema": CITY}
    assert json.loads(text(respond(openai, "Go to Paris.", text={"format": form}).json())) == {
        "city": "Paris"
    }


def test_a_response_is_kept_until_it_is_deleted(openai):
    response = respond(openai, "Say hi").json()
    path = f"/responses/{response['id']}"
    assert openai.http.get(path).json() == response
    assert openai.http.delete(path).json() == {"id": response["id"], "object": "response", "deleted": True}
    assert openai.http.get(path).status_code == 404
    assert openai.http.delete(path).status_code == 404


def test_a_response_that_is_not_to_be_stored_is_not(openai):
    response = respond(openai, "Say hi", store=False).json()
    assert openai.http.get(f"/responses/{response['id']}").status_code == 404


def test_a_conversation_goes_on_from_a_stored_response(openai):
    told = respond(openai, "My name is Zoltan.").json()
    assert "Zoltan" in text(respond(openai, "What is my name?", previous_response_id=told["id"]).json())
    answer = openai.post(
        "/responses", {"model": openai.address.model, "input": "hi", "previous_response_id": "resp_gone"}
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "previous_response_not_found"


def test_a_cap_leaves_the_response_incomplete(openai):
    response = respond(openai, "Count from 1 to 100", max_output_tokens=16).json()
    assert response["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert response["output"][-1]["status"] == "incomplete"
    assert response["usage"]["output_tokens"] == 16


def test_reasoning_is_an_item_before_the_message(openai):
    response = respond(openai, "Say hi", reasoning={"effort": "low"}).json()
    assert [item["type"] for item in response["output"]] == ["reasoning", "message"]
    assert response["usage"]["output_tokens_details"]["reasoning_tokens"] > 0


CASES = {
    "words": {},
    "words with reasoning": {"reasoning": {"effort": "low"}},
    "calls": {"tools": [WEATHER], "tool_choice": "required"},
    "cut words": {"max_output_tokens": 16, "given": "Count from 1 to 100"},
    "only reasoning": {"max_output_tokens": 16, "reasoning": {"effort": "high"}},
    "logprobs": {"include": ["message.output_text.logprobs"], "top_logprobs": 2},
}


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def told(openai, request):
    params = dict(request.param)
    given = params.pop("given", PARIS)
    return events(openai, given, **params), respond(openai, given, **params).json()


def test_events_are_numbered_and_named_without_end_marker(told):
    stream, _ = told
    assert [data["sequence_number"] for _, data in stream] == list(range(len(stream)))
    assert all(name == data["type"] for name, data in stream)
    assert [name for name, _ in stream[:2]] == ["response.created", "response.in_progress"]
    assert stream[0][1]["response"]["status"] == "in_progress"
    assert stream[0][1]["response"]["output"] == []


def test_the_last_event_holds_what_the_plain_answer_says(told):
    stream, plain = told
    name, last = stream[-1]
    assert name == f"response.{plain['status']}"
    assert last["response"]["usage"] == plain["usage"]

    def without_ids(items):
        return [{key: value for key, value in item.items() if key not in ("id", "call_id")} for item in items]

    assert without_ids(last["response"]["output"]) == without_ids(plain["output"])


def test_deltas_join_to_what_done_says_and_the_item_holds(told):
    stream, _ = told
    items = {
        data["output_index"]: data["item"] for name, data in stream if name == "response.output_item.done"
    }
    opened = {
        data["output_index"]: data["item"] for name, data in stream if name == "response.output_item.added"
    }
    assert items.keys() == opened.keys()
    assert list(items.values()) == stream[-1][1]["response"]["output"]
    for place, item in items.items():
        own = [(name, data) for name, data in stream if data.get("output_index") == place]
        assert {data["item_id"] for _, data in own if "item_id" in data} <= {item["id"]}
        assert opened[place]["id"] == item["id"]
        deltas = "".join(data["delta"] for name, data in own if name.endswith(".delta"))
        names = [name for name, _ in own if not name.endswith(".delta")]
        if item["type"] == "message":
            (part,) = item["content"]
            done = dict(own)["response.output_text.done"]
            assert deltas == done["text"] == part["text"]
            assert done["logprobs"] == part["logprobs"]
            assert names == [
                "response.output_item.added",
                "response.content_part.added",
                "response.output_text.done",
                "response.content_part.done",
                "response.output_item.done",
            ]
        elif item["type"] == "function_call":
            done = dict(own)["response.function_call_arguments.done"]
            assert deltas == done["arguments"] == item["arguments"]
            assert done["name"] == item["name"]


@pytest.mark.parametrize(
    ("params", "param", "code"),
    [
        ({"model": None}, "model", "invalid_type"),
        ({"input": 7}, "input", "invalid_type"),
        ({"input": [{"type": "smell"}]}, "input[0].type", "invalid_value"),
        ({"input": [{"role": "user"}]}, "input[0].content", "missing_required_parameter"),
        ({"messages": []}, "messages", "unknown_parameter"),
        ({"max_output_tokens": 15}, "max_output_tokens", "integer_below_min_value"),
        ({"stream_options": {"include_usage": True}}, "stream_options.include_usage", "unknown_parameter"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type", "unsupported_value"),
        (
            {"tools": [{"type": "function", "function": {"name": "x"}}]},
            "tools[0].name",
            "missing_required_parameter",
        ),
        ({"tools": [WEATHER], "tool_choice": {"type": "function", "name": "other"}}, "tool_choice", None),
        ({"text": {"format": {"type": "json_object"}}}, "input", None),
        (
            {"text": {"format": {"type": "json_schema", "schema": CITY}}},
            "text.format.name",
            "missing_required_parameter",
        ),
        ({"reasoning": {"effort": "much"}}, "reasoning.effort", "invalid_value"),
        ({"input": [{"type": "function_call_output", "call_id": "no", "output": "x"}]}, "input", None),
        ({"background": True}, "background", "unsupported_parameter"),
    ],
)
def test_wrong_response_requests_are_refused(openai, params, param, code):
    answer = openai.post("/responses", {"model": openai.address.model, "input": "hi", **params})
    assert answer.status_code == 400
    assert (answer.json()["error"]["param"], answer.json()["error"]["code"]) == (param, code)
