"""Streams: faults of tool calls, and those of plain tool calls beside them."""

from typing import Any

import orjson

from harness.endpoint.departure import (
    calls_of,
    choices_of,
    each,
    events,
    every,
    fault,
    objects,
    with_calls,
)

_CALL = ("tool-call",)
_TWO_CALLS = ("tool-call-parallel",)
_PLAIN = objects("chat.completion")
_NO_CALL = "A call that can't be put together is missed by every rule on calls and by the clients' users."


def _fragments(chunks: list[Any]) -> list[Any]:
    return [fragment for chunk in chunks for fragment in calls_of(chunk)]


@fault(
    "st-index-missing",
    on=each("chat"),
    shows=("tool-call", "tool-call-helper"),
    caught_by=("tools.fragment-index",),
    also=("lc-index-none-merge", "os-stream-helper-index"),
    because=_NO_CALL,
)
def index_missing(chunk: Any) -> None:
    """Fragments of a call have no index."""
    for fragment in calls_of(chunk):
        del fragment["index"]


@fault(
    "st-index-missing.null",
    on=each("chat"),
    shows=("tool-call", "tool-call-helper"),
    caught_by=("tools.fragment-index",),
    because=_NO_CALL,
)
def index_null(chunk: Any) -> None:
    """Fragments of a call have the index null."""
    for fragment in calls_of(chunk):
        fragment["index"] = None


@fault(
    "st-index-always-1",
    on=each("chat"),
    shows=("tool-call", "tool-call-helper"),
    caught_by=("tools.fragment-indexes-count",),
    because="The SDK's stream helper raises, so that its user has no call at all.",
)
def index_one(chunk: Any) -> None:
    """The only call has the index 1."""
    for fragment in calls_of(chunk):
        fragment["index"] = 1


@fault(
    "st-all-index-0",
    on=each("chat"),
    shows=_TWO_CALLS,
    caught_by=("tools.fragment-id-once", "tools.fragment-name-once"),
    because=_NO_CALL,
)
def all_index_zero(chunk: Any) -> None:
    """Two calls share the index 0."""
    for fragment in calls_of(chunk):
        fragment["index"] = 0


@fault(
    "st-id-empty-continuation",
    on=each("chat"),
    shows=_CALL,
    caught_by=("tools.fragment-bare",),
)
def id_empty_continuation(chunk: Any) -> None:
    """Fragments after the first have the id "", the type again and the name null."""
    for fragment in calls_of(chunk):
        if "id" not in fragment:
            fragment.update(id="", type="function")
            fragment["function"]["name"] = None


@fault(
    "ds-tool-id-empty",
    on=with_calls(events("chat")),
    shows=_CALL,
    caught_by=("tools.fragment-bare", "tools.arguments-are-text"),
)
def dashscope_continuation(chunks: list[Any]) -> None:
    """Fragments after the first have the id "" and the name null, the last one arguments null."""
    fragments = _fragments(chunks)
    for fragment in fragments[1:]:
        fragment.update(id="", type="function")
        fragment["function"]["name"] = None
    last = [chunk for chunk in chunks if any(calls_of(chunk))][-1]
    tail = {"index": 0, "id": "", "type": "function", "function": {"name": None, "arguments": None}}
    (choice,) = last["choices"]
    chunks.insert(chunks.index(last) + 1, {**last, "choices": [{**choice, "delta": {"tool_calls": [tail]}}]})


@fault(
    "st-id-repeated",
    on=events("chat"),
    shows=("tool-call", "tool-call-helper"),
    caught_by=("tools.fragment-id-once",),
)
def id_repeated(chunks: list[Any]) -> None:
    """Every fragment repeats the id."""
    fragments = _fragments(chunks)
    for fragment in fragments:
        fragment["id"] = fragments[0]["id"]


@fault(
    "st-id-changes",
    on=events("chat"),
    shows=_CALL,
    caught_by=("tools.fragment-id-once",),
    source="sgl-project/sglang#23071",
    because=_NO_CALL,
)
def id_changes(chunks: list[Any]) -> None:
    """Every fragment of a call has an id of its own."""
    for number, fragment in enumerate(_fragments(chunks)):
        fragment["id"] = f"call_{number}"


@fault(
    "st-id-null-first",
    on=each("chat"),
    shows=_CALL,
    caught_by=("tools.fragment-first",),
)
def id_never(chunk: Any) -> None:
    """No fragment of a call has an id."""
    for fragment in calls_of(chunk):
        fragment.pop("id", None)


@fault(
    "st-id-null-first.null",
    on=each("chat"),
    shows=_CALL,
    caught_by=("tools.fragment-first",),
)
def id_null(chunk: Any) -> None:
    """The first fragment of a call has the id null."""
    for fragment in calls_of(chunk):
        if "id" in fragment:
            fragment["id"] = None


@fault(
    "st-id-empty",
    on=_PLAIN,
    shows=("tool-call", "tool-result"),
    caught_by=("tools.id-given", "tools.replay-accepted"),
)
def id_empty(body: Any) -> None:
    """The id of a plain call is ""."""
    for call in calls_of(body):
        call["id"] = ""


@fault("st-id-empty.stream", on=each("chat"), shows=_CALL, caught_by=("tools.fragment-first",))
def id_empty_streamed(chunk: Any) -> None:
    """The id of a streamed call is ""."""
    for fragment in calls_of(chunk):
        if "id" in fragment:
            fragment["id"] = ""


@fault(
    "st-id-missing",
    on=_PLAIN,
    shows=_CALL,
    caught_by=("tools.id-given",),
    source="OpenAI API reference, the chat completion object: tool_calls[].id",
)
def id_missing(body: Any) -> None:
    """A plain call has no id."""
    for call in calls_of(body):
        del call["id"]


@fault("st-id-duplicate-in-response", on=_PLAIN, shows=_TWO_CALLS, caught_by=("tools.id-unique",))
def id_duplicate(body: Any) -> None:
    """Two plain calls of one answer have the same id."""
    for call in calls_of(body):
        call["id"] = "call_1"


@fault(
    "st-id-duplicate-in-response.stream",
    on=each("chat"),
    shows=_TWO_CALLS,
    caught_by=("tools.id-unique",),
)
def id_duplicate_streamed(chunk: Any) -> None:
    """Two streamed calls of one answer have the same id."""
    for fragment in calls_of(chunk):
        if "id" in fragment:
            fragment["id"] = "call_1"


@fault(
    "st-id-long",
    on=_PLAIN,
    shows=_CALL,
    caught_by=("tools.id-short",),
    source="OpenAI refuses ids of more than 40 characters that come back",
)
def id_long(body: Any) -> None:
    """The id of a call has 200 characters."""
    for call in calls_of(body):
        call["id"] = "call_" + "x" * 195


@fault(
    "st-name-repeated",
    on=events("chat"),
    shows=("tool-call", "tool-call-helper"),
    caught_by=("tools.fragment-name-once",),
    also=("lc-tool-name-concat", "os-accumulate-concat"),
)
def name_repeated(chunks: list[Any]) -> None:
    """Every fragment repeats the whole name."""
    fragments = _fragments(chunks)
    for fragment in fragments:
        fragment["function"]["name"] = fragments[0]["function"]["name"]


@fault(
    "st-name-after-args",
    on=with_calls(events("chat")),
    shows=_CALL,
    caught_by=("tools.fragment-first",),
)
def name_after_arguments(chunks: list[Any]) -> None:
    """The name comes with the last fragment of the arguments."""
    fragments = _fragments(chunks)
    fragments[-1]["function"]["name"] = fragments[0]["function"].pop("name")


@fault(
    "st-name-missing",
    on=each("chat"),
    shows=_CALL,
    caught_by=("tools.fragment-first",),
    source="sgl-project/sglang#23071",
    because=_NO_CALL,
)
def name_never(chunk: Any) -> None:
    """No fragment of a call has a name."""
    for fragment in calls_of(chunk):
        fragment["function"].pop("name", None)


@fault(
    "st-name-unknown",
    on=_PLAIN,
    shows=_CALL,
    caught_by=("tools.name-offered",),
    source="OpenAI API reference, function calling: the model calls one of the tools",
)
def name_unknown(body: Any) -> None:
    """A call names a function that was not offered."""
    for call in calls_of(body):
        call["function"]["name"] = f"functions.{call['function']['name']}"


@fault(
    "st-args-null",
    on=with_calls(events("chat")),
    shows=_CALL,
    caught_by=("tools.arguments-are-text",),
)
def arguments_null(chunks: list[Any]) -> None:
    """The first fragment's arguments are null."""
    _fragments(chunks)[0]["function"]["arguments"] = None


@fault(
    "st-args-object",
    on=_PLAIN,
    shows=_CALL,
    caught_by=("tools.arguments-are-text",),
    because=_NO_CALL,
)
def arguments_object(body: Any) -> None:
    """The arguments of a plain call are an object."""
    for call in calls_of(body):
        call["function"]["arguments"] = orjson.loads(call["function"]["arguments"])


@fault(
    "st-args-object.stream",
    on=with_calls(events("chat")),
    shows=_CALL,
    caught_by=("tools.arguments-are-text",),
    because=_NO_CALL,
)
def arguments_object_streamed(chunks: list[Any]) -> None:
    """The arguments of a streamed call are an object, in its first fragment."""
    _, *rest = [chunk for chunk in chunks if any(calls_of(chunk))]
    fragments = _fragments(chunks)
    text = "".join(more["function"]["arguments"] for more in fragments)
    if {more["index"] for more in fragments} == {0} and text.endswith("}"):
        fragments[0]["function"]["arguments"] = orjson.loads(text)
        for chunk in rest:
            chunks.remove(chunk)


@fault(
    "st-args-empty-noargs",
    on=_PLAIN,
    shows=("tool-call-empty",),
    caught_by=("tools.arguments-given",),
)
def arguments_empty(body: Any) -> None:
    """A plain call without arguments has "" in place of {}."""
    for call in calls_of(body):
        call["function"]["arguments"] = ""


@fault(
    "st-args-empty-noargs.stream",
    on=each("chat"),
    shows=("tool-call-empty",),
    caught_by=("tools.arguments-given",),
)
def arguments_empty_streamed(chunk: Any) -> None:
    """A streamed call without arguments has "" in place of {}."""
    for fragment in calls_of(chunk):
        fragment["function"]["arguments"] = ""


@fault(
    "st-args-cut",
    on=_PLAIN,
    shows=_CALL,
    caught_by=("tools.arguments-parse",),
    source="can1357/oh-my-pi#9433",
)
def arguments_cut(body: Any) -> None:
    """The arguments of a call that ends with tool_calls break off."""
    for call in calls_of(body):
        call["function"]["arguments"] = call["function"]["arguments"][:-3]


@fault(
    "st-args-double-encoded",
    on=_PLAIN,
    shows=_CALL,
    caught_by=("tools.arguments-parse",),
    source="servers that serialise the model's JSON once more",
)
def arguments_double_encoded(body: Any) -> None:
    """The arguments are a JSON text that holds the JSON."""
    for call in calls_of(body):
        call["function"]["arguments"] = orjson.dumps(call["function"]["arguments"]).decode()


@fault(
    "st-args-lost-fragment",
    on=with_calls(events("chat")),
    shows=_CALL,
    caught_by=("tools.arguments-parse",),
    source="vercel/ai#15879",
)
def arguments_lost_fragment(chunks: list[Any]) -> None:
    """The second fragment of the arguments is lost."""
    fragments = [chunk for chunk in chunks if any(calls_of(chunk))]
    chunks.remove(fragments[1])


@fault(
    "st-args-not-strict",
    on=_PLAIN,
    shows=("tool-call-strict",),
    caught_by=("tools.strict-arguments",),
    source="OpenAI API reference, function calling: strict",
)
def arguments_not_strict(body: Any) -> None:
    """The arguments of a strict tool lack what its schema requires."""
    for call in calls_of(body):
        call["function"]["arguments"] = '{"shade":"soft"}'


@fault(
    "st-inconsistent-index-qwen",
    on=events("chat"),
    shows=_CALL,
    caught_by=("tools.fragment-first",),
    also=("ds-qwen3-index",),
    because=_NO_CALL,
)
def inconsistent_index(chunks: list[Any]) -> None:
    """One call's later fragments have the index 1."""
    for fragment in _fragments(chunks)[1:]:
        fragment["index"] = 1


@fault(
    "st-inconsistent-index-qwen.with-id",
    on=with_calls(events("chat")),
    shows=_CALL,
    caught_by=("tools.fragment-one-index",),
    because=_NO_CALL,
)
def inconsistent_index_with_id(chunks: list[Any]) -> None:
    """One call's fragments repeat its id, the later ones with the index 1."""
    first, *rest = _fragments(chunks)
    for fragment in rest:
        fragment.update(index=1, id=first["id"])


@fault("st-index-in-nonstream", on=_PLAIN, shows=_CALL, caught_by=("tools.no-index-in-message",))
def index_in_message(body: Any) -> None:
    """A plain call has an index."""
    for number, call in enumerate(calls_of(body)):
        call["index"] = number


@fault(
    "st-dup-index-entries",
    on=with_calls(events("chat")),
    shows=("tool-call", "tool-call-helper"),
    caught_by=("tools.fragment-once-in-chunk",),
    also=("os-dup-index",),
)
def two_fragments_of_one_index(chunks: list[Any]) -> None:
    """One chunk has two fragments of the same index."""
    first, second, *_ = [chunk for chunk in chunks if any(calls_of(chunk))]
    first["choices"][0]["delta"]["tool_calls"] += second["choices"][0]["delta"]["tool_calls"]
    chunks.remove(second)


@fault(
    "st-named-no-id-name-repeat",
    on=events("chat"),
    shows=("tool-call-named",),
    caught_by=(
        "tools.fragment-first",
        "tools.fragment-name-once",
    ),
    because=_NO_CALL,
)
def named_free_text(chunks: list[Any]) -> None:
    """With a named tool_choice, fragments have the name, no id, no type, and free text as arguments."""
    for number, fragment in enumerate(_fragments(chunks)):
        fragment.pop("id", None)
        fragment.pop("type", None)
        fragment["function"] = {"name": "get_weather", "arguments": "你好"[number % 2]}


@fault(
    "st-type-missing",
    on=each("chat"),
    shows=_CALL,
    caught_by=("tools.type-function",),
    source="OpenAI API reference, the chat completion chunk object: tool_calls[].type",
)
def type_missing(chunk: Any) -> None:
    """No fragment of a call has a type."""
    for fragment in calls_of(chunk):
        fragment.pop("type", None)


@fault(
    "st-finish-stop",
    on=_PLAIN,
    shows=_CALL,
    caught_by=("tools.finish-reason",),
    source="OpenAI API reference, the chat completion object: finish_reason tool_calls",
)
def finish_stop(body: Any) -> None:
    """An answer with a call ends with stop."""
    for choice in choices_of(body):
        choice["finish_reason"] = "stop"


@fault(
    "st-finish-stop.stream",
    on=each("chat"),
    shows=_CALL,
    caught_by=("tools.finish-reason",),
    source="OpenAI API reference, the chat completion chunk object: finish_reason tool_calls",
)
def finish_stop_streamed(chunk: Any) -> None:
    """A stream with a call ends with stop."""
    for choice in choices_of(chunk):
        choice["finish_reason"] = choice["finish_reason"] and "stop"


@fault(
    "st-finish-without-call",
    on=_PLAIN,
    shows=("founding",),
    caught_by=("tools.finish-needs-calls",),
    source="OpenAI API reference, the chat completion object: finish_reason tool_calls",
)
def finish_without_call(body: Any) -> None:
    """An answer without a call ends with tool_calls."""
    for choice in choices_of(body):
        choice["finish_reason"] = "tool_calls"


@fault(
    "st-function-call",
    on=with_calls(_PLAIN),
    shows=_CALL,
    caught_by=("tools.no-function-call",),
    source="OpenAI API reference: function_call is deprecated and answers functions alone",
    because="Who looks for tool_calls finds none.",
)
def function_call(body: Any) -> None:
    """A call for tools comes as function_call, without an id."""
    message = body["choices"][0]["message"]
    message["function_call"] = message.pop("tool_calls")[0]["function"]
    body["choices"][0]["finish_reason"] = "function_call"


@fault(
    "st-call-as-text",
    on=with_calls(_PLAIN),
    shows=_CALL,
    caught_by=("chat.no-control-tokens",),
    also=("cn-control-token-leak",),
    source="lmstudio-ai/lmstudio-bug-tracker#1071",
    because="Who looks for tool_calls finds none.",
)
def call_as_text(body: Any) -> None:
    """A call comes as the template's mark-up in the content, and the answer ends with stop."""
    choice = body["choices"][0]
    (call,) = choice["message"].pop("tool_calls")
    choice["message"]["content"] = f"<tool_call>\n{orjson.dumps(call['function']).decode()}\n</tool_call>"
    choice["finish_reason"] = "stop"


@fault(
    "sf-utf8-split.arguments",
    on=_PLAIN,
    shows=("tool-call-named", "tool-call-required"),
    caught_by=("tools.arguments-readable",),
)
def arguments_garbled(body: Any) -> None:
    """Characters of the arguments came out as U+FFFD."""
    for call in calls_of(body):
        text = call["function"]["arguments"]
        call["function"]["arguments"] = text[:-2] + "\ufffd\ufffd" + text[-2:]


@fault(
    "st-first-fragment-lost",
    on=with_calls(events("chat")),
    shows=_CALL,
    caught_by=("stream.call-started",),
    also=("st-id-null-first",),
    source="sgl-project/sglang#23071",
    because=_NO_CALL,
)
def first_fragment_lost(chunks: list[Any]) -> None:
    """The fragment with the id and the name is lost: arguments come first."""
    chunks.remove(next(chunk for chunk in chunks if any(calls_of(chunk))))


@fault(
    "st-calls-uncounted",
    on=_PLAIN,
    shows=_CALL,
    caught_by=("tools.usage-counts-calls",),
    source="OpenAI API reference, completion usage: calls are completion tokens",
)
def calls_uncounted(body: Any) -> None:
    """usage counts no completion tokens for a call."""
    used = body["usage"]
    used["completion_tokens"], used["total_tokens"] = 0, used["prompt_tokens"]


@fault(
    "st-result-unanswered",
    on=_PLAIN,
    shows=("tool-result",),
    caught_by=("tools.result-answered",),
    source="earendil-works/pi#1125",
)
def result_unanswered(body: Any) -> None:
    """The turn that brings a tool's result is answered with an empty text."""
    for choice in choices_of(body):
        if choice["finish_reason"] == "stop" and "tool_calls" not in choice["message"]:
            choice["message"]["content"] = ""


@fault(
    "st-id-static",
    on=every("chat"),
    shows=("tool-call", "tool-call-required"),
    caught_by=("tools.ids-of-one-answer",),
    source="ids that count the calls of one answer: call_0, call_1",
)
def id_static(body: Any) -> None:
    """The calls of every answer have the ids call_0, call_1 and so on."""
    for place, call in enumerate(calls_of(body)):
        if call.get("id"):
            call["id"] = f"call_{call.get('index', place)}"


@fault(
    "st-call-after-finish",
    on=events("chat"),
    shows=_CALL,
    caught_by=("stream.finish-last",),
    source="raullenchai/Rapid-MLX#433",
)
def call_after_finish(chunks: list[Any]) -> None:
    """The finish reason stop comes before the call."""
    if not any(call for chunk in chunks for call in calls_of(chunk)):
        return
    end = next(chunk for chunk in chunks if any(choice["finish_reason"] for choice in choices_of(chunk)))
    chunks.remove(end)
    end["choices"][0]["finish_reason"] = "stop"
    chunks.insert(1, end)
