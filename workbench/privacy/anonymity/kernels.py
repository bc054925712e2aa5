"""
The inner loops of the search: compiled where that can be, else plain numpy. Chosen once, here, when first used.

Those that look at a table are machine code that was kept (`native`), so that a search need not wait for the
compiler to start; the others are compiled by numba in the process.
"""

from functools import cache
from types import ModuleType
from typing import Any

from workbench.privacy.anonymity import native


class Kernels:
    """The functions of `kernels_plain`, each from where it is quickest."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(kept() if name in native.OFFERED else compiled(), name)
        setattr(self, name, found)
        return found


@cache
def kept() -> ModuleType:
    """The module of kept code, where it can be loaded or made; else whatever there is."""
    try:
        native.library("uint16")
    # Whatever a version of the compiler does not offer any more: the same loops, compiled in the process.
    except Exception:
        return compiled()
    return native


@cache
def compiled() -> ModuleType:
    """The functions compiled by numba, where it is installed; else plain ones."""
    try:
        from workbench.privacy.anonymity import kernels_compiled
    except ImportError:
        from workbench.privacy.anonymity import kernels_plain

        return kernels_plain
    return kernels_compiled


KERNELS = Kernels()
"""What a search uses unless it is told otherwise."""
