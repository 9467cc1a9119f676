"""Prompts that differ in one thing from `with-usage`, to see what that thing costs."""

from harness.scenario import PLAIN_ONLY, Scenario, chat

_PONG = {"role": "user", "content": "Reply with only the word: pong"}

longer = Scenario(
    id="usage-longer",
    sentence="The short question after a long text.",
    ask=chat(
        {
            "messages": [{"role": "system", "content": "The weather was fine all day. " * 40}, _PONG],
            "max_tokens": 16,
        }
    ),
    modes=PLAIN_ONLY,
    cost="wide",
)

with_a_tool = Scenario(
    id="usage-tool",
    sentence="The short question beside a tool that it does not need.",
    ask=chat(
        {
            "messages": [_PONG],
            "max_tokens": 16,
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "moon_phase",
                        "description": "The phase of the moon on a day.",
                        "parameters": {
                            "type": "object",
                            "properties": {"day": {"type": "string", "description": "ISO 8601"}},
                            "required": ["day"],
                        },
                    },
                }
            ],
        }
    ),
    needs=frozenset({"tools"}),
    modes=PLAIN_ONLY,
    cost="wide",
)

with_two_choices = Scenario(
    id="usage-n",
    sentence="The short question, answered twice.",
    ask=chat({"messages": [_PONG], "max_tokens": 16, "n": 2}),
    needs=frozenset({"n"}),
    modes=PLAIN_ONLY,
    cost="wide",
)


conversation = Scenario(
    id="conversation",
    sentence="A question about the first of three turns.",
    ask=chat(
        {
            "messages": [
                {
                    "role": "user",
                    "content": "My boat is called Quokka. She lies at the third pier, has two red sails and "
                    "an old engine, and leaks a little when it rains. My neighbour paints her every spring.",
                },
                {"role": "assistant", "content": "A fine boat."},
                {"role": "user", "content": "Reply with only her name: what is she called?"},
            ],
            "max_tokens": 16,
        }
    ),
    modes=PLAIN_ONLY,
    cost="wide",
)
