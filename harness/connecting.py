"""From a target to a connection: variables are read, and files looked into."""

from collections.abc import Mapping

from harness.access import way_of
from harness.clients import Connection
from harness.target import Target, key_of
from harness.wire.limits import Limits


def connection_to(target: Target, environ: Mapping[str, str], key: str | None = None) -> Connection:
    """The connection to a target that has its address; `key` is None for that of the target's variable.

    Raises MissingKeyError and UsageError for a variable or a file that is not what the target says.
    """
    return Connection(
        target.base_url,
        target.model,
        key_of(target, environ) if key is None else key,
        target.models,
        target.params,
        way_of(target.access, environ, target.name),
        limits_of(target.access.timeout_s),
    )


def limits_of(timeout_s: float | None) -> Limits:
    """Bounds on one exchange with an endpoint whose silence may take so long."""
    usual = Limits()
    if timeout_s is None:
        return usual
    return Limits(min(usual.connect_s, timeout_s), timeout_s, max(usual.total_s, 2 * timeout_s))
