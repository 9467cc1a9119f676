"""The clients that people use, each recorded at its transport: raw HTTP, the OpenAI SDK, langchain_openai.

A client is a module here with a mapping `CLIENTS` of names to functions that open one; adding a client is
adding a module. SDKs are imported when a client is opened, not before.
"""

import importlib
import os
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from harness.clients.reply import Reply
from harness.scenario import AnyAsk, Mode, Operation
from harness.wire.limits import Limits

DEFAULT_CLIENTS = ("raw", "openai", "langchain")
"""The founding promise's three; each has an `-async` twin to be asked for by name."""

FOREIGN_VARIABLES = ("OPENAI_", "LANGSMITH_", "LANGCHAIN_")
"""The SDKs read these by themselves: other keys, other hosts, and tracing that sends data out."""


@dataclass(frozen=True, slots=True)
class Connection:
    """What a client needs to know of an endpoint; `key` is a secret."""

    base_url: str
    model: str
    key: str
    embedding_model: str | None = None
    limits: Limits = Limits()

    def model_for(self, operation: Operation) -> str:
        """The model to ask; embeddings come from a model of their own where the target names one."""
        return self.embedding_model or self.model if operation == "embeddings" else self.model


class Client(Protocol):
    """An opened client. `version` is its library's name and version, as findings quote it."""

    version: str

    def perform(self, ask: AnyAsk, mode: Mode) -> Reply:
        """Ask once and give what the user gets; the exchange goes to the tape that is recording."""


OpenClient = Callable[[Connection], AbstractContextManager[Client]]


@cache
def clients() -> Mapping[str, OpenClient]:
    """Every client by name."""
    modules = (
        importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)
    )
    return {name: client for module in modules for name, client in getattr(module, "CLIENTS", {}).items()}


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
