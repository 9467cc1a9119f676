"""Responses: faults of the response object, its events and its parameters."""

import re
from dataclasses import replace
from typing import Any

from harness.endpoint.answer import Wire
from harness.endpoint.departure import (
    Asked,
    any_wire,
    asked,
    each,
    event_bytes,
    events,
    every,
    fault,
    objects,
    request,
    stream_bytes,
    stream_wire,
)
from harness.endpoint.refusal import Refusal

_ASK = request("responses")
_PLAIN = objects("response", operation="responses")
_EACH = each("responses")
_EVENTS = events("responses")
_SHOWS = ("response",)
_NO_ITEM = "What belongs to an item that never began is missed by each rule on items."
_NO_END = "Without its end a response is missed by each rule on whole responses, and by the clients' users."
_REFERENCE = "OpenAI API reference, streaming events"


def _of(chunks: list[Any], kind: str) -> list[Any]:
    return [event for event in chunks if event["type"] == kind]


def _without(chunks: list[Any], kind: str) -> None:
    """Take the events of a kind out, and number the others anew."""
    chunks[:] = [event for event in chunks if event["type"] != kind]
    _numbered(chunks)


def _numbered(chunks: list[Any]) -> None:
    for number, event in enumerate(chunks):
        event["sequence_number"] = number


# --- events ---


@fault("re-missing-seqnum", on=_EACH, shows=_SHOWS, caught_by=("responses.event-schema-must",))
def sequence_number_missing(event: Any) -> Any:
    """Events have no sequence_number."""
    return {key: value for key, value in event.items() if key != "sequence_number"}


@fault("re-missing-seqnum.zero", on=_EACH, shows=_SHOWS, caught_by=("responses.sequence-numbers",))
def sequence_number_zero(event: Any) -> None:
    """Every event has the sequence_number 0."""
    event["sequence_number"] = 0


@fault("re-missing-seqnum.gap", on=_EVENTS, shows=_SHOWS, caught_by=("responses.sequence-numbers",))
def sequence_number_gap(chunks: list[Any]) -> None:
    """The second event is lost, and a sequence_number with it."""
    lost = _of(chunks, "response.in_progress")[0]
    chunks.remove(lost)


@fault("re-item-id-rotates", on=_EVENTS, shows=_SHOWS, caught_by=("responses.item-ids",))
def item_id_rotates(chunks: list[Any]) -> None:
    """Every delta speaks of an item of its own."""
    for number, event in enumerate(_of(chunks, "response.output_text.delta")):
        event["item_id"] = f"msg_{number}"


@fault(
    "re-item-id-rotates.done",
    on=_EVENTS,
    shows=_SHOWS,
    caught_by=("responses.item-ids",),
)
def item_id_at_the_end(chunks: list[Any]) -> None:
    """An item has another id when it is done."""
    for event in _of(chunks, "response.output_item.done"):
        event["item"]["id"] = "msg_done"


@fault(
    "re-completed-output-empty",
    on=_EVENTS,
    shows=_SHOWS,
    caught_by=("responses.response-is-deltas",),
)
def output_empty(chunks: list[Any]) -> None:
    """The final response has the output []."""
    chunks[-1]["response"]["output"] = []


@fault(
    "re-completed-output-empty.null",
    on=_EVENTS,
    shows=_SHOWS,
    caught_by=("responses.event-schema-must",),
    also=("os-responses-null-output",),
    because=_NO_END,
)
def output_null(chunks: list[Any]) -> None:
    """The final response has the output null."""
    chunks[-1]["response"]["output"] = None


@fault("re-part-without-text", on=_EVENTS, shows=_SHOWS, caught_by=("responses.event-schema-must",))
def part_without_text(chunks: list[Any]) -> None:
    """A content part is added without its text."""
    for event in _of(chunks, "response.content_part.added"):
        del event["part"]["text"]


@fault(
    "re-part-never-added",
    on=_EVENTS,
    shows=_SHOWS,
    caught_by=("responses.part-added",),
    also=("re-part-without-text",),
    source=_REFERENCE,
)
def part_never_added(chunks: list[Any]) -> None:
    """A part's text comes without response.content_part.added."""
    _without(chunks, "response.content_part.added")


@fault(
    "re-item-never-added",
    on=_EVENTS,
    shows=_SHOWS,
    caught_by=("responses.item-added",),
    source=_REFERENCE,
    because=_NO_ITEM,
)
def item_never_added(chunks: list[Any]) -> None:
    """An item's events come without response.output_item.added."""
    _without(chunks, "response.output_item.added")


@fault(
    "re-item-added-twice",
    on=_EVENTS,
    shows=_SHOWS,
    caught_by=("responses.item-added-once",),
    source=_REFERENCE,
)
def item_added_twice(chunks: list[Any]) -> None:
    """An item is added twice."""
    added = _of(chunks, "response.output_item.added")[0]
    chunks.insert(chunks.index(added), dict(added))
    _numbered(chunks)


@fault(
    "re-part-added-twice",
    on=_EVENTS,
    shows=_SHOWS,
    caught_by=("responses.part-added-once",),
    source=_REFERENCE,
)
def part_added_twice(chunks: list[Any]) -> None:
    """A part is added twice."""
    for added in _of(chunks, "response.content_part.added")[:1]:
        chunks.insert(chunks.index(added), dict(added))
    _numbered(chunks)


@fault("re-item-never-done", on=_EVENTS, shows=_SHOWS, caught_by=("responses.item-done",), source=_REFERENCE)
def item_never_done(chunks: list[Any]) -> None:
    """An item has no response.output_item.done."""
    _without(chunks, "response.output_item.done")


@fault("re-text-never-done", on=_EVENTS, shows=_SHOWS, caught_by=("responses.text-done",), source=_REFERENCE)
def text_never_done(chunks: list[Any]) -> None:
    """A text has no response.output_text.done."""
    _without(chunks, "response.output_text.done")


@fault("re-part-never-done", on=_EVENTS, shows=_SHOWS, caught_by=("responses.part-done",), source=_REFERENCE)
def part_never_done(chunks: list[Any]) -> None:
    """A part has no response.content_part.done."""
    _without(chunks, "response.content_part.done")


@fault(
    "re-delta-after-text-done",
    on=_EVENTS,
    shows=_SHOWS,
    caught_by=("responses.nothing-after-text-done",),
    source=_REFERENCE,
)
def delta_after_text_done(chunks: list[Any]) -> None:
    """The last delta comes after the event that ends its text."""
    deltas = _of(chunks, "response.output_text.delta")
    if deltas:
        chunks.remove(deltas[-1])
        chunks.insert(chunks.index(_of(chunks, "response.output_text.done")[0]) + 1, deltas[-1])
    _numbered(chunks)


@fault(
    "re-event-after-item-done",
    on=_EVENTS,
    shows=_SHOWS,
    caught_by=("responses.nothing-after-item-done",),
    source=_REFERENCE,
)
def part_done_after_item_done(chunks: list[Any]) -> None:
    """The end of a part comes after the end of its item."""
    for done in _of(chunks, "response.content_part.done"):
        chunks.remove(done)
        chunks.insert(chunks.index(_of(chunks, "response.output_item.done")[0]) + 1, done)
    _numbered(chunks)


@fault(
    "re-item-place",
    on=_EACH,
    shows=_SHOWS,
    caught_by=("responses.item-places",),
    source=_REFERENCE,
)
def item_place(event: Any) -> None:
    """The only item is added at place 1."""
    if "output_index" in event:
        event["output_index"] = 1


@fault(
    "re-text-differs",
    on=_EVENTS,
    shows=_SHOWS,
    caught_by=("responses.text-is-deltas",),
    source=_REFERENCE,
)
def text_differs(chunks: list[Any]) -> None:
    """The text at the end of a part is not that of its deltas."""
    for event in _of(chunks, "response.output_text.done"):
        event["text"] += "!"


@fault(
    "re-part-differs",
    on=_EVENTS,
    shows=_SHOWS,
    caught_by=("responses.part-is-deltas",),
    source=_REFERENCE,
)
def part_differs(chunks: list[Any]) -> None:
    """A part at its end has an empty text."""
    for event in _of(chunks, "response.content_part.done"):
        event["part"]["text"] = ""


@fault(
    "re-item-differs",
    on=_EVENTS,
    shows=_SHOWS,
    caught_by=("responses.item-is-deltas",),
    source=_REFERENCE,
)
def item_differs(chunks: list[Any]) -> None:
    """An item at its end has another text than its deltas."""
    for event in _of(chunks, "response.output_item.done"):
        for part in event["item"].get("content", ()):
            part["text"] += "!"


@fault(
    "re-response-differs",
    on=_EVENTS,
    shows=_SHOWS,
    caught_by=("responses.response-is-deltas",),
    also=("re-completed-output-empty",),
    source=_REFERENCE,
)
def response_differs(chunks: list[Any]) -> None:
    """The final response has another text than the deltas."""
    for item in chunks[-1]["response"]["output"]:
        for part in item.get("content", ()):
            part["text"] += "!"


@fault(
    "re-delta-lost",
    on=_EVENTS,
    shows=("response-capped",),
    caught_by=("responses.text-is-deltas",),
    source=_REFERENCE,
    because="The text is wrong against each of its four repetitions, and for the user.",
)
def delta_lost(chunks: list[Any]) -> None:
    """A delta is lost, and the numbers do not show it."""
    lost = _of(chunks, "response.output_text.delta")[3]
    chunks.remove(lost)
    _numbered(chunks)


@fault(
    "re-arguments-differ",
    on=_EVENTS,
    shows=("response-tool",),
    caught_by=("responses.text-is-deltas",),
    source=_REFERENCE,
)
def arguments_differ(chunks: list[Any]) -> None:
    """The arguments at the end of a call are not its deltas."""
    for event in _of(chunks, "response.function_call_arguments.done"):
        event["arguments"] = "{}"


@fault(
    "re-created-missing",
    on=_EVENTS,
    shows=("response", "response-helper"),
    caught_by=("responses.created-first",),
    source=_REFERENCE,
)
def created_missing(chunks: list[Any]) -> None:
    """The first event is response.in_progress."""
    _without(chunks, "response.created")


@fault("re-created-twice", on=_EVENTS, shows=_SHOWS, caught_by=("responses.opened-once",), source=_REFERENCE)
def created_twice(chunks: list[Any]) -> None:
    """response.created comes twice."""
    chunks.insert(1, dict(chunks[0]))
    _numbered(chunks)


@fault(
    "re-in-progress-missing",
    on=_EVENTS,
    shows=_SHOWS,
    caught_by=("responses.in-progress-first",),
    source=_REFERENCE,
)
def in_progress_missing(chunks: list[Any]) -> None:
    """There is no response.in_progress."""
    _without(chunks, "response.in_progress")


@fault(
    "re-terminal-missing",
    on=_EVENTS,
    shows=("response", "response-helper"),
    caught_by=("responses.terminal-event",),
    source=_REFERENCE,
    because=_NO_END,
)
def terminal_missing(chunks: list[Any]) -> None:
    """A stream ends without response.completed."""
    chunks.pop()


@fault(
    "re-after-terminal",
    on=_EVENTS,
    shows=_SHOWS,
    caught_by=("responses.nothing-after-terminal",),
    source=_REFERENCE,
)
def after_terminal(chunks: list[Any]) -> None:
    """An event follows the terminal one."""
    chunks.insert(len(chunks), dict(_of(chunks, "response.in_progress")[0]))
    _numbered(chunks)


@fault(
    "re-terminal-status",
    on=_EVENTS,
    shows=_SHOWS,
    caught_by=("responses.terminal-status",),
    source=_REFERENCE,
)
def terminal_status(chunks: list[Any]) -> None:
    """The response of response.completed has the status in_progress."""
    chunks[-1]["response"]["status"] = "in_progress"


@fault(
    "re-ids-differ",
    on=_EVENTS,
    shows=_SHOWS,
    caught_by=("responses.same-id",),
    source=_REFERENCE,
)
def ids_differ(chunks: list[Any]) -> None:
    """The final response has another id than the first."""
    chunks[-1]["response"]["id"] = "resp_other"


@fault(
    "re-event-name",
    on=event_bytes("responses"),
    shows=_SHOWS,
    caught_by=("responses.event-name",),
    source=_REFERENCE,
)
def event_name(event: bytes) -> bytes:
    """Every event is named message."""
    return b"event: message\n" + event.partition(b"\n")[2]


@fault(
    "re-event-name-missing",
    on=event_bytes("responses"),
    shows=_SHOWS,
    caught_by=("responses.event-named",),
    source=_REFERENCE,
)
def event_name_missing(event: bytes) -> bytes:
    """Events have no event: line."""
    return event.partition(b"\n")[2]


@fault(
    "re-type-missing",
    on=_EACH,
    shows=("response", "response-helper"),
    caught_by=("responses.event-schema-must",),
    source="the SDK reads data.type only",
    because="An event without a type is none of those that rules on events look for.",
)
def type_missing(event: Any) -> None:
    """Events have their name in the event: line only."""
    del event["type"]


@fault(
    "re-done-terminal",
    on=event_bytes("responses"),
    shows=_SHOWS,
    caught_by=("responses.no-empty-event",),
)
def blank_line_at_the_end(event: bytes) -> bytes:
    """After each event with an id comes a bare blank line."""
    return b"id: 1\n" + event + b"\n"


@fault(
    "re-done-terminal.empty",
    on=stream_bytes("responses"),
    shows=_SHOWS,
    caught_by=("responses.no-empty-event",),
)
def empty_event_at_the_end(body: bytes) -> bytes:
    """After the terminal event comes an event with empty data."""
    return body + b"data: \n\n"


@fault(
    "re-bom",
    on=stream_bytes("responses"),
    shows=_SHOWS,
    caught_by=("responses.no-bom",),
    also=("sf-bom",),
    source="WHATWG HTML, 9.2.5",
)
def byte_order_mark(body: bytes) -> bytes:
    """The stream begins with a byte order mark."""
    return b"\xef\xbb\xbf" + body


@fault(
    "re-last-event-not-ended",
    on=stream_bytes("responses"),
    shows=_SHOWS,
    caught_by=("responses.last-event-ended",),
    source="WHATWG HTML, 9.2.6",
    because=_NO_END,
)
def last_event_not_ended(body: bytes) -> bytes:
    """No blank line follows the terminal event."""
    return body.removesuffix(b"\n")


@fault(
    "re-no-json",
    on=event_bytes("responses"),
    shows=_SHOWS,
    caught_by=("responses.json-payloads",),
    also=("sf-double-prefix",),
    source="openclaw/openclaw#97474",
    because=_NO_END,
)
def no_json(event: bytes) -> bytes:
    """Every payload has the prefix twice."""
    return event.replace(b"data: ", b"data: data: ", 1)


@fault(
    "re-cut",
    on=stream_wire("responses"),
    shows=_SHOWS,
    caught_by=("http.whole-body",),
    also=("sf-early-close",),
    source="npuichigo/openai_trtllm#31",
    because=_NO_END,
)
def cut(wire: Wire) -> Wire:
    """The connection is cut in the middle of the stream."""
    return replace(wire, writes=wire.writes[: len(wire.writes) // 2], is_cut=True)


# --- errors ---

_ERROR = {"code": "server_error", "message": "The engine crashed", "param": None}


@fault(
    "re-error-event-shape",
    on=_EVENTS,
    shows=("response", "response-helper"),
    caught_by=("responses.no-error-event",),
    because=_NO_END,
)
def error_nested(chunks: list[Any]) -> None:
    """The stream breaks off with an error event whose keys stand under error."""
    del chunks[4:]
    chunks.append({"type": "error", "sequence_number": 4, "error": _ERROR})


@fault(
    "re-error-event-shape.flat",
    on=_EVENTS,
    shows=("response", "response-helper"),
    caught_by=("responses.no-error-event",),
    also=("os-responses-error-flat",),
    because=_NO_END,
)
def error_flat(chunks: list[Any]) -> None:
    """The stream breaks off with a flat error event."""
    del chunks[4:]
    chunks.append({"type": "error", "sequence_number": 4, **_ERROR})


@fault(
    "re-error-event-shape.failed",
    on=_EVENTS,
    shows=("response", "response-helper"),
    caught_by=("responses.not-failed",),
    because=_NO_END,
)
def failed_first(chunks: list[Any]) -> None:
    """A stream is one response.failed, with HTTP 200."""
    response = {**chunks[0]["response"], "status": "failed"}
    response["error"] = {"code": "server_error", "message": "overloaded"}
    chunks[:] = [{"type": "response.failed", "sequence_number": 0, "response": response}]


@fault(
    "re-failed",
    on=_PLAIN,
    shows=_SHOWS,
    caught_by=("http.no-error-in-success",),
    also=("er-200-with-error",),
    source="OpenAI API reference, the response object: error",
    because="A failed response lacks its answer for the clients' users too.",
)
def failed(body: Any) -> None:
    """A plain response has failed, with HTTP 200."""
    body.update(status="failed", error={"code": "server_error", "message": "crashed"}, output=[])


# --- the response ---


@fault(
    "re-status-item-completed",
    on=_PLAIN,
    shows=("response-capped",),
    caught_by=("responses.cut-item-is-incomplete",),
)
def items_completed(body: Any) -> None:
    """A plain response is incomplete, and its items say completed."""
    for item in body["output"]:
        item["status"] = "completed"


@fault(
    "re-incomplete-reason",
    on=_PLAIN,
    shows=("response-capped",),
    caught_by=("responses.schema-must", "responses.cut-is-incomplete"),
)
def incomplete_reason(body: Any) -> None:
    """incomplete_details says length."""
    if body["incomplete_details"]:
        body["incomplete_details"]["reason"] = "length"


@fault(
    "re-cut-completed",
    on=_PLAIN,
    shows=("response-capped",),
    caught_by=("responses.cut-is-incomplete",),
    source="OpenAI API reference, the response object: status",
)
def cut_completed(body: Any) -> None:
    """A response that its cap cut is completed."""
    body.update(status="completed", incomplete_details=None)
    for item in body["output"]:
        item["status"] = "completed"


@fault(
    "re-details-missing",
    on=_PLAIN,
    shows=("response-capped",),
    caught_by=("responses.status-details",),
    source="OpenAI API reference, the response object: incomplete_details",
)
def details_missing(body: Any) -> None:
    """An incomplete response has incomplete_details null."""
    body["incomplete_details"] = None


@fault("re-missing-response-fields.model", on=_PLAIN, shows=_SHOWS, caught_by=("responses.schema-must",))
def model_missing(body: Any) -> None:
    """The response has no model and no created_at."""
    del body["model"], body["created_at"]


@fault("re-missing-response-fields.echo", on=_PLAIN, shows=_SHOWS, caught_by=("responses.schema-spec",))
def echo_missing(body: Any) -> None:
    """The response has no instructions, metadata, temperature and top_p."""
    for key in ("instructions", "metadata", "temperature", "top_p"):
        del body[key]


@fault("re-missing-response-fields.usage", on=_PLAIN, shows=_SHOWS, caught_by=("responses.schema-must",))
def usage_details_missing(body: Any) -> None:
    """usage has no details."""
    del body["usage"]["input_tokens_details"], body["usage"]["output_tokens_details"]


@fault(
    "re-usage-missing",
    on=_PLAIN,
    shows=_SHOWS,
    caught_by=("responses.usage-given",),
    source="OpenAI API reference, the response object: usage",
)
def usage_missing(body: Any) -> None:
    """A completed response has usage null."""
    body["usage"] = None


@fault(
    "re-usage-sum",
    on=_PLAIN,
    shows=_SHOWS,
    caught_by=("responses.usage-sum",),
    source="OpenAI API reference, the response object: usage",
)
def usage_sum(body: Any) -> None:
    """total_tokens is not the sum of the two others."""
    body["usage"]["total_tokens"] += 5


@fault(
    "re-usage-parts",
    on=_PLAIN,
    shows=_SHOWS,
    caught_by=("responses.usage-parts",),
    source="OpenAI API reference, the response object: usage",
)
def usage_parts(body: Any) -> None:
    """More input tokens are cached than there are."""
    body["usage"]["input_tokens_details"]["cached_tokens"] = body["usage"]["input_tokens"] + 1


@fault(
    "re-usage-names",
    on=_PLAIN,
    shows=_SHOWS,
    caught_by=("responses.schema-must",),
    source="gateways that pass the usage of chat on",
)
def usage_names(body: Any) -> None:
    """usage has the names of chat: prompt_tokens and completion_tokens."""
    used = body["usage"]
    body["usage"] = {
        "prompt_tokens": used["input_tokens"],
        "completion_tokens": used["output_tokens"],
        "total_tokens": used["total_tokens"],
    }


@fault(
    "re-output-empty",
    on=_PLAIN,
    shows=_SHOWS,
    caught_by=("responses.says-something",),
    also=("re-completed-output-empty",),
    source="OpenAI API reference, the response object: output",
)
def plain_output_empty(body: Any) -> None:
    """A completed plain response has the output []."""
    body["output"] = []


@fault(
    "re-item-unfinished",
    on=_PLAIN,
    shows=_SHOWS,
    caught_by=("responses.items-finished",),
    source="OpenAI API reference, the response object: output[].status",
)
def item_unfinished(body: Any) -> None:
    """An item of a completed response is in_progress."""
    for item in body["output"]:
        item["status"] = "in_progress"


@fault(
    "re-id-static",
    on=any_wire,
    shows=_SHOWS,
    caught_by=("responses.own-id",),
    also=("cn-id-static",),
    source="ollama/ollama#5312",
)
def id_static(wire: Wire) -> Wire:
    """Every response has the same id."""
    ids, same = rb'"resp_[0-9a-f]{24}"', b'"resp_' + b"0" * 24 + b'"'
    return replace(
        wire, writes=tuple(replace(write, data=re.sub(ids, same, write.data)) for write in wire.writes)
    )


@fault(
    "re-model-other",
    on=_PLAIN,
    shows=_SHOWS,
    caught_by=("responses.model-named",),
    also=("bm-wrong-model",),
    source="ddalcu/mlx-serve#257",
)
def model_other(body: Any) -> None:
    """Another model than the one named answers."""
    body["model"] = "llama-3.2-1b"


@fault(
    "re-content-type",
    on=_PLAIN,
    shows=_SHOWS,
    caught_by=("responses.schema-must",),
    source="gateways that pass the parts of chat on",
    because="A part of another type is no text to those who look for one.",
)
def content_type(body: Any) -> None:
    """A part of the output has the type text, as in chat."""
    for item in body["output"]:
        for part in item.get("content", ()):
            part["type"] = "text"


@fault(
    "re-no-annotations",
    on=_PLAIN,
    shows=_SHOWS,
    caught_by=("responses.schema-must",),
    source="OpenAI API reference, the response object: annotations are required",
)
def annotations_missing(body: Any) -> None:
    """A text part has no annotations."""
    for item in body["output"]:
        for part in item.get("content", ()):
            del part["annotations"]


@fault(
    "re-arguments-object",
    on=_PLAIN,
    shows=("response-tool",),
    caught_by=("responses.call-shape",),
    also=("st-args-object",),
    source="OpenAI API reference, the response object: function_call.arguments",
    because="Arguments that are no text are missed by whoever reads them.",
)
def arguments_object(body: Any) -> None:
    """The arguments of a call are an object."""
    for item in body["output"]:
        if item["type"] == "function_call":
            item["arguments"] = {"island": "Hiddensee"}


@fault(
    "re-call-id-missing",
    on=_PLAIN,
    shows=("response-tool",),
    caught_by=("responses.schema-must",),
    source="OpenAI API reference, the response object: function_call.call_id",
)
def call_id_missing(body: Any) -> None:
    """A call has no call_id."""
    for item in body["output"]:
        item.pop("call_id", None)


# --- requests ---


@fault(
    "re-input-array",
    on=_ASK,
    shows=("response-items",),
    caught_by=("responses.replay-accepted",),
)
def input_array_refused(body: Any) -> None:
    """An input that is an array of messages is refused."""
    if isinstance(body.get("input"), list):
        raise Refusal("Input should be a valid string", param="input", status=422)


@fault(
    "re-replay-items",
    on=_ASK,
    shows=("response-replay",),
    caught_by=("responses.replay-accepted",),
)
def replay_refused(body: Any) -> None:
    """Items of an earlier output are refused as input."""
    given = body.get("input")
    if isinstance(given, list) and any("id" in item for item in given if isinstance(item, dict)):
        raise Refusal("Extra inputs are not permitted: id", param="input", status=422)


@fault(
    "re-tools-shape",
    on=_ASK,
    shows=("response-tool",),
    caught_by=("http.success",),
)
def flat_tools_refused(body: Any) -> None:
    """Flat function tools are refused."""
    if any("function" not in tool for tool in body.get("tools") or ()):
        raise Refusal("Missing required parameter: 'tools[0].function'.", param="tools[0].function")


@fault(
    "re-tools-shape.echo",
    on=_PLAIN,
    shows=("response-tool",),
    caught_by=("responses.tools-echoed",),
)
def tools_echoed_nested(body: Any) -> None:
    """The response shows its tools in the shape of chat."""
    body["tools"] = [{"type": "function", "function": tool} for tool in body["tools"]]


@fault(
    "re-tools-shape.call",
    on=_PLAIN,
    shows=("response-tool",),
    caught_by=("responses.call-shape",),
)
def call_name_wrong(body: Any) -> None:
    """A call names a function that was not offered."""
    for item in body["output"]:
        if item["type"] == "function_call":
            item["name"] = "function"


@fault(
    "re-tool-choice-stop-ignored.named",
    on=_ASK,
    shows=("response-tool-named",),
    caught_by=("responses.tool-choice-named",),
)
def tool_choice_named_ignored(body: Any) -> None:
    """A named tool_choice is accepted and ignored."""
    if isinstance(body.get("tool_choice"), dict):
        body["tool_choice"] = "auto"


@fault(
    "re-tool-choice-stop-ignored.none",
    on=_ASK,
    shows=("response-tool-none",),
    caught_by=("responses.tool-choice-none",),
)
def tool_choice_none_ignored(body: Any) -> None:
    """tool_choice none is accepted and ignored."""
    if body.get("tool_choice") == "none":
        body["tool_choice"] = "auto"


@fault(
    "re-format-ignored",
    on=_ASK,
    shows=("response-format",),
    caught_by=("responses.format-obeyed",),
    also=("cr-json-schema-ignored",),
    source="OpenAI API reference, responses: text.format",
)
def format_ignored(body: Any) -> None:
    """text.format is accepted and ignored."""
    body.pop("text", None)


@fault(
    "re-cap-ignored",
    on=_ASK,
    shows=("response-capped",),
    caught_by=("responses.cap-obeyed",),
    source="OpenAI API reference, responses: max_output_tokens",
)
def cap_ignored(body: Any) -> None:
    """max_output_tokens is overrun."""
    if body.get("max_output_tokens"):
        body["max_output_tokens"] *= 2


@fault(
    "re-memory-lost",
    on=_ASK,
    shows=("response-story", "response-next-turn"),
    caught_by=("responses.next-turn-remembers",),
    source="OpenAI API reference, responses: previous_response_id",
)
def memory_lost(body: Any) -> None:
    """previous_response_id is accepted and ignored."""
    body.pop("previous_response_id", None)


@fault(
    "re-not-kept",
    on=asked,
    shows=("response-story", "response-kept"),
    caught_by=("http.success",),
    source="OpenAI API reference, responses/get",
)
def not_kept(seen: Asked) -> Asked:
    """A stored response can't be retrieved."""
    if seen.operation == "responses" and seen.method == "GET":
        raise Refusal("Not Found", status=404)
    return seen


@fault(
    "re-kept-other",
    on=_PLAIN,
    shows=("response-story", "response-kept"),
    caught_by=("responses.kept-is-found",),
    source="OpenAI API reference, responses/get",
)
def kept_without_output(body: Any) -> None:
    """A response that is retrieved has lost its output."""
    body["output"] = [] if body["previous_response_id"] is None else body["output"]


@fault(
    "re-event-fields",
    on=_EVENTS,
    shows=_SHOWS,
    caught_by=("responses.event-schema-spec",),
    also=("re-missing-response-fields",),
    source="OpenAI API reference, the response object",
)
def event_response_incomplete(chunks: list[Any]) -> None:
    """The response of the last event has no instructions, metadata, temperature and top_p."""
    for key in ("instructions", "metadata", "temperature", "top_p"):
        del chunks[-1]["response"][key]


@fault(
    "re-event-logprobs",
    on=_EVENTS,
    shows=_SHOWS,
    caught_by=("responses.event-schema-recommended",),
    source="recorded streams of OpenAI",
)
def event_logprobs_missing(chunks: list[Any]) -> None:
    """Deltas have no logprobs."""
    for event in _of(chunks, "response.output_text.delta"):
        del event["logprobs"]


@fault(
    "re-logprobs-missing",
    on=_PLAIN,
    shows=_SHOWS,
    caught_by=("responses.schema-recommended",),
    source="recorded answers of OpenAI",
)
def logprobs_missing(body: Any) -> None:
    """A text of a response has no logprobs."""
    for item in body["output"]:
        for part in item.get("content", ()):
            del part["logprobs"]


@fault(
    "re-item-ids-shared",
    on=_PLAIN,
    shows=_SHOWS,
    caught_by=("responses.item-ids-unique",),
    also=("st-id-duplicate-in-response",),
    source="openclaw/openclaw#40897",
)
def item_ids_shared(body: Any) -> None:
    """Two items of a response have the same id."""
    body["output"].append(body["output"][0])


@fault(
    "re-usage-zero",
    on=every("responses"),
    shows=("response", "response-story"),
    caught_by=("responses.input-counted",),
    source="sgl-project/sglang#10012",
)
def usage_zero(body: Any) -> None:
    """usage counts no input tokens, and its total is that of the output."""
    usage = body.get("response", body).get("usage")
    if usage:
        usage.update(input_tokens=0, total_tokens=usage["output_tokens"])


@fault(
    "re-usage-constant",
    on=every("responses"),
    shows=("response", "response-story"),
    caught_by=("responses.longer-input-costs-more",),
    source="OpenAI API reference, the response object: usage counts the input",
)
def usage_constant(body: Any) -> None:
    """usage counts nine input tokens, whatever was asked."""
    usage = body.get("response", body).get("usage")
    if usage:
        usage.update(input_tokens=9, total_tokens=9 + usage["output_tokens"])


@fault(
    "re-content-index",
    on=_EVENTS,
    shows=_SHOWS,
    caught_by=("responses.part-places",),
    source="vllm-project/vllm#45742",
)
def content_index_from_one(chunks: list[Any]) -> None:
    """A message after a reasoning item begins with the content_index 1."""
    thought = {"id": "rs_1", "type": "reasoning", "summary": []}
    for event in chunks:
        if "output_index" in event:
            event["output_index"] += 1
        if "content_index" in event:
            event["content_index"] += 1
        if event["type"].endswith(("completed", "incomplete")):
            event["response"]["output"].insert(0, thought)
    first = next(place for place, event in enumerate(chunks) if "output_index" in event)
    chunks[first:first] = [
        {"type": f"response.output_item.{name}", "sequence_number": 0, "output_index": 0, "item": thought}
        for name in ("added", "done")
    ]
    _numbered(chunks)


@fault(
    "re-final-only",
    on=_EVENTS,
    shows=("response", "response-tool"),
    caught_by=("responses.streamed-before-final",),
    source="BerriAI/litellm#21090",
    because=_NO_ITEM,
)
def final_event_only(chunks: list[Any]) -> None:
    """A stream is its terminal event alone."""
    del chunks[:-1]
    _numbered(chunks)


@fault(
    "re-final-only.opened",
    on=_EVENTS,
    shows=("response", "response-tool"),
    caught_by=("responses.streamed-before-final",),
    source="BerriAI/litellm#21090",
)
def no_output_streamed(chunks: list[Any]) -> None:
    """A stream begins and ends in good order, and nothing of the output comes between."""
    chunks[:] = [event for event in chunks if "response" in event]
    _numbered(chunks)


@fault(
    "re-only-done",
    on=stream_bytes("responses"),
    shows=_SHOWS,
    caught_by=("responses.terminal-event",),
    source="mnfst/llm-gateway#1843",
    because=_NO_END,
)
def only_done(_: bytes) -> bytes:
    """A stream is [DONE] alone."""
    return b"data: [DONE]\n\n"


@fault(
    "re-heartbeat",
    on=_EVENTS,
    shows=_SHOWS,
    caught_by=("responses.event-schema-must",),
    source="diegosouzapw/OmniRoute#2233",
)
def bare_heartbeat(chunks: list[Any]) -> None:
    """A response.in_progress without response and number comes as a heartbeat."""
    chunks.insert(len(chunks) // 2, {"type": "response.in_progress"})


@fault(
    "re-assistant-parts",
    on=_ASK,
    shows=("response-assistant-parts",),
    caught_by=("responses.assistant-parts-accepted",),
    source="envoyproxy/ai-gateway#1881",
)
def assistant_parts_refused(body: Any) -> None:
    """An assistant's message of typed parts without an id is refused as input."""
    for item in body["input"] if isinstance(body["input"], list) else ():
        if isinstance(item.get("content"), list) and item.get("role") == "assistant" and "id" not in item:
            raise Refusal("input: data did not match any variant of untagged enum InputItem", param="input")


@fault(
    "re-final-arguments",
    on=_EVENTS,
    shows=("response-tool",),
    caught_by=("responses.calls-in-response",),
    source=_REFERENCE,
)
def final_arguments_differ(chunks: list[Any]) -> None:
    """The call of the final response has other arguments than were streamed."""
    for item in chunks[-1]["response"]["output"]:
        if item["type"] == "function_call":
            item["arguments"] = "{}"


@fault(
    "re-call-id-static",
    on=every("responses"),
    shows=("response-tool", "response-tool-named"),
    caught_by=("tools.ids-of-one-answer",),
    source="ids that count the calls of one answer: call_0, call_1",
)
def call_id_static(body: Any) -> None:
    """The call of every response has the call_id call_0."""
    items = [body.get("item"), *(body.get("response", body).get("output") or ())]
    for item in items:
        if item and item["type"] == "function_call":
            item["call_id"] = "call_0"


@fault(
    "re-created-moves",
    on=_EVENTS,
    shows=_SHOWS,
    caught_by=("responses.same-created",),
    source=_REFERENCE,
)
def created_moves(chunks: list[Any]) -> None:
    """The final response has another created_at than the first."""
    chunks[-1]["response"]["created_at"] += 1
