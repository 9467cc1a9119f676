"""What holds for all tests."""

import signal
from collections.abc import Iterator
from unittest import mock

import pytest
from hypothesis import settings
from hypothesis.internal.conjecture import providers

# No test looks at the clock, and the examples are the same each time, so that a change is judged by itself.
settings.register_profile("likewise", deadline=None, derandomize=True)
# `make fuzz` looks for more, and says how to come by an example again.
settings.register_profile("fuzz", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile("likewise")

# A shell lets what it runs in the background ignore Ctrl-C, and so would each command that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def _the_same_examples_each_time() -> Iterator[None]:
    """Hypothesis tries the constants of the modules that are loaded, which depends on the tests before."""
    if not settings().derandomize:
        yield
        return
    with mock.patch.object(providers, "_get_local_constants", providers.Constants):
        yield
