"""What an answer says, and when: from the bytes of a body with their times to the figures of a record.

It runs once a request has ended, for every client alike. Most events of a long stream differ from one
another in their text alone; so the bytes around the text of one are looked for in the others, and what
stands between them is checked to be the inside of a JSON string. Every other event is decoded.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, repeat
from typing import Any, Literal, TypeAlias

import orjson

from harness.load.http_body import Pieces
from harness.load.record import Outcome
from harness.wire import json_text, sse

OutputKind: TypeAlias = Literal["reasoning", "content", "tool_call"]

_TEXTS: Mapping[str, OutputKind] = {
    "content": "content",
    "reasoning_content": "reasoning",
    "reasoning": "reasoning",
    "refusal": "content",
    "text": "content",
}
"""The keys of a delta whose text is output, and of what kind."""

_OUTPUTS: Mapping[str, OutputKind] = {**_TEXTS, "tool_calls": "tool_call", "function_call": "tool_call"}
"""The keys of a delta that hold output, and of what kind."""

_NOT_PLAIN = b'"\\' + bytes(range(0x20))
"""What can't stand in a JSON string as it is."""

SAID_BYTES = 10_000
"""How much of what can't be read to look at for a key, before it is cut to what is shown."""

_MOST_TOKENS = 1_000_000_000
"""More than any answer has; greater counts are mistakes, such as -1 without its sign."""

_ATTEMPTS = 4
"""How many templates to try on a stream before taking it to have none."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens that the server counted; None where it doesn't say."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer says. `trouble` is None where it is complete, with what is wrong with it in `detail`."""

    trouble: Outcome | None
    detail: str = ""
    first_event_ns: int | None = None
    first_ns: Mapping[OutputKind, int] = field(default_factory=dict)
    arrivals_ns: tuple[int, ...] = ()
    usage: Usage = Usage()
    is_done: bool = False
    """Whether the stream said that it is over."""
    data: tuple[bytes, ...] | None = None
    """What a stream's events say; of those in a row that differ in text and padding alone, the first few.

    None where an event is more, or less, than one line that starts with `data: ` and ends on LF.
    """


def read_plain(body: bytes, arrived_ns: int) -> Reading:
    """Read a plain answer; its output arrived with its last byte."""
    answer = _parsed(body)
    if not isinstance(answer, dict):
        return Reading(Outcome.NOT_JSON, f"the body is no JSON object: {_shown(body)}")
    usage = _usage(answer.get("usage"))
    if answer.get("error") is not None:
        return Reading(Outcome.ERROR_EVENT, _message(answer), usage=usage)
    kinds = {
        _OUTPUTS[key] for choice in _choices(answer) for key in _output_keys(choice.get("message") or choice)
    } or _embedding_kinds(answer)
    if not kinds:
        return Reading(Outcome.EMPTY, "the answer holds no output", usage=usage)
    is_finished = "data" in answer or any(choice.get("finish_reason") for choice in _choices(answer))
    return Reading(
        None if is_finished else Outcome.UNFINISHED,
        "" if is_finished else "there is no finish_reason",
        first_ns=dict.fromkeys(kinds, arrived_ns),
        arrivals_ns=(arrived_ns,),
        usage=usage,
    )


def read_stream(body: bytes, pieces: Pieces) -> Reading:
    """Read a stream of events."""
    stream = _Stream()
    if b"\r" in body or body.startswith(sse.BOM):
        stream.take_any(body)
    else:
        stream.take(body, 0)
    times, sizes = [time for time, _ in pieces], [size for _, size in pieces]

    def arrived_ns(end: int) -> int:
        return times[min(bisect_left(sizes, end), len(times) - 1)]

    trouble, detail = stream.verdict()
    if trouble is Outcome.EMPTY and stream.first_event_end is None:
        detail = f"the body is no stream of events: {_shown(body)}"
    return Reading(
        trouble,
        detail,
        None if stream.first_event_end is None else arrived_ns(stream.first_event_end),
        {kind: arrived_ns(end) for kind, end in stream.first_ends.items()},
        _arrivals(stream.output_ends, times, sizes),
        stream.usage,
        stream.is_done,
        None if stream.data is None else tuple(stream.data),
    )


def _arrivals(ends: Sequence[int], times: Sequence[int], sizes: Sequence[int]) -> tuple[int, ...]:
    if len(times) == 1:
        return (times[0],) * len(ends)
    return tuple([times[i] for i in map(bisect_left, repeat(sizes), ends)])


@dataclass(frozen=True, slots=True)
class _Template:
    """The bytes around the text of an event, from one event's text to the next one's.

    `padding` is where in the suffix stands what differs from event to event and says nothing; None where
    there is none.
    """

    kind: OutputKind
    prefix: bytes
    suffix: bytes
    padding: slice | None

    def fits(self, event: bytes) -> bool:
        """Whether an event differs in its text and its padding alone."""
        if not event.startswith(self.prefix):
            return False
        text, quote, rest = event[len(self.prefix) :].partition(b'"')
        return _are_plain([text]) and (quote + rest == self.suffix or self._is_padded(quote + rest))

    def _is_padded(self, suffix: bytes) -> bool:
        if self.padding is None:
            return False
        before, behind = self.suffix[: self.padding.start], self.suffix[self.padding.stop :]
        padding = suffix[len(before) : len(suffix) - len(behind)]
        return suffix.startswith(before) and suffix.endswith(behind) and padding.isalnum()


@dataclass(slots=True)
class _Stream:
    """What has been read of a stream; the ends are offsets in its body."""

    output_ends: list[int] = field(default_factory=list)
    first_ends: dict[OutputKind, int] = field(default_factory=dict)
    first_event_end: int | None = None
    usage: Usage = Usage()
    is_finished: bool = False
    is_done: bool = False
    error: str | None = None
    broken: str | None = None
    data: list[bytes] | None = field(default_factory=list)
    templates_left: int = _ATTEMPTS

    def verdict(self) -> tuple[Outcome | None, str]:
        """What is wrong with the stream, the worst first."""
        if self.error is not None:
            return Outcome.ERROR_EVENT, self.error
        if self.broken is not None:
            return Outcome.NOT_JSON, self.broken
        if not self.output_ends:
            return Outcome.EMPTY, "no event holds output"
        if not self.is_finished:
            return Outcome.UNFINISHED, "there is no finish_reason"
        if not self.is_done:
            return Outcome.UNFINISHED, "there is no [DONE]"
        return None, ""

    def take_any(self, body: bytes) -> None:
        """Take the events of a body with any line ends."""
        self.data = None
        for event in sse.read_events([(0, body)]):
            if event.data is not None:
                self._take_data(event.data.encode(), event.end, event.name)

    def take(self, body: bytes, offset: int) -> None:
        """Take the events of a body, or of its part from an offset on, whose lines end on LF alone."""
        position = 0
        while position < len(body):
            end = body.find(b"\n\n", position)
            event = body[position:] if end < 0 else body[position:end]
            position = len(body) if end < 0 else end + 2
            if end < 0:
                self.data = None
            template = self._take_event(event, offset + position)
            if template is not None and body.startswith(template.prefix, position):
                position = self._take_run(body, position, template, offset)

    def _take_run(self, body: bytes, start: int, template: _Template, offset: int) -> int:
        """Take the events from `start` on that fit a template, and those between; give where that ends."""
        self.templates_left -= 1
        prefix, suffix = template.prefix, template.suffix
        frame, text = suffix + b"\n\n" + prefix, slice(len(prefix), -len(suffix))
        behind = suffix if template.padding is None else suffix[template.padding.stop :]
        run_end = body.rfind(behind + b"\n\n", start) + len(behind)
        if run_end < start:
            return start
        events = body[start:run_end].split(b"\n\n")
        ends = list(accumulate([len(event) + 2 for event in events], initial=offset + start))[1:]
        texts = [event[text] for event in events]
        if body.startswith(prefix + frame.join(texts) + suffix, start) and _are_plain(texts):
            self._add_outputs(template.kind, ends)
            self._keep(events[0])
        else:
            in_a_row = 0
            for event, end in zip(events, ends, strict=True):
                in_a_row = in_a_row + 1 if template.fits(event) else 0
                if not in_a_row:
                    self._take_event(event, end)
                    continue
                self._add_outputs(template.kind, [end])
                if in_a_row <= 2:
                    self._keep(event)
        return ends[-1] - offset

    def _add_outputs(self, kind: OutputKind, ends: list[int]) -> None:
        if ends:
            self.first_ends.setdefault(kind, ends[0])
            self.output_ends += ends

    def _keep(self, event: bytes) -> None:
        if self.data is not None and event.startswith(b"data: ") and b"\n" not in event:
            self.data.append(event[6:])
        else:
            self.data = None

    def _take_event(self, event: bytes, end: int) -> _Template | None:
        """Take one event; gives a template if its text can be told from its frame."""
        self._keep(event)
        if event.startswith(b"data:") and b"\n" not in event:
            key = self._take_data(event[5:], end, None)
            if key is not None and self.templates_left:
                return _template(event, key)
            return None
        for parsed in sse.read_events([(0, event + b"\n\n")]):
            if parsed.data is not None:
                self._take_data(parsed.data.encode(), end, parsed.name)
        return None

    def _take_data(self, data: bytes, end: int, name: str | None) -> str | None:
        """Take what an event says; gives the key of its text if that is all its output."""
        if self.first_event_end is None:
            self.first_event_end = end
        if data.strip() == b"[DONE]":
            self.is_done = True
            return None
        chunk = _parsed(data)
        if not isinstance(chunk, dict):
            self.broken = self.broken or f"an event is no JSON object: {_shown(data)}"
            return None
        if name == "error" or chunk.get("error") is not None:
            self.error = self.error or _message(chunk)
            return None
        if chunk.get("usage"):
            self.usage = _usage(chunk["usage"])
        keys: list[str] = []
        for choice in _choices(chunk):
            self.is_finished = self.is_finished or bool(choice.get("finish_reason"))
            keys += _output_keys(choice.get("delta") or choice)
        if not keys:
            return None
        self.output_ends.append(end)
        for key in keys:
            self.first_ends.setdefault(_OUTPUTS[key], end)
        return keys[0] if len(keys) == 1 and keys[0] in _TEXTS else None


def _template(event: bytes, key: str) -> _Template | None:
    """The frame of an event's text; None where it isn't found for sure."""
    before, found, after = event.partition(b'"%b":"' % key.encode())
    if not found:
        before, found, after = event.partition(b'"%b": "' % key.encode())
    text, quote, suffix = after.partition(b'"')
    if not (found and quote) or b"\\" in text:
        return None
    prefix, suffix = before + found, quote + suffix
    probe = _parsed((prefix + b"likewise" + suffix)[5:])
    if not isinstance(probe, dict):
        return None
    deltas = [choice.get("delta") or choice for choice in _choices(probe)]
    if [delta.get(key) if isinstance(delta, dict) else None for delta in deltas] != ["likewise"]:
        return None
    return _Template(_TEXTS[key], prefix, suffix, _padding(suffix, probe.get("obfuscation")))


def _padding(suffix: bytes, obfuscation: object) -> slice | None:
    """Where OpenAI's padding stands, which makes events of unlike texts alike in length."""
    before, key, behind = suffix.rpartition(b'"obfuscation":"')
    if not key or not isinstance(obfuscation, str) or not behind.startswith(obfuscation.encode()):
        return None
    start = len(before) + len(key)
    return slice(start, start + len(obfuscation.encode()))


def _are_plain(texts: Sequence[bytes]) -> bool:
    """Whether each text has content and is the inside of a JSON string without escapes."""
    joined = b" ".join(texts)
    if b"" in texts or len(joined.translate(None, _NOT_PLAIN)) != len(joined):
        return False
    try:
        joined.decode()
    except UnicodeDecodeError:
        return False
    return True


def _output_keys(message: Any) -> list[str]:
    """The keys of a delta or a message that hold output."""
    if not isinstance(message, dict):
        return []
    return [key for key, value in message.items() if value and key in _OUTPUTS and _is_output(key, value)]


def _is_output(key: str, value: object) -> bool:
    return isinstance(value, str) if key in _TEXTS else key == "function_call" or isinstance(value, list)


def _embedding_kinds(answer: Mapping[str, Any]) -> set[OutputKind]:
    data = answer.get("data")
    return {"content"} if isinstance(data, list) and data else set()


def _choices(chunk: Mapping[str, Any]) -> list[dict[str, Any]]:
    choices = chunk.get("choices")
    return [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []


def _usage(usage: Any) -> Usage:
    if not isinstance(usage, dict):
        return Usage()
    return Usage(
        _count(usage.get("prompt_tokens")),
        _count(usage.get("completion_tokens")),
        _count(_detail(usage, "completion_tokens_details", "reasoning_tokens")),
        _count(_detail(usage, "prompt_tokens_details", "cached_tokens")),
    )


def _detail(usage: Mapping[str, Any], group: str, name: str) -> object:
    details = usage.get(group)
    return details.get(name) if isinstance(details, dict) else None


def _count(value: object) -> int | None:
    """A number of tokens; None for what can't be one, as no figure may be made of it."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= _MOST_TOKENS else None


def _parsed(data: bytes) -> object:
    """The JSON value; None where there is none."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return None


def _message(answer: Mapping[str, Any]) -> str:
    error = answer.get("error")
    message = error.get("message") if isinstance(error, dict) else error or answer.get("message")
    return message if isinstance(message, str) else json_text.shown(message)


def _shown(data: bytes) -> str:
    return repr(data[:SAID_BYTES].decode("utf-8", "replace"))
