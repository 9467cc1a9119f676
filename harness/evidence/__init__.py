"""Evidence: what rules read. Made from observations, never from the network.

A rule names the kind of evidence that it reads by its parameter's type. Each kind is a class with `MODES`
(the modes, or pairs of modes, that one piece is made of), `RESTS_ON` (the grounds without which it says
nothing of its own), `applies` (which scenarios give it) and `of` (how it is made). `of` raises NotJudgedError
when the answer is not of that kind; other rules say what is wrong with such an answer.

Here stands what all kinds build on; the modules beside hold those of each operation.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol, Self, TypeAlias

from harness.clients.reply import Reply
from harness.evidence.grounds import NONE, Grounds
from harness.scenario import Mode, Scenario
from harness.wire import json_text
from harness.wire.exchange import Ending, Exchange, Json, Response

Object: TypeAlias = dict[str, Any]
Cells: TypeAlias = tuple[tuple[Mode, ...], ...]

EACH_MODE: Cells = ((Mode.PLAIN,), (Mode.STREAM,))
PLAIN: Cells = ((Mode.PLAIN,),)
STREAM: Cells = ((Mode.STREAM,),)
BOTH: Cells = ((Mode.PLAIN, Mode.STREAM),)


STREAMS_KEPT = 1024
"""More than the streams of a run, each of which is read once: each rule goes over all of them."""


class NotJudgedError(Exception):
    """The answer is not of the kind that a rule reads; the message says what it is instead."""


@dataclass(frozen=True, eq=False)
class Observation:
    """One call: what crossed the wire and what the client gave its user. Each is itself alone.

    `earlier` are the tries that came before `exchange`: it was asked again because of them. `is_claimed` is
    False where the target does not claim what was asked: it may refuse it.
    """

    MODES: ClassVar[Cells] = EACH_MODE
    RESTS_ON: ClassVar[Grounds] = NONE

    scenario: Scenario
    client: str
    client_version: str
    mode: Mode
    exchange: Exchange
    reply: Reply
    earlier: tuple[Exchange, ...] = ()
    is_claimed: bool = True

    @staticmethod
    def applies(scenario: Scenario) -> bool:
        """Every scenario gives an observation."""
        return bool(scenario.id)

    @classmethod
    def of(cls, observation: "Observation") -> "Observation":
        """The observation itself: that there is no answer is a thing to judge too."""
        return observation

    @property
    def tries(self) -> tuple[Exchange, ...]:
        """Every time that it was asked, in order."""
        return (*self.earlier, self.exchange)

    @property
    def came_to_nothing(self) -> str:
        """Why the answer says nothing of what was asked, such as a rate limit; empty where it does."""
        return "the client failed" if self.reply.broken else failure_of(self.exchange)

    @property
    def is_unsupported(self) -> bool:
        """Whether the endpoint refuses cleanly what it does not claim."""
        return not self.is_claimed and self.is_clean_refusal and not self.ran_out

    @property
    def response(self) -> Response:
        """The HTTP response; raises NotJudgedError when there is none, or only a rate limit's."""
        response = self.exchange.response
        if response is None:
            raise NotJudgedError(f"no answer: {self.exchange.detail}")
        if response.status == 429:
            raise NotJudgedError(f"rate limited (HTTP 429) after {len(self.tries)} tries")
        return response

    @property
    def is_clean_refusal(self) -> bool:
        """Whether it says that the endpoint does not do this: no such path, or an error object."""
        response = self.exchange.response
        if response is None or response.status in {404, 405, 501}:
            return response is not None
        says_why = isinstance(_error_of(response).get("message"), str)
        return says_why and response.status in {400, 403, 413, 415, 422}

    @property
    def is_recorded_error(self) -> bool:
        """Whether it is an error of recorded traffic, told as OpenAI tells one.

        Nothing shows whether the request was good, and it can't be asked again to see what comes then.
        """
        response = self.exchange.response
        if not self.scenario.is_recorded or response is None or response.status < 400:
            return False
        error = _error_of(response)
        return all(isinstance(error.get(key), str) for key in ("message", "type"))

    @property
    def ran_out(self) -> bool:
        """Whether it is refused because its cap was used up before anything was said.

        OpenAI's reasoning models answer so at times, instead of with an empty text that ends with `length`.
        """
        response = self.exchange.response
        return response is not None and response.status == 400 and b"limit was reached" in response.body

    @property
    def bytes_missing(self) -> int:
        """How many bytes more its Content-Length says than came of an answer that is whole without them.

        0 where the length is reached, or where what came is not whole: then the connection was cut.
        """
        response = self.exchange.response
        length = (response and response.header("content-length")) or ""
        if (
            response is None
            or self.exchange.ended in {Ending.COMPLETE, Ending.LEFT}
            or not length.isdecimal()
        ):
            return 0
        missing = int(length) - sum(len(read.data) for read in response.reads)
        return missing if missing > 0 and _is_whole(response.body) else 0

    @cached_property
    def asked(self) -> Mapping[str, Json]:
        """The JSON body that the client sent; empty when it sent none."""
        body = parsed(self.exchange.request.body)
        return body if isinstance(body, dict) else {}

    @cached_property
    def json(self) -> Any:
        """The body as JSON; raises NotJudgedError when it is not."""
        body = parsed(self.response.body)
        if body is NO_JSON:
            raise NotJudgedError(
                f"the body is {why_no_json(self.response.body)}: {shown(self.response.body)}"
            )
        return body


@dataclass(frozen=True)
class Refusal:
    """An HTTP error, where the scenario asks for one."""

    MODES: ClassVar[Cells] = EACH_MODE
    RESTS_ON: ClassVar[Grounds] = NONE

    observation: Observation

    @staticmethod
    def applies(scenario: Scenario) -> bool:
        """Scenarios that expect a refusal."""
        return not scenario.is_answered

    @classmethod
    def of(cls, observation: Observation) -> Self:
        """The refusal of an observation."""
        if observation.response.status < 400:
            raise NotJudgedError(f"HTTP {observation.response.status} instead of a refusal")
        return cls(observation)

    @property
    def error(self) -> Object:
        """The error object."""
        body = self.observation.json
        error = body.get("error") if isinstance(body, dict) else None
        if not isinstance(error, dict):
            raise NotJudgedError("no error object")
        return error


def _error_of(response: Response) -> Object:
    """The error object of a response; empty where there is none."""
    body = parsed(response.body)
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {}


_LAST_EVENTS = (b"data: [DONE]", b"data:[DONE]", b"event: response.completed", b"event: response.incomplete")


def _is_whole(body: bytes) -> bool:
    """Whether a body is JSON, or a stream that came to its last event."""
    if parsed(body) is not NO_JSON:
        return True
    last = body.rstrip().replace(b"\r\n", b"\n").rpartition(b"\n\n")[2]
    return last.startswith(_LAST_EVENTS)


_TOO_MANY_REQUESTS = 429
_NOT_IMPLEMENTED = 501


def failure_of(exchange: Exchange) -> str:
    """Why an exchange says nothing of its request, so that another try may; empty where it says something.

    HTTP 501 says something: that there is no such thing.
    """
    response = exchange.response
    if exchange.ended is Ending.UNSENT:
        return ""
    if response is None or (exchange.ended in {Ending.CUT, Ending.TIMEOUT} and not response.body):
        return exchange.ended.value
    fails = response.status >= 500 and response.status != _NOT_IMPLEMENTED
    return f"HTTP {response.status}" if fails or response.status == _TOO_MANY_REQUESTS else ""


class Evidence(Protocol):
    """A kind of evidence."""

    MODES: ClassVar[Cells]
    RESTS_ON: ClassVar[Grounds]

    @staticmethod
    def applies(scenario: Scenario) -> bool:
        """Whether a scenario gives this kind."""

    @classmethod
    def of(cls, *observations: Any) -> Any:
        """The evidence of one observation, or of one for each mode."""


def success(observation: Observation) -> Object:
    """The JSON object of an HTTP success; raises NotJudgedError for anything else."""
    status = observation.response.status
    if not 200 <= status < 300:
        raise NotJudgedError(f"HTTP {status} instead of an answer")
    body = observation.json
    if not isinstance(body, dict):
        raise NotJudgedError(f"a JSON {type(body).__name__} instead of an object")
    if body.get("error") is not None:
        raise NotJudgedError("an error object instead of an answer")
    return body


NO_JSON = object()
"""What `parsed` gives for bytes that are no JSON; None would be JSON's null."""


def parsed(data: bytes) -> Any:
    """JSON as RFC 8259 has it (no NaN, no trailing text), or NO_JSON; half characters stay as they are."""
    try:
        return json_text.read(data)
    except json_text.UnreadableJsonError:
        return NO_JSON


def why_no_json(data: bytes) -> str:
    """What bytes are that `parsed` gives NO_JSON for: no JSON, or JSON that is nested too deeply."""
    try:
        json_text.read(data)
    except json_text.UnreadableJsonError as error:
        return str(error)
    return "JSON"


def objects(value: object, pointer: str) -> Iterator[tuple[str, Object]]:
    """JSON pointer and value of each object in what should be an array of objects."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict):
                yield f"{pointer}/{index}", item


_QUOTED_TIMES = 100
"""A body is looked at so much further than it is quoted: white space at its start is not shown."""


def shown(value: object, limit: int = 120) -> str:
    """A value as a finding quotes it: short, on one line."""
    if isinstance(value, bytes):
        text = value[: _QUOTED_TIMES * limit].decode("utf-8", "replace") or "an empty body"
    else:
        text = json_text.shown(value)
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def joined(values: Iterable[object]) -> str:
    """Values for a sentence."""
    return ", ".join(shown(value) for value in values)
