"""What a prompt offers to fill arguments and JSON documents with: names, numbers, quoted texts."""

import re
from dataclasses import dataclass, replace

_NAME = r"[A-Z\u00c0-\u00de][\w'’-]*(?: (?:[A-Z\u00c0-\u00de][\w'’-]*))*"
_LIST_END = r"(?:\s*(?:,|&|\band\b|\bor\b))+\s*"
_LISTED = re.compile(
    rf"\b(?:in|at|for|of|near|to|from|about)\s+(?:the\s+)?"
    rf"((?:{_NAME})(?:{_LIST_END}(?:in\s+|for\s+)?(?:{_NAME}))*)"
)
_CAPITALISED = re.compile(rf"\b({_NAME})")
_LOWER_LISTED = re.compile(r"\b(?:in|at|for|near)\s+([a-z]{3,}(?:(?:\s*,\s*|\s+and\s+)(?:in\s+)?[a-z]{3,})*)")
_SEPARATOR = re.compile(rf"{_LIST_END}(?:in\s+|for\s+)?")
_QUOTED = re.compile(r"\"([^\"]+)\"|“([^”]+)”|「([^」]+)」|'([^'\n]+)'|`([^`]+)`")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w]|\.\d)")
_LINK = r"(?:\s*[:=]+\s*|\s+(?:is|are|was|be|of|called|named|to|set to|equals|as|being)\s+)"
_VALUE = r"(?:\"([^\"]*)\"|'([^']*)'|“([^”]*)”|`([^`]*)`|([^\s,;!?\"'`]+))"
_JOINTS = frozenset(
    ("and", "or", "the", "a", "an", "in", "is", "as", "of", "for", "with", "to", "set", "are", "")
)
_CHINESE_NAME = r"(?:(?![和与及])[\u4e00-\u9fff]){2,6}?"
_CHINESE_PLACES = re.compile(
    rf"({_CHINESE_NAME}(?:[和与、及,，]{_CHINESE_NAME})*)(?:的|现在|今天|明天|当前)*(?:天气|气温|温度|时间|几点)"
)
_CHINESE_LEAD = re.compile(r"^(?:请问|请|帮我|查询|查一下|查查|查|告诉我|一下|在|问|看看|今天|明天|现在)+")
_CHINESE_TAIL = re.compile(r"(?:的|现在|今天|明天|当前)+$")
_NOT_NAMES = frozenset(
    """I It The This That A An And Or But If So What Where When Which Who Why How Please Call Use Get Give
    Tell Do Is Are Can Could Should Would Will Return Reply Answer Say Celsius Fahrenheit JSON Using
    """.split()  # noqa: SIM905  # a text reads better than forty quoted words
)


@dataclass(frozen=True, slots=True)
class Hints:
    """A prompt as a source of values: what it quotes, its numbers (whole ones as integers), what it names."""

    prompt: str
    quoted: tuple[str, ...] = ()
    numbers: tuple[float, ...] = ()
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, prompt: str) -> "Hints":
        """What a prompt offers."""
        return cls(
            prompt,
            tuple(next(filter(None, match.groups())) for match in _QUOTED.finditer(prompt)),
            tuple(_number(match[0]) for match in _NUMBER.finditer(prompt)),
            tuple(name for name, _ in names_at(prompt)),
        )

    def about(self, name: str) -> "Hints":
        """The same prompt as if it named this one thing alone."""
        prompt = self.prompt
        for other in self.names:
            prompt = prompt if other == name else prompt.replace(other, "")
        return replace(self, prompt=prompt, names=(name,))

    def after(self, label: str) -> str:
        """What the prompt last says after a label, like `label: X`, `label is X`, `label "X"`; else empty."""
        words = re.sub(r"[_\W]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label)).strip()
        spelled = "|".join(sorted({re.escape(label), re.escape(words).replace(r"\ ", r"[ _-]")}))
        for link in (_LINK, r"\s+"):
            said = re.finditer(rf"(?<!\w)(?:{spelled})[\"'`]?{link}{_VALUE}", self.prompt, re.IGNORECASE)
            values = [next(filter(None, match.groups()), "").rstrip(".。") for match in said]
            if values := [value for value in values if value.lower() not in _JOINTS]:
                return values[-1]
        return ""


def names_at(prompt: str) -> list[tuple[str, int]]:
    """The places, people and things that a prompt names, once each, with their offsets and in their order."""
    found: dict[str, int] = {}
    for pattern in (_LISTED, _CHINESE_PLACES, _CAPITALISED, _LOWER_LISTED):
        for match in pattern.finditer(prompt):
            for name in _apart(match[1]):
                found.setdefault(name, prompt.find(name, match.start(1)))
        if found:
            break
    return sorted(found.items(), key=lambda item: item[1])


def _number(text: str) -> float:
    return float(text) if "." in text else int(text[:15])


def _apart(listed: str) -> list[str]:
    """The single names of a list of them."""
    parts = (_CHINESE_TAIL.sub("", _CHINESE_LEAD.sub("", part)) for part in re.split(r"[和与、及，]", listed))
    names = [name.strip() for part in parts for name in _SEPARATOR.split(part)]
    return [name for name in names if name and re.split("['’]", name)[0] not in _NOT_NAMES]
