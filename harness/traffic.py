"""Traffic that was recorded elsewhere, as exchanges: a HAR file of a browser or a proxy, or lines of JSON.

HAR: the entries whose path ends as an operation of the API does; others are left out. So are the OPTIONS
requests with which a browser asks for leave to call (CORS preflights), and these are counted.
JSONL: an object a line. `request` and `response` are bodies, as JSON or as text (a stream is the text of its
events); `path` (default /v1/chat/completions), `status` (200) and `headers` (of the response) may stand
beside them.

Neither says when the bytes of a body came, so all times of such an exchange are 0. An entry whose status is
no HTTP status has no answer; it is counted and left out. The secrets that an entry's headers and URL hold are
blanked in all of it, as in everything that is recorded.

Source: HAR 1.2 specification (W3C Web Performance, draft).
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson

from harness.errors import RunFolderError
from harness.scenario import PATHS, Ask, Mode, Operation, Scenario
from harness.wire.exchange import Ending, Exchange, Headers, Json, Read, Request, Response
from harness.wire.redaction import (
    SECRET_HEADERS,
    SHORT_SECRET_CHARS,
    redact,
    redact_headers,
    redact_url,
    secrets_of,
)

_FRAMING = frozenset({"content-encoding", "content-length", "transfer-encoding", "connection"})
"""Headers that speak of bytes as they crossed the wire; what these files keep has been unpacked."""

_NAME = re.compile(r"call-\d+")

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""A method or a header's name (RFC 9110, 5.6.2); HTTP/2's `:status` is none."""

_NOT_IN_A_VALUE = re.compile(r"[\r\n\0]")

_SECRET_PARAMETER = re.compile(
    r"(?<=[?&])((?:x-)?(?:api|subscription)?[-_]?key|access_token|token)=([^&#]*)", re.IGNORECASE
)
_USER_INFO = re.compile(r"(?<=://)[^/?#@]+(?=@)")

_CLIENTS: Mapping[Operation, frozenset[str]] = {"models": frozenset({"raw", "openai"})}
"""The clients that have an operation, where not all of them do."""


@dataclass(frozen=True, slots=True)
class Told:
    """An exchange of a user's own, and the scenario that it is."""

    scenario: Scenario
    mode: Mode
    model: str
    exchange: Exchange


@dataclass(frozen=True, slots=True)
class Traffic:
    """The exchanges of a file, and sentences on the calls in it that are left out."""

    told: tuple[Told, ...]
    left_out: tuple[str, ...]


def read(path: Path) -> Traffic:
    """The exchanges of a HAR or JSONL file; raises RunFolderError when it holds none."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RunFolderError(
            f"{path} can't be read ({error.strerror}).", "Name a run's folder, a HAR file or a JSONL file."
        ) from error
    entries = _har(path, data) if path.suffix.lower() == ".har" else _jsonl(path, data)
    requests = [
        (number, entry, operation)
        for number, entry in enumerate(entries, 1)
        if (operation := _operation(entry.method, entry.url))
    ]
    calls = [request for request in requests if request[1].method != "OPTIONS"]
    told = tuple(
        _told(number, _without_secrets(entry), operation, entry.status)
        for number, entry, operation in calls
        if entry.status is not None
    )
    if calls and not told:
        raise RunFolderError(
            f"{path} holds no call that was answered.", "Record it again, with the answers of the endpoint."
        )
    if not told:
        raise RunFolderError(
            f"{path} holds no call of an OpenAI-compatible API.",
            f"The paths that are known end in {', '.join(PATHS.values())}.",
        )
    return Traffic(told, tuple(_left_out(len(requests) - len(calls), len(calls) - len(told))))


def _left_out(preflights: int, unanswered: int) -> Iterator[str]:
    if preflights:
        yield f"Left out, as they are a browser's own (CORS preflights): {preflights:,} OPTIONS requests."
    if unanswered:
        yield f"Left out, as no answer was recorded: {unanswered:,} of the calls."


@dataclass(frozen=True, slots=True)
class _Entry:
    """What a file says of one exchange; `status` is None where that is no HTTP status."""

    method: str
    url: str
    request_headers: Headers
    asked: bytes
    status: int | None
    version: str
    headers: Headers
    body: bytes


def scenario(name: str, request: Request) -> Scenario | None:
    """The scenario of a user's own call, as a run's folder keeps it; None where the name is of none."""
    operation = _operation(request.method, request.url) if _NAME.fullmatch(name) else None
    return _scenario(name, request, operation) if operation else None


def _scenario(name: str, request: Request, operation: Operation) -> Scenario:
    params = _object(request.body)
    return Scenario(
        name,
        f"{request.method} {urlsplit(request.url).path}",
        Ask(operation, {key: value for key, value in params.items() if key not in {"model", "stream"}}),
        modes=(Mode.STREAM if params.get("stream") is True else Mode.PLAIN,),
        clients=_CLIENTS.get(operation, frozenset()),
        is_recorded=True,
    )


def _told(number: int, entry: _Entry, operation: Operation, status: int) -> Told:
    request = Request(entry.method, entry.url, (), entry.asked, 0)
    call = _scenario(f"call-{number}", request, operation)
    return Told(
        call,
        call.modes[0],
        str(_object(entry.asked).get("model", "")),
        Exchange(
            request,
            Response(status, entry.version, entry.headers, 0, (Read(0, entry.body),) if entry.body else ()),
            Ending.COMPLETE,
            0,
        ),
    )


def _without_secrets(entry: _Entry) -> _Entry:
    """The entry, with asterisks for the secrets that its own headers and URL hold."""
    in_headers = _secrets((*entry.request_headers, *entry.headers))
    in_url = [unquote(match[2]) for match in _SECRET_PARAMETER.finditer(entry.url)]
    secrets = secrets_of([*in_headers, *in_url])
    url = _SECRET_PARAMETER.sub(lambda match: f"{match[1]}={'*' * len(match[2])}", entry.url)
    url = _USER_INFO.sub(lambda match: "*" * len(match[0]), url)
    return replace(
        entry,
        url=redact_url(url, secrets),
        asked=redact(entry.asked, secrets),
        headers=redact_headers(entry.headers, secrets),
        body=redact(entry.body, secrets),
    )


def _secrets(headers: Headers) -> Iterator[str]:
    """The secrets in headers: keys without their scheme, and the values of cookies."""
    for name, value in headers:
        if name.lower() not in SECRET_HEADERS:
            continue
        if "cookie" in name.lower():
            # Chance text of a few letters, as `lang=en` is, would blank innocent words of an answer.
            pairs = value.split(";") if name.lower() == "cookie" else [value.partition(";")[0]]
            values = (pair.partition("=")[2].strip() for pair in pairs)
            yield from (one for one in values if len(one) >= SHORT_SECRET_CHARS)
        else:
            first, _, after_scheme = value.strip().partition(" ")
            yield after_scheme.strip() or first


def _operation(method: str, url: str) -> Operation | None:
    """The operation that a URL calls; the longest path decides, as one ends with another."""
    if not _TOKEN.fullmatch(method):
        return None
    try:
        path = urlsplit(url).path.rstrip("/")
    except ValueError:
        return None
    known = [operation for operation, ending in PATHS.items() if path.endswith(ending)]
    return max(known, key=lambda operation: len(PATHS[operation]), default=None)


def _status(value: object) -> int | None:
    """A status of HTTP; browsers write 0 where no answer came."""
    if isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599:
        return value
    return None


def _headers(pairs: Iterable[tuple[object, object]]) -> Headers:
    """Headers as they can have crossed the wire."""
    told = ((str(name), str(value)) for name, value in pairs)
    return tuple(
        (name, value)
        for name, value in told
        if _TOKEN.fullmatch(name) and not _NOT_IN_A_VALUE.search(value) and name.lower() not in _FRAMING
    )


def _object(data: bytes) -> dict[str, Json]:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _har(path: Path, data: bytes) -> Iterator[_Entry]:
    try:
        entries = orjson.loads(data)["log"]["entries"]
        for entry in entries:
            request, response = entry["request"], entry["response"]
            yield _Entry(
                str(request["method"]),
                str(request["url"]),
                _named(request.get("headers") or ()),
                str((request.get("postData") or {}).get("text", "")).encode(),
                _status(response["status"]),
                _version(str(response.get("httpVersion", ""))),
                _named(response["headers"]),
                _content(response.get("content") or {}),
            )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunFolderError(
            f"{path} is no HAR file, or was cut short ({type(error).__name__}: {error}).",
            "Save it again, with its content (“Save all as HAR with content”).",
        ) from error


def _named(headers: Iterable[Mapping[str, object]]) -> Headers:
    return _headers((header["name"], header["value"]) for header in headers)


def _version(told: str) -> str:
    """An HTTP version as the transports name it; browsers say `h2` and `http/2.0`."""
    return "HTTP/2" if "2" in told.partition("/")[2] or told.lower() == "h2" else "HTTP/1.1"


def _content(content: Mapping[str, Any]) -> bytes:
    text = str(content.get("text", ""))
    if content.get("encoding") != "base64":
        return text.encode()
    try:
        return base64.b64decode(text)
    except binascii.Error as error:
        raise ValueError(f"a body that is no base64: {error}") from error


def _jsonl(path: Path, data: bytes) -> Iterator[_Entry]:
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        value = _object(line)
        if "request" not in value or "response" not in value:
            raise RunFolderError(
                f"{path}:{number} is no object with a request and a response.",
                "Write one JSON object a line, as docs/reports.md shows it.",
            )
        body, headers, status = _body(value["response"]), value.get("headers"), value.get("status", 200)
        path_asked = str(value.get("path", "/v1/chat/completions"))
        is_stream = isinstance(value["response"], str) and body.lstrip().startswith(
            (b"data:", b":", b"event:")
        )
        media_type = "text/event-stream" if is_stream else "application/json"
        yield _Entry(
            "POST",
            f"http://recorded/{path_asked.removeprefix('/')}",
            (),
            _body(value["request"]),
            _status(status),
            "HTTP/1.1",
            _headers(headers.items()) if isinstance(headers, dict) else (("content-type", media_type),),
            body,
        )


def _body(value: Json) -> bytes:
    return value.encode() if isinstance(value, str) else orjson.dumps(value)
