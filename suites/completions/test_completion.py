"""A legacy completion: its shape, its choices, its text, whichever way it comes."""

import re
from collections.abc import Callable

from harness.evidence import NotJudgedError, joined, shown
from harness.evidence.completions import TextAnswer, TextCompletion, TextPair
from harness.evidence.grounds import OF_A_USER, OF_AN_ANSWER
from harness.rule import Ground, Level, Violation, Violations, rule, shape
from harness.scenario import Mode, Scenario
from harness.schemas import violations

_SOURCE = "OpenAI API reference, completions/create (legacy)"
_CHARACTERS_OF_A_TOKEN = 16
"""More than tokens have on average in any language: what is longer was not capped."""
_SEVERAL = 2


def _asks(name: str) -> Callable[[Scenario], bool]:
    """A condition on scenarios: that they ask for a parameter."""
    return lambda scenario: name in scenario.params_for(Mode.PLAIN)


def _schema(completion: TextCompletion, level: Level) -> Violations:
    for found in violations("completion", completion.body, level):
        if found.level == level:
            yield Violation(found.received, found.expected, found.pointer)


def _place(answer: TextAnswer, place: int, key: str) -> str | None:
    """The JSON pointer of a choice's value; None in a stream, where it is spread over chunks."""
    return f"/choices/{place}/{key}" if answer.observation.mode is Mode.PLAIN else None


@rule(
    "completions.schema-must",
    level="must",
    source=f"{_SOURCE}; the required fields of the openai SDK's types",
    breaks="A client raises, loses data without a word, or hands on a wrong value.",
    upholds=shape,
)
def a_completion_has_what_clients_need(completion: TextCompletion) -> Violations:
    """A legacy completion has every field that clients need, in the right type."""
    yield from _schema(completion, "must")


@rule(
    "completions.schema-spec",
    level="spec",
    source=f"{_SOURCE}; openai/openai-openapi CreateCompletionResponse, corrected by recorded answers",
    breaks="Clients with strict types refuse the answer.",
    answers=("co-logprobs-type",),
    upholds=shape,
)
def a_completion_is_as_openai_documents_it(completion: TextCompletion) -> Violations:
    """A legacy completion has the fields and types that OpenAI documents."""
    yield from _schema(completion, "spec")


@rule(
    "completions.schema-recommended",
    level="recommended",
    source="recorded answers of OpenAI",
    breaks="Nobody that is known: OpenAI always sends it.",
    upholds=shape,
)
def a_completion_has_what_openai_always_sends(completion: TextCompletion) -> Violations:
    """A legacy completion has the optional fields that OpenAI always sends."""
    yield from _schema(completion, "recommended")


@rule(
    "completions.choice-count",
    level="must",
    source=f"{_SOURCE}: prompt, n; Avarok-Cybersecurity/atlas#291",
    breaks="LangChain gives the answer to one prompt for another's, or raises IndexError.",
    answers=("co-prompt-forms", "cr-n-ignored"),
    upholds=Ground.CHOICES,
    rests_on=OF_AN_ANSWER,
)
def each_prompt_has_its_choices(answer: TextAnswer) -> Violations:
    """There are n choices for each prompt."""
    if len(answer.choices) != answer.choice_count:
        yield Violation(
            received=f"{len(answer.choices)} choices", expected=f"{answer.choice_count}", pointer="/choices"
        )


@rule(
    "completions.choice-indexes",
    level="must",
    source=f"{_SOURCE}: choices[].index",
    breaks="Programs that send several prompts give the answer to one for another's.",
    answers=("co-prompt-forms",),
    upholds=Ground.CHOICES,
    rests_on=OF_AN_ANSWER,
)
def completions_are_numbered_from_zero(answer: TextAnswer) -> Violations:
    """The choices' indexes are 0 and up, each once; plain, they stand in this order."""
    indexes = [choice.index for choice in answer.choices]
    if answer.observation.mode is Mode.STREAM:
        indexes = sorted(indexes, key=repr)
    if list(map(repr, indexes)) != list(map(repr, range(len(indexes)))):
        yield Violation(received=joined(indexes), expected=joined(range(len(indexes))), pointer="/choices")


@rule(
    "completions.cap-obeyed",
    level="spec",
    source=f"{_SOURCE}: max_tokens, best_of",
    breaks="Costs have no bound.",
    answers=("co-max-tokens-0",),
)
def no_completion_is_longer_than_its_cap(answer: TextAnswer) -> Violations:
    """No choice is longer than max_tokens allows, and all together have no more tokens.

    Those that `best_of` makes and drops count.
    """
    cap, done = answer.observation.asked.get("max_tokens"), answer.usage.get("completion_tokens")
    if "echo" not in answer.observation.asked and isinstance(cap, int):
        for place, choice in enumerate(answer.choices):
            if len(choice.text) > _CHARACTERS_OF_A_TOKEN * cap:
                yield Violation(
                    received=f"{len(choice.text)} characters",
                    expected=f"at most {cap} tokens",
                    pointer=_place(answer, place, "text"),
                )
    if isinstance(cap, int) and isinstance(done, int) and done > cap * answer.made_count:
        yield Violation(
            received=f"{done} tokens",
            expected=f"at most {cap * answer.made_count}",
            pointer="/usage/completion_tokens",
        )


@rule(
    "completions.cut-is-called-length",
    level="spec",
    source=f"{_SOURCE}: finish_reason",
    breaks="The caller takes half an answer for a whole one.",
    when=lambda scenario: scenario.id in {"completion", "completion-with-usage"},
    upholds=Ground.ENDED,
    rests_on=OF_AN_ANSWER | {Ground.ENDING},
)
def a_completion_cut_by_its_cap_says_so(answer: TextAnswer) -> Violations:
    """A completion that its cap cut short has the finish reason `length`."""
    if answer.usage.get("completion_tokens") == answer.observation.asked.get("max_tokens"):
        for place, choice in enumerate(answer.choices):
            if choice.finish_reason != "length":
                if not _is_unfinished(choice.text):
                    raise NotJudgedError("the text may have ended by itself at its cap")
                yield Violation(
                    received=shown(choice.finish_reason),
                    expected='"length"',
                    pointer=_place(answer, place, "finish_reason"),
                )


def _is_unfinished(text: str) -> bool:
    """Whether a text is a part of the count to 100 that was asked for."""
    return bool(re.fullmatch(r"[\s\d,.]*", text)) and re.findall(r"\d+", text)[-1:] != ["100"]


@rule(
    "completions.stop-excluded",
    level="must",
    source=f"{_SOURCE}: stop, which the text will not contain; Blaizzy/mlx-vlm#1044",
    breaks="Programs that ask for one step get the next ones too, made up by the model.",
    answers=("cr-stop-ignored", "cr-stop-included", "cr-stop-split"),
    when=_asks("stop"),
    rests_on=OF_AN_ANSWER,
)
def no_completion_has_a_stop_sequence(answer: TextAnswer) -> Violations:
    """The text ends before a stop sequence and does not contain it."""
    asked = answer.observation.asked.get("stop")
    stops = [stop for stop in (asked if isinstance(asked, list) else [asked]) if isinstance(stop, str)]
    if not any(_is_at_stop(choice.text, stop) for choice in answer.choices for stop in stops):
        raise NotJudgedError(f"the model did not come to the stop sequence: {shown(answer.text)}")
    for place, choice in enumerate(answer.choices):
        for stop in stops:
            if stop in choice.text:
                yield Violation(
                    received=shown(choice.text),
                    expected=f"a text that ends before {shown(stop)}",
                    pointer=_place(answer, place, "text"),
                )


def _is_at_stop(text: str, stop: str) -> bool:
    """Whether a text has the letter that stops it, or comes to the one before it in the alphabet."""
    letters = re.findall(r"[a-z]", text.lower())
    return stop in text or (bool(letters) and ord(letters[-1]) + 1 == ord(stop[0]))


@rule(
    "completions.echo",
    level="must",
    source=f"{_SOURCE}: echo",
    breaks="Programs that cut the prompt off the answer cut off the answer instead.",
    when=_asks("echo"),
    rests_on=OF_AN_ANSWER,
)
def an_echoed_text_begins_with_its_prompt(answer: TextAnswer) -> Violations:
    """With echo, the text begins with the prompt."""
    for place, choice in enumerate(answer.choices):
        for prompt in answer.prompts[:1]:
            if not choice.text.startswith(prompt):
                yield Violation(
                    received=shown(choice.text),
                    expected=f"{shown(prompt)} at its start",
                    pointer=_place(answer, place, "text"),
                )


@rule(
    "completions.nothing-generated",
    level="must",
    source=f"{_SOURCE}: max_tokens; EleutherAI/lm-evaluation-harness#1411, Avarok-Cybersecurity/atlas#291",
    breaks="Evaluation programs count a made-up token as part of the sentence that they score.",
    answers=("co-max-tokens-0",),
    when=lambda scenario: scenario.params_for(Mode.PLAIN).get("max_tokens") == 0,
    rests_on=OF_AN_ANSWER,
)
def max_tokens_0_makes_no_token(answer: TextAnswer) -> Violations:
    """With echo and max_tokens 0, the text is the prompt and no more."""
    for place, choice in enumerate(answer.choices):
        for prompt in answer.prompts[:1]:
            if choice.text.startswith(prompt) and choice.text != prompt:
                yield Violation(
                    received=f"{shown(choice.text[len(prompt) :])} after the prompt",
                    expected="nothing after it",
                    pointer=_place(answer, place, "text"),
                )


@rule(
    "completions.usage-sum",
    level="spec",
    source="OpenAI API reference, completion usage; mozilla-ai/any-llm#1290",
    breaks="Costs and tokens per second come out wrong.",
)
def the_total_of_a_completion_is_the_sum(answer: TextAnswer) -> Violations:
    """usage.total_tokens is prompt_tokens plus completion_tokens."""
    prompt, done, total = (answer.usage.get(f"{part}_tokens") for part in ("prompt", "completion", "total"))
    if isinstance(prompt, int) and isinstance(done, int) and total != prompt + done:
        yield Violation(
            received=shown(answer.usage), expected=f"total {prompt + done}", pointer="/usage/total_tokens"
        )


@rule(
    "completions.prompt-counted",
    level="spec",
    source="OpenAI API reference, completion usage: prompt_tokens",
    breaks="Costs come out wrong; or a part of the prompt did not reach the model unsaid.",
)
def every_prompt_counts(answer: TextAnswer) -> Violations:
    """A completion has at least one prompt token for every two words of its prompts, and one at the least."""
    words = sum(len(prompt.split()) for prompt in answer.prompts)
    given, least = answer.usage.get("prompt_tokens"), max(1, words // 2)
    if isinstance(given, int) and words and given < least:
        yield Violation(
            received=f"{given} prompt tokens for {words} words",
            expected=f"at least {least}",
            pointer="/usage/prompt_tokens",
        )


@rule(
    "completions.choices-counted",
    level="spec",
    source="OpenAI API reference, completion usage: completion_tokens of all choices",
    breaks="Costs and tokens per second come out too low.",
)
def the_tokens_of_all_completions_count(answer: TextAnswer) -> Violations:
    """Where the cap cut every choice, the completion tokens are more than those of one choice less."""
    cap, done = answer.observation.asked.get("max_tokens"), answer.usage.get("completion_tokens")
    count = len(answer.choices)
    are_cut = all(choice.finish_reason == "length" and choice.text for choice in answer.choices)
    is_told = isinstance(cap, int) and isinstance(done, int) and count >= _SEVERAL
    if is_told and are_cut and done <= cap * (count - 1):
        yield Violation(
            received=f"{done} tokens for {count} choices of {cap}",
            expected=f"{cap * count}",
            pointer="/usage/completion_tokens",
        )


@rule(
    "completions.model-named",
    level="recommended",
    source=f"{_SOURCE}: model",
    breaks="Costs and metrics keyed by the model's name go astray; another model may have answered.",
    answers=("bm-wrong-model",),
)
def a_completion_names_the_model_asked(completion: TextCompletion) -> Violations:
    """The answer's model is the one asked for, or a snapshot of it."""
    asked, model = completion.observation.asked.get("model"), completion.body.get("model")
    if isinstance(asked, str) and isinstance(model, str) and not model.startswith(asked):
        yield Violation(received=shown(model), expected=f"{asked} or a snapshot of it", pointer="/model")


@rule(
    "completions.client-text",
    level="must",
    source="mistakes of stream readers: U+2028, split UTF-8, a lost first or last event",
    breaks="The user reads another text than was sent.",
    rests_on=OF_A_USER,
)
def the_user_reads_the_completion_of_the_wire(answer: TextAnswer) -> Violations:
    """The text that the client's user reads is the text on the wire."""
    reply = answer.observation.reply
    told = reply.text or ""
    if reply.raised is None and answer.text != told:
        yield Violation(
            received=f"{shown(told)} at the user", expected=f"{shown(answer.text)}, as on the wire"
        )


@rule(
    "completions.same-kind-in-both-modes",
    level="spec",
    source=f"{_SOURCE}: stream",
    breaks="A program that works plain gets nothing, or another number of choices, when it streams.",
    rests_on=OF_A_USER,
)
def both_modes_complete_alike(pair: TextPair) -> Violations:
    """The streamed completion has text in the choices in which the plain one has."""
    plain, streamed = (
        sorted((repr(choice.index), bool(choice.text)) for choice in answer.choices)
        for answer in (pair.plain, pair.streamed)
    )
    if (
        plain != streamed
        and len(plain) == len(streamed)
        and pair.plain.observation.asked.get("max_tokens") == 1
    ):
        raise NotJudgedError("one token may be the end, or no whole character")
    if plain != streamed:
        yield Violation(
            received=f"{_told(pair.streamed)} streamed", expected=f"{_told(pair.plain)}, as plain"
        )


def _told(answer: TextAnswer) -> str:
    return f"{len(answer.choices)} choices, {sum(bool(choice.text) for choice in answer.choices)} with text"


@rule(
    "completions.same-finish-in-both-modes",
    level="spec",
    source=f"{_SOURCE}: finish_reason",
    breaks="Programs that look whether an answer was cut behave differently when they stream.",
    when=lambda scenario: scenario.id == "completion",
    rests_on=OF_A_USER,
)
def both_modes_finish_a_cut_completion_alike(pair: TextPair) -> Violations:
    """A completion that is cut has the same finish reason in both modes."""
    plain, streamed = (
        [one.finish_reason for one in answer.choices] for answer in (pair.plain, pair.streamed)
    )
    if {*plain, *streamed} == {"stop", "length"} and pair.plain.text != pair.streamed.text:
        raise NotJudgedError("the model said something else, and of another length")
    if plain != streamed:
        yield Violation(received=f"{joined(streamed)} streamed", expected=f"{joined(plain)}, as plain")
