"""
How much of its domain a label covers, as `measures` counts it for "loss": the share of the item's finest values
that it stands for, stretched so that the raw value costs 0 and '*' costs 1; (m - 1) / (n - 1) for m of n.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.privacy.anonymity.hierarchies import Hierarchy

Floats = NDArray[np.float64]


def losses(hierarchy: Hierarchy, words: Sequence[str], *, level: int) -> Floats:
    """The loss of each of `words`, the values observed, when generalised to `level`."""
    leaves = hierarchy.leaves(words)
    labels = hierarchy.labels(leaves, level=level)
    covered = Counter(labels)
    if len(leaves) < 2:
        return np.zeros(len(words))
    counts = np.array([covered[label] for label in hierarchy.labels(words, level=level)], dtype=np.float64)
    return (counts - 1) / (len(leaves) - 1)
