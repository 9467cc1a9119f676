"""A smoke run of the reference endpoint, made once."""

from pathlib import Path

import pytest

from harness import run
from harness.check import Settings, check
from harness.target import resolve


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder."""
    place = tmp_path_factory.mktemp("run") / "smoke"
    with check(resolve("reference", {}), Settings(profile="smoke"), {}) as checking:
        checking.observe(place, lambda _: None)
        run.save(checking.judged(), place)
    return place
