"""JSON as hostile endpoints send it: read with nothing lost and nothing repaired, and written so again.

The fast library reads almost everything. It refuses a lone surrogate, which RFC 8259 (8.2) lets stand, and
makes a float of an integer beyond 64 bits; those go through the slow one. Neither reads NaN, a second value,
or what is nested too deeply to be walked.
"""

import json
import math
import re
from collections.abc import Iterable
from typing import Any, NoReturn

import orjson

from harness.wire.limits import JSON_LEVELS

_LONG_NUMBER = re.compile(rb"[0-9]{19}")
_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_CONTAINERS = (dict, list, tuple)
_TOO_DEEP = f"nested more than {JSON_LEVELS} levels deep"


class UnreadableJsonError(ValueError):
    """Bytes that are no JSON, or none that can be read; the message says why, without quoting them."""


def read(data: bytes) -> Any:
    """The value of a JSON text in UTF-8 (RFC 8259); raises UnreadableJsonError."""
    if data.count(b"[") + data.count(b"{") > JSON_LEVELS and _levels(data) > JSON_LEVELS:
        raise UnreadableJsonError(_TOO_DEEP)
    if _LONG_NUMBER.search(data) is None:
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError:
            if b"\\u" not in data and b"\\U" not in data:
                raise UnreadableJsonError("no JSON") from None
    try:
        return json.loads(data.decode(), parse_constant=_refused, parse_float=_finite)
    except UnicodeDecodeError:
        raise UnreadableJsonError("no JSON: it is not UTF-8") from None
    except RecursionError:
        raise UnreadableJsonError(_TOO_DEEP) from None
    except json.JSONDecodeError:
        raise UnreadableJsonError("no JSON") from None
    except UnreadableJsonError:
        raise
    except ValueError:
        # Python reads no integer of more than 4,300 digits.
        raise UnreadableJsonError("JSON with a number of thousands of digits") from None


def write(value: object) -> bytes:
    """A value as JSON from which `read_written` gives it again, whatever is in it; tuples become arrays."""
    if _is_usual(value):
        try:
            return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
        except TypeError:
            pass
    return json.dumps(_tagged(value), separators=(",", ":")).encode()


def read_written(data: bytes) -> Any:
    """What `write` was given; raises ValueError for anything else."""
    if _LONG_NUMBER.search(data) is None and _TAG.encode() not in data:
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError:
            pass
    return json.loads(data, object_hook=_untagged)


def shown(value: object) -> str:
    """A value as JSON for people: what has no UTF-8 form is an escape, NaN says what it is."""
    if _is_usual(value):
        try:
            return orjson.dumps(value, default=repr).decode()
        except TypeError:
            pass
    try:
        return well_formed(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=repr))
    except (RecursionError, TypeError, ValueError):
        return f"a {type(value).__name__} that can't be written"


def levels_of(value: object) -> int:
    """How deeply a value is nested: 0 for a string, 1 for an array of them; counted just past the bound."""
    level, containers = 0, [value] if isinstance(value, _CONTAINERS) else []
    while containers and level <= JSON_LEVELS:
        level += 1
        containers = [part for one in containers for part in _parts(one) if isinstance(part, _CONTAINERS)]
    return level


def well_formed(text: str) -> str:
    """A text with each half of a surrogate pair as an escape, so that it can be written and shown."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _parts(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _levels(data: bytes) -> int:
    """The depth of brackets outside of strings, counted until it passes the bound."""
    level = deepest = 0
    for mark in _BRACKETS.finditer(data):
        first = mark[0][:1]
        if first in b"[{":
            level += 1
            deepest = max(deepest, level)
            if deepest > JSON_LEVELS:
                break
        elif first != b'"':
            level -= 1
    return deepest


def _refused(name: str) -> NoReturn:
    raise UnreadableJsonError(f"no JSON: {name} is no number of it")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise UnreadableJsonError("JSON with a number beyond the range of a double")
    return number


_TAG = "likewise/value"
"""The key of an object that stands for what JSON has no word for: NaN, and two halves that are no pair."""

_NEIGHBOURS = re.compile("(?<=[\ud800-\udbff])(?=[\udc00-\udfff])")
"""Where two halves stand side by side that nobody joined; whoever reads their escapes would join them."""


def _is_usual(value: object) -> bool:
    """Whether the fast library would write all of it as it is: for NaN it writes null, without a word."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, float):
            if not math.isfinite(one):
                return False
        elif isinstance(one, dict):
            if _TAG in one:
                return False
            waiting.extend(one.values())
        elif isinstance(one, list | tuple):
            waiting.extend(one)
    return True


def _tagged(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {_TAG: repr(value)}
    if isinstance(value, str) and _NEIGHBOURS.search(value):
        return {_TAG: [_TAG, *_NEIGHBOURS.split(value)]}
    if isinstance(value, dict):
        names = [name if isinstance(name, str) else str(name) for name in value]
        if _TAG in value or any(map(_NEIGHBOURS.search, names)):
            pairs = zip(names, value.values(), strict=True)
            return {_TAG: [[_tagged(name), _tagged(inner)] for name, inner in pairs]}
        return {name: _tagged(inner) for name, inner in zip(names, value.values(), strict=True)}
    if isinstance(value, list | tuple):
        return [_tagged(inner) for inner in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _untagged(value: dict[str, Any]) -> Any:
    if value.keys() != {_TAG}:
        return value
    said = value[_TAG]
    if isinstance(said, str):
        return float(said)
    return "".join(said[1:]) if said[:1] == [_TAG] else dict(said)
