"""
What our own policy asks of a class: enough children and households, and no sure guess at what harms.

The numbers come from the caller. Each is a row of the table of models; `models` names them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from workbench.privacy.anonymity.models import Model


@dataclass(frozen=True)
class Sensitive:
    """
    What a class must give for one sensitive item.

    `harmful` names the values that harm (None: all). A class that holds one needs `distinct_l` distinct
    values, and none of them may make up more than `max_confidence` of those recorded.
    """

    harmful: Sequence[str] | None = None
    distinct_l: int = 1
    max_confidence: float = 1.0

    def models(self, item: str) -> list[Model]:
        """The same as models of an item."""
        harmful = None if self.harmful is None else tuple(self.harmful)
        asked = {"harmful-l": self.distinct_l, "confidence": self.max_confidence}
        nothing = {"harmful-l": 1, "confidence": 1}
        return [
            Model(name, limit, item=item, harmful=harmful)
            for name, limit in asked.items()
            if limit != nothing[name]
        ]


@dataclass(frozen=True)
class Criteria:
    """What every class that leaves must give. `households` counts only where the table names households."""

    k: int
    households: int
    sensitive: Mapping[str, Sensitive] = field(default_factory=dict)

    def models(self) -> list[Model]:
        """The same as models."""
        of_items = [model for item, wanted in self.sensitive.items() for model in wanted.models(item)]
        several = [Model("k-households", self.households)] if self.households > 1 else []
        return [*([Model("k", self.k)] if self.k > 1 else []), *several, *of_items]
