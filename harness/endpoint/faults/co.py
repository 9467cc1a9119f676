"""Legacy completions: faults of answers, streams and parameters."""

from dataclasses import replace
from typing import Any

from harness.endpoint.departure import (
    Asked,
    asked,
    choices_of,
    each,
    event_bytes,
    events,
    every,
    fault,
    objects,
    request,
    stream_bytes,
)
from harness.endpoint.refusal import Refusal

_ASK = request("completions")
_PLAIN = objects("text_completion")
_STREAM = each("completions")
_CANNED = "Hello! How can I help you today?"
_DONE = b"data: [DONE]\n\n"
_NO_ANSWER = "Without the rest of the stream there is no whole answer, which every reader of one misses."


@fault(
    "co-echo-logprobs",
    on=_PLAIN,
    shows=("completion-scored",),
    caught_by=("completions.echo-logprobs",),
)
def echo_logprobs(body: Any) -> None:
    """With echo, log probabilities are given for the new tokens only."""
    for choice in choices_of(body):
        if choice["logprobs"]:
            choice["logprobs"] = {name: [] for name in choice["logprobs"]}


@fault(
    "co-max-tokens-0",
    on=_ASK,
    shows=("completion-scored",),
    caught_by=("http.success",),
)
def max_tokens_0_refused(body: Any) -> None:
    """max_tokens 0 is refused."""
    if body.get("max_tokens") == 0:
        raise Refusal("max_tokens must be at least 1, got 0.", param="max_tokens")


@fault(
    "co-max-tokens-0.500",
    on=_ASK,
    shows=("completion-scored",),
    caught_by=("http.success",),
)
def max_tokens_0_crash(body: Any) -> None:
    """max_tokens 0 brings the server down."""
    if body.get("max_tokens") == 0:
        raise Refusal("ValueError: max_tokens", status=500, kind="server_error")


@fault(
    "co-max-tokens-0.leak",
    on=_ASK,
    shows=("completion-scored",),
    caught_by=("completions.nothing-generated",),
)
def max_tokens_0_leak(body: Any) -> None:
    """max_tokens 0 gives a token."""
    if body.get("max_tokens") == 0:
        body["max_tokens"] = 1


@fault(
    "co-logprobs-type",
    on=_ASK,
    shows=("completion-logprobs",),
    caught_by=("http.success",),
)
def logprobs_is_bool(body: Any) -> None:
    """A number as logprobs is refused, for a bool is wanted."""
    if body.get("logprobs") is not None and not isinstance(body["logprobs"], bool):
        raise Refusal("Input should be a valid boolean", param="logprobs", status=422)


@fault(
    "co-logprobs-type.chat-shape",
    on=_PLAIN,
    shows=("completion-logprobs",),
    caught_by=("completions.logprobs-given",),
    because="Log probabilities of another shape lack everything that rules on them look for.",
)
def logprobs_of_chat(body: Any) -> None:
    """logprobs has the shape of chat: an array of tokens under content."""
    for choice in choices_of(body):
        spelled = choice["logprobs"]
        if spelled:
            pairs = zip(spelled["tokens"], spelled["token_logprobs"], strict=True)
            choice["logprobs"] = {
                "content": [{"token": token, "logprob": value, "top_logprobs": []} for token, value in pairs]
            }


@fault(
    "co-prompt-forms.refused",
    on=_ASK,
    shows=("completion-prompts",),
    caught_by=("http.success",),
)
def prompt_array_refused(body: Any) -> None:
    """An array of prompts is refused."""
    if isinstance(body.get("prompt"), list):
        raise Refusal("Input should be a valid string", param="prompt", status=422)


@fault(
    "co-prompt-forms.first",
    on=_ASK,
    shows=("completion-prompts",),
    caught_by=("completions.choice-count",),
)
def prompt_array_first(body: Any) -> None:
    """Of an array of prompts, only the first is completed."""
    if isinstance(body.get("prompt"), list):
        body["prompt"] = body["prompt"][0]


@fault(
    "co-prompt-forms.index",
    on=_PLAIN,
    shows=("completion-prompts",),
    caught_by=("completions.choice-indexes",),
)
def prompt_array_index(body: Any) -> None:
    """The choices of several prompts all have the index 0."""
    for choice in choices_of(body):
        choice["index"] = 0


@fault(
    "co-endpoint-missing",
    on=asked,
    shows=("completion",),
    caught_by=("http.success",),
)
def endpoint_missing(seen: Asked) -> Asked:
    """There is no /completions."""
    if seen.operation == "completions":
        raise Refusal("404 page not found", status=404)
    return seen


@fault(
    "co-echo-ignored",
    on=_ASK,
    shows=("completion-echo",),
    caught_by=("completions.echo",),
    source="OpenAI API reference, completions: echo",
)
def echo_ignored(body: Any) -> None:
    """echo is ignored."""
    body.pop("echo", None)


@fault(
    "co-stop-ignored",
    on=_ASK,
    shows=("completion-stop",),
    caught_by=("completions.stop-excluded",),
    also=("cr-stop-ignored",),
    source="jundot/omlx#1054",
)
def stop_ignored(body: Any) -> None:
    """stop is ignored on /completions."""
    body.pop("stop", None)


@fault(
    "co-canned.stop",
    on=_PLAIN,
    shows=("completion-stop",),
    caught_by=("completions.stop-excluded",),
    also=("cr-stop-ignored",),
    source="gateways and stand-ins with one answer for everything",
)
def canned_stop(body: Any) -> None:
    """A short text of the server's own has the stop sequence in it."""
    for choice in choices_of(body):
        choice["text"] = _CANNED


@fault(
    "co-canned.cap",
    on=_PLAIN,
    shows=("completion-cap-one",),
    caught_by=("completions.cap-obeyed",),
    source="gateways and stand-ins with one answer for everything",
)
def canned_cap(body: Any) -> None:
    """A short text of the server's own is longer than max_tokens allows, and the usage says nothing of it."""
    for choice in choices_of(body):
        choice["text"] = _CANNED


@fault(
    "co-n-ignored",
    on=_ASK,
    shows=("completion-n",),
    caught_by=("completions.choice-count",),
    also=("cr-n-ignored",),
    source="abetlen/llama-cpp-python#1906",
)
def n_ignored(body: Any) -> None:
    """n is ignored on /completions."""
    body.pop("n", None)


@fault(
    "co-cap-ignored",
    on=_ASK,
    shows=("completion",),
    caught_by=("completions.cap-obeyed",),
    source="OpenAI API reference, completions: max_tokens",
)
def cap_ignored(body: Any) -> None:
    """max_tokens is overrun on /completions."""
    if body.get("max_tokens"):
        body["max_tokens"] *= 2


@fault(
    "co-logprobs-ignored",
    on=_ASK,
    shows=("completion-logprobs",),
    caught_by=("completions.logprobs-given",),
    also=("co-logprobs-type",),
    source="OpenAI API reference, completions: logprobs",
)
def logprobs_ignored(body: Any) -> None:
    """logprobs is ignored on /completions."""
    body.pop("logprobs", None)


def _logprobs(body: Any) -> list[Any]:
    return [choice["logprobs"] for choice in choices_of(body) if choice["logprobs"]]


@fault(
    "co-logprobs-lengths",
    on=_PLAIN,
    shows=("completion-logprobs",),
    caught_by=("completions.logprobs-lengths",),
    source="OpenAI API reference, the completion object: logprobs",
)
def logprobs_lengths(body: Any) -> None:
    """token_logprobs has an item less than tokens."""
    for spelled in _logprobs(body):
        spelled["token_logprobs"].pop()


@fault(
    "co-logprobs-tokens",
    on=_PLAIN,
    shows=("completion-logprobs",),
    caught_by=("completions.logprobs-spell-the-text",),
    source="OpenAI API reference, the completion object: logprobs",
)
def logprobs_tokens(body: Any) -> None:
    """Tokens are written as the vocabulary has them, with Ġ for a space."""
    for spelled in _logprobs(body):
        spelled["tokens"] = [token.replace(" ", "Ġ") for token in spelled["tokens"]]


@fault(
    "co-logprobs-positive",
    on=_PLAIN,
    shows=("completion-logprobs",),
    caught_by=("completions.logprobs-range",),
    source="OpenAI API reference, the completion object: logprobs",
)
def logprobs_positive(body: Any) -> None:
    """Log probabilities are probabilities, above 0."""
    for spelled in _logprobs(body):
        spelled["token_logprobs"] = [0.9 for _ in spelled["token_logprobs"]]


@fault(
    "co-logprobs-alternatives",
    on=_PLAIN,
    shows=("completion-logprobs",),
    caught_by=("completions.logprobs-alternatives",),
    source="OpenAI API reference, the completion object: logprobs",
)
def logprobs_alternatives(body: Any) -> None:
    """Tokens have no alternatives."""
    for spelled in _logprobs(body):
        spelled["top_logprobs"] = [{} for _ in spelled["top_logprobs"]]


@fault(
    "co-logprobs-offsets",
    on=_PLAIN,
    shows=("completion-logprobs",),
    caught_by=("completions.logprobs-offsets",),
    source="OpenAI API reference, the completion object: logprobs",
)
def logprobs_offsets(body: Any) -> None:
    """Every token begins at 0."""
    for spelled in _logprobs(body):
        spelled["text_offset"] = [0 for _ in spelled["text_offset"]]


@fault(
    "co-object-chat",
    on=_PLAIN,
    shows=("completion",),
    caught_by=("completions.schema-must",),
    source="OpenAI API reference, the completion object: object",
)
def object_chat(body: Any) -> None:
    """The object of a completion is chat.completion."""
    body["object"] = "chat.completion"


@fault(
    "co-text-missing",
    on=_PLAIN,
    shows=("completion",),
    caught_by=("completions.schema-must",),
    source="vllm-project/vllm#931",
    because="Without a text there is no answer, which every reader of one misses.",
)
def text_missing(body: Any) -> None:
    """Choices have a message, and no text."""
    for choice in choices_of(body):
        choice["message"] = {"role": "assistant", "content": choice.pop("text")}


@fault(
    "co-finish-null",
    on=_PLAIN,
    shows=("completion",),
    caught_by=("completions.schema-must",),
    source="OpenAI API reference, the completion object: finish_reason",
)
def finish_null(body: Any) -> None:
    """A finished completion has the finish reason null."""
    for choice in choices_of(body):
        choice["finish_reason"] = None


@fault(
    "co-finish-stop-on-cap",
    on=_PLAIN,
    shows=("completion",),
    caught_by=("completions.cut-is-called-length",),
    source="OpenAI API reference, the completion object: finish_reason",
)
def finish_stop(body: Any) -> None:
    """A completion that its cap cut says stop."""
    for choice in choices_of(body):
        choice["finish_reason"] = "stop"


@fault(
    "co-usage-sum",
    on=_PLAIN,
    shows=("completion",),
    caught_by=("completions.usage-sum",),
    source="OpenAI API reference, completion usage",
)
def usage_sum(body: Any) -> None:
    """total_tokens is not the sum of the two others."""
    body["usage"]["total_tokens"] += 5


@fault(
    "co-model-other",
    on=_PLAIN,
    shows=("completion",),
    caught_by=("completions.model-named",),
    also=("bm-wrong-model",),
    source="ddalcu/mlx-serve#257",
)
def model_other(body: Any) -> None:
    """Another model than the one named answers."""
    body["model"] = "llama-3.2-1b"


@fault(
    "co-stream-done-missing",
    on=stream_bytes("completions"),
    shows=("completion",),
    caught_by=("completions.ends-with-done",),
    source="OpenAI API reference, completions: stream",
)
def done_missing(body: bytes) -> bytes:
    """A stream ends without [DONE]."""
    return body.removesuffix(_DONE)


@fault(
    "co-stream-cut",
    on=stream_bytes("completions"),
    shows=("completion",),
    caught_by=("completions.last-event-ended",),
    source="WHATWG HTML, 9.2.6: an event without its blank line is dropped",
)
def last_event_not_ended(body: bytes) -> bytes:
    """No blank line follows [DONE]."""
    return body.removesuffix(b"\n")


@fault(
    "co-stream-no-json",
    on=event_bytes("completions"),
    shows=("completion",),
    caught_by=("completions.json-payloads",),
    also=("sf-double-prefix",),
    source="openclaw/openclaw#97474",
    because=_NO_ANSWER,
)
def no_json(event: bytes) -> bytes:
    """Every payload of a stream has the prefix twice."""
    return event.replace(b"data: ", b"data: data: ", 1)


@fault(
    "co-stream-error",
    on=stream_bytes("completions"),
    shows=("completion",),
    caught_by=("completions.no-error",),
    also=("os-error-event-stream",),
    source="awsl-project/maxx#284",
    because=_NO_ANSWER,
)
def stream_error(body: bytes) -> bytes:
    """An event of a stream is an error."""
    first = body[: body.index(b"\n\n") + 2]
    return first + b'data: {"error":{"message":"crashed","type":"server_error","param":null,"code":null}}\n\n'


@fault(
    "co-stream-id",
    on=events("completions"),
    shows=("completion",),
    caught_by=("completions.one-answer",),
    also=("sc-id-changes",),
    source="ggml-org/llama.cpp#5880",
)
def id_changes(chunks: list[Any]) -> None:
    """Every chunk has an id of its own."""
    for number, chunk in enumerate(chunks):
        chunk["id"] += f"-{number}"


@fault(
    "co-stream-finish-twice",
    on=events("completions"),
    shows=("completion",),
    caught_by=("completions.finish-once",),
    source="OpenAI API reference, the completion object: finish_reason",
)
def finish_twice(chunks: list[Any]) -> None:
    """Two chunks have a finish reason."""
    chunks.append(chunks[-1])


@fault(
    "co-stream-after-finish",
    on=events("completions"),
    shows=("completion",),
    caught_by=("completions.finish-last",),
    source="OpenAI API reference, the completion object: finish_reason",
)
def text_after_finish(chunks: list[Any]) -> None:
    """Text comes after the finish reason."""
    chunks.append(chunks.pop(-2))


@fault(
    "co-stream-cumulative",
    on=events("completions"),
    shows=("completion",),
    caught_by=("completions.not-cumulative",),
    also=("ds-incremental-output",),
    source="moona3k/macparakeet#1087",
)
def cumulative(chunks: list[Any]) -> None:
    """Every chunk has the whole text so far."""
    text = ""
    for chunk in chunks:
        for choice in choices_of(chunk):
            text += choice["text"]
            choice["text"] = text if choice["finish_reason"] is None else ""


@fault(
    "co-stream-usage-missing",
    on=events("completions"),
    shows=("completion-with-usage",),
    caught_by=("completions.usage-given",),
    also=("su-include-usage-ignored",),
    source="ollama/ollama#4448",
)
def usage_missing(chunks: list[Any]) -> list[Any]:
    """include_usage true gives no usage chunk."""
    return [chunk for chunk in chunks if not chunk.get("usage")]


@fault(
    "co-stream-usage-null",
    on=_STREAM,
    shows=("completion-with-usage",),
    caught_by=("completions.usage-null-elsewhere",),
    also=("su-usage-null-absent",),
    source="recorded streams of OpenAI",
)
def usage_null_absent(chunk: Any) -> None:
    """With include_usage, the other chunks lack usage null."""
    if chunk.get("usage", 0) is None:
        del chunk["usage"]


@fault(
    "co-stream-usage-unasked",
    on=events("completions"),
    shows=("completion",),
    caught_by=("completions.usage-unasked",),
    also=("su-usage-unasked",),
    source="awslabs/llmeter#34",
)
def usage_unasked(chunks: list[Any]) -> None:
    """A usage chunk comes unasked."""
    if not chunks[-1].get("usage"):
        used = {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}
        chunks.append({**chunks[0], "choices": [], "usage": used})


@fault(
    "co-stream-finish-empty",
    on=_STREAM,
    shows=("completion",),
    caught_by=("completions.chunk-schema-must",),
    also=("sc-finish-every-chunk",),
    source="ollama/ollama#4357",
    because="A finish reason on every chunk ends the answer again and again.",
)
def finish_empty(chunk: Any) -> None:
    """Every chunk before the last has the finish reason ""."""
    for choice in choices_of(chunk):
        choice["finish_reason"] = choice["finish_reason"] or ""


@fault(
    "co-stream-end-differs",
    on=_STREAM,
    shows=("completion",),
    caught_by=("completions.same-finish-in-both-modes",),
    also=("sc-stream-vs-nonstream-diff",),
    source="sgl-project/sglang#23071",
)
def end_differs(chunk: Any) -> None:
    """The stream ends with stop where the plain answer ends with length."""
    for choice in choices_of(chunk):
        choice["finish_reason"] = choice["finish_reason"] and "stop"


@fault(
    "co-stream-empty",
    on=_STREAM,
    shows=("completion",),
    caught_by=("completions.same-kind-in-both-modes",),
    also=("bm-zero-token-success",),
    source="vllm-project/vllm#5895",
)
def stream_empty(chunk: Any) -> None:
    """The chunks of a stream have no text."""
    for choice in choices_of(chunk):
        choice["text"] = ""


@fault(
    "co-key-in-path",
    on=asked,
    shows=("completion",),
    caught_by=("http.success",),
    source="gateways that check the key of one operation only",
)
def key_refused(seen: Asked) -> Asked:
    """A right key is refused on /completions alone."""
    return replace(seen, key="sk-other") if seen.operation == "completions" else seen


@fault(
    "co-created-zero",
    on=_PLAIN,
    shows=("completion",),
    caught_by=("completions.schema-spec",),
    also=("cn-created-missing",),
    source="mudler/LocalAI#1103",
)
def created_zero(body: Any) -> None:
    """created of a completion is 0."""
    body["created"] = 0


@fault(
    "co-usage-missing",
    on=_PLAIN,
    shows=("completion",),
    caught_by=("completions.schema-recommended",),
    source="recorded answers of OpenAI",
)
def usage_missing_plain(body: Any) -> None:
    """A completion has no usage."""
    del body["usage"]


@fault(
    "co-stream-created-zero",
    on=_STREAM,
    shows=("completion",),
    caught_by=("completions.chunk-schema-spec",),
    also=("cn-created-missing",),
    source="mudler/LocalAI#1103",
)
def stream_created_zero(chunk: Any) -> None:
    """created of chunks is 0."""
    chunk["created"] = 0


@fault(
    "co-usage-prompt-zero",
    on=every("completions"),
    shows=("completion", "completion-with-usage"),
    caught_by=("completions.prompt-counted",),
    source="OpenAI API reference, completion usage: a prompt costs tokens",
)
def prompt_uncounted(body: Any) -> None:
    """usage counts no prompt tokens, and its total is that of the completion."""
    if usage := body.get("usage"):
        usage.update(prompt_tokens=0, total_tokens=usage["completion_tokens"])


@fault(
    "co-usage-first-prompt",
    on=_PLAIN,
    shows=("completion", "completion-prompts"),
    caught_by=("completions.second-prompt-costs-more",),
    source="OpenAI API reference, completions/create (legacy): prompt, one or more",
)
def first_prompt_counted(body: Any) -> None:
    """Of several prompts and their choices, usage counts the first."""
    if len(choices_of(body)) == 2:
        body["usage"] = {"prompt_tokens": 18, "completion_tokens": 4, "total_tokens": 22}


@fault(
    "co-usage-one-choice",
    on=_PLAIN,
    shows=("completion-n",),
    caught_by=("completions.choices-counted",),
    source="OpenAI API reference, completion usage: all choices count",
)
def one_choice_counted(body: Any) -> None:
    """Of two choices, usage counts the first."""
    usage = body["usage"]
    usage["completion_tokens"] //= len(choices_of(body))
    usage["total_tokens"] = usage["prompt_tokens"] + usage["completion_tokens"]


def _moved(body: Any, by: int) -> None:
    """Move the offsets of a completion's or a chunk's tokens."""
    for choice in choices_of(body):
        if choice["logprobs"]:
            choice["logprobs"]["text_offset"] = [at + by for at in choice["logprobs"]["text_offset"]]


@fault(
    "co-echo-offsets",
    on=events("completions"),
    shows=("completion-echo-logprobs",),
    caught_by=("completions.echo-offsets",),
    source="vllm-project/vllm#47815",
)
def echo_offsets_short(chunks: list[Any]) -> None:
    """The new tokens of a streamed echo begin at offsets that are short by the prompt."""
    for chunk in chunks[1:]:
        _moved(chunk, -len("The cat sat on the"))


@fault(
    "co-echo-offsets.all",
    on=every("completions"),
    shows=("completion-echo-logprobs",),
    caught_by=("completions.echo-offsets",),
    source="OpenAI API reference, the completion object: text_offset",
)
def echo_offsets_moved(body: Any) -> None:
    """With echo, offsets count from the end of the prompt."""
    _moved(body, len("The cat sat on the"))


@fault(
    "co-logprobs-offsets.minus-one",
    on=_PLAIN,
    shows=("completion-logprobs",),
    caught_by=("completions.logprobs-offsets",),
    source="ai-dynamo/dynamo#12973",
)
def offsets_minus_one(body: Any) -> None:
    """Every token begins at -1."""
    for choice in choices_of(body):
        if choice["logprobs"]:
            choice["logprobs"]["text_offset"] = [-1] * len(choice["logprobs"]["tokens"])


@fault(
    "co-logprobs-so-far",
    on=events("completions"),
    shows=("completion-logprobs",),
    caught_by=("completions.logprobs-spell-the-text",),
    source="sgl-project/sglang#21583, of chat",
)
def logprobs_so_far(chunks: list[Any]) -> None:
    """Each chunk of a legacy stream has the log probabilities of all tokens so far."""
    so_far: dict[str, list[Any]] = {}
    for chunk in chunks:
        for choice in choices_of(chunk):
            for name, values in (choice["logprobs"] or {}).items():
                so_far[name] = choice["logprobs"][name] = [*so_far.get(name, ()), *values]
