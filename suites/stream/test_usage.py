"""Usage in a stream: asked for with `stream_options.include_usage`, and counted once."""

from collections.abc import Iterator, Mapping

from harness.evidence import shown
from harness.evidence.chat import Chunk, ChunkStream
from harness.rule import Violation, Violations, in_chunk, rule
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
)
def usage_comes_when_asked(stream: ChunkStream) -> Violations:
    """A stream that is asked for usage gives it."""
    if not any(_with_usage(stream)):
        yield Violation(received="no usage in any chunk", expected="one chunk with usage")


@rule(
    "stream.usage-once",
    level="must",
    source="langchain-ai/langchain#30429",
    breaks="LangChain adds the counts up, so that costs come out many times too high.",
)
def usage_comes_once(stream: ChunkStream) -> Violations:
    """Usage is given by one chunk at most."""
    for again in list(_with_usage(stream))[1:]:
        yield in_chunk(
            again, "/usage", received=shown(again.body["usage"]), expected="usage in one chunk only"
        )


@rule(
    "stream.usage-chunk",
    level="spec",
    source=f"{_SOURCE}; ggml-org/llama.cpp#15443",
    breaks="Clients that read usage from the chunk without choices miss it.",
    when=_asks_for_usage,
)
def usage_has_a_chunk_of_its_own_at_the_end(stream: ChunkStream) -> Violations:
    """Usage comes in the last chunk, whose `choices` is empty."""
    for chunk in _with_usage(stream):
        if chunk.body.get("choices") != []:
            yield in_chunk(
                chunk, "/choices", received=shown(chunk.body.get("choices")), expected="[] beside usage"
            )
        elif chunk is not stream.chunks[-1]:
            yield in_chunk(chunk, "/usage", received="chunks after it", expected="usage in the last chunk")


@rule(
    "stream.usage-null-elsewhere",
    level="recommended",
    source=f"{_SOURCE}: all other chunks have usage null",
    breaks="Only strict validators.",
    when=_asks_for_usage,
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
