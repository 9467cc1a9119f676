"""Streams: faults of transport and framing."""

from dataclasses import replace
from typing import Any

import orjson

from harness.endpoint import coding
from harness.endpoint.answer import Answer, Kind, Piece, Wire, Write, plain
from harness.endpoint.departure import (
    answers,
    calls_of,
    choices_of,
    each,
    event_bytes,
    events,
    fault,
    plain_wire,
    request,
    stream_bytes,
    stream_wire,
    with_header,
)
from harness.endpoint.refusal import Refusal
from harness.endpoint.status_line import PHRASES

_FOUNDING = ("founding",)
_DONE = b"data: [DONE]\n\n"
_ERROR = b'{"error":{"message":"The engine crashed","type":"server_error","param":null,"code":"500"}}'
_NO_ANSWER = "Without the rest of the stream there is no whole answer, which every reader of one misses."


def _before_done(body: bytes, inserted: bytes) -> bytes:
    return body.removesuffix(_DONE) + inserted + _DONE


def _middle(body: bytes) -> int:
    """Where the event in the middle of a stream begins."""
    return body.index(b"data: ", len(body) // 2)


@fault(
    "sf-crlf.mixed",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.one-line-end",),
)
def line_ends_mixed(body: bytes) -> bytes:
    """The first event ends with LF, the others with CRLF."""
    first, rest = body[: body.index(b"\n\n") + 2], body[body.index(b"\n\n") + 2 :]
    return first + rest.replace(b"\n", b"\r\n")


@fault(
    "sf-comment-as-data",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.json-payloads",),
    because=_NO_ANSWER,
)
def comment_as_data(body: bytes) -> bytes:
    """A comment is wrapped as data: `data: : PROCESSING`."""
    return b"data: : PROCESSING\n\n" + body


@fault(
    "sf-double-prefix",
    on=event_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.json-payloads",),
    because=_NO_ANSWER,
)
def double_prefix(event: bytes) -> bytes:
    """Every payload has the prefix twice: `data: data: {…}`."""
    return event.replace(b"data: ", b"data: data: ", 1)


@fault(
    "sf-done-after-error",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.no-error",),
    because=_NO_ANSWER,
)
def done_after_error(body: bytes) -> bytes:
    """An error event in the middle is followed by [DONE]."""
    return body[: _middle(body)] + b"data: " + _ERROR + b"\n\n" + _DONE


@fault(
    "sf-done-after-error.chunks",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.no-error", "stream.nothing-after-error"),
    because=_NO_ANSWER,
)
def chunks_after_error(body: bytes) -> bytes:
    """Chunks follow an error event in the middle."""
    return body[: _middle(body)] + b"data: " + _ERROR + b"\n\n" + body[_middle(body) :]


@fault(
    "sf-data-after-done",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.nothing-after-done",),
)
def data_after_done(body: bytes) -> bytes:
    """A chunk comes after [DONE]."""
    return body + body[: body.index(b"\n\n") + 2]


@fault(
    "sf-data-after-done.comment",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.ends-at-done",),
)
def comment_after_done(body: bytes) -> bytes:
    """A comment comes after [DONE]."""
    return body + b": cost 0.0001\n\n"


@fault(
    "sf-wrong-ctype-json",
    on=stream_wire("chat"),
    shows=_FOUNDING,
    caught_by=("http.stream-media-type",),
    also=("bm-ctype",),
)
def wrong_content_type(wire: Wire) -> Wire:
    """A stream is labelled application/json."""
    return with_header(wire, "content-type", "application/json")


@fault(
    "sf-wrong-ctype-json.text",
    on=stream_wire("chat"),
    shows=_FOUNDING,
    caught_by=("http.stream-media-type",),
)
def text_content_type(wire: Wire) -> Wire:
    """A stream is labelled text/plain."""
    return with_header(wire, "content-type", "text/plain; charset=utf-8")


@fault(
    "sf-wrong-ctype-json.none",
    on=stream_wire("chat"),
    shows=_FOUNDING,
    caught_by=("http.stream-media-type",),
)
def no_content_type(wire: Wire) -> Wire:
    """A stream has no content type."""
    return with_header(wire, "content-type", None)


@fault(
    "sf-no-charset",
    on=stream_wire("chat"),
    shows=_FOUNDING,
    caught_by=("stream.charset-named",),
)
def no_charset(wire: Wire) -> Wire:
    """The content type of a stream names no charset."""
    return with_header(wire, "content-type", "text/event-stream")


@fault(
    "sf-no-charset.latin-1",
    on=stream_wire("chat"),
    shows=_FOUNDING,
    caught_by=("stream.charset",),
)
def latin_1(wire: Wire) -> Wire:
    """The content type of a stream names ISO-8859-1, which the bytes are not."""
    return with_header(wire, "content-type", "text/event-stream; charset=ISO-8859-1")


@fault(
    "sf-utf8-split",
    on=each("chat"),
    shows=("unicode-echo",),
    caught_by=("stream.no-replaced-text",),
)
def utf8_split(chunk: Any) -> None:
    """A character of several bytes was cut in two and came out as U+FFFD twice."""
    for choice in choices_of(chunk):
        content = choice["delta"].get("content")
        if content:
            choice["delta"]["content"] = content.replace("入", "\ufffd\ufffd")


@fault(
    "sf-utf8-split.plain",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("http.utf8",),
)
def utf8_broken(body: bytes) -> bytes:
    """A character of several bytes lacks its last byte."""
    return body.replace("参".encode(), "参".encode()[:2], 1)


@fault(
    "sf-u2028",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.json-payloads", "stream.known-fields"),
    because=_NO_ANSWER,
)
def line_feed_in_payload(body: bytes) -> bytes:
    """A server that cuts lines at U+2028 as well has torn a payload in two."""
    return body.replace('"content":"我'.encode(), '"content":"\n我'.encode(), 1)


@fault(
    "sf-bom",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.no-bom",),
)
def byte_order_mark(body: bytes) -> bytes:
    """The stream begins with a byte order mark."""
    return b"\xef\xbb\xbf" + body


@fault(
    "sf-buffered",
    on=stream_wire("chat"),
    shows=("stream-beside-tool",),
    caught_by=("stream.spread-over-time",),
    also=("bm-proxy-buffer",),
)
def buffered(wire: Wire) -> Wire:
    """The whole stream arrives at once, after 700 ms of silence."""
    first, *rest = wire.writes
    return replace(
        wire, writes=(replace(first, pause_ms=700.0), *(replace(write, pause_ms=0.0) for write in rest))
    )


@fault(
    "sf-buffered.bursts",
    on=stream_wire("chat"),
    shows=_FOUNDING,
    caught_by=("stream.no-bursts",),
)
def bursts(wire: Wire) -> Wire:
    """Chunks arrive 24 at a time, every 700 ms, as from a proxy with a buffer."""
    size = 24
    groups = [wire.writes[start : start + size] for start in range(0, len(wire.writes), size)]
    joined = [Write(group[-1].kind, b"".join(write.data for write in group), 700.0) for group in groups]
    return replace(wire, writes=(replace(joined[0], pause_ms=10.0), *joined[1:]))


@fault(
    "sf-stream-ignored",
    on=request("chat"),
    shows=_FOUNDING,
    caught_by=("http.stream-is-streamed",),
    because="Every reader of a stream misses one.",
)
def stream_ignored(body: Any) -> None:
    """A request for a stream is answered with one JSON body."""
    if body.pop("stream", False):
        body.pop("stream_options", None)


@fault(
    "sf-early-close",
    on=stream_wire("chat"),
    shows=_FOUNDING,
    caught_by=("http.whole-body",),
    because=_NO_ANSWER,
)
def early_close(wire: Wire) -> Wire:
    """The connection is cut in the middle of the stream."""
    return replace(wire, writes=wire.writes[: len(wire.writes) // 2], is_cut=True)


@fault(
    "os-stream-read-past-finish",
    on=stream_wire("chat"),
    shows=_FOUNDING,
    caught_by=("http.whole-body",),
)
def cut_before_done(wire: Wire) -> Wire:
    """The connection is cut after the whole answer, before [DONE]."""
    return replace(wire, writes=wire.writes[:-1], is_cut=True)


@fault(
    "sf-eof-no-finish",
    on=each("chat"),
    shows=_FOUNDING,
    caught_by=("stream.finish-given",),
    also=("lc-finish-missing",),
)
def no_finish(chunk: Any) -> None:
    """The stream ends in good order, without any finish reason."""
    for choice in choices_of(chunk):
        choice["finish_reason"] = None


@fault(
    "sf-eof-no-finish.eof",
    on=events("chat"),
    shows=_FOUNDING,
    caught_by=("stream.finish-given",),
)
def eof_without_finish(chunks: list[Any]) -> None:
    """The last chunk is missing: [DONE] follows the last text."""
    del chunks[-1]


@fault(
    "sf-no-done",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.ends-with-done",),
    source="OpenAI API reference, chat streaming: terminated by data: [DONE]",
)
def no_done(body: bytes) -> bytes:
    """The stream ends without [DONE]."""
    return body.removesuffix(_DONE)


@fault(
    "sf-error-200",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.no-error",),
    also=("os-error-event-stream",),
    because=_NO_ANSWER,
)
def error_first(body: bytes) -> bytes:
    """After HTTP 200, the only event is an error."""
    return b"data: " + _ERROR + b"\n\n" if body else body


@fault(
    "sf-error-200.mid",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.no-error",),
    because=_NO_ANSWER,
)
def error_in_the_middle(body: bytes) -> bytes:
    """An event in the middle of the stream is an error, and the stream ends with it."""
    return body[: _middle(body)] + b"data: " + _ERROR + b"\n\n"


@fault(
    "sf-error-200.text",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.no-error",),
    because=_NO_ANSWER,
)
def error_is_text(body: bytes) -> bytes:
    """An event in the middle of the stream has an error that is a text."""
    return body[: _middle(body)] + b'data: {"error":"upstream timed out"}\n\n'


@fault(
    "sf-error-200.named",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.no-error",),
    because=_NO_ANSWER,
)
def error_is_named(body: bytes) -> bytes:
    """An event in the middle of the stream is named error."""
    return body[: _middle(body)] + b"event: error\ndata: " + _ERROR + b"\n\n"


@fault(
    "sf-error-flat",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.no-flat-error",),
    source="a flat error in a stream, which every client swallows",
    because=_NO_ANSWER,
)
def error_flat(body: bytes) -> bytes:
    """An event in the middle of the stream is a flat error: code and message at the top."""
    flat = b'{"code":"InternalError","message":"The engine crashed","request_id":"r-1"}'
    return body[: _middle(body)] + b"data: " + flat + b"\n\n" + _DONE


@fault(
    "sf-error-swallowed",
    on=events("chat"),
    shows=("stream-beside-tool",),
    caught_by=("stream.no-lost-text",),
)
def error_swallowed(chunks: list[Any]) -> None:
    """The text breaks off in the middle, and the stream ends with stop and the usage of the whole."""
    texts = [chunk for chunk in chunks if chunk["choices"] and chunk["choices"][0]["delta"].get("content")]
    for chunk in texts[3:]:
        chunks.remove(chunk)


@fault(
    "sf-nonjson-error-tail",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.known-fields",),
    because=_NO_ANSWER,
)
def error_tail(body: bytes) -> bytes:
    """The stream ends with a bare sentence in place of its end."""
    return body[: _middle(body)] + b"Stream ended with error.\n\n"


@fault(
    "sf-nonjson-error-tail.data",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.json-payloads",),
    because=_NO_ANSWER,
)
def error_tail_as_data(body: bytes) -> bytes:
    """The stream ends with a sentence as data in place of its end."""
    return body[: _middle(body)] + b"data: Stream ended with error.\n\n"


@fault(
    "sf-event-field",
    on=event_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.data-only",),
)
def event_field(event: bytes) -> bytes:
    """Every chunk has an event: line."""
    return b"event: message\n" + event


@fault(
    "sf-event-field.id",
    on=event_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.data-only",),
)
def id_field(event: bytes) -> bytes:
    """Every chunk has an id: line."""
    return b"id: 1\n" + event


@fault(
    "sf-done-duplicate",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.done-once",),
)
def done_twice(body: bytes) -> bytes:
    """[DONE] comes twice."""
    return body + _DONE


@fault(
    "sf-done-no-blank-line",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.last-event-ended",),
)
def done_without_blank_line(body: bytes) -> bytes:
    """No blank line follows [DONE]."""
    return body.removesuffix(b"\n")


@fault(
    "sf-done-no-blank-line.nothing",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.last-event-ended",),
)
def done_without_line_end(body: bytes) -> bytes:
    """The stream ends at the bracket of [DONE]."""
    return body.removesuffix(b"\n\n")


@fault(
    "sf-last-chunk-not-ended",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.last-event-ended",),
    source="WHATWG HTML, 9.2.6: an event without its blank line is dropped",
    because=_NO_ANSWER,
)
def last_chunk_not_ended(body: bytes) -> bytes:
    """The stream ends with the last chunk, whose blank line is missing, and without [DONE]."""
    return body.removesuffix(_DONE).removesuffix(b"\n")


@fault(
    "sf-empty-data-event",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.no-empty-event",),
    because=_NO_ANSWER,
)
def empty_data(body: bytes) -> bytes:
    """An event with empty data stands before [DONE]."""
    return _before_done(body, b"data:\n\n")


@fault(
    "sf-empty-data-event.after-id",
    on=event_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.no-empty-event",),
    because=_NO_ANSWER,
)
def blank_line_after_id(event: bytes) -> bytes:
    """Events have ids and two blank lines between them."""
    return b"id: 1\n" + event + b"\n"


@fault(
    "sf-delta-and-message",
    on=events("chat"),
    shows=_FOUNDING,
    caught_by=("stream.no-message",),
)
def delta_and_message(chunks: list[Any]) -> None:
    """Chunks carry a growing message beside the delta."""
    text = ""
    for chunk in chunks:
        for choice in choices_of(chunk):
            text += choice["delta"].get("content") or ""
            choice["message"] = {"role": "assistant", "content": text}


@fault(
    "sf-tools-disable-streaming",
    on=events("chat"),
    shows=("stream-beside-tool",),
    caught_by=("stream.several-chunks",),
)
def one_chunk(chunks: list[Any]) -> None:
    """With tools in the request, a plain text comes as one chunk at the end."""
    texts = [chunk for chunk in chunks if chunk["choices"] and chunk["choices"][0]["delta"].get("content")]
    whole = "".join(chunk["choices"][0]["delta"]["content"] for chunk in texts)
    for chunk in texts[:-1]:
        chunks.remove(chunk)
    if texts:
        texts[-1]["choices"][0]["delta"]["content"] = whole


@fault(
    "sf-tools-lost-when-streaming",
    on=events("chat"),
    shows=("tool-call",),
    caught_by=("stream.says-something",),
)
def tools_lost(chunks: list[Any]) -> None:
    """The call is missing from the stream, which ends with stop."""
    for chunk in [chunk for chunk in chunks if chunk["choices"]]:
        choice = chunk["choices"][0]
        if "tool_calls" in choice["delta"]:
            chunks.remove(chunk)
        elif choice["finish_reason"] == "tool_calls":
            choice["finish_reason"] = "stop"


@fault(
    "sf-tools-lost-when-streaming.promised",
    on=events("chat"),
    shows=("tool-call",),
    caught_by=("stream.calls-made",),
    because="A call that is not there is missed by every rule on calls and by the clients' users.",
)
def tools_promised(chunks: list[Any]) -> None:
    """The call is missing from the stream, which ends with tool_calls all the same."""
    for chunk in [chunk for chunk in chunks if any(calls_of(chunk))]:
        chunks.remove(chunk)


@fault(
    "bm-zero-token-success",
    on=events("chat"),
    shows=_FOUNDING,
    caught_by=("stream.says-something",),
    because="Without output there is no whole answer, which every reader of one misses.",
)
def no_output(chunks: list[Any]) -> None:
    """HTTP 200 and a stream that ends with stop, without any text."""
    for chunk in [chunk for chunk in chunks if chunk["choices"][0]["delta"].get("content")]:
        chunks.remove(chunk)


@fault(
    "sf-only-done",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.has-chunks",),
    source="vllm-project/vllm#5895",
    because="Without chunks there is no answer, which every reader of one misses.",
)
def only_done(body: bytes) -> bytes:
    """HTTP 200 and [DONE], without any chunk."""
    return _DONE if body else body


@fault(
    "sf-empty-stream",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("http.stream-is-streamed",),
    source="vllm-project/vllm#5895",
    because="Without chunks there is no answer, which every reader of one misses.",
)
def nothing_at_all(body: bytes) -> bytes:
    """HTTP 200, text/event-stream and no byte of a body."""
    return body[:0]


@fault(
    "sf-two-objects-in-a-line",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.json-payloads",),
    source="gateways that join writes without their line ends",
    because=_NO_ANSWER,
)
def two_objects_in_a_line(body: bytes) -> bytes:
    """Two chunks stand in one data line."""
    return body.replace(b"}\n\ndata: {", b"}{", 1)


@fault(
    "sf-single-line-end",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.json-payloads",),
    source="WHATWG HTML, 9.2.6: only a blank line ends an event",
    because=_NO_ANSWER,
)
def single_line_ends(body: bytes) -> bytes:
    """One line end, and no blank line, stands between events."""
    return body.replace(b"\n\n", b"\n") + b"\n"


@fault(
    "sf-bare-json-lines",
    on=event_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("http.stream-is-streamed",),
    source="servers that stream JSON lines in place of events",
    because=_NO_ANSWER,
)
def bare_json_lines(event: bytes) -> bytes:
    """Chunks are lines of JSON, without data:."""
    return event.removeprefix(b"data: ")


@fault(
    "sf-done-lower-case",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.json-payloads",),
    source="OpenAI API reference, chat streaming: terminated by data: [DONE]",
)
def done_in_lower_case(body: bytes) -> bytes:
    """The end marker is [done]."""
    return body.replace(b"[DONE]", b"[done]")


@fault(
    "sf-done-as-json",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.json-payloads",),
    source="OpenAI API reference, chat streaming: terminated by data: [DONE]",
)
def done_as_json(body: bytes) -> bytes:
    """The end marker is the JSON text "[DONE]" in quotation marks."""
    return body.replace(b"[DONE]", b'"[DONE]"')


@fault(
    "sf-content-length-short",
    on=stream_wire("chat"),
    shows=_FOUNDING,
    caught_by=("http.length-reached", "http.whole-body"),
    source="RFC 9112, 6.3: a body shorter than its content-length is incomplete",
    because=_NO_ANSWER,
)
def content_length_too_long(wire: Wire) -> Wire:
    """The stream has a content-length that its bytes do not reach."""
    size = sum(len(write.data) for write in wire.writes)
    return replace(with_header(wire, "content-length", str(size + 100)), is_cut=True)


@fault(
    "sf-gzip-unlabelled",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("http.utf8",),
    source="RFC 9110, 8.4: what is coded says so in content-encoding",
    because=_NO_ANSWER,
)
def gzip_unlabelled(body: bytes) -> bytes:
    """The stream is compressed, and no header says so."""
    return b"".join(coding.gzipped([body]))


@fault(
    "sf-cacheable",
    on=stream_wire("chat"),
    shows=_FOUNDING,
    caught_by=("http.not-cached",),
    source="RFC 9111, 5.2.2: what is marked public may be given to others",
)
def cacheable(wire: Wire) -> Wire:
    """Caches may keep the answer for an hour and give it to anybody."""
    return with_header(wire, "cache-control", "public, max-age=3600")


@fault(
    "er-rf-stream",
    on=request("chat"),
    shows=("json-object",),
    caught_by=("structured.accepted",),
)
def response_format_not_streamed(body: Any) -> None:
    """response_format together with stream is refused."""
    if body.get("stream") and body.get("response_format"):
        raise Refusal("response_format does not support streaming")


@fault(
    "ds-tool-stream-unsupported-old",
    on=request("chat"),
    shows=("tool-call",),
    caught_by=("params.tools-accepted",),
)
def tools_not_streamed(body: Any) -> None:
    """Tools together with stream are refused."""
    if body.get("stream") and body.get("tools"):
        raise Refusal("tools are not supported in stream mode")


@fault(
    "sf-status-201",
    on=answers("chat"),
    shows=_FOUNDING,
    caught_by=("http.success",),
    source="OpenAI API reference, chat/create: answers come with HTTP 200",
)
def status_202(answer: Answer) -> Answer:
    """An answer comes with HTTP 202."""
    return replace(answer, status=202) if answer.status == 200 else answer


@fault(
    "sf-job-instead",
    on=answers("chat"),
    shows=_FOUNDING,
    caught_by=("chat.schema-must",),
    source="endpoints that queue requests",
    because="There is no answer, which every reader of one misses.",
)
def job_instead(answer: Answer) -> Answer:
    """In place of an answer comes the id of a job that has been queued."""
    return plain({"job_id": "j-1", "status": "queued"}) if answer.status == 200 else answer


@fault(
    "sf-array-of-chunks",
    on=answers("chat"),
    shows=_FOUNDING,
    caught_by=("http.stream-is-streamed",),
    source="the native API of Gemini streams an array without alt=sse",
    because="Every reader of a stream misses one.",
)
def array_of_chunks(answer: Answer) -> Answer:
    """A stream is one JSON array of its chunks."""
    if not answer.is_stream:
        return answer
    chunks: Any = [orjson.loads(orjson.dumps(piece.data)) for piece in answer.pieces if piece.data]
    return replace(
        answer,
        headers=(("content-type", "application/json"),),
        pieces=(Piece(Kind.JSON, chunks),),
        is_stream=False,
    )


@fault(
    "sf-comment-in-line",
    on=stream_bytes("chat"),
    shows=_FOUNDING,
    caught_by=("stream.json-payloads",),
    source="open-software-network/os-clovy#659",
    because=_NO_ANSWER,
)
def comment_in_line(body: bytes) -> bytes:
    """A keep-alive with its blank line stands in the middle of a data line."""
    at = _middle(body) + len(b'data: {"id"')
    return body[:at] + b": keep-alive\n\n" + body[at:]


# --- framing of HTTP ---


def _raw(
    wire: Wire,
    *,
    length: int | None = None,
    is_chunked: bool = False,
    before: bytes = b"",
    after: bytes = b"",
) -> Wire:
    """The wire as bytes that no HTTP library would send, with this Content-Length."""
    fields = [(name, value) for name, value in wire.headers if name != "content-length"]
    fields += [("transfer-encoding", "chunked")] if is_chunked else []
    fields += [("content-length", str(length))] if length is not None else []
    fields += [("connection", "close")]
    lines = [
        f"HTTP/1.1 {wire.status} {PHRASES[wire.status]}",
        *(f"{name}: {value}" for name, value in fields),
    ]
    body = [write.data for write in wire.writes]
    if is_chunked:
        body = [b"%x\r\n%b\r\n" % (len(data), data) for data in body]
    head = before + "\r\n".join([*lines, "", ""]).encode()
    last = (b"0\r\n\r\n" if is_chunked else b"") + after
    writes = tuple(replace(write, data=data) for write, data in zip(wire.writes, body, strict=True))
    first, *rest = writes
    *rest, end = [replace(first, data=head + first.data), *rest]
    return replace(wire, writes=(*rest, replace(end, data=end.data + last)), is_raw=True)


def _size(wire: Wire) -> int:
    return sum(len(write.data) for write in wire.writes)


@fault(
    "sf-two-framings",
    on=plain_wire("chat"),
    shows=_FOUNDING,
    caught_by=("http.one-framing",),
    source="timoklimmer/powerproxy-aoai#53",
)
def two_framings(wire: Wire) -> Wire:
    """A plain answer has Transfer-Encoding: chunked and a Content-Length."""
    return _raw(wire, length=_size(wire), is_chunked=True)


@fault(
    "sf-two-framings.stream",
    on=stream_wire("chat"),
    shows=_FOUNDING,
    caught_by=("http.one-framing",),
    source="timoklimmer/powerproxy-aoai#53",
)
def two_framings_of_a_stream(wire: Wire) -> Wire:
    """A stream has Transfer-Encoding: chunked and a Content-Length."""
    return _raw(wire, length=_size(wire), is_chunked=True)


@fault(
    "sf-content-length-long",
    on=plain_wire("chat"),
    shows=_FOUNDING,
    caught_by=("http.length-reached",),
    source="RFC 9112, 6.3: a body shorter than its content-length is incomplete",
    because=_NO_ANSWER,
)
def plain_length_too_long(wire: Wire) -> Wire:
    """A whole plain answer has a Content-Length that it does not reach."""
    return _raw(wire, length=_size(wire) + 7)


@fault(
    "sf-content-length-other",
    on=stream_wire("chat"),
    shows=_FOUNDING,
    caught_by=("http.nothing-after-end",),
    source="braintrustdata/braintrust-proxy#1124",
    because=_NO_ANSWER,
)
def stream_length_of_another_body(wire: Wire) -> Wire:
    """A stream has the Content-Length of another body, which is shorter."""
    return _raw(wire, length=_size(wire) * 2 // 3)


@fault(
    "sf-content-length-other.plain",
    on=plain_wire("chat"),
    shows=_FOUNDING,
    caught_by=("http.nothing-after-end",),
    source="RFC 9112, 6.3: a body ends where its Content-Length says",
    because=_NO_ANSWER,
)
def plain_length_too_short(wire: Wire) -> Wire:
    """A plain answer has a Content-Length that is ten bytes too short."""
    return _raw(wire, length=_size(wire) - 10)


@fault(
    "sf-bytes-after-end",
    on=stream_wire("chat"),
    shows=_FOUNDING,
    caught_by=("http.nothing-after-end",),
    source="RFC 9112, 6.3 and 9.2: what follows a response is taken for the next one",
)
def bytes_after_the_last_chunk(wire: Wire) -> Wire:
    """Bytes follow the last chunk of a stream."""
    return _raw(wire, is_chunked=True, after=b"\r\n0\r\n\r\n")


@fault(
    "sf-bytes-after-end.plain",
    on=plain_wire("chat"),
    shows=_FOUNDING,
    caught_by=("http.nothing-after-end",),
    source="RFC 9112, 6.3 and 9.2: what follows a response is taken for the next one",
)
def line_end_after_the_body(wire: Wire) -> Wire:
    """A line end follows the bytes that the Content-Length counts."""
    return _raw(wire, length=_size(wire), after=b"\r\n")


@fault(
    "sf-bytes-before",
    on=plain_wire("chat"),
    shows=_FOUNDING,
    caught_by=("http.status-line",),
    source="RFC 9112, 2.1: a response begins with its status line",
    because=_NO_ANSWER,
)
def line_before_the_status_line(wire: Wire) -> Wire:
    """A line of a log comes before the status line."""
    return _raw(wire, length=_size(wire), before=b"INFO answering\r\n")


@fault(
    "sf-bytes-before.stream",
    on=stream_wire("chat"),
    shows=_FOUNDING,
    caught_by=("http.status-line",),
    source="RFC 9112, 2.1: a response begins with its status line",
    because=_NO_ANSWER,
)
def line_end_before_the_status_line(wire: Wire) -> Wire:
    """A line end comes before the status line of a stream, as behind the answer before it."""
    return _raw(wire, is_chunked=True, before=b"\r\n")
