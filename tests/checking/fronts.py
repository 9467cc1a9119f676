"""Endpoints that stand before the reference endpoint and change its answers, named by what they do."""

import itertools
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from harness.endpoint.server import running
from tests.servers import head, server, sized

KEY = "sk-front-0123456789"
MODEL = "standin-1"

Asked = dict[str, Any]


@dataclass(frozen=True)
class InPlaceOfSuccess:
    """What is said where the reference endpoint would answer and not refuse."""

    answer: bytes


Said = bytes | Asked | InPlaceOfSuccess
"""The bytes of a whole answer, the body to hand on instead, or what to say in the place of a success."""

Front = Callable[[str, str, Asked], Said]
"""What is made of the method, the path and the body of a request."""

_HOP = {"connection", "transfer-encoding", "content-length", "content-encoding", "keep-alive"}


@contextmanager
def standing_before(front: Front, *faults: str) -> Iterator[str]:
    """An endpoint that answers as the front says, and else as the reference endpoint does; its base_url."""
    from harness.endpoint.settings import Settings

    with running(Settings(faults=faults)) as address, httpx.Client(timeout=30) as http:
        origin = address.base_url.removesuffix("/v1")

        def answer(connection: socket.socket, request: bytes) -> None:
            head, _, body = request.partition(b"\r\n\r\n")
            method, path, _ = head.split(b"\r\n")[0].decode().split(" ", 2)
            headers = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:])
            kept = {name: value for name, value in headers.items() if name.lower() not in {*_HOP, "host"}}
            key = headers.get("authorization", headers.get("Authorization", ""))
            kept = {name: value for name, value in kept.items() if name.lower() != "authorization"}
            if key:
                right = key == f"Bearer {KEY}"
                kept["authorization"] = f"Bearer {address.key}" if right else key
            said = front(method, path, _parsed(body))
            if isinstance(said, bytes):
                connection.sendall(said)
                return
            content = json.dumps(said).encode() if said and isinstance(said, dict) else body
            kept["accept-encoding"] = "identity"
            with http.stream(method, origin + path, headers=kept, content=content) as response:
                if isinstance(said, InPlaceOfSuccess) and response.status_code == 200:
                    connection.sendall(said.answer)
                    return
                lines = [f"HTTP/1.1 {response.status_code} {response.reason_phrase}", "Connection: close"]
                lines += [f"{name}: {value}" for name, value in response.headers.items() if name not in _HOP]
                connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
                for data in response.iter_raw():
                    connection.sendall(data)

        with server(answer) as base_url:
            yield base_url


def _parsed(body: bytes) -> Asked:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def refusal(
    message: str, *, status: str = "400 Bad Request", param: str | None = None, code: str | None = None
) -> bytes:
    """An error as OpenAI says it."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return sized(json.dumps({"error": error}).encode(), status)


def refuses_max_tokens(method: str, path: str, asked: Asked) -> Said:  # noqa: ARG001  # a front
    """As OpenAI's newest chat models do; it takes max_completion_tokens alone."""
    if path.endswith("/chat/completions") and "max_tokens" in asked:
        return refusal(
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            param="max_tokens",
            code="unsupported_parameter",
        )
    return asked


def refuses_max_completion_tokens(method: str, path: str, asked: Asked) -> Said:  # noqa: ARG001  # a front
    """As servers do that are older than the parameter."""
    if path.endswith("/chat/completions") and "max_completion_tokens" in asked:
        return refusal(
            "Unknown parameter: 'max_completion_tokens'.",
            param="max_completion_tokens",
            code="unknown_parameter",
        )
    return asked


THOUGHTS_TOKENS = 120


def thinks_in_secret(method: str, path: str, asked: Asked) -> Said:  # noqa: ARG001  # a front
    """Spends so many tokens of each cap on thoughts that nobody sees."""
    cap_name = next(
        (n for n in ("max_tokens", "max_completion_tokens", "max_output_tokens") if n in asked), None
    )
    cap = asked.get(cap_name) if cap_name else None
    if not path.endswith("/chat/completions") or not isinstance(cap, int) or cap <= 0:
        return asked
    if cap > THOUGHTS_TOKENS:
        return {**asked, cap_name: cap - THOUGHTS_TOKENS}
    return InPlaceOfSuccess(_all_thoughts(asked, cap))


def _all_thoughts(asked: Asked, cap: int) -> bytes:
    prompt_tokens = 2 * len(json.dumps(asked.get("messages"), ensure_ascii=False).split())
    usage = {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": cap,
        "total_tokens": cap + prompt_tokens,
        "completion_tokens_details": {"reasoning_tokens": cap},
    }
    common = {"id": f"chatcmpl-{next(_numbers)}", "created": int(time.time()), "model": MODEL}
    if not asked.get("stream"):
        message = {"role": "assistant", "content": "", "refusal": None, "annotations": []}
        choice = {"index": 0, "message": message, "finish_reason": "length", "logprobs": None}
        body = {**common, "object": "chat.completion", "choices": [choice], "usage": usage}
        return sized(json.dumps(body).encode())
    chunk = {**common, "object": "chat.completion.chunk"}
    first = {
        "index": 0,
        "delta": {"role": "assistant", "content": "", "refusal": None},
        "finish_reason": None,
    }
    last = {"index": 0, "delta": {}, "finish_reason": "length"}
    counts = (asked.get("stream_options") or {}).get("include_usage")
    chunks = [{**chunk, "choices": [first]}, {**chunk, "choices": [last]}]
    if counts:
        chunks = [*({**one, "usage": None} for one in chunks), {**chunk, "choices": [], "usage": usage}]
    events = [*map(json.dumps, chunks), "[DONE]"]
    body_of_events = "".join(f"data: {event}\n\n" for event in events).encode()
    return head(media_type="text/event-stream") + body_of_events


_numbers = itertools.count(1)


def always_429(method: str, path: str, asked: Asked) -> Said:  # noqa: ARG001  # a front
    """A rate limit that never ends."""
    return refusal("Rate limit reached.", status="429 Too Many Requests", code="rate_limit_exceeded")


def every(nth: int, broken: bytes) -> Front:
    """Answers every nth request with these bytes, and hands on the others."""
    counted = itertools.count(1)
    return lambda _method, _path, asked: broken if next(counted) % nth == 0 else asked
