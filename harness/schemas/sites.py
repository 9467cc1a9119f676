"""Where a schema constrains, which samples get there, and how to break one constraint of a valid instance.

The walk follows the derived schemas, which hold no reference. A keyword that it does not know is an error, so
that no constraint goes without a mutant.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types

LIMITS: dict[str, Any] = {
    "minimum": (int, float),
    "maximum": (int, float),
    "exclusiveMaximum": (int, float),
    "minLength": str,
    "pattern": str,
    "minItems": list,
}
ANYWHERE = {"type", "const", "enum"}
ANNOTATIONS = {"$schema", "$id", "title", "description", "contentEncoding"}
APPLICATORS = {"properties", "items", "additionalProperties", "allOf", "if", "then", "else"}
JSON_VALUES: tuple[Any, ...] = (None, "likewise-unknown", 1, 1.5, True, [], {})

Steps = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Site:
    """One constraint: where in the schema, which keyword, what it asks for (a key for `required`)."""

    path: str
    keyword: str
    value: str

    def __str__(self) -> str:
        return f"{self.path}/{self.keyword}={self.value}"


@dataclass(frozen=True, slots=True)
class Reached:
    """A constraint that holds for the value at `steps` of an instance."""

    site: Site
    steps: Steps
    asks: Any


def constraints(node: dict[str, Any], path: str) -> Iterator[tuple[Site, Any]]:
    """The constraints that a schema node itself makes."""
    unknown = node.keys() - ANYWHERE - LIMITS.keys() - ANNOTATIONS - APPLICATORS - {"required"}
    if unknown:
        raise ValueError(f"{path}: no mutant is known for {unknown}")
    for keyword in node.keys() & (ANYWHERE | LIMITS.keys()):
        yield Site(path, keyword, str(node[keyword])), node[keyword]
    for key in node.get("required", ()):
        yield Site(path, "required", key), key


def sites(node: dict[str, Any], path: str = "") -> Iterator[Site]:
    """Every constraint of a schema; conditions of `if` choose and do not constrain."""
    yield from (site for site, _ in constraints(node, path))
    for key, below in node.get("properties", {}).items():
        yield from sites(below, f"{path}/properties/{key}")
    for keyword in ("items", "additionalProperties", "then", "else"):
        if keyword in node:
            yield from sites(node[keyword], f"{path}/{keyword}")
    for index, below in enumerate(node.get("allOf", ())):
        yield from sites(below, f"{path}/allOf/{index}")


def reached(node: dict[str, Any], value: Any, path: str = "", steps: Steps = ()) -> Iterator[Reached]:
    """Every constraint that a valid instance meets on its way through the schema."""
    for site, asks in constraints(node, path):
        applies = dict if site.keyword == "required" else LIMITS.get(site.keyword, object)
        if isinstance(value, applies):
            yield Reached(site, steps, asks)
    for keyword, below in applied(node, value):
        yield from reached(below, value, f"{path}/{keyword}", steps)
    for keyword, below, step in entered(node, value):
        yield from reached(below, value[step], f"{path}/{keyword}", (*steps, step))


def applied(node: dict[str, Any], value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The schemas that a node applies to the value itself."""
    for index, below in enumerate(node.get("allOf", ())):
        yield f"allOf/{index}", below
    if "if" in node:
        branch = "then" if Draft202012Validator(node["if"]).is_valid(value) else "else"
        if branch in node:
            yield branch, node[branch]


def entered(node: dict[str, Any], value: Any) -> Iterator[tuple[str, dict[str, Any], str | int]]:
    """The schemas that a node applies to what is in the value, with the step that leads there."""
    if isinstance(value, dict):
        properties = node.get("properties", {})
        for key in value:
            if key in properties:
                yield f"properties/{key}", properties[key], key
            elif "additionalProperties" in node:
                yield "additionalProperties", node["additionalProperties"], key
    elif isinstance(value, list) and "items" in node:
        for index in range(len(value)):
            yield "items", node["items"], index


def broken(instance: Any, place: Reached) -> Iterator[Any]:
    """The instance with values at one place that break, or may break, its constraint."""
    if place.site.keyword == "required":
        mutant = copy.deepcopy(instance)
        del at(mutant, place.steps)[place.asks]
        yield mutant
        return
    for value in wrong_values(place.site.keyword, place.asks):
        yield replaced(instance, place.steps, value)


def wrong_values(keyword: str, asks: Any) -> tuple[Any, ...]:
    """Values that break a constraint, or may break it."""
    if keyword == "minimum":
        return (asks - 1,)
    if keyword == "maximum":
        return (asks + 1,)
    if keyword == "exclusiveMaximum":
        return (asks,)
    if keyword == "minLength":
        return ("",)
    if keyword == "pattern":
        return ("likewise-unknown",)
    if keyword == "minItems":
        return ([],)
    return JSON_VALUES


def replaced(instance: Any, steps: Steps, value: Any) -> Any:
    """A copy of the instance with another value at one place."""
    if not steps:
        return value
    mutant = copy.deepcopy(instance)
    at(mutant, steps[:-1])[steps[-1]] = value
    return mutant


def at(instance: Any, steps: Steps) -> Any:
    """The value at one place."""
    for step in steps:
        instance = instance[step]
    return instance


def pointer(steps: Steps) -> str:
    """The JSON pointer (RFC 6901) of a place."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def places(value: Any, steps: Steps = ()) -> Iterator[Steps]:
    """The way to every value of an instance, itself included."""
    yield steps
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, below in items:
        yield from places(below, (*steps, step))
