"""Targets: where an endpoint is, what it is known to do differently, and what it claims to be able to do.

A target comes from the user's likewise.toml (`load`), from a preset (`presets`, one TOML file each in
harness/presets/) or from the command line (`ad_hoc`). Its key is read by `key_of` from the one variable that
the target names: the OpenAI SDK falls back to OPENAI_API_KEY when it is given no key, and would so send one
vendor's secret to another vendor's host.

Each mistake in a file is a ConfigError that begins with `file:line: key`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from harness.errors import (
    BadBaseUrlError,
    ConfigError,
    MissingKeyError,
    UnknownTargetError,
    UsageError,
)
from harness.toml_table import (
    VARIABLE,
    Table,
    did_you_mean,
    is_variable,
    line_to_add,
    parsed_table,
    shown_value,
)

Starts: TypeAlias = Literal["reference", "local-model"]

FILE_NAME = "likewise.toml"
DIALECTS = ("openai", "dashscope")
STARTS: tuple[Starts, ...] = ("reference", "local-model")

PLACEHOLDER_KEY = "likewise-no-key-needed"
"""Sent to an endpoint that needs no key, because the OpenAI SDK refuses to work without one."""

CAPABILITIES: Mapping[str, str] = MappingProxyType(
    {
        "tools": "Calls function tools when the prompt asks for it, and none with tool_choice none.",
        "tool-choice-named": "Calls the function that tool_choice names, whatever the prompt says.",
        "tool-choice-required": "Calls at least one function when tool_choice is required.",
        "parallel-tools": "Makes several tool calls in one answer; only one if parallel_tool_calls is false.",
        "strict-tools": "Gives arguments that match the parameters of a function with strict true.",
        "json-object": "Answers with a JSON object when response_format is json_object.",
        "json-schema": "Answers with JSON that matches the schema of response_format json_schema.",
        "logprobs": "Gives the log probability of each token, and as many alternatives as top_logprobs says.",
        "n": "Gives n choices for one prompt.",
        "seed": "Accepts seed, and answers alike to the same seed as far as it can.",
        "stop": "Ends before a stop sequence, and never includes it.",
        "max-tokens": "Ends at max_tokens with finish_reason length.",
        "max-completion-tokens": "Ends at max_completion_tokens with finish_reason length.",
        "stream-usage": "Ends a stream with a usage chunk when stream_options.include_usage is true.",
        "content-parts": "Accepts message content as an array of text parts.",
        "images": "Accepts image parts as data URLs, and sees what they show.",
        "developer-role": "Accepts messages of the role developer.",
        "late-system": "Accepts system messages after the first message.",
        "reasoning": "Reasons before it answers, and counts or shows its reasoning.",
        "strict-params": "Refuses a request parameter that it does not know.",
        "authentication": "Refuses a missing or wrong key with HTTP 401.",
        "models": "Lists its models at GET /models.",
        "embeddings": "Gives embeddings of texts at POST /embeddings.",
        "embedding-dimensions": "Gives embeddings of the length that dimensions asks for.",
        "embedding-base64": "Gives embeddings as base64 when encoding_format asks for it.",
        "embedding-tokens": "Embeds inputs that are arrays of tokens.",
        "completions": "Answers legacy requests at POST /completions.",
        "responses": "Answers requests at POST /responses.",
        "stored-responses": "Keeps responses: GET /responses/{id} and previous_response_id work.",
    }
)
"""What an endpoint may claim beyond the founding promise, each in one sentence.

Plain and streamed chat completions are the promise itself, so they are not claimed but always judged.
"""


@dataclass(frozen=True, slots=True)
class Waiver:
    """A deviation that the user accepts, with the reason.

    `rule` is the rule's id; `pointer` is a glob over JSON pointers (RFC 6901) such as
    "/choices/*/message/content" (None: anywhere); `path` is where the request went, below the base URL
    (None: anywhere). From the day after `expires` on it counts no more.
    """

    rule: str
    reason: str
    pointer: str | None = None
    expires: date | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """An endpoint to judge.

    `base_url` has no trailing slash; it is "" while `starts` says what the harness has yet to start on a free
    port. `api_key_env` names the variable that holds the key; None: the endpoint needs no key. `claims` is a
    subset of CAPABILITIES.
    """

    name: str
    base_url: str
    model: str
    api_key_env: str | None
    dialect: str
    claims: frozenset[str]
    embedding_model: str | None = None
    starts: Starts | None = None
    waivers: tuple[Waiver, ...] = ()


@dataclass(frozen=True, slots=True)
class Preset:
    """What is known of an endpoint before its user says anything.

    `base_url` and the URLs of `regions` may hold {placeholders} for values that only the user knows. Where
    there are regions, `base_url` is the first of them.
    """

    title: str = ""
    base_url: str = ""
    regions: Mapping[str, str] = field(default_factory=dict)
    dialect: str = "openai"
    api_key_env: str | None = None
    model: str | None = None
    embedding_model: str | None = None
    claims: frozenset[str] = frozenset()
    starts: Starts | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        """The keys that a user of this preset must give, in the order in which to write them."""
        return (*_placeholders(self.base_url), *(() if self.model else ("model",)))


def load(path: Path | None) -> Mapping[str, Target]:
    """The targets of a file, by name; None looks for likewise.toml in the working folder and may find none.

    Raises ConfigError at the first mistake.
    """
    file = path or Path(FILE_NAME)
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        if path is None:
            return {}
        raise ConfigError(
            f"{file}: there is no such file.", "Check the path, or write a first one with `likewise init`."
        ) from None
    except OSError as error:
        raise ConfigError(
            f"{file}: the file cannot be read: {error.strerror}.", "Give a file that you may read."
        ) from None
    root = parsed_table(str(file), data)
    root.refuse_other_keys_than(["targets"])
    targets = root.table("targets")
    return {name: _file_target(name, targets.table(name)) for name in targets.values}


@cache
def presets() -> Mapping[str, Preset]:
    """All presets by name: the file harness/presets/NAME.toml is the preset NAME."""
    folder = Path(__file__).with_name("presets")
    return MappingProxyType(
        {
            file.stem: _preset(parsed_table(file.name, file.read_bytes()))
            for file in sorted(folder.glob("*.toml"))
        }
    )


def resolve(name: str, file_targets: Mapping[str, Target]) -> Target:
    """The target of that name: the file's own names come first, then the presets.

    Raises UnknownTargetError, and UsageError for a preset that lacks a value which only its user knows.
    """
    if name in file_targets:
        return file_targets[name]
    if name not in presets():
        hint = did_you_mean(name, [*file_targets, *presets()])
        raise UnknownTargetError(
            f"No target is named {shown_value(name)}.",
            f"{hint or '`likewise targets` lists all names.'}"
            " An endpoint without a name is given by --base-url and --model.",
        )
    preset = presets()[name]
    if preset.needs:
        raise UsageError(
            f"The preset {shown_value(name)} needs what only you know: {', '.join(preset.needs)}.",
            _what_to_write(name, preset),
        )
    return _target(name, preset, Table(name, "", (), {}))


def ad_hoc(base_url: str, model: str, api_key_env: str | None, dialect: str = "openai") -> Target:
    """A target from the command line, named after its host; it claims nothing.

    Raises BadBaseUrlError, or UsageError for another argument that cannot be meant.
    """
    url = checked_base_url(base_url)
    if not model.strip():
        raise UsageError("The model is empty.", "Name it with --model, as the endpoint calls it.")
    if api_key_env is not None and not is_variable(api_key_env):
        raise UsageError(
            f"The value of --api-key-env is not {VARIABLE} (it is not shown, as it may be the key itself).",
            "Put the key into a variable, and give the variable's name.",
        )
    if dialect not in DIALECTS:
        raise UsageError(
            f"There is no dialect {shown_value(dialect)}.",
            did_you_mean(dialect, DIALECTS) or f"Choose one of {', '.join(DIALECTS)}.",
        )
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", urlsplit(url).netloc).strip("-")
    return Target(name, url, model, api_key_env, dialect, claims=frozenset())


def key_of(target: Target, environ: Mapping[str, str]) -> str:
    """The key to send: from the variable that the target names and from no other one.

    Raises MissingKeyError when the variable is unset or empty, and UsageError when its value cannot stand in
    an Authorization header (RFC 6750, 2.1: no white space, ASCII only). No message shows the key.
    """
    variable = target.api_key_env
    if variable is None:
        return PLACEHOLDER_KEY
    key = environ.get(variable, "")
    if not key:
        raise MissingKeyError(
            f"The key of {shown_value(target.name)} is read from the environment variable {variable},"
            f" which is {'empty' if variable in environ else 'not set'}.",
            f"Set it, for example with: export {variable}=your-key",
        )
    if not all("!" <= character <= "~" for character in key):
        raise UsageError(
            f"The key in {variable} holds white space, a line break or a character outside ASCII.",
            "Set the variable again, to the key alone.",
        )
    return key


_OPERATIONS = ("/chat/completions", "/completions", "/embeddings", "/responses", "/models")
_EXAMPLE_URL = "https://api.openai.com/v1"
# What RFC 3986 (appendix A) has no place for: blanks, control characters, all outside ASCII, and a few more.
_NOT_IN_A_URL = re.compile(r'[^!-~]|["<>\\^`{|}]')


def checked_base_url(url: str) -> str:
    """The URL without trailing slashes, if clients can put a path behind it; it need not end on /v1.

    Raises BadBaseUrlError, which never shows a part of the URL that may be secret.
    """
    if misplaced := _NOT_IN_A_URL.search(url):
        raise BadBaseUrlError(
            f"The base URL holds the character {shown_value(misplaced[0])}, which no URL has.",
            f"Take it out; a base URL looks like {_EXAMPLE_URL}",
        )
    try:
        parts = urlsplit(url)
        _ = parts.port  # urlsplit looks at the port only when it is asked for
    except ValueError:
        raise BadBaseUrlError(
            "The base URL has a host or a port that is not valid.",
            f"Correct it; a base URL looks like {_EXAMPLE_URL}",
        ) from None
    scheme, separator, _ = url.partition("://")
    trimmed = url.rstrip("/")
    operation = next((known for known in _OPERATIONS if trimmed.lower().endswith(known)), "")
    faults = (
        (
            not separator,
            "has no scheme",
            'Put "https://" in front of it, or "http://" for a server on your own machine.',
        ),
        (
            scheme.lower() not in ("https", "http"),
            "has a scheme other than https and http",
            "Use https or http.",
        ),
        (
            "@" in parts.netloc,
            "holds a user name or a password",
            "Take it out, put the key into an environment variable, and give that variable's name.",
        ),
        ("?" in url, "has a query, into which clients would write their paths", 'Cut it off at the "?".'),
        ("#" in url, "has a fragment, into which clients would write their paths", 'Cut it off at the "#".'),
        (not parts.hostname, "has no host", f"Write it in full; a base URL looks like {_EXAMPLE_URL}"),
        (
            operation != "",
            f"ends on {operation}, which clients add by themselves",
            f"Use {trimmed[: len(trimmed) - len(operation)].rstrip('/')}",
        ),
    )
    for is_at_fault, happened, next_step in faults:
        if is_at_fault:
            raise BadBaseUrlError(f"The base URL {happened}.", next_step)
    return trimmed


def _file_target(name: str, table: Table) -> Target:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise table.mistake(
            (),
            'a target\'s name of letters, digits, ".", "_" and "-"',
            shown_value(name),
            "Rename the target.",
        )
    preset_name = table.choice("preset", presets())
    preset = presets()[preset_name] if preset_name else Preset()
    table.refuse_other_keys_than(_keys_beside(table, preset))
    for key in preset.needs:
        if key not in table.values and (key == "model" or "base_url" not in table.values):
            raise table.missing(key)
    if not preset_name and "base_url" not in table.values:
        raise table.mistake(
            ("base_url",),
            "a base URL or a preset",
            next_step=f'Add a line such as base_url = "{_EXAMPLE_URL}" or preset = "openai"',
        )
    if preset.api_key_env and "base_url" in table.values and "api_key_env" not in table.values:
        # The preset's key is a secret between its user and the preset's own hosts.
        raise table.mistake(
            ("api_key_env",),
            f"the variable of this base_url's own key ({preset.api_key_env} is for the hosts of the preset)",
            next_step=f'Add a line such as api_key_env = "{preset.api_key_env}" if it is the same key.',
        )
    return _target(name, preset, table)


def _keys_beside(table: Table, preset: Preset) -> list[str]:
    """The keys that this table may hold; a base_url of its own leaves the preset's regions no meaning."""
    keys = ["preset", "base_url", "model", "api_key_env", "dialect", "claims", "embedding_model", "waivers"]
    if "base_url" in table.values:
        return keys
    return keys + ["region"] * bool(preset.regions) + list(_placeholders(preset.base_url))


def _target(name: str, preset: Preset, table: Table) -> Target:
    """The preset with what the table says in its place; what must be there is there."""
    claims = table.choices("claims", CAPABILITIES)
    target = Target(
        name=name,
        base_url=_base_url(preset, table),
        model=table.text("model") or preset.model or "",
        api_key_env=table.variable("api_key_env") or preset.api_key_env,
        dialect=table.choice("dialect", DIALECTS) or preset.dialect,
        claims=preset.claims if claims is None else claims,
        embedding_model=table.text("embedding_model") or preset.embedding_model,
        starts=None if "base_url" in table.values else preset.starts,
        waivers=_waivers(table),
    )
    if target.embedding_model is None and any(claim.startswith("embedding") for claim in target.claims):
        raise table.mistake(
            ("embedding_model",),
            "the model that the claimed embeddings come from",
            next_step='Add a line such as embedding_model = "your-embedding-model", or claim no embeddings.',
        )
    return target


def _base_url(preset: Preset, table: Table) -> str:
    given = table.text("base_url")
    if given is None:
        region = table.choice("region", preset.regions)
        template = preset.regions[region] if region else preset.base_url
        return template.format(**{key: table.host_label(key) for key in _placeholders(template)})
    try:
        return checked_base_url(given)
    except BadBaseUrlError as error:
        raise ConfigError(f"{table.place(('base_url',))}: {error.happened}", error.next_step) from None


def _waivers(table: Table) -> tuple[Waiver, ...]:
    waivers: list[Waiver] = []
    for entry in table.tables("waivers"):
        entry.refuse_other_keys_than(["rule", "reason", "pointer", "expires", "path"])
        waiver = Waiver(
            entry.required_text("rule"),
            entry.required_text("reason"),
            entry.pointer("pointer"),
            entry.day("expires"),
            entry.path("path"),
        )
        if any(_what(waiver) == _what(other) for other in waivers):
            raise entry.mistake(
                ("rule",), "each rule, pointer and path once", next_step="Take out one of the two waivers."
            )
        waivers.append(waiver)
    return tuple(waivers)


def _what(waiver: Waiver) -> tuple[str, str | None, str | None]:
    """What a waiver covers."""
    return waiver.rule, waiver.pointer, waiver.path


def _preset(table: Table) -> Preset:
    table.refuse_other_keys_than(Preset.__slots__)
    regions = table.table("regions")
    urls = {region: regions.required_text(region) for region in regions.values}
    return Preset(
        title=table.required_text("title"),
        base_url=table.text("base_url") or next(iter(urls.values()), ""),
        regions=urls,
        dialect=table.choice("dialect", DIALECTS) or "openai",
        api_key_env=table.variable("api_key_env"),
        model=table.text("model"),
        embedding_model=table.text("embedding_model"),
        claims=table.choices("claims", CAPABILITIES) or frozenset(),
        starts=table.choice("starts", STARTS),
    )


def _placeholders(url: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\{(\w+)\}", url))


def _what_to_write(name: str, preset: Preset) -> str:
    """The lines of likewise.toml for a preset that needs values, and the options where they do the same."""
    lines = [f"[targets.{name}]", f'preset = "{name}"', *map(line_to_add, preset.needs)]
    text = "\n".join([f"Write into {FILE_NAME}, with your values:", "", *lines])
    if preset.dialect != "openai":
        return text
    url = preset.base_url.format(**{key: f"your-{key}" for key in _placeholders(preset.base_url)})
    key = f" --api-key-env {preset.api_key_env}" if preset.api_key_env else ""
    return f"{text}\n\nor use --base-url {url} --model {preset.model or 'your-model'}{key}"


def _first_file() -> str:
    width = max(map(len, CAPABILITIES))
    capabilities = "\n".join(f"#   {name:{width}}  {sentence}" for name, sentence in CAPABILITIES.items())
    return f"""\
# Targets of `likewise`: one table for each endpoint, used as `likewise check NAME`.
# Keys never stand in this file: api_key_env names the environment variable that holds one.

[targets.production]
preset = "dashscope"                 # takes over what is not said here; `likewise targets` lists the presets
region = "beijing"                   # one of the preset's regions
model = "qwen-plus"
api_key_env = "DASHSCOPE_API_KEY"

# An endpoint of your own, without a preset:
#
# [targets.gateway]
# base_url = "http://127.0.0.1:4000/v1"
# model = "your-model"
# api_key_env = "GATEWAY_API_KEY"    # leave it out if the endpoint needs no key
# dialect = "openai"                 # what it is known to do differently: openai or dashscope
# claims = ["tools", "stop"]         # what it must be able to do; anything else may be refused cleanly
#
# A deviation that you accept, for a reason and for a time:
#
# [[targets.gateway.waivers]]
# rule = "the-rule-id"               # as a report names it, or `likewise rules`
# pointer = "/choices/*/message/content"
# reason = "why it does not matter to you"
# expires = 2027-01-31

# What a target can claim:
#
{capabilities}
"""


FIRST_FILE: str = _first_file()
"""The likewise.toml that `likewise init` writes."""
