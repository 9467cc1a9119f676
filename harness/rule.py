"""A rule: one thing that must hold, as a pure function of evidence that yields what violates it.

    @rule("stream.one-done", level="spec", source="OpenAI API reference, chat streaming", breaks="…")
    def the_stream_ends_with_one_done(stream: ChunkStream) -> Violations:
        \"\"\"A stream ends with exactly one `data: [DONE]`.\"\"\"
        if len(stream.done_numbers) != 1:
            yield Violation(received=f"{len(stream.done_numbers)} of them", expected="exactly one")

The parameter's type says what evidence it reads, the docstring's first line is the rule's sentence. Rules are
module-level values in `suites/<surface>/test_*.py`, found by `harness.content` and collected by pytest.
"""

import inspect
import typing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from harness.evidence import Evidence, NotJudgedError
from harness.evidence.chat import Chunk
from harness.evidence.grounds import NONE, Ground, Grounds, shape
from harness.scenario import Mode, Scenario
from harness.schemas import Level

LEVELS: tuple[Level, ...] = ("must", "spec", "recommended")


@dataclass(frozen=True, slots=True)
class Violation:
    """What breaks a rule: what came, what had to come, and where.

    `pointer` is a JSON pointer into the body or the event's data; `event` counts the stream's events from 0;
    `span` is the guilty byte range of the body.
    """

    received: str
    expected: str
    pointer: str | None = None
    event: int | None = None
    span: tuple[int, int] | None = None

    @property
    def place(self) -> str:
        """Where it is, for a sentence; empty when the whole answer is meant."""
        event = "" if self.event is None else f"event {self.event}"
        return f"{event} {self.pointer or ''}".strip()


Violations: TypeAlias = Iterator[Violation]
Upheld: TypeAlias = Callable[[str | None], Ground | None]


def in_chunk(chunk: Chunk, pointer: str, *, received: str, expected: str) -> Violation:
    """A violation at a place in one chunk of a stream."""
    return Violation(received, expected, pointer, chunk.number, (chunk.event.start, chunk.event.end))


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule with all that its reader needs: see `rule` for the fields."""

    id: str
    level: Level
    source: str
    breaks: str
    answers: tuple[str, ...]
    sentence: str
    reads: type[Evidence]
    check: Callable[[Any], Violations]
    when: Callable[[Scenario], bool]
    effect_of: str
    shows: frozenset[str]
    upholds: Ground | Upheld | None
    rests_on: Grounds

    def upheld_by(self, violations: Iterable[Violation]) -> Grounds:
        """The grounds that are not there where the rule is violated so."""
        if callable(self.upholds):
            return frozenset(ground for one in violations if (ground := self.upholds(one.pointer)))
        return NONE if self.upholds is None else frozenset({self.upholds})

    @property
    def surface(self) -> str:
        """The part of the contract that it belongs to: what stands before the dot of its id."""
        return self.id.partition(".")[0]

    @property
    def judges_whole_runs(self) -> bool:
        """Whether it reads everything that a run observed, and not one scenario."""
        return not self.reads.MODES

    def applies(self, scenario: Scenario) -> bool:
        """Whether a scenario gives evidence for this rule."""
        return self.reads.applies(scenario) and self.when(scenario)

    def cells(self, scenario: Scenario) -> tuple[tuple[Mode, ...], ...]:
        """The modes, or pairs of modes, in which a scenario is judged by this rule."""
        if not self.applies(scenario):
            return ()
        return tuple(modes for modes in self.reads.MODES if set(modes) <= set(scenario.modes))


def rule(
    rule_id: str,
    *,
    level: Level,
    source: str,
    breaks: str,
    answers: tuple[str, ...] = (),
    when: Callable[[Scenario], bool] = lambda scenario: bool(scenario.id),
    effect_of: str = "",
    shows: tuple[str, ...] = (),
    upholds: Ground | Upheld | None = None,
    rests_on: Iterable[Ground] = (),
) -> Callable[[Callable[..., Violations]], Rule]:
    """Make a rule of a function.

    `rule_id` is stable and starts with its surface and a dot; `source` names the public document or
    observation that the rule follows; `breaks` says who breaks when it does not hold, and how; `answers`
    names the known deviations (suites/deviations.toml) that it catches; `when` narrows the scenarios;
    `effect_of` names the request parameter that is honoured where the rule holds and ignored where not;
    `shows` names the capabilities that are there where it holds: what a rule shows, no other's pass does;
    `upholds` is the ground without which others can't hold, or says which it is by a violation's pointer;
    `rests_on` adds grounds to those of its evidence: a failure where one is missing is a consequence.
    """

    def make(check: Callable[..., Violations]) -> Rule:
        (parameter,) = inspect.signature(check).parameters
        reads = typing.get_type_hints(check)[parameter]
        return Rule(
            id=rule_id,
            level=level,
            source=source,
            breaks=breaks,
            answers=answers,
            sentence=(inspect.getdoc(check) or "").partition("\n")[0],
            reads=reads,
            check=check,
            when=when,
            effect_of=effect_of,
            shows=frozenset(shows),
            upholds=upholds,
            rests_on=reads.RESTS_ON | frozenset(rests_on),
        )

    return make


__all__ = [
    "LEVELS",
    "Ground",
    "Level",
    "NotJudgedError",
    "Rule",
    "Violation",
    "Violations",
    "in_chunk",
    "rule",
    "shape",
]
