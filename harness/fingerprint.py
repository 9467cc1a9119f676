"""Fingerprints of what judges, so that two runs can tell whether the endpoint changed or its judge did."""

import hashlib
import inspect
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from harness import content

_PACKAGE = Path(__file__).parent
_DIGITS = 12


@dataclass(frozen=True, slots=True)
class JudgedBy:
    """What gave the verdicts of a run: a digest of each rule with what it builds on, and one of all schemas.

    Of a run that was written before there were fingerprints, both are empty.
    """

    rules: dict[str, str] = field(default_factory=dict)
    schemas: str = ""


@cache
def today() -> JudgedBy:
    """The rules and schemas of this installation."""
    own = [_PACKAGE / name for name in ("judge.py", "rule.py", "dialect.py", "stream_machine.py")]
    shared = [path for path in content.folder("suites").rglob("*.py") if not path.name.startswith("test_")]
    machine = _digest([*own, *_below("evidence", "*.py"), *_below("wire", "*.py"), *sorted(shared)])
    files = {rule.id: Path(inspect.getfile(rule.check)) for rule in content.rules().values()}
    digests = {file: _digest([file], machine) for file in set(files.values())}
    return JudgedBy(
        {rule_id: digests[file] for rule_id, file in files.items()},
        _digest([*_below("schemas", "*.json"), *_below("schemas", "*.toml"), *_below("schemas", "*.py")]),
    )


def _below(folder: str, pattern: str) -> Iterable[Path]:
    return sorted((_PACKAGE / folder).glob(pattern))


def _digest(files: Iterable[Path], seed: str = "") -> str:
    digest = hashlib.sha256(seed.encode())
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:_DIGITS]
