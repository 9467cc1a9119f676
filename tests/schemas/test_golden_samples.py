"""What real endpoints send passes where it should, and what is wrong with it is said in words."""

import pytest

from harness.schemas import Level, ValidatorsDisagreeError, conforms, explained, kinds, schema, violations
from harness.schemas.sites import at, pointer, reached, replaced
from tests.schemas.samples import LEVELS, SAMPLES, Sample, sample


@pytest.mark.parametrize("each", SAMPLES, ids=str)
def test_a_sample_violates_what_it_says_and_nothing_else(each: Sample) -> None:
    found = violations(each.kind, each.instance, "recommended")
    said = [(pointer, level) for level in LEVELS for pointer in each.violates.get(level, ())]
    assert [(violation.pointer, violation.level) for violation in found] == sorted(said)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("each", SAMPLES, ids=str)
def test_a_sample_conforms_up_to_its_level(each: Sample, level: Level) -> None:
    assert conforms(each.kind, each.instance, level) == each.satisfies(level)
    assert (not violations(each.kind, each.instance, level)) == each.satisfies(level)
    assert explained(each.kind, each.instance, level) == violations(each.kind, each.instance, level)


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_has_a_sample_of_the_highest_level_and_one_that_fails(kind: str) -> None:
    mine = [each for each in SAMPLES if each.kind == kind]
    assert any(each.satisfies("recommended") for each in mine)
    assert any(not each.satisfies("must") for each in mine)


@pytest.mark.parametrize("each", [each for each in SAMPLES if each.satisfies("must")], ids=str)
def test_an_integer_with_a_fraction_is_refused_everywhere(each: Sample) -> None:
    for place in reached(schema(each.kind, "must"), each.instance):
        value = at(each.instance, place.steps)
        if place.site.keyword == "type" and "integer" in place.asks and isinstance(value, int):
            mutant = replaced(each.instance, place.steps, float(value))
            (found,) = violations(each.kind, mutant, "must")
            assert found.pointer == pointer(place.steps)


def test_a_violation_says_what_came_and_what_had_to_come() -> None:
    (found,) = violations("error", sample("error", "integer_code").instance, "spec")
    assert (found.pointer, found.keyword, found.level) == ("/error/code", "type", "spec")
    assert found.received == "404"
    assert found.expected == "a string or null (Name of the error for programs)"


def test_a_missing_key_is_named_by_its_own_pointer() -> None:
    (found,) = violations("model_list", {"object": "list"}, "must")
    assert (found.pointer, found.keyword, found.received) == ("/data", "required", "nothing")
    assert found.expected == "an array (All models, on one page)"


def test_a_wrong_union_member_is_named_at_the_leaf_of_the_branch_that_its_type_chose() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": {}}}
    broken = replaced(
        sample("chat_completion", "openai_parallel_tool_calls").instance,
        ("choices", 0, "message", "tool_calls", 1),
        call,
    )
    (found,) = violations("chat_completion", broken, "must")
    assert found.pointer == "/choices/0/message/tool_calls/1/function/arguments"
    assert found.expected == "a string (Arguments as JSON text, not as an object)"


def test_a_pointer_escapes_what_a_key_may_hold() -> None:
    instance = replaced(sample("chat_completion", "openai_plain").instance, ("metadata",), {"a/b~c": 1})
    (found,) = violations("chat_completion", instance, "must")
    assert found.pointer == "/metadata/a~1b~0c"


def test_a_long_value_is_cut() -> None:
    (found,) = violations("error", {"error": "x" * 1000}, "must")
    assert len(found.received) == 120
    assert found.received.endswith("…")


def test_a_kind_that_does_not_exist_is_refused() -> None:
    with pytest.raises(KeyError, match="no_such_kind"):
        schema("no_such_kind", "must")


def test_a_disagreement_of_the_validators_is_loud() -> None:
    """NaN is no JSON: the validators differ on it, which shows what happens when they do."""
    instance = replaced(
        sample("embeddings", "openai_float").instance, ("data", 0, "embedding", 0), float("nan")
    )
    with pytest.raises(ValidatorsDisagreeError, match="embeddings at level must"):
        violations("embeddings", instance, "must")
