"""Two JSON Schemas of one object side by side: which fields, types, values and obligations differ.

The walk goes as deep as the first schema goes. A union is split by the `type` of its members, whether it is
written as `anyOf` of objects or as `if` and `then`, so that both forms compare.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Node = dict[str, Any]
UNIONS = ("anyOf", "oneOf")
TYPE_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


@dataclass(frozen=True, slots=True)
class Document:
    """A schema with the document that its references point into."""

    node: Node
    root: Node

    def at(self, node: Node) -> "Document":
        return Document(node, self.root)


def differences(ours: Document, theirs: Document, path: str = "") -> Iterator[str]:
    """One line for each difference: `choices[].message.refusal: optional here, required there`."""
    here, there = members(ours.node, ours.root), members(theirs.node, theirs.root)
    yield from unequal(path, types(here), types(there))
    yield from unequal(path, values(here), values(there))
    yield from kinds(ours, theirs, objects(here), objects(there), path)
    for keyword, mark in (("items", "[]"), ("additionalProperties", "{}")):
        inner = [merged(found) for found in (below(here, keyword), below(there, keyword)) if found]
        if len(inner) == 2:
            yield from differences(ours.at(inner[0]), theirs.at(inner[1]), f"{path}{mark}")


def kinds(
    ours: Document, theirs: Document, here: dict[str, Node], there: dict[str, Node], path: str
) -> Iterator[str]:
    """The differences of the objects on both sides; none when a side says nothing of their fields."""
    if not here or not there:
        return
    if ("" in here) != ("" in there):
        yield f"{path}: kinds not told apart {'here' if '' in here else 'there'}"
        return
    for label in sorted(here.keys() | there.keys()):
        place = f"{path}<{label}>" if label else path
        if label in here and label in there:
            yield from fields(ours.at(here[label]), theirs.at(there[label]), place)
        else:
            yield f"{place}: {'not there' if label in here else 'not here'}"


def fields(ours: Document, theirs: Document, path: str) -> Iterator[str]:
    """The differences of two objects' fields."""
    here, there = ours.node.get("properties", {}), theirs.node.get("properties", {})
    for key in sorted(here.keys() | there.keys()):
        place = f"{path}.{key}".removeprefix(".")
        if key not in here or key not in there:
            yield f"{place}: {'not here' if key not in here else 'not there'}"
            continue
        duties = [
            "required" if key in side.node.get("required", ()) else "optional" for side in (ours, theirs)
        ]
        yield from unequal(place, *duties)
        yield from differences(ours.at(here[key]), theirs.at(there[key]), place)


def unequal(path: str, here: str, there: str) -> Iterator[str]:
    if here != there:
        yield f"{path}: {here} here, {there} there"


def members(node: Node, root: Node) -> list[Node]:
    """The alternatives of a node, each without references, unions and conditions."""
    if "$ref" in node:
        named: Any = root
        for step in node["$ref"].removeprefix("#/").split("/"):
            named = named[step]
        return members(named, root)
    for union in UNIONS:
        if union in node:
            return [member for one in node[union] for member in members(one, root)]
    if "else" in node:  # the ordinary form; what stands in `then` is the exception
        rest = {key: value for key, value in node.items() if key not in {"if", "then", "else"}}
        return members(joined(rest, node["else"]), root)
    branches = [branch for branch in node.get("allOf", ()) if "if" in branch]
    if "then" in node:
        branches.append(node)
    if branches:
        plain = {key: value for key, value in node.items() if key not in {"allOf", "if", "then"}}
        return [member for branch in branches for member in branch_members(plain, branch, root)]
    if "allOf" in node:
        parts = [members(part, root) for part in node["allOf"]]
        return [joined(*(one for part in parts for one in part))]
    return [node]


def branch_members(plain: Node, branch: Node, root: Node) -> list[Node]:
    """The alternatives that one `if` on a `type` makes: one for each type that it names."""
    names = branch["if"]["properties"]["type"]
    return [
        member
        for name in names.get("enum", [names.get("const")])
        for member in members(joined(plain, branch["then"], {"properties": {"type": {"const": name}}}), root)
    ]


def joined(*nodes: Node) -> Node:
    """One node that asks for all that several ask for."""
    whole: Node = {}
    for node in nodes:
        known, new = whole.get("properties", {}), node.get("properties", {})
        properties = known | {key: known.get(key, {}) | below for key, below in new.items()}
        required = [*whole.get("required", ()), *node.get("required", ())]
        whole |= {**node, "properties": properties, "required": required}
    return whole


def types(alternatives: list[Node]) -> str:
    found = set()
    for node in alternatives:
        named = node.get("type", [])
        found |= set(named if isinstance(named, list) else [named])
        found |= {TYPE_NAMES[type(value)] for value in options(node) or ()}
        if node.get("nullable"):
            found.add("null")
        if node.get("properties"):
            found.add("object")
    return "|".join(sorted(found)) or "anything"


def values(alternatives: list[Node]) -> str:
    """The values of an enumeration; none when any string will do."""
    strings = [node for node in alternatives if "string" in types([node])]
    if not strings or any(options(node) is None for node in strings):
        return "any"
    return ",".join(
        sorted({str(value) for node in strings for value in options(node) or () if value is not None})
    )


def options(node: Node) -> list[Any] | None:
    return [node["const"]] if "const" in node else node.get("enum")


def objects(alternatives: list[Node]) -> dict[str, Node]:
    """The alternatives that have fields, by their `type` when there are several."""
    found = [node for node in alternatives if node.get("properties")]
    if len(found) == 1:
        return {"": found[0]}
    return {values([node["properties"].get("type", {})]): node for node in found}


def below(alternatives: list[Node], keyword: str) -> list[Node]:
    return [node[keyword] for node in alternatives if isinstance(node.get(keyword), dict)]


def merged(nodes: list[Node]) -> Node:
    return nodes[0] if len(nodes) == 1 else {"anyOf": nodes}
