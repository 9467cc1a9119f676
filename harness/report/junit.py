"""JUnit XML, as CI systems read it: a suite per surface, a case per verdict.

Source: the format has no standard; this is the common part of what Jenkins, GitLab and pytest read and write.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TextIO
from xml.sax.saxutils import escape

from harness.report import Exchanges
from harness.report.findings import Cell, curls, duration_s, grouped, rule_text, shown_cell
from harness.report.text import command, many_lines, one_line
from harness.run import Run
from harness.verdict import Outcome, Verdict

FILENAME = "junit.xml"

_NAME_CHARS = 200
_MESSAGE_CHARS = 500
_TEXT_CHARS = 2_000
_VIOLATIONS = 5


def render(run: Run, exchanges: Exchanges, file: TextIO) -> None:  # noqa: ARG001  # the verdicts are enough
    """The run as a JUnit document.

    What the exit code counts is a failure, and what the harness itself got wrong is an error. All else that
    is no pass is skipped, so that CI agrees with the exit code; the message says why.
    """
    name = _attribute(f"likewise {run.target.name}", _NAME_CHARS)
    totals = _totals(len(run.verdicts), run.exceptions, run)
    whole = f'{totals} name="{name}" time="{duration_s(run):.3f}"'
    file.write('<?xml version="1.0" encoding="utf-8"?>\n')
    file.write(f"<testsuites {whole}>\n" if run.verdicts else f"<testsuites {whole} />\n")
    repeats = curls(run)
    exceptions = {verdicts[0].surface: verdicts for verdicts in grouped(run.exceptions, "surface")}
    # A large run says the same few names a million times.
    named = cache(lambda text: _attribute(text, _NAME_CHARS))
    for verdicts in grouped(run.verdicts, "surface"):
        surface = verdicts[0].surface
        totals = _totals(len(verdicts), exceptions.get(surface, ()), run)
        about = f'{totals} name="{named(surface)}" timestamp="{named(run.started)}"'
        file.write(f"  <testsuite {about}>\n")
        file.writelines(_case(verdict, run, repeats, named) for verdict in verdicts)
        file.write("  </testsuite>\n")
    file.write("</testsuites>\n" if run.verdicts else "")


def _totals(count: int, exceptions: Sequence[Verdict], run: Run) -> str:
    tags = Counter(_tag(verdict, run) for verdict in exceptions)
    return (
        f'tests="{count}" failures="{tags["failure"]}" errors="{tags["error"]}" skipped="{tags["skipped"]}"'
    )


def _tag(verdict: Verdict, run: Run) -> str:
    """The element that says why a case did not pass."""
    if verdict.outcome is Outcome.ERROR:
        return "error"
    return "failure" if verdict.counts_at(run.level) else "skipped"


def _case(verdict: Verdict, run: Run, repeats: Mapping[Cell, str], named: Callable[[str], str]) -> str:
    name = named(f"{verdict.scenario}[{verdict.client}-{verdict.mode}]")
    case = f'    <testcase classname="{named(verdict.rule)}" name="{name}"'
    if verdict.outcome is Outcome.PASS:
        return f"{case} />\n"
    return f"{case}>\n      {_outcome(verdict, run, repeats)}\n    </testcase>\n"


def _outcome(verdict: Verdict, run: Run, repeats: Mapping[Cell, str]) -> str:
    tag = _tag(verdict, run)
    if tag == "failure":
        message, level = _attribute(verdict.reason, _MESSAGE_CHARS), _attribute(verdict.level, _NAME_CHARS)
        return f'<failure message="{message}" type="{level}">{escape(_evidence(verdict, repeats))}</failure>'
    beyond = f" ({verdict.level})" if verdict.outcome is Outcome.FAIL else ""
    message = _attribute(f"{verdict.outcome.value}{beyond}: {verdict.reason}", _MESSAGE_CHARS)
    return f'<{tag} message="{message}" />'


def _attribute(text: str, limit: int) -> str:
    return escape(one_line(text, limit), {'"': "&quot;"})


def _evidence(verdict: Verdict, repeats: Mapping[Cell, str]) -> str:
    rule = rule_text(verdict)
    lines = [rule.sentence]
    lines += [f"Who breaks: {rule.breaks}", f"Source: {rule.source}"] if rule.breaks else []
    for violation in verdict.evidence[:_VIOLATIONS]:
        lines += [f"Place: {violation.place}"] if violation.place else []
        lines += [f"Received: {violation.received}", f"Expected: {violation.expected}"]
    if len(verdict.evidence) > _VIOLATIONS:
        lines.append(f"and {len(verdict.evidence) - _VIOLATIONS:,} more")
    shown = [many_lines(line, _TEXT_CHARS) for line in lines]
    curl = repeats.get(shown_cell(verdict))
    return "\n".join([*shown, command(curl, _TEXT_CHARS)] if curl else shown)
