"""What is asked of streams beyond what is asked of chat completions."""

from harness.scenario import Mode, Scenario, chat

beside_tool = Scenario(
    id="stream-beside-tool",
    sentence="A long count, streamed beside a tool that it does not need.",
    ask=chat(
        {
            "messages": [
                {
                    "role": "user",
                    "content": "Count from 1 to 30, separated by spaces, in digits, nothing else.",
                }
            ],
            "max_tokens": 64,
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "tide_table",
                        "description": "The tides at a harbour.",
                        "parameters": {
                            "type": "object",
                            "properties": {"harbour": {"type": "string"}},
                            "required": ["harbour"],
                        },
                    },
                }
            ],
        },
        stream_params={"stream_options": {"include_usage": True}},
    ),
    needs=frozenset({"tools"}),
    modes=(Mode.STREAM,),
    cost="wide",
)
