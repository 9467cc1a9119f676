"""Bounds on what an endpoint may take, so that none can hold or fill the harness: all of them stand here.

They hold alike for every client, in `check`, in `load` and in what is asked before the load.
"""

from dataclasses import dataclass

_MEBIBYTE = 1024 * 1024

JSON_LEVELS = 200
"""How deeply JSON may be nested to be read: as deeply as pydantic reads it, which the SDKs stand on."""

KEPT_OF_OVERSIZED_BYTES = 16 * 1024
"""So much is kept of a body that was left at its bound: nobody reads more of it."""

RUN_BODY_BYTES = 12 * _MEBIBYTE
"""So much is read of all bodies of a run together; a hundred times what a whole check asks for."""

LEAST_BODY_BYTES = 64 * 1024
"""How long each body may be when a run has read that much."""

FINE_READS = 20_000
"""So many reads of a body keep their own times; after them, small ones are kept together."""

COARSE_READ_BYTES = 4096
"""How much is then kept together at least."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one exchange.

    `connect_s` bounds a connection attempt, and its TLS handshake; `silence_s` the gap between two reads, of
    the head and of what follows the answer's end, too. `total_s` bounds all of it, from the first byte sent
    to the last one read, since a server that drips bytes is never silent. `head_bytes` bounds the head with
    all interim answers before it, `wire_bytes` all that comes over the connection, `body_bytes` the body once
    its content coding is undone, and `stream_lines` the lines of a stream, of which each event has some.
    """

    connect_s: float = 10.0
    silence_s: float = 60.0
    total_s: float = 120.0
    head_bytes: int = 64 * 1024
    wire_bytes: int = 16 * _MEBIBYTE
    body_bytes: int = 4 * _MEBIBYTE
    stream_lines: int = 50_000
