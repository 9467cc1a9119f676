"""What the bench has to know of another load tool, and how far off its times to first token are."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Literal, TypeAlias

MODEL = "standin-fast"
PROMPT = "Who are you?"
TOKENS = 32
TOKENIZER = {
    "tokenizer/tokenizer.json": """{"version": "1.0", "added_tokens": [],
        "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordLevel", "vocab": {"<unk>": 0}, "unk_token": "<unk>"}}""",
    "tokenizer/tokenizer_config.json": """{"tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": "<unk>",
        "chat_template": "{% for message in messages %}{{ message.content }}{% endfor %}"}""",
}
"""For a tool that won't start without one; tokens are counted by the endpoint's usage."""

NS = 1_000_000_000

Clock: TypeAlias = Literal["monotonic", "epoch", "first request"]
"""What a tool counts its times from; the last is for a tool that counts from when it began to make load."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The load that a tool is to make: a closed loop of `streams` users; `folder` is where it may write."""

    base_url: str
    streams: int
    seconds: float
    folder: Path


@dataclass(frozen=True, slots=True)
class Reported:
    """A request as the tool tells of it: `start_ns` by its clock, the identifier where it sent one."""

    start_ns: int
    ttft_ms: float
    client_request_id: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What a tool says: the requests with a time to first token, and how many it calls good and failed."""

    requests: Sequence[Reported]
    good: int
    failed: int


@dataclass(frozen=True, slots=True)
class Peer:
    """A load tool.

    `requirements` are installed into an environment of its own; without any, the project's own is used.
    `files` are written into the folder, `variables` are set, `command` gives a program of the environment and
    its arguments, and `told` reads what it left in the folder, where `output.txt` is what it printed. `ttft`
    says what the tool means by time to first token, and `clock` whose its times are. `has_failures` says
    whether the tool itself counts failures, or only the script that uses it.
    """

    name: str
    requirements: Sequence[str]
    command: Callable[[Asked], Sequence[str]]
    told: Callable[[Path], Told]
    ttft: str
    clock: Clock = "monotonic"
    files: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    has_failures: bool = True


def found() -> Sequence[Peer]:
    """The peers whose files lie in this folder, by the names of their files."""
    package = __package__ or ""
    names = sorted(module.name for module in iter_modules([str(Path(__file__).parent)]))
    modules = [import_module(f"{package}.{name}") for name in names if name != "peer"]
    return [module.PEER for module in modules if hasattr(module, "PEER")]


def by_the_log(told: Told, clock: Clock, log: Sequence[Mapping[str, Any]], epoch_ahead_ns: int) -> Told:
    """What a tool says with its times by the clock of the endpoint's log, the monotonic one.

    `epoch_ahead_ns` is how far the wall clock is ahead of that.
    """
    match clock:
        case "monotonic":
            ahead_ns = 0
        case "epoch":
            ahead_ns = epoch_ahead_ns
        case "first request":
            first_ns = min(request.start_ns for request in told.requests)
            ahead_ns = first_ns - min(line["received_ns"] for line in log)
    return replace(
        told, requests=[replace(request, start_ns=request.start_ns - ahead_ns) for request in told.requests]
    )


@dataclass(frozen=True, slots=True)
class Compared:
    """Times to first token as reported and as they were, their errors, and how they were paired."""

    reported_ms: Sequence[float]
    true_ms: Sequence[float]
    errors_ms: Sequence[float]
    paired_by: str


def compared(told: Told, log: Sequence[Mapping[str, Any]], from_ns: int) -> Compared:
    """The requests from a time on, by the endpoint's log: true is from the receipt to the first token.

    Where the requests carry identifiers, each is held against its own line. Otherwise the sorted times are
    held against the sorted true ones, which on average is never more than the requests' own errors.
    """
    requests = [request for request in told.requests if request.start_ns >= from_ns]
    lines = [line for line in log if line["received_ns"] >= from_ns and len(line["sent_ns"]) > TOKENS]
    if requests and all(request.client_request_id for request in requests):
        by_id = {line["client_request_id"]: _ttft_ms(line) for line in log if len(line["sent_ns"]) > 1}
        pairs = [
            (request.ttft_ms, by_id[request.client_request_id])
            for request in requests
            if request.client_request_id in by_id
        ]
        paired_by = "identifier"
    else:
        reported = sorted(request.ttft_ms for request in requests)
        pairs = list(zip(reported, resampled([_ttft_ms(line) for line in lines], len(requests)), strict=True))
        paired_by = "rank"
    return Compared(
        [reported for reported, _ in pairs],
        [true for _, true in pairs],
        [abs(reported - true) for reported, true in pairs],
        paired_by,
    )


def _ttft_ms(line: Mapping[str, Any]) -> float:
    return float(line["sent_ns"][1] - line["received_ns"]) / 1e6


def resampled(values: Sequence[float], count: int) -> Sequence[float]:
    """As many sorted values of the same distribution: a few requests at the edges are in one list only."""
    ordered = sorted(values)
    if not ordered:
        return [math.nan] * count
    return [ordered[min(len(ordered) - 1, int((i + 0.5) / count * len(ordered)))] for i in range(count)]


def counted_as(told: Told, answers: int) -> str:
    """What a tool makes of a way of going wrong that befell each second of so many answers."""
    if not told.good + told.failed:
        return "no result"
    if told.failed > 0.3 * answers:
        return "failure"
    # A tool may drop what is in flight at the end, which is never near half of all.
    if told.good + told.failed < 0.6 * answers:
        return "left out"
    return "some" if told.failed else "success"
