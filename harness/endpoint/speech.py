"""What the stand-in says in words: it follows plain instructions, and otherwise says something plain.

It knows the instructions that conformance suites give to real models as well, in English and Chinese:
repeat a text, count, recite the alphabet, remember what was said, obey a word rule of the system message,
name an image's colour, report tool results, write something long. Every function here is pure: the same
conversation, seed and choice index give the same words.
"""

import hashlib
import re
from collections.abc import Callable

from harness.endpoint import images
from harness.endpoint.conversation import Ask

_IDEOGRAPH = re.compile(r"[\u4e00-\u9fff]")
_WORD = re.compile(r"[^\W\d_][\w'-]*")
_STOP_WORDS = frozenset(
    """a about all an and any answer are as ask at be briefly by can could describe do does essay explain for
    from give have hello hi how i in is it just long me my of on one only or paragraph please sentence short
    some story tell text that the there this to use was what when where which who why will with word words
    would write you your
    """.split()  # noqa: SIM905  # a text reads better than eighty quoted words
)
_QUOTED = r"\"([^\"]+)\"|“([^”]+)”|「([^」]+)」|‘([^’]+)’|'([^'\n]+)'|`([^`]+)`"
_LONGEST_COUNT = 5000


def said(ask: Ask, index: int) -> str:
    """The words of choice `index`, before any cap or stop sequence."""
    text = next(filter(None, (follow(ask) for follow in _INSTRUCTIONS)), "") or _in_own_words(ask, index)
    return _obeying_word_rules(ask, text)


def is_chinese(text: str) -> bool:
    """Whether a text is written in Chinese, as far as the stand-in can tell."""
    return _IDEOGRAPH.search(text) is not None


def draw(*parts: object) -> int:
    """A number that depends on `parts` alone: the stand-in's only source of variety."""
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def topic(prompt: str) -> str:
    """The first few words of a prompt that carry meaning; empty when it has none."""
    if is_chinese(prompt):
        return "".join(re.findall(r"[\w]", prompt))[:12]
    words = [word for word in _WORD.findall(prompt) if word.lower() not in _STOP_WORDS]
    return " ".join(words[:6])


# --- repeating ---

_ECHO = re.compile(
    r"\b(?:repeat|echo|recite|copy)\b|(?:^|[.!?:\n]\s*|\b(?:please|just|and|only) )say\b"
    r"|\b(?:reply|respond|answer|output|print|return|write|type)\b[^:：\"“「`\n]{0,60}?"
    r"\b(?:exactly|only|just|verbatim|nothing but)\b"
    r"|\b(?:reply|respond|answer)\s+with\s+(?:the|this)\b(?=[^:\n]{0,40}:)"
    r"|(?:重复|复述|跟我说|请说|原样(?:输出|返回)|只(?:回复|回答|输出|说))",
    re.IGNORECASE,
)
_MEASURE = re.compile(
    r"\b(?:one|a|an|two|three|\d+|short|single)\s+(?:\w+\s+)?(?:word|sentence|line|paragraph|number|letter)s?\b",
    re.IGNORECASE,
)
"""What measures the answer instead of being it: `one word`."""
_FENCED = re.compile(r"```[^\n`]*\n(.*?)\n?```", re.DOTALL)
_AFTER_COLON = re.compile(r"([^:：\"“「`]{0,120}?)[:：](?:[ \t]?\r?\n|[ \t]?)(.+)", re.DOTALL)
_BARE = re.compile(
    r"(?:[ \t]*(?:with|back|exactly|only|just|verbatim|the|this|single|following|word|words|text|string|"
    r"letter|number|phrase|sentence|after me)\b)*[ \t]*([^\s].*?)[.。!]?\s*",
    re.IGNORECASE | re.DOTALL,
)
_AND_NO_MORE = re.compile(
    r",?\s+(?:and nothing (?:else|more)|in (?:one|a single) word)[.!]?\s*$", re.IGNORECASE
)


def echo(prompt: str) -> str:
    """The text that a prompt asks to have repeated: fenced, after a colon, quoted, or bare; else empty."""
    order = _ECHO.search(prompt)
    if order is None:
        return ""
    rest = _AND_NO_MORE.sub("", prompt[order.end() :])
    if fenced := _FENCED.search(rest):
        return fenced[1]
    if after := _AFTER_COLON.fullmatch(rest):
        is_question = _MEASURE.search(order[0] + after[1]) and after[2].rstrip().endswith(("?", "？"))
        return "" if is_question else _unquoted(after[2])
    if quoted := re.search(_QUOTED, rest, re.DOTALL):
        return _first(quoted.groups())
    bare = _BARE.fullmatch(rest)
    return bare[1] if bare and not _MEASURE.search(bare[1]) else ""


def _first(groups: tuple[str | None, ...]) -> str:
    """The group that matched."""
    return next(filter(None, groups), "")


def _unquoted(text: str) -> str:
    """The text without the one pair of quotation marks that encloses all of it."""
    whole = re.fullmatch(rf"(?:{_QUOTED})\s*", text, re.DOTALL)
    return _first(whole.groups()) if whole else text


# --- counting ---

_NUMBER_WORDS = {
    "zero": 0,
    "one": 1,
    "two": 2,
    "three": 3,
    "five": 5,
    "ten": 10,
    "twenty": 20,
    "hundred": 100,
}
_NUMBER = rf"(\d+|{'|'.join(_NUMBER_WORDS)})"
_COUNT = re.compile(
    rf"(?:\bcount\b|\bnumbers?\b|\blist\b)[^.\n]{{0,40}}?\b{_NUMBER}\s*"
    rf"(?:(?:up |down )?to|through|until|-|–|\.\.+)\s*{_NUMBER}\b"
    r"|从\s*(\d+)\s*(?:数|计数)?\s*到\s*(\d+)",
    re.IGNORECASE,
)
_COUNT_TO = re.compile(rf"\bcount\b[^.\n]{{0,20}}?\bto {_NUMBER}\b|数到\s*(\d+)", re.IGNORECASE)


def _counting(ask: Ask) -> str:
    prompt = ask.prompt
    if span := _COUNT.search(prompt):
        first, last = (_number(text) for text in span.groups() if text)
    elif up_to := _COUNT_TO.search(prompt):
        first, last = 1, next(_number(text) for text in up_to.groups() if text)
    else:
        return ""
    step = 1 if first <= last else -1
    numbers = range(first, last + step, step)[:_LONGEST_COUNT]
    return _separator(prompt).join(map(str, numbers))


def _number(text: str) -> int:
    return _NUMBER_WORDS[text.lower()] if text.lower() in _NUMBER_WORDS else min(int(text[:9]), 10**6)


def _separator(prompt: str) -> str:
    if re.search(r"new ?lines?|per line|each on|own line|separate lines?|换行|每行", prompt, re.IGNORECASE):
        return "\n"
    if re.search(r"without (?:any )?(?:spaces?|separat)", prompt, re.IGNORECASE):
        return ""
    return ", " if re.search(r"comma|逗号", prompt, re.IGNORECASE) else " "


_ALPHABET = re.compile(
    r"\b(?:write|recite|list|say|give)\b[^.\n]{0,20}\balphabet\b|\balphabet\b[^\n]*: a b$", re.I
)


def _letters(ask: Ask) -> str:
    """The alphabet, or the rest of one that was begun as far as `a b`."""
    if not _ALPHABET.search(ask.prompt):
        return ""
    letters = " ".join("abcdefghijklmnopqrstuvwxyz")
    return letters.removeprefix("a b") if ask.prompt.endswith(": a b") else letters


# --- who it is, and what it was told ---


def _identity(ask: Ask) -> str:
    if re.search(r"你是谁|你叫什么|介绍(?:一下)?你自己|自我介绍", ask.prompt):
        return (
            "我是 likewise 的参考替身模型，不是真正的语言模型："
            "我按固定的规则回答，用来检验兼容 OpenAI 的接口。"
        )
    if re.search(r"\b(?:who|what) are you\b|\bintroduce yourself\b", ask.prompt, re.IGNORECASE):
        return (
            "I am likewise's reference stand-in model, not a real language model: "
            "I answer by fixed rules, so that OpenAI-compatible endpoints can be tested."
        )
    return ""


_FACT = re.compile(
    r"\b(?:my|the) ((?:[a-z]+ ){0,3}?[a-z]+) is (?:called )?([^\s.,;!?。，]+)"
    r"|\bremember (?:this |the |my )?((?:[a-z]+ )??[a-z]+)?:? ?[\"“']?([^\s.,;!?\"”']+)[\"”']?(?:[.,;!]|$)"
    r"|我(?:的)?(名字)?(?:叫|是)\s*([^\s，。！,.!？?]+)",
    re.IGNORECASE | re.MULTILINE,
)
_QUESTION = re.compile(
    r"\bwhat(?:'s|’s| is| was| were)? (?:was )?(?:my|the) ((?:[a-z]+ ){0,3}?[a-z]+?)\b"
    r"(?: is| was)?(?: (?:i|that|which|you)\b|[?？.]|$)"
    r"|\b(?:which|what) ([a-z]+) did i\b"
    r"|我(?:的)?(?:叫|名字)",
    re.IGNORECASE | re.MULTILINE,
)


def _memory(ask: Ask) -> str:
    asked = _QUESTION.search(ask.prompt)
    if asked is None or not re.search(r"[?？]|\b(?:what|which|tell)\b|什么", ask.prompt, re.IGNORECASE):
        return ""
    facts = [
        _fact(match)
        for message in ask.messages[:-1]
        if message.role == "user"
        for match in _FACT.finditer(message.text)
    ]
    key = (asked[1] or asked[2] or "name").lower()
    value = next((value for name, value in reversed(facts) if name == key), None)
    if value is None:
        value = next((value for name, value in reversed(facts) if set(name.split()) & set(key.split())), None)
    if value is None:
        return ""
    return f"你告诉我的是{value}。" if is_chinese(ask.prompt) else f"Your {key} is {value}."


def _fact(match: re.Match[str]) -> tuple[str, str]:
    """The name and the value of one statement."""
    if match[2]:
        return match[1].lower(), match[2]
    if match[4]:
        return (match[3] or "word").lower(), match[4]
    return "name", match[6]


# --- rules of the system message ---

_RULED_WORD = (
    r"(?:exactly\s+|only\s+|just\s+)*(?:the\s+)?(?:(?:single|one|exact)\s+)?(?:words?\s+|text\s+|phrase\s+)?"
    rf"(?:{_QUOTED}|([^\s\"'“‘`.,;!?]+))"
)
_ALWAYS = re.compile(
    r"(?:\b(?:always|must(?: always)?|only ever)|\b(?:whatever|every|each|no matter|regardless)\b[^.\n]*?)\s+"
    rf"(?:answer|reply|respond)\s+(?:with\s+)?{_RULED_WORD}"
    rf"|\b(?:answer|reply|respond)\s+with\s+(?=(?:only|just|exactly|the\s+(?:single\s+)?word)\b){_RULED_WORD}",
    re.IGNORECASE,
)
_END = re.compile(
    r"\b(?:end|finish|close)\s+(?:every|each|all|your)\s+(?:of\s+your\s+)?"
    rf"(?:answers?|repl(?:y|ies)|responses?|messages?|sentences?)\s+with\s+{_RULED_WORD}",
    re.IGNORECASE,
)


def _obeying_word_rules(ask: Ask, text: str) -> str:
    rules = "\n".join(message.text for message in ask.messages if message.role in ("system", "developer"))
    if only := _ALWAYS.search(_END.sub("", rules)):
        text = _first(only.groups())
    if ending := _END.search(rules):
        text = f"{text} {_first(ending.groups())}"
    return text


# --- pictures, tool results, everything else ---


def _picture(ask: Ask) -> str:
    pictures = next((message.images for message in reversed(ask.messages) if message.role == "user"), ())
    if not pictures:
        return ""
    names = [images.colour(picture) for picture in pictures]
    if is_chinese(ask.prompt):
        return "".join(
            f"图片是{images.CHINESE_NAMES[name]}的。" if name else "我看不出这张图片的内容。"
            for name in names
        )
    return " ".join(f"The image is {name}." if name else "I can't make out that image." for name in names)


def _tool_results(ask: Ask) -> str:
    if not ask.messages or ask.messages[-1].role != "tool":
        return ""
    last = next((i for i in range(len(ask.messages) - 1, -1, -1) if ask.messages[i].role != "tool"), -1)
    results = [message.text for message in ask.messages[last + 1 :]]
    if is_chinese(ask.prompt):
        return "工具返回的结果是：" + "；".join(results)
    return "The tool returned: " + "; ".join(results)


_SENTENCES = (
    "About {topic}: a small example shows more than a long definition.",
    "People have thought about {topic} for a long time.",
    "There is more to {topic} than one sentence can hold.",
    "Much of what is said about {topic} depends on where one stands.",
    "What seems plain about {topic} at first often turns out to have another side.",
    "Those who work with {topic} every day speak of patience before anything else.",
    "With {topic}, it helps to write down what one expects before one looks.",
    "Measured twice, {topic} gives the same answer twice, and that is the point of measuring.",
    "In the end, {topic} is best understood by trying it.",
    "The rest of {topic} is detail, and details can be looked up.",
    "So much for {topic}, as far as fixed rules can tell.",
)
_CHINESE_SENTENCES = (
    "{topic}值得仔细看一看。",
    "人们思考{topic}已经很久了。",
    "了解{topic}，不妨先从一个小例子开始。",
    "一个小例子比一长串定义更能说明{topic}。",
    "关于{topic}的说法，往往取决于人站在哪里。",
    "把对{topic}的预期先写下来，再去验证，会很有帮助。",
    "归根到底，理解{topic}最好的办法是动手试一试。",
)
_LONG = re.compile(
    r"\b(?:essay|story|long|tale|detailed|paragraphs|poem|article|\d{3,} words)\b|故事|文章|长文|作文|详细",
    re.I,
)
_LONG_SENTENCES = 24


def _in_own_words(ask: Ask, index: int) -> str:
    """A sentence on the prompt's topic, or about three hundred tokens when it asks for something long."""
    how_many = _LONG_SENTENCES if _LONG.search(ask.prompt) else 1
    return " ".join(_sentences(ask.prompt, draw(ask.prompt, ask.seed) + index, how_many))


def _sentences(prompt: str, start: int, how_many: int) -> list[str]:
    about = topic(prompt)
    sentences = _CHINESE_SENTENCES if is_chinese(prompt) else _SENTENCES
    about = about or ("这个问题" if is_chinese(prompt) else "this question")
    return [sentences[(start + i) % len(sentences)].format(topic=about) for i in range(how_many)]


_INSTRUCTIONS: tuple[Callable[[Ask], str], ...] = (
    _tool_results,
    _picture,
    lambda ask: echo(ask.prompt),
    _counting,
    _letters,
    _identity,
    _memory,
)
