"""What is asked of chat completions."""

from harness.scenario import Mode, Scenario, chat
from harness.wire.exchange import Json

_MANY_SCRIPTS = "你好入 🙂👩‍👩‍👧 e\u0301 ñ \u2028 \u0085 “quoted” \\n end"
"""With U+2028 and U+0085, at which careless readers cut lines, and combining characters."""

_FOUNDING: Json = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "你是谁？"},
]

founding = Scenario(
    id="founding",
    sentence="The founding page's own question: who are you? With a cap, as a slow model may go on for long.",
    ask=chat({"messages": _FOUNDING, "max_tokens": 192}),
    is_quick_start=True,
)

uncapped = Scenario(
    id="uncapped",
    sentence="The founding page's own call, streamed, without any parameter.",
    ask=chat({"messages": _FOUNDING}),
    modes=(Mode.STREAM,),
    cost="wide",
)

with_usage = Scenario(
    id="with-usage",
    sentence="A short question, with usage asked for in the stream too.",
    ask=chat(
        {"messages": [{"role": "user", "content": "Reply with only the word: pong"}], "max_tokens": 16},
        stream_params={"stream_options": {"include_usage": True}},
    ),
    is_first=True,
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
    is_cut=True,
)
