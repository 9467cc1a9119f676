"""Proving the suites: run them against the reference endpoint, told to depart from what is right.

Every trial asks over real sockets, through every client. Trials are independent of each other, run in several
processes, and are written down as they end, so that what was interrupted goes on where it stopped.
"""

import fnmatch
import hashlib
import logging
import multiprocessing
import os
import platform
import threading
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, get_args

import orjson

from harness import __version__, check, content
from harness.check import now
from harness.clients import DEFAULT_CLIENTS, Connection
from harness.consequence import more_basic, traced
from harness.deviations import ledger
from harness.dialect import waivers_of
from harness.endpoint.faults import faults
from harness.endpoint.server import running
from harness.endpoint.settings import DIALECTS, Latency, Settings
from harness.endpoint.variations import variations
from harness.errors import CodeChangedError, NothingJudgedError, UsageError
from harness.evidence import Observation
from harness.judge import can_ask, judge
from harness.mutation import SOURCES, catchers, mutations
from harness.observe import Allowance, observer
from harness.plan import Call
from harness.proof import (
    SCHEMA,
    ByDefault,
    Catch,
    MutatedAnswer,
    Pair,
    Proof,
    Retrial,
    Row,
    Trial,
    Unjudged,
    Way,
    untripped,
)
from harness.run import Environment
from harness.scenario import FollowUp, Mode, Scenario
from harness.target import Target, presets
from harness.verdict import Outcome, Verdict
from harness.writing import whole, writing

if TYPE_CHECKING:
    from harness.endpoint.departure import Departure

TRUTH = "truth"
"""The trial of the endpoint without any departure."""
MUTATIONS = "mutations"
_PAIRS = _RETRIALS = 60
_IN_DASHSCOPE: Way = "in DashScope's dialect"
_NOT_CUT = frozenset({"sf-wrong-ctype-json.text"})
"""Faults that write the whole answer anew, so that nothing can cut what is written beside them."""
_SMALL_WRITES = ("chunked-small", "cut-within-characters")
"""The variations that cut what is written, as a gateway may."""
_BESIDE = "+"
"""Between the names of two faults that are tried at once."""

_PACE = Latency(inter_token_ms=1.0)
"""An endpoint that says everything at once looks as if it were held back, when its reader was busy."""
_LIBRARIES = ("openai", "langchain-openai", "httpx", "httpx2", "uvicorn")
_BENEATH = ("langchain-core", "pydantic", "orjson", "h11", "jsonschema")
"""What the clients, the server and the rules stand on: a result depends on their versions as well."""
_KEY = "LIKEWISE_KEY_OF_THE_REFERENCE"
_PRESETS: Mapping[str, str] = {"openai": "reference", "dashscope": "reference-dashscope"}


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to prove: a departure or the truth in a dialect, or the mutations of one recorded answer."""

    id: str
    dialect: str
    scenarios: tuple[str, ...] = ()
    mode: Mode | None = None
    way: Way | None = None

    @property
    def key(self) -> str:
        """What the log knows it by."""
        how = [each for each in (self.mode, self.way) if each]
        return "/".join((self.id, self.dialect, *self.scenarios, *how))


Result: TypeAlias = "Trial | MutatedAnswer | Pair | Retrial"


# --- what there is to prove ---


def tasks(patterns: Sequence[str] = ()) -> list[Task]:
    """What these patterns name (`st-*`, `gzip`, `truth`, `mutations`), or all: the longest tasks first.

    Raises UsageError for a pattern that names nothing.
    """
    every = list(_every_task())
    for pattern in patterns:
        if not any(_is_named(task, pattern) for task in every):
            raise UsageError(
                f"There is no fault and no variation named {pattern!r}.",
                "docs/proof.md lists them; a pattern such as 'st-*' names several.",
            )
    return [task for task in every if not patterns or any(_is_named(task, pattern) for pattern in patterns)]


def _is_named(task: Task, pattern: str) -> bool:
    """Whether a pattern names a task; one of single departures names no pair of them."""
    return (_BESIDE in task.id) == (_BESIDE in pattern) and fnmatch.fnmatchcase(task.id, pattern)


def _every_task() -> Iterator[Task]:
    for dialect in DIALECTS:
        yield Task(TRUTH, dialect, tuple(content.scenarios()))
    for scenario, mode in SOURCES:
        yield Task(MUTATIONS, "openai", (scenario,), mode)
    for fault in faults().values():
        yield Task(fault.id, "openai", fault.shows)
    for first, second in pairs():
        yield Task(f"{first.id}{_BESIDE}{second.id}", "openai", (*first.shows, *second.shows))
    yield from _retrials()
    for variation in variations().values():
        for dialect in DIALECTS:
            if asked_in(dialect, variation.shows):
                yield Task(variation.id, dialect, variation.shows)


def asked_in(dialect: str, scenario_ids: Iterable[str]) -> list[Scenario]:
    """The scenarios that the reference endpoint claims in a dialect; before a follow-up, what it follows."""
    claims = presets()[_PRESETS[dialect]].claims
    known = content.scenarios()
    found: dict[str, Scenario] = {}
    for scenario_id in scenario_ids:
        scenario = known[scenario_id]
        if scenario.needs <= claims:
            if isinstance(scenario.ask, FollowUp):
                found.setdefault(scenario.ask.after, known[scenario.ask.after])
            found.setdefault(scenario_id, scenario)
    return sorted(found.values(), key=lambda one: isinstance(one.ask, FollowUp))


def pairs() -> list[tuple["Departure", "Departure"]]:
    """Pairs of faults, the same ones each time."""
    known = list(faults().values())
    return list(zip(_sample("first", known, _PAIRS), _sample("second", known, _PAIRS), strict=True))


def _sample(seed: str, known: Iterable["Departure"], size: int) -> list["Departure"]:
    """So many departures, of which a new one takes the place of one at most."""
    return sorted(known, key=lambda one: hashlib.sha256(f"{seed} {one.id}".encode()).digest())[:size]


def _retrials() -> Iterator[Task]:
    """A sample of the faults for each other way, the same one each time."""
    for way in get_args(Way):
        dialect = "dashscope" if way == _IN_DASHSCOPE else "openai"
        every = [one for one in faults().values() if len(asked_in(dialect, one.shows)) >= len(one.shows)]
        if way == "with small writes":
            every = [one for one in every if one.id not in _NOT_CUT]
        for fault in _sample(way, every, _RETRIALS):
            yield Task(fault.id, dialect, fault.shows, way=way)


def departure(departure_id: str) -> "Departure | None":
    """The fault or variation of this id; None for the truth."""
    return faults().get(departure_id) or variations().get(departure_id)


# --- one task ---


def proved(task: Task) -> Result:
    """What came of a task."""
    if _BESIDE in task.id:
        return _paired(task)
    if task.way is not None:
        return Retrial(task.id, task.way, _silent(task))
    return _mutated(task) if task.id == MUTATIONS else tried(task)


def tried(task: Task) -> Trial:
    """The suites' verdicts on an endpoint that departs in one way, or in none."""
    chosen = departure(task.id)
    is_fault = bool(chosen and chosen.is_fault)
    with _endpoint(task) as connection:
        seen = list(_observed(connection, asked_in(task.dialect, task.scenarios)))
        verdicts = _verdicts(task.dialect, seen)
        caught = catches(verdicts, Outcome.FAIL)
        expected = chosen.caught_by if chosen else ()
        named = [catch for catch in caught if catch.rule in expected] if is_fault else []
        by_default = _by_default(connection, task.scenarios, named) if named else "unnamed"
    failed = {catch.rule for catch in caught}
    silent = [rule for rule in expected if rule not in failed]
    is_variation = bool(chosen and not chosen.is_fault)
    made = Trial(
        id=task.id,
        kind="fault" if is_fault else "variation" if chosen else "truth",
        dialect=task.dialect,
        sentence=chosen.sentence if chosen else "The endpoint does not depart from what is right.",
        rows=list(chosen.rows) if chosen else [],
        source=chosen.source if chosen else "",
        because=chosen.because if chosen else "",
        expected=list(expected),
        scenarios=list(task.scenarios) if chosen else [],
        clients=list(dict.fromkeys(one.client for one in seen)),
        state="missed" if silent else "caught" if is_fault else "quiet",
        silent=silent,
        catches=caught,
        followed=catches(verdicts, Outcome.CONSEQUENCE),
        by_default=by_default,
        unjudged=unjudged(_passes_on_truth(task.dialect, task.scenarios), verdicts) if is_variation else [],
        broken=[f"{one.rule}: {one.reason}" for one in verdicts if one.outcome is Outcome.ERROR],
        requests=len(seen),
        verdicts=len(verdicts),
    )
    return replace(made, state="false alarm") if made.alarms and not is_fault else made


@cache
def _passes_on_truth(dialect: str, scenarios: tuple[str, ...]) -> tuple[Verdict, ...]:
    """What passes when the same is asked of the endpoint without any departure."""
    seen = observed(Task(TRUTH, dialect, scenarios))
    verdicts = judge(content.rules().values(), seen, waivers_of(dialect))
    return tuple(verdict for verdict in verdicts if verdict.outcome is Outcome.PASS)


def observed(task: Task) -> list[Observation]:
    """Everything that a task asks, through every client that can ask it."""
    with _endpoint(task) as connection:
        return list(_observed(connection, asked_in(task.dialect, task.scenarios), _clients(task)))


def _clients(task: Task) -> Sequence[str]:
    is_async = task.way == "through async clients"
    return [f"{client}-async" for client in DEFAULT_CLIENTS] if is_async else DEFAULT_CLIENTS


@contextmanager
def _endpoint(task: Task) -> Iterator[Connection]:
    """The reference endpoint that departs as the task says."""
    chosen = filter(None, map(departure, task.id.split(_BESIDE)))
    named = [name for one in chosen for name in (*one.beside, one.id)]
    named += _SMALL_WRITES if task.way == "with small writes" else ()
    with running(
        Settings(dialect=task.dialect, faults=tuple(dict.fromkeys(named)), latency=_PACE)
    ) as address:
        models = {"embeddings": address.embedding_model}
        yield Connection(address.base_url, address.model, address.key, models)


def _by_default(connection: Connection, scenario_ids: Collection[str], named: Sequence[Catch]) -> ByDefault:
    """What a check that knows an address and no claim says of a fault, as far as it asks these scenarios."""
    target = Target("default", connection.base_url, connection.model, _KEY, "openai", frozenset())
    clients = dict.fromkeys(client for catch in named for client in catch.clients)
    settings = check.Settings(clients=DEFAULT_CLIENTS if "all" in clients else [*clients][:1])
    whole = check.plan_for(target, settings)
    wanted = {call.key for call in whole.calls if call.scenario.id in scenario_ids}
    planned = check.narrowed(whole, wanted, target, settings.budget)
    try:
        with check.check(target, settings, {_KEY: connection.key}, planned) as checking:
            checking.all_observations()
            verdicts = checking.judged().verdicts
    except NothingJudgedError:
        return "unjudged"
    rules = {catch.rule for catch in named}
    outcomes = {verdict.outcome for verdict in verdicts if verdict.rule in rules}
    if Outcome.FAIL in outcomes:
        return "named"
    return "unsupported" if Outcome.UNSUPPORTED in outcomes else "unnamed"


def _observed(
    connection: Connection, scenarios: Iterable[Scenario], clients: Sequence[str] = DEFAULT_CLIENTS
) -> Iterator[Observation]:
    found: dict[tuple[str, str, Mode], Observation] = {}
    # A fault does not pass by waiting.
    with observer(connection, clients, [], Allowance(wait_after_flake_s=0.0)) as opened:
        for scenario in scenarios:
            ask = scenario.ask
            for client in clients:
                for mode in scenario.modes:
                    if not can_ask(client, scenario, mode):
                        continue
                    before = found.get((ask.after, client, mode)) if isinstance(ask, FollowUp) else None
                    seen = opened.observe(Call(scenario, client, mode), before)
                    found[scenario.id, client, mode] = seen
                    yield seen


def catches(verdicts: Iterable[Verdict], outcome: Outcome) -> list[Catch]:
    """The rules that have this outcome, each once."""
    by_rule: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.outcome is outcome:
            by_rule.setdefault(verdict.rule, []).append(verdict)
    return [
        Catch(
            rule,
            failed[0].level,
            list(dict.fromkeys(verdict.client for verdict in failed)),
            list(dict.fromkeys(verdict.mode for verdict in failed)),
            failed[0].scenario,
            failed[0].reason,
        )
        for rule, failed in by_rule.items()
    ]


def unjudged(passes: Iterable[Verdict], verdicts: Iterable[Verdict]) -> list[Unjudged]:
    """The rules that pass on the truth and were not judged in the same cells here, each once."""
    said = {verdict.cell: verdict for verdict in verdicts}
    by_rule: dict[str, list[Verdict]] = {}
    for passed in passes:
        here = said.get(passed.cell) or replace(passed, outcome=Outcome.SKIPPED, reason="it was not asked")
        if here.outcome not in {Outcome.PASS, Outcome.FAIL, Outcome.ERROR}:
            by_rule.setdefault(here.rule, []).append(here)
    return [
        Unjudged(
            rule,
            cells[0].outcome,
            len(cells),
            list(dict.fromkeys(verdict.client for verdict in cells)),
            list(dict.fromkeys(verdict.mode for verdict in cells)),
            cells[0].scenario,
            cells[0].reason,
        )
        for rule, cells in by_rule.items()
    ]


def _paired(task: Task) -> Pair:
    """Which of two faults at once their rules name."""
    first, second = (faults()[name] for name in task.id.split(_BESIDE))
    try:
        together = {verdict.cell: verdict for verdict in _verdicts(task.dialect, observed(task))}
    except UsageError:  # they take hold of the same place, and the endpoint serves one of them at a time
        return Pair((first.id, second.id), [], [first.id, second.id], [])
    failed = [one for one in together.values() if one.outcome is Outcome.FAIL]
    pair = Pair((first.id, second.id), [], [], [])
    for fault in (first, second):
        alone = _verdicts(task.dialect, observed(Task(fault.id, task.dialect, fault.shows)))
        cells = [one.cell for one in alone if one.outcome is Outcome.FAIL and one.rule in fault.caught_by]
        said = [together[cell] for cell in cells if cell in together]
        if any(one.outcome is Outcome.FAIL for one in said):
            pair.named.append(fault.id)
        elif any(one.outcome is Outcome.PASS and not _is_on_broken_ground(one, failed) for one in said):
            pair.hidden.append(fault.id)
        else:
            pair.masked.append(fault.id)
    return pair


def _silent(task: Task) -> list[str]:
    """The rules of a fault that do not fail; a dialect may declare what they say."""
    outcomes: dict[str, set[Outcome]] = {}
    for verdict in _verdicts(task.dialect, observed(task)):
        outcomes.setdefault(verdict.rule, set()).add(verdict.outcome)
    told = {Outcome.FAIL, Outcome.WAIVED}
    return [rule for rule in faults()[task.id].caught_by if told.isdisjoint(outcomes.get(rule, ()))]


def _is_on_broken_ground(verdict: Verdict, failed: Iterable[Verdict]) -> bool:
    """Whether something more basic fails in the same answer, so that a pass there says little."""
    place = verdict.scenario, verdict.client
    beside = [one for one in failed if (one.scenario, one.client) == place]
    return more_basic(verdict, beside, content.rules()) is not None


def _verdicts(dialect: str, seen: Sequence[Observation]) -> list[Verdict]:
    judged = judge(content.rules().values(), seen, waivers_of(dialect))
    return traced(judged, content.rules(), content.scenarios())


def _mutated(task: Task) -> MutatedAnswer:
    """The mutations of one recorded answer, and those that nobody points at."""
    seen = next(one for one in observed(task) if one.client == "raw" and one.mode is task.mode)
    made = list(mutations(seen))
    missed = [
        f"{one.place or 'the whole'} {'missing' if one.change == 'missing' else f'as {one.change}'}"
        + ("" if one.event is None else f" in event {one.event}")
        for one in made
        if not catchers(seen, one)
    ]
    return MutatedAnswer(f"{task.scenarios[0]}, {task.mode}", len(made), missed)


# --- all tasks ---


def prove(
    wanted: Sequence[Task], folder: Path, jobs: int, on_result: Callable[[Result], None], *, is_complete: bool
) -> Proof:
    """The proof that these tasks make; what the folder holds of the same code is not done again.

    Raises CodeChangedError when a process that proves loaded other code than this one.
    """
    log = _log(folder, fingerprint())
    done = dict(log.done)
    for task in wanted:
        if task.key in done:
            on_result(done[task.key])
    for key, code, result in _in_processes([task for task in wanted if task.key not in done], jobs):
        if code != fingerprint():
            raise CodeChangedError(
                "The code or a library changed while it was being proved.",
                "Run `likewise prove` again when nothing changes any more: it begins anew.",
            )
        done[key] = result
        log.add(key, result)
        on_result(result)
    results = [done[task.key] for task in wanted]
    trials = [result for result in results if isinstance(result, Trial)]
    return Proof(
        schema=SCHEMA,
        started=log.started,
        finished=now(),
        is_complete=is_complete,
        environment=Environment(
            likewise=__version__,
            python=platform.python_version(),
            platform=platform.platform(terse=True),
            clients={name: version(name) for name in _LIBRARIES},
        ),
        trials=trials,
        mutated=[result for result in results if isinstance(result, MutatedAnswer)],
        pairs=[result for result in results if isinstance(result, Pair)],
        retrials=[result for result in results if isinstance(result, Retrial)],
        rows=list(_rows()),
        untripped=untripped(content.rules(), trials),
    )


def _rows() -> Iterator[Row]:
    for row in ledger().rows.values():
        mine = [one.id for one in faults().values() if row.id in one.rows]
        legal = [one.id for one in variations().values() if row.id in one.rows]
        reason = "" if mine or legal else row.unanswered or ""
        yield Row(row.id, row.damage, row.symptom, mine, legal, reason)


def _in_processes(todo: Sequence[Task], jobs: int) -> Iterator[tuple[str, str, Result]]:
    """Of each task its key, the code that proved it and what came of it, as they end."""
    if not todo:
        return
    context = multiprocessing.get_context("spawn")  # the servers' threads would not survive a fork
    with ProcessPoolExecutor(min(jobs, len(todo)), context, _warm) as pool:
        pending = [pool.submit(_signed, task) for task in todo]
        try:
            for future in as_completed(pending):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _signed(task: Task) -> tuple[str, str, Result]:
    return task.key, fingerprint(), proved(task)


def _warm() -> None:
    """Ask once before anything counts: SDKs load parts of themselves when they are first used."""
    fingerprint()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    warnings.simplefilter("ignore")  # pydantic's, at answers that are wrong on purpose
    logging.disable(logging.ERROR)
    tried(Task(TRUTH, "openai", ("founding",)))


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for its next task for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


# --- the log ---


@cache
def fingerprint() -> str:
    """What a result depends on: the code, the suites, the versions of Python and of the libraries.

    Read once in a process, as its code is.
    """
    digest = hashlib.sha256()
    root = Path(__file__).parent
    for folder in (root, content.folder("suites")):
        for path in sorted(folder.rglob("*")):
            if path.suffix in {".py", ".toml", ".json"}:
                digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    versions = [(name, version(name)) for name in (*_LIBRARIES, *_BENEATH)]
    digest.update(repr([("python", platform.python_version()), *versions]).encode())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class _Log:
    """Results as lines of JSON; each is on disk when `add` returns.

    The first line says of which code they are and when the first run of it began.
    """

    path: Path
    started: str
    done: Mapping[str, Result]

    def add(self, key: str, result: Result) -> None:
        """Append one result."""
        line = {"key": key, "kind": type(result).__name__, "result": asdict(result)}
        with writing(self.path), self.path.open("ab") as file:
            file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
            file.flush()
            os.fsync(file.fileno())


def _log(folder: Path, code: str) -> _Log:
    """The log of a folder; begun anew when it is of other code."""
    path = folder / "trials.jsonl"
    with whole(path) as unfinished:
        head, *kept = list(_whole(path.read_bytes().splitlines() if path.exists() else [])) or [b"{}"]
        before = orjson.loads(head)
        if before.get("code") != code:
            before, kept = {"code": code, "started": now()}, []
        unfinished.write_bytes(b"".join(line + b"\n" for line in (orjson.dumps(before), *kept)))
    return _Log(path, before["started"], dict(_results(kept)))


def _whole(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines before the one that was being written when the run was killed."""
    for line in lines:
        try:
            orjson.loads(line)
        except orjson.JSONDecodeError:
            return
        yield line


def _results(lines: Iterable[bytes]) -> Iterator[tuple[str, Result]]:
    for value in map(orjson.loads, lines):
        if value["kind"] == MutatedAnswer.__name__:
            yield value["key"], MutatedAnswer(**value["result"])
        elif value["kind"] == Retrial.__name__:
            yield value["key"], Retrial(**value["result"])
        elif value["kind"] == Pair.__name__:
            yield value["key"], Pair(**{**value["result"], "faults": tuple(value["result"]["faults"])})
        else:
            found = value["result"]
            parts = {
                "catches": [Catch(**one) for one in found["catches"]],
                "followed": [Catch(**one) for one in found["followed"]],
                "unjudged": [Unjudged(**one) for one in found["unjudged"]],
            }
            yield value["key"], Trial(**{**found, **parts})
