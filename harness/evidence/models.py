"""Models evidence: the list of models, and one model by its name."""

from dataclasses import dataclass
from typing import ClassVar, Self
from urllib.parse import unquote, urlsplit

from harness.evidence import PLAIN, Cells, Object, Observation, objects, success
from harness.evidence.grounds import OF_A_BODY, Grounds
from harness.scenario import PATHS, Http, Scenario

_ONE = f"{PATHS['models']}/"


@dataclass(frozen=True)
class ModelList:
    """The answer to GET /models."""

    MODES: ClassVar[Cells] = PLAIN
    RESTS_ON: ClassVar[Grounds] = OF_A_BODY

    observation: Observation
    body: Object

    @staticmethod
    def applies(scenario: Scenario) -> bool:
        """Scenarios that ask for the list."""
        return scenario.is_answered_by("models")

    @classmethod
    def of(cls, observation: Observation) -> Self:
        """The list of an observation."""
        return cls(observation, success(observation))

    @property
    def models(self) -> tuple[tuple[str, Object], ...]:
        """JSON pointer and object of each model."""
        return tuple(objects(self.body.get("data"), "/data"))


@dataclass(frozen=True)
class RetrievedModel:
    """The answer to GET /models/{model}."""

    MODES: ClassVar[Cells] = PLAIN
    RESTS_ON: ClassVar[Grounds] = OF_A_BODY

    observation: Observation
    body: Object

    @staticmethod
    def applies(scenario: Scenario) -> bool:
        """Scenarios that ask for one model and get it."""
        ask = scenario.ask
        return (
            scenario.is_answered
            and isinstance(ask, Http)
            and ask.method == "GET"
            and ask.path.startswith(_ONE)
        )

    @classmethod
    def of(cls, observation: Observation) -> Self:
        """The model of an observation."""
        return cls(observation, success(observation))

    @property
    def asked_id(self) -> str:
        """The name that was asked for; it may hold slashes, which travel percent-encoded."""
        path = urlsplit(self.observation.exchange.request.url).path
        return unquote(path.rpartition(_ONE)[2])
