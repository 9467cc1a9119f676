"""Chat evidence: a completion, a stream of chunks, an answer in either mode, its parts, the two as a pair."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import ClassVar, Self

from harness.clients.reply import ToolCall
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
from harness.wire.exchange import Ending, Json
from harness.wire.sse import SseEvent, read_events

DONE = "[DONE]"


@dataclass(frozen=True)
class Completion:
    """A plain chat answer: HTTP 2xx with a JSON object that is no error."""

    MODES: ClassVar[Cells] = PLAIN
    RESTS_ON: ClassVar[Grounds] = OF_A_BODY

    observation: Observation
    body: Object

    @staticmethod
    def applies(scenario: Scenario) -> bool:
        """Chat scenarios that expect an answer."""
        return scenario.is_answered_by("chat")

    @classmethod
    def of(cls, observation: Observation) -> Self:
        """The answer of an observation."""
        return cls(observation, success(observation))

    @property
    def choices(self) -> tuple[tuple[str, Object], ...]:
        """JSON pointer and object of each choice; what is no object is left to the schema."""
        return tuple(objects(self.body.get("choices"), "/choices"))

    @property
    def messages(self) -> tuple[tuple[str, Object], ...]:
        """JSON pointer and object of each choice's message."""
        return tuple(
            (f"{pointer}/message", choice["message"])
            for pointer, choice in self.choices
            if isinstance(choice.get("message"), dict)
        )


@dataclass(frozen=True, slots=True)
class Chunk:
    """One event of a stream whose data is a JSON object; `number` counts the stream's events from 0."""

    number: int
    event: SseEvent
    body: Object

    @property
    def choices(self) -> tuple[tuple[str, Object], ...]:
        """JSON pointer and object of each choice."""
        return tuple(objects(self.body.get("choices"), "/choices"))


@dataclass(frozen=True, slots=True)
class Delta:
    """One choice in one chunk; `delta` is empty where there is none."""

    chunk: Chunk
    pointer: str
    choice: Object
    delta: Object

    @property
    def finish_reason(self) -> Json:
        """The choice's finish reason in this chunk."""
        return self.choice.get("finish_reason")

    @property
    def calls(self) -> tuple[tuple[str, Object], ...]:
        """JSON pointer and object of each tool call fragment."""
        return tuple(objects(self.delta.get("tool_calls"), f"{self.pointer}/delta/tool_calls"))


@dataclass(frozen=True)
class StreamedChoice:
    """All deltas of one choice index, in order."""

    index: Json
    deltas: tuple[Delta, ...]

    @property
    def text(self) -> str:
        """The content deltas put together."""
        return "".join(text for part in self.deltas if isinstance(text := part.delta.get("content"), str))

    @property
    def refusal(self) -> str | None:
        """The refusal deltas put together; None where there is none."""
        said = [text for part in self.deltas if isinstance(text := part.delta.get("refusal"), str)]
        return "".join(said) if said else None

    @property
    def text_or_none(self) -> str | None:
        """The text, or None when no delta had any content, as with tool calls."""
        has_content = any(isinstance(part.delta.get("content"), str) for part in self.deltas)
        return self.text if has_content else None

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The tool calls, their fragments put together by `index`."""
        fragments: dict[str, list[Object]] = {}
        for part in self.deltas:
            for _, call in part.calls:
                fragments.setdefault(repr(call.get("index")), []).append(call)
        return tuple(_joined_call(parts) for parts in fragments.values())

    @property
    def finishes(self) -> tuple[Delta, ...]:
        """The deltas with a finish reason."""
        return tuple(part for part in self.deltas if part.finish_reason is not None)

    @property
    def finish_reason(self) -> Json:
        """The first finish reason; None when there is none."""
        return self.finishes[0].finish_reason if self.finishes else None


@dataclass(frozen=True, eq=False)
class ChunkStream:
    """A streamed chat answer: HTTP 2xx with at least one server-sent event."""

    MODES: ClassVar[Cells] = STREAM
    RESTS_ON: ClassVar[Grounds] = OF_A_BODY

    observation: Observation
    events: tuple[SseEvent, ...]

    @staticmethod
    def applies(scenario: Scenario) -> bool:
        """Chat scenarios that expect an answer."""
        return Completion.applies(scenario)

    @classmethod
    @lru_cache(STREAMS_KEPT)
    def of(cls, observation: Observation) -> Self:
        """The stream of an observation."""
        status = observation.response.status
        if not 200 <= status < 300:
            raise NotJudgedError(f"HTTP {status} instead of a stream")
        reads = ((read.arrived_ns, read.data) for read in observation.response.decoded_reads)
        events = read_events(reads)
        if all(event.data is None for event in events):
            raise NotJudgedError(f"no event instead of a stream: {shown(observation.response.body)}")
        return cls(observation, events)

    @property
    def is_whole(self) -> bool:
        """Whether the body was read to its end; SDKs leave at `[DONE]`."""
        return self.observation.exchange.ended is Ending.COMPLETE

    @cached_property
    def chunks(self) -> tuple[Chunk, ...]:
        """The events before `[DONE]` whose data is a JSON object, errors included."""
        chunks = []
        for number, event in enumerate(self.events):
            if event.data == DONE:
                break
            body = parsed((event.data or "").encode())
            if isinstance(body, dict):
                chunks.append(Chunk(number, event, body))
        return tuple(chunks)

    @cached_property
    def choices(self) -> tuple[StreamedChoice, ...]:
        """The choices of the stream by their index, in order of appearance."""
        by_index: dict[str, tuple[Json, list[Delta]]] = {}
        for chunk in self.chunks:
            for pointer, choice in chunk.choices:
                delta = choice.get("delta")
                index = choice.get("index")
                part = Delta(chunk, pointer, choice, delta if isinstance(delta, dict) else {})
                by_index.setdefault(repr(index), (index, []))[1].append(part)
        return tuple(StreamedChoice(index, tuple(deltas)) for index, deltas in by_index.values())

    @property
    def done_numbers(self) -> tuple[int, ...]:
        """The numbers of the `[DONE]` events."""
        return tuple(number for number, event in enumerate(self.events) if event.data == DONE)


@dataclass(frozen=True, slots=True)
class AnswerChoice:
    """One choice as the wire says it, whichever way it came; `calls` are tool calls put together."""

    index: Json
    text: str | None
    finish_reason: Json
    calls: tuple[ToolCall, ...]
    refusal: str | None = None

    @property
    def is_withheld(self) -> bool:
        """Whether the model refused, or a filter ended it: it decides nothing of what was asked."""
        return bool(self.refusal) or self.finish_reason == "content_filter"

    @property
    def is_cut(self) -> bool:
        """Whether the cap, or the context, ended it: what is not in it proves nothing."""
        return self.finish_reason == "length"


@dataclass(frozen=True)
class Answer:
    """A chat answer read from the wire alone, plain or streamed: what every client should tell its user."""

    MODES: ClassVar[Cells] = EACH_MODE
    RESTS_ON: ClassVar[Grounds] = OF_A_BODY

    observation: Observation
    choices: tuple[AnswerChoice, ...]
    usage: Object | None
    id: Json
    model: Json

    @property
    def is_cut(self) -> bool:
        """Whether any of its choices is cut."""
        return any(choice.is_cut for choice in self.choices)

    @property
    def is_withheld(self) -> bool:
        """Whether any of its choices is a refusal, or was filtered."""
        return any(choice.is_withheld for choice in self.choices)

    @staticmethod
    def applies(scenario: Scenario) -> bool:
        """Chat scenarios that expect an answer."""
        return Completion.applies(scenario)

    @classmethod
    def of(cls, observation: Observation) -> Self:
        """The answer of an observation in either mode."""
        if observation.mode is Mode.PLAIN:
            return cls._plain(Completion.of(observation))
        return cls._streamed(ChunkStream.of(observation))

    @classmethod
    def _plain(cls, completion: Completion) -> Self:
        choices = tuple(
            AnswerChoice(
                choice.get("index"),
                _text(choice, "message"),
                choice.get("finish_reason"),
                tuple(_joined_call([call]) for _, call in _calls(choice)),
                _text(choice, "message", "refusal"),
            )
            for _, choice in completion.choices
        )
        body = completion.body
        return cls(
            completion.observation, choices, _object(body.get("usage")), body.get("id"), body.get("model")
        )

    @classmethod
    def _streamed(cls, stream: ChunkStream) -> Self:
        choices = tuple(
            AnswerChoice(
                choice.index, choice.text_or_none, choice.finish_reason, choice.calls, choice.refusal
            )
            for choice in stream.choices
        )
        usages = [usage for chunk in stream.chunks if (usage := _object(chunk.body.get("usage"))) is not None]
        first = stream.chunks[0].body if stream.chunks else {}
        usage = usages[-1] if usages else None
        return cls(stream.observation, choices, usage, first.get("id"), first.get("model"))


def visible_tokens(answer: Answer) -> int | None:
    """The completion tokens without those of reasoning; None where the usage does not tell them apart."""
    usage, parts = answer.usage or {}, Parts.of(answer.observation)
    done, details = usage.get("completion_tokens"), _object(usage.get("completion_tokens_details")) or {}
    reasoning = details.get("reasoning_tokens")
    if isinstance(done, int) and isinstance(reasoning, int):
        return done - reasoning
    is_shown = any(part.said.get(key) for part in parts for key in ("reasoning_content", "reasoning"))
    return done if isinstance(done, int) and not is_shown else None


def raise_if_ended_at_once(answer: Answer) -> None:
    """Raise NotJudgedError where the model's first token was its last, or was what it had to stop at."""
    if answer.observation.asked.get("stop") and not any(choice.text for choice in answer.choices):
        raise NotJudgedError("a stop sequence may have been the first thing that the model said")
    done = (answer.usage or {}).get("completion_tokens")
    if isinstance(done, int) and done <= 1:
        raise NotJudgedError("the model ended its answer at once")


@dataclass(frozen=True)
class Pair:
    """The plain and the streamed answer to one scenario through one client."""

    MODES: ClassVar[Cells] = BOTH
    RESTS_ON: ClassVar[Grounds] = OF_A_BODY

    plain: Answer
    streamed: Answer

    @staticmethod
    def applies(scenario: Scenario) -> bool:
        """Chat scenarios that expect an answer."""
        return Completion.applies(scenario)

    @classmethod
    def of(cls, plain: Observation, streamed: Observation) -> Self:
        """Both answers."""
        return cls(Answer.of(plain), Answer.of(streamed))


@dataclass(frozen=True, slots=True)
class Part:
    """What one choice says in a plain answer, or in one chunk; `key` is where: `message` or `delta`."""

    pointer: str
    choice: Object
    key: str
    chunk: Chunk | None = None

    @property
    def said(self) -> Object:
        """The message or the delta; empty where there is none."""
        return _object(self.choice.get(self.key)) or {}

    @property
    def calls(self) -> tuple[tuple[str, Object], ...]:
        """Where each tool call, or fragment of one, stands in the choice, and its object."""
        return tuple(objects(self.said.get("tool_calls"), f"/{self.key}/tool_calls"))

    @property
    def logprobs(self) -> tuple[tuple[str, Object], ...]:
        """Where each token's log probability stands in the choice, and its object."""
        logprobs = _object(self.choice.get("logprobs")) or {}
        return tuple(objects(logprobs.get("content"), "/logprobs/content"))

    def place(self, step: str) -> tuple[str, int | None, tuple[int, int] | None]:
        """Where a step below the choice is, as a violation says it: pointer, event and span."""
        if self.chunk is None:
            return f"{self.pointer}{step}", None, None
        return f"{self.pointer}{step}", self.chunk.number, (self.chunk.event.start, self.chunk.event.end)


@dataclass(frozen=True)
class Parts:
    """Everything that the choices of an answer say, in either mode, with its places on the wire."""

    MODES: ClassVar[Cells] = EACH_MODE
    RESTS_ON: ClassVar[Grounds] = OF_A_BODY

    observation: Observation
    by_choice: tuple[tuple[Part, ...], ...]
    usage: Object

    @staticmethod
    def applies(scenario: Scenario) -> bool:
        """Chat scenarios that expect an answer."""
        return Completion.applies(scenario)

    @classmethod
    def of(cls, observation: Observation) -> Self:
        """The parts of an observation in either mode."""
        usage = Answer.of(observation).usage or {}
        if observation.mode is Mode.PLAIN:
            choices = Completion.of(observation).choices
            return cls(
                observation, tuple((Part(pointer, one, "message"),) for pointer, one in choices), usage
            )
        by_choice = tuple(
            tuple(Part(part.pointer, part.choice, "delta", part.chunk) for part in choice.deltas)
            for choice in ChunkStream.of(observation).choices
        )
        return cls(observation, by_choice, usage)

    def __iter__(self) -> Iterator[Part]:
        """Every part, choice by choice."""
        return (part for parts in self.by_choice for part in parts)


def misfits(document: Json, schema: Object) -> Iterator[tuple[str, str]]:
    """JSON pointer and reason of each place where a document does not fit a schema that was asked for."""
    import jsonschema_rs

    for error in jsonschema_rs.Draft202012Validator(schema).iter_errors(document):
        yield "".join(f"/{step}" for step in error.instance_path), error.message


def _text(choice: Object, key: str, name: str = "content") -> str | None:
    content = (_object(choice.get(key)) or {}).get(name)
    return content if isinstance(content, str) else None


def _object(value: object) -> Object | None:
    return value if isinstance(value, dict) else None


def _calls(choice: Object) -> Iterator[tuple[str, Object]]:
    return objects((_object(choice.get("message")) or {}).get("tool_calls"), "/message/tool_calls")


def _joined_call(fragments: Iterable[Object]) -> ToolCall:
    """A tool call from its fragments: the first id and name that say something, all arguments in a row.

    A custom tool has a free text in their place.
    """
    ids: list[Json] = []
    names: list[Json] = []
    arguments: list[Json] = []
    for fragment in fragments:
        function = _object(fragment.get("function")) or {}
        custom = _object(fragment.get("custom")) or {}
        ids.append(fragment.get("id"))
        names += function.get("name"), custom.get("name")
        arguments += function.get("arguments"), custom.get("input")
    return ToolCall(
        id=next((value for value in ids if isinstance(value, str) and value), None),
        name=next((value for value in names if isinstance(value, str) and value), None),
        arguments="".join(value for value in arguments if isinstance(value, str)),
    )
