"""What is asked of chat completions."""

from harness.scenario import Scenario, chat

_MANY_SCRIPTS = "你好入 🙂👩‍👩‍👧 e\u0301 ñ \u2028 \u0085 “quoted” \\n end"
"""With U+2028 and U+0085, at which careless readers cut lines, and combining characters."""

founding = Scenario(
    id="founding",
    sentence="The founding page's own call: who are you?",
    ask=chat(
        {
            "messages": [
                {"role": "system", "content": "You are a helpful assistant."},
                {"role": "user", "content": "你是谁？"},
            ]
        }
    ),
    is_dropin=True,
)

with_usage = Scenario(
    id="with-usage",
    sentence="A short question, with usage asked for in the stream too.",
    ask=chat(
        {"messages": [{"role": "user", "content": "Reply with only the word: pong"}], "max_tokens": 16},
        stream_params={"stream_options": {"include_usage": True}},
    ),
)

unicode_echo = Scenario(
    id="unicode-echo",
    sentence="Text of many scripts, with characters at which careless readers cut lines.",
    ask=chat(
        {
            "messages": [
                {
                    "role": "user",
                    "content": f"Repeat exactly this line: {_MANY_SCRIPTS}",
                }
            ],
            "max_tokens": 64,
        }
    ),
)

capped = Scenario(
    id="capped",
    sentence="A long answer, cut short by max_tokens.",
    ask=chat(
        {
            "messages": [
                {
                    "role": "user",
                    "content": "Count from 1 to 100, separated by spaces, in digits, nothing else.",
                }
            ],
            "max_tokens": 12,
        },
        stream_params={"stream_options": {"include_usage": True}},
    ),
    needs=frozenset({"max-tokens"}),
)
