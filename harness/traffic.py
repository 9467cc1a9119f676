"""Traffic that was recorded elsewhere, as exchanges: a HAR file of a browser or a proxy, or lines of JSON.

HAR: the entries whose path ends as an operation of the API does; others are counted and left out.
JSONL: an object a line. `request` and `response` are bodies, as JSON or as text (a stream is the text of its
events); `path` (default /v1/chat/completions), `status` (200) and `headers` (of the response) may stand
beside them.

Neither says when the bytes of a body came, so all times of such an exchange are 0. Secrets are blanked as in
everything that is recorded.

Source: HAR 1.2 specification (W3C Web Performance, draft).
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from harness.errors import RunFolderError
from harness.scenario import PATHS, Ask, Mode, Operation, Scenario
from harness.wire.exchange import Ending, Exchange, Headers, Json, Read, Request, Response
from harness.wire.redaction import redact_headers

_FRAMING = frozenset({"content-encoding", "content-length", "transfer-encoding", "connection"})
"""Headers that speak of bytes as they crossed the wire; what these files keep has been unpacked."""


@dataclass(frozen=True, slots=True)
class Told:
    """An exchange of a user's own, and the scenario that it is."""

    scenario: Scenario
    mode: Mode
    model: str
    exchange: Exchange


def read(path: Path) -> tuple[Told, ...]:
    """The exchanges of a HAR or JSONL file; raises RunFolderError when it holds none."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RunFolderError(
            f"{path} can't be read ({error.strerror}).", "Name a run's folder, a HAR file or a JSONL file."
        ) from error
    entries = _har(path, data) if path.suffix.lower() == ".har" else _jsonl(path, data)
    told = tuple(found for number, entry in enumerate(entries, 1) if (found := _told(number, *entry)))
    if not told:
        raise RunFolderError(
            f"{path} holds no call of an OpenAI-compatible API.",
            f"The paths that are known end in {', '.join(PATHS.values())}.",
        )
    return told


_Entry = tuple[str, str, bytes, int, str, Headers, bytes]
"""Method, URL, request body, status, HTTP version, response headers, response body."""


def _told(
    number: int,
    method: str,
    url: str,
    asked: bytes,
    status: int,
    version: str,
    headers: Headers,
    body: bytes,
) -> Told | None:
    operation = _operation(url)
    if operation is None:
        return None
    params = _object(asked)
    mode = Mode.STREAM if params.get("stream") is True else Mode.PLAIN
    kept = {name: value for name, value in params.items() if name not in {"model", "stream"}}
    path = urlsplit(url).path
    return Told(
        Scenario(f"call-{number}", f"{method} {path}", Ask(operation, kept), modes=(mode,)),
        mode,
        str(params.get("model", "")),
        Exchange(
            Request(method, url, (), asked, 0),
            Response(status, version, redact_headers(headers, None), 0, (Read(0, body),) if body else ()),
            Ending.COMPLETE,
            0,
        ),
    )


def _operation(url: str) -> Operation | None:
    """The operation that a URL calls; the longest path decides, as one ends with another."""
    path = urlsplit(url).path.rstrip("/")
    known = [operation for operation, ending in PATHS.items() if path.endswith(ending)]
    return max(known, key=lambda operation: len(PATHS[operation]), default=None)


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
            yield (
                str(request["method"]),
                str(request["url"]),
                str((request.get("postData") or {}).get("text", "")).encode(),
                int(response["status"]),
                _version(str(response.get("httpVersion", ""))),
                tuple(
                    (str(header["name"]), str(header["value"]))
                    for header in response["headers"]
                    if str(header["name"]).lower() not in _FRAMING
                ),
                _content(response.get("content") or {}),
            )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunFolderError(
            f"{path} is no HAR file, or was cut short ({type(error).__name__}: {error}).",
            "Save it again, with its content (“Save all as HAR with content”).",
        ) from error


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
        is_stream = isinstance(value["response"], str) and body.lstrip().startswith(
            (b"data:", b":", b"event:")
        )
        media_type = "text/event-stream" if is_stream else "application/json"
        yield (
            "POST",
            f"http://recorded{value.get('path', '/v1/chat/completions')}",
            _body(value["request"]),
            status if isinstance(status, int) else 200,
            "HTTP/1.1",
            tuple((name, str(text)) for name, text in headers.items())
            if isinstance(headers, dict)
            else (("content-type", media_type),),
            body,
        )


def _body(value: Json) -> bytes:
    return value.encode() if isinstance(value, str) else orjson.dumps(value)
