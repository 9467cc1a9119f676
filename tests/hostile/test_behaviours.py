"""Whatever an endpoint does: the exchange ends in time, is kept as it came, is judged and told in words."""

import re
from pathlib import Path

import pytest

from harness.load.record import Outcome as LoadOutcome
from harness.verdict import Outcome
from harness.visible import visible
from harness.wire.exchange import Ending
from tests.hostile.behaviour import LIMITS, Behaviour, behaviours
from tests.hostile.meeting import CEILING_S, CLIENTS, LOAD_CLIENTS, loaded, may_end, met, unfit

each_behaviour = pytest.mark.parametrize(
    "behaviour", behaviours(), ids=[f"{one.group}-{one.name}" for one in behaviours()]
)


@each_behaviour
@pytest.mark.parametrize("client", CLIENTS)
def test_a_check_meets_it(behaviour: Behaviour, client: str, tmp_path: Path) -> None:
    told = met(behaviour, client, tmp_path)
    exchange = told.seen.exchange
    assert told.took_s < CEILING_S
    assert exchange.ended in may_end(behaviour, client), exchange.detail
    broken = [(one.rule, one.reason) for one in told.verdicts if one.outcome is Outcome.ERROR]
    assert broken == []
    is_bad = behaviour.fails or exchange.ended not in {Ending.COMPLETE, Ending.LEFT}
    assert told.made.exit_code in ({1, 3} if is_bad else {0, 1, 3})
    for text in (exchange.detail, told.sentence, told.printed):
        assert not unfit(text)
    if client == "raw":
        assert re.search(behaviour.says, exchange.detail)
        assert re.search(behaviour.why, told.sentence) if behaviour.why else True
        assert set(behaviour.fails) <= told.failing(), told.failing()
    if exchange.response is not None:
        assert len(exchange.response.body) <= LIMITS.body_bytes


@each_behaviour
@pytest.mark.parametrize("client", LOAD_CLIENTS)
def test_a_load_client_meets_it(behaviour: Behaviour, client: str) -> None:
    record, took_s = loaded(behaviour, client)
    assert took_s < CEILING_S
    assert not unfit(visible(record.detail))
    assert record.outcome is LoadOutcome.OK or record.detail


def test_each_behaviour_has_a_name_of_its_own() -> None:
    names = [one.name for one in behaviours()]
    assert len(names) == len(set(names)) >= 100
