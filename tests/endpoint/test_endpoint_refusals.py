import httpx
import pytest

TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}},
}
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
ASKED = {"role": "user", "content": "hi"}


def strict(schema):
    return {"type": "json_schema", "json_schema": {"name": "wanted", "schema": schema, "strict": True}}


def checked(error, param, code):
    assert list(error) == ["message", "type", "param", "code"]
    assert error["message"]
    assert error["type"] == "invalid_request_error"
    assert (error["param"], error["code"]) == (param, code)


@pytest.mark.parametrize(
    ("params", "param", "code"),
    [
        ({"definitely_not_a_param": 1}, "definitely_not_a_param", "unknown_parameter"),
        ({"stream": True, "stream_options": {"bogus": 1}}, "stream_options.bogus", "unknown_parameter"),
        ({"temperature": "hot"}, "temperature", "invalid_type"),
        ({"temperature": 2.1}, "temperature", "decimal_above_max_value"),
        ({"temperature": -0.1}, "temperature", "decimal_below_min_value"),
        ({"top_p": 1.5}, "top_p", "decimal_above_max_value"),
        ({"presence_penalty": -3}, "presence_penalty", "decimal_below_min_value"),
        ({"n": 0}, "n", "integer_below_min_value"),
        ({"n": 129}, "n", "integer_above_max_value"),
        ({"n": "2"}, "n", "invalid_type"),
        ({"n": 1.5}, "n", "invalid_type"),
        ({"n": True}, "n", "invalid_type"),
        ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
        ({"max_completion_tokens": -1}, "max_completion_tokens", "integer_below_min_value"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, None, "invalid_parameter_combination"),
        ({"stream": "yes"}, "stream", "invalid_type"),
        ({"stop": 7}, "stop", "invalid_type"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop", "array_above_max_length"),
        ({"logprobs": 1}, "logprobs", "invalid_type"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "integer_above_max_value"),
        ({"top_logprobs": 2}, "top_logprobs", None),
        ({"stream_options": {"include_usage": True}}, "stream_options", None),
        ({"reasoning_effort": "much"}, "reasoning_effort", "invalid_value"),
        ({"service_tier": "bogus"}, "service_tier", "invalid_value"),
        ({"seed": 1.5}, "seed", "invalid_type"),
        ({"metadata": {"k": 7}}, "metadata.k", "invalid_type"),
        ({"metadata": {f"k{i}": "v" for i in range(17)}}, "metadata", "object_above_max_properties"),
        ({"audio": {"voice": "alloy", "format": "wav"}}, "audio", "unsupported_parameter"),
        ({"logit_bias": {"50256": 101}}, "logit_bias.50256", "decimal_above_max_value"),
        ({"tools": []}, "tools", "empty_array"),
        ({"tools": "none"}, "tools", "invalid_type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function", "missing_required_parameter"),
        (
            {"tools": [{"type": "function", "function": {}}]},
            "tools[0].function.name",
            "missing_required_parameter",
        ),
        (
            {"tools": [{"type": "function", "function": {"name": "a b"}}]},
            "tools[0].function.name",
            "invalid_value",
        ),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type", "unsupported_value"),
        ({"tool_choice": "auto"}, "tool_choice", None),
        ({"parallel_tool_calls": True}, "parallel_tool_calls", None),
        ({"tools": [TOOL], "tool_choice": "banana"}, "tool_choice", "invalid_value"),
        ({"tools": [TOOL], "tool_choice": 7}, "tool_choice", "invalid_type"),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "other"}}},
            "tool_choice",
            None,
        ),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {}}},
            "tool_choice.function.name",
            "missing_required_parameter",
        ),
        ({"response_format": "json"}, "response_format", "invalid_type"),
        ({"response_format": {}}, "response_format.type", "missing_required_parameter"),
        ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
        ({"response_format": {"type": "json_object"}}, "messages", None),
        (
            {"response_format": {"type": "json_schema"}},
            "response_format.json_schema",
            "missing_required_parameter",
        ),
        ({"response_format": strict({"type": "object", "properties": {}})}, "response_format", None),
        (
            {
                "response_format": strict(
                    {
                        "type": "object",
                        "properties": {"a": {"type": "string"}},
                        "required": [],
                        "additionalProperties": False,
                    }
                )
            },
            "response_format",
            None,
        ),
        ({"response_format": strict({"type": "nonsense"})}, "response_format", None),
        (
            {
                "tools": [
                    {
                        "type": "function",
                        "function": {"name": "f", "parameters": {"type": "object", "properties": 5}},
                    }
                ]
            },
            "tools[0].function.parameters",
            "invalid_function_parameters",
        ),
    ],
)
def test_a_wrong_parameter_is_refused_by_name_and_code(openai, params, param, code):
    checked(openai.refusal("hi", **params), param, code)


@pytest.mark.parametrize(
    ("messages", "param", "code"),
    [
        ([], "messages", "empty_array"),
        ("hi", "messages", "invalid_type"),
        (None, "messages", "invalid_type"),
        (["hi"], "messages[0]", "invalid_type"),
        ([{"content": "hi"}], "messages[0].role", "missing_required_parameter"),
        ([{"role": "bogus", "content": "hi"}], "messages[0].role", "invalid_value"),
        ([{"role": "user", "content": 7}], "messages[0].content", "invalid_type"),
        ([{"role": "user", "content": []}], "messages[0].content", "empty_array"),
        ([{"role": "user", "content": None}], "messages.[0].content", None),
        ([{"role": "user"}], "messages[0].content", "missing_required_parameter"),
        ([{"role": "user", "content": [{"type": "smell"}]}], "messages[0].content[0].type", "invalid_value"),
        ([{"role": "user", "content": "hi", "extra": 1}], "messages[0].extra", "unknown_parameter"),
        ([ASKED, {"role": "assistant", "content": None}], "messages.[1].content", None),
        (
            [ASKED, {"role": "assistant", "content": "x", "tool_calls": []}],
            "messages[1].tool_calls",
            "empty_array",
        ),
        ([ASKED, {"role": "tool", "tool_call_id": "call_1", "content": "x"}], "messages.[1].role", None),
        ([ASKED, {"role": "assistant", "tool_calls": [CALL]}], "messages.[1].role", None),
        ([ASKED, {"role": "assistant", "tool_calls": [CALL]}, ASKED], "messages.[1].role", None),
        (
            [
                ASKED,
                {"role": "assistant", "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "no", "content": "x"},
            ],
            "messages.[2].tool_call_id",
            None,
        ),
    ],
)
def test_a_wrong_conversation_is_refused_by_its_place(openai, messages, param, code):
    body = {"model": openai.address.model, "messages": messages}
    answer = openai.post("/chat/completions", body)
    assert answer.status_code == 400
    checked(answer.json()["error"], param, code)


def test_what_is_missing_is_reported_before_what_is_wrong(openai):
    answer = openai.post("/chat/completions", {"messages": [ASKED], "bogus": 1})
    checked(answer.json()["error"], None, None)
    assert "model" in answer.json()["error"]["message"]
    answer = openai.post("/chat/completions", {"model": openai.address.model, "bogus": 1})
    checked(answer.json()["error"], "messages", "missing_required_parameter")


def test_explicit_nulls_are_as_good_as_nothing(openai):
    nulls = dict.fromkeys(
        ("temperature", "n", "stop", "max_tokens", "stream", "stream_options", "seed", "logprobs", "metadata")
    )
    assert openai.chat("Say hi", **nulls)["usage"] == openai.chat("Say hi")["usage"]


def test_an_unknown_model_is_not_found(openai):
    answer = openai.ask("hi", model="no-such-model")
    assert answer.status_code == 404
    checked(answer.json()["error"], None, "model_not_found")
    assert "no-such-model" in answer.json()["error"]["message"]


@pytest.mark.parametrize("cap", [{}, {"max_tokens": 9000}])
def test_more_than_the_context_holds_is_refused(openai, cap):
    error = openai.refusal("hi" if cap else "word " * 9000, **cap)
    checked(error, "messages", "context_length_exceeded")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"\xff\xfe",
        b'{"model": "standin-1", "model": "standin-1", "messages": []}',
        b'{"model": "standin-1", "temperature": NaN}',
        b'{"model": "standin-1", "user": "\\ud800"}',
        b"[" * 5000,
    ],
)
def test_a_body_that_is_no_json_object_is_refused(openai, body):
    answer = openai.http.post("/chat/completions", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    checked(answer.json()["error"], None, None)
    assert "parse" in answer.json()["error"]["message"]


def test_json_is_read_whatever_the_content_type_says(openai):
    body = b'{"model": "standin-1", "messages": [{"role": "user", "content": "Say hi"}]}'
    answer = openai.http.post("/chat/completions", content=body, headers={"content-type": "text/plain"})
    assert answer.status_code == 200


def test_a_request_without_a_key_is_told_how_to_give_one(openai):
    for headers in ({}, {"authorization": "Bearer"}, {"authorization": "Basic abc"}):
        answer = httpx.get(f"{openai.address.base_url}/models", headers=headers)
        assert answer.status_code == 401
        checked(answer.json()["error"], None, None)
        assert "Bearer" in answer.json()["error"]["message"]


def test_a_wrong_key_is_refused_and_not_shown_in_full(openai):
    headers = {"authorization": "Bearer sk-wrong-but-quite-long-key"}
    answer = httpx.get(f"{openai.address.base_url}/models", headers=headers)
    assert answer.status_code == 401
    checked(answer.json()["error"], None, "invalid_api_key")
    assert "sk-wrong-but-quite-long-key" not in answer.text


def test_an_unknown_path_is_not_found(openai):
    answer = openai.post("/no/such/path", {})
    assert answer.status_code == 404
    checked(answer.json()["error"], None, None)
    assert answer.json()["error"]["message"] == "Invalid URL (POST /v1/no/such/path)"


def test_a_wrong_method_is_named_with_the_right_one(openai):
    answer = openai.http.get("/chat/completions")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST, OPTIONS"
    checked(answer.json()["error"], None, None)
    assert "GET" in answer.json()["error"]["message"]
    assert "POST" in answer.json()["error"]["message"]


def test_head_and_options_are_answered_without_a_body(openai):
    head = openai.http.head("/models")
    assert (head.status_code, head.content) == (200, b"")
    options = openai.http.options("/chat/completions")
    assert (options.status_code, options.content) == (204, b"")
    assert options.headers["allow"] == "POST, OPTIONS"


@pytest.mark.parametrize(("value", "status"), [("a" * 512, 200), ("a" * 513, 400), (b"\xc3\xa4", 400)])
def test_a_client_request_id_is_short_ascii(openai, value, status):
    assert openai.http.get("/models", headers={"x-client-request-id": value}).status_code == status


def test_a_body_above_the_limit_is_too_large(openai):
    answer = openai.http.post("/chat/completions", content=b" " * 26_300_000)
    assert answer.status_code == 413
    checked(answer.json()["error"], None, None)


def test_refusals_carry_the_headers_of_answers(openai):
    headers = openai.ask("hi", temperature=9).headers
    assert headers["content-type"] == "application/json"
    assert headers["x-request-id"].startswith("req_")
    assert headers["x-ratelimit-limit-requests"]
