"""Structured output: text that is JSON and nothing else, that its schema allows, that helpers can read."""

import re
from collections.abc import Iterator
from typing import Any

from harness.evidence import NO_JSON, NotJudgedError, Object, Observation, parsed, shown
from harness.evidence.chat import Answer, AnswerChoice, Completion, misfits
from harness.evidence.grounds import OF_A_USER, OF_AN_ANSWER
from harness.rule import Ground, Violation, Violations, rule
from harness.scenario import Ask, Mode, Scenario

_GUIDE = "OpenAI API guide, structured outputs"
_HELPERS = "the SDKs' helpers: chat.completions.parse, with_structured_output"


def _format(scenario: Scenario) -> Object:
    """The response format that a scenario asks for; empty where it asks for none."""
    asked = scenario.params_for(Mode.PLAIN).get("response_format")
    return asked if scenario.is_answered_by("chat") and isinstance(asked, dict) else {}


def _helper(scenario: Scenario) -> str:
    return scenario.ask.helper if isinstance(scenario.ask, Ask) else ""


def _wants_json(scenario: Scenario) -> bool:
    return bool(_format(scenario))


def _wants_text(scenario: Scenario) -> bool:
    """Whether the document comes as text: LangChain can ask for it as a function call instead."""
    return _wants_json(scenario) and _helper(scenario) != "function_calling"


def _wants_strict(scenario: Scenario) -> bool:
    """Whether the schema goes out as strict; LangChain leaves that out."""
    return "json_schema" in _format(scenario) and _helper(scenario) in ("", "parse")


def _is_helped(scenario: Scenario) -> bool:
    return _wants_json(scenario) and bool(_helper(scenario))


def _schema(seen: Observation) -> Object:
    """The schema that the client sent."""
    asked: Any = seen.asked
    schema: Object = asked["response_format"]["json_schema"]["schema"]
    return schema


def _documents(answer: Answer) -> Iterator[tuple[str | None, AnswerChoice]]:
    """Pointer (in a plain answer) and choice of each document; NotJudgedError when one is cut or withheld."""
    is_plain = answer.observation.mode is Mode.PLAIN
    if any(choice.finish_reason == "length" for choice in answer.choices):
        raise NotJudgedError("the cap cut the document")
    if answer.is_withheld:
        raise NotJudgedError("the model refused, or a filter ended the answer")
    for place, choice in enumerate(answer.choices):
        yield f"/choices/{place}/message/content" if is_plain else None, choice


@rule(
    "structured.accepted",
    level="must",
    source="OpenAI API reference, chat/create: response_format; willmiao/ComfyUI-Lora-Manager#1033",
    breaks="The SDK's `parse` and LangChain's `with_structured_output` raise.",
    answers=(
        "cr-json-object-rejected",
        "cr-json-schema-rejected",
        "lc-json-schema-default",
        "ds-json-schema",
        "er-rf-stream",
    ),
    when=_wants_json,
    upholds=Ground.ACCEPTED,
    rests_on=(
        Ground.FORM,
        Ground.ACCEPTED,
    ),
)
def response_formats_are_accepted(observation: Observation) -> Violations:
    """A request for a JSON object, or for a schema that strict mode allows, is not refused."""
    response = observation.response
    if observation.ran_out:
        raise NotJudgedError("the cap was used up before anything was said")
    if response.status >= 400:
        yield Violation(received=f"HTTP {response.status}: {shown(response.body)}", expected="an answer")


@rule(
    "structured.nothing-around",
    level="must",
    source=f"{_GUIDE}; mealie-recipes/mealie#8133",
    breaks="`json.loads` and the SDK's `parse` raise at the fence or the sentence around the JSON.",
    answers=("cr-json-schema-ignored", "os-parse-fenced", "cn-reasoning-field-name"),
    when=_wants_text,
    upholds=Ground.SAID,
    rests_on=OF_AN_ANSWER,
)
def the_text_is_json_and_nothing_else(answer: Answer) -> Violations:
    """A structured answer is one JSON object with nothing around it: no fence, no words, no thoughts."""
    for pointer, choice in _documents(answer):
        text = choice.text or ""
        if parsed(text.encode()) is NO_JSON and _OBJECT.search(text):
            yield Violation(received=shown(text), expected="the JSON object alone", pointer=pointer)


_OBJECT = re.compile(r"\{.*\}", re.DOTALL)


@rule(
    "structured.matches-schema",
    level="must",
    source=f"{_GUIDE}: strict; ollama/ollama#10001, ggml-org/llama.cpp#11988",
    breaks="The SDK's `parse` raises ValidationError, LangChain OutputParserException.",
    answers=("cr-json-schema-ignored", "lc-json-schema-default"),
    when=_wants_strict,
    rests_on=OF_AN_ANSWER,
    upholds=Ground.SAID,
)
def the_document_matches_its_schema(answer: Answer) -> Violations:
    """The answer to a strict schema matches it."""
    schema = _schema(answer.observation)
    for pointer, choice in _documents(answer):
        document = parsed((choice.text or "").encode())
        if document is not NO_JSON:
            for step, reason in misfits(document, schema):
                yield Violation(
                    received=f"{reason} at {step or 'the document'} of {shown(choice.text)}",
                    expected="a document that the schema allows",
                    pointer=pointer,
                )


@rule(
    "structured.order-of-keys",
    level="recommended",
    source=f"{_GUIDE}: keys come in the order of the schema",
    breaks="Readers that show fields while they stream, or let one be thought over before the next.",
    when=_wants_strict,
    rests_on=OF_AN_ANSWER,
)
def keys_come_in_the_order_of_the_schema(answer: Answer) -> Violations:
    """The keys of a strict answer come in the order in which the schema has them."""
    properties = _schema(answer.observation)["properties"]
    for pointer, choice in _documents(answer):
        document = parsed((choice.text or "").encode())
        keys = [key for key in document if key in properties] if isinstance(document, dict) else []
        wanted = [key for key in properties if key in keys]
        if keys != wanted:
            yield Violation(received=", ".join(keys), expected=", ".join(wanted), pointer=pointer)


@rule(
    "structured.ends-with-stop",
    level="spec",
    source=f"{_GUIDE}: a whole document ends with stop, one that is cut with length",
    breaks="The SDK's `parse` raises for a whole document, or reads half of one.",
    when=_wants_text,
    upholds=Ground.ENDED,
    rests_on=OF_AN_ANSWER | {Ground.ENDING},
)
def a_document_ends_with_stop_or_length(answer: Answer) -> Violations:
    """A document that is whole ends with `stop`; one that ends too early does so with `length`."""
    for pointer, choice in _documents(answer):
        text = choice.text or ""
        is_whole = parsed(text.encode()) is not NO_JSON
        if is_whole and choice.finish_reason != "stop":
            yield Violation(received=shown(choice.finish_reason), expected='"stop"')
        if not is_whole and text.count("{") > text.count("}"):
            yield Violation(
                received=f"{shown(choice.finish_reason)} after {shown(text)}",
                expected='"length", or the rest',
                pointer=pointer,
            )


@rule(
    "structured.helper-gives-object",
    level="must",
    source=f"{_HELPERS}; ollama/ollama#8421, yifanfeng97/Hyper-Extract#59",
    breaks="The user of the helper has None, or an exception, instead of an object.",
    answers=("lc-json-schema-default", "cr-json-schema-ignored", "cr-tool-choice-ignored", "os-parse-fenced"),
    when=_is_helped,
    rests_on=OF_A_USER,
)
def a_helper_gives_its_user_an_object(completion: Completion) -> Violations:
    """A helper for structured output gives its user an object with the keys that were asked for."""
    seen = completion.observation
    wanted = sorted(_format(seen.scenario)["json_schema"]["schema"]["properties"])
    if any(choice.get("finish_reason") == "length" for _, choice in completion.choices):
        raise NotJudgedError("the cap cut the document")
    if Answer.of(seen).is_withheld:
        raise NotJudgedError("the model refused, or a filter ended the answer")
    if seen.reply.raised:
        raised = seen.reply.raised
        yield Violation(received=f"{raised.type}: {shown(raised.message)}", expected="an object")
    elif not isinstance(seen.reply.data, dict):
        yield Violation(received=shown(seen.reply.data), expected="an object")
    elif sorted(seen.reply.data) != wanted:
        if _helper(seen.scenario) == "json_mode":
            raise NotJudgedError("the model chose other keys, as json_object leaves it free to do")
        yield Violation(received=shown(seen.reply.data), expected=f"the keys {', '.join(wanted)}")
