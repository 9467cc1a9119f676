from collections.abc import Iterator

import httpx
import pytest
from endpoint_caller import Caller

from harness.endpoint.server import running
from harness.endpoint.settings import Settings


@pytest.fixture(scope="session")
def openai() -> Iterator[Caller]:
    yield from _caller(Settings())


@pytest.fixture(scope="session")
def dashscope() -> Iterator[Caller]:
    yield from _caller(Settings(dialect="dashscope"))


def _caller(settings: Settings) -> Iterator[Caller]:
    with running(settings) as address:
        headers = {"authorization": f"Bearer {address.key}"}
        with httpx.Client(base_url=address.base_url, headers=headers, trust_env=False) as http:
            yield Caller(address, http)
