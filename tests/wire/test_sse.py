"""The SSE reader against the WHATWG text, and against every way of cutting a body into reads."""

from hypothesis import given
from hypothesis import strategies as st

from harness.wire.sse import SseEvent, SseReader, read_events

LINES = st.one_of(
    st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=12).map(str.encode),
    st.binary(max_size=8).map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b"")),
    st.sampled_from(
        [b"", b"data", b"data:", b"data: x", b"data:x", b"data:  x", b": keep-alive", b"event: e", b"id: 1",
         b"id: \0", b"retry: 10", b"retry: 1e3", "data: 你\u2028好\x85\x0b\x0c".encode()]
    ),
)  # fmt: skip
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
BODIES = st.builds(
    lambda bom, lines, tail: bom + b"".join(line + end for line, end in lines) + tail,
    st.sampled_from([b"", b"\xef\xbb\xbf", b"\xef\xbb", b"\xef"]),
    st.lists(st.tuples(LINES, ENDS), max_size=20),
    LINES,
)


def whole(body: bytes) -> tuple[SseEvent, ...]:
    return read_events([(0, body)])


def payloads(body: bytes) -> list[str]:
    return [event.data for event in whole(body) if event.ended and event.data is not None]


def simple_whatwg_payloads(body: bytes) -> list[str]:
    """The standard's algorithm, said again without regard to speed, spans or splits."""
    text = body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[:-1]
    data: list[str] = []
    payloads = []
    for line in lines:
        if line == "" and data:
            payloads.append("\n".join(data))
            data = []
        name, _, value = line.partition(":")
        if name == "data":
            data.append(value.removeprefix(" "))
    return payloads


@given(BODIES, st.data())
def test_any_split_gives_the_same_events(body: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(body)))))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert read_events((0, piece) for piece in pieces) == whole(body)


@given(BODIES)
def test_one_byte_at_a_time_gives_the_same_events(body: bytes) -> None:
    assert read_events((0, bytes([byte])) for byte in body) == whole(body)


@given(BODIES)
def test_the_payloads_are_those_of_the_standard(body: bytes) -> None:
    assert payloads(body) == simple_whatwg_payloads(body)


@given(BODIES)
def test_no_byte_is_lost_and_every_offset_is_right(body: bytes) -> None:
    reader = SseReader()
    events = [*reader.feed(body, 0), *reader.finish()]
    lines = [line for event in events for line in event.lines]
    bom = b"\xef\xbb\xbf" if reader.starts_with_bom else b""
    assert bom + b"".join(line.raw + line.terminator for line in lines) == body
    assert all(body[line.start : line.end] == line.raw + line.terminator for line in lines)
    assert all(event.start == event.lines[0].start and event.end == event.lines[-1].end for event in events)


@given(BODIES)
def test_an_event_arrives_with_its_last_byte(body: bytes) -> None:
    events = read_events((at, bytes([byte])) for at, byte in enumerate(body))
    assert all(event.arrived_ns == event.end - 1 for event in events)


def test_lines_end_on_lf_crlf_and_cr_only() -> None:
    assert payloads("data: a\u2028b\u2029c\x85d\x0be\x0cf\n\n".encode()) == ["a\u2028b\u2029c\x85d\x0be\x0cf"]
    assert payloads(b"data: a\r\n\r\ndata: b\r\rdata: c\n\n") == ["a", "b", "c"]


def test_several_data_lines_are_joined_and_one_space_is_cut() -> None:
    assert payloads(b"data: a\ndata:b\ndata:  c\ndata\n\n") == ["a\nb\n c\n"]


def test_comments_names_ids_and_retries_are_kept() -> None:
    (event,) = whole(b": hi\nevent: error\nid: 7\nretry: 300\nodd: 1\ndata: {}\n\n")
    assert (event.comments, event.name, event.id, event.retry_ms) == (("hi",), "error", "7", 300)
    assert event.values("odd") == ("1",)


def test_an_id_with_nul_and_a_retry_that_is_no_number_do_not_count() -> None:
    (event,) = whole(b"id: a\0b\nretry: 1s\n\n")
    assert (event.id, event.retry_ms) == (None, None)


def test_a_last_event_without_its_blank_line_is_kept_and_marked() -> None:
    first, last = whole(b"data: 1\n\ndata: 2\n")
    assert (first.ended, last.ended, last.data) == (True, False, "2")


def test_a_bom_is_skipped_once_and_reported() -> None:
    reader = SseReader()
    (event,) = reader.feed(b"\xef\xbb\xbfdata: 1\n\n", 0)
    assert (reader.starts_with_bom, event.start, event.data) == (True, 3, "1")


def test_bytes_that_are_no_utf8_are_told_and_not_dropped() -> None:
    (event,) = whole(b"data: \xff\n\n")
    assert (event.data, event.lines[0].is_utf8) == ("\ufffd", False)


def test_a_line_of_ten_megabytes_in_small_reads_takes_linear_time() -> None:
    reader = SseReader()
    events = [event for _ in range(10_000) for event in reader.feed(b"x" * 1_000, 0)]
    assert (events, len(reader.finish()[0].lines[0].raw)) == ([], 10_000_000)
