"""Other ways to send the same bytes over HTTP."""

from dataclasses import replace

from harness.endpoint import coding
from harness.endpoint.answer import Wire
from harness.endpoint.departure import (
    any_wire,
    is_event_stream,
    stream_wire,
    variation,
    with_body,
    with_header,
)

_ALL = ("founding", "with-usage", "models-list", "no-messages")


@variation("gzip", on=any_wire, shows=_ALL, source="RFC 9110, 8.4.1: the clients ask for gzip")
def compressed(wire: Wire) -> Wire:
    """Answers are compressed by gzip, streams event by event."""
    if not wire.writes or wire.status == 204:
        return wire
    coded = with_header(wire, "content-encoding", "gzip")
    packed = coding.gzipped([write.data for write in wire.writes])
    if not is_event_stream(wire):
        return with_body(coded, b"".join(packed))
    writes = (replace(write, data=data) for write, data in zip(wire.writes, packed, strict=True))
    return replace(coded, writes=tuple(writes))


@variation("deflate", on=any_wire, shows=_ALL, source="RFC 9110, 8.4.1: the clients ask for deflate")
def deflated(wire: Wire) -> Wire:
    """Plain answers are compressed by deflate."""
    if is_event_stream(wire) or not wire.writes:
        return wire
    packed = coding.deflated(b"".join(write.data for write in wire.writes))
    return with_body(with_header(wire, "content-encoding", "deflate"), packed)


@variation("chunked", on=any_wire, shows=_ALL, source="RFC 9112, 7.1: chunked transfer coding")
def chunked(wire: Wire) -> Wire:
    """Plain answers come in chunks, without a content-length."""
    return with_header(wire, "content-length", None)


@variation("chunked-small", on=any_wire, shows=_ALL, source="RFC 9112, 7.1: chunks may have any size")
def chunked_small(wire: Wire) -> Wire:
    """Plain answers come in chunks of seven bytes."""
    if is_event_stream(wire) or not wire.writes:
        return wire
    (write,) = wire.writes
    parts = [write.data[start : start + 7] for start in range(0, len(write.data), 7)]
    pieces = [replace(write, data=part, pause_ms=0.0) for part in parts]
    return replace(with_header(wire, "content-length", None), writes=tuple(pieces))


@variation("connection-close", on=any_wire, shows=_ALL, source="RFC 9112, 9.6: connection: close")
def connection_close(wire: Wire) -> Wire:
    """Every connection is closed after its answer."""
    return with_header(wire, "connection", "close")


@variation("late-first-byte", on=any_wire, shows=("founding",), source="models think before they speak")
def late_first_byte(wire: Wire) -> Wire:
    """The first byte comes after 400 ms."""
    if not wire.writes:
        return wire
    first, *rest = wire.writes
    return replace(wire, writes=(replace(first, pause_ms=400.0), *rest))


@variation("uneven-pace", on=stream_wire("chat"), shows=("founding",), source="models and networks stutter")
def uneven_pace(wire: Wire) -> Wire:
    """Every fifth event comes after 60 ms, the others at once."""
    return replace(
        wire,
        writes=tuple(
            replace(write, pause_ms=0.0 if number % 5 else 60.0) for number, write in enumerate(wire.writes)
        ),
    )


@variation("extra-headers", on=any_wire, shows=_ALL, source="RFC 9110, 5.1: unknown headers are ignored")
def extra_headers(wire: Wire) -> Wire:
    """Answers have headers of a proxy's own, one of them twice."""
    more = (("via", "1.1 proxy"), ("x-served-by", "a"), ("x-served-by", "b"), ("server", "nginx"))
    return replace(wire, headers=(*wire.headers, *more))


@variation("no-rate-limit-headers", on=any_wire, shows=_ALL, source="they are optional; DashScope has none")
def no_rate_limit_headers(wire: Wire) -> Wire:
    """Answers have no x-ratelimit headers."""
    kept = tuple(pair for pair in wire.headers if not pair[0].startswith("x-ratelimit"))
    return replace(wire, headers=kept)


@variation(
    "rate-limit-resets",
    on=any_wire,
    shows=_ALL,
    source="recorded headers of OpenAI: durations as Go has them",
)
def rate_limit_resets(wire: Wire) -> Wire:
    """Resets are longer durations: 6m0s and 1h2m3.5s."""
    wire = with_header(wire, "x-ratelimit-reset-requests", "6m0s")
    return with_header(wire, "x-ratelimit-reset-tokens", "1h2m3.5s")


@variation(
    "retry-after-on-success", on=any_wire, shows=_ALL, source="RFC 9110, 10.2.3: it binds nobody there"
)
def retry_after(wire: Wire) -> Wire:
    """Answers that succeed have a Retry-After."""
    return with_header(wire, "retry-after", "1")


@variation(
    "json-charset", on=any_wire, shows=_ALL, source="RFC 8259, 11: a charset has no effect and is common"
)
def json_charset(wire: Wire) -> Wire:
    """JSON is labelled application/json; charset=utf-8."""
    if is_event_stream(wire):
        return wire
    return with_header(wire, "content-type", "application/json; charset=utf-8")


@variation("media-type-case", on=any_wire, shows=_ALL, source="RFC 9110, 8.3.1: media types know no case")
def media_type_case(wire: Wire) -> Wire:
    """Media types are written Application/JSON and Text/Event-Stream."""
    name = "Text/Event-Stream; charset=utf-8" if is_event_stream(wire) else "Application/JSON"
    return with_header(wire, "content-type", name)


_CHARSET = "RFC 9110, 8.3.2: charset names know no case, and may be quoted"


@variation("charset-upper", on=stream_wire("chat"), shows=("founding",), source=_CHARSET)
def charset_upper(wire: Wire) -> Wire:
    """Streams are labelled text/event-stream;charset=UTF-8."""
    return with_header(wire, "content-type", "text/event-stream;charset=UTF-8")


@variation("charset-quoted", on=stream_wire("chat"), shows=("founding",), source=_CHARSET)
def charset_quoted(wire: Wire) -> Wire:
    """Streams are labelled text/event-stream; charset="utf-8"."""
    return with_header(wire, "content-type", 'text/event-stream; charset="utf-8"')


@variation("charset-key-upper", on=stream_wire("chat"), shows=("founding",), source=_CHARSET)
def charset_key_upper(wire: Wire) -> Wire:
    """Streams are labelled text/event-stream; Charset=UTF-8."""
    return with_header(wire, "content-type", "text/event-stream; Charset=UTF-8")


@variation(
    "charset-absent",
    on=stream_wire("chat"),
    shows=("founding",),
    source="WHATWG HTML, 9.2.5: the encoding is always UTF-8; recorded legacy streams of OpenAI name none",
)
def charset_absent(wire: Wire) -> Wire:
    """Streams are labelled text/event-stream."""
    return with_header(wire, "content-type", "text/event-stream")


@variation("cache-control", on=any_wire, shows=_ALL, source="RFC 9111, 5.2.2: nobody may keep it")
def cache_control(wire: Wire) -> Wire:
    """Answers are marked no-store, private, max-age=0."""
    return with_header(wire, "cache-control", "no-store, private, max-age=0")


@variation("alt-content-type-parameter", on=any_wire, shows=_ALL, source="RFC 9110, 8.3.1: parameters")
def content_type_parameter(wire: Wire) -> Wire:
    """Content types have an unknown parameter."""
    kind = "text/event-stream; charset=utf-8" if is_event_stream(wire) else "application/json"
    return with_header(wire, "content-type", f"{kind}; v=1")
