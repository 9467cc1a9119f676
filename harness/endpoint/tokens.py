"""The stand-in's tokenizer: a text as the pieces that it is counted and streamed in.

A token is a word of up to six letters with the space before it, up to three digits, up to three
punctuation marks, or any other single character: so every ideograph is a token, as is every emoji. Longer
words are several tokens. Nothing is lost: joined, the tokens are the text. Appending to a text never makes
it cost less, because tokens are taken greedily from the left.
"""

import re

_IDEOGRAPHS = r"\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_TOKEN = re.compile(
    rf" ?(?:(?![{_IDEOGRAPHS}])[^\W\d_]){{1,6}}"  # letters
    r"| ?\d{1,3}"
    r"| ?[!-/:-@\[-`{-~]{1,3}"  # ASCII punctuation
    r"|.",
    re.DOTALL,
)


def split(text: str) -> tuple[str, ...]:
    """The tokens of a text, in order."""
    return tuple(_TOKEN.findall(text))


def count(text: str) -> int:
    """How many tokens a text has."""
    return len(_TOKEN.findall(text))
