"""What is asked of tool calls: one, several, empty, forced, forbidden, cut, and the turn after them."""

from collections.abc import Mapping

from harness.evidence import Observation
from harness.evidence.chat import Answer, Completion
from harness.scenario import PLAIN_ONLY, Ask, FollowUp, Mode, NoFollowUpError, Scenario, chat
from harness.wire.exchange import Json

_USAGE: Mapping[str, Json] = {"stream_options": {"include_usage": True}}


def _tool(name: str, description: str, properties: dict[str, Json], **more: Json) -> Json:
    parameters: Json = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    function: Json = {"name": name, "description": description, "parameters": parameters, **more}
    return {"type": "function", "function": function}


_GET_WEATHER = _tool(
    "get_weather", "The weather in a city right now.", {"city": {"type": "string", "description": "A city"}}
)
_GET_CLOCK = _tool(
    "get_clock", "The clock time in a city right now.", {"city": {"type": "string", "description": "A city"}}
)
_PING_HARBOUR = _tool("ping_harbour", "Tells whether the harbour is open.", {})
_SAVE_NOTE = _tool(
    "save_note", "Saves a note for later.", {"text": {"type": "string", "description": "The whole note"}}
)
_SET_LAMP = _tool(
    "set_lamp",
    "Sets the lamp of the lighthouse.",
    {
        "zq_shade": {"type": "string", "enum": ["kelp-41", "moss-17"]},
        "zq_level": {"type": "integer", "description": "From 1 to 9"},
    },
    strict=True,
)
_ONE_CITY: Json = [{"role": "user", "content": "What is the weather in Reykjavik? Call get_weather."}]
_TWO_CITIES: Json = [
    {"role": "user", "content": "What is the weather in Reykjavik and in Nairobi? Call get_weather for each."}
]


def _named(name: str) -> Json:
    return {"type": "function", "function": {"name": name}}


one_call = Scenario(
    id="tool-call",
    sentence="A question that one tool answers.",
    ask=chat({"messages": _ONE_CITY, "max_tokens": 48, "tools": [_GET_WEATHER]}, _USAGE),
    needs=frozenset({"tools"}),
)

helper_call = Scenario(
    id="tool-call-helper",
    sentence="A question that one tool answers, put together by the SDK's own stream helper.",
    ask=chat({"messages": _ONE_CITY, "max_tokens": 48, "tools": [_GET_WEATHER]}, _USAGE, helper="stream"),
    needs=frozenset({"tools"}),
    modes=(Mode.STREAM,),
    clients=frozenset({"openai"}),
)

parallel_calls = Scenario(
    id="tool-call-parallel",
    sentence="A question for two tools at once.",
    ask=chat(
        {
            "messages": [
                {
                    "role": "user",
                    "content": "Call get_weather for Reykjavik and get_clock for Nairobi, both at once.",
                }
            ],
            "max_tokens": 64,
            "tools": [_GET_WEATHER, _GET_CLOCK],
            "parallel_tool_calls": True,
        },
        _USAGE,
    ),
    needs=frozenset({"tools", "parallel-tools"}),
)

single_call = Scenario(
    id="tool-call-single",
    sentence="A question for two calls, where only one at a time is allowed.",
    ask=chat(
        {
            "messages": _TWO_CITIES,
            "max_tokens": 64,
            "tools": [_GET_WEATHER],
            "parallel_tool_calls": False,
        }
    ),
    needs=frozenset({"tools", "parallel-tools"}),
    cost="wide",
)

empty_call = Scenario(
    id="tool-call-empty",
    sentence="A question that a tool without parameters answers.",
    ask=chat(
        {
            "messages": [{"role": "user", "content": "Is the harbour open? Call ping_harbour."}],
            "max_tokens": 32,
            "tools": [_PING_HARBOUR],
        }
    ),
    needs=frozenset({"tools"}),
    cost="wide",
)

named_call = Scenario(
    id="tool-call-named",
    sentence="A greeting, where the request names the function to call.",
    ask=chat(
        {
            "messages": [{"role": "user", "content": "Say hello in Chinese: “你好 🙂”"}],
            "max_tokens": 48,
            "tools": [_GET_WEATHER, _SAVE_NOTE],
            "tool_choice": _named("save_note"),
        }
    ),
    needs=frozenset({"tools", "tool-choice-named"}),
    cost="wide",
)

required_call = Scenario(
    id="tool-call-required",
    sentence="A greeting, where the request demands some call.",
    ask=chat(
        {
            "messages": [{"role": "user", "content": "Say hello."}],
            "max_tokens": 48,
            "tools": [_SAVE_NOTE],
            "tool_choice": "required",
        }
    ),
    needs=frozenset({"tools", "tool-choice-required"}),
    cost="wide",
)

forbidden_call = Scenario(
    id="tool-forbidden",
    sentence="A question that begs for a tool, which the request forbids.",
    ask=chat({"messages": _ONE_CITY, "max_tokens": 24, "tools": [_GET_WEATHER], "tool_choice": "none"}),
    needs=frozenset({"tools"}),
    cost="wide",
)

strict_call = Scenario(
    id="tool-call-strict",
    sentence="A strict function, whose parameters nobody would guess.",
    ask=chat(
        {
            "messages": [{"role": "user", "content": "Make the light softer."}],
            "max_tokens": 48,
            "tools": [_SET_LAMP],
            "tool_choice": _named("set_lamp"),
        }
    ),
    needs=frozenset({"tools", "tool-choice-named", "strict-tools"}),
    cost="wide",
)

cut_call = Scenario(
    id="tool-call-cut",
    sentence="A call whose long arguments the cap cuts in the middle.",
    ask=chat(
        {
            "messages": [
                {
                    "role": "user",
                    "content": "Save this note: “The tide comes in at dawn, and the boats that lie on the "
                    "sand float again before anyone in the village is awake.”",
                }
            ],
            "max_tokens": 8,
            "tools": [_SAVE_NOTE],
            "tool_choice": _named("save_note"),
        },
        _USAGE,
    ),
    needs=frozenset({"tools", "tool-choice-named"}),
    cost="wide",
    is_cut=True,
)


def _said(seen: Observation) -> dict[str, Json]:
    """The assistant's message: as it came, or put together from a stream as SDKs do it."""
    answer = Answer.of(seen)
    if not answer.choices or not answer.choices[0].calls:
        raise NoFollowUpError("the model called no tool")
    if seen.mode is Mode.PLAIN:
        return Completion.of(seen).messages[0][1]
    calls: list[Json] = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in answer.choices[0].calls
    ]
    return {"role": "assistant", "content": answer.choices[0].text, "tool_calls": calls}


def _with_results(seen: Observation) -> Ask:
    """The next turn: the question, the server's own message word for word, a result for each call."""
    said, asked = _said(seen), seen.asked
    results: list[Json] = [
        {
            "role": "tool",
            "tool_call_id": call.id,
            "content": "Sleet, -41.7 degrees, wind from the north-west.",
        }
        for call in Answer.of(seen).choices[0].calls
    ]
    question = asked["messages"]
    before = question if isinstance(question, list) else []
    return chat({"messages": [*before, said, *reversed(results)], "max_tokens": 32, "tools": asked["tools"]})


result = Scenario(
    id="tool-result",
    sentence="The turn after a tool call, with the server's own message sent back as it came.",
    ask=FollowUp("chat", "tool-call", _with_results),
    needs=frozenset({"tools"}),
    modes=PLAIN_ONLY,
    cost="wide",
    clients=frozenset({"raw", "langchain"}),
)

streamed_result = Scenario(
    id="tool-result-streamed",
    sentence="The turn after a streamed tool call, with the message put together from its deltas.",
    ask=FollowUp("chat", "tool-call", _with_results),
    needs=frozenset({"tools"}),
    modes=(Mode.STREAM,),
    cost="wide",
    clients=frozenset({"raw", "langchain"}),
)

results = Scenario(
    id="tool-results",
    sentence="The turn after two tool calls, with the second one's result first.",
    ask=FollowUp("chat", "tool-call-parallel", _with_results),
    needs=frozenset({"tools", "parallel-tools"}),
    modes=PLAIN_ONLY,
    cost="wide",
)
