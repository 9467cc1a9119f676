"""The one request before the load: what it says of a target that fails it."""

import orjson
import pytest

from harness.errors import NothingJudgedError
from harness.load.job import Job
from harness.load.probe import probe
from harness.load.workload import load_workload
from harness.scenario import Mode
from tests.servers import says, server

_KEY = "sk-do/not-show-me-0123456789"


def _job(base_url: str) -> Job:
    workload = load_workload("short-chat")
    return Job(
        run_id="run",
        base_url=base_url,
        model="m",
        embedding_model=None,
        api_key_env="KEY",
        target="gateway",
        dialect="openai",
        client="raw",
        mode=Mode.STREAM,
        workload_name=workload.name,
        workload_source=workload.source,
        arrivals="users:1",
        trace=None,
        seed=1,
        duration_s=1,
        warm_up_s=0,
        cool_down_s=0,
        cap=None,
        timeout_s=5,
        objectives=[],
        is_judged=True,
    )


def test_a_key_that_the_endpoint_echoes_is_not_shown() -> None:
    body = orjson.dumps({"error": {"message": f"Bearer {_KEY} is not known here"}})
    head = f"HTTP/1.1 401 Unauthorized\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with server(says(head + body)) as base_url, pytest.raises(NothingJudgedError) as raised:
        probe(_job(base_url), _job(base_url).endpoint_target, _KEY)
    said = str(raised.value)
    assert "HTTP 401: Bearer *" in said
    assert "is not known here" in said
    assert _KEY[:4] not in said
