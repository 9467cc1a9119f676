"""Tool calls as they are in hand after an answer, plain or streamed: named, with an id, with arguments."""

import re
from collections import defaultdict
from collections.abc import Iterator

from harness.clients.reply import ToolCall
from harness.evidence import NO_JSON, NotJudgedError, Object, Observation, joined, objects, parsed, shown
from harness.evidence.chat import Answer, AnswerChoice, Completion, Parts, misfits
from harness.evidence.grounds import OF_A_USER, OF_AN_ANSWER
from harness.evidence.runs import WholeRun
from harness.rule import Ground, Violation, Violations, rule
from harness.scenario import Mode, Scenario

_SOURCE = "OpenAI API reference, the chat completion object: message.tool_calls"
_LONGEST_ID = 40
_CUT = "tool-call-cut"


def _asks_for_calls(scenario: Scenario) -> bool:
    return scenario.id.startswith("tool-call")


def _asks_for_whole_calls(scenario: Scenario) -> bool:
    return _asks_for_calls(scenario) and scenario.id != _CUT


def _offers_tools(scenario: Scenario) -> bool:
    return "tools" in scenario.params_for(Mode.PLAIN)


def _calls(answer: Answer) -> Iterator[tuple[str | None, AnswerChoice, ToolCall]]:
    """Pointer (in a plain answer), choice and call of each tool call; NotJudgedError when there is none."""
    is_plain = answer.observation.mode is Mode.PLAIN
    if not any(choice.calls for choice in answer.choices):
        raise NotJudgedError("the model called no tool")
    for place, choice in enumerate(answer.choices):
        for number, call in enumerate(choice.calls):
            yield f"/choices/{place}/message/tool_calls/{number}" if is_plain else None, choice, call


def _below(pointer: str | None, step: str) -> str | None:
    return None if pointer is None else f"{pointer}{step}"


def _functions(seen: Observation) -> Iterator[Object]:
    """The functions that the request offers."""
    for _, tool in objects(seen.asked.get("tools"), "/tools"):
        if isinstance(tool.get("function"), dict):
            yield tool["function"]


def _arguments(call: ToolCall) -> object:
    """The arguments as JSON, or NO_JSON."""
    # A client hands on what came, and a wrong endpoint sends an object.
    return parsed(call.arguments.encode()) if isinstance(call.arguments, str) else call.arguments or NO_JSON


@rule(
    "tools.id-given",
    level="must",
    source=f"{_SOURCE}: id; vercel/ai#6663",
    breaks="The tool's result has nothing to refer to; the next turn is refused.",
    answers=("st-id-empty", "st-id-null-first"),
    when=_asks_for_calls,
    upholds=Ground.CALL,
    rests_on=OF_AN_ANSWER | {Ground.CALLS},
)
def every_call_has_an_id(answer: Answer) -> Violations:
    """Every tool call has an id that is not empty."""
    for pointer, _, call in _calls(answer):
        if not call.id:
            yield Violation(received=shown(call.id), expected="an id", pointer=_below(pointer, "/id"))


@rule(
    "tools.id-unique",
    level="must",
    source=f"{_SOURCE}: id; can1357/oh-my-pi#2055",
    breaks="Programs that keep calls by id lose one; a replay with two results for one id is refused.",
    answers=("st-id-duplicate-in-response",),
    when=_asks_for_calls,
    upholds=Ground.CHOICES,
    rests_on=OF_AN_ANSWER,
)
def no_two_calls_share_an_id(answer: Answer) -> Violations:
    """No two tool calls of an answer have the same id."""
    seen: set[str] = set()
    for pointer, _, call in _calls(answer):
        if call.id and call.id in seen:
            yield Violation(
                received=f"{shown(call.id)} again", expected="an id each", pointer=_below(pointer, "/id")
            )
        seen.add(call.id or "")


@rule(
    "tools.id-short",
    level="recommended",
    source="OpenAI API reference, chat/create: OpenAI refuses tool call ids of more than 40 characters",
    breaks="A conversation that began here can't be continued at OpenAI.",
    when=_asks_for_calls,
    rests_on=OF_AN_ANSWER,
)
def an_id_has_at_most_forty_characters(answer: Answer) -> Violations:
    """A tool call's id has at most 40 characters."""
    for pointer, _, call in _calls(answer):
        if call.id and len(call.id) > _LONGEST_ID:
            yield Violation(
                received=f"{len(call.id)} characters: {shown(call.id)}",
                expected=f"at most {_LONGEST_ID}",
                pointer=_below(pointer, "/id"),
            )


@rule(
    "tools.type-function",
    level="spec",
    source=f"{_SOURCE}: type; openai/openai-openapi ChatCompletionMessageToolCall",
    breaks="Clients that tell kinds of tool calls apart by their type find none.",
    answers=("st-named-no-id-name-repeat",),
    when=_asks_for_calls,
    upholds=Ground.CALL,
    rests_on=OF_AN_ANSWER | {Ground.CALLS},
)
def every_call_says_that_it_is_a_functions(parts: Parts) -> Violations:
    """Every tool call, or the first fragment of one, has the type `function`."""
    for part, step, call in _beginnings(parts):
        if call.get("type") != "function":
            yield Violation(shown(call.get("type")), '"function"', *part.place(f"{step}/type"))


def _beginnings(parts: Parts) -> Iterator[tuple[object, str, Object]]:
    """Part, step and object of each plain call, and of each streamed call's first fragment."""
    for choice in parts.by_choice:
        begun: set[str] = set()
        for part in choice:
            for step, call in part.calls:
                index = step if part.chunk is None else repr(call.get("index"))
                if index not in begun:
                    begun.add(index)
                    yield part, step, call


@rule(
    "tools.name-offered",
    level="must",
    source=f"{_SOURCE}: function.name; bytedance/deer-flow#654",
    breaks="The program has no such function: a KeyError, or a call that is never made.",
    answers=("st-all-index-0",),
    when=_asks_for_calls,
    shows=("tools", "tool-choice-named", "tool-choice-required", "parallel-tools"),
    upholds=Ground.CALL,
    rests_on=OF_AN_ANSWER | {Ground.CALLS},
)
def only_functions_that_are_offered_are_called(answer: Answer) -> Violations:
    """Every tool call names a function that the request offers."""
    offered = [function.get("name") for function in _functions(answer.observation)]
    for pointer, _, call in _calls(answer):
        if call.name not in offered:
            yield Violation(
                received=shown(call.name),
                expected=" or ".join(map(shown, offered)),
                pointer=_below(pointer, "/function/name"),
            )


@rule(
    "tools.arguments-are-text",
    level="must",
    source=f"{_SOURCE}: function.arguments is a string; ggml-org/llama.cpp#20198, voocel/ainovel-cli#52",
    breaks="LangChain raises TypeError; loops that add up fragments raise; typed clients call with nothing.",
    answers=("st-args-object", "st-args-null", "ds-tool-id-empty"),
    when=_asks_for_calls,
    upholds=Ground.CALLS,
    rests_on=OF_AN_ANSWER,
)
def arguments_are_a_string(parts: Parts) -> Violations:
    """The arguments of a tool call are a string, in every fragment that has the key."""
    for part in parts:
        for step, call in part.calls:
            function = call.get("function")
            if isinstance(function, dict):
                arguments = function.get("arguments", "" if part.chunk else None)
                if not isinstance(arguments, str):
                    yield Violation(shown(arguments), "a string", *part.place(f"{step}/function/arguments"))


@rule(
    "tools.arguments-given",
    level="must",
    source="recorded answers of OpenAI: {} for no arguments; langchain-ai/langchainjs#8581",
    breaks="`json.loads` of an empty string raises; LangChain calls the tool call invalid.",
    answers=("st-args-empty-noargs",),
    when=_asks_for_whole_calls,
    upholds=Ground.CALL,
    rests_on=OF_AN_ANSWER | {Ground.CALLS},
)
def no_arguments_are_an_empty_object(answer: Answer) -> Violations:
    """A tool call without arguments has `{}`, and not an empty string."""
    for pointer, choice, call in _calls(answer):
        if not (call.arguments or "").strip() and choice.finish_reason != "length":
            yield Violation(
                received=shown(call.arguments), expected="{}", pointer=_below(pointer, "/function/arguments")
            )


@rule(
    "tools.arguments-parse",
    level="must",
    source=f"{_SOURCE}: function.arguments; QuantumNous/new-api#2701, vllm-project/vllm#13078",
    breaks="`json.loads` raises; LangChain calls the tool call invalid; the tool never runs.",
    answers=("st-all-index-0", "st-named-no-id-name-repeat", "lc-index-none-merge"),
    when=_asks_for_whole_calls,
    upholds=Ground.CALL,
    rests_on=OF_AN_ANSWER | {Ground.CALLS},
)
def arguments_are_a_json_object(answer: Answer) -> Violations:
    """The arguments of a whole tool call are one JSON object."""
    for pointer, choice, call in _calls(answer):
        is_judged = (call.arguments or "").strip() and choice.finish_reason != "length"
        if is_judged and not isinstance(_arguments(call), dict):
            yield Violation(
                received=shown(call.arguments),
                expected="a JSON object",
                pointer=_below(pointer, "/function/arguments"),
            )


@rule(
    "tools.arguments-readable",
    level="must",
    source="RFC 8259, 8.1; anomalyco/opencode#39694",
    breaks="The tool is called with broken characters.",
    answers=("sf-utf8-split",),
    when=_asks_for_calls,
    rests_on=OF_AN_ANSWER | {Ground.CALLS},
)
def arguments_have_no_broken_characters(answer: Answer) -> Violations:
    """The arguments of a tool call have no replacement characters and no UTF-8 read as Latin-1."""
    for pointer, _, call in _calls(answer):
        value = _arguments(call)
        text = call.arguments or "" if value is NO_JSON else repr(value)
        if found := _BROKEN.search(text):
            yield Violation(
                received=f"{shown(found[0])} in {shown(call.arguments)}",
                expected="the characters themselves",
                pointer=_below(pointer, "/function/arguments"),
            )


_BROKEN = re.compile("\ufffd|[\u00c2-\u00f4][\u0080-\u009f]|\u00f0\u0178|\u00e4\u00bd")
"""U+FFFD, and the UTF-8 of the Chinese greeting and its emoji as Latin-1 or Windows-1252 show it."""


@rule(
    "tools.strict-arguments",
    level="must",
    source="OpenAI API guide, function calling: strict mode",
    breaks="Typed programs raise a validation error for arguments that can't be wrong.",
    when=lambda scenario: scenario.id == "tool-call-strict",
    rests_on=OF_AN_ANSWER | {Ground.CALL, Ground.CALLS},
)
def strict_arguments_match_their_schema(answer: Answer) -> Violations:
    """The arguments of a strict function match its parameters."""
    schemas = {
        function.get("name"): function.get("parameters") for function in _functions(answer.observation)
    }
    for pointer, choice, call in _calls(answer):
        schema, arguments = schemas.get(call.name), _arguments(call)
        if choice.finish_reason == "length":
            raise NotJudgedError("the cap cut the arguments")
        if isinstance(schema, dict) and arguments is not NO_JSON:
            for step, reason in misfits(arguments, schema):
                yield Violation(
                    received=f"{reason} at {step or 'the arguments'} of {shown(call.arguments)}",
                    expected="arguments that match the parameters",
                    pointer=_below(pointer, "/function/arguments"),
                )


@rule(
    "tools.finish-reason",
    level="must",
    source=f"{_SOURCE}; OpenAI API reference: finish_reason, stop or tool_calls for a named tool_choice",
    breaks="Agents that loop while the finish reason is tool_calls end their turn and drop the call.",
    when=_asks_for_whole_calls,
    upholds=Ground.ENDED,
    rests_on=OF_AN_ANSWER | {Ground.CALL, Ground.CALLS, Ground.ENDING},
)
def an_answer_with_calls_finishes_for_them(answer: Answer) -> Violations:
    """A choice with tool calls ends with `tool_calls`; `stop` too where the request names the function."""
    is_named = isinstance(answer.observation.asked.get("tool_choice"), dict)
    allowed = ["tool_calls", "stop"] if is_named else ["tool_calls"]
    for _, choice, _ in _calls(answer):
        if choice.finish_reason not in [*allowed, "length"]:
            yield Violation(received=shown(choice.finish_reason), expected=" or ".join(map(shown, allowed)))


@rule(
    "tools.finish-needs-calls",
    level="must",
    source=f"{_SOURCE}; OpenAI API reference: finish_reason",
    breaks="`message.tool_calls[0]` raises; the agent waits for a call that does not come.",
    upholds=Ground.ENDED,
    rests_on=(Ground.ENDING,),
)
def who_ends_for_tool_calls_has_called(completion: Completion) -> Violations:
    """A choice that ends with `tool_calls` has tool calls."""
    for pointer, choice in completion.choices:
        message = choice.get("message")
        calls = message.get("tool_calls") if isinstance(message, dict) else None
        if choice.get("finish_reason") == "tool_calls" and not calls:
            yield Violation(
                received=shown(message), expected="tool calls", pointer=f"{pointer}/message/tool_calls"
            )


@rule(
    "tools.cut-is-length",
    level="must",
    source="OpenAI API reference: finish_reason length; vllm-project/vllm#58228",
    breaks="The agent runs a call with half of its arguments.",
    answers=("cn-finish-toolcalls-on-truncation",),
    when=lambda scenario: scenario.id == _CUT,
    upholds=Ground.ENDED,
    rests_on=OF_AN_ANSWER | {Ground.ENDING},
)
def a_call_that_is_cut_ends_with_length(answer: Answer) -> Violations:
    """A choice whose tool call the cap cut ends with `length`."""
    calls = list(_calls(answer))
    if all(isinstance(_arguments(call), dict) for _, _, call in calls):
        raise NotJudgedError("the cap did not cut the call")
    for _, choice, call in calls:
        if not isinstance(_arguments(call), dict) and choice.finish_reason != "length":
            yield Violation(
                received=f"{shown(choice.finish_reason)} after {shown(call.arguments)}", expected='"length"'
            )


@rule(
    "tools.no-function-call",
    level="must",
    source="OpenAI API reference, chat/create: function_call is the answer to functions, not to tools",
    breaks="Programs that read tool_calls find none.",
    when=_offers_tools,
    upholds=Ground.CALL,
    rests_on=OF_AN_ANSWER,
)
def tools_are_not_called_the_old_way(parts: Parts) -> Violations:
    """A request with `tools` is not answered with the deprecated `function_call`."""
    for part in parts:
        if part.said.get("function_call"):
            yield Violation(
                shown(part.said["function_call"]), "tool_calls", *part.place(f"/{part.key}/function_call")
            )


@rule(
    "tools.no-index-in-message",
    level="recommended",
    source=f"{_SOURCE}: index belongs to the fragments of a stream; epam/ai-dial-sdk#110",
    breaks="A strict server refuses the message when it is sent back.",
    answers=("st-index-in-nonstream",),
    when=_asks_for_calls,
)
def a_plain_call_has_no_index(completion: Completion) -> Violations:
    """The tool calls of a plain message have no `index`."""
    for pointer, message in completion.messages:
        for place, call in objects(message.get("tool_calls"), f"{pointer}/tool_calls"):
            if "index" in call:
                yield Violation(shown(call["index"]), "no key", f"{place}/index")


@rule(
    "tools.usage-counts-calls",
    level="spec",
    source="OpenAI API reference, completion usage: tool calls are completion tokens",
    breaks="Costs and tokens per second come out too low.",
    when=_asks_for_calls,
    rests_on=OF_AN_ANSWER | {Ground.CALL, Ground.CALLS},
)
def tool_calls_cost_tokens(answer: Answer) -> Violations:
    """A tool call costs at least a token for its name, and one for its arguments."""
    least = 2 * sum(1 for _ in _calls(answer))
    done = (answer.usage or {}).get("completion_tokens")
    if isinstance(done, int) and done < least:
        yield Violation(
            received=f"{done} completion tokens",
            expected=f"at least {least}",
            pointer="/usage/completion_tokens",
        )


@rule(
    "tools.same-at-the-user",
    level="must",
    source="bytedance/deer-flow#654, langchain-ai/langchain#32307, openai/openai-python#2806",
    breaks="The user's program calls another function, or with other arguments, than the model did.",
    answers=("lc-tool-name-concat", "lc-index-none-merge", "st-inconsistent-index-qwen", "ds-qwen3-index"),
    when=_asks_for_whole_calls,
    rests_on=OF_A_USER,
)
def the_user_gets_the_calls_of_the_wire(answer: Answer) -> Violations:
    """The tool calls that the client's user gets are those on the wire, by id, name and arguments."""
    reply = answer.observation.reply
    if reply.raised:
        raise NotJudgedError(f"the client raised {reply.raised.type}")
    if any(choice.is_cut and _arguments(call) is NO_JSON for _, choice, call in _calls(answer)):
        raise NotJudgedError("the cap cut the call, which clients may close or drop")
    wire, told = map(_comparable, (answer.choices[0].calls, reply.tool_calls))
    if wire != told:
        yield Violation(received=f"{shown(told)} at the user", expected=f"{shown(wire)}, as on the wire")


def _comparable(calls: tuple[ToolCall, ...]) -> list[list[object]]:
    """Calls as values: clients may parse arguments, and write them anew in another spelling."""
    return [
        [call.id, call.name, call.arguments if (value := _arguments(call)) is NO_JSON else value]
        for call in calls
    ]


@rule(
    "tools.ids-of-one-answer",
    level="spec",
    source=f"{_SOURCE}: tool_calls[].id; recorded answers of OpenAI",
    breaks="Agents that keep results by the id of their call give a call the result of an earlier one.",
)
def no_two_answers_share_a_call_id(run: WholeRun) -> Violations:
    """No two answers of a run have a call of the same id.

    One answer may come again, as from a cache. Recorded traffic may have its ids blanked, and may hold a
    conversation that is told again: there an id that comes again proves nothing.
    """
    by_id: dict[str, set[str]] = defaultdict(set)
    for number, (answer_id, calls) in enumerate(_calls_of(run)):
        for call in calls:
            if isinstance(call.id, str) and call.id:
                by_id[call.id].add(answer_id if isinstance(answer_id, str) else f"answer {number}")
    repeated = [call_id for call_id, answers in by_id.items() if len(answers) > 1]
    said = f"{len(repeated)} ids in several answers: {joined(repeated[:3])}"
    if repeated and any(seen.scenario.is_recorded for seen in run.observations):
        raise NotJudgedError(f"{said}; recorded traffic does not show that one endpoint gave them")
    if repeated:
        yield Violation(received=said, expected="each id in one answer")


def _calls_of(run: WholeRun) -> Iterator[tuple[object, tuple[ToolCall, ...]]]:
    """The id and the calls of each answer, of chat and of the Responses API."""
    for answer in run.answers:
        yield answer.id, tuple(call for choice in answer.choices for call in choice.calls)
    for response in run.responses:
        yield response.response.get("id"), response.tool_calls
