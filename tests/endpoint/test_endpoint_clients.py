import asyncio
import json

import openai as sdk
import pytest
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
WHO = [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": "你是谁？"}]


class Person(BaseModel):
    name: str
    age: int


@pytest.fixture(params=["openai", "dashscope"])
def caller(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def client(caller):
    with sdk.OpenAI(base_url=caller.address.base_url, api_key=caller.address.key, max_retries=0) as client:
        yield client


@pytest.fixture
def model(caller):
    return caller.address.model


@pytest.fixture
def langchain(caller):
    return ChatOpenAI(
        base_url=caller.address.base_url,
        api_key=caller.address.key,
        model=caller.address.model,
        max_retries=0,
    )


def test_the_sdk_gets_the_same_answer_in_both_modes(client, model):
    plain = client.chat.completions.create(model=model, messages=WHO)
    chunks = list(
        client.chat.completions.create(
            model=model, messages=WHO, stream=True, stream_options={"include_usage": True}
        )
    )
    streamed = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert streamed == plain.choices[0].message.content
    assert "likewise" in streamed
    assert chunks[-1].usage == plain.usage


def test_the_sdks_stream_helper_puts_tool_calls_together(client, model):
    asked = [{"role": "user", "content": "What is the weather in Paris?"}]
    with client.chat.completions.stream(model=model, messages=asked, tools=[TOOL]) as stream:
        final = stream.get_final_completion()
    (call,) = final.choices[0].message.tool_calls
    assert json.loads(call.function.arguments) == {"city": "Paris"}
    assert final.choices[0].finish_reason == "tool_calls"


def test_the_sdks_parser_gets_its_model_filled(client, model):
    asked = [{"role": "user", "content": "Ada Lovelace is 36 years old."}]
    parsed = client.chat.completions.parse(model=model, messages=asked, response_format=Person)
    assert parsed.choices[0].message.parsed == Person(name="Ada Lovelace", age=36)


def test_the_async_sdk_streams(caller):
    async def said():
        address = caller.address
        async with sdk.AsyncOpenAI(base_url=address.base_url, api_key=address.key, max_retries=0) as client:
            stream = await client.chat.completions.create(model=address.model, messages=WHO, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

    assert "likewise" in asyncio.run(said())


def test_the_sdk_raises_what_the_status_means(caller, client, model):
    with pytest.raises(sdk.BadRequestError) as raised:
        client.chat.completions.create(model=model, messages=WHO, temperature=3)
    assert raised.value.request_id
    with pytest.raises(sdk.NotFoundError, match="no-such-model"):
        client.chat.completions.create(model="no-such-model", messages=WHO)
    with (
        sdk.OpenAI(base_url=caller.address.base_url, api_key="sk-wrong", max_retries=0) as stranger,
        pytest.raises(sdk.AuthenticationError) as refused,
    ):
        stranger.models.list()
    assert refused.value.code == "invalid_api_key"


def test_the_sdk_lists_models_and_embeds(caller, client):
    names = [model.id for model in client.models.list()]
    assert caller.address.model in names
    embedded = client.embeddings.create(model=caller.address.embedding_model, input=["a", "b"])
    assert [item.index for item in embedded.data] == [0, 1]
    assert all(isinstance(number, float) for number in embedded.data[0].embedding)


def test_the_sdk_speaks_responses(client, model):
    assert client.responses.create(model=model, input="Say exactly: hi").output_text == "hi"
    with client.responses.stream(model=model, input="Say exactly: hi there") as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert "".join(deltas) == final.output_text == "hi there"


def test_langchain_gets_the_same_answer_in_both_modes(langchain):
    plain = langchain.invoke(WHO)
    parts = list(langchain.stream(WHO, stream_usage=True))
    whole = parts[0]
    for part in parts[1:]:
        whole = whole + part
    assert whole.content == plain.content
    assert whole.usage_metadata["total_tokens"] == plain.usage_metadata["total_tokens"]
    assert whole.response_metadata["finish_reason"] == "stop"


def test_langchain_calls_tools_in_both_modes(langchain):
    armed = langchain.bind_tools([TOOL])
    asked = "What is the weather in Paris?"
    (call,) = armed.invoke(asked).tool_calls
    parts = list(armed.stream(asked))
    whole = parts[0]
    for part in parts[1:]:
        whole = whole + part
    (streamed,) = whole.tool_calls
    assert call["args"] == streamed["args"] == {"city": "Paris"}


def test_langchain_fills_a_model(langchain):
    assert langchain.with_structured_output(Person).invoke("Ada Lovelace is 36 years old.") == Person(
        name="Ada Lovelace", age=36
    )


def test_langchain_embeds_texts(caller):
    address = caller.address
    embeddings = OpenAIEmbeddings(
        base_url=address.base_url,
        api_key=address.key,
        model=address.embedding_model,
        check_embedding_ctx_length=False,
        max_retries=0,
    )
    assert len(embeddings.embed_documents(["a", "b"])) == 2
