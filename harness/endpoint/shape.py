"""The shape of a request body: small checks that are put together, and that refuse as OpenAI does.

A check takes a value and the path to it and raises `Refusal` with the texts and codes of OpenAI's API
(`invalid_type`, `missing_required_parameter`, `unknown_parameter`, `integer_below_min_value`, …). It gives
nothing back: what is left standing after a check has the type that the check names.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from harness.endpoint.answer import Json, JsonObject
from harness.endpoint.refusal import Refusal

Check: TypeAlias = Callable[[Json, str], None]


def named(value: Json) -> str:
    """What kind of JSON value this is, with its article, as error texts say it."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a decimal number"
        case str():
            return "a string"
        case []:
            return "an empty array"
        case list():
            return "an array"
        case _:
            return "an object"


def wrong_type(path: str, expected: str, value: Json) -> Refusal:
    """A value of another type than expected."""
    return Refusal(
        f"Invalid type for '{path}': expected {expected}, but got {named(value)} instead.",
        param=path,
        code="invalid_type",
    )


def missing(path: str) -> Refusal:
    """A required parameter that is not there."""
    return Refusal(f"Missing required parameter: '{path}'.", param=path, code="missing_required_parameter")


def unknown(path: str) -> Refusal:
    """A parameter that the API does not have."""
    return Refusal(f"Unknown parameter: '{path}'.", param=path, code="unknown_parameter")


def unsupported(path: str) -> Refusal:
    """A parameter that the API has and this model does not support."""
    return Refusal(
        f"Unsupported parameter: '{path}' is not supported with this model.",
        param=path,
        code="unsupported_parameter",
    )


def wrong_value(path: str, value: Json, allowed: Sequence[str]) -> Refusal:
    """A value that is not one of those allowed."""
    shown = value if isinstance(value, str) else str(value)
    return Refusal(
        f"Invalid value: '{shown}'. Supported values are: {listed(allowed)}.",
        param=path,
        code="invalid_value",
    )


def listed(values: Sequence[str], last: str = "and") -> str:
    """The values in quotation marks as a sentence lists them."""
    quoted = [f"'{value}'" for value in values]
    if len(quoted) < 3:
        return f" {last} ".join(quoted)
    return f"{', '.join(quoted[:-1])}, {last} {quoted[-1]}"


def boolean(value: Json, path: str) -> None:
    """True or false."""
    if not isinstance(value, bool):
        raise wrong_type(path, "a boolean", value)


def anything(value: Json, path: str) -> None:
    """Any JSON value."""


def refused(_value: Json, path: str) -> None:
    """A parameter that is refused whatever its value."""
    raise unsupported(path)


def integer(minimum: int | None = None, maximum: int | None = None) -> Check:
    """An integer within bounds, both allowed."""

    def check(value: Json, path: str) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            raise wrong_type(path, "an integer", value)
        if minimum is not None and value < minimum:
            raise _out_of_bounds(path, "integer", "below minimum", f">= {minimum}", value)
        if maximum is not None and value > maximum:
            raise _out_of_bounds(path, "integer", "above maximum", f"<= {maximum}", value)

    return check


def decimal(
    minimum: float, maximum: float, *, is_open_below: bool = False, is_open_above: bool = False
) -> Check:
    """A number within bounds, which are allowed unless they are open."""

    def check(value: Json, path: str) -> None:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise wrong_type(path, "a decimal", value)
        if value < minimum or (is_open_below and value == minimum):
            raise _out_of_bounds(
                path, "decimal", "below minimum", f">{'=' * (not is_open_below)} {minimum:g}", value
            )
        if value > maximum or (is_open_above and value == maximum):
            raise _out_of_bounds(
                path, "decimal", "above maximum", f"<{'=' * (not is_open_above)} {maximum:g}", value
            )

    return check


def _out_of_bounds(path: str, kind: str, side: str, bound: str, value: float) -> Refusal:
    return Refusal(
        f"Invalid '{path}': {kind} {side} value. Expected a value {bound}, but got {value} instead.",
        param=path,
        code=f"{kind}_{side[:5]}_{side[6:9]}_value",
    )


def string(
    *,
    min_length: int = 0,
    max_length: int | None = None,
    pattern: str | None = None,
    expected: str = "a string",
) -> Check:
    """A string of so many characters that matches a pattern as a whole."""

    def check(value: Json, path: str) -> None:
        if not isinstance(value, str):
            raise wrong_type(path, expected, value)
        if len(value) < min_length:
            raise Refusal(
                f"Invalid '{path}': empty string. Expected a string with minimum length {min_length}, "
                "but got an empty string instead.",
                param=path,
                code="empty_string",
            )
        if max_length is not None and len(value) > max_length:
            raise Refusal(
                f"Invalid '{path}': string too long. Expected a string with maximum length {max_length}, "
                f"but got a string with length {len(value)} instead.",
                param=path,
                code="string_above_max_length",
            )
        if pattern is not None and not re.fullmatch(pattern, value):
            raise Refusal(
                f"Invalid '{path}': string does not match pattern. Expected a string that matches the "
                f"pattern '^{pattern}$'.",
                param=path,
                code="invalid_value",
            )

    return check


def choice(*allowed: str) -> Check:
    """One of the strings."""

    def check(value: Json, path: str) -> None:
        if not isinstance(value, str):
            raise wrong_type(path, f"one of {listed(allowed, 'or')}", value)
        if value not in allowed:
            raise wrong_value(path, value, allowed)

    return check


def nullable(check: Check) -> Check:
    """Null, or what `check` allows."""

    def checked(value: Json, path: str) -> None:
        if value is not None:
            check(value, path)

    return checked


def array(item: Check, *, of: str = "objects", minimum: int = 0, maximum: int | None = None) -> Check:
    """An array of so many items, each of which `item` allows."""

    def check(value: Json, path: str) -> None:
        if not isinstance(value, list):
            raise wrong_type(path, f"an array of {of}", value)
        if len(value) < minimum:
            raise Refusal(
                f"Invalid '{path}': empty array. Expected an array with minimum length {minimum}, "
                "but got an empty array instead.",
                param=path,
                code="empty_array",
            )
        if maximum is not None and len(value) > maximum:
            raise Refusal(
                f"Invalid '{path}': array too long. Expected an array with maximum length {maximum}, "
                f"but got an array with length {len(value)} instead.",
                param=path,
                code="array_above_max_length",
            )
        for i, element in enumerate(value):
            item(element, f"{path}[{i}]")

    return check


@dataclass(frozen=True, slots=True)
class Fields:
    """An object: which of its keys are required, what each may hold, and whether others are refused.

    The keys are checked in the order of `fields`, which is the order in which OpenAI reports them.
    """

    fields: Mapping[str, Check]
    required: Collection[str] = field(default=())
    is_closed: bool = False

    def __call__(self, value: Json, path: str) -> None:
        """Refuse what is no such object; `path` is empty for the body itself."""
        if not isinstance(value, dict):
            raise wrong_type(path, "an object", value)
        self.check_members(value, f"{path}." if path else "")

    def check_members(self, value: JsonObject, prefix: str) -> None:
        """Refuse a missing, an unknown or a wrong member, in this order."""
        for key in self.required:
            if key not in value:
                raise missing(prefix + key)
        if self.is_closed:
            for key in value:
                if key not in self.fields:
                    raise unknown(prefix + key)
        for key, check in self.fields.items():
            if key in value:
                check(value[key], prefix + key)


def metadata(value: Json, path: str) -> None:
    """At most 16 pairs of strings, keys of up to 64 and values of up to 512 characters."""
    if not isinstance(value, dict):
        raise wrong_type(path, "an object", value)
    if len(value) > 16:
        raise Refusal(
            f"Invalid '{path}': too many properties. Expected an object with at most 16 properties, "
            f"but got an object with {len(value)} properties instead.",
            param=path,
            code="object_above_max_properties",
        )
    for key, text in value.items():
        if len(key) > 64:
            raise Refusal(
                f"Invalid property name in '{path}': '{key[:3]}...{key[-3:]}' is too long. Expected a string "
                f"with maximum length 64, but got a string with length {len(key)} instead.",
                param=f"{path}.{key}",
                code="property_name_above_max_length",
            )
        string(max_length=512)(text, f"{path}.{key}")
