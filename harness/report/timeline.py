"""When the events of a stream arrived: drawn as ticks on a line, and told one by one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.report.excerpt import events_of
from harness.report.text import one_line
from harness.wire.exchange import Exchange

WIDTH = 1000
"""Of the drawing, in its own units; the page stretches it."""

_HEIGHT = 20
_TICKS = 500
_FIRST_TOLD, _LAST_TOLD = 40, 20
_DATA_CHARS = 300


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its number, when it came (milliseconds from the request on) and the start of what it says.

    `is_guilty` marks one in which a rule fails that counts.
    """

    number: int
    at_ms: float
    text: str
    is_guilty: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    """The arrivals of a stream's events, the events to be told, and the end of the exchange."""

    arrivals_ms: tuple[float, ...]
    told: tuple[Event, ...]
    guilty: tuple[int, ...]
    ended_ms: float

    @property
    def summary(self) -> str:
        """The drawing in words."""
        if not self.arrivals_ms:
            return f"no event; ended at {in_ms(self.ended_ms)}"
        first, last = self.arrivals_ms[0], self.arrivals_ms[-1]
        return (
            f"{len(self.arrivals_ms):,} events; first at {in_ms(first)}, last at {in_ms(last)}; "
            f"ended at {in_ms(self.ended_ms)}"
        )

    @property
    def untold(self) -> int:
        """How many events are drawn and not told."""
        return len(self.arrivals_ms) - len(self.told)

    def path(self, scale_ms: float) -> str:
        """An SVG path with a tick per event on a line that is `scale_ms` long; of many events, a sample."""
        step = -(-len(self.arrivals_ms) // _TICKS) or 1
        return _ticks(self.arrivals_ms[::step], scale_ms)

    def guilty_path(self, scale_ms: float) -> str:
        """The ticks of the events in which a rule fails."""
        return _ticks([self.arrivals_ms[number] for number in self.guilty[:_TICKS]], scale_ms)


def timeline(exchange: Exchange, guilty: Iterable[int] = ()) -> Timeline | None:
    """The timeline of a streamed exchange; None when nothing came back. `guilty` numbers events from 0."""
    if exchange.response is None:
        return None
    sent_ns, body = exchange.request.sent_ns, exchange.response.body
    events = events_of(exchange.response)
    arrivals_ms = tuple(max(event.arrived_ns - sent_ns, 0) / 1e6 for event in events)
    marked = {number for number in guilty if 0 <= number < len(events)}
    numbers = [
        number
        for number in range(len(events))
        if number < _FIRST_TOLD or number >= len(events) - _LAST_TOLD or number in marked
    ]
    told = (
        Event(
            number,
            arrivals_ms[number],
            _text(body[events[number].start : events[number].end]),
            number in marked,
        )
        for number in numbers[: _FIRST_TOLD + _LAST_TOLD]
    )
    return Timeline(arrivals_ms, tuple(told), tuple(sorted(marked)), exchange.duration_ms)


def _text(raw: bytes) -> str:
    return one_line(raw.decode("utf-8", "backslashreplace").rstrip("\r\n"), _DATA_CHARS)


def _ticks(arrivals_ms: Sequence[float], scale_ms: float) -> str:
    return "".join(f"M{at_ms / scale_ms * WIDTH:.1f} 0v{_HEIGHT}" for at_ms in arrivals_ms)


def in_ms(value_ms: float) -> str:
    """A duration for a sentence."""
    return f"{value_ms:,.0f} ms" if value_ms >= 10 else f"{value_ms:.1f} ms"
