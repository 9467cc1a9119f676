"""How to reach an endpoint and what to send along, as a target says it: likewise.toml or the command line.

A value may be that of an environment variable, which is read when it is needed and not before: `way_of`
gives what clients take, with every value known and every file looked into.
"""

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from harness.errors import MissingKeyError, UsageError
from harness.toml_table import shown_value
from harness.wire.redaction import SECRET_HEADERS
from harness.wire.way import Auth, Trust, Way, tls_context

RESERVED_PARAMS = ("model", "messages", "stream", "input", "prompt")
"""Fields of a body that the harness itself always sets."""

_OWN_HEADERS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-client-request-id",
    }
)
"""Headers that say how a message is framed, or by which the harness tells its requests apart."""

LONGEST_TIMEOUT_S = 86_400.0
_SECRET_WORDS = ("key", "token", "secret", "auth", "password", "cookie", "signature")


@dataclass(frozen=True, slots=True)
class Variable:
    """A value that an environment variable holds."""

    name: str


Value: TypeAlias = str | Variable


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach an endpoint.

    `timeout_s` is the longest silence of an endpoint; None: what the harness takes as usual. With
    `allow_plaintext_key`, secrets may go to a public host without TLS.
    """

    headers: Mapping[str, Value] = field(default_factory=dict)
    query: Mapping[str, Value] = field(default_factory=dict)
    auth: Auth = "bearer"
    timeout_s: float | None = None
    trust: Trust = Trust()
    proxy: Value | None = None
    allow_plaintext_key: bool = False

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that hold values of it."""
        values = (*self.headers.values(), *self.query.values(), self.proxy)
        return tuple(dict.fromkeys(value.name for value in values if isinstance(value, Variable)))

    def shown_headers(self) -> dict[str, str]:
        """The headers as a report may show them: `$VARIABLE` for a variable, asterisks for a secret."""
        return _shown(self.headers)

    def shown_query(self) -> dict[str, str]:
        """The query as a report may show it."""
        return _shown(self.query)

    def written_secrets(self) -> list[str]:
        """The headers and query parameters whose secret value is written out, and not in a variable."""
        return [
            name
            for name, value in (*self.headers.items(), *self.query.items())
            if isinstance(value, str) and is_secret(name)
        ]

    def to_json(self) -> dict[str, Any]:
        """The access as JSON values."""
        trust = {name.name: _text(getattr(self.trust, name.name)) for name in fields(Trust)}
        return {
            "headers": {name: _to_json(value) for name, value in self.headers.items()},
            "query": {name: _to_json(value) for name, value in self.query.items()},
            "auth": self.auth,
            "timeout_s": self.timeout_s,
            "trust": trust,
            "proxy": None if self.proxy is None else _to_json(self.proxy),
            "allow_plaintext_key": self.allow_plaintext_key,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Access":
        """What `to_json` gave."""
        trust = {name: None if path is None else Path(path) for name, path in values["trust"].items()}
        return cls(
            headers={name: _from_json(value) for name, value in values["headers"].items()},
            query={name: _from_json(value) for name, value in values["query"].items()},
            auth=values["auth"],
            timeout_s=values["timeout_s"],
            trust=Trust(**trust),
            proxy=None if values["proxy"] is None else _from_json(values["proxy"]),
            allow_plaintext_key=values["allow_plaintext_key"],
        )


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _to_json(value: Value) -> Any:
    return {"env": value.name} if isinstance(value, Variable) else value


def _from_json(value: Any) -> Value:
    return value if isinstance(value, str) else Variable(value["env"])


def _shown(values: Mapping[str, Value]) -> dict[str, str]:
    return {
        name: f"${value.name}" if isinstance(value, Variable) else "***" if is_secret(name) else value
        for name, value in values.items()
    }


def is_secret(name: str) -> bool:
    """Whether the value of a header or a query parameter is a secret, going by its name."""
    small = name.lower()
    return small in SECRET_HEADERS or any(word in small for word in _SECRET_WORDS)


# --- what a value may be: each gives what is expected, or nothing where it is right ---


_LOOKS_LIKE_A_VARIABLE = re.compile(r"\$\{?[A-Z_][A-Z0-9_]*\}?")
_NAMED_VARIABLE = (
    'a text, or a variable as { env = "NAME" } in a file and env:NAME in an option, not as $NAME'
)


def expected_of_header(name: str, value: Value) -> str:
    """What a header has to be (RFC 9110, 5.5 and 5.6.2); empty where it is right."""
    if not re.fullmatch(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", name):
        return "a header's name, of letters, digits and !#$%&'*+-.^_`|~"
    if name.lower() in _OWN_HEADERS:
        return f"a header other than {name}, which likewise sets itself"
    if isinstance(value, str) and _LOOKS_LIKE_A_VARIABLE.fullmatch(value):
        return _NAMED_VARIABLE
    if isinstance(value, str) and not _can_be_sent(value):
        return "a header's value in ASCII, without line breaks and without blanks at its ends"
    return ""


def _can_be_sent(value: str) -> bool:
    return value == value.strip() != "" and all(" " <= character <= "~" for character in value)


def expected_of_query(name: str, value: Value) -> str:
    """What a query parameter has to be; empty where it is right."""
    if not name or not name.isprintable():
        return "a query parameter's name, without control characters"
    if isinstance(value, str) and _LOOKS_LIKE_A_VARIABLE.fullmatch(value):
        return _NAMED_VARIABLE
    if isinstance(value, str) and value and not value.isprintable():
        return "a query parameter's value without line breaks and control characters"
    return ""


def expected_of_param(name: str, value: object) -> str:
    """What a field of the body has to be; empty where it is right."""
    if not name.strip():
        return "the name of a field"
    if name in RESERVED_PARAMS:
        return f"another field than {name}, which likewise sets itself in each request"
    return "" if _is_json(value) else "what JSON can hold: no dates, no inf and nan, whole numbers of 64 bits"


def _is_json(value: object) -> bool:
    match value:
        case None | bool():
            return True
        case int():
            return -(2**63) <= value < 2**64
        case float():
            return math.isfinite(value)
        case str():
            return not re.search(r"[\ud800-\udfff]", value)
        case list():
            return all(map(_is_json, value))
        case dict():
            return all(_is_json(name) and _is_json(inner) for name, inner in value.items())
        case _:
            return False


def expected_of_timeout(value: object) -> str:
    """What a timeout has to be; empty where it is right."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= LONGEST_TIMEOUT_S:
        return ""
    return f"seconds, more than 0 and at most {LONGEST_TIMEOUT_S:,.0f}"


def expected_of_proxy(value: Value, *, is_from_variable: bool = False) -> str:
    """What a proxy has to be; empty where it is right. A password in it is a secret, so it is not written."""
    if isinstance(value, Variable):
        return ""
    try:
        parts = urlsplit(value)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    is_bare = is_url and parts.path in ("", "/") and not parts.query and not parts.fragment
    if not is_bare or not _can_be_sent(value) or " " in value:
        return "the URL of an http or https proxy, such as http://proxy.example:3128"
    if "@" in parts.netloc and not is_from_variable:
        return "a proxy without user name and password; put one with them into a variable, and name that"
    return ""


# --- what clients take ---


def way_of(access: Access, environ: Mapping[str, str], target: str) -> Way:
    """The way that an access means.

    Raises MissingKeyError for a variable that is not set or empty, and UsageError for one that holds what
    can't be sent, and for a certificate file that is none. No message shows a value.
    """
    headers = {name: _known(value, environ, target) for name, value in access.headers.items()}
    query = {name: _known(value, environ, target) for name, value in access.query.items()}
    proxy = None if access.proxy is None else _known(access.proxy, environ, target)
    for variable, expected in _misfits(access, headers, query, proxy):
        raise UsageError(
            f"The variable {variable} of {shown_value(target)} is to hold {expected}.", "Set it again."
        )
    check_trust(access.trust)
    return Way(
        headers,
        query,
        access.auth,
        access.trust,
        proxy,
        _secret_names(access.headers),
        _secret_names(access.query),
    )


def _known(value: Value, environ: Mapping[str, str], target: str) -> str:
    if isinstance(value, str):
        return value
    if known := environ.get(value.name, ""):
        return known
    raise MissingKeyError(
        f"A value of {shown_value(target)} is read from the environment variable {value.name},"
        f" which is {'empty' if value.name in environ else 'not set'}.",
        f"Set it, for example with: export {value.name}=your-value",
    )


def _misfits(
    access: Access, headers: Mapping[str, str], query: Mapping[str, str], proxy: str | None
) -> Collection[tuple[str, str]]:
    """The variables that hold what can't be meant, each with what is expected of it."""
    found = [
        *((access.headers[name], expected_of_header(name, value)) for name, value in headers.items()),
        *((access.query[name], expected_of_query(name, value)) for name, value in query.items()),
        (access.proxy, "" if proxy is None else expected_of_proxy(proxy, is_from_variable=True)),
    ]
    return [(value.name, expected) for value, expected in found if isinstance(value, Variable) and expected]


def _secret_names(values: Mapping[str, Value]) -> frozenset[str]:
    secret = (name for name, value in values.items() if isinstance(value, Variable) or is_secret(name))
    return frozenset(map(str.lower, secret))


def check_trust(trust: Trust) -> None:
    """Raise UsageError for a certificate file that is none."""
    if trust.ca_bundle is not None:
        _check_files(Trust(ca_bundle=trust.ca_bundle), "CA bundle", trust.ca_bundle, "certificates in PEM")
    if trust.cert is not None:
        what = "a certificate and its key in PEM, without a password"
        _check_files(replace(trust, ca_bundle=None), "client certificate", trust.cert, what)


def _check_files(trust: Trust, name: str, path: Path, what: str) -> None:
    try:
        tls_context(trust)
    except FileNotFoundError:
        missing = next(file for file in (path, trust.key) if file is not None and not file.exists())
        raise UsageError(f"The {name} {missing} is not there.", "Check the path.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        said = reason.lower().replace("_", " ")
        raise UsageError(f"The {name} {path} can't be used: {said}.", f"Give a file with {what}.") from None
