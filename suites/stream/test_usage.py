"""Usage in a stream: asked for with `stream_options.include_usage`, and counted once."""

from collections.abc import Iterator, Mapping

from harness.evidence import shown
from harness.evidence.chat import Chunk, ChunkStream
from harness.rule import Ground, Violation, Violations, in_chunk, rule
from harness.scenario import Mode, Scenario

_SOURCE = "OpenAI API reference, chat/create: stream_options.include_usage"


def _asks_for_usage(scenario: Scenario) -> bool:
    options = scenario.params_for(Mode.STREAM).get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def _does_not_ask(scenario: Scenario) -> bool:
    return not _asks_for_usage(scenario)


def _with_usage(stream: ChunkStream) -> Iterator[Chunk]:
    return (chunk for chunk in stream.chunks if chunk.body.get("usage") is not None)


@rule(
    "stream.usage-given",
    level="spec",
    source=f"{_SOURCE}; ollama/ollama#4448",
    breaks="LangChain's usage_metadata is None, costs are 0, benchmarks have no tokens.",
    when=_asks_for_usage,
    answers=("su-include-usage-ignored", "ds-usage-needs-option", "bm-no-prompt-tokens"),
    rests_on=(Ground.HONOURED,),
)
def usage_comes_when_asked(stream: ChunkStream) -> Violations:
    """A stream that is asked for usage gives it."""
    if not any(_with_usage(stream)):
        yield Violation(received="no usage in any chunk", expected="one chunk with usage")


@rule(
    "stream.usage-null-elsewhere",
    level="recommended",
    source=f"{_SOURCE}: all other chunks have usage null",
    breaks="Only strict validators.",
    when=_asks_for_usage,
    answers=("su-usage-null-absent",),
)
def usage_is_null_elsewhere(stream: ChunkStream) -> Violations:
    """When usage is asked for, every other chunk has `usage: null`."""
    for chunk in stream.chunks:
        if "usage" not in chunk.body:
            yield in_chunk(chunk, "/usage", received="no key", expected="null")


@rule(
    "stream.usage-unasked",
    level="spec",
    source=f"{_SOURCE}; datawhalechina/hello-agents#425",
    breaks="Loops on `chunk.choices[0]` raise IndexError at a usage chunk that nobody asked for.",
    when=_does_not_ask,
    answers=("su-usage-unasked",),
)
def usage_does_not_come_unasked(stream: ChunkStream) -> Violations:
    """A stream that is not asked for usage gives none."""
    for chunk in _with_usage(stream):
        yield in_chunk(chunk, "/usage", received=shown(chunk.body["usage"]), expected="no usage")


@rule(
    "stream.usage-key-unasked",
    level="recommended",
    source="recorded streams of OpenAI",
    breaks="Only strict validators.",
    when=_does_not_ask,
)
def the_usage_key_does_not_come_unasked(stream: ChunkStream) -> Violations:
    """A stream that is not asked for usage has no `usage` key."""
    for chunk in stream.chunks:
        if "usage" in chunk.body and chunk.body["usage"] is None:
            yield in_chunk(chunk, "/usage", received="null", expected="no key")


@rule(
    "stream.usage-sum",
    level="spec",
    source="OpenAI API reference, completion usage; mozilla-ai/any-llm#1290",
    breaks="Costs and tokens per second come out wrong.",
    answers=("cn-usage-sum",),
)
def the_streamed_total_is_the_sum(stream: ChunkStream) -> Violations:
    """usage.total_tokens is prompt_tokens plus completion_tokens in a stream too."""
    for chunk in _with_usage(stream):
        usage = chunk.body["usage"]
        if isinstance(usage, Mapping):
            prompt, done, total = (usage.get(f"{part}_tokens") for part in ("prompt", "completion", "total"))
            if isinstance(prompt, int) and isinstance(done, int) and total != prompt + done:
                yield in_chunk(
                    chunk, "/usage/total_tokens", received=shown(usage), expected=f"total {prompt + done}"
                )


@rule(
    "stream.usage-parts",
    level="spec",
    source="OpenAI API reference, completion usage details; router-for-me/CLIProxyAPI#1643",
    breaks="Costs come out wrong.",
    answers=("cn-usage-sum",),
)
def a_streamed_part_is_no_more_than_the_whole(stream: ChunkStream) -> Violations:
    """Cached tokens are part of the prompt's, reasoning tokens part of the completion's, streamed too."""
    for chunk in _with_usage(stream):
        counts = chunk.body["usage"] if isinstance(chunk.body["usage"], Mapping) else {}
        for whole, part in (("prompt", "cached"), ("completion", "reasoning")):
            details = counts.get(f"{whole}_tokens_details")
            part_count = details.get(f"{part}_tokens") if isinstance(details, Mapping) else None
            whole_count = counts.get(f"{whole}_tokens")
            if isinstance(part_count, int) and isinstance(whole_count, int) and part_count > whole_count:
                yield in_chunk(
                    chunk,
                    f"/usage/{whole}_tokens_details/{part}_tokens",
                    received=f"{part_count} {part} of {whole_count} {whole} tokens",
                    expected=f"at most {whole_count}",
                )


@rule(
    "stream.usage-on-top",
    level="spec",
    source=f"{_SOURCE}; earendil-works/pi#2017",
    breaks="The SDK and LangChain read usage from the chunk alone, find none, and count costs of 0.",
    answers=("su-usage-in-choice",),
)
def usage_is_not_hidden_in_a_choice(stream: ChunkStream) -> Violations:
    """Usage stands in the chunk, and not in one of its choices."""
    for chunk in stream.chunks:
        for pointer, choice in chunk.choices:
            if choice.get("usage") is not None:
                yield in_chunk(
                    chunk, f"{pointer}/usage", received=shown(choice["usage"]), expected="usage in the chunk"
                )
