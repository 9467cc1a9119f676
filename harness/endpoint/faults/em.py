"""Embeddings: faults of vectors, and of what may be embedded."""

import base64
import struct
from typing import Any

from harness.endpoint.departure import body_bytes, fault, objects, request
from harness.endpoint.refusal import Refusal

_ASK = request("embeddings")
_LIST = objects("list", operation="embeddings")
_PACKED = ("embedding-base64", "embedding-text")
_BATCH = ("embedding-batch",)


def _packed(body: Any, pack: Any) -> None:
    """Base64 vectors packed anew; vectors of numbers stay."""
    for item in body["data"]:
        if isinstance(item["embedding"], str):
            raw = base64.b64decode(item["embedding"])
            item["embedding"] = pack(struct.unpack(f"<{len(raw) // 4}f", raw))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@fault(
    "em-base64-wrong-type.float64",
    on=_LIST,
    shows=(*_PACKED, "embedding-float"),
    caught_by=("embeddings.same-vector-everywhere",),
    also=("os-embeddings-base64",),
    because="Numbers that are read from other bytes are wrong in every way in which vectors can be wrong.",
)
def base64_of_float64(body: Any) -> None:
    """Base64 holds numbers of 64 bits."""
    _packed(body, lambda numbers: _base64(struct.pack(f"<{len(numbers)}d", *numbers)))


@fault(
    "em-base64-wrong-type.big-endian",
    on=_LIST,
    shows=(*_PACKED, "embedding-float"),
    caught_by=("embeddings.same-vector-everywhere",),
    also=("os-embeddings-base64",),
    because="Numbers that are read from other bytes are wrong in every way in which vectors can be wrong.",
)
def base64_big_endian(body: Any) -> None:
    """Base64 holds numbers with their bytes the other way round."""
    _packed(body, lambda numbers: _base64(struct.pack(f">{len(numbers)}f", *numbers)))


@fault(
    "em-base64-wrong-type.repr",
    on=_LIST,
    shows=_PACKED,
    caught_by=("embeddings.base64-form",),
    because="What is no base64 gives the clients' users no vector.",
)
def base64_repr(body: Any) -> None:
    """Base64 stands inside b'...', as Python prints bytes."""
    _packed(body, lambda numbers: f"b'{_base64(struct.pack(f'<{len(numbers)}f', *numbers))}'")


@fault(
    "em-base64-wrong-type.array",
    on=_LIST,
    shows=_PACKED,
    caught_by=("embeddings.schema-must",),
    because="What is no base64 gives the clients' users no vector.",
)
def base64_in_an_array(body: Any) -> None:
    """Base64 stands inside an array."""
    _packed(body, lambda numbers: [_base64(struct.pack(f"<{len(numbers)}f", *numbers))])


@fault(
    "em-base64-wrong-type.odd",
    on=_LIST,
    shows=_PACKED,
    caught_by=("embeddings.base64-form",),
    because="What is no base64 gives the clients' users no vector.",
)
def base64_odd(body: Any) -> None:
    """Base64 lacks its last byte."""
    _packed(body, lambda numbers: _base64(struct.pack(f"<{len(numbers)}f", *numbers)[:-1]))


@fault(
    "em-base64-ignored",
    on=_ASK,
    shows=("embedding-base64",),
    caught_by=("embeddings.base64-given",),
    also=("os-embeddings-base64",),
    source="openai/openai-python#1490",
)
def base64_ignored(body: Any) -> None:
    """Numbers come where base64 is asked for."""
    body.pop("encoding_format", None)


@fault(
    "em-base64-unasked",
    on=_ASK,
    shows=("embedding-float", "embedding-batch"),
    caught_by=("embeddings.numbers",),
    source="openai/openai-node#1542",
)
def base64_unasked(body: Any) -> None:
    """Base64 comes where numbers are asked for."""
    body["encoding_format"] = "base64"


@fault(
    "em-unknown-format-accepted",
    on=_ASK,
    shows=("bad-encoding-format",),
    caught_by=("errors.values-refused",),
)
def unknown_format(body: Any) -> None:
    """An encoding_format that does not exist is accepted."""
    if body.get("encoding_format") not in ("base64", None):
        body["encoding_format"] = "float"


def _has_tokens(body: Any) -> bool:
    given = body.get("input")
    return isinstance(given, list) and bool(given) and not all(isinstance(one, str) for one in given)


@fault(
    "em-token-array-rejected",
    on=_ASK,
    shows=("embedding-tokens",),
    caught_by=("http.success",),
    also=("ds-embed-tokens", "lc-embeddings-tokens"),
)
def tokens_rejected(body: Any) -> None:
    """An input of token ids is refused with HTTP 400."""
    if _has_tokens(body):
        raise Refusal(
            "contents is neither str nor list of str.: payload.input.contents", kind="InvalidParameter"
        )


@fault(
    "em-token-array-rejected.422",
    on=_ASK,
    shows=("embedding-tokens",),
    caught_by=("http.success",),
)
def tokens_rejected_422(body: Any) -> None:
    """An input of token ids is refused with HTTP 422."""
    if _has_tokens(body):
        raise Refusal("Input should be a valid string", status=422)


@fault(
    "em-token-array-wrong",
    on=_ASK,
    shows=("embedding-tokens", "embedding-text"),
    caught_by=("embeddings.tokens-mean-text",),
    also=("lc-embeddings-tokens",),
)
def tokens_misread(body: Any) -> None:
    """Token ids are read with another tokenizer."""
    if _has_tokens(body):
        body["input"] = [[token + 1 for token in tokens] for tokens in body["input"]]


@fault(
    "em-batch-limit",
    on=_ASK,
    shows=("embedding-large-batch",),
    caught_by=("embeddings.large-batch",),
    also=("ds-embed-batch10", "lc-embeddings-chunk-size"),
)
def batch_limit(body: Any) -> None:
    """More than 10 inputs are refused."""
    if isinstance(body.get("input"), list) and len(body["input"]) > 10:
        raise Refusal(
            "Value error, batch size is invalid, it should not be larger than 10.: input.contents",
            kind="InvalidParameter",
            code="InvalidParameter",
        )


@fault(
    "em-batch-limit.dropped",
    on=_ASK,
    shows=("embedding-large-batch",),
    caught_by=("embeddings.count",),
)
def batch_cut(body: Any) -> None:
    """Of a large batch, only the first 25 inputs are embedded."""
    if isinstance(body.get("input"), list):
        body["input"] = body["input"][:25]


@fault(
    "em-ctx-per-request",
    on=_ASK,
    shows=("embedding-large-batch",),
    caught_by=("embeddings.large-batch",),
)
def context_per_request(body: Any) -> None:
    """All inputs of a batch together must fit the context."""
    if isinstance(body.get("input"), list) and sum(len(str(one)) for one in body["input"]) > 512:
        raise Refusal("input is larger than the context size", kind="exceed_context_size_error")


@fault("em-index-missing", on=_LIST, shows=_BATCH, caught_by=("embeddings.indexes",))
def index_missing(body: Any) -> None:
    """Embeddings have no index."""
    for item in body["data"]:
        del item["index"]


@fault("em-index-missing.zero", on=_LIST, shows=_BATCH, caught_by=("embeddings.indexes",))
def index_zero(body: Any) -> None:
    """Every embedding has the index 0."""
    for item in body["data"]:
        item["index"] = 0


@fault(
    "em-order",
    on=_LIST,
    shows=_BATCH,
    caught_by=("embeddings.indexes",),
    source="servers that answer in the order in which their workers finish",
    because="Vectors in another order are those of other texts.",
)
def order(body: Any) -> None:
    """Embeddings come in another order than their inputs, with the right indexes."""
    body["data"].reverse()


@fault("em-object-missing", on=_LIST, shows=_BATCH, caught_by=("embeddings.schema-must",))
def object_missing(body: Any) -> None:
    """The list has no object."""
    del body["object"]


@fault("em-object-missing.item", on=_LIST, shows=_BATCH, caught_by=("embeddings.schema-must",))
def item_object_missing(body: Any) -> None:
    """Embeddings have no object."""
    for item in body["data"]:
        del item["object"]


@fault(
    "em-dimensions-ignored",
    on=_ASK,
    shows=("embedding-dimensions",),
    caught_by=("embeddings.dimensions",),
)
def dimensions_ignored(body: Any) -> None:
    """dimensions is ignored."""
    body.pop("dimensions", None)


@fault("em-usage", on=_LIST, shows=_BATCH, caught_by=("embeddings.schema-must",))
def usage_missing(body: Any) -> None:
    """There is no usage."""
    del body["usage"]


@fault("em-usage.zero", on=_LIST, shows=_BATCH, caught_by=("embeddings.usage",))
def usage_zero(body: Any) -> None:
    """usage counts no tokens."""
    body["usage"] = {"prompt_tokens": 0, "total_tokens": 0}


@fault(
    "em-nan",
    on=body_bytes("embeddings"),
    shows=("embedding-float",),
    caught_by=("http.json",),
    source="RFC 8259, 6: NaN is not permitted",
)
def not_a_number(body: bytes) -> bytes:
    """A coordinate is NaN, which is not JSON."""
    return body.replace(b'"embedding":[', b'"embedding":[NaN,', 1)


@fault(
    "em-null",
    on=_LIST,
    shows=("embedding-float",),
    caught_by=("embeddings.schema-must",),
    source="servers that write NaN as null",
)
def coordinate_null(body: Any) -> None:
    """A coordinate is null."""
    body["data"][0]["embedding"][0] = None


@fault(
    "em-all-zero",
    on=_LIST,
    shows=("embedding-float",),
    caught_by=("embeddings.finite",),
    source="models whose pooling fails",
)
def all_zero(body: Any) -> None:
    """Every coordinate is 0."""
    for item in body["data"]:
        item["embedding"] = [0.0] * len(item["embedding"])


@fault(
    "em-lengths-differ",
    on=_LIST,
    shows=_BATCH,
    caught_by=("embeddings.equal-lengths",),
    source="OpenAI API reference, embeddings: one model has one number of dimensions",
)
def lengths_differ(body: Any) -> None:
    """The last vector is shorter than the others."""
    if isinstance(body["data"][-1]["embedding"], list):
        body["data"][-1]["embedding"].pop()


@fault(
    "em-not-normalised",
    on=_LIST,
    shows=("embedding-float",),
    caught_by=("embeddings.unit-length",),
    source="OpenAI API guide, embeddings: they are normalised to length 1",
)
def not_normalised(body: Any) -> None:
    """Vectors have the length 3."""
    for item in body["data"]:
        item["embedding"] = [3 * number for number in item["embedding"]]


@fault(
    "em-same-vector",
    on=_LIST,
    shows=_BATCH,
    caught_by=("embeddings.texts-differ",),
    source="servers that embed the padding",
    because="Vectors that are those of other texts are wrong wherever they are compared.",
)
def same_vector(body: Any) -> None:
    """All texts have the vector of the first."""
    for item in body["data"]:
        item["embedding"] = body["data"][0]["embedding"]


@fault(
    "em-batch-dependent",
    on=_LIST,
    shows=_BATCH,
    caught_by=("embeddings.same-text",),
    source="models that see the texts beside a text",
)
def batch_dependent(body: Any) -> None:
    """A text that comes twice has two vectors."""
    last = body["data"][-1]["embedding"]
    if isinstance(last, list):
        body["data"][-1]["embedding"] = [*last[1:], last[0]]


@fault(
    "em-model-other",
    on=_LIST,
    shows=("embedding-text",),
    caught_by=("embeddings.model-named",),
    also=("bm-wrong-model",),
    source="sgl-project/sglang#31404",
)
def model_other(body: Any) -> None:
    """Another model than the one named answers."""
    body["model"] = "all-minilm"


@fault(
    "em-count",
    on=_LIST,
    shows=_BATCH,
    caught_by=("embeddings.count",),
    source="OpenAI API reference, embeddings: one for each input",
    because="Vectors in another place are those of other texts.",
)
def count(body: Any) -> None:
    """The last input has no embedding."""
    body["data"].pop()


@fault(
    "em-model-empty",
    on=_LIST,
    shows=("embedding-text",),
    caught_by=("embeddings.schema-spec",),
    source="OpenAI API reference, embeddings: model",
)
def model_empty(body: Any) -> None:
    """The model is an empty text."""
    body["model"] = ""


@fault(
    "em-empty-vector",
    on=_LIST,
    shows=_BATCH,
    caught_by=("embeddings.schema-spec",),
    source="garrytan/gbrain#328",
)
def vector_empty(body: Any) -> None:
    """Every embedding of a list is []."""
    for item in body["data"]:
        if len(body["data"]) > 1:
            item["embedding"] = []
