"""The `openai` client: `chat.completions.create(…)`, streamed and plain, as its users call it."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.clients import Connection as Endpoint
from harness.clients.sdk import sdk_options
from harness.load.clients import LoadClient, arguments_of
from harness.load.received import Due
from harness.scenario import Mode

if TYPE_CHECKING:
    import httpx2

    from harness.load.sdk import Use

NAME = "openai"


def opened(endpoint: Endpoint) -> Callable[[], LoadClient]:
    """What makes a client for each user."""
    from harness.load.sdk import sdk_client

    return partial(sdk_client, NAME, endpoint, partial(_use, endpoint))


def _use(endpoint: Endpoint, http: "httpx2.Client") -> "Use":
    from openai import OpenAI

    sdk = OpenAI(http_client=http, **sdk_options(endpoint))

    def use(due: Due, mode: Mode) -> Iterator[bool]:
        body: dict[str, Any] = arguments_of(due, endpoint, mode)
        headers = {"X-Client-Request-Id": str(due.ordinal)}
        if due.request.operation == "embeddings":
            yield bool(sdk.embeddings.create(**body, extra_headers=headers).data)
            return
        answer = sdk.chat.completions.create(**body, extra_headers=headers)
        if mode is Mode.PLAIN:
            yield any(_has_output(choice.message) for choice in answer.choices)
            return
        for chunk in answer:
            yield any(_has_output(choice.delta) for choice in chunk.choices)

    return use


def _has_output(message: Any) -> bool:
    texts = ("content", "refusal", "reasoning_content", "reasoning")
    return any(getattr(message, name, None) for name in (*texts, "tool_calls"))
