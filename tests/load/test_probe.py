"""The one request before the load: what it says of a target that fails it."""

from dataclasses import replace

import orjson
import pytest

from harness.errors import NothingJudgedError
from harness.load.probe import probe
from harness.scenario import Mode
from tests.load import runs
from tests.servers import says, server

_KEY = "sk-do/not-show-me-0123456789"


def test_a_key_that_the_endpoint_echoes_is_not_shown() -> None:
    body = orjson.dumps({"error": {"message": f"Bearer {_KEY} is not known here"}})
    head = f"HTTP/1.1 401 Unauthorized\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with server(says(head + body)) as base_url:
        job = runs.job(base_url)
        with pytest.raises(NothingJudgedError) as raised:
            probe(job, job.endpoint_target, runs.connection(job, _KEY))
    said = str(raised.value)
    assert "HTTP 401: Bearer *" in said
    assert "is not known here" in said
    assert _KEY[:4] not in said


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("client", ["raw", "openai", "langchain"])
@pytest.mark.parametrize("status", ["200 OK", "502 Bad Gateway"])
def test_a_web_page_is_called_one(status: str, client: str, mode: Mode) -> None:
    page = b"<!DOCTYPE html><html><body>Welcome</body></html>"
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {len(page)}\r\n\r\n".encode()
    with server(says(head + page)) as base_url:
        job = replace(runs.job(base_url), client=client, mode=mode)
        with pytest.raises(NothingJudgedError) as raised:
            probe(job, job.endpoint_target, runs.connection(job, _KEY))
    assert f"answered HTTP {status[:3]} with an HTML page." in str(raised.value)
    assert f"Check the base_url {base_url}" in str(raised.value)


def test_what_is_no_stream_of_events_is_shown() -> None:
    body = b"hello there"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with server(says(head + body)) as base_url:
        job = runs.job(base_url)
        with pytest.raises(NothingJudgedError) as raised:
            probe(job, job.endpoint_target, runs.connection(job, _KEY))
    assert "empty: the body is no stream of events: 'hello there'" in str(raised.value)
