"""Control tokens in the text: those that leaked out of the model's template, not those that it speaks of."""

import re

from harness.evidence import shown
from harness.evidence.chat import Answer, AnswerChoice
from harness.evidence.grounds import OF_AN_ANSWER
from harness.rule import Ground, Violation, Violations, rule

_SOURCE = "OpenAI API reference, the chat completion object"


@rule(
    "chat.no-control-tokens",
    level="spec",
    source=f"{_SOURCE}: message.content; github/app#2128, lmstudio-ai/lmstudio-bug-tracker#1071, "
    "Blaizzy/mlx-vlm#899",
    breaks="Users read markup; tools that it asks for never run.",
    answers=("cn-control-token-leak", "cn-reasoning-field-name"),
    upholds=Ground.SAID,
    rests_on=OF_AN_ANSWER,
)
def the_text_has_no_control_tokens(answer: Answer) -> Violations:
    """The text has no markup of the model's own where it leaks: turns, tool calls, thoughts.

    A text may speak of such markup: what stands in code, in quotation marks, or in the midst of a sentence is
    no leak.
    """
    for choice in answer.choices:
        leaked = _leaked(choice)
        if leaked:
            yield Violation(received=shown(leaked), expected="text alone")


_TOKEN = re.compile(
    r"<\|[\w ]{1,40}\|>|</?(?:think|tool_call|tool_response|function_call)>|\[/?(?:TOOL_CALLS|INST)\]"
    r"|<(?:start|end)_of_turn>|<\uff5c.{1,40}?\uff5c>"
)
_FENCE = r"^[ ]{0,3}(?P<fence>`{3,}|~{3,})[^\n]*\n.*?"
_CLOSED_FENCE = re.compile(rf"{_FENCE}^[ ]{{0,3}}(?P=fence)[`~]*", re.DOTALL | re.MULTILINE)
_OPEN_FENCE = re.compile(rf"{_FENCE}\Z", re.DOTALL | re.MULTILINE)
_QUOTED = re.compile(
    r"(?<!`)(?P<ticks>`+)(?!`)(?:(?!\n\s*\n).)+?(?<!`)(?P=ticks)(?!`)"
    r"|^(?:[ ]{4}|\t| {0,3}>)[^\n]*"
    r"|\"[^\"\n]*\"|\u201c[^\u201d]*\u201d|\u2018[^\u2019\n]*\u2019|\u201e[^\u201c\u201d]*[\u201c\u201d]"
    r"|\u00ab[^\u00bb]*\u00bb|\u300c[^\u300d]*\u300d|\u300e[^\u300f]*\u300f"
    r"|(?<!\w)'[^'\n]*'(?!\w)",
    re.DOTALL | re.MULTILINE,
)
"""Code (CommonMark 4.4, 4.5, 6.1), a quoted line, and quotation marks of several scripts."""
_QUOTE = "\N{OBJECT REPLACEMENT CHARACTER}"


def _leaked(choice: AnswerChoice) -> str:
    """The first control token that stands as a leaked one does; empty where there is none."""
    if not _TOKEN.search(choice.text or ""):
        return ""
    text = _without_quotations(choice)
    opened = False
    for found in _TOKEN.finditer(text):
        is_unopened = found[0] == "</think>" and not opened
        if _stands_as_a_leak(text[: found.start()], text[found.end() :], is_unopened=is_unopened):
            return found[0]
        opened = opened or found[0] == "<think>"
    return ""


def _without_quotations(choice: AnswerChoice) -> str:
    text = _CLOSED_FENCE.sub(_QUOTE, choice.text or "")
    if choice.is_cut:
        text = _OPEN_FENCE.sub(_QUOTE, text)
    return _QUOTED.sub(_QUOTE, text).strip()


def _stands_as_a_leak(before: str, after: str, *, is_unopened: bool) -> bool:
    """Whether a token stands where templates put it, and not where a sentence has a word.

    Templates put it at the beginning or end of the text; on a line of its own, or against what it begins
    there; against what it ends; or beside another token.
    """
    if not before or not after:
        return True
    line, rest = before.rpartition("\n")[2], after.partition("\n")[0]
    is_against_what_it_ends = bool(line) and not line[-1].isspace() and line[-1] not in _OPENING
    if not line.strip():
        return not rest.strip() or not rest[0].isspace() or rest.lstrip()[0] in "{["
    if is_against_what_it_ends and (not rest.strip() or is_unopened):
        return True
    return bool(_TOKEN.match(after)) or any(last.end() == len(before) for last in _TOKEN.finditer(before))


_OPENING = "([{/\u3001\uff08" + _QUOTE
