"""The recording proxy: it notes what a recording transport notes, and hands on what came."""

import http.client
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from harness import content
from harness.clients import Connection, clients
from harness.endpoint.server import running
from harness.endpoint.settings import Settings
from harness.evidence import Observation
from harness.judge import can_ask
from harness.observe import observer
from harness.plan import Call, Key
from harness.scenario import Mode, Scenario, chat
from harness.wire.exchange import Ending, Exchange
from harness.wire.limits import Limits
from harness.wire.proxy import recording_proxy
from harness.wire.recording import Tape, recording
from harness.wire.redaction import secrets_of
from harness.wire.way import Trust, Way
from tests.gateways import certificates, endpoint
from tests.servers import Answer, closes_kept_connections, head, resets_after, says, server, sized

KEY = "sk-canary-0123456789"
_MADE_UP = re.compile(
    rb'"((?:call_|item_|previous_response_)?id|created|(?:created|completed)_at|obfuscation'
    rb'|(?:input|prompt|total)_tokens)": ?("[^"]*"|\d+)'
)
"""Ids, times and noise, and the counts of prompts that hold an id."""


@contextmanager
def proxied(
    base_url: str, limits: Limits = Limits(), way: Way = Way(), *, sends_key: bool = True
) -> Iterator[tuple[str, Tape]]:
    with (
        recording_proxy(base_url, limits, way, sends_key=sends_key) as proxy,
        recording(secrets_of([KEY])) as tape,
        proxy.asking() as its_url,
    ):
        yield its_url, tape


def asked_through(answer: Answer, limits: Limits = Limits()) -> tuple[Exchange, Exception | None]:
    """What the proxy notes of one request, and what the program that asked raises."""
    error: Exception | None = None
    with server(answer) as base_url, proxied(base_url, limits) as (its_url, tape):
        try:
            httpx.post(f"{its_url}/chat", json={"q": 1}, headers={"authorization": f"Bearer {KEY}"})
        except Exception as raised:  # noqa: BLE001  # that is what is looked at
            error = raised
    (exchange,) = tape.exchanges
    return exchange, error


_CUT_CHUNK = head(headers=["Transfer-Encoding: chunked"]) + b"4\r\ndata"
_EMPTY = head("204 No Content", headers=["Transfer-Encoding: chunked"])
_CALLS = [
    (scenario, mode)
    for scenario in content.scenarios().values()
    for mode in scenario.modes
    if can_ask("raw", scenario, mode)
]


@pytest.fixture(scope="module")
def captures() -> Mapping[Key, tuple[Observation, Observation, list[Exchange]]]:
    """Each call of raw: asked without the proxy, asked through it as raw noted it, and as the proxy did."""
    found: dict[Key, tuple[Observation, Observation, list[Exchange]]] = {}
    with running() as one, running() as other, recording_proxy(other.base_url, Limits(), Way()) as proxy:
        models = {"embeddings": one.embedding_model}
        with observer(Connection(one.base_url, one.model, one.key, models), ["raw"], [one.key]) as direct:
            for scenario, mode in _CALLS:
                call = Call(scenario, "raw", mode)
                before = found.get(call.after) if call.after else None
                alone = direct.observe(call, before[0] if before else None)
                with recording(secrets_of([other.key])) as tape, proxy.asking() as base_url:
                    connection = Connection(base_url, other.model, other.key, models)
                    with observer(connection, ["raw"], [other.key]) as opened:
                        through = opened.observe(call, before[1] if before else None)
                found[call.key] = alone, through, tape.exchanges
    return found


@pytest.mark.parametrize(("scenario", "mode"), _CALLS, ids=lambda one: getattr(one, "id", one))
def test_the_proxy_notes_what_the_transport_in_the_client_notes(
    captures: Mapping[Key, tuple[Observation, Observation, list[Exchange]]], scenario: Scenario, mode: Mode
) -> None:
    alone, through, noted = captures[scenario.name, "raw", mode]
    (exchange,) = noted
    sent, got = exchange.request, exchange.response
    its = through.exchange
    assert its.response is not None
    assert got is not None
    assert (sent.method, sent.body) == (its.request.method, its.request.body)
    assert sent.headers[1:] == its.request.headers[1:], "all but Host"
    assert (got.status, got.headers, got.body) == (
        its.response.status,
        its.response.headers,
        its.response.body,
    )
    assert (got.http_version, got.surplus) == (its.response.http_version, its.response.surplus)
    assert (exchange.ended, exchange.detail) == (its.ended, its.detail)

    assert alone.exchange.response is not None
    assert (exchange.ended, got.status) == (alone.exchange.ended, alone.exchange.response.status)
    assert _names(got.headers) == _names(alone.exchange.response.headers)
    assert _told(got.body) == _told(alone.exchange.response.body)


def _names(headers: tuple[tuple[str, str], ...]) -> list[str]:
    return [name for name, _ in headers]


def _told(body: bytes) -> bytes:
    """A body without what is made up anew for each answer."""
    return _MADE_UP.sub(b"", body)


@pytest.mark.parametrize(
    ("answer", "ending", "error"),
    [
        (says(b""), Ending.CUT, httpx.RemoteProtocolError),
        (resets_after(), Ending.CUT, httpx.ReadError),
        (says(b"\x00\x01 this is not HTTP\r\n\r\n"), Ending.NOT_HTTP, httpx.RemoteProtocolError),
        (says(head(headers=["Content-Length: 100"]) + b'{"a"'), Ending.CUT, httpx.RemoteProtocolError),
        (resets_after(head(headers=["Content-Length: 100"]) + b'{"a"'), Ending.CUT, httpx.ReadError),
        (says(_CUT_CHUNK), Ending.CUT, httpx.RemoteProtocolError),
        (says(head() + b"until the end"), Ending.COMPLETE, type(None)),
        (says(sized(b"{}")), Ending.COMPLETE, type(None)),
        (says(_EMPTY), Ending.COMPLETE, type(None)),
    ],
    ids=["nothing", "resets_at_once", "no_http", "short", "resets", "cut", "by_closing", "right", "empty"],
)
def test_how_an_endpoint_ends_is_noted_and_handed_on(
    answer: Answer, ending: Ending, error: type[Exception]
) -> None:
    exchange, raised = asked_through(answer)
    assert (exchange.ended, type(raised)) == (ending, error)


def test_a_refused_connection_is_noted_and_reset() -> None:
    with server(says(b"")) as base_url:
        pass
    with proxied(base_url) as (its_url, tape), pytest.raises(httpx.ReadError):
        httpx.post(its_url)
    assert [one.ended for one in tape.exchanges] == [Ending.UNREACHABLE]


def test_silence_and_dripping_are_timeouts_and_a_huge_body_is_left() -> None:
    silent, error = asked_through(
        lambda connection, _: connection.recv(1) and None, replace(Limits(), silence_s=0.1)
    )
    assert (silent.ended, type(error)) == (Ending.TIMEOUT, httpx.ReadError)
    dripping, _ = asked_through(says(head(), *[b" "] * 10_000), replace(Limits(), total_s=0.001))
    assert dripping.ended is Ending.TIMEOUT
    huge, _ = asked_through(says(sized(b"x" * 100_000)), replace(Limits(), body_bytes=1_000))
    assert huge.ended is Ending.OVERSIZED


def _one_at_a_time(taken: threading.Semaphore, *pieces: bytes) -> Answer:
    """Writes a piece, and the next one only when the one before has been taken."""

    def answer(connection: socket.socket, _: bytes) -> None:
        for piece in pieces:
            connection.sendall(piece)
            assert taken.acquire(timeout=10), "the piece before was held back"

    return answer


def test_each_read_is_handed_on_as_it_comes() -> None:
    taken = threading.Semaphore(0)
    pieces = [b"data: %d\n\n" % number for number in range(5)]
    answer = _one_at_a_time(taken, head(media_type="text/event-stream"), *pieces)
    seen = []
    with (
        server(answer) as base_url,
        proxied(base_url) as (its_url, tape),
        httpx.stream("POST", its_url) as response,
    ):
        taken.release()
        for data in response.iter_raw():
            seen.append(data)
            taken.release()
    assert seen == pieces
    assert [read.data for read in tape.exchanges[0].response.reads] == pieces  # type: ignore[union-attr]


def test_several_are_served_at_a_time() -> None:
    together = threading.Barrier(4, timeout=10)

    def answer(connection: socket.socket, _: bytes) -> None:
        together.wait()
        connection.sendall(sized(b"{}"))

    with server(answer) as base_url, proxied(base_url) as (its_url, tape):
        threads = [threading.Thread(target=httpx.post, args=(its_url,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [one.ended for one in tape.exchanges] == [Ending.COMPLETE] * 4


def test_a_program_that_leaves_is_noted_at_once_though_the_endpoint_is_silent() -> None:
    gone = threading.Event()

    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(head(media_type="text/event-stream") + b"data: 1\n\n")
        connection.settimeout(10)
        assert connection.recv(1) == b""
        gone.set()

    with server(answer) as base_url, proxied(base_url) as (its_url, tape):
        with httpx.stream("POST", its_url) as response:
            next(response.iter_raw())
        assert gone.wait(10), "the endpoint was not left"
    assert [one.ended for one in tape.exchanges] == [Ending.LEFT]


def test_what_is_under_way_when_its_question_is_over_counts_as_left() -> None:
    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(head() + b"1")
        connection.recv(1)

    with server(answer) as base_url, recording_proxy(base_url, Limits(), Way()) as proxy:
        with recording(None) as tape, proxy.asking() as its_url:
            connection = http.client.HTTPConnection(urlsplit(its_url).netloc)
            connection.request("GET", urlsplit(its_url).path)
            assert connection.getresponse().read(1) == b"1"
        assert [one.ended for one in tape.exchanges] == [Ending.LEFT]
        connection.close()
        late = httpx.get(its_url)
    assert (late.status_code, len(tape.exchanges)) == (410, 1)


def test_a_kept_connection_that_was_closed_is_told_from_a_cut_one() -> None:
    whole = sized(b"{}").replace(b"Connection: close\r\n", b"")
    with (
        server(closes_kept_connections(whole)) as base_url,
        proxied(base_url) as (its_url, tape),
        httpx.Client() as client,
    ):
        client.post(its_url)
        with pytest.raises(httpx.TransportError):
            client.post(its_url)
        client.post(its_url)
    assert [one.ended for one in tape.exchanges] == [Ending.COMPLETE, Ending.STALE, Ending.COMPLETE]


def test_no_secret_stays_in_what_the_proxy_notes() -> None:
    exchange, _ = asked_through(says(sized(f'{{"error": "bad key {KEY}"}}'.encode())))
    assert KEY not in repr(exchange)
    assert dict(exchange.request.headers)["authorization"] == "Bearer " + "*" * len(KEY)


def test_the_way_is_the_proxys_business(tmp_path: Path) -> None:
    made = certificates(tmp_path)
    way = Way(
        {"X-Org": "org"}, {"api-version": "1 0"}, "api-key", Trust(made.ca, made.client, made.client_key)
    )
    with endpoint(made) as gateway, proxied(gateway.base_url, way=way) as (its_url, tape):
        answer = httpx.post(
            f"{its_url}/chat/completions?own=1", json={}, headers={"authorization": f"Bearer {KEY}"}
        )
    (sent,) = gateway.sent
    assert answer.status_code == 200
    assert (sent.headers["x-org"], sent.headers["api-key"]) == ("org", KEY)
    assert sent.query == {"own": "1", "api-version": "1 0"}
    assert "authorization" not in sent.headers
    assert tape.exchanges[0].request.url.startswith(f"{gateway.base_url}/chat/completions")


def test_a_placeholder_of_a_key_goes_no_further() -> None:
    with endpoint() as gateway, proxied(gateway.base_url, sends_key=False) as (its_url, _):
        httpx.post(f"{its_url}/chat/completions", json={}, headers={"authorization": f"Bearer {KEY}"})
    assert "authorization" not in gateway.sent[0].headers


def test_headers_of_the_programs_own_connection_stay_there() -> None:
    headers = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AAMAAABkAAQ"}
    with endpoint() as gateway, proxied(gateway.base_url) as (its_url, _):
        httpx.post(f"{its_url}/chat/completions", json={}, headers={**headers, "x-own": "1"})
    sent = gateway.sent[0].headers
    assert "upgrade" not in sent
    assert sent["x-own"] == "1"


def _said(address: str, request: bytes) -> bytes:
    with socket.create_connection(urlsplit(address).netloc.split(":"), timeout=10) as connection:  # type: ignore[arg-type]
        connection.sendall(request)
        answer = b""
        while data := connection.recv(65536):
            answer += data
        return answer


def test_what_is_no_request_is_refused_and_a_body_may_wait_to_be_asked_for() -> None:
    with server(says(sized(b"{}"))) as base_url, proxied(base_url) as (its_url, tape):
        assert _said(its_url, b"no HTTP\r\n\r\n").startswith(b"HTTP/1.1 400 ")
        path = urlsplit(its_url).path.encode()
        waits = b"POST %b HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n" % path
        assert _said(its_url, waits[:-2] + b"\r\n" + b"{}").endswith(sized(b"{}"))
    assert [one.request.body for one in tape.exchanges] == [b"{}"]


@pytest.mark.parametrize("fault", ["sf-early-close", "sf-content-length-other", "sf-bytes-after-end"])
def test_the_faults_of_framing_are_noted_alike(fault: str) -> None:
    with running(Settings(faults=(fault,))) as address:
        with recording(None) as direct:
            _ask_for_a_stream(address.base_url)
        with proxied(address.base_url) as (its_url, tape):
            _ask_for_a_stream(its_url)
    through = [one for one in tape.exchanges if one.request.url.startswith(address.base_url)]
    assert [_shape(one) for one in through] == [_shape(one) for one in direct.exchanges]


def _shape(exchange: Exchange) -> tuple[Ending, int, bool]:
    """How it ended, and whether there is surplus: how much of it has come by then is chance."""
    assert exchange.response is not None
    return exchange.ended, len(exchange.response.body), bool(exchange.response.surplus)


def _ask_for_a_stream(base_url: str) -> None:
    with clients()["raw"](Connection(base_url, "standin-1", "sk-likewise-reference")) as client:
        client.perform(chat({"messages": [{"role": "user", "content": "Hi"}]}), Mode.STREAM)


def test_nothing_of_the_proxy_stays() -> None:
    before = threading.active_count()
    with server(says(sized(b"{}"))) as base_url, proxied(base_url) as (its_url, _):
        httpx.post(its_url)
    until = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() <= before
    with pytest.raises(httpx.ConnectError):
        httpx.post(its_url)
