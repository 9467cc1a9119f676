"""Legacy evidence: a completion, a stream of chunks, a text in either mode, and the two as a pair.

Chunks and completions have the outer shape of chat's, so what reads that shape is shared with chat.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Self

from harness.evidence import BOTH, EACH_MODE, Cells, Object, Observation
from harness.evidence.chat import Chunk, ChunkStream, Completion
from harness.evidence.grounds import OF_A_BODY, Grounds
from harness.scenario import Mode, Scenario
from harness.wire.exchange import Json

LOGPROBS_ARRAYS = ("tokens", "token_logprobs", "top_logprobs", "text_offset")
"""The arrays of a legacy logprobs object, each with one item for each token."""


class TextCompletion(Completion):
    """A plain answer to POST /completions."""

    @staticmethod
    def applies(scenario: Scenario) -> bool:
        """Legacy scenarios that expect an answer."""
        return scenario.is_answered_by("completions")


class TextStream(ChunkStream):
    """A streamed answer to POST /completions: HTTP 2xx with at least one server-sent event."""

    @staticmethod
    def applies(scenario: Scenario) -> bool:
        """Legacy scenarios that expect an answer."""
        return scenario.is_answered_by("completions")

    @cached_property
    def pieces(self) -> tuple[tuple[Chunk, str, Object], ...]:
        """Chunk, JSON pointer and object of every choice in every chunk, in order."""
        return tuple((chunk, pointer, choice) for chunk in self.chunks for pointer, choice in chunk.choices)


@dataclass(frozen=True)
class TextChoice:
    """One choice as the wire says it, whichever way it came.

    `logprobs` holds the arrays of LOGPROBS_ARRAYS that were given, those of a stream put together; None
    where there was no logprobs object.
    """

    index: Json
    text: str
    finish_reasons: tuple[Json, ...]
    logprobs: Object | None

    @property
    def finish_reason(self) -> Json:
        """The first finish reason; None when there is none."""
        return self.finish_reasons[0] if self.finish_reasons else None


@dataclass(frozen=True)
class TextAnswer:
    """A legacy answer read from the wire alone, plain or streamed."""

    MODES: ClassVar[Cells] = EACH_MODE
    RESTS_ON: ClassVar[Grounds] = OF_A_BODY

    observation: Observation
    choices: tuple[TextChoice, ...]
    usage: Object = field(default_factory=dict)

    @staticmethod
    def applies(scenario: Scenario) -> bool:
        """Legacy scenarios that expect an answer."""
        return TextCompletion.applies(scenario)

    @classmethod
    def of(cls, observation: Observation) -> Self:
        """The answer of an observation in either mode."""
        if observation.mode is Mode.PLAIN:
            completion = TextCompletion.of(observation)
            bodies, parts = [completion.body], [[choice] for _, choice in completion.choices]
        else:
            stream = TextStream.of(observation)
            bodies, parts = [chunk.body for chunk in stream.chunks], _by_index(stream)
        usages = [usage for body in bodies if isinstance(usage := body.get("usage"), dict)]
        return cls(observation, tuple(map(_joined, parts)), usages[-1] if usages else {})

    @property
    def text(self) -> str:
        """The first choice's text; empty where there is none."""
        return self.choices[0].text if self.choices else ""

    @property
    def prompts(self) -> tuple[str, ...]:
        """The prompts that are texts."""
        asked = self.observation.asked.get("prompt")
        prompts = asked if isinstance(asked, list) else [asked]
        return tuple(prompt for prompt in prompts if isinstance(prompt, str))

    @property
    def choice_count(self) -> int:
        """How many choices are asked for: `n` for each prompt."""
        return self._each("n") * self._prompt_count

    @property
    def made_count(self) -> int:
        """How many choices the model makes: `best_of` for each prompt, where that is more than `n`."""
        return max(self._each("n"), self._each("best_of")) * self._prompt_count

    def _each(self, name: str) -> int:
        asked = self.observation.asked.get(name)
        return asked if isinstance(asked, int) else 1

    @property
    def _prompt_count(self) -> int:
        """How many prompts there are; numbers in a list are the tokens of one."""
        asked = self.observation.asked.get("prompt")
        prompts = [one for one in asked if isinstance(one, str | list)] if isinstance(asked, list) else []
        return max(1, len(prompts))


@dataclass(frozen=True)
class TextPair:
    """The plain and the streamed answer to one legacy scenario through one client."""

    MODES: ClassVar[Cells] = BOTH
    RESTS_ON: ClassVar[Grounds] = OF_A_BODY

    plain: TextAnswer
    streamed: TextAnswer

    @staticmethod
    def applies(scenario: Scenario) -> bool:
        """Legacy scenarios that expect an answer."""
        return TextCompletion.applies(scenario)

    @classmethod
    def of(cls, plain: Observation, streamed: Observation) -> Self:
        """Both answers."""
        return cls(TextAnswer.of(plain), TextAnswer.of(streamed))


def _by_index(stream: TextStream) -> list[list[Object]]:
    """The pieces of each choice of a stream, which its index alone holds together."""
    by_index: dict[str, list[Object]] = {}
    for _, _, choice in stream.pieces:
        by_index.setdefault(repr(choice.get("index")), []).append(choice)
    return list(by_index.values())


def _joined(parts: list[Object]) -> TextChoice:
    logprobs = [value for part in parts if isinstance(value := part.get("logprobs"), dict)]
    return TextChoice(
        index=parts[0].get("index"),
        text="".join(text for part in parts if isinstance(text := part.get("text"), str)),
        finish_reasons=tuple(reason for part in parts if (reason := part.get("finish_reason")) is not None),
        logprobs=_joined_arrays(logprobs) if logprobs else None,
    )


def _joined_arrays(parts: Iterable[Object]) -> Object:
    joined: Object = {}
    for part in parts:
        for name in LOGPROBS_ARRAYS:
            if isinstance(part.get(name), list):
                joined.setdefault(name, []).extend(part[name])
    return joined
