"""Faults and variations: what each changes on the wire, and that each says all that its reader needs."""

import re
from pathlib import Path

import httpx
import pytest

from harness import content
from harness.deviations import ledger
from harness.endpoint.departure import Departure, departures_in, fault, objects, variation
from harness.endpoint.faults import faults
from harness.endpoint.server import running
from harness.endpoint.settings import Settings
from harness.endpoint.variations import variations
from harness.errors import UsageError
from tests.proof import wires

_ALL = {**faults(), **variations()}
_FIELD_SURVEY = (
    "sc-two-finish-chunks",
    "sc-id-changes.id",
    "sc-role-missing",
    "su-usage-every-chunk",
    "ds-incremental-output",
)


@pytest.mark.parametrize("name", sorted(path.name for path in wires.FOLDER.iterdir()))
def test_every_byte_is_as_it_was_read_last(name: str) -> None:
    assert wires.text(name) == (wires.FOLDER / name).read_text(encoding="utf-8")


def test_every_departure_has_its_bytes_in_a_golden_text() -> None:
    told = re.findall(r"^== (.+)$", "".join(p.read_text("utf-8") for p in wires.FOLDER.iterdir()), re.M)
    assert sorted(told) == sorted(_ALL)


def test_there_are_as_many_as_were_promised() -> None:
    assert len(faults()) >= 170
    assert len(variations()) >= 60


def test_no_id_stands_for_two_things() -> None:
    every = [one.id for files in wires.by_file().values() for one in files]
    assert len(every) == len(set(every)) == len(_ALL)


@pytest.mark.parametrize("one", _ALL.values(), ids=lambda one: one.id)
def test_it_says_what_is_on_the_wire_and_names_what_there_is(one: Departure) -> None:
    assert one.sentence.endswith(".")
    assert one.shows
    assert set(one.shows) <= content.scenarios().keys()
    assert set(one.rows) <= ledger().rows.keys()
    assert one.rows or one.source
    assert set(one.caught_by) <= content.rules().keys()
    assert bool(one.caught_by) == one.is_fault
    assert set(one.beside) <= variations().keys()


def test_every_known_deviation_is_repeated_or_says_why_it_can_not_be() -> None:
    repeated = {row for one in _ALL.values() for row in one.rows}
    assert [row.id for row in ledger().rows.values() if row.id not in repeated and not row.unanswered] == []


def test_the_faults_that_other_tools_leave_silent_are_there() -> None:
    assert set(_FIELD_SURVEY) <= faults().keys()


def test_a_fault_that_a_rule_answers_for_is_caught_by_a_rule() -> None:
    """A row that no rule answers for may be legal; a fault of one that is answered for needs a rule."""
    answered = {row for rule in content.rules().values() for row in rule.answers}
    missing = {row for row in answered if not any(row in one.rows for one in faults().values())} - {
        row for one in variations().values() for row in one.rows
    }
    assert missing == set()


def test_two_departures_with_one_id_are_a_mistake_that_is_told() -> None:
    module = type("module", (), {})()
    for name in ("first", "second"):
        setattr(module, name, _nothing())
    with pytest.raises(ValueError, match="two departures have the id 'cn-id-static'"):
        list(departures_in([module]))


def _nothing() -> Departure:
    @fault("cn-id-static", on=objects("x"), shows=("founding",), caught_by=("chat.schema-must",))
    def change(_: object) -> None:
        """Nothing."""

    return change


def test_a_variation_is_no_fault() -> None:
    @variation("example", on=objects("x"), shows=("founding",), source="an example")
    def change(_: object) -> None:
        """Nothing."""

    assert (change.is_fault, change.rows, change.sentence) == (False, (), "Nothing.")


def test_an_endpoint_makes_several_departures_at_once() -> None:
    with running(Settings(faults=("cn-id-static", "cn-finish-upper", "extra-headers"))) as address:
        response = httpx.post(
            f"{address.base_url}/chat/completions",
            headers={"authorization": f"Bearer {address.key}"},
            json={"model": address.model, "messages": [{"role": "user", "content": "Say pong."}]},
        )
    body = response.json()
    assert (body["id"], body["choices"][0]["finish_reason"]) == ("chatcmpl-20", "STOP")
    assert response.headers["x-served-by"] == "a, b"


def test_an_endpoint_without_departures_is_as_it_was() -> None:
    assert Settings().departures == ()


def test_a_departure_that_there_is_not_is_told_with_those_that_are_like_it() -> None:
    with pytest.raises(UsageError, match=r"no fault 'st-index-mising'.*st-index-missing"):
        Settings(faults=("st-index-mising",))


@pytest.mark.parametrize("package", ["faults", "variations"])
def test_a_departure_shares_nothing_with_the_rules(package: str) -> None:
    folder = Path(__file__).parents[2] / "harness" / "endpoint" / package
    imported = re.findall(
        r"^\s*(?:from|import) (harness\S*)", "".join(p.read_text("utf-8") for p in folder.glob("*.py")), re.M
    )
    assert {name for name in imported if not name.startswith("harness.endpoint")} == set()
