"""Workloads: what a load run asks, as one TOML file each in `loadtests/workloads/`.

    sentence = "A short question and a short answer."        # required
    user = "Who are you?"                                    # required: the question, or the text to embed
    system = "You are a helpful assistant."
    operation = "chat"                                       # or "embeddings"
    prompt_tokens = { uniform = [50, 300] }                  # filler behind the question, a token a word
    output_tokens = { lognormal = [200, 0.8], max = 2000 }   # max_tokens; a number alone is a length, too
    prefix_tokens = 2000                                     # filler in the system message, always the same
    turns = 4                                                # of a conversation; earlier ones are sent along
    cacheable = "nothing"                                    # or "prefix", "everything": see Workload
    echo = true                                              # ask the model to repeat the request's nonce
    objectives = ["ttft.p95<500ms", "errors<1%"]
    [params]                                                 # anything else of the request's body
    temperature = 0

Requests are pure functions of the run's id, its seed and the request's ordinal, so that every worker builds
its own without asking anybody.
"""

import hashlib
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Literal, TypeAlias

from harness import content
from harness.errors import ConfigError, UsageError
from harness.fit import CapName
from harness.load.objectives import Objective, parse_objective
from harness.scenario import Operation
from harness.toml_table import Table, did_you_mean, parsed_table, shown_value
from harness.wire.exchange import Json

Distribution: TypeAlias = Literal["fixed", "uniform", "normal", "lognormal"]
Cacheable: TypeAlias = Literal["nothing", "prefix", "everything"]

CACHEABLE: tuple[Cacheable, ...] = ("nothing", "prefix", "everything")
_OPERATIONS: tuple[Operation, ...] = ("chat", "embeddings")
_MAX_TOKENS = 1_000_000
_MAX_SIGMA = 10
"""Of a lognormal length: beyond it, all lengths are at a bound."""

_KEYS = (
    "sentence",
    "operation",
    "system",
    "user",
    "prompt_tokens",
    "output_tokens",
    "prefix_tokens",
    "turns",
    "cacheable",
    "echo",
    "objectives",
    "params",
)
_OURS = ("model", "messages", "input", "max_tokens", "stream", "stream_options")
"""What the harness itself puts into a body."""


class Chance:
    """What everything in a request is drawn from; made only if something is: seeding takes its time."""

    def __init__(self, seed: str) -> None:
        self._seed = seed

    @cached_property
    def source(self) -> random.Random:
        """The same for the same seed."""
        return random.Random(self._seed)  # noqa: S311  # repeatable, not secret


@dataclass(frozen=True, slots=True)
class Length:
    """A length in tokens, drawn anew for each request.

    `first` and `second` are the two numbers of the distribution: the value; the bounds of uniform; mean and
    standard deviation of normal; median and sigma of lognormal.
    """

    distribution: Distribution
    first: float
    second: float = 0.0
    minimum: int = 1
    maximum: int = _MAX_TOKENS

    def draw(self, chance: Chance) -> int:
        """One length."""
        match self.distribution:
            case "fixed":
                drawn = self.first
            case "uniform":
                drawn = chance.source.uniform(self.first - 0.5, self.second + 0.5)
            case "normal":
                drawn = chance.source.gauss(self.first, self.second)
            case "lognormal":
                drawn = chance.source.lognormvariate(math.log(self.first), self.second)
        return max(self.minimum, min(self.maximum, round(drawn)))


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """One request: its operation, its body without the model and what a stream needs, and its nonce.

    `nonce` is empty where a cache may answer. An answer to a request that `expects_echo` holds the nonce.
    """

    operation: Operation
    params: Mapping[str, Json]
    nonce: str = ""
    expects_echo: bool = False


@dataclass(frozen=True, slots=True)
class Workload:
    """What is asked.

    `cacheable` says what of a prompt may be answered from a cache: with `nothing`, the nonce is the first
    thing that the model reads; with `prefix`, it stands behind what several requests share, which is all that
    was said before where there are turns; with `everything`, there is none.

    `output_cap` is how the endpoint wants the cap of an answer spelled, which no file says; where `params`
    have one of that name, it is kept.
    """

    name: str
    sentence: str
    user: str
    system: str = ""
    operation: Operation = "chat"
    prompt_tokens: Length | None = None
    output_tokens: Length | None = None
    prefix_tokens: int = 0
    turns: int = 1
    cacheable: Cacheable = "nothing"
    echo: bool = False
    objectives: tuple[Objective, ...] = ()
    params: Mapping[str, Json] = field(default_factory=dict)
    source: str = ""
    """The text that it was read from, for `parse_workload` on another machine."""
    output_cap: CapName = "max_tokens"

    def request(
        self,
        run_id: str,
        seed: int,
        ordinal: int,
        *,
        prompt_tokens: int | None = None,
        output_tokens: int | None = None,
        hash_ids: Sequence[int] = (),
    ) -> LoadRequest:
        """The request of an ordinal; the token counts, if given, are a trace's and replace the drawn ones.

        `run_id` makes the nonce another one in each run, since caches outlive a run. A trace's `hash_ids`
        are what a cache may know of a chat, instead of what `cacheable` says.
        """
        if hash_ids and prompt_tokens is not None and self.operation == "chat":
            blocks = _blocks(hash_ids, prompt_tokens)
            return self._behind_blocks(blocks, run_id).request(
                run_id, seed, ordinal, prompt_tokens=prompt_tokens - len(blocks), output_tokens=output_tokens
            )
        chance = Chance(f"{seed}/{ordinal}")
        nonce = "" if self.cacheable == "everything" else _nonce(run_id, ordinal)
        length = prompt_tokens if prompt_tokens is not None else _drawn(self.prompt_tokens, chance)
        text = self.user if not length else f"{self.user}\n\n{_filler(chance, length)}"
        limit = output_tokens if output_tokens is not None else _drawn(self.output_tokens, chance)
        if self.operation == "embeddings":
            return LoadRequest("embeddings", {**self.params, "input": _behind(nonce, text)}, nonce)
        params: dict[str, Json] = {
            **self.params,
            "messages": self._messages(text, nonce, run_id, seed, ordinal),
        }
        if limit is not None and self.output_cap != "none":
            params.setdefault(self.output_cap, max(1, limit))
        return LoadRequest("chat", params, nonce, self.echo)

    def _behind_blocks(self, blocks: Sequence[str], run_id: str) -> "Workload":
        """The workload whose system message ends with the blocks of a trace's request.

        A mark of the run stands before them, so that they are shared with no other run; the nonce, the
        question and what of the prompt is in no block follow. Earlier turns are in the blocks already.
        """
        system = f"{self.system}\n\n{' '.join(blocks)}".strip()
        return replace(
            self,
            system=_behind(_nonce(run_id, 0, "trace"), system),
            prefix_tokens=0,
            turns=1,
            cacheable="prefix" if self.cacheable == "nothing" else self.cacheable,
        )

    def _messages(self, text: str, nonce: str, run_id: str, seed: int, ordinal: int) -> list[Json]:
        if self.echo:
            text = f"{text}\n\nRepeat exactly this and nothing else: {nonce}"
        if self.cacheable == "prefix":
            text = _behind(nonce, text)
        earlier = [*self._system(), *self._earlier_turns(seed, ordinal)]
        messages = [*earlier, ("user", text)]
        if self.cacheable == "nothing" or (self.cacheable == "prefix" and self.turns > 1):
            # What a conversation shares, it shares with no conversation of another run.
            is_shared = self.cacheable == "prefix"
            mark = _nonce(run_id, ordinal // self.turns, "conversation") if is_shared else nonce
            messages[0] = (messages[0][0], _behind(mark, messages[0][1]))
        return [{"role": role, "content": said} for role, said in messages]

    def _system(self) -> Iterator[tuple[str, str]]:
        if self.prefix_tokens:
            yield "system", f"{self.system}\n\n{_prefix(self.prefix_tokens)}".strip()
        elif self.system:
            yield "system", self.system

    def _earlier_turns(self, seed: int, ordinal: int) -> Iterator[tuple[str, str]]:
        """What was said before in the conversation to which a request belongs.

        The conversation is made up, answers too, so that each of its turns can be sent when it is due,
        whatever became of the one before. Its turns come one after another.
        """
        conversation, turn = divmod(ordinal, self.turns)
        chance = Chance(f"{seed}/conversation/{conversation}")
        for _ in range(turn):
            yield "user", f"{self.user}\n\n{_filler(chance, _drawn(self.prompt_tokens, chance) or 16)}"
            yield "assistant", _filler(chance, _drawn(self.output_tokens, chance) or 32)


def _drawn(length: Length | None, chance: Chance) -> int | None:
    return None if length is None else length.draw(chance)


def _nonce(run_id: str, number: int, of: str = "request") -> str:
    return hashlib.blake2b(f"{run_id}/{of}/{number}".encode(), digest_size=8).hexdigest()


def _behind(nonce: str, text: str) -> str:
    return f"[{nonce}] {text}" if nonce else text


_WORDS = """
    time year people way day man thing woman life child world school state family student group country
    problem hand part place case week company system program question work government number night point
    home water room mother area money story fact month lot right study book eye job word business issue
    side kind head house service friend father power hour game line end member law car city community
    name president team minute idea body information back parent face others level office door health
    person art war history party result change morning reason research girl guy moment air teacher force
    education the of and to in is that for it as was with be by on not he his but at are this have from
    or had an they which one you were all her she there would their we him been has when who will no
    more if out so up said what its about than into them can only other
""".split()  # noqa: SIM905  # a text reads better than two hundred quoted words
"""Frequent English words, which most tokenizers take for one token each."""


@cache
def _text() -> tuple[str, ...]:
    """A long text without meaning, from which filler is cut: cutting costs a request less than making."""
    return tuple(random.Random(0).choices(_WORDS, k=1 << 16))  # noqa: S311  # repeatable, not secret


def _filler(chance: Chance, tokens: int) -> str:
    """About so many tokens of text, from another place each time."""
    return " ".join(_cut(chance.source.randrange(len(_text())), tokens))


def _cut(start: int, tokens: int) -> tuple[str, ...]:
    """So many words from a place of the text on, which goes round."""
    text = _text()
    cut = text[start : start + tokens]
    while len(cut) < tokens:
        cut += text[: tokens - len(cut)]
    return cut


BLOCK_TOKENS = 512
"""How many tokens a hash id stands for (Mooncake's traces; R. Qin et al., FAST 2025)."""


def _blocks(hash_ids: Sequence[int], tokens: int) -> list[str]:
    """The words of these blocks, at most so many; each says its id first, so that no two are the same."""
    words: list[str] = []
    for each in hash_ids[: -(-tokens // BLOCK_TOKENS)]:
        words += (str(each), *_cut(each * 4099 % len(_text()), BLOCK_TOKENS - 1))
    return words[:tokens]


@cache
def _prefix(tokens: int) -> str:
    return _filler(Chance("prefix"), tokens)


# --- files ---


def workloads() -> Mapping[str, Path]:
    """The files of all workloads that come with the harness, by name."""
    folder = content.folder("loadtests") / "workloads"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_workload(name: str) -> Workload:
    """The workload of a name, or of a path to a TOML file.

    Raises UsageError for a name that there is not, ConfigError at the first mistake of a file.
    """
    path = workloads().get(name) or Path(name)
    if path.suffix != ".toml":
        hint = (
            did_you_mean(name, workloads()) or f"Choose from {', '.join(workloads())}, or name a TOML file."
        )
        raise UsageError(f"There is no workload {shown_value(name)}.", hint)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: the file can't be read: {error.strerror}.", "Check the path.") from None
    return parse_workload(path.stem, data.decode("utf-8", "surrogateescape"), str(path))


def parse_workload(name: str, text: str, file: str = "") -> Workload:
    """The workload of a TOML text; raises ConfigError at the first mistake."""
    table = parsed_table(file or f"{name}.toml", text.encode("utf-8", "surrogateescape"))
    table.refuse_other_keys_than(_KEYS)
    workload = Workload(
        name=name,
        sentence=table.required_text("sentence"),
        user=table.required_text("user"),
        system=table.text("system") or "",
        operation=table.choice("operation", _OPERATIONS) or "chat",
        prompt_tokens=_length(table, "prompt_tokens"),
        output_tokens=_length(table, "output_tokens"),
        prefix_tokens=table.integer("prefix_tokens", 1, _MAX_TOKENS) or 0,
        turns=table.integer("turns", 1, 1000) or 1,
        cacheable=table.choice("cacheable", CACHEABLE) or "nothing",
        echo=table.flag("echo") or False,
        objectives=_objectives(table),
        params=_params(table.table("params")),
        source=text,
    )
    if workload.echo and workload.cacheable == "everything":
        raise table.mistake(("echo",), "false, as there is no nonce where everything is cacheable")
    if workload.operation == "embeddings":
        for key in ("system", "output_tokens", "prefix_tokens", "turns", "echo"):
            if key in table.values:
                raise table.mistake((key,), "no such key with embeddings", shown_value(table.values[key]))
    return workload


_PAIRS: Mapping[Distribution, str] = {
    "uniform": f"the smallest and the greatest length, at most {_MAX_TOKENS:,}",
    "normal": f"the mean and the standard deviation, at most {_MAX_TOKENS:,}",
    "lognormal": f"the median, and sigma up to {_MAX_SIGMA}",
}


def _length(parent: Table, key: str) -> Length | None:
    if not isinstance(parent.values.get(key), dict):
        fixed = parent.integer(key, 1, _MAX_TOKENS)
        return None if fixed is None else Length("fixed", fixed)
    table = parent.table(key)
    table.refuse_other_keys_than((*_PAIRS, "min", "max"))
    given = [name for name in _PAIRS if name in table.values]
    if len(given) != 1:
        raise table.mistake((), f"one of {', '.join(_PAIRS)}", ", ".join(given) or "none")
    distribution = given[0]
    pair = table.values[distribution]
    numbers = [value for value in pair if _is_number(value)] if isinstance(pair, list) else []
    if not (isinstance(pair, list) and len(pair) == len(numbers) == 2) or not _is_sound(
        distribution, numbers
    ):
        raise table.mistake((distribution,), f"two numbers in an array: {_PAIRS[distribution]}")
    minimum = table.integer("min", 1, _MAX_TOKENS) or 1
    maximum = table.integer("max", minimum, _MAX_TOKENS) or _MAX_TOKENS
    return Length(distribution, float(numbers[0]), float(numbers[1]), minimum, maximum)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_sound(distribution: Distribution, pair: list[float]) -> bool:
    first, second = pair
    least, most = {
        "uniform": (first, _MAX_TOKENS),
        "normal": (0, _MAX_TOKENS),
        "lognormal": (0, _MAX_SIGMA),
    }[distribution]
    return 1 <= first <= _MAX_TOKENS and least <= second <= most


def _objectives(table: Table) -> tuple[Objective, ...]:
    given = table.values.get("objectives", [])
    if not isinstance(given, list):
        raise table.mistake(("objectives",), 'an array of texts such as "ttft.p95<500ms"')
    objectives = []
    for index, text in enumerate(given):
        try:
            objectives.append(parse_objective(str(text)))
        except UsageError as error:
            raise table.mistake(
                ("objectives", index), "an objective", shown_value(text), error.happened
            ) from None
    return tuple(objectives)


def _params(table: Table) -> dict[str, Json]:
    for key in _OURS:
        if key in table.values:
            raise table.mistake((key,), "only what the harness does not set itself", shown_value(key))
    return {key: _json(table, key, value) for key, value in table.values.items()}


def _json(table: Table, key: str, value: object) -> Json:
    """A TOML value that is a JSON value as well: TOML has dates and NaN besides."""
    match value:
        case dict():
            return {str(name): _json(table, key, item) for name, item in value.items()}
        case list():
            return [_json(table, key, item) for item in value]
        case bool() | int() | str():
            return value
        case float() if math.isfinite(value):
            return value
        case _:
            raise table.mistake((key,), "values that JSON has", shown_value(value))
