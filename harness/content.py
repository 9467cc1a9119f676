"""Finds the content: rules and scenarios in `suites/`, report templates, workloads.

In a checkout they stand beside the package; a wheel carries them inside it, under `harness/bundled/`.
"""

import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from harness.rule import Rule
from harness.scenario import Scenario

_Value = TypeVar("_Value", Rule, Scenario)
_PACKAGE = Path(__file__).parent


def folder(name: str) -> Path:
    """The folder of this name: `suites`, `reports/templates`, `loadtests`."""
    bundled = _PACKAGE / "bundled" / name
    return bundled if bundled.is_dir() else _PACKAGE.parent / name


@cache
def rules() -> Mapping[str, Rule]:
    """Every rule by its id, in the order of files and lines."""
    return _by_id(_values(Rule))


@cache
def scenarios() -> Mapping[str, Scenario]:
    """Every scenario by its id, in the order of files and lines."""
    return _by_id(_values(Scenario))


def scenario(name: str) -> Scenario | None:
    """The scenario of this name; `capped#2` is `capped`, asked for the second time. None: there is none."""
    scenario_id, _, number = name.partition("#")
    known = scenarios().get(scenario_id)
    if known is None or not number:
        return known
    is_number = number.isascii() and number.isdigit() and int(number) > 0
    return replace(known, repetition=int(number) - 1) if is_number else None


def _by_id(values: Iterable[_Value]) -> Mapping[str, _Value]:
    found: dict[str, _Value] = {}
    for value in values:
        if value.id in found:
            raise ValueError(f"two have the id {value.id!r}; an id stands for one thing")
        found[value.id] = value
    return found


def _values(kind: type[_Value]) -> Iterator[_Value]:
    for module in _modules():
        yield from (value for value in vars(module).values() if isinstance(value, kind))


@cache
def _modules() -> tuple[ModuleType, ...]:
    suites = folder("suites")
    return tuple(_load(path, suites) for path in sorted(suites.rglob("*.py")))


def _load(path: Path, suites: Path) -> ModuleType:
    name = ".".join(("likewise_suites", *path.relative_to(suites).with_suffix("").parts))
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} can't be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
