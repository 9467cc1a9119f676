"""A reply: what a client gave its user, as that user would have read it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import wraps
from itertools import accumulate, pairwise
from typing import Any, ParamSpec, TypeVar

import orjson

from harness.wire import json_text
from harness.wire.limits import JSON_LEVELS
from harness.wire.redaction import Secrets, redact_text
from harness.wire.words import plain_words

_Args = ParamSpec("_Args")
_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call as the user got it; `arguments` is JSON text, whatever the client made of it.

    For a custom tool it is the free text of its input.
    """

    id: str | None
    name: str | None
    arguments: str | None


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts as the user got them."""

    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None


@dataclass(frozen=True, slots=True)
class Raised:
    """The exception that reached the user: its class, the HTTP status and the code that it carries.

    `in_reading` tells that the client gave its result, and that the code which reads it in the user's place
    raised: code of this harness, which may be what is wrong.
    """

    type: str
    message: str
    status: int | None = None
    code: str | None = None
    in_reading: bool = False


@dataclass(frozen=True, slots=True)
class ReplyChoice:
    """One choice of a reply."""

    index: int | None
    text: str | None
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What the user of a client has in hand after one call.

    After an exception in mid-stream, `choices` holds what had come until then. `pieces` counts the chunks
    that a streaming user saw. `data` is what an operation gives that is no choice: embedding vectors, model
    ids, a parsed object. `printed` is what the founding page's print lines show, None where a client has no
    such lines; `notes` tells where today's library refuses a line of that page. `broken` says what a client
    did instead of giving a reply, such as to die; empty where it gave one.
    """

    choices: tuple[ReplyChoice, ...] = ()
    usage: Usage | None = None
    response_id: str | None = None
    model: str | None = None
    raised: Raised | None = None
    pieces: int = 0
    data: Any = None
    printed: tuple[str, ...] | None = ()
    notes: tuple[str, ...] = ()
    broken: str = ""

    @property
    def text(self) -> str | None:
        """The first choice's text."""
        return self.choices[0].text if self.choices else None

    @property
    def finish_reason(self) -> str | None:
        """The first choice's finish reason."""
        return self.choices[0].finish_reason if self.choices else None

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The first choice's tool calls."""
        return self.choices[0].tool_calls if self.choices else ()


@dataclass(slots=True)
class _GrowingCall:
    id: str | None = None
    name: str | None = None
    arguments: str = ""


@dataclass(slots=True)
class _GrowingChoice:
    text: str | None = None
    refusal: str | None = None
    finish_reason: str | None = None
    calls: dict[int | None, _GrowingCall] = field(default_factory=dict)


@dataclass(slots=True)
class Gathered:
    """What a streaming user puts together, as the loops in the SDKs' own examples do it.

    It takes values as they come and adds nothing: a wrong type raises here as it would in the user's code.
    """

    choices: dict[int | None, _GrowingChoice] = field(default_factory=dict)
    usage: Usage | None = None
    response_id: str | None = None
    model: str | None = None
    pieces: int = 0
    printed: list[str] = field(default_factory=list)

    def choice(self, index: int | None) -> _GrowingChoice:
        """The choice with this index, begun if it is new."""
        return self.choices.setdefault(index, _GrowingChoice())

    def add_text(self, index: int | None, text: str | None) -> None:
        """Append a content delta."""
        if text is not None:
            choice = self.choice(index)
            choice.text = text if choice.text is None else choice.text + text

    def add_refusal(self, index: int | None, text: str | None) -> None:
        """Append a refusal delta."""
        if text is not None:
            choice = self.choice(index)
            choice.refusal = text if choice.refusal is None else choice.refusal + text

    def add_call(self, index: int | None, call_index: int | None, call: ToolCall) -> None:
        """Merge a tool call delta: the first id and name hold, arguments are appended."""
        growing = self.choice(index).calls.setdefault(call_index, _GrowingCall())
        growing.id = growing.id or call.id
        growing.name = growing.name or call.name
        if call.arguments is not None:
            growing.arguments += call.arguments

    def finish(self, index: int | None, reason: str | None) -> None:
        """Take a finish reason; the last one holds."""
        choice = self.choice(index)
        choice.finish_reason = reason or choice.finish_reason

    def reply(self) -> Reply:
        """The reply as far as it has come."""
        return Reply(
            choices=tuple(_choice(index, choice) for index, choice in self.choices.items()),
            usage=self.usage,
            response_id=self.response_id,
            model=self.model,
            pieces=self.pieces,
            printed=tuple(self.printed),
        )


def _choice(index: int | None, growing: _GrowingChoice) -> ReplyChoice:
    calls = tuple(ToolCall(call.id, call.name, call.arguments) for call in growing.calls.values())
    return ReplyChoice(index, growing.text, calls, growing.finish_reason, growing.refusal)


class ReadingError(Exception):
    """A client gave its result, and reading that raised; `error` is what was raised."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def reads(read: Callable[_Args, _Read]) -> Callable[_Args, _Read]:
    """Mark a function that reads what a client gave, so that what it raises is not told of the client."""

    @wraps(read)
    def marked(*args: _Args.args, **kwargs: _Args.kwargs) -> _Read:
        try:
            return read(*args, **kwargs)
        except ReadingError:
            raise
        except Exception as error:
            raise ReadingError(error) from error

    return marked


def raised(error: Exception) -> Raised:
    """What a user's `except` clause has in hand."""
    if isinstance(error, ReadingError):
        return replace(raised(error.error), in_reading=True)
    status, code = getattr(error, "status_code", None), getattr(error, "code", None)
    return Raised(
        type=f"{type(error).__module__.partition('.')[0]}.{type(error).__qualname__}".removeprefix(
            "builtins."
        ),
        message=str(error),
        status=status if isinstance(status, int) else None,
        code=code if isinstance(code, str) else None,
    )


def reply_of(call: Callable[[], Reply]) -> Reply:
    """The reply of a plain call, or the exception that its user got instead."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001  # whatever the client raises is what its user gets
        return Reply(raised=raised(error))


def gathered_from(take: Callable[[Gathered], None]) -> Reply:
    """The reply of a streamed call, with what had been gathered when an exception reached its user."""
    gathered = Gathered()
    try:
        take(gathered)
    except Exception as error:  # noqa: BLE001  # whatever the client raises is what its user gets
        return replace(gathered.reply(), raised=raised(error))
    return gathered.reply()


CHAT_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
RESPONSE_COUNTS = ("input_tokens", "output_tokens", "total_tokens")


def usage_of(value: object, names: tuple[str, str, str] = CHAT_COUNTS) -> Usage | None:
    """Token counts from a usage object of any client: attributes or keys, by OpenAI's names."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        return Usage(*(value.get(name) for name in names))
    return Usage(*(getattr(value, name, None) for name in names))


_MESSAGE_CHARS = 500
_BETWEEN = "\n\n"


def kept(reply: Reply, secrets: Secrets | None) -> Reply:
    """The reply without its secrets, and with a long message cut: after they are gone, or half might stay.

    What is nested more deeply than it can be walked is not kept: who reads it gets no further either.
    """
    if json_text.levels_of(to_json(reply)) > JSON_LEVELS:
        deep = f"what the client gave is nested more than {JSON_LEVELS} levels deep"
        reply = Reply(raised=Raised("RecursionError", deep), notes=reply.notes)
    if reply.raised is not None:
        message = plain_words(redact_text(reply.raised.message, secrets))[:_MESSAGE_CHARS]
        reply = replace(reply, raised=replace(reply.raised, message=message))
    if secrets is None or not secrets.may_be_in(_dumped(reply)):
        return reply
    dumped = json.dumps(to_json(replace(reply, printed=())), default=str)
    redacted = secrets.body(dumped)
    printed = None if reply.printed is None else _redacted_lines(reply.printed, secrets)
    if redacted == dumped:
        return replace(reply, printed=printed)
    return replace(from_json(json.loads(redacted)), printed=printed)


def _dumped(reply: Reply) -> str:
    try:
        return orjson.dumps(reply, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        # Half of a surrogate pair, which an SDK passes on as it came.
        return json.dumps(to_json(reply), default=str, ensure_ascii=False)


def _redacted_lines(lines: Sequence[str], secrets: Secrets) -> tuple[str, ...]:
    """Lines that are printed one after another: what is spelled over them is read as one, like events."""
    whole = secrets.body(_BETWEEN.join(lines))
    starts = accumulate((len(line) + len(_BETWEEN) for line in lines), initial=0)
    return tuple(whole[start : end - len(_BETWEEN)] for start, end in pairwise(starts))


def to_json(reply: Reply) -> dict[str, Any]:
    """The reply as plain values; `from_json` gives it back. Nothing is copied but the reply's own shape."""
    values = _fields(reply)
    choices = [
        {**_fields(choice), "tool_calls": [_fields(call) for call in choice.tool_calls]}
        for choice in reply.choices
    ]
    usage = None if reply.usage is None else _fields(reply.usage)
    return {
        **values,
        "choices": choices,
        "usage": usage,
        "raised": None if reply.raised is None else _fields(reply.raised),
    }


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def from_json(value: Mapping[str, Any]) -> Reply:
    """A reply from the JSON that serialising one gave; values keep the types that the client gave."""
    choices = (
        {**choice, "tool_calls": tuple(ToolCall(**call) for call in choice["tool_calls"])}
        for choice in value["choices"]
    )
    return Reply(
        **{
            **value,
            "choices": tuple(ReplyChoice(**choice) for choice in choices),
            "usage": None if value["usage"] is None else Usage(**value["usage"]),
            "raised": None if value["raised"] is None else Raised(**value["raised"]),
            "printed": None if value["printed"] is None else tuple(value["printed"]),
            "notes": tuple(value["notes"]),
        }
    )
