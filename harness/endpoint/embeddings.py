"""Embeddings: deterministic unit vectors.

Source: OpenAI API reference, "Create embeddings"; a vector with fewer dimensions is the longer one's head,
normalised again, as that page describes it.
"""

import base64
import hashlib
import math
import struct
from typing import cast

from harness.endpoint import shape, tokens
from harness.endpoint.answer import Answer, Json, JsonObject, plain
from harness.endpoint.refusal import Refusal
from harness.endpoint.shape import Fields, array, choice, nullable

DEFAULT_DIMENSIONS = 256
MOST_DIMENSIONS = 2048
MOST_INPUTS = 2048
INPUT_TOKENS = 8192


def inputs(value: Json, path: str) -> None:
    """A text, up to 2048 of them, one text's token ids, or those of up to 2048 texts; none is empty."""
    if isinstance(value, str):
        _text(value, path)
        return
    if not isinstance(value, list):
        raise shape.wrong_type(
            path, "one of a string, array of strings, array of integers, or array of arrays", value
        )
    kinds = {type(item) for item in value}
    if kinds == {int}:
        array(shape.integer(0), of="integers", minimum=1)(value, path)
    elif kinds == {list}:
        array(array(shape.integer(0), of="integers", minimum=1), of="arrays", maximum=MOST_INPUTS)(
            value, path
        )
    else:
        array(_text, of="strings", minimum=1, maximum=MOST_INPUTS)(value, path)


def _text(value: Json, path: str) -> None:
    shape.string()(value, path)
    if not value:
        raise Refusal(f"Invalid '{path}': input cannot be an empty string.", param=path)


EMBEDDINGS = Fields(
    {
        "model": shape.string(),
        "input": inputs,
        "encoding_format": nullable(choice("float", "base64")),
        "dimensions": nullable(shape.integer(1, MOST_DIMENSIONS)),
        "user": nullable(shape.string()),
    },
    is_closed=True,
)


def check(body: JsonObject) -> JsonObject:
    """The body, when OpenAI would take it."""
    if not body.get("model"):
        raise Refusal("you must provide a model parameter")
    if "input" not in body:
        raise shape.missing("input")
    EMBEDDINGS(body, "")
    return body


def answer(body: JsonObject) -> Answer:
    """The embeddings of a checked body: one per input, in the order of the inputs."""
    asked = body["input"]
    is_one = isinstance(asked, str) or (isinstance(asked, list) and isinstance(asked[0], int))
    texts = [_spelled(item) for item in ([asked] if is_one else cast("list[Json]", asked))]
    costs = [_cost(item) for item in ([asked] if is_one else cast("list[Json]", asked))]
    if max(costs) > INPUT_TOKENS:
        raise Refusal(
            f"This model's maximum context length is {INPUT_TOKENS} tokens, however you requested "
            f"{max(costs)} tokens ({max(costs)} in your prompt; 0 for the completion). Please reduce your "
            "prompt; or completion length.",
            param="input",
            code="context_length_exceeded",
        )
    dimensions = cast("int | None", body.get("dimensions")) or DEFAULT_DIMENSIONS
    is_packed = body.get("encoding_format") == "base64"
    data: list[Json] = [
        {
            "object": "embedding",
            "index": i,
            "embedding": _encoded(vector(text, dimensions), is_packed=is_packed),
        }
        for i, text in enumerate(texts)
    ]
    used: JsonObject = {"prompt_tokens": sum(costs), "total_tokens": sum(costs)}
    return plain({"object": "list", "data": data, "model": body["model"], "usage": used}, tokens=1)


def vector(text: str, dimensions: int) -> tuple[float, ...]:
    """A vector of length 1 that depends on the text alone; its numbers are exact in single precision."""
    noise = hashlib.shake_128(text.encode()).digest(4 * dimensions)
    raw = [number / 2**31 for number in struct.unpack(f"<{dimensions}i", noise)]
    length = math.sqrt(sum(number * number for number in raw)) or 1.0
    return struct.unpack(
        f"<{dimensions}f", struct.pack(f"<{dimensions}f", *(number / length for number in raw))
    )


def _encoded(numbers: tuple[float, ...], *, is_packed: bool) -> Json:
    """The numbers as JSON, or as base64 of little-endian single precision."""
    if is_packed:
        return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
    return list(numbers)


_KNOWN_TOKENS = {15339: "hello", 1917: " world"}
"""Ids of the public vocabulary cl100k_base. It has a hundred thousand; a stand-in need not know them all."""


def _spelled(item: Json) -> str:
    """The text that is embedded; a token id that is not known stands for itself."""
    if isinstance(item, str):
        return item
    return "".join(_KNOWN_TOKENS.get(token, f" {token}") for token in cast("list[int]", item))


def _cost(item: Json) -> int:
    return tokens.count(item) if isinstance(item, str) else len(cast("list[int]", item))
