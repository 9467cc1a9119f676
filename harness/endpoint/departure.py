"""A departure: one named way in which the endpoint differs from what it would say.

    @fault("cn-created-missing.absent", on=COMPLETION, shows=("founding",), caught_by=("chat.schema-must",))
    def created_absent(body: Any) -> None:
        \"\"\"The key created is missing.\"\"\"
        del body["created"]

A *fault* is wrong and has to be noticed; a *variation* is legal and must not be. Either is one small
function, and `on` says over what: a request, a JSON object, the objects of a stream, a whole answer, the
bytes of a body or the writes to the socket. A function over JSON gets a copy; it changes it in place, or
returns another value. The departures of a running endpoint are applied one by one, as they are named.

The docstring's first line says what is wrong on the wire. `shows` and `caught_by` are names that mean nothing
here: who proves the suites knows which requests they stand for, and which rules have to fail.
"""

import copy
import inspect
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from types import ModuleType
from typing import Any, TypeAlias, cast

from harness.endpoint.answer import Answer, JsonObject, Kind, Piece, Wire, Write


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as departures see it.

    `path` is below the base path, `ordinal` counts the requests of the endpoint from 0. `key` is what came
    in the Authorization header, `right_key` and `models` are what the endpoint serves with: the chat model
    first, the embedding model last. `body` is None when what came is no JSON object.
    """

    method: str
    path: str
    ordinal: int
    key: str
    right_key: str
    models: tuple[str, ...]
    body: JsonObject | None

    @property
    def operation(self) -> str:
        """What is asked for: `chat`, `completions`, `embeddings`, `models`, `responses`."""
        return self.path.strip("/").partition("/")[0]

    @property
    def is_stream(self) -> bool:
        """Whether a stream is asked for."""
        return bool((self.body or {}).get("stream"))


class Stage(StrEnum):
    """Where a departure takes hold: before the answer is made, on its objects, on its bytes."""

    REQUEST = "request"
    ANSWER = "answer"
    WIRE = "wire"


Change: TypeAlias = Callable[[Asked, Any], Any]
"""From the request and what the stage holds (an `Asked`, `Answer` or `Wire`) to another of the same type."""
Small: TypeAlias = Callable[..., Any]
"""The function that a departure is written as; what it takes and gives is up to `on`."""
On: TypeAlias = Callable[[Small], tuple[Stage, Change]]


@dataclass(frozen=True, slots=True)
class Departure:
    """A fault or a variation.

    `rows` are the known deviations that it repeats; `source` says where it is from when there is none.
    `beside` names variations that have to be there for it to show. `because` says why a fault trips many
    rules beyond its own, or why a variation leaves rules without anything to judge; else it is empty.
    `change` raises `Refusal` at the stage of the request.
    """

    id: str
    is_fault: bool
    sentence: str
    rows: tuple[str, ...]
    source: str
    shows: tuple[str, ...]
    caught_by: tuple[str, ...]
    beside: tuple[str, ...]
    because: str
    stage: Stage
    change: Change

    def requested(self, asked: Asked) -> Asked:
        """The request that the endpoint answers."""
        return cast("Asked", self.change(asked, asked)) if self.stage is Stage.REQUEST else asked

    def answered(self, asked: Asked, answer: Answer) -> Answer:
        """What is said."""
        return cast("Answer", self.change(asked, answer)) if self.stage is Stage.ANSWER else answer

    def wired(self, asked: Asked, wire: Wire) -> Wire:
        """How it is said."""
        return cast("Wire", self.change(asked, wire)) if self.stage is Stage.WIRE else wire


def fault(
    fault_id: str,
    *,
    on: On,
    shows: tuple[str, ...],
    caught_by: tuple[str, ...],
    also: tuple[str, ...] = (),
    beside: tuple[str, ...] = (),
    source: str = "",
    because: str = "",
) -> Callable[[Small], Departure]:
    """Make a fault of a function.

    `fault_id` is the known deviation that it repeats, with a variant after a dot where there are several, or
    a name of its own that `source` accounts for; `also` names further deviations with the same bytes.
    """

    def make(small: Small) -> Departure:
        own = () if source else (fault_id.partition(".")[0],)
        stage, change = on(small)
        return Departure(
            id=fault_id,
            is_fault=True,
            sentence=_sentence(small),
            rows=(*own, *also),
            source=source,
            shows=shows,
            caught_by=caught_by,
            beside=beside,
            because=because,
            stage=stage,
            change=change,
        )

    return make


def variation(
    variation_id: str,
    *,
    on: On,
    shows: tuple[str, ...],
    source: str,
    rows: tuple[str, ...] = (),
    beside: tuple[str, ...] = (),
    because: str = "",
) -> Callable[[Small], Departure]:
    """Make a legal variation of a function; `source` says why it is legal."""

    def make(small: Small) -> Departure:
        stage, change = on(small)
        return Departure(
            id=variation_id,
            is_fault=False,
            sentence=_sentence(small),
            rows=rows,
            source=source,
            shows=shows,
            caught_by=(),
            beside=beside,
            because=because,
            stage=stage,
            change=change,
        )

    return make


def departures_in(modules: Collection[ModuleType]) -> Iterator[Departure]:
    """Every departure that stands in these modules, in the order of files and lines.

    Raises ValueError when two have one id.
    """
    seen: set[str] = set()
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, Departure):
                if value.id in seen:
                    raise ValueError(f"two departures have the id {value.id!r}; an id stands for one thing")
                seen.add(value.id)
                yield value


def _sentence(small: Small) -> str:
    return (inspect.getdoc(small) or "").partition("\n")[0]


# --- over the request ---


def request(operation: str) -> On:
    """`f(body)` over the JSON bodies that are sent to an operation. It raises `Refusal` to refuse one."""

    def on(small: Small) -> tuple[Stage, Change]:
        def change(_: Asked, asked: Asked) -> Asked:
            if asked.operation != operation or not asked.body:
                return asked
            return replace(asked, body=_changed(small, asked.body))

        return Stage.REQUEST, change

    return on


def asked(small: Small) -> tuple[Stage, Change]:
    """`f(asked)` over every request, whatever it is."""
    return Stage.REQUEST, lambda _, value: small(value)


# --- over objects ---


def objects(kind: str, *, operation: str = "") -> On:
    """`f(body)` over every plain answer whose `object` is this, from one operation or from any."""

    def on(small: Small) -> tuple[Stage, Change]:
        def change(asked: Asked, answer: Answer) -> Answer:
            if answer.is_stream or answer.status != 200 or operation not in {"", asked.operation}:
                return answer
            return replace(
                answer,
                pieces=tuple(
                    replace(piece, data=_changed(small, piece.data))
                    if piece.data and piece.data.get("object") == kind
                    else piece
                    for piece in answer.pieces
                ),
            )

        return Stage.ANSWER, change

    return on


def each(operation: str) -> On:
    """`f(data)` over the JSON of each event of an operation's streams, one by one."""

    def on(small: Small) -> tuple[Stage, Change]:
        def change(asked: Asked, answer: Answer) -> Answer:
            if not _is_stream_of(operation, asked, answer):
                return answer
            return replace(
                answer,
                pieces=tuple(
                    replace(piece, data=_changed(small, piece.data)) if piece.data else piece
                    for piece in answer.pieces
                ),
            )

        return Stage.ANSWER, change

    return on


def every(operation: str) -> On:
    """`f(data)` over every JSON object that answers an operation with success, plain or as an event."""

    def on(small: Small) -> tuple[Stage, Change]:
        def change(asked: Asked, answer: Answer) -> Answer:
            if answer.status != 200 or asked.operation != operation:
                return answer
            return replace(
                answer,
                pieces=tuple(
                    replace(piece, data=_changed(small, piece.data)) if piece.data else piece
                    for piece in answer.pieces
                ),
            )

        return Stage.ANSWER, change

    return on


def events(operation: str) -> On:
    """`f(list)` over the JSON of all events of an operation's streams; an end marker stays at the end."""

    def on(small: Small) -> tuple[Stage, Change]:
        def change(asked: Asked, answer: Answer) -> Answer:
            if not _is_stream_of(operation, asked, answer):
                return answer
            said = [copy.deepcopy(piece.data) for piece in answer.pieces if piece.data is not None]
            kinds = {
                id(data): piece for data, piece in zip(said, _with_data(answer), strict=True)
            }  # the copies live until the end of this function, so that no id comes twice
            kept = list(said)
            changed = small(kept)
            pieces = [_as_piece(data, kinds.get(id(data))) for data in (kept if changed is None else changed)]
            ends = [piece for piece in answer.pieces if piece.data is None]
            return replace(answer, pieces=(*pieces, *ends))

        return Stage.ANSWER, change

    return on


def with_calls(on: On) -> On:
    """As `on`, over the answers that hold a call of a function; others are left as they are."""

    def over(small: Small) -> tuple[Stage, Change]:
        def change(data: Any) -> Any:
            bodies = data if isinstance(data, list) else [data]
            calls = (call for body in bodies for call in calls_of(body))
            return small(data) if any("function" in call for call in calls) else None

        return on(change)

    return over


def errors(small: Small) -> tuple[Stage, Change]:
    """`f(body)` over the JSON of every refusal, whatever was asked."""

    def change(_: Asked, answer: Answer) -> Answer:
        if answer.status < 400:
            return answer
        return replace(
            answer, pieces=tuple(replace(piece, data=_changed(small, piece.data)) for piece in answer.pieces)
        )

    return Stage.ANSWER, change


def answers(operation: str) -> On:
    """`f(answer)` over every answer to an operation, refusals among them."""

    def on(small: Small) -> tuple[Stage, Change]:
        return Stage.ANSWER, lambda asked, answer: small(answer) if asked.operation == operation else answer

    return on


def any_answer(small: Small) -> tuple[Stage, Change]:
    """`f(asked, answer)` over every answer."""
    return Stage.ANSWER, small


# --- over bytes ---


def stream_bytes(operation: str) -> On:
    """`f(body)` over the bytes of an operation's streams, as one body in one write."""

    def on(small: Small) -> tuple[Stage, Change]:
        return (
            Stage.WIRE,
            lambda asked, wire: (
                with_body(wire, small(_joined(wire))) if _is_stream_on(operation, asked, wire) else wire
            ),
        )

    return on


def event_bytes(operation: str) -> On:
    """`f(event)` over the bytes of each event of an operation's streams, one by one."""

    def on(small: Small) -> tuple[Stage, Change]:
        def change(asked: Asked, wire: Wire) -> Wire:
            if not _is_stream_on(operation, asked, wire):
                return wire
            return replace(
                wire, writes=tuple(replace(write, data=small(write.data)) for write in wire.writes)
            )

        return Stage.WIRE, change

    return on


def body_bytes(operation: str) -> On:
    """`f(body)` over the bytes of an operation's plain answers."""

    def on(small: Small) -> tuple[Stage, Change]:
        return (
            Stage.WIRE,
            lambda asked, wire: (
                with_body(wire, small(_joined(wire)))
                if asked.operation == operation and not is_event_stream(wire) and wire.status == 200
                else wire
            ),
        )

    return on


def stream_wire(operation: str) -> On:
    """`f(wire)` over the writes of an operation's streams."""

    def on(small: Small) -> tuple[Stage, Change]:
        return Stage.WIRE, lambda asked, wire: small(wire) if _is_stream_on(operation, asked, wire) else wire

    return on


def plain_wire(operation: str) -> On:
    """`f(wire)` over the writes of an operation's plain answers."""

    def on(small: Small) -> tuple[Stage, Change]:
        return (
            Stage.WIRE,
            lambda asked, wire: (
                small(wire)
                if asked.operation == operation and not is_event_stream(wire) and wire.status == 200
                else wire
            ),
        )

    return on


def any_wire(small: Small) -> tuple[Stage, Change]:
    """`f(wire)` over every answer."""
    return Stage.WIRE, lambda _, wire: small(wire)


def error_wire(small: Small) -> tuple[Stage, Change]:
    """`f(wire)` over every refusal."""
    return Stage.WIRE, lambda _, wire: small(wire) if wire.status >= 400 else wire


# --- what they are written with ---


def with_header(wire: Wire, name: str, value: str | None) -> Wire:
    """The wire with this header instead of those of its name; without any for None."""
    kept = tuple(pair for pair in wire.headers if pair[0] != name)
    return replace(wire, headers=kept if value is None else (*kept, (name, value)))


def with_body(wire: Wire, body: bytes) -> Wire:
    """The wire with this body in one write, and its length where the length was said before."""
    pause_ms = wire.first_ms
    wire = replace(wire, writes=(Write(wire.writes[0].kind if wire.writes else Kind.JSON, body, pause_ms),))
    if any(name == "content-length" for name, _ in wire.headers):
        return with_header(wire, "content-length", str(len(body)))
    return wire


def is_event_stream(wire: Wire) -> bool:
    """Whether the wire holds server-sent events."""
    return dict(wire.headers).get("content-type", "").startswith("text/event-stream")


def choices_of(body: Any) -> list[Any]:
    """The choices of a completion or a chunk."""
    return cast("list[Any]", body["choices"])


def calls_of(body: Any) -> Iterator[Any]:
    """Every tool call of a completion, or fragment of one in a chunk."""
    for choice in body.get("choices", ()):
        yield from choice.get("message", choice.get("delta", {})).get("tool_calls", ())


def _changed(small: Small, data: Any) -> Any:
    changing = copy.deepcopy(data)
    other = small(changing)
    return changing if other is None else other


def _with_data(answer: Answer) -> list[Piece]:
    return [piece for piece in answer.pieces if piece.data is not None]


def _as_piece(data: Any, before: Piece | None) -> Piece:
    """The piece of an object that may be new; a response's events are named by their type."""
    event = data.get("type") if isinstance(data, dict) and "sequence_number" in data else None
    return replace(before, data=data) if before else Piece(Kind.CONTENT, data, event=event)


def _is_stream_of(operation: str, asked: Asked, answer: Answer) -> bool:
    return answer.is_stream and asked.operation == operation


def _is_stream_on(operation: str, asked: Asked, wire: Wire) -> bool:
    return asked.operation == operation and is_event_stream(wire)


def _joined(wire: Wire) -> bytes:
    return b"".join(write.data for write in wire.writes)
