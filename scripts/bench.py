"""Measure what measures: the load clients against an endpoint that logs when it sent each byte.

    python scripts/bench.py                    # everything
    python scripts/bench.py accuracy freeze    # some parts

docs/load-accuracy.md is written anew from what each part measured last. The parts `peers` and
`peer-failures` install other load tools into `.peers/` the first time, some 3 GB; what can't be installed is
named in their tables.

Endpoint and client run on one machine and so on one monotonic clock. Each measurement has fresh processes.
"""

import argparse
import json
import math
import os
import platform
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench_peers.peer import (
    Asked,
    Clock,
    Compared,
    Peer,
    Reported,
    Told,
    by_the_log,
    compared,
    counted_as,
    found,
)
from environments import environment, without_keys

from harness.endpoint.fast_answers import Failure

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "load-accuracy.md"
SECTIONS = ROOT / "runs" / "bench"
"""Where each part keeps what it measured, until there is enough for the page."""
SECONDS = 8.0
RAMP_S = 1.0
"""What does not count at the start, while users begin."""

COUNTED_NS = int((SECONDS - RAMP_S - 0.5) * 1e9)
"""How long the streams in flight are counted after that: until just before users begin to stop."""

MEMORY_SECONDS = 90.0

PEER_SECONDS = 4.0
PEER_MORE_SECONDS = 45.0
"""How long a tool may take to start and to report, beside making load."""
OUR_SECONDS = 2.5
"""For our own client, which is measured again before each peer."""

# The limits that the project has set itself; the SDKs' clients, which are not its own code, have none.
P50_ERROR_MS = 0.2
P99_ERROR_MS = 0.8
P99_ERROR_OF_1024_MS = 3.0
IN_FLIGHT = 0.99
COST_OF_BARE = 1.3
FREEZE_OFF_BY = 0.03
MEMORY_OF_A_MILLION_MB = 50
COST_OF_PROXY_MS = 0.3
MISSED = "**missed**"


def verdict(*, is_kept: bool) -> str:
    """The last cell of a row that has a limit."""
    return "kept" if is_kept else MISSED


@contextmanager
def endpoint(folder: Path, answer: str, latency: str = "") -> Iterator[tuple[str, Path]]:
    """A fast lane in a process of its own: its base URL and its log, which is whole after the context."""
    log = folder / "sent.jsonl"
    options = ["serve", "--port", "0", "--fast", answer, "--latency", latency, "--log", str(log)]
    with subprocess.Popen(  # noqa: S603  # this project's own command
        _python("-c", _CLI, *options), stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            yield child.stdout.readline().split()[0], log
        finally:
            child.send_signal(signal.SIGINT)


_CLI = "from harness.__main__ import main; main()"


def _python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


@dataclass(frozen=True)
class Load:
    """What a child is to do: how it reads, where, when, and for how long."""

    reader: str
    arrivals: str
    seconds: float = SECONDS
    tokens: int = 32
    cap: int | None = None
    warm_up_s: float = 0.0


def made(load: Load, base_url: str, folder: Path) -> dict[str, Any]:
    """Have a child make load; what it measured of itself."""
    told = json.dumps({**vars(load), "base_url": base_url, "folder": str(folder)})
    command = _python(__file__, "--child", told)
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # this script
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


# --- the children ---


def child(told: Mapping[str, Any]) -> None:
    """Make load in this process, and print what it cost."""
    load = Load(**{key: told[key] for key in Load.__dataclass_fields__})
    make = {"bare": bare, "first": first_bytes}.get(load.reader.partition("-")[0], by_harness)
    print(json.dumps(make(load, told["base_url"], Path(told["folder"]))))  # noqa: T201  # the parent reads it


def by_harness(load: Load, base_url: str, folder: Path) -> dict[str, Any]:
    """Load as `likewise load` makes it in one process, without judging."""
    from harness.load.engine import make_alone  # isort: skip  # first of all: it patches the process
    from gevent.event import Event

    from harness.access import Access
    from harness.clients import Connection
    from harness.load.job import Job
    from harness.load.workload import load_workload
    from harness.scenario import Mode

    workload = load_workload("short-chat")
    job = Job(
        run_id="bench",
        base_url=base_url,
        model="standin-fast",
        models={},
        params={},
        access=Access(),
        api_key_env=None,
        target="bench",
        dialect="openai",
        client=load.reader,
        mode=Mode.STREAM,
        workload_name=workload.name,
        workload_source=workload.source,
        arrivals=load.arrivals,
        trace=None,
        seed=0,
        duration_s=load.seconds,
        warm_up_s=load.warm_up_s,
        cool_down_s=0,
        cap=load.cap,
        timeout_s=60,
        objectives=[],
        is_judged=False,
    )
    memory_kb: list[int] = []
    began_s, began = time.process_time(), time.monotonic()
    done = make_alone(
        job,
        Connection(base_url, job.model, "key"),
        folder,
        lambda _: memory_kb.append(_resident_kb()),
        Event(),
        None,
    )
    cpu_s, wall_s = time.process_time() - began_s, time.monotonic() - began
    latency = done.tally.histograms
    from harness.load.metrics import figures

    told = figures(done.tally)
    return {
        "cpu_s": cpu_s,
        "wall_s": wall_s,
        "requests": done.tally.outcomes.total(),
        "failed": done.tally.outcomes.total() - done.tally.outcomes["ok"],
        "memory_kb": memory_kb,
        "statistics": {
            name: {key: estimate.value for key, estimate in told.figures[name].statistics.items()}
            for name in latency
            if name in told.figures
        },
        "invalid": told.measurement.invalid,
    }


def bare(load: Load, base_url: str, _: Path) -> dict[str, Any]:
    """The least that can be done with gevent: read until the end; `bare-split` also looks for the events."""
    import gevent
    from gevent import socket

    port = int(base_url.rpartition(":")[2].partition("/")[0])
    body = (
        b'{"model":"standin-fast","messages":[{"role":"user","content":"Who are you?"}],'
        b'"stream":true,"stream_options":{"include_usage":true}}'
    )
    request = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    )
    until = time.monotonic() + load.seconds
    requests = 0

    def user() -> None:
        nonlocal requests
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while time.monotonic() < until:
            connection.sendall(request)
            kept = []
            while not kept or not kept[-1][1].endswith(b"0\r\n\r\n"):
                kept.append((time.monotonic_ns(), connection.recv(65536)))
            if load.reader == "bare-split":
                _event_times(kept)
            requests += 1

    began_s, began = time.process_time(), time.monotonic()
    gevent.joinall(
        [gevent.spawn(user) for _ in range(int(load.arrivals.partition(":")[2]))], raise_error=True
    )
    return {
        "cpu_s": time.process_time() - began_s,
        "wall_s": time.monotonic() - began,
        "requests": requests,
        "failed": 0,
    }


def first_bytes(load: Load, base_urls: str, _: Path) -> dict[str, Any]:
    """When the first byte came, in turn: straight, recorded in this process, and through the proxy."""
    import httpx

    from harness.wire.limits import Limits
    from harness.wire.recording import RecordingTransport, client_options, recording

    direct, proxied = base_urls.split()
    body = b'{"model":"standin-fast","messages":[{"role":"user","content":"Who are you?"}],"stream":true}'
    times: dict[str, list[float]] = {"direct": [], "recorded": [], "proxied": []}

    def by_socket(base_url: str) -> Callable[[], int]:
        where = urlsplit(base_url)
        connection = socket.create_connection((where.hostname, where.port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = b"POST %b/chat/completions HTTP/1.1\r\nHost: bench\r\n" % where.path.encode()
        request = line + b"Content-Length: %d\r\n\r\n" % len(body) + body

        def ask() -> int:
            connection.sendall(request)
            data = connection.recv(65536)
            came_ns = time.perf_counter_ns()
            while not data.endswith(b"0\r\n\r\n"):
                data = connection.recv(65536)
            return came_ns

        return ask

    def by_httpx() -> int:
        with http.stream("POST", f"{direct}/chat/completions", content=body) as response:
            came_ns = time.perf_counter_ns()
            response.read()
        return came_ns

    until = time.monotonic() + load.seconds
    options = client_options(httpx, RecordingTransport, direct, Limits())
    with httpx.Client(**options) as http, recording(None):
        asks = {"direct": by_socket(direct), "recorded": by_httpx, "proxied": by_socket(proxied)}
        while time.monotonic() < until:
            for name, ask in asks.items():
                began_ns = time.perf_counter_ns()
                times[name].append((ask() - began_ns) / 1e6)
    return times


def _event_times(kept: Sequence[tuple[int, bytes]]) -> list[int]:
    """When each event with a token came, by looking for the ends of events and parsing each one's JSON."""
    times = []
    rest = b""
    for at_ns, data in kept:
        *events, rest = (rest + data).split(b"\n\n")
        for event in events:
            text = event[event.find(b"data: ") + 6 :]
            if text != b"[DONE]" and any(c["delta"].get("content") for c in json.loads(text)["choices"]):
                times.append(at_ns)
    return times


def _resident_kb() -> int:
    with Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * resource.getpagesize() // 1024


# --- the parts ---


def quantile(values: Sequence[float], share: float) -> float:
    """The value at a share of the sorted values."""
    return sorted(values)[min(len(values) - 1, math.ceil(share * len(values)) - 1)] if values else math.nan


def _lines(log: Path) -> list[dict[str, Any]]:
    """The endpoint's log, a line a request."""
    return [json.loads(line) for line in log.read_text().splitlines()]


def _sent(log: Path) -> dict[int, dict[str, Any]]:
    """The endpoint's log by the number of the request."""
    lines = _lines(log)
    return {int(line["client_request_id"]): line for line in lines if line["client_request_id"].isdigit()}


def accuracy() -> Iterator[str]:
    """The error of the time to first token, against the endpoint's own log."""
    from harness.load.record_log import read

    yield (
        "| client | streams | requests | p50 error, ms | p99 error, ms | p99 of all tokens, ms "
        "| really in flight | read late, p99, ms | client's own time, p50, ms "
        "| limit: p50, p99, in flight | verdict |"
    )
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |"
    for reader in ("raw", "openai", "langchain"):
        for streams in (1, 16, 64, 256, *((1024,) if reader == "raw" else ())):
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                with endpoint(folder, "tokens=32", "ttft=20ms,itl=20ms") as (base_url, log):
                    made(Load(reader, f"users:{streams}", warm_up_s=RAMP_S), base_url, folder)
                sent = _sent(log)
                records = [record for record in read(folder) if record.is_ok]
                began_ns = min(record.start_ns for record in records) + int(RAMP_S * 1e9)
                counted = [record for record in records if record.start_ns >= began_ns]
                pairs = [(record.arrivals_ns, sent[record.ordinal]["sent_ns"][1:]) for record in counted]
                errors = [abs(arrived[0] - true[0]) / 1e6 for arrived, true in pairs]
                every = [
                    abs(a - b) / 1e6 for arrived, true in pairs for a, b in zip(arrived, true, strict=True)
                ]
                late = [record.late_ns / 1e6 for record in counted if record.late_ns is not None]
                own = [(record.seen_first_output_ns - record.first_output_ns) / 1e6 for record in counted]
                in_flight = _in_flight(sent.values(), began_ns, began_ns + COUNTED_NS)
                yield (
                    f"| {reader} | {streams:,} | {len(counted):,} | {quantile(errors, 0.5):.3f} "
                    f"| {quantile(errors, 0.99):.3f} | {quantile(every, 0.99):.3f} "
                    f"| {in_flight / streams:.1%} | {quantile(late, 0.99):.2f} | {quantile(own, 0.5):.2f} "
                    + _held_to(reader, streams, errors, in_flight / streams)
                )
    yield _bare_in_flight(1024)


def _bare_in_flight(streams: int) -> str:
    """What a reader keeps in flight that does nothing but read."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with endpoint(folder, "tokens=32", "ttft=20ms,itl=20ms") as (base_url, log):
            told = made(Load("bare", f"users:{streams}"), base_url, folder)
        lines = _lines(log)
    began_ns = min(line["received_ns"] for line in lines) + int(RAMP_S * 1e9)
    share = _in_flight(lines, began_ns, began_ns + COUNTED_NS) / streams
    return f"| bare | {streams:,} | {told['requests']:,} | – | – | – | {share:.1%} | – | – | none | – |"


def _held_to(reader: str, streams: int, errors: Sequence[float], in_flight: float) -> str:
    """The cells of the limit and of the verdict on it."""
    if reader != "raw":
        return "| none | – |"
    p99_ms = P99_ERROR_MS if streams <= 256 else P99_ERROR_OF_1024_MS
    is_kept = (
        quantile(errors, 0.5) <= P50_ERROR_MS and quantile(errors, 0.99) <= p99_ms and in_flight >= IN_FLIGHT
    )
    return f"| {P50_ERROR_MS}, {p99_ms:g}, {IN_FLIGHT:.0%} | {verdict(is_kept=is_kept)} |"


def _in_flight(lines: Iterable[dict[str, Any]], began_ns: int, ended_ns: int) -> float:
    """How many requests the endpoint had at a time, on average."""
    spans = (min(line["ended_ns"], ended_ns) - max(line["received_ns"], began_ns) for line in lines)
    return sum(span for span in spans if span > 0) / (ended_ns - began_ns)


def cost() -> Iterator[str]:
    """What a million events cost, beside readers that do nothing else."""
    yield (
        "| tokens an answer | written | reader | events/s | CPU s per million events | times `bare` "
        "| limit | verdict |"
    )
    yield "| ---: | --- | --- | ---: | ---: | ---: | ---: | --- |"
    for tokens, shape in ((500, ""), (500, ",one-write"), (32, ""), (32, ",one-write")):
        bare_s = math.nan
        for reader in ("bare", "bare-split", "raw", *(("openai", "langchain") if tokens == 500 else ())):
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                with endpoint(folder, f"tokens={tokens}{shape}") as (base_url, _):
                    told = made(Load(reader, "users:4", 4, tokens), base_url, folder)
                events = told["requests"] * tokens
                cost_s = told["cpu_s"] / events * 1e6
                bare_s = cost_s if reader == "bare" else bare_s
                is_kept = cost_s <= bare_s * COST_OF_BARE
                held = f"{COST_OF_BARE} | {verdict(is_kept=is_kept)}" if reader == "raw" else "none | –"
                yield (
                    f"| {tokens} | {'whole answers' if shape else 'one write per event'} | {reader} "
                    f"| {events / told['wall_s']:,.0f} | {cost_s:.2f} | {cost_s / bare_s:.2f} | {held} |"
                )


def freeze() -> Iterator[str]:
    """A server that freezes for two seconds: what is reported, and what is true."""
    from harness.load.record_log import read

    yield "| cap | figure | reported, ms | true, ms | off by | limit | verdict |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | --- |"
    for cap in (None, 8):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with endpoint(folder, "tokens=8,freeze=10s+2s", "ttft=20ms,itl=5ms") as (base_url, log):
                told = made(Load("raw", "constant:50", 30, 8, cap), base_url, folder)
            sent = _sent(log)
            first = min(read(folder), key=lambda record: record.ordinal)
            began_ns = first.due_ns - first.ordinal * 20_000_000
            true = [
                (line["sent_ns"][-1] - began_ns - ordinal * 20_000_000) / 1e6
                for ordinal, line in sent.items()
            ]
            for figure, share in (("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999)):
                reported, wanted = told["statistics"]["latency_ms"][figure], quantile(true, share)
                off_by = abs(reported - wanted) / wanted
                yield (
                    f"| {cap or 'none'} | latency {figure} | {reported:,.1f} | {wanted:,.1f} "
                    f"| {off_by:.1%} | {FREEZE_OFF_BY:.0%} | {verdict(is_kept=off_by <= FREEZE_OFF_BY)} |"
                )


def rate() -> Iterator[str]:
    """A thousand requests a second."""
    seconds = 30.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with endpoint(folder, "tokens=8", "ttft=10ms,itl=1ms") as (base_url, log):
            told = made(Load("raw", "constant:1000", seconds, 8), base_url, folder)
        sent = _sent(log)
    received = sorted(line["received_ns"] for line in sent.values())
    spread_s = (received[-1] - received[0]) / 1e9
    lateness = told["statistics"]["generator_lateness_ms"]
    per_s = (len(sent) - 1) / spread_s
    is_held = len(sent) >= 1000 * seconds and per_s >= 1000 * 0.99
    yield "| what | figure | limit | verdict |"
    yield "| --- | ---: | ---: | --- |"
    yield f"| asked for, in {seconds:.0f} s | {1000 * seconds:,.0f} | none | – |"
    yield f"| received by the endpoint | {len(sent):,} | none | – |"
    yield f"| requests/s at the endpoint | {per_s:,.1f} | 1,000 | {verdict(is_kept=is_held)} |"
    yield f"| failed | {told['failed']:,} | none | – |"
    yield f"| generator late, p50 and p99, ms | {lateness['p50']:.2f}, {lateness['p99']:.2f} | none | – |"
    yield f"| CPU | {told['cpu_s'] / told['wall_s']:.0%} of a core | none | – |"


def memory() -> Iterator[str]:
    """What requests leave in memory, once everything is there that a run needs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with endpoint(folder, "tokens=8,one-write") as (base_url, _):
            told = made(Load("raw", "users:4", MEMORY_SECONDS, 8), base_url, folder)
    kb = told["memory_kb"]
    settled = len(kb) // 3
    grown_mb = (statistics.fmean(kb[-5:]) - statistics.fmean(kb[settled : settled + 5])) / 1024
    asked = told["requests"] * (len(kb) - 5 - settled) / len(kb)
    a_million_mb = grown_mb / asked * 1e6
    yield "| what | figure | limit | verdict |"
    yield "| --- | ---: | ---: | --- |"
    yield f"| requests, after {told['requests'] - asked:,.0f} others | {asked:,.0f} | none | – |"
    yield f"| memory grown, MB | {grown_mb:.1f} | none | – |"
    kept = verdict(is_kept=a_million_mb < MEMORY_OF_A_MILLION_MB)
    yield f"| the same for a million | {a_million_mb:.0f} | {MEMORY_OF_A_MILLION_MB} | {kept} |"


def proxy() -> Iterator[str]:
    """What the recording proxy costs at the first byte, beside the transport that records in the process."""
    from harness.wire.limits import Limits
    from harness.wire.proxy import recording_proxy
    from harness.wire.recording import recording
    from harness.wire.way import Way

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            endpoint(folder, "tokens=8,one-write") as (base_url, _),
            recording_proxy(base_url, Limits(), Way()) as opened,
            recording(None),
            opened.asking() as its_url,
        ):
            times = made(Load("first-byte", "users:1"), f"{base_url} {its_url}", folder)
    p50 = {what: quantile(of_it, 0.5) for what, of_it in times.items()}
    asked = f"{len(times['proxied']):,}"
    yield "| what | requests | first byte, p50, ms | p95, ms | limit, p50, ms | verdict |"
    yield "| --- | ---: | ---: | ---: | ---: | --- |"
    for what, words in (
        ("direct", "a bare socket"),
        ("recorded", "recorded in the process, as raw is"),
        ("proxied", "a bare socket through the proxy"),
    ):
        yield f"| {words} | {asked} | {p50[what]:.2f} | {quantile(times[what], 0.95):.2f} | none | – |"
    over_direct_ms, cost_ms = (p50["proxied"] - p50[than] for than in ("direct", "recorded"))
    kept = verdict(is_kept=cost_ms < COST_OF_PROXY_MS)
    yield f"| the proxy over the bare socket | {asked} | {over_direct_ms:.2f} | – | none | – |"
    held_to = f"{COST_OF_PROXY_MS} | {kept}"
    yield f"| the proxy over recording in the process | {asked} | {cost_ms:.2f} | – | {held_to} |"


def peers() -> Iterator[str]:
    """The error of other tools' times to first token, each measured right after our own client."""
    yield (
        "| tool | streams | requests | reported, p50, ms | true, p50, ms | p50 error, ms | p99 error, ms "
        "| really in flight | compared by | counts from, to |"
    )
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |"
    homes, missing = installed(found())
    for streams in (16, 64, 256):
        ours: list[Measured] = []
        rows = []
        for peer, home in homes:
            try:
                ours.append(_measured(streams, OUR_SECONDS, _our_load, "monotonic"))
                measured = _measured(streams, PEER_SECONDS, partial(_load_of, peer, home), peer.clock)
                rows.append(_row_of(_named(peer), streams, [measured], peer.ttft))
            except FAILED as error:
                rows.append(f"| {_named(peer)} | {streams:,} | {_told(error)} |")
        if ours:
            yield _row_of("likewise, raw", streams, ours, "the request's last byte, the first output")
        yield from rows
    yield from missing


FAILED = (OSError, subprocess.SubprocessError, ValueError, KeyError, ZeroDivisionError)
"""What may come of other people's programs and of reading what they wrote."""


def installed(wanted: Sequence[Peer]) -> tuple[list[tuple[Peer, Path]], list[str]]:
    """Those that can be installed, with their environments, and a row for each of the others."""
    homes, rows = [], []
    for peer in wanted:
        try:
            home = environment(peer.name.lower(), peer.requirements) if peer.requirements else sys.prefix
            homes.append((peer, Path(home)))
        except FAILED as error:
            rows.append(f"| {_named(peer)} | can't be installed: {_told(error)} |")
    return homes, rows


@dataclass(frozen=True)
class Measured:
    """A run of a tool: its times to first token beside the true ones, and the share that was in flight."""

    compared: Compared
    in_flight: float


def _measured(streams: int, seconds: float, load: Callable[[Asked], Told], clock: Clock) -> Measured:
    """Have a tool make load; raises one of FAILED when it does not, or says nothing of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with endpoint(folder, "tokens=32", "ttft=20ms,itl=20ms") as (base_url, log):
            told = load(Asked(base_url, streams, seconds, folder))
        lines = _lines(log)
    if not told.requests:
        raise ValueError("it reports no time to first token")
    told = by_the_log(told, clock, lines, time.time_ns() - time.monotonic_ns())
    starts = [request.start_ns for request in told.requests]
    from_ns = min(starts) + int(RAMP_S * 1e9)
    # Users that stop one by one are no part of the load that was asked for.
    in_flight = _in_flight(lines, from_ns, max(starts))
    result = compared(told, lines, from_ns)
    if not result.errors_ms:
        raise ValueError("it has no answer to a request that began after the first second")
    return Measured(result, in_flight / streams)


def _our_load(asked: Asked) -> Told:
    """Our own client, by the same measure: from the request's last byte to the first output."""
    from harness.load.record_log import read

    made(Load("raw", f"users:{asked.streams}", asked.seconds), asked.base_url, asked.folder)
    records = list(read(asked.folder))
    timed = [
        Reported(record.start_ns, (record.first_output_ns - record.sent_ns) / 1e6, str(record.ordinal))
        for record in records
        if record.is_ok
    ]
    return Told(timed, len(timed), len(records) - len(timed))


def _load_of(peer: Peer, home: Path, asked: Asked) -> Told:
    """What a peer says after it has made load; it is ended when that takes too long."""
    for name, text in peer.files.items():
        path = asked.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    program, *arguments = peer.command(asked)
    with (asked.folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  # the commands stand in bench_peers
            [str(home / "bin" / program), *arguments],
            cwd=asked.folder,
            env={**without_keys(home), **peer.variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait(asked.seconds + PEER_MORE_SECONDS)
        finally:
            _end_group(process)
    return peer.told(asked.folder)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End what a tool has started, and it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _row_of(name: str, streams: int, runs: Sequence[Measured], ttft: str) -> str:
    reported, true, errors = (
        [value for run in runs for value in getattr(run.compared, name)]
        for name in ("reported_ms", "true_ms", "errors_ms")
    )
    in_flight = sum(run.in_flight for run in runs) / len(runs)
    p50_ms = f"{quantile(reported, 0.5):.1f} | {quantile(true, 0.5):.1f}"
    return (
        f"| {name} | {streams:,} | {len(errors):,} | {p50_ms} "
        f"| {quantile(errors, 0.5):.1f} | {quantile(errors, 0.99):.1f} | {in_flight:.0%} "
        f"| {runs[0].compared.paired_by} | {ttft} |"
    )


def _named(peer: Peer) -> str:
    """The name with the version that was measured."""
    versions = (requirement.partition("==")[2] for requirement in peer.requirements)
    return " ".join([peer.name, *versions][:2])


def _told(error: Exception) -> str:
    """The reason in a few words for a table, without paths of this machine."""
    match error:
        case subprocess.TimeoutExpired():
            return "did not end in time"
        case subprocess.CalledProcessError():
            return f"pip ends with {error.returncode}"
        case OSError():
            return "it wrote no report"
        case _:
            return str(error).partition("\n")[0].replace("|", "/") or type(error).__name__


def peer_failures() -> Iterator[str]:
    """What a tool makes of the eight ways of going wrong, when each second answer goes wrong."""
    yield "| tool | " + " | ".join(kind.value for kind in Failure) + " | right |"
    yield f"| --- {'| --- ' * len(Failure)}| ---: |"
    homes, missing = installed([peer for peer in found() if peer.has_failures])
    for name, load in (
        ("likewise, raw", _our_load),
        *((_named(peer), partial(_load_of, peer, home)) for peer, home in homes),
    ):
        # Side by side, since no time is measured here.
        with ThreadPoolExecutor(4) as pool:
            cells = list(pool.map(partial(_counts, load), Failure))
        yield f"| {name} | {' | '.join(cells)} | {cells.count('failure')} of {len(cells)} |"
    yield from missing


def _counts(load: Callable[[Asked], Told], kind: Failure) -> str:
    """What a tool makes of a way of going wrong."""
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with endpoint(folder, f"tokens=4,failure={kind}/2", "ttft=20ms,itl=5ms") as (base_url, log):
                told = load(Asked(base_url, 4, 2, folder))
            answers = len(log.read_text().splitlines())
    except FAILED:
        return "no result"
    return counted_as(told, answers)


PARTS: Mapping[str, tuple[str, Callable[[], Iterator[str]]]] = {
    "accuracy": (
        """Accuracy

32 tokens, 20 ms apart. The error is the reported arrival of the first token less the time at which
the endpoint sent it, without its sign. The client's own time lies between that arrival and the moment
at which the code that uses the client has the token. Where less than 99 % of the streams were really in
flight at the endpoint, client and endpoint had no more of the machine's cores, and the errors are those
of a client that lags behind: `likewise load` calls such a run not valid. `bare` does nothing but read, as
under *Cost*: what it can't keep in flight, no reader on gevent can in one process of this machine.""",
        accuracy,
    ),
    "cost": (
        """Cost

Instant answers for four users, so that the slower side is busy all the time. `bare` reads a gevent
socket until the answer ends and looks at nothing; `bare-split` finds the events and parses each one's
JSON, as a reader must that wants to know what came. `raw` is the whole of `likewise load`: Locust's
events, every arrival, the outcome, usage, histograms and the record on disk.""",
        cost,
    ),
    "freeze": (
        """A server that freezes

50 requests/s for 30 s, of which the endpoint does nothing for two. True are the times of the endpoint's log,
counted from when each request was due.""",
        freeze,
    ),
    "rate": ("A thousand requests a second", rate),
    "memory": ("Memory", memory),
    "proxy": (
        """The recording proxy of `check`

[Programs that are clients](command-clients.md) ask through a proxy that records. One request at a time, to
instant answers, by three ways in turn. Most of what it costs is recording, which the clients in the process
pay as well; the limit is on what it adds to that. The times that a run records are taken within the proxy,
and hold none of this.""",
        proxy,
    ),
    "peers": (
        """Other load tools

As above: 32 tokens, 20 ms apart, the first 20 ms after the request. Our own client is measured anew before
each of the others; its row has all of these runs together. What a tool reports as a request's time to first
token is held against what the endpoint's log has of it: from when the endpoint had read the request to when
it sent the first token. So what the endpoint itself reads late counts as an error of the tool, ours as
well. Where a tool sends an identifier, each request is held against its own line of the log; where it does
not, the sorted times are held against the sorted true ones, which on average is never more than the
requests' own errors. None of them takes the role event, which goes out at once, for a token. The first second
does not count. Where fewer streams were in flight than were asked for, the tool was busy with itself.

The programs for Locust and httpx are the few lines that one writes with them
([as_users_write](../scripts/bench_peers/as_users_write)). GuideLLM is the last version that
installs without PyTorch; newer ones may be another thing. Not measured: vLLM's own client, which installs
PyTorch, inference-perf, which needs Python 3.12, and GenAI-Perf, whose successor is AIPerf.""",
        peers,
    ),
    "peer-failures": (
        """What counts as a failure

Each second answer goes wrong in one of eight ways, and everything that a tool then counts is looked at:
*failure* says that it counted the broken answers as failures, *success* that it counted them as good ones,
*some* that it did both, *left out* that it counted them as neither, and *no result* that it gave up the
run or did not end. Locust's rows are those of a user who checks nothing further, by Locust's own statistics;
httpx counts nothing.""",
        peer_failures,
    ),
}


def main() -> None:
    """Measure the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"some of {', '.join(PARTS)}; default: all")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        child(json.loads(asked.child))
        return
    # A shell's background job ignores Ctrl-C, and so would the endpoint, which is ended by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    SECTIONS.mkdir(parents=True, exist_ok=True)
    for name in asked.parts or PARTS:
        heading, measure = PARTS[name]
        lines = [f"## {heading}", ""]
        for line in measure():
            print(line, flush=True)  # noqa: T201  # a script
            lines.append(line)
        (SECTIONS / f"{name}.md").write_text("\n".join(lines) + "\n")
    sections = [SECTIONS / f"{name}.md" for name in PARTS]
    if all(section.exists() for section in sections):
        texts = [section.read_text() for section in sections]
        PAGE.write_text("\n".join([_head(), _missed(texts), *texts]))


def _missed(sections: Sequence[str]) -> str:
    """What the page has to say first: which limits are missed."""
    rows = [line for section in sections for line in section.splitlines() if MISSED in line]
    named = [", ".join(cell.strip() for cell in row.split("|")[1:4]) for row in rows]
    listed = "".join(f"* {name}\n" for name in named)
    return (
        f"Limits that are missed, by the first cells of their rows:\n\n{listed}"
        if rows
        else "No limit is missed.\n"
    )


def _priority() -> str:
    """What kept other work on the machine away from the measurement."""
    is_first = hasattr(os, "sched_getscheduler") and os.sched_getscheduler(0) in (os.SCHED_RR, os.SCHED_FIFO)
    return ", which had other work as well, behind this in priority" if is_first else ""


def _head() -> str:
    system = f"{platform.system()} {platform.release().partition('-')[0]}"
    machine = f"{os.cpu_count()} cores, {system}, Python {platform.python_version()}{_priority()}"
    return (
        "# How true the figures of a load run are\n\n"
        f"`make bench` made this page on {datetime.now(UTC):%Y-%m-%d}, the endpoint on the same machine\n"
        f"({machine}).\nThe endpoint is `likewise serve --fast`, which logs when it sent each token.\n"
    )


if __name__ == "__main__":
    main()
