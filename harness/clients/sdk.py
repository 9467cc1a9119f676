"""What the SDKs are opened with: where they ask, with which key, and what goes along with every request."""

from collections.abc import Mapping
from typing import Any

from harness.clients import Connection

_PLACEHOLDER_KEY = "likewise-no-key-needed"
"""The SDKs refuse to be opened without a key; where none is to be sent, their header is taken out again."""


def sdk_options(connection: Connection) -> dict[str, Any]:
    """Keyword arguments that the OpenAI SDK and the models of langchain_openai take alike."""
    is_bearer = "authorization" in connection.auth_headers
    headers = {**({} if is_bearer else connection.auth_headers), **connection.way.headers}
    return {
        "api_key": connection.key if is_bearer else _PLACEHOLDER_KEY,
        "base_url": connection.base_url,
        "max_retries": 0,
        **({"default_headers": headers} if headers else {}),
        **({"default_query": dict(connection.way.query)} if connection.way.query else {}),
    }


def http_options(connection: Connection) -> Mapping[str, Any]:
    """What the HTTP client beneath an SDK is opened with, so that no placeholder of a key is sent."""
    own = {name.lower() for name in connection.way.headers}
    if "authorization" in {*connection.auth_headers, *own}:
        return {}
    return {"auth": _without_authorization}


def _without_authorization(request: Any) -> Any:
    request.headers.pop("authorization", None)
    return request
