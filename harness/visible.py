"""Characters that act or hide, made visible: escapes of terminals, marks of direction, half characters."""

import unicodedata

_JOINERS = "\u200c\u200d"
"""They hold emoji and words of many scripts together, and are seen by what they join."""

_DELETE = 0x7F
_CONTROL_PICTURES = 0x2400


def visible(text: str, kept: str = "") -> str:
    """The text with a sign for each character that can't be seen, but for those that are kept."""
    if text.isprintable():
        return text
    return "".join(char if char in kept else _shown(char) for char in text)


def _shown(char: str) -> str:
    if char.isprintable() or char in _JOINERS or unicodedata.category(char) == "Zs":
        return char
    number = ord(char)
    if number < ord(" "):
        return chr(_CONTROL_PICTURES + number)
    return "\N{SYMBOL FOR DELETE}" if number == _DELETE else f"⟨U+{number:04X}⟩"
