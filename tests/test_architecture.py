"""Imports run one way, nothing is dead, and the command line starts without the SDKs."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

_ROOT = Path(__file__).parent.parent
_PACKAGE = _ROOT / "harness"
_SUITES = _ROOT / "suites"
_CONTENT = (*_SUITES.rglob("*.py"), _ROOT / "loadtests" / "locustfile.py")

_ALLOWED: Mapping[str, tuple[str, ...]] = {
    "harness.wire": ("harness.wire",),
    "harness.scenario": ("harness.wire",),
    "harness.clients": ("harness.wire", "harness.scenario", "harness.clients"),
    "harness.endpoint": ("harness.endpoint", "harness.errors"),
    "harness.schemas": ("harness.schemas",),
    "harness.answer": ("harness.wire",),
}
"""What a room may import of the project: the rooms that stand below it. The endpoint stands apart, so that it
shares no code with what judges it."""

_TOP = (
    "harness.endpoint",
    "harness.observe",
    "harness.check",
    "harness.prove",
    "harness.report",
    "harness.cli",
    "harness.plugin",
)

_LOADERS = ("harness.load.clients", "harness.load.command", "harness.load.engine", "harness.load.session")

_FIGURES = (
    "harness.load.arrivals",
    "harness.load.difference",
    "harness.load.histogram",
    "harness.load.judging",
    "harness.load.load_run",
    "harness.load.metrics",
    "harness.load.objectives",
    "harness.load.record",
    "harness.load.search",
    "harness.load.verdicts",
    "harness.load.workload",
)
"""Of a load run, what is a function of its input alone."""

_PLANNING = (
    "harness.discovery",
    "harness.fit",
    "harness.flakiness",
    "harness.plan",
    "harness.uses",
)
"""Of a check, what is a function of what was seen."""

_FORBIDDEN: Mapping[str, tuple[str, ...]] = {
    "harness.evidence": _TOP,
    "harness.rule": _TOP,
    "harness.judge": _TOP,
    "harness.verdict": _TOP,
    "harness.report": (
        "harness.check",
        "harness.prove",
        "harness.observe",
        "harness.endpoint",
        "harness.clients.raw",
        "harness.clients.openai_sdk",
        "harness.clients.langchain",
        *_LOADERS,
    ),
    "harness.comparison": ("harness.observe", "harness.endpoint", "harness.hops", *_LOADERS),
    "harness.load": ("harness.endpoint",),
    **dict.fromkeys((*_PLANNING, *_FIGURES), (*_TOP, *_LOADERS)),
}
"""What a room must never import: whatever asks or draws is of no use to what judges."""

_SUITES_MAY_IMPORT = (
    "harness.clients.reply",
    "harness.evidence",
    "harness.rule",
    "harness.scenario",
    "harness.schemas",
    "harness.stream_machine",
    "harness.verdict",
    "harness.wire",
    "orjson",
)

_ENTRY_POINTS = {"harness.cli", "harness.plugin", "harness.rulebook", "harness.__main__"}
"""Started by their name: the command, pytest's plugin, `make docs`."""

_SLOW = (
    "openai",
    "langchain_openai",
    "langchain_core",
    "httpx",
    "httpx2",
    "locust",
    "starlette",
    "uvicorn",
    "jsonschema",
    "numpy",
    "scipy",
    "vl_convert",
)


def _name(path: Path) -> str:
    parts = path.relative_to(_ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def _modules() -> Mapping[str, Path]:
    return {_name(path): path for path in sorted(_PACKAGE.rglob("*.py"))}


def _imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it; a name out of a package counts as its module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            for alias in node.names:
                module = f"{node.module}.{alias.name}"
                yield module if module in _modules() else str(node.module)


def _is_in(module: str, rooms: tuple[str, ...]) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


def _imports_of_room(room: str) -> set[tuple[str, str]]:
    """Each import of the project's own modules within a room: who imports, and what."""
    return {
        (name, imported)
        for name, path in _modules().items()
        if _is_in(name, (room,))
        for imported in _imports(path)
        if _is_in(imported, ("harness",))
    }


@pytest.mark.parametrize("room", _ALLOWED)
def test_a_low_room_imports_only_what_stands_below_it(room: str) -> None:
    assert [edge for edge in sorted(_imports_of_room(room)) if not _is_in(edge[1], _ALLOWED[room])] == []


@pytest.mark.parametrize("room", _FORBIDDEN)
def test_what_judges_or_reports_never_imports_what_asks(room: str) -> None:
    assert [edge for edge in sorted(_imports_of_room(room)) if _is_in(edge[1], _FORBIDDEN[room])] == []


def test_a_report_takes_no_opener_from_the_clients() -> None:
    assert [edge for edge in sorted(_imports_of_room("harness.report")) if edge[1] == "harness.clients"] == []


def test_nobody_but_where_the_command_begins_imports_the_command_line_or_the_plugin() -> None:
    edges = sorted(_imports_of_room("harness"))
    found = [edge for edge in edges if _is_in(edge[1], ("harness.cli", "harness.plugin"))]
    assert {importer for importer, _ in found} == {"harness.__main__"}


@pytest.mark.parametrize(
    "path", sorted(_SUITES.rglob("*.py")), ids=lambda path: str(path.relative_to(_SUITES))
)
def test_a_suite_reads_evidence_and_nothing_else(path: Path) -> None:
    foreign = [name for name in _imports(path) if name.partition(".")[0] not in sys.stdlib_module_names]
    assert [name for name in foreign if not _is_in(name, _SUITES_MAY_IMPORT)] == []


def test_every_module_is_imported_by_another_or_by_content_or_is_an_entry_point() -> None:
    imported = {
        *(target for path in (*_modules().values(), *_CONTENT) for target in _imports(path)),
        *(module for package in _modules() for module in _discovered(package)),
    }
    packages = {name.rpartition(".")[0] for name in _modules()}
    assert _modules().keys() - imported - packages - _ENTRY_POINTS == set()


def _discovered(package: str) -> Iterator[str]:
    """The modules of a package that walks through its own folder, such as the clients."""
    if "pkgutil.iter_modules(__path__)" in _modules()[package].read_text(encoding="utf-8"):
        yield from (module for module in _modules() if module.rpartition(".")[0] == package)


@pytest.mark.parametrize(
    "module", ["harness", "harness.cli", "harness.plugin", "harness.target", "harness.clients"]
)
def test_importing_it_loads_no_sdk_and_no_server(module: str) -> None:
    script = f"import sys, {module}; print(*sorted(sys.modules.keys() & {set(_SLOW)!r}))"
    environ = {**os.environ, "PYTHONPATH": str(_ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", script], env=environ, cwd=_ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == []
