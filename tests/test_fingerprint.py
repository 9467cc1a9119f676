"""Fingerprints: whatever a rule builds on changes its digest."""

from pathlib import Path

import pytest

from harness import content, fingerprint

_PACKAGE = Path(fingerprint.__file__).parent


@pytest.mark.parametrize(
    "path",
    [
        _PACKAGE / "wire" / "sse.py",
        _PACKAGE / "rule.py",
        _PACKAGE / "dialect.py",
        _PACKAGE / "judge.py",
        content.folder("suites") / "stream" / "scenarios.py",
    ],
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_what_every_rule_builds_on_changes_every_digest(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, read_bytes = fingerprint.today(), Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda one: read_bytes(one) + (b"#" if one == path else b""))
    after = fingerprint.today.__wrapped__()
    assert not before.rules.items() & after.rules.items()
    assert before.schemas == after.schemas
