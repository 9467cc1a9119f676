"""A proof: how well the suites tell wrong answers from right ones, as data.

proof.json   everything that proof.html says; its JSON Schema is harness/schemas/published/proof.json
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

import orjson

from harness.errors import RunFolderError
from harness.report.text import one_line
from harness.rule import Level
from harness.run import Environment
from harness.writing import whole

Schema = Literal["likewise/proof/1"]
SCHEMA: Schema = "likewise/proof/1"
Kind = Literal["fault", "variation", "truth"]
ByDefault = Literal["named", "unsupported", "unjudged", "unnamed"]
"""What a check without claims says of a fault: a rule of its own fails; a clean refusal is taken for one of a
capability that was never promised; nothing can be judged at all, with exit code 3; or nothing."""
Way = Literal["through async clients", "with small writes", "in DashScope's dialect"]
State = Literal["caught", "missed", "quiet", "false alarm"]

MANY_RULES = 3
"""A fault that trips more rules than that beyond its own has to say why."""
_PLACE_CHARS = 80
"""Keys of a file that is no proof are anybody's text."""


@dataclass(frozen=True, slots=True)
class Catch:
    """A rule that failed in a trial: through which clients, in which modes, and what it said first."""

    rule: str
    level: Level
    clients: list[str]
    modes: list[str]
    scenario: str
    message: str


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A rule that passes on the truth and was not judged in a trial: in how many cells, why in the first."""

    rule: str
    outcome: str
    cells: int
    clients: list[str]
    modes: list[str]
    scenario: str
    reason: str


@dataclass(frozen=True, slots=True)
class Trial:
    """One departure, or none, asked through every client, and what the rules said.

    `expected` are the rules that have to fail, `silent` those of them that did not. `broken` are rules that
    raised, which is always our own fault. `unjudged` are rules that pass on the truth and, under a variation,
    neither pass nor fail: their silence says nothing, and `because` says why. `followed` are rules that fail
    because others do. `by_default` is what a check that is told no claim says of a fault. `clients` are those
    that could ask; `requests` and `verdicts` count what it rests on.
    """

    id: str
    kind: Kind
    dialect: str
    sentence: str
    rows: list[str]
    source: str
    because: str
    expected: list[str]
    scenarios: list[str]
    clients: list[str]
    state: State
    silent: list[str]
    catches: list[Catch]
    followed: list[Catch]
    by_default: ByDefault
    unjudged: list[Unjudged]
    broken: list[str]
    requests: int
    verdicts: int

    @property
    def is_good(self) -> bool:
        """Whether the suites said what they have to say, and no rule broke."""
        return self.state in {"caught", "quiet"} and not self.broken

    @property
    def area(self) -> str:
        """What stands before the first hyphen of its id."""
        return self.id.partition("-")[0]

    @property
    def own(self) -> list[Catch]:
        """What the expected rules said."""
        return [catch for catch in self.catches if catch.rule in self.expected]

    @property
    def beyond(self) -> list[Catch]:
        """What other rules said."""
        return [catch for catch in self.catches if catch.rule not in self.expected]

    @property
    def is_unexplained(self) -> bool:
        """Whether a fault trips many rules beyond its own and does not say why."""
        return self.kind == "fault" and len(self.beyond) > MANY_RULES and not self.because

    @property
    def is_caught_at_spec(self) -> bool:
        """Whether a rule of its own that is not a mere recommendation caught a fault."""
        return self.state == "caught" and any(_counts(catch) for catch in self.own)

    def failures(self) -> Iterator[str]:
        """What keeps it from being proved, a sentence each."""
        if self.state == "missed":
            yield f"{self.id} is missed: {', '.join(self.silent)} did not fail."
        if self.state == "false alarm":
            alarms = ", ".join(catch.rule for catch in self.alarms)
            yield f"{self.id} ({self.dialect}) is legal, and {alarms} failed."
        if self.unjudged and not self.because:
            silent = ", ".join(one.rule for one in self.unjudged)
            yield f"{self.id} ({self.dialect}) leaves unjudged {silent} and does not say why."
        if self.kind == "fault" and self.is_caught_at_spec and self.by_default == "unnamed":
            yield f"{self.id} is named only where its capability is claimed."
        if self.is_unexplained:
            yield f"{self.id} trips {len(self.beyond)} rules beyond its own and does not say why."
        yield from (f"{self.id}: {broken}" for broken in self.broken)

    @property
    def alarms(self) -> list[Catch]:
        """What rules that are not mere recommendations said."""
        return [catch for catch in self.catches if _counts(catch)]


@dataclass(frozen=True, slots=True)
class MutatedAnswer:
    """The single mutations of one recorded answer; `missed` says of each that no rule pointed at it."""

    answer: str
    tried: int
    missed: list[str]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two faults at once.

    Each is `named` by a rule of its own; or `masked`: where it shows alone, what its rules read did not come,
    or they fail because of the other, or both take hold of one place; or `hidden`: its rules pass there.
    """

    faults: tuple[str, str]
    named: list[str]
    masked: list[str]
    hidden: list[str]

    def failures(self) -> Iterator[str]:
        """What keeps it from being proved, a sentence each."""
        for fault in self.hidden:
            other = next(one for one in self.faults if one != fault)
            yield f"{fault} is missed beside {other}."


@dataclass(frozen=True, slots=True)
class Retrial:
    """A fault tried in another way; `silent` are its rules that neither fail nor are waived there."""

    fault: str
    way: Way
    silent: list[str]

    def failures(self) -> Iterator[str]:
        """What keeps it from being proved, as a sentence.

        A dialect need not send what a fault takes hold of: what is silent there is shown and counted alone.
        """
        if self.silent and self.way != "in DashScope's dialect":
            yield f"{self.fault}, {self.way}, is missed: {', '.join(self.silent)} did not fail."


@dataclass(frozen=True, slots=True)
class Row:
    """A known deviation: the faults that repeat it, the variations that it is, or why it is neither."""

    id: str
    damage: str
    symptom: str
    faults: list[str]
    variations: list[str]
    reason: str


@dataclass(frozen=True, slots=True)
class Proof:
    """The content of proof.json. Times are ISO 8601 in UTC; `is_complete` is False for a part of the whole.

    `untripped` are the rules that no fault tripped.
    """

    schema: Schema
    started: str
    finished: str
    is_complete: bool
    environment: Environment
    trials: list[Trial]
    mutated: list[MutatedAnswer]
    pairs: list[Pair]
    retrials: list[Retrial]
    rows: list[Row]
    untripped: list[str]

    def of_kind(self, *kinds: Kind) -> list[Trial]:
        """The trials of these kinds."""
        return [trial for trial in self.trials if trial.kind in kinds]

    @property
    def caught(self) -> tuple[int, int]:
        """How many faults were caught by a rule of any level, of how many."""
        return _good(self.of_kind("fault"))

    @property
    def sensitivity(self) -> tuple[int, int]:
        """How many faults were caught at level spec, of how many: what an exit code would tell."""
        faults = self.of_kind("fault")
        return sum(trial.is_good and trial.is_caught_at_spec for trial in faults), len(faults)

    @property
    def named_by_default(self) -> tuple[int, int]:
        """How many faults a check without any claim names, of how many."""
        faults = self.of_kind("fault")
        return sum(trial.by_default == "named" for trial in faults), len(faults)

    @property
    def side_findings(self) -> tuple[float, int]:
        """How many rules beyond its own a fault trips: the median, and the most."""
        beyond = [len(trial.beyond) for trial in self.of_kind("fault")]
        return (median(beyond), max(beyond)) if beyond else (0.0, 0)

    @property
    def specificity(self) -> tuple[int, int]:
        """How many trials of right answers were quiet at level spec, of how many."""
        return _good(self.of_kind("variation", "truth"))

    @property
    def advised(self) -> int:
        """How many trials of right answers get a recommendation and no alarm."""
        legal = self.of_kind("variation", "truth")
        return sum(bool(trial.catches) and not trial.alarms for trial in legal)

    @property
    def unjudged(self) -> list[Trial]:
        """The trials of right answers in which a rule that passes on the truth was not judged."""
        return [trial for trial in self.trials if trial.unjudged]

    @property
    def mutations(self) -> tuple[int, int]:
        """How many single mutations were caught, of how many."""
        tried = sum(one.tried for one in self.mutated)
        return tried - sum(len(one.missed) for one in self.mutated), tried

    def failures(self) -> Iterator[str]:
        """What keeps this from being a proof, a sentence each."""
        for trial in self.trials:
            yield from trial.failures()
        for pair in self.pairs:
            yield from pair.failures()
        for retrial in self.retrials:
            yield from retrial.failures()
        for answer in self.mutated:
            yield from (f"{answer.answer}: nobody points at {missed}." for missed in answer.missed)

    @property
    def exit_code(self) -> int:
        """0 when everything is proved, 1 when something is not."""
        return 1 if any(self.failures()) else 0


def _counts(catch: Catch) -> bool:
    return catch.level != "recommended"


def _good(trials: Sequence[Trial]) -> tuple[int, int]:
    return sum(trial.is_good for trial in trials), len(trials)


def untripped(rules: Iterable[str], trials: Iterable[Trial]) -> list[str]:
    """The rules that no fault tripped."""
    faults = [trial for trial in trials if trial.kind == "fault"]
    tripped = {catch.rule for trial in faults for catch in (*trial.catches, *trial.followed)}
    return [rule for rule in rules if rule not in tripped]


def save(proof: Proof, folder: Path) -> Path:
    """Write proof.json, whole or not at all."""
    path = folder / "proof.json"
    with whole(path) as unfinished:
        unfinished.write_bytes(orjson.dumps(proof, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return path


def load(folder: Path) -> Proof:
    """The proof of a folder; raises RunFolderError when there is none that this version can read."""
    from pydantic import TypeAdapter, ValidationError

    path = folder / "proof.json"
    try:
        return TypeAdapter(Proof).validate_json(path.read_bytes())
    except OSError as error:
        raise RunFolderError(
            f"{folder} holds no proof: proof.json can't be read ({error.strerror}).",
            "Name a folder that `likewise prove --out` wrote.",
        ) from error
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = one_line(".".join(map(str, first["loc"])), _PLACE_CHARS) or "the whole"
        raise RunFolderError(
            f"{path} is not a proof that this version reads: {place}: {first['msg']}.",
            "Run `likewise prove` again, or use the version that wrote it.",
        ) from error


def json_schema() -> dict[str, object]:
    """The JSON Schema (2020-12) of proof.json, as it is published."""
    from pydantic import TypeAdapter

    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://likewise.dev/schemas/proof.json",
        **TypeAdapter(Proof).json_schema(),
    }
