"""Bounds on what one exchange may take, so that no endpoint can hold or fill the harness."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one exchange.

    `connect_s` and `silence_s` bound a connection attempt and the gap between two reads; `total_s` bounds
    the whole exchange, since a server that drips bytes would never be silent; `body_bytes` bounds the body.
    """

    connect_s: float = 10.0
    silence_s: float = 60.0
    total_s: float = 120.0
    body_bytes: int = 16 * 1024 * 1024
