"""How a load run stands, in one line that is drawn anew each second."""

from collections import Counter

from harness.load.engine import Progress
from harness.load.metrics import Tally, quantile_ms
from harness.report.text import plural

_LAST_S = 5


def line(name: str, duration_s: float, progress: Progress) -> str:
    """The state of a run: its figures are those of the last seconds, its errors those of the whole run."""
    tally, elapsed_s = progress.tally, max(0.0, progress.elapsed_s)
    cells = [cell for number, cell in tally.cells.items() if _is_recent(tally, number, elapsed_s)]
    span_s = min(max(elapsed_s, 1.0), float(_LAST_S * tally.cell_s))
    ttft_ticks: Counter[int] = Counter()
    for cell in cells:
        ttft_ticks.update(cell.ttft_ticks)
    errors = sum(cell.failed for cell in tally.cells.values())
    workers = f"  {progress.workers} workers" if progress.workers > 1 else ""
    return (
        f"{name}  {elapsed_s:.0f} of {duration_s:.0f} s{workers}  {progress.in_flight} in flight  "
        f"{sum(cell.succeeded + cell.failed for cell in cells) / span_s:,.1f} requests/s  "
        f"TTFT p50 {_shown(quantile_ms(ttft_ticks, 0.5))} "
        f"p95 {_shown(quantile_ms(ttft_ticks, 0.95))}  "
        f"{sum(cell.tokens for cell in cells) / span_s:,.0f} tokens/s  {plural(errors, 'error')}"
    )


def _is_recent(tally: Tally, number: int, elapsed_s: float) -> bool:
    now = int(elapsed_s) // tally.cell_s
    return now - _LAST_S <= number < max(now, 1)


def _shown(ms: float | None) -> str:
    return "–" if ms is None else f"{ms:,.0f} ms"
