"""Streams: faults of chunks and their order."""

import copy
from typing import Any

from harness.endpoint.departure import choices_of, each, events, fault

_FOUNDING = ("founding",)


def _texts(chunks: list[Any]) -> list[Any]:
    """The chunks that bring text."""
    return [chunk for chunk in chunks if chunk["choices"] and chunk["choices"][0]["delta"].get("content")]


@fault(
    "sc-role-every-chunk",
    on=each("chat"),
    shows=_FOUNDING,
    caught_by=("stream.role-once",),
    also=("os-accumulate-concat", "ds-data-nospace-rolerepeat"),
)
def role_every_chunk(chunk: Any) -> None:
    """Every delta has the role."""
    for choice in choices_of(chunk):
        choice["delta"]["role"] = "assistant"


@fault(
    "sc-role-missing",
    on=each("chat"),
    shows=_FOUNDING,
    caught_by=("stream.role-first",),
    source="one of the faults that six conformance tools leave silent",
)
def role_missing(chunk: Any) -> None:
    """No delta has the role."""
    for choice in choices_of(chunk):
        choice["delta"].pop("role", None)


@fault(
    "sc-role-late",
    on=events("chat"),
    shows=_FOUNDING,
    caught_by=("stream.role-first",),
    source="recorded streams of OpenAI: the role is in the first delta",
)
def role_late(chunks: list[Any]) -> None:
    """The role comes in the last delta."""
    chunks[-1]["choices"][0]["delta"]["role"] = chunks[0]["choices"][0]["delta"].pop("role")


@fault(
    "sc-role-wrong",
    on=each("chat"),
    shows=_FOUNDING,
    caught_by=("stream.role-assistant",),
    source="recorded streams of OpenAI: the role of an answer is assistant",
)
def role_wrong(chunk: Any) -> None:
    """The role is "user"."""
    for choice in choices_of(chunk):
        if "role" in choice["delta"]:
            choice["delta"]["role"] = "user"


@fault("sc-role-null", on=each("chat"), shows=_FOUNDING, caught_by=("stream.schema-spec",))
def role_null(chunk: Any) -> None:
    """Deltas have explicit nulls for role and tool_calls."""
    for choice in choices_of(chunk):
        choice["delta"].setdefault("role", None)
        choice["delta"].setdefault("tool_calls", None)


@fault("sc-id-changes.id", on=events("chat"), shows=_FOUNDING, caught_by=("stream.same-id",))
def id_changes(chunks: list[Any]) -> None:
    """Every chunk has an id of its own."""
    for number, chunk in enumerate(chunks):
        chunk["id"] += f"-{number}"


@fault("sc-id-changes.created", on=events("chat"), shows=_FOUNDING, caught_by=("stream.same-created",))
def created_changes(chunks: list[Any]) -> None:
    """Every chunk has the time at which it was made."""
    for number, chunk in enumerate(chunks):
        chunk["created"] += number


@fault(
    "sc-model-changes",
    on=events("chat"),
    shows=_FOUNDING,
    caught_by=("stream.same-model",),
    source="OpenAI API reference, the chat completion chunk object: the same for all chunks",
)
def model_changes(chunks: list[Any]) -> None:
    """The last chunk names another model."""
    chunks[-1]["model"] = "another"


@fault("sc-empty-choices-first", on=events("chat"), shows=_FOUNDING, caught_by=("stream.empty-choices",))
def empty_choices_first(chunks: list[Any]) -> None:
    """The first chunk has choices [] and no usage."""
    chunks.insert(0, {**chunks[0], "choices": []})


@fault(
    "sc-choices-null",
    on=events("chat"),
    shows=_FOUNDING,
    caught_by=("stream.schema-must",),
    source="the SDK's stream helper raises TypeError on it",
)
def choices_null(chunks: list[Any]) -> None:
    """A chunk in the middle has choices null."""
    chunks.insert(2, {**chunks[2], "choices": None})


@fault(
    "sc-empty-content-before-tools",
    on=events("chat"),
    shows=("tool-call",),
    caught_by=("stream.no-empty-before-call",),
)
def empty_content_before_tools(chunks: list[Any]) -> None:
    """A delta with the content "" stands between the role and the tool calls."""
    (choice,) = chunks[0]["choices"]
    chunks.insert(1, {**chunks[0], "choices": [{**choice, "delta": {"content": ""}}]})


@fault("sc-finish-in-content-chunk", on=events("chat"), shows=_FOUNDING, caught_by=("stream.finish-alone",))
def finish_in_content_chunk(chunks: list[Any]) -> None:
    """The last text and the finish reason come in one chunk."""
    last = chunks.pop()
    chunks[-1]["choices"][0]["finish_reason"] = last["choices"][0]["finish_reason"]


@fault(
    "sc-finish-every-chunk",
    on=each("chat"),
    shows=_FOUNDING,
    caught_by=("stream.schema-must",),
)
def finish_empty_everywhere(chunk: Any) -> None:
    """Every chunk before the last has the finish reason ""."""
    for choice in choices_of(chunk):
        choice["finish_reason"] = choice["finish_reason"] or ""


@fault(
    "sc-finish-every-chunk.stop",
    on=each("chat"),
    shows=_FOUNDING,
    caught_by=("stream.finish-once", "stream.finish-last"),
)
def finish_stop_everywhere(chunk: Any) -> None:
    """Every chunk has the finish reason stop."""
    for choice in choices_of(chunk):
        choice["finish_reason"] = "stop"


@fault(
    "sc-two-finish-chunks",
    on=events("chat"),
    shows=_FOUNDING,
    caught_by=("stream.finish-once",),
    source="one of the faults that six conformance tools leave silent",
)
def two_finish_chunks(chunks: list[Any]) -> None:
    """Two chunks have a finish reason."""
    chunks.append(chunks[-1])


@fault(
    "sc-content-after-finish",
    on=events("chat"),
    shows=_FOUNDING,
    caught_by=("stream.finish-last",),
    source="OpenAI API reference, the chat completion chunk object: finish_reason",
)
def content_after_finish(chunks: list[Any]) -> None:
    """Text comes after the finish reason."""
    chunks.append(chunks.pop(-2))


@fault("sc-finish-key-absent", on=each("chat"), shows=_FOUNDING, caught_by=("stream.schema-spec",))
def finish_key_absent(chunk: Any) -> None:
    """Chunks before the last have no finish_reason key."""
    for choice in choices_of(chunk):
        if choice["finish_reason"] is None:
            del choice["finish_reason"]


@fault(
    "sc-finish-unknown",
    on=each("chat"),
    shows=_FOUNDING,
    caught_by=("stream.schema-must",),
    also=("cn-finish-eos", "cn-finish-upper"),
    source="openai/openai-dotnet#267",
)
def finish_unknown(chunk: Any) -> None:
    """The finish reason of a stream is "eos"."""
    for choice in choices_of(chunk):
        choice["finish_reason"] = choice["finish_reason"] and "eos"


@fault("sc-object-wrong.chat", on=each("chat"), shows=_FOUNDING, caught_by=("stream.schema-must",))
def object_is_completion(chunk: Any) -> None:
    """The object of chunks is "chat.completion"."""
    chunk["object"] = "chat.completion"


@fault(
    "sc-object-wrong",
    on=each("completions"),
    shows=("completion",),
    caught_by=("completions.chunk-schema-must",),
    because="Chunks without text say nothing to the readers of /completions.",
)
def chat_chunks_on_completions(chunk: Any) -> None:
    """A stream of /completions has chunks of the chat kind."""
    chunk["object"] = "chat.completion.chunk"
    for choice in choices_of(chunk):
        choice["delta"] = {"content": choice.pop("text")}


@fault(
    "sc-stream-vs-nonstream-diff.text",
    on=events("chat"),
    shows=("capped",),
    caught_by=("stream.count-unbroken",),
)
def text_lost(chunks: list[Any]) -> None:
    """A chunk of text is lost, and only in the stream."""
    chunks.remove(_texts(chunks)[4])


@fault(
    "sc-stream-vs-nonstream-diff.twice",
    on=events("chat"),
    shows=("capped",),
    caught_by=("stream.count-unbroken",),
)
def text_twice(chunks: list[Any]) -> None:
    """A stretch of text comes twice, and only in the stream."""
    texts = _texts(chunks)
    if len(texts) > 5:
        place = chunks.index(texts[5])
        chunks[place + 1 : place + 1] = texts[2:6]


@fault(
    "sc-stream-vs-nonstream-diff.end",
    on=each("chat"),
    shows=("capped",),
    caught_by=("parity.finish-reason",),
)
def other_end(chunk: Any) -> None:
    """The stream ends with stop where the plain answer ends with length."""
    for choice in choices_of(chunk):
        choice["finish_reason"] = choice["finish_reason"] and "stop"


@fault("sc-finish-camelcase", on=each("chat"), shows=_FOUNDING, caught_by=("stream.key-case",))
def finish_camel_case(chunk: Any) -> None:
    """The finish reason stands under finishReason, and finish_reason stays null."""
    for choice in choices_of(chunk):
        choice["finishReason"], choice["finish_reason"] = choice["finish_reason"], None


@fault(
    "sc-coarse-chunks",
    on=events("chat"),
    shows=("stream-beside-tool",),
    caught_by=("stream.fine-chunks",),
    also=("bm-chunks-not-tokens",),
)
def coarse_chunks(chunks: list[Any]) -> None:
    """A chunk holds up to 40 tokens."""
    texts = _texts(chunks)
    for start in range(0, len(texts), 40):
        kept, *rest = texts[start : start + 40]
        for chunk in rest:
            kept["choices"][0]["delta"]["content"] += chunk["choices"][0]["delta"]["content"]
            chunks.remove(chunk)


@fault(
    "ds-incremental-output",
    on=events("chat"),
    shows=_FOUNDING,
    caught_by=("stream.is-incremental",),
)
def cumulative(chunks: list[Any]) -> None:
    """Every delta holds the whole text so far."""
    text = ""
    for chunk in _texts(chunks):
        text += chunk["choices"][0]["delta"]["content"]
        chunk["choices"][0]["delta"]["content"] = text


@fault(
    "sc-cumulative-tail",
    on=events("chat"),
    shows=("capped",),
    caught_by=("stream.count-unbroken",),
    source="gateways that repeat the whole text in the last chunk",
)
def whole_text_at_the_end(chunks: list[Any]) -> None:
    """The last text is the whole text once more."""
    texts = _texts(chunks)
    whole = "".join(chunk["choices"][0]["delta"]["content"] for chunk in texts)
    texts[-1]["choices"][0]["delta"]["content"] += f" {whole}"


@fault(
    "sc-choice-index",
    on=each("chat"),
    shows=_FOUNDING,
    caught_by=("stream.choice-indexes",),
    source="BerriAI/litellm#3678",
)
def choice_index(chunk: Any) -> None:
    """The only choice of a stream has the index 1."""
    for choice in choices_of(chunk):
        choice["index"] = 1


@fault(
    "sc-choice-index-missing",
    on=each("chat"),
    shows=_FOUNDING,
    caught_by=("stream.schema-must",),
    source="OpenAI API reference, the chat completion chunk object: choices[].index",
)
def choice_index_missing(chunk: Any) -> None:
    """Choices have no index."""
    for choice in choices_of(chunk):
        del choice["index"]


@fault(
    "sc-choices-merged",
    on=each("chat"),
    shows=("two-choices",),
    caught_by=("params.n-honoured",),
    also=("cr-n-ignored",),
    source="OpenAI API reference, chat/create: n; choices are told apart by their index",
    because="Two answers under one index look like one answer that ends twice.",
)
def choices_share_an_index(chunk: Any) -> None:
    """Two choices of one stream share the index 0."""
    for choice in choices_of(chunk):
        choice["index"] = 0


@fault(
    "cn-finish-error.stream",
    on=events("chat"),
    shows=_FOUNDING,
    caught_by=("stream.no-error-in-choice", "stream.schema-must"),
)
def finish_error(chunks: list[Any]) -> None:
    """The stream breaks off with the finish reason "error" and an error in the choice."""
    del chunks[3:-1]
    chunks[-1]["choices"][0]["finish_reason"] = "error"
    chunks[-1]["choices"][0]["error"] = {"code": 502, "message": "Upstream error"}


@fault(
    "cn-content-array.stream",
    on=each("chat"),
    shows=_FOUNDING,
    caught_by=("stream.schema-must",),
    because="Without texts in its deltas there is no answer to the readers of one.",
)
def content_array(chunk: Any) -> None:
    """The content of deltas is an array of parts."""
    for choice in choices_of(chunk):
        if "content" in choice["delta"]:
            choice["delta"]["content"] = [{"type": "text", "text": choice["delta"]["content"]}]


@fault(
    "cn-reasoning-field-name.modes",
    on=events("chat"),
    shows=("reasoning",),
    caught_by=("chat.one-reasoning-field",),
)
def reasoning_two_names(chunks: list[Any]) -> None:
    """The stream carries reasoning under reasoning and under reasoning_content."""
    (choice,) = chunks[0]["choices"]
    for key in ("reasoning", "reasoning_content"):
        delta = {key: "Add the two."}
        chunks.insert(1, {**chunks[0], "choices": [{**choice, "delta": delta}]})


@fault(
    "cn-reasoning-field-name.typed",
    on=events("chat"),
    shows=("reasoning",),
    caught_by=("params.reasoning-is-text",),
)
def reasoning_is_an_object(chunks: list[Any]) -> None:
    """reasoning_content is an object in the stream."""
    (choice,) = chunks[0]["choices"]
    delta = {"reasoning_content": {"text": "Add the two."}}
    chunks.insert(1, {**chunks[0], "choices": [{**choice, "delta": delta}]})


@fault(
    "bm-hidden-reasoning",
    on=each("chat"),
    shows=("with-usage",),
    caught_by=("stream.no-lost-text",),
)
def hidden_reasoning(chunk: Any) -> None:
    """Reasoning is in the usage's completion_tokens and nowhere else."""
    if chunk.get("usage"):
        chunk["usage"]["completion_tokens"] += 60
        chunk["usage"]["total_tokens"] += 60
        chunk["usage"]["completion_tokens_details"]["reasoning_tokens"] = 0


@fault(
    "sc-role-empty",
    on=events("chat"),
    shows=_FOUNDING,
    caught_by=("stream.schema-must",),
    source="MiniMax-AI/MiniMax-M2.5#2",
)
def role_empty(chunks: list[Any]) -> None:
    """Every delta after the first has the role ""."""
    for chunk in chunks[1:]:
        for choice in choices_of(chunk):
            choice["delta"]["role"] = ""


@fault(
    "sc-finish-with-reasoning",
    on=events("chat"),
    shows=_FOUNDING,
    caught_by=("stream.finish-last",),
    source="open-webui/open-webui#16377",
)
def finish_with_reasoning(chunks: list[Any]) -> None:
    """The finish reason comes with the last reasoning, and text behind it."""
    thought = copy.deepcopy(chunks[1])
    thought["choices"][0].update(
        delta={"reasoning_content": "They greet me."}, finish_reason="stop", logprobs=None
    )
    chunks.insert(1, thought)
    for chunk in chunks[2:]:
        for choice in choices_of(chunk):
            choice["finish_reason"] = None


@fault(
    "sc-choice-index-counts",
    on=events("chat"),
    shows=_FOUNDING,
    caught_by=("stream.choice-indexes",),
    source="huggingface/text-generation-inference#1648",
    because="Each chunk is taken for another choice, of which every rule on choices finds a piece.",
)
def index_counts_chunks(chunks: list[Any]) -> None:
    """The index of the only choice counts the chunks."""
    for number, chunk in enumerate(chunks):
        for choice in choices_of(chunk):
            choice["index"] = number


@fault(
    "sc-logprobs-so-far",
    on=events("chat"),
    shows=("logprobs", "top-logprobs"),
    caught_by=("params.logprobs-spell-the-text",),
    source="sgl-project/sglang#21583",
)
def logprobs_so_far(chunks: list[Any]) -> None:
    """Each chunk has the log probabilities of all tokens so far."""
    said: list[Any] = []
    for chunk in chunks:
        for choice in choices_of(chunk):
            if choice.get("logprobs"):
                said += choice["logprobs"]["content"]
                choice["logprobs"]["content"] = list(said)


@fault(
    "sc-one-choice-ends",
    on=events("chat"),
    shows=("two-choices",),
    caught_by=("stream.finish-given",),
    source="sgl-project/sglang#8417",
)
def last_choice_alone_ends(chunks: list[Any]) -> None:
    """Of two choices only the last has a finish reason."""
    ends = [chunk for chunk in chunks if any(choice["finish_reason"] for choice in choices_of(chunk))]
    for chunk in ends[:-1]:
        chunks.remove(chunk)


@fault(
    "sc-created-milliseconds",
    on=each("chat"),
    shows=_FOUNDING,
    caught_by=("stream.schema-spec",),
    source="EricLBuehler/mistral.rs#1805",
)
def created_in_milliseconds(chunk: Any) -> None:
    """created of chunks is in milliseconds."""
    chunk["created"] *= 1000


@fault(
    "sc-two-finish-chunks.usage",
    on=events("chat"),
    shows=("with-usage",),
    caught_by=("stream.finish-once",),
    source="skye-harris/hass_local_openai_llm#92",
)
def second_finish_with_usage(chunks: list[Any]) -> None:
    """A second chunk has a finish reason, and the usage."""
    if chunks[-1].get("usage"):
        chunks[-1]["choices"] = copy.deepcopy(chunks[-2]["choices"])
