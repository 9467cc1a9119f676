"""An exchange: one request and what came back, as it crossed the wire, with its times.

Immutable, serialisable, and free of secrets: the recording transports redact before they build one.
All times are nanoseconds of `time.monotonic_ns`.
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import accumulate, pairwise
from typing import TypeAlias

from harness.wire.coding import CodingError, Decoding, TooLongError
from harness.wire.limits import Limits

Headers: TypeAlias = tuple[tuple[str, str], ...]
Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
_MOST_BYTES = Limits().body_bytes


class Ending(StrEnum):
    """How an exchange ended."""

    COMPLETE = "complete"
    LEFT = "left"
    """The client stopped reading before the body's end, as SDKs do at `[DONE]`."""
    CUT = "cut"
    """The connection ended before the body did."""
    STALE = "stale"
    """A kept connection ended before the answer began, which a server may do at any time (RFC 9112, 9.5)."""
    TIMEOUT = "timeout"
    OVERSIZED = "oversized"
    """The harness stopped reading at its limit."""
    UNREACHABLE = "unreachable"
    """No connection: refused, no such host, no route."""
    TLS = "tls"
    """The connection stood, its TLS handshake failed."""
    NOT_HTTP = "not_http"
    """What came was not HTTP."""
    UNSENT = "unsent"
    """The client raised before it sent anything."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was sent. `sent_ns` is when the client handed it to the transport."""

    method: str
    url: str
    headers: Headers
    body: bytes
    sent_ns: int


@dataclass(frozen=True, slots=True)
class Read:
    """One piece of the body: chunked transfer coding is undone, content coding is not."""

    arrived_ns: int
    data: bytes


@dataclass(frozen=True)
class Response:
    """What came back. `started_ns` is when the header block was complete.

    `surplus` are the first bytes that came on the connection after the answer's end.
    """

    status: int
    http_version: str
    headers: Headers
    started_ns: int
    reads: tuple[Read, ...]
    surplus: bytes = b""

    def header(self, name: str) -> str | None:
        """The values of a header, joined by commas as RFC 9110 (5.3) allows; None when it is absent."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None

    @property
    def media_type(self) -> str:
        """The content type without its parameters, in lower case; empty when there is none."""
        return (self.header("content-type") or "").partition(";")[0].strip().lower()

    @cached_property
    def body(self) -> bytes:
        """The body as its reader understands it: content coding undone, as far as the bytes reach."""
        return b"".join(read.data for read in self.decoded_reads)

    @cached_property
    def decoded_reads(self) -> tuple[Read, ...]:
        """The reads with their content coding undone; an undecodable rest is left as it came.

        They end where the body would pass its bound.
        """
        decoding = Decoding(self.header("content-encoding") or "", _MOST_BYTES)
        return tuple(_decoded(self.reads, decoding)) if decoding.is_any else self.reads


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request, its response if one began, how it ended, and the transport's own words if it ended badly."""

    request: Request
    response: Response | None
    ended: Ending
    ended_ns: int
    detail: str = ""

    @property
    def duration_ms(self) -> float:
        """From the request's hand-over to the end, in milliseconds."""
        return (self.ended_ns - self.request.sent_ns) / 1e6


def to_json(exchange: Exchange) -> dict[str, Json]:
    """The exchange as JSON values; `from_json` gives it back unchanged."""
    request, response = exchange.request, exchange.response
    return {
        "request": {
            "method": request.method,
            "url": request.url,
            "headers": [list(pair) for pair in request.headers],
            "body": _bytes_to_json(request.body),
            "sent_ns": request.sent_ns,
        },
        "response": None
        if response is None
        else {
            "status": response.status,
            "http_version": response.http_version,
            "headers": [list(pair) for pair in response.headers],
            "started_ns": response.started_ns,
            "body": _bytes_to_json(b"".join(read.data for read in response.reads)),
            "reads": [[read.arrived_ns, len(read.data)] for read in response.reads],
            **({"surplus": _bytes_to_json(response.surplus)} if response.surplus else {}),
        },
        "ended": exchange.ended.value,
        "ended_ns": exchange.ended_ns,
        "detail": exchange.detail,
    }


def from_json(value: Mapping[str, object]) -> Exchange:
    """An exchange from what `to_json` gave; raises KeyError, TypeError or ValueError on anything else."""
    request, response = _mapping(value["request"]), value["response"]
    return Exchange(
        Request(
            str(request["method"]),
            str(request["url"]),
            _headers(request["headers"]),
            _bytes_from_json(request["body"]),
            _integer(request["sent_ns"]),
        ),
        None if response is None else _response(_mapping(response)),
        Ending(str(value["ended"])),
        _integer(value["ended_ns"]),
        str(value["detail"]),
    )


def _response(value: Mapping[str, object]) -> Response:
    body = _bytes_from_json(value["body"])
    times_and_sizes = [(_integer(at), _integer(size)) for at, size in _list(value["reads"])]
    offsets = [0, *accumulate(size for _, size in times_and_sizes)]
    return Response(
        _integer(value["status"]),
        str(value["http_version"]),
        _headers(value["headers"]),
        _integer(value["started_ns"]),
        tuple(
            Read(at, body[start:end])
            for (at, _), (start, end) in zip(times_and_sizes, pairwise(offsets), strict=True)
        ),
        _bytes_from_json(value.get("surplus", "")),
    )


def _bytes_to_json(data: bytes) -> Json:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def _bytes_from_json(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode()
    return base64.b64decode(str(_mapping(value)["base64"]))


def _headers(value: object) -> Headers:
    return tuple((str(name), str(text)) for name, text in _list(value))


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise TypeError(f"expected an object, found {type(value).__name__}")
    return value


def _list(value: object) -> list[list[object]]:
    if not isinstance(value, list):
        raise TypeError(f"expected a list, found {type(value).__name__}")
    return value


def _integer(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"expected an integer, found {type(value).__name__}")
    return value


def _decoded(reads: tuple[Read, ...], decoding: Decoding) -> Iterator[Read]:
    for number, read in enumerate(reads):
        pieces: list[bytes] = []
        try:
            pieces.extend(decoding.pieces(read.data))
        except CodingError:
            yield from reads[number:]
            return
        except TooLongError:
            yield Read(read.arrived_ns, b"".join(pieces))
            return
        yield Read(read.arrived_ns, b"".join(pieces))
