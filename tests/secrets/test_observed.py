"""What each client brings home from an endpoint that repeats secrets, and what rules say of it."""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import pytest

from harness import content
from harness.access import Access, Variable
from harness.clients import clients, quiet_libraries
from harness.connecting import connection_to
from harness.errors import NothingJudgedError
from harness.evidence import Observation
from harness.first_answer import raise_if_nothing_to_judge
from harness.judge import judge
from harness.load.clients import clients as load_clients
from harness.load.received import Due
from harness.load.workload import LoadRequest
from harness.observe import Allowance, observer
from harness.plan import Call
from harness.run import exchange_log
from harness.scenario import Ask, Mode, Scenario, chat
from harness.target import Target
from tests.secrets.echoes import ENVIRON, KEY, ORG, PLAIN, STREAM, echoes
from tests.secrets.search import leaks, texts_of

_QUESTION = {"messages": [{"role": "user", "content": "Who am I?"}], "logprobs": True}
_ASK = Scenario("ask", "A question.", chat(_QUESTION))
_RESPOND = Scenario("respond", "A question.", Ask("responses", {"input": "Who am I?"}))

each_client = pytest.mark.parametrize("client", list(clients()))


def _observed(client: str, *, is_redacted: bool = True) -> Iterator[tuple[str, Observation]]:
    """What comes of each way in which the server answers."""
    with echoes() as (base_url, _):
        access = Access(headers={"X-Org": Variable("CANARY_ORG")})
        target = Target("echo", base_url, "echo", "CANARY_KEY", "openai", frozenset(), access=access)
        connection = connection_to(target, ENVIRON)
        secrets = connection.secrets if is_redacted else []
        with observer(connection, [client], secrets, Allowance(retries=0)) as asks:
            for mode, ways in ((Mode.PLAIN, PLAIN), (Mode.STREAM, STREAM)):
                for way in ways:
                    scenario = _RESPOND if way == "letters of a response" else _ASK
                    yield f"{way}, {mode}", asks.observe(Call(scenario, client, mode))


@each_client
def test_no_way_of_repeating_a_secret_brings_it_into_an_observation(client: str, tmp_path: Path) -> None:
    for way, seen in _observed(client):
        with exchange_log(tmp_path) as log:
            log.add(seen)
        texts = [repr(seen), _refused(seen), *(text for _, text in texts_of(tmp_path))]
        assert [
            leaks(text, secret) for text in texts for secret in (KEY, ORG) if leaks(text, secret)
        ] == [], way


def _refused(seen: Observation) -> str:
    """What a user reads for whom this is the first answer."""
    target = Target("echo", "http://127.0.0.1:9/v1", "echo", "CANARY_KEY", "openai", frozenset())
    try:
        raise_if_nothing_to_judge(seen, target)
    except NothingJudgedError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("client", load_clients())
def test_no_way_of_repeating_a_secret_brings_it_into_the_records_of_load(client: str) -> None:
    with echoes() as (base_url, used), quiet_libraries():
        access = Access(headers={"X-Org": Variable("CANARY_ORG")})
        target = Target("echo", base_url, "echo", "CANARY_KEY", "openai", frozenset(), access=access)
        user = load_clients()[client](connection_to(target, ENVIRON))()
        request = LoadRequest("chat", dict(_QUESTION))
        modes = [Mode.PLAIN] * len(PLAIN) + [Mode.STREAM] * len(STREAM)
        # A client may lose a request to a connection that it has kept, so that it asks some more.
        for number, mode in enumerate([*modes, *[Mode.PLAIN] * 5]):
            record = user.perform(Due(number, request), mode).answered().record
            assert [leaks(repr(record), secret) for secret in (KEY, ORG)] == [[], []]
        user.close()
    assert used >= {*PLAIN, *STREAM}


@pytest.mark.parametrize("client", ["raw", "langchain"])
def test_rules_say_the_same_of_an_answer_with_and_without_its_secrets(client: str) -> None:
    redacted, as_it_came = _observed(client), _observed(client, is_redacted=False)
    for (way, seen), (_, whole) in zip(redacted, as_it_came, strict=True):
        assert _outcomes(seen) == _outcomes(whole), way
        assert (
            len(seen.exchange.response.body) == len(whole.exchange.response.body) if _has_body(seen) else True
        )


def _has_body(seen: Observation) -> bool:
    return seen.exchange.response is not None


def _outcomes(seen: Observation) -> Sequence[tuple[str, str]]:
    verdicts = judge(content.rules().values(), [seen], (), date.today())
    return [(verdict.rule, verdict.outcome) for verdict in verdicts]
