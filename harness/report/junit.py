"""JUnit XML, as CI systems read it: a suite per surface, a case per verdict.

Source: the format has no standard; this is the common part of what Jenkins, GitLab and pytest read and write.
"""

from collections.abc import Iterable, Mapping
from xml.etree.ElementTree import Element, SubElement, indent, tostring  # it only writes here

from harness.report import Exchanges
from harness.report.findings import Cell, curls, duration_s, rule_text, shown_cell
from harness.report.text import command, many_lines, one_line
from harness.run import Run
from harness.verdict import Outcome, Verdict

FILENAME = "junit.xml"

_MESSAGE_CHARS = 500
_TEXT_CHARS = 2_000
_VIOLATIONS = 5


def render(run: Run, exchanges: Exchanges) -> str:  # noqa: ARG001  # a verdict's own evidence is enough here
    """The run as a JUnit document.

    What the exit code counts is a failure, and what the harness itself got wrong is an error. All else that
    is no pass is skipped, so that CI agrees with the exit code; the message says why.
    """
    repeats = curls(run)
    root = Element(
        "testsuites", _totals(run, run.verdicts), name=one_line(f"likewise {run.target.name}", 200)
    )
    root.set("time", f"{duration_s(run):.3f}")
    for surface in dict.fromkeys(verdict.surface for verdict in run.verdicts):
        verdicts = [verdict for verdict in run.verdicts if verdict.surface == surface]
        suite = SubElement(root, "testsuite", _totals(run, verdicts), name=one_line(surface, 200))
        suite.set("timestamp", one_line(run.started, 200))
        for verdict in verdicts:
            _add_case(suite, verdict, run, repeats)
    indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _totals(run: Run, verdicts: Iterable[Verdict]) -> dict[str, str]:
    tags = [_tag(verdict, run) for verdict in verdicts]
    return {
        "tests": str(len(tags)),
        "failures": str(tags.count("failure")),
        "errors": str(tags.count("error")),
        "skipped": str(tags.count("skipped")),
    }


def _tag(verdict: Verdict, run: Run) -> str | None:
    """The element that says that a case did not pass; None for a pass."""
    if verdict.outcome is Outcome.PASS:
        return None
    if verdict.outcome is Outcome.ERROR:
        return "error"
    return "failure" if verdict.counts_at(run.level) else "skipped"


def _add_case(suite: Element, verdict: Verdict, run: Run, repeats: Mapping[Cell, str]) -> None:
    name = f"{verdict.scenario}[{verdict.client}-{verdict.mode}]"
    case = SubElement(suite, "testcase", classname=one_line(verdict.rule, 200), name=one_line(name, 200))
    tag = _tag(verdict, run)
    if tag is None:
        return
    outcome = SubElement(case, tag)
    if tag == "failure":
        outcome.set("message", one_line(verdict.reason, _MESSAGE_CHARS))
        outcome.set("type", one_line(verdict.level, 200))
        outcome.text = _evidence(verdict, repeats)
    else:
        beyond = f" ({verdict.level})" if verdict.outcome is Outcome.FAIL else ""
        outcome.set("message", one_line(f"{verdict.outcome.value}{beyond}: {verdict.reason}", _MESSAGE_CHARS))


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
