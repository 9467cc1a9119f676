"""CTRF JSON, the Common Test Report Format: a test per verdict, told as in `junit.xml`.

Source: CTRF specification 1.0 (github.com/ctrf-io/ctrf), whose schema refuses keys that it does not know;
what is ours stands in `extra`.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import Any, Literal, TextIO

import orjson
from typing_extensions import TypedDict  # pydantic refuses that of typing before Python 3.12

from harness.report import Exchanges
from harness.report.findings import Cell, duration_s, rule_text, shown_cell
from harness.report.text import one_line
from harness.run import Run
from harness.verdict import Outcome, Verdict

FILENAME = "ctrf.json"

_MESSAGE_CHARS = 500
_NAME_CHARS = 200

Status = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Tool:
    """What made the report."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts, and Unix times in milliseconds."""

    tests: int
    passed: int
    failed: int
    skipped: int
    pending: int
    other: int
    start: int
    stop: int


class Extra(TypedDict):
    """What CTRF has no key for: the verdict's own fields."""

    rule: str
    level: str
    scenario: str
    client: str
    mode: str


class Test(TypedDict):
    """One verdict; `duration` is that of its request, in milliseconds."""

    name: str
    status: Status
    rawStatus: str  # the format's name
    duration: int
    suite: list[str]
    extra: Extra
    message: str


@dataclass(frozen=True, slots=True)
class Environment:
    """Which endpoint was asked."""

    appName: str  # the format's name  # noqa: N815  # the format's name
    testEnvironment: str  # the format's name  # noqa: N815  # the format's name
    osPlatform: str  # the format's name  # noqa: N815  # the format's name


@dataclass(frozen=True, slots=True)
class Results:
    """The run."""

    tool: Tool
    summary: Summary
    tests: list[Test]
    environment: Environment


@dataclass(frozen=True, slots=True)
class Document:
    """The whole file."""

    reportFormat: Literal["CTRF"]  # the format's name  # noqa: N815  # the format's name
    specVersion: Literal["1.0.0"]  # the format's name  # noqa: N815  # the format's name
    generatedBy: str  # the format's name  # noqa: N815  # the format's name
    results: Results


_TESTS = b'"tests": []'
"""Where the tests go in a document that has none; no text holds it, whose quotes are escaped."""

_INDENTED_START, _INDENTED_END = b"[\n  [\n    [\n", b"\n    ]\n  ]\n]"
"""Around the items of a list that is nested as deeply as the tests are in the document."""

_AT_A_TIME = 1_000


def render(run: Run, exchanges: Exchanges, file: TextIO) -> None:  # noqa: ARG001  # the verdicts are enough
    """The run as a CTRF document; what the exit code counts is what failed."""
    document = orjson.dumps(_document(run), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    start, _, end = document.partition(_TESTS)
    file.write(start.decode() + '"tests": [')
    durations_ms = {(one.scenario, one.client, one.mode): round(one.duration_ms) for one in run.requests}
    # A large run says the same few names a million times.
    named = lru_cache(10_000)(lambda text: one_line(text, _NAME_CHARS))
    tests = (_test(verdict, run, durations_ms, named) for verdict in run.verdicts)
    separator = "\n"
    while some := list(islice(tests, _AT_A_TIME)):
        text = orjson.dumps([[some]], option=orjson.OPT_INDENT_2)
        file.write(separator + text.removeprefix(_INDENTED_START).removesuffix(_INDENTED_END).decode())
        separator = ",\n"
    file.write(("\n    ]" if run.verdicts else "]") + end.decode())


def _document(run: Run) -> Document:
    """All but the tests, of which a large run has a million."""
    statuses = Counter(_status(verdict, run) for verdict in run.exceptions)
    start_ms = _start_ms(run)
    version = one_line(run.environment.likewise, _NAME_CHARS)
    return Document(
        "CTRF",
        "1.0.0",
        f"likewise {version}",
        Results(
            Tool("likewise", version),
            Summary(
                tests=len(run.verdicts),
                passed=len(run.verdicts) - len(run.exceptions),
                failed=statuses["failed"],
                skipped=statuses["skipped"],
                pending=0,
                other=0,
                start=start_ms,
                stop=start_ms + round(duration_s(run) * 1000),
            ),
            [],
            Environment(
                one_line(run.target.name, _NAME_CHARS),
                one_line(f"{run.target.model} at {run.target.base_url}", _NAME_CHARS),
                one_line(run.environment.platform, _NAME_CHARS),
            ),
        ),
    )


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of what is written; narrower than CTRF's own."""
    from pydantic import TypeAdapter

    return TypeAdapter(Document).json_schema()


def _test(verdict: Verdict, run: Run, durations_ms: Mapping[Cell, int], named: Callable[[str], str]) -> Test:
    rule, scenario, client, mode = map(named, verdict.cell)
    is_pass = verdict.outcome is Outcome.PASS
    return {
        "name": f"{rule} {scenario}[{client}-{mode}]",
        "status": "passed" if is_pass else _status(verdict, run),
        "rawStatus": verdict.outcome,
        "duration": durations_ms.get(shown_cell(verdict), 0),
        "suite": [named(verdict.surface) or "none", rule],
        "extra": {
            "rule": rule,
            "level": named(verdict.level),
            "scenario": scenario,
            "client": client,
            "mode": mode,
        },
        "message": "" if is_pass and not verdict.reason else one_line(_message(verdict, run), _MESSAGE_CHARS),
    }


def _message(verdict: Verdict, run: Run) -> str:
    if not verdict.counts_at(run.level):
        return verdict.reason
    rule = rule_text(verdict)
    return f"{rule.sentence} {verdict.reason}. {f'Who breaks: {rule.breaks}' if rule.breaks else ''}".strip()


def _status(verdict: Verdict, run: Run) -> Status:
    """What became of a verdict that is no pass."""
    is_failed = verdict.outcome is Outcome.ERROR or verdict.counts_at(run.level)
    return "failed" if is_failed else "skipped"


def _start_ms(run: Run) -> int:
    try:
        return round(datetime.fromisoformat(run.started).timestamp() * 1000)
    except (ValueError, OverflowError):
        return 0
