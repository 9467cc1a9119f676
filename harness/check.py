"""A check: from a target to a verdict. Observes, judges, writes the run folder; says nothing itself."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TypeAlias

from harness import content, run
from harness.clients import DEFAULT_CLIENTS, Connection
from harness.connecting import connection_to
from harness.dialect import waivers_of
from harness.errors import RunFolderError, UsageError
from harness.evidence import Observation
from harness.first_answer import raise_if_nothing_to_judge
from harness.judge import idle_waivers, judge, left_out
from harness.observe import RETRIED_STATUSES, Allowance, Observer, observer
from harness.plan import Budget, Call, Plan, Profile, plan
from harness.rule import Level
from harness.run import Run, TargetSummary, exchange_log
from harness.scenario import BOTH_MODES, FollowUp, Mode
from harness.target import Target, Waiver
from harness.verdict import Verdict
from harness.wire.exchange import Ending

USUAL_CONCURRENCY = 4

Key: TypeAlias = tuple[str, str, Mode]
"""Scenario, client and mode."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is asked of a target, how fast, and what counts; None: as the target says."""

    clients: Sequence[str] = DEFAULT_CLIENTS
    modes: Sequence[Mode] = BOTH_MODES
    level: Level = "spec"
    profile: Profile = "standard"
    repeat: int = 1
    budget: Budget = Budget()
    rpm: int | None = None
    concurrency: int | None = None


@contextmanager
def started(target: Target, environ: Mapping[str, str]) -> Iterator[tuple[Target, Connection]]:
    """The target with its address, and a connection to it; starts what the harness itself has to start."""
    if target.starts == "reference":
        from harness.endpoint.server import running
        from harness.endpoint.settings import Settings as EndpointSettings

        settings = EndpointSettings(dialect=target.dialect)
        with running(settings) as address:
            at = replace(target, base_url=address.base_url)
            yield at, connection_to(at, environ, address.key)
    elif target.starts == "local-model":
        from harness.local_model import running as running_model

        with running_model() as server:
            at = replace(target, base_url=server.base_url, model=server.model)
            yield at, connection_to(at, environ)
    else:
        yield target, connection_to(target, environ)


@dataclass
class Check:
    """A check of one target: `planned` is what it asks, `observations` what it has so far."""

    target: Target
    settings: Settings
    observer: Observer
    planned: Plan
    started: str
    observations: dict[Key, Observation] = field(default_factory=dict)

    @cached_property
    def calls(self) -> Mapping[Key, Call]:
        """The calls of the plan, in its order."""
        return {(call.scenario.name, call.client, call.mode): call for call in self.planned.calls}

    @property
    def waivers(self) -> tuple[Waiver, ...]:
        """What the target's dialect and the user's file declare."""
        return (*waivers_of(self.target.dialect), *self.target.waivers)

    def observe(self, folder: Path, on_observation: Callable[[Observation], None]) -> None:
        """Ask everything, and write each exchange into the folder as it comes."""
        resumed = list(self.observations.values())
        with exchange_log(folder) as log:
            for seen in chain(resumed, self._all_observations()):
                log.add(seen)
                on_observation(seen)

    def resume(self, folder: Path) -> None:
        """Take over what an interrupted run of the same target has in its folder, as far as it was answered.

        Raises RunFolderError for a folder that holds nothing of the kind.
        """
        for seen in run.observations(run.recorded_lines(folder / "exchanges.jsonl.zst")):
            is_of_target = seen.exchange.request.url.startswith(f"{self.target.base_url}/")
            key = (seen.scenario.name, seen.client, seen.mode)
            if key in self.calls and _is_answered(seen) and (is_of_target or self.target.starts):
                self.observations[key] = seen
        if not self.observations:
            raise RunFolderError(
                f"{folder} holds no answer of {self.target.name} that this check asks for.",
                "Name the folder of the run to go on with, with the same target, or leave out --resume.",
            )

    def observation(self, scenario: str, client: str, mode: Mode) -> Observation:
        """One observation; it is asked for once."""
        if not self.observations:
            self._ask_first()
        key = (scenario, client, mode)
        if key not in self.observations:
            call = self.calls[key]
            ask = call.scenario.ask
            if isinstance(ask, FollowUp) and (ask.after, client, mode) in self.calls:
                self.observation(ask.after, client, mode)
            self.observations[key] = self.observer.observe(call, self._before(call))
        return self.observations[key]

    def all_observations(self) -> list[Observation]:
        """Every observation of the plan; what has not been asked yet is asked now."""
        return [self.observation(*key) for key in self.calls]

    def judged(self) -> Run:
        """The run, from what has been observed until now."""
        rules, seen = content.rules().values(), self._in_order()
        missing = ((call.scenario, call.client, call.mode) for call in self.planned.left_out)
        verdicts = judge(rules, seen, self.waivers, date.today())
        return self.summarised([*verdicts, *left_out(rules, missing, seen)])

    def idle_waivers(self) -> Iterator[str]:
        """What is to be said of the user's waivers that do nothing."""
        return idle_waivers(self.target.waivers, content.rules(), self._in_order(), date.today())

    def summarised(self, verdicts: Sequence[Verdict]) -> Run:
        """The run that these verdicts make."""
        return run.summarised(
            TargetSummary.of(self.target),
            self._in_order(),
            verdicts,
            started=self.started,
            finished=now(),
            level=self.settings.level,
            is_complete=len(self.observations) == len(self.calls),
            waivers=self.target.waivers,
            remarks=tuple(self.idle_waivers()),
        )

    def save(self, folder: Path, verdicts: Sequence[Verdict]) -> None:
        """Write the run's folder from what has been observed without one."""
        with exchange_log(folder) as log:
            for seen in self._in_order():
                log.add(seen)
        run.save(self.summarised(verdicts), folder)

    def _all_observations(self) -> Iterator[Observation]:
        if not self.observations:
            yield self._ask_first()
        concurrency = self.settings.concurrency or self.target.concurrency or USUAL_CONCURRENCY
        while waiting := [call for key, call in self.calls.items() if key not in self.observations]:
            ready = [(call, self._before(call)) for call in waiting if not self._awaits_another(call)]
            for seen in self.observer.observe_all(ready, concurrency):
                self.observations[seen.scenario.name, seen.client, seen.mode] = seen
                yield seen

    def _before(self, call: Call) -> Observation | None:
        """The observation that a follow-up goes on from."""
        ask = call.scenario.ask
        if not isinstance(ask, FollowUp):
            return None
        return self.observations.get((ask.after, call.client, call.mode))

    def _awaits_another(self, call: Call) -> bool:
        """Whether what a follow-up goes on from is asked in this run, and has not been yet."""
        ask = call.scenario.ask
        key = (ask.after, call.client, call.mode) if isinstance(ask, FollowUp) else None
        return key in self.calls and key not in self.observations

    def _ask_first(self) -> Observation:
        """Ask the first call, whose answer decides whether there is something to judge."""
        key, call = next(iter(self.calls.items()))
        seen = self.observations[key] = self.observer.observe(call)
        raise_if_nothing_to_judge(seen, self.target)
        return seen

    def _in_order(self) -> list[Observation]:
        return [self.observations[key] for key in self.calls if key in self.observations]


def _is_answered(seen: Observation) -> bool:
    """Whether asking again would be for nothing: there is an answer, and it asks for no patience."""
    response = seen.exchange.response
    is_whole = seen.exchange.ended in {Ending.COMPLETE, Ending.LEFT}
    return is_whole and response is not None and response.status not in RETRIED_STATUSES


def plan_for(target: Target, settings: Settings) -> Plan:
    """What a check of this target will ask."""
    planned = plan(
        content.scenarios().values(),
        settings.clients,
        settings.modes,
        claims=target.claims,
        profile=settings.profile,
        repeat=settings.repeat,
        budget=settings.budget,
    )
    if not planned.calls:
        raise UsageError(
            "There is nothing to ask with these clients, modes and budgets.",
            "Ask for others, or for all by leaving them out.",
        )
    return planned


@contextmanager
def check(
    target: Target, settings: Settings, environ: Mapping[str, str], planned: Plan | None = None
) -> Iterator[Check]:
    """Open a check of a target: it is started, its clients are opened, nothing is asked yet."""
    planned = planned or plan_for(target, settings)
    requests = settings.budget.requests
    allowance = Allowance(
        settings.rpm or target.rpm,
        None if requests is None else requests - len(planned.calls),
        attempts=1 + target.retries,
    )
    with (
        started(target, environ) as (at, connection),
        observer(connection, settings.clients, connection.secrets, allowance) as opened,
    ):
        yield Check(at, settings, opened, planned, now())


def now() -> str:
    """The time in UTC, as ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
