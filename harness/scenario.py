"""A scenario: what is asked of an endpoint. The same one goes through every client in both modes.

Scenarios are content: module-level values in `suites/`, found by `harness.content`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, TypeAlias

from harness.wire.exchange import Json


class Mode(StrEnum):
    """How an answer is asked for: as one body, or as a stream of events."""

    PLAIN = "plain"
    STREAM = "stream"


BOTH_MODES = (Mode.PLAIN, Mode.STREAM)
PLAIN_ONLY = (Mode.PLAIN,)


Operation: TypeAlias = Literal["chat", "completions", "embeddings", "models", "responses"]

ModelUse: TypeAlias = Literal["chat", "completions", "embeddings", "models", "responses", "vision"]
"""What a model is asked for: an operation, or to see what a picture shows."""

MODEL_USES: tuple[ModelUse, ...] = ("chat", "completions", "embeddings", "responses", "vision")
"""The uses for which a target may name a model of its own."""

PATHS: Mapping[Operation, str] = {
    "chat": "/chat/completions",
    "completions": "/completions",
    "embeddings": "/embeddings",
    "models": "/models",
    "responses": "/responses",
}


@dataclass(frozen=True, slots=True)
class Ask:
    """An operation of the API with its parameters; the client adds the model and, in a stream, `stream`.

    `stream_params` go only with a stream, as `stream_options` must. `helper` names a convenience of one
    client that stands over the plain call, such as the SDK's `parse`; empty for the call itself.
    """

    operation: Operation
    params: Mapping[str, Json] = field(default_factory=dict)
    stream_params: Mapping[str, Json] = field(default_factory=dict)
    helper: str = ""

    def params_for(self, mode: Mode) -> dict[str, Json]:
        """The parameters in one mode, without the model and `stream`."""
        return {**self.params, **(self.stream_params if mode is Mode.STREAM else {})}

    @property
    def uses(self) -> tuple[ModelUse, ...]:
        """What its model is asked for, the more special use first."""
        return ("vision", self.operation) if _shows_a_picture(self.params) else (self.operation,)


def _shows_a_picture(value: object) -> bool:
    """Whether a part of a message is a picture, anywhere in it."""
    match value:
        case {"type": "image_url" | "input_image"}:
            return True
        case Mapping():
            return any(map(_shows_a_picture, value.values()))
        case list():
            return any(map(_shows_a_picture, value))
        case _:
            return False


def chat(
    params: Mapping[str, Json], stream_params: Mapping[str, Json] | None = None, *, helper: str = ""
) -> Ask:
    """POST /chat/completions."""
    return Ask("chat", params, stream_params or {}, helper)


@dataclass(frozen=True, slots=True)
class Http:
    """A request that only raw HTTP can send: a wrong key, a broken body, another method or path.

    `body` is sent as it is, but for the target's own fields in one that is a JSON object; `key` says which
    key goes with it, `headers` which other headers.
    """

    method: str
    path: str
    body: bytes = b""
    key: Literal["right", "wrong", "none"] = "right"
    headers: tuple[tuple[str, str], ...] = ()


class NoFollowUpError(Exception):
    """The answer to follow gives nothing to go on from; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class FollowUp:
    """The next turn of a conversation: `make` builds it from the observation of the scenario named `after`.

    `make` raises NoFollowUpError when the model did not play along. `tokens` is the most completion tokens
    that what it builds asks for, since a budget is kept before there is anything to build from.
    """

    operation: Operation
    after: str
    make: Callable[[Any], "Ask | Http"]
    tokens: int = 32


AnyAsk: TypeAlias = Ask | FollowUp | Http


@dataclass(frozen=True, slots=True)
class Expression:
    """What a client can express: the operations that it knows, each with its parameters; None: any.

    `stream` is the parameter of a client that can ask for a stream.
    """

    parameters: Mapping[Operation, frozenset[str] | None]

    def lacks(self, ask: AnyAsk, mode: Mode) -> str:
        """What of a request it can't express, in words; empty where it can.

        What a follow-up will ask for is known when it is made, but for its operation.
        """
        if isinstance(ask, Http):
            return "raw requests"
        if ask.operation not in self.parameters:
            return ask.operation
        if isinstance(ask, Ask) and ask.helper:
            return f"the helper {ask.helper}"
        known = self.parameters[ask.operation]
        asked = {
            *(ask.params_for(mode) if isinstance(ask, Ask) else ()),
            *(["stream"] * (mode is Mode.STREAM)),
        }
        # The model is none of the parameters: it goes with every question.
        missing = asked - known - {"model"} if known is not None else ()
        return ", ".join(f"{ask.operation}.{name}" for name in sorted(missing))


ANYTHING = Expression(dict.fromkeys(PATHS))
"""Every operation, with any parameter."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a bad request, and what of its refusal can be judged.

    `kind` is what it would mean to answer: `unanswerable` can only be answered as something else, a `value`
    is ruled out by OpenAI's document, a `limit` is the model's own and may be kept to without a word, a
    `combination` is one that OpenAI refuses, `unknown` is a parameter that there is not. `named` are the
    words of which a refusal needs one, so that somebody finds the mistake; empty where there is nothing to
    find. `code` is OpenAI's error code, where programs branch on it.
    """

    kind: Literal["unanswerable", "limit", "value", "combination", "unknown"] = "unanswerable"
    named: tuple[str, ...] = ()
    code: str = ""


Lacks: TypeAlias = Callable[[AnyAsk, Mode], str]
"""What of a request a client can't express in a mode, and why, in words; empty where it can express it."""

Cost: TypeAlias = Literal["core", "wide", "wire"]
"""How many clients ask: each that can, in every profile but `smoke`; raw alone, and each that can in the
profile `full`; or raw alone in any, as it is a matter of bytes that no other client sends."""

_BY_A_MODEL: tuple[Operation, ...] = ("chat", "completions", "responses")


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is asked, and what a right endpoint makes of it.

    `refused_with` holds the HTTP statuses with which OpenAI refuses such a request; empty where it answers.
    `mistake` says what is wrong with a request that is refused.
    `needs` names the capabilities that a target must claim. `cost` says how many clients ask it; `clients`
    names those that ask it in the profile `standard` where that is not what `cost` says, such as the one that
    has a helper.
    `is_quick_start` marks the calls of the founding promise, without which nothing is judged. `is_first`
    marks the first question of a run, by whose answer the others are fitted. `is_cut` says that its cap is
    there to cut the answer, and is never raised. `is_recorded` marks a call of a user's own traffic: nothing
    says when it was made, and of which endpoint. `repetition` counts from 0 how often the run has asked it
    before, through the same client in the same mode.
    """

    id: str
    sentence: str
    ask: AnyAsk
    refused_with: tuple[int, ...] = ()
    mistake: Mistake = Mistake()
    needs: frozenset[str] = frozenset()
    modes: tuple[Mode, ...] = BOTH_MODES
    cost: Cost = "core"
    clients: frozenset[str] = frozenset()
    is_quick_start: bool = False
    is_first: bool = False
    is_cut: bool = False
    is_recorded: bool = False
    repetition: int = 0

    @property
    def name(self) -> str:
        """What observations and verdicts call it: the id, with the number of the try from the second on."""
        return f"{self.id}#{self.repetition + 1}" if self.repetition else self.id

    @property
    def asked_by(self) -> frozenset[str]:
        """The clients that ask it in the profile `standard`; empty for every client."""
        return self.clients or (frozenset() if self.cost == "core" else frozenset({"raw"}))

    @property
    def operation(self) -> Operation:
        """The operation that it asks for; a raw request is of the one to whose path it goes, else of chat."""
        if not isinstance(self.ask, Http):
            return self.ask.operation
        path = self.ask.path
        return next((name for name, its in PATHS.items() if path.startswith(its)), "chat")

    @property
    def depends_on_chance(self) -> bool:
        """Whether a model answers, which may say something else when it is asked again."""
        return isinstance(self.ask, Ask) and any(map(self.is_answered_by, _BY_A_MODEL))

    @property
    def is_answered(self) -> bool:
        """Whether a right endpoint answers, and does not refuse."""
        return not self.refused_with

    def params_for(self, mode: Mode) -> dict[str, Json]:
        """The parameters asked for in one mode; empty where they are not known beforehand."""
        return self.ask.params_for(mode) if isinstance(self.ask, Ask) else {}

    def is_answered_by(self, operation: Operation) -> bool:
        """Whether a right endpoint gives an answer of this operation."""
        return self.is_answered and not isinstance(self.ask, Http) and self.ask.operation == operation
