"""When the tokens of an answer are due: the waits of one request, drawn from its seed and ordinal."""

import random
from collections.abc import Callable, Mapping

from harness.endpoint.answer import Pause
from harness.endpoint.settings import Latency

_Draw = Callable[[random.Random, float, float], float]

_JITTERS: Mapping[str, _Draw] = {
    "none": lambda _, value, __: value,
    "uniform": lambda draw, value, spread: value * draw.uniform(1 - spread, 1 + spread),
    "normal": lambda draw, value, spread: draw.gauss(value, value * spread),
    "lognormal": lambda draw, value, spread: value * draw.lognormvariate(0, spread),
    "exponential": lambda draw, value, _: draw.expovariate(1 / value),
}


def pace(latency: Latency, ordinal: int) -> Pause:
    """The waits of request number `ordinal`: the first token's, then one for each further token."""
    if not latency.first_token_ms and not latency.inter_token_ms:
        return lambda _: 0.0
    draw = random.Random(f"{latency.seed}/{ordinal}")  # noqa: S311  # no secret: a repeatable latency
    is_first = True

    def wait(value_ms: float) -> float:
        return max(0.0, _JITTERS[latency.jitter](draw, value_ms, latency.spread)) if value_ms else 0.0

    def pause(tokens: int) -> float:
        nonlocal is_first
        if not tokens:
            return 0.0
        first_ms = wait(latency.first_token_ms) if is_first else wait(latency.inter_token_ms)
        is_first = False
        return first_ms + sum(wait(latency.inter_token_ms) for _ in range(tokens - 1))

    return pause
