"""Before the load: whether there may be one, and whether a single request gets an answer at all."""

import ipaddress
import os
from dataclasses import replace
from urllib.parse import urlsplit

from harness.clients import Connection as Endpoint
from harness.errors import NothingJudgedError
from harness.first_answer import PROXY_ADVICE, base_url_advice, is_html, key_advice, through_proxy
from harness.load.clients import clients
from harness.load.job import Job
from harness.load.received import Due
from harness.load.record import Outcome, RequestRecord
from harness.target import Target

_PROBE_ORDINAL = -1


def is_loopback(base_url: str) -> bool:
    """Whether a URL leads to this machine by its loopback interface."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def probe(job: Job, target: Target, endpoint: Endpoint) -> None:
    """Ask once; raises NothingJudgedError, as no load goes to a target that fails one request."""
    client = clients()[job.client](replace(endpoint, limits=job.limits))()
    request = job.workload.request(f"{job.run_id}-probe-{os.getpid()}", job.seed, 0)
    try:
        answered = client.perform(Due(_PROBE_ORDINAL, request), job.mode).answered()
    finally:
        client.close()
    record = answered.record
    if not record.is_ok and is_html("", answered.body):
        raise NothingJudgedError(
            f"{target.base_url} answered HTTP {record.status} with an HTML page.", base_url_advice(target)
        )
    if not record.is_ok:
        raise NothingJudgedError(
            f"{target.base_url} failed the one request that goes before the load"
            f"{through_proxy(target)}: {_what(record)}.",
            _advice(record, target),
        )


def _what(record: RequestRecord) -> str:
    detail = record.detail.rstrip(".")
    if record.outcome in (Outcome.HTTP_ERROR, Outcome.RATE_LIMITED):
        return detail
    return f"{record.outcome.value}: {detail}" if detail else record.outcome.value


def _advice(record: RequestRecord, target: Target) -> str:
    match record.outcome, record.status:
        case Outcome.UNREACHABLE | Outcome.CLIENT_ERROR, _ if target.access.proxy is not None:
            return PROXY_ADVICE
        case Outcome.UNREACHABLE, _:
            return "Check the host and the port of base_url, and that the endpoint runs."
        case Outcome.TIMEOUT, _:
            return "Check that the model is loaded, or allow more with --timeout."
        case Outcome.NOT_HTTP, _:
            return "Check the port, and use https:// if the endpoint speaks TLS."
        case _, 401 | 403:
            return key_advice(target)
        case _, 404 | 405:
            return base_url_advice(target, or_model=True)
        case _:
            return "Run `likewise check` to see what is wrong with it."
