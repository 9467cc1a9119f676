"""Targets: files, presets, command line, keys and base URLs, as their users meet them."""

import contextlib
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.base_url import checked_base_url
from harness.errors import (
    BadBaseUrlError,
    ConfigError,
    LikewiseError,
    MissingKeyError,
    UnknownTargetError,
    UsageError,
)
from harness.first_file import FIRST_FILE
from harness.target import (
    CAPABILITIES,
    TARGET_KEYS,
    Preset,
    Target,
    Waiver,
    ad_hoc,
    key_of,
    load,
    presets,
    resolve,
)

GATEWAY = """\
[targets.gateway]
base_url = "http://127.0.0.1:4000/v1"
model = "m"
"""


def loaded(text: str | bytes) -> Mapping[str, Target]:
    """The targets of a likewise.toml with this text, in a working folder of its own."""
    with TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("likewise.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(None)


def mistake_in(text: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(text)
    return str(caught.value)


# --- files --------------------------------------------------------------------------------------------------


def test_a_file_gives_its_targets_in_full() -> None:
    targets = loaded(
        """
        [targets.production]
        preset = "dashscope"
        region = "singapore"
        model = "qwen-max"
        claims = ["tools", "stop"]

        [[targets.production.waivers]]
        rule = "chunk-usage-null"
        reason = "documented"
        pointer = "/usage"
        expires = 2027-01-31

        [[targets.production.waivers]]
        rule = "chunk-usage-null"
        reason = "seen elsewhere as well"

        [targets.gateway]
        base_url = "https://gateway.example/openai/"
        model = "m"
        dialect = "dashscope"
        claims = ["embeddings"]
        models = { embeddings = "e" }
        api_key_env = "GATEWAY_KEY"
        """
    )
    assert targets == {
        "production": Target(
            name="production",
            base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
            model="qwen-max",
            api_key_env="DASHSCOPE_API_KEY",
            dialect="dashscope",
            claims=frozenset({"tools", "stop"}),
            models={"embeddings": "text-embedding-v4"},
            starts=None,
            waivers=(
                Waiver("chunk-usage-null", "documented", "/usage", date(2027, 1, 31)),
                Waiver("chunk-usage-null", "seen elsewhere as well"),
            ),
        ),
        "gateway": Target(
            name="gateway",
            base_url="https://gateway.example/openai",
            model="m",
            api_key_env="GATEWAY_KEY",
            dialect="dashscope",
            claims=frozenset({"embeddings"}),
            models={"embeddings": "e"},
            starts=None,
            waivers=(),
        ),
    }


def test_an_own_endpoint_is_openai_claims_nothing_and_needs_no_key_unless_it_says_so() -> None:
    assert loaded(GATEWAY)["gateway"] == Target(
        "gateway", "http://127.0.0.1:4000/v1", "m", None, "openai", frozenset()
    )


def test_a_preset_fills_in_what_the_file_does_not_say() -> None:
    target = loaded('[targets.mine]\npreset = "openai"')["mine"]
    assert target == replace(resolve("openai", {}), name="mine")


def test_empty_claims_replace_those_of_the_preset() -> None:
    assert loaded('[targets.mine]\npreset = "openai"\nclaims = []')["mine"].claims == frozenset()


def test_a_base_url_replaces_the_endpoint_that_the_harness_would_start() -> None:
    target = loaded('[targets.mine]\npreset = "reference"\nbase_url = "http://127.0.0.1:9/v1"')["mine"]
    assert (target.starts, target.base_url) == (None, "http://127.0.0.1:9/v1")


def test_a_base_url_stands_for_the_values_that_the_preset_would_need() -> None:
    target = loaded(
        '[targets.mine]\npreset = "azure"\nmodel = "m"\nbase_url = "https://a.example/v1"\napi_key_env = "K"'
    )["mine"]
    assert (target.base_url, target.api_key_env) == ("https://a.example/v1", "K")


def test_without_a_file_in_the_working_folder_there_are_no_targets() -> None:
    with TemporaryDirectory() as folder, contextlib.chdir(folder):
        assert load(None) == {}


def test_a_file_without_targets_is_legal() -> None:
    assert loaded("# nothing yet\n") == {}


def test_the_first_file_validates() -> None:
    assert list(loaded(FIRST_FILE)) == ["production"]


def test_the_examples_in_the_comments_of_the_first_file_validate() -> None:
    example = re.sub(r"^# ?(?=[\[a-z_]+.*[\]=])", "", FIRST_FILE, flags=re.MULTILINE)
    gateway = loaded(example)["gateway"]
    assert gateway.waivers == (
        Waiver(
            "the-rule-id",
            "why it does not matter to you",
            "/choices/*/message/content",
            date(2027, 1, 31),
        ),
    )
    assert gateway.claims == {"tools", "stop"}


def test_the_first_file_explains_every_capability() -> None:
    for name, sentence in CAPABILITIES.items():
        assert re.search(rf"^#   {name} +{re.escape(sentence)}$", FIRST_FILE, re.MULTILINE)


# --- mistakes in files --------------------------------------------------------------------------------------

KEYS = ", ".join(TARGET_KEYS)
CLAIMS = ", ".join(CAPABILITIES)
NOT_EMPTY = "expected a text that is not empty"

MISTAKES = {
    "unknown-top-level-key": (
        "[target.x]",
        'likewise.toml:1: target: expected one of the keys targets, clients, found "target". '
        'Did you mean "targets"?',
    ),
    "targets-is-no-table": (
        "targets = 3",
        "likewise.toml:1: targets: expected a table, found 3. Correct that line.",
    ),
    "target-is-no-table": (
        '[targets]\nx = "openai"',
        'likewise.toml:2: targets.x: expected a table, found "openai". Correct that line.',
    ),
    "bad-name": (
        '\n[targets."a/b"]\npreset = "openai"',
        'likewise.toml:2: targets."a/b": expected a target\'s name of letters, digits, ".", "_" and "-",'
        ' found "a/b". Rename the target.',
    ),
    "unknown-key": (
        f'{GATEWAY}modle = "x"',
        f"likewise.toml:4: targets.gateway.modle: expected one of the keys {KEYS},"
        ' found "modle". Did you mean "model"?',
    ),
    "unknown-key-like-nothing": (
        f"{GATEWAY}zzz = 1",
        f"likewise.toml:4: targets.gateway.zzz: expected one of the keys {KEYS},"
        ' found "zzz". Correct that line.',
    ),
    "region-without-regions": (
        '[targets.x]\npreset = "openai"\nregion = "beijing"',
        f"likewise.toml:3: targets.x.region: expected one of the keys {KEYS},"
        ' found "region". Correct that line.',
    ),
    "region-beside-a-base-url": (
        '[targets.x]\npreset = "dashscope"\nregion = "beijing"\nbase_url = "https://h/v1"',
        f"likewise.toml:3: targets.x.region: expected one of the keys {KEYS},"
        ' found "region". Correct that line.',
    ),
    "value-of-another-preset": (
        '[targets.x]\npreset = "dashscope"\nresource = "r"',
        f"likewise.toml:3: targets.x.resource: expected one of the keys {KEYS}, region,"
        ' found "resource". Correct that line.',
    ),
    "unknown-preset": (
        '[targets.x]\npreset = "opanai"',
        f"likewise.toml:2: targets.x.preset: expected one of {', '.join(presets())},"
        ' found "opanai". Did you mean "openai"?',
    ),
    "unknown-region": (
        '[targets.x]\npreset = "dashscope"\nregion = "singapur"',
        "likewise.toml:3: targets.x.region: expected one of beijing, singapore, virginia, hongkong, finance,"
        ' found "singapur". Did you mean "singapore"?',
    ),
    "unknown-dialect": (
        f'{GATEWAY}dialect = "azure"',
        "likewise.toml:4: targets.gateway.dialect: expected one of openai, dashscope,"
        ' found "azure". Correct that line.',
    ),
    "unknown-capability": (
        f'{GATEWAY}claims = ["stop", "toools"]',
        f"likewise.toml:4: targets.gateway.claims: expected one of {CLAIMS},"
        ' found "toools". Did you mean "tools"?',
    ),
    "claims-is-one-text": (
        f'{GATEWAY}claims = "tools"',
        "likewise.toml:4: targets.gateway.claims: expected an array of texts,"
        ' found "tools". Correct that line.',
    ),
    "claim-of-a-wrong-type": (
        f"{GATEWAY}claims = [true]",
        f"likewise.toml:4: targets.gateway.claims: expected one of {CLAIMS}, found true. Correct that line.",
    ),
    "claim-twice": (
        f'{GATEWAY}claims = ["stop", "n", "stop"]',
        'likewise.toml:4: targets.gateway.claims: expected each name once, found "stop". Correct that line.',
    ),
    "embeddings-without-a-model": (
        f'{GATEWAY}claims = ["embedding-base64"]',
        "likewise.toml:1: targets.gateway.models: expected the model that the claimed embeddings"
        ' come from, found nothing. Add a line such as models = { embeddings = "your-embedding-model" },'
        " or claim no embeddings.",
    ),
    "model-of-a-wrong-type": (
        '[targets.x]\npreset = "openai"\nmodel = 5',
        f"likewise.toml:3: targets.x.model: {NOT_EMPTY}, found 5. Correct that line.",
    ),
    "empty-model": (
        '[targets.x]\npreset = "openai"\nmodel = ""',
        f'likewise.toml:3: targets.x.model: {NOT_EMPTY}, found "". Correct that line.',
    ),
    "blank-model": (
        '[targets.x]\npreset = "openai"\nmodel = "\\t "',
        f'likewise.toml:3: targets.x.model: {NOT_EMPTY}, found "\\t ". Correct that line.',
    ),
    "long-value": (
        f'[targets.x]\npreset = "{"long" * 50}"',
        f"likewise.toml:2: targets.x.preset: expected one of {', '.join(presets())},"
        f' found "{"long" * 15}…". Correct that line.',
    ),
    "no-model": (
        '\n[targets.x]\nbase_url = "https://h/v1"',
        "likewise.toml:2: targets.x.model: expected a text, found nothing."
        ' Add a line such as model = "your-model"',
    ),
    "no-base-url": (
        '[targets.x]\nmodel = "m"',
        "likewise.toml:1: targets.x.base_url: expected a base URL or a preset, found nothing."
        ' Add a line such as base_url = "https://api.openai.com/v1" or preset = "openai"',
    ),
    "no-value-for-the-preset": (
        '[targets.x]\npreset = "azure"\nmodel = "m"',
        "likewise.toml:1: targets.x.resource: expected a text, found nothing."
        ' Add a line such as resource = "your-resource"',
    ),
    "value-that-leads-to-another-host": (
        '[targets.x]\npreset = "azure"\nmodel = "m"\nresource = "evil.example/"',
        "likewise.toml:4: targets.x.resource: expected a part of a host name, of letters, digits and"
        ' "-", found "evil.example/". Correct that line.',
    ),
    "base-url-with-an-operation": (
        '[targets.x]\nmodel = "m"\nbase_url = "https://h/v1/chat/completions"',
        "likewise.toml:3: targets.x.base_url: The base URL ends on /chat/completions, which clients add by"
        " themselves. Use https://h/v1",
    ),
    "another-host-without-a-key-of-its-own": (
        '[targets.x]\npreset = "openai"\nbase_url = "https://elsewhere.example/v1"',
        "likewise.toml:1: targets.x.api_key_env: expected the variable of this base_url's own key"
        " (OPENAI_API_KEY is for the hosts of the preset), found nothing."
        ' Add a line such as api_key_env = "OPENAI_API_KEY" if it is the same key.',
    ),
    "waivers-is-one-table": (
        f'{GATEWAY}[targets.gateway.waivers]\nrule = "r"',
        "likewise.toml:4: targets.gateway.waivers: expected an array of tables, each under"
        " [[targets.gateway.waivers]], found a table. Correct that line.",
    ),
    "waiver-is-a-text": (
        f'{GATEWAY}waivers = ["r"]',
        'likewise.toml:4: targets.gateway.waivers: expected a table, found "r". Correct that line.',
    ),
    "waiver-without-a-reason": (
        f'{GATEWAY}[[targets.gateway.waivers]]\nrule = "r"',
        "likewise.toml:4: targets.gateway.waivers[0].reason: expected a text, found nothing."
        ' Add a line such as reason = "your-reason"',
    ),
    "waiver-with-an-unknown-key": (
        f'{GATEWAY}waivers = [{{rule = "r", reason = "s", expire = 2027-01-31}}]',
        "likewise.toml:4: targets.gateway.waivers[0].expire: expected one of the keys rule, reason, pointer,"
        ' expires, path, received, found "expire". Did you mean "expires"?',
    ),
    "waiver-pointer": (
        f'{GATEWAY}waivers = [{{rule = "r", reason = "s", pointer = "choices"}}]',
        "likewise.toml:4: targets.gateway.waivers[0].pointer: expected a JSON pointer such as"
        ' "/choices/*/message/content", found "choices". Correct that line.',
    ),
    "waiver-path": (
        f'{GATEWAY}waivers = [{{rule = "r", reason = "s", path = "models"}}]',
        "likewise.toml:4: targets.gateway.waivers[0].path: expected a path such as"
        ' "/chat/completions", found "models". Correct that line.',
    ),
    "waiver-received": (
        f'{GATEWAY}waivers = [{{rule = "r", reason = "s", received = "null)"}}]',
        "likewise.toml:4: targets.gateway.waivers[0].received: expected a regular expression (unbalanced"
        ' parenthesis at position 4), found "null)". Correct that line.',
    ),
    "waiver-expiry-in-quotes": (
        f'{GATEWAY}waivers = [{{rule = "r", reason = "s", expires = "2027-01-31"}}]',
        "likewise.toml:4: targets.gateway.waivers[0].expires: expected a date such as 2027-01-31, without"
        ' quotes, found "2027-01-31". Correct that line.',
    ),
    "waiver-expiry-with-a-time": (
        f'{GATEWAY}waivers = [{{rule = "r", reason = "s", expires = 2027-01-31T10:00:00}}]',
        "likewise.toml:4: targets.gateway.waivers[0].expires: expected a date such as 2027-01-31, without"
        " quotes, found 2027-01-31 10:00:00. Correct that line.",
    ),
    "waiver-twice": (
        f'{GATEWAY}waivers = [\n  {{rule = "r", reason = "s"}},\n  {{rule = "r", reason = "t"}},\n]',
        "likewise.toml:6: targets.gateway.waivers[1].rule: expected each rule, pointer, path and received"
        ' once, found "r". Take out one of the two waivers.',
    ),
    "control-characters": (
        '[targets.x]\npreset = "\\u001b[31m\\u202e"',
        f"likewise.toml:2: targets.x.preset: expected one of {', '.join(presets())},"
        ' found "\\u001b[31m\\u202e". Correct that line.',
    ),
}


@pytest.mark.parametrize(("text", "message"), MISTAKES.values(), ids=MISTAKES)
def test_each_mistake_is_told_with_its_line_its_key_and_what_was_expected(text: str, message: str) -> None:
    assert mistake_in(text) == message


@pytest.mark.parametrize("variable", ["sk-canary-1234", "skcanary1234", "$CANARY", " CANARY", "CANARY\n"])
def test_a_key_in_place_of_its_variable_is_refused_and_not_shown(variable: str) -> None:
    message = mistake_in(f"{GATEWAY}api_key_env = {variable!r}".replace("'", '"'))
    assert message == (
        "likewise.toml:4: targets.gateway.api_key_env: expected the name of an environment variable, in"
        " capitals, such as DASHSCOPE_API_KEY, found another text (it is not shown, as it may be the key"
        " itself). Put the key into a variable, and the variable's name here."
    )


def test_a_key_in_the_file_is_not_shown() -> None:
    message = mistake_in(f'{GATEWAY}api_key = "sk-canary"')
    assert "canary" not in message
    assert message.endswith('Did you mean "api_key_env"?')


@pytest.mark.parametrize(
    ("text", "beginning"),
    [
        pytest.param(f"{GATEWAY}claims = [", "likewise.toml:4: this is not TOML: ", id="open-array"),
        pytest.param(f"{GATEWAY}claims = = 3\n\n", "likewise.toml:4: this is not TOML: ", id="statement"),
        pytest.param(
            f"{GATEWAY}\n\n[targets.gateway]\n", "likewise.toml:6: this is not TOML: ", id="table-twice"
        ),
        pytest.param(f'{GATEWAY}model = "n"\n\n', "likewise.toml:4: this is not TOML: ", id="key-twice"),
        pytest.param("a = 2027-02-30", "likewise.toml:1: this is not TOML: ", id="no-such-day"),
        pytest.param(f"a = {'[' * 100_000}", "likewise.toml:1: this is not TOML: ", id="too-deep"),
        pytest.param(f"a = {'9' * 10_000}", "likewise.toml:1: this is not TOML: ", id="too-long"),
        pytest.param(GATEWAY.encode() + b"# \xff", "likewise.toml:4: this is not UTF-8", id="latin-1"),
        pytest.param(GATEWAY.encode("utf-16"), "likewise.toml:1: this is not UTF-8", id="utf-16"),
    ],
)
def test_a_file_that_is_not_toml_is_told_with_its_line(text: str | bytes, beginning: str) -> None:
    assert mistake_in(text).startswith(beginning)


def test_a_byte_order_mark_does_no_harm() -> None:
    assert list(loaded(b"\xef\xbb\xbf" + GATEWAY.encode())) == ["gateway"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "nowhere.toml",
            "nowhere.toml: there is no such file. Check the path, or write a first one with `likewise init`.",
        ),
        (
            ".",
            ".: the file cannot be read: Is a directory. Give a file that you may read.",
        ),
        (
            "file/below",
            "file/below: the file cannot be read: Not a directory. Give a file that you may read.",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence(path: str, message: str) -> None:
    with TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("file").touch()
        with pytest.raises(ConfigError) as caught:
            load(Path(path))
    assert str(caught.value) == message


def test_a_folder_in_the_place_of_the_file_is_a_mistake() -> None:
    with TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("likewise.toml").mkdir()
        with pytest.raises(ConfigError, match=r"^likewise\.toml: the file cannot be read: Is a directory\. "):
            load(None)


# --- the line of a mistake ----------------------------------------------------------------------------------

# Each is a file with one mistake, in the line marked by <<<.
SHAPES = [
    """
    [targets.x]
    base_url = "https://h/v1"
    model = 5 <<<
    """,
    """
    targets.x.base_url = "https://h/v1"
    targets.x.model = 5 <<<
    """,
    """
    [targets]
    x = { base_url = "https://h/v1", model = 5 } <<<
    """,
    """
    [targets.x] <<<
    base_url = "https://h/v1"
    """,
    """
    [targets.x]
    base_url = "https://h/v1"
    model = "m"
    claims = ["tools",
        "stop", "n",
        "toools", <<<
        "seed",
    ]
    """,
    """
    [targets.x]
    base_url = "https://h/v1"
    model = "m"
    claims = [[ <<<
        "tools"
    ]]
    """,
    """
    [targets.x]
    base_url = "https://h/v1"
    model = "m"
    waivers = [
        { rule = "r", reason = "s" },
        { rule = "r2", reason = "s", pointer = "no" }, <<<
        { rule = "r3", reason = "s" },
    ]
    """,
    """
    [targets.x]
    base_url = "https://h/v1"
    model = "m"
    [[targets.x.waivers]]
    rule = "r"
    reason = "s"
    [[targets.x.waivers]]
    rule = "r2"
    reason = "s"
    expires = 5 <<<
    [[targets.x.waivers]]
    rule = "r3"
    reason = "s"
    """,
    """
    [[targets.x.waivers]]
    rule = "r"
    reason = '''
    [[targets.x.waivers]]
    expires = 5
    '''
    [[targets.x.waivers]] <<<
    rule = "r2"
    [targets.x]
    base_url = "https://h/v1"
    model = "m"
    """,
    """
    [targets.x]
    base_url = "https://h/v1"
    model = "m"
    "embedding_\\u006dodel" = 5 <<<
    """,
    """
    [targets.x]
    base_url = "https://h/v1"
    model = "m"
    dialect = '''other <<<
    model = 5
    '''
    """,
]

# Lines and targets that may stand around any other, and that look like the mistake to a search by words.
HARMLESS_LINES = st.sampled_from(["", "   ", "# model = 5", "# claims = [", "\t# '''", "#\u2028model = 5"])
HARMLESS_TARGETS = st.sampled_from(
    [
        [
            "[targets.a]",
            "base_url = 'https://h/v1'",
            'model = """',
            "[targets.x]",
            "model = 5",
            '"""',
        ],
        ["[targets.b]", "preset = 'openai'", "claims = [", "  # ]", "  'tools', # x", "", "]"],
        [
            "[[targets.c.waivers]]",
            "rule = 'r'",
            "reason = '''[[targets.x.waivers]]'''",
            "[targets.c]",
            "preset = 'openai'",
        ],
    ]
)


@st.composite
def files_with_a_mistake(draw: st.DrawFn) -> tuple[str, int]:
    """A file and the line of its mistake: a shape, harmless lines in it, harmless targets around it."""
    shape = draw(st.sampled_from(SHAPES)).strip("\n").split("\n")
    targets = draw(st.lists(HARMLESS_TARGETS, unique_by=lambda target: target[0]))
    has_root_keys = shape[0].lstrip().startswith("targets.")  # which cannot stand behind a table
    split = 0 if has_root_keys else draw(st.integers(0, len(targets)))
    lines = [line for target in targets[:split] for line in target]
    guilty_line = 0
    is_in_a_text = False
    for line in shape:
        if not is_in_a_text:
            lines += draw(st.lists(HARMLESS_LINES, max_size=3))
        lines.append(line.removesuffix(" <<<"))
        if line.endswith("<<<"):
            guilty_line = len(lines)
        is_in_a_text ^= line.count("'''") == 1
    for target in targets[split:]:
        lines += target + draw(st.lists(HARMLESS_LINES, max_size=3))
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines), guilty_line


@given(files_with_a_mistake())
def test_the_line_of_a_mistake_is_right_whatever_stands_around_it(file: tuple[str, int]) -> None:
    text, guilty_line = file
    assert mistake_in(text).startswith(f"likewise.toml:{guilty_line}: targets.x")


VALUES = st.recursive(
    st.sampled_from(
        ["''", "'openai'", "'dashscope'", "'tools'", "5", "true", "1.5", "2027-01-31", "'https://h/v1'"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(st.sampled_from(["rule", "reason", "x"]), inner, max_size=3).map(
            lambda table: "{" + ", ".join(f"{key} = {value}" for key, value in table.items()) + "}"
        )
    ),
    max_leaves=6,
)
RIGHT = {
    "preset": "'dashscope'",
    "base_url": "'https://h/v1'",
    "model": "'m'",
    "api_key_env": "'SOME_KEY'",
    "dialect": "'openai'",
    "claims": "['tools', 'embeddings']",
    "models": "{embeddings = 'e', vision = 'v'}",
    "params": "{enable_thinking = false}",
    "headers": "{X-Org = {env = 'ORG'}}",
    "query": "{api-version = '1'}",
    "auth": "'none'",
    "timeout_s": "5",
    "ca_bundle": "'ca.pem'",
    "client_cert": "{cert = 'c.pem', key = 'k.pem'}",
    "proxy": "'http://127.0.0.1:1'",
    "retries": "0",
    "rpm": "60",
    "concurrency": "2",
    "price": "{input_per_million = 1, output_per_million = 2.5, currency = 'CNY'}",
    "waivers": "[{rule='r', reason='s', pointer='/p', path='/q', received='x', expires=2027-01-31}]",
    "region": "'finance'",
    "resource": "'r'",
}
TABLES = st.fixed_dictionaries(
    {}, optional={key: st.just(value) | VALUES for key, value in RIGHT.items()}
) | st.fixed_dictionaries({"preset": st.just("'openai'")}, optional={"model": st.just("'m'")})


@given(st.lists(TABLES, max_size=3))
def test_any_table_gives_targets_or_a_mistake_with_a_line_of_the_file(tables: list[dict[str, str]]) -> None:
    text = "\n".join(
        line
        for number, table in enumerate(tables)
        for line in [f"[targets.t{number}]", *(f"{key} = {value}" for key, value in table.items())]
    )
    try:
        targets, told = loaded(text), ""
    except ConfigError as error:
        targets, told = {}, error.happened
    if told:
        line = re.match(r"likewise\.toml:(\d+): targets\.t\d", told)
        assert line, told
        assert 1 <= int(line[1]) <= text.count("\n") + 1
    else:
        assert len(targets) == len(tables)


@given(st.binary() | st.text(alphabet="[]{}=.'\"#\n\r\t a1-:,\\").map(str.encode))
def test_any_bytes_give_targets_or_one_sentence(data: bytes) -> None:
    with contextlib.suppress(ConfigError):
        assert loaded(data) == {}


# --- presets ------------------------------------------------------------------------------------------------

SHIPPED = [
    "anthropic",
    "azure",
    "bedrock",
    "cloudflare",
    "dashscope",
    "dashscope-workspace",
    "deepseek",
    "fireworks",
    "gemini",
    "groq",
    "litellm",
    "llama-cpp",
    "lm-studio",
    "local",
    "localai",
    "minimax",
    "mistral",
    "moonshot",
    "ollama",
    "openai",
    "openrouter",
    "portkey",
    "reference",
    "reference-dashscope",
    "sglang",
    "siliconflow",
    "tgi",
    "together",
    "vllm",
    "volcengine-ark",
    "xai",
    "zhipu",
]


def test_the_presets_are_these() -> None:
    assert sorted(presets()) == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_each_preset_works_at_once_or_says_the_lines_that_make_it_work(name: str) -> None:
    targets: Mapping[str, Target] = {}
    if needs := presets()[name].needs:
        with pytest.raises(UsageError) as caught:
            resolve(name, {})
        assert caught.value.happened == (f'The preset "{name}" needs what only you know: {", ".join(needs)}.')
        targets = loaded(caught.value.next_step.split("\n\n")[1])
    target = resolve(name, targets)
    assert target.name == name
    assert target.model
    assert target.base_url == ("" if target.starts else checked_base_url(target.base_url))


@pytest.mark.parametrize("preset", presets().values(), ids=presets())
def test_a_preset_with_a_key_sends_it_over_https_or_to_this_machine(preset: Preset) -> None:
    for url in [preset.base_url, *preset.regions.values()]:
        assert preset.starts or url.startswith(("https://", "http://127.0.0.1:"))


@pytest.mark.parametrize(
    ("name", "region"), [(name, region) for name in SHIPPED for region in presets()[name].regions]
)
def test_each_region_of_a_preset_can_be_chosen(name: str, region: str) -> None:
    values = "".join(f'{key} = "w-1"\n' for key in presets()[name].needs)
    target = loaded(f'[targets.x]\npreset = "{name}"\nregion = "{region}"\n{values}')["x"]
    assert target.base_url == checked_base_url(presets()[name].regions[region].format(workspace="w-1"))


def test_the_first_region_is_the_default() -> None:
    assert resolve("dashscope", {}).base_url == "https://dashscope.aliyuncs.com/compatible-mode/v1"


def test_a_preset_with_options_that_do_the_same_names_them() -> None:
    with pytest.raises(UsageError) as caught:
        resolve("azure", {})
    assert str(caught.value) == (
        'The preset "azure" needs what only you know: resource, model.'
        " Write into likewise.toml, with your values:\n"
        "\n"
        "[targets.azure]\n"
        'preset = "azure"\n'
        'resource = "your-resource"\n'
        'model = "your-model"\n'
        "\n"
        "or use --base-url https://your-resource.openai.azure.com/openai/v1 --model your-model"
        " --api-key-env AZURE_OPENAI_API_KEY"
    )


def test_the_reference_endpoint_claims_everything() -> None:
    assert resolve("reference", {}).claims == frozenset(CAPABILITIES)


def test_the_reference_endpoint_in_dashscopes_dialect_claims_what_dashscope_claims() -> None:
    assert resolve("reference-dashscope", {}).claims >= resolve("dashscope", {}).claims


# --- names --------------------------------------------------------------------------------------------------


def test_the_names_of_the_file_come_before_the_presets() -> None:
    targets = loaded(GATEWAY.replace("gateway", "openai"))
    assert resolve("openai", targets).base_url == "http://127.0.0.1:4000/v1"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "dashcope",
            'No target is named "dashcope". Did you mean "dashscope"?'
            " An endpoint without a name is given by --base-url and --model.",
        ),
        (
            "gatway",
            'No target is named "gatway". Did you mean "gateway"?'
            " An endpoint without a name is given by --base-url and --model.",
        ),
        (
            "https://h/v1",
            'No target is named "https://h/v1". `likewise targets` lists all names.'
            " An endpoint without a name is given by --base-url and --model.",
        ),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest_known_one(name: str, message: str) -> None:
    with pytest.raises(UnknownTargetError) as caught:
        resolve(name, loaded(GATEWAY))
    assert str(caught.value) == message


# --- the command line ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base_url", "name"),
    [
        ("http://127.0.0.1:8000/v1/", "127.0.0.1-8000"),
        ("http://[::1]:8000", "1-8000"),
        ("https://api.openai.com/v1", "api.openai.com"),
    ],
)
def test_a_target_of_the_command_line_is_named_after_its_host_and_claims_nothing(
    base_url: str, name: str
) -> None:
    assert ad_hoc(base_url, "m", "SOME_KEY") == Target(
        name, base_url.rstrip("/"), "m", "SOME_KEY", "openai", frozenset()
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: ad_hoc("https://h/v1", " ", None),
            "The model is empty. Name it with --model, as the endpoint calls it.",
        ),
        (
            lambda: ad_hoc("https://h/v1", "m", "sk-canary"),
            "The value of --api-key-env is not the name of an environment variable, in capitals, such as"
            " DASHSCOPE_API_KEY (it is not shown, as it may be the key itself). Put the key into a variable,"
            " and give the variable's name.",
        ),
        (
            lambda: ad_hoc("https://h/v1", "m", None, "dashscop"),
            'There is no dialect "dashscop". Did you mean "dashscope"?',
        ),
        (
            lambda: ad_hoc("https://h/v1", "m", None, "x"),
            'There is no dialect "x". Choose one of openai, dashscope.',
        ),
    ],
)
def test_a_command_line_that_cannot_be_meant_is_one_clear_sentence(
    call: Callable[[], Target], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        call()
    assert str(caught.value) == message


# --- keys ---------------------------------------------------------------------------------------------------

KEYED = ad_hoc("https://h/v1", "m", "SOME_KEY")
VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1)
NOT_VISIBLE = st.characters(max_codepoint=0x20) | st.characters(min_codepoint=0x7F)


@given(VISIBLE)
def test_the_key_is_what_its_variable_holds(key: str) -> None:
    assert key_of(KEYED, {"SOME_KEY": key, "OPENAI_API_KEY": "other"}) == key


def test_a_target_without_a_variable_gets_a_placeholder_and_never_a_secret() -> None:
    target = ad_hoc("https://h/v1", "m", None)
    assert key_of(target, {"OPENAI_API_KEY": "sk-canary", "DASHSCOPE_API_KEY": "sk-canary"}) == ""


@pytest.mark.parametrize(("environ", "state"), [({}, "not set"), ({"SOME_KEY": ""}, "empty")])
def test_a_missing_key_is_told_with_its_variable_and_no_other_one_is_taken(
    environ: Mapping[str, str], state: str
) -> None:
    others = dict.fromkeys(["OPENAI_API_KEY", "DASHSCOPE_API_KEY", "some_key", "SOME_KEY_2"], "sk-canary")
    with pytest.raises(MissingKeyError) as caught:
        key_of(KEYED, others | dict(environ))
    assert str(caught.value) == (
        f'The key of "h" is read from the environment variable SOME_KEY, which is {state}.'
        " Set it, for example with: export SOME_KEY=your-key"
    )


@given(st.sampled_from(["", "sk-canary"]), NOT_VISIBLE, st.sampled_from(["", "canary-2"]))
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(before: str, bad: str, after: str) -> None:
    with pytest.raises(UsageError) as caught:
        key_of(KEYED, {"SOME_KEY": before + bad + after})
    assert str(caught.value) == (
        "The key in SOME_KEY holds white space, a line break or a character outside ASCII."
        " Set the variable again, to the key alone."
    )


# --- base URLs ----------------------------------------------------------------------------------------------

LOOKS_LIKE = "a base URL looks like https://api.openai.com/v1"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "https://h/v1#canary",
            'has a fragment, into which clients would write their paths. Cut it off at the "#".',
        ),
        (
            "https://h/v1/chat/completions",
            "ends on /chat/completions, which clients add by themselves. Use https://h/v1",
        ),
        (
            "https://h/Chat/Completions//",
            "ends on /chat/completions, which clients add by themselves. Use https://h",
        ),
        (
            "https://h/v1/completions",
            "ends on /completions, which clients add by themselves. Use https://h/v1",
        ),
        (
            "https://h/v1/embeddings/",
            "ends on /embeddings, which clients add by themselves. Use https://h/v1",
        ),
        ("https://h/v1/responses", "ends on /responses, which clients add by themselves. Use https://h/v1"),
        ("https://h/v1/models", "ends on /models, which clients add by themselves. Use https://h/v1"),
        (
            "localhost:8000/v1",
            'has no scheme. Put "https://" in front of it, or "http://" for a server on your own machine.',
        ),
        ("", 'has no scheme. Put "https://" in front of it, or "http://" for a server on your own machine.'),
        ("ftp://h/v1", "has a scheme other than https and http. Use https or http."),
        ("https:///v1", f"has no host. Write it in full; {LOOKS_LIKE}"),
        ("https://:443/v1", f"has no host. Write it in full; {LOOKS_LIKE}"),
        ("https://h:99999/v1", f"has a host or a port that is not valid. Correct it; {LOOKS_LIKE}"),
        ("https://h:x/v1", f"has a host or a port that is not valid. Correct it; {LOOKS_LIKE}"),
        ("http://[::1/v1", f"has a host or a port that is not valid. Correct it; {LOOKS_LIKE}"),
        (
            "https://me:canary@h/v1",
            "holds a user name or a password. Take it out, put the key into an environment variable, and give"
            " that variable's name.",
        ),
        (" https://h/v1", f'holds the character " ", which no URL has. Take it out; {LOOKS_LIKE}'),
        ("https://h/v1\n", f'holds the character "\\n", which no URL has. Take it out; {LOOKS_LIKE}'),
        ("https://{r}.h/v1", f'holds the character "{{", which no URL has. Take it out; {LOOKS_LIKE}'),
        ("https://h\\v1", f'holds the character "\\\\", which no URL has. Take it out; {LOOKS_LIKE}'),
        ("https://h/v1\u200b", f'holds the character "\\u200b", which no URL has. Take it out; {LOOKS_LIKE}'),
    ],
)
def test_a_base_url_that_no_client_could_use_is_one_clear_sentence(url: str, message: str) -> None:
    with pytest.raises(BadBaseUrlError) as caught:
        checked_base_url(url)
    assert str(caught.value) == f"The base URL {message}"


@pytest.mark.parametrize(
    ("url", "checked"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1"),
        ("https://h/v1///", "https://h/v1"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
        ("HTTPS://H/openai/v1", "HTTPS://H/openai/v1"),
        ("https://h/models/v1", "https://h/models/v1"),
        ("https://h/a%20b/v1", "https://h/a%20b/v1"),
    ],
)
def test_a_base_url_need_not_end_on_v1_and_may_end_on_a_slash(url: str, checked: str) -> None:
    assert checked_base_url(url) == checked


URLS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["https://", "http://", "HTTP://", "", "//", "https:/", "ws://"]),
    st.from_regex(r"[a-zA-Z0-9.@:\[\]-]{0,12}", fullmatch=True),
    st.sampled_from(["", ":0", ":8000", ":65536", ":"]),
    st.text(alphabet="/v1?#%.: \\é{chat/models", max_size=8),
)


@given(URLS | st.text())
def test_what_passes_as_a_base_url_takes_a_path_in_any_client_and_passes_again(url: str) -> None:
    try:
        checked = checked_base_url(url)
    except BadBaseUrlError:
        return
    assert checked_base_url(checked) == checked
    joined = httpx.URL(f"{checked}/chat/completions")
    assert joined.path.endswith("/chat/completions")
    assert (joined.scheme in ("http", "https"), bool(joined.host)) == (True, True)
    assert (joined.query, joined.fragment, joined.userinfo) == (b"", "", b"")


# --- all errors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [ConfigError, UnknownTargetError, MissingKeyError, BadBaseUrlError, UsageError]
)
def test_every_mistake_ends_the_command_with_exit_code_2(error: type[LikewiseError]) -> None:
    assert error("a", "b").exit_code == 2


def test_importing_targets_loads_nothing_that_only_some_commands_need() -> None:
    late = [
        "tomllib",
        "difflib",
        "pydantic",
        "openai",
        "httpx",
        "httpx2",
        "jsonschema",
        "importlib.resources",
    ]
    code = f"import sys, harness.target; print([name for name in {late!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
