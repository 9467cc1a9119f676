"""Fit: how questions are put to an endpoint, so that each asks what it is there to ask.

Today's models differ in how a cap is spelled, and a model that thinks before it answers spends its cap on
thoughts. The first question of a run finds out both; every other question is put accordingly.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from harness.evidence import NotJudgedError, Observation
from harness.evidence.chat import Parts
from harness.plan import CAPS, Call
from harness.scenario import AnyAsk, Ask, FollowUp, Http, Scenario
from harness.wire.exchange import Json

CapName: TypeAlias = Literal["max_tokens", "max_completion_tokens", "none"]

THINKING_STEPS_TOKENS = (512, 2048)
"""How much more a question allows for thoughts: the first step that leaves room for an answer."""

_ABOUT_THE_SPELLING = frozenset({"max-tokens", "max-completion-tokens"})
_REASONING = ("reasoning_content", "reasoning")
_SAID = ("content", "refusal", "tool_calls", "function_call")
_OTHER_CAP: Mapping[CapName, CapName] = {
    "max_tokens": "max_completion_tokens",
    "max_completion_tokens": "none",
}


@dataclass(frozen=True, slots=True)
class Fit:
    """How an endpoint wants its caps spelled, and how many tokens its model may think beside its answer."""

    cap: CapName = "max_tokens"
    thinking_tokens: int = 0

    def call(self, call: Call) -> Call:
        """A call put this way."""
        return replace(call, scenario=self.scenario(call.scenario))

    def scenario(self, scenario: Scenario) -> Scenario:
        """A scenario put this way.

        A scenario that is about a cap's spelling keeps it; one whose cap is to cut the answer, or that is to
        be refused, keeps its number.
        """
        spelling = None if scenario.needs & _ABOUT_THE_SPELLING else self.cap
        more = 0 if scenario.is_cut or not scenario.is_answered else self.thinking_tokens
        return replace(scenario, ask=_fitted(scenario.ask, spelling, more))

    @property
    def notes(self) -> Iterator[str]:
        """What was adapted, as sentences for the report."""
        if self.cap == "max_completion_tokens":
            yield "The endpoint refuses max_tokens: other questions have max_completion_tokens in its place."
        if self.cap == "none":
            yield "The endpoint refuses max_tokens and max_completion_tokens: questions have no cap."
        if self.thinking_tokens:
            yield (
                "The model thinks before it answers: each cap is "
                f"{self.thinking_tokens:,} tokens higher, so that there is room for an answer."
            )


def _fitted(ask: AnyAsk, spelling: CapName | None, more: int) -> AnyAsk:
    match ask:
        case Ask():
            spelled = spelling if ask.operation == "chat" else None
            params = _params(ask.params, spelled, more if ask.operation in {"chat", "responses"} else 0)
            return replace(ask, params=params)
        case FollowUp():
            return replace(
                ask,
                make=lambda before: _made(ask.make(before), spelling, more),
                tokens=ask.tokens + (more if ask.tokens else 0),
            )
        case Http() if spelling and ask.path == "/chat/completions":
            return replace(ask, body=_body(ask.body, spelling))
        case _:
            return ask


def _made(ask: Ask | Http, spelling: CapName | None, more: int) -> Ask | Http:
    made = _fitted(ask, spelling, more)
    if isinstance(made, FollowUp):
        raise TypeError("what a follow-up makes is no follow-up")
    return made


def _params(params: Mapping[str, Json], spelling: CapName | None, more: int) -> dict[str, Json]:
    fitted: dict[str, Json] = {}
    for name, value in params.items():
        if name not in CAPS:
            fitted[name] = value
            continue
        raised = value + more if isinstance(value, int) and value > 0 else value
        if spelling is None or name == "max_output_tokens":
            fitted[name] = raised
        elif spelling != "none":
            fitted[spelling] = raised
    return fitted


def _body(body: bytes, spelling: CapName) -> bytes:
    """A body as text: some are no JSON on purpose."""
    if spelling == "none":
        return body
    return body.replace(b'"max_tokens"', f'"{spelling}"'.encode())


# --- finding out ---


def next_fit(fit: Fit, seen: Observation) -> Fit | None:
    """Another way to put the first question, after what came of this one; None when it was understood."""
    if seen.is_clean_refusal and not seen.ran_out:
        spelling = other_cap(fit.cap, seen)
        return None if spelling is None else replace(fit, cap=spelling)
    step = next((tokens for tokens in THINKING_STEPS_TOKENS if tokens > fit.thinking_tokens), None)
    return replace(fit, thinking_tokens=step) if step and _needs_room(seen, fit) else None


def other_cap(cap: CapName, seen: Observation) -> CapName | None:
    """Another spelling to try after a refusal of this one; None where it was none, or all have been tried."""
    return _OTHER_CAP.get(cap) if seen.is_clean_refusal and _is_refusal_of_a_value(seen) else None


def is_all_thoughts(seen: Observation) -> bool:
    """Whether an answer reached its cap before it said anything to its user."""
    parts = _parts(seen)
    return parts is not None and _is_cut_in_thought(parts)


def fit_of(seen: Observation) -> Fit:
    """The fit with which a first question was put, read from what was sent."""
    asked, put = seen.asked, seen.scenario.params_for(seen.mode)
    cap: CapName = (
        "max_tokens"
        if "max_tokens" in asked
        else "max_completion_tokens"
        if "max_completion_tokens" in asked
        else "none"
    )
    sent, wanted = asked.get(cap), put.get("max_tokens")
    more = sent - wanted if isinstance(sent, int) and isinstance(wanted, int) else 0
    return Fit(cap, max(more, 0))


def _is_refusal_of_a_value(seen: Observation) -> bool:
    response = seen.exchange.response
    return response is not None and response.status in {400, 422}


def _needs_room(seen: Observation, fit: Fit) -> bool:
    """Whether thoughts took all of the cap, or are there at all where none have been allowed for."""
    if seen.ran_out:
        return True
    parts = _parts(seen)
    if parts is None:
        return False
    details = parts.usage.get("completion_tokens_details")
    counted = details.get("reasoning_tokens") if isinstance(details, dict) else None
    thinks = bool(counted) or any(part.said.get(name) for part in parts for name in _REASONING)
    return _is_cut_in_thought(parts) or (thinks and not fit.thinking_tokens)


def _parts(seen: Observation) -> Parts | None:
    try:
        return Parts.of(seen)
    except NotJudgedError:
        return None


def _is_cut_in_thought(parts: Parts) -> bool:
    says_something = any(part.said.get(name) for part in parts for name in _SAID)
    return not says_something and any(part.choice.get("finish_reason") == "length" for part in parts)
