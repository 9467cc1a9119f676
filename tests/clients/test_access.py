"""Every client sends what a target says, and reaches the endpoint as it says, in both modes."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from harness.access import Access, Variable
from harness.clients import Connection, clients
from harness.connecting import connection_to
from harness.evidence import Observation
from harness.observe import Call, observer
from harness.scenario import Ask, Http, Mode, Scenario, chat
from harness.target import Target
from harness.wire.exchange import Ending
from harness.wire.way import Trust
from tests.gateways import Certificates, Gateway, Sent, certificates, endpoint, proxy

KEY = "sk-canary-0123456789"
ORG = "org-canary-0123456789"
ENVIRON = {"SOME_KEY": KEY, "ORG_ID": ORG, "SHORT": "1"}
QUESTION = {"messages": [{"role": "user", "content": "Who are you?"}]}
ASK = Scenario("ask", "A question.", chat(QUESTION))
EMBED = Scenario("embed", "A text.", Ask("embeddings", {"input": ["a"]}))
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
SEE = Scenario("see", "A picture.", chat({"messages": [{"role": "user", "content": [PICTURE]}]}))

each_client = pytest.mark.parametrize("client", list(clients()))
each_mode = pytest.mark.parametrize("mode", list(Mode))


def target_at(gateway: Gateway, access: Access = Access(), **more: object) -> Target:
    target = Target("gateway", gateway.base_url, "m", "SOME_KEY", "openai", frozenset(), access=access)
    return replace(target, **more)


def seen_by(
    target: Target, client: str, mode: Mode, scenario: Scenario = ASK, environ: Mapping[str, str] = ENVIRON
) -> Observation:
    connection: Connection = connection_to(target, environ)
    with observer(connection, [client], connection.secrets) as opened:
        return opened.observe(Call(scenario, client, mode))


def sent_by(
    client: str, mode: Mode, access: Access = Access(), scenario: Scenario = ASK, **more: object
) -> Sent:
    with endpoint() as gateway:
        seen = seen_by(target_at(gateway, access, **more), client, mode, scenario)
    assert seen.reply.raised is None or "expected" in seen.reply.raised.message, seen.reply.raised
    (sent,) = gateway.sent
    return sent


@each_client
@each_mode
def test_headers_query_and_params_go_with_every_request(client: str, mode: Mode) -> None:
    access = Access(headers={"X-Org": Variable("ORG_ID"), "X-Team": "a b"}, query={"api-version": "2024 10"})
    params = {"enable_thinking": False, "chat_template_kwargs": {"enable_thinking": False}, "top_p": 0.5}
    sent = sent_by(client, mode, access, params=params)
    assert (sent.headers["x-org"], sent.headers["x-team"]) == (ORG, "a b")
    assert sent.query == {"api-version": "2024 10"}
    assert {name: sent.body[name] for name in params} == params
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.body["model"] == "m"


@each_client
def test_embeddings_have_the_params_and_a_model_of_their_own(client: str) -> None:
    access = Access(query={"api-version": "1"}, headers={"X-Team": "t"})
    sent = sent_by(client, Mode.PLAIN, access, EMBED, params={"truncate": "END"}, models={"embeddings": "e"})
    assert (sent.body["model"], sent.body["truncate"], sent.query) == ("e", "END", {"api-version": "1"})
    assert sent.headers["x-team"] == "t"


@each_client
@each_mode
def test_a_picture_goes_to_the_model_that_sees(client: str, mode: Mode) -> None:
    models = {"vision": "sees", "embeddings": "e"}
    assert sent_by(client, mode, scenario=SEE, models=models).body["model"] == "sees"
    assert sent_by(client, mode, models=models).body["model"] == "m"


@each_client
@each_mode
def test_a_scenarios_own_value_wins_over_the_targets(client: str, mode: Mode) -> None:
    own = Scenario("own", "Hot.", chat({**QUESTION, "temperature": 1, "max_tokens": 5}))
    sent = sent_by(client, mode, scenario=own, params={"temperature": 0, "max_tokens": 9, "top_k": 1})
    assert (sent.body["temperature"], sent.body["max_tokens"], sent.body["top_k"]) == (1, 5, 1)


@each_client
@each_mode
def test_azures_header_takes_the_key_and_no_other_one_does(client: str, mode: Mode) -> None:
    sent = sent_by(client, mode, Access(auth="api-key"))
    assert sent.headers["api-key"] == KEY
    assert "authorization" not in sent.headers


@each_client
@each_mode
@pytest.mark.parametrize(
    "more", [{"api_key_env": None}, {"access": Access(auth="none")}], ids=["keyless", "none"]
)
def test_where_no_key_is_needed_none_is_sent(client: str, mode: Mode, more: Mapping[str, object]) -> None:
    with endpoint() as gateway:
        seen_by(replace(target_at(gateway), **more), client, mode)
    assert "authorization" not in gateway.sent[0].headers
    assert "likewise-no-key" not in repr(gateway.sent)


@each_client
def test_an_authorization_of_the_targets_own_is_sent_as_it_is(client: str) -> None:
    access = Access(headers={"Authorization": "Basic dXNlcjpwYXNz"})
    sent = sent_by(client, Mode.PLAIN, access, api_key_env=None)
    assert sent.headers["authorization"] == "Basic dXNlcjpwYXNz"


@pytest.mark.parametrize(
    ("access", "header", "right", "wrong"),
    [
        (Access(), "authorization", f"Bearer {KEY}", "Bearer sk-likewise-wrong-key"),
        (Access(auth="api-key"), "api-key", KEY, "sk-likewise-wrong-key"),
        (Access(auth="none"), "authorization", None, None),
    ],
)
def test_a_wrong_key_goes_where_the_right_one_would(
    access: Access, header: str, right: str | None, wrong: str | None
) -> None:
    for key, value in (("right", right), ("wrong", wrong), ("none", None)):
        http = Scenario("http", "Raw.", Http("POST", "/chat/completions", b"{}", key=key))  # type: ignore[arg-type]
        sent = sent_by("raw", Mode.PLAIN, access, http)
        assert sent.headers.get(header) == value


def test_a_raw_body_has_the_params_where_it_is_a_json_object() -> None:
    params = {"enable_thinking": False}
    for body, received in ((b'{"n": 1}', {"enable_thinking": False, "n": 1}), (b'{"n": ', b'{"n": ')):
        http = Scenario("http", "Raw.", Http("POST", "/chat/completions", body))
        assert sent_by("raw", Mode.PLAIN, scenario=http, params=params).body == received


def test_a_list_of_models_is_asked_for_without_a_body() -> None:
    models = Scenario("models", "Models.", Ask("models"))
    for client in ("raw", "openai"):
        sent = sent_by(client, Mode.PLAIN, Access(query={"v": "1"}), models, params={"top_k": 1})
        assert (sent.method, sent.query, sent.body) == ("GET", {"v": "1"}, b"")


# --- what is recorded ---------------------------------------------------------------------------------------


@each_client
@each_mode
def test_no_secret_is_recorded(client: str, mode: Mode) -> None:
    access = Access(
        headers={
            "X-Org": Variable("ORG_ID"),
            "X-Gateway-Token": "tok-canary-0123456789",
            "X-N": Variable("SHORT"),
        },
        query={"key": "que/canary-0123456789", "tier": Variable("SHORT"), "api-version": "1"},
        auth="api-key",
    )
    with endpoint() as gateway:
        seen = seen_by(target_at(gateway, access), client, mode)
    assert gateway.sent[0].query == {"key": "que/canary-0123456789", "tier": "1", "api-version": "1"}
    assert gateway.sent[0].headers["x-n"] == "1"
    recorded = repr(seen.exchange)
    assert "canary" not in recorded
    headers = {name.lower(): value for name, value in seen.exchange.request.headers}
    assert headers["x-n"] == "*"
    assert seen.exchange.request.url.endswith("&tier=*&api-version=1")
    assert seen.reply.raised is None
    # A short value is part of innocent answers.
    assert seen.exchange.response is not None
    assert b'"index":0' in seen.exchange.response.body
    assert b"chatcmpl-1" in seen.exchange.response.body


# --- TLS and proxies ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("certificates"))


@each_client
@each_mode
def test_an_endpoint_with_a_certificate_of_the_companys_is_reached_by_its_ca(
    client: str, mode: Mode, made: Certificates
) -> None:
    with endpoint(made) as gateway:
        seen = seen_by(target_at(gateway, Access(trust=Trust(made.ca))), client, mode)
    assert (seen.reply.raised, len(gateway.sent)) == (None, 1)


@each_client
def test_without_its_ca_it_is_not(client: str, made: Certificates) -> None:
    with endpoint(made) as gateway:
        seen = seen_by(target_at(gateway), client, Mode.PLAIN)
    assert (seen.exchange.ended, gateway.sent) == (Ending.TLS, [])


@each_client
def test_a_client_certificate_is_shown_to_who_asks_for_it(client: str, made: Certificates) -> None:
    with endpoint(made, asks_for_client=True) as gateway:
        trust = Trust(made.ca, made.client, made.client_key)
        seen = seen_by(target_at(gateway, Access(trust=trust)), client, Mode.PLAIN)
        assert seen.reply.raised is None
        seen = seen_by(target_at(gateway, Access(trust=Trust(made.ca))), client, Mode.PLAIN)
        assert seen.reply.raised is not None
    assert len(gateway.sent) == 1


@each_client
@each_mode
def test_a_request_goes_through_the_proxy(client: str, mode: Mode) -> None:
    with endpoint() as gateway, proxy() as between:
        environ = {**ENVIRON, "PROXY": between.base_url.replace("//", "//me:pass-canary@")}
        seen = seen_by(target_at(gateway, Access(proxy=Variable("PROXY"))), client, mode, environ=environ)
    assert seen.reply.raised is None
    assert between.sent[0].target.startswith(gateway.base_url)
    assert between.sent[0].headers["proxy-authorization"].startswith("Basic ")
    assert len(gateway.sent) == 1
    assert "canary" not in repr(seen.exchange)


@each_client
def test_a_request_over_tls_goes_through_the_proxys_tunnel(client: str, made: Certificates) -> None:
    with endpoint(made) as gateway, proxy() as between:
        access = Access(proxy=between.base_url, trust=Trust(made.ca))
        seen = seen_by(target_at(gateway, access), client, Mode.STREAM)
    assert seen.reply.raised is None
    assert [(sent.method, sent.target) for sent in between.sent] == [("CONNECT", gateway.base_url[8:-3])]
    assert len(gateway.sent) == 1


@each_client
def test_a_proxy_that_refuses_leaves_the_endpoint_unreachable(client: str, made: Certificates) -> None:
    with endpoint(made) as gateway, proxy(refuses=True) as between:
        access = Access(proxy=between.base_url, trust=Trust(made.ca))
        seen = seen_by(target_at(gateway, access), client, Mode.PLAIN)
    assert (seen.exchange.ended, gateway.sent) == (Ending.UNREACHABLE, [])
    assert "403" in seen.exchange.detail
