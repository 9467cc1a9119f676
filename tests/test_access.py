"""How a target is reached, as its user writes it: in a file, in options, and in what docs/targets.md says."""

import contextlib
import dataclasses
import json
import re
import shlex
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.main import get_command

from harness import content
from harness.access import RESERVED_PARAMS, Access, Variable
from harness.access_reading import ACCESS_KEYS, AccessWords
from harness.asked import laid_over, targets_of
from harness.cli import app
from harness.connecting import connection_to, limits_of
from harness.errors import ConfigError, LikewiseError, MissingKeyError, UsageError
from harness.scenario import MODEL_USES, Ask
from harness.target import TARGET_KEYS, Price, Target, load
from harness.toml_table import parsed_table
from harness.wire.way import Trust
from tests.gateways import certificates, endpoint, proxy
from tests.servers import head, says, server
from tests.test_cli import likewise

GATEWAY = '[targets.gateway]\nbase_url = "http://127.0.0.1:4000/v1"\nmodel = "m"\n'
PAGE = (Path(__file__).parents[1] / "docs" / "targets.md").read_text("utf-8")
PLAIN = Target("gateway", "http://127.0.0.1:4000/v1", "m", None, "openai", frozenset())


def target(text: str) -> Target:
    with TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("likewise.toml").write_text(GATEWAY + text, encoding="utf-8")
        return load(None)["gateway"]


# --- the file -----------------------------------------------------------------------------------------------


def test_a_file_says_how_an_endpoint_is_reached() -> None:
    read = target(
        """
        models = { embeddings = "e", vision = "v" }
        params = { enable_thinking = false, chat_template_kwargs = { enable_thinking = false } }
        headers = { X-Org = { env = "ORG_ID" }, X-Team = "t" }
        query = { api-version = "1" }
        auth = "none"
        timeout_s = 90
        ca_bundle = "ca.pem"
        client_cert = { cert = "/c.pem", key = "k.pem" }
        proxy = "http://127.0.0.1:3128"
        retries = 0
        rpm = 60
        concurrency = 2
        price = { input_per_million = 0.4, output_per_million = 2, currency = "CNY" }
        """
    )
    assert read == dataclasses.replace(
        PLAIN,
        models={"embeddings": "e", "vision": "v"},
        params={"enable_thinking": False, "chat_template_kwargs": {"enable_thinking": False}},
        access=Access(
            headers={"X-Org": Variable("ORG_ID"), "X-Team": "t"},
            query={"api-version": "1"},
            auth="none",
            timeout_s=90,
            trust=Trust(Path("ca.pem"), Path("/c.pem"), Path("k.pem")),
            proxy="http://127.0.0.1:3128",
        ),
        retries=0,
        rpm=60,
        concurrency=2,
        price=Price(0.4, 2.0, "CNY"),
    )


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    file = tmp_path / "likewise.toml"
    file.write_text(GATEWAY + 'ca_bundle = "certificates/ca.pem"\nclient_cert = "me.pem"')
    trust = load(file)["gateway"].access.trust
    assert trust == Trust(tmp_path / "certificates" / "ca.pem", tmp_path / "me.pem")


def test_a_query_behind_the_base_url_is_the_targets_query() -> None:
    (asked,) = targets_of([], "http://127.0.0.1:1/v1/?api-version=2024%2010&x=", "m", None)
    assert (asked.base_url, asked.access.query) == (
        "http://127.0.0.1:1/v1",
        {"api-version": "2024 10", "x": ""},
    )


def test_a_presets_models_stay_beside_those_of_the_file() -> None:
    with TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("likewise.toml").write_text('[targets.x]\npreset = "dashscope"\nmodels = { vision = "v" }')
        assert load(None)["x"].models == {"embeddings": "text-embedding-v4", "vision": "v"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('embedding_model = "e"', "embedding_model: expected models.embeddings in its place"),
        (
            'models = { speech = "s" }',
            "models.speech: expected one of the keys chat, completions, embeddings",
        ),
        ('models = { embedding = "s" }', 'Did you mean "embeddings"?'),
        ('header = { a = "b" }', 'Did you mean "headers"?'),
        ('headers = "a"', "headers: expected a table"),
        ('headers = { "X Y" = "b" }', "expected a header's name, of letters, digits and !#$%&'*+-.^_`|~"),
        ('headers = { X-Key = "canary\\n" }', "headers.X-Key: expected a header's value in ASCII"),
        ('headers = { X-Key = "canaryé" }', "headers.X-Key: expected a header's value in ASCII"),
        ('headers = { X-Key = "" }', "headers.X-Key: expected a header's value"),
        ('headers = { X-Key = "$CANARY_ID" }', 'a variable as { env = "NAME" } in a file'),
        ("headers = { X-Key = 1 }", 'headers.X-Key: expected a text, or { env = "VARIABLE" }, found 1.'),
        (
            'headers = { X-Key = { env = "canary" } }',
            "headers.X-Key.env: expected the name of an environment",
        ),
        ('headers = { X-Key = { enf = "A" } }', 'Did you mean "env"?'),
        ("headers = { X-Key = {} }", "headers.X-Key.env: expected the name of an environment variable"),
        ('headers = { X-Key = "a", x-key = "b" }', "expected each header once, whatever its case"),
        ('headers = { Content-Type = "a" }', "expected a header other than Content-Type"),
        ('query = { a = "b\\n" }', "query.a: expected a query parameter's value without line breaks"),
        ("params = { messages = [] }", "params.messages: expected another field than messages"),
        ("params = { day = 2027-01-31 }", "params.day: expected what JSON can hold"),
        ("params = { a = [nan] }", "params.a: expected what JSON can hold"),
        ("params = { a = 99999999999999999999 }", "params.a: expected what JSON can hold"),
        ('auth = "basic"', "auth: expected one of bearer, api-key, none"),
        ('auth = "api_key"', 'Did you mean "api-key"?'),
        ('auth = "api-key"', 'auth = "api-key" has no key to send.'),
        ("timeout_s = 0", "timeout_s: expected seconds, more than 0 and at most 86,400, found 0."),
        ("timeout_s = -1", "timeout_s: expected seconds"),
        ("timeout_s = nan", "timeout_s: expected seconds"),
        ("timeout_s = inf", "timeout_s: expected seconds"),
        ('timeout_s = "5"', "timeout_s: expected a number"),
        ("timeout_s = true", "timeout_s: expected a number"),
        ("retries = -1", "retries: expected a whole number from 0 to 10"),
        ("rpm = 0", "rpm: expected a whole number from 1"),
        ("concurrency = 65", "concurrency: expected a whole number from 1 to 64"),
        ('proxy = "socks5://h:1"', "proxy: expected the URL of an http or https proxy"),
        ('proxy = "127.0.0.1:3128"', "proxy: expected the URL of an http or https proxy"),
        ('proxy = "http://h:99999"', "proxy: expected the URL of an http or https proxy"),
        ('proxy = "http://me:canary@h:1"', "a proxy without user name and password"),
        ("ca_bundle = 1", "ca_bundle: expected a text"),
        ('client_cert = { key = "k.pem" }', "client_cert.cert: expected a text"),
        ("price = {}", "price.input_per_million: expected a price for a million tokens"),
        ("price = { input_per_million = 1, output_per_million = -1 }", "price.output_per_million: expected"),
        (
            'price = { input_per_million = 1, output_per_million = 1, currency = "¥" }',
            "price.currency: expected the three letters",
        ),
        (
            'api_key_env = "A_KEY"\nheaders = { authorization = "Bearer canary" }',
            "the key of A_KEY and one of the headers would both be sent as authorization.",
        ),
    ],
)
def test_a_mistake_is_one_sentence_with_its_line_and_shows_no_value(line: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        target(line)
    message = str(raised.value)
    assert re.match(r"likewise\.toml:\d+: targets\.gateway", message)
    assert said in message
    assert "canary" not in message.lower()


def test_a_query_can_not_stand_in_two_places() -> None:
    text = GATEWAY.replace("/v1", "/v1?key=canary") + 'query = { key = "other" }'
    with TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("likewise.toml").write_text(text)
        with pytest.raises(ConfigError, match='"key" here and in query') as raised:
            load(None)
    assert "canary" not in str(raised.value)


_VALUES = st.recursive(
    st.text(max_size=5) | st.integers() | st.floats() | st.booleans(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*ACCESS_KEYS, "params", "models", "price"]), _VALUES, max_size=3))
def test_any_table_is_read_or_refused_and_what_is_read_can_be_sent_to_a_worker(
    values: dict[str, object],
) -> None:
    from harness.access_reading import access_from, params_from

    table = dataclasses.replace(parsed_table("likewise.toml", b""), values=values)
    with contextlib.suppress(ConfigError):
        access, params = access_from(table, Access()), params_from(table)
        assert Access.from_json(json.loads(orjson.dumps(access.to_json()))) == access
        assert json.loads(orjson.dumps(params)) == params


# --- options ------------------------------------------------------------------------------------------------


def test_options_are_laid_over_a_target() -> None:
    before = dataclasses.replace(
        PLAIN,
        params={"a": 1, "b": 2},
        models={"vision": "v"},
        access=Access(
            headers={"X-Org": "file", "X-Team": "t"}, query={"v": "1", "w": "1"}, trust=Trust(cert=Path("c"))
        ),
    )
    words = AccessWords(
        headers=["x-org=env:ORG_ID", "X-Eq=a=b"],
        params=["a=null", 'c={"d": [1]}', 'e="é"'],
        query=["v=2"],
        auth="none",
        timeout_s=5,
        ca_bundle=Path("ca.pem"),
        proxy="env:PROXY",
        embedding_model="e",
    )
    over = laid_over(before, words)
    assert over.params == {"a": None, "b": 2, "c": {"d": [1]}, "e": "é"}
    assert over.models == {"vision": "v", "embeddings": "e"}
    assert over.access == Access(
        headers={"X-Team": "t", "x-org": Variable("ORG_ID"), "X-Eq": "a=b"},
        query={"v": "2", "w": "1"},
        auth="none",
        timeout_s=5,
        trust=Trust(Path("ca.pem"), Path("c")),
        proxy=Variable("PROXY"),
    )


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--header", "canary", "A value of --header has no =."),
        ("--header", "X Y=canary", '--header "X Y": expected a header\'s name'),
        ("--header", "X-Key=canary\nX: y", '--header "X-Key": expected a header\'s value in ASCII'),
        ("--header", "X-Key=env:canary", 'What follows "env:" in --header is not the name'),
        ("--header", "X-Key=env:NOT_THERE", "read from the environment variable NOT_THERE, which is not set"),
        ("--header", "X-Key=env:EMPTY", "which is empty"),
        ("--header", "X-Key=env:BROKEN", "The variable BROKEN of"),
        ("--param", "a", "A value of --param has no =."),
        ("--param", "a={", '--param "a": "{" is not JSON'),
        ("--param", "a=text", "a text has quotes: --param 'a=\"text\"'"),
        ("--param", "a=NaN", "expected what JSON can hold"),
        ("--param", "model=1", '--param "model": expected another field than model'),
        ("--query", "=canary", "expected a query parameter's name"),
        ("--timeout", "0", "--timeout 0: expected seconds"),
        ("--timeout", "-1", "--timeout -1: expected seconds"),
        ("--timeout", "nan", "--timeout nan: expected seconds"),
        ("--auth", "bearr", 'There is no --auth "bearr".\n       Did you mean "bearer"?'),
        ("--auth", "api-key", 'auth = "api-key" has no key to send.'),
        ("--proxy", "socks5://me:canary@h", "--proxy: expected the URL of an http or https proxy"),
        ("--embedding-model", "", "The value of --embedding-model is empty."),
        ("--ca-bundle", "nowhere.pem", "The CA bundle nowhere.pem is not there."),
        ("--ca-bundle", "likewise.toml", "The CA bundle likewise.toml can't be used"),
    ],
)
def test_a_mistake_in_an_option_is_one_sentence_and_shows_no_value(
    option: str, value: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "likewise.toml").write_text(GATEWAY)
    result = likewise("check", "gateway", option, value, cwd=tmp_path, EMPTY="", BROKEN="canary\n")
    assert result.returncode == 2, result.stderr
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert "canary" not in result.stdout + result.stderr
    assert not (tmp_path / "runs").exists()


@given(
    st.lists(st.text()),
    st.lists(st.text()),
    st.lists(st.text()),
    st.none() | st.text(),
    st.none() | st.floats(),
)
def test_any_words_are_read_or_refused_in_a_sentence(
    headers: list[str], params: list[str], query: list[str], proxy_url: str | None, timeout_s: float | None
) -> None:
    words = AccessWords(headers, params, query, timeout_s=timeout_s, proxy=proxy_url)
    with contextlib.suppress(LikewiseError):
        connection_to(laid_over(PLAIN, words), {})


# --- what becomes of it -------------------------------------------------------------------------------------


def test_a_timeout_bounds_the_silence_and_an_exchange_by_twice_as_much() -> None:
    assert [dataclasses.astuple(limits_of(timeout_s))[:3] for timeout_s in (None, 5, 100)] == [
        (10, 60, 120),
        (5, 5, 120),
        (10, 100, 200),
    ]


def test_a_variable_that_is_missing_is_named() -> None:
    access = Access(query={"key": Variable("Q")})
    with pytest.raises(MissingKeyError, match='A value of "gateway" is read from the environment variable Q'):
        connection_to(dataclasses.replace(PLAIN, access=access), {})


def test_certificates_that_are_none_are_told(tmp_path: Path) -> None:
    made = certificates(tmp_path)
    encrypted = tmp_path / "encrypted.pem"
    command = ["openssl", "rsa", "-aes128", "-passout", "pass:x", "-in", made.client_key, "-out", encrypted]
    subprocess.run(command, check=True, capture_output=True)
    for trust, said in [
        (Trust(cert=tmp_path / "no.pem"), "The client certificate .*no.pem is not there"),
        (Trust(cert=made.client, key=tmp_path / "no.pem"), "The client certificate .*no.pem is not there"),
        (Trust(cert=made.ca), "The client certificate .*ca.pem can't be used"),
        (Trust(cert=made.client, key=encrypted), "can't be used: the key is encrypted"),
        (Trust(ca_bundle=made.client_key), "The CA bundle .*client-key.pem can't be used"),
        (Trust(ca_bundle=tmp_path), "The CA bundle .* can't be used"),
    ]:
        with pytest.raises(UsageError, match=said):
            connection_to(dataclasses.replace(PLAIN, access=Access(trust=trust)), {})


def test_a_check_is_made_as_its_file_and_options_say_and_keeps_no_secret(tmp_path: Path) -> None:
    with endpoint() as gateway:
        (tmp_path / "likewise.toml").write_text(
            GATEWAY.replace("http://127.0.0.1:4000/v1", f"{gateway.base_url}?api-version=1")
            + 'api_key_env = "A_KEY"\nauth = "api-key"\n'
            + 'headers = { X-Org = { env = "ORG_ID" }, X-Gateway-Token = "tok-canary-0123456789",'
            + ' X-Team = "t" }\n'
            + "params = { top_k = 1, min_p = 0 }\n"
        )
        options = ("--profile", "smoke", "--out", "out", "--param", "min_p=0.5", "--query", "q=env:Q")
        variables = {
            name: f"{word}-canary-0123456789"
            for name, word in (("A_KEY", "key"), ("ORG_ID", "org"), ("Q", "que"))
        }
        result = likewise("check", "gateway", *options, cwd=tmp_path, **variables)
        assert result.returncode in {0, 1}, result.stderr
        for sent in gateway.sent:
            assert sent.headers["api-key"] == "key-canary-0123456789"
            assert sent.headers["x-org"] == "org-canary-0123456789"
            assert sent.query == {"api-version": "1", "q": "que-canary-0123456789"}
            assert (sent.body["top_k"], sent.body["min_p"]) == (1, 0.5)
        run = (tmp_path / "out" / "run.json").read_text()
        assert "canary" not in run
        curl = json.loads(run)["requests"][0]["curl"]
        assert "canary" not in curl

        repeated = curl.replace("***", "shown")
        before = gateway.sent[0]
        environ = {"LIKEWISE_KEY": "k", "ORG_ID": "o r", "Q": "q"}
        subprocess.run(["sh", "-c", repeated], check=True, capture_output=True, env=environ)  # noqa: S607
        again = gateway.sent[-1]
    assert (again.method, again.body) == (before.method, before.body)
    assert again.query == {"api-version": "1", "q": "q"}
    named = ("api-key", "x-org", "x-gateway-token", "x-team")
    assert [again.headers[name] for name in named] == ["k", "o r", "shown", "t"]
    assert shlex.split(curl)[0] == "curl"


def test_a_proxy_that_is_not_there_or_refuses_is_named(tmp_path: Path) -> None:
    made = certificates(tmp_path)
    with proxy(refuses=True) as between:
        refusing = between.base_url
        (tmp_path / "likewise.toml").write_text(
            GATEWAY.replace("http:", "https:") + f'proxy = "{refusing}"\nca_bundle = "{made.ca}"\n'
        )
        result = likewise("check", "gateway", cwd=tmp_path)
        assert result.returncode == 3
        assert f"can't be reached through the proxy {refusing}: 403" in result.stderr
    result = likewise("check", "gateway", "--proxy", "env:PROXY", cwd=tmp_path, PROXY=refusing)
    assert "can't be reached through the proxy of PROXY: " in result.stderr
    assert "Check that the proxy runs" in result.stderr


@pytest.mark.parametrize("retries", [0, 1])
def test_a_request_is_asked_again_as_often_as_the_target_says(retries: int, tmp_path: Path) -> None:
    limited = head("503 Service Unavailable", headers=["Retry-After: 0", "Content-Length: 2"]) + b"{}"
    with server(says(limited)) as base_url:
        text = GATEWAY.replace("http://127.0.0.1:4000/v1", base_url) + f"retries = {retries}\nconcurrency = 1"
        (tmp_path / "likewise.toml").write_text(text)
        likewise("check", "gateway", "--profile", "smoke", "--out", "out", cwd=tmp_path)
    requests = json.loads((tmp_path / "out" / "run.json").read_bytes())["requests"]
    assert {request["attempts"] for request in requests} == {retries + 1}


def test_both_sides_of_a_diff_are_asked_as_the_options_say(tmp_path: Path) -> None:
    with endpoint() as one, endpoint() as other:
        texts = [
            GATEWAY.replace("gateway", name).replace("http://127.0.0.1:4000/v1", gateway.base_url)
            for name, gateway in (("one", one), ("other", other))
        ]
        (tmp_path / "likewise.toml").write_text("\n".join(texts))
        options = ("--header", "X-Team=t", "--param", "top_k=1", "--query", "v=1", "--profile", "smoke")
        result = likewise("diff", "one", "other", *options, "--out", "out", cwd=tmp_path)
        assert result.returncode == 0, result.stderr
    for sent in (*one.sent, *other.sent):
        assert (sent.headers["x-team"], sent.query, sent.body["top_k"]) == ("t", {"v": "1"}, 1)


def test_the_scenarios_that_show_a_picture_are_those_that_need_images() -> None:
    asks = [(one, one.ask) for one in content.scenarios().values() if isinstance(one.ask, Ask)]
    assert any("images" in scenario.needs for scenario, _ in asks)
    for scenario, ask in asks:
        assert ("vision" in ask.uses) == ("images" in scenario.needs), scenario.id


# --- docs/targets.md ----------------------------------------------------------------------------------------


def _rows() -> dict[str, str]:
    """The keys of the table, each with its option."""
    table = PAGE.split("| key | option | says |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    cells = [row.split("|")[1:3] for row in table]
    return {key.strip().strip("`"): option.strip().strip("`") for key, option in cells}


def test_every_key_of_a_target_stands_in_the_page_and_no_other_one() -> None:
    assert list(_rows()) == list(dict.fromkeys(_rows()))
    assert set(_rows()) == set(TARGET_KEYS)


def test_every_option_of_the_page_is_one_of_the_commands() -> None:
    group = get_command(app)
    options = {option.split(" ")[0] for option in _rows().values() if option}
    for command, lacks in [
        ("check", set()),
        ("load", {"--rpm", "--concurrency"}),
        ("diff", {"--base-url", "--model", "--api-key-env", "--embedding-model", "--concurrency"}),
    ]:
        known = {word for parameter in group.commands[command].params for word in parameter.opts}  # type: ignore[attr-defined]  # a group
        assert options - known == lacks


def test_every_use_of_a_model_and_every_reserved_field_is_in_the_page() -> None:
    for name in (*MODEL_USES, *RESERVED_PARAMS):
        assert f"`{name}`" in PAGE


@pytest.mark.parametrize("text", re.findall(r"```toml\n(\[targets.*?)```", PAGE, re.DOTALL))
def test_each_example_of_the_page_is_a_target(text: str) -> None:
    with TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("likewise.toml").write_text(text)
        assert load(None)
