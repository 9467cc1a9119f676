"""Reads how an endpoint is reached, and what goes along: from a table of likewise.toml, or from options."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn, TypeVar

from harness.access import (
    Access,
    Value,
    Variable,
    expected_of_header,
    expected_of_param,
    expected_of_proxy,
    expected_of_query,
    expected_of_timeout,
)
from harness.errors import UsageError
from harness.toml_table import VARIABLE, Table, did_you_mean, is_variable, shown_value
from harness.wire.exchange import Json
from harness.wire.way import AUTHS, Auth, Trust

ACCESS_KEYS = (
    "headers",
    "query",
    "auth",
    "timeout_s",
    "ca_bundle",
    "client_cert",
    "proxy",
    "allow_plaintext_key",
)
"""The keys of a target that an Access is read from."""

_HIDDEN = "another text (it is not shown, as it may be secret)"
_FROM_VARIABLE = "env:"
_Known = TypeVar("_Known")


# --- from a file ---


def access_from(table: Table, before: Access) -> Access:
    """What a target's table says, laid over what a preset said; paths are relative to the file's folder."""
    proxy = _value(table, "proxy", "the URL of a proxy")
    if proxy is not None and (expected := expected_of_proxy(proxy)):
        raise table.mistake(("proxy",), expected, _HIDDEN)
    is_allowed = table.flag("allow_plaintext_key")
    timeout_s = table.number("timeout_s")
    if timeout_s is not None and (expected := expected_of_timeout(timeout_s)):
        raise table.mistake(("timeout_s",), expected)
    return Access(
        headers=with_headers(before.headers, _values(table, "headers", expected_of_header)),
        query={**before.query, **_values(table, "query", expected_of_query)},
        auth=table.choice("auth", AUTHS) or before.auth,
        timeout_s=before.timeout_s if timeout_s is None else timeout_s,
        trust=_trust(table),
        proxy=before.proxy if proxy is None else proxy,
        allow_plaintext_key=before.allow_plaintext_key if is_allowed is None else is_allowed,
    )


def params_from(table: Table) -> dict[str, Json]:
    """The extra fields of a body that a target's table names."""
    params = table.table("params")
    for name, value in params.values.items():
        if expected := expected_of_param(name, value):
            raise params.mistake((name,), expected)
    return dict(params.values)  # type: ignore[arg-type]  # each value has been found to be JSON


def with_headers(before: Mapping[str, Value], more: Mapping[str, Value]) -> dict[str, Value]:
    """Headers with others in their place, whatever the case of their names."""
    replaced = {name.lower() for name in more}
    return {**{name: value for name, value in before.items() if name.lower() not in replaced}, **more}


def _values(table: Table, key: str, expected_of: Callable[[str, Value], str]) -> dict[str, Value]:
    inner = table.table(key)
    found: dict[str, Value] = {}
    for name in inner.values:
        value = _value(inner, name, "a text")
        if value is not None and (expected := expected_of(name, value)):
            raise inner.mistake((name,), expected, _HIDDEN if isinstance(value, str) else None)
        if value is not None:
            found[name] = value
    if key == "headers":
        _refuse_twice(inner)
    return found


def _refuse_twice(headers: Table) -> None:
    names = [name.lower() for name in headers.values]
    for number, name in enumerate(headers.values):
        if name.lower() in names[:number]:
            raise headers.mistake((name,), "each header once, whatever its case", shown_value(name))


def _value(table: Table, key: str, what: str) -> Value | None:
    """A text, or the variable that holds it."""
    value = table.values.get(key)
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, dict):
        raise table.mistake((key,), f'{what}, or {{ env = "VARIABLE" }}')
    inner = table.table(key)
    inner.refuse_other_keys_than(["env"])
    variable = inner.variable("env")
    if variable is None:
        raise inner.mistake(("env",), VARIABLE)
    return Variable(variable)


def _trust(table: Table) -> Trust:
    ca_bundle = _path(table, "ca_bundle")
    if not isinstance(table.values.get("client_cert"), dict):
        return Trust(ca_bundle, _path(table, "client_cert"))
    inner = table.table("client_cert")
    inner.refuse_other_keys_than(["cert", "key"])
    inner.required_text("cert")
    return Trust(ca_bundle, _path(inner, "cert"), _path(inner, "key"))


def _path(table: Table, key: str) -> Path | None:
    text = table.text(key)
    return None if text is None else (Path(table.file).parent / Path(text).expanduser())


# --- from the command line ---


@dataclass(frozen=True, slots=True)
class AccessWords:
    """What the options of a command say of a target's access, as they were written."""

    headers: Sequence[str] = ()
    params: Sequence[str] = ()
    query: Sequence[str] = ()
    auth: str | None = None
    timeout_s: float | None = None
    ca_bundle: Path | None = None
    proxy: str | None = None
    embedding_model: str | None = None
    allow_plaintext_key: bool = False

    def access_over(self, access: Access) -> Access:
        """The access with what the options say in its place; raises UsageError."""
        return Access(
            headers=with_headers(access.headers, _pairs("--header", self.headers, expected_of_header)),
            query={**access.query, **_pairs("--query", self.query, expected_of_query)},
            auth=access.auth if self.auth is None else _auth(self.auth),
            timeout_s=access.timeout_s if self.timeout_s is None else _timeout_s(self.timeout_s),
            trust=access.trust if self.ca_bundle is None else replace(access.trust, ca_bundle=self.ca_bundle),
            proxy=access.proxy if self.proxy is None else _proxy(self.proxy),
            allow_plaintext_key=access.allow_plaintext_key or self.allow_plaintext_key,
        )

    def params_over(self, params: Mapping[str, Json]) -> dict[str, Json]:
        """The extra fields of a body with those of the options in their place; raises UsageError."""
        return {**params, **dict(map(_param, self.params))}

    def models_over(self, models: Mapping[str, str]) -> dict[str, str]:
        """The models with those of the options in their place; raises UsageError."""
        if self.embedding_model is None:
            return dict(models)
        if not self.embedding_model.strip():
            raise UsageError("The value of --embedding-model is empty.", "Name a model, or leave it out.")
        return {**models, "embeddings": self.embedding_model}


def _pairs(option: str, words: Sequence[str], expected_of: Callable[[str, Value], str]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for word in words:
        name, text = _split(option, word, "VALUE")
        value = _value_of(option, text)
        if expected := expected_of(name, value):
            _refuse(option, name, expected)
        found = with_headers(found, {name: value}) if option == "--header" else {**found, name: value}
    return found


def _split(option: str, word: str, what: str) -> tuple[str, str]:
    name, separator, text = word.partition("=")
    if not separator:
        # Without a name in front, the word may be the secret itself.
        raise UsageError(f"A value of {option} has no =.", f"Write it as {option} NAME={what}")
    return name.strip(), text


def _value_of(option: str, text: str) -> Value:
    if not text.startswith(_FROM_VARIABLE):
        return text
    variable = text.removeprefix(_FROM_VARIABLE)
    if not is_variable(variable):
        raise UsageError(
            f'What follows "{_FROM_VARIABLE}" in {option} is not {VARIABLE}'
            " (it is not shown, as it may be the value itself).",
            "Put the value into a variable, and give the variable's name.",
        )
    return Variable(variable)


def _refuse(option: str, name: str, expected: str) -> NoReturn:
    raise UsageError(f"{option} {shown_value(name)}: expected {expected}.", "Correct that option.")


def _param(word: str) -> tuple[str, Json]:
    name, text = _split("--param", word, "JSON")
    try:
        value: Json = json.loads(text)
    except (ValueError, RecursionError) as error:
        said = re.sub(r":? line 1 column (\d+) \(char \d+\)", r" at character \1", str(error))
        raise UsageError(
            f"--param {shown_value(name)}: {shown_value(text)} is not JSON: {said}.",
            f"Write it as JSON; a text has quotes: --param '{name or 'NAME'}=\"text\"'",
        ) from None
    if expected := expected_of_param(name, value):
        _refuse("--param", name, expected)
    return name, value


def _auth(word: str) -> Auth:
    for auth in AUTHS:
        if auth == word:
            return auth
    raise UsageError(
        f"There is no --auth {shown_value(word)}.",
        did_you_mean(word, AUTHS) or f"Choose one of {', '.join(AUTHS)}.",
    )


def _timeout_s(value: float) -> float:
    if expected := expected_of_timeout(value):
        raise UsageError(f"--timeout {value:g}: expected {expected}.", "Correct that option.")
    return value


def _proxy(text: str) -> Value:
    value = _value_of("--proxy", text)
    if expected := expected_of_proxy(value):
        raise UsageError(f"--proxy: expected {expected}.", "Correct that option.")
    return value
