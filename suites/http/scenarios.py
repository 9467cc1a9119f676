"""What is asked of headers."""

import json

from harness.scenario import PLAIN_ONLY, Http, Scenario

_QUESTION = json.dumps(
    {
        "model": "{model}",
        "messages": [{"role": "user", "content": "Reply with only the word: pong"}],
        "max_tokens": 8,
    }
).encode()

own_request_id = Scenario(
    id="own-request-id",
    sentence="A request with an id of the client's own in X-Client-Request-Id.",
    ask=Http("POST", "/chat/completions", _QUESTION, headers=(("x-client-request-id", "likewise-kelp-41"),)),
    modes=PLAIN_ONLY,
    cost="wire",
)
