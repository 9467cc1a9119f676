"""Presets: what each says about its sources, its host, its key and its claims."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from harness.errors import UsageError
from harness.target import CAPABILITIES, DIALECTS, Preset, presets, resolve

FOLDER = Path(__file__).parents[1] / "harness" / "presets"
FILES = sorted(FOLDER.glob("*.toml"))
CONTENTS = {file.stem: tomllib.loads(file.read_text("utf-8")) for file in FILES}
ELSEWHERE = [file for file in FILES if "starts" not in CONTENTS[file.stem]]
"""The presets of endpoints that others make; the rest is started by the harness and has no page to read."""

EXPECTED = """
openai azure dashscope dashscope-workspace deepseek moonshot zhipu minimax siliconflow volcengine-ark
openrouter mistral groq together fireworks xai gemini anthropic bedrock
vllm sglang llama-cpp ollama lm-studio tgi localai litellm portkey cloudflare
"""

REFUSED_BY_REASONING_MODELS = {"max-tokens", "stop", "n", "seed", "logprobs", "completions"}


def head(file: Path) -> str:
    """The comment with which a preset begins, as one line."""
    lines = file.read_text("utf-8").splitlines()
    comment = lines[: next(number for number, line in enumerate(lines) if not line.startswith("#"))]
    return " ".join(line.removeprefix("#").strip() for line in comment)


def urls(preset: Preset) -> Iterator[str]:
    yield from preset.regions.values()
    yield preset.base_url


def test_every_expected_vendor_and_server_has_a_preset() -> None:
    assert presets().keys() >= set(EXPECTED.split())


@pytest.mark.parametrize("file", ELSEWHERE, ids=lambda file: file.stem)
def test_a_preset_names_a_page_and_the_day_on_which_it_was_read(file: Path) -> None:
    comment = head(file)
    assert re.search(r"https://\w[\w.-]*\.\w+", comment)
    days = re.findall(r"\bread ([\d-]+)", comment)
    assert days
    assert all(date.fromisoformat(day).isoformat() == day for day in days)


@pytest.mark.parametrize("name", presets())
def test_a_preset_resolves_or_says_in_one_sentence_what_its_user_must_give(name: str) -> None:
    needs = presets()[name].needs
    if not needs:
        assert resolve(name, {}).model
        return
    with pytest.raises(UsageError) as caught:
        resolve(name, {})
    assert caught.value.happened == f'The preset "{name}" needs what only you know: {", ".join(needs)}.'


@pytest.mark.parametrize(("name", "content"), CONTENTS.items(), ids=CONTENTS)
def test_a_preset_claims_each_known_capability_at_most_once(name: str, content: Mapping[str, Any]) -> None:
    claims = content["claims"]
    assert set(claims) <= CAPABILITIES.keys()
    assert len(claims) == len(set(claims))
    assert presets()[name].claims == frozenset(claims)


@pytest.mark.parametrize("preset", presets().values(), ids=presets())
def test_a_preset_is_asked_by_https_unless_it_is_on_this_machine(preset: Preset) -> None:
    for url in urls(preset):
        parts = urlsplit(url)
        if preset.starts:
            assert url == ""
        else:
            assert parts.scheme == "https" or (parts.scheme, parts.hostname) == ("http", "127.0.0.1")
            assert not url.endswith("/")


@pytest.mark.parametrize("preset", presets().values(), ids=presets())
def test_a_preset_elsewhere_names_the_variable_of_its_key(preset: Preset) -> None:
    if preset.api_key_env is not None:
        assert re.fullmatch(r"[A-Z][A-Z0-9_]*", preset.api_key_env)
    assert preset.api_key_env or all(urlsplit(url).hostname in {"127.0.0.1", None} for url in urls(preset))


def test_no_two_vendors_share_the_variable_of_their_key() -> None:
    variables = [preset.api_key_env for name, preset in presets().items() if name != "dashscope-workspace"]
    named = [variable for variable in variables if variable]
    assert len(named) == len(set(named))


@pytest.mark.parametrize("preset", presets().values(), ids=presets())
def test_the_dialect_of_a_preset_exists(preset: Preset) -> None:
    assert preset.dialect in DIALECTS


@pytest.mark.parametrize("name", ["openai", "azure"])
def test_a_preset_of_openais_models_claims_nothing_that_they_refuse(name: str) -> None:
    assert not presets()[name].claims & REFUSED_BY_REASONING_MODELS
    assert "max-completion-tokens" in presets()[name].claims


def test_azure_claims_no_tools_as_the_newest_models_refuse_them_beside_their_default_effort() -> None:
    assert not [claim for claim in presets()["azure"].claims if "tool" in claim]


def test_both_hosts_of_dashscope_claim_the_same_and_the_reference_no_less() -> None:
    claims = presets()["dashscope"].claims
    assert presets()["dashscope-workspace"].claims == claims
    assert presets()["reference-dashscope"].claims >= claims


def test_dashscope_has_a_host_in_each_region_and_one_of_each_workspace() -> None:
    assert list(presets()["dashscope"].regions) == ["beijing", "singapore", "virginia", "hongkong", "finance"]
    workspace = presets()["dashscope-workspace"].regions
    assert len(workspace) == 6
    assert all(url.startswith("https://{workspace}.") for url in workspace.values())
