"""Trying a client that is a program alone: on the reference endpoint, as it is and with some faults.

What it gives its user is held against the wire. The endpoint being right, what differs is the program's, or
its library's.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal, TypeAlias

from harness import content
from harness.check import Settings, check
from harness.clients import Client, Connection
from harness.clients.command import Introduced, opens
from harness.clients.reply import Reply, reply_of
from harness.effect import effect_of
from harness.endpoint.server import running
from harness.endpoint.settings import Settings as EndpointSettings
from harness.evidence import Observation
from harness.observe import unsent
from harness.report.text import plural
from harness.scenario import Ask, Mode, Scenario
from harness.target import resolve
from harness.verdict import Outcome
from harness.wire.limits import Limits
from harness.wire.recording import recording

Finding: TypeAlias = Literal["agrees", "differs", "failed", "not asked"]

_LIMITS = Limits(connect_s=5, silence_s=10, total_s=20)
_UNAFFECTED = {"unaffected", "not compared"}


@dataclass(frozen=True, slots=True)
class Step:
    """What came of one step: the departure of the endpoint that was asked, and in words what differs."""

    asked: str
    finding: Finding
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Trial:
    """A way in which the endpoint departs, and what is asked of it; `raises`: its user must be told."""

    departure: str
    scenario: str
    mode: Mode
    raises: bool = False


_TRIALS = (
    _Trial("crlf", "founding", Mode.STREAM),
    _Trial("keep-alives", "founding", Mode.STREAM),
    _Trial("cut-within-characters", "founding", Mode.STREAM),
    _Trial("role-with-null-content", "founding", Mode.STREAM),
    _Trial("chunked-small", "founding", Mode.PLAIN),
    _Trial("call-in-character-fragments", "tool-call", Mode.STREAM),
    _Trial("sf-early-close", "founding", Mode.STREAM, raises=True),
    _Trial("sf-error-200.mid", "founding", Mode.STREAM, raises=True),
    _Trial("er-html.502", "founding", Mode.PLAIN),
    _Trial("er-500-for-400", "no-messages", Mode.PLAIN),
    _Trial("busy-once", "founding", Mode.PLAIN),
)


def expressed(program: Introduced) -> Iterator[str]:
    """What a program can express: a line for each operation."""
    for operation, parameters in program.expression.parameters.items():
        which = "any parameter" if parameters is None else ", ".join(sorted(parameters)) or "no parameter"
        yield f"{operation} with {which}"


def steps(name: str, program: Introduced) -> Iterator[Step]:
    """Each step as it is done; a program that fails at its hello or the first question is asked no more."""
    if program.failure:
        yield Step("its hello", "failed", program.failure)
        return
    first = _tried(name, program, _Trial("", "founding", Mode.PLAIN))
    yield first
    if first.finding == "failed":
        return
    yield from _whole_check(name, program)
    for trial in _TRIALS:
        yield _tried(name, program, trial)


def _whole_check(name: str, program: Introduced) -> Iterator[Step]:
    """What each client is asked, of an endpoint where no rule fails through any other client."""
    settings = Settings(clients=(name,), programs={name: program})
    with check(resolve("reference", {}), settings, {}) as checking:
        seen = checking.all_observations()
        failed = [one for one in checking.judged().verdicts if one.outcome is Outcome.FAIL]
    what = f"all that a check asks, {plural(len(seen), 'call')}"
    broken = next((one.reply.broken for one in seen if one.reply.broken), "")
    if broken:
        yield Step(what, "failed", broken)
    elif not failed:
        yield Step(what, "agrees")
    for scenario, mode, rule, reason in dict.fromkeys(
        (one.scenario, one.mode, one.rule, one.reason) for one in failed
    ):
        yield Step(f"{scenario}, {mode}", "differs", f"{rule}: {reason}")


def _tried(name: str, program: Introduced, trial: _Trial) -> Step:
    scenario = content.scenarios()[trial.scenario]
    asked = f"{scenario.id}, {trial.mode}{f', with {trial.departure}' if trial.departure else ''}"
    if lacks := program.expression.lacks(scenario.ask, trial.mode):
        return Step(asked, "not asked", f"it can't express {lacks}")
    with ExitStack() as stack:
        faults = (trial.departure,) if trial.departure else ()
        address = stack.enter_context(running(EndpointSettings(faults=faults)))
        connection = Connection(address.base_url, address.model, address.key, limits=_LIMITS)
        client = stack.enter_context(opens(name, program)(connection))
        seen, count = _observed(client, name, scenario, trial.mode)
    return Step(asked, *_finding(seen, count, must_raise=trial.raises))


def _observed(client: Client, name: str, scenario: Scenario, mode: Mode) -> tuple[Observation, int]:
    """What was seen of one question, and how many requests it made of it."""
    ask = scenario.ask
    assert isinstance(ask, Ask)  # noqa: S101  # the trials above are such
    with recording(None) as tape:
        reply: Reply = reply_of(lambda: client.perform(ask, mode))
    exchange = tape.exchanges[-1] if tape.exchanges else unsent("the client sent nothing")
    seen = Observation(scenario, name, client.version, mode, exchange, reply)
    return seen, len(tape.exchanges)


def _finding(seen: Observation, requests: int, *, must_raise: bool) -> tuple[Finding, str]:
    reply, response = seen.reply, seen.exchange.response
    if reply.broken:
        return "failed", reply.broken
    if requests != 1:
        return "differs", f"it made {plural(requests, 'request')} of one question"
    if response is not None and response.status >= 400:
        status = None if reply.raised is None else reply.raised.status
        told = "no exception" if reply.raised is None else f"an exception with the status {status}"
        differs = f"{told} for HTTP {response.status}" if status != response.status else ""
    elif must_raise:
        differs = "" if reply.raised else "no exception, though the stream broke off"
    else:
        effect, detail = effect_of(seen)
        differs = "" if effect in _UNAFFECTED else f"{effect}: {detail}"
    return "differs" if differs else "agrees", differs
