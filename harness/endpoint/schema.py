"""JSON Schemas that requests bring along: whether they can be used, and a document that they allow.

Sources: JSON Schema 2020-12 (core and validation), OpenAI API reference, "Structured Outputs" (what
`strict` demands of a schema).
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import jsonschema_rs
import rstr

from harness.endpoint.answer import Json, JsonObject
from harness.endpoint.hints import Hints

_TRIES = 12
_DEEPEST_REFERENCE = 8
_DEEPEST_SCHEMA = 64
_LARGEST = 1000
"""No text, array or object is made larger, whatever a schema demands."""
_FORMATS = {
    "date": "2024-05-17",
    "date-time": "2024-05-17T09:30:00Z",
    "time": "09:30:00Z",
    "duration": "PT1H",
    "email": "ada@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uuid": "3f2b8c1e-5d4a-4e6f-9a7b-0c1d2e3f4a5b",
}
_FORMAT_IN_PROMPT = {
    "date": r"\b\d{4}-\d\d-\d\d\b",
    "date-time": r"\b\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)",
    "email": r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b",
    "uri": r"\bhttps?://[^\s\"'<>]+[^\s\"'<>.,;]",
}


def flaw(schema: JsonObject, *, is_strict: bool) -> str:
    """Why a schema can't be used, as OpenAI words it; empty when it can."""
    if _is_deeper(schema, _DEEPEST_SCHEMA):
        return f"schema is nested more than {_DEEPEST_SCHEMA} levels deep."
    try:
        _validator(schema)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        return str(getattr(error, "message", error)).partition("\n")[0].rstrip(".") + "."
    if not is_strict:
        return ""
    if schema.get("type") != "object":
        return f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{schema.get('type')}\"'."
    return next(_strict_flaws(schema, ()), "")


def _is_deeper(node: Json, levels: int) -> bool:
    """Whether a document is nested deeper than so many levels."""
    parts = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return levels == 0 or any(_is_deeper(part, levels - 1) for part in parts)


def _validator(schema: JsonObject) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(schema, retriever=_fetch_nothing)


def _fetch_nothing(uri: str) -> Json:
    """References that leave the document are not followed."""
    raise ValueError(f"{uri!r} is outside of the schema")


def _strict_flaws(node: Json, context: tuple[str, ...]) -> Iterator[str]:
    """Every object in a strict schema closes itself and requires all of its properties."""
    if isinstance(node, list):
        for i, item in enumerate(node):
            yield from _strict_flaws(item, (*context, str(i)))
    if not isinstance(node, dict):
        return
    if node.get("type") == "object" or "object" in _listed(node.get("type")) or "properties" in node:
        yield from _object_flaws(node, context)
    for keyword in ("properties", "$defs", "definitions"):
        for name, part in _members(node, keyword).items():
            yield from _strict_flaws(part, (*context, keyword, name))
    for keyword in ("items", "anyOf"):
        yield from _strict_flaws(node.get(keyword), (*context, keyword))


def _object_flaws(node: JsonObject, context: tuple[str, ...]) -> Iterator[str]:
    if node.get("additionalProperties") is not False:
        yield f"In context={context}, 'additionalProperties' is required to be supplied and to be false."
    left_out = [name for name in _members(node, "properties") if name not in _listed(node.get("required"))]
    if left_out:
        yield (
            f"In context={context}, 'required' is required to be supplied and to be an array including every "
            f"key in properties. Missing '{left_out[0]}'."
        )


def instance(schema: JsonObject, hints: Hints, *, is_complete: bool) -> Json:
    """A document that `schema` allows, with the prompt's values where they fit.

    With `is_complete` every property is there, otherwise only those that are required or that the prompt
    speaks of. The first tries use the prompt, the later ones take other branches and plain values.
    """
    validator = _validator(schema)
    document: Json = None
    for turn in range(_TRIES):
        source = hints if turn < _TRIES // 2 else Hints("")
        document = _Builder(schema, source, turn % (_TRIES // 2), is_complete=is_complete).value(
            schema, "", 0
        )
        if validator.is_valid(document):
            return document
    return document


@dataclass(slots=True)
class _Builder:
    """One try at a document. It remembers which of the prompt's values it has used up."""

    root: JsonObject
    hints: Hints
    turn: int
    is_complete: bool = field(kw_only=True)
    used: set[str] = field(default_factory=set)

    def value(self, schema: Json, name: str, depth: int) -> Json:
        """A value for `schema`, which stands at a property called `name`."""
        if not isinstance(schema, dict):
            return self._text({}, name)
        schema = self._flat(schema, depth)
        if "const" in schema:
            return schema["const"]
        if options := _listed(schema.get("enum")):
            return self._chosen(options)
        match self._type(schema):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, name, depth)
            case "integer" | "number" as kind:
                return self._number(schema, name, is_whole=kind == "integer")
            case "boolean":
                return not re.search(r"\b(?:false|no|not)\b", self.hints.after(name) if name else "")
            case "null":
                return None
        return self._text(schema, name)

    def _flat(self, schema: JsonObject, depth: int) -> JsonObject:
        """The schema with references followed, `allOf` merged and one branch of a choice taken."""
        for _ in range(_DEEPEST_REFERENCE):
            reference = schema.get("$ref")
            if isinstance(reference, str):
                rest = {key: value for key, value in schema.items() if key != "$ref"}
                schema = _merged(self._resolved(reference), rest)
            for keyword in ("anyOf", "oneOf"):
                if branches := _listed(schema.get(keyword)):
                    rest = {key: value for key, value in schema.items() if key != keyword}
                    schema = _merged(rest, self._branch(branches, depth))
            if parts := _listed(schema.get("allOf")):
                schema = {key: value for key, value in schema.items() if key != "allOf"}
                for part in parts:
                    schema = _merged(schema, part if isinstance(part, dict) else {})
            if not schema.keys() & {"$ref", "anyOf", "oneOf", "allOf"}:
                break
        return schema

    def _branch(self, branches: list[Json], depth: int) -> JsonObject:
        """One branch: not null while there is another, and null once the document is deep."""
        nulls = [branch for branch in branches if isinstance(branch, dict) and branch.get("type") == "null"]
        others = [branch for branch in branches if branch not in nulls]
        if nulls and (depth > 3 or not others):
            return {"type": "null"}
        branch = others[self.turn % len(others)]
        return branch if isinstance(branch, dict) else {}

    def _resolved(self, reference: str) -> JsonObject:
        """What a reference within the document points to (RFC 6901)."""
        node: Json = self.root
        for part in filter(None, reference.removeprefix("#").split("/")):
            key = part.replace("~1", "/").replace("~0", "~")
            node = node.get(key) if isinstance(node, dict) else None
        return node if isinstance(node, dict) else {}

    def _type(self, schema: JsonObject) -> str:
        kinds = _listed(schema.get("type")) or [schema.get("type")]
        wanted = next((kind for kind in kinds if kind != "null"), kinds[0])
        if isinstance(wanted, str):
            return wanted
        if schema.keys() & {"properties", "required", "additionalProperties", "minProperties"}:
            return "object"
        if schema.keys() & {"items", "prefixItems", "minItems"}:
            return "array"
        return "number" if schema.keys() & {"minimum", "maximum", "multipleOf"} else "string"

    def _object(self, schema: JsonObject, depth: int) -> JsonObject:
        properties, required = _members(schema, "properties"), _listed(schema.get("required"))
        document: JsonObject = {}
        for name, part in properties.items():
            is_wanted = self.is_complete or self._is_mentioned(name, part)
            if name in required or (is_wanted and depth < 4):
                document[name] = self.value(part, name, depth + 1)
        for extra in required:
            if isinstance(extra, str) and extra not in document:
                document[extra] = self.value(schema.get("additionalProperties"), extra, depth + 1)
        while len(document) < _whole(schema.get("minProperties"), 0):
            document[f"key_{len(document) + 1}"] = self.value(
                schema.get("additionalProperties"), "", depth + 1
            )
        return document

    def _is_mentioned(self, name: str, schema: Json) -> bool:
        """Whether the prompt speaks of an optional property: by its name, or by one of its values."""
        options = _listed(schema.get("enum")) if isinstance(schema, dict) else []
        return bool(self.hints.after(name)) or any(self._is_said(option) for option in options)

    def _array(self, schema: JsonObject, name: str, depth: int) -> list[Json]:
        fixed = _listed(schema.get("prefixItems"))
        least = _whole(schema.get("minItems"), 0)
        most = _whole(schema.get("maxItems"), max(least, 3))
        item = schema.get("items", {})
        is_text = isinstance(item, dict) and item.get("type") == "string" and "enum" not in item
        offered = len(self.hints.names) if is_text else 1
        size = max(least, min(most, max(1, offered) if depth < 5 else 0), len(fixed) if item is False else 0)
        values: list[Json] = []
        for i in range(size):
            value = self.value(fixed[i] if i < len(fixed) else item, name, depth + 1)
            values.append(_distinct(value, values, item) if schema.get("uniqueItems") else value)
        return values

    def _chosen(self, options: list[Json]) -> Json:
        """The option that the prompt mentions, else the first."""
        return next(
            (option for option in options if self._is_said(option)), options[self.turn % len(options)]
        )

    def _is_said(self, option: Json) -> bool:
        if not isinstance(option, str) or not option:
            return False
        return re.search(rf"(?<!\w){re.escape(option)}(?!\w)", self.hints.prompt, re.IGNORECASE) is not None

    def _number(self, schema: JsonObject, name: str, *, is_whole: bool) -> float:
        least = _bound(schema, "minimum", "exclusiveMinimum", 1 if is_whole else 0.5)
        most = _bound(schema, "maximum", "exclusiveMaximum", -1 if is_whole else -0.5)
        value = self._offered_number(name, is_whole=is_whole)
        value = 1 if value is None else value
        value = value if least is None else max(value, least)
        value = value if most is None else min(value, most)
        step = schema.get("multipleOf")
        if isinstance(step, int | float) and step > 0:
            value = -(-value // step) * step
            value = value - step if most is not None and value > most else value
        return int(value) if is_whole else value

    def _offered_number(self, name: str, *, is_whole: bool) -> float | None:
        """The prompt's number after the property's name, else the first one not used yet."""
        said = re.match(r"-?\d+(?:\.\d+)?", self.hints.after(name)) if name else None
        if said:
            self.used.add(said[0])
            return float(said[0]) if "." in said[0] and not is_whole else int(float(said[0]))
        for number in self.hints.numbers:
            if str(number) not in self.used and (not is_whole or number == int(number)):
                self.used.add(str(number))
                return number
        return None

    def _text(self, schema: JsonObject, name: str) -> str:
        pattern, form = schema.get("pattern"), schema.get("format")
        if isinstance(pattern, str):
            return self._matching(pattern)
        if isinstance(form, str) and form in _FORMATS:
            said = (
                re.search(_FORMAT_IN_PROMPT[form], self.hints.prompt) if form in _FORMAT_IN_PROMPT else None
            )
            return said[0] if said else _FORMATS[form]
        text = self._offered_text(name) or name or "text"
        text = text.ljust(_whole(schema.get("minLength"), 0), "x")
        return text[: _whole(schema.get("maxLength"), len(text))]

    def _offered_text(self, name: str) -> str:
        """What the prompt says after the property's name, else the first quoted text or name not used yet."""
        if name and (said := self.hints.after(name)):
            self.used.add(said)
            return said
        for text in (*self.hints.quoted, *self.hints.names):
            if text not in self.used:
                self.used.add(text)
                return text
        return next(iter((*self.hints.names, *self.hints.quoted)), "")

    def _matching(self, pattern: str) -> str:
        """A text that a regular expression finds a match in: the prompt's own word, or one made for it."""
        try:
            expression = re.compile(pattern)
            words = (*self.hints.quoted, *self.hints.names, *re.findall(r"[^\s,;!?]+", self.hints.prompt))
            offered = next((word for word in words if expression.search(word)), None)
            if offered or any(int(size) > _LARGEST for size in re.findall(r"\d+", pattern)):
                return offered or ""
            return rstr.Rstr(random.Random(self.turn)).xeger(pattern)  # noqa: S311  # no secret: a sample
        except (re.error, KeyError, NotImplementedError):
            return ""


def _merged(one: JsonObject, other: JsonObject) -> JsonObject:
    """Two schemas that both hold, as far as properties and required names go; else the second wins."""
    merged = {**one, **other}
    if "properties" in one and "properties" in other:
        merged["properties"] = {**_members(one, "properties"), **_members(other, "properties")}
    if "required" in one and "required" in other:
        merged["required"] = [*_listed(one["required"]), *_listed(other["required"])]
    return merged


def _distinct(value: Json, others: list[Json], item: Json) -> Json:
    """A value that is not among the others, for arrays whose items are unique."""
    options = _listed(item.get("enum")) if isinstance(item, dict) else []
    if options:
        return next((option for option in options if option not in others), value)
    while value in others:
        value = value + 1 if isinstance(value, int | float) and not isinstance(value, bool) else f"{value}x"
    return value


def _bound(schema: JsonObject, inclusive: str, exclusive: str, inward: float) -> float | None:
    """The tightest allowed value at one end; `inward` is the step that leaves an exclusive bound."""
    bounds = [value for value in (schema.get(inclusive),) if isinstance(value, int | float)]
    edge = schema.get(exclusive)
    if isinstance(edge, int | float) and not isinstance(edge, bool):
        bounds.append(edge + inward)
    if not bounds:
        return None
    return max(bounds) if inward > 0 else min(bounds)


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _members(node: JsonObject, keyword: str) -> JsonObject:
    members = node.get(keyword)
    return members if isinstance(members, dict) else {}


def _whole(value: Json, default: int) -> int:
    """A size that a schema gives, within what is made."""
    return int(min(value, _LARGEST)) if isinstance(value, int | float) else default
