"""Faults: what endpoints were seen to do wrong, each as one small function; a file for each area.

A file's name is the prefix of the known deviations that it repeats. Whatever departure stands in a module
here is found.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from harness.endpoint.departure import Departure, departures_in


@cache
def faults() -> Mapping[str, Departure]:
    """Every fault by its id."""
    modules = [importlib.import_module(f"{__name__}.{one.name}") for one in pkgutil.iter_modules(__path__)]
    return {one.id: one for one in departures_in(modules)}
