"""The way to an endpoint: what every request carries beside its own, and what it goes through.

All values are known here; where they come from is the business of `harness.access`.
"""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeAlias
from urllib.parse import quote, unquote, urlencode, urlsplit

Auth: TypeAlias = Literal["bearer", "api-key", "none"]
AUTHS: tuple[Auth, ...] = ("bearer", "api-key", "none")


@dataclass(frozen=True, slots=True)
class Trust:
    """TLS by other certificates than the operating system's: PEM files.

    `ca_bundle` stands in the place of the system's store; `cert` is the client's own certificate, and `key`
    its key where that is not in the same file.
    """

    ca_bundle: Path | None = None
    cert: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """What every request to an endpoint carries, and what it goes through.

    `proxy` is None for the user's own proxy of the environment, where there is one. `secret_headers` and
    `secret_query` name those whose values are secret, in small letters.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    auth: Auth = "bearer"
    trust: Trust = Trust()
    proxy: str | None = None
    secret_headers: frozenset[str] = frozenset()
    secret_query: frozenset[str] = frozenset()

    def auth_headers(self, key: str) -> dict[str, str]:
        """The header that a key goes into; none for an empty key, or where none is sent."""
        if not key or self.auth == "none":
            return {}
        return {"api-key": key} if self.auth == "api-key" else {"authorization": f"Bearer {key}"}

    def url(self, base_url: str, path: str) -> str:
        """The URL of a path below the base URL, with the query."""
        query = urlencode(self.query, quote_via=quote)
        return f"{base_url}{path}{'?' if query else ''}{query}"

    def secrets(self) -> list[str]:
        """What an endpoint is told of secrets beside the key, and may repeat."""
        in_headers = [
            value.partition(" ")[2] or value if name.lower().endswith("authorization") else value
            for name, value in self.headers.items()
            if name.lower() in self.secret_headers
        ]
        in_query = [value for name, value in self.query.items() if name.lower() in self.secret_query]
        password = urlsplit(self.proxy or "").password or ""
        return list(filter(None, (*in_headers, *in_query, password, unquote(password))))


def tls_context(trust: Trust) -> ssl.SSLContext:
    """TLS as this trust has it; raises OSError or ValueError for a file that is not what it should be."""
    return _tls_context(trust, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache
def _tls_context(trust: Trust, *_store: str | None) -> ssl.SSLContext:
    # OpenSSL itself reads the variables that name another store of the system.
    context = ssl.create_default_context(cafile=trust.ca_bundle)
    if trust.cert is not None:
        context.load_cert_chain(trust.cert, trust.key, password=_no_password)
    return context


def _no_password() -> str:
    # OpenSSL would ask for one on the terminal.
    raise ValueError("the key is encrypted")


def proxy_of(library: ModuleType, way: Way) -> Any:
    """The proxy as httpx and httpx2 want it: one with https is trusted as the endpoint is."""
    if way.proxy is None:
        return None
    is_https = way.proxy.startswith("https:")
    return library.Proxy(way.proxy, ssl_context=tls_context(way.trust) if is_https else None)
