"""The clients that people use, each recorded at its transport: raw HTTP, the OpenAI SDK, langchain_openai.

A client is a module here with a mapping `CLIENTS` of names to functions that open one, and with `LACKS`,
which says what it can't express; adding a client is adding a module. SDKs are imported when they are needed.
"""

import importlib
import logging
import os
import pkgutil
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Protocol

from harness.clients.reply import Reply
from harness.scenario import AnyAsk, Ask, Lacks, Mode, ModelUse
from harness.wire.exchange import Json
from harness.wire.limits import Limits
from harness.wire.redaction import Secrets, secrets_of
from harness.wire.way import Way

DEFAULT_CLIENTS = ("raw", "openai", "langchain")
"""The founding promise's three; each has an `-async` twin to be asked for by name."""

FOREIGN_VARIABLES = ("OPENAI_", "LANGSMITH_", "LANGCHAIN_")
"""The SDKs read these by themselves: other keys, other hosts, and tracing that sends data out."""

LIBRARIES = (
    "httpcore",
    "httpcore2",
    "httpx",
    "httpx2",
    "langchain_core",
    "langchain_openai",
    "openai",
    "pydantic",
)
"""The SDKs and what they stand on: their logs and warnings quote URLs, headers and answers."""

_SILENT = logging.CRITICAL + 1
_MODULES = rf"({'|'.join(LIBRARIES)})(\.|$)"
_IGNORED = ("ignore", None, Warning, re.compile(_MODULES), 0)


@dataclass(frozen=True, slots=True)
class Connection:
    """What a client needs to know of an endpoint; `key` is a secret, and empty where none is needed.

    `models` names models for uses that have one of their own. `params` are fields of the body of every
    request, unless a scenario sets them itself.
    """

    base_url: str
    model: str
    key: str
    models: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Json] = field(default_factory=dict)
    way: Way = Way()
    limits: Limits = Limits()

    def model_for(self, *uses: ModelUse) -> str:
        """The model to ask: that of the first of these uses which has one of its own."""
        return next((self.models[use] for use in uses if use in self.models), self.model)

    def url(self, path: str) -> str:
        """The URL of a path, with the query that goes with every request."""
        return self.way.url(self.base_url, path)

    def own_params(self, ask: Ask, mode: Mode) -> dict[str, Json]:
        """The fields that the target adds to the body of a request, where the scenario does not set them."""
        return {name: value for name, value in self.params.items() if name not in ask.params_for(mode)}

    @property
    def auth_headers(self) -> dict[str, str]:
        """The header that the key goes into; none where none is sent."""
        return self.way.auth_headers(self.key)

    @property
    def secrets(self) -> list[str]:
        """What must be overwritten in everything that is kept."""
        return [secret for secret in (self.key, *self.way.secrets()) if secret]

    @property
    def redacted(self) -> Secrets | None:
        """The secrets as they are looked for."""
        return secrets_of(self.secrets, self.names)

    @property
    def names(self) -> str:
        """What the endpoint and its models are called, which answers may repeat whatever the key is."""
        return " ".join((self.base_url, self.model, *self.models.values()))


class Client(Protocol):
    """An opened client. `version` is its library's name and version, as findings quote it."""

    version: str

    def perform(self, ask: AnyAsk, mode: Mode) -> Reply:
        """Ask once and give what the user gets; the exchange goes to the tape that is recording."""


OpenClient = Callable[[Connection], AbstractContextManager[Client]]


def _modules() -> Iterator[ModuleType]:
    modules = (
        importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)
    )
    return (module for module in modules if hasattr(module, "CLIENTS"))


@cache
def clients() -> Mapping[str, OpenClient]:
    """Every client by name."""
    return {name: client for module in _modules() for name, client in module.CLIENTS.items()}


@cache
def lacks_of_clients() -> Mapping[str, Lacks]:
    """What each client of this project can't express, by its name; `LACKS` of its module says it."""
    return {name: getattr(module, "LACKS", _nothing) for module in _modules() for name in module.CLIENTS}


def _nothing(_: AnyAsk, __: Mode) -> str:
    return ""


@contextmanager
def isolated_environment() -> Iterator[None]:
    """Hide from the SDKs every variable that could send the user's other secrets or data to an endpoint."""
    hidden = {name: value for name, value in os.environ.items() if name.startswith(FOREIGN_VARIABLES)}
    for name in hidden:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(hidden)


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep what the SDKs log and warn of to themselves: what they saw is recorded, with no secret in it."""
    levels = {name: logging.getLogger(name).level for name in LIBRARIES}
    hush_libraries()
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def hush_libraries() -> None:
    """Have the SDKs log and warn of nothing, for as long as nobody sets it otherwise, as pytest does."""
    for logger in map(logging.getLogger, LIBRARIES):
        if logger.level != _SILENT:
            logger.setLevel(_SILENT)
    if warnings.filters[:1] != [_IGNORED]:
        warnings.filterwarnings("ignore", module=_MODULES)
