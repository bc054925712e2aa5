"""The registry: admitted models."""

from workbench.home import Home
from workbench.release.shelf import Shelf
from workbench.state import State


def registry(home: Home, state: State) -> Shelf:
    """The models of a home."""
    return Shelf(home, state, "model")
