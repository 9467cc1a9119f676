"""The effect of an answer on a client's user: what the client made of the wire, observed and not assumed.

From the gravest: the client raises; it is silently wrong, in the text, the tool calls, the finish reason or
the token counts; it differs in what identifies the answer; its user is unaffected. What gives no text is not
compared, nor is a refusal that was asked for, or that is clean: it has to reach the user as an exception.
"""

from typing import Literal, TypeAlias, get_args

from harness.clients.reply import Reply, ToolCall
from harness.evidence import NotJudgedError, Observation, shown
from harness.evidence.chat import Answer
from harness.evidence.completions import TextAnswer
from harness.evidence.responses import ResponseAnswer, told_text
from harness.scenario import Http

Effect: TypeAlias = Literal["raises", "silently wrong", "differs", "unaffected", "not compared"]
EFFECTS: tuple[Effect, ...] = get_args(Effect)


def effect_of(seen: Observation) -> tuple[Effect, str]:
    """What the client's user got, held against the wire, and in words what differs."""
    raised = seen.reply.raised
    if seen.reply.broken:
        return "not compared", ""
    if raised is not None and raised.status is not None and _is_right_to_raise(seen):
        return "not compared", ""
    if raised is not None:
        whose = "what reads the answer: " if raised.in_reading else ""
        return "raises", f"{whose}{raised.type}: {shown(raised.message)}"
    try:
        wrong, different = _compared(seen)
    except NotJudgedError:
        return "not compared", ""
    if wrong:
        return "silently wrong", ", ".join(wrong)
    return ("differs", ", ".join(different)) if different else ("unaffected", "")


def _is_right_to_raise(seen: Observation) -> bool:
    """Whether the endpoint refuses what it should, or cleanly what it does not claim."""
    response = seen.exchange.response
    is_refused = response is not None and response.status >= 400
    return is_refused and (not seen.scenario.is_answered or seen.is_unsupported)


def _compared(seen: Observation) -> tuple[list[str], list[str]]:
    """What is wrong, and what else differs; raises NotJudgedError where there is no answer to compare."""
    if isinstance(seen.scenario.ask, Http):
        raise NotJudgedError("a raw request has no user who reads the answer")
    if seen.reply.data is not None and not seen.reply.choices:
        raise NotJudgedError("its user has data, and no text")
    if Answer.applies(seen.scenario):
        answer = Answer.of(seen)
        return _wrong(answer, seen.reply), _different(answer, seen.reply)
    if TextAnswer.applies(seen.scenario):
        sent, got = TextAnswer.of(seen).text, seen.reply.text or ""
        return ([_said("text", sent, got)] if sent != got else []), []
    if ResponseAnswer.applies(seen.scenario):
        return _wrong_in_response(ResponseAnswer.of(seen), seen.reply), []
    raise NotJudgedError("no answer with a text")


def _wrong_in_response(answer: ResponseAnswer, reply: Reply) -> list[str]:
    """What a user of a response acts on and got otherwise than it was sent."""
    told = [
        ("text", answer.text, told_text(reply)),
        ("tool calls", _names(answer.tool_calls), _names(reply.tool_calls)),
    ]
    return [_said(*one) for one in told if one[1] != one[2]]


def _wrong(answer: Answer, reply: Reply) -> list[str]:
    """What a user acts on and got otherwise than it was sent."""
    if not answer.choices:
        return []
    wire = answer.choices[0]
    told: list[tuple[str, object, object]] = [
        ("text", wire.text or "", reply.text or ""),
        ("finish reason", wire.finish_reason, reply.finish_reason),
        ("tool calls", _names(wire.calls), _names(reply.tool_calls)),
    ]
    if answer.usage is not None:
        counts = reply.usage
        told.append(("prompt tokens", answer.usage.get("prompt_tokens"), counts and counts.prompt_tokens))
        told.append(
            ("completion tokens", answer.usage.get("completion_tokens"), counts and counts.completion_tokens)
        )
    return [_said(*one) for one in told if one[1] != one[2]]


def _different(answer: Answer, reply: Reply) -> list[str]:
    """What tells this answer from others and is not as it was sent.

    What a client never tells is no effect of the answer: LangChain's streams have no id of the endpoint's.
    """
    told = [("id", answer.id, reply.response_id), ("model", answer.model, reply.model)]
    return [_said(*one) for one in told if one[1] != one[2] and one[2] is not None]


def _said(what: str, sent: object, got: object) -> str:
    return f"{what} {shown(got)} for {shown(sent)}"


def _names(calls: tuple[ToolCall, ...]) -> list[str | None]:
    return [call.name for call in calls]
