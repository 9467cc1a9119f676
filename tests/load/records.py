"""Records of requests that never were, with times that are known."""

from harness.load.record import Outcome, RequestRecord
from harness.scenario import Mode

MS = 1_000_000
S = 1_000_000_000
STARTED_NS = 5 * S


def record(
    ordinal: int = 0,
    *,
    due_s: float = 0.0,
    ttft_ms: float = 100.0,
    gaps_ms: tuple[float, ...] = (20.0, 20.0, 20.0),
    tokens: int | None = 4,
    late_ms: float = 0.0,
    outcome: Outcome = Outcome.OK,
    deviations: tuple[str, ...] | None = (),
    detail: str = "",
    client: str = "raw",
) -> RequestRecord:
    """A streamed request: due, sent 1 ms after it began, its outputs, and an end 5 ms after the last."""
    due_ns = STARTED_NS + round(due_s * S)
    start_ns = due_ns + round(late_ms * MS)
    arrivals = [due_ns + round(ttft_ms * MS)]
    for gap_ms in gaps_ms:
        arrivals.append(arrivals[-1] + round(gap_ms * MS))
    if outcome is not Outcome.OK:
        arrivals, tokens = [], None
    return RequestRecord(
        ordinal=ordinal,
        client=client,
        mode=Mode.STREAM,
        due_ns=due_ns,
        start_ns=start_ns,
        woke_ns=start_ns,
        sent_ns=start_ns + MS,
        outcome=outcome,
        ended_ns=(arrivals[-1] if arrivals else start_ns) + 5 * MS,
        first_content_ns=arrivals[0] if arrivals else None,
        last_output_ns=arrivals[-1] if arrivals else None,
        seen_first_output_ns=arrivals[0] + MS // 2 if arrivals else None,
        arrivals_ns=tuple(arrivals),
        prompt_tokens=None if tokens is None else 20,
        completion_tokens=tokens,
        status=200,
        clock="kernel",
        late_ns=MS // 10,
        deviations=deviations,
        detail=detail,
    )
