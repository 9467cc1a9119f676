"""Conformance under load: what the rule book says of every answer of a run, at a price that a run can pay.

The rules of framing, schema and order cost some 25 ms an answer; a load run has microseconds. So each answer
is first read for its signs: what is not plain in its framing, refused by the schemas' gate, or out of order
by the state machine. An answer without a sign is conformant. The first that shows certain signs is judged by
the rules themselves; those that show the same signs after it break the same rules.

Three more deviations can be seen under load only, or matter most there: see the names below.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any, TypeAlias

from harness import content
from harness.clients.reply import Reply
from harness.evidence import NO_JSON, Object, Observation, parsed
from harness.evidence.chat import DONE
from harness.judge import judge
from harness.load.record import Answered, Outcome, RequestRecord
from harness.load.workload import LoadRequest
from harness.rule import Rule
from harness.scenario import PATHS, Ask, Mode, Scenario
from harness.schemas import conforms, violations
from harness.stream_machine import chat_defects
from harness.target import Waiver
from harness.verdict import Outcome as Judged
from harness.wire.exchange import Ending, Exchange, Read, Request, Response
from harness.wire.sse import read_events

TRUNCATED = "the answer is cut off"
USAGE_LOST = "the usage chunk is missing"
FOREIGN = "the answer is another request's"
"""Deviations that are no rule's: the nonce of another request in an answer, and what breaks off."""

_LAYERS = (
    "stream.test_framing",
    "stream.test_chunks",
    "stream.test_order",
    "stream.test_usage",
    "http.test_transport",
    "chat.test_completion",
    "embeddings.test_embeddings",
)
"""The files of suites/ whose rules judge one answer by itself."""

_USAGE_RULES = frozenset({"stream.usage-given"})
_UNJUDGED = frozenset(
    {
        Outcome.UNREACHABLE,
        Outcome.TIMEOUT,
        Outcome.OVERSIZED,
        Outcome.CLIENT_ERROR,
        Outcome.RATE_LIMITED,
    }
)
_CUT = frozenset({Outcome.CUT, Outcome.RESET, Outcome.UNFINISHED})
_KINDS_KEPT = 500

Signs: TypeAlias = frozenset[str]


@dataclass(slots=True)
class Judge:
    """Judges the answers of a run; `waivers` are those of the target and of its dialect."""

    waivers: Sequence[Waiver] = ()
    kinds: dict[tuple[str, Mode, Signs], tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Load rules and schemas now: the first answer of a run must not hold up those that are due."""
        _rules()
        for kind in ("chat_completion_chunk", "chat_completion", "embeddings", "error"):
            conforms(kind, {}, "spec")

    def deviations(self, answered: Answered, asked: LoadRequest) -> tuple[str, ...] | None:
        """The rules that an answer breaks, and more; None where there is no answer to judge."""
        outcome = answered.record.outcome
        if outcome in _UNJUDGED or answered.record.status is None:
            return None
        own = [TRUNCATED] if outcome in _CUT else []
        answer = _read(answered, is_read=asked.expects_echo)
        if asked.expects_echo and _is_foreign(answer.text, asked.nonce):
            own.append(FOREIGN)
        signs = answer.signs | _usage_sign(answered, answer)
        if not signs:
            return tuple(own)
        kind = (asked.operation, answered.record.mode, signs)
        if kind not in self.kinds and len(self.kinds) < _KINDS_KEPT:
            self.kinds[kind] = tuple(_broken_rules(answered, asked, self.waivers))
        broken = self.kinds.get(kind, ("deviates, in a way of its own",))
        return tuple(USAGE_LOST if rule in _USAGE_RULES else rule for rule in broken) + tuple(own)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a cheap reading sees of an answer; `text` is whole only where it is to be read."""

    signs: Signs
    text: str
    has_usage: bool


def _read(answered: Answered, *, is_read: bool) -> _Answer:
    record, media = answered.record, _media_type(answered)
    if record.status != 200:
        body = parsed(answered.body)
        return _Answer(frozenset(_error_signs(record, body)), "", has_usage=False)
    if record.mode is Mode.STREAM:
        return _read_stream(answered, media, is_read=is_read)
    body = parsed(answered.body)
    if not isinstance(body, dict):
        return _Answer(frozenset({"no JSON object"}), "", has_usage=False)
    kind = "embeddings" if "data" in body else "chat_completion"
    signs = {*_schema_signs(kind, body), *_usage_signs(body.get("usage"))}
    if media != "application/json":
        signs.add(f"media type {media}")
    return _Answer(frozenset(signs), str(body.get("choices", "")), has_usage="usage" in body)


def _error_signs(record: RequestRecord, body: Any) -> Iterator[str]:
    yield f"HTTP {record.status}"
    if body is NO_JSON or not conforms("error", body, "spec"):
        yield "no error object"


def _read_stream(answered: Answered, media: str, *, is_read: bool) -> _Answer:
    payloads, signs = _payloads(answered, is_read=is_read)
    if media != "text/event-stream":
        signs.add(f"media type {media}")
    bodies = [payload for payload in payloads if not isinstance(payload, str)]
    for body in bodies:
        if body.get("error") is None and not conforms("chat_completion_chunk", body, "spec"):
            signs.update(_schema_signs("chat_completion_chunk", body))
    is_whole = answered.record.outcome not in _CUT
    signs.update(defect.name for defect in chat_defects(payloads, is_whole=is_whole))
    for key in ("id", "model", "created"):
        if len({repr(body[key]) for body in bodies if body.get(key)}) > 1:
            signs.add(f"several {key}")
    usages = [body["usage"] for body in bodies if body.get("usage") is not None]
    for usage in usages:
        signs.update(_usage_signs(usage))
    return _Answer(frozenset(signs), _text(bodies), has_usage=bool(usages))


def _payloads(answered: Answered, *, is_read: bool) -> tuple[list[Object | str], set[str]]:
    """The payloads of a stream's events, and the signs of its framing."""
    body = answered.body
    if answered.data is not None:
        # a chunk that differs from two before it in its text alone has the same schema and leads the state
        # machine nowhere else, so that only whoever reads the text has to open it
        every = (part[6:] for part in body.split(b"\n\n")[:-1])
        return _parsed_payloads(every if is_read else answered.data)
    signs: set[str] = set()
    data = []
    for event in read_events([(0, body)]):
        signs.update(f"line ends in {line.terminator!r}" for line in event.lines if line.terminator != b"\n")
        signs.update(
            "comment" if line.is_comment else f"field {line.field}" for line in event.lines if line.raw
        )
        if not event.ended:
            signs.add("an event that does not end")
        elif event.data is not None:
            data.append(event.data.encode())
        elif not event.comments:
            signs.add("an empty event")
    payloads, more = _parsed_payloads(data)
    return payloads, (signs | more) - {"field data"}


def _parsed_payloads(data: Iterable[bytes]) -> tuple[list[Object | str], set[str]]:
    """The payloads, and whether some are none."""
    payloads: list[Object | str] = []
    signs: set[str] = set()
    for piece in data:
        if piece == b"[DONE]":
            payloads.append(DONE)
        elif isinstance(body := parsed(piece), dict):
            payloads.append(body)
        else:
            signs.add("no JSON object")
    return payloads, signs


def _schema_signs(kind: str, body: Object) -> set[str]:
    if conforms(kind, body, "spec"):
        return set()
    return {f"{kind} {found.keyword} {_place(found.pointer)}" for found in violations(kind, body, "spec")}


def _place(pointer: str) -> str:
    return "/".join("*" if step.isdigit() else step for step in pointer.split("/"))


def _usage_signs(usage: object) -> set[str]:
    if not isinstance(usage, dict):
        return set()
    counts = [usage.get(f"{name}_tokens") for name in ("prompt", "completion", "total")]
    prompt, completion, total = (count if isinstance(count, int) else 0 for count in counts)
    return set() if prompt + completion == total else {"usage does not add up"}


def _usage_sign(answered: Answered, answer: _Answer) -> Signs:
    """Usage that a stream was asked for and did not give."""
    record = answered.record
    if record.mode is not Mode.STREAM or record.status != 200 or answer.has_usage:
        return frozenset()
    return frozenset({"no usage"}) if b"include_usage" in answered.request else frozenset()


def _text(bodies: Iterable[Object]) -> str:
    pieces = []
    for body in bodies:
        choices = body.get("choices")
        if isinstance(choices, list) and choices and isinstance(choices[0], dict):
            delta = choices[0].get("delta")
            if isinstance(delta, dict) and isinstance(delta.get("content"), str):
                pieces.append(delta["content"])
    return "".join(pieces)


def _is_foreign(text: str, nonce: str) -> bool:
    """Whether a text holds a nonce, and not this request's. A model that repeats nothing proves nothing."""
    words = "".join(char if char.isalnum() else " " for char in text).split()
    nonces = {word for word in words if len(word) == len(nonce) and set(word) <= set("0123456789abcdef")}
    return bool(nonces) and nonce not in nonces


def _media_type(answered: Answered) -> str:
    for name, value in answered.headers:
        if name.lower() == "content-type":
            return value.partition(";")[0].strip().lower()
    return ""


# --- the rules themselves ---


@cache
def _rules() -> tuple[Rule, ...]:
    return tuple(
        rule
        for rule in content.rules().values()
        if rule.check.__module__.endswith(_LAYERS) and rule.level != "recommended"
    )


def _broken_rules(answered: Answered, asked: LoadRequest, waivers: Sequence[Waiver]) -> Iterator[str]:
    """The rules of the layers that fail on an answer."""
    for verdict in judge(_rules(), [observation(answered, asked)], waivers, date.today()):
        if verdict.outcome is Judged.FAIL:
            yield verdict.rule


def observation(answered: Answered, asked: LoadRequest) -> Observation:
    """An answer as evidence."""
    record = answered.record
    sent = parsed(answered.request)
    options = sent.get("stream_options") if isinstance(sent, dict) else None
    stream_params = {} if options is None else {"stream_options": options}
    scenario = Scenario("load", "A request of a load run.", Ask(asked.operation, asked.params, stream_params))
    sent_ns = record.sent_ns or record.start_ns
    started_ns = record.first_byte_ns or record.ended_ns
    request = Request("POST", f"http://load{PATHS[asked.operation]}", (), answered.request, sent_ns)
    response = Response(record.status or 0, "HTTP/1.1", answered.headers, started_ns, tuple(_reads(answered)))
    ended = Ending.CUT if record.outcome in {Outcome.CUT, Outcome.RESET} else Ending.COMPLETE
    exchange = Exchange(request, response, ended, record.ended_ns, record.detail)
    return Observation(scenario, record.client, "", record.mode, exchange, Reply())


def _reads(answered: Answered) -> Iterator[Read]:
    start = 0
    for arrived_ns, end in answered.pieces or ((answered.record.ended_ns, len(answered.body)),):
        yield Read(arrived_ns, answered.body[start:end])
        start = end
