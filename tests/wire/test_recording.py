"""The recording transports: what crossed the wire, beneath both HTTP libraries, sync and async."""

import asyncio
import gzip
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from types import ModuleType

import httpx
import httpx2
import orjson
import pytest

from harness.wire.exchange import Ending, Exchange, Read, from_json, to_json
from harness.wire.limits import Limits
from harness.wire.recording import (
    AsyncRecordingTransport,
    RecordingTransport,
    client_options,
    recording,
)
from harness.wire.redaction import secrets_of
from tests.servers import closes_kept_connections, head, resets_after, says, server, sized

KEY = "sk-canary-0123456789"
Ask = Callable[[ModuleType, str, Limits], Exchange]


def ask_sync(library: ModuleType, base_url: str, limits: Limits = Limits()) -> Exchange:
    options = client_options(library, RecordingTransport, base_url, limits)
    with library.Client(**options) as client, recording(secrets_of([KEY])) as tape:
        try:
            client.post(f"{base_url}/chat", json={"q": 1}, headers={"authorization": f"Bearer {KEY}"})
        except Exception:  # noqa: BLE001  # what the client makes of it is not looked at here
            assert tape.exchanges, "nothing was recorded"
    (exchange,) = tape.exchanges
    return exchange


def ask_async(library: ModuleType, base_url: str, limits: Limits = Limits()) -> Exchange:
    async def ask() -> Exchange:
        options = client_options(library, AsyncRecordingTransport, base_url, limits)
        async with library.AsyncClient(**options) as client:
            with recording(secrets_of([KEY])) as tape:
                try:
                    await client.post(
                        f"{base_url}/chat", json={"q": 1}, headers={"authorization": f"Bearer {KEY}"}
                    )
                except Exception:  # noqa: BLE001  # what the client makes of it is not looked at here
                    assert tape.exchanges, "nothing was recorded"
        (exchange,) = tape.exchanges
        return exchange

    return asyncio.run(ask())


@pytest.fixture(
    params=[(ask, lib) for ask in (ask_sync, ask_async) for lib in (httpx, httpx2)],
    ids=lambda param: f"{param[0].__name__}-{param[1].__name__}",
)
def ask(request: pytest.FixtureRequest) -> Callable[..., Exchange]:
    asks, library = request.param
    return lambda base_url, limits=Limits(): asks(library, base_url, limits)


def test_a_whole_answer_is_recorded_as_it_crossed(ask: Callable[..., Exchange]) -> None:
    with server(says(sized(b'{"a":1}'))) as base_url:
        exchange = ask(base_url)
    assert (exchange.request.method, exchange.request.url) == ("POST", f"{base_url}/chat")
    assert orjson.loads(exchange.request.body) == {"q": 1}
    assert exchange.response is not None
    assert (exchange.response.status, exchange.response.http_version) == (200, "HTTP/1.1")
    assert exchange.response.media_type == "application/json"
    assert (exchange.response.body, exchange.ended) == (b'{"a":1}', Ending.COMPLETE)
    times = [
        exchange.request.sent_ns,
        exchange.response.started_ns,
        *(read.arrived_ns for read in exchange.response.reads),
        exchange.ended_ns,
    ]
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("answer", "ending"),
    [
        (says(b""), Ending.CUT),
        (says(b"\x00\x01 this is not HTTP\r\n\r\n"), Ending.NOT_HTTP),
        (says(head(headers=["Content-Length: 100"]) + b'{"a"'), Ending.CUT),
        (resets_after(head(headers=["Content-Length: 100"]) + b'{"a"'), Ending.CUT),
        (says(head(headers=["Transfer-Encoding: chunked"]) + b"4\r\ndata"), Ending.CUT),
        (says(head() + b"until the end"), Ending.COMPLETE),
    ],
    ids=["says_nothing", "no_http", "short_body", "resets", "cut_chunk", "ends_by_closing"],
)
def test_how_an_exchange_ended_is_known(
    ask: Callable[..., Exchange], answer: Callable[..., None], ending: Ending
) -> None:
    with server(answer) as base_url:
        assert ask(base_url).ended is ending


@pytest.mark.parametrize(
    ("answer", "surplus"),
    [
        (sized(b"{}"), b""),
        (sized(b"{}") + b"\r\n", b"\r\n"),
        (head(headers=["Content-Length: 1"]) + b"{}", b"}"),
        (head(headers=["Transfer-Encoding: chunked"]) + b"2\r\n{}\r\n0\r\n\r\n0\r\n\r\n", b"0\r\n\r\n"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" + sized(b"{}") + KEY.encode(), b"*" * len(KEY)),
        (head() + b"{} until the end", b""),
    ],
    ids=["nothing", "line_end", "short_length", "second_last_chunk", "key", "ends_by_closing"],
)
def test_what_comes_after_an_answer_is_recorded(
    ask: Callable[..., Exchange], answer: bytes, surplus: bytes
) -> None:
    with server(says(answer)) as base_url:
        exchange = ask(base_url)
    assert exchange.response is not None
    assert exchange.response.surplus == surplus
    assert from_json(to_json(exchange)) == exchange


def test_a_refused_connection_is_unreachable(ask: Callable[..., Exchange]) -> None:
    with server(says(b"")) as base_url:
        pass
    exchange = ask(base_url)
    assert (exchange.ended, exchange.response) == (Ending.UNREACHABLE, None)


def test_plain_http_on_a_tls_address_is_a_tls_failure(ask: Callable[..., Exchange]) -> None:
    with server(says(sized(b"{}"))) as base_url:
        exchange = ask(base_url.replace("http://", "https://"))
    assert exchange.ended is Ending.TLS
    assert exchange.response is None


def test_silence_is_a_timeout(ask: Callable[..., Exchange]) -> None:
    with server(lambda connection, _: connection.recv(1) and None) as base_url:
        assert ask(base_url, replace(Limits(), silence_s=0.1)).ended is Ending.TIMEOUT


def test_dripping_bytes_are_a_timeout_too(ask: Callable[..., Exchange]) -> None:
    def drips(connection: socket.socket, _: bytes) -> None:
        connection.sendall(head())
        with suppress(OSError):
            while True:
                connection.sendall(b" ")
                time.sleep(0.005)

    with server(drips) as base_url:
        assert ask(base_url, replace(Limits(), total_s=0.5)).ended is Ending.TIMEOUT


def test_a_huge_body_is_left_at_the_limit(ask: Callable[..., Exchange]) -> None:
    with server(says(sized(b"x" * 100_000))) as base_url:
        exchange = ask(base_url, replace(Limits(), body_bytes=1_000))
    assert exchange.ended is Ending.OVERSIZED


def test_no_secret_stays_in_an_exchange(ask: Callable[..., Exchange]) -> None:
    echo = f'{{"error": "bad key {KEY}"}}'.encode()
    with server(says(head(headers=[f"X-Echo: {KEY}"]) + echo[:20], echo[20:])) as base_url:
        exchange = ask(base_url)
    dump = orjson.dumps(to_json(exchange)).decode()
    assert KEY not in dump
    assert exchange.response is not None
    assert len(exchange.response.body) == len(echo)
    assert dict(exchange.request.headers)["authorization"] == "Bearer " + "*" * len(KEY)


def test_a_secret_in_a_compressed_body_does_not_stay(ask: Callable[..., Exchange]) -> None:
    body = gzip.compress(f'{{"key": "{KEY}"}}'.encode())
    answer = says(head(headers=["Content-Encoding: gzip", f"Content-Length: {len(body)}"]) + body)
    with server(answer) as base_url:
        exchange = ask(base_url)
    assert exchange.response is not None
    assert exchange.response.body == f'{{"key": "{"*" * len(KEY)}"}}'.encode()
    assert KEY.encode() not in b"".join(read.data for read in exchange.response.reads)


def test_a_compressed_body_is_kept_as_it_came_and_read_as_it_is_meant(ask: Callable[..., Exchange]) -> None:
    body = gzip.compress(b'{"a": 1}')
    answer = says(head(headers=["Content-Encoding: gzip", f"Content-Length: {len(body)}"]) + body)
    with server(answer) as base_url:
        exchange = ask(base_url)
    assert exchange.response is not None
    assert b"".join(read.data for read in exchange.response.reads) == body
    assert exchange.response.body == b'{"a": 1}'


def test_a_redirect_is_not_followed(ask: Callable[..., Exchange]) -> None:
    answer = says(
        head("307 Temporary Redirect", headers=["Location: http://127.0.0.1:9/", "Content-Length: 0"])
    )
    with server(answer) as base_url:
        exchange = ask(base_url)
    assert exchange.response is not None
    assert exchange.response.status == 307


def test_an_exchange_survives_its_serialisation(ask: Callable[..., Exchange]) -> None:
    with server(says(head(), b"\xff\xfe", b"\x00 text")) as base_url:
        exchange = ask(base_url)
    assert from_json(orjson.loads(orjson.dumps(to_json(exchange)))) == exchange


def test_an_exchange_without_an_answer_survives_too(ask: Callable[..., Exchange]) -> None:
    with server(says(b"")) as base_url:
        exchange = ask(base_url)
    assert from_json(orjson.loads(orjson.dumps(to_json(exchange)))) == exchange


def test_tls_contexts_verify() -> None:
    options = client_options(httpx, RecordingTransport, "https://127.0.0.1:1/v1", Limits())
    context = options["transport"]._inner._pool._ssl_context  # no public way leads to it
    assert context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_a_kept_connection_that_was_closed_is_told_from_a_cut_one(library: ModuleType) -> None:
    whole = sized(b"{}").replace(b"Connection: close\r\n", b"")
    with server(closes_kept_connections(whole)) as base_url:
        options = client_options(library, RecordingTransport, base_url, Limits())
        with library.Client(**options) as client, recording(None) as tape:
            client.post(base_url)
            with pytest.raises(library.TransportError):
                client.post(base_url)
            client.post(base_url)
    assert [exchange.ended for exchange in tape.exchanges] == [Ending.COMPLETE, Ending.STALE, Ending.COMPLETE]


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_the_same_is_told_of_an_asynchronous_connection(library: ModuleType) -> None:
    async def ask_twice(base_url: str) -> list[Exchange]:
        options = client_options(library, AsyncRecordingTransport, base_url, Limits())
        async with library.AsyncClient(**options) as client:
            with recording(None) as tape:
                await client.post(base_url)
                with pytest.raises(library.TransportError):
                    await client.post(base_url)
                return tape.exchanges

    with server(closes_kept_connections(sized(b"{}").replace(b"Connection: close\r\n", b""))) as base_url:
        first, second = asyncio.run(ask_twice(base_url))
    assert (first.ended, second.ended) == (Ending.COMPLETE, Ending.STALE)


def test_reads_are_immutable() -> None:
    with pytest.raises(AttributeError):
        Read(0, b"").data = b"changed"  # type: ignore[misc]  # that is what is tested
