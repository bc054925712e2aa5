"""
The privacy models that the search can keep, each a row of a table: what it asks, and where it is monotone.

`sticky`: a class that fails does so in every part of it, so whatever fails at a node fails at every finer one,
with or without suppression. `joins`: classes that hold still hold when joined, so that where nothing may be
suppressed a node that fails closes every finer one. Nothing else is ever concluded from one node about another.

After ARX's flags, and for the same reasons: a joined class has more rows, persons, values; its distribution
is between those of its parts, and a distance that is convex, or an entropy that is concave, follows. Entropy
l, t and beta are not sticky, since a class that fails may be half of one that holds. Delta-disclosure, which
passes over the values that a class lacks, is neither: a value may be in one part only.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import Usage
from workbench.privacy.anonymity import diversity
from workbench.privacy.anonymity.classes import Codes, distinct_by
from workbench.privacy.anonymity.compact import Compact, Pairs
from workbench.privacy.anonymity.hierarchies import Hierarchy
from workbench.privacy.anonymity.spread import Spread, harmful_mask

Mask = NDArray[np.bool_]

# Shares and logarithms are rounded; a class on the limit keeps it.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Model:
    """
    A row of `MODELS` by its name, its limit, and the sensitive item where it has one.

    `c` is that of recursive (c,l)-diversity. `harmful` names the values that harm (None: all), for the models
    that leave harmless classes alone. `order` and `hierarchy` are what ordered and hierarchical distances need.
    """

    name: str
    limit: float
    item: str | None = None
    c: float | None = None
    harmful: tuple[str, ...] | None = None
    order: tuple[str, ...] | None = None
    hierarchy: Hierarchy | None = None

    def __post_init__(self) -> None:
        if self.name not in MODELS:
            raise Usage(
                ja=f"プライバシーモデルは {', '.join(MODELS)} から選んでください。",
                en=f"Choose a privacy model among {', '.join(MODELS)}.",
            )
        rule = self.rule
        given = {
            "item": self.item is not None,
            "c": self.c is not None,
            "order": self.order is not None,
            "hierarchy": self.hierarchy is not None,
        }
        needed = {"item": rule.of_item, **dict.fromkeys(("c", "order", "hierarchy"), False)}
        needed |= dict.fromkeys(rule.needs, True)
        whole = not rule.counts or float(self.limit).is_integer()
        if given != needed or not self.limit >= rule.least or not (self.c or 0) >= 0 or not whole:
            raise Usage(
                ja=f"モデル {self.name} の指定が正しくありません。{rule.form} の形で指定してください。",
                en=f"The model {self.name} is not given as it should be: {rule.form}.",
            )

    @property
    def rule(self) -> "Rule":
        return MODELS[self.name]

    @property
    def sticky(self) -> bool:
        sticky = self.rule.sticky
        return sticky if isinstance(sticky, bool) else sticky(self)


@dataclass
class Node:
    """
    The classes of a table at one node, and what the models ask of them. `failing` grows as they are asked.

    `steps` is given where it matters how much of their domain the labels of a class cover.
    """

    compact: Compact
    member: Codes
    sizes: Codes
    failing: Mask
    steps: Sequence[int] | None = None

    @classmethod
    def of(cls, compact: Compact, member: Codes, count: int, *, steps: Sequence[int] | None = None) -> "Node":
        sizes = np.bincount(member, weights=compact.rows, minlength=count).astype(np.int64)
        return cls(compact, member, sizes, np.zeros(count, dtype=bool), steps)

    def spread(self, model: Model) -> Spread:
        """The spread of the model's item over the classes that do not fail yet."""
        whole = self.compact.spreads[str(model.item)]
        harm = whole.harmful if model.harmful is None else harmful_mask(whole.words, model.harmful)
        kept = ~self.failing[self.member[whole.in_class]]
        asked = replace(
            whole,
            in_class=whole.in_class[kept],
            value=whole.value[kept],
            count=whole.count[kept],
            reference=whole.whole,
            harmful=harm,
            recorded=harm | whole.recorded,
        )
        return asked.merged(self.member, len(self.sizes))

    @cached_property
    def persons(self) -> Codes:
        """How many persons each class has; rows where the table names none."""
        people = self.compact.persons
        if people is None:
            return self.sizes
        return distinct_by(self.member[people.combination], people.who, classes=len(self.sizes))

    @cached_property
    def appears(self) -> Codes:
        """The first combination of each class, which are numbered as they appear in the table."""
        first = np.zeros(len(self.sizes), dtype=np.int64)
        # Written backwards, the first of each class is what stays.
        first[self.member[::-1]] = np.arange(len(self.member))[::-1]
        return first

    @cached_property
    def covered(self) -> NDArray[np.float64]:
        """The share of its leaves that each label of a class covers, summed over items; 0 where that is all one."""
        total = np.zeros(len(self.sizes))
        for axis, step, codes in zip(self.compact.axes, self.steps or (), self.compact.codes, strict=False):
            total += (axis.cover[step][codes[self.appears]] - 1) / max(axis.leaves - 1, 1)
        return total

    def fewer(self, people: Pairs | None, least: float) -> Mask:
        """The classes with fewer than `least` persons or households; none where the table names none."""
        if people is None:
            return np.zeros(len(self.sizes), dtype=bool)
        # A class with more rows than `least` people can have holds enough of them: only the rest is counted.
        unsure = (self.sizes > 0) & (self.sizes < least * people.most) & ~self.failing
        asked = unsure[self.member[people.combination]]
        here = self.member[people.combination[asked]]
        return unsure & (distinct_by(here, people.who[asked], classes=len(self.sizes)) < least)


Fails = Callable[[Model, Node], Mask]


@dataclass(frozen=True)
class Rule:
    """
    What a model asks of a class: `fails` marks those that do not give it.

    A rule `of_table` asks something of all classes that are left; to keep it the smallest are suppressed first.
    """

    fails: Fails
    sticky: bool | Callable[[Model], bool]
    joins: bool
    form: str
    of_item: bool = True
    of_table: bool = False
    needs: tuple[str, ...] = ()
    least: float = 0.0
    # Whether its limit is a number of people or of values, and so whole.
    counts: bool = False


def too_few_persons(model: Model, node: Node) -> Mask:
    few: Mask = node.sizes < model.limit
    return few | node.fewer(node.compact.persons, model.limit)


def too_few_households(model: Model, node: Node) -> Mask:
    return node.fewer(node.compact.households, model.limit)


def too_few_in_population(model: Model, node: Node) -> Mask:
    return in_population(node) < model.limit


def in_population(node: Node) -> Codes:
    """How many persons of the population each class has."""
    if node.compact.population is None:
        raise Usage(
            ja="k-map と delta-presence には母集団の表が必要です。母集団の表を指定してください。",
            en="k-map and delta-presence need the table of the population; name it.",
        )
    return np.bincount(node.member, weights=node.compact.population, minlength=len(node.sizes)).astype(
        np.int64
    )


def too_present(model: Model, node: Node) -> Mask:
    """
    Where more than the limit of a class's residents are in the table: Nergiz et al. (2007), the upper delta.

    The lower one, that nobody is known to be absent, cannot be kept by leaving rows out, which makes absent.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        share = node.persons / in_population(node)
    return (node.persons > 0) & beyond(share, model.limit)


def too_few_values(model: Model, node: Node) -> Mask:
    return diversity.values_in_class(node.spread(model)) < model.limit


def too_uniform(model: Model, node: Node) -> Mask:
    spread = node.spread(model)
    return diversity.classes_with_harm(spread) & (diversity.values_in_class(spread) < model.limit)


def grows(model: Model) -> bool:
    """
    Whether a class with a harmful value and enough values keeps them whatever joins.

    Above 2 a class without a harmful value, exempt as it is, loses by joining one that has one and too
    few values. At 2 the harmless and the harmful value are the two.
    """
    return model.limit <= 2 or model.harmful is None


def too_sure(model: Model, node: Node) -> Mask:
    return diversity.confidence_by_class(node.spread(model)) > model.limit


def too_little_entropy(model: Model, node: Node) -> Mask:
    return diversity.too_little_entropy(node.spread(model), model.limit)


def too_frequent(model: Model, node: Node) -> Mask:
    spread = node.spread(model)
    return ~(diversity.recursive_c_by_class(spread, int(model.limit)) < float(model.c or 0))


def beyond(measured: NDArray[np.float64], limit: float) -> Mask:
    within: Mask = measured <= limit + ROUNDING
    return ~within


def too_far(model: Model, node: Node) -> Mask:
    return beyond(diversity.equal_t_by_class(node.spread(model)), model.limit)


def too_far_in_order(model: Model, node: Node) -> Mask:
    spread = node.spread(model)
    return beyond(diversity.ordered_t_by_class(spread, model.order or ()), model.limit)


def too_far_in_hierarchy(model: Model, node: Node) -> Mask:
    if model.hierarchy is None:
        raise RuntimeError("a model is made with what it needs")
    spread = node.spread(model)
    return beyond(diversity.hierarchical_t_by_class(spread, model.hierarchy), model.limit)


def too_telling(model: Model, node: Node) -> Mask:
    return ~(diversity.delta_by_class(node.spread(model)) < model.limit - ROUNDING)


def too_gainful(model: Model, node: Node) -> Mask:
    return beyond(diversity.basic_beta_by_class(node.spread(model)), model.limit)


def too_gainful_enhanced(model: Model, node: Node) -> Mask:
    return beyond(diversity.enhanced_beta_by_class(node.spread(model)), model.limit)


def smallest_until(node: Node, holds: Callable[[Codes, Codes], Mask]) -> Mask:
    """
    The fewest of the smallest classes without which the others hold; all of them if they never do.

    `holds` takes the persons and the rows of the classes from the smallest up, and says for each whether it
    and all larger ones hold. Of classes of one size go first, as in ARX, so that scores agree: for the measure
    "loss" those whose labels cover least, then those that appear first in the table.
    """
    left = np.flatnonzero((node.sizes > 0) & ~node.failing)
    order = left[np.lexsort((node.appears[left], node.covered[left], node.persons[left]))]
    held = np.append(holds(node.persons[order], node.sizes[order]), True)
    found = np.zeros(len(node.sizes), dtype=bool)
    found[order[: int(np.argmax(held))]] = True
    return found


def from_here(values: Any) -> Any:
    """The sum of each entry and all after it."""
    return np.cumsum(values[::-1])[::-1]


def too_risky_on_average(model: Model, node: Node) -> Mask:
    """The mean over rows of 1 / persons in the class: with a row a person, classes over rows."""

    def holds(persons: Codes, rows: Codes) -> Mask:
        # Without persons the risks are whole numbers, one a class, and compared as such.
        risk = from_here(rows / persons)
        return risk <= model.limit * from_here(rows) * (1 + ROUNDING)

    return smallest_until(node, holds)


def too_many_uniques(model: Model, node: Node) -> Mask:
    """The share of rows whose person is alone in the class."""

    def holds(persons: Codes, rows: Codes) -> Mask:
        alone = from_here(np.where(persons == 1, rows, 0))
        return alone <= model.limit * from_here(rows) * (1 + ROUNDING)

    return smallest_until(node, holds)


MODELS: dict[str, Rule] = {
    "k": Rule(too_few_persons, sticky=True, joins=True, form="k=5", of_item=False, least=1, counts=True),
    "k-households": Rule(
        too_few_households,
        sticky=True,
        joins=True,
        form="k-households=5",
        of_item=False,
        least=1,
        counts=True,
    ),
    "k-map": Rule(
        too_few_in_population, sticky=True, joins=True, form="k-map=5", of_item=False, least=1, counts=True
    ),
    "delta-presence": Rule(too_present, sticky=False, joins=True, form="delta-presence=0.5", of_item=False),
    "distinct-l": Rule(
        too_few_values, sticky=True, joins=True, form="distinct-l=3:ITEM", least=1, counts=True
    ),
    # The two of our own policy: a class without a harmful value is exempt, missing values tell nothing.
    "harmful-l": Rule(too_uniform, sticky=grows, joins=True, form="harmful-l=2:ITEM", least=1, counts=True),
    "confidence": Rule(too_sure, sticky=False, joins=True, form="confidence=0.8:ITEM"),
    "entropy-l": Rule(too_little_entropy, sticky=False, joins=True, form="entropy-l=3:ITEM", least=1),
    "recursive-cl": Rule(
        too_frequent,
        sticky=False,
        joins=True,
        form="recursive-cl=4,3:ITEM",
        needs=("c",),
        least=1,
        counts=True,
    ),
    "equal-t": Rule(too_far, sticky=False, joins=True, form="equal-t=0.2:ITEM"),
    "ordered-t": Rule(
        too_far_in_order, sticky=False, joins=True, form="ordered-t=0.2:ITEM", needs=("order",)
    ),
    "hierarchical-t": Rule(
        too_far_in_hierarchy, sticky=False, joins=True, form="hierarchical-t=0.2:ITEM", needs=("hierarchy",)
    ),
    "delta-disclosure": Rule(too_telling, sticky=False, joins=False, form="delta-disclosure=1:ITEM"),
    "basic-beta": Rule(too_gainful, sticky=False, joins=True, form="basic-beta=2:ITEM"),
    "enhanced-beta": Rule(too_gainful_enhanced, sticky=False, joins=True, form="enhanced-beta=2:ITEM"),
    "average-risk": Rule(
        too_risky_on_average, sticky=False, joins=True, form="average-risk=0.05", of_item=False, of_table=True
    ),
    "sample-uniqueness": Rule(
        too_many_uniques,
        sticky=False,
        joins=True,
        form="sample-uniqueness=0.01",
        of_item=False,
        of_table=True,
    ),
}


def read(text: str, *, hierarchies: Mapping[str, Hierarchy], orders: Mapping[str, Sequence[str]]) -> Model:
    """
    The model that `text` names, as in the column `form`: `k=5`, `distinct-l=3:ITEM`, `recursive-cl=4,3:ITEM`.

    A hierarchical distance takes the item's hierarchy. An ordered one takes the order given for the item.
    Raises Usage for anything else.
    """
    name, _, rest = text.partition("=")
    numbers, _, item = rest.partition(":")
    rule = MODELS.get(name)
    if rule is None:
        return Model(name=name, limit=0)
    try:
        *c, limit = [float(number) for number in numbers.split(",")]
    except ValueError:
        c, limit = [], -1.0
    return Model(
        name=name,
        limit=limit,
        item=item or None,
        c=c[0] if len(c) == 1 else None,
        order=tuple(orders[item]) if "order" in rule.needs and item in orders else None,
        hierarchy=hierarchies.get(item) if "hierarchy" in rule.needs else None,
    )
