"""The clients that make load: raw HTTP on gevent's sockets, the OpenAI SDK, langchain_openai.

A client is a module of its name here, with a function `opened` that, given an endpoint, gives what opens a
client for each user. SDKs are imported when a client is asked for, not before.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Protocol

from harness.clients import Connection as Endpoint
from harness.load.received import Due, Taken
from harness.scenario import Mode


class LoadClient(Protocol):
    """One user's client: a request at a time. `perform` raises nothing that an endpoint could cause."""

    def perform(self, due: Due, mode: Mode) -> Taken:
        """Ask, and take the answer to its end."""

    def close(self) -> None:
        """Close its connections."""


OpenClient = Callable[[], LoadClient]


def client_names() -> Sequence[str]:
    """The name of every client; none is imported for it."""
    return [module.name for module in pkgutil.iter_modules(__path__)]


@cache
def clients() -> Mapping[str, Callable[[Endpoint], OpenClient]]:
    """Every client by name."""
    return {name: importlib.import_module(f"{__name__}.{name}").opened for name in client_names()}


def body_of(due: Due, endpoint: Endpoint, mode: Mode) -> dict[str, object]:
    """The JSON body of a request, with the usage asked for where it streams."""
    return {**own_params(due, endpoint, mode), **_asked(due, endpoint, mode)}


def own_params(due: Due, endpoint: Endpoint, mode: Mode) -> dict[str, object]:
    """The fields that the target adds to a body, unless the workload sets them: `extra_body` of SDKs."""
    if not endpoint.params:
        return {}
    asked = _asked(due, endpoint, mode)
    return {name: value for name, value in endpoint.params.items() if name not in asked}


def arguments_of(due: Due, endpoint: Endpoint, mode: Mode) -> dict[str, object]:
    """A request as arguments of the OpenAI SDK's methods."""
    own = own_params(due, endpoint, mode)
    return {**_asked(due, endpoint, mode), **({"extra_body": own} if own else {})}


def _asked(due: Due, endpoint: Endpoint, mode: Mode) -> dict[str, object]:
    operation = due.request.operation
    body: dict[str, object] = {"model": endpoint.model_for(operation), **due.request.params}
    if mode is Mode.STREAM and operation != "embeddings":
        return {**body, "stream": True, "stream_options": {"include_usage": True}}
    return body
