"""The pytest plugin: `pytest suites --target dashscope -k stream`.

Each rule becomes one test per scenario, client and mode. Observations are made when the first rule needs
them and shared by all rules that read them, so a request is made once.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from harness.check import Check, Settings
    from harness.judge import Cell
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


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the run's folder when one is asked for."""
    session.config.stash[_SESSION].save()


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
    verdicts: "list[Verdict]" = field(default_factory=list)

    @property
    def level(self) -> Any:
        return self.config.getoption("--level")

    def cells(self, rule: "Rule") -> "Iterator[Cell]":
        from harness import content
        from harness.judge import cells_of

        target, settings = self._asked()
        scenarios = [s for s in content.scenarios().values() if s.needs <= target.claims]
        return cells_of(rule, scenarios, settings.clients, settings.modes)

    def judge(self, rule: "Rule", cell: "Cell | None") -> "Verdict":
        from harness.errors import NothingJudgedError
        from harness.judge import judge_cell, judge_whole_run

        checking = self._opened()
        today, waivers = date.today(), checking.waivers
        try:
            if cell is None:
                verdict = judge_whole_run(rule, checking.all_observations(), waivers, today)
            else:
                verdict = judge_cell(rule, cell, checking.observation, waivers, today)
        except NothingJudgedError as error:
            pytest.exit(f"{error.happened} {error.next_step}", returncode=error.exit_code)
        self.verdicts.append(verdict)
        return verdict

    def save(self) -> None:
        folder = self.config.getoption("--out")
        if folder and self.checking is not None:
            self.checking.save(Path(folder), self.verdicts)

    def close(self) -> None:
        self.stack.close()

    def _asked(self) -> "tuple[Target, Settings]":
        """What the options ask for; their mistakes are pytest's usage errors."""
        from harness.asked import settings_of, targets_of
        from harness.errors import UsageError

        option = self.config.getoption
        try:
            names = [option("--target")] if option("--target") else []
            (target,) = targets_of(names, option("--base-url"), option("--model"), option("--api-key-env"))
            return target, settings_of(option("--clients"), option("--modes"), option("--level"))
        except UsageError as error:
            raise pytest.UsageError(f"{error.happened} {error.next_step}") from error

    def _opened(self) -> "Check":
        if self.checking is None:
            from harness.check import check
            from harness.errors import LikewiseError

            target, settings = self._asked()
            try:
                self.checking = self.stack.enter_context(check(target, settings, os.environ))
            except LikewiseError as error:
                pytest.exit(f"{error.happened} {error.next_step}", returncode=error.exit_code)
        return self.checking
