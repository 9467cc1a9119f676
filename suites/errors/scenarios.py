"""Requests that OpenAI refuses: the first status of `refused_with` is its own, the others pass as well."""

import json
from collections.abc import Mapping

from harness.scenario import PLAIN_ONLY, AnyAsk, Ask, Http, Scenario, chat
from harness.wire.exchange import Json

_QUESTION = [{"role": "user", "content": "Reply with only the word: pong"}]
_RAW = frozenset({"raw"})
_PATH = "/chat/completions"
_WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
}


def _body(**values: object) -> bytes:
    return json.dumps({"model": "{model}", "messages": _QUESTION, "max_tokens": 16, **values}).encode()


def _bad(
    scenario_id: str,
    sentence: str,
    ask: AnyAsk | Mapping[str, Json],
    *needs: str,
    refused_with: tuple[int, ...] = (400, 422),
) -> Scenario:
    """A bad request, asked once; a mapping stands for parameters beside a good question."""
    if isinstance(ask, Mapping):
        ask = chat({"messages": _QUESTION, "max_tokens": 16, **ask})
    return Scenario(
        id=scenario_id,
        sentence=sentence,
        ask=ask,
        refused_with=refused_with,
        needs=frozenset(needs),
        modes=PLAIN_ONLY,
        clients=_RAW,
    )


no_messages = Scenario(
    id="no-messages",
    sentence="An empty list of messages.",
    ask=chat({"messages": [], "max_tokens": 16}),
    refused_with=(400, 422),
)

wrong_key = _bad(
    "wrong-key",
    "A key that the endpoint can't know.",
    Http("POST", _PATH, _body(), key="wrong"),
    "authentication",
    refused_with=(401,),
)

missing_key = _bad(
    "missing-key",
    "No key at all.",
    Http("POST", _PATH, _body(), key="none"),
    "authentication",
    refused_with=(401,),
)

unknown_model = Scenario(
    id="unknown-model",
    sentence="A model that does not exist.",
    ask=chat({"model": "likewise-no-such-model", "messages": _QUESTION, "max_tokens": 16}),
    refused_with=(404, 400),
    clients=_RAW,
)

broken_json = _bad(
    "broken-json", "A body that is not JSON.", Http("POST", _PATH, b'{"model": "{model}", "messages": [')
)

empty_body = _bad("bad-empty-body", "No body.", Http("POST", _PATH))

unknown_path = _bad(
    "bad-path",
    "A path that there is not.",
    Http("POST", "/likewise/no-such-path", _body()),
    refused_with=(404,),
)

wrong_method = _bad("bad-method", "GET where POST belongs.", Http("GET", _PATH), refused_with=(405, 404))

missing_messages = _bad("bad-missing-messages", "No messages.", chat({"max_tokens": 16}))

text_for_messages = _bad(
    "bad-messages-type", "A text where the list of messages belongs.", {"messages": "Reply with pong"}
)

missing_model = _bad(
    "bad-missing-model",
    "No model.",
    Http("POST", _PATH, json.dumps({"messages": _QUESTION, "max_tokens": 16}).encode()),
)

unknown_role = _bad(
    "bad-role", "A role that there is not.", {"messages": [{"role": "likewise", "content": "Say pong"}]}
)

unknown_parameter = _bad(
    "bad-parameter", "A parameter that there is not.", {"likewise_parameter": 1}, "strict-params"
)

temperature_too_high = _bad("bad-temperature", "A temperature above 2.", {"temperature": 2.5})

top_p_too_high = _bad("bad-top-p", "A top_p above 1.", {"top_p": 1.5})

no_choices = _bad("bad-n", "n of 0.", {"n": 0}, "n")

no_tokens = _bad("bad-max-tokens", "max_tokens of 0.", {"max_tokens": 0}, "max-tokens")

too_many_tokens = _bad(
    "bad-huge-max-tokens",
    "A max_tokens that no model's context holds.",
    {"max_tokens": 100_000_000},
    "max-tokens",
    refused_with=(400, 413, 422),
)

unstreamed_stream_options = _bad(
    "bad-stream-options",
    "stream_options without a stream.",
    {"stream_options": {"include_usage": True}},
    "strict-params",
)

lone_top_logprobs = _bad(
    "bad-top-logprobs",
    "top_logprobs without logprobs.",
    {"top_logprobs": 2},
    "logprobs",
    "strict-params",
)

json_unsaid = _bad(
    "bad-json-object",
    "JSON wanted, with no message that says so.",
    {"response_format": {"type": "json_object"}},
    "json-object",
)

loose_schema = _bad(
    "bad-strict-schema",
    "A strict schema that leaves a property optional and others allowed.",
    {
        "response_format": {
            "type": "json_schema",
            "json_schema": {
                "name": "loose",
                "strict": True,
                "schema": {"type": "object", "properties": {"word": {"type": "string"}}, "required": []},
            },
        }
    },
    "json-schema",
)

orphan_tool_result = _bad(
    "bad-tool-result",
    "A tool's result that answers no call.",
    {"messages": [*_QUESTION, {"role": "tool", "tool_call_id": "call_likewise", "content": "pong"}]},
)

unknown_tool_choice = _bad(
    "bad-tool-choice",
    "A demand for a tool that is not among the tools.",
    {"tools": [_WEATHER], "tool_choice": {"type": "function", "function": {"name": "likewise_no_tool"}}},
    "tools",
    "tool-choice-named",
)

embedding_of_nothing = _bad(
    "bad-embedding-input", "Nothing to embed.", Ask("embeddings", {"input": []}), "embeddings"
)

unknown_encoding = _bad(
    "bad-encoding-format",
    "An encoding_format that there is not.",
    Ask("embeddings", {"input": "pong", "encoding_format": "likewise"}),
    "embeddings",
    "embedding-base64",
)

unknown_embedding_model = _bad(
    "bad-embedding-model",
    "Embeddings of a model that does not exist.",
    Ask("embeddings", {"model": "likewise-no-such-model", "input": "pong"}),
    "embeddings",
    refused_with=(404, 400),
)

models_without_key = _bad(
    "bad-models-key",
    "The list of models without a key.",
    Http("GET", "/models", key="none"),
    "models",
    "authentication",
    refused_with=(401,),
)

unknown_model_retrieved = _bad(
    "bad-model-name",
    "The description of a model that does not exist.",
    Http("GET", "/models/likewise-no-such-model"),
    "models",
    refused_with=(404,),
)
