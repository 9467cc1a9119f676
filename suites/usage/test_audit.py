"""The usage audit: relations that token counts keep, whatever the tokenizer."""

import json
from collections import defaultdict

from harness.evidence import NotJudgedError, Object, joined
from harness.evidence.chat import Answer, ChunkStream, Completion
from harness.evidence.completions import TextAnswer
from harness.evidence.responses import ResponseAnswer
from harness.evidence.runs import WholeRun, count, prompt_of
from harness.rule import Violation, Violations, rule
from harness.scenario import Mode

_SOURCE = "OpenAI API reference, completion usage"


_EARLIER_TOKENS = 17
"""Half a token for each word of the earlier turns."""


def _where(answer: Answer) -> str:
    seen = answer.observation
    return f"{seen.scenario.id} ({seen.client}, {seen.mode})"


@rule(
    "usage.same-prompt-same-cost",
    level="spec",
    source=f"{_SOURCE}; router-for-me/CLIProxyAPI#1643, tashfeenahmed/freellmapi#845",
    breaks="Costs and benchmarks differ by client and mode for the same question.",
    answers=("cn-usage-prompt-unstable", "su-usage-mismatch"),
)
def the_same_prompt_costs_the_same(run: WholeRun) -> Violations:
    """The same prompt costs the same number of prompt tokens, in both modes and on every client.

    Recorded traffic may be of several endpoints, and what its parameters did to the prompt, or a cache to the
    count, is not known: there, another number proves nothing.
    """
    costs: dict[bytes, dict[int, str]] = defaultdict(dict)
    for answer in run.answers:
        tokens = (answer.usage or {}).get("prompt_tokens")
        if isinstance(tokens, int):
            costs[prompt_of(answer)].setdefault(tokens, _where(answer))
    for by_tokens in costs.values():
        if len(by_tokens) > 1:
            said = "; ".join(f"{tokens} in {where}" for tokens, where in by_tokens.items())
            if any(answer.observation.scenario.is_recorded for answer in run.answers):
                raise NotJudgedError(f"{said}; recorded traffic does not show why")
            yield Violation(received=said, expected="one number of prompt tokens")


@rule(
    "usage.longer-costs-more",
    level="spec",
    source=f"{_SOURCE}: prompt_tokens",
    breaks="Costs come out wrong.",
)
def a_longer_prompt_costs_more(run: WholeRun) -> Violations:
    """A prompt with a long text before it costs more than without."""
    short, long = (count(run.answer(name), "prompt_tokens") for name in ("with-usage", "usage-longer"))
    if long <= short:
        yield Violation(received=f"{long} prompt tokens with the text, {short} without", expected="more")


@rule(
    "usage.tool-costs",
    level="recommended",
    source=f"{_SOURCE}: tools are part of the prompt",
    breaks="Costs come out wrong; the tool may not have reached the model.",
)
def a_tool_costs_tokens(run: WholeRun) -> Violations:
    """A prompt with a tool costs more than without."""
    without, with_tool = (count(run.answer(name), "prompt_tokens") for name in ("with-usage", "usage-tool"))
    if with_tool <= without:
        yield Violation(
            received=f"{with_tool} prompt tokens with the tool, {without} without", expected="more"
        )


@rule(
    "usage.parts-count",
    level="spec",
    source=f"{_SOURCE}: prompt_tokens; OpenAI API reference, chat/create: content, an array of parts",
    breaks="A part of the question did not reach the model, and nothing says so.",
)
def every_part_of_a_message_counts(run: WholeRun) -> Violations:
    """A question in two parts, of eighteen words, costs more than one of six words."""
    short, parts = (count(run.answer(name), "prompt_tokens") for name in ("with-usage", "parts-user"))
    if parts <= short:
        yield Violation(
            received=f"{parts} prompt tokens for both parts, {short} for a text a third as long",
            expected="the tokens of every part",
        )


@rule(
    "usage.turns-count",
    level="spec",
    source=f"{_SOURCE}: prompt_tokens count the whole conversation",
    breaks="The model has not seen the tool's result, and asks for it again and again.",
)
def a_second_turn_costs_more(run: WholeRun) -> Violations:
    """The turn that brings a tool's result costs more than the turn before it."""
    first, second = (count(run.answer(name), "prompt_tokens") for name in ("tool-call", "tool-result"))
    if second <= first:
        yield Violation(
            received=f"{second} prompt tokens with the call and its result, {first} without",
            expected="the tokens of every message",
        )


@rule(
    "usage.history-counts",
    level="spec",
    source=f"{_SOURCE}: prompt_tokens count the whole conversation; servers that read the last message alone",
    breaks="The model answers without knowing what was said before; or costs come out wrong.",
)
def earlier_turns_cost_tokens(run: WholeRun) -> Violations:
    """A question after a turn of thirty-five words costs more than a short question, by half a token a word.

    The token counts decide, for a weak model may forget what it was told.
    """
    alone, after = (count(run.answer(name), "prompt_tokens") for name in ("with-usage", "conversation"))
    if after - alone < _EARLIER_TOKENS:
        yield Violation(
            received=f"{after} prompt tokens with two earlier turns, {alone} for a short question",
            expected=f"at least {alone + _EARLIER_TOKENS}",
        )


@rule(
    "responses.longer-input-costs-more",
    level="spec",
    source="OpenAI API reference, the response object: usage.input_tokens",
    breaks="Costs come out wrong.",
)
def a_longer_input_costs_more(run: WholeRun) -> Violations:
    """A response to a long text before a question costs more input than one to the question alone."""
    short, long = (
        _counted(run.first(ResponseAnswer, name).usage, "input_tokens")
        for name in ("response", "response-story")
    )
    if long <= short:
        yield Violation(received=f"{long} input tokens with the text, {short} without", expected="more")


@rule(
    "completions.second-prompt-costs-more",
    level="spec",
    source=f"{_SOURCE}: prompt_tokens; OpenAI API reference, completions/create (legacy): prompt",
    breaks="Costs come out too low.",
)
def a_second_prompt_costs_more(run: WholeRun) -> Violations:
    """A legacy prompt with a second one beside it costs more than alone."""
    alone, both = (
        _counted(run.first(TextAnswer, name).usage, "prompt_tokens")
        for name in ("completion", "completion-prompts")
    )
    if both <= alone:
        yield Violation(received=f"{both} prompt tokens for two prompts, {alone} for one", expected="more")


def _counted(usage: Object, name: str) -> int:
    value = usage.get(name)
    if not isinstance(value, int):
        raise NotJudgedError(f"no {name}")
    return value


@rule(
    "usage.n-counts-choices",
    level="spec",
    source=f"{_SOURCE}: completion_tokens of all choices; OpenAI API reference, chat/create: n",
    breaks="Costs and tokens per second come out too low.",
)
def a_second_choice_costs_completion_tokens(run: WholeRun) -> Violations:
    """Two choices cost more completion tokens than one that says the same."""
    once, twice = run.answer("with-usage"), run.answer("usage-n")
    texts = [choice.text or "" for choice in (*once.choices, *twice.choices)]
    alone, both = (count(answer, "completion_tokens") for answer in (once, twice))
    if len(set(texts)) != 1 or not texts[0] or len(twice.choices) <= len(once.choices):
        raise NotJudgedError("the choices do not say the same")
    if alone > len(texts[0].encode()):
        raise NotJudgedError("the model may have thought, now longer and now shorter")
    if both <= alone:
        yield Violation(
            received=f"{both} completion tokens for two choices, {alone} for one", expected=f"{2 * alone}"
        )


@rule(
    "usage.n-costs-completion",
    level="spec",
    source=f"{_SOURCE}; OpenAI API reference, chat/create: n",
    breaks="Costs come out wrong.",
)
def a_second_choice_costs_no_prompt(run: WholeRun) -> Violations:
    """Two choices for one prompt cost its prompt tokens once."""
    once, twice = (count(run.answer(name), "prompt_tokens") for name in ("with-usage", "usage-n"))
    if once != twice:
        yield Violation(received=f"{twice} prompt tokens for two choices, {once} for one", expected=str(once))


@rule(
    "usage.unique-ids",
    level="spec",
    source="OpenAI API reference, the chat completion object: id; ollama/ollama#5312",
    breaks="Tracing and caches keyed by the id merge different answers.",
    answers=("cn-id-static",),
)
def every_answer_has_an_id_of_its_own(run: WholeRun) -> Violations:
    """No two different answers of a run have the same id.

    One answer may come again where the same was asked again, as from a cache. Recorded traffic may hold
    answers of several endpoints, and ids that somebody has blanked: there an id that comes again proves
    nothing.
    """
    by_id: dict[str, set[str]] = defaultdict(set)
    for answer in run.answers:
        if isinstance(answer.id, str) and answer.id:
            by_id[answer.id].add(_told(answer))
    repeated = [answer_id for answer_id, told in by_id.items() if len(told) > 1]
    said = f"{len(repeated)} ids of different answers more than once: {joined(repeated[:3])}"
    if repeated and any(answer.observation.scenario.is_recorded for answer in run.answers):
        raise NotJudgedError(f"{said}; recorded traffic does not show that one endpoint gave them")
    if repeated:
        yield Violation(received=said, expected="each id once")


def _told(answer: Answer) -> str:
    """What tells an answer from others, but for its id: what was asked, when it was made and what it says."""
    seen = answer.observation
    first = Completion.of(seen) if seen.mode is Mode.PLAIN else ChunkStream.of(seen).chunks[0]
    said = [(choice.index, choice.text, choice.finish_reason, choice.calls) for choice in answer.choices]
    told = [seen.asked, first.body.get("created"), said]
    return json.dumps(told, default=repr, sort_keys=True)
