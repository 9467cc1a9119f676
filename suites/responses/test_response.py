"""The response object, whichever way it came: its shape, its status, its counts, what its user gets."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from harness.evidence import NotJudgedError, Observation, joined, parsed, shown
from harness.evidence.grounds import OF_A_USER, OF_AN_ANSWER
from harness.evidence.responses import (
    CALLS,
    ResponseAnswer,
    ResponseObject,
    ResponsePair,
    is_ended_out_of_sight,
    told_text,
)
from harness.rule import Ground, Level, Violation, Violations, rule, shape
from harness.scenario import Scenario
from harness.schemas import violations

_OBJECT = "OpenAI API reference, the response object"
_CREATE = "OpenAI API reference, responses/create"
_CHARACTERS_OF_A_TOKEN = 16
"""More than tokens have on average in any language: what is longer was not capped."""
_KEPT_TOKENS = 50
"""Fewer than any tokenizer makes of the kept text, more than the short question costs."""


def _at(answer: ResponseAnswer, pointer: str, *, received: str, expected: str) -> Violation:
    return Violation(received, expected, f"{answer.pointer}{pointer}", answer.event)


def _schema(response: ResponseObject, level: Level) -> Violations:
    for found in violations("response", response.body, level):
        if found.level == level:
            yield Violation(found.received, found.expected, found.pointer)


@rule(
    "responses.schema-must",
    level="must",
    source=f"{_OBJECT}; the required fields of the openai SDK's types",
    breaks="A client raises, loses data without a word, or hands on a wrong value.",
    answers=("re-missing-response-fields", "re-part-without-text"),
    upholds=shape,
)
def a_response_has_what_clients_need(response: ResponseObject) -> Violations:
    """A response has every field that clients need, in the right type."""
    yield from _schema(response, "must")


@rule(
    "responses.schema-spec",
    level="spec",
    source=f"{_OBJECT}; openai/openai-openapi Response, corrected by its own examples",
    breaks="Clients with strict types refuse the answer.",
    answers=("re-missing-response-fields", "re-incomplete-reason"),
    upholds=shape,
)
def a_response_is_as_openai_documents_it(response: ResponseObject) -> Violations:
    """A response has the fields and types that OpenAI documents."""
    yield from _schema(response, "spec")


@rule(
    "responses.schema-recommended",
    level="recommended",
    source="examples of the OpenAI API reference",
    breaks="Nobody that is known: OpenAI always sends it.",
    upholds=shape,
)
def a_response_has_what_openai_always_sends(response: ResponseObject) -> Violations:
    """A response has the optional fields that OpenAI always sends."""
    yield from _schema(response, "recommended")


@rule(
    "responses.not-failed",
    level="must",
    source=f"{_OBJECT}: status; OpenAI API guide, background mode; BerriAI/litellm#29223",
    breaks="The SDK and LangChain hand the failed response on and raise nothing.",
    answers=("re-error-event-shape", "os-responses-error-flat"),
    upholds=Ground.ENDED,
)
def a_good_request_does_not_fail(answer: ResponseAnswer) -> Violations:
    """A response to a good request is completed or incomplete, and carries no error.

    One that was asked for in the background may be still to come.
    """
    status, error = answer.response.get("status"), answer.response.get("error")
    is_background = answer.observation.asked.get("background") is True
    right = (*_ENDED, *(_TO_COME if is_background else ()))
    if is_ended_out_of_sight(answer.observation):
        raise NotJudgedError("recorded traffic does not show what was done to a response in the background")
    if status not in right or error is not None:
        yield _at(
            answer, "/status", received=f"{shown(status)} with error {shown(error)}", expected='"completed"'
        )


_ENDED = ("completed", "incomplete", None)
"""What a response has come to, whole or cut; some servers do not say."""
_TO_COME = ("queued", "in_progress")


@rule(
    "responses.status-details",
    level="spec",
    source=f"{_OBJECT}: status, incomplete_details",
    breaks="Clients that go by the other one take a cut response for a whole one.",
    upholds=Ground.ENDED,
)
def only_an_incomplete_response_says_why(answer: ResponseAnswer) -> Violations:
    """`incomplete_details` is given if and only if the status is `incomplete`."""
    status, details = answer.response.get("status"), answer.response.get("incomplete_details")
    if status is not None and (status == "incomplete") != bool(details):
        yield _at(
            answer,
            "/incomplete_details",
            received=f"{shown(details)} with status {shown(status)}",
            expected="a reason with incomplete, null with completed",
        )


@rule(
    "responses.says-something",
    level="must",
    source=f"{_OBJECT}: output",
    breaks="The user has an empty answer and no error.",
    answers=("re-completed-output-empty",),
    upholds=Ground.SAID,
    rests_on=OF_AN_ANSWER,
)
def a_completed_response_says_something(answer: ResponseAnswer) -> Violations:
    """A completed response has text, a refusal or a call."""
    if answer.response.get("status") == "completed" and not any(map(_says, answer.items)):
        yield _at(
            answer,
            "/output",
            received=shown(answer.response.get("output")),
            expected="text, a refusal or a call",
        )


def _says(place: tuple[str, Mapping[str, object]]) -> bool:
    _, item = place
    if item.get("type") != "message":
        return item.get("type") != "reasoning"
    content = item.get("content")
    parts = content if isinstance(content, list) else []
    return any(isinstance(part, dict) and (part.get("text") or part.get("refusal")) for part in parts)


@rule(
    "responses.item-ids-unique",
    level="spec",
    source=f"{_OBJECT}: output[].id",
    breaks="Clients that key items by their id lose one.",
    rests_on=OF_AN_ANSWER,
)
def no_two_items_have_one_id(answer: ResponseAnswer) -> Violations:
    """No two output items have the same id, and no two calls the same call_id."""
    for key in ("id", "call_id"):
        values = Counter(item[key] for _, item in answer.items if isinstance(item.get(key), str))
        again = [value for value, times in values.items() if times > 1]
        if again:
            yield _at(answer, "/output", received=f"{key} {joined(again)} twice", expected="each once")


_RUN_BY_THE_ENDPOINT = frozenset(
    {"code_interpreter_call", "file_search_call", "image_generation_call", "mcp_call", "web_search_call"}
)
"""Items whose documented status may be `failed`: the model goes on without the tool."""


@rule(
    "responses.items-finished",
    level="spec",
    source=f"{_OBJECT}: output[].status",
    breaks="Clients wait for the rest of an item that is whole.",
    rests_on=OF_AN_ANSWER,
)
def the_items_of_a_completed_response_are_completed(answer: ResponseAnswer) -> Violations:
    """The items of a completed response are completed; a tool that the endpoint runs may have failed."""
    if answer.response.get("status") == "completed":
        for pointer, item in answer.items:
            has_failed = item.get("status") == "failed" and item.get("type") in _RUN_BY_THE_ENDPOINT
            if item.get("status") not in ("completed", None) and not has_failed:
                yield Violation(shown(item["status"]), '"completed"', f"{pointer}/status", answer.event)


@rule(
    "responses.usage-given",
    level="spec",
    source=f"{_OBJECT}: usage; OpenAI API guide, background mode",
    breaks="LangChain's usage_metadata is None, costs are 0, benchmarks have no tokens.",
)
def a_response_has_usage(answer: ResponseAnswer) -> Violations:
    """A response has usage when it has ended, whole or cut."""
    if not answer.usage and answer.response.get("status") in _ENDED:
        yield _at(answer, "/usage", received=shown(answer.response.get("usage")), expected="token counts")


@rule(
    "responses.usage-sum",
    level="spec",
    source=f"{_OBJECT}: usage; mozilla-ai/any-llm#1290",
    breaks="Costs and tokens per second come out wrong.",
)
def the_total_of_a_response_is_the_sum(answer: ResponseAnswer) -> Violations:
    """usage.total_tokens is input_tokens plus output_tokens."""
    given, made, total = (answer.usage.get(f"{part}_tokens") for part in ("input", "output", "total"))
    if isinstance(given, int) and isinstance(made, int) and total != given + made:
        yield _at(
            answer, "/usage/total_tokens", received=shown(answer.usage), expected=f"total {given + made}"
        )


@rule(
    "responses.input-counted",
    level="spec",
    source=f"{_OBJECT}: usage.input_tokens; sgl-project/sglang#10012",
    breaks="Costs come out wrong; or a part of the input did not reach the model unsaid.",
)
def the_input_of_a_response_counts(answer: ResponseAnswer) -> Violations:
    """A response has at least one input token for every two words of its input, and one at the least."""
    words = sum(len(text.split()) for text in _texts(answer.observation.asked.get("input")))
    given, least = answer.usage.get("input_tokens"), max(1, words // 2)
    if isinstance(given, int) and words and given < least:
        yield _at(
            answer,
            "/usage/input_tokens",
            received=f"{given} input tokens for {words} words",
            expected=f"at least {least}",
        )


def _texts(value: object) -> Iterator[str]:
    """The texts of an input: itself, or those of its messages and their parts."""
    if isinstance(value, str):
        yield value
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict):
            yield from _texts(item.get("content"))
            yield from _texts(item.get("text"))


@rule(
    "responses.usage-parts",
    level="spec",
    source=f"{_OBJECT}: usage details",
    breaks="Costs come out wrong.",
)
def a_part_of_a_response_is_no_more_than_the_whole(answer: ResponseAnswer) -> Violations:
    """Cached tokens are part of the input's, reasoning tokens part of the output's."""
    for whole, part in (("input", "cached"), ("output", "reasoning")):
        details, count = answer.usage.get(f"{whole}_tokens_details"), answer.usage.get(f"{whole}_tokens")
        part_count = details.get(f"{part}_tokens") if isinstance(details, dict) else None
        if isinstance(part_count, int) and isinstance(count, int) and part_count > count:
            yield _at(
                answer,
                f"/usage/{whole}_tokens_details/{part}_tokens",
                received=f"{part_count} {part} of {count} {whole} tokens",
                expected=f"at most {count}",
            )


@rule(
    "responses.cap-obeyed",
    level="spec",
    source=f"{_CREATE}: max_output_tokens",
    breaks="Costs have no bound.",
)
def no_more_output_comes_than_was_asked(answer: ResponseAnswer) -> Violations:
    """A response has no more output tokens than its cap."""
    cap, made = answer.observation.asked.get("max_output_tokens"), answer.usage.get("output_tokens")
    if isinstance(cap, int) and isinstance(made, int) and made > cap:
        yield _at(answer, "/usage/output_tokens", received=f"{made} tokens", expected=f"at most {cap}")
    elif isinstance(cap, int) and len(answer.text) > _CHARACTERS_OF_A_TOKEN * cap:
        yield _at(
            answer,
            "/output",
            received=f"{len(answer.text)} characters",
            expected=f"at most {cap} tokens",
        )


def _is_capped(scenario: Scenario) -> bool:
    return scenario.id == "response-capped"


@rule(
    "responses.cut-is-incomplete",
    level="spec",
    source=f"{_OBJECT}: incomplete_details.reason max_output_tokens; earendil-works/pi#7817",
    breaks="An agent takes half an answer for a whole one, or for a failure.",
    answers=("re-incomplete-reason",),
    when=_is_capped,
    upholds=Ground.ENDED,
)
def a_response_cut_by_its_cap_says_so(answer: ResponseAnswer) -> Violations:
    """A response that its cap cut short is incomplete, for the reason `max_output_tokens`."""
    if answer.usage.get("output_tokens") != answer.observation.asked.get("max_output_tokens"):
        raise NotJudgedError("the answer does not end at its cap")
    if not _is_unfinished(answer.text):
        raise NotJudgedError("the answer may have ended by itself at its cap")
    details = answer.response.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    status = answer.response.get("status")
    if (status, reason) != ("incomplete", "max_output_tokens"):
        yield _at(
            answer,
            "/incomplete_details",
            received=f"status {shown(status)}, reason {shown(reason)}",
            expected='status "incomplete", reason "max_output_tokens"',
        )


def _is_unfinished(text: str) -> bool:
    """Whether a text is a part of the count to 100 that was asked for."""
    return bool(re.fullmatch(r"[\s\d,.]*", text)) and re.findall(r"\d+", text)[-1:] != ["100"]


@rule(
    "responses.cut-item-is-incomplete",
    level="spec",
    source=f"{_OBJECT}: output[].status; vllm-project/vllm#57998",
    breaks="An agent that acts on items takes half a text, or half a call, for a whole one.",
    answers=("re-status-item-completed",),
    rests_on=OF_AN_ANSWER,
)
def an_incomplete_response_has_an_incomplete_item(answer: ResponseAnswer) -> Violations:
    """A message or call at the end of a response that was cut short is incomplete."""
    details = answer.response.get("incomplete_details")
    is_filtered = isinstance(details, dict) and details.get("reason") == "content_filter"
    if answer.is_cut and not is_filtered and answer.items:
        pointer, item = answer.items[-1]  # thoughts may follow a message, and be what was cut
        if item.get("type") in ("message", "function_call") and item.get("status") == "completed":
            yield Violation('"completed"', '"incomplete"', f"{pointer}/status", answer.event)


@rule(
    "responses.model-named",
    level="recommended",
    source=f"{_OBJECT}: model",
    breaks="Costs and metrics keyed by the model's name go astray; another model may have answered.",
)
def a_response_names_the_model_asked(answer: ResponseAnswer) -> Violations:
    """The response's model is the one asked for, or a snapshot of it."""
    asked, model = answer.observation.asked.get("model"), answer.response.get("model")
    if isinstance(asked, str) and isinstance(model, str) and not model.startswith(asked):
        yield _at(answer, "/model", received=shown(model), expected=f"{asked} or a snapshot of it")


# --- functions ---


def _offers_tools(scenario: Scenario) -> bool:
    return scenario.id in {"response-tool", "response-tool-named"}


@rule(
    "responses.call-shape",
    level="must",
    source=f"{_CREATE}: tools; lmstudio-ai/lmstudio-bug-tracker#1652",
    breaks="The call is of no function that there is, or its arguments cannot be read.",
    answers=("re-tools-shape",),
    when=_offers_tools,
    upholds=Ground.CALL,
    rests_on=OF_AN_ANSWER,
)
def a_call_is_of_a_function_that_was_offered(answer: ResponseAnswer) -> Violations:
    """A call names a function that was offered, and its arguments are a JSON object, when it is whole."""
    if not answer.calls:
        raise NotJudgedError("the model called no tool")
    tools = answer.observation.asked.get("tools")
    names = [tool.get("name") for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    for pointer, call in answer.calls:
        if call.get("name") not in names:
            yield Violation(shown(call.get("name")), joined(names), f"{pointer}/name", answer.event)
        arguments = call.get("arguments")
        is_object = isinstance(arguments, str) and isinstance(parsed(arguments.encode()), dict)
        if not is_object and _ended_at_its_cap(answer):
            raise NotJudgedError("the cap cut the arguments")
        if not is_object and answer.response.get("status") == "completed":
            yield Violation(shown(arguments), "a JSON object as text", f"{pointer}/arguments", answer.event)


def _ended_at_its_cap(answer: ResponseAnswer) -> bool:
    """Whether the cap may have cut it, whatever its status says: that is another rule's finding."""
    cap, made = answer.observation.asked.get("max_output_tokens"), answer.usage.get("output_tokens")
    return answer.is_cut or (isinstance(cap, int) and isinstance(made, int) and made >= cap)


@rule(
    "responses.tools-echoed",
    level="spec",
    source=f"{_OBJECT}: tools",
    breaks="A caller cannot tell whether the model was offered the function at all.",
    answers=("re-tools-shape",),
    when=_offers_tools,
)
def the_response_names_the_tools_offered(answer: ResponseAnswer) -> Violations:
    """The response's `tools` are those that were offered."""
    tools = answer.response.get("tools")
    names = [tool.get("name") for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    if "next_ferry" not in names:
        yield _at(answer, "/tools", received=shown(tools), expected="the function next_ferry")


@rule(
    "responses.tool-choice-named",
    level="must",
    source=f"{_CREATE}: tool_choice; Blaizzy/mlx-vlm#1045",
    breaks="A program that counts on the call gets text; the parameter is ignored without a word.",
    answers=("re-tool-choice-stop-ignored",),
    when=lambda scenario: scenario.id == "response-tool-named",
    rests_on=OF_AN_ANSWER,
)
def the_named_function_is_called(answer: ResponseAnswer) -> Violations:
    """A function that tool_choice names is called."""
    if answer.is_cut and not answer.calls:
        raise NotJudgedError("the cap cut the answer before any call")
    if answer.is_refused:
        raise NotJudgedError("the model refused")
    if answer.response.get("status") == "completed" and not answer.calls:
        yield _at(answer, "/output", received="no call: ignored", expected="a call of next_ferry")


@rule(
    "responses.tool-choice-none",
    level="must",
    source=f"{_CREATE}: tool_choice; Blaizzy/mlx-vlm#1045",
    breaks="A program that forbids calls gets one; the parameter is ignored without a word.",
    answers=("re-tool-choice-stop-ignored",),
    when=lambda scenario: scenario.id == "response-tool-none",
    rests_on=OF_AN_ANSWER,
)
def tool_choice_none_forbids_calls(answer: ResponseAnswer) -> Violations:
    """With tool_choice none no function is called."""
    if answer.is_cut and not answer.calls and not answer.text:
        raise NotJudgedError("the cap cut the answer before it said anything")
    for pointer, call in answer.calls:
        yield Violation(f"a call of {shown(call.get('name'))}: ignored", "no call", pointer, answer.event)


@rule(
    "responses.format-obeyed",
    level="must",
    source=f"{_CREATE}: text.format",
    breaks="Typed programs cannot parse the answer; the parameter is ignored without a word.",
    when=lambda scenario: scenario.id == "response-format",
    rests_on=OF_AN_ANSWER,
)
def the_text_has_the_form_asked(answer: ResponseAnswer) -> Violations:
    """The text of a completed response matches the schema of text.format."""
    if answer.response.get("status") != "completed":
        raise NotJudgedError("the answer is not complete")
    if answer.is_refused:
        raise NotJudgedError("the model refused")
    document = parsed(answer.text.encode())
    if not isinstance(document, dict) or document.keys() != {"quoll_count", "habitat_kx"}:
        yield _at(
            answer,
            "/output",
            received=f"{shown(answer.text)}: ignored",
            expected="a JSON object with quoll_count and habitat_kx alone",
        )


# --- next turns ---


@rule(
    "responses.replay-accepted",
    level="must",
    source=f"{_CREATE}: input may hold earlier output; vllm-project/vllm#41355, sgl-project/sglang#17853",
    breaks="Every agent stops at its second turn.",
    answers=("re-replay-items", "re-input-array"),
    when=lambda scenario: scenario.id in {"response-replay", "response-tool-result", "response-items"},
    upholds=Ground.FORM,
)
def output_is_accepted_as_input(observation: Observation) -> Violations:
    """A list of items is accepted as input, the endpoint's own output among them, as it came."""
    if observation.exchange.response is None:
        raise NotJudgedError(f"not asked: {observation.exchange.detail}")
    if 400 <= observation.response.status < 600:
        yield Violation(
            received=f"HTTP {observation.response.status}: {shown(observation.response.body)}",
            expected="HTTP 200",
        )


@rule(
    "responses.assistant-parts-accepted",
    level="must",
    source="openai-agents and LangChain send it; envoyproxy/ai-gateway#1881",
    breaks="Every agent that writes its history itself stops at its second turn.",
    when=lambda scenario: scenario.id == "response-assistant-parts",
)
def an_assistants_parts_need_no_id(observation: Observation) -> Violations:
    """An assistant's message of typed parts is accepted as input without an id."""
    if 400 <= observation.response.status < 600 and not observation.ran_out:
        yield Violation(
            received=f"HTTP {observation.response.status}: {shown(observation.response.body)}",
            expected="HTTP 200",
        )


@rule(
    "responses.next-turn-remembers",
    level="must",
    source=f"{_CREATE}: previous_response_id",
    breaks="The model answers without knowing what was said before.",
    when=lambda scenario: scenario.id == "response-next-turn",
)
def the_next_turn_holds_what_was_said(answer: ResponseAnswer) -> Violations:
    """A turn that goes on from a kept response counts that one's tokens among its input."""
    given = answer.usage.get("input_tokens")
    if not isinstance(given, int):
        raise NotJudgedError("no input_tokens in the answer")
    if given == 0:
        raise NotJudgedError("the answer counts no input at all")
    if given < _KEPT_TOKENS:
        yield _at(
            answer,
            "/usage/input_tokens",
            received=f"{given} tokens",
            expected=f"{_KEPT_TOKENS} or more, for a kept text of seventy words",
        )


@rule(
    "responses.previous-id-echoed",
    level="spec",
    source=f"{_OBJECT}: previous_response_id",
    breaks="A caller cannot follow a conversation back.",
    when=lambda scenario: scenario.id == "response-next-turn",
)
def the_next_turn_names_the_one_before(answer: ResponseAnswer) -> Violations:
    """A response that goes on from another has that one's id in `previous_response_id`."""
    asked, told = (
        values.get("previous_response_id") for values in (answer.observation.asked, answer.response)
    )
    if told != asked:
        yield _at(answer, "/previous_response_id", received=shown(told), expected=shown(asked))


@rule(
    "responses.kept-is-found",
    level="must",
    source="OpenAI API reference, responses/retrieve",
    breaks="A caller gets another response than the one asked for.",
    when=lambda scenario: scenario.id == "response-kept",
)
def a_kept_response_is_given_back(response: ResponseObject) -> Violations:
    """GET /responses/{id} gives the response with that id, with its output."""
    wanted = urlsplit(response.observation.exchange.request.url).path.rpartition("/")[2]
    if response.body.get("id") != wanted:
        yield Violation(shown(response.body.get("id")), shown(wanted), "/id")
    if not response.body.get("output") and response.body.get("status") == "incomplete":
        raise NotJudgedError("the cap cut the response before it said anything")
    if not response.body.get("output"):
        yield Violation(shown(response.body.get("output")), "the output as it was", "/output")


# --- modes and users ---


@rule(
    "responses.modes-agree",
    level="spec",
    source=f"{_CREATE}: stream",
    breaks="A program that works plain gets another thing when it streams.",
    rests_on=OF_A_USER,
)
def both_modes_respond_in_kind(pair: ResponsePair) -> Violations:
    """The streamed response has the plain one's status, model and kinds of items, under an id of its own."""
    differences = [
        (name, plain, streamed)
        for name, plain, streamed in (
            ("status", pair.plain.response.get("status"), pair.streamed.response.get("status")),
            ("model", pair.plain.response.get("model"), pair.streamed.response.get("model")),
            ("output", _kinds(pair.plain), _kinds(pair.streamed)),
        )
        if plain != streamed
    ]
    kinds = {*_kinds(pair.plain)} ^ {*_kinds(pair.streamed)}
    if _is_free_to_call(pair) and kinds and kinds <= {"message", *CALLS}:
        differences = [each for each in differences if each[0] != "output"]
        if not differences:
            raise NotJudgedError("the model was free to call a tool, and did so in one mode alone")
    is_told_apart = (pair.plain.is_cut or pair.streamed.is_cut) and _said(pair.plain) != _said(pair.streamed)
    if is_told_apart and differences and all(name != "model" for name, _, _ in differences):
        raise NotJudgedError("the cap cut one answer before it had said what the other says")
    for name, plain, streamed in differences:
        if name == "model" or not is_told_apart:
            yield Violation(
                f"{shown(streamed)} streamed", f"{shown(plain)}, as plain", f"/{name}", pair.streamed.event
            )


def _is_free_to_call(pair: ResponsePair) -> bool:
    asked = pair.plain.observation.asked
    return bool(asked.get("tools")) and asked.get("tool_choice") in (None, "auto")


def _said(answer: ResponseAnswer) -> object:
    return answer.text, [(call.name, call.arguments) for call in answer.tool_calls]


def _kinds(answer: ResponseAnswer) -> list[str]:
    return sorted({str(item.get("type")) for _, item in answer.items} - {"reasoning"})


@rule(
    "responses.own-id",
    level="spec",
    source=f"{_OBJECT}: id",
    breaks="A kept response is overwritten by another.",
)
def every_response_has_an_id_of_its_own(pair: ResponsePair) -> Violations:
    """Two responses do not have the same id."""
    plain, streamed = pair.plain.response.get("id"), pair.streamed.response.get("id")
    if isinstance(plain, str) and plain == streamed:
        yield Violation(f"{shown(plain)} twice", "an id of its own", "/id", pair.streamed.event)


@rule(
    "responses.client-text",
    level="must",
    source="openai SDK: response.output_text; langchain-openai: use_responses_api",
    breaks="The user reads another text than was sent.",
    answers=("sf-u2028",),
    rests_on=OF_A_USER,
)
def the_user_reads_the_text_of_the_response(answer: ResponseAnswer) -> Violations:
    """The text that the client's user reads is the text of the response."""
    reply = answer.observation.reply
    if reply.raised is None and reply.choices:
        told = told_text(reply)
        if told != answer.text:
            yield Violation(f"{shown(told)} at the user", f"{shown(answer.text)}, as in the response")


@rule(
    "responses.client-calls",
    level="must",
    source="openai SDK: function_call items; langchain-openai: AIMessage.tool_calls",
    breaks="The user runs other calls than the model made, or none.",
    rests_on=OF_A_USER,
)
def the_user_gets_the_calls_of_the_response(answer: ResponseAnswer) -> Violations:
    """The calls that the client's user gets are those of the response."""
    reply = answer.observation.reply
    if reply.raised is None and reply.choices:
        wire, told = (
            [(call.id, call.name, _read(call.arguments)) for call in calls]
            for calls in (answer.tool_calls, reply.tool_calls)
        )
        if told != wire:
            yield Violation(f"{shown(told)} at the user", f"{shown(wire)}, as in the response")


def _read(arguments: object) -> object:
    """Arguments as a user reads them: LangChain writes their JSON in its own way."""
    try:
        return json.loads(arguments) if isinstance(arguments, str) else arguments
    except ValueError:
        return arguments


@rule(
    "responses.client-usage",
    level="must",
    source="openai SDK: response.usage; langchain-openai: usage_metadata",
    breaks="Costs come out wrong or not at all.",
    rests_on=OF_A_USER,
)
def the_user_gets_the_usage_of_the_response(answer: ResponseAnswer) -> Violations:
    """The token counts that the client's user gets are those of the response."""
    reply = answer.observation.reply
    if reply.raised is not None or not reply.choices or not answer.usage:
        return
    wire = tuple(answer.usage.get(f"{part}_tokens") for part in ("input", "output", "total"))
    usage = reply.usage
    told = usage and (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)
    if told != wire:
        yield Violation(f"{shown(told)} at the user", f"{shown(wire)}, as in the response")
