"""Several departures of one endpoint: all of them show, or the endpoint does not start and says why."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx
import orjson
import pytest

from harness.endpoint.server import Address, running
from harness.endpoint.settings import Settings
from harness.errors import UsageError


@dataclass(frozen=True)
class Told:
    """A plain answer, a stream and a refusal, as they came."""

    plain: httpx.Response
    stream: httpx.Response
    refusal: httpx.Response

    @property
    def body(self) -> dict[str, object]:
        return orjson.loads(self.plain.content)

    @property
    def finish(self) -> object:
        return orjson.loads(self.plain.content)["choices"][0]["finish_reason"]


def told_by(address: Address) -> Told:
    headers = {"authorization": f"Bearer {address.key}"}
    body = {"model": address.model, "messages": [{"role": "user", "content": "Say pong."}]}
    with httpx.Client(base_url=address.base_url, headers=headers, trust_env=False) as http:
        plain, stream, refusal = (
            http.post("/chat/completions", json={**body, **more})
            for more in ({}, {"stream": True}, {"temperature": 9})
        )
    return Told(plain, stream, refusal)


SHOWS: Mapping[str, Callable[[Told], bool]] = {
    "cn-created-missing.absent": lambda told: "created" not in told.body,
    "cn-created-milliseconds": lambda told: int(str(told.body.get("created", 0)).split(".")[0]) > 10**11,
    "cn-created-float": lambda told: isinstance(told.body.get("created"), float),
    "cn-id-static": lambda told: told.body["id"] == "chatcmpl-20",
    "cn-finish-upper": lambda told: told.finish == "STOP",
    "cn-body-empty": lambda told: told.plain.content == b"",
    "extra-headers": lambda told: told.plain.headers.get("x-served-by") == "a, b",
    "sf-no-done": lambda told: b"[DONE]" not in told.stream.content,
    "er-missing-fields": lambda told: "code" not in orjson.loads(told.refusal.content)["error"],
}
"""How each departure is seen from outside."""
PAIRED = ("cn-created-missing.absent", "cn-created-float", "cn-body-empty", "sf-no-done", "er-missing-fields")


@pytest.mark.parametrize("name", SHOWS)
def test_each_departure_is_seen_alone_and_not_without_it(name: str) -> None:
    with running() as right, running(Settings(faults=(name,))) as wrong:
        assert (SHOWS[name](told_by(right)), SHOWS[name](told_by(wrong))) == (False, True)


@pytest.mark.parametrize("names", [*itertools.permutations(PAIRED, 2)], ids="-and-".join)
def test_two_departures_both_show_or_are_refused_with_the_names_of_both(names: tuple[str, str]) -> None:
    told = told_or_refused(names)
    if isinstance(told, UsageError):
        assert all(repr(name) in told.happened for name in names)
        assert told.next_step
    else:
        assert [name for name in names if not SHOWS[name](told)] == []


def told_or_refused(names: tuple[str, ...]) -> Told | UsageError:
    try:
        with running(Settings(faults=names)) as address:
            return told_by(address)
    except UsageError as refused:
        return refused


@pytest.mark.parametrize(
    ("names", "next_step"),
    [
        (("cn-created-missing.absent", "cn-created-missing.zero"), "Serve one of them at a time."),
        (("cn-created-missing.absent", "cn-created-milliseconds"), "Serve one of them at a time."),
        (("cn-body-empty", "cn-usage-sum"), "Serve one of them at a time."),
        (("cn-usage-sum", "cn-body-empty"), "Serve one of them at a time."),
        (
            ("sf-array-of-chunks", "cn-finish-eos"),
            "Name them in the other order: --fault cn-finish-eos --fault sf-array-of-chunks",
        ),
    ],
)
def test_departures_that_hide_one_another_are_refused(names: tuple[str, str], next_step: str) -> None:
    with pytest.raises(UsageError) as refused, running(Settings(faults=names)):
        pass
    assert refused.value.happened.endswith("they take hold of the same place.")
    assert refused.value.next_step == next_step


def test_of_three_departures_those_two_are_named_that_hide_one_another() -> None:
    names = ("cn-id-static", "cn-created-missing.absent", "cn-created-missing.zero")
    with pytest.raises(UsageError) as refused, running(Settings(faults=names)):
        pass
    assert "'cn-id-static'" not in refused.value.happened


@pytest.mark.parametrize(
    "names",
    [
        ("cn-created-milliseconds", "cn-created-float"),
        ("busy-once", "cn-id-static"),
        ("cn-created-missing.absent", "cn-created-missing.absent"),
        ("cn-id-static", "cn-finish-upper", "extra-headers", "sf-no-done"),
    ],
    ids="-and-".join,
)
def test_departures_of_one_place_that_do_not_hide_one_another_stand_together(names: tuple[str, ...]) -> None:
    with running(Settings(faults=names)) as address:
        told = told_by(address)
        again = told_by(address)
    assert [name for name in names if name in SHOWS and not SHOWS[name](again)] == []
    assert (told.plain.status_code == 429) == ("busy-once" in names)


def test_a_dialect_has_its_own_pairs() -> None:
    with running(Settings(dialect="dashscope", faults=("cn-id-static", "cn-finish-upper"))) as address:
        told = told_by(address)
    assert (told.body["id"], told.finish) == ("chatcmpl-20", "STOP")
