"""A plan as a user reads it before anything is asked: each request, its cap, and what it may cost."""

from collections.abc import Iterator
from math import ceil

import orjson

from harness.plan import Call, Plan
from harness.report.text import plural
from harness.scenario import Ask, FollowUp, Http
from harness.target import Price, Target

_BYTES_OF_A_TOKEN = 3
"""Fewer than a token has on average in any language: a prompt costs less than it is counted as here."""
_PER_MILLION = 1_000_000


def lines(target: Target, planned: Plan, claims: frozenset[str]) -> Iterator[str]:
    """A heading, a line for each request in the order of the plan, and the sum."""
    width = max(len(call.scenario.name) for call in planned.every_call)
    price = target.price
    yield f"{'scenario':<{width}}  {'client':<15}  mode    {'cap':>6}{'  cost' if price else ''}"
    for call in planned.calls:
        cost = f"  {_cost(call, price):.6f} {price.currency}" if price else ""
        turn = _turn(call, claims)
        yield (
            f"{call.scenario.name:<{width}}  {call.client:<15}  {call.mode.value:<6}  "
            f"{call.tokens or '-':>6}{cost}{turn}"
        )
    yield ""
    yield f"A check would make {bounds(planned, price)}; nothing was asked."
    if planned.left_out:
        yield f"The budget leaves out {plural(len(planned.left_out), 'more request')}."


def bounds(planned: Plan, price: Price | None) -> str:
    """The most that a plan asks: requests, completion tokens and, where prices are known, money."""
    money = ""
    if price is not None:
        cost = sum(_cost(call, price) for call in planned.calls)
        money = f" and about {cost:.4f} {price.currency}"
    requests = plural(len(planned.calls), "request")
    return f"at most {requests}, for at most {planned.tokens:,} completion tokens{money}"


def _turn(call: Call, claims: frozenset[str]) -> str:
    missing = call.scenario.needs - claims
    if call.is_probe:
        return f"  finds out: {', '.join(sorted(missing))}"
    return f"  if there is: {', '.join(sorted(missing))}" if missing else ""


def _cost(call: Call, price: Price) -> float:
    prompt = ceil(len(_prompt(call)) / _BYTES_OF_A_TOKEN)
    return (prompt * price.input_per_million + call.tokens * price.output_per_million) / _PER_MILLION


def _prompt(call: Call) -> bytes:
    match call.scenario.ask:
        case Ask():
            return orjson.dumps(call.scenario.params_for(call.mode))
        case Http() as request:
            return request.body
        case FollowUp() as turn:
            # What it goes on from is not known; it holds at least what the turn before it may answer.
            return b" " * _BYTES_OF_A_TOKEN * turn.tokens
