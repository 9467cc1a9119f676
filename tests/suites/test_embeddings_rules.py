"""Every rule on embeddings fails on the lie that it is there for, and on no legal variation."""

import base64
import dataclasses
import math
import struct
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import content
from harness.evidence import Observation
from harness.evidence.embeddings import cosine, vector_of
from harness.judge import judge
from harness.scenario import Mode
from harness.verdict import Outcome
from harness.wire.exchange import Read
from tests.servers import says, sized
from tests.suites.conftest import Change, Lies

_FLOATS = st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=8)


def packed(numbers: list[float], form: str = "<f") -> str:
    return base64.b64encode(b"".join(struct.pack(form, number) for number in numbers)).decode()


def repacked(form: str) -> Change:
    """The numbers of the first embedding in another binary form."""

    def change(body: Any) -> None:
        entry = body["data"][0]
        entry["embedding"] = packed(list(vector_of(entry["embedding"]) or ()), form)

    return change


def entry(place: int, **values: object) -> Change:
    return lambda body: body["data"][place].update(values)


def usage(**values: object) -> Change:
    return lambda body: body["usage"].update(values)


def scaled(body: Any) -> None:
    body["data"][0]["embedding"] = [2 * number for number in body["data"][0]["embedding"]]


def swapped(body: Any) -> None:
    data = body["data"]
    data[0], data[1] = data[1], data[0]


@pytest.mark.parametrize(
    ("rule", "scenario", "lie"),
    [
        ("embeddings.schema-must", "embedding-batch", lambda body: body["data"][0].pop("object")),
        ("embeddings.schema-must", "embedding-batch", lambda body: body["data"][0].pop("index")),
        ("embeddings.schema-must", "embedding-batch", lambda body: body.pop("usage")),
        ("embeddings.schema-must", "embedding-text", entry(0, embedding={"values": [1.0]})),
        ("embeddings.schema-spec", "embedding-text", entry(0, embedding=[])),
        ("embeddings.count", "embedding-batch", lambda body: body["data"].pop()),
        ("embeddings.indexes", "embedding-batch", swapped),
        ("embeddings.indexes", "embedding-batch", entry(3, index=0)),
        ("embeddings.numbers", "embedding-text", repacked("<f")),
        ("embeddings.numbers", "embedding-float", repacked("<f")),
        ("embeddings.base64-given", "embedding-base64", entry(0, embedding=[1.0, 0.0])),
        ("embeddings.base64-form", "embedding-base64", entry(0, embedding="b'AACAPw=='")),
        ("embeddings.base64-form", "embedding-base64", entry(0, embedding="AACA")),
        ("embeddings.finite", "embedding-base64", entry(0, embedding=packed([math.nan, 1.0]))),
        ("embeddings.finite", "embedding-text", entry(0, embedding=[0.0, 0.0])),
        ("embeddings.equal-lengths", "embedding-batch", entry(1, embedding=[1.0])),
        ("embeddings.dimensions", "embedding-dimensions", entry(0, embedding=[1.0])),
        ("embeddings.unit-length", "embedding-text", scaled),
        (
            "embeddings.same-text",
            "embedding-batch",
            lambda body: body["data"][3].update(body["data"][1], index=3),
        ),
        (
            "embeddings.texts-differ",
            "embedding-batch",
            lambda body: body["data"][1].update(body["data"][0], index=1),
        ),
        ("embeddings.usage", "embedding-text", usage(prompt_tokens=0, total_tokens=0)),
        ("embeddings.usage", "embedding-text", usage(total_tokens=99)),
        ("embeddings.model-named", "embedding-text", lambda body: body.update(model="another")),
    ],
)
def test_a_lie_in_embeddings_is_caught(lies: Lies, rule: str, scenario: str, lie: Change) -> None:
    assert rule in lies.plain(scenario, lie)


@pytest.mark.parametrize("client", ["raw", "openai", "langchain"])
def test_vectors_that_the_client_changed_are_caught(lies: Lies, client: str) -> None:
    truth = lies.truth("embedding-batch", client, Mode.PLAIN)
    turned = [[-number for number in vector_of(vector) or ()] for vector in truth.reply.data]
    fewer = truth.reply.data[:-1]
    for data in (turned, fewer, None):
        reply = dataclasses.replace(truth.reply, data=data)
        assert "embeddings.client-vectors" in failures(dataclasses.replace(truth, reply=reply))
    assert "embeddings.client-vectors" not in failures(truth)


def test_a_refused_batch_is_caught(lies: Lies) -> None:
    refusal = sized(b'{"error": {"message": "batch size is invalid", "type": "x"}}', "400 No")
    caught = lies.told(says(refusal), "embedding-large-batch", Mode.PLAIN)
    assert "embeddings.large-batch" in caught
    assert "http.success" not in caught


@pytest.mark.parametrize("form", [">f", "<d", "<e"])
def test_base64_of_other_numbers_is_caught(lies: Lies, form: str) -> None:
    number_truth = lies.truth("embedding-float", "raw", Mode.PLAIN)
    base64_lie = with_json(lies.truth("embedding-base64", "raw", Mode.PLAIN), repacked(form))
    assert "embeddings.same-vector-everywhere" in failures(number_truth, base64_lie)


def test_vectors_in_another_order_are_caught(lies: Lies) -> None:
    alone = lies.truth("embedding-text", "raw", Mode.PLAIN)
    batch = lies.truth("embedding-batch", "raw", Mode.PLAIN)
    shuffled = with_json(batch, lambda body: (swapped(body), renumber(body)))
    assert "embeddings.same-vector-everywhere" in failures(alone, shuffled)


def test_the_same_vector_everywhere_passes(lies: Lies) -> None:
    seen = [
        lies.truth(scenario, client, Mode.PLAIN)
        for scenario in ("embedding-text", "embedding-batch")
        for client in ("raw", "openai")
    ]
    seen.append(lies.truth("embedding-base64", "raw", Mode.PLAIN))
    assert "embeddings.same-vector-everywhere" not in failures(*seen)


def test_tokens_with_a_vector_of_their_own_are_caught(lies: Lies) -> None:
    text = lies.truth("embedding-text", "raw", Mode.PLAIN)
    tokens = lies.truth("embedding-tokens", "raw", Mode.PLAIN)
    vector = orjson.loads(text.response.body)["data"][0]["embedding"]
    spelled = with_json(tokens, entry(0, embedding=vector))
    unrelated = with_json(tokens, entry(0, embedding=[*vector[1:], vector[0]]))
    assert "embeddings.tokens-mean-text" in failures(text, unrelated)
    assert "embeddings.tokens-mean-text" not in failures(text, spelled)


def rounded(body: Any) -> None:
    for one in body["data"]:
        one["embedding"] = [round(number, 4) for number in one["embedding"]]


@pytest.mark.parametrize(
    "variation",
    [
        lambda _: None,
        rounded,
        lambda body: body.update(id="8f7c", created=1_735_689_600),
        lambda body: body["usage"].update(completion_tokens=0, prompt_tokens_details=None),
        lambda body: body.update(model="standin-1-2026-01-01"),
        entry(1, title=None),
    ],
)
@pytest.mark.parametrize("client", ["raw", "openai", "langchain"])
def test_legal_embeddings_pass(lies: Lies, variation: Change, client: str) -> None:
    def change(body: Any) -> None:
        # Numbers, whatever the client asked for; and the model that the test's connection asks.
        body["model"] = "standin-1"
        for one in body["data"]:
            one["embedding"] = list(vector_of(one["embedding"]) or ())
        variation(body)

    assert not lies.plain("embedding-batch", change, client=client)


@given(_FLOATS)
def test_both_encodings_give_one_vector(numbers: list[float]) -> None:
    assert vector_of(numbers) == vector_of(packed(numbers)) == tuple(numbers)


@given(
    st.text()
    | st.lists(st.none() | st.booleans() | st.text())
    | st.none()
    | st.dictionaries(st.text(), st.none())
)
def test_what_is_no_vector_is_none_or_numbers(value: object) -> None:
    vector = vector_of(value)
    assert vector is None or (isinstance(value, str) and all(isinstance(number, float) for number in vector))


@given(_FLOATS.filter(lambda numbers: math.hypot(*numbers) > 1e-6), st.floats(0.5, 100))
def test_the_cosine_of_a_vector_and_its_multiple_is_1(numbers: list[float], factor: float) -> None:
    assert math.isclose(cosine(tuple(numbers), tuple(factor * number for number in numbers)), 1, rel_tol=1e-6)


def renumber(body: Any) -> None:
    for place, one in enumerate(body["data"]):
        one["index"] = place


def with_json(seen: Observation, change: Change) -> Observation:
    """The observation with its answer's JSON changed in place."""
    body: Any = orjson.loads(seen.response.body)
    change(body)
    response = dataclasses.replace(seen.response, reads=(Read(0, orjson.dumps(body)),))
    return dataclasses.replace(seen, exchange=dataclasses.replace(seen.exchange, response=response))


def failures(*seen: Observation) -> set[str]:
    """The ids of the rules that fail on a run of these observations."""
    verdicts = judge(content.rules().values(), seen)
    return {verdict.rule for verdict in verdicts if verdict.outcome is Outcome.FAIL}
