"""Random deviation: whatever a schema rules out is noticed wherever it is done, and the place is named."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.evidence import Observation
from harness.mutation import SOURCES, Mutation, catchers, is_of_type, kind_of, mutants, mutations, with_body
from harness.prove import MUTATIONS, Task, observed
from harness.scenario import Mode
from harness.schemas import schema
from harness.schemas.sites import at, pointer, reached, replaced

_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: number % 1 != 0)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda below: (
        st.lists(below, max_size=2) | st.dictionaries(st.text("abc", max_size=3), below, max_size=2)
    ),
    max_leaves=4,
)
_SAMPLE = (
    ("founding", Mode.PLAIN),
    ("with-usage", Mode.STREAM),
    ("tool-call", Mode.PLAIN),
    ("no-messages", Mode.PLAIN),
)


@cache
def answered(scenario: str, mode: Mode) -> Observation:
    """What the reference endpoint says, through raw HTTP."""
    seen = observed(Task(MUTATIONS, "openai", (scenario,), mode))
    return next(one for one in seen if one.client == "raw" and one.mode is mode)


def _typed_places(body: Any, kind: str) -> Mapping[tuple[str | int, ...], tuple[str, ...]]:
    """The types that are allowed at each place of an object below its root."""
    allowed = (one for one in reached(schema(kind, "spec"), body) if one.site.keyword == "type" and one.steps)
    return {one.steps: tuple(one.asks) if isinstance(one.asks, list) else (one.asks,) for one in allowed}


@given(data=st.data())
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.filter_too_much])
@pytest.mark.parametrize(("scenario", "mode"), [source for source in SOURCES if source[1] is Mode.PLAIN])
def test_any_value_of_a_wrong_type_at_any_place_is_pointed_at(
    scenario: str, mode: Mode, data: st.DataObject
) -> None:
    seen = answered(scenario, mode)
    body = orjson.loads(seen.response.body)
    kind = kind_of(body, mode)
    places = _typed_places(body, kind)
    steps = data.draw(st.sampled_from(sorted(places, key=repr)))
    value = data.draw(_VALUES.filter(lambda value: not is_of_type(value, places[steps])))
    changed = orjson.dumps(replaced(body, steps, value))
    assert catchers(seen, Mutation(kind, None, pointer(steps), "", changed)), f"{pointer(steps)} as {value!r}"


@pytest.mark.parametrize(("scenario", "mode"), _SAMPLE)
def test_every_single_mutation_is_pointed_at(scenario: str, mode: Mode) -> None:
    seen = answered(scenario, mode)
    made = list(mutations(seen))
    assert len(made) > 5
    assert [f"{one.place} {one.change}" for one in made if not catchers(seen, one)] == []


def test_a_right_answer_is_pointed_at_by_nobody() -> None:
    seen = answered("founding", Mode.PLAIN)
    untouched = Mutation("chat_completion", None, "/id", "", seen.response.body)
    assert catchers(seen, untouched) == []
    assert with_body(seen, seen.response.body).response.body == seen.response.body


def test_a_mutation_breaks_one_place_and_leaves_the_rest() -> None:
    body = orjson.loads(answered("founding", Mode.PLAIN).response.body)
    for place, change, mutant in mutants("chat_completion", body):
        steps = [int(step) if step.isdecimal() else step for step in place.split("/")[1:]]
        if change == "missing":
            assert steps[-1] not in at(mutant, tuple(steps[:-1]))
        elif steps:
            assert replaced(mutant, tuple(steps), at(body, tuple(steps))) == body


@pytest.mark.parametrize(
    ("value", "types", "expected"),
    [
        (True, ("integer", "number"), False),
        (1, ("integer",), True),
        (1.5, ("integer",), False),
        (1.5, ("number",), True),
        (None, ("string", "null"), True),
        ([], ("object",), False),
    ],
)
def test_types_are_those_of_json(value: object, types: tuple[str, ...], *, expected: bool) -> None:
    assert is_of_type(value, types) is expected
