"""Judging again what was recorded: a run's folder, or a user's own traffic; nothing is asked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from harness import content, report, run, traffic
from harness.check import now
from harness.consequence import traced
from harness.dialect import dialects, waivers_of
from harness.errors import RunFolderError
from harness.evidence import Observation
from harness.judge import judge, judge_promises
from harness.observed_claims import unshown
from harness.replay import seen_by
from harness.rule import Level
from harness.run import Run, TargetSummary
from harness.scenario import Scenario
from harness.target import Waiver
from harness.uses import UseName, UseState
from harness.verdict import Outcome, Verdict
from harness.wire.exchange import Exchange


@dataclass(frozen=True, slots=True)
class Recording:
    """What was observed, of which target, and the run that was made of it; None where there was none.

    `unknown` names the scenarios that this version does not have; nothing can be said of those. `left_out`
    says in sentences what else is not judged. `is_whole` is False for what was left of a run that was killed.
    """

    target: TargetSummary
    observations: tuple[Observation, ...]
    run: Run | None
    unknown: tuple[str, ...] = ()
    is_whole: bool = True
    left_out: tuple[str, ...] = ()

    @property
    def each_once(self) -> tuple[Observation, ...]:
        """One observation of each exchange, where several clients were told the same one."""
        return tuple({(seen.scenario.name, seen.exchange): seen for seen in self.observations}.values())


def recording(path: Path, clients: Sequence[str]) -> Recording:
    """What a run's folder holds, or a HAR or JSONL file, whose bytes are said again to these clients.

    Raises RunFolderError when there is nothing to judge.
    """
    if path.is_dir():
        return _of_folder(path)
    found = traffic.read(path)
    first = found.told[0]
    url = first.exchange.request.url
    target = TargetSummary(path.stem, url.rpartition("/v1/")[0] + "/v1", first.model, "openai")
    calls = ((one.scenario, one.mode, one.exchange) for one in found.told)
    observations = tuple(seen_by(clients, calls))
    if not observations:
        raise RunFolderError(
            f"{path} holds no call that {', '.join(clients)} can ask.", "Name another client: raw asks any."
        )
    return Recording(target, observations, None, left_out=found.left_out)


def judged_again(
    recorded: Recording,
    *,
    level: Level | None = None,
    waivers: Sequence[Waiver] | None = None,
    day: date | None = None,
    dialect: str | None = None,
) -> Run:
    """The run that today's rules make of a recording.

    Waivers are those of its dialect and the user's; what is given takes the place of the run's own.
    """
    was = recorded.run
    own = waivers if waivers is not None else was.waivers if was else ()
    spoken = dialect or recorded.target.dialect
    declared = waivers_of(spoken) if spoken in dialects() else ()
    standing, on = (*declared, *own), day or (day_of(was) if was else None)
    verdicts = [
        verdict
        for rule in content.rules().values()
        for verdict in judge(
            [rule],
            recorded.each_once if rule.judges_whole_runs else recorded.observations,
            standing,
            on,
        )
    ]
    verdicts = traced(verdicts, content.rules(), content.scenarios())
    verdicts += [one for one in was.verdicts if one.outcome is Outcome.SKIPPED] if was else []
    if was is not None and not was.partial:
        verdicts += _of_promises(recorded, verdicts, standing, on)
    return run.summarised(
        recorded.target,
        recorded.observations,
        verdicts,
        started=was.started if was else now(),
        finished=was.finished if was else now(),
        level=level or (was.level if was else "spec"),
        partial=tuple(_partial(recorded)),
        unasked=_unasked(was) if was else {},
        waivers=own,
        remarks=tuple(_remarks(recorded)),
    )


def _of_promises(
    recorded: Recording, verdicts: Sequence[Verdict], waivers: Sequence[Waiver], day: date | None
) -> Iterator[Verdict]:
    asked = {name for seen in recorded.observations for name in seen.scenario.needs}
    claimed = asked & set(recorded.target.claims)
    if claimed:
        known, rules = content.scenarios(), content.rules()
        nothing_of = tuple(unshown(claimed, known, rules, verdicts))
        yield from judge_promises(rules.values(), nothing_of, known.values(), waivers, day or date.today())


def _partial(recorded: Recording) -> Iterator[str]:
    """Why a recording is not whole: its run was not, or not all of it could be read."""
    yield from recorded.run.partial if recorded.run else ()
    if missing := _missing(recorded):
        yield f"{missing:,} of its exchanges could not be read"
    if not recorded.is_whole:
        yield "the run was killed"


def _unasked(was: Run) -> Mapping[tuple[UseName, str], tuple[UseState, str]]:
    """Why the run did not ask for a use through a client, as it said itself."""
    return {
        (cell.use, cell.client): (cell.state, cell.reason)
        for cell in was.uses
        if cell.state in {"unsupported", "not asked"}
    }


def day_of(was: Run) -> date | None:
    """The day of a run; None when it can't be read."""
    try:
        return date.fromisoformat(was.started[:10])
    except ValueError:
        return None


def save(judged: Run, recorded: Recording, folder: Path, formats: Sequence[str]) -> None:
    """Write a folder of the new run, with the exchanges and these reports."""
    with run.exchange_log(folder) as log:
        for seen in recorded.observations:
            log.add(seen)
    run.save(judged, folder)
    report.write(judged, run.load_exchanges(folder), folder, formats)


def differing(before: Run, after: Run) -> int:
    """How many verdicts of one run have another outcome in the other, or none."""
    told = {verdict.cell: verdict.outcome for verdict in after.verdicts}
    return sum(told.get(verdict.cell) is not verdict.outcome for verdict in before.verdicts)


def _remarks(recorded: Recording) -> Iterator[str]:
    if recorded.unknown:
        names = ", ".join(recorded.unknown[:20])
        yield f"Not judged again, as this version has no such scenario: {names}."
    if missing := _missing(recorded):
        asked = len(recorded.run.requests) if recorded.run else 0
        yield f"Of {asked:,} exchanges of the run, {missing:,} could not be read: its log was cut short."
    yield from recorded.left_out


def _missing(recorded: Recording) -> int:
    """How many requests the run tells of whose exchange could not be read."""
    read = {(seen.scenario.name, seen.client, seen.mode.value) for seen in recorded.observations}
    asked = recorded.run.requests if recorded.run else ()
    return sum(
        (one.scenario, one.client, one.mode) not in read and one.scenario not in recorded.unknown
        for one in asked
    )


def _of_folder(folder: Path) -> Recording:
    lines = list(run.recorded_lines(folder / "exchanges.jsonl.zst"))
    observations = tuple(run.observations(lines, _scenario))
    if not observations:
        raise RunFolderError(
            f"{folder} holds no exchange that this version can judge.",
            "Name a folder of `likewise check` with its exchanges.jsonl.zst, or a HAR or JSONL file.",
        )
    was = run.load(folder) if (folder / "run.json").exists() else None
    named = dict.fromkeys(str(line.get("scenario")) for line in lines)
    known = {seen.scenario.name for seen in observations}
    unknown = [name for name in named if name not in known and content.scenario(name) is None]
    target = was.target if was else _target(folder, observations)
    # Only run.json tells what the run would have asked: without it, the run was killed.
    return Recording(target, _in_order(observations, was), was, tuple(unknown), is_whole=was is not None)


def _scenario(name: str, exchange: Exchange) -> Scenario | None:
    """What the suites ask, or a user's own call."""
    return content.scenario(name) or traffic.scenario(name, exchange.request)


def _in_order(observations: tuple[Observation, ...], was: Run | None) -> tuple[Observation, ...]:
    """In the order in which the run tells them; the log has them as they came."""
    order = {(one.scenario, one.client, one.mode): at for at, one in enumerate(was.requests if was else ())}
    return tuple(
        sorted(
            observations,
            key=lambda seen: order.get((seen.scenario.name, seen.client, seen.mode.value), len(order)),
        )
    )


def _target(folder: Path, observations: Sequence[Observation]) -> TargetSummary:
    """What the exchanges themselves say of the target, where a run was killed before it could."""
    first = observations[0]
    url = first.exchange.request.url
    return TargetSummary(
        folder.name, url.rpartition("/v1/")[0] + "/v1", str(first.asked.get("model", "")), "openai"
    )
