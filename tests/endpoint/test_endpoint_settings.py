import subprocess
import sys

import pytest

from harness.endpoint.settings import Latency, Settings
from harness.errors import UsageError


@pytest.mark.parametrize(
    ("text", "latency"),
    [
        ("", Latency()),
        ("ttft=200ms", Latency(first_token_ms=200)),
        ("ttft=1.5s, itl=500us", Latency(first_token_ms=1500, inter_token_ms=0.5)),
        ("itl=0", Latency()),
        ("ttft=200ms,itl=20ms,jitter=lognormal:0.2,seed=7", Latency(200, 20, "lognormal", 0.2, 7)),
        ("itl=20ms,jitter=exponential", Latency(inter_token_ms=20, jitter="exponential")),
    ],
)
def test_a_latency_is_read_as_it_is_written(text, latency):
    assert Latency.parse(text) == latency


@pytest.mark.parametrize(
    "text",
    [
        "ttft",
        "ttft=",
        "ttft=200",
        "ttft=-1ms",
        "itl=fast",
        "speed=3ms",
        "jitter=gamma",
        "jitter=normal",
        "jitter=none:0.1",
        "jitter=uniform:x",
        "jitter=uniform:-1",
        "jitter=uniform:nan",
        "seed=x",
        "ttft=1ms;itl=2ms",
    ],
)
def test_a_latency_that_means_nothing_is_refused_with_a_next_step(text):
    with pytest.raises(UsageError) as raised:
        Latency.parse(text)
    assert raised.value.happened
    assert raised.value.next_step


def test_only_known_dialects_are_spoken():
    with pytest.raises(UsageError, match="klingon"):
        Settings(dialect="klingon")


def test_settings_are_read_without_loading_a_server():
    code = (
        "import sys, harness.endpoint.settings; print({'starlette', 'uvicorn', 'asyncio'} & set(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"
