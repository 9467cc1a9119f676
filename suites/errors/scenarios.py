"""Requests that OpenAI refuses, and how."""

import json

from harness.scenario import PLAIN_ONLY, Http, Scenario, chat

_QUESTION = [{"role": "user", "content": "Reply with only the word: pong"}]


def _body(**values: object) -> bytes:
    return json.dumps({"model": "{model}", "messages": _QUESTION, "max_tokens": 16, **values}).encode()


no_messages = Scenario(
    id="no-messages",
    sentence="An empty list of messages.",
    ask=chat({"messages": [], "max_tokens": 16}),
    refused_with=(400, 422),
)

wrong_key = Scenario(
    id="wrong-key",
    sentence="A key that the endpoint can't know.",
    ask=Http("POST", "/chat/completions", _body(), key="wrong"),
    refused_with=(401,),
    needs=frozenset({"authentication"}),
    modes=PLAIN_ONLY,
    clients=frozenset({"raw"}),
)

unknown_model = Scenario(
    id="unknown-model",
    sentence="A model that does not exist.",
    ask=Http("POST", "/chat/completions", _body(model="likewise-no-such-model")),
    refused_with=(404, 400),
    modes=PLAIN_ONLY,
    clients=frozenset({"raw"}),
)

broken_json = Scenario(
    id="broken-json",
    sentence="A body that is not JSON.",
    ask=Http("POST", "/chat/completions", b'{"model": "{model}", "messages": ['),
    refused_with=(400, 422),
    modes=PLAIN_ONLY,
    clients=frozenset({"raw"}),
)
