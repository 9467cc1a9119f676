"""What the stand-in model is asked, whichever API it came by."""

from dataclasses import dataclass, field
from enum import StrEnum

import orjson

from harness.endpoint import tokens
from harness.endpoint.answer import Json, JsonObject

_IMAGE_TOKENS = 85
_MESSAGE_TOKENS = 3
"""What the template around each message costs."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call in the conversation's past; `arguments` is the JSON text as it was sent."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its text parts joined, its images as bytes."""

    role: str
    text: str
    name: str = ""
    images: tuple[bytes, ...] = ()
    calls: tuple[Call, ...] = ()
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call; `parameters` is a JSON Schema."""

    name: str
    description: str
    parameters: JsonObject


class Mode(StrEnum):
    """Whether the model may, must or must not call a tool."""

    NONE = "none"
    AUTO = "auto"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class Choice:
    """Which tools may be called. `names` narrows them; `is_named` when the request demands exactly one."""

    mode: Mode = Mode.AUTO
    names: frozenset[str] | None = None
    is_named: bool = False


class Form(StrEnum):
    """The form that the answer's text must have."""

    TEXT = "text"
    OBJECT = "json_object"
    SCHEMA = "json_schema"


@dataclass(frozen=True, slots=True)
class Ask:
    """Everything that the words of an answer depend on. `begun` is what the answer has already begun with."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    choice: Choice = Choice()
    is_parallel: bool = True
    form: Form = Form.TEXT
    schema: JsonObject = field(default_factory=dict)
    seed: int = 0
    begun: str = ""

    @property
    def prompt(self) -> str:
        """The text of the last user message; empty when there is none."""
        return next((message.text for message in reversed(self.messages) if message.role == "user"), "")


def canonical(value: Json) -> str:
    """JSON text that is the same for the same value, whatever order its keys came in."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def prompt_tokens(ask: Ask) -> int:
    """What the prompt costs: messages with their roles and images, tools, and the schema of the answer."""
    said = sum(_message_tokens(message) for message in ask.messages)
    offered = sum(
        tokens.count(f"{tool.name}\n{tool.description}\n{canonical(tool.parameters)}") + 4
        for tool in ask.tools
    )
    wanted = tokens.count(canonical(ask.schema)) if ask.form is Form.SCHEMA else 0
    return said + offered + wanted + 3


def _message_tokens(message: Message) -> int:
    texts = (message.role, message.name, message.text, message.call_id)
    called = sum(tokens.count(call.name) + tokens.count(call.arguments) + 3 for call in message.calls)
    return _MESSAGE_TOKENS + sum(map(tokens.count, texts)) + called + _IMAGE_TOKENS * len(message.images)
