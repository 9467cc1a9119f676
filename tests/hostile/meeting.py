"""How a behaviour is met: each client asks it once, and what came goes the way that a check's answers go."""

import io
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import zstandard
from rich.console import Console

from harness import content, report, run
from harness.clients import Connection
from harness.errors import NothingJudgedError
from harness.evidence import Observation
from harness.first_answer import raise_if_nothing_to_judge
from harness.judge import judge
from harness.load.clients import clients as load_clients
from harness.load.received import Due
from harness.load.record import RequestRecord
from harness.load.workload import LoadRequest
from harness.observe import Allowance, observer
from harness.plan import Call
from harness.report import terminal
from harness.run import Run, TargetSummary
from harness.target import ad_hoc
from harness.verdict import Outcome, Verdict
from harness.wire.exchange import Ending
from tests.hostile.behaviour import Behaviour
from tests.servers import server

KEY = "sk-canary-0123456789"
CLIENTS = ("raw", "openai", "langchain")
LOAD_CLIENTS = ("raw", "openai")

CEILING_S = 30.0
"""Far beyond what any bound allows: only what is not bounded at all takes as long."""

_OF_OUR_OWN = re.compile(r"bytearray|Traceback|site-packages|\.py\b|<[a-z_.]+ object at 0x")
_ACTING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Met:
    """What came of a meeting; `sentence` is what a check says in the place of a verdict, or empty."""

    seen: Observation
    verdicts: Sequence[Verdict]
    sentence: str
    made: Run
    printed: str
    took_s: float

    def failing(self) -> set[str]:
        """The rules that do not hold."""
        return {one.rule for one in self.verdicts if one.outcome in {Outcome.FAIL, Outcome.CONSEQUENCE}}


def met(behaviour: Behaviour, client: str, folder: Path) -> Met:
    """Ask through a client of `check`, log, read the log back, judge, and write every report."""
    scenario = content.scenarios()["founding"]
    began_s = time.monotonic()
    with server(behaviour.answer) as base_url:
        connection = Connection(base_url, "standin", KEY, limits=behaviour.limits)
        with observer(connection, [client], [KEY], Allowance(retries_each=0)) as opened:
            seen = opened.observe(Call(scenario, client, behaviour.mode))
        target = ad_hoc(base_url, "standin", "CANARY")
    took_s = time.monotonic() - began_s
    return through(seen, base_url, folder, took_s, _sentence(seen, target))


def through(seen: Observation, base_url: str, folder: Path, took_s: float = 0.0, sentence: str = "") -> Met:
    """The way of an observation from the client to the last report."""
    with run.exchange_log(folder) as log:
        log.add(seen)
    (again,) = run.observations(run.recorded_lines(folder / "exchanges.jsonl.zst"))
    assert again.exchange == seen.exchange
    assert repr(again.reply) == repr(seen.reply)
    verdicts = list(judge(content.rules().values(), [again]))
    summary = TargetSummary("hostile", base_url, "standin", "openai")
    made = run.summarised(summary, [again], verdicts, started=_NOW, finished=_NOW, level="spec")
    run.save(made, folder)
    made = run.load(folder)
    exchanges = run.load_exchanges(folder)
    assert len(exchanges) == 1
    report.write(made, exchanges, folder, report.formats())
    console = Console(file=io.StringIO(), width=200, no_color=True)
    terminal.render(made, console, folder)
    file = console.file
    assert isinstance(file, io.StringIO)
    return Met(again, verdicts, sentence, made, file.getvalue(), took_s)


_NOW = "2026-11-29T12:00:00+00:00"


def _sentence(seen: Observation, target: object) -> str:
    try:
        raise_if_nothing_to_judge(seen, target)  # type: ignore[arg-type]
    except NothingJudgedError as error:
        return f"{error.happened} {error.next_step}"
    return ""


def loaded(behaviour: Behaviour, client: str) -> tuple[RequestRecord, float]:
    """The record of one request by a client of `load`, and how long it took."""
    request = LoadRequest(
        "chat", {"messages": [{"role": "user", "content": "Who are you?"}], "max_tokens": 8}
    )
    began_s = time.monotonic()
    with server(behaviour.answer) as base_url:
        user = load_clients()[client](Connection(base_url, "standin", KEY, limits=behaviour.limits))()
        try:
            record = user.perform(Due(0, request), behaviour.mode).answered().record
        finally:
            with suppress(OSError):
                user.close()
    return record, time.monotonic() - began_s


def unfit(text: str) -> str:
    """What of a text may not be shown to anybody; empty where all may."""
    found = _OF_OUR_OWN.search(text) or _ACTING.search(text)
    return "" if found is None else repr(text[max(0, found.start() - 60) : found.end() + 60])


def log_size(folder: Path) -> int:
    """How many bytes a log holds once it is decompressed."""
    with (folder / "exchanges.jsonl.zst").open("rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        return sum(len(piece) for piece in iter(lambda: reader.read(65_536), b""))


def may_end(behaviour: Behaviour, client: str) -> frozenset[Ending]:
    """The endings that a client may see: the SDKs leave at what they can't read, and at `[DONE]`."""
    return behaviour.endings if client == "raw" else behaviour.endings | {Ending.LEFT, Ending.CUT}
