"""Streams of chunks, put together by hand."""

from collections.abc import Iterable, Sequence

import orjson

from harness.clients.reply import Reply
from harness.evidence import Object, Observation
from harness.evidence.chat import DONE, ChunkStream
from harness.scenario import Mode, Scenario, chat
from harness.wire.exchange import Ending, Exchange, Read, Request, Response


def chunk(delta: Object, finish_reason: str | None = None, index: int = 0) -> Object:
    """A chunk with one choice."""
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "m",
        "system_fingerprint": "fp",
        "choices": [choice],
        "usage": None,
    }


def streamed(texts: Sequence[str], *, usage: bool = True, padded: bool = True) -> bytes:
    """A right stream that says these texts, its chunks padded to unlike lengths or alike but for the text."""
    chunks = [chunk({"role": "assistant", "content": "", "refusal": None})]
    chunks += [
        chunk({"content": text}) | ({"obfuscation": "xy7" * (1 + at % 5)} if padded else {})
        for at, text in enumerate(texts)
    ]
    chunks.append(chunk({}, "stop"))
    if usage:
        counts = {"prompt_tokens": 20, "completion_tokens": 32, "total_tokens": 52}
        chunks.append({**chunk({}), "choices": [], "usage": counts})
    return framed([*chunks, DONE])


def framed(payloads: Iterable[Object | str]) -> bytes:
    """Payloads as server-sent events."""
    return b"".join(
        b"data: " + (payload.encode() if isinstance(payload, str) else orjson.dumps(payload)) + b"\n\n"
        for payload in payloads
    )


def stream_of(payloads: Iterable[Object | str]) -> ChunkStream:
    """The evidence that payloads make."""
    request = Request("POST", "http://127.0.0.1/v1/chat/completions", (), b"{}", 0)
    response = Response(200, "HTTP/1.1", (), 1, (Read(2, framed(payloads)),))
    exchange = Exchange(request, response, Ending.COMPLETE, 3)
    scenario = Scenario("s", "S.", chat({"messages": []}))
    return ChunkStream.of(Observation(scenario, "raw", "", Mode.STREAM, exchange, Reply()))
