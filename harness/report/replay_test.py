"""A pytest that says the recorded bytes again: whoever mends the endpoint sees the rule fail, then hold."""

import re
from collections.abc import Iterator

from harness import content
from harness.answer import Answer
from harness.report import Exchanges
from harness.scenario import FollowUp
from harness.verdict import Verdict

LARGEST_BYTES = 4_000
"""A longer answer is taken from the run's folder."""


def replay_test(verdict: Verdict, exchanges: Exchanges) -> str:
    """The text of a test that fails as the verdict does; empty where bytes alone can't show it.

    Everything in it that is not ours is a literal in ASCII.
    """
    rule = content.rules().get(verdict.rule)
    scenario = content.scenario(verdict.scenario)
    if rule is None or rule.judges_whole_runs or scenario is None:
        return ""
    modes = ("plain", "stream") if verdict.mode == "both" else (verdict.mode,)
    found = [exchanges.get((verdict.scenario, verdict.client, mode)) for mode in modes]
    if any(exchange is None or exchange.response is None for exchange in found):
        return ""
    answers = [Answer.of(exchange) for exchange in found if exchange is not None]
    size_bytes = sum(len(data) for answer in answers for _, data in answer.pieces)
    is_short = size_bytes <= LARGEST_BYTES
    lines = [
        f"# {rule.sentence}",
        f"from harness.replay import {'Answer' if is_short else 'recorded'}, violations",
        "",
    ]
    for mode, answer in zip(modes, answers, strict=True):
        if is_short:
            lines += _answer(mode, answer, asks=isinstance(scenario.ask, FollowUp))
        else:
            place = ", ".join(map(ascii, (verdict.scenario, verdict.client, mode)))
            lines.append(f"{mode.upper()} = recorded('.', {place})  # in the run's folder")
    given = ", ".join(f"{mode}={mode.upper()}" for mode in modes)
    place = ", ".join(map(ascii, (verdict.rule, verdict.scenario, verdict.client)))
    name = re.sub(r"\W", "_", verdict.rule)
    return "\n".join(
        [*lines, "", "", f"def test_{name}():", f"    assert violations({place}, {given}) == []", ""]
    )


def _answer(mode: str, answer: Answer, *, asks: bool) -> Iterator[str]:
    yield f"{mode.upper()} = Answer("
    yield f"    {answer.status}, {answer.headers!a},"
    for at_ms, data in answer.pieces:
        yield f"    ({at_ms}, {data!r}),"
    if asks:
        yield f"    asked={answer.asked!r},"
    if answer.is_cut:
        yield "    is_cut=True,"
    if answer.surplus:
        yield f"    surplus={answer.surplus!r},"
    if answer.framed_twice:
        yield "    framed_twice=True,"
    yield ")"
