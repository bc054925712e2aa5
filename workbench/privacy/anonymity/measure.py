"""
Everything a table discloses, in one call: what `workbench data measure` prints and a report is made of.

The numbers only; no policy is read. A number that does not exist (an estimator that fails, a diversity no
constant reaches) is None, never zero.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from workbench.data.header import refuse_numbers_in
from workbench.errors import Unusable
from workbench.privacy.anonymity import metrics
from workbench.privacy.anonymity.classes import Classes, Who, categories, require_columns
from workbench.privacy.anonymity.diversity import numeric_order
from workbench.privacy.anonymity.hierarchies import Hierarchy
from workbench.privacy.anonymity.missing import candidates, is_missing
from workbench.privacy.anonymity.population import Matched, delta_presence, k_map
from workbench.privacy.anonymity.reduction import Reduced, reduce
from workbench.privacy.anonymity.risk.attackers import journalist, marketer, prosecutor
from workbench.privacy.anonymity.risk.individual import household_risk
from workbench.privacy.anonymity.risk.separation import separations
from workbench.privacy.anonymity.risk.special import special_uniques
from workbench.privacy.anonymity.risk.together import household_signatures
from workbench.privacy.anonymity.risk.uniqueness import Estimate, population_uniqueness
from workbench.privacy.anonymity.spread import Spread

# Class sizes that offices ask about: the floor, the strict profile, a small town.
SIZES = (5, 10, 20)
# Rows of which a chance above one in five is counted, as ARX does.
AT_RISK = 0.2
# (c, l) for this l; the least for which the form says more than max_confidence.
RECURSIVE_L = 2
# Items in a set that makes a row special: who knows more than three is rare.
SPECIAL = 3

Harmful = Mapping[str, Sequence[str] | None]
Number = int | float | None

# What is told of one sensitive item, and how. Definitions and sources stand in `metrics`.
DIVERSITY: dict[str, Callable[[Spread], Number]] = {
    "distinct_l": metrics.distinct_l,
    "plain_distinct_l": metrics.plain_distinct_l,
    "entropy_l": metrics.entropy_l,
    "recursive_c": lambda spread: metrics.recursive_c(spread, l=RECURSIVE_L),
    "max_confidence": metrics.max_confidence,
    "alpha": metrics.alpha,
    "base_rate": metrics.base_rate,
    "t_closeness": metrics.t_closeness,
    "delta_disclosure": metrics.delta_disclosure,
    "basic_beta": metrics.basic_beta,
    "enhanced_beta": metrics.enhanced_beta,
}


def measure(
    table: "pd.DataFrame | pa.Table | Path | str",
    *,
    quasi_identifiers: Sequence[str],
    sensitive: Harmful | Sequence[str] = (),
    persons: str | None = None,
    households: str | None = None,
    hierarchies: Mapping[str, Hierarchy] | None = None,
    population: pd.DataFrame | None = None,
    residents: int | None = None,
    engine: str | None = None,
) -> dict[str, Any]:
    """
    Every number of a table.

    A frame is measured whole. A file or an Arrow table is reduced on the engine (`workbench.data.engine`),
    however large: then what needs the rows themselves (`missing`, `items`, `separation`,
    `special_uniques`, whole families, and everything of a population) is left out.

    `sensitive` names items, or maps each to the values that harm (None: all). `hierarchies` gives t over
    a hierarchy for the sensitive items that have one. `population` is a table of everybody, generalised
    alike, for exact numbers; `residents` says how many there are, for estimates.
    """
    named: Harmful = sensitive if isinstance(sensitive, Mapping) else dict.fromkeys(sensitive)
    if isinstance(table, pd.DataFrame):
        require_columns(table, [*quasi_identifiers, *named])
        classes = Classes.of(table, quasi_identifiers, persons=persons, households=households)
        spreads = {item: Spread.of(classes, table[item], harmful=harm) for item, harm in named.items()}
    else:
        reduced = reduce(
            table,
            quasi_identifiers,
            persons=persons,
            households=households,
            sensitive=list(named),
            engine=engine,
        )
        for item, words in [*zip(reduced.items, reduced.words, strict=True), *told_words(reduced)]:
            refuse_numbers_in(words, item=item)
        classes = reduced.classes
        spreads = {item: reduced.spread(item, harmful=harm) for item, harm in named.items()}
    found = {
        **of_classes(classes),
        "sensitive": {
            item: of_spread(spread, (hierarchies or {}).get(item)) for item, spread in spreads.items()
        },
    }
    if residents is not None:
        found["population_uniqueness"] = estimates(classes, residents=residents)
    if isinstance(table, pd.DataFrame):
        found |= of_rows(
            table,
            classes,
            persons=persons,
            households=households,
            sensitive=named,
            hierarchies=hierarchies or {},
        )
        if population is not None:
            found["population"] = of_population(table, population, classes.items, persons=persons)
    return found


def told_words(reduced: Reduced) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The values of the sensitive items."""
    return ((item, fall.words) for item, fall in reduced.falls.items())


def of_classes(classes: Classes) -> dict[str, Any]:
    """What the sizes of the classes tell."""
    attack = prosecutor(classes)
    return {
        "rows": int(classes.rows.sum()),
        "classes": len(classes),
        "k_children": metrics.k_children(classes),
        "k_households": None if classes.households is None else metrics.k_households(classes),
        "sample_uniques": metrics.sample_uniques(classes),
        "highest_class_risk": attack.highest,
        "average_class_risk": metrics.average_class_risk(classes),
        "rows_at_risk": attack.at_risk(above=AT_RISK),
        "share_below": {str(size): metrics.share_below(classes, k=size) for size in SIZES},
    }


def of_spread(spread: Spread, hierarchy: Hierarchy | None = None) -> dict[str, Number]:
    """What the values of one sensitive item tell; t by order for numbers, over a hierarchy where there is one."""
    found = {name: finite(measured(spread)) for name, measured in DIVERSITY.items()}
    order = order_of(spread)
    if order:
        found["ordered_t"] = metrics.ordered_t(spread, order=order)
    if hierarchy is not None:
        found["hierarchical_t"] = metrics.hierarchical_t(spread, hierarchy=hierarchy)
    return found


def order_of(spread: Spread) -> list[str]:
    """The values in the order of numbers; none where they are no numbers."""
    try:
        return numeric_order(spread.words)
    except Unusable:
        return []


def finite(number: Number) -> Number:
    """Infinity, the number of what is never reached, has no place in JSON."""
    return None if number is None or not math.isfinite(number) else number


def of_rows(
    frame: pd.DataFrame,
    classes: Classes,
    *,
    persons: Who | None,
    households: Who | None,
    sensitive: Harmful,
    hierarchies: Mapping[str, Hierarchy],
) -> dict[str, Any]:
    """What only the rows tell: both readings of missing values, and which items tell people apart."""
    found: dict[str, Any] = {
        "missing": missing_values(
            frame,
            classes,
            persons=persons,
            households=households,
            sensitive=sensitive,
            hierarchies=hierarchies,
        ),
        "items": {
            item: without(frame, classes, item, persons=persons, households=households)
            for item in classes.items
            if len(classes.items) > 1
        },
        "separation": {
            one.items[0]: {"distinction": one.distinction, "separation": one.separation}
            for one in separations(frame, classes.items, up_to=1)
        },
        "special_uniques": specials(frame, classes.items),
    }
    if isinstance(households, str):
        families = household_signatures(classes, frame[households])
        found["household_signatures"] = {"alone": families.alone, "share_alone": families.share_alone}
        family = household_risk(
            (1 / classes.children)[classes.member],
            frame[households],
            persons=frame[persons] if isinstance(persons, str) else persons,
        )
        found["household_risk"] = {"highest": family.highest, "expected": family.expected}
    return found


def missing_values(
    frame: pd.DataFrame,
    classes: Classes,
    *,
    persons: Who | None,
    households: Who | None,
    sensitive: Harmful | None = None,
    hierarchies: Mapping[str, Hierarchy] | None = None,
) -> dict[str, Any] | None:
    """
    Every number once more when a missing value could be any value, and the worse of both readings.

    None where no quasi-identifier is missing: there is one reading then. `classes` are those of `frame`.
    """
    if not any(is_missing(categories(frame[item])).any() for item in classes.items):
        return None
    wild = candidates(frame, classes.items, persons=persons, households=households)
    named = {item: (harm, (hierarchies or {}).get(item)) for item, harm in (sensitive or {}).items()}
    own, other = (
        {
            **of_classes(counted),
            "sensitive": {
                item: of_spread(spread(item, harm), ladder) for item, (harm, ladder) in named.items()
            },
        }
        for counted, spread in (
            (classes, lambda item, harm: Spread.of(classes, frame[item], harmful=harm)),
            (wild.classes(classes), lambda item, harm: wild.spread(frame[item], harmful=harm)),
        )
    )
    for told in (own, other):
        for name in SAME_IN_BOTH:
            told.pop(name, None)
    return {"wildcard": other, "worse": worse(own, other)}


# What does not hang on who fits whom.
SAME_IN_BOTH = ("rows", "classes")
# Numbers that protect more when they are larger; all others protect less.
HIGHER_PROTECTS = {"k_children", "k_households", "distinct_l", "plain_distinct_l", "entropy_l"}
# What stands for infinity, by its name, when a number is None; of any other nothing is told.
UNBOUNDED = {"recursive_c", "enhanced_beta", "basic_beta", "delta_disclosure"}


def worse(own: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Of each number of two readings the one that protects less."""
    return {
        name: worse(value, other[name]) if isinstance(value, Mapping) else worst(name, value, other[name])
        for name, value in own.items()
    }


def worst(name: str, *values: Number) -> Number:
    told = [value for value in values if value is not None]
    if not told or (len(told) < len(values) and name in UNBOUNDED):
        return None
    return min(told) if name in HIGHER_PROTECTS else max(told)


def without(
    frame: pd.DataFrame, classes: Classes, item: str, *, persons: Who | None, households: Who | None
) -> dict[str, Any]:
    """What the table would measure with one item left out: what this item costs."""
    others = [name for name in classes.items if name != item]
    rest = Classes.of(frame, others, persons=persons, households=households)
    return {
        "k_children_without": metrics.k_children(rest),
        "sample_uniques_without": metrics.sample_uniques(rest),
        "share_below_without": {str(size): metrics.share_below(rest, k=size) for size in SIZES},
    }


def specials(frame: pd.DataFrame, items: Sequence[str]) -> dict[str, Any]:
    """Rows that at most three items make unique, and the share of each item in that."""
    found = special_uniques(frame, items, up_to=SPECIAL)
    return {"rows": found.rows, "up_to": found.up_to, "contributions": found.contributions()}


def estimates(classes: Classes, *, residents: int) -> dict[str, Any]:
    """The share of the population that is unique, by each estimator; None with the reason where it fails."""
    return {
        model: {"share": outcome.share}
        if isinstance(outcome, Estimate)
        else {"share": None, "reason": {"ja": outcome.ja, "en": outcome.en}}
        for model, outcome in population_uniqueness(classes, residents=residents).items()
    }


def of_population(
    frame: pd.DataFrame, population: pd.DataFrame, items: Sequence[str], *, persons: Who | None
) -> dict[str, Any]:
    """The table beside everybody: exact, as the population is there."""
    # The person's column of the table is that of the population too, where the population has it.
    theirs = persons if isinstance(persons, str) and persons in population else None
    matched = Matched.of(frame, population, items, persons=persons, population_persons=theirs)
    outsider = journalist(matched)
    least, most = delta_presence(matched)
    return {
        "residents": matched.residents,
        "k_map": k_map(matched),
        "delta_presence": {"least": least, "most": most},
        "journalist_highest": outsider.highest,
        "journalist_rows_at_risk": outsider.at_risk(above=AT_RISK),
        "marketer": marketer(matched),
    }
