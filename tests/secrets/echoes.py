"""A server that repeats the secrets it is sent, each answer in another way, and in many spellings at once."""

import base64
import gzip
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any
from urllib.parse import quote

from tests.servers import server

KEY = "sk-Canary7f3Q9zLw28XbT5m/K1+e4Vd6"
ORG = "org-Canary5hY8uJ3nRk"
ENVIRON = {"CANARY_KEY": KEY, "CANARY_ORG": ORG}

_ESCAPED = "~escaped~"
_USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


def spellings(secret: str) -> Mapping[str, str]:
    """A secret in every way in which it can be read by eye or by one decoding."""
    raw = secret.encode()
    return {
        "as it is": secret,
        "upper case": secret.upper(),
        "swapped case": secret.swapcase(),
        "reversed": secret[::-1],
        "percent": quote(secret, safe=""),
        "percent, all": "".join(f"%{byte:02X}" for byte in raw),
        "hex": raw.hex(),
        "upper hex": raw.hex().upper(),
        "base64 at 0": base64.b64encode(raw + b"!?").decode(),
        "base64 at 1": base64.b64encode(b"?" + raw + b"!").decode(),
        "base64 at 2": base64.b64encode(b"??" + raw).decode(),
        "urlsafe at 0": base64.urlsafe_b64encode(raw).decode(),
        "urlsafe at 1": base64.urlsafe_b64encode(b"?" + raw).decode(),
        "urlsafe at 2": base64.urlsafe_b64encode(b"??" + raw).decode(),
        "JSON": "".join(f"\\u{byte:04x}" for byte in raw),
        "JSON in part": f"\\u{raw[0]:04X}{secret[1:-1].replace('/', chr(92) + '/')}\\u{raw[-1]:04x}",
        "Python": "".join(f"\\x{byte:02x}" for byte in raw),
        "HTML": "".join(f"&#{byte};" for byte in raw),
        "upper HTML": "".join(f"&#x{byte:X};" for byte in raw),
    }


EVERY = " ".join(spelt for secret in (KEY, ORG) for spelt in spellings(secret).values())
LETTERS = f"{KEY}!"
"""What is spelled over many deltas."""

_ENCODED = f"{ORG}|{KEY[::-1]}|{KEY.encode().hex()}|{base64.b64encode(b'?' + KEY.encode()).decode()}"


def _json(value: object) -> bytes:
    """JSON in which the secrets stand as they are, and with all their letters escaped."""
    escaped = " ".join("".join(f"\\u{ord(one):04x}" for one in secret) for secret in (KEY, ORG))
    return json.dumps(value).replace(_ESCAPED, escaped).encode()


def _http(
    body: bytes, status: str = "200 OK", media: str = "application/json", headers: Sequence[str] = ()
) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {media}", "Connection: close", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode("latin-1") + body


def _events(*chunks: object, before: bytes = b"", raw: bytes = b"") -> bytes:
    end = _chunk({}, finish_reason="stop"), {**_chunk({}), "choices": [], "usage": _USAGE}
    data = b"".join(before + b"data: " + _json(chunk) + b"\n\n" for chunk in (*chunks, *end))
    return _http(raw + data + b"data: [DONE]\n\n", media="text/event-stream")


def _message(**more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": f"It is {EVERY} {_ESCAPED}", **more}


def _completion(message: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "echo",
        "choices": [
            {"index": 0, "message": message or _message(), "finish_reason": "stop", "logprobs": None}
        ],
        "usage": _USAGE,
        **more,
    }


def _chunk(delta: Any, index: int = 0, *, finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "echo",
        "choices": [{"index": index, "delta": delta, "finish_reason": finish_reason}],
        **more,
    }


def _call(name: str, arguments: str, call_id: str = "call_1") -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"index": 0, "id": call_id, "type": "function", "function": function}


def _calling(*call: str) -> dict[str, Any]:
    return _message(content=None, tool_calls=[_call(*call)])


def _tokens(letters: str) -> dict[str, Any]:
    def entry(letter: str) -> dict[str, Any]:
        return {"token": letter, "logprob": -0.5, "bytes": [ord(letter)]}

    return {"content": [{**entry(one), "top_logprobs": [entry(one), entry("q")]} for one in letters]}


def _error(**more: Any) -> bytes:
    return _json({"error": {"message": "no", "type": "e", "param": None, "code": None, **more}})


def _responses(*events: tuple[str, dict[str, Any]]) -> bytes:
    said = (
        f"event: {kind}\ndata: ".encode()
        + _json({"type": kind, "sequence_number": number, "output_index": 0, "content_index": 0, **event})
        + b"\n\n"
        for number, (kind, event) in enumerate(events)
    )
    return _http(b"".join(said), media="text/event-stream")


PLAIN: Mapping[str, Callable[[], bytes]] = {
    "text": lambda: _http(_json(_completion())),
    "header": lambda: _http(_json(_completion()), headers=[f"X-Echo: {EVERY}", f"{ORG}: 1"]),
    "cookie": lambda: _http(_json(_completion()), headers=[f"Set-Cookie: k={KEY}; Path=/{ORG}"]),
    "tool name": lambda: _http(_json(_completion(_calling(EVERY, "{}")))),
    "tool arguments": lambda: _http(_json(_completion(_calling("f", json.dumps({"k": EVERY, KEY: 1}))))),
    "broken arguments": lambda: _http(_json(_completion(_calling("f", '{"k": ' + EVERY)))),
    "tool id": lambda: _http(_json(_completion(_calling("f", "{}", EVERY)))),
    "id": lambda: _http(_json(_completion(id=EVERY))),
    "model": lambda: _http(_json(_completion(model=EVERY))),
    "fingerprint": lambda: _http(_json(_completion(system_fingerprint=EVERY))),
    "unknown field": lambda: _http(_json(_completion(**{KEY: {ORG: [EVERY]}}))),
    "usage key": lambda: _http(_json(_completion(usage={KEY.upper(): 1, ORG[::-1]: 3}))),
    "usage value": lambda: _http(_json(_completion(usage={"prompt_tokens": EVERY, "total_tokens": KEY}))),
    "no choices": lambda: _http(_json(_completion(choices=EVERY))),
    "created": lambda: _http(_json(_completion(created=KEY))),
    "finish reason": lambda: _http(_json(_completion(choices=[{"index": KEY, "finish_reason": EVERY}]))),
    "role": lambda: _http(_json(_completion({"role": KEY, "content": [{"type": ORG, "text": EVERY}]}))),
    "refusal": lambda: _http(_json(_completion(_message(refusal=EVERY, reasoning_content=EVERY)))),
    "log probabilities": lambda: _http(
        _json(_completion(choices=[{"index": 0, "message": _message(), "logprobs": _tokens(LETTERS)}]))
    ),
    "list of letters": lambda: _http(_json(_completion(letters=list(LETTERS)))),
    "error message": lambda: _http(_error(message=f"Incorrect API key: {EVERY} {_ESCAPED}"), "400 Bad"),
    "error code": lambda: _http(_error(code=EVERY, type=KEY, param=ORG), "422 Unprocessable"),
    "error text": lambda: _http(EVERY.encode(), "500 Oops", "text/plain"),
    "error page": lambda: _http(f"<html><b>{EVERY}</b></html>".encode(), "502 Bad Gateway", "text/html"),
    "long error": lambda: _http(_error(message="x" * 400 + EVERY * 3), "400 Bad"),
    "error cut at 500": lambda: _http(_error(message="x" * 420 + KEY * 3), "400 Bad"),
    "unauthorized": lambda: _http(_error(message=f"Incorrect API key: {EVERY}"), "401 Unauthorized"),
    "busy": lambda: _http(_error(message=EVERY), "429 Slow Down", headers=["Retry-After: 0"]),
    "redirect": lambda: _http(b"", "307 Temporary", headers=[f"Location: http://127.0.0.1:9/{KEY}?k={KEY}"]),
    "reason phrase": lambda: _http(_error(), f"400 {KEY}"),
    "media type": lambda: _http(_json(_completion()), media=f"application/json; k={KEY}"),
    "no JSON": lambda: _http(f'{{"id": "{EVERY}", '.encode()),
    "invalid UTF-8": lambda: _http(b'{"id": "\xff' + EVERY.encode() + b'\xfe"}'),
    "compressed": lambda: _http(gzip.compress(_json(_completion())), headers=["Content-Encoding: gzip"]),
    "cut": lambda: _http(_json(_completion(id="x" * 9000)))[:300] + f'{{"k": "{KEY[:-1]}'.encode(),
    "trailer": lambda: (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        + f"{len(_json(_completion())):x}\r\n".encode()
        + _json(_completion())
        + f"\r\n0\r\nX-Trailer: {KEY}\r\n\r\n".encode()
    ),
    "no HTTP": f"{KEY}\r\n\r\n".encode,
    "bad header": f"HTTP/1.1 200 OK\r\n{KEY}\r\nX {KEY}: 1\r\n\r\n".encode,
}
"""What is said where an answer is asked for at once."""

STREAM: Mapping[str, Callable[[], bytes]] = {
    "whole text": lambda: _events(_chunk({"role": "assistant"}), _chunk({"content": EVERY + _ESCAPED})),
    "letters of the text": lambda: _events(*(_chunk({"content": one}) for one in LETTERS)),
    "letters, encoded": lambda: _events(*(_chunk({"content": one}) for one in _ENCODED)),
    "halves": lambda: _events(
        _chunk({"content": KEY[:15]}), _chunk({"content": KEY[15:] + ORG[:7]}), _chunk({"content": ORG[7:]})
    ),
    "letters of two choices": lambda: _events(
        *(_chunk({"content": one}, index) for one in LETTERS for index in (0, 1))
    ),
    "letters of thoughts": lambda: _events(*(_chunk({"reasoning_content": one}) for one in LETTERS)),
    "letters of arguments": lambda: _events(
        _chunk({"tool_calls": [_call("f", "")]}),
        *(_chunk({"tool_calls": [{"index": 0, "function": {"arguments": one}}]}) for one in LETTERS),
    ),
    "letters of ids": lambda: _events(*({**_chunk({"content": "x"}), "id": one} for one in LETTERS)),
    "letters of keys": lambda: _events(*(_chunk({}, usage={one: 1}) for one in LETTERS)),
    "letters and their bytes": lambda: _events(
        *(
            {**_chunk({}), "choices": [{"index": 0, "delta": {"content": one}, "logprobs": _tokens(one)}]}
            for one in LETTERS
        )
    ),
    "letters, escaped": lambda: _events(_chunk({"content": "x"})).replace(
        b"data: [DONE]",
        b"\n\n".join(
            b'data: {"choices": [{"index": 0, "delta": {"content": "\\u%04x"}}]}' % ord(one)
            for one in LETTERS
        ),
    ),
    "comment": lambda: _events(_chunk({"content": "x"}), raw=f": {EVERY}\n\n".encode()),
    "letters of comments": lambda: _events(
        _chunk({"content": "x"}), raw="".join(f": {one}\n\n" for one in LETTERS).encode()
    ),
    "event name": lambda: _events(_chunk({"content": "x"}), before=f"event: {KEY}\nid: {ORG}\n".encode()),
    "letters of event ids": lambda: _http(
        b"".join(f"id: {one}\n".encode() + b"data: " + _json(_chunk({})) + b"\n\n" for one in LETTERS),
        media="text/event-stream",
    ),
    "unknown field of SSE": lambda: _events(_chunk({"content": "x"}), before=f"{KEY}: {ORG}\n".encode()),
    "no JSON in data": lambda: _events(raw=f"data: {EVERY}\n\n".encode()),
    "letters that are no JSON": lambda: _events(raw="".join(f"data: {one}\n\n" for one in KEY).encode()),
    "carriage returns": lambda: _events(*(_chunk({"content": one}) for one in LETTERS)).replace(
        b"\n\ndata", b"\r\rdata"
    ),
    "tool name": lambda: _events(_chunk({"tool_calls": [_call(EVERY, json.dumps({"k": KEY}), ORG)]})),
    "wrong types": lambda: _events(_chunk({"content": {KEY: 1}, "role": ORG, "tool_calls": KEY}, usage=KEY)),
    "error event": lambda: _events({"error": {"message": EVERY, "code": KEY, "type": ORG}}),
    "usage": lambda: _events({**_chunk({}), "choices": [], "usage": {KEY: 1, "prompt_tokens": EVERY}}),
    "refused": lambda: _http(_error(message=EVERY), "400 Bad"),
    "letters of a response": lambda: _responses(
        *(("response.output_text.delta", {"item_id": "i", "delta": one, "logprobs": []}) for one in LETTERS),
        ("response.output_text.done", {"item_id": "i", "text": EVERY}),
        ("response.failed", {"response": {"id": KEY, "error": {"code": ORG, "message": EVERY}}}),
    ),
    "cut": lambda: _events(_chunk({"content": EVERY}))[:700],
    "compressed": lambda: _http(
        gzip.compress(b"".join(b"data: " + _json(_chunk({"content": one})) + b"\n\n" for one in LETTERS)),
        media="text/event-stream",
        headers=["Content-Encoding: gzip"],
    ),
}
"""What is said where a stream is asked for."""

_ITEMS = [{"id": EVERY, "object": "model", "created": 1, "owned_by": KEY}]
OTHER: Mapping[str, Callable[[], bytes]] = {
    "models": lambda: _http(_json({"object": "list", "data": [*_ITEMS, *({"id": one} for one in LETTERS)]})),
    "no models": lambda: _http(_error(message=EVERY), "403 Forbidden"),
}
"""What is said of models."""


@contextmanager
def echoes(*only: str) -> Iterator[tuple[str, set[str]]]:
    """The server's base URL, and the ways in which it has answered.

    `only` names the ways that it takes whatever is asked. Without it, each request goes another way.

    The first answer to a plain question, and the first four streams, are right but for their text.
    """
    turns = {id(ways): count() for ways in (PLAIN, STREAM, OTHER)}
    lock, used = threading.Lock(), set()

    def answer(connection: socket.socket, request: bytes) -> None:
        asks_for_stream = re.search(rb'"stream"\s*:\s*true', request) is not None
        ways = OTHER if request.startswith(b"GET") else STREAM if asks_for_stream else PLAIN
        with lock:
            turn = next(turns[id(ways)])
            name = only[turn % len(only)] if only else list(ways)[turn % len(ways)]
            used.add(name)
        said = {**STREAM, **PLAIN, **ways}[name]()
        # A read that ends in the middle of a secret.
        place = max(said.find(KEY.encode()) + 9, 1)
        for piece in (said[:place], said[place:]):
            connection.sendall(piece)

    with server(answer) as base_url:
        yield base_url, used
