"""Parity of the two modes: a stream, put together, is the answer that came plain."""

from harness.evidence import NotJudgedError, joined, shown
from harness.evidence.chat import Answer, Pair, raise_if_ended_at_once
from harness.evidence.grounds import OF_A_USER
from harness.rule import Violation, Violations, rule

_SOURCE = "OpenAI API reference, chat/create: stream"


def _kinds(answer: Answer) -> list[str]:
    return [
        "tool calls" if choice.calls else "text" if choice.text else "nothing" for choice in answer.choices
    ]


def _said(answer: Answer) -> list[object]:
    return [
        (choice.text or "", [(call.name, call.arguments) for call in choice.calls])
        for choice in answer.choices
    ]


def _raise_if_withheld_once(pair: Pair) -> None:
    """Raise NotJudgedError where the model refused, or a filter ended the answer, in one mode alone."""
    if pair.plain.is_withheld != pair.streamed.is_withheld:
        raise NotJudgedError("the model refused, or a filter ended the answer, in one mode alone")


def _raise_if_free(pair: Pair) -> None:
    """Raise NotJudgedError where what a model was free to do may differ: to call a tool, to end at once."""
    for answer in (pair.plain, pair.streamed):
        if "nothing" in _kinds(answer):
            raise_if_ended_at_once(answer)
    is_free = pair.plain.observation.asked.get("tool_choice") in (None, "auto")
    plain, streamed = ({*_kinds(answer)} for answer in (pair.plain, pair.streamed))
    if is_free and plain != streamed and plain | streamed == {"text", "tool calls"}:
        raise NotJudgedError("the model was free to call a tool, and did so in one mode alone")


@rule(
    "parity.kind",
    level="spec",
    source=f"{_SOURCE}; earendil-works/pi#1125",
    breaks="A program that works plain gets nothing, or another thing, when it streams.",
    rests_on=OF_A_USER,
)
def both_modes_answer_in_kind(pair: Pair) -> Violations:
    """The streamed answer is of the plain one's kind: text, tool calls."""
    plain, streamed = _kinds(pair.plain), _kinds(pair.streamed)
    _raise_if_withheld_once(pair)
    _raise_if_free(pair)
    if plain != streamed and len(plain) == len(streamed) and (pair.plain.is_cut or pair.streamed.is_cut):
        raise NotJudgedError("the cap cut one answer before it had said what the other says")
    if plain != streamed:
        yield Violation(received=f"{joined(streamed)} streamed", expected=f"{joined(plain)}, as plain")


@rule(
    "parity.finish-reason",
    level="spec",
    source=f"{_SOURCE}; dyedd/lens#49",
    breaks="Loops that branch on the finish reason behave differently when they stream.",
    rests_on=OF_A_USER,
)
def both_modes_finish_alike(pair: Pair) -> Violations:
    """The streamed answer has the plain one's finish reasons."""
    _raise_if_withheld_once(pair)
    _raise_if_free(pair)
    plain = [choice.finish_reason for choice in pair.plain.choices]
    streamed = [choice.finish_reason for choice in pair.streamed.choices]
    is_cut_once = "length" in {*plain, *streamed} and {*plain, *streamed} <= {"stop", "length", "tool_calls"}
    if plain != streamed and is_cut_once and _said(pair.plain) != _said(pair.streamed):
        raise NotJudgedError("the model said something else, and of another length")
    if plain != streamed:
        yield Violation(received=f"{joined(streamed)} streamed", expected=f"{joined(plain)}, as plain")


@rule(
    "parity.prompt-tokens",
    level="spec",
    source="tashfeenahmed/freellmapi#845",
    breaks="Costs and benchmarks differ by mode.",
)
def both_modes_count_the_prompt_alike(pair: Pair) -> Violations:
    """The same prompt has the same number of tokens in both modes."""
    if pair.plain.usage and pair.streamed.usage:
        plain, streamed = pair.plain.usage.get("prompt_tokens"), pair.streamed.usage.get("prompt_tokens")
        if plain != streamed:
            yield Violation(received=f"{shown(streamed)} streamed", expected=f"{shown(plain)}, as plain")


@rule(
    "parity.model",
    level="spec",
    source="BerriAI/litellm#13352",
    breaks="Costs and metrics keyed by the model's name differ by mode.",
)
def both_modes_name_one_model(pair: Pair) -> Violations:
    """Both modes name the same model."""
    if pair.plain.model != pair.streamed.model:
        yield Violation(received=f"{shown(pair.streamed.model)} streamed", expected=shown(pair.plain.model))
