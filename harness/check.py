"""A check: from a target to a verdict. Observes, judges, writes the run folder; says nothing itself."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cached_property
from itertools import chain
from pathlib import Path

from harness import content, run
from harness.clients import DEFAULT_CLIENTS, Connection, lacks_of_clients
from harness.clients.command import Introduced
from harness.connecting import connection_to, notes_on
from harness.consequence import traced
from harness.dialect import waivers_of
from harness.discovery import Discovery, Turn, embedding_model
from harness.errors import NothingJudgedError, RunFolderError, UsageError
from harness.evidence import Observation
from harness.first_answer import raise_if_nothing_to_judge, why_nothing_was_judged, why_to_give_up
from harness.fit import Fit, fit_of, next_fit
from harness.foreign import told
from harness.judge import LEFT_OUT, idle_waivers, judge, judge_promises, left_out, refused
from harness.observe import Allowance, Observer, TimeUpError, observer
from harness.observed_claims import unshown
from harness.plan import Budget, Call, Key, Plan, Profile, plan, within
from harness.report.text import plural
from harness.rule import Level
from harness.run import Run, TargetSummary, exchange_log
from harness.scenario import BOTH_MODES, Ask, Lacks, Mode
from harness.target import Target, Waiver
from harness.uses import USES, UseCell, UseName, UseState, use_of_call
from harness.verdict import Verdict
from harness.wire.exchange import Ending

USUAL_CONCURRENCY = 4


@dataclass(frozen=True, slots=True)
class Settings:
    """What is asked of a target, how fast, and what counts; None: as the target says.

    `programs` are those of the clients that are programs of the user's.
    """

    clients: Sequence[str] = DEFAULT_CLIENTS
    modes: Sequence[Mode] = BOTH_MODES
    level: Level = "spec"
    profile: Profile = "standard"
    repeat: int = 1
    budget: Budget = Budget()
    rpm: int | None = None
    concurrency: int | None = None
    programs: Mapping[str, Introduced] = field(default_factory=dict)
    max_duration_s: float | None = None

    @property
    def lacks(self) -> Mapping[str, Lacks]:
        """What clients can't express: those that are programs and, in the profile `full`, all."""
        of_programs = {name: program.expression.lacks for name, program in self.programs.items()}
        return {**lacks_of_clients(), **of_programs} if self.profile == "full" else of_programs


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
    """A check of one target: `planned` is all that it may ask, `observations` what it has so far.

    `reopened` opens the clients again with another embedding model; `notes` are on the way there.
    """

    target: Target
    settings: Settings
    observer: Observer
    planned: Plan
    started: str
    reopened: Callable[[str], Observer]
    notes: Sequence[str] = ()
    fit: Fit = field(default_factory=Fit)
    observations: dict[Key, Observation] = field(default_factory=dict)
    has_ended: bool = False
    gave_up: str = ""
    _current: Plan | None = None

    @cached_property
    def discovery(self) -> Discovery:
        """What is claimed, and how the rest is found out."""
        return Discovery(promised(self.target), self.planned.every_call)

    @property
    def current(self) -> Plan:
        """The plan without what discovery has ruled out: what that would have cost is there for others."""
        if self._current is None:
            fitted = map(self.fit.call, self.planned.every_call)
            self._current = within(
                self.settings.budget,
                [one for one in fitted if self.discovery.turn(one, self.observations) is not Turn.NEVER],
            )
        return self._current

    @property
    def waivers(self) -> tuple[Waiver, ...]:
        """What the target's dialect and the user's file declare."""
        return (*waivers_of(self.target.dialect), *self.target.waivers)

    def ask_first(self) -> None:
        """Ask the first question until it is put as the endpoint wants it.

        Its answer decides whether there is something to judge: raises NothingJudgedError where there is not.
        """
        if self._first.key in self.observations:
            return
        try:
            seen = asked = self.observer.observe(self.fit.call(self._first))
        except TimeUpError:
            raise NothingJudgedError(
                f"{self.target.base_url} did not answer the first question within {self._bound}.",
                "Check that the model is loaded, or allow more with --max-duration.",
            ) from None
        if seen.reply.broken:
            self._add(seen)
            return
        raise_if_nothing_to_judge(seen, self.target)
        fit = self.fit
        while (other := next_fit(fit, seen)) is not None and self.observer.allowance.take_retry():
            again = self.observer.observe(other.call(self._first))
            seen, fit = replace(again, earlier=(*seen.tries, *again.earlier)), other
        if seen.is_clean_refusal:
            seen, fit = asked, self.fit
        self.fit = fit
        self._add(seen)

    def observe(self, folder: Path, on_observation: Callable[[Observation], None]) -> None:
        """Ask everything, and write each exchange into the folder as it comes.

        It ends early where the founding calls come to nothing: then nothing else would say more. It ends,
        too, where its time is up, or where half of what it asks is silence or a rate limit.
        """
        self.ask_first()
        resumed = list(self.observations.values())
        with exchange_log(folder) as log:
            for seen in chain(resumed, self._all_observations()):
                log.add(seen)
                on_observation(seen)
        self.has_ended = not self.observer.allowance.is_over() and not self.gave_up

    def resume(self, folder: Path) -> None:
        """Take over what an interrupted run of the same target has in its folder, as far as it was answered.

        Raises RunFolderError for a folder that holds nothing of the kind.
        """
        may_be_asked = {call.key for call in self.planned.every_call}
        for seen in run.observations(run.recorded_lines(folder / "exchanges.jsonl.zst")):
            is_of_target = seen.exchange.request.url.startswith(f"{self.target.base_url}/")
            key = (seen.scenario.name, seen.client, seen.mode)
            if key in may_be_asked and _is_answered(seen) and (is_of_target or self.target.starts):
                self._add(seen)
        if not self.observations:
            raise RunFolderError(
                f"{folder} holds no answer of {self.target.name} that this check asks for.",
                "Name the folder of the run to go on with, with the same target, or leave out --resume.",
            )
        first = self.observations.get(self._first.key)
        self.fit = fit_of(first) if first else self.fit

    def observation(self, scenario: str, client: str, mode: Mode) -> Observation:
        """One observation; it is asked for once. KeyError where the plan does not ask it."""
        self.ask_first()
        key = (scenario, client, mode)
        if key not in self.observations:
            call = self.current.by_key[key]
            if call.after is not None and call.after in self.current.by_key:
                self.observation(*call.after)
            lists = next(filter(_lists_models, self.current.calls), None)
            if lists is not None and _is_of_embeddings(call) and "embeddings" not in self.target.models:
                self.observation(*lists.key)
                self._take_embedding_model()
            self._add(self.observer.observe(call, self._before(call)))
        return self.observations[key]

    def why_not_asked(self, scenario: str, client: str, mode: Mode) -> str:
        """Why a call of the plan is not asked; empty where it is. Its probes are asked first."""
        key = (scenario, client, mode)
        self.ask_first()
        while (call := self.current.by_key.get(key)) and self.discovery.turn(
            call, self.observations
        ) is Turn.LATER:
            self.observation(*self.discovery.awaited(call, self.observations).key)
        if key in self.current.by_key:
            return ""
        refusals = (self._refusal(call) for call in self.planned.every_call if call.key == key)
        return next(refusals, "") or LEFT_OUT

    def all_observations(self) -> list[Observation]:
        """Every observation of the plan; what has not been asked yet is asked now."""
        for call in self.planned.calls:
            if not self.why_not_asked(*call.key):
                self.observation(*call.key)
        return self._in_order()

    def judged(self) -> Run:
        """The run, from what has been observed until now."""
        rules, seen = content.rules().values(), self._in_order()
        missing = ((call.scenario, call.client, call.mode) for call in self._left_out)
        verdicts = [
            *judge(rules, seen, self.waivers, date.today()),
            *left_out(rules, missing, seen),
        ]
        return self.summarised(traced(verdicts, content.rules(), content.scenarios()))

    def idle_waivers(self) -> Iterator[str]:
        """What is to be said of the user's waivers that do nothing."""
        return idle_waivers(self.target.waivers, content.rules(), self._in_order(), date.today())

    def notes_on_clients(self) -> Iterator[str]:
        """What a program can't express, and how it failed."""
        settings, is_full = self.settings, self.settings.profile == "full"
        yield from told(settings.programs, content.scenarios().values(), settings.modes, is_full=is_full)
        for name in self.settings.programs:
            of_client = (seen.reply.broken for seen in self._in_order() if seen.client == name)
            failures = [failure for failure in of_client if failure]
            if failures:
                calls = plural(len(failures), "call")
                yield (
                    f"The client {name} itself failed in {calls}, by which nothing is judged: {failures[0]}. "
                    f"`likewise check-client {name}` tries it alone."
                )

    def summarised(self, verdicts: Sequence[Verdict]) -> Run:
        """The run that these verdicts make."""
        made = run.summarised(
            TargetSummary.of(self.target),
            self._in_order(),
            [*verdicts, *self._of_promises(verdicts)],
            started=self.started,
            finished=now(),
            level=self.settings.level,
            partial=tuple(self._partial()),
            unasked=self._unasked(),
            waivers=self.target.waivers,
            remarks=(*self.notes, *self.fit.notes, *self.notes_on_clients(), *self.idle_waivers()),
        )
        return made if self.has_ended else replace(made, uses=list(self._as_far_as_asked(made.uses)))

    def _as_far_as_asked(self, cells: Iterable[UseCell]) -> Iterator[UseCell]:
        """The cells of a run that did not come to its end, and what that left unasked of them."""
        why = f"the run {'ended' if self._is_to_end else 'was interrupted'} before"
        waiting = {
            (use_of_call(one.scenario, one.mode), one.client)
            for one in self.current.calls
            if one.key not in self.observations
        }
        nothing = why_nothing_was_judged(self._in_order())
        for cell in cells:
            is_waited_for = (cell.use, cell.client) in waiting
            if is_waited_for and cell.state == "works":
                yield replace(cell, state="works in part", reason=f"{why} all of it was asked")
            elif is_waited_for and cell.state == "not asked" and not nothing:
                yield replace(cell, reason=f"{why} it was asked")
            else:
                yield cell

    def save(self, folder: Path, verdicts: Sequence[Verdict]) -> None:
        """Write the run's folder from what has been observed without one."""
        with exchange_log(folder) as log:
            for seen in self._in_order():
                log.add(seen)
        run.save(self.summarised(verdicts), folder)

    @property
    def _first(self) -> Call:
        return self.planned.every_call[0]

    def _add(self, seen: Observation) -> None:
        """Keep an observation; what is asked from now on may depend on it."""
        self.observations[seen.scenario.name, seen.client, seen.mode] = seen
        self._current = None

    def _all_observations(self) -> Iterator[Observation]:
        yield from self._observed(call for call in self._ready() if call.scenario.is_quick_start)
        while not self._is_to_end and (ready := self._ready()):
            yield from self._observed(ready)
            self._take_embedding_model()

    @property
    def _is_to_end(self) -> bool:
        """Whether asking more would be for nothing, or is not allowed."""
        is_over = self.observer.allowance.is_over() or bool(self.gave_up)
        return is_over or bool(why_nothing_was_judged(self._in_order()))

    @property
    def _bound(self) -> str:
        return f"the {self.settings.max_duration_s:g} s of --max-duration"

    def _observed(self, calls: Iterable[Call]) -> Iterator[Observation]:
        ready = [(call, self._before(call)) for call in calls]
        concurrency = self.settings.concurrency or self.target.concurrency or USUAL_CONCURRENCY
        for seen in self.observer.observe_all(ready, concurrency):
            self._add(seen)
            yield seen
            self.gave_up = why_to_give_up(list(self.observations.values()))
            if self.gave_up:
                return

    def _ready(self) -> list[Call]:
        """What can be asked now."""
        current = self.current.by_key
        waiting = [call for key, call in current.items() if key not in self.observations]
        lists = any(_lists_models(call) for call in waiting)
        return [
            call
            for call in waiting
            if self.discovery.turn(call, self.observations) is Turn.NOW
            and not (call.after in current and call.after not in self.observations)
            and not (lists and _is_of_embeddings(call) and "embeddings" not in self.target.models)
        ]

    def _take_embedding_model(self) -> None:
        """Ask the embedding model that the endpoint lists, where the user names none."""
        if "embeddings" in self.target.models:
            return
        lists = (seen for key, seen in self.observations.items() if _lists_models(seen))
        data = next((seen.reply.data for seen in lists if isinstance(seen.reply.data, list)), ())
        model = embedding_model(data)
        if model is not None:
            self.target = replace(self.target, models={**self.target.models, "embeddings": model})
            self.observer = self.reopened(model)

    def _before(self, call: Call) -> Observation | None:
        """The observation that a follow-up goes on from."""
        return None if call.after is None else self.observations.get(call.after)

    def _in_order(self) -> list[Observation]:
        keys = (call.key for call in self.planned.every_call)
        return [self.observations[key] for key in keys if key in self.observations]

    @property
    def _left_out(self) -> Sequence[Call]:
        """What the budget left out, of a run that asked all else."""
        if not self.has_ended or why_nothing_was_judged(self._in_order()):
            return self.current.left_out
        current = self.current
        return [*(call for call in current.calls if call.key not in self.observations), *current.left_out]

    def _partial(self) -> Iterator[str]:
        """Why the run says less than it would have, in clauses."""
        planned = len(self.current.every_call)
        if self._left_out:
            yield f"the budget left out {len(self._left_out):,} of {planned:,} calls"
        if not self.has_ended and self._ready():
            after = f"after {len(self.observations):,} of {planned:,} calls"
            if self.gave_up:
                yield f"it was given up {after}: {self.gave_up}"
            elif self.observer.allowance.is_over():
                yield f"{self._bound} were over {after}"
            else:
                yield f"it was interrupted {after}"

    def _unasked(self) -> Mapping[tuple[UseName, str], tuple[UseState, str]]:
        """Why nothing was asked for a use through a client: refused to a probe, or narrowed away."""
        found: dict[tuple[UseName, str], tuple[UseState, str]] = {}
        for call in self.planned.every_call:
            refusal = self._refusal(call)
            if refusal:
                found.setdefault(
                    (use_of_call(call.scenario, call.mode), call.client), ("unsupported", refusal)
                )
        nothing = why_nothing_was_judged(self._in_order())
        for use in USES:
            for client in self.settings.clients:
                reason = nothing or self._narrowed(use)
                if reason:
                    found.setdefault((use, client), ("not asked", reason))
        return found

    def _narrowed(self, use: UseName) -> str:
        if self.settings.profile == "smoke":
            return "the profile smoke asks the founding calls alone"
        if use in {"stream", "streamed tools"} and Mode.STREAM not in self.settings.modes:
            return "only plain answers were asked for"
        if use in {"chat", "tools"} and Mode.PLAIN not in self.settings.modes:
            return "only streams were asked for"
        return ""

    def _refusal(self, call: Call) -> str:
        """What the endpoint said to the probe because of which a call is not asked; empty where it is."""
        probe = self.discovery.refusal(call, self.observations)
        if probe is None:
            return ""
        hint = ""
        is_of_chat_model = "embeddings" in call.scenario.needs and "embeddings" not in self.target.models
        if is_of_chat_model and probe.response.status not in {404, 405, 501}:
            hint = "; no embedding model is named or listed: name one with --embedding-model"
        return f"{refused(probe)}{hint}"

    def _of_promises(self, verdicts: Sequence[Verdict]) -> Iterator[Verdict]:
        asked = {name for seen in self._in_order() for name in seen.scenario.needs} & self.target.claims
        if asked and self.has_ended and not self._left_out:
            known, rules = content.scenarios(), content.rules()
            nothing_of = tuple(unshown(asked, known, rules, verdicts))
            yield from judge_promises(rules.values(), nothing_of, known.values(), self.waivers, date.today())


def _lists_models(one: Call | Observation) -> bool:
    ask = one.scenario.ask
    return isinstance(ask, Ask) and ask.operation == "models"


def _is_of_embeddings(call: Call) -> bool:
    ask = call.scenario.ask
    return isinstance(ask, Ask) and ask.operation == "embeddings"


def _is_answered(seen: Observation) -> bool:
    """Whether asking again would be for nothing: there is a whole answer, which says something."""
    is_whole = seen.exchange.ended in {Ending.COMPLETE, Ending.LEFT}
    return is_whole and seen.exchange.response is not None and not seen.came_to_nothing


def promised(target: Target) -> frozenset[str]:
    """What a check takes for claimed: who has a key can ask what comes of a wrong one."""
    return target.claims | (
        {"authentication"} if target.api_key_env and target.access.auth != "none" else set()
    )


def plan_for(target: Target, settings: Settings) -> Plan:
    """What a check of this target may ask."""
    planned = plan(
        content.scenarios().values(),
        settings.clients,
        settings.modes,
        claims=promised(target),
        profile=settings.profile,
        repeat=settings.repeat,
        budget=settings.budget,
        lacks=settings.lacks,
    )
    if not planned.calls:
        raise UsageError(
            "There is nothing to ask with these clients, modes and budgets.",
            "Ask for others, or for all by leaving them out.",
        )
    return planned


def narrowed(planned: Plan, keys: Collection[Key], target: Target, budget: Budget) -> Plan:
    """As much of a plan as these calls need: the first question, what they go on from, and their probes."""
    calls = planned.every_call
    discovery = Discovery(promised(target), calls)
    wanted = [call for call in calls if call.key in keys]
    needed = {calls[0].key, *(call.key for call in wanted)}
    for call in wanted:
        needed |= {other.key for other in discovery.probes_of(call)}
        needed |= {call.after} if call.after else set()
        if _is_of_embeddings(call) and "embeddings" not in target.models:
            needed |= {other.key for other in calls if _lists_models(other)}
    return within(budget, [call for call in calls if call.key in needed and wanted])


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
        retries_each=target.retries,
        until_ns=_until_ns(settings.max_duration_s),
    )
    with started(target, environ) as (at, connection), ExitStack() as stack:

        def opened(at: Connection) -> Observer:
            # What was open before asks no more, and a program runs once.
            stack.close()
            opening = observer(at, settings.clients, at.secrets, allowance, settings.programs)
            return stack.enter_context(opening)

        def reopened(embedding_model: str) -> Observer:
            return opened(replace(connection, models={**connection.models, "embeddings": embedding_model}))

        yield Check(at, settings, opened(connection), planned, now(), reopened, list(notes_on(connection)))


def _until_ns(max_duration_s: float | None) -> int:
    return 0 if max_duration_s is None else time.monotonic_ns() + round(max_duration_s * 1e9)


def now() -> str:
    """The time in UTC, as ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
