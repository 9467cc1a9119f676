"""The objects of the OpenAI API as strict JSON Schemas (2020-12), at three levels, and what violates them.

One file per wire object, written by hand against the OpenAI API reference, the openai/openai-openapi document
and the types of the `openai` package. `errata.toml` says where document and API differ, with evidence.

Levels, each of which contains the ones before it:

    must         what the SDKs need: their required fields and types; an optional field may be null
    spec         OpenAI's document with the errata, and bounds that every real answer keeps
    recommended  what OpenAI always sends

A file as it stands is level must, since validators ignore keywords that they don't know. `spec` and
`recommended` beside other keywords say what holds from that level on: they add to `required` and `properties`
and replace any other keyword. What stands beside a `$ref` does the same to what the reference names.

An instance is what a parser that keeps to RFC 8259 gives: no NaN, no lone surrogates. A number written with a
fraction or an exponent is no integer, even `1.0`: typed decoders (Go, Rust, Java) refuse it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    import jsonschema  # type: ignore[import-untyped]  # it ships no types
    import jsonschema_rs

JSON: TypeAlias = "dict[str, JSON] | list[JSON] | str | int | float | bool | None"
Level = Literal["must", "spec", "recommended"]

_LEVELS: tuple[Level, ...] = get_args(Level)
_FOLDER = Path(__file__).parent
_SHARED = "common"
_NOT_DERIVED = frozenset({"$schema", "$id", "$ref", "$defs", "$comment", *_LEVELS})


class ValidatorsDisagreeError(AssertionError):
    """One validator accepts what the other refuses: a bug of ours or of theirs, never of the endpoint."""


@dataclass(frozen=True, slots=True)
class SchemaViolation:
    """One leaf of an instance that violates a schema.

    `pointer` is the leaf's JSON pointer (RFC 6901, "" is the root); for a missing key, the one that it would
    have. `keyword` is the schema's (`required`, `type`, …), `level` the lowest that demands it. `received` is
    the leaf as JSON, cut to 120 characters, or `nothing` for a missing key; `expected` is a human phrase.
    """

    pointer: str
    keyword: str
    level: Level
    received: str
    expected: str


@cache
def kinds() -> tuple[str, ...]:
    """The names of the wire objects, sorted: `chat_completion`, `chat_completion_chunk` and so on."""
    return tuple(sorted({file.stem for file in _FOLDER.glob("*.json")} - {_SHARED}))


def schema(kind: str, level: Level) -> dict[str, JSON]:
    """The plain 2020-12 schema of a kind at a level, with no reference to another file or place.

    Raises KeyError for a kind that is not one of `kinds()`.
    """
    if kind not in kinds():
        raise KeyError(kind)
    source = _source(kind)
    names = {"$schema": source["$schema"], "$id": source["$id"].replace("/schemas/", f"/schemas/{level}/")}
    keywords: dict[str, JSON] = _derived(source, kind, level)
    return names | keywords


def conforms(kind: str, instance: JSON, level: Level) -> bool:
    """Whether an instance is valid at a level: the fast answer, without the why."""
    gate = _gate(kind, level)
    try:
        return gate.is_valid(instance)
    except UnicodeEncodeError:
        # Half of a surrogate pair, in a name or where a word is wanted: it is none that a schema names.
        return gate.is_valid(_whole(instance))


def violations(kind: str, instance: JSON, level: Level) -> tuple[SchemaViolation, ...]:
    """Every leaf that violates a kind's schema at a level, once, sorted by pointer; () iff it conforms.

    Raises ValidatorsDisagreeError when the gate refuses what can't be explained.
    """
    if conforms(kind, instance, level):
        return ()
    found = explained(kind, instance, level)
    if not found:
        raise ValidatorsDisagreeError(
            f"jsonschema-rs refuses what jsonschema does not: {kind} at level {level}, {_shown(instance)}"
        )
    return found


def explained(kind: str, instance: JSON, level: Level) -> tuple[SchemaViolation, ...]:
    """What `violations` gives, without asking the gate first: three hundred times slower on what conforms."""
    found: dict[str, SchemaViolation] = {}
    for demanded in _LEVELS[: _LEVELS.index(level) + 1]:
        for error in _explainer(kind, demanded).iter_errors(instance):
            for leaf in _leaves(error, demanded):
                found.setdefault(leaf.pointer, leaf)
    return tuple(found[pointer] for pointer in sorted(found))


def _whole(instance: JSON) -> JSON:
    """The instance with a replacement character for each half of a surrogate pair."""
    if isinstance(instance, str):
        return instance.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(instance, list):
        return [_whole(item) for item in instance]
    if isinstance(instance, dict):
        return {str(_whole(name)): _whole(value) for name, value in instance.items()}
    return instance


@cache
def _source(name: str) -> dict[str, Any]:  # a schema's values are as many types as it has keywords
    """A schema file, as written."""
    source: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_bytes())
    return source


def _derived(node: Any, name: str, level: Level) -> Any:
    """A node of the file `name` at a level, with what its reference names put in its place."""
    if isinstance(node, list):
        return [_derived(item, name, level) for item in node]
    if not isinstance(node, dict):
        return node
    derived: dict[str, Any] = {}
    if "$ref" in node:
        file, _, pointer = node["$ref"].partition("#")
        target = file.removesuffix(".json") or name
        named = _source(target)
        for step in pointer.split("/")[1:]:
            named = named[step]
        derived = _derived(named, target, level)
    for layer in (node, *(node[above] for above in _LEVELS[1 : _LEVELS.index(level) + 1] if above in node)):
        for keyword, written in layer.items():
            if keyword in _NOT_DERIVED:
                continue
            value = _derived(written, name, level)
            if keyword == "required":
                derived[keyword] = [*derived.get(keyword, ()), *value]
            elif keyword == "properties":
                derived[keyword] = {**derived.get(keyword, {}), **value}
            else:
                derived[keyword] = value
    return derived


_NO_FRACTION: dict[str, JSON] = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    "id": "https://likewise.dev/schemas/no_fraction.json",
    "type": ["integer", "string", "boolean", "array", "object", "null"],
}
"""What refuses `1.0` at the gate: to draft 4 it is no integer, to the drafts since it is one."""


def _without_fractions(node: Any) -> Any:
    """A schema whose every integer is written as one."""
    if isinstance(node, list):
        return [_without_fractions(item) for item in node]
    if not isinstance(node, dict):
        return node
    strict = {"$ref": _NO_FRACTION["id"]} if "integer" in _types(node.get("type")) else {}
    return {keyword: _without_fractions(value) for keyword, value in node.items()} | strict


def _types(value: Any) -> list[Any]:
    """What a `type` keyword names: one type, or several in a list."""
    return value if isinstance(value, list) else [value]


@cache
def _gate(kind: str, level: Level) -> "jsonschema_rs.Draft202012Validator":
    """The validator that is fast."""
    import jsonschema_rs

    return jsonschema_rs.Draft202012Validator(
        _without_fractions(schema(kind, level)),
        registry=jsonschema_rs.Registry([(str(_NO_FRACTION["id"]), _NO_FRACTION)]),
    )


@cache
def _explainer(kind: str, level: Level) -> "jsonschema.Draft202012Validator":
    """The validator that says where and why."""
    from jsonschema import Draft202012Validator, validators

    types = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    return validators.extend(Draft202012Validator, type_checker=types)(schema(kind, level))


def _leaves(error: "jsonschema.ValidationError", level: Level) -> Iterator[SchemaViolation]:
    """What one error says, leaf by leaf; a `required` error does not say which of its keys it means."""
    pointer = "".join(f"/{_escaped(step)}" for step in error.absolute_path)
    if error.validator != "required":
        received, expected = _shown(error.instance), _expected(error.schema, error.validator)
        yield SchemaViolation(pointer, error.validator, level, received, expected)
        return
    for key in error.validator_value:
        if key not in error.instance:
            missing = error.schema["properties"][key]
            keyword = next(keyword for keyword in ("const", "enum", "type") if keyword in missing)
            place = f"{pointer}/{_escaped(key)}"
            yield SchemaViolation(place, "required", level, "nothing", _expected(missing, keyword))


def _escaped(step: str | int) -> str:
    """A step of a JSON pointer (RFC 6901)."""
    return str(step).replace("~", "~0").replace("/", "~1")


def _shown(instance: JSON) -> str:
    """A value as JSON, cut to 120 characters."""
    text = json.dumps(instance, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:119]}…"


_TYPE_NAMES = {
    "array": "an array",
    "boolean": "true or false",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}
_BOUNDS = {
    "minimum": "a number of at least {}",
    "maximum": "a number of at most {}",
    "exclusiveMaximum": "a number below {}",
    "minLength": "a string of length {} or more",
    "minItems": "an array of length {} or more",
    "pattern": "a string that matches {}",
}


def _expected(node: dict[str, Any], keyword: str) -> str:
    """What a node asks for by one of its keywords, in words: `a string or null (Text of the answer)`."""
    value = node[keyword]
    if keyword == "type":
        phrase = " or ".join(_TYPE_NAMES[name] for name in _types(value))
    elif keyword == "const":
        phrase = f"exactly {_shown(value)}"
    elif keyword == "enum":
        phrase = f"one of {', '.join('null' if option is None else option for option in value)}"
    else:
        phrase = _BOUNDS[keyword].format(value)
    return f"{phrase} ({node['description']})"
