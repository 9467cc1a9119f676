"""Locust's HttpUser with the `iter_lines` of requests."""

from functools import partial

from bench_peers.locust_fast_http_user import command, told
from bench_peers.peer import Peer

PEER = Peer(
    "Locust, HttpUser",
    (),
    partial(command, "locust_http_user.py"),
    told,
    "from before the call to the first content",
)
