"""Every constraint of every schema is broken once in a golden sample, and named at its place and level."""

from functools import cache

import pytest

from harness.schemas import JSON, Level, conforms, explained, kinds, schema
from harness.schemas.sites import Reached, Site, broken, pointer, reached, sites
from tests.schemas.samples import LEVELS, SAMPLES


def new_sites(kind: str, level: Level) -> list[Site]:
    """The constraints that a level is the first to make."""
    below = [site for lower in LEVELS[: LEVELS.index(level)] for site in sites(schema(kind, lower))]
    return sorted(set(sites(schema(kind, level))) - set(below), key=str)


@cache
def ways_to(kind: str, level: Level) -> dict[Site, list[tuple[JSON, Reached]]]:
    """By constraint, the samples that satisfy it and where they do."""
    ways: dict[Site, list[tuple[JSON, Reached]]] = {}
    for each in SAMPLES:
        if each.kind == kind and each.satisfies(level):
            for place in reached(schema(kind, level), each.instance):
                ways.setdefault(place.site, []).append((each.instance, place))
    return ways


CONSTRAINTS = [
    pytest.param(kind, level, site, id=f"{kind}-{level}-{site}")
    for kind in kinds()
    for level in LEVELS
    for site in new_sites(kind, level)
]


@pytest.mark.parametrize(("kind", "level"), [(kind, level) for kind in kinds() for level in LEVELS])
def test_the_golden_samples_reach_every_constraint(kind: str, level: Level) -> None:
    unreached = set(new_sites(kind, level)) - ways_to(kind, level).keys()
    assert not sorted(map(str, unreached))


@pytest.mark.parametrize(("kind", "level", "site"), CONSTRAINTS)
def test_one_broken_constraint_is_refused_and_named(kind: str, level: Level, site: Site) -> None:
    lower = LEVELS[: LEVELS.index(level)]
    tried = []
    for instance, place in ways_to(kind, level)[site]:
        for mutant in broken(instance, place):
            guilty = pointer((*place.steps, place.asks) if site.keyword == "required" else place.steps)
            found = [(each.pointer, each.keyword, each.level) for each in explained(kind, mutant, level)]
            if found == [(guilty, site.keyword, level)]:
                assert not conforms(kind, mutant, level)
                assert all(conforms(kind, mutant, below) for below in lower)
                return
            tried.append(found)
    pytest.fail(f"no mutant breaks {site} alone; found {tried}")
