"""The effect of an answer on a client's user: what the client made of the wire, observed and not assumed."""

from typing import Literal, TypeAlias

from harness.clients.reply import Reply, ToolCall
from harness.evidence import NotJudgedError, Observation, shown
from harness.evidence.chat import Answer

Effect: TypeAlias = Literal["unaffected", "silently wrong", "raises", "not compared"]


def effect_of(seen: Observation) -> tuple[Effect, str]:
    """What the client's user got, held against the wire, and in words what differs."""
    raised = seen.reply.raised
    if raised is not None:
        return "raises", f"{raised.type}: {shown(raised.message)}"
    try:
        answer = Answer.of(seen)
    except NotJudgedError:
        return "not compared", ""
    lost = ", ".join(_differences(answer, seen.reply))
    return ("silently wrong", lost) if lost else ("unaffected", "")


def _differences(answer: Answer, reply: Reply) -> list[str]:
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
    return [f"{what} {shown(got)} for {shown(sent)}" for what, sent, got in told if sent != got]


def _names(calls: tuple[ToolCall, ...]) -> list[str | None]:
    return [call.name for call in calls]
