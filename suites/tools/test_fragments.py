"""Tool calls in a stream: fragments that `index` holds together, the first of which says whose they are."""

from collections.abc import Iterator

from harness.evidence import Object, shown
from harness.evidence.chat import ChunkStream, Delta, StreamedChoice
from harness.evidence.grounds import OF_AN_ANSWER
from harness.rule import Ground, Violation, Violations, in_chunk, rule
from harness.scenario import Scenario

_SOURCE = "OpenAI API reference, the chat completion chunk object: delta.tool_calls"


def _asks_for_calls(scenario: Scenario) -> bool:
    return scenario.id.startswith("tool-call")


def _fragments(choice: StreamedChoice) -> Iterator[tuple[Delta, str, Object]]:
    """Delta, pointer and object of each fragment, in order."""
    return ((part, pointer, call) for part in choice.deltas for pointer, call in part.calls)


def _by_place(stream: ChunkStream) -> Iterator[tuple[Delta, str, Object, bool]]:
    """Delta, pointer and object of each fragment, and whether it is the first one of its index."""
    for choice in stream.choices:
        begun: set[str] = set()
        for part, pointer, call in _fragments(choice):
            index = repr(call.get("index"))
            yield part, pointer, call, index not in begun
            begun.add(index)


def _function(call: Object) -> Object:
    function = call.get("function")
    return function if isinstance(function, dict) else {}


def _in(part: Delta, pointer: str, *, received: str, expected: str) -> Violation:
    return in_chunk(part.chunk, pointer, received=received, expected=expected)


@rule(
    "tools.fragment-index",
    level="must",
    source=f"{_SOURCE}: index; openai/openai-python#2806, AstrBotDevs/AstrBot#6661",
    breaks="The SDK's stream helper raises TypeError; LangChain makes each fragment a call of its own.",
    answers=("st-index-missing", "lc-index-none-merge", "os-stream-helper-index"),
    when=_asks_for_calls,
    upholds=Ground.CHOICES,
)
def every_fragment_has_an_index(stream: ChunkStream) -> Violations:
    """Every fragment of a tool call has an integer `index`."""
    for part, pointer, call, _ in _by_place(stream):
        index = call.get("index")
        if not isinstance(index, int) or isinstance(index, bool):
            yield _in(part, f"{pointer}/index", received=shown(index), expected="an integer")


@rule(
    "tools.fragment-indexes-count",
    level="must",
    source=f"{_SOURCE}: index; microsoft/foundry-local#372",
    breaks="The SDK's stream helper raises IndexError; others have holes in their list of calls.",
    answers=("st-index-always-1",),
    when=_asks_for_calls,
    upholds=Ground.CALLS,
    rests_on=OF_AN_ANSWER,
)
def indexes_count_from_zero(stream: ChunkStream) -> Violations:
    """The indexes of a choice's tool calls are 0, 1, 2 … in the order in which the calls begin."""
    for choice in stream.choices:
        begun: list[object] = []
        for part, pointer, call in _fragments(choice):
            index = call.get("index")
            if isinstance(index, int) and index not in begun:
                if index != len(begun):
                    yield _in(part, f"{pointer}/index", received=shown(index), expected=str(len(begun)))
                begun.append(index)


@rule(
    "tools.fragment-first",
    level="must",
    source=f"{_SOURCE}: id, function.name; langchain-ai/langchainjs#8581, vercel/ai#5885",
    breaks="Readers that open a call at its name drop the arguments before it, or refuse the stream.",
    answers=("st-id-null-first", "st-name-after-args", "st-named-no-id-name-repeat"),
    when=_asks_for_calls,
    upholds=Ground.CALLS,
    rests_on=OF_AN_ANSWER,
)
def the_first_fragment_says_whose_it_is(stream: ChunkStream) -> Violations:
    """The first fragment of each tool call has its id and its function's name."""
    for part, pointer, call, is_first in _by_place(stream):
        if is_first and not call.get("id"):
            yield _in(part, f"{pointer}/id", received=shown(call.get("id")), expected="an id")
        if is_first and not _function(call).get("name"):
            yield _in(
                part,
                f"{pointer}/function/name",
                received=shown(_function(call).get("name")),
                expected="a name",
            )


@rule(
    "tools.fragment-id-once",
    level="must",
    source=f"{_SOURCE}: id; openai-python accumulates by adding strings",
    breaks="The SDK's stream helper makes the id `call_1call_1`; calls that share an index run into one.",
    answers=("st-id-repeated", "st-all-index-0"),
    when=_asks_for_calls,
    upholds=Ground.CALLS,
    rests_on=OF_AN_ANSWER,
)
def an_id_comes_once(stream: ChunkStream) -> Violations:
    """Later fragments of a tool call bring no id, neither the same one nor another call's."""
    for part, pointer, call, is_first in _by_place(stream):
        if not is_first and call.get("id"):
            yield _in(part, f"{pointer}/id", received=shown(call["id"]), expected="no id again")


@rule(
    "tools.fragment-name-once",
    level="must",
    source=f"{_SOURCE}: function.name; bytedance/deer-flow#654, vllm-project/vllm#13078",
    breaks="The SDK's stream helper and LangChain make the name `get_weatherget_weather`.",
    answers=(
        "st-name-repeated",
        "st-all-index-0",
        "st-named-no-id-name-repeat",
        "lc-tool-name-concat",
        "os-accumulate-concat",
    ),
    when=_asks_for_calls,
    upholds=Ground.CALLS,
    rests_on=OF_AN_ANSWER,
)
def a_name_comes_once(stream: ChunkStream) -> Violations:
    """Later fragments of a tool call bring no function name."""
    for part, pointer, call, is_first in _by_place(stream):
        name = _function(call).get("name")
        if not is_first and name:
            yield _in(part, f"{pointer}/function/name", received=shown(name), expected="no name again")


@rule(
    "tools.fragment-bare",
    level="spec",
    source=f"{_SOURCE}; symfony/ai#2220, experientiallabs/experiential#742",
    breaks="Readers that begin a call at every id, be it empty, split one call into many.",
    answers=("st-id-empty-continuation", "ds-tool-id-empty"),
    when=_asks_for_calls,
    rests_on=OF_AN_ANSWER,
)
def later_fragments_name_nothing(stream: ChunkStream) -> Violations:
    """Later fragments of a tool call have no key `id` and no key `name`, not even an empty one."""
    for part, pointer, call, is_first in _by_place(stream):
        for step, values, key in (("", call, "id"), ("/function", _function(call), "name")):
            if not is_first and key in values and not values[key]:
                yield _in(part, f"{pointer}{step}/{key}", received=shown(values[key]), expected="no key")


@rule(
    "tools.fragment-one-index",
    level="must",
    source=f"{_SOURCE}: index; langchain-ai/langchain#32307",
    breaks="LangChain and the SDK's stream helper split one call into several.",
    answers=("st-inconsistent-index-qwen", "ds-qwen3-index"),
    when=_asks_for_calls,
    upholds=Ground.CHOICES,
)
def a_call_keeps_its_index(stream: ChunkStream) -> Violations:
    """One tool call has one index: its id does not come back at another."""
    for choice in stream.choices:
        index_of: dict[str, object] = {}
        for part, pointer, call in _fragments(choice):
            call_id, index = call.get("id"), call.get("index")
            if isinstance(call_id, str) and call_id and index_of.setdefault(call_id, index) != index:
                yield _in(
                    part,
                    f"{pointer}/index",
                    received=f"{shown(index)} for {shown(call_id)}",
                    expected=f"{shown(index_of[call_id])}, as before",
                )


@rule(
    "tools.fragment-once-in-chunk",
    level="must",
    source="openai/openai-python#3241",
    breaks="The SDK's stream helper loses one of the two.",
    answers=("st-dup-index-entries", "os-dup-index"),
    when=_asks_for_calls,
    upholds=Ground.CALLS,
    rests_on=OF_AN_ANSWER,
)
def no_delta_has_an_index_twice(stream: ChunkStream) -> Violations:
    """No delta has two fragments with the same index."""
    for choice in stream.choices:
        for part in choice.deltas:
            seen: set[str] = set()
            for pointer, call in part.calls:
                if repr(call.get("index")) in seen:
                    yield _in(
                        part,
                        f"{pointer}/index",
                        received=f"{shown(call.get('index'))} twice",
                        expected="one fragment of a call in each delta",
                    )
                seen.add(repr(call.get("index")))
