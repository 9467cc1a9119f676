"""What is asked of parameters with a visible effect, and of the forms that messages may have."""

from collections.abc import Mapping

from harness.scenario import PLAIN_ONLY, Mode, Scenario, chat
from harness.wire.exchange import Json

_USAGE: Mapping[str, Json] = {"stream_options": {"include_usage": True}}
_RED_SQUARE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAFklEQVR42mN4JiJCEmIY1TCqYfhqAABd"
    "Ug4QdbRbLQAAAABJRU5ErkJggg=="
)
_NULLABLE = (
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "n",
    "presence_penalty",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "temperature",
    "top_logprobs",
    "top_p",
)
"""Optional parameters that OpenAI's document lets be null."""
_CLOCK: Json = {
    "type": "function",
    "function": {
        "name": "get_clock",
        "description": "The clock time in a city right now.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
_CALL: Json = {
    "id": "call_Zq7kelp41moss17tern93aB",
    "type": "function",
    "function": {"name": "get_clock", "arguments": '{"city": "Nairobi"}'},
}
"""A call as another server may have made it, with an id in OpenAI's form."""


def _user(text: Json) -> Json:
    return {"role": "user", "content": text}


def _text(text: str) -> Json:
    return {"type": "text", "text": text}


_PONG = _user("Reply with only the word: pong")
_COUNT = _user("Count from 1 to 20, separated by spaces, in digits, nothing else.")
_ALPHABET = _user("Write the alphabet in lower case, with spaces between the letters, and nothing else.")
_LONG_COUNT = _user("Count from 1 to 100, separated by spaces, in digits, nothing else.")

logprobs_alone = Scenario(
    id="logprobs",
    sentence="The log probability of each token, without alternatives.",
    ask=chat({"messages": [_COUNT], "max_tokens": 6, "logprobs": True}),
    needs=frozenset({"logprobs"}),
    cost="wide",
)

top_logprobs = Scenario(
    id="top-logprobs",
    sentence="The log probability of each token of a text in many scripts, with two alternatives.",
    ask=chat(
        {
            "messages": [_user("Repeat exactly this line: 你好 🙂 tern")],
            "max_tokens": 10,
            "logprobs": True,
            "top_logprobs": 2,
        }
    ),
    needs=frozenset({"logprobs"}),
    cost="wide",
)

two_choices = Scenario(
    id="two-choices",
    sentence="Two answers to one question.",
    ask=chat({"messages": [_user("Name one bird.")], "max_tokens": 8, "n": 2, "temperature": 1}, _USAGE),
    needs=frozenset({"n"}),
    clients=frozenset({"raw", "openai"}),
)

stop_string = Scenario(
    id="stop",
    sentence="A count that a stop sequence of several tokens ends.",
    ask=chat({"messages": [_COUNT], "max_tokens": 24, "stop": "6 7"}, _USAGE),
    needs=frozenset({"stop"}),
)

stop_list = Scenario(
    id="stop-list",
    sentence="A count that the second of two stop sequences ends.",
    ask=chat({"messages": [_COUNT], "max_tokens": 24, "stop": ["zq-kelp", " 9"]}),
    needs=frozenset({"stop"}),
    cost="wide",
)

stop_letter = Scenario(
    id="stop-letter",
    sentence="The alphabet, ended by a letter that almost every other text has as well.",
    ask=chat({"messages": [_ALPHABET], "max_tokens": 24, "stop": ["e", "E"]}, _USAGE),
    needs=frozenset({"stop"}),
    cost="wide",
)

cap_one = Scenario(
    id="cap-one",
    sentence="A long answer, of which max_tokens allows one token.",
    ask=chat({"messages": [_LONG_COUNT], "max_tokens": 1}, _USAGE),
    needs=frozenset({"max-tokens"}),
    cost="wide",
    is_cut=True,
)

cap_one_completion = Scenario(
    id="cap-one-completion",
    sentence="A long answer, of which max_completion_tokens allows one token.",
    ask=chat({"messages": [_LONG_COUNT], "max_completion_tokens": 1}, _USAGE),
    needs=frozenset({"max-completion-tokens"}),
    cost="wide",
    is_cut=True,
)

capped_completion = Scenario(
    id="capped-completion",
    sentence="A long answer, cut short by max_completion_tokens.",
    ask=chat({"messages": [_LONG_COUNT], "max_completion_tokens": 12}, _USAGE),
    needs=frozenset({"max-completion-tokens"}),
    cost="wide",
    clients=frozenset({"raw", "langchain"}),
    is_cut=True,
)

seeded = Scenario(
    id="seeded",
    sentence="A question with many right answers, at temperature 0 and with a seed.",
    ask=chat({"messages": [_user("Name one bird.")], "max_tokens": 8, "seed": 4711, "temperature": 0}),
    needs=frozenset({"seed"}),
    cost="wide",
)

spelled_out = Scenario(
    id="defaults",
    sentence="The documented defaults of optional parameters, spelled out, among them stream false.",
    ask=chat(
        {
            "messages": [_PONG],
            "max_tokens": 8,
            "n": 1,
            "response_format": {"type": "text"},
            "stream": False,
            "temperature": 1,
            "top_p": 1,
        }
    ),
    modes=PLAIN_ONLY,
    cost="wide",
)

nulls = Scenario(
    id="nulls",
    sentence="Every optional parameter that may be null, as null, among them stream.",
    ask=chat({"messages": [_PONG], "max_tokens": 8, **dict.fromkeys(_NULLABLE)}),
    modes=PLAIN_ONLY,
    cost="wide",
)

no_obfuscation = Scenario(
    id="no-obfuscation",
    sentence="A stream with usage and without obfuscation.",
    ask=chat(
        {"messages": [_PONG], "max_tokens": 8},
        {"stream_options": {"include_usage": True, "include_obfuscation": False}},
    ),
    needs=frozenset({"stream-usage"}),
    modes=(Mode.STREAM,),
    cost="wide",
)

control_characters = Scenario(
    id="control-characters",
    sentence="A line with a tab and quotation marks to repeat, after characters that JSON must escape.",
    ask=chat(
        {
            "messages": [
                {"role": "system", "content": "Escape: \u0007 \u001b[0m ends here."},
                _user('Repeat exactly this line: zq\t"kelp" \\ 41'),
            ],
            "max_tokens": 16,
        }
    ),
    cost="wide",
)

reasoning = Scenario(
    id="reasoning",
    sentence="A riddle at low reasoning effort.",
    ask=chat(
        {
            "messages": [_user("Reply with only the number: what is 17 plus 24?")],
            "max_completion_tokens": 64,
            "reasoning_effort": "low",
        },
        _USAGE,
    ),
    needs=frozenset({"reasoning"}),
    cost="wide",
)


def _messages(scenario_id: str, sentence: str, messages: list[Json], *needs: str, **more: Json) -> Scenario:
    """A plain request whose messages have a form that not every endpoint takes."""
    return Scenario(
        id=scenario_id,
        sentence=sentence,
        ask=chat({"messages": messages, "max_tokens": 8, **more}),
        needs=frozenset(needs),
        modes=PLAIN_ONLY,
        cost="wide",
    )


_RULE = "Whatever you are asked, answer only with the word tern, and never with any other bird or beast."

developer = _messages(
    "developer-role",
    "A message of the role developer, which newer clients send in place of system.",
    [{"role": "developer", "content": _RULE}, _user("Name one bird.")],
    "developer-role",
)
second_system = _messages(
    "system-twice",
    "Two system messages, one after the other.",
    [
        {"role": "system", "content": "Be brief."},
        {"role": "system", "content": _RULE},
        _user("Name one bird."),
    ],
    "late-system",
)
late_system = _messages(
    "system-late",
    "A system message in the middle of the conversation, as agents put their notes.",
    [
        _user("Name one beast."),
        {"role": "assistant", "content": "Otter."},
        {"role": "system", "content": _RULE},
        _user("Name one bird."),
    ],
    "late-system",
)
user_parts = _messages(
    "parts-user",
    "A user message as an array of text parts.",
    [_user([_text("Here is a word, which is the only one that you need: pong. "), _text("Reply with it.")])],
    "content-parts",
)
system_parts = _messages(
    "parts-system",
    "A system message as an array of text parts.",
    [{"role": "system", "content": [_text("Be brief. "), _text(_RULE)]}, _user("Name one bird.")],
    "content-parts",
)
assistant_parts = _messages(
    "parts-assistant",
    "An assistant message as an array of text parts.",
    [
        _user("Name one beast."),
        {"role": "assistant", "content": [_text("The otter, "), _text("which lives by the river.")]},
        _user("Name one bird."),
    ],
    "content-parts",
)


def _after_call(content: Mapping[str, Json], result: Json) -> list[Json]:
    return [
        _user("What is the clock in Nairobi?"),
        {"role": "assistant", **content, "tool_calls": [_CALL]},
        {"role": "tool", "tool_call_id": "call_Zq7kelp41moss17tern93aB", "content": result},
    ]


tool_parts = _messages(
    "parts-tool",
    "A tool's result as an array of text parts.",
    _after_call({"content": None}, [_text("It is nineteen minutes "), _text("past four there.")]),
    "content-parts",
    "tools",
    tools=[_CLOCK],
)
null_content = _messages(
    "content-null",
    "A conversation from elsewhere: a tool call beside content null.",
    _after_call({"content": None}, "It is nineteen minutes past four there."),
    "tools",
    tools=[_CLOCK],
)
empty_content = _messages(
    "content-empty",
    "A conversation from elsewhere: a tool call beside an empty text.",
    _after_call({"content": ""}, "It is nineteen minutes past four there."),
    "tools",
    tools=[_CLOCK],
)
absent_content = _messages(
    "content-absent",
    "A conversation from elsewhere: a tool call without content.",
    _after_call({}, "It is nineteen minutes past four there."),
    "tools",
    tools=[_CLOCK],
)
empty_answer = _messages(
    "assistant-empty",
    "A conversation in which the assistant once said nothing.",
    [_user("Name one beast."), {"role": "assistant", "content": ""}, _user("Name one bird.")],
)
empty_tail = _messages(
    "assistant-tail",
    "A conversation that ends with an empty message of the assistant, as interfaces keep it for the answer.",
    [_user("Name one beast."), {"role": "assistant", "content": ""}],
)
system_alone = _messages(
    "system-alone",
    "A system message and nothing else.",
    [{"role": "system", "content": "Reply with only the word: pong"}],
)
names = _messages(
    "names",
    "Messages that name who speaks.",
    [
        {"role": "system", "name": "harbour_master", "content": "Be brief."},
        {"role": "user", "name": "ada", "content": "Name one beast."},
        {"role": "assistant", "name": "tern", "content": "Otter."},
        {"role": "user", "name": "grace", "content": "Name one bird."},
    ],
)
image = _messages(
    "image",
    "A small red picture as a data URL.",
    [
        _user(
            [
                _text("Which colour has this picture? Reply with one word."),
                {"type": "image_url", "image_url": {"url": _RED_SQUARE}},
            ]
        )
    ],
    "images",
)
