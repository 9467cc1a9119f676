"""The log probabilities of a legacy completion: four arrays with an item for each token."""

from collections.abc import Iterator
from itertools import accumulate

from harness.evidence import NotJudgedError, Object, shown
from harness.evidence.completions import LOGPROBS_ARRAYS, TextAnswer, TextChoice
from harness.evidence.grounds import OF_AN_ANSWER
from harness.rule import Violation, Violations, rule
from harness.scenario import Mode, Scenario

_SOURCE = "OpenAI API reference, the completion object: logprobs"
_ROUNDING = 1e-4


def _asks_for_logprobs(scenario: Scenario) -> bool:
    return "logprobs" in scenario.params_for(Mode.PLAIN)


def _asks_for_both(scenario: Scenario) -> bool:
    return _asks_for_logprobs(scenario) and "echo" in scenario.params_for(Mode.PLAIN)


def _judged(answer: TextAnswer) -> Iterator[tuple[str, TextChoice, Object]]:
    """JSON pointer, choice and logprobs object of each choice that has one."""
    for place, choice in enumerate(answer.choices):
        if choice.logprobs is not None:
            yield f"/choices/{place}/logprobs", choice, choice.logprobs


def _texts(logprobs: Object) -> list[str]:
    return [token for token in logprobs.get("tokens", ()) if isinstance(token, str)]


@rule(
    "completions.logprobs-given",
    level="spec",
    source=f"{_SOURCE}; linagora/openrag#574",
    breaks="Evaluation programs raise, or score nothing.",
    answers=("co-logprobs-type", "co-echo-logprobs"),
    when=_asks_for_logprobs,
    rests_on=OF_AN_ANSWER,
)
def log_probabilities_come_when_asked(answer: TextAnswer) -> Violations:
    """A choice has log probabilities when the integer logprobs asks for them."""
    for place, choice in enumerate(answer.choices):
        if choice.text and not (choice.logprobs and choice.logprobs.get("token_logprobs")):
            yield Violation(
                received=shown(choice.logprobs),
                expected="tokens and token_logprobs",
                pointer=f"/choices/{place}/logprobs",
            )


@rule(
    "completions.logprobs-lengths",
    level="must",
    source=_SOURCE,
    breaks="Programs that walk the arrays side by side score tokens with the numbers of others.",
    when=_asks_for_logprobs,
    rests_on=OF_AN_ANSWER,
)
def the_four_arrays_have_one_length(answer: TextAnswer) -> Violations:
    """The arrays of a logprobs object have one item for each token."""
    for pointer, _, logprobs in _judged(answer):
        lengths = {name: len(logprobs[name]) for name in LOGPROBS_ARRAYS if name in logprobs}
        if len(set(lengths.values())) > 1:
            yield Violation(received=shown(lengths), expected="one length", pointer=pointer)


@rule(
    "completions.logprobs-spell-the-text",
    level="spec",
    source=f"{_SOURCE}: tokens",
    breaks="Programs that find a word's score by its place in the text read another word's.",
    when=_asks_for_logprobs,
    rests_on=OF_AN_ANSWER,
)
def the_tokens_spell_the_text(answer: TextAnswer) -> Violations:
    """The tokens, joined, are the text."""
    for pointer, choice, logprobs in _judged(answer):
        texts = _texts(logprobs)
        # A token that is part of a character has no text: OpenAI writes it as bytes:\xe4, others as U+FFFD.
        is_spelled = not any(text.startswith("bytes:") or "\ufffd" in text for text in texts)
        if is_spelled and "".join(texts) != choice.text:
            yield Violation(
                received=shown("".join(texts)), expected=shown(choice.text), pointer=f"{pointer}/tokens"
            )


@rule(
    "completions.logprobs-range",
    level="must",
    source=f"{_SOURCE}: natural logarithms of probabilities",
    breaks="Scores come out wrong: a probability above 1, or none where there is one.",
    when=_asks_for_logprobs,
    rests_on=OF_AN_ANSWER,
)
def log_probabilities_are_negative(answer: TextAnswer) -> Violations:
    """A log probability is a number that is not above 0; only the first one of an echoed prompt is null."""
    is_echoed = bool(answer.observation.asked.get("echo"))
    for pointer, _, logprobs in _judged(answer):
        for place, value in enumerate(logprobs.get("token_logprobs", ())):
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            is_first = value is None and place == 0 and is_echoed
            if not is_first and not (is_number and value <= _ROUNDING):
                yield Violation(
                    received=shown(value),
                    expected="a number up to 0",
                    pointer=f"{pointer}/token_logprobs/{place}",
                )


@rule(
    "completions.logprobs-alternatives",
    level="spec",
    source="OpenAI API reference, completions/create (legacy): logprobs, up to one more than asked",
    breaks="Programs that compare the likeliest tokens miss some, or read more than they asked for.",
    when=_asks_for_logprobs,
    rests_on=OF_AN_ANSWER,
)
def there_are_as_many_alternatives_as_asked(answer: TextAnswer) -> Violations:
    """Each token has one to logprobs alternatives, or one more when the chosen one is not among them."""
    asked = answer.observation.asked.get("logprobs")
    most = asked + 1 if isinstance(asked, int) else 0
    for pointer, _, logprobs in _judged(answer):
        for place, likely in enumerate(logprobs.get("top_logprobs", ())):
            if isinstance(likely, dict) and not 1 <= len(likely) <= most:
                yield Violation(
                    received=f"{len(likely)} alternatives",
                    expected=f"1 to {most}",
                    pointer=f"{pointer}/top_logprobs/{place}",
                )


@rule(
    "completions.logprobs-offsets",
    level="spec",
    source=f"{_SOURCE}: text_offset",
    breaks="Programs that find a word's score by its place in the text read another word's.",
    when=_asks_for_logprobs,
    rests_on=OF_AN_ANSWER,
)
def offsets_rise_with_the_tokens(answer: TextAnswer) -> Violations:
    """Each token begins where the one before it ends.

    The first may begin at 0 or after the prompt, echoed or not.
    """
    for pointer, _, logprobs in _judged(answer):
        texts, offsets = logprobs.get("tokens", ()), logprobs.get("text_offset", ())
        for place, (text, start, then) in enumerate(zip(texts, offsets, offsets[1:], strict=False), 1):
            is_plain = isinstance(text, str) and text.isascii() and not text.startswith("bytes:")
            if is_plain and isinstance(start, int) and then != start + len(text):
                yield Violation(
                    received=shown(then),
                    expected=f"{start + len(text)}, after {shown(text)}",
                    pointer=f"{pointer}/text_offset/{place}",
                )


@rule(
    "completions.echo-offsets",
    level="spec",
    source=f"{_SOURCE}: text_offset; vllm-project/vllm#47815",
    breaks="Programs that cut the prompt's tokens off by their place keep some of them, or lose new ones.",
    when=_asks_for_both,
    rests_on=OF_AN_ANSWER,
)
def offsets_of_an_echo_count_from_the_beginning(answer: TextAnswer) -> Violations:
    """With echo, each token's offset counts from the beginning of the text, the prompt included."""
    for pointer, choice, logprobs in _judged(answer):
        texts, starts = _texts(logprobs), logprobs.get("text_offset", ())
        if not choice.text.isascii() or "".join(texts) != choice.text:
            raise NotJudgedError("the tokens do not spell the text")
        wanted = accumulate(map(len, texts), initial=0)
        for place, (start, at) in enumerate(zip(starts, wanted, strict=False)):
            if start != at:
                yield Violation(
                    received=f"{shown(start)} for {shown(texts[place])}",
                    expected=f"{at}, where it begins in {shown(choice.text)}",
                    pointer=f"{pointer}/text_offset/{place}",
                )
                break


@rule(
    "completions.echo-logprobs",
    level="must",
    source="ggml-org/llama.cpp#27174, EleutherAI/lm-evaluation-harness#1949",
    breaks="Evaluation programs score sentences at chance, and no error says so.",
    answers=("co-echo-logprobs",),
    when=_asks_for_both,
    rests_on=OF_AN_ANSWER,
)
def an_echoed_prompt_has_log_probabilities(answer: TextAnswer) -> Violations:
    """With echo, the prompt's tokens have log probabilities too, but for the first of all."""
    for pointer, _, logprobs in _judged(answer):
        spelled = "".join(_texts(logprobs))
        for prompt in answer.prompts[:1]:
            if prompt not in spelled:
                yield Violation(
                    received=f"log probabilities of {shown(spelled)}",
                    expected=f"those of {shown(prompt)} among them",
                    pointer=f"{pointer}/tokens",
                )
        values = logprobs.get("token_logprobs", ())
        if values and values[0] is not None:
            yield Violation(
                received=shown(values[0]),
                expected="null for the first token, which follows nothing",
                pointer=f"{pointer}/token_logprobs/0",
            )
    if not any(_judged(answer)):
        raise NotJudgedError("no log probabilities")
