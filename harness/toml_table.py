"""TOML whose mistakes are told with file, line, key, and what was expected there.

tomllib reads the values; what it does not say is where a key stands, which is found out when it is needed.
"""

import json
import re
from bisect import bisect_left
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeAlias, TypeVar

from harness.errors import ConfigError

Keys: TypeAlias = tuple[str | int, ...]
_Choice = TypeVar("_Choice", bound=str)


def line_to_add(key: str) -> str:
    """The line of TOML that gives a missing text."""
    return f'{key} = "your-{key.replace("_", "-")}"'


def did_you_mean(word: str, known: Collection[str]) -> str:
    """A question that names the nearest known word; empty when none is near."""
    from difflib import get_close_matches  # only a mistake needs it

    nearest = get_close_matches(word, known, n=1)
    return f"Did you mean {shown_value(nearest[0])}?" if nearest else ""


_MAX_SHOWN_CHARS = 60


def shown_value(value: object) -> str:
    """A TOML value as a message shows it: in one line, without control characters, not too long."""
    match value:
        case None:
            return "nothing"
        case str():
            short = value if len(value) <= _MAX_SHOWN_CHARS else value[:_MAX_SHOWN_CHARS] + "…"
            return json.dumps(short, ensure_ascii=not short.isprintable())
        case bool():
            return str(value).lower()
        case list():
            return "an array"
        case dict():
            return "a table"
        case _:
            return str(value)


VARIABLE = "the name of an environment variable, in capitals, such as DASHSCOPE_API_KEY"


def is_variable(text: str) -> bool:
    """Capitals only, as POSIX.1-2017 (8.1) names variables: a key that was pasted here has small letters."""
    return re.fullmatch(r"[A-Z_][A-Z0-9_]*", text) is not None


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a TOML file, which knows where it stands: `source` is the whole text, `keys` the way to it.

    Each reader gives None for an absent key and raises ConfigError for a value that is not what it reads.
    """

    file: str
    source: str
    keys: Keys
    values: Mapping[str, object]

    def place(self, keys: Keys) -> str:
        """`file:line: key` of a key below this table, or of the table itself where the key is absent."""
        way = self.keys + keys
        present = way if not keys or keys[0] in self.values else self.keys
        named = way[:-1] if way and isinstance(way[-1], int) else way
        return f"{self.file}:{_line_of(self.source, present)}: {_dotted(named)}"

    def mistake(
        self, keys: Keys, expected: str, found: str | None = None, next_step: str = ""
    ) -> ConfigError:
        """What was expected at a key and what stands there; `found` replaces the value that is shown."""
        if found is None:
            found = shown_value(_value_at(self.values, keys))
        return ConfigError(
            f"{self.place(keys)}: expected {expected}, found {found}.", next_step or "Correct that line."
        )

    def missing(self, key: str) -> ConfigError:
        """A text that must be there and is not."""
        return self.mistake((key,), "a text", next_step=f"Add a line such as {line_to_add(key)}")

    def refuse_other_keys_than(self, known: Collection[str]) -> None:
        """Raises ConfigError for the first key that is not known."""
        for key in self.values:
            if key not in known:
                raise self.mistake(
                    (key,), f"one of the keys {', '.join(known)}", shown_value(key), did_you_mean(key, known)
                )

    def text(self, key: str) -> str | None:
        """A text that is not blank."""
        value = self.values.get(key)
        if value is None or (isinstance(value, str) and value.strip()):
            return value
        raise self.mistake((key,), "a text that is not empty")

    def required_text(self, key: str) -> str:
        """A text that must be there."""
        text = self.text(key)
        if text is None:
            raise self.missing(key)
        return text

    def integer(self, key: str, minimum: int, maximum: int) -> int | None:
        """A whole number within bounds."""
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
            raise self.mistake((key,), f"a whole number from {minimum:,} to {maximum:,}")
        return value

    def number(self, key: str) -> float | None:
        """A number, whole or not."""
        value = self.values.get(key)
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            return value
        raise self.mistake((key,), "a number")

    def flag(self, key: str) -> bool | None:
        """True or false."""
        value = self.values.get(key)
        if value is None or isinstance(value, bool):
            return value
        raise self.mistake((key,), "true or false")

    def choice(self, key: str, choices: Collection[_Choice]) -> _Choice | None:
        """One of the choices."""
        value = self.values.get(key)
        return None if value is None else self._chosen((key,), value, choices)

    def choices(self, key: str, choices: Collection[str]) -> frozenset[str] | None:
        """An array of choices, each once."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, list):
            raise self.mistake((key,), "an array of texts")
        for index, item in enumerate(value):
            self._chosen((key, index), item, choices)
            if item in value[:index]:
                raise self.mistake((key, index), "each name once")
        return frozenset(value)

    def words(self, key: str) -> tuple[str, ...]:
        """An array of texts, of which there is at least one."""
        value = self.values.get(key)
        if not isinstance(value, list) or not value:
            raise self.mistake((key,), 'an array of texts, such as ["node", "client.mjs"]')
        for index, word in enumerate(value):
            if not isinstance(word, str) or not word:
                raise self.mistake((key, index), "a text that is not empty")
        return tuple(value)

    def _chosen(self, keys: Keys, value: object, choices: Collection[_Choice]) -> _Choice:
        for choice in choices:
            if choice == value:
                return choice
        near = did_you_mean(value, choices) if isinstance(value, str) else ""
        raise self.mistake(keys, f"one of {', '.join(choices)}", next_step=near)

    def variable(self, key: str) -> str | None:
        """The name of an environment variable; anything else may be a key, so it is not shown."""
        text = self.text(key)
        if text is not None and not is_variable(text):
            raise self.mistake(
                (key,),
                VARIABLE,
                "another text (it is not shown, as it may be the key itself)",
                "Put the key into a variable, and the variable's name here.",
            )
        return text

    def host_label(self, key: str) -> str:
        """A label of a host name (RFC 1123, 2.1), so that the value can never lead to another host."""
        text = self.required_text(key)
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?", text):
            raise self.mistake((key,), 'a part of a host name, of letters, digits and "-"')
        return text

    def pointer(self, key: str) -> str | None:
        """A glob over JSON pointers."""
        text = self.text(key)
        if text is not None and not text.startswith("/"):
            raise self.mistake((key,), 'a JSON pointer such as "/choices/*/message/content"')
        return text

    def path(self, key: str) -> str | None:
        """A path below a base URL."""
        text = self.text(key)
        if text is not None and not text.startswith("/"):
            raise self.mistake((key,), 'a path such as "/chat/completions"')
        return text

    def pattern(self, key: str) -> str | None:
        """A regular expression."""
        text = self.text(key)
        try:
            re.compile(text or "")
        except re.error as error:
            raise self.mistake((key,), f"a regular expression ({error})") from None
        return text

    def day(self, key: str) -> date | None:
        """A day without a time."""
        value = self.values.get(key)
        if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
            return value
        raise self.mistake((key,), "a date such as 2027-01-31, without quotes")

    def table(self, key: str) -> "Table":
        """The table at a key; an empty one where the key is absent."""
        return self._table((key,), self.values.get(key, {}))

    def tables(self, key: str) -> list["Table"]:
        """The tables of an array."""
        value = self.values.get(key, [])
        if not isinstance(value, list):
            raise self.mistake((key,), f"an array of tables, each under [[{_dotted((*self.keys, key))}]]")
        return [self._table((key, index), item) for index, item in enumerate(value)]

    def _table(self, keys: Keys, value: object) -> "Table":
        if not isinstance(value, dict):
            raise self.mistake(keys, "a table")
        return Table(self.file, self.source, self.keys + keys, value)


def parsed_table(file: str, data: bytes) -> Table:
    """The root table of a TOML file; raises ConfigError if the bytes are none."""
    import tomllib  # not every command reads a file

    try:
        source = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{file}:{line}: this is not UTF-8 text.", "Save the file as UTF-8.") from None
    try:
        return Table(file, source, (), tomllib.loads(source))
    except (ValueError, RecursionError) as error:
        what, line, column = _syntax_error(str(error), source)
        raise ConfigError(
            f"{file}:{line}: this is not TOML: {what} (column {column}).", "Correct the syntax there."
        ) from None


def _syntax_error(message: str, source: str) -> tuple[str, int, int]:
    """What tomllib says, the line and the column: it gives them inside its message only."""
    lines = source.split("\n")
    if found := re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", message, re.DOTALL):
        return found[1], int(found[2]), int(found[3])
    return message.removesuffix(" (at end of document)"), len(lines), len(lines[-1]) + 1


def _line_of(source: str, keys: Keys) -> int:
    """The line, from 1, on which the statement or the array's item begins that first writes a key.

    tomllib gives no positions, but it can be asked: the key is written by the first line from which on the
    heads of the file hold it. A head is taken up to where it next is TOML, an open array being closed.
    """
    lines = source.split("\n")

    def is_written_by(number: int) -> bool:
        for end in range(number, len(lines)):
            head = _head("\n".join(lines[:end]))
            if head is not None:
                return _value_at(head, keys) is not None
        return True

    return bisect_left(range(1, len(lines)), x=True, key=is_written_by) + 1


def _head(text: str) -> Mapping[str, object] | None:
    import tomllib  # only a mistake needs it

    for closed in (text, text + "\n]"):
        try:
            return tomllib.loads(closed)
        except tomllib.TOMLDecodeError:
            continue
    return None


def _value_at(value: object, keys: Keys) -> object:
    """The value at the end of the way, None where the way ends before."""
    for key in keys:
        match value, key:
            case dict(), str() if key in value:
                value = value[key]
            case list(), int() if key < len(value):
                value = value[key]
            case _:
                return None
    return value


def _dotted(keys: Keys) -> str:
    """The way to a key in TOML's own notation, with the index of an array's item in brackets."""
    text = ""
    for key in keys:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            text += ("." if text else "") + (
                key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else shown_value(key)
            )
    return text
