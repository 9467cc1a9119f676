from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from harness.endpoint.server import Address


@dataclass(frozen=True)
class Caller:
    """Raw HTTP to one endpoint, and nothing that repairs or interprets."""

    address: Address
    http: httpx.Client

    def post(self, path: str, body: Mapping[str, Any]) -> httpx.Response:
        return self.http.post(path, json=body)

    def ask(self, said: str | Sequence[Mapping[str, Any]], **params: Any) -> httpx.Response:
        """A chat request: a prompt or messages, and whatever else."""
        messages = [{"role": "user", "content": said}] if isinstance(said, str) else said
        return self.post("/chat/completions", {"model": self.address.model, "messages": messages, **params})

    def chat(self, said: str | Sequence[Mapping[str, Any]], **params: Any) -> dict[str, Any]:
        answer = self.ask(said, **params)
        assert answer.status_code == 200, answer.text
        return orjson.loads(answer.content)

    def text(self, said: str | Sequence[Mapping[str, Any]], **params: Any) -> str:
        return self.chat(said, **params)["choices"][0]["message"]["content"]

    def stream(self, said: str | Sequence[Mapping[str, Any]], **params: Any) -> list[dict[str, Any]]:
        """The chunks of a chat stream, without the end marker."""
        answer = self.ask(said, **params, stream=True)
        assert answer.status_code == 200, answer.text
        return chunks(answer.content)

    def refusal(self, said: str | Sequence[Mapping[str, Any]], **params: Any) -> dict[str, Any]:
        answer = self.ask(said, **params)
        assert answer.status_code == 400, answer.text
        return orjson.loads(answer.content)["error"]


def data(body: bytes) -> list[bytes]:
    """What the `data:` lines of a stream carry, by its bytes alone."""
    lines = (line for event in body.split(b"\n\n") for line in event.split(b"\n"))
    return [line.removeprefix(b"data:").removeprefix(b" ") for line in lines if line.startswith(b"data:")]


def chunks(body: bytes) -> list[dict[str, Any]]:
    *objects, end = data(body)
    assert end == b"[DONE]"
    return [orjson.loads(item) for item in objects]


def joined(chunks: Sequence[Mapping[str, Any]], index: int = 0) -> str:
    """The content of one choice, put together from its deltas."""
    choices = [choice for chunk in chunks for choice in chunk["choices"] if choice["index"] == index]
    return "".join(choice["delta"].get("content") or "" for choice in choices)
