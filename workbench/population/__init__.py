"""
The synthetic city: `generate` its raw tables and `write` them as their holders would send them.

Names resolve on first use, so that importing the package stays cheap.
"""

from importlib import import_module
from typing import Any

_HOMES = {"City": "city", "generate": "city", "write": "delivery", "places": "places", "Params": "params"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(name)
    return getattr(import_module(f"workbench.population.{_HOMES[name]}"), name)
