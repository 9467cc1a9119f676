"""Which tools the stand-in calls, and with which arguments.

It calls a tool when it must, or when the last user message speaks of what the tool's name and description
say. A prompt that names several things gets one call for each, unless the request forbids parallel calls.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from harness.endpoint import schema, speech
from harness.endpoint.answer import JsonObject
from harness.endpoint.conversation import Ask, Mode, Tool
from harness.endpoint.hints import Hints, names_at

_VAGUE = frozenset(  # the words of descriptions and questions that say nothing of the subject
    """a an the of for to in on at by and or get gets set fetch find look lookup return returns give given
    current currently this that from with is are be it its use used tool function call city location name
    value my your please want need what which who how do does can you me information details data new one
    """.split()  # noqa: SIM905  # a text reads better than sixty quoted words
)
_CHINESE_TERMS = {
    "天气": "weather",
    "气温": "temperature",
    "温度": "temperature",
    "时间": "time",
    "几点": "time",
}
_MOST_CALLS = 8


@dataclass(frozen=True, slots=True)
class Called:
    """One call that the model makes; `arguments` is JSON text."""

    name: str
    arguments: str


def calls(ask: Ask) -> tuple[Called, ...]:
    """The calls that answer a request; empty when the answer is words."""
    offered = [tool for tool in ask.tools if ask.choice.names is None or tool.name in ask.choice.names]
    if ask.choice.mode is Mode.NONE or not offered:
        return ()
    if ask.choice.is_named:
        return (_call(offered[0], Hints.of(ask.prompt)),)
    if ask.choice.mode is Mode.AUTO and _wants_words(ask, offered):
        return ()
    wanted = _wanted(offered, ask.prompt) or (offered[:1] if ask.choice.mode is Mode.REQUIRED else [])
    made = tuple(_made(wanted, ask.prompt))[:_MOST_CALLS]
    return made if ask.is_parallel else made[:1]


def _wants_words(ask: Ask, offered: list[Tool]) -> bool:
    """Whether words are wanted: after tool results, and to repeat a text when no tool is named."""
    if ask.messages and ask.messages[-1].role == "tool":
        return True
    return bool(speech.echo(ask.prompt)) and not any(_is_named(tool, ask.prompt) for tool in offered)


def _wanted(offered: list[Tool], prompt: str) -> list[Tool]:
    """The tools that the prompt names, else those whose subject it speaks of, in the prompt's order."""
    named = [tool for tool in offered if _is_named(tool, prompt)]
    wanted = named or [tool for tool in offered if _mention(tool, prompt) >= 0]
    return sorted(wanted, key=lambda tool: _mention(tool, prompt))


def _is_named(tool: Tool, prompt: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(tool.name)}(?!\w)", prompt) is not None and (
        "_" in tool.name or re.search(r"\b(?:tool|function|call)\b", prompt, re.IGNORECASE) is not None
    )


def _mention(tool: Tool, prompt: str) -> int:
    """Where the prompt first speaks of the tool's subject; -1 where it doesn't.

    The name counts before the description, so that two tools with one word in common are told apart.
    """
    spoken = _terms_at(prompt)
    for text in (tool.name, tool.description):
        subject = {term for term, _ in _terms_at(text)}
        found = [offset for term, offset in spoken if term in subject]
        if found:
            return min(found)
    return -1


def _terms_at(text: str) -> list[tuple[str, int]]:
    """The words that carry meaning, in lower case and without a plural's s, each with its offset."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", text) if " " not in text else text.replace("_", " ")
    found = [(match[0].lower().rstrip("s"), match.start()) for match in re.finditer(r"[A-Za-z]{3,}", spaced)]
    found += [(english, text.find(term)) for term, english in _CHINESE_TERMS.items() if term in text]
    return [(term, offset) for term, offset in found if term not in _VAGUE and f"{term}s" not in _VAGUE]


def _made(wanted: list[Tool], prompt: str) -> Iterator[Called]:
    """One call per tool and thing; with several tools, a thing goes with the tool spoken of before it."""
    hints, named = Hints.of(prompt), names_at(prompt)
    starts = [max(0, _mention(tool, prompt)) for tool in wanted]
    for tool, start, end in zip(wanted, starts, [*starts, len(prompt)][1:], strict=True):
        names = [name for name, offset in named if len(wanted) == 1 or start <= offset < end]
        if not names or (len(names) > 1 and not _takes_one_name(tool.parameters)):
            yield _call(tool, hints)
        else:
            yield from (_call(tool, hints.about(name)) for name in names)


def _takes_one_name(parameters: JsonObject) -> bool:
    """Whether the tool requires a text, and so is called once for each thing."""
    properties, required = parameters.get("properties"), parameters.get("required")
    if not isinstance(properties, dict):
        return False
    wanted = required if isinstance(required, list) and required else list(properties)
    kinds = [part.get("type") for name in wanted if isinstance(part := properties.get(str(name)), dict)]
    return "string" in kinds and "array" not in kinds


def _call(tool: Tool, hints: Hints) -> Called:
    document = schema.instance(tool.parameters or {"type": "object"}, hints, is_complete=False)
    return Called(tool.name, orjson.dumps(document if isinstance(document, dict) else {}).decode())
