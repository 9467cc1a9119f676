"""Before the load: whether there may be one, and how a single request is put so that it gets an answer."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

from harness.clients import Connection as Endpoint
from harness.errors import NothingJudgedError
from harness.evidence import Observation
from harness.first_answer import PROXY_ADVICE, base_url_advice, is_html, key_advice, through_proxy
from harness.fit import CapName, is_all_thoughts, other_cap
from harness.load.clients import LoadClient, clients
from harness.load.job import Job
from harness.load.judging import observation
from harness.load.received import Due
from harness.load.record import Answered, Outcome, RequestRecord
from harness.load.workload import Workload
from harness.scenario import Mode
from harness.target import Target

_PROBE_ORDINAL = -1
_THINKS_LESS = "--param enable_thinking=false, or what the model calls it, or by the workload's params"


@dataclass(frozen=True, slots=True)
class Probed:
    """What the request before the load found out.

    `output_cap` is the spelling of a cap that the endpoint takes; `thinks_to_the_cap` holds where thoughts
    left nothing of it for an answer.
    """

    output_cap: CapName = "max_tokens"
    thinks_to_the_cap: bool = False

    @property
    def notes(self) -> Iterator[str]:
        """What was adapted, and what to know of the figures, as sentences for the report."""
        if self.output_cap == "max_completion_tokens":
            yield "The endpoint refuses max_tokens: every request has max_completion_tokens in its place."
        if self.output_cap == "none":
            yield (
                "The endpoint refuses max_tokens and max_completion_tokens: no request has a cap, "
                "and answers are as long as the model makes them."
            )
        if self.thinks_to_the_cap:
            yield (
                "The answer before the load reached its cap without any text: what is measured is thinking. "
                f"Turn it off to measure answers, by {_THINKS_LESS}."
            )


def probe(job: Job, target: Target, endpoint: Endpoint) -> Probed:
    """Ask once, and again only where the spelling of the cap may have been refused.

    Raises NothingJudgedError, as no load goes to a target that fails one request.
    """
    client = clients()[job.client](replace(endpoint, limits=job.limits))()
    try:
        output_tokens = job.trace[0][2] if job.trace else None
        run_id = f"{job.run_id}-probe-{os.getpid()}"
        tried = _tried(job.workload, client, job.mode, run_id, job.seed, output_tokens)
    finally:
        client.close()
    answered, record = tried.answered, tried.answered.record
    if not record.is_ok and is_html("", answered.body):
        raise NothingJudgedError(
            f"{target.base_url} answered HTTP {record.status} with an HTML page.", base_url_advice(target)
        )
    if not record.is_ok and tried.thinks_to_the_cap:
        raise NothingJudgedError(
            f"{target.base_url} used up the cap of the one request that goes before the load and said "
            "nothing: its model thinks before it answers.",
            f"Turn its thinking off by {_THINKS_LESS}; or ask for more output_tokens.",
        )
    if not record.is_ok:
        raise NothingJudgedError(
            f"{target.base_url} failed the one request that goes before the load"
            f"{through_proxy(target)}: {_what(record)}.",
            _advice(record, target),
        )
    return Probed(tried.output_cap, tried.thinks_to_the_cap)


@dataclass(frozen=True, slots=True)
class _Try:
    output_cap: CapName
    answered: Answered
    seen: Observation

    @property
    def thinks_to_the_cap(self) -> bool:
        return self.seen.ran_out or is_all_thoughts(self.seen)

    @property
    def is_refused(self) -> bool:
        return self.seen.is_clean_refusal and not self.seen.ran_out

    @property
    def other_cap(self) -> CapName | None:
        """The spelling to try next; None where this one is not what was refused."""
        has_cap = self.output_cap in self.seen.asked
        return other_cap(self.output_cap, self.seen) if has_cap and self.is_refused else None


def spelled_cap(workload: Workload, client: LoadClient, mode: Mode) -> CapName:
    """How the endpoint wants the cap of this workload's answers spelled; asked of it, by a few requests."""
    return _tried(workload, client, mode, f"probe-{os.getpid()}").output_cap


def _tried(
    workload: Workload,
    client: LoadClient,
    mode: Mode,
    run_id: str,
    seed: int = 0,
    output_tokens: int | None = None,
) -> _Try:
    """The first try that is not refused; where all are, the spelling is not why, and the first says why."""

    def ask(cap: CapName) -> _Try:
        asked = replace(workload, output_cap=cap)
        request = asked.request(run_id, seed, 0, output_tokens=output_tokens)
        answered = client.perform(Due(_PROBE_ORDINAL, request), mode).answered()
        return _Try(cap, answered, observation(answered, request))

    first = tried = ask(workload.output_cap)
    while (other := tried.other_cap) is not None:
        tried = ask(other)
    return first if tried.is_refused else tried


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
