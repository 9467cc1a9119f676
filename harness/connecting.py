"""From a target to a connection: variables are read, files looked into, and the way of the key, too."""

import ipaddress
import re
import socket
from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from harness.access import way_of
from harness.clients import Connection
from harness.errors import UsageError
from harness.target import Target, key_of
from harness.toml_table import shown_value
from harness.wire.limits import Limits

Reach: TypeAlias = Literal["loopback", "private", "public"]

_PRIVATE_NAMES = (".local", ".internal")
_PRIVATE_NETWORKS = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"),
    )
)
"""RFC 1918, link-local addresses (RFC 3927 and 4291), and unique local ones (RFC 4193)."""


def connection_to(target: Target, environ: Mapping[str, str], key: str | None = None) -> Connection:
    """The connection to a target that has its address; `key` is None for that of the target's variable.

    Raises MissingKeyError and UsageError for a variable or a file that is not what the target says, and for a
    key that would travel in the clear.
    """
    connection = Connection(
        target.base_url,
        target.model,
        key_of(target, environ) if key is None else key,
        target.models,
        target.params,
        way_of(target.access, environ, target.name),
        limits_of(target.access.timeout_s),
    )
    if not target.access.allow_plaintext_key and _is_in_the_clear(connection, "public"):
        host = urlsplit(target.base_url).netloc
        raise UsageError(
            f"The key of {shown_value(target.name)} would travel to {host} in plain HTTP, "
            "where everybody on the way can read it.",
            "Use https://, or say --allow-plaintext-key or allow_plaintext_key = true if you know the way.",
        )
    return connection


def notes_on(connection: Connection) -> Iterator[str]:
    """What to know of the secrets of a run, as sentences for its report."""
    for reach in ("private", "public"):
        if _is_in_the_clear(connection, reach):
            host = urlsplit(connection.base_url).netloc
            yield f"The key travels to {host} in plain HTTP: whoever is on the way can read it."
    if connection.redacted is not None and connection.redacted.common:
        yield (
            "A key or another secret is short, has no digit, or is the model's own name: answers may hold it "
            "by chance, so that it is overwritten in headers and URLs only."
        )


def reach_of(base_url: str) -> Reach:
    """How far a URL leads, by its host alone: no name is looked up."""
    host = (urlsplit(base_url).hostname or "").rstrip(".")
    address = _address(host)
    if address is None:
        if host == "localhost" or host.endswith(".localhost"):
            return "loopback"
        return "private" if "." not in host or host.endswith(_PRIVATE_NAMES) else "public"
    if address.is_loopback or address.is_unspecified:
        return "loopback"
    return "private" if any(address in network for network in _PRIVATE_NETWORKS) else "public"


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host is; None for a name. Systems also read 127.1 and whole numbers as addresses."""
    try:
        if re.fullmatch(r"[0-9][0-9a-fx.]*", host):
            return ipaddress.IPv4Address(socket.inet_aton(host))
        address = ipaddress.ip_address(host)
    except (OSError, ValueError):
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_in_the_clear(connection: Connection, reach: Reach) -> bool:
    """Whether a secret goes to a host so far away without TLS."""
    way = connection.way
    names = {*map(str.lower, way.headers), *map(str.lower, way.query)}
    has_secret = bool(connection.auth_headers) or bool(names & (way.secret_headers | way.secret_query))
    is_plain = urlsplit(connection.base_url).scheme == "http"
    return has_secret and is_plain and reach_of(connection.base_url) == reach


def limits_of(timeout_s: float | None) -> Limits:
    """Bounds on one exchange with an endpoint whose silence may take so long."""
    usual = Limits()
    if timeout_s is None:
        return usual
    return Limits(min(usual.connect_s, timeout_s), timeout_s, max(usual.total_s, 2 * timeout_s))
