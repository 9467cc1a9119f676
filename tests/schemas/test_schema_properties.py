"""What holds of every schema and of every instance, whatever it is."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types

from harness.schemas import JSON, Level, conforms, explained, kinds, schema
from harness.schemas.sites import at, places, pointer, replaced, sites
from tests.schemas.samples import LEVELS, SAMPLES, Sample

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=5),
    ),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below, max_size=3),
    max_leaves=6,
)
KIND_AND_LEVEL = [(kind, level) for kind in kinds() for level in LEVELS]
unhurried = settings(deadline=None)  # the first use of a schema compiles it
OPEN_MAPS = {"metadata", "top_logprobs"}
"""Keys whose objects map names to values of one type, so that any other field is a wrong one."""


@pytest.mark.parametrize(("kind", "level"), KIND_AND_LEVEL)
def test_a_schema_is_valid_by_the_metaschema(kind: str, level: Level) -> None:
    Draft202012Validator.check_schema(schema(kind, level))


@pytest.mark.parametrize(("kind", "level"), KIND_AND_LEVEL)
def test_a_schema_stands_alone_under_its_own_name(kind: str, level: Level) -> None:
    plain = schema(kind, level)
    assert plain["$id"] == f"https://likewise.dev/schemas/{level}/{kind}.json"
    keys = {key for steps in places(plain) if isinstance(node := at(plain, steps), dict) for key in node}
    assert not keys & {"$ref", "$defs", "must", "spec", "recommended"}


@pytest.mark.parametrize(("kind", "level"), KIND_AND_LEVEL)
def test_every_constraint_has_a_description(kind: str, level: Level) -> None:
    plain = schema(kind, level)
    for site in sites(plain):
        steps = tuple(int(step) if step.isdecimal() else step for step in site.path.split("/")[1:])
        node = at(plain, steps)
        assert (node["properties"][site.value] if site.keyword == "required" else node)["description"]


@pytest.mark.parametrize(("kind", "level"), KIND_AND_LEVEL)
def test_a_schema_that_is_changed_by_its_reader_stays_as_it_was(kind: str, level: Level) -> None:
    before = copy.deepcopy(schema(kind, level))
    schema(kind, level).clear()
    assert schema(kind, level) == before


def judged(kind: str, instance: JSON) -> None:
    """Assert what holds of every judgement; `violations` raises when the validators disagree."""
    pointers = {pointer(steps) for steps in places(instance)}
    refused = False
    for level in LEVELS:
        found = explained(kind, instance, level)
        assert conforms(kind, instance, level) == (not found)
        assert not (refused and not found), "a stricter level accepts what a laxer one refuses"
        refused = bool(found)
        assert [each.pointer for each in found] == sorted({each.pointer for each in found})
        for each in found:
            missing = each.keyword == "required"
            assert (each.pointer.rpartition("/")[0] if missing else each.pointer) in pointers
            assert (each.received == "nothing") == missing
            assert LEVELS.index(each.level) <= LEVELS.index(level)
            assert len(each.received) <= 120
            assert each.expected


@unhurried
@given(st.sampled_from(SAMPLES), st.data())
def test_the_validators_and_the_levels_agree_on_every_mutation(each: Sample, data: st.DataObject) -> None:
    instance = each.instance
    for _ in range(data.draw(st.integers(1, 3))):
        steps = data.draw(st.sampled_from(sorted(places(instance), key=str)))
        instance = replaced(instance, steps, data.draw(VALUES))
    judged(each.kind, instance)


@unhurried
@given(st.sampled_from(SAMPLES), st.data())
def test_the_validators_and_the_levels_agree_on_every_deletion(each: Sample, data: st.DataObject) -> None:
    keys = [steps for steps in places(each.instance) if steps and isinstance(steps[-1], str)]
    if not keys:
        return
    steps = data.draw(st.sampled_from(keys))
    instance = copy.deepcopy(each.instance)
    del at(instance, steps[:-1])[steps[-1]]
    judged(each.kind, instance)


@unhurried
@given(st.sampled_from(kinds()), VALUES)
def test_the_validators_and_the_levels_agree_on_any_value(kind: str, instance: JSON) -> None:
    judged(kind, instance)


def varied(value: Any, draw: Any, key: str = "") -> Any:
    """The same object to a client: fields in another order, with fields that it does not know."""
    if isinstance(value, list):
        return [varied(below, draw, key) for below in value]
    if not isinstance(value, dict):
        return value
    fields = [(name, varied(below, draw, name)) for name, below in value.items()]
    if key not in OPEN_MAPS:
        fields.append((f"x_{draw(st.text(max_size=3))}", draw(VALUES)))
    return dict(draw(st.permutations(fields)))


@unhurried
@given(st.sampled_from(SAMPLES), st.data())
def test_unknown_fields_and_another_order_change_nothing(each: Sample, data: st.DataObject) -> None:
    before, after = (
        [(found.pointer, found.level) for found in explained(each.kind, instance, "recommended")]
        for instance in (each.instance, varied(each.instance, data.draw))
    )
    assert after == before


@unhurried
@given(st.sampled_from([each for each in SAMPLES if each.satisfies("spec")]), st.data())
def test_identifiers_of_any_form_are_accepted(each: Sample, data: st.DataObject) -> None:
    instance = each.instance
    for steps in places(each.instance):
        if steps and steps[-1] in {"id", "item_id", "call_id"} and at(instance, steps) is not None:
            instance = replaced(instance, steps, data.draw(st.text(min_size=1)))
    assert conforms(each.kind, instance, "spec")
