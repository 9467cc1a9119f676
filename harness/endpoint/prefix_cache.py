"""A cache of marked prompt prefixes: what a request reads from it, and what it leaves there.

Source: Alibaba Model Studio, page "Context Cache": a mark on a content part caches everything up to there,
from 1,024 tokens on and for five minutes; a hit is the longest prefix that is there, and starts anew.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

LEAST_TOKENS = 1024
MOST_MARKS = 4
_LIFE_S = 300
_MOST_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Prefix:
    """The prompt up to a mark: a text that is the same for the same prompt, and what it costs."""

    key: str
    tokens: int


@dataclass(frozen=True, slots=True)
class CacheUse:
    """How many prompt tokens were read from the cache, and how many were written to it."""

    read: int
    written: int


@dataclass(slots=True)
class PrefixCache:
    """The last thousand prefixes, each with the unix second until which it lives."""

    until_s: dict[str, int] = field(default_factory=dict)

    def use(self, marked: Iterable[Prefix], now_s: int) -> CacheUse | None:
        """What a request with these marks reads and writes at a time; None where it has no mark.

        A prompt that is too short is neither read nor written.
        """
        prefixes = [*marked][-MOST_MARKS:]
        if not prefixes:
            return None
        long = [prefix for prefix in prefixes if prefix.tokens >= LEAST_TOKENS]
        read = max(
            (prefix.tokens for prefix in long if now_s <= self.until_s.get(prefix.key, now_s - 1)), default=0
        )
        whole = max((prefix.tokens for prefix in long), default=0)
        for prefix in long:
            self.until_s.pop(prefix.key, None)
            self.until_s[prefix.key] = now_s + _LIFE_S
        for key in [*self.until_s][:-_MOST_KEPT]:
            del self.until_s[key]
        return CacheUse(read, whole - read)
