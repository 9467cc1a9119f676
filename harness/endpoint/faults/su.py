"""Streams: faults of usage."""

from typing import Any

from harness.endpoint.departure import each, events, fault

_USAGE = ("with-usage",)


def _is_usage(chunk: Any) -> bool:
    return isinstance(chunk.get("usage"), dict)


@fault(
    "su-include-usage-ignored",
    on=events("chat"),
    shows=_USAGE,
    caught_by=("params.stream-options-honoured",),
    also=("ds-usage-needs-option", "bm-no-prompt-tokens"),
)
def include_usage_ignored(chunks: list[Any]) -> list[Any]:
    """include_usage true gives no usage chunk."""
    return [chunk for chunk in chunks if not _is_usage(chunk)]


@fault(
    "su-usage-on-finish-chunk",
    on=events("chat"),
    shows=_USAGE,
    caught_by=("stream.usage-chunk",),
)
def usage_on_finish_chunk(chunks: list[Any]) -> None:
    """usage comes with the finish reason, and not in a chunk of its own."""
    if _is_usage(chunks[-1]):
        used = chunks.pop()
        chunks[-1]["usage"] = used["usage"]


@fault(
    "su-usage-on-finish-chunk.extra",
    on=each("chat"),
    shows=_USAGE,
    caught_by=("stream.usage-chunk",),
)
def usage_chunk_has_choices(chunk: Any) -> None:
    """The usage chunk has an extra choice with an empty delta."""
    if _is_usage(chunk):
        chunk["choices"] = [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": None}]


@fault(
    "su-usage-first",
    on=events("chat"),
    shows=_USAGE,
    caught_by=("stream.usage-last",),
    source="OpenAI API reference, chat/create: the usage chunk is the last before [DONE]",
)
def usage_first(chunks: list[Any]) -> None:
    """The usage chunk comes first."""
    if _is_usage(chunks[-1]):
        chunks.insert(0, chunks.pop())


@fault("su-usage-unasked", on=events("chat"), shows=("founding",), caught_by=("stream.usage-unasked",))
def usage_unasked(chunks: list[Any]) -> None:
    """A usage chunk comes unasked."""
    if not _is_usage(chunks[-1]):
        used = {"prompt_tokens": 9, "completion_tokens": 20, "total_tokens": 29}
        chunks.append({**chunks[-1], "choices": [], "usage": used})


@fault("su-usage-null-absent", on=each("chat"), shows=_USAGE, caught_by=("stream.usage-null-elsewhere",))
def usage_null_absent(chunk: Any) -> None:
    """With include_usage, the other chunks lack usage null."""
    if chunk.get("usage", 0) is None:
        del chunk["usage"]


@fault("su-usage-empty-object", on=each("chat"), shows=_USAGE, caught_by=("stream.schema-must",))
def usage_empty_object(chunk: Any) -> None:
    """Chunks before the last have usage {}."""
    if chunk.get("usage", 0) is None:
        chunk["usage"] = {}


@fault(
    "su-usage-mismatch",
    on=each("chat"),
    shows=_USAGE,
    caught_by=("parity.prompt-tokens",),
)
def usage_mismatch_prompt(chunk: Any) -> None:
    """The stream counts one prompt token, the plain answer all of them."""
    if _is_usage(chunk):
        used = chunk["usage"]
        used["prompt_tokens"], used["total_tokens"] = 1, 1 + used["completion_tokens"]


@fault(
    "su-usage-mismatch.completion",
    on=each("chat"),
    shows=("stream-beside-tool",),
    caught_by=("stream.no-uncounted-text",),
)
def usage_mismatch_completion(chunk: Any) -> None:
    """The stream counts one completion token for a long text."""
    if _is_usage(chunk):
        used = chunk["usage"]
        used["completion_tokens"], used["total_tokens"] = 1, used["prompt_tokens"] + 1


@fault(
    "su-usage-every-chunk",
    on=events("chat"),
    shows=_USAGE,
    caught_by=("stream.usage-once",),
    also=("lc-usage-summed",),
    source="one of the faults that six conformance tools leave silent",
)
def usage_every_chunk(chunks: list[Any]) -> None:
    """Every chunk has the whole usage."""
    for chunk in chunks:
        chunk["usage"] = chunks[-1]["usage"] if "usage" in chunk else None


@fault(
    "lc-usage-summed.running",
    on=events("chat"),
    shows=_USAGE,
    caught_by=("stream.usage-once",),
)
def usage_running(chunks: list[Any]) -> None:
    """Every chunk has the usage so far."""
    for number, chunk in enumerate(chunks[:-1]):
        if "usage" in chunk:
            used = {"prompt_tokens": chunks[-1]["usage"]["prompt_tokens"], "completion_tokens": number}
            chunk["usage"] = {**used, "total_tokens": sum(used.values())}


@fault(
    "su-usage-in-choice",
    on=events("chat"),
    shows=_USAGE,
    caught_by=("stream.usage-on-top",),
)
def usage_in_choice(chunks: list[Any]) -> None:
    """usage stands inside the last choice."""
    if _is_usage(chunks[-1]):
        used = chunks.pop()
        chunks[-1]["choices"][0]["usage"] = used["usage"]


@fault(
    "su-usage-in-choice.own-key",
    on=each("chat"),
    shows=_USAGE,
    caught_by=(
        "params.stream-options-honoured",
        "stream.empty-choices",
    ),
)
def usage_under_another_key(chunk: Any) -> None:
    """usage stands under a key of the vendor's own."""
    if _is_usage(chunk):
        used = chunk.pop("usage")
        chunk["amazon-bedrock-invocationMetrics"] = {
            "inputTokenCount": used["prompt_tokens"],
            "outputTokenCount": used["completion_tokens"],
        }


@fault(
    "su-usage-sum",
    on=each("chat"),
    shows=_USAGE,
    caught_by=("stream.usage-sum",),
    also=("cn-usage-sum",),
    source="mozilla-ai/any-llm#1290",
)
def usage_sum(chunk: Any) -> None:
    """The stream's total_tokens is not the sum of the two others."""
    if _is_usage(chunk):
        chunk["usage"]["total_tokens"] += 5


@fault(
    "su-usage-parts",
    on=each("chat"),
    shows=_USAGE,
    caught_by=("stream.usage-parts",),
    source="router-for-me/CLIProxyAPI#5733",
)
def usage_parts(chunk: Any) -> None:
    """The stream counts more reasoning_tokens than completion_tokens."""
    if _is_usage(chunk):
        used = chunk["usage"]
        used["completion_tokens_details"]["reasoning_tokens"] = used["completion_tokens"] + 60


@fault(
    "su-usage-key-unasked",
    on=each("chat"),
    shows=("founding",),
    caught_by=("stream.usage-key-unasked",),
    source="recorded streams of OpenAI: no usage key unless it is asked for",
)
def usage_key_unasked(chunk: Any) -> None:
    """Every chunk has usage null, unasked."""
    chunk.setdefault("usage", None)


@fault(
    "su-usage-choices-missing",
    on=each("chat"),
    shows=_USAGE,
    caught_by=("stream.schema-must",),
    source="vercel/ai#7417",
)
def usage_without_choices(chunk: Any) -> None:
    """The usage chunk has no choices."""
    if chunk.get("usage"):
        del chunk["choices"]
