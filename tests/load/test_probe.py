"""The one request before the load: what it says of a target that fails it."""

import orjson
import pytest

from harness.errors import NothingJudgedError
from harness.load.probe import probe
from tests.load import runs
from tests.servers import says, server

_KEY = "sk-do/not-show-me-0123456789"


def test_a_key_that_the_endpoint_echoes_is_not_shown() -> None:
    body = orjson.dumps({"error": {"message": f"Bearer {_KEY} is not known here"}})
    head = f"HTTP/1.1 401 Unauthorized\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with server(says(head + body)) as base_url, pytest.raises(NothingJudgedError) as raised:
        probe(runs.job(base_url), runs.job(base_url).endpoint_target, _KEY)
    said = str(raised.value)
    assert "HTTP 401: Bearer *" in said
    assert "is not known here" in said
    assert _KEY[:4] not in said
