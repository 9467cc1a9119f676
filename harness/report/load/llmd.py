"""The run in the benchmark report format of llm-d, version 0.2.1, which other tools read.

Source: llm-d-benchmark, "Benchmark Report"; the PyPI package llmd-benchmark-report holds its schema.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from harness.load.histogram import Histogram
from harness.load.load_run import LoadRun
from harness.load.metrics import ClientFigures, Distribution

FILES = "benchmark-report*.json"
VERSION = "0.2.1"

_SHARES = {
    "p0p1": 0.001,
    "p1": 0.01,
    "p5": 0.05,
    "p10": 0.1,
    "p25": 0.25,
    "p50": 0.5,
    "p75": 0.75,
    "p90": 0.9,
    "p95": 0.95,
    "p99": 0.99,
    "p99p9": 0.999,
}
_LATENCIES = {
    "time_to_first_token": ("ttft_ms", "ms"),
    "inter_token_latency": ("itl_ms", "ms/token"),
    "time_per_output_token": ("tpot_ms", "ms/token"),
    "request_latency": ("total_ms", "ms"),
}
_LENGTHS = {"input_length": "prompt_tokens", "output_length": "completion_tokens"}
_INCOMPLETE = ("cut", "reset", "unfinished", "timeout", "oversized")


def render(run: LoadRun) -> Mapping[str, str]:
    """A report for each client, since the format has room for one; the first has the plain name."""
    texts = {}
    for number, client in enumerate(run.clients):
        told_apart = "" if number == 0 else f"-{client.client}-{client.mode}"
        name = FILES.replace("*", told_apart)
        option = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        texts[name] = orjson.dumps(_report(run, client), option=option).decode()
    return texts


def _report(run: LoadRun, client: ClientFigures) -> dict[str, Any]:
    return {
        "version": VERSION,
        "run": {
            "uid": _digest(run.started, run.target.base_url, client.client, client.mode),
            "time": {"start": run.started, "end": run.finished, "duration": f"PT{run.plan.duration_s:g}S"},
            "description": f"{run.workload.name} on {run.target.name} through {client.client}, {client.mode}",
        },
        "scenario": {"load": _load(run, client)},
        "results": {
            "request_performance": {
                "aggregate": {
                    "requests": _requests(client),
                    "latency": _latency(client),
                    "throughput": _throughput(client),
                }
            }
        },
    }


def _load(run: LoadRun, client: ClientFigures) -> dict[str, Any]:
    prompt = client.figures.get("prompt_tokens")
    length = 0.0 if prompt is None else prompt.statistics["mean"].value
    standardized: dict[str, Any] = {
        "tool": "likewise",
        "tool_version": run.environment.likewise,
        "parallelism": max(1, len(run.workers)),
        "source": "random",
        "input_seq_len": {"distribution": "other", "value": length},
    }
    kind, _, level = run.shown_arrivals.partition(":")
    if kind == "users":
        standardized["concurrency"] = int(level)
    elif client.window_s and client.requests:
        standardized["rate_qps"] = client.requests / client.window_s
    return {
        "metadata": {
            "cfg_id": _digest(run.workload.source, run.shown_arrivals, str(run.plan.seed)),
            "description": run.workload.sentence,
        },
        "standardized": standardized,
        "native": {
            "args": {
                "workload": run.workload.name,
                "arrivals": run.shown_arrivals,
                "seed": run.plan.seed,
                "client": client.client,
                "mode": client.mode,
            },
            "config": run.workload.source,
        },
    }


def _requests(client: ClientFigures) -> dict[str, Any]:
    found: dict[str, Any] = {
        "total": client.requests,
        "failures": client.errors.count,
        "incomplete": sum(client.outcomes.get(name, 0) for name in _INCOMPLETE),
    }
    return found | {
        name: _statistics(client.figures[figure], "count")
        for name, figure in _LENGTHS.items()
        if figure in client.figures
    }


def _latency(client: ClientFigures) -> dict[str, Any]:
    return {
        name: _statistics(client.figures[figure], unit)
        for name, (figure, unit) in _LATENCIES.items()
        if figure in client.figures
    }


def _throughput(client: ClientFigures) -> dict[str, Any]:
    found: dict[str, Any] = {"request_rate": {"units": "queries/s", "mean": client.requests_per_s}}
    if client.output_tokens_per_s_total is not None:
        found["output_token_rate"] = {"units": "tokens/s", "mean": client.output_tokens_per_s_total}
    return found


def _statistics(figure: Distribution, unit: str) -> dict[str, Any]:
    return {"units": unit, **dict(_values(Histogram.from_json(figure.histogram)))}


def _values(histogram: Histogram) -> Iterator[tuple[str, float]]:
    yield "mean", histogram.mean
    yield "stddev", histogram.deviation
    yield "min", (histogram.smallest or 0) / 1000
    yield from zip(_SHARES, histogram.quantiles(_SHARES.values()), strict=True)
    yield "max", (histogram.greatest or 0) / 1000


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()
