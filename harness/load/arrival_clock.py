"""When bytes reached this machine, by the kernel's own stamps where it gives them.

A busy Python reads late, and what it calls an arrival is when it got round to reading. On Linux a TCP socket
with SO_TIMESTAMPNS gives with each `recvmsg` the time at which the last of the bytes came in (socket(7)). It
is a time of the realtime clock, which is turned into one of the monotonic clock here.
"""

import socket
import struct
import sys
import time
from collections.abc import Sequence
from typing import Any, TypeAlias

from gevent import monkey

RawRead: TypeAlias = tuple[int, bytes, int]
"""When it was read, the kernel's stamp as it gave it (empty where it gave none), and the bytes until then."""

_SO_TIMESTAMPNS = 35
"""As in asm-generic/socket.h; Python's socket module has no name for it."""

_TIMESPEC = struct.Struct("@ll")
_NS_A_SECOND = 1_000_000_000
ANCILLARY_SIZE = socket.CMSG_SPACE(_TIMESPEC.size) if hasattr(socket, "CMSG_SPACE") else 0

_STEP_NS = 1_000_000
"""Clocks that drift apart by more than this while a request runs have been set meanwhile."""


def ask_for_stamps(sock: Any) -> bool:
    """Ask the kernel for stamps on a socket; gives whether it will send them."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    except OSError:
        return False
    return True


def stamping() -> Any:
    """A socket that asks for stamps, to be kept while any are wanted.

    The kernel stamps what comes in from a moment after the first socket has asked for it until the last one
    is gone: the first answer of a run would come too early for it.
    """
    asking = monkey.get_original("socket", "socket")(socket.AF_INET, socket.SOCK_DGRAM)
    ask_for_stamps(asking)
    return asking


def stamp_of(ancillary: list[tuple[int, int, bytes]]) -> bytes:
    """The stamp in what `recvmsg` gives beside the bytes; nothing else is asked of the kernel."""
    return ancillary[0][2] if ancillary else b""


def realtime_ahead_ns() -> int:
    """By how much the realtime clock is ahead of the monotonic one, to within a microsecond or so."""
    best_width, ahead = 1 << 62, 0
    for _ in range(3):
        before = time.monotonic_ns()
        realtime = time.time_ns()
        after = time.monotonic_ns()
        if after - before < best_width:
            best_width, ahead = after - before, realtime - (before + after) // 2
    return ahead


def is_same(ahead_ns: int, later_ahead_ns: int) -> bool:
    """Whether the realtime clock has gone on evenly between two looks at it."""
    return abs(later_ahead_ns - ahead_ns) < _STEP_NS


def arrivals_ns(reads: Sequence[RawRead], ahead_ns: int | None) -> list[int]:
    """When the bytes of each read came in: by its stamp, or by its own time where there is none.

    `ahead_ns` is by how much the stamps are ahead of the monotonic clock, None where there are none at all.
    """
    if ahead_ns is None:
        return [read_ns for read_ns, _, _ in reads]
    arrivals = []
    for read_ns, stamp, _ in reads:
        if stamp:
            seconds, nanoseconds = _TIMESPEC.unpack(stamp)
            stamp_ns = seconds * _NS_A_SECOND + nanoseconds - ahead_ns
            if stamp_ns > read_ns:
                stamp_ns = read_ns  # min() would take as long as all the rest
            arrivals.append(stamp_ns)
        else:
            arrivals.append(read_ns)
    return arrivals
