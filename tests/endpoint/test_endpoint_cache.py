"""The cache of marked prompts: how long it keeps what, and how much."""

from harness.endpoint.prefix_cache import LEAST_TOKENS, CacheUse, Prefix, PrefixCache

LONG = Prefix("long", LEAST_TOKENS)
LONGER = Prefix("longer", LEAST_TOKENS + 500)


def test_a_prefix_lives_for_five_minutes_from_its_last_use():
    cache = PrefixCache()
    assert cache.use([LONG], 0) == CacheUse(0, LEAST_TOKENS)
    assert cache.use([LONG], 300) == CacheUse(LEAST_TOKENS, 0)
    assert cache.use([LONG], 600) == CacheUse(LEAST_TOKENS, 0)
    assert cache.use([LONG], 901) == CacheUse(0, LEAST_TOKENS)


def test_a_prefix_below_the_least_size_is_neither_read_nor_written():
    cache = PrefixCache()
    for _ in range(2):
        assert cache.use([Prefix("short", LEAST_TOKENS - 1)], 0) == CacheUse(0, 0)


def test_the_longest_prefix_is_read_and_the_rest_is_written():
    cache = PrefixCache()
    cache.use([LONG], 0)
    assert cache.use([LONG, LONGER], 1) == CacheUse(LEAST_TOKENS, 500)
    assert cache.use([LONG, LONGER], 2) == CacheUse(LEAST_TOKENS + 500, 0)


def test_only_the_last_four_marks_count():
    cache = PrefixCache()
    cache.use([LONG, *(Prefix(f"{i}", LEAST_TOKENS + i) for i in range(4))], 0)
    assert cache.use([LONG], 1) == CacheUse(0, LEAST_TOKENS)


def test_without_marks_there_is_no_use():
    assert PrefixCache().use([], 0) is None


def test_no_more_than_a_thousand_prefixes_are_kept():
    cache = PrefixCache()
    for number in range(1200):
        cache.use([Prefix(f"{number}", LEAST_TOKENS)], 0)
    assert len(cache.until_s) == 1000
    assert cache.use([Prefix("1199", LEAST_TOKENS)], 1) == CacheUse(LEAST_TOKENS, 0)
