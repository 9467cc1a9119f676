"""Each waiver of a dialect covers what its difference describes, and hides no other fault at its place."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import orjson
import pytest

from harness import content
from harness.clients import Connection
from harness.dialect import dialects, differences_of, waivers_of
from harness.endpoint.server import running
from harness.endpoint.settings import Settings
from harness.evidence import Observation
from harness.judge import judge
from harness.observe import Call, Observer, observer
from harness.scenario import Mode
from harness.verdict import Outcome, Verdict
from harness.wire.exchange import Read

TODAY = date(2026, 11, 29)
Change = Callable[[Observation], Observation]
NOTHING = object()
"""Put there, it takes the key away."""


def put(pointer: str, value: object) -> Change:
    """A change of the place that a pointer names, in a plain answer or in the last event that has it."""

    def change(seen: Observation) -> Observation:
        lines = seen.response.body.split(b"\n")
        for number in reversed(range(len(lines))):
            head = b"data:" if lines[number].startswith(b"data:") else b""
            body = parsed(lines[number].removeprefix(head))
            if is_put(body, pointer, value):
                lines[number] = head + orjson.dumps(body)
                return with_body(seen, b"\n".join(lines))
        raise AssertionError(f"{pointer} is in no part of the answer")

    return change


def parsed(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def is_put(body: Any, pointer: str, value: object) -> bool:
    """Put the value where its parent is, and say whether that was there."""
    *way, last = pointer.split("/")[1:]
    for step in way:
        if isinstance(body, list) and int(step) < len(body):
            body = body[int(step)]
        elif isinstance(body, dict) and step in body:
            body = body[step]
        else:
            return False
    if not isinstance(body, dict):
        return False
    if value is NOTHING:
        body.pop(last, None)
    else:
        body[last] = value
    return True


def with_body(seen: Observation, body: bytes, status: int = 200) -> Observation:
    response = replace(seen.response, status=seen.response.status if status == 200 else status)
    response = replace(response, reads=(Read(response.reads[-1].arrived_ns, body),))
    return replace(seen, exchange=replace(seen.exchange, response=response))


def as_it_is(seen: Observation) -> Observation:
    return seen


def fails_as_html(seen: Observation) -> Observation:
    return with_body(seen, b"<html>too large</html>", 413)


@dataclass(frozen=True)
class Case:
    """A waiver, an answer that it is there for, and a lie at the same place that it must not hide.

    `place` is where the lie is; empty where it is about the whole answer.
    """

    rule: str
    glob: str | None
    scenario: str
    described: Change
    lie: Change
    mode: Mode = Mode.PLAIN
    place: str = ""
    lie_scenario: str = ""


def at(rule: str, glob: str, scenario: str, described: object, lie: object, mode: Mode = Mode.PLAIN) -> Case:
    """A case of one place: every `*` of the glob is a 0."""
    pointer = glob.replace("*", "0")
    return Case(rule, glob, scenario, put(pointer, described), put(pointer, lie), mode, pointer)


def inside(rule: str, pointer: str, described: object, lie: object, mode: Mode) -> Case:
    """A case of any key of the object at a place."""
    return Case(rule, f"{pointer}/*", "with-usage", put(pointer, described), put(pointer, lie), mode, pointer)


STREAM = Mode.STREAM
FRAGMENT = "/choices/*/delta/tool_calls/*"
LOGPROB = "/choices/*/logprobs/content/*/logprob"
DETAILS = ("/usage/prompt_tokens_details", "/usage/completion_tokens_details")
MODES = (("chat", Mode.PLAIN), ("stream", STREAM))

CASES = (
    at("chat.schema-recommended", "/choices/*/message/refusal", "with-usage", NOTHING, 7),
    at("chat.schema-recommended", "/choices/*/message/annotations", "with-usage", NOTHING, 7),
    *(
        at(f"{surface}.schema-recommended", "/service_tier", "with-usage", NOTHING, 7, mode)
        for surface, mode in MODES
    ),
    at("stream.usage-key-unasked", "/usage", "founding", None, {}, STREAM),
    at("stream.schema-spec", f"{FRAGMENT}/function/name", "tool-call", None, 7, STREAM),
    at("tools.fragment-bare", f"{FRAGMENT}/id", "tool-call", "", None, STREAM),
    at("tools.fragment-bare", f"{FRAGMENT}/function/name", "tool-call", "", [], STREAM),
    at("tools.no-index-in-message", "/choices/*/message/tool_calls/*/index", "tool-call", 0, "first"),
    *(
        at(f"{surface}.schema-{level}", details, "with-usage", value, 7, mode)
        for surface, mode in MODES
        for details in DETAILS
        for level, value in (("spec", None), ("recommended", NOTHING))
    ),
    *(
        inside(f"{surface}.schema-{level}", details, described, {counter: "7"}, mode)
        for surface, mode in MODES
        for details, counter in zip(DETAILS, ("cached_tokens", "reasoning_tokens"), strict=True)
        for level, described in (("spec", {counter: None}), ("recommended", {}))
    ),
    at("chat.schema-must", LOGPROB, "logprobs", None, "low"),
    at("stream.schema-must", LOGPROB, "logprobs", None, "low", STREAM),
    at("params.logprobs-range", LOGPROB, "logprobs", None, 0.5),
    at("chat.schema-spec", "/choices/*/message/function_call", "with-usage", None, 7),
    at("chat.schema-spec", "/choices/*/message/tool_calls", "with-usage", None, 7),
    at("errors.schema-spec", "/error/param", "broken-json", NOTHING, 7),
    at("errors.schema-spec", "/error/code", "broken-json", NOTHING, 7),
    Case(
        "embeddings.base64-given",
        None,
        "embedding-base64",
        as_it_is,
        put("/data/0/embedding", "neither numbers nor base64"),
        place="/data/0/embedding",
    ),
    Case("embeddings.large-batch", None, "embedding-large-batch", as_it_is, fails_as_html),
    at("errors.schema-must", "/error", "response-no-input", NOTHING, "wrong"),
    *(
        at("responses.schema-spec", f"/{key}", "response", NOTHING, 7)
        for key in ("error", "incomplete_details", "instructions")
    ),
    *(
        at("responses.event-schema-spec", f"/response/{key}", "response", NOTHING, 7, STREAM)
        for key in ("error", "incomplete_details", "instructions")
    ),
    *(
        at("responses.schema-recommended", f"/{key}", "response", NOTHING, "7")
        for key in ("max_output_tokens", "reasoning", "text", "truncation")
    ),
    at("responses.schema-recommended", "/previous_response_id", "response", NOTHING, 7),
    *(
        at("responses.event-schema-recommended", f"/response/{key}", "response", NOTHING, "7", STREAM)
        for key in ("max_output_tokens", "reasoning", "text", "truncation")
    ),
    at(
        "responses.event-schema-recommended", "/response/previous_response_id", "response", NOTHING, 7, STREAM
    ),
    Case(
        "responses.format-obeyed",
        "/output",
        "response-format",
        as_it_is,
        put("/output/0/content/0/text", '{"quolls": 3}'),
        place="/output",
    ),
    at("errors.too-long-code", "/error/code", "bad-huge-max-tokens", "invalid_parameter_error", "too_bad"),
    Case(
        "params.max-completion-tokens-honoured",
        None,
        "capped-completion",
        as_it_is,
        put("/choices/0/message/content", "and on " * 200),
        lie_scenario="capped",
    ),
    Case(
        "chat.cap-obeyed",
        "/usage/completion_tokens",
        "capped-completion",
        put("/usage/completion_tokens", 22),
        put("/usage/completion_tokens", 22),
        place="/usage/completion_tokens",
        lie_scenario="capped",
    ),
)


@dataclass
class Truths:
    """The answers of the reference endpoint in a dialect, each asked once."""

    reference: Observer
    known: dict[tuple[str, Mode], Observation]

    def of(self, scenario: str, mode: Mode) -> Observation:
        if (scenario, mode) not in self.known:
            self.known[scenario, mode] = self.reference.observe(
                Call(content.scenarios()[scenario], "raw", mode)
            )
        return self.known[scenario, mode]


@pytest.fixture(scope="module")
def truths() -> Iterator[Truths]:
    with running(Settings(dialect="dashscope")) as address:
        models = {"embeddings": address.embedding_model}
        connection = Connection(address.base_url, address.model, address.key, models)
        with observer(connection, ["raw"], []) as opened:
            yield Truths(opened, {})


def verdicts(seen: Observation) -> list[Verdict]:
    return [*judge(content.rules().values(), [seen], waivers_of("dashscope"), TODAY)]


def ids(case: Case) -> str:
    return f"{case.rule}{case.glob or ''}"


def test_every_waiver_of_the_dialect_is_tried() -> None:
    declared = {(waiver.rule, waiver.pointer) for waiver in waivers_of("dashscope")}
    assert {(case.rule, case.glob) for case in CASES} == declared


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_a_waiver_covers_what_its_difference_describes(truths: Truths, case: Case) -> None:
    told = verdicts(case.described(truths.of(case.scenario, case.mode)))
    (outcome,) = (one.outcome for one in told if one.rule == case.rule)
    assert outcome is Outcome.WAIVED


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_a_lie_of_another_kind_at_the_place_of_a_waiver_still_fails(truths: Truths, case: Case) -> None:
    told = verdicts(case.lie(truths.of(case.lie_scenario or case.scenario, case.mode)))
    places = [
        violation.pointer or "" for one in told if one.outcome is Outcome.FAIL for violation in one.evidence
    ]
    assert [place for place in places if f"{place}/".startswith(f"{case.place}/" if case.place else "")]


@pytest.mark.parametrize("dialect", dialects())
def test_every_waiver_of_a_dialect_says_what_was_received(dialect: str) -> None:
    assert [waiver for waiver in waivers_of(dialect) if waiver.received is None] == []


@pytest.mark.parametrize("dialect", dialects())
def test_every_difference_has_a_source_and_the_day_on_which_it_was_read(dialect: str) -> None:
    for difference in differences_of(dialect):
        assert difference.source.strip()
        assert difference.read <= date.today()
