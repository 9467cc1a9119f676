"""What is asked of the Responses API."""

from harness.evidence import Observation
from harness.evidence.responses import ResponseAnswer, ResponseObject
from harness.scenario import PLAIN_ONLY, Ask, FollowUp, Http, Mode, NoFollowUpError, Scenario
from harness.wire.exchange import Json

_NEEDS = frozenset({"responses"})

_MANY_SCRIPTS = "你好入 🙂👩‍👩‍👧 e\u0301 ñ \u2028 \u0085 “quoted” end"
_FERRY: Json = {
    "type": "function",
    "name": "next_ferry",
    "description": "The time of the next ferry to an island.",
    "parameters": {
        "type": "object",
        "properties": {"island": {"type": "string", "description": "The island's name"}},
        "required": ["island"],
        "additionalProperties": False,
    },
    "strict": True,
}
_HARBOUR: Json = {
    "type": "function",
    "name": "find_harbour",
    "description": "The harbour of an island.",
    "parameters": {
        "type": "object",
        "properties": {"island": {"type": "string", "description": "The island's name"}},
        "required": ["island"],
        "additionalProperties": False,
    },
    "strict": True,
}
_FERRY_QUESTION = "When does the next ferry to the island Hiddensee leave? Call next_ferry to find out."
_LEDGER: Json = {
    "type": "object",
    "properties": {"quoll_count": {"type": "integer"}, "habitat_kx": {"type": "string"}},
    "required": ["quoll_count", "habitat_kx"],
    "additionalProperties": False,
}
_LONG_STORY = (
    "This is a list of what was found on the beach. There were forty mussels, two crabs, a green bottle, "
    "a piece of blue rope, three feathers of a gull, an old boot, some amber, and a letter that nobody could "
    "read. On the way back there were footprints of a fox, and two children who were looking for their kite."
)

response = Scenario(
    id="response",
    sentence="A short question as a text.",
    ask=Ask("responses", {"input": "Reply with only the word: pong", "max_output_tokens": 32}),
    needs=_NEEDS,
)

response_helper = Scenario(
    id="response-helper",
    sentence="A short question through the SDK's helper that puts a stream together.",
    ask=Ask(
        "responses", {"input": "Reply with only the word: pong", "max_output_tokens": 32}, helper="stream"
    ),
    needs=_NEEDS,
    modes=(Mode.STREAM,),
    clients=frozenset({"openai"}),
)

response_unicode = Scenario(
    id="response-unicode",
    sentence="Text of many scripts, with characters at which careless readers cut lines.",
    ask=Ask("responses", {"input": f"Repeat exactly this line: {_MANY_SCRIPTS}", "max_output_tokens": 64}),
    needs=_NEEDS,
    modes=(Mode.STREAM,),
)

response_items = Scenario(
    id="response-items",
    sentence="A conversation as a list of items, with typed parts and instructions.",
    ask=Ask(
        "responses",
        {
            "instructions": "You answer in one word.",
            "input": [
                {"role": "user", "content": "My favourite tree is the hornbeam."},
                {"role": "assistant", "content": "Good."},
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "Reply with only the word: hornbeam"}],
                },
            ],
            "max_output_tokens": 32,
        },
    ),
    needs=_NEEDS,
    modes=PLAIN_ONLY,
    cost="wide",
)

response_assistant_parts = Scenario(
    id="response-assistant-parts",
    sentence="A conversation whose assistant's turn has typed parts and no id, as frameworks write it.",
    ask=Ask(
        "responses",
        {
            "input": [
                {"type": "message", "role": "user", "content": "My favourite tree is the hornbeam."},
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": "Good."}],
                },
                {"type": "message", "role": "user", "content": "Reply with only the word: hornbeam"},
            ],
            "max_output_tokens": 32,
        },
    ),
    needs=_NEEDS,
    modes=PLAIN_ONLY,
    cost="wide",
)

response_capped = Scenario(
    id="response-capped",
    sentence="A long answer, cut short by max_output_tokens.",
    ask=Ask(
        "responses",
        {
            "input": "Count from 1 to 100, separated by spaces, in digits, nothing else.",
            "max_output_tokens": 16,
        },
    ),
    needs=_NEEDS,
    cost="wide",
    is_cut=True,
)

response_tool = Scenario(
    id="response-tool",
    sentence="A question that a function, described in the flat form, can answer.",
    ask=Ask("responses", {"input": _FERRY_QUESTION, "tools": [_FERRY], "max_output_tokens": 48}),
    needs=_NEEDS | {"tools"},
)

response_tools = Scenario(
    id="response-tool-parallel",
    sentence="A question for two functions at once, with accents and quotes in what they are asked.",
    ask=Ask(
        "responses",
        {
            "input": 'Call next_ferry for "Île d\'Yeu" & find_harbour for <Ærø>, both at once.',
            "tools": [_FERRY, _HARBOUR],
            "parallel_tool_calls": True,
            "max_output_tokens": 96,
        },
    ),
    needs=_NEEDS | {"tools", "parallel-tools"},
    cost="wide",
)

response_tool_named = Scenario(
    id="response-tool-named",
    sentence="A question that needs no function, with tool_choice naming one.",
    ask=Ask(
        "responses",
        {
            "input": "Reply with only the word: pong",
            "tools": [_FERRY],
            "tool_choice": {"type": "function", "name": "next_ferry"},
            "max_output_tokens": 64,
        },
    ),
    needs=_NEEDS | {"tools", "tool-choice-named"},
    modes=PLAIN_ONLY,
    cost="wide",
)

response_tool_none = Scenario(
    id="response-tool-none",
    sentence="A question that a function can answer, with tool_choice none.",
    ask=Ask(
        "responses",
        {
            "input": _FERRY_QUESTION,
            "tools": [_FERRY],
            "tool_choice": "none",
            "max_output_tokens": 32,
        },
    ),
    needs=_NEEDS | {"tools"},
    modes=PLAIN_ONLY,
    cost="wide",
)

response_format = Scenario(
    id="response-format",
    sentence="An answer by a strict schema whose keys nobody would guess.",
    ask=Ask(
        "responses",
        {
            "input": "How many quolls live where? Invent an answer.",
            "text": {"format": {"type": "json_schema", "name": "ledger", "schema": _LEDGER, "strict": True}},
            "max_output_tokens": 64,
        },
    ),
    needs=_NEEDS | {"json-schema"},
    modes=PLAIN_ONLY,
    cost="wide",
)


def _with_output(seen: Observation, *new: Json) -> list[Json]:
    """The input of an observation as items, its output as it came, and new items."""
    asked = seen.asked.get("input")
    said: list[Json] = asked if isinstance(asked, list) else [{"role": "user", "content": asked}]
    output = ResponseAnswer.of(seen).response.get("output")
    if not isinstance(output, list) or not output:
        raise NoFollowUpError("no output to replay")
    return [*said, *output, *new]


def _replay(seen: Observation) -> Ask:
    items = _with_output(seen, {"role": "user", "content": "Reply with only the word: ping"})
    return Ask("responses", {"input": items, "max_output_tokens": 32})


def _tool_result(seen: Observation) -> Ask:
    results: list[Json] = [
        {"type": "function_call_output", "call_id": call.get("call_id"), "output": "at 17:43 from pier 6"}
        for _, call in ResponseAnswer.of(seen).calls
    ]
    if not results:
        raise NoFollowUpError("the model called no tool")
    items = _with_output(seen, *results)
    return Ask("responses", {"input": items, "tools": [_FERRY], "max_output_tokens": 48})


def _next_turn(seen: Observation) -> Ask:
    body = ResponseObject.of(seen).body
    params: dict[str, Json] = {
        "previous_response_id": body.get("id"),
        "input": "Reply with only the word: ping",
        "max_output_tokens": 32,
    }
    return Ask("responses", params)


def _kept(seen: Observation) -> Http:
    return Http("GET", f"/responses/{ResponseObject.of(seen).body.get('id')}")


response_replay = Scenario(
    id="response-replay",
    sentence="The answer's own output items as the next turn's input.",
    ask=FollowUp("responses", "response", _replay),
    needs=_NEEDS,
    cost="wide",
)

response_tool_result = Scenario(
    id="response-tool-result",
    sentence="The answer's own function call with its output as the next turn's input.",
    ask=FollowUp("responses", "response-tool", _tool_result, tokens=48),
    needs=_NEEDS | {"tools"},
    cost="wide",
)

response_story = Scenario(
    id="response-story",
    sentence="A long text to be kept for the next turn.",
    ask=Ask(
        "responses",
        {"input": f"{_LONG_STORY}\nReply with only the word: pong", "max_output_tokens": 32, "store": True},
    ),
    needs=_NEEDS,
    modes=PLAIN_ONLY,
    cost="wide",
)

response_next_turn = Scenario(
    id="response-next-turn",
    sentence="A short question that goes on from the kept text by previous_response_id.",
    ask=FollowUp("responses", "response-story", _next_turn),
    needs=_NEEDS | {"stored-responses"},
    modes=PLAIN_ONLY,
    cost="wide",
)

response_kept = Scenario(
    id="response-kept",
    sentence="A kept response, asked for by its id.",
    ask=FollowUp("responses", "response-story", _kept, tokens=0),
    needs=_NEEDS | {"stored-responses"},
    modes=PLAIN_ONLY,
    cost="wire",
)

response_no_input = Scenario(
    id="response-no-input",
    sentence="An input of the wrong type.",
    ask=Ask("responses", {"input": 42, "max_output_tokens": 32}),
    refused_with=(400, 422),
    needs=_NEEDS,
    cost="wide",
)
