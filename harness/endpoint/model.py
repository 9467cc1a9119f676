"""The stand-in model: from what is asked to tokens, with caps, stop sequences and log probabilities.

It is deterministic. `generate` depends on the ask, the limits and the choice's index alone, so a plain answer
and a stream of the same request are made of the same tokens and cost the same.
"""

from dataclasses import dataclass
from enum import StrEnum

import orjson

from harness.endpoint import schema, speech, tokens, tools
from harness.endpoint.answer import Json, JsonObject
from harness.endpoint.conversation import Ask, Form
from harness.endpoint.hints import Hints

_EFFORT_TOKENS = {"low": 16, "medium": 32, "high": 64, "xhigh": 96, "max": 128}


class Finish(StrEnum):
    """Why the model stopped."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"


@dataclass(frozen=True, slots=True)
class Limits:
    """Where to end: after `cap` tokens, or before one of the stop sequences."""

    cap: int
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CallTokens:
    """A tool call as it is generated: its name is one token, its arguments come in many."""

    name: str
    arguments: tuple[str, ...]

    @property
    def text(self) -> str:
        """The arguments so far; JSON when nothing cut them off."""
        return "".join(self.arguments)


@dataclass(frozen=True, slots=True)
class Generated:
    """One choice. `reasoning` are the tokens thought before the first that counts as an answer."""

    finish: Finish
    words: tuple[str, ...] = ()
    calls: tuple[CallTokens, ...] = ()
    reasoning: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The words, joined."""
        return "".join(self.words)

    @property
    def tokens(self) -> int:
        """Everything generated, reasoning included."""
        return len(self.reasoning) + len(self.words) + sum(1 + len(call.arguments) for call in self.calls)


def reasoning(ask: Ask, effort: str | None) -> tuple[str, ...]:
    """What the stand-in thinks before it answers: nothing at efforts `none` and `minimal`."""
    size = _EFFORT_TOKENS.get(effort or "none", 0)
    thought = (
        "用户想要一个回答。我先看清要求，再按规则作答。"
        if speech.is_chinese(ask.prompt)
        else "The user wants an answer. I look at what is asked, and then I answer by the rules. "
    )
    return tokens.split(thought * (1 + size // 10))[:size]


def generate(ask: Ask, limits: Limits, thought: tuple[str, ...] = (), index: int = 0) -> Generated:
    """Choice `index` of the answer to `ask`, within `limits`; `thought` counts against the cap.

    Who has used up the cap ends by `length`, also at the last word: there is no token left to say the end.
    """
    room = limits.cap - len(thought)
    if room <= 0:
        return Generated(Finish.LENGTH, reasoning=thought[: limits.cap])
    if called := tools.calls(ask):
        return _generated_calls(ask, called, room, thought)
    text = _document(ask) if ask.form is not Form.TEXT else speech.said(ask, index)
    whole = tokens.split(text.removeprefix(ask.begun))
    made = whole[:room]
    words, is_stopped = _up_to_stop("".join(made), limits.stop)
    if is_stopped:
        return Generated(Finish.STOP, tokens.split(words), reasoning=thought)
    return Generated(Finish.LENGTH if len(made) == room else Finish.STOP, made, reasoning=thought)


def _up_to_stop(text: str, stop: tuple[str, ...]) -> tuple[str, bool]:
    """The text before the first stop sequence, and whether there was one."""
    ends = [end for sequence in stop if sequence and (end := text.find(sequence)) >= 0]
    return (text[: min(ends)], True) if ends else (text, False)


def _generated_calls(
    ask: Ask, called: tuple[tools.Called, ...], room: int, thought: tuple[str, ...]
) -> Generated:
    """The calls as tokens, cut where the room ends: then the reason is `length`, for nobody may execute them.

    OpenAI reports `stop` for a call that the request demanded by name.
    """
    made: list[CallTokens] = []
    for call in called:
        if room <= 0:
            break
        arguments = tokens.split(call.arguments)[: room - 1]
        made.append(CallTokens(call.name, arguments))
        room -= 1 + len(arguments)
    finish = Finish.STOP if ask.choice.is_named else Finish.TOOL_CALLS
    return Generated(finish if room > 0 else Finish.LENGTH, calls=tuple(made), reasoning=thought)


def _document(ask: Ask) -> str:
    """JSON text for a request that wants a document: by its schema, or any object."""
    if ask.form is Form.SCHEMA:
        return orjson.dumps(schema.instance(ask.schema, Hints.of(ask.prompt), is_complete=True)).decode()
    return orjson.dumps(_object(ask)).decode()


def _object(ask: Ask) -> JsonObject:
    """The object that the prompt spells out, or its `key: value` words, or a sentence."""
    start, end = ask.prompt.find("{"), ask.prompt.rfind("}")
    if 0 <= start < end:
        try:
            spelled: Json = orjson.loads(ask.prompt[start : end + 1])
        except orjson.JSONDecodeError:
            spelled = None
        if isinstance(spelled, dict):
            return spelled
    hints = Hints.of(ask.prompt)
    keys = [text for text in hints.quoted if text.isidentifier()]
    labelled: JsonObject = {key: hints.after(key) for key in keys if hints.after(key)}
    return labelled or {"answer": speech.said(ask, 0)}


# --- log probabilities ---

_ALTERNATIVES = (
    " the", ".", ",", " a", "\n", " and", " of", " in", "!", " is", "?", " to", "-", ":", " it", "0",
    " I", "1", "…", "好", "。",
)  # fmt: skip


def logprob(token: str, position: int) -> float:
    """The natural logarithm of the probability of a token: at most 0, and the same for the same place."""
    return -(speech.draw(token, position) % 9000 + 1) / 100_000


def alternatives(token: str, position: int, how_many: int) -> list[tuple[str, float]]:
    """The `how_many` likeliest tokens at a place with their log probabilities, the chosen one first."""
    least = -3.0 - speech.draw(token, position) % 700 / 1000
    others = [other for other in _ALTERNATIVES if other != token]
    return [
        (token, logprob(token, position)),
        *((other, least - 0.75 * i) for i, other in enumerate(others)),
    ][:how_many]
