"""The delivery of a streamed text: piece by piece, each piece once, none lost."""

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise

from harness.evidence import NotJudgedError, shown
from harness.evidence.chat import Answer, ChunkStream, Pair
from harness.evidence.runs import WholeRun
from harness.rule import Violation, Violations, in_chunk, rule

_CHUNK = "OpenAI API reference, the chat completion chunk object"
_TEXTS = ("content", "refusal", "reasoning_content", "reasoning")


@rule(
    "stream.spread-over-time",
    level="spec",
    source="dstackai/dstack#4269; ggml-org/llama.cpp#24774",
    breaks="Users wait for the whole answer; time to first token is the total time.",
    answers=("sf-buffered", "bm-proxy-buffer"),
)
def streams_are_not_held_back(run: WholeRun) -> Violations:
    """Streams that take a while come piece by piece, and not all at their end."""
    streams = [stream for stream in run.streams if len(_arrivals_ns(stream)) > _FEW_CHUNKS]
    held_back = [said for stream in streams if (said := _held_back(stream))]
    # One stream alone may have waited for a cache or for a busy machine, and then come at once.
    if 2 * len(held_back) > len(streams):
        yield Violation(
            received=f"{len(held_back)} of {len(streams)} streams held back: {held_back[0]}",
            expected="chunks as they are made",
        )


def _held_back(stream: ChunkStream) -> str:
    """What shows that a stream came all at its end; empty where nothing does."""
    texts = _arrivals_ns(stream)
    waited_ms = (texts[0] - stream.observation.exchange.request.sent_ns) / 1e6
    spread_ms = (texts[-1] - texts[0]) / 1e6
    if waited_ms <= _LONG_WAIT_MS or spread_ms >= _HELD_BACK_SHARE * waited_ms:
        return ""
    where = f"{stream.observation.scenario.name} ({stream.observation.client})"
    return f"{len(texts)} chunks of {where} within {spread_ms:.0f} ms, after {waited_ms:.0f} ms of silence"


_FEW_CHUNKS = 20
_LONG_WAIT_MS = 500
_HELD_BACK_SHARE = 0.05
"""A stream whose chunks all came in the last twentieth of a long wait was held back by someone."""


@rule(
    "stream.no-bursts",
    level="recommended",
    source="dstackai/dstack#4269: 64 chunks at a time from a proxy with a buffer of 16 KB",
    breaks="Users see the text in jumps; times between tokens are 0 or far too long.",
    answers=("sf-buffered", "bm-proxy-buffer"),
)
def chunks_do_not_come_in_bursts(stream: ChunkStream) -> Violations:
    """Chunks come as they are made, and not dozens at a time."""
    texts = _arrivals_ns(stream)
    if len(texts) <= _FEW_CHUNKS or texts[-1] - texts[0] < _LONG_WAIT_MS * 1e6:
        return
    bursts = len(set(texts))
    if len(texts) > _MANY_AT_ONCE * bursts:
        yield Violation(
            received=f"{len(texts)} chunks in {bursts} bursts", expected="chunks as they are made"
        )


_MANY_AT_ONCE = 16
"""Fast models and networks join a few chunks in one read, but not so many all the time."""


def _arrivals_ns(stream: ChunkStream) -> list[int]:
    return [part.chunk.event.arrived_ns for choice in stream.choices for part in choice.deltas]


@rule(
    "stream.several-chunks",
    level="spec",
    source="OpenAI API reference, chat/create: stream; ollama/ollama#9632, BerriAI/litellm#3469",
    breaks="Users wait for the whole answer; time to first token is the total time.",
    answers=("sf-tools-disable-streaming", "sc-coarse-chunks"),
)
def a_long_text_comes_in_several_chunks(stream: ChunkStream) -> Violations:
    """A long text comes in more than one chunk, with tools too."""
    for choice in stream.choices:
        pieces = [part for part in choice.deltas if part.delta.get("content")]
        if len(pieces) == 1 and len(choice.text) >= _LONG_TEXT_CHARACTERS:
            yield in_chunk(
                pieces[0].chunk,
                f"{pieces[0].pointer}/delta/content",
                received=f"{len(choice.text)} characters in one chunk",
                expected="several chunks",
            )


_LONG_TEXT_CHARACTERS = 80
"""No tokenizer has a token as long as that, apart from runs of one character."""


@rule(
    "stream.fine-chunks",
    level="recommended",
    source="recorded streams of OpenAI: a token or a few in each chunk; jakobdylanc/llmcord#84",
    breaks="Users see the text in jumps; chunks are no measure of the time between tokens.",
    answers=("sc-coarse-chunks", "bm-chunks-not-tokens"),
)
def a_chunk_holds_few_tokens(stream: ChunkStream) -> Violations:
    """A chunk holds a few tokens, and not dozens."""
    chunks = sum(
        any(value for key, value in part.delta.items() if key != "role")
        for choice in stream.choices
        for part in choice.deltas
    )
    tokens = _visible_tokens(stream)
    if chunks and tokens is not None and tokens > _MANY_TOKENS * chunks:
        yield Violation(received=f"{tokens} tokens in {chunks} chunks", expected="a few tokens in each")


_MANY_TOKENS = 16


@rule(
    "stream.is-incremental",
    level="must",
    source=f"{_CHUNK}: delta; moona3k/macparakeet#1087",
    breaks="Every client joins the deltas and shows each piece of the text many times.",
    answers=("ds-incremental-output",),
)
def a_delta_holds_what_is_new(stream: ChunkStream) -> Violations:
    """A delta holds what is new, and not all that has come until then."""
    for choice in stream.choices:
        for key in _TEXTS:
            parts = [
                (part, text)
                for part in choice.deltas
                if isinstance(text := part.delta.get(key), str) and text
            ]
            is_growing = all(after.startswith(before) for (_, before), (_, after) in pairwise(parts))
            if len(parts) > _FEW_DELTAS and is_growing and parts[0][1] != parts[-1][1]:
                (_, first), (part, second) = parts[:2]
                yield in_chunk(
                    part.chunk,
                    f"{part.pointer}/delta/{key}",
                    received=f"{shown(second)} after {shown(first)}",
                    expected="the new part alone",
                )


_FEW_DELTAS = 2


@rule(
    "stream.no-replaced-text",
    level="must",
    source="The Unicode Standard, 3.9: U+FFFD stands for what could not be decoded; anomalyco/opencode#39694",
    breaks="The user reads replacement characters where the model wrote CJK or emoji.",
    answers=("sf-utf8-split",),
)
def no_character_is_lost_between_chunks(stream: ChunkStream) -> Violations:
    """No delta has U+FFFD: a character whose bytes come in two tokens is held back until it is whole."""
    for choice in stream.choices:
        for part in choice.deltas:
            for key in _TEXTS:
                text = part.delta.get(key)
                if isinstance(text, str) and "\ufffd" in text:
                    yield in_chunk(
                        part.chunk,
                        f"{part.pointer}/delta/{key}",
                        received=shown(text),
                        expected="whole characters",
                    )


@rule(
    "stream.count-unbroken",
    level="must",
    source=f"{_CHUNK}: delta; modelscope/evalscope#1642",
    breaks="The user reads another text than the model made: with holes, or with pieces twice.",
    answers=("ds-incremental-output", "sc-stream-vs-nonstream-diff"),
    when=lambda scenario: scenario.id == "capped",
)
def a_streamed_count_has_no_holes(pair: Pair) -> Violations:
    """A count that comes whole when it is plain has no hole and no repetition when it is streamed."""
    plain, streamed = _numbers(pair.plain), _numbers(pair.streamed)
    if plain != list(range(1, len(plain) + 1)):
        raise NotJudgedError("the model does not count")
    if not any(later == earlier + 1 for earlier, later in pairwise(streamed)):
        raise NotJudgedError("the model does not count when it streams")
    if streamed[0] != 1 and streamed == list(range(streamed[0], streamed[0] + len(streamed))):
        # small models begin where they like, and nothing else is missing
        raise NotJudgedError(f"the model begins to count at {streamed[0]}")
    if streamed != list(range(1, len(streamed) + 1)):
        yield Violation(received=f"{shown(streamed)} streamed", expected="1, 2, 3 and so on, as plain")


def _numbers(answer: Answer) -> list[int]:
    """The numbers of a count, the last left out: it may have been cut in two."""
    text = answer.choices[0].text if answer.choices else None
    if not text or not re.fullmatch(r"[\s\d,.，、]+", text):
        raise NotJudgedError("the model says something else than the count")
    return [int(digits) for digits in re.findall(r"\d+", text)][:-1]


@rule(
    "stream.no-lost-text",
    level="spec",
    source="OpenAI API reference, completion usage; NousResearch/hermes-agent#12753",
    breaks="The user has lost a part of the answer; tokens per second are far too high.",
    answers=("sf-error-swallowed", "su-usage-mismatch", "bm-hidden-reasoning"),
)
def as_much_text_comes_as_tokens_are_counted(stream: ChunkStream) -> Violations:
    """A stream brings as much text as its tokens can make: a byte for each, apart from reasoning's."""
    tokens, size_bytes = _visible_tokens(stream), _size_bytes(stream)
    if tokens is not None and tokens > size_bytes + _SPECIAL_TOKENS * max(1, len(stream.choices)):
        yield Violation(
            received=f"{tokens} tokens counted for {size_bytes} bytes of text",
            expected="a byte or more for each token",
        )


_SPECIAL_TOKENS = 16
"""Ends of turns, and what frames tool calls, are counted by some and shown by nobody."""


@rule(
    "stream.no-uncounted-text",
    level="spec",
    source="OpenAI API reference, completion usage; tashfeenahmed/freellmapi#845",
    breaks="Costs and tokens per second come out wrong.",
    answers=("su-usage-mismatch",),
)
def no_more_text_comes_than_tokens_are_counted(stream: ChunkStream) -> Violations:
    """A stream brings no more text than its tokens can make."""
    tokens, size_bytes = _completion_tokens(stream), _size_bytes(stream)
    if tokens is not None and size_bytes > _LARGE_TOKEN_BYTES * tokens:
        yield Violation(
            received=f"{tokens} tokens counted for {size_bytes} bytes of text",
            expected=f"more than {size_bytes // _LARGE_TOKEN_BYTES}",
            pointer="/usage/completion_tokens",
        )


_LARGE_TOKEN_BYTES = 64


def _usage(stream: ChunkStream) -> Mapping[str, object]:
    usages = [chunk.body.get("usage") for chunk in stream.chunks]
    return next((usage for usage in reversed(usages) if isinstance(usage, dict)), {})


def _completion_tokens(stream: ChunkStream) -> int | None:
    tokens = _usage(stream).get("completion_tokens")
    return tokens if isinstance(tokens, int) else None


def _visible_tokens(stream: ChunkStream) -> int | None:
    """The completion tokens that a reader can see: reasoning only where the stream shows it."""
    tokens, details = _completion_tokens(stream), _usage(stream).get("completion_tokens_details")
    reasoning = details.get("reasoning_tokens") if isinstance(details, Mapping) else None
    is_shown = any(
        part.delta.get(key)
        for choice in stream.choices
        for part in choice.deltas
        for key in ("reasoning_content", "reasoning", "reasoning_details")
    )
    if tokens is None or is_shown or not isinstance(reasoning, int):
        return tokens
    return tokens - reasoning


def _size_bytes(stream: ChunkStream) -> int:
    """The size of all that the deltas bring, tool calls and unknown texts among it."""
    return sum(
        len(text.encode("utf-8", "replace"))
        for choice in stream.choices
        for part in choice.deltas
        for text in _strings([value for key, value in part.delta.items() if key != "role"])
    )


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _strings(inner)
