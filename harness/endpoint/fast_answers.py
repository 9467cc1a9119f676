"""The answers of the endpoint's fast lane, as bytes that are made once, and their ways of going wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import orjson

MODEL = "standin-fast"
_ID = "chatcmpl-fast"
_CREATED = 1_750_000_000
_DONE = b"data: [DONE]\n\n"
_LAST_CHUNK = b"0\r\n\r\n"
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Transfer-Encoding: chunked\r\nx-request-id: req-fast\r\n\r\n"
)


class Failure(StrEnum):
    """The eight ways of going wrong."""

    EMPTY = "empty"
    HTTP_500 = "http-500"
    RATE_LIMITED = "http-429"
    ERROR_EVENT = "error-event"
    CUT = "cut"
    RESET = "reset"
    UNFINISHED = "unfinished"
    NOT_JSON = "not-json"


@dataclass(frozen=True, slots=True)
class Prebuilt:
    """An answer as its writes: `head` goes out at once, `tokens` each at its time, `tail` with the last.

    `has_to_close` says that the connection ends after it, `has_to_reset` that it ends with a reset.
    """

    head: bytes
    tokens: Sequence[bytes]
    tail: bytes
    has_to_close: bool = False
    has_to_reset: bool = False


def streamed(
    tokens: int, *, usage: bool, is_one_write: bool = False, failure: Failure | None = None
) -> Prebuilt:
    """A stream of so many tokens, one event each; with the failure, which befalls it halfway.

    Each write is a chunk of its own; `is_one_write` makes the whole answer one, which is due with the last
    token.
    """
    if failure in _REFUSALS:
        return Prebuilt(_REFUSALS[failure], (), b"")
    role = _event({"role": "assistant", "content": ""})
    events = [_event({"content": f" token{i % 10}"}) for i in range(tokens)]
    end = _event({}, finish_reason="stop") + (_usage_event(tokens) if usage else b"") + _DONE
    half = events[: max(1, tokens // 2)]
    last = _LAST_CHUNK
    match failure:
        case Failure.EMPTY:
            events = []
        case Failure.ERROR_EVENT:
            events, end = half, _data(_error("The server is overloaded."))
        case Failure.CUT | Failure.RESET:
            events, end, last = half, b"", b""
        case Failure.UNFINISHED:
            events, end = half, b""
        case Failure.NOT_JSON:
            broken = b'data: {"id":"chatcmpl-fast","choices":[{"index":0,\n\n'
            events = [*half, broken, *events[len(half) :]]
    closes, resets = failure is Failure.CUT, failure is Failure.RESET
    if is_one_write:
        whole = _STREAM_HEAD + _chunked(role + b"".join(events) + end) + last
        return Prebuilt(b"", (b"",) * (len(events) - 1) + (whole,), b"", closes, resets)
    tail = (_chunked(end) if end else b"") + last
    return Prebuilt(_STREAM_HEAD + _chunked(role), [*map(_chunked, events)], tail, closes, resets)


def plain(tokens: int, failure: Failure | None = None) -> Prebuilt:
    """A plain answer of so many tokens."""
    if failure in _REFUSALS:
        return Prebuilt(_REFUSALS[failure], (), b"")
    is_empty = failure is Failure.EMPTY
    message = {
        "role": "assistant",
        "content": "" if is_empty else "".join(f" token{i % 10}" for i in range(tokens)),
    }
    finish = None if failure is Failure.UNFINISHED else "stop"
    answer: dict[str, object] = {
        "id": _ID,
        "object": "chat.completion",
        "created": _CREATED,
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": _usage(tokens),
    }
    if failure is Failure.ERROR_EVENT:
        answer = _error("The server is overloaded.")
    body = orjson.dumps(answer)
    if failure is Failure.NOT_JSON:
        body = body[: len(body) // 2]
    whole = _sized("200 OK", body)
    if failure in (Failure.CUT, Failure.RESET):
        whole = whole[: -len(body) // 2]
    return Prebuilt(
        b"",
        (b"",) * (tokens - 1) + (whole,),
        b"",
        has_to_close=failure is Failure.CUT,
        has_to_reset=failure is Failure.RESET,
    )


def models() -> bytes:
    """The list of models."""
    model = {"id": MODEL, "object": "model", "created": _CREATED, "owned_by": "likewise"}
    return _sized("200 OK", orjson.dumps({"object": "list", "data": [model]}))


def unknown_path() -> bytes:
    """The answer at any other path."""
    return _sized("404 Not Found", orjson.dumps(_error("Unknown request URL.")))


def _event(delta: Mapping[str, object], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return _data(_chunk([choice]))


def _usage_event(tokens: int) -> bytes:
    return _data({**_chunk([]), "usage": _usage(tokens)})


def _chunk(choices: list[object]) -> dict[str, object]:
    return {
        "id": _ID,
        "object": "chat.completion.chunk",
        "created": _CREATED,
        "model": MODEL,
        "choices": choices,
    }


def _usage(tokens: int) -> dict[str, int]:
    return {"prompt_tokens": 8, "completion_tokens": tokens, "total_tokens": 8 + tokens}


def _data(value: Mapping[str, object]) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


def _error(message: str) -> dict[str, object]:
    return {"error": {"message": message, "type": "server_error", "param": None, "code": None}}


def _chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _sized(status: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nx-request-id: req-fast\r\n\r\n"
    )
    return head.encode() + body


_REFUSALS: Mapping[Failure | None, bytes] = {
    Failure.HTTP_500: _sized("500 Internal Server Error", orjson.dumps(_error("Something broke."))),
    Failure.RATE_LIMITED: _sized("429 Too Many Requests", orjson.dumps(_error("Rate limit reached."))),
}
