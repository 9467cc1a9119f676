"""A load run: what was asked of a target, how fast it answered, and whether that keeps the objectives.

load.json  everything that reports need; its JSON Schema is harness/schemas/published/load.json
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Literal

import orjson

from harness.errors import RunFolderError, UsageError
from harness.fit import CapName
from harness.load.difference import Difference, are_as_strict, differences, unlike
from harness.load.level import at_one_level
from harness.load.metrics import ClientFigures, Moment
from harness.load.search import Step
from harness.load.verdicts import ObjectiveVerdict
from harness.run import Environment, TargetSummary
from harness.toml_table import shown_value
from harness.writing import whole, writing

Schema = Literal["likewise/load/1"]
SCHEMA: Schema = "likewise/load/1"
FILENAME = "load.json"

LevelUnit = Literal["requests/s", "users"]

Ending = Literal["complete", "interrupted", "killed", "short of a worker"]
"""How a run ended: at its time, by its user, without a word, or with fewer workers than it began with."""


@dataclass(frozen=True, slots=True)
class WorkloadSummary:
    """What was asked: a workload and the text of its file."""

    name: str
    sentence: str
    operation: str
    source: str


@dataclass(frozen=True, slots=True)
class Plan:
    """How it was asked. `arrivals` is the word of the schedule, `cap` the most requests in flight.

    `objectives` are those that the run, or each level of a search, is held against.
    """

    arrivals: str
    seed: int
    duration_s: float
    warm_up_s: float
    cool_down_s: float
    cap: int | None = None
    objectives: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that made load; one that died took its last second of figures with it."""

    name: str
    requests: int
    has_died: bool = False


@dataclass(frozen=True, slots=True)
class Curve:
    """Figures at several levels of load, and what a search over them found; `found` is empty for a sweep."""

    unit: LevelUnit
    steps: list[Step]
    highest: float | None = None
    found: str = ""

    @property
    def shown(self) -> Step | None:
        """The level whose figures stand for the run: the one that was found, or else the last."""
        found = [step for step in self.steps if step.level == self.highest] or self.steps
        return found[-1] if found else None


@dataclass(frozen=True, slots=True)
class Baseline:
    """An earlier run that this one is held against."""

    target: str
    started: str
    differences: list[Difference]


@dataclass(frozen=True, slots=True)
class LoadRun:
    """The content of load.json. Times are ISO 8601 in UTC.

    `clients` and `timeline` are of each client; of a curve, they are of the level that was found, or else
    measured last. `started_ns` is when each client's load began, by the monotonic clock of the requests' own
    times. `output_cap` is how the cap of an answer was spelled, where the workload has one.
    """

    schema: Schema
    target: TargetSummary
    workload: WorkloadSummary
    plan: Plan
    started: str
    finished: str
    ending: Ending
    environment: Environment
    clients: list[ClientFigures]
    timeline: list[Moment]
    objectives: list[ObjectiveVerdict] = field(default_factory=list)
    curve: Curve | None = None
    baseline: Baseline | None = None
    workers: list[Worker] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    started_ns: dict[str, int] = field(default_factory=dict)
    output_cap: CapName = "max_tokens"

    @property
    def shown_arrivals(self) -> str:
        """The arrivals that `clients` and `timeline` are of; of a curve, those of one of its levels."""
        shown = self.curve.shown if self.curve else None
        kind = self.plan.arrivals.partition(":")[0]
        return f"{kind}:{shown.level:g}" if shown else self.plan.arrivals

    @property
    def invalid(self) -> list[str]:
        """Why the figures are not to be believed; empty for a valid run.

        A curve is valid with a level at which the generator was saturated: that is where it ends.
        """
        if self.curve is not None:
            kept = any(step.is_valid for step in self.curve.steps)
            return [] if kept or not self.curve.steps else ["No level could be measured."]
        several = len(self.clients) > 1
        return [
            f"{client.client}: {reason}" if several else reason
            for client in self.clients
            for reason in client.measurement.invalid
        ]

    @property
    def has_missed(self) -> bool:
        """Whether an objective is missed: of a sweep, at any level; of a search, at all that it can try."""
        if self.curve is None:
            return not all(verdict.is_met for verdict in self.objectives)
        if self.curve.found:
            return self.curve.highest is None and self.ending == "complete"
        return any(step.is_valid and not step.is_kept for step in self.curve.steps)

    @property
    def has_worsened(self) -> bool:
        """Whether a figure is shown to be worse than the baseline's."""
        return self.baseline is not None and any(each.is_worse for each in self.baseline.differences)

    @property
    def exit_code(self) -> int:
        """0 all is well, 1 an objective is missed or a figure is worse, 3 nothing is to be believed.

        3 also where nothing could be held against the baseline. What is missed or worse is so however the run
        ended, but nothing is kept by a part of one, or at a level of a sweep that is not valid.
        """
        if self.invalid or (self.baseline is not None and not self.baseline.differences):
            return 3
        if self.has_missed or self.has_worsened:
            return 1
        return 0 if self.ending == "complete" and self._is_measured else 3

    @property
    def _is_measured(self) -> bool:
        if self.curve is not None and not self.curve.found and self.plan.objectives:
            return all(step.is_valid for step in self.curve.steps)
        return any(client.outcomes.get("ok") for client in self.clients)


def compared(run: LoadRun, before: LoadRun) -> LoadRun:
    """The run with what differs since an earlier one."""
    at_level, told = at_one_level((before, run))
    figures = [one.clients for one in at_level]
    found = differences(*figures, with_goodput=are_as_strict(before, run)) if figures else []
    notes = [*run.notes, *([told] if told else []), *_other_plan(before, run)]
    return replace(run, baseline=Baseline(before.target.name, before.started, found), notes=notes)


def check_comparable(before: LoadRun, planned: LoadRun, clients: Iterable[tuple[str, str]]) -> None:
    """Raise UsageError where an earlier run has nothing that a run of these clients and modes is like."""
    measured = [(client.client, client.mode) for client in before.clients]
    asked = list(clients)
    if before.invalid:
        raise UsageError(
            f"The baseline is not valid: {before.invalid[0]}", "Choose another --baseline, or make it again."
        )
    if not set(measured) & set(asked):
        there, here = (", ".join(map(" ".join, each)) or "no client" for each in (measured, asked))
        raise UsageError(
            f"The baseline has figures of {there} and this run of {here}: there is nothing to compare.",
            "Choose the same client and mode with --clients and --mode, or another --baseline.",
        )
    if why := unlike(before, planned):
        raise UsageError(
            f"The baseline was asked otherwise, so that nothing can be compared: {why}.",
            "Ask as it was asked, or choose another --baseline.",
        )


def _other_plan(before: LoadRun, run: LoadRun) -> Iterator[str]:
    """What was asked otherwise in the baseline, so that a difference may come of it and not of the target."""
    other = [
        f"{each.name.replace('_', ' ')} {_said(earlier)} (here {_said(later)})"
        for each in fields(Plan)
        if (earlier := getattr(before.plan, each.name)) != (later := getattr(run.plan, each.name))
    ]
    if other:
        yield f"The baseline was asked otherwise, which may be what differs: {', '.join(other)}."


def _said(value: object) -> object:
    return ", ".join(value) or "none" if isinstance(value, list) else value


def save(run: LoadRun, folder: Path) -> None:
    """Write load.json, whole or not at all; raises UnwritableError where that can't be done."""
    data = orjson.dumps(run, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    with whole(folder / FILENAME) as unfinished:
        unfinished.write_bytes(data)


def check_own(folder: Path, baseline: Path | None) -> None:
    """Raise UsageError where a run would be written over what it is not: its baseline, or a check's run."""
    if baseline is not None and baseline.resolve() == folder.resolve():
        raise UsageError(f"{folder} is the baseline itself.", "Choose another --out.")
    if (folder / "run.json").exists():
        raise UsageError(f"{folder} holds a conformance run.", "Choose another --out.")


def check_writable(folder: Path) -> None:
    """Raise UnwritableError where `save` would; what an earlier run has left there stays."""
    probe = folder / f"{FILENAME}.unfinished"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            # A full disk still takes an empty file.
            probe.write_bytes(bytes(4096))
        finally:
            probe.unlink(missing_ok=True)


def load(folder: Path) -> LoadRun:
    """The load run of a folder; raises RunFolderError when there is none that this version can read."""
    from pydantic import TypeAdapter, ValidationError

    path = folder / FILENAME
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _no_load_run(folder, error) from error
    try:
        content = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise RunFolderError(
            f"{path} is cut off or damaged: {error.msg} at byte {error.pos:,}.",
            "Copy the folder again, or make the run again.",
        ) from error
    written = content.get("schema") if isinstance(content, dict) else None
    if written != SCHEMA:
        what = (
            f"was written as {shown_value(written)}"
            if isinstance(written, str)
            else "does not say what it is"
        )
        raise RunFolderError(
            f"{path} {what}, and this version reads {SCHEMA}.",
            "Run `likewise load` again, or use the version that wrote it.",
        )
    try:
        return TypeAdapter(LoadRun).validate_json(data)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        # A key of the file's may hold what a terminal obeys.
        place = ascii(".".join(map(str, first["loc"])))[1:-1] or "the whole"
        raise RunFolderError(
            f"{path} is not a load run that this version reads: {place}: {first['msg']}.",
            "Run `likewise load` again, or use the version that wrote it.",
        ) from error


def _no_load_run(folder: Path, error: OSError) -> RunFolderError:
    """What stands in the folder instead."""
    if (folder / "run.json").exists():
        return RunFolderError(
            f"{folder} holds a conformance run and no load run.",
            "Name a folder that `likewise load --out` wrote.",
        )
    if folder.is_dir() and any(folder.glob("requests*.jsonl.zst")):
        return RunFolderError(
            f"{folder} holds requests and no {FILENAME}: the run was cut short before its first figures.",
            "Run `likewise load` again.",
        )
    return RunFolderError(
        f"{folder} holds no load run: {FILENAME} can't be read ({error.strerror}).",
        "Name a folder that `likewise load --out` wrote.",
    )


def json_schema() -> dict[str, object]:
    """The JSON Schema (2020-12) of load.json, as it is published."""
    from pydantic import TypeAdapter

    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://likewise.dev/schemas/load.json",
        **TypeAdapter(LoadRun).json_schema(),
    }
