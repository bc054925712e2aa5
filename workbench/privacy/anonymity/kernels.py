"""The inner loops of the search: compiled where numba is installed, else plain numpy. Chosen once, here."""

from types import ModuleType


def chosen() -> ModuleType:
    """The module of kernels that this environment has."""
    try:
        from workbench.privacy.anonymity import kernels_compiled
    except ImportError:
        from workbench.privacy.anonymity import kernels_plain

        return kernels_plain
    return kernels_compiled


KERNELS = chosen()
