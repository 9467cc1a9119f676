"""Whole-run evidence: everything that a run observed, for what only many answers can show."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self, TypeVar

import orjson

from harness.evidence import Cells, NotJudgedError, Object, Observation
from harness.evidence.chat import Answer, ChunkStream
from harness.evidence.completions import TextAnswer
from harness.evidence.grounds import NONE, Grounds
from harness.evidence.responses import ResponseAnswer
from harness.scenario import Mode, Scenario

_Kind = TypeVar("_Kind", Answer, ResponseAnswer, TextAnswer)

_NOT_IN_THE_PROMPT = frozenset(
    {"stream", "stream_options", "n", "max_tokens", "max_completion_tokens", "temperature", "seed", "stop"}
)


@dataclass(frozen=True)
class WholeRun:
    """All observations of a run."""

    MODES: ClassVar[Cells] = ()
    RESTS_ON: ClassVar[Grounds] = NONE

    observations: tuple[Observation, ...]

    @staticmethod
    def applies(scenario: Scenario) -> bool:
        """No single scenario gives this evidence."""
        return not scenario.id

    @classmethod
    def of(cls, *observations: Observation) -> Self:
        """The run."""
        return cls(observations)

    @cached_property
    def answers(self) -> tuple[Answer, ...]:
        """The chat answers among them."""
        return tuple(self._answers())

    @cached_property
    def streams(self) -> tuple[ChunkStream, ...]:
        """The chat streams among them."""
        return tuple(self._streams())

    @cached_property
    def responses(self) -> tuple[ResponseAnswer, ...]:
        """The answers of the Responses API among them."""
        return tuple(self._responses())

    def _responses(self) -> Iterator[ResponseAnswer]:
        for seen in self.observations:
            if ResponseAnswer.applies(seen.scenario):
                try:
                    yield ResponseAnswer.of(seen)
                except NotJudgedError:
                    continue

    def _streams(self) -> Iterator[ChunkStream]:
        for seen in self.observations:
            if ChunkStream.applies(seen.scenario) and seen.mode is Mode.STREAM:
                try:
                    yield ChunkStream.of(seen)
                except NotJudgedError:
                    continue

    def _answers(self) -> Iterator[Answer]:
        for seen in self.observations:
            if Answer.applies(seen.scenario):
                try:
                    yield Answer.of(seen)
                except NotJudgedError:
                    continue

    def first(self, kind: type[_Kind], scenario: str) -> _Kind:
        """The first plain answer of a kind to a scenario; raises NotJudgedError when there is none."""
        for seen in self.observations:
            if seen.scenario.id == scenario and seen.mode is Mode.PLAIN:
                return kind.of(seen)
        raise NotJudgedError(f"no plain answer to {scenario}")

    def answer(self, scenario: str) -> Answer:
        """The first plain answer to a scenario; raises NotJudgedError when there is none."""
        for answer in self.answers:
            if answer.observation.scenario.id == scenario and answer.observation.mode is Mode.PLAIN:
                return answer
        raise NotJudgedError(f"no plain answer to {scenario}")


def prompt_of(answer: Answer) -> bytes:
    """What the client sent of what costs prompt tokens, in one spelling."""
    asked = {key: value for key, value in answer.observation.asked.items() if key not in _NOT_IN_THE_PROMPT}
    return orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)


def count(answer: Answer, name: str) -> int:
    """A token count of an answer; raises NotJudgedError where the endpoint gives none."""
    usage: Object = answer.usage or {}
    value = usage.get(name)
    if not isinstance(value, int):
        raise NotJudgedError(f"no {name} in the answer to {answer.observation.scenario.id}")
    return value
