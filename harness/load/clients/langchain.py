"""The `langchain` client: `ChatOpenAI(…).stream(…)` and `.invoke(…)`, as their users call them."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.clients import Connection as Endpoint
from harness.clients.sdk import sdk_options
from harness.load.clients import LoadClient, own_params
from harness.load.received import Due
from harness.scenario import Mode

if TYPE_CHECKING:
    import httpx2

    from harness.load.sdk import Use

NAME = "langchain"


def opened(endpoint: Endpoint) -> Callable[[], LoadClient]:
    """What makes a client for each user."""
    from harness.load.sdk import sdk_client

    return partial(sdk_client, NAME, endpoint, partial(_use, endpoint))


def _use(endpoint: Endpoint, http: "httpx2.Client") -> "Use":
    from langchain_openai import ChatOpenAI, OpenAIEmbeddings

    common: dict[str, Any] = {
        **sdk_options(endpoint),
        "http_client": http,
        "timeout": http.timeout,  # or LangChain would set none
    }
    chat = ChatOpenAI(model=endpoint.model_for("chat"), stream_usage=True, use_responses_api=False, **common)

    def use(due: Due, mode: Mode) -> Iterator[bool]:
        options: dict[str, Any] = dict(due.request.params)
        extra = own_params(due, endpoint, mode)
        if due.request.operation == "embeddings":
            # Texts as they are: turning them into tokens would need a tokenizer from a hub.
            embeddings = OpenAIEmbeddings(
                model=endpoint.model_for("embeddings"),
                check_embedding_ctx_length=False,
                model_kwargs={"extra_body": extra} if extra else {},
                **common,
            )
            yield bool(embeddings.embed_query(options["input"]))
            return
        messages = options.pop("messages")
        if "max_tokens" in options:
            # LangChain sends it by another name; in extra_body it keeps its own.
            extra["max_tokens"] = options.pop("max_tokens")
        if extra:
            options["extra_body"] = extra
        options["extra_headers"] = {"X-Client-Request-Id": str(due.ordinal)}
        if mode is Mode.PLAIN:
            yield _has_output(chat.invoke(messages, **options))
            return
        for chunk in chat.stream(messages, **options):
            yield _has_output(chunk)

    return use


def _has_output(message: Any) -> bool:
    return bool(message.content or message.additional_kwargs or getattr(message, "tool_call_chunks", None))
