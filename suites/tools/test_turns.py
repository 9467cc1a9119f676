"""The turn after a tool call: what the server said is taken back, and its results are answered."""

from harness.evidence import NotJudgedError, Observation, shown
from harness.evidence.chat import Answer
from harness.evidence.grounds import OF_AN_ANSWER
from harness.rule import Ground, Violation, Violations, rule
from harness.scenario import Scenario
from harness.wire.exchange import Ending

_SOURCE = "OpenAI API guide, function calling: append the model's message, then a result for each call"


def _brings_results(scenario: Scenario) -> bool:
    return scenario.id.startswith("tool-result")


@rule(
    "tools.replay-accepted",
    level="must",
    source=f"{_SOURCE}; anomalyco/opencode#1680, JohnnyZ93/oai-compatible-copilot#202, BerriAI/litellm#30882",
    breaks="Every agent stops at its second turn.",
    answers=(
        "cr-assistant-content-null",
        "cr-replay-tool-id-format",
        "cr-replay-reasoning-required",
        "cr-replay-reasoning-rejected",
        "lc-reasoning-replay-400",
        "st-id-empty",
        "st-index-in-nonstream",
    ),
    when=_brings_results,
    upholds=Ground.ACCEPTED,
    rests_on=(Ground.FORM,),
)
def the_servers_own_message_is_taken_back(observation: Observation) -> Violations:
    """The message with the tool calls is accepted as it came, or as the client keeps it."""
    if observation.exchange.ended is Ending.UNSENT:
        raise NotJudgedError(f"not asked: {observation.exchange.detail}")
    response = observation.response
    if observation.ran_out:
        raise NotJudgedError("the cap was used up before anything was said")
    if response.status >= 400:
        yield Violation(received=f"HTTP {response.status}: {shown(response.body)}", expected="an answer")


@rule(
    "tools.result-answered",
    level="must",
    source=_SOURCE,
    breaks="The user has an empty answer after the tool ran.",
    when=_brings_results,
    rests_on=OF_AN_ANSWER,
)
def results_are_answered(answer: Answer) -> Violations:
    """The turn that brings the results is answered with text, or with another call."""
    for choice in answer.choices:
        if not (choice.text or choice.calls or choice.is_withheld or choice.is_cut):
            yield Violation(received=shown(choice.text), expected="text, or another tool call")
