"""Run folders that are made of another by one change."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import zstandard

from harness import run
from harness.run import Run

Line = dict[str, Any]


def changed(
    folder: Path,
    to: Path,
    *,
    line: Callable[[Line], None] = lambda _: None,
    run_json: Callable[[Run], Run] = lambda known: known,
) -> Path:
    """A copy of a run's folder, whose recorded lines and run.json were changed."""
    to.mkdir()
    lines = list(run.recorded_lines(folder / "exchanges.jsonl.zst"))
    for one in lines:
        line(one)
    text = b"".join(orjson.dumps(one) + b"\n" for one in lines)
    (to / "exchanges.jsonl.zst").write_bytes(zstandard.compress(text))
    run.save(run_json(run.load(folder)), to)
    return to


def is_plain_chat(line: Line) -> bool:
    return (line["scenario"], line["mode"]) == ("founding", "plain")


def without_finish_reason(line: Line) -> None:
    """The plain founding answers say null where they said why the model stopped."""
    if is_plain_chat(line):
        _replace(line["exchange"]["response"], '"stop"', "null")


def _replace(response: Line, old: str, new: str) -> None:
    assert old in response["body"]
    response["body"] = response["body"].replace(old, new)
    at = response["reads"][0][0]
    response["reads"] = [[at, len(response["body"].encode())]]


def other_question(line: Line) -> None:
    """The plain founding calls asked for something else."""
    if is_plain_chat(line):
        asked = orjson.loads(line["exchange"]["request"]["body"])
        asked["messages"] = [{"role": "user", "content": "another question"}]
        line["exchange"]["request"]["body"] = orjson.dumps(asked).decode()


def judged_otherwise(rule: str, *, rules: bool, schemas: bool) -> Callable[[Run], Run]:
    """A run in which a rule failed everywhere, by another judge than today's."""

    def change(known: Run) -> Run:
        return dataclasses.replace(
            known,
            verdicts=[
                dataclasses.replace(one, outcome=run.Outcome.FAIL) if one.rule == rule else one
                for one in known.verdicts
            ],
            judged_by=dataclasses.replace(
                known.judged_by,
                rules={**known.judged_by.rules, **({rule: "another"} if rules else {})},
                schemas="another" if schemas else known.judged_by.schemas,
            ),
        )

    return change
