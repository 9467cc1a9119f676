"""Discovery: what an endpoint can do, found out by asking once for each thing that it does not claim.

A probe is a call of an operation that needs a set of capabilities which are not claimed, and little else.
Where it is refused cleanly, nothing more is asked of the operation that needs this set in that mode. Where it
is answered, rightly or wrongly, all is asked and judged as if it were claimed.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any

from harness.evidence import Observation
from harness.plan import Call, Key, ProbedSet, probed_set
from harness.scenario import Mode

_OTHER: Mapping[Mode, Mode] = {Mode.PLAIN: Mode.STREAM, Mode.STREAM: Mode.PLAIN}


class Turn(Enum):
    """What becomes of a call, by what has been seen until now."""

    NOW = "its capabilities are claimed, or were seen"
    LATER = "a probe of what it needs has still to be asked"
    NEVER = "a probe of what it needs was refused"


@dataclass(frozen=True)
class Discovery:
    """What is claimed, and the calls among which the probes are."""

    claims: frozenset[str]
    calls: tuple[Call, ...]

    @cached_property
    def _probes(self) -> Mapping[tuple[ProbedSet, Mode], Call]:
        probes = (call for call in self.calls if call.is_probe)
        return {(probed_set(call.scenario, self.claims), call.mode): call for call in probes}

    def turn(self, call: Call, seen: Mapping[Key, Observation]) -> Turn:
        """Whether a call is to be asked, given what was seen."""
        probes = self.probes_of(call)
        if any(probe.key in seen and seen[probe.key].is_unsupported for probe in probes):
            return Turn.NEVER
        return Turn.NOW if all(probe.key in seen for probe in probes) else Turn.LATER

    def refusal(self, call: Call, seen: Mapping[Key, Observation]) -> Observation | None:
        """The probe whose refusal is why a call is not asked, or is its answer; None where there is none."""
        probes = [seen[probe.key] for probe in (*self.probes_of(call), call) if probe.key in seen]
        return next((probe for probe in probes if probe.is_unsupported), None)

    def awaited(self, call: Call, seen: Mapping[Key, Observation]) -> Call:
        """The simplest probe that a call has to wait for."""
        waiting = [probe for probe in self.probes_of(call) if probe.key not in seen]
        return min(waiting, key=lambda probe: len(probe.scenario.needs))

    def probes_of(self, call: Call) -> tuple[Call, ...]:
        """The other calls that show whether the endpoint can do what a call needs."""
        operation, missing = probed_set(call.scenario, self.claims)
        sets = (one for one in self._probed_sets if one[0] == operation and one[1] <= missing)
        probes = (self._probe(some, call.mode) for some in sets)
        return tuple(probe for probe in probes if probe.key != call.key)

    @cached_property
    def _probed_sets(self) -> tuple[ProbedSet, ...]:
        return tuple(dict.fromkeys(some for some, _ in self._probes))

    def _probe(self, some: ProbedSet, mode: Mode) -> Call:
        """The probe of a set in a mode, or in the other one where it is asked in no other."""
        return self._probes.get((some, mode)) or self._probes[some, _OTHER[mode]]


_EMBEDS = re.compile(r"embed|\bbge\b|\bgte\b|\be5\b|minilm", re.IGNORECASE)
_LONGEST_LIST = 10_000
"""A list of models is looked through as far as this; it is judged whole."""


def embedding_model(listed: Iterable[Any]) -> str | None:
    """The first model of a list whose name says that it makes embeddings; None where there is none."""
    names = (name for name, _ in zip(listed, range(_LONGEST_LIST), strict=False) if isinstance(name, str))
    return next((name for name in names if _EMBEDS.search(name) and "rerank" not in name.lower()), None)
