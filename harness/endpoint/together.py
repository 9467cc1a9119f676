"""Whether departures can stand together: what each changes alone has to show beside the others, too.

Nothing is declared of pairs. The departures are tried on sample requests, without a socket: one that changes
an answer alone and none beside the others is masked, and one may fail on what the others made of an answer. A
departure that no sample shows is let pass: of it nothing is known.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

import orjson

from harness.endpoint.answer import Answer, Headers, Json, JsonObject, Wire
from harness.endpoint.answering import answered, check_key, encoded, wired
from harness.endpoint.departure import Asked, Departure
from harness.endpoint.dialects import Dialect
from harness.endpoint.handlers import HANDLERS, Incoming
from harness.endpoint.prefix_cache import PrefixCache
from harness.endpoint.refusal import Refusal, unparsable
from harness.endpoint.responses import Store
from harness.endpoint.stamp import Stamp
from harness.errors import UsageError

_KEY = "sk-sample"
_STAMP = Stamp("sample", 1_764_000_000)


def check_together(dialect: Dialect, departures: Sequence[Departure]) -> None:
    """Raises `UsageError` for the first departure that does not show beside the others."""
    if len(departures) < 2:
        return
    samples = [
        _Sample(dialect, replace(asked, ordinal=number)) for number, asked in enumerate(_requests(dialect))
    ]
    for one in departures:
        if _is_masked(samples, one, departures):
            pairs = [[each for each in departures if each in (one, other)] for other in departures]
            clash = next((pair for pair in pairs if _is_masked(samples, one, pair)), departures)
            others = " and ".join(repr(each.id) for each in clash if each is not one)
            turned = clash[::-1]
            raise UsageError(
                f"{one.id!r} does not show beside {others}: they take hold of the same place.",
                "Serve one of them at a time."
                if any(_is_masked(samples, each, turned) for each in turned)
                else f"Name them in the other order: {' '.join(f'--fault {each.id}' for each in turned)}",
            )


class Effect(Enum):
    """What becomes of a departure beside others, in one sample."""

    NONE = "it does not show here, not even alone"
    SHOWN = "it shows"
    HIDDEN = "it shows alone, and not beside the others"
    FAILS = "it fails on what the others made of the answer"


@dataclass(frozen=True, slots=True)
class _Sample:
    """A request, and what was answered to it, by what departures made of the request."""

    dialect: Dialect
    asked: Asked
    answers: list[tuple[Asked, Answer | Refusal]] = field(default_factory=list)

    def outcome(self, departures: Sequence[Departure]) -> Wire | str:
        """What these departures make of the answer; an error's name where one of them fails on it."""
        try:
            answer = answered(self.dialect, departures, self.asked, self._answer, _STAMP.unique)
            wire = encoded(self.dialect, answer, lambda _: 0.0, _STAMP.unique)
            return wired(departures, self.asked, wire)
        except Exception as error:  # noqa: BLE001  # whatever a departure raises, it does not stand here
            return type(error).__name__

    def effect(self, one: Departure, departures: Sequence[Departure]) -> Effect:
        """What a departure changes here beside others: more than the order of keys, if it does alone."""
        truth, alone = self.outcome([]), self.outcome([one])
        if isinstance(alone, str) or isinstance(truth, str) or alone == truth:
            return Effect.NONE
        before = self.outcome([other for other in departures if other is not one])
        after = self.outcome(departures)
        if isinstance(before, str) or isinstance(after, str):
            return Effect.FAILS if isinstance(before, Wire) else Effect.HIDDEN
        is_of_order = _keys_in_order(alone) == _keys_in_order(truth)
        is_hidden = before == after if is_of_order else _keys_in_order(before) == _keys_in_order(after)
        return Effect.HIDDEN if is_hidden else Effect.SHOWN

    def _answer(self, asked: Asked) -> Answer:
        """The answer, the same to the same request, whatever in it is drawn or told by the clock."""
        known = next((answer for seen, answer in self.answers if seen == asked), None)
        if known is None:
            try:
                known = _handled(self.dialect, asked)
            except Refusal as refused:
                known = refused
            self.answers.append((asked, known))
        if isinstance(known, Refusal):
            raise known
        return known


def _is_masked(samples: Sequence[_Sample], one: Departure, departures: Sequence[Departure]) -> bool:
    """Whether it shows in some sample alone and in none beside the others, or fails in one beside them."""
    effects = {sample.effect(one, departures) for sample in samples} - {Effect.NONE}
    return Effect.FAILS in effects or effects == {Effect.HIDDEN}


def _keys_in_order(wire: Wire) -> tuple[int, Headers, bool, list[bytes]]:
    """An answer whose objects have their keys in one order."""
    lines = [line for write in wire.writes for line in write.data.split(b"\n")]
    return wire.status, wire.headers, wire.is_cut, [_with_keys_in_order(line) for line in lines]


def _with_keys_in_order(line: bytes) -> bytes:
    head, brace, rest = line.partition(b"{")
    try:
        return head + orjson.dumps(orjson.loads(brace + rest), option=orjson.OPT_SORT_KEYS)
    except orjson.JSONDecodeError:
        return line


def _handled(dialect: Dialect, asked: Asked) -> Answer:
    check_key(asked)
    if asked.body is None:
        raise unparsable()
    template, params = _route(asked.path)
    incoming = Incoming(dialect, asked.body, params, _STAMP, Store(), PrefixCache())
    return HANDLERS[template][asked.method](incoming)


def _route(path: str) -> tuple[str, Mapping[str, str]]:
    if path.startswith("/models/"):
        return "/models/{model:path}", {"model": path.removeprefix("/models/")}
    return path, {}


# --- samples ---

_CITY: JsonObject = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
_FUNCTION: JsonObject = {"name": "get_weather", "description": "Get the weather.", "parameters": _CITY}
_TOOLS: list[Json] = [{"type": "function", "function": _FUNCTION}]
_WEATHER = "What is the weather in Paris and Tokyo?"
_USAGE: JsonObject = {"stream_options": {"include_usage": True}}
_SCHEMA: JsonObject = {"name": "city", "schema": _CITY, "strict": True}
_CALL: JsonObject = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": "{}"},
}
_RESULT: list[Json] = [
    {"role": "user", "content": _WEATHER},
    {"role": "assistant", "content": None, "tool_calls": [_CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
]
_PARTS: list[Json] = [{"type": "text", "text": "Say hi"}]
_CHATS: tuple[JsonObject, ...] = (
    {"messages": [{"role": "user", "content": "Say exactly: “你好入 🙂 \u2028 end”"}]},
    {"messages": [{"role": "user", "content": _PARTS}], "temperature": 0.5, "user": "u", "stop": None},
    {"messages": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Say hi"}]},
    {"messages": [{"role": "user", "content": "My name is Ada."}, {"role": "system", "content": "Be kind."}]},
    {"messages": [{"role": "user", "content": _WEATHER}], "tools": _TOOLS, "parallel_tool_calls": True},
    {"messages": [{"role": "user", "content": _WEATHER}], "tools": _TOOLS, "tool_choice": "none"},
    {"messages": [{"role": "user", "content": "hi"}], "tools": _TOOLS, "tool_choice": "required"},
    {"messages": _RESULT, "tools": _TOOLS},
    {"messages": [{"role": "user", "content": "Count from 1 to 100"}], "max_tokens": 5},
    {"messages": [{"role": "user", "content": "Count from 1 to 100"}], "max_completion_tokens": 1},
    {"messages": [{"role": "user", "content": "hi"}], "n": 2, "logprobs": True, "top_logprobs": 2},
    {"messages": [{"role": "user", "content": "Say exactly: one two three"}], "stop": ["two"], "seed": 7},
    {
        "messages": [{"role": "user", "content": "A city as JSON."}],
        "response_format": {"type": "json_object"},
    },
    {
        "messages": [{"role": "user", "content": "A city."}],
        "response_format": {"type": "json_schema", "json_schema": _SCHEMA},
    },
    {"messages": [{"role": "user", "content": "hi"}], "reasoning_effort": "low", "no_such_parameter": 1},
    {"messages": [{"role": "user", "content": "hi"}], "temperature": 3},
    {"messages": [{"role": "nobody", "content": "hi"}]},
    {"messages": [], "n": "x"},
)
_TEXTS: tuple[JsonObject, ...] = (
    {"input": "Say exactly: 你好 end"},
    {"input": [{"role": "user", "content": "Say hi"}], "instructions": "Be brief."},
    {"input": _WEATHER, "tools": [{"type": "function", **_FUNCTION}]},
    {"input": "A city.", "text": {"format": {"type": "json_schema", **_SCHEMA}}},
    {"input": "Count from 1 to 100", "max_output_tokens": 16},
    {"input": 42},
)
_PROMPTS: tuple[JsonObject, ...] = (
    {"prompt": "Say hi", "logprobs": 2},
    {"prompt": ["Count from 1 to 100", "Say hi"], "max_tokens": 5, "n": 2, "stop": "3", "echo": True},
)
_EMBEDDED: tuple[JsonObject, ...] = (
    {"input": ["a", "b"]},
    {"input": "a", "encoding_format": "base64", "dimensions": 64},
    {"input": [[1, 2]]},
    {"input": ["a"] * 64},
)


def _requests(dialect: Dialect) -> Iterator[Asked]:
    """Requests of every operation, plain and streamed, right and wrong."""
    for path, model, bodies in (
        ("/chat/completions", dialect.model, _CHATS),
        ("/responses", dialect.model, _TEXTS),
        ("/completions", dialect.completion_model, _PROMPTS),
    ):
        usage = {} if path == "/responses" else _USAGE
        for body in bodies:
            yield _asked(dialect, path, {"model": model, **body})
            yield _asked(dialect, path, {"model": model, **body, "stream": True})
            yield _asked(dialect, path, {"model": model, **body, "stream": True, **usage})
    for body in _EMBEDDED:
        yield _asked(dialect, "/embeddings", {"model": dialect.embedding_model, **body})
    for path in ("/models", f"/models/{dialect.model}", "/models/no-such-model"):
        yield replace(_asked(dialect, path, {}), method="GET")
    plain = _asked(dialect, "/chat/completions", {"model": "no-such-model", **_CHATS[0]})
    yield from (plain, replace(plain, body=None), replace(plain, key=""), replace(plain, key="sk-wrong"))


def _asked(dialect: Dialect, path: str, body: JsonObject) -> Asked:
    return Asked("POST", path, 0, _KEY, _KEY, dialect.models, body)
