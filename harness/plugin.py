"""The pytest plugin: `pytest suites --target dashscope -k stream`.

Each rule becomes one test per scenario, client and mode. Observations are made when the first rule needs
them and shared by all rules that read them, so a request is made once.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import NothingJudgedError

if TYPE_CHECKING:
    from harness.check import Check, Settings
    from harness.judge import Cell
    from harness.plan import Plan
    from harness.rule import Rule
    from harness.target import Target
    from harness.verdict import Verdict


_SESSION: "pytest.StashKey[_Session]" = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the options that `likewise check` has."""
    group = parser.getgroup("likewise", "conformance of an OpenAI-compatible endpoint")
    group.addoption("--target", help="a target of likewise.toml or a preset; default: the reference endpoint")
    group.addoption("--base-url", help="judge this address, without a file")
    group.addoption("--model", help="the model to ask there")
    group.addoption("--api-key-env", help="the environment variable that holds the key")
    group.addoption("--clients", default="raw,openai,langchain", help="which clients ask, by commas")
    group.addoption("--modes", default="plain,stream", help="which modes, by commas")
    group.addoption("--level", default="spec", choices=("must", "spec", "recommended"), help="what fails")
    group.addoption("--budget-requests", type=int, help="ask at most so many requests")
    group.addoption("--budget-tokens", type=int, help="ask for at most so many completion tokens")
    group.addoption("--out", help="write the run into this folder")


def pytest_configure(config: pytest.Config) -> None:
    """Keep one session of observations for this process."""
    config.stash[_SESSION] = _Session(config)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the clients, and what was started."""
    config.stash[_SESSION].close()


def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, name: str, obj: object) -> Any:
    """Make tests of a rule; everything else is left to pytest."""
    rule_module = sys.modules.get("harness.rule")
    if rule_module is None or not isinstance(obj, rule_module.Rule):
        return None
    if obj.judges_whole_runs:
        return [RuleItem.from_parent(collector, name=f"{name}[whole run]", rule=obj, cell=None)]
    return [
        RuleItem.from_parent(
            collector, name=f"{name}[{cell.scenario.id}-{cell.client}-{cell.mode}]", rule=obj, cell=cell
        )
        for cell in collector.config.stash[_SESSION].cells(obj)
    ]


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> str | None:
    """Say what the selected rules will ask before anything is asked."""
    planned = config.stash[_SESSION].select([item for item in items if isinstance(item, RuleItem)])
    if planned is None:
        return None
    from harness.report.text import plural

    left_out = f"; {len(planned.left_out)} more are left out by the budget" if planned.left_out else ""
    requests = plural(len(planned.calls), "request")
    return f"likewise asks at most {requests}, for at most {planned.tokens:,} completion tokens{left_out}"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the run's folder when one is asked for; a session that could judge nothing is no success."""
    likewise = session.config.stash[_SESSION]
    likewise.save()
    if session.exitstatus == pytest.ExitCode.OK and likewise.judged_nothing:
        session.exitstatus = NothingJudgedError.exit_code


class RuleFailedError(Exception):
    """A rule does not hold; pytest shows the verdict in place of a traceback."""


class RuleItem(pytest.Item):
    """One rule on one scenario through one client in one mode, or on the whole run."""

    def __init__(self, *, rule: "Rule", cell: "Cell | None", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rule, self.cell = rule, cell
        self.user_properties = [("rule", rule.id), ("level", rule.level), ("surface", rule.surface)]

    def runtest(self) -> None:
        """Judge the cell: a pass passes, a failure that counts fails, a waived one is an expected failure."""
        from harness.verdict import Outcome

        session = self.config.stash[_SESSION]
        verdict = session.judge(self.rule, self.cell)
        match verdict.outcome:
            case Outcome.PASS:
                return
            case Outcome.FAIL if verdict.counts_at(session.level):
                raise RuleFailedError(self._explained(verdict))
            case Outcome.FAIL:
                pytest.xfail(f"{verdict.level} only: {verdict.reason}")
            case Outcome.CONSEQUENCE:
                pytest.xfail(f"follows from {verdict.cause}: {verdict.reason}")
            case Outcome.WAIVED:
                pytest.xfail(verdict.reason)
            case Outcome.ERROR:
                raise RuleFailedError(verdict.reason)
            case _:
                pytest.skip(f"{verdict.outcome}: {verdict.reason}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """A rule's failure is its sentence and its evidence; anything else keeps its traceback."""
        if isinstance(excinfo.value, RuleFailedError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the rule stands."""
        return self.path, self.rule.check.__code__.co_firstlineno - 1, self.name

    def _explained(self, verdict: "Verdict") -> str:
        lines = [
            f"{self.rule.sentence} [{self.rule.id}, {self.rule.level}]",
            f"Who breaks: {self.rule.breaks}",
        ]
        for violation in verdict.evidence:
            lines.append(f"Received{violation.place and f' at {violation.place}'}: {violation.received}")
            lines.append(f"Expected: {violation.expected}")
        lines.append(f"Source: {self.rule.source}")
        return "\n".join(lines)


@dataclass
class _Session:
    """The observations and verdicts of one pytest process."""

    config: pytest.Config
    stack: ExitStack = field(default_factory=ExitStack)
    checking: "Check | None" = None
    planned: "Plan | None" = None
    verdicts: "list[Verdict]" = field(default_factory=list)

    @property
    def level(self) -> Any:
        return self.config.getoption("--level")

    @property
    def judged_nothing(self) -> bool:
        """Whether rules were asked for their verdict, and none could say anything."""
        from harness.verdict import Outcome

        said = {Outcome.PASS, Outcome.FAIL, Outcome.WAIVED}
        return bool(self.verdicts) and not any(verdict.outcome in said for verdict in self.verdicts)

    def cells(self, rule: "Rule") -> "Iterator[Cell]":
        from harness import content
        from harness.judge import cells_of

        _, settings = self._asked
        scenarios = [known for known in content.scenarios().values() if known.id in self._plannable]
        return cells_of(rule, scenarios, settings.clients, settings.modes, settings.lacks)

    def select(self, items: "Sequence[RuleItem]") -> "Plan | None":
        """Plan what these rules read, and nothing else; None where there is no rule."""
        from harness.check import narrowed, plan_for
        from harness.plan import Budget

        if not items:
            return None
        target, settings = self._asked
        cells = [item.cell for item in items if item.cell is not None]
        keys = {(cell.scenario.name, cell.client, mode) for cell in cells for mode in cell.modes}
        whole = plan_for(target, replace(settings, budget=Budget()))
        self.planned = narrowed(whole, keys, target, settings.budget)
        return self.planned

    def judge(self, rule: "Rule", cell: "Cell | None") -> "Verdict":
        from harness.errors import NothingJudgedError
        from harness.judge import judge_whole_run, unasked

        checking = self._opened()
        today, waivers = date.today(), checking.waivers
        try:
            if cell is None:
                verdict = judge_whole_run(rule, checking.all_observations(), waivers, today)
            elif reason := self._why_not_asked(checking, cell):
                verdict = unasked(rule, cell, reason)
            else:
                verdict = self._traced(rule, cell)
        except NothingJudgedError as error:
            pytest.exit(f"{error.happened} {error.next_step}", returncode=error.exit_code)
        self.verdicts.append(verdict)
        return verdict

    def _traced(self, rule: "Rule", cell: "Cell") -> "Verdict":
        """What the rule says of the cell; a failure is held against what more basic rules say of it."""
        from harness import content
        from harness.consequence import traced
        from harness.judge import judge, judge_cell
        from harness.verdict import Outcome

        checking, today = self._opened(), date.today()
        verdict = judge_cell(rule, cell, checking.observation, checking.waivers, today)
        if verdict.outcome is not Outcome.FAIL:
            return verdict
        seen = [checking.observation(cell.scenario.name, cell.client, mode) for mode in cell.modes]
        others = [one for one in content.rules().values() if one is not rule and not one.judges_whole_runs]
        beside = judge(others, seen, checking.waivers, today)
        return traced([verdict, *beside], content.rules(), content.scenarios())[0]

    def _why_not_asked(self, checking: "Check", cell: "Cell") -> str:
        reasons = (checking.why_not_asked(cell.scenario.name, cell.client, mode) for mode in cell.modes)
        return next(filter(None, reasons), "")

    @cached_property
    def _plannable(self) -> frozenset[str]:
        """The scenarios that this target can be asked, or that a probe may find out."""
        from harness.check import plan_for
        from harness.plan import Budget

        target, settings = self._asked
        return frozenset(
            call.scenario.id for call in plan_for(target, replace(settings, budget=Budget())).calls
        )

    def save(self) -> None:
        folder = self.config.getoption("--out")
        if folder and self.checking is not None:
            self.checking.save(Path(folder), self.verdicts)

    def close(self) -> None:
        self.stack.close()

    @cached_property
    def _asked(self) -> "tuple[Target, Settings]":
        """What the options ask for; programs are started for it once. Mistakes are pytest's usage errors."""
        from harness.asked import settings_of, targets_of
        from harness.errors import UsageError
        from harness.plan import Budget

        option = self.config.getoption
        try:
            names = [option("--target")] if option("--target") else []
            (target,) = targets_of(names, option("--base-url"), option("--model"), option("--api-key-env"))
            budget = Budget(option("--budget-requests"), option("--budget-tokens"))
            return target, settings_of(
                option("--clients"), option("--modes"), option("--level"), budget=budget
            )
        except UsageError as error:
            raise pytest.UsageError(f"{error.happened} {error.next_step}") from error

    def _opened(self) -> "Check":
        if self.checking is None:
            from harness.check import check
            from harness.errors import LikewiseError

            target, settings = self._asked
            try:
                self.checking = self.stack.enter_context(check(target, settings, os.environ, self.planned))
            except LikewiseError as error:
                pytest.exit(f"{error.happened} {error.next_step}", returncode=error.exit_code)
        return self.checking
