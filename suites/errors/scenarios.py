"""Requests that OpenAI refuses: the first status of `refused_with` is its own, the others pass as well.

Each makes one mistake. Those that ask for nothing beyond a chat need no capability: an endpoint that does not
have the parameter refuses it, and so the mistake too.
"""

import json
from collections.abc import Mapping
from typing import Any

from harness.scenario import PLAIN_ONLY, AnyAsk, Ask, Http, Mistake, Scenario, chat
from harness.wire.exchange import Json

_QUESTION = [{"role": "user", "content": "Reply with only the word: pong"}]
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
    ask: AnyAsk,
    mistake: Mistake | None = None,
    *,
    needs: tuple[str, ...] = (),
    refused_with: tuple[int, ...] = (400, 422),
) -> Scenario:
    """A bad request, asked once."""
    return Scenario(
        id=scenario_id,
        sentence=sentence,
        ask=ask,
        refused_with=refused_with,
        mistake=mistake or Mistake(),
        needs=frozenset(needs),
        modes=PLAIN_ONLY,
        cost="wire" if isinstance(ask, Http) else "wide",
    )


def _value(scenario_id: str, sentence: str, params: Mapping[str, Json], *named: str, **more: Any) -> Scenario:
    """A good question with a value that OpenAI's document rules out; `named` as in `Mistake`."""
    ask = chat({"messages": _QUESTION, "max_tokens": 16, **params})
    return _bad(scenario_id, sentence, ask, Mistake("value", named), **more)


def _combination(
    scenario_id: str, sentence: str, params: Mapping[str, Json], *named: str, **more: Any
) -> Scenario:
    """A good question with parameters that OpenAI does not take together.

    It has no cap: models that refuse `max_tokens` might name that first.
    """
    ask = chat({"messages": _QUESTION, **params})
    return _bad(scenario_id, sentence, ask, Mistake("combination", named), **more)


# --- what nobody can answer ---

no_messages = Scenario(
    id="no-messages",
    sentence="An empty list of messages.",
    ask=chat({"messages": [], "max_tokens": 16}),
    refused_with=(400, 422),
    mistake=Mistake(named=("messages",)),
)

wrong_key = _bad(
    "wrong-key",
    "A key that the endpoint can't know.",
    Http("POST", _PATH, _body(), key="wrong"),
    Mistake(code="invalid_api_key"),
    needs=("authentication",),
    refused_with=(401,),
)

missing_key = _bad(
    "missing-key",
    "No key at all.",
    Http("POST", _PATH, _body(), key="none"),
    needs=("authentication",),
    refused_with=(401,),
)

unknown_model = Scenario(
    id="unknown-model",
    sentence="A model that does not exist.",
    ask=chat({"model": "likewise-no-such-model", "messages": _QUESTION, "max_tokens": 16}),
    refused_with=(404, 400),
    mistake=Mistake(named=("model",), code="model_not_found"),
    cost="wide",
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

wrong_method = _bad("bad-method", "PUT where POST belongs.", Http("PUT", _PATH), refused_with=(405, 404))
"""Not GET, by which OpenAI lists stored completions."""

missing_messages = _bad(
    "bad-missing-messages", "No messages.", chat({"max_tokens": 16}), Mistake(named=("messages",))
)

text_for_messages = _bad(
    "bad-messages-type",
    "A text where the list of messages belongs.",
    chat({"messages": "Reply with pong", "max_tokens": 16}),
    Mistake(named=("messages",)),
)

# --- values that the document rules out ---

missing_model = _bad(
    "bad-missing-model",
    "No model.",
    Http("POST", _PATH, json.dumps({"messages": _QUESTION, "max_tokens": 16}).encode()),
    Mistake("value", ("model",)),
)

unknown_role = _value(
    "bad-role",
    "A role that there is not.",
    {"messages": [{"role": "likewise", "content": "Say pong"}]},
    "role",
)

missing_role = _value(
    "bad-missing-role", "A message without a role.", {"messages": [{"content": "Say pong"}]}, "role"
)

missing_content = _value(
    "bad-missing-content", "A user message without content.", {"messages": [{"role": "user"}]}, "content"
)

temperature_too_high = _value("bad-temperature", "A temperature of 5.", {"temperature": 5}, "temperature")

temperature_too_low = _value(
    "bad-temperature-low", "A temperature of -1.", {"temperature": -1}, "temperature"
)

top_p_too_high = _value("bad-top-p", "A top_p of 2.", {"top_p": 2}, "top_p")

no_choices = _value("bad-n", "n of 0.", {"n": 0}, "n")

too_many_choices = _value(
    "bad-n-many", "n of 129, of a token each where they are given.", {"n": 129, "max_tokens": 1}, "n"
)

too_many_stops = _value(
    "bad-stop", "Five stop sequences.", {"stop": ["zq-1", "zq-2", "zq-3", "zq-4", "zq-5"]}, "stop"
)

too_many_alternatives = _value(
    "bad-top-logprobs-many",
    "top_logprobs of 21.",
    {"logprobs": True, "top_logprobs": 21},
    "top_logprobs",
    "logprobs",
)

strong_bias = _value("bad-logit-bias", "A logit_bias of 500.", {"logit_bias": {"100": 500}}, "logit_bias")

no_tokens = _value("bad-max-tokens", "max_tokens of 0.", {"max_tokens": 0}, "max_tokens")

too_many_tokens = _bad(
    "bad-huge-max-tokens",
    "A max_tokens that no model's context holds.",
    chat({"messages": _QUESTION, "max_tokens": 100_000_000}),
    Mistake("limit"),
    refused_with=(400, 413, 422),
)

missing_schema = _value(
    "bad-json-schema",
    "JSON by a schema wanted, with no schema.",
    {"response_format": {"type": "json_schema"}},
    "json_schema",
    "response_format",
)

unknown_tool_choice = _bad(
    "bad-tool-choice",
    "A demand for a tool that is not among the tools.",
    chat(
        {
            "messages": _QUESTION,
            "tools": [_WEATHER],
            "tool_choice": {"type": "function", "function": {"name": "likewise_no_tool"}},
        }
    ),
    Mistake("value", ("tool_choice", "tool choice", "tool", "likewise_no_tool")),
)

# --- what does not go together ---

lone_tool_choice = _combination(
    "bad-tool-choice-alone",
    "A demand for a tool where there are none.",
    {"tool_choice": "required"},
    "tool_choice",
    "tool choice",
    "tool",
)

unstreamed_stream_options = _combination(
    "bad-stream-options",
    "stream_options without a stream.",
    {"stream_options": {"include_usage": True}},
    "stream_options",
    needs=("strict-params",),
)

lone_top_logprobs = _combination(
    "bad-top-logprobs", "top_logprobs without logprobs.", {"top_logprobs": 2}, "top_logprobs", "logprobs"
)

json_unsaid = _combination(
    "bad-json-object",
    "JSON wanted, with no message that says so.",
    {"response_format": {"type": "json_object"}},
    "json",
    "response_format",
)

loose_schema = _combination(
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
)

orphan_tool_result = _combination(
    "bad-tool-result",
    "A tool's result that answers no call.",
    {"messages": [*_QUESTION, {"role": "tool", "tool_call_id": "call_likewise", "content": "pong"}]},
)

long_request_id = _bad(
    "bad-request-id",
    "An X-Client-Request-Id of more than 512 characters.",
    Http("POST", _PATH, _body(), headers=(("x-client-request-id", "kelp-41-" * 65),)),
    Mistake("combination"),
    refused_with=(400, 422, 431),
)

# --- what there is not ---

unknown_parameter = _bad(
    "bad-parameter",
    "A parameter that there is not.",
    chat({"messages": _QUESTION, "max_tokens": 16, "likewise_parameter": 1}),
    Mistake("unknown", ("likewise_parameter",)),
    needs=("strict-params",),
)

# --- on other surfaces ---

embedding_of_nothing = _bad(
    "bad-embedding-input",
    "Nothing to embed.",
    Ask("embeddings", {"input": []}),
    Mistake("value"),
    needs=("embeddings",),
)

unknown_encoding = _bad(
    "bad-encoding-format",
    "An encoding_format that there is not.",
    Ask("embeddings", {"input": "pong", "encoding_format": "likewise"}),
    Mistake("value", ("encoding_format",)),
    needs=("embeddings", "embedding-base64"),
)

unknown_embedding_model = _bad(
    "bad-embedding-model",
    "Embeddings of a model that does not exist.",
    Ask("embeddings", {"model": "likewise-no-such-model", "input": "pong"}),
    Mistake(named=("model",), code="model_not_found"),
    needs=("embeddings",),
    refused_with=(404, 400),
)

models_without_key = _bad(
    "bad-models-key",
    "The list of models without a key.",
    Http("GET", "/models", key="none"),
    needs=("models", "authentication"),
    refused_with=(401,),
)

unknown_model_retrieved = _bad(
    "bad-model-name",
    "The description of a model that does not exist.",
    Http("GET", "/models/likewise-no-such-model"),
    Mistake(named=("model",), code="model_not_found"),
    needs=("models",),
    refused_with=(404,),
)
