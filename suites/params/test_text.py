"""What is said and what is read, whole: characters, messages, and reasoning apart from the answer."""

import re
from collections.abc import Iterator

from harness.evidence import NotJudgedError, shown
from harness.evidence.chat import Answer, Parts
from harness.evidence.grounds import OF_AN_ANSWER
from harness.rule import Violation, Violations, rule
from harness.scenario import Scenario

_CARRIERS = ("reasoning", "reasoning_content")
_LONG_THOUGHT = 40
"""A thought of so many characters does not come back in the answer by chance."""


def _is_spelled(scenario: Scenario) -> bool:
    return scenario.id in {"unicode-echo", "top-logprobs"}


@rule(
    "params.characters-unharmed",
    level="must",
    source="RFC 8259, 8.1; anomalyco/opencode#39694, Moyf/moys-asr-workflow#123",
    breaks="Users read replacement characters, or UTF-8 as Latin-1 shows it.",
    answers=("sf-utf8-split",),
    when=_is_spelled,
    rests_on=OF_AN_ANSWER,
)
def characters_come_back_unharmed(answer: Answer) -> Violations:
    """A text in many scripts comes back without replacement characters, and is not UTF-8 read as Latin-1."""
    for choice in answer.choices:
        text = choice.text or ""
        # A cap may cut the last character in two.
        text = text.rstrip("\ufffd") if choice.finish_reason == "length" else text
        if found := _BROKEN.search(text):
            yield Violation(
                received=f"{shown(found[0])} in {shown(text)}", expected="the characters themselves"
            )
        elif lost := _MARKED.search(text) if _is_without_emoji(text) else None:
            yield Violation(
                received=f"{shown(lost[0])} in {shown(text)}", expected="the characters themselves"
            )
        elif text.isascii():
            raise NotJudgedError(f"the model did not repeat the line: {shown(text)}")


_BROKEN = re.compile("\ufffd|\u00e4\u00bd|\u00e5\u00a5|\u00f0\u0178|\u00f0\u009f|\u00c3[\u0080-\u00bf]")
"""U+FFFD, and what Latin-1 and Windows-1252 make of the UTF-8 of a Chinese greeting, an emoji, an accent."""


_MARKED = re.compile(r"\?{2,}")
"""What stores of three bytes a character leave of a row of emoji."""


def _is_without_emoji(text: str) -> bool:
    return "\u4f60\u597d" in text and all(ord(character) <= _LAST_OF_THREE_BYTES for character in text)


_LAST_OF_THREE_BYTES = 0xFFFF


@rule(
    "params.no-double-escapes",
    level="must",
    source="RFC 8259, 7: one escape stands for one character",
    breaks="Users read \\u4f60 and \\n in place of characters.",
    when=_is_spelled,
    rests_on=OF_AN_ANSWER,
)
def no_character_is_escaped_twice(answer: Answer) -> Violations:
    """A text in many scripts has no JSON escape left in it."""
    for choice in answer.choices:
        if found := _ESCAPE.search(choice.text or ""):
            yield Violation(received=shown(found[0]), expected="the character itself")


_ESCAPE = re.compile(r"\\u(?:4f60|597d|d83d|2028|0085|00f1)", re.IGNORECASE)
"""Escapes of characters that were asked for; the line itself has a backslash before an n."""


@rule(
    "params.messages-counted",
    level="spec",
    source="OpenAI API reference, completion usage: prompt_tokens count all messages",
    breaks="A message, or a part of one, did not reach the model unsaid; or costs come out wrong.",
    answers=("cn-usage-prompt-unstable",),
)
def every_message_counts(answer: Answer) -> Violations:
    """A prompt has at least one token for every two words of its messages, and one at the least."""
    messages = answer.observation.asked.get("messages")
    words = sum(len(text.split()) for text in _texts(messages))
    prompt, least = (answer.usage or {}).get("prompt_tokens"), max(1, words // 2)
    if isinstance(prompt, int) and words and prompt < least:
        yield Violation(
            received=f"{prompt} prompt tokens for {words} words",
            expected=f"at least {least}",
            pointer="/usage/prompt_tokens",
        )


def _texts(messages: object) -> Iterator[str]:
    """The texts of messages, those of their parts among them."""
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, str):
            yield content
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and isinstance(part.get("text"), str):
                yield part["text"]


@rule(
    "params.reasoning-is-text",
    level="must",
    source="DeepSeek API documentation, reasoning_content; vllm-project/vllm#27755, reasoning",
    breaks="Readers that add up pieces of reasoning raise.",
    rests_on=OF_AN_ANSWER,
)
def reasoning_is_a_string(parts: Parts) -> Violations:
    """Reasoning that is shown is a string, or null where there is none."""
    for part in parts:
        for key in _CARRIERS:
            value = part.said.get(key)
            if value is not None and not isinstance(value, str):
                yield Violation(shown(value), "a string", *part.place(f"/{part.key}/{key}"))


@rule(
    "params.reasoning-apart",
    level="spec",
    source="vllm-project/vllm#27755; lmstudio-ai/lmstudio-bug-tracker#723",
    breaks="Users read the thoughts as the answer.",
    answers=("cn-reasoning-field-name",),
    rests_on=OF_AN_ANSWER,
)
def reasoning_is_not_in_the_answer(parts: Parts) -> Violations:
    """Reasoning that is shown apart is not in the text as well."""
    for choice in parts.by_choice:
        text = "".join(said for part in choice if isinstance(said := part.said.get("content"), str))
        for key in _CARRIERS:
            thought = "".join(said for part in choice if isinstance(said := part.said.get(key), str)).strip()
            if len(thought) >= _LONG_THOUGHT and thought in text:
                yield Violation(
                    f"{shown(thought, 60)} in the text too", f"it in {key} alone", *choice[0].place("")
                )


@rule(
    "params.reasoning-counted",
    level="spec",
    source="OpenAI API reference, completion usage: completion_tokens_details.reasoning_tokens",
    breaks="Tokens per second come out wrong: thoughts count as answer, or not at all.",
    answers=("bm-hidden-reasoning",),
)
def reasoning_that_is_shown_is_counted(parts: Parts) -> Violations:
    """Where reasoning is shown and reasoning tokens are told, there are some."""
    shows = any(part.said.get(key) for part in parts for key in _CARRIERS)
    details = parts.usage.get("completion_tokens_details")
    if shows and isinstance(details, dict) and details.get("reasoning_tokens") == 0:
        yield Violation(
            received="0 reasoning tokens beside reasoning",
            expected="the tokens of the reasoning",
            pointer="/usage/completion_tokens_details/reasoning_tokens",
        )
