"""An incremental reader of server-sent events that keeps everything and repairs nothing.

Source: WHATWG HTML standard, 9.2 "Server-sent events" (parsing and interpreting an event stream).
Lines end on LF, CRLF or CR and on nothing else; a blank line ends an event; an event without a `data`
field is never dispatched; what stands after the last blank line is dropped by a conforming parser, so
here it is kept and marked as not ended.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class SseLine:
    """One line: its offset in the body, its bytes, and the bytes that ended it (none at the body's end)."""

    start: int
    raw: bytes
    terminator: bytes

    @property
    def end(self) -> int:
        """Offset of the first byte after the line and its terminator."""
        return self.start + len(self.raw) + len(self.terminator)

    @property
    def is_comment(self) -> bool:
        """A line that starts with a colon: a comment, which servers send to keep a connection open."""
        return self.raw.startswith(b":")

    @property
    def field(self) -> str:
        """The field's name; empty for a comment."""
        return _text(self.raw.partition(b":")[0])

    @property
    def value(self) -> str:
        """The field's value (a comment's text) without the one space that may follow the colon."""
        return _text(self.raw.partition(b":")[2].removeprefix(b" "))

    @property
    def is_utf8(self) -> bool:
        """Whether the line's bytes are well-formed UTF-8."""
        try:
            self.raw.decode()
        except UnicodeDecodeError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SseEvent:
    """The lines up to a blank line, comments and unknown fields among them.

    `start` and `end` are byte offsets in the body, the blank line included. `arrived_ns` is the monotonic
    time at which its last byte was read. `ended` is False for what the body's end left without a blank line.
    """

    start: int
    end: int
    lines: tuple[SseLine, ...]
    arrived_ns: int
    ended: bool

    def values(self, field: str) -> tuple[str, ...]:
        """Every value that the event gives for a field, in order."""
        return tuple(line.value for line in self.lines if line.field == field and not line.is_comment)

    @property
    def data(self) -> str | None:
        """The data lines joined by LF; None when there is no data line (such an event is not dispatched)."""
        values = self.values("data")
        return "\n".join(values) if values else None

    @property
    def name(self) -> str | None:
        """The `event` field, the last one given."""
        values = self.values("event")
        return values[-1] if values else None

    @property
    def id(self) -> str | None:
        """The `id` field, the last one given; one with a NUL does not count."""
        values = [value for value in self.values("id") if "\0" not in value]
        return values[-1] if values else None

    @property
    def retry_ms(self) -> int | None:
        """The `retry` field in milliseconds; one that is not all digits does not count."""
        values = [value for value in self.values("retry") if value.isascii() and value.isdigit()]
        return int(values[-1]) if values else None

    @property
    def comments(self) -> tuple[str, ...]:
        """The texts of the comment lines."""
        return tuple(line.value for line in self.lines if line.is_comment)


class SseReader:
    """Reads a body as it comes: `feed` each read, then `finish`; the split of the reads changes nothing.

    A CR at the end of a read may be half of a CRLF, so its line is given out with the next byte.
    """

    def __init__(self) -> None:
        self.starts_with_bom = False
        self._pending = bytearray()
        self._pending_start = 0
        self._searched = 0
        self._lines: list[SseLine] = []
        self._arrived_ns = 0
        self._arrived_before_ns = 0
        self._read_start = 0

    def feed(self, data: bytes, arrived_ns: int) -> list[SseEvent]:
        """Take one read and give the events that it completed."""
        self._read_start = self._pending_start + len(self._pending)
        self._arrived_before_ns, self._arrived_ns = self._arrived_ns, arrived_ns
        self._pending += data
        return self._take_events(at_end=False)

    def finish(self) -> list[SseEvent]:
        """Take the end of the body: what is left comes out as an event that has not ended."""
        events = self._take_events(at_end=True)
        if self._pending:
            self._lines.append(SseLine(self._pending_start, bytes(self._pending), b""))
            self._pending.clear()
        if self._lines:
            events.append(self._event(ended=False))
        return events

    def _take_events(self, *, at_end: bool) -> list[SseEvent]:
        events: list[SseEvent] = []
        taken = 0
        if self._pending_start == 0 and not self._skip_bom(at_end=at_end):
            return events
        while match := _LINE_END.search(self._pending, max(taken, self._searched)):
            if match[0] == b"\r" and match.end() == len(self._pending) and not at_end:
                self._searched = match.start()
                break
            line = SseLine(self._pending_start + taken, bytes(self._pending[taken : match.start()]), match[0])
            self._lines.append(line)
            taken = self._searched = match.end()
            if not line.raw:
                events.append(self._event(ended=True))
        else:
            self._searched = len(self._pending)
        del self._pending[:taken]
        self._pending_start += taken
        self._searched -= taken
        return events

    def _skip_bom(self, *, at_end: bool) -> bool:
        """Whether enough of the body's first three bytes is here to know if they are a BOM."""
        if len(self._pending) < len(BOM) and BOM.startswith(self._pending) and not at_end:
            return False
        if self._pending.startswith(BOM):
            self.starts_with_bom = True
            del self._pending[: len(BOM)]
            self._pending_start = len(BOM)
        return True

    def _event(self, *, ended: bool) -> SseEvent:
        lines, self._lines = tuple(self._lines), []
        end = lines[-1].end
        arrived_ns = self._arrived_ns if end > self._read_start else self._arrived_before_ns
        return SseEvent(lines[0].start, end, lines, arrived_ns, ended)


def read_events(reads: Iterable[tuple[int, bytes]]) -> tuple[SseEvent, ...]:
    """All events of a body that was recorded as (arrived_ns, bytes) pairs."""
    reader = SseReader()
    events = [event for arrived_ns, data in reads for event in reader.feed(data, arrived_ns)]
    return (*events, *reader.finish())


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
