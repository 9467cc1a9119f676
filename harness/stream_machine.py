"""The state machines of streams: what may follow what, as tables of state and event.

`CHAT` is the table of a chat stream, `RESPONSES` that of a Responses stream. Each holds a machine for the
stream as a whole and one for each of its parts (a choice; an output item, a text), which all take the same
walk. A cell says which state comes next and which defects the event shows. The rules of suites/stream and
suites/responses each speak of one defect; `markdown` renders the tables for the documentation.

Sources: OpenAI API reference, "Streaming" of chat completions and "Streaming events" of responses; recorded
streams of OpenAI.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TypeAlias

from harness.evidence import STREAMS_KEPT, Object, objects, parsed, shown
from harness.evidence.chat import DONE, ChunkStream
from harness.evidence.responses import CALLS, TERMINAL, ResponseEvent, ResponseStream
from harness.rule import Violation, Violations
from harness.wire.exchange import Ending
from harness.wire.sse import SseEvent


@dataclass(frozen=True, slots=True)
class Move:
    """A cell: the state that comes next, and what is wrong with the event that led there."""

    to: Enum
    defects: tuple[Enum, ...] = ()


Table: TypeAlias = Mapping[Enum, Mapping[Enum, Move]]


@dataclass(frozen=True, slots=True)
class Track:
    """One machine at work: the state that it starts in, and the name of the thing that it follows."""

    start: Enum
    name: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """A classified event for one machine, with its place; `event` is None for the end of the body."""

    track: Track
    signal: Enum
    number: int | None = None
    event: SseEvent | None = None
    pointer: str | None = None
    received: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A defect and the event that shows it."""

    defect: Enum
    heard: Heard


def walk(table: Table, stream: Iterable[Heard]) -> Iterator[Found]:
    """Every defect of a stream, in the order of its events."""
    states: dict[Track, Enum] = {}
    for heard in stream:
        move = table[states.get(heard.track, heard.track.start)][heard.signal]
        states[heard.track] = move.to
        for defect in move.defects:
            yield Found(defect, heard)


def _violations(found: Iterable[Found], defect: Enum) -> Violations:
    for each in found:
        if each.defect is defect:
            heard = each.heard
            span = (heard.event.start, heard.event.end) if heard.event else None
            yield Violation(
                heard.received or str(heard.signal.value),
                str(defect.value),
                heard.pointer,
                heard.number,
                span,
            )


# --- chat ---


class Chat(Enum):
    """How far a chat stream is."""

    EMPTY = "no chunk yet"
    OPEN = "chunks"
    COUNTED_FIRST = "usage, and no chunk yet"
    COUNTED = "usage"
    FAILED = "error"
    ENDED = "[DONE]"


class ChatSignal(Enum):
    """What an event means for the stream as a whole."""

    CHOICES = "choices"
    CHOICES_AND_USAGE = "choices and usage"
    NO_CHOICES = "empty choices"
    USAGE = "usage alone"
    ERROR = "error object"
    FLAT_ERROR = "flat error"
    COMMENT = "comment"
    DONE = "[DONE]"
    END = "end of the body"


class Choice(Enum):
    """How far one choice is."""

    NEW = "nothing yet"
    BEGUN = "role"
    HUSHED = "empty delta"
    TALKING = "text"
    CALLING = "tool call"
    FINISHED = "finish reason"
    CLOSED = "stream over"


class ChoiceSignal(Enum):
    """What a delta means for its choice; one delta can mean several things, in this order."""

    ROLE = "role assistant"
    OTHER_ROLE = "another role"
    REASONING = "reasoning"
    TEXT = "content or refusal"
    CALL = "tool call start"
    FRAGMENT = "tool call fragment"
    EMPTY = "empty delta"
    STOP = "finish stop"
    TOOL_CALLS = "finish tool_calls"
    FINISH = "other finish"
    ERROR = "error"
    CLOSE = "[DONE] or end"


class ChatDefect(Enum):
    """What can be wrong with the order of a chat stream; the value says what had to come instead."""

    NO_CHUNK = "a chunk with a choice"
    EMPTY_CHOICES = "a choice, or usage or moderation beside it"
    USAGE_BESIDE_CHOICES = "[] beside usage"
    USAGE_AGAIN = "usage in one chunk only"
    USAGE_NOT_LAST = "no choices after the usage chunk"
    ERROR = "chunks to the end"
    FLAT_ERROR = '{"error": {"message": …}}'
    AFTER_ERROR = "the end of the stream after an error"
    DONE_MISSING = "data: [DONE]"
    DONE_AGAIN = "exactly one data: [DONE]"
    AFTER_DONE = "the end of the body"
    ROLE_LATE = 'the role "assistant" before anything else'
    ROLE_AGAIN = "no role again"
    WRONG_ROLE = '"assistant"'
    NOTHING_SAID = "text, a refusal or tool calls before it"
    CALL_NOT_STARTED = "a tool call's id and name before its arguments"
    NO_CALL = "a tool call before it"
    EMPTY_BEFORE_CALL = "no empty delta before a tool call"
    SAID_AFTER_FINISH = "nothing after the finish reason"
    FINISH_AGAIN = "only one finish reason"
    FINISH_MISSING = "a finish reason"


CHAT: Table = {
    Chat.EMPTY: {
        ChatSignal.CHOICES: Move(Chat.OPEN),
        ChatSignal.CHOICES_AND_USAGE: Move(Chat.COUNTED, (ChatDefect.USAGE_BESIDE_CHOICES,)),
        ChatSignal.NO_CHOICES: Move(Chat.EMPTY, (ChatDefect.EMPTY_CHOICES,)),
        ChatSignal.USAGE: Move(Chat.COUNTED_FIRST),
        ChatSignal.ERROR: Move(Chat.FAILED, (ChatDefect.ERROR,)),
        ChatSignal.FLAT_ERROR: Move(Chat.FAILED, (ChatDefect.FLAT_ERROR,)),
        ChatSignal.COMMENT: Move(Chat.EMPTY),
        ChatSignal.DONE: Move(Chat.ENDED, (ChatDefect.NO_CHUNK,)),
        ChatSignal.END: Move(Chat.ENDED, (ChatDefect.NO_CHUNK, ChatDefect.DONE_MISSING)),
    },
    Chat.OPEN: {
        ChatSignal.CHOICES: Move(Chat.OPEN),
        ChatSignal.CHOICES_AND_USAGE: Move(Chat.COUNTED, (ChatDefect.USAGE_BESIDE_CHOICES,)),
        ChatSignal.NO_CHOICES: Move(Chat.OPEN, (ChatDefect.EMPTY_CHOICES,)),
        ChatSignal.USAGE: Move(Chat.COUNTED),
        ChatSignal.ERROR: Move(Chat.FAILED, (ChatDefect.ERROR,)),
        ChatSignal.FLAT_ERROR: Move(Chat.FAILED, (ChatDefect.FLAT_ERROR,)),
        ChatSignal.COMMENT: Move(Chat.OPEN),
        ChatSignal.DONE: Move(Chat.ENDED),
        ChatSignal.END: Move(Chat.ENDED, (ChatDefect.DONE_MISSING,)),
    },
    Chat.COUNTED_FIRST: {
        ChatSignal.CHOICES: Move(Chat.COUNTED, (ChatDefect.USAGE_NOT_LAST,)),
        ChatSignal.CHOICES_AND_USAGE: Move(
            Chat.COUNTED, (ChatDefect.USAGE_BESIDE_CHOICES, ChatDefect.USAGE_AGAIN)
        ),
        ChatSignal.NO_CHOICES: Move(Chat.COUNTED_FIRST, (ChatDefect.EMPTY_CHOICES,)),
        ChatSignal.USAGE: Move(Chat.COUNTED_FIRST, (ChatDefect.USAGE_AGAIN,)),
        ChatSignal.ERROR: Move(Chat.FAILED, (ChatDefect.ERROR,)),
        ChatSignal.FLAT_ERROR: Move(Chat.FAILED, (ChatDefect.FLAT_ERROR,)),
        ChatSignal.COMMENT: Move(Chat.COUNTED_FIRST),
        ChatSignal.DONE: Move(Chat.ENDED, (ChatDefect.NO_CHUNK,)),
        ChatSignal.END: Move(Chat.ENDED, (ChatDefect.NO_CHUNK, ChatDefect.DONE_MISSING)),
    },
    Chat.COUNTED: {
        ChatSignal.CHOICES: Move(Chat.COUNTED, (ChatDefect.USAGE_NOT_LAST,)),
        ChatSignal.CHOICES_AND_USAGE: Move(
            Chat.COUNTED, (ChatDefect.USAGE_BESIDE_CHOICES, ChatDefect.USAGE_AGAIN)
        ),
        ChatSignal.NO_CHOICES: Move(Chat.COUNTED, (ChatDefect.EMPTY_CHOICES,)),
        ChatSignal.USAGE: Move(Chat.COUNTED, (ChatDefect.USAGE_AGAIN,)),
        ChatSignal.ERROR: Move(Chat.FAILED, (ChatDefect.ERROR,)),
        ChatSignal.FLAT_ERROR: Move(Chat.FAILED, (ChatDefect.FLAT_ERROR,)),
        ChatSignal.COMMENT: Move(Chat.COUNTED),
        ChatSignal.DONE: Move(Chat.ENDED),
        ChatSignal.END: Move(Chat.ENDED, (ChatDefect.DONE_MISSING,)),
    },
    Chat.FAILED: {
        ChatSignal.CHOICES: Move(Chat.FAILED, (ChatDefect.AFTER_ERROR,)),
        ChatSignal.CHOICES_AND_USAGE: Move(Chat.FAILED, (ChatDefect.AFTER_ERROR,)),
        ChatSignal.NO_CHOICES: Move(Chat.FAILED, (ChatDefect.AFTER_ERROR,)),
        ChatSignal.USAGE: Move(Chat.FAILED, (ChatDefect.AFTER_ERROR,)),
        ChatSignal.ERROR: Move(Chat.FAILED, (ChatDefect.ERROR,)),
        ChatSignal.FLAT_ERROR: Move(Chat.FAILED, (ChatDefect.FLAT_ERROR,)),
        ChatSignal.COMMENT: Move(Chat.FAILED),
        ChatSignal.DONE: Move(Chat.ENDED),
        ChatSignal.END: Move(Chat.ENDED),
    },
    Chat.ENDED: {
        ChatSignal.CHOICES: Move(Chat.ENDED, (ChatDefect.AFTER_DONE,)),
        ChatSignal.CHOICES_AND_USAGE: Move(Chat.ENDED, (ChatDefect.AFTER_DONE,)),
        ChatSignal.NO_CHOICES: Move(Chat.ENDED, (ChatDefect.AFTER_DONE,)),
        ChatSignal.USAGE: Move(Chat.ENDED, (ChatDefect.AFTER_DONE,)),
        ChatSignal.ERROR: Move(Chat.ENDED, (ChatDefect.AFTER_DONE, ChatDefect.ERROR)),
        ChatSignal.FLAT_ERROR: Move(Chat.ENDED, (ChatDefect.AFTER_DONE, ChatDefect.FLAT_ERROR)),
        ChatSignal.COMMENT: Move(Chat.ENDED),
        ChatSignal.DONE: Move(Chat.ENDED, (ChatDefect.DONE_AGAIN,)),
        ChatSignal.END: Move(Chat.ENDED),
    },
    Choice.NEW: {
        ChoiceSignal.ROLE: Move(Choice.BEGUN),
        ChoiceSignal.OTHER_ROLE: Move(Choice.BEGUN, (ChatDefect.WRONG_ROLE,)),
        ChoiceSignal.REASONING: Move(Choice.BEGUN, (ChatDefect.ROLE_LATE,)),
        ChoiceSignal.TEXT: Move(Choice.TALKING, (ChatDefect.ROLE_LATE,)),
        ChoiceSignal.CALL: Move(Choice.CALLING, (ChatDefect.ROLE_LATE,)),
        ChoiceSignal.FRAGMENT: Move(Choice.CALLING, (ChatDefect.ROLE_LATE, ChatDefect.CALL_NOT_STARTED)),
        ChoiceSignal.EMPTY: Move(Choice.NEW),
        ChoiceSignal.STOP: Move(Choice.FINISHED, (ChatDefect.ROLE_LATE, ChatDefect.NOTHING_SAID)),
        ChoiceSignal.TOOL_CALLS: Move(Choice.FINISHED, (ChatDefect.ROLE_LATE, ChatDefect.NO_CALL)),
        ChoiceSignal.FINISH: Move(Choice.FINISHED, (ChatDefect.ROLE_LATE,)),
        ChoiceSignal.ERROR: Move(Choice.CLOSED),
        ChoiceSignal.CLOSE: Move(Choice.CLOSED, (ChatDefect.FINISH_MISSING,)),
    },
    Choice.BEGUN: {
        ChoiceSignal.ROLE: Move(Choice.BEGUN, (ChatDefect.ROLE_AGAIN,)),
        ChoiceSignal.OTHER_ROLE: Move(Choice.BEGUN, (ChatDefect.ROLE_AGAIN,)),
        ChoiceSignal.REASONING: Move(Choice.BEGUN),
        ChoiceSignal.TEXT: Move(Choice.TALKING),
        ChoiceSignal.CALL: Move(Choice.CALLING),
        ChoiceSignal.FRAGMENT: Move(Choice.CALLING, (ChatDefect.CALL_NOT_STARTED,)),
        ChoiceSignal.EMPTY: Move(Choice.HUSHED),
        ChoiceSignal.STOP: Move(Choice.FINISHED, (ChatDefect.NOTHING_SAID,)),
        ChoiceSignal.TOOL_CALLS: Move(Choice.FINISHED, (ChatDefect.NO_CALL,)),
        ChoiceSignal.FINISH: Move(Choice.FINISHED),
        ChoiceSignal.ERROR: Move(Choice.CLOSED),
        ChoiceSignal.CLOSE: Move(Choice.CLOSED, (ChatDefect.FINISH_MISSING,)),
    },
    Choice.HUSHED: {
        ChoiceSignal.ROLE: Move(Choice.HUSHED, (ChatDefect.ROLE_AGAIN,)),
        ChoiceSignal.OTHER_ROLE: Move(Choice.HUSHED, (ChatDefect.ROLE_AGAIN,)),
        ChoiceSignal.REASONING: Move(Choice.BEGUN),
        ChoiceSignal.TEXT: Move(Choice.TALKING),
        ChoiceSignal.CALL: Move(Choice.CALLING, (ChatDefect.EMPTY_BEFORE_CALL,)),
        ChoiceSignal.FRAGMENT: Move(
            Choice.CALLING, (ChatDefect.EMPTY_BEFORE_CALL, ChatDefect.CALL_NOT_STARTED)
        ),
        ChoiceSignal.EMPTY: Move(Choice.HUSHED),
        ChoiceSignal.STOP: Move(Choice.FINISHED, (ChatDefect.NOTHING_SAID,)),
        ChoiceSignal.TOOL_CALLS: Move(Choice.FINISHED, (ChatDefect.NO_CALL,)),
        ChoiceSignal.FINISH: Move(Choice.FINISHED),
        ChoiceSignal.ERROR: Move(Choice.CLOSED),
        ChoiceSignal.CLOSE: Move(Choice.CLOSED, (ChatDefect.FINISH_MISSING,)),
    },
    Choice.TALKING: {
        ChoiceSignal.ROLE: Move(Choice.TALKING, (ChatDefect.ROLE_AGAIN,)),
        ChoiceSignal.OTHER_ROLE: Move(Choice.TALKING, (ChatDefect.ROLE_AGAIN,)),
        ChoiceSignal.REASONING: Move(Choice.TALKING),
        ChoiceSignal.TEXT: Move(Choice.TALKING),
        ChoiceSignal.CALL: Move(Choice.CALLING),
        ChoiceSignal.FRAGMENT: Move(Choice.CALLING, (ChatDefect.CALL_NOT_STARTED,)),
        ChoiceSignal.EMPTY: Move(Choice.TALKING),
        ChoiceSignal.STOP: Move(Choice.FINISHED),
        ChoiceSignal.TOOL_CALLS: Move(Choice.FINISHED, (ChatDefect.NO_CALL,)),
        ChoiceSignal.FINISH: Move(Choice.FINISHED),
        ChoiceSignal.ERROR: Move(Choice.CLOSED),
        ChoiceSignal.CLOSE: Move(Choice.CLOSED, (ChatDefect.FINISH_MISSING,)),
    },
    Choice.CALLING: {
        ChoiceSignal.ROLE: Move(Choice.CALLING, (ChatDefect.ROLE_AGAIN,)),
        ChoiceSignal.OTHER_ROLE: Move(Choice.CALLING, (ChatDefect.ROLE_AGAIN,)),
        ChoiceSignal.REASONING: Move(Choice.CALLING),
        ChoiceSignal.TEXT: Move(Choice.CALLING),
        ChoiceSignal.CALL: Move(Choice.CALLING),
        ChoiceSignal.FRAGMENT: Move(Choice.CALLING),
        ChoiceSignal.EMPTY: Move(Choice.CALLING),
        ChoiceSignal.STOP: Move(Choice.FINISHED),
        ChoiceSignal.TOOL_CALLS: Move(Choice.FINISHED),
        ChoiceSignal.FINISH: Move(Choice.FINISHED),
        ChoiceSignal.ERROR: Move(Choice.CLOSED),
        ChoiceSignal.CLOSE: Move(Choice.CLOSED, (ChatDefect.FINISH_MISSING,)),
    },
    Choice.FINISHED: {
        ChoiceSignal.ROLE: Move(Choice.FINISHED, (ChatDefect.ROLE_AGAIN,)),
        ChoiceSignal.OTHER_ROLE: Move(Choice.FINISHED, (ChatDefect.ROLE_AGAIN,)),
        ChoiceSignal.REASONING: Move(Choice.FINISHED, (ChatDefect.SAID_AFTER_FINISH,)),
        ChoiceSignal.TEXT: Move(Choice.FINISHED, (ChatDefect.SAID_AFTER_FINISH,)),
        ChoiceSignal.CALL: Move(Choice.FINISHED, (ChatDefect.SAID_AFTER_FINISH,)),
        ChoiceSignal.FRAGMENT: Move(Choice.FINISHED, (ChatDefect.SAID_AFTER_FINISH,)),
        ChoiceSignal.EMPTY: Move(Choice.FINISHED),
        ChoiceSignal.STOP: Move(Choice.FINISHED, (ChatDefect.FINISH_AGAIN,)),
        ChoiceSignal.TOOL_CALLS: Move(Choice.FINISHED, (ChatDefect.FINISH_AGAIN,)),
        ChoiceSignal.FINISH: Move(Choice.FINISHED, (ChatDefect.FINISH_AGAIN,)),
        ChoiceSignal.ERROR: Move(Choice.CLOSED),
        ChoiceSignal.CLOSE: Move(Choice.CLOSED),
    },
    Choice.CLOSED: {signal: Move(Choice.CLOSED) for signal in ChoiceSignal},
}
"""What is legal of a chat stream and of its choices; what follows the end is the stream's defect alone."""

_CHAT_TRACK = Track(Chat.EMPTY)
_FINISHES: Mapping[object, ChoiceSignal] = {
    "stop": ChoiceSignal.STOP,
    "tool_calls": ChoiceSignal.TOOL_CALLS,
}
_OUTPUTS = (
    ("reasoning_content", ChoiceSignal.REASONING),
    ("reasoning", ChoiceSignal.REASONING),
    ("content", ChoiceSignal.TEXT),
    ("refusal", ChoiceSignal.TEXT),
    ("audio", ChoiceSignal.TEXT),
)


def chat_violations(stream: ChunkStream, defect: ChatDefect) -> Violations:
    """Where a chat stream shows a defect."""
    return _violations(_chat_walked(stream), defect)


@lru_cache(STREAMS_KEPT)
def _chat_walked(stream: ChunkStream) -> tuple[Found, ...]:
    """Every defect of a stream: it is walked once for all the rules that ask."""
    return tuple(walk(CHAT, chat_signals(stream)))


def chat_signals(stream: ChunkStream) -> Iterator[Heard]:
    """The events of a chat stream, classified for the stream and for each of its choices.

    Data that is no JSON object means nothing here. The end of the body is heard unless the client left.
    """
    choices: dict[str, Track] = {}
    for number, event in enumerate(stream.events):
        if event.data == DONE:
            yield Heard(_CHAT_TRACK, ChatSignal.DONE, number, event)
            yield from _to_all(choices, ChoiceSignal.CLOSE, number, event)
        elif event.data is None and event.comments:
            yield Heard(_CHAT_TRACK, ChatSignal.COMMENT, number, event)
        elif isinstance(body := parsed((event.data or "").encode()), dict):
            signal = _chunk_signal(body)
            if signal is not None:
                yield Heard(_CHAT_TRACK, signal, number, event, *_chunk_place(signal, body))
            if signal in {ChatSignal.ERROR, ChatSignal.FLAT_ERROR}:
                yield from _to_all(choices, ChoiceSignal.ERROR, number, event)
            for pointer, choice in objects(body.get("choices"), "/choices"):
                name = f"choice {choice.get('index')!r}"
                track = choices.setdefault(name, Track(Choice.NEW, name))
                for sign, key, value in _delta_signals(choice):
                    yield Heard(track, sign, number, event, f"{pointer}/{key}", shown(value))
    if stream.observation.exchange.ended not in {Ending.LEFT, Ending.OVERSIZED}:
        yield Heard(_CHAT_TRACK, ChatSignal.END)
        yield from _to_all(choices, ChoiceSignal.CLOSE)


def chat_defects(payloads: Iterable[Object | str], *, is_whole: bool) -> frozenset[ChatDefect]:
    """Which defects a chat stream shows, without their places: a tenth of what `walk` costs, for a load run.

    A payload is a JSON object or the text `[DONE]`; `is_whole` says that the body was read to its end.
    """
    found: set[Enum] = set()

    def go(state: Enum, signal: Enum) -> Enum:
        move = CHAT[state][signal]
        found.update(move.defects)
        return move.to

    def end(signal: ChoiceSignal) -> None:
        choices.update({name: go(state, signal) for name, state in choices.items()})

    stream: Enum = Chat.EMPTY
    choices: dict[str, Enum] = {}
    for payload in payloads:
        if isinstance(payload, str):
            stream = go(stream, ChatSignal.DONE)
            end(ChoiceSignal.CLOSE)
            continue
        signal = _chunk_signal(payload)
        if signal is not None:
            stream = go(stream, signal)
        if signal is ChatSignal.ERROR or signal is ChatSignal.FLAT_ERROR:
            end(ChoiceSignal.ERROR)
        for _, choice in objects(payload.get("choices"), ""):
            name = repr(choice.get("index"))
            for sign, _, _ in _delta_signals(choice):
                choices[name] = go(choices.get(name, Choice.NEW), sign)
    if is_whole:
        go(stream, ChatSignal.END)
        end(ChoiceSignal.CLOSE)
    return frozenset(defect for defect in found if isinstance(defect, ChatDefect))


def _to_all(
    choices: Mapping[str, Track],
    signal: ChoiceSignal,
    number: int | None = None,
    event: SseEvent | None = None,
) -> Iterator[Heard]:
    for name, track in choices.items():
        yield Heard(track, signal, number, event, received=f"{signal.value} in {name}")


def _chunk_signal(body: Object) -> ChatSignal | None:
    """What a chunk means for its stream; None for one that the schema alone has to judge."""
    if body.get("error") is not None:
        return ChatSignal.ERROR
    choices, has_usage = body.get("choices"), body.get("usage") is not None
    if "choices" not in body and {"code", "message"} & body.keys():
        return ChatSignal.FLAT_ERROR
    if choices:
        return ChatSignal.CHOICES_AND_USAGE if has_usage else ChatSignal.CHOICES
    if has_usage:
        return ChatSignal.USAGE
    if isinstance(body.get("moderation"), dict):
        return None  # OpenAI tells its moderation in a chunk without choices.
    return ChatSignal.NO_CHOICES if choices == [] else None


def _chunk_place(signal: ChatSignal, body: Object) -> tuple[str, str]:
    """JSON pointer and quotation of what makes a chunk this signal."""
    match signal:
        case ChatSignal.ERROR:
            return "/error", shown(body["error"])
        case ChatSignal.FLAT_ERROR:
            return "", shown(body)
        case ChatSignal.USAGE:
            return "/usage", shown(body["usage"])
        case _:
            return "/choices", shown(body["choices"])


def _delta_signals(choice: Object) -> Iterator[tuple[ChoiceSignal, str, object]]:
    """What one choice of a chunk means for it, with the place in it and what stands there."""
    delta = choice.get("delta")
    signals = [*_role_and_output(delta if isinstance(delta, dict) else {})]
    finish = choice.get("finish_reason")
    if finish is not None:
        name = finish if isinstance(finish, str) else None
        signals.append((_FINISHES.get(name, ChoiceSignal.FINISH), "finish_reason", finish))
    yield from signals or [(ChoiceSignal.EMPTY, "delta", delta)]


def _role_and_output(delta: Object) -> Iterator[tuple[ChoiceSignal, str, object]]:
    role = delta.get("role")
    if role is not None:
        yield (ChoiceSignal.ROLE if role == "assistant" else ChoiceSignal.OTHER_ROLE), "delta/role", role
    for key, signal in _OUTPUTS:
        if delta.get(key):
            yield signal, f"delta/{key}", delta[key]
    for pointer, call in objects(delta.get("tool_calls"), "delta/tool_calls"):
        yield _call_signal(call, call.get("function") or call.get("custom")), pointer, call
    old_call = delta.get("function_call")
    if isinstance(old_call, dict):
        yield _call_signal({}, old_call), "delta/function_call", old_call


def _call_signal(call: Object, function: object) -> ChoiceSignal:
    """A call starts with its id, or its name where it has none."""
    name = function.get("name") if isinstance(function, dict) else None
    return ChoiceSignal.CALL if name or call.get("id") else ChoiceSignal.FRAGMENT


# --- responses ---


class Response(Enum):
    """How far a Responses stream is."""

    EMPTY = "no event yet"
    CREATED = "created"
    WORKING = "in progress"
    ENDED = "terminal event"


class ResponseSignal(Enum):
    """What an event means for the stream as a whole."""

    CREATED = "response.created"
    QUEUED = "response.queued"
    IN_PROGRESS = "response.in_progress"
    OUTPUT = "output"
    TERMINAL = "completed, incomplete or failed"
    ERROR = "error"
    END = "[DONE] or end of the body"


class Item(Enum):
    """How far an output item is."""

    ABSENT = "no item yet"
    OPEN = "item added"
    DONE = "item done"


class ItemSignal(Enum):
    """What an event means for its output item."""

    ADDED = "output_item.added"
    INNER = "an event of the item"
    DONE = "output_item.done"
    CUT = "response incomplete"
    CLOSE = "response over"


class Text(Enum):
    """How far a text of an item is: a content part, or the arguments of a call."""

    ABSENT = "no text yet"
    OPEN = "part added"
    TOLD = "text done"
    DONE = "part done"


class TextSignal(Enum):
    """What an event means for a text; a call's arguments are added and done with their item."""

    ADDED = "content_part.added"
    DELTA = "delta"
    TOLD = "text or arguments done"
    DONE = "content_part.done"
    CUT = "item incomplete"
    CLOSE = "item done"


class ResponseDefect(Enum):
    """What can be wrong with the order of a Responses stream; the value says what had to come instead."""

    NOT_CREATED_FIRST = "response.created as the first event"
    OPENED_AGAIN = "response.created and response.in_progress once each"
    NOT_IN_PROGRESS = "response.in_progress before any output"
    ERROR = "events to the end"
    TERMINAL_MISSING = "response.completed, response.incomplete or response.failed at the end"
    AFTER_TERMINAL = "nothing after the terminal event"
    ITEM_NOT_ADDED = "response.output_item.added before it"
    ITEM_ADDED_AGAIN = "response.output_item.added once for each item"
    ITEM_NOT_DONE = "response.output_item.done for every item"
    AFTER_ITEM_DONE = "nothing of an item after its response.output_item.done"
    PART_NOT_ADDED = "response.content_part.added before it"
    PART_ADDED_AGAIN = "response.content_part.added once for each part"
    TEXT_NOT_DONE = "the event that ends a text, with all of it"
    AFTER_TEXT_DONE = "nothing more of a text after the event that ends it"
    PART_NOT_DONE = "response.content_part.done for every part"


RESPONSES: Table = {
    Response.EMPTY: {
        ResponseSignal.CREATED: Move(Response.CREATED),
        ResponseSignal.QUEUED: Move(Response.CREATED, (ResponseDefect.NOT_CREATED_FIRST,)),
        ResponseSignal.IN_PROGRESS: Move(Response.WORKING, (ResponseDefect.NOT_CREATED_FIRST,)),
        ResponseSignal.OUTPUT: Move(Response.WORKING, (ResponseDefect.NOT_CREATED_FIRST,)),
        ResponseSignal.TERMINAL: Move(Response.ENDED, (ResponseDefect.NOT_CREATED_FIRST,)),
        ResponseSignal.ERROR: Move(Response.ENDED, (ResponseDefect.ERROR,)),
        ResponseSignal.END: Move(Response.ENDED, (ResponseDefect.TERMINAL_MISSING,)),
    },
    Response.CREATED: {
        ResponseSignal.CREATED: Move(Response.CREATED, (ResponseDefect.OPENED_AGAIN,)),
        ResponseSignal.QUEUED: Move(Response.CREATED),
        ResponseSignal.IN_PROGRESS: Move(Response.WORKING),
        ResponseSignal.OUTPUT: Move(Response.WORKING, (ResponseDefect.NOT_IN_PROGRESS,)),
        ResponseSignal.TERMINAL: Move(Response.ENDED),
        ResponseSignal.ERROR: Move(Response.ENDED, (ResponseDefect.ERROR,)),
        ResponseSignal.END: Move(Response.ENDED, (ResponseDefect.TERMINAL_MISSING,)),
    },
    Response.WORKING: {
        ResponseSignal.CREATED: Move(Response.WORKING, (ResponseDefect.OPENED_AGAIN,)),
        ResponseSignal.QUEUED: Move(Response.WORKING),
        ResponseSignal.IN_PROGRESS: Move(Response.WORKING, (ResponseDefect.OPENED_AGAIN,)),
        ResponseSignal.OUTPUT: Move(Response.WORKING),
        ResponseSignal.TERMINAL: Move(Response.ENDED),
        ResponseSignal.ERROR: Move(Response.ENDED, (ResponseDefect.ERROR,)),
        ResponseSignal.END: Move(Response.ENDED, (ResponseDefect.TERMINAL_MISSING,)),
    },
    Response.ENDED: {
        ResponseSignal.CREATED: Move(Response.ENDED, (ResponseDefect.AFTER_TERMINAL,)),
        ResponseSignal.QUEUED: Move(Response.ENDED, (ResponseDefect.AFTER_TERMINAL,)),
        ResponseSignal.IN_PROGRESS: Move(Response.ENDED, (ResponseDefect.AFTER_TERMINAL,)),
        ResponseSignal.OUTPUT: Move(Response.ENDED, (ResponseDefect.AFTER_TERMINAL,)),
        ResponseSignal.TERMINAL: Move(Response.ENDED, (ResponseDefect.AFTER_TERMINAL,)),
        ResponseSignal.ERROR: Move(Response.ENDED, (ResponseDefect.AFTER_TERMINAL, ResponseDefect.ERROR)),
        ResponseSignal.END: Move(Response.ENDED),
    },
    Item.ABSENT: {
        ItemSignal.ADDED: Move(Item.OPEN),
        ItemSignal.INNER: Move(Item.OPEN, (ResponseDefect.ITEM_NOT_ADDED,)),
        ItemSignal.DONE: Move(Item.DONE, (ResponseDefect.ITEM_NOT_ADDED,)),
        ItemSignal.CUT: Move(Item.DONE),
        ItemSignal.CLOSE: Move(Item.DONE),
    },
    Item.OPEN: {
        ItemSignal.ADDED: Move(Item.OPEN, (ResponseDefect.ITEM_ADDED_AGAIN,)),
        ItemSignal.INNER: Move(Item.OPEN),
        ItemSignal.DONE: Move(Item.DONE),
        ItemSignal.CUT: Move(Item.DONE),
        ItemSignal.CLOSE: Move(Item.DONE, (ResponseDefect.ITEM_NOT_DONE,)),
    },
    Item.DONE: {
        ItemSignal.ADDED: Move(Item.DONE, (ResponseDefect.ITEM_ADDED_AGAIN,)),
        ItemSignal.INNER: Move(Item.DONE, (ResponseDefect.AFTER_ITEM_DONE,)),
        ItemSignal.DONE: Move(Item.DONE, (ResponseDefect.AFTER_ITEM_DONE,)),
        ItemSignal.CUT: Move(Item.DONE),
        ItemSignal.CLOSE: Move(Item.DONE),
    },
    Text.ABSENT: {
        TextSignal.ADDED: Move(Text.OPEN),
        TextSignal.DELTA: Move(Text.OPEN, (ResponseDefect.PART_NOT_ADDED,)),
        TextSignal.TOLD: Move(Text.TOLD, (ResponseDefect.PART_NOT_ADDED,)),
        TextSignal.DONE: Move(Text.DONE, (ResponseDefect.PART_NOT_ADDED,)),
        TextSignal.CUT: Move(Text.DONE),
        TextSignal.CLOSE: Move(Text.DONE),
    },
    Text.OPEN: {
        TextSignal.ADDED: Move(Text.OPEN, (ResponseDefect.PART_ADDED_AGAIN,)),
        TextSignal.DELTA: Move(Text.OPEN),
        TextSignal.TOLD: Move(Text.TOLD),
        TextSignal.DONE: Move(Text.DONE, (ResponseDefect.TEXT_NOT_DONE,)),
        TextSignal.CUT: Move(Text.DONE),
        TextSignal.CLOSE: Move(Text.DONE, (ResponseDefect.TEXT_NOT_DONE,)),
    },
    Text.TOLD: {
        TextSignal.ADDED: Move(Text.TOLD, (ResponseDefect.PART_ADDED_AGAIN,)),
        TextSignal.DELTA: Move(Text.TOLD, (ResponseDefect.AFTER_TEXT_DONE,)),
        TextSignal.TOLD: Move(Text.TOLD, (ResponseDefect.AFTER_TEXT_DONE,)),
        TextSignal.DONE: Move(Text.DONE),
        TextSignal.CUT: Move(Text.DONE),
        TextSignal.CLOSE: Move(Text.DONE, (ResponseDefect.PART_NOT_DONE,)),
    },
    Text.DONE: {
        TextSignal.ADDED: Move(Text.DONE, (ResponseDefect.PART_ADDED_AGAIN,)),
        TextSignal.DELTA: Move(Text.DONE, (ResponseDefect.AFTER_TEXT_DONE,)),
        TextSignal.TOLD: Move(Text.DONE, (ResponseDefect.AFTER_TEXT_DONE,)),
        TextSignal.DONE: Move(Text.DONE, (ResponseDefect.AFTER_TEXT_DONE,)),
        TextSignal.CUT: Move(Text.DONE),
        TextSignal.CLOSE: Move(Text.DONE),
    },
}
"""What is legal of a Responses stream, of its output items and of their texts."""

_RESPONSE_TRACK = Track(Response.EMPTY)
_STAGES: Mapping[str, ResponseSignal] = {
    "response.created": ResponseSignal.CREATED,
    "response.queued": ResponseSignal.QUEUED,
    "response.in_progress": ResponseSignal.IN_PROGRESS,
    "error": ResponseSignal.ERROR,
    **dict.fromkeys(TERMINAL, ResponseSignal.TERMINAL),
}
_ITEM_STAGES: Mapping[str, ItemSignal] = {
    "response.output_item.added": ItemSignal.ADDED,
    "response.output_item.done": ItemSignal.DONE,
}
_TEXT_STAGES: Mapping[str, tuple[TextSignal, ...]] = {
    "response.content_part.added": (TextSignal.ADDED,),
    "response.output_text.delta": (TextSignal.DELTA,),
    "response.refusal.delta": (TextSignal.DELTA,),
    "response.output_text.done": (TextSignal.TOLD,),
    "response.refusal.done": (TextSignal.TOLD,),
    "response.content_part.done": (TextSignal.DONE,),
    "response.function_call_arguments.delta": (TextSignal.DELTA,),
    "response.function_call_arguments.done": (TextSignal.TOLD, TextSignal.DONE),
    "response.custom_tool_call_input.delta": (TextSignal.DELTA,),
    "response.custom_tool_call_input.done": (TextSignal.TOLD, TextSignal.DONE),
}
"""The events of a text; those of reasoning are left out, for servers may show it in any way or not at all."""


def response_violations(stream: ResponseStream, defect: ResponseDefect) -> Violations:
    """Where a Responses stream shows a defect."""
    return _violations(_response_walked(stream), defect)


@lru_cache(STREAMS_KEPT)
def _response_walked(stream: ResponseStream) -> tuple[Found, ...]:
    return tuple(walk(RESPONSES, response_signals(stream)))


def response_signals(stream: ResponseStream) -> Iterator[Heard]:
    """The events of a Responses stream, classified for the stream, its items and their texts.

    An event of an unknown type means nothing here. The end of the body is heard unless the client left.
    """
    items: dict[str, Track] = {}
    texts: dict[str, dict[str, Track]] = {}
    for event in stream.events:
        stage = _STAGES.get(event.type)
        if stage is not None:
            yield _heard(_RESPONSE_TRACK, stage, event)
            if stage is ResponseSignal.TERMINAL:
                over = ItemSignal.CLOSE if event.type == "response.completed" else ItemSignal.CUT
                yield from (_heard(track, over, event, name) for name, track in items.items())
        elif "output_index" in event.body:
            yield _heard(_RESPONSE_TRACK, ResponseSignal.OUTPUT, event)
            item = items.setdefault(event.item_place, Track(Item.ABSENT, f"item {event.item_place}"))
            yield _heard(item, _ITEM_STAGES.get(event.type, ItemSignal.INNER), event)
            yield from _text_signals(event, texts.setdefault(event.item_place, {}))
    if stream.observation.exchange.ended not in {Ending.LEFT, Ending.OVERSIZED}:
        yield Heard(_RESPONSE_TRACK, ResponseSignal.END)


def _text_signals(event: ResponseEvent, texts: dict[str, Track]) -> Iterator[Heard]:
    """What an event means for the texts of its item, of which `texts` holds those that have begun."""
    if event.type in _ITEM_STAGES:
        if event.type == "response.output_item.added":
            if event.part("item").get("type") in CALLS:
                yield _heard(_text(event.text_place, texts), TextSignal.ADDED, event)
            return
        is_cut = event.part("item").get("status") == "incomplete"
        for name, track in texts.items():
            yield _heard(track, TextSignal.CUT if is_cut else TextSignal.CLOSE, event, name)
    elif event.part("part").get("type") != "reasoning_text":
        for signal in _TEXT_STAGES.get(event.type, ()):
            yield _heard(_text(event.text_place, texts), signal, event)


def _text(name: str, texts: dict[str, Track]) -> Track:
    return texts.setdefault(name, Track(Text.ABSENT, f"text {name}"))


def _heard(track: Track, signal: Enum, event: ResponseEvent, name: str = "") -> Heard:
    place = f" with {track.name} open" if name else ""
    return Heard(track, signal, event.number, event.event, "/type", f"{shown(event.type)}{place}")


# --- documentation ---


def markdown(table: Table) -> str:
    """A table as Markdown, one for each of its machines: a row for each state, a column for each event."""
    machines = dict.fromkeys(type(state) for state in table)
    return "\n\n".join("\n".join(_rows(table, list(machine))) for machine in machines)


def defect_name(defect: Enum) -> str:
    """A defect as the documentation names it."""
    return defect.name.lower().replace("_", "-")


def _rows(table: Table, states: list[Enum]) -> Iterator[str]:
    signals = list(table[states[0]])
    yield f"| after | {' | '.join(str(signal.value) for signal in signals)} |"
    yield f"|---|{'---|' * len(signals)}"
    for state in states:
        cells = (_cell(state, table[state][signal]) for signal in signals)
        yield f"| **{state.value}** | {' | '.join(cells)} |"


def _cell(state: Enum, move: Move) -> str:
    to = "·" if move.to is state else f"→ {move.to.value}"
    defects = ", ".join(f"`{defect_name(defect)}`" for defect in move.defects)
    return f"{to} {defects}".strip()
