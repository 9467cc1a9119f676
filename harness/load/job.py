"""A job: everything that a process needs to know to make its part of the load, fit to be sent."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

from harness.access import Access
from harness.fit import CapName
from harness.load.arrivals import ClosedLoop, Row, Schedule, TraceReplay, parse_schedule
from harness.load.metrics import Tally
from harness.load.objectives import Objective, parse_objectives
from harness.load.workload import Workload, parse_workload
from harness.scenario import Mode
from harness.target import Target, Waiver
from harness.wire.exchange import Json
from harness.wire.limits import Limits

NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Job:
    """What is asked of an endpoint, by which client, and when. The key is not in it, nor what variables hold.

    `arrivals` is the word of the schedule, `trace` its rows where it replays one; `cap` bounds the requests
    in flight of all workers together. `timeout_s` bounds each request. `waivers` are
    those of the target, beside which its dialect's hold. `output_cap` is how the endpoint wants the cap of an
    answer spelled.
    """

    run_id: str
    base_url: str
    model: str
    models: Mapping[str, str]
    params: Mapping[str, Json]
    access: Access
    api_key_env: str | None
    target: str
    dialect: str
    client: str
    mode: Mode
    workload_name: str
    workload_source: str
    arrivals: str
    trace: list[Row] | None
    seed: int
    duration_s: float
    warm_up_s: float
    cool_down_s: float
    cap: int | None
    timeout_s: float
    objectives: list[str]
    is_judged: bool
    waivers: tuple[Waiver, ...] = ()
    output_cap: CapName = "max_tokens"

    def to_json(self) -> dict[str, Any]:
        """The job as JSON values."""
        expiries = [waiver.expires and waiver.expires.isoformat() for waiver in self.waivers]
        waivers = [
            {**asdict(waiver), "expires": expires}
            for waiver, expires in zip(self.waivers, expiries, strict=True)
        ]
        return {**asdict(replace(self, access=Access())), "access": self.access.to_json(), "waivers": waivers}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Job":
        """What `to_json` gave."""
        trace = values["trace"]
        rows = None if trace is None else [(*row[:3], tuple(row[3])) for row in trace]
        waivers = tuple(_waiver(waiver) for waiver in values["waivers"])
        access = Access.from_json(values["access"])
        mode = Mode(values["mode"])
        return cls(**{**values, "mode": mode, "trace": rows, "waivers": waivers, "access": access})

    @property
    def schedule(self) -> Schedule:
        """When requests are due."""
        return TraceReplay(tuple(self.trace)) if self.trace is not None else parse_schedule(self.arrivals)

    @property
    def is_open(self) -> bool:
        """Whether requests have due times of their own."""
        return not isinstance(self.schedule, ClosedLoop)

    @property
    def users(self) -> int:
        """How many users ask: those of a closed loop, or the one that keeps the schedule of an open loop."""
        schedule = self.schedule
        return schedule.users if isinstance(schedule, ClosedLoop) else 1

    @property
    def workload(self) -> Workload:
        """What is asked, put as the endpoint wants it."""
        workload = parse_workload(self.workload_name, self.workload_source)
        return replace(workload, output_cap=self.output_cap)

    @property
    def wanted(self) -> tuple[Objective, ...]:
        """What a request has to keep to count as good."""
        return parse_objectives(self.objectives)

    @property
    def limits(self) -> Limits:
        """What one request may take."""
        usual = Limits()
        return Limits(min(usual.connect_s, self.timeout_s), silence_s=self.timeout_s, total_s=self.timeout_s)

    @property
    def endpoint_target(self) -> Target:
        """Where the requests go, and which variable holds the key."""
        return Target(
            self.target,
            self.base_url,
            self.model,
            self.api_key_env,
            self.dialect,
            frozenset(),
            self.models,
            params=self.params,
            access=self.access,
        )

    def tally(self, started_ns: int) -> Tally:
        """A tally that has nothing yet."""
        measured_s = self.duration_s - self.warm_up_s - self.cool_down_s
        return Tally(self.client, self.mode.value, started_ns, self.warm_up_s, measured_s, self.wanted)


def _waiver(values: Mapping[str, Any]) -> Waiver:
    expires = values["expires"]
    return Waiver(**{**values, "expires": expires and date.fromisoformat(expires)})
