"""Variations: other ways to say the same, all of them legal. Nobody may take offence at one.

Whatever departure stands in a module here is found.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from harness.endpoint.departure import Departure, departures_in


@cache
def variations() -> Mapping[str, Departure]:
    """Every variation by its id."""
    modules = [importlib.import_module(f"{__name__}.{one.name}") for one in pkgutil.iter_modules(__path__)]
    return {one.id: one for one in departures_in(modules)}
