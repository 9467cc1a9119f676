"""An endpoint that keeps what it was sent, with TLS or without, and a forward proxy; all on loopback."""

import json
import select
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from tests.clients.test_clients import CHUNKS, COMPLETION, events


@dataclass(frozen=True)
class Sent:
    """One request as it came."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: Any

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query))


@dataclass
class Gateway:
    """What listens: its base URL, and what has come."""

    base_url: str
    sent: list[Sent] = field(default_factory=list)


@dataclass(frozen=True)
class Certificates:
    """A certificate authority of our own, a server's certificate for 127.0.0.1, and a client's."""

    ca: Path
    server: Path
    client: Path
    client_key: Path


def certificates(folder: Path) -> Certificates:
    """Make them, by openssl."""
    ca, ca_key = folder / "ca.pem", folder / "ca-key.pem"
    # From Python 3.13 on, a certificate has to say all that RFC 5280 asks for.
    _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=our CA",
             "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", ca_key, "-out", ca)  # fmt: skip
    made = []
    for name in ("server", "client"):
        key, certificate = folder / f"{name}-key.pem", folder / f"{name}.pem"
        _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                 "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE",
                 "-addext", "authorityKeyIdentifier=keyid", "-addext", "subjectKeyIdentifier=hash",
                 "-CA", ca, "-CAkey", ca_key, "-keyout", key, "-out", certificate)  # fmt: skip
        both = folder / f"{name}-both.pem"
        both.write_bytes(certificate.read_bytes() + key.read_bytes())
        made.append((both, certificate, key))
    (server, _, _), (_, client, client_key) = made
    return Certificates(ca, server, client, client_key)


def _openssl(*words: object) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)  # noqa: S607  # any will do


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    gateway: Gateway

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves is no error of the test."""


class _Endpoint(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        with suppress(ValueError):
            body = json.loads(body)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.gateway.sent.append(Sent(self.command, self.path, headers, body))
        is_stream = isinstance(body, dict) and body.get("stream")
        said = events(*CHUNKS) if is_stream else orjson.dumps(COMPLETION)
        if urlsplit(self.path).path.endswith("/embeddings"):
            vector = {"object": "embedding", "index": 0, "embedding": [0.5, 0.5]}
            usage = {"prompt_tokens": 1, "total_tokens": 1}
            said = orjson.dumps({"object": "list", "model": "e", "data": [vector], "usage": usage})
        if urlsplit(self.path).path.endswith("/models"):
            said = orjson.dumps({"object": "list", "data": []})
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if is_stream else "application/json")
        self.send_header("Content-Length", str(len(said)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(said)

    def do_POST(self) -> None:
        self.do_GET()


@contextmanager
def endpoint(made: Certificates | None = None, *, asks_for_client: bool = False) -> Iterator[Gateway]:
    """An endpoint that answers every request, and keeps it; over TLS where there are certificates."""
    with _running(_Endpoint, "http" if made is None else "https", made, asks_for_client) as gateway:
        yield gateway


class _Proxy(BaseHTTPRequestHandler):
    """Forwards what is asked in absolute form, and opens tunnels; each connection serves one request."""

    server: _Server

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_CONNECT(self) -> None:
        self._keep()
        host, _, port = self.path.partition(":")
        with socket.create_connection((host, int(port))) as upstream:
            self.send_response(200)
            self.end_headers()
            _pipe(self.connection, upstream)

    def do_POST(self) -> None:
        self._keep()
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = urlsplit(self.path)
        path = self.path[self.path.index(parts.netloc) + len(parts.netloc) :]
        with socket.create_connection((parts.hostname or "", parts.port or 80)) as upstream:
            lines = [f"{name}: {value}" for name, value in self.headers.items() if name != "Connection"]
            head = "\r\n".join([f"{self.command} {path} HTTP/1.1", *lines, "Connection: close", "", ""])
            upstream.sendall(head.encode() + body)
            while data := upstream.recv(65536):
                self.wfile.write(data)

    def do_GET(self) -> None:
        self.do_POST()

    def _keep(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.gateway.sent.append(Sent(self.command, self.path, headers, None))


class _RefusingProxy(_Proxy):
    def do_CONNECT(self) -> None:
        self.send_error(403, "not through here")


def _pipe(one: socket.socket, other: socket.socket) -> None:
    while True:
        ready, _, _ = select.select([one, other], [], [], 10)
        if not ready:
            return
        for sock in ready:
            data = sock.recv(65536)
            if not data:
                return
            (other if sock is one else one).sendall(data)


@contextmanager
def proxy(*, refuses: bool = False) -> Iterator[Gateway]:
    """A forward proxy that keeps what it was asked; its base URL is the proxy's URL."""
    with _running(_RefusingProxy if refuses else _Proxy, "http", None, False) as gateway:  # noqa: FBT003  # no TLS
        yield Gateway(gateway.base_url.removesuffix("/v1"), gateway.sent)


@contextmanager
def _running(
    handler: type[BaseHTTPRequestHandler],
    scheme: str,
    made: Certificates | None,
    asks_for_client: bool,  # noqa: FBT001  # passed on
) -> Iterator[Gateway]:
    with _Server(("127.0.0.1", 0), handler) as server:
        server.gateway = Gateway(f"{scheme}://127.0.0.1:{server.server_port}/v1")
        if made is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(made.server)
            if asks_for_client:
                context.load_verify_locations(made.ca)
                context.verify_mode = ssl.CERT_REQUIRED
            # The handshake is the handler's: in the listener, one client would hold up the others.
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=partial(server.serve_forever, 0.05), daemon=True).start()
        try:
            yield server.gateway
        finally:
            server.shutdown()
