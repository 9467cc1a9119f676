"""When the events of a stream arrived, drawn as ticks on a line."""

from dataclasses import dataclass

from harness.report.excerpt import events_of
from harness.wire.exchange import Exchange

WIDTH = 1000
"""Of the drawing, in its own units; the page stretches it."""

_HEIGHT = 20
_TICKS = 500


@dataclass(frozen=True, slots=True)
class Timeline:
    """The arrivals of a stream's events, in milliseconds from the request on, and the end of the exchange."""

    arrivals_ms: tuple[float, ...]
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

    def path(self, scale_ms: float) -> str:
        """An SVG path with a tick per event on a line that is `scale_ms` long; of many events, a sample."""
        step = -(-len(self.arrivals_ms) // _TICKS) or 1
        places = [at_ms / scale_ms * WIDTH for at_ms in self.arrivals_ms[::step]]
        return "".join(f"M{place:.1f} 0v{_HEIGHT}" for place in places)


def timeline(exchange: Exchange) -> Timeline | None:
    """The timeline of a streamed exchange; None when nothing came back."""
    if exchange.response is None:
        return None
    sent_ns = exchange.request.sent_ns
    arrivals = (max(event.arrived_ns - sent_ns, 0) / 1e6 for event in events_of(exchange.response))
    return Timeline(tuple(arrivals), exchange.duration_ms)


def in_ms(value_ms: float) -> str:
    """A duration for a sentence."""
    return f"{value_ms:,.0f} ms" if value_ms >= 10 else f"{value_ms:.1f} ms"
