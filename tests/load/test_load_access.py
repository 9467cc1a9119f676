"""Each client of a load run sends what a target says, and reaches the endpoint as it says."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.access import Access, Variable
from harness.connecting import connection_to
from harness.errors import NothingJudgedError, UsageError
from harness.load.clients import clients
from harness.load.probe import probe
from harness.load.received import Due
from harness.load.record import Outcome, RequestRecord
from harness.load.workload import LoadRequest
from harness.scenario import Mode
from harness.target import Target
from harness.wire.way import Trust
from tests.gateways import Certificates, Sent, certificates, endpoint, proxy
from tests.load import runs
from tests.load.commands import SHORT, ended, start, told

KEY = "sk-canary-0123456789"
ENVIRON = {"SOME_KEY": KEY, "ORG_ID": "org-canary-0123456789"}
CHAT = LoadRequest("chat", {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}, "n")
TEXT = LoadRequest("embeddings", {"input": "hi"}, "n")

each_client = pytest.mark.parametrize("client", clients())
each_mode = pytest.mark.parametrize("mode", Mode)


def ask(
    target: Target, client: str, mode: Mode, request: LoadRequest = CHAT, times: int = 1
) -> RequestRecord:
    user = clients()[client](connection_to(target, ENVIRON))()
    try:
        return [user.perform(Due(i, request), mode).answered().record for i in range(times)][-1]
    finally:
        user.close()


def target_at(base_url: str, access: Access = Access(), **more: object) -> Target:
    target = Target("gateway", base_url, "m", "SOME_KEY", "openai", frozenset(), access=access)
    return replace(target, **more)


def sent_by(
    client: str, mode: Mode, access: Access = Access(), request: LoadRequest = CHAT, **more: object
) -> Sent:
    with endpoint() as gateway:
        assert ask(target_at(gateway.base_url, access, **more), client, mode, request).outcome is Outcome.OK
    (sent,) = gateway.sent
    return sent


@each_client
@each_mode
def test_headers_query_and_params_go_with_every_request(client: str, mode: Mode) -> None:
    access = Access(
        headers={"X-Org": Variable("ORG_ID"), "User-Agent": "ours"}, query={"api-version": "2024 10"}
    )
    params = {"enable_thinking": False, "max_tokens": 9}
    sent = sent_by(client, mode, access, params=params)
    assert (sent.headers["x-org"], sent.headers["user-agent"]) == ("org-canary-0123456789", "ours")
    assert sent.query == {"api-version": "2024 10"}
    assert (sent.body["enable_thinking"], sent.body["max_tokens"], sent.body["model"]) == (False, 5, "m")
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.headers["x-client-request-id"] == "0"


@each_client
def test_embeddings_have_the_params_and_a_model_of_their_own(client: str) -> None:
    sent = sent_by(client, Mode.PLAIN, request=TEXT, params={"truncate": "END"}, models={"embeddings": "e"})
    assert (sent.body["model"], sent.body["truncate"]) == ("e", "END")


@each_client
@each_mode
def test_azures_header_takes_the_key_and_a_keyless_target_sends_none(client: str, mode: Mode) -> None:
    azure = sent_by(client, mode, Access(auth="api-key"))
    assert azure.headers["api-key"] == KEY
    assert "authorization" not in azure.headers
    keyless = sent_by(client, mode, api_key_env=None)
    assert not {"authorization", "api-key"} & keyless.headers.keys()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("certificates"))


@each_client
@each_mode
def test_a_ca_and_a_client_certificate_are_used(client: str, mode: Mode, made: Certificates) -> None:
    trust = Trust(made.ca, made.client, made.client_key)
    with endpoint(made, asks_for_client=True) as gateway:
        assert ask(target_at(gateway.base_url, Access(trust=trust)), client, mode).outcome is Outcome.OK
        assert ask(target_at(gateway.base_url), client, mode).outcome is not Outcome.OK
    assert len(gateway.sent) == 1


@each_client
@each_mode
def test_requests_go_through_the_proxy(client: str, mode: Mode) -> None:
    with endpoint() as gateway, proxy() as between:
        target = target_at(gateway.base_url, Access(proxy=between.base_url))
        assert ask(target, client, mode, times=2).outcome is Outcome.OK
    assert between.sent[0].target == f"{gateway.base_url}/chat/completions"
    assert len(gateway.sent) == 2


@each_client
@each_mode
def test_over_tls_they_go_through_its_tunnel_and_its_answer_is_no_part_of_theirs(
    client: str, mode: Mode, made: Certificates
) -> None:
    with endpoint(made) as gateway, proxy() as between:
        target = target_at(gateway.base_url, Access(proxy=between.base_url, trust=Trust(made.ca)))
        assert ask(target, client, mode, times=2).outcome is Outcome.OK
    assert {sent.method for sent in between.sent} == {"CONNECT"}
    assert len(gateway.sent) == 2


@each_client
def test_a_proxy_that_refuses_is_named(client: str, made: Certificates) -> None:
    with endpoint(made) as gateway, proxy(refuses=True) as between:
        target = target_at(gateway.base_url, Access(proxy=between.base_url, trust=Trust(made.ca)))
        job = replace(runs.job(gateway.base_url), client=client)
        with pytest.raises(NothingJudgedError) as raised:
            probe(job, target, connection_to(target, ENVIRON))
    assert f"through the proxy {between.base_url}: " in raised.value.happened
    assert "the proxy" in raised.value.next_step


def test_the_raw_client_says_that_it_speaks_no_tls_to_a_proxy() -> None:
    target = target_at("https://127.0.0.1:9/v1", Access(proxy="https://127.0.0.1:9"))
    with pytest.raises(UsageError, match="speaks no TLS to a proxy"):
        ask(target, "raw", Mode.PLAIN)


# --- whole runs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_run_by_workers_sends_what_variables_hold_and_keeps_none_of_it(
    processes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a name that is hidden from SDKs
    monkeypatch.setenv("OPENAI_ORG_ID", "org-canary-0123456789")
    with endpoint() as gateway:
        (tmp_path / "likewise.toml").write_text(
            f'[targets.gateway]\nbase_url = "{gateway.base_url}"\nmodel = "m"\n'
            'headers = { X-Org = { env = "OPENAI_ORG_ID" } }\nparams = { top_k = 1 }\ntimeout_s = 20\n'
        )
        options = ("--arrivals", "users:2", "--duration", "1", "--processes", processes, "--query", "v=1")
        _, _, err = ended(start("load", "gateway", "--out", "out", *SHORT, *options, cwd=tmp_path))
    assert err == ""
    assert len(gateway.sent) > 2
    for sent in gateway.sent:
        assert sent.headers["x-org"] == "org-canary-0123456789"
        assert (sent.query, sent.body["top_k"]) == ({"v": "1"}, 1)
        assert "authorization" not in sent.headers
    run = told(tmp_path / "out")
    assert run["target"]["headers"] == {"X-Org": "$OPENAI_ORG_ID"}
    assert run["target"]["query"] == {"v": "1"}
    assert all(b"canary" not in path.read_bytes() for path in (tmp_path / "out").iterdir())


def test_a_secret_that_is_written_out_does_not_travel_to_workers_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "likewise.toml").write_text(
        '[targets.gateway]\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "m"\nheaders = { X-Key = "canary" }\n'
    )
    code, _, err = ended(start("load", "gateway", "--master", "1", cwd=tmp_path))
    assert code == 2
    assert 'The value of "X-Key" would travel to the workers in the clear.' in err
    assert "canary" not in err
