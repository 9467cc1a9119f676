"""Single mutations of right answers, each of which the suites have to notice.

An answer that the reference endpoint gave is recorded, one constraint of its schema is broken at one place (a
required key goes, a value gets a type or a value that is not allowed), and all rules judge what was recorded.
A mutation counts as caught when a rule of level `must` or `spec` fails and points at the very place.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import Any

import orjson

from harness import content
from harness.evidence import Observation
from harness.judge import judge
from harness.scenario import Mode
from harness.schemas import schema
from harness.schemas.sites import Reached, at, broken, pointer, reached
from harness.verdict import Outcome
from harness.wire.exchange import Read

SOURCES: tuple[tuple[str, Mode], ...] = (
    ("founding", Mode.PLAIN),
    ("with-usage", Mode.STREAM),
    ("top-logprobs", Mode.PLAIN),
    ("top-logprobs", Mode.STREAM),
    ("tool-call", Mode.PLAIN),
    ("tool-call", Mode.STREAM),
    ("no-messages", Mode.PLAIN),
    ("models-list", Mode.PLAIN),
    ("model-retrieve", Mode.PLAIN),
    ("embedding-dimensions", Mode.PLAIN),
    ("embedding-base64", Mode.PLAIN),
    ("completion", Mode.PLAIN),
    ("completion-with-usage", Mode.STREAM),
    ("completion-logprobs", Mode.PLAIN),
    ("response", Mode.PLAIN),
    ("response", Mode.STREAM),
    ("response-tool", Mode.PLAIN),
    ("response-tool", Mode.STREAM),
)
"""Whose answers are mutated, as raw HTTP reads them."""

_KINDS: Mapping[str, str] = {
    "chat.completion": "chat_completion",
    "chat.completion.chunk": "chat_completion_chunk",
    "text_completion": "completion",
    "model": "model",
    "response": "response",
}
_DATA = b"data: "
_WRONG_TYPES = 2
"""How many wrong types are tried at a place: null where it is not allowed, and another one."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One broken constraint: where in the object, and what stands there instead.

    `place` is a JSON pointer, `event` the number of the event, None in a plain body.
    """

    kind: str
    event: int | None
    place: str
    change: str
    body: bytes


def mutations(seen: Observation) -> Iterator[Mutation]:
    """Every single mutation of an answer: of the body, or of each event that has a shape of its own."""
    body = seen.response.body
    if seen.mode is Mode.PLAIN:
        value = orjson.loads(body)
        for place, change, mutant in mutants(kind_of(value, seen.mode), value):
            yield Mutation(kind_of(value, seen.mode), None, place, change, orjson.dumps(mutant))
        return
    frames = body.split(b"\n\n")
    shapes: set[tuple[str, ...]] = set()
    for number, frame in enumerate(frames):
        head, found, payload = frame.partition(_DATA)
        if not found or payload == b"[DONE]":
            continue
        value = orjson.loads(payload)
        kind = kind_of(value, seen.mode)
        shape = tuple(str(one.site) + pointer(one.steps) for one in reached(_schema(kind), value))
        if shape in shapes:
            continue
        shapes.add(shape)
        for place, change, mutant in mutants(kind, value):
            changed = [*frames[:number], head + _DATA + orjson.dumps(mutant), *frames[number + 1 :]]
            yield Mutation(kind, number, place, change, b"\n\n".join(changed))


def mutants(kind: str, value: Any) -> Iterator[tuple[str, str, Any]]:
    """Pointer, description and result of each single mutation of an object of a kind."""
    done: set[tuple[str, str]] = set()
    for place in reached(_schema(kind), value):
        for mutant in _wrong(value, place):
            at = pointer((*place.steps, place.asks) if place.site.keyword == "required" else place.steps)
            change = _described(mutant, place)
            if (at, change) not in done:
                done.add((at, change))
                yield at, change, mutant


def _wrong(value: Any, place: Reached) -> Iterator[Any]:
    """The object with values that certainly break the constraint at its place."""
    if place.site.keyword == "type":
        allowed = place.asks if isinstance(place.asks, list) else [place.asks]
        wrong = (
            mutant for mutant in broken(value, place) if not is_of_type(at(mutant, place.steps), allowed)
        )
        yield from islice(wrong, _WRONG_TYPES)
    elif place.site.keyword in {"enum", "const"}:
        yield from (
            mutant for mutant in broken(value, place) if at(mutant, place.steps) == "likewise-unknown"
        )
    elif place.site.keyword == "required":
        yield from broken(value, place)


def is_of_type(value: Any, names: Iterable[str]) -> bool:
    """Whether a JSON value is of one of these types; a bool is no number, 1.5 is no integer."""
    return any(
        {
            "null": value is None,
            "boolean": isinstance(value, bool),
            "string": isinstance(value, str),
            "integer": isinstance(value, int) and not isinstance(value, bool),
            "number": isinstance(value, (int, float)) and not isinstance(value, bool),
            "array": isinstance(value, list),
            "object": isinstance(value, dict),
        }[name]
        for name in names
    )


def _described(mutant: Any, place: Reached) -> str:
    if place.site.keyword == "required":
        return "missing"
    return orjson.dumps(at(mutant, place.steps)).decode()


def kind_of(value: Any, mode: Mode) -> str:
    """The name of an object's schema."""
    if "error" in value and "object" not in value and "type" not in value:
        return "error"
    if "sequence_number" in value:
        return "response_event"
    if value.get("object") == "list":
        return "embeddings" if "usage" in value else "model_list"
    kind = _KINDS[value["object"]]
    return "completion_chunk" if kind == "completion" and mode is Mode.STREAM else kind


@lru_cache(maxsize=32)
def _schema(kind: str) -> dict[str, Any]:
    return schema(kind, "spec")


def catchers(seen: Observation, mutation: Mutation) -> list[str]:
    """The rules of level `must` or `spec` that fail on the mutated answer and point at the place."""
    rules = [rule for rule in content.rules().values() if (seen.mode,) in rule.cells(seen.scenario)]
    return [
        verdict.rule
        for verdict in judge(rules, [with_body(seen, mutation.body)])
        if verdict.outcome is Outcome.FAIL
        and verdict.level != "recommended"
        and any((violation.pointer or "") == mutation.place for violation in verdict.evidence)
    ]


def with_body(seen: Observation, body: bytes) -> Observation:
    """The observation with other bytes in its body."""
    response = seen.response
    exchange = replace(seen.exchange, response=replace(response, reads=(Read(response.started_ns, body),)))
    return replace(seen, exchange=exchange)
