"""Every rule on models fails on the lie that it is there for, and on no legal variation."""

import dataclasses
from typing import Any

import orjson
import pytest

from harness import content
from harness.evidence import Observation
from harness.judge import judge
from harness.scenario import Mode
from harness.verdict import Outcome
from harness.wire.exchange import Read
from tests.suites.conftest import Change, Lies


def first(**values: object) -> Change:
    return lambda body: body["data"][0].update(values)


@pytest.mark.parametrize(
    ("rule", "lie"),
    [
        ("models.schema-must", lambda body: body.pop("object")),
        ("models.schema-must", lambda body: body.update(data=None)),
        ("models.schema-must", first(owned_by=["likewise"])),
        ("models.schema-must", lambda body: body["data"][0].pop("id")),
        ("models.schema-spec", lambda body: body["data"][0].pop("created")),
        ("models.not-empty", lambda body: body["data"].clear()),
        ("models.ids-named", first(id="")),
        ("models.ids-unique", lambda body: body["data"].append(body["data"][0])),
        ("models.one-page", lambda body: body.update(has_more=True)),
    ],
)
def test_a_lie_in_a_list_is_caught(lies: Lies, rule: str, lie: Change) -> None:
    assert rule in lies.plain("models-list", lie)


def test_ids_that_the_client_changed_are_caught(lies: Lies) -> None:
    truth = lies.truth("models-list", "openai", Mode.PLAIN)
    assert "models.client-ids" in failures(with_reply(truth, data=["another"]))


@pytest.mark.parametrize(
    ("rule", "lie"),
    [
        ("models.retrieved-schema-must", lambda body: body.pop("id")),
        ("models.retrieved-schema-must", lambda body: body.update(object="list", data=[dict(body)])),
        ("models.retrieved-schema-spec", lambda body: body.pop("owned_by")),
        ("models.retrieved-id", lambda body: body.update(id="another")),
    ],
)
def test_a_lie_in_a_model_is_caught(lies: Lies, rule: str, lie: Change) -> None:
    assert rule in lies.plain("model-retrieve", lie)


@pytest.mark.parametrize("key", ["object", "created", "owned_by"])
def test_a_model_that_is_not_as_listed_is_caught(lies: Lies, key: str) -> None:
    listed = lies.truth("models-list", "raw", Mode.PLAIN)
    retrieved = lies.truth("model-retrieve", "raw", Mode.PLAIN)
    changed = with_json(retrieved, lambda body: body.update({key: None}))
    assert "models.retrieved-as-listed" in failures(listed, changed)
    assert "models.retrieved-as-listed" not in failures(listed, retrieved)


def test_a_model_that_answers_and_is_not_listed_is_caught(lies: Lies) -> None:
    listed = lies.truth("models-list", "raw", Mode.PLAIN)
    answered = lies.truth("founding", "raw", Mode.PLAIN)
    shorter = with_json(listed, lambda body: body["data"].pop(0))
    assert "models.served-is-listed" in failures(shorter, answered)
    assert "models.served-is-listed" not in failures(listed, answered)


@pytest.mark.parametrize(
    "variation",
    [
        first(permission=[], root="standin-1", parent=None),
        first(shutdown_date=None),
        lambda body: body["data"].reverse(),
        lambda body: body.update(has_more=False, first_id="standin-1"),
    ],
)
@pytest.mark.parametrize("client", ["raw", "openai"])
def test_a_legal_list_passes(lies: Lies, variation: Change, client: str) -> None:
    assert not lies.plain("models-list", variation, client=client)


def test_a_model_with_more_keys_passes(lies: Lies) -> None:
    assert not lies.plain("model-retrieve", lambda body: body.update(context_length=8192))


def with_json(seen: Observation, change: Change) -> Observation:
    """The observation with its answer's JSON changed in place."""
    body: Any = orjson.loads(seen.response.body)
    change(body)
    response = dataclasses.replace(seen.response, reads=(Read(0, orjson.dumps(body)),))
    return dataclasses.replace(seen, exchange=dataclasses.replace(seen.exchange, response=response))


def with_reply(seen: Observation, **values: object) -> Observation:
    """The observation with another reply."""
    return dataclasses.replace(seen, reply=dataclasses.replace(seen.reply, **values))


def failures(*seen: Observation) -> set[str]:
    """The ids of the rules that fail on a run of these observations."""
    verdicts = judge(content.rules().values(), seen)
    return {verdict.rule for verdict in verdicts if verdict.outcome is Outcome.FAIL}
