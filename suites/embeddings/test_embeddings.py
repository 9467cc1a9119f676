"""Embeddings: one vector for each input, in order, and the same vector for the same text."""

import math
from collections.abc import Callable, Iterator

from harness.evidence import NotJudgedError, Observation, shown
from harness.evidence.embeddings import Embeddings, Vector, cosine, vector_of
from harness.evidence.grounds import OF_A_USER
from harness.evidence.runs import WholeRun
from harness.rule import Ground, Level, Violation, Violations, rule, shape
from harness.scenario import Mode, Scenario
from harness.schemas import violations

_SOURCE = "OpenAI API reference, embeddings/create"

_SAME = 0.999
"""The least cosine of two vectors of one text; servers that batch round a little differently each time."""
_ALIKE = 0.99
"""The least cosine of a text's vector and that of its tokens."""
_UNIT = 0.01
"""How far a vector's length may be from 1: as far as 16-bit numbers round."""
_CLOSE = 1e-5
"""How far a number may be from its twin after a passage through 32 bits."""


def _asks(name: str) -> Callable[[Scenario], bool]:
    """A condition on scenarios: that they ask for a parameter."""
    return lambda scenario: name in scenario.params_for(Mode.PLAIN)


def _schema(embeddings: Embeddings, level: Level) -> Violations:
    for found in violations("embeddings", embeddings.body, level):
        if found.level == level:
            yield Violation(found.received, found.expected, found.pointer)


@rule(
    "embeddings.schema-must",
    level="must",
    source=f"{_SOURCE}; the required fields of the openai SDK's types",
    breaks="A client raises, loses data without a word, or hands on a wrong value.",
    answers=("em-object-missing", "em-index-missing", "em-base64-wrong-type", "em-usage"),
    upholds=shape,
)
def embeddings_have_what_clients_need(embeddings: Embeddings) -> Violations:
    """An answer with embeddings has every field that clients need, in the right type."""
    yield from _schema(embeddings, "must")


@rule(
    "embeddings.schema-spec",
    level="spec",
    source=f"{_SOURCE}; openai/openai-openapi CreateEmbeddingResponse, corrected by recorded answers",
    breaks="Clients with strict types refuse the answer.",
    upholds=shape,
)
def embeddings_are_as_openai_documents_them(embeddings: Embeddings) -> Violations:
    """An answer with embeddings has the fields and types that OpenAI documents."""
    yield from _schema(embeddings, "spec")


@rule(
    "embeddings.count",
    level="must",
    source=f"{_SOURCE}: data, one embedding for each input",
    breaks="Vectors are stored with the wrong texts, or the last texts are never found.",
)
def each_input_has_an_embedding(embeddings: Embeddings) -> Violations:
    """There are as many embeddings as inputs."""
    data, asked = embeddings.body.get("data"), len(embeddings.inputs)
    if isinstance(data, list) and len(data) != asked:
        yield Violation(received=f"{len(data)} embeddings", expected=f"{asked}", pointer="/data")


@rule(
    "embeddings.indexes",
    level="must",
    source=f"{_SOURCE}: data[].index; spring-projects/spring-ai#7019",
    breaks="LangChain takes the order and others the index: one of them stores vectors with the wrong texts.",
    answers=("em-index-missing",),
)
def embeddings_come_in_the_order_of_their_inputs(embeddings: Embeddings) -> Violations:
    """Each embedding's index is its place, counted from 0."""
    for entry in embeddings.entries:
        index = entry.body.get("index")
        if index != entry.place or isinstance(index, bool):
            yield Violation(
                received=shown(index), expected=f"{entry.place}", pointer=f"{entry.pointer}/index"
            )


def _encoding(embeddings: Embeddings) -> object:
    return embeddings.observation.asked.get("encoding_format")


@rule(
    "embeddings.numbers",
    level="must",
    source=f"{_SOURCE}: encoding_format, float unless base64 is asked for; openai/openai-python#1490",
    breaks="Whoever asked for numbers has a text in hand, and computes nothing or nonsense with it.",
    answers=("em-base64-wrong-type", "os-embeddings-base64"),
    upholds=Ground.SAID,
)
def numbers_come_unless_base64_is_asked_for(embeddings: Embeddings) -> Violations:
    """Embeddings are arrays of numbers unless base64 is asked for."""
    for entry in embeddings.entries:
        if _encoding(embeddings) != "base64" and isinstance(entry.body.get("embedding"), str):
            yield Violation(
                received=shown(entry.body["embedding"], 40),
                expected="an array of numbers",
                pointer=f"{entry.pointer}/embedding",
            )


@rule(
    "embeddings.base64-given",
    level="spec",
    source=f"{_SOURCE}: encoding_format",
    breaks="Whoever decodes base64 gets an array and raises; the Python SDK copes.",
    answers=("os-embeddings-base64", "em-base64-wrong-type"),
    when=lambda scenario: scenario.params_for(Mode.PLAIN).get("encoding_format") == "base64",
    effect_of="encoding_format",
    upholds=Ground.SAID,
)
def base64_comes_when_it_is_asked_for(embeddings: Embeddings) -> Violations:
    """Embeddings are base64 when that is asked for."""
    for entry in embeddings.entries:
        if isinstance(entry.body.get("embedding"), list):
            yield Violation(
                received="an array of numbers", expected="base64", pointer=f"{entry.pointer}/embedding"
            )


@rule(
    "embeddings.base64-form",
    level="must",
    source=f"{_SOURCE}: encoding_format base64; vllm-project/vllm#5935, Lightning-AI/LitServe#741",
    breaks="The SDK raises when it decodes the vector, or makes other numbers of it.",
    answers=("em-base64-wrong-type",),
    upholds=Ground.SAID,
)
def base64_holds_32_bit_floats(embeddings: Embeddings) -> Violations:
    """An embedding in base64 is standard base64 of whole 32-bit floats."""
    for entry in embeddings.entries:
        value = entry.body.get("embedding")
        if isinstance(value, str) and entry.vector is None:
            yield Violation(
                received=shown(value, 40),
                expected="base64 of a multiple of 4 bytes",
                pointer=f"{entry.pointer}/embedding",
            )


@rule(
    "embeddings.finite",
    level="must",
    source=f"{_SOURCE}: a list of floats",
    breaks="Every distance to the vector is NaN: the text is never found, or always.",
    answers=("em-base64-wrong-type",),
    upholds=Ground.SAID,
)
def vectors_are_finite_numbers(embeddings: Embeddings) -> Violations:
    """Every coordinate is a finite number, and not all are zero."""
    for entry in embeddings.entries:
        odd = [number for number in entry.vector or () if not math.isfinite(number)]
        if odd:
            yield Violation(
                received=str(odd[0]), expected="finite numbers", pointer=f"{entry.pointer}/embedding"
            )
        elif entry.vector and not any(entry.vector):
            yield Violation(
                received="nothing but zeros", expected="a vector", pointer=f"{entry.pointer}/embedding"
            )


@rule(
    "embeddings.equal-lengths",
    level="must",
    source=f"{_SOURCE}: the length of the vector depends on the model",
    breaks="Vector databases refuse the vector, or lose the whole batch.",
    answers=("em-base64-wrong-type",),
)
def all_vectors_have_one_length(embeddings: Embeddings) -> Violations:
    """All embeddings of an answer have the same number of dimensions."""
    lengths = [(entry, len(entry.vector)) for entry in embeddings.entries if entry.vector is not None]
    for entry, length in lengths:
        if length != lengths[0][1]:
            yield Violation(
                received=f"{length} dimensions",
                expected=f"{lengths[0][1]}, as the first",
                pointer=f"{entry.pointer}/embedding",
            )


@rule(
    "embeddings.dimensions",
    level="must",
    source=f"{_SOURCE}: dimensions; ggml-org/llama.cpp#25210, openvinotoolkit/model_server#4542",
    breaks="Vector databases refuse the vector: it has another length than the index.",
    answers=("em-dimensions-ignored",),
    when=_asks("dimensions"),
    effect_of="dimensions",
)
def vectors_have_the_dimensions_asked_for(embeddings: Embeddings) -> Violations:
    """An embedding has as many dimensions as were asked for."""
    asked = embeddings.observation.asked.get("dimensions")
    for entry in embeddings.entries:
        if entry.vector is not None and len(entry.vector) != asked:
            yield Violation(
                received=f"{len(entry.vector)} dimensions",
                expected=f"{asked}",
                pointer=f"{entry.pointer}/embedding",
            )


@rule(
    "embeddings.unit-length",
    level="recommended",
    source="OpenAI API guide, embeddings: they are normalised to length 1",
    breaks="Programs that take the dot product for the cosine rank wrongly.",
)
def vectors_have_length_1(embeddings: Embeddings) -> Violations:
    """An embedding has the length 1."""
    for entry in embeddings.entries:
        length = math.hypot(*entry.vector) if entry.vector else 1.0
        if math.isfinite(length) and abs(length - 1) > _UNIT:
            yield Violation(
                received=f"length {length:.4g}", expected="length 1", pointer=f"{entry.pointer}/embedding"
            )


@rule(
    "embeddings.same-text",
    level="must",
    source=f"{_SOURCE}: relatedness of texts is the closeness of their vectors",
    breaks="A text does not find itself.",
)
def the_same_text_has_the_same_vector(embeddings: Embeddings) -> Violations:
    """A text that comes twice in a request has the same vector twice."""
    first: dict[str, Vector] = {}
    for entry, text, vector in embeddings.vectors:
        before = first.setdefault(shown(text, 10_000), vector)
        if cosine(before, vector) < _SAME:
            yield Violation(
                received=f"cosine {cosine(before, vector):.4f} to the vector of the same text",
                expected=f"at least {_SAME}",
                pointer=f"{entry.pointer}/embedding",
            )


@rule(
    "embeddings.texts-differ",
    level="must",
    source=f"{_SOURCE}: relatedness of texts is the closeness of their vectors",
    breaks="Every text finds every other: the search is worth nothing.",
    rests_on=(Ground.SAID,),
)
def different_texts_have_different_vectors(embeddings: Embeddings) -> Violations:
    """Different inputs of a request have different vectors."""
    first: dict[Vector, str] = {}
    for entry, text, vector in embeddings.vectors:
        before = first.setdefault(vector, shown(text))
        if before != shown(text):
            yield Violation(
                received=f"{shown(text)} has the vector of {before}",
                expected="another vector",
                pointer=f"{entry.pointer}/embedding",
            )


@rule(
    "embeddings.usage",
    level="spec",
    source=f"{_SOURCE}: usage",
    breaks="Costs come out wrong.",
    answers=("em-usage",),
)
def embeddings_count_their_tokens(embeddings: Embeddings) -> Violations:
    """The usage of embeddings counts tokens of the prompt, and no others."""
    usage = embeddings.body.get("usage")
    prompt, total = (
        (usage.get(f"{part}_tokens") for part in ("prompt", "total"))
        if isinstance(usage, dict)
        else (None, None)
    )
    if isinstance(prompt, int) and prompt < 1:
        yield Violation(received=f"{prompt}", expected="at least 1", pointer="/usage/prompt_tokens")
    if isinstance(prompt, int) and isinstance(total, int) and total != prompt:
        yield Violation(received=shown(usage), expected=f"total {prompt}", pointer="/usage/total_tokens")


@rule(
    "embeddings.model-named",
    level="recommended",
    source=f"{_SOURCE}: model",
    breaks="Costs and metrics keyed by the model's name go astray; another model may have answered.",
    answers=("bm-wrong-model",),
)
def embeddings_name_the_model_asked(embeddings: Embeddings) -> Violations:
    """The answer's model is the one asked for, or a version of it."""
    asked, model = embeddings.observation.asked.get("model"), embeddings.body.get("model")
    if isinstance(asked, str) and isinstance(model, str) and not model.startswith(asked):
        yield Violation(received=shown(model), expected=f"{asked} or a version of it", pointer="/model")


@rule(
    "embeddings.client-vectors",
    level="must",
    source="openai/openai-python#1490; openai/openai-node#1542",
    breaks="The user stores other vectors than were sent.",
    answers=("os-embeddings-base64",),
    rests_on=OF_A_USER,
)
def the_user_gets_the_vectors_of_the_wire(embeddings: Embeddings) -> Violations:
    """The vectors that the client's user gets are those on the wire."""
    reply = embeddings.observation.reply
    if reply.raised is not None:
        return
    told = reply.data if isinstance(reply.data, list) else []
    if len(told) != len(embeddings.entries):
        yield Violation(
            received=f"{len(told)} vectors at the user", expected=f"{len(embeddings.entries)}, as on the wire"
        )
        return
    for entry, value in zip(embeddings.entries, told, strict=True):
        vector = vector_of(value)
        if entry.vector is not None and not _is_close(entry.vector, vector or ()):
            yield Violation(
                received=f"{shown(value, 60)} at the user",
                expected=f"{shown(entry.vector, 60)}, as on the wire",
                pointer=f"{entry.pointer}/embedding",
            )


def _is_close(one: Vector, other: Vector) -> bool:
    return len(one) == len(other) and all(
        math.isclose(a, b, rel_tol=_CLOSE, abs_tol=_CLOSE) for a, b in zip(one, other, strict=True)
    )


@rule(
    "embeddings.large-batch",
    level="spec",
    source=f"{_SOURCE}: input, up to 2048 texts; memodb-io/memobase#142, langchain-ai/langchain#10706",
    breaks="LangChain sends a thousand texts at once by default: indexing stops at the first document.",
    answers=(
        "em-batch-limit",
        "em-ctx-per-request",
        "ds-embed-batch10",
        "lc-embeddings-chunk-size",
    ),
    when=lambda scenario: scenario.id == "embedding-large-batch",
)
def many_texts_can_be_embedded_at_once(observation: Observation) -> Violations:
    """64 short texts can be embedded in one request."""
    response = observation.response
    if response.status != 200:
        yield Violation(received=f"HTTP {response.status}: {shown(response.body)}", expected="HTTP 200")


def _answers(run: WholeRun) -> Iterator[Embeddings]:
    """The embeddings of a run that nobody asked to shorten."""
    for seen in run.observations:
        if Embeddings.applies(seen.scenario) and "dimensions" not in seen.asked:
            try:
                yield Embeddings.of(seen)
            except NotJudgedError:
                continue


def _where(embeddings: Embeddings) -> str:
    return f"{embeddings.observation.scenario.id} ({embeddings.observation.client})"


@rule(
    "embeddings.same-vector-everywhere",
    level="must",
    source=f"{_SOURCE}: encoding_format; vllm-project/vllm#5935, Lightning-AI/LitServe#741",
    breaks="A text that was indexed in a batch, or by one client, is not found alone, or by another.",
    answers=("em-base64-wrong-type", "os-embeddings-base64"),
)
def a_text_has_one_vector_however_it_is_asked(run: WholeRun) -> Violations:
    """A text has one vector: alone and in a batch, as numbers and as base64, through every client."""
    first: dict[str, tuple[Vector, str]] = {}
    for embeddings in _answers(run):
        for entry, text, vector in embeddings.vectors:
            if not isinstance(text, str):
                continue
            before, where = first.setdefault(text, (vector, _where(embeddings)))
            if before != vector and not cosine(before, vector) >= _SAME:
                yield Violation(
                    received=f"{_compared(before, vector)} between {where} and {_where(embeddings)}",
                    expected=f"one vector for {shown(text)}",
                    pointer=f"{entry.pointer}/embedding",
                )
    if not first:
        raise NotJudgedError("no embeddings")


def _compared(one: Vector, other: Vector) -> str:
    if len(one) != len(other):
        return f"{len(one)} and {len(other)} dimensions"
    return f"cosine {cosine(one, other):.4f}"


@rule(
    "embeddings.tokens-mean-text",
    level="recommended",
    source="OpenAI API guide, embeddings: cl100k_base; kserve/kserve#4129, langchain-ai/langchain#31970",
    breaks="LangChain sends these tokens by default: the vectors mean nothing, and no error says so.",
    answers=(
        "em-token-array-wrong",
        "lc-embeddings-tokens",
    ),
)
def tokens_have_the_vector_of_their_text(run: WholeRun) -> Violations:
    """Tokens of the encoding cl100k_base have the vector of the text that they spell."""
    texts, tokens = {}, {}
    for embeddings in _answers(run):
        for _, value, vector in embeddings.vectors:
            (texts if isinstance(value, str) else tokens).setdefault(shown(value), vector)
    text, spelled = texts.get('"hello world"'), tokens.get("[15339,1917]")
    if text is None or spelled is None:
        raise NotJudgedError("no vector of the text and of its tokens")
    if not cosine(text, spelled) >= _ALIKE:
        yield Violation(
            received=f"{_compared(text, spelled)} between hello world and its tokens 15339, 1917",
            expected=f"a cosine of at least {_ALIKE}, or a refusal",
        )
