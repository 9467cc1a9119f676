"""Each client records the same of each request, and takes no way of going wrong for a success."""

import os
import resource
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import gevent
import orjson
import pytest

from harness.clients import Connection
from harness.endpoint.fast import FastSettings, running
from harness.endpoint.fast_answers import Failure
from harness.load.arrival_clock import stamping
from harness.load.clients import clients
from harness.load.clients.raw import RawClient
from harness.load.received import Due, End
from harness.load.record import Outcome, RequestRecord, decode, encode
from harness.load.workload import LoadRequest
from harness.scenario import Mode
from harness.wire.limits import Limits
from tests.servers import head, says, server

_REQUEST = LoadRequest("chat", {"messages": [{"role": "user", "content": "Who are you?"}], "max_tokens": 8})
_LIMITS = Limits(connect_s=5, silence_s=5, total_s=5)

_OUTCOMES = {
    Failure.EMPTY: Outcome.EMPTY,
    Failure.HTTP_500: Outcome.HTTP_ERROR,
    Failure.RATE_LIMITED: Outcome.RATE_LIMITED,
    Failure.ERROR_EVENT: Outcome.ERROR_EVENT,
    Failure.CUT: Outcome.CUT,
    Failure.RESET: Outcome.RESET,
    Failure.UNFINISHED: Outcome.UNFINISHED,
    Failure.NOT_JSON: Outcome.NOT_JSON,
}


@pytest.fixture(scope="module", autouse=True)
def _stamps() -> Iterator[None]:
    """As a session has them: the kernel stamps already when the first answer comes."""
    with stamping():
        time.sleep(0.1)
        yield


def _ask(
    base_url: str, client: str, mode: Mode = Mode.STREAM, *, times: int = 1, limits: Limits = _LIMITS
) -> list[RequestRecord]:
    """The records of so many requests by one user."""
    user = clients()[client](Connection(base_url, "standin-fast", "key", limits=limits))()
    try:
        return [user.perform(Due(i, _REQUEST), mode).answered().record for i in range(times)]
    finally:
        user.close()


@pytest.mark.parametrize("client", clients())
@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("failure", Failure)
def test_a_failure_is_no_success(client: str, mode: Mode, failure: Failure) -> None:
    with running(FastSettings(tokens=4, failure=failure)) as base_url:
        assert [record.outcome for record in _ask(base_url, client, mode, times=2)] == [
            _OUTCOMES[failure]
        ] * 2


@pytest.mark.parametrize("client", clients())
def test_every_token_arrives_when_the_endpoint_sent_it(client: str, tmp_path: Path) -> None:
    log = tmp_path / "sent.jsonl"
    with running(FastSettings(tokens=5, first_token_ms=300, inter_token_ms=5, log=log)) as base_url:
        first, second = _ask(base_url, client, times=2)
    sent = [orjson.loads(line)["sent_ns"] for line in log.read_bytes().splitlines()]
    for record, (head_ns, *token_ns) in zip((first, second), sent, strict=True):
        assert record.outcome is Outcome.OK
        assert record.sent_ns is not None
        assert record.first_byte_ns is not None
        assert record.sent_ns > record.start_ns
        assert head_ns <= record.first_byte_ns <= token_ns[0]
        assert len(record.arrivals_ns) == 5
        assert all(sent <= arrived for sent, arrived in zip(token_ns, record.arrivals_ns, strict=True))
        assert record.first_content_ns == record.first_output_ns == record.arrivals_ns[0]
        assert record.seen_first_output_ns is not None
        assert record.seen_first_output_ns >= record.arrivals_ns[0]
        assert record.ended_ns >= record.arrivals_ns[-1]
        assert record.completion_tokens == 5
        assert record.due_ns == record.start_ns
    assert first.connected_ns is not None
    assert first.start_ns < first.connected_ns < (first.sent_ns or 0)
    # the SDKs leave a stream at [DONE], before its end, and so lose the connection
    assert client != "raw" or second.connected_ns is None


def test_the_kernels_time_holds_while_the_reader_is_late(tmp_path: Path) -> None:
    """A stall of the reader, longer than it takes the token to come, moves no arrival."""
    log = tmp_path / "sent.jsonl"
    with running(FastSettings(tokens=1, first_token_ms=400, log=log)) as base_url:
        stall = gevent.spawn_later(0.2, time.sleep, 0.7)
        (record,) = _ask(base_url, "raw")
        stall.join()
    if record.clock == "read":
        pytest.skip("this system's kernel gives no times")
    sent_ns = orjson.loads(log.read_bytes())["sent_ns"][1]
    assert record.first_output_ns is not None
    assert record.seen_first_output_ns is not None
    assert record.late_ns is not None
    assert record.first_output_ns - sent_ns < record.seen_first_output_ns - sent_ns - 100_000_000
    assert record.late_ns > 100_000_000


@pytest.mark.parametrize("client", clients())
def test_nobody_there_is_no_answer(client: str) -> None:
    (record,) = _ask("http://127.0.0.1:9/v1", client)
    assert record.outcome is Outcome.UNREACHABLE
    assert record.sent_ns is None
    assert record.detail


@pytest.mark.parametrize("client", clients())
def test_silence_ends_in_a_timeout(client: str) -> None:
    limits = replace(_LIMITS, silence_s=0.2, total_s=0.2)
    with running(FastSettings(first_token_ms=2000)) as base_url:
        (record,) = _ask(base_url, client, limits=limits)
    assert record.outcome is Outcome.TIMEOUT


@pytest.mark.parametrize("client", clients())
def test_an_answer_that_trickles_ends_in_a_timeout(client: str) -> None:
    """No read is silent for long, and the whole takes longer than a request may."""
    limits = replace(_LIMITS, silence_s=0.4, total_s=0.4)
    with running(FastSettings(tokens=1000, inter_token_ms=20)) as base_url:
        (record,) = _ask(base_url, client, limits=limits)
    assert record.outcome is Outcome.TIMEOUT
    assert len(record.arrivals_ns) < 1000


def test_what_is_no_http_is_told() -> None:
    with server(says(b"SSH-2.0-OpenSSH_9.9\r\n")) as base_url:
        (record,) = _ask(base_url, "raw")
    assert record.outcome is Outcome.NOT_HTTP


_KEY = "sk-do/not-show-me-0123456789"


def _echo(status: int, media_type: str, body: bytes) -> bytes:
    start = f"HTTP/1.1 {status} Said\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return start.encode() + body


@pytest.mark.parametrize("client", clients())
@pytest.mark.parametrize("padding", [0, 180, 190])
@pytest.mark.parametrize("status", [200, 401])
@pytest.mark.parametrize("form", ["json", "text", "event"])
def test_a_key_that_the_endpoint_echoes_is_in_no_record(
    client: str, padding: int, status: int, form: str
) -> None:
    said = "x" * padding + _KEY
    error = orjson.dumps({"error": {"message": said, "type": "invalid_request_error"}})
    answers = {
        "json": _echo(status, "application/json", error),
        "text": _echo(status, "text/plain", said.encode()),
        "event": _echo(status, "text/event-stream", b"data: " + error + b"\n\n"),
    }
    with server(says(answers[form])) as base_url:
        user = clients()[client](Connection(base_url, "m", _KEY, limits=_LIMITS))()
        try:
            record = user.perform(Due(0, _REQUEST), Mode.STREAM).answered().record
        finally:
            user.close()
    assert not record.is_ok
    assert record.detail
    assert _KEY[:4] not in record.detail
    assert len(record.detail) <= 200


@pytest.mark.parametrize("client", clients())
def test_half_a_character_in_an_error_can_be_written(client: str) -> None:
    event = b'data: {"error":{"message":"no \\ud800"}}\n\n'
    with server(says(_echo(200, "text/event-stream", event))) as base_url:
        (record,) = _ask(base_url, client)
    assert not record.is_ok
    assert decode(encode(record)) == record


_EVENTS = (
    b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)


@pytest.mark.parametrize("client", clients())
def test_a_body_may_end_with_its_connection(client: str) -> None:
    with server(says(head(media_type="text/event-stream") + _EVENTS)) as base_url:
        records = _ask(base_url, client, times=2)
    assert [record.outcome for record in records] == [Outcome.OK, Outcome.OK]
    assert all(record.connected_ns is not None for record in records)


def test_a_kept_connection_that_the_server_has_closed_meanwhile_is_no_failure() -> None:
    """The server closes after each answer without saying so, and the next request is on its way already."""
    head_ = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(_EVENTS)

    def closes_late(connection: socket.socket, _: bytes) -> None:
        connection.sendall(head_ + _EVENTS)
        time.sleep(0.05)

    with server(closes_late) as base_url:
        records = _ask(base_url, "raw", times=3)
    assert [record.outcome for record in records] == [Outcome.OK] * 3


@pytest.mark.parametrize(
    "end", [b"0", b"000", b"0 ;ext=1", b'0;ext="1"\r\nX-Sum: 7', b"0\r\nX-Sum: 7\r\nX-More: 0"]
)
@pytest.mark.parametrize("is_dripped", [False, True])
def test_a_chunked_body_ends_with_its_last_chunk(end: bytes, *, is_dripped: bool) -> None:
    """Neither the extensions nor the trailers of a last chunk have to be announced."""
    start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b" % (len(_EVENTS), _EVENTS)
    last = b"\r\n" + end + b"\r\n\r\n"

    def says_and_stands(connection: socket.socket, _: bytes) -> None:
        pieces = [start, *(last[at : at + 1] for at in range(len(last)))] if is_dripped else [start + last]
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.002)
        connection.recv(1)  # the connection stands: only the last chunk says that the answer is over

    with server(says_and_stands) as base_url:
        user = clients()["raw"](Connection(base_url, "m", "key", limits=_LIMITS))()
        taken = user.perform(Due(0, _REQUEST), Mode.STREAM)
        user.close()
    assert taken.received is not None
    assert (taken.received.end, taken.answered().record.outcome) == (End.COMPLETE, Outcome.OK)


def test_what_looks_like_a_last_chunk_within_a_text_ends_nothing() -> None:
    text = orjson.dumps({"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}]})
    looks_last = b"data: " + text + b"\n\n: \r\n0\r\n\r\n" + _EVENTS
    chunks = b"%x\r\n%b\r\n" % (len(looks_last), looks_last) + b"0\r\n\r\n"
    cut = chunks.index(b"0\r\n\r\n") + 5

    def pauses(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks[:cut])
        time.sleep(0.02)
        connection.sendall(chunks[cut:])
        connection.recv(1)

    with server(pauses) as base_url:
        (record,) = _ask(base_url, "raw")
    assert (record.outcome, len(record.arrivals_ns)) == (Outcome.OK, 2)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(_EVENTS) + _EVENTS,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
        % (len(_EVENTS), _EVENTS),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\nX-Sum: 7\r\n\r\n"
        % (len(_EVENTS), _EVENTS),
    ],
    ids=["length", "chunked", "trailers"],
)
def test_what_comes_behind_a_body_is_none_of_it_and_ends_its_connection(answer: bytes) -> None:
    junk = b'data: {"error":{"message":"not for you"}}\n\n'

    def says_too_much(connection: socket.socket, _: bytes) -> None:
        connection.sendall(answer + junk)
        while connection.recv(65536):
            connection.sendall(answer)

    with server(says_too_much) as base_url:
        records = _ask(base_url, "raw", times=2)
    assert [record.outcome for record in records] == [Outcome.OK, Outcome.OK]
    assert all(record.connected_ns is not None for record in records)


_PLAIN = orjson.dumps(
    {"choices": [{"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}]}
)
_LONGER_PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n" + _PLAIN


@pytest.mark.parametrize("client", clients())
def test_a_plain_answer_that_is_cut_is_no_success_however_much_was_there(client: str) -> None:
    with server(says(_LONGER_PLAIN)) as base_url:
        (record,) = _ask(base_url, client, Mode.PLAIN)
    assert record.outcome is Outcome.CUT


@pytest.mark.parametrize("client", clients())
def test_a_plain_answer_that_never_ends_is_a_timeout(client: str) -> None:
    def stands(connection: socket.socket, _: bytes) -> None:
        connection.sendall(_LONGER_PLAIN)
        connection.recv(1)

    with server(stands) as base_url:
        (record,) = _ask(base_url, client, Mode.PLAIN, limits=replace(_LIMITS, silence_s=0.3, total_s=0.3))
    assert record.outcome is Outcome.TIMEOUT


@pytest.mark.parametrize("client", clients())
def test_a_key_that_is_echoed_in_two_chunks_is_in_no_record(client: str) -> None:
    first, second = b"no such key: " + _KEY[:9].encode(), _KEY[9:].encode()
    start = b"HTTP/1.1 500 Sorry\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (first, second))
    with server(says(start + chunks + b"0\r\n\r\n")) as base_url:
        user = clients()[client](Connection(base_url, "m", _KEY, limits=_LIMITS))()
        record = user.perform(Due(0, _REQUEST), Mode.STREAM).answered().record
        user.close()
    assert record.detail.startswith("HTTP 500: no such key: *")
    assert not any(part in record.detail for part in (_KEY[:9], _KEY[9:]))


def test_an_address_of_a_kind_that_the_system_lacks_leaves_the_next() -> None:
    """As where a name has an IPv6 address first, and the system knows IPv4 alone."""
    with running(FastSettings(tokens=1)) as base_url:
        user = clients()["raw"](Connection(base_url, "m", "key", limits=_LIMITS))()
        assert isinstance(user, RawClient)
        (known,) = user.origin.addresses
        no_such_family = 99
        user.origin.addresses.insert(0, (no_such_family, *known[1:]))
        record = user.perform(Due(0, _REQUEST), Mode.STREAM).answered().record
        user.close()
    assert record.outcome is Outcome.OK


def test_a_process_without_room_for_a_connection_is_told() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    user = clients()["raw"](Connection("http://127.0.0.1:9/v1", "m", "key", limits=_LIMITS))()
    user.perform(Due(0, _REQUEST), Mode.STREAM)
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        record = user.perform(Due(1, _REQUEST), Mode.STREAM).answered().record
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (record.outcome, record.detail) == (Outcome.UNREACHABLE, "Too many open files")


@contextmanager
def _tls_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server behind TLS with a certificate of its own, which the environment trusts."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names, *files]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as tls:
            for _ in range(2):
                received = b""
                while not received.endswith(b"}"):
                    received += tls.recv(65536)
                tls.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                for event in _EVENTS.split(b"\n\n")[:-1]:
                    time.sleep(0.02)
                    tls.sendall(b"%x\r\n%b\n\n\r\n" % (len(event) + 2, event))
                tls.sendall(b"0\r\n\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"https://localhost:{listener.getsockname()[1]}/v1"
    finally:
        thread.join(5)
        listener.close()


def test_the_kernels_times_are_had_over_tls_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with _tls_server(tmp_path, monkeypatch) as base_url:
        first, second = _ask(base_url, "raw", times=2)
    assert [first.outcome, second.outcome] == [Outcome.OK, Outcome.OK]
    assert first.connected_ns is not None
    assert second.connected_ns is None
    assert first.clock == second.clock
    if first.clock == "read":
        pytest.skip("this system's kernel gives no times")
    assert first.late_ns is not None
    assert second.late_ns is not None


@pytest.mark.parametrize("unstamped", [0, 1, 2])
def test_one_read_without_the_kernels_time_makes_the_clock_the_readers(unstamped: int) -> None:
    with running(FastSettings(tokens=5, first_token_ms=20, inter_token_ms=5)) as base_url:
        user = clients()["raw"](Connection(base_url, "standin-fast", "key", limits=_LIMITS))()
        taken = user.perform(Due(0, _REQUEST), Mode.STREAM)
        user.close()
    assert taken.received is not None
    if taken.answered().record.clock == "read":
        pytest.skip("this system's kernel gives no times")
    reads = list(taken.received.reads)
    reads[unstamped] = (reads[unstamped][0], b"", reads[unstamped][2])
    record = replace(taken, received=replace(taken.received, reads=reads)).answered().record
    assert (record.outcome, record.clock, record.late_ns) == (Outcome.OK, "read", None)


@contextmanager
def _resets_in_the_handshake() -> Iterator[str]:
    """A server that accepts, reads nothing and resets the connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def test_a_connection_that_is_reset_in_the_handshake_is_no_connection() -> None:
    """Sooner or later the reset is there before the first message of the handshake goes out."""
    with _resets_in_the_handshake() as base_url:
        records = _ask(base_url, "raw", times=100)
    assert {record.outcome for record in records} == {Outcome.UNREACHABLE}


def test_a_certificate_that_nobody_vouches_for_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _tls_server(tmp_path, monkeypatch) as base_url:
        monkeypatch.delenv("SSL_CERT_FILE")
        (record,) = _ask(base_url, "raw")
    assert record.outcome is Outcome.UNREACHABLE
    assert "certificate" in record.detail.lower()
