"""What the user wants of a load run, read from the words of the command line; patches and asks nothing."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.asked import words
from harness.connecting import reach_of
from harness.errors import UsageError
from harness.load.arrivals import ClosedLoop, at_rate, parse_schedule, word_of
from harness.load.clients import client_names
from harness.load.objectives import Objective, parse_objectives
from harness.load.search import parse_levels
from harness.load.workload import Workload, load_workload
from harness.report.load import formats
from harness.scenario import Mode
from harness.target import Target
from harness.target import load as load_targets
from harness.toml_table import shown_value


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """What is asked, how, and by how many processes.

    `workers` is how many workers a master on this machine waits for, and starts itself where
    `has_own_workers`.
    """

    workload: Workload
    schedule: str
    clients: tuple[str, ...]
    mode: Mode
    duration_s: float
    warm_up_s: float
    cool_down_s: float
    seed: int = 0
    cap: int | None = None
    timeout_s: float = 300.0
    objectives: tuple[Objective, ...] = ()
    search: tuple[Objective, ...] = ()
    levels: tuple[float, ...] = ()
    is_judged: bool = True
    workers: int = 0
    has_own_workers: bool = True
    bind_host: str = "127.0.0.1"
    bind_port: int = 0
    web: int | None = None

    @property
    def measured_s(self) -> float:
        """The window between warm-up and cool-down."""
        return self.duration_s - self.warm_up_s - self.cool_down_s

    def __post_init__(self) -> None:
        """Refuse what can't be meant."""
        spans_s = (self.duration_s, self.warm_up_s, self.cool_down_s, self.timeout_s)
        if not all(map(math.isfinite, spans_s)):
            raise UsageError(
                "A load run has an end.", "Give --duration, --warm-up, --cool-down and --timeout in seconds."
            )
        if self.duration_s <= self.warm_up_s + self.cool_down_s:
            raise UsageError(
                f"Of {self.duration_s:g} s, warm-up and cool-down leave nothing to measure.",
                "Give a longer --duration, or shorter --warm-up and --cool-down.",
            )
        if self.cap is not None and self.cap < self.workers:
            raise UsageError(
                f"{self.workers} workers can't share a cap of {self.cap}: each has to ask something.",
                "Give a --cap of at least the number of workers.",
            )
        if len(set(self.clients)) < len(self.clients) or not self.clients:
            raise UsageError(
                f"The clients are {', '.join(self.clients) or 'none'}.",
                "Name each once, as in --clients raw,openai.",
            )
        if unknown := [name for name in self.clients if name not in client_names()]:
            raise UsageError(
                f"There is no client {unknown[0]!r} for load.", f"Choose from {', '.join(client_names())}."
            )


def settings_of(
    *,
    workload: str,
    arrivals: str,
    clients: str,
    mode: str,
    duration_s: float,
    warm_up_s: float,
    cool_down_s: float,
    objectives: Sequence[str],
    find_max: str | None,
    sweep: str | None,
    cap: int | None,
) -> LoadSettings:
    """Settings from the words of a command line; the objectives are the workload's where none are given."""
    if mode not in {each.value for each in Mode}:
        raise UsageError(
            f"A load run has one mode, and {shown_value(mode)} is none.", "Choose plain or stream."
        )
    if find_max is not None and sweep is not None:
        raise UsageError("Either --find-max or --sweep, not both.", "Leave one of them out.")
    names = words(clients)
    is_curve = find_max is not None or sweep is not None
    if is_curve and len(names) > 1:
        raise UsageError("A search or a sweep goes by one client.", "Name one with --clients.")
    asked = load_workload(workload)
    schedule, levels = parse_schedule(arrivals), () if sweep is None else parse_levels(sweep)
    if is_curve:
        at_rate(schedule, 1)
    if isinstance(schedule, ClosedLoop):
        if cap is not None:
            raise UsageError(
                "Users that wait for their answers have no cap: they are the requests in flight.",
                "Leave out --cap, or give --arrivals a rate, such as constant:50.",
            )
        if any(level != int(level) for level in levels):
            raise UsageError(
                f"The levels {shown_value(sweep)} are users, of whom there are only whole ones.",
                "Write whole numbers, or give --arrivals a rate, such as constant:50.",
            )
    for level in levels:
        parse_schedule(word_of(at_rate(schedule, level)))
    return LoadSettings(
        asked,
        arrivals,
        names,
        Mode(mode) if asked.operation != "embeddings" else Mode.PLAIN,
        duration_s,
        warm_up_s,
        cool_down_s,
        objectives=parse_objectives(objectives) or asked.objectives,
        search=() if find_max is None else parse_objectives([find_max]),
        levels=levels,
        cap=cap,
    )


def check_consent(target: Target, config: Path | None, *, has_consented: bool) -> None:
    """Raise UsageError for load on somebody's endpoint that nobody has agreed to; asks where it can."""
    is_own = target.starts is not None or reach_of(target.base_url) == "loopback"
    if is_own or has_consented or target.name in load_targets(config):
        return
    question = f"{target.base_url} is not on this machine and not named in likewise.toml."
    if sys.stdin.isatty():
        sys.stdout.write(f"{question} Make load there? [y/N] ")
        sys.stdout.flush()
        if sys.stdin.readline().strip().lower() in ("y", "yes"):
            return
    raise UsageError(question, "Add --yes, or name it in likewise.toml, if you may make load there.")


def check_can_travel(target: Target, settings: LoadSettings) -> None:
    """Raise UsageError for a secret in the target that workers elsewhere would be sent in the clear."""
    written = target.access.written_secrets()
    if settings.workers and not settings.has_own_workers and written:
        raise UsageError(
            f"The value of {shown_value(written[0])} would travel to the workers in the clear.",
            "Put it into an environment variable here and on their machines, and name that.",
        )


def load_formats_of(names: str) -> tuple[str, ...]:
    """Report formats of load runs from a comma-separated list."""
    unknown = [name for name in words(names) if name not in formats()]
    if unknown:
        raise UsageError(f"There is no format {unknown[0]!r}.", f"Choose from {', '.join(formats())}.")
    return words(names)
