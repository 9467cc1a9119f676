"""Legacy completions: from a request to the objects of a plain answer or of a stream.

Source: OpenAI API reference, "Create completion" (legacy) and "Completion object".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from harness.endpoint import model, requests, shape, tokens
from harness.endpoint.answer import EVENT_STREAM, Answer, Json, JsonObject, Kind, Piece, plain
from harness.endpoint.conversation import Ask, Message
from harness.endpoint.model import Finish, Limits
from harness.endpoint.refusal import Refusal, too_long
from harness.endpoint.shape import Fields, array, nullable
from harness.endpoint.stamp import FINGERPRINT, Stamp

_DEFAULT_CAP = 16
_MOST_CHOICES = 128


def _prompt(value: Json, path: str) -> None:
    """A text, texts, one text's token ids, or several texts' token ids."""
    if isinstance(value, str):
        return
    if not isinstance(value, list):
        raise shape.wrong_type(
            path, "one of a string, array of strings, array of integers, or array of arrays", value
        )
    kinds = {type(item) for item in value}
    if kinds == {int}:
        array(shape.integer(0), of="integers")(value, path)
    elif kinds == {list}:
        array(array(shape.integer(0), of="integers", minimum=1), of="arrays")(value, path)
    else:
        array(shape.string(), of="strings", minimum=1)(value, path)


COMPLETIONS = Fields(
    {
        "model": shape.string(),
        "prompt": nullable(_prompt),
        "suffix": nullable(shape.string()),
        "max_tokens": nullable(shape.integer(0)),
        "temperature": nullable(shape.decimal(0, 2)),
        "top_p": nullable(shape.decimal(0, 1)),
        "n": nullable(shape.integer(1, _MOST_CHOICES)),
        "stream": nullable(shape.boolean),
        "stream_options": nullable(requests.STREAM_OPTIONS),
        "logprobs": nullable(shape.integer(0, 5)),
        "echo": nullable(shape.boolean),
        "stop": nullable(requests.stop_sequences),
        "presence_penalty": nullable(shape.decimal(-2, 2)),
        "frequency_penalty": nullable(shape.decimal(-2, 2)),
        "best_of": nullable(shape.integer(1, 20)),
        "logit_bias": nullable(requests.logit_bias),
        "seed": nullable(shape.integer(-(2**63), 2**63 - 1)),
        "user": shape.string(),
    },
    is_closed=True,
)


@dataclass(frozen=True, slots=True)
class _Text:
    """One choice: its tokens, of which the first `echoed` are the prompt's."""

    words: tuple[str, ...]
    echoed: int
    finish: Finish


def check(body: JsonObject) -> JsonObject:
    """The body, when OpenAI would take it."""
    if not body.get("model"):
        raise Refusal("you must provide a model parameter")
    COMPLETIONS(body, "")
    if body.get("stream_options") is not None and not body.get("stream"):
        raise Refusal(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )
    best_of, n = cast("int | None", body.get("best_of")), cast("int | None", body.get("n")) or 1
    if best_of is not None and best_of < n:
        raise Refusal(
            "You requested that the server return more choices than it will generate (HINT: best_of < n)."
        )
    if best_of is not None and best_of > n and body.get("stream"):
        raise Refusal(
            "You requested that the server stream back results with 'best_of' above 'n', which it can't."
        )
    if n * len(_prompts(body)) > _MOST_CHOICES:
        raise Refusal(f"You requested more than {_MOST_CHOICES} choices for all prompts together.", param="n")
    return body


def answer(body: JsonObject, stamp: Stamp) -> Answer:
    """The answer to a checked body: `n` choices for each prompt in turn."""
    prompts, n = _prompts(body), cast("int | None", body.get("n")) or 1
    texts = [_completed(body, prompt, index) for prompt in prompts for index in range(n)]
    made = [len(text.words) - text.echoed for text in texts]
    cost = sum(map(tokens.count, prompts)) + tokens.count(str(body.get("suffix") or ""))
    used: JsonObject = {
        "prompt_tokens": cost,
        "completion_tokens": sum(made),
        "total_tokens": cost + sum(made),
    }
    if body.get("stream"):
        return Answer(200, EVENT_STREAM, tuple(_chunks(body, stamp, texts, used)), is_stream=True)
    choices = [_choice(body, i, text, text.words, 0, text.finish) for i, text in enumerate(texts)]
    return plain({**_frame(body, stamp, choices), "usage": used}, tokens=max(made))


def _prompts(body: JsonObject) -> list[str]:
    """The prompts as texts; token ids, which stand for no text of this model, as their numbers."""
    prompt = body.get("prompt") or ""
    if isinstance(prompt, str):
        return [prompt]
    items = cast("list[Json]", prompt)
    if isinstance(items[0], int):
        items = [items]
    return [item if isinstance(item, str) else " ".join(map(str, cast("list[int]", item))) for item in items]


def _completed(body: JsonObject, prompt: str, index: int) -> _Text:
    cap = cast("int | None", body.get("max_tokens"))
    cap = _DEFAULT_CAP if cap is None else cap
    cost = tokens.count(prompt)
    if cost + cap > requests.CONTEXT_TOKENS:
        raise too_long(requests.CONTEXT_TOKENS, cost, cap, "prompt")
    ask = Ask((Message("user", prompt),), seed=cast("int | None", body.get("seed")) or 0)
    made = model.generate(ask, Limits(cap, requests.read_stop(body.get("stop"))), index=index)
    echoed = tokens.split(prompt) if body.get("echo") else ()
    return _Text((*echoed, *made.words), len(echoed), made.finish)


def _choice(
    body: JsonObject, index: int, text: _Text, words: tuple[str, ...], start: int, finish: str | None
) -> Json:
    """The tokens `words` of a choice, which begin at token number `start`."""
    return {
        "text": "".join(words),
        "index": index,
        "logprobs": _logprobs(body, text, words, start),
        "finish_reason": finish,
    }


def _logprobs(body: JsonObject, text: _Text, words: tuple[str, ...], start: int) -> Json:
    """Four arrays with an entry per token; the first token of an echoed prompt follows nothing."""
    top = cast("int | None", body.get("logprobs"))
    if top is None:
        return None
    offset = len("".join(text.words[:start]))
    offsets: list[Json] = []
    for word in words:
        offsets.append(offset)
        offset += len(word)
    places = range(start, start + len(words))
    is_first = [place == 0 and text.echoed > 0 for place in places]
    return {
        "tokens": list(words),
        "token_logprobs": [
            None if first else model.logprob(word, place)
            for word, place, first in zip(words, places, is_first, strict=True)
        ],
        "top_logprobs": [
            None if first else dict(model.alternatives(word, place, top))
            for word, place, first in zip(words, places, is_first, strict=True)
        ],
        "text_offset": offsets,
    }


def _frame(body: JsonObject, stamp: Stamp, choices: list[Json]) -> JsonObject:
    return {
        "id": f"cmpl-{stamp.unique}",
        "object": "text_completion",
        "created": stamp.created,
        "model": body["model"],
        "choices": choices,
        "system_fingerprint": FINGERPRINT,
    }


def _chunks(body: JsonObject, stamp: Stamp, texts: list[_Text], used: JsonObject) -> Iterator[Piece]:
    """The chunks of a stream: an echoed prompt at once, then token by token; the choices take turns."""
    with_usage = bool(cast("JsonObject", body.get("stream_options") or {}).get("include_usage"))
    extra: JsonObject = {"usage": None} if with_usage else {}

    def chunk(kind: Kind, choice: Json, made: int) -> Piece:
        return Piece(kind, {**_frame(body, stamp, [choice]), **extra}, made)

    for index, text in enumerate(texts):
        if text.echoed:
            words = text.words[: text.echoed]
            yield chunk(Kind.ROLE, _choice(body, index, text, words, 0, None), 0)
    for turn in range(max(len(text.words) - text.echoed for text in texts)):
        made = 1
        for index, text in enumerate(texts):
            place = text.echoed + turn
            if place < len(text.words):
                words = text.words[place : place + 1]
                yield chunk(Kind.CONTENT, _choice(body, index, text, words, place, None), made)
                made = 0
    for index, text in enumerate(texts):
        yield chunk(
            Kind.FINISH, {"text": "", "index": index, "logprobs": None, "finish_reason": text.finish}, 0
        )
    if with_usage:
        yield Piece(Kind.USAGE, {**_frame(body, stamp, []), "usage": used})
    yield Piece(Kind.DONE, None)
