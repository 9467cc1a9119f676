"""Chat completions: from a request to the objects of a plain answer or of a stream.

The shapes are those that OpenAI sends, optional members included; `harness.endpoint.dashscope` rewrites
them. Sources: OpenAI API reference, "Chat completion object" and "Chat completion chunk object".
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from harness.endpoint import model
from harness.endpoint.answer import EVENT_STREAM, Answer, Json, JsonObject, Kind, Piece, plain
from harness.endpoint.model import Generated
from harness.endpoint.requests import ChatRequest
from harness.endpoint.stamp import FINGERPRINT, Stamp, filling


def answer(request: ChatRequest, stamp: Stamp) -> Answer:
    """The answer to a chat request, plain or streamed as it asks."""
    effort = "low" if request.is_thinking else request.effort
    thought = model.reasoning(request.ask, effort)[: request.most_thoughts]
    room = 0 if request.caps_thoughts else len(thought)
    limits = replace(request.limits, cap=request.limits.cap + room)
    choices = [model.generate(request.ask, limits, thought, index) for index in range(request.n)]
    if request.is_stream:
        return Answer(200, EVENT_STREAM, tuple(_chunks(request, stamp, choices)), is_stream=True)
    return plain(_completion(request, stamp, choices), tokens=max(choice.tokens for choice in choices))


def _usage(request: ChatRequest, choices: list[Generated]) -> JsonObject:
    completion = sum(choice.tokens for choice in choices)
    reasoning = sum(len(choice.reasoning) for choice in choices)
    read: JsonObject = {"cached_tokens": request.cache.read if request.cache else 0, "audio_tokens": 0}
    written: JsonObject = {"cache_write_tokens": request.cache.written} if request.cache else {}
    return {
        "prompt_tokens": request.prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": request.prompt_tokens + completion,
        "prompt_tokens_details": {**read, **written},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _completion(request: ChatRequest, stamp: Stamp, choices: list[Generated]) -> JsonObject:
    return {
        "id": f"chatcmpl-{stamp.unique}",
        "object": "chat.completion",
        "created": stamp.created,
        "model": request.model,
        "choices": [
            {
                "index": index,
                "message": _message(request, stamp, choice, index),
                "logprobs": None if choice.calls else _logprobs(request, choice.words, 0),
                "finish_reason": choice.finish,
            }
            for index, choice in enumerate(choices)
        ],
        "usage": _usage(request, choices),
        "service_tier": request.tier,
        "system_fingerprint": FINGERPRINT,
    }


def _message(request: ChatRequest, stamp: Stamp, choice: Generated, index: int) -> JsonObject:
    message: JsonObject = {"role": "assistant", "content": None if choice.calls else choice.text}
    if request.is_thinking:
        message["reasoning_content"] = "".join(choice.reasoning)
    if choice.calls:
        message["tool_calls"] = [
            {
                "id": stamp.id("call_", index, i),
                "type": "function",
                "function": {"name": call.name, "arguments": call.text},
            }
            for i, call in enumerate(choice.calls)
        ]
    return {**message, "refusal": None, "annotations": []}


def _logprobs(request: ChatRequest, words: tuple[str, ...], start: int) -> Json:
    """One entry per token; null when none are wanted."""
    if request.top_logprobs is None:
        return None
    content: list[Json] = [
        token_logprob(word, start + i, request.top_logprobs) for i, word in enumerate(words)
    ]
    return {"content": content, "refusal": None}


def token_logprob(word: str, position: int, top: int) -> JsonObject:
    """The log probability of one token, and of the `top` likeliest at its place."""
    likeliest: list[Json] = [
        {"token": other, "logprob": value, "bytes": list(other.encode())}
        for other, value in model.alternatives(word, position, top)
    ]
    return {
        "token": word,
        "logprob": model.logprob(word, position),
        "bytes": list(word.encode()),
        "top_logprobs": likeliest,
    }


# --- streams ---


@dataclass(frozen=True, slots=True)
class _Step:
    """One delta of one choice; `text` is what it says, for obfuscation, and `tokens` what it took to make."""

    kind: Kind
    delta: JsonObject
    tokens: int = 0
    logprobs: Json = None
    finish: str | None = None
    text: str = ""


def _chunks(request: ChatRequest, stamp: Stamp, choices: list[Generated]) -> Iterator[Piece]:
    """The chunks of a stream: the choices take turns, then usage if it is wanted, then the end marker."""
    steps = [list(_steps(request, stamp, choice, index)) for index, choice in enumerate(choices)]
    for turn in range(max(map(len, steps))):
        made = max(mine[turn].tokens for mine in steps if turn < len(mine))
        for index, mine in enumerate(steps):
            if turn < len(mine):
                yield Piece(mine[turn].kind, _chunk(request, stamp, index, turn, mine[turn]), made)
                made = 0
    if request.with_usage:
        yield Piece(
            Kind.USAGE, _chunk_of(request, stamp, [], _usage(request, choices), filling(stamp.unique, ""))
        )
    yield Piece(Kind.DONE, None)


def _steps(request: ChatRequest, stamp: Stamp, choice: Generated, index: int) -> Iterator[_Step]:
    """The deltas of one choice: the role, the tokens one by one, the finish reason.

    Reasoning is hidden, and only paid and waited for, unless the request turned thinking on.
    """
    opening: JsonObject = {"role": "assistant", "content": None if choice.calls else "", "refusal": None}
    yield _Step(Kind.ROLE, opening)
    hidden = 0 if request.is_thinking else len(choice.reasoning)
    if request.is_thinking:
        for thought in choice.reasoning:
            yield _Step(Kind.REASONING, {"reasoning_content": thought}, 1, text=thought)
    for i, word in enumerate(choice.words):
        yield _Step(Kind.CONTENT, {"content": word}, 1 + hidden, _logprobs(request, (word,), i), text=word)
        hidden = 0
    for i, call in enumerate(choice.calls):
        function: JsonObject = {"name": call.name, "arguments": ""}
        first: JsonObject = {
            "index": i,
            "id": stamp.id("call_", index, i),
            "type": "function",
            "function": function,
        }
        yield _Step(Kind.TOOL_CALL, {"tool_calls": [first]}, 1 + hidden)
        hidden = 0
        for part in call.arguments:
            more: JsonObject = {"index": i, "function": {"arguments": part}}
            yield _Step(Kind.TOOL_CALL, {"tool_calls": [more]}, 1, text=part)
    yield _Step(Kind.FINISH, {}, hidden, finish=choice.finish)


def _chunk(request: ChatRequest, stamp: Stamp, index: int, turn: int, step: _Step) -> JsonObject:
    choice: JsonObject = {
        "index": index,
        "delta": step.delta,
        "logprobs": step.logprobs,
        "finish_reason": step.finish,
    }
    return _chunk_of(request, stamp, [choice], None, filling(f"{stamp.unique}/{index}/{turn}", step.text))


def _chunk_of(
    request: ChatRequest, stamp: Stamp, choices: list[Json], used: Json, obfuscation: str
) -> JsonObject:
    chunk: JsonObject = {
        "id": f"chatcmpl-{stamp.unique}",
        "object": "chat.completion.chunk",
        "created": stamp.created,
        "model": request.model,
        "service_tier": request.tier,
        "system_fingerprint": FINGERPRINT,
        "choices": choices,
    }
    if request.with_usage:
        chunk["usage"] = used
    if request.with_obfuscation:
        chunk["obfuscation"] = obfuscation
    return chunk
