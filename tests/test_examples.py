"""The examples of property tests are the same whatever ran before."""

from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


def _examples() -> list[int]:
    found = []

    @settings(derandomize=True, database=None, max_examples=500)
    @given(st.integers())
    def run(number: int) -> None:
        found.append(number)

    run()
    return found


@pytest.mark.skipif(not settings().derandomize, reason="a run of make fuzz looks for other examples")
def test_what_is_loaded_has_no_part_in_the_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _examples()
    assert before == _examples()
    constants = ", ".join(map(str, range(70_000, 90_000, 250)))
    (tmp_path / "with_constants.py").write_text(f"CONSTANTS = ({constants})\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    import_module("with_constants")
    assert _examples() == before
