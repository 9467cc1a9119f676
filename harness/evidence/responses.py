"""Evidence of the Responses API: a response object, a stream of typed events, an answer in either mode."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import ClassVar, Self

from harness.clients.reply import Reply, ToolCall
from harness.evidence import (
    BOTH,
    EACH_MODE,
    PLAIN,
    STREAM,
    STREAMS_KEPT,
    Cells,
    NotJudgedError,
    Object,
    Observation,
    objects,
    parsed,
    shown,
    success,
)
from harness.evidence.grounds import OF_A_BODY, Grounds
from harness.scenario import Mode, Scenario
from harness.wire.sse import SseEvent, read_events

DONE = "[DONE]"
TERMINAL = ("response.completed", "response.incomplete", "response.failed")
"""The events of which exactly one ends a stream, by their type; each carries the whole response."""
CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
"""The items that are calls, by their type, and where each has what it is called with."""


@dataclass(frozen=True)
class ResponseObject:
    """A plain answer: HTTP 2xx with a JSON object that is no error."""

    MODES: ClassVar[Cells] = PLAIN
    RESTS_ON: ClassVar[Grounds] = OF_A_BODY

    observation: Observation
    body: Object

    @staticmethod
    def applies(scenario: Scenario) -> bool:
        """Scenarios that ask for a response and expect one."""
        return scenario.is_answered_by("responses")

    @classmethod
    def of(cls, observation: Observation) -> Self:
        """The response of an observation."""
        return cls(observation, success(observation))


@dataclass(frozen=True, slots=True)
class ResponseEvent:
    """One event whose data is a JSON object; `number` counts the stream's events from 0."""

    number: int
    event: SseEvent
    body: Object

    @property
    def type(self) -> str:
        """The event's type as its data says it; empty where it says none."""
        value = self.body.get("type")
        return value if isinstance(value, str) else ""

    @property
    def span(self) -> tuple[int, int]:
        """Its byte range in the body."""
        return self.event.start, self.event.end

    def part(self, key: str) -> Object:
        """An object that the event carries (`response`, `item`, `part`); empty where there is none."""
        value = self.body.get(key)
        return value if isinstance(value, dict) else {}

    def text(self, key: str) -> str:
        """A text that the event carries (`delta`, `text`, …); empty where there is none."""
        value = self.body.get(key)
        return value if isinstance(value, str) else ""

    @property
    def item_place(self) -> str:
        """What tells its item from the others of the response."""
        return repr(self.body.get("output_index"))

    @property
    def text_place(self) -> str:
        """What tells the text that it adds to or ends from the others of the response."""
        return f"{self.item_place}, {self.body.get('content_index')!r}"


@dataclass(frozen=True, eq=False)
class ResponseStream:
    """A streamed answer: HTTP 2xx with at least one server-sent event."""

    MODES: ClassVar[Cells] = STREAM
    RESTS_ON: ClassVar[Grounds] = OF_A_BODY

    observation: Observation
    frames: tuple[SseEvent, ...]

    @staticmethod
    def applies(scenario: Scenario) -> bool:
        """Scenarios that ask for a response and expect one."""
        return ResponseObject.applies(scenario)

    @classmethod
    @lru_cache(STREAMS_KEPT)
    def of(cls, observation: Observation) -> Self:
        """The stream of an observation."""
        status = observation.response.status
        if not 200 <= status < 300:
            raise NotJudgedError(f"HTTP {status} instead of a stream")
        frames = read_events((read.arrived_ns, read.data) for read in observation.response.decoded_reads)
        if all(frame.data is None for frame in frames):
            raise NotJudgedError(f"no event instead of a stream: {shown(observation.response.body)}")
        return cls(observation, frames)

    @cached_property
    def events(self) -> tuple[ResponseEvent, ...]:
        """The events whose data is a JSON object."""
        return tuple(
            ResponseEvent(number, frame, body)
            for number, frame in enumerate(self.frames)
            if isinstance(body := parsed((frame.data or "").encode()), dict)
        )

    def of_type(self, *types: str) -> tuple[ResponseEvent, ...]:
        """The events of these types, in order."""
        return tuple(event for event in self.events if event.type in types)

    @property
    def snapshots(self) -> tuple[ResponseEvent, ...]:
        """The events that carry the response as it then is."""
        return tuple(event for event in self.events if isinstance(event.body.get("response"), dict))

    @property
    def last(self) -> ResponseEvent:
        """The first terminal event; raises NotJudgedError when there is none."""
        for event in self.of_type(*TERMINAL):
            return event
        raise NotJudgedError("no terminal event in the stream")

    def joined(self, delta_type: str) -> dict[str, str]:
        """The deltas of a type put together, by the place of their text."""
        texts: dict[str, str] = {}
        for event in self.of_type(delta_type):
            texts[event.text_place] = texts.get(event.text_place, "") + event.text("delta")
        return texts


@dataclass(frozen=True)
class ResponseAnswer:
    """The response as it is at its end, whichever way it came; `pointer` and `event` say where it stands."""

    MODES: ClassVar[Cells] = EACH_MODE
    RESTS_ON: ClassVar[Grounds] = OF_A_BODY

    observation: Observation
    response: Object
    pointer: str = ""
    event: int | None = None

    @staticmethod
    def applies(scenario: Scenario) -> bool:
        """Scenarios that ask for a response and expect one."""
        return ResponseObject.applies(scenario)

    @classmethod
    def of(cls, observation: Observation) -> Self:
        """The response of an observation in either mode."""
        if observation.mode is Mode.PLAIN:
            return cls(observation, ResponseObject.of(observation).body)
        last = ResponseStream.of(observation).last
        return cls(observation, last.part("response"), "/response", last.number)

    @property
    def is_cut(self) -> bool:
        """Whether its cap, or a filter, ended it: what is not in it proves nothing."""
        return self.response.get("status") == "incomplete"

    @property
    def items(self) -> tuple[tuple[str, Object], ...]:
        """JSON pointer and object of each output item."""
        return tuple(objects(self.response.get("output"), f"{self.pointer}/output"))

    @property
    def calls(self) -> tuple[tuple[str, Object], ...]:
        """JSON pointer and object of each call of a function or of a custom tool."""
        return tuple(item for item in self.items if item[1].get("type") in CALLS)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls as every client should tell them."""
        return tuple(
            ToolCall(call.get("call_id"), call.get("name"), call.get(CALLS[call["type"]]))
            for _, call in self.calls
        )

    @property
    def is_refused(self) -> bool:
        """Whether a part of a message is a refusal: it decides nothing of what was asked."""
        parts = (part for _, item in self.items for _, part in objects(item.get("content"), ""))
        return any(part.get("type") == "refusal" for part in parts)

    @property
    def text(self) -> str:
        """The output text of all messages."""
        return "".join(item_text(item) for _, item in self.items)

    @property
    def usage(self) -> Object:
        """The token counts; empty where there are none."""
        usage = self.response.get("usage")
        return usage if isinstance(usage, dict) else {}


def is_ended_out_of_sight(observation: Observation) -> bool:
    """Whether a response failed or was cancelled in the background of recorded traffic."""
    if not (observation.scenario.is_recorded and observation.asked.get("background") is True):
        return False
    try:
        is_stream = observation.mode is Mode.STREAM
        body = ResponseStream.of(observation).last.part("response") if is_stream else observation.json
    except NotJudgedError:
        return False
    return isinstance(body, dict) and body.get("status") in ("failed", "cancelled")


@dataclass(frozen=True)
class ResponsePair:
    """The plain and the streamed answer to one scenario through one client."""

    MODES: ClassVar[Cells] = BOTH
    RESTS_ON: ClassVar[Grounds] = OF_A_BODY

    plain: ResponseAnswer
    streamed: ResponseAnswer

    @staticmethod
    def applies(scenario: Scenario) -> bool:
        """Scenarios that ask for a response and expect one."""
        return ResponseObject.applies(scenario)

    @classmethod
    def of(cls, plain: Observation, streamed: Observation) -> Self:
        """Both answers."""
        return cls(ResponseAnswer.of(plain), ResponseAnswer.of(streamed))


def told_text(reply: Reply) -> str:
    """The text that a client tells its user: as it is, or in LangChain's list of content blocks."""
    content: object = reply.text
    if isinstance(content, list):
        return "".join(
            text for _, block in objects(content, "") if isinstance(text := block.get("text"), str)
        )
    return content if isinstance(content, str) else ""


def item_text(item: Object) -> str:
    """The output text of one item; empty for one that is no message."""
    return "".join(_texts(part for _, part in objects(item.get("content"), "")))


def _texts(parts: Iterable[Object]) -> Iterator[str]:
    for part in parts:
        if part.get("type") == "output_text" and isinstance(text := part.get("text"), str):
            yield text
