import json

import jsonschema
from endpoint_caller import joined
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

quick = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
texts = st.text(max_size=60)
prompts = st.one_of(
    texts,
    st.builds("Repeat exactly: {}".format, texts),
    st.builds("Count from {} to {}".format, st.integers(0, 60), st.integers(0, 60)),
    st.sampled_from(["你是谁？", "Write a story about rain.", "What is the weather in Paris and Rome?"]),
)
caps = st.one_of(st.none(), st.integers(1, 40))
stops = st.one_of(
    st.none(),
    st.text(min_size=1, max_size=3),
    st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=4),
)
tool = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
requests = st.fixed_dictionaries(
    {},
    optional={
        "max_tokens": caps,
        "stop": stops,
        "n": st.integers(1, 3),
        "seed": st.integers(-5, 5),
        "tools": st.just([tool]),
        "logprobs": st.booleans(),
        "reasoning_effort": st.sampled_from(["none", "low"]),
    },
)


def calls(stream, index):
    """The calls of one choice as id-less pairs, put together from their fragments."""
    found = {}
    for chunk in stream:
        for choice in chunk["choices"]:
            for part in choice["delta"].get("tool_calls", []) if choice["index"] == index else []:
                name, arguments = found.get(part["index"], ("", ""))
                function = part["function"]
                found[part["index"]] = (
                    name + (function.get("name") or ""),
                    arguments + function["arguments"],
                )
    return [found[place] for place in sorted(found)]


@quick
@given(prompt=prompts, params=requests)
def test_a_stream_joins_to_the_plain_answer(openai, prompt, params):
    plain = openai.chat(prompt, **params)
    *stream, last = openai.stream(prompt, **params, stream_options={"include_usage": True})
    assert last["usage"] == plain["usage"]
    for choice in plain["choices"]:
        index, message = choice["index"], choice["message"]
        own = [one for chunk in stream for one in chunk["choices"] if one["index"] == index]
        assert joined(stream, index) == (message["content"] or "")
        assert calls(stream, index) == [
            (call["function"]["name"], call["function"]["arguments"])
            for call in message.get("tool_calls", [])
        ]
        assert [one["finish_reason"] for one in own if one["finish_reason"]] == [choice["finish_reason"]]


@quick
@given(prompt=prompts, params=requests)
def test_the_same_request_gets_the_same_answer(openai, prompt, params):
    def said():
        answer = openai.chat(prompt, **params)
        words = [(choice["message"]["content"], choice["finish_reason"]) for choice in answer["choices"]]
        return words, answer["usage"]

    assert said() == said()


@quick
@given(prompt=prompts, params=requests)
def test_usage_adds_up_and_holds_to_the_cap(openai, prompt, params):
    usage = openai.chat(prompt, **params)["usage"]
    assert usage["prompt_tokens"] > 0
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["completion_tokens_details"]["reasoning_tokens"] <= usage["completion_tokens"]
    if params.get("max_tokens"):
        assert usage["completion_tokens"] <= params["max_tokens"] * params.get("n", 1)


@quick
@given(prompt=prompts, stop=stops.filter(bool))
def test_a_stop_sequence_is_never_in_the_answer(openai, prompt, stop):
    text = openai.text(prompt, stop=stop)
    assert not any(sequence in text for sequence in ([stop] if isinstance(stop, str) else stop))


@quick
@given(text=st.text(min_size=1, max_size=80).filter(str.strip))
def test_any_text_in_a_fence_is_repeated_to_the_letter(openai, text):
    assume("```" not in text and not text.endswith("\n") and "`" not in text)
    assert openai.text(f"Repeat this:\n```\n{text}\n```") == text


@quick
@given(prompt=texts, more=texts)
def test_a_longer_prompt_never_costs_less(openai, prompt, more):
    short, long = (
        openai.chat(said, max_tokens=1)["usage"]["prompt_tokens"] for said in (prompt, prompt + more)
    )
    assert long >= short


names = st.text("abcxyz_", min_size=1, max_size=6)
leaves = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.just({"type": "string"}),
    st.builds(
        lambda low, size: {"type": "integer", "minimum": low, "maximum": low + size},
        st.integers(-50, 50),
        st.integers(0, 9),
    ),
    st.builds(lambda low: {"type": "number", "exclusiveMinimum": low}, st.integers(-50, 50)),
    st.builds(
        lambda least, more: {"type": "string", "minLength": least, "maxLength": least + more},
        st.integers(0, 9),
        st.integers(0, 5),
    ),
    st.builds(
        lambda options: {"enum": options}, st.lists(st.one_of(st.integers(), texts), min_size=1, max_size=3)
    ),
    st.sampled_from(
        [{"type": "string", "format": form} for form in ("date", "date-time", "email", "uuid", "ipv4")]
    ),
    st.sampled_from(
        [{"type": "string", "pattern": form} for form in ("^[a-f]{3}$", "^\\d+-\\d+$", "^(yes|no)$")]
    ),
)


def closed(properties):
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(
            lambda item, least: {"type": "array", "items": item, "minItems": least}, inner, st.integers(0, 3)
        ),
        st.builds(lambda branches: {"anyOf": branches}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(closed, st.dictionaries(names, inner, max_size=3)),
    ),
    max_leaves=8,
)


@quick
@given(schema=st.builds(closed, st.dictionaries(names, schemas, min_size=1, max_size=3)), prompt=prompts)
def test_documents_and_arguments_are_what_their_schemas_allow(openai, schema, prompt):
    wanted = {"type": "json_schema", "json_schema": {"name": "wanted", "strict": True, "schema": schema}}
    jsonschema.validate(json.loads(openai.text(prompt, response_format=wanted)), schema)
    fill = {"type": "function", "function": {"name": "fill", "parameters": schema}}
    called = openai.chat(prompt, tools=[fill], tool_choice="required")["choices"][0]["message"]["tool_calls"]
    for call in called:
        jsonschema.validate(json.loads(call["function"]["arguments"]), schema)


json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=8),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["type", "role", "content", "name", "function", "x"]), inner, max_size=3
        ),
    ),
    max_leaves=6,
)
members = st.sampled_from(
    [
        "messages",
        "input",
        "prompt",
        "tools",
        "tool_choice",
        "response_format",
        "text",
        "stop",
        "stream",
        "stream_options",
        "n",
        "max_tokens",
        "logprobs",
        "top_logprobs",
        "metadata",
        "reasoning",
        "temperature",
        "dimensions",
        "x",
    ]
)
paths = st.sampled_from(["/chat/completions", "/completions", "/embeddings", "/responses"])


@settings(quick, max_examples=150)
@given(
    path=paths,
    broken=st.dictionaries(members, json_values, max_size=4),
    is_whole=st.booleans(),
    is_openai=st.booleans(),
)
def test_whatever_is_sent_is_answered_or_cleanly_refused(
    openai, dashscope, path, broken, is_whole, is_openai
):
    caller = openai if is_openai else dashscope
    model = caller.address.embedding_model if path == "/embeddings" else caller.address.model
    whole = {"model": model, "messages": [{"role": "user", "content": "hi"}], "prompt": "hi", "input": "hi"}
    wanted = {"/chat/completions": "messages", "/completions": "prompt"}.get(path, "input")
    body = {key: whole[key] for key in ("model", wanted)} if is_whole else {"model": model}
    answer = caller.post(path, {**body, **broken})
    assert answer.status_code in (200, 400, 404)
    if answer.status_code != 200:
        error = answer.json() if path == "/responses" and caller is dashscope else answer.json()["error"]
        assert error["message"]
