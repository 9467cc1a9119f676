"""The reason phrases of the endpoint's status lines, and the HTTP protocol that sends them.

uvicorn takes them from the standard library, which changes them: 422 is "Unprocessable Entity" up to Python
3.12 and "Unprocessable Content" from 3.13 on. What the endpoint sends has to be the same bytes on each.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

PHRASES: Mapping[int, str] = MappingProxyType(
    {
        200: "OK",
        201: "Created",
        202: "Accepted",
        203: "Non-Authoritative Information",
        204: "No Content",
        205: "Reset Content",
        206: "Partial Content",
        300: "Multiple Choices",
        301: "Moved Permanently",
        302: "Found",
        303: "See Other",
        304: "Not Modified",
        307: "Temporary Redirect",
        308: "Permanent Redirect",
        400: "Bad Request",
        401: "Unauthorized",
        402: "Payment Required",
        403: "Forbidden",
        404: "Not Found",
        405: "Method Not Allowed",
        406: "Not Acceptable",
        407: "Proxy Authentication Required",
        408: "Request Timeout",
        409: "Conflict",
        410: "Gone",
        411: "Length Required",
        412: "Precondition Failed",
        413: "Content Too Large",
        414: "URI Too Long",
        415: "Unsupported Media Type",
        416: "Range Not Satisfiable",
        417: "Expectation Failed",
        421: "Misdirected Request",
        422: "Unprocessable Content",
        426: "Upgrade Required",
        428: "Precondition Required",
        429: "Too Many Requests",
        431: "Request Header Fields Too Large",
        500: "Internal Server Error",
        501: "Not Implemented",
        502: "Bad Gateway",
        503: "Service Unavailable",
        504: "Gateway Timeout",
        505: "HTTP Version Not Supported",
        511: "Network Authentication Required",
    }
)
"""RFC 9110, section 15, and RFC 6585; any other status goes out without a phrase (RFC 9112, section 4)."""


class _Connection(h11.Connection):
    """Writes each final status line with our own phrase."""

    def send_with_data_passthrough(self, event: h11.Event) -> list[bytes] | None:
        if isinstance(event, h11.Response):
            event = h11.Response(
                status_code=event.status_code,
                headers=event.headers.raw_items(),
                http_version=event.http_version,
                reason=PHRASES.get(event.status_code, ""),
            )
        return super().send_with_data_passthrough(event)


RAW_SOCKET = "likewise.socket"
"""The extension of a request's scope that holds its connection, for what no HTTP library would send."""


class Protocol(H11Protocol):
    """uvicorn's protocol over h11, with our own phrases, whose application may write past h11."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = _Connection(h11.SERVER)
        app = self.app

        async def with_socket(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "extensions": {RAW_SOCKET: self.transport}}, receive, send)

        self.app = with_socket
