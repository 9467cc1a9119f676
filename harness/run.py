"""A run: what was asked of a target and what the rules said, as one folder that is written as it goes.

run.json             everything that reports need; its JSON Schema is harness/schemas/published/run.json
exchanges.jsonl.zst  every observation, one JSON object a line: exchange, reply, scenario, client, mode
"""

import dataclasses
import gc
import io
import platform
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, Literal, TypeAlias
from urllib.parse import quote, unquote_plus

import orjson
import zstandard

from harness import __version__, content
from harness.clients.reply import from_json as reply_from_json
from harness.clients.reply import to_json as reply_to_json
from harness.effect import Effect, effect_of
from harness.errors import RunFolderError
from harness.evidence import Observation
from harness.fingerprint import JudgedBy, today
from harness.first_answer import why_nothing_was_judged
from harness.flakiness import Flakiness, flakiness
from harness.parameters import ParameterVerdict, parameter_verdicts
from harness.rates import Rate, rates
from harness.rule import Level
from harness.scenario import Mode, Scenario
from harness.target import Target, Waiver
from harness.uses import UseCell, UseName, UseState, use_table
from harness.verdict import Outcome, Verdict
from harness.wire import json_text
from harness.wire.exchange import Ending, Exchange, from_json, to_json
from harness.writing import whole, writing

Schema = Literal["likewise/run/2"]
SCHEMA: Schema = "likewise/run/2"

Key: TypeAlias = tuple[str, str, str]
"""Scenario, client and mode."""

_NO_EXCEPTION = "client.no-exception"


@dataclass(frozen=True, slots=True)
class TargetSummary:
    """Which endpoint was asked, and what it is said to be able to do.

    `headers` and `query` are what went along with every request: `$NAME` stands for what a variable holds,
    `***` for another secret.
    """

    name: str
    base_url: str
    model: str
    dialect: str
    claims: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, target: Target) -> "TargetSummary":
        """What a run keeps of a target."""
        access = target.access
        return cls(
            target.name,
            target.base_url,
            target.model,
            target.dialect,
            sorted(target.claims),
            access.shown_headers(),
            access.shown_query(),
        )


@dataclass(frozen=True, slots=True)
class Tokens:
    """The sums of what the endpoint's usage objects said; None when none said anything."""

    prompt: int | None
    completion: int | None


@dataclass(frozen=True, slots=True)
class RequestSummary:
    """One request of the run, and what it did to the client's user.

    `curl` repeats it, with the key in $LIKEWISE_KEY. `is_quick_start` marks a founding call;
    `came_to_nothing` says why its answer says nothing of what was asked, and is empty where it does.
    """

    scenario: str
    client: str
    mode: str
    status: int | None
    ended: str
    duration_ms: float
    attempts: int
    effect: Effect
    effect_detail: str
    curl: str
    is_quick_start: bool = False
    came_to_nothing: str = ""


@dataclass(frozen=True, slots=True)
class Environment:
    """What the run was made with."""

    likewise: str
    python: str
    platform: str
    clients: dict[str, str]


@dataclass(frozen=True, slots=True)
class Tally:
    """What verdicts are counted by."""

    rule: str
    level: Level
    surface: str
    client: str
    outcome: Outcome


@dataclass(frozen=True)
class Run:
    """The content of run.json. Times are ISO 8601 in UTC.

    `partial` says why it is not the whole run that was planned, in clauses: the budget, an interruption.
    `unjudged` says why nothing could be judged; empty where something was. `waivers` are the user's own;
    those of the dialect go with its name.
    """

    schema: Schema
    target: TargetSummary
    started: str
    finished: str
    is_complete: bool
    partial: list[str]
    unjudged: str
    level: Level
    uses: list[UseCell]
    flakiness: Flakiness
    environment: Environment
    requests: list[RequestSummary]
    tokens: Tokens
    parameters: list[ParameterVerdict]
    rates: list[Rate]
    notes: list[str]
    verdicts: list[Verdict]
    waivers: list[Waiver] = field(default_factory=list)
    judged_by: JudgedBy = field(default_factory=JudgedBy)

    @cached_property
    def exceptions(self) -> Sequence[Verdict]:
        """The verdicts that are no pass: of a large run the few that are told one by one."""
        return [verdict for verdict in self.verdicts if verdict.outcome is not Outcome.PASS]

    @cached_property
    def counts(self) -> Mapping[Tally, int]:
        """How many verdicts there are of each kind, in order of appearance."""
        counted = Counter(map(attrgetter(*Tally.__slots__), self.verdicts))
        return {Tally(*kind): count for kind, count in counted.items()}

    @cached_property
    def causes_of_exceptions(self) -> Mapping[Key, str]:
        """The rule that each exception of a client follows from; empty where it is by design of the client.

        An exception that is a finding of its own is not among them.
        """
        return {
            (one.scenario, one.client, one.mode): one.cause
            for one in self.exceptions
            if one.rule == _NO_EXCEPTION and one.outcome in {Outcome.INCONCLUSIVE, Outcome.CONSEQUENCE}
        }

    def failures(self) -> list[Verdict]:
        """The failures that count at the run's level."""
        return [verdict for verdict in self.exceptions if verdict.counts_at(self.level)]

    @property
    def exit_code(self) -> int:
        """0 conforms, 1 deviates, 3 nothing could be judged, or not all of the founding calls."""
        if self.unjudged:
            return 3
        if any(verdict.harms_at(self.level) for verdict in self.exceptions):
            return 1
        judged = any(kind.outcome in {Outcome.PASS, Outcome.WAIVED} for kind in self.counts)
        return 0 if judged and not self.unjudged_calls else 3

    @cached_property
    def unjudged_calls(self) -> Sequence[RequestSummary]:
        """The founding calls that came to nothing."""
        return [request for request in self.requests if request.is_quick_start and request.came_to_nothing]


def summarised(
    target: TargetSummary,
    observations: Sequence[Observation],
    verdicts: Sequence[Verdict],
    *,
    started: str,
    finished: str,
    level: Level,
    partial: Sequence[str] = (),
    unasked: Mapping[tuple[UseName, str], tuple[UseState, str]] = MappingProxyType({}),
    waivers: Sequence[Waiver] = (),
    remarks: Sequence[str] = (),
) -> Run:
    """The run that these observations and verdicts make.

    `unasked` says why nothing was asked for a use through a client, and what its cell says of it.
    """
    known = {**content.scenarios(), **{seen.scenario.name: seen.scenario for seen in observations}}
    return Run(
        schema=SCHEMA,
        target=target,
        started=started,
        finished=finished,
        is_complete=not partial,
        partial=list(partial),
        unjudged=why_nothing_was_judged(observations),
        level=level,
        environment=Environment(
            likewise=__version__,
            python=platform.python_version(),
            platform=platform.platform(terse=True),
            clients={seen.client: seen.client_version for seen in observations},
        ),
        requests=[_request(seen, target) for seen in observations],
        tokens=_tokens(observations),
        flakiness=flakiness(observations),
        uses=list(use_table(observations, verdicts, known, content.rules(), level=level, unasked=unasked)),
        parameters=list(parameter_verdicts(content.rules().values(), verdicts, observations)),
        rates=list(rates(verdicts)),
        notes=[*remarks, *sorted({note for seen in observations for note in seen.reply.notes})],
        verdicts=list(verdicts),
        waivers=list(waivers),
        judged_by=today(),
    )


def _request(seen: Observation, target: TargetSummary) -> RequestSummary:
    exchange = seen.exchange
    effect, effect_detail = effect_of(seen)
    return RequestSummary(
        scenario=seen.scenario.name,
        client=seen.client,
        mode=seen.mode.value,
        status=exchange.response.status if exchange.response else None,
        ended=exchange.ended.value,
        duration_ms=round(exchange.duration_ms, 3),
        attempts=len(seen.tries),
        effect=effect,
        effect_detail=effect_detail,
        curl=curl(exchange, target),
        is_quick_start=seen.scenario.is_quick_start,
        came_to_nothing=seen.came_to_nothing,
    )


def _tokens(observations: Iterable[Observation]) -> Tokens:
    usages = [seen.reply.usage for seen in observations if seen.reply.usage is not None]
    return Tokens(
        prompt=_sum(usage.prompt_tokens for usage in usages),
        completion=_sum(usage.completion_tokens for usage in usages),
    )


_MOST_TOKENS = 1_000_000_000
"""More than any answer has; greater counts are mistakes, and rules tell of them."""


def _sum(counts: Iterable[object]) -> int | None:
    known = [count for count in counts if isinstance(count, int) and abs(count) <= _MOST_TOKENS]
    return sum(known) if known else None


def curl(exchange: Exchange, target: TargetSummary | None = None) -> str:
    """A shell line that repeats a request, the key taken from $LIKEWISE_KEY; empty when none was sent.

    `target` says which values come from other variables.
    """
    request = exchange.request
    if exchange.ended is Ending.UNSENT:
        return ""
    headers, query = (target.headers, target.query) if target else ({}, {})
    parts = ["curl -sS -N", f"-X {shlex.quote(request.method)}", _url(request.url, query)]
    own = {name.lower() for name in headers}
    sent = {name.lower() for name, _ in request.headers} - own
    if "authorization" in sent:
        parts.append('-H "Authorization: Bearer $LIKEWISE_KEY"')
    if "api-key" in sent:
        parts.append('-H "api-key: $LIKEWISE_KEY"')
    parts += [f"-H {_with_variable(f'{name}: ', value)}" for name, value in headers.items()]
    if request.body:
        parts.append("-H 'Content-Type: application/json'")
        # Raw: a body that starts with an at sign names no file.
        parts.append(f"--data-raw {_quoted(request.body.decode('utf-8', 'replace'))}")
    return " ".join(parts)


def _url(url: str, query: Mapping[str, str]) -> str:
    """A URL for a shell; what is secret in its query is named, and not repeated."""
    hidden = {name: shown for name, shown in query.items() if _is_hidden(shown)}
    if not hidden:
        return _quoted(url)
    front, _, rest = url.partition("?")
    pairs = [pair for pair in rest.split("&") if unquote_plus(pair.partition("=")[0]) not in hidden]
    words = [_quoted(f"{front}?" + "&".join(pairs))]
    for number, (name, shown) in enumerate(hidden.items()):
        words.append(_with_variable(f"{'&' if pairs or number else ''}{quote(name)}=", shown))
    return "".join(words)


def _is_hidden(shown: str) -> bool:
    return shown == "***" or re.fullmatch(r"\$[A-Z_][A-Z0-9_]*", shown) is not None


def _with_variable(front: str, shown: str) -> str:
    """A word of a shell line that ends with what a variable holds, or with a text as it is."""
    if _is_hidden(shown) and shown.startswith("$"):
        return f'{_quoted(front)}"{shown}"'
    return _quoted(front + shown)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def save(run: Run, folder: Path) -> None:
    """Write run.json, whole or not at all; each verdict has a line of its own."""
    values = {field.name: getattr(run, field.name) for field in dataclasses.fields(run)}
    verdicts = values.pop("verdicts")
    with whole(folder / "run.json") as unfinished, unfinished.open("wb") as file:
        file.write(orjson.dumps(values, option=orjson.OPT_INDENT_2).removesuffix(b"\n}"))
        file.write(b',\n  "verdicts": [')
        for number, verdict in enumerate(verdicts):
            file.write((b",\n    " if number else b"\n    ") + orjson.dumps(verdict))
        file.write(b"\n  ]\n}\n")


@contextmanager
def exchange_log(folder: Path) -> Iterator["ExchangeLog"]:
    """Open exchanges.jsonl.zst; every line is on disk when `add` returns, so that a killed run keeps it."""
    path = folder / "exchanges.jsonl.zst"
    with writing(path):
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("wb")
    try:
        yield ExchangeLog(path, file, zstandard.ZstdCompressor(level=3))
    finally:
        with writing(path):
            file.close()


@dataclass(frozen=True, slots=True)
class ExchangeLog:
    """Appends observations, each as a compressed frame of its own."""

    path: Path
    file: BinaryIO
    compressor: zstandard.ZstdCompressor

    def add(self, seen: Observation) -> None:
        """Append one observation; raises UnwritableError where that can't be done."""
        line = {
            "scenario": seen.scenario.name,
            "client": seen.client,
            "client_version": seen.client_version,
            "mode": seen.mode.value,
            "earlier": [to_json(one) for one in seen.earlier],
            "is_claimed": seen.is_claimed,
            "exchange": to_json(seen.exchange),
            "reply": reply_to_json(seen.reply),
        }
        frame = self.compressor.compress(json_text.write(line) + b"\n")
        with writing(self.path):
            self.file.write(frame)
            self.file.flush()


def json_schema() -> dict[str, object]:
    """The JSON Schema (2020-12) of run.json, as it is published."""
    from pydantic import TypeAdapter

    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://likewise.dev/schemas/run.json",
        **TypeAdapter(Run).json_schema(),
    }


def load(folder: Path) -> Run:
    """The run of a folder; raises RunFolderError when there is none that this version can read."""
    from pydantic import ValidationError

    path = folder / "run.json"
    try:
        with _all_kept():
            return _loaded(path)
    except OSError as error:
        raise RunFolderError(
            f"{folder} holds no run: run.json can't be read ({error.strerror}).",
            "Name one that `likewise check` wrote, or, for reports and comparisons, `likewise load`.",
        ) from error
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = ascii(".".join(map(str, first["loc"])))[1:-1] or "the whole"
        said = _foreign(path) or f"is not a run that this version reads: {place}: {first['msg']}"
        raise RunFolderError(
            f"{path} {said}.",
            "Run `likewise check` again, or use the version that wrote it; "
            "`likewise judge` needs its exchanges.jsonl.zst alone.",
        ) from error


@contextmanager
def _all_kept() -> Iterator[None]:
    """Make many values that are all kept: the collector would walk a million again and again for nothing."""
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_collecting:
            gc.enable()


def _loaded(path: Path) -> Run:
    from pydantic import TypeAdapter, ValidationError

    read = TypeAdapter(Run).validate_json
    try:
        head, verdicts = _read(path)
        run = read(head)
    except ValidationError:
        # Another program may have set the lines of the same JSON otherwise.
        return read(path.read_bytes())
    return dataclasses.replace(run, verdicts=verdicts) if verdicts else run


_VERDICTS_START, _VERDICTS_END = b'  "verdicts": [\n', b"\n  ]\n"
_VERDICTS_BYTES = 1_000_000


def _read(path: Path) -> tuple[bytes, list[Verdict]]:
    """A run.json without its verdicts, and these; none are read apart from a file that `save` did not write.

    A large run has a million verdicts: a million bytes at a time, they fit into memory.
    """
    from pydantic import TypeAdapter

    read = TypeAdapter(list[Verdict]).validate_json
    head, verdicts = bytearray(), []
    with path.open("rb") as file:
        for line in file:
            head += line
            if line == _VERDICTS_START:
                end = rest = b""
                while not end and (some := file.read(_VERDICTS_BYTES) + file.readline()):
                    lines, end, rest = (b"\n" + some).partition(_VERDICTS_END)
                    verdicts += read(b"[" + lines.rstrip(b",\n") + b"]")
                head += end + rest
    return bytes(head), verdicts


def _foreign(path: Path) -> str:
    """What a file is that is no run of this version; empty where it claims to be one."""
    try:
        value = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError:
        return "is no whole JSON: it was cut short, or another program wrote it"
    schema = value.get("schema") if isinstance(value, dict) else None
    if not isinstance(schema, str):
        return "was not written by likewise: it names no schema"
    return "" if schema == SCHEMA else f"follows the schema {schema[:60]!r}, and this version reads {SCHEMA}"


def newest(folder: Path) -> Path:
    """The run folder below a folder that was written last; raises RunFolderError when there is none."""
    runs = list(folder.glob("**/run.json"))
    if not runs:
        raise RunFolderError(f"There is no run below {folder}.", "Name the folder of a run.")
    return max(runs, key=lambda path: path.stat().st_mtime).parent


_CHUNK_BYTES = 16 * 1024


def load_exchanges(folder: Path) -> "KeptExchanges":
    """The exchanges of a run folder by (scenario, client, mode), as far as the file is whole."""
    return KeptExchanges(folder / "exchanges.jsonl.zst")


@dataclass(frozen=True)
class KeptExchanges(Mapping[Key, Exchange]):
    """Exchanges that are read when they are asked for: a report shows few of the many that a run has."""

    path: Path

    def __getitem__(self, key: Key) -> Exchange:
        start, end, number = self._places[key]
        try:
            with self.path.open("rb") as file:
                file.seek(start)
                lines = zstandard.ZstdDecompressor().decompressobj().decompress(file.read(end - start))
            return from_json(json_text.read_written(lines.splitlines()[number])["exchange"])
        except (IndexError, OSError, TypeError, ValueError, zstandard.ZstdError) as error:
            raise KeyError(key) from error

    def __iter__(self) -> Iterator[Key]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    @cached_property
    def _places(self) -> Mapping[Key, tuple[int, int, int]]:
        """Of each exchange the compressed frame, from byte to byte, and the number of its line there."""
        places: dict[Key, tuple[int, int, int]] = {}
        with suppress(KeyError, OSError, TypeError, ValueError, zstandard.ZstdError):
            for start, end, lines in _frames(self.path):
                for number, line in enumerate(lines.splitlines()):
                    # The key stands in front; the exchange is long, and is parsed when it is asked for.
                    front, found, _ = line.partition(b',"exchange":')
                    seen = json_text.read_written(front + b"}" if found else line)
                    places[str(seen["scenario"]), str(seen["client"]), str(seen["mode"])] = start, end, number
        return places


def _frames(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """Where each whole frame of a file starts and ends, and what it holds."""
    decompressor = zstandard.ZstdDecompressor()
    with path.open("rb") as file:
        start, data = 0, b""
        while True:
            frame, pieces = decompressor.decompressobj(), []
            while not frame.eof:
                data = data or file.read(_CHUNK_BYTES)
                if not data:
                    return
                pieces.append(frame.decompress(data))
                data = frame.unused_data
            end = file.tell() - len(data)
            yield start, end, b"".join(pieces)
            start = end


def _asked_by_the_suites(name: str, exchange: Exchange) -> Scenario | None:  # noqa: ARG001  # the name is enough
    return content.scenario(name)


def observations(
    lines: Iterable[dict[str, Any]],
    scenario_of: Callable[[str, Exchange], Scenario | None] = _asked_by_the_suites,
) -> Iterator[Observation]:
    """The observations of a log, up to the first line that is none.

    `scenario_of` knows the scenario of a name and an exchange; what it does not know is left out.
    """
    for line in lines:
        try:
            exchange = from_json(line["exchange"])
            scenario = scenario_of(str(line["scenario"]), exchange)
            if scenario is not None:
                yield Observation(
                    scenario,
                    str(line["client"]),
                    str(line["client_version"]),
                    Mode(line["mode"]),
                    exchange,
                    reply_from_json(line["reply"]),
                    tuple(from_json(one) for one in line.get("earlier", ())),
                    is_claimed=bool(line.get("is_claimed", True)),
                )
        except (AttributeError, KeyError, TypeError, ValueError):
            return


def recorded_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of an exchanges.jsonl.zst, as far as the file is whole."""
    try:
        with path.open("rb") as file:
            reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
            for line in io.BufferedReader(reader):
                seen = json_text.read_written(line)
                if isinstance(seen, dict):
                    yield seen
    except (OSError, zstandard.ZstdError, ValueError, RecursionError):
        return
