"""Targets: where an endpoint is, what it is known to do differently, and what it claims to be able to do.

A target comes from the user's likewise.toml (`load`), from a preset (`presets`, one TOML file each in
harness/presets/) or from the command line (`ad_hoc`). Its key is read by `key_of` from the one variable that
the target names: the OpenAI SDK falls back to OPENAI_API_KEY when it is given no key, and would so send one
vendor's secret to another vendor's host.

Each mistake in a file is a ConfigError that begins with `file:line: key`.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from harness.access import Access
from harness.access_reading import ACCESS_KEYS, access_from, params_from
from harness.base_url import EXAMPLE_URL, split_base_url
from harness.errors import (
    BadBaseUrlError,
    ConfigError,
    MissingKeyError,
    UnknownTargetError,
    UsageError,
)
from harness.scenario import MODEL_USES
from harness.toml_table import (
    VARIABLE,
    Table,
    did_you_mean,
    is_variable,
    line_to_add,
    parsed_table,
    shown_value,
)
from harness.wire.exchange import Json

Starts: TypeAlias = Literal["reference", "local-model"]

FILE_NAME = "likewise.toml"

TARGET_KEYS = (
    "preset",
    "base_url",
    "model",
    "models",
    "api_key_env",
    "dialect",
    "claims",
    "params",
    *ACCESS_KEYS,
    "retries",
    "rpm",
    "concurrency",
    "price",
    "waivers",
)
"""What `[targets.NAME]` may say of any endpoint; a preset may add a key of its own for its URL."""

PRESET_KEYS = (
    "title",
    "base_url",
    "regions",
    "dialect",
    "api_key_env",
    "model",
    "models",
    "claims",
    "starts",
    "params",
    *ACCESS_KEYS,
)

DIALECTS = ("openai", "dashscope")
STARTS: tuple[Starts, ...] = ("reference", "local-model")

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
    (None: anywhere); `received` is a regular expression that what was received matches as a whole, in the
    finding's words: `nothing` for a missing key, else JSON (None: whatever it was). From the day after
    `expires` on it counts no more.
    """

    rule: str
    reason: str
    pointer: str | None = None
    expires: date | None = None
    path: str | None = None
    received: str | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost, in a currency."""

    input_per_million: float
    output_per_million: float
    currency: str


USUAL_RETRIES = 2


@dataclass(frozen=True, slots=True)
class Target:
    """An endpoint to judge.

    `base_url` has no trailing slash; it is "" while `starts` says what the harness has yet to start on a free
    port. `api_key_env` names the variable that holds the key; None: the endpoint needs no key. `claims` is a
    subset of CAPABILITIES. `models` names models for uses that have one of their own, `params` fields of the
    body of every request. `retries` is the most times that a request is asked again.
    """

    name: str
    base_url: str
    model: str
    api_key_env: str | None
    dialect: str
    claims: frozenset[str]
    models: Mapping[str, str] = field(default_factory=dict)
    starts: Starts | None = None
    waivers: tuple[Waiver, ...] = ()
    params: Mapping[str, Json] = field(default_factory=dict)
    access: Access = Access()
    retries: int = USUAL_RETRIES
    rpm: int | None = None
    concurrency: int | None = None
    price: Price | None = None


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
    models: Mapping[str, str] = field(default_factory=dict)
    claims: frozenset[str] = frozenset()
    starts: Starts | None = None
    params: Mapping[str, Json] = field(default_factory=dict)
    access: Access = Access()

    @property
    def needs(self) -> tuple[str, ...]:
        """The keys that a user of this preset must give, in the order in which to write them."""
        return (*_placeholders(self.base_url), *(() if self.model else ("model",)))


def load(path: Path | None) -> Mapping[str, Target]:
    """The targets of a file, by name; None looks for likewise.toml in the working folder and may find none.

    Raises ConfigError at the first mistake.
    """
    root = root_table(path)
    if root is None:
        return {}
    targets = root.table("targets")
    return {name: _file_target(name, targets.table(name)) for name in targets.values}


def root_table(path: Path | None) -> Table | None:
    """The whole file; None where none is named and there is no likewise.toml. Raises ConfigError."""
    file = path or Path(FILE_NAME)
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        if path is None:
            return None
        raise ConfigError(
            f"{file}: there is no such file.", "Check the path, or write a first one with `likewise init`."
        ) from None
    except OSError as error:
        raise ConfigError(
            f"{file}: the file cannot be read: {error.strerror}.", "Give a file that you may read."
        ) from None
    root = parsed_table(str(file), data)
    root.refuse_other_keys_than(["targets", "clients"])
    return root


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
    url, query = split_base_url(base_url)
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
    return Target(name, url, model, api_key_env, dialect, frozenset(), access=Access(query=dict(query)))


def key_of(target: Target, environ: Mapping[str, str]) -> str:
    """The key to send: from the variable that the target names and from no other one; empty for none.

    Raises MissingKeyError when the variable is unset or empty, and UsageError when its value cannot stand in
    an Authorization header (RFC 6750, 2.1: no white space, ASCII only). No message shows the key.
    """
    variable = target.api_key_env
    if variable is None or target.access.auth == "none":
        return ""
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
    if "embedding_model" in table.values:
        raise table.mistake(
            ("embedding_model",),
            "models.embeddings in its place",
            "embedding_model",
            'Write it as models = { embeddings = "your-embedding-model" }',
        )
    table.refuse_other_keys_than(_keys_beside(table, preset))
    for key in preset.needs:
        if key not in table.values and (key == "model" or "base_url" not in table.values):
            raise table.missing(key)
    if not preset_name and "base_url" not in table.values:
        raise table.mistake(
            ("base_url",),
            "a base URL or a preset",
            next_step=f'Add a line such as base_url = "{EXAMPLE_URL}" or preset = "openai"',
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
    keys = list(TARGET_KEYS)
    if "base_url" in table.values:
        return keys
    return keys + ["region"] * bool(preset.regions) + list(_placeholders(preset.base_url))


def _target(name: str, preset: Preset, table: Table) -> Target:
    """The preset with what the table says in its place; what must be there is there."""
    claims = table.choices("claims", CAPABILITIES)
    base_url, query = _base_url(preset, table)
    access = access_from(table, preset.access)
    if twice := query.keys() & access.query.keys():
        raise table.mistake(
            ("base_url",), "each query parameter once", f"{shown_value(min(twice))} here and in query"
        )
    target = Target(
        name=name,
        base_url=base_url,
        model=table.text("model") or preset.model or "",
        api_key_env=table.variable("api_key_env") or preset.api_key_env,
        dialect=table.choice("dialect", DIALECTS) or preset.dialect,
        claims=preset.claims if claims is None else claims,
        models={**preset.models, **_models(table)},
        starts=None if "base_url" in table.values else preset.starts,
        waivers=_waivers(table),
        params={**preset.params, **params_from(table)},
        access=replace(access, query={**query, **access.query}),
        retries=_given(table.integer("retries", 0, 10), USUAL_RETRIES),
        rpm=table.integer("rpm", 1, 1_000_000),
        concurrency=table.integer("concurrency", 1, 64),
        price=_price(table),
    )
    if "embeddings" not in target.models and any(claim.startswith("embedding") for claim in target.claims):
        raise table.mistake(
            ("models",),
            "the model that the claimed embeddings come from",
            next_step='Add a line such as models = { embeddings = "your-embedding-model" },'
            " or claim no embeddings.",
        )
    if contradiction := contradiction_of(target):
        happened, next_step = contradiction
        raise ConfigError(f"{table.place(())}: {happened}", next_step)
    return target


def contradiction_of(target: Target) -> tuple[str, str] | None:
    """What a target says of its key that can't be meant together, and what to do; None where all fits."""
    auth = target.access.auth
    header = "authorization" if auth == "bearer" else auth
    if target.api_key_env and header in map(str.lower, target.access.headers):
        return (
            f"the key of {target.api_key_env} and one of the headers would both be sent as {header}.",
            'Leave out api_key_env or that header, or say auth = "none" if the header is the key.',
        )
    if auth == "api-key" and target.api_key_env is None and target.starts is None:
        return (
            'auth = "api-key" has no key to send.',
            'Name the variable that holds it with api_key_env, or say auth = "none".',
        )
    return None


def _given(value: int | None, usual: int) -> int:
    return usual if value is None else value


def _models(table: Table) -> dict[str, str]:
    models = table.table("models")
    models.refuse_other_keys_than(MODEL_USES)
    return {use: models.required_text(use) for use in models.values}


def _price(table: Table) -> Price | None:
    if "price" not in table.values:
        return None
    price = table.table("price")
    price.refuse_other_keys_than(Price.__slots__)
    currency = price.text("currency") or "USD"
    if not re.fullmatch("[A-Z]{3}", currency):
        raise price.mistake(("currency",), "the three letters of a currency (ISO 4217), such as USD")
    return Price(_amount(price, "input_per_million"), _amount(price, "output_per_million"), currency)


def _amount(price: Table, key: str) -> float:
    amount = price.number(key)
    if amount is None or not 0 <= amount < math.inf:
        raise price.mistake((key,), "a price for a million tokens, such as 0.4")
    return float(amount)


def _base_url(preset: Preset, table: Table) -> tuple[str, Mapping[str, str]]:
    """The base URL and the query that stands behind it."""
    given = table.text("base_url")
    if given is None:
        region = table.choice("region", preset.regions)
        template = preset.regions[region] if region else preset.base_url
        return template.format(**{key: table.host_label(key) for key in _placeholders(template)}), {}
    try:
        return split_base_url(given)
    except BadBaseUrlError as error:
        raise ConfigError(f"{table.place(('base_url',))}: {error.happened}", error.next_step) from None


def _waivers(table: Table) -> tuple[Waiver, ...]:
    waivers: list[Waiver] = []
    for entry in table.tables("waivers"):
        entry.refuse_other_keys_than(["rule", "reason", "pointer", "expires", "path", "received"])
        waiver = Waiver(
            entry.required_text("rule"),
            entry.required_text("reason"),
            entry.pointer("pointer"),
            entry.day("expires"),
            entry.path("path"),
            entry.pattern("received"),
        )
        if any(_what(waiver) == _what(other) for other in waivers):
            raise entry.mistake(
                ("rule",),
                "each rule, pointer, path and received once",
                next_step="Take out one of the two waivers.",
            )
        waivers.append(waiver)
    return tuple(waivers)


def _what(waiver: Waiver) -> tuple[str, str | None, str | None, str | None]:
    """What a waiver covers."""
    return waiver.rule, waiver.pointer, waiver.path, waiver.received


def _preset(table: Table) -> Preset:
    table.refuse_other_keys_than(PRESET_KEYS)
    regions = table.table("regions")
    urls = {region: regions.required_text(region) for region in regions.values}
    return Preset(
        title=table.required_text("title"),
        base_url=table.text("base_url") or next(iter(urls.values()), ""),
        regions=urls,
        dialect=table.choice("dialect", DIALECTS) or "openai",
        api_key_env=table.variable("api_key_env"),
        model=table.text("model"),
        models=_models(table),
        claims=table.choices("claims", CAPABILITIES) or frozenset(),
        starts=table.choice("starts", STARTS),
        params=params_from(table),
        access=access_from(table, Access()),
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
