"""What a scenario costs: who asks it in which profile, and that nobody is asked what it can't express."""

from pathlib import Path

import pytest

from harness import content
from harness.check import Settings, check, plan_for
from harness.clients import DEFAULT_CLIENTS, clients, lacks_of_clients
from harness.plan import Key
from harness.scenario import Ask, Http
from harness.target import resolve
from harness.verdict import Outcome
from harness.wire.exchange import Ending

FULL = Settings(tuple(clients()), profile="full")


def _asked(settings: Settings) -> set[Key]:
    return {call.key for call in plan_for(resolve("reference", {}), settings).calls}


def test_the_profile_full_asks_all_that_the_standard_one_asks_and_more() -> None:
    standard, full = _asked(Settings()), _asked(FULL)
    assert standard < full
    of_raw = {key for key in full if key[1] == "raw"}
    assert of_raw == {key for key in standard if key[1] == "raw"}


def test_an_asynchronous_twin_is_asked_what_its_sync_one_is() -> None:
    full = _asked(FULL)
    for client in DEFAULT_CLIENTS:
        of_client = {(scenario, mode) for scenario, name, mode in full if name == client}
        assert of_client == {(scenario, mode) for scenario, name, mode in full if name == f"{client}-async"}


def test_what_is_a_matter_of_bytes_is_asked_by_raw_alone() -> None:
    known = content.scenarios()
    asked = {client for scenario, client, _ in _asked(FULL) if known[scenario].cost == "wire"}
    assert asked == {"raw", "raw-async"}
    assert all(one.cost == "wire" for one in known.values() if isinstance(one.ask, Http))


@pytest.mark.parametrize("client", DEFAULT_CLIENTS)
def test_what_a_client_is_asked_it_can_express(client: str) -> None:
    lacks, known = lacks_of_clients()[client], content.scenarios()
    for scenario, name, mode in _asked(Settings()):
        ask = known[scenario].ask
        if name == client and not (isinstance(ask, Ask) and ask.helper):
            assert lacks(ask, mode) == "", scenario


def test_no_rule_fails_on_the_reference_endpoint_through_any_client_and_every_call_is_sent(
    tmp_path: Path,
) -> None:
    settings = Settings(DEFAULT_CLIENTS, profile="full")
    with check(resolve("reference", {}), settings, {}) as checking:
        checking.observe(tmp_path / "run", lambda _: None)
        run = checking.judged()
    failed = [verdict for verdict in run.verdicts if verdict.outcome in {Outcome.FAIL, Outcome.ERROR}]
    assert failed == []
    unsent = [seen for seen in checking.observations.values() if seen.exchange.ended is Ending.UNSENT]
    assert unsent == []
