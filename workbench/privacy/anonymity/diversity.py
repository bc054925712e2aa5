"""
What one class gives away of a sensitive item, for every model of diversity: one number a class.

The functions measure; limits come from the caller. A class that no row is in (a number left free when
classes merged) gets the model's worst value, 0 or infinity, so that no limit ever takes it for safe. A
missing sensitive value is a value like any other, except where confidence leaves it out and says so.
The distribution that t, delta and beta compare with is that of the whole table that came in
(`Spread.overall`), not of what is left of it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.errors import Unusable, Usage
from workbench.privacy.anonymity.classes import LARGEST_KEY, Codes, categories
from workbench.privacy.anonymity.hierarchies import Hierarchy
from workbench.privacy.anonymity.spread import Floats, Spread
from workbench.scoring.recode import MISSING, UNSEEN

# What sums of logarithms and shares lose to rounding, relative to their size.
ROUNDING = 1e-12
LOG_2 = np.log(2.0)


def values_in_class(spread: Spread) -> Codes:
    """
    Distinct l: how many values each class has; 0 for a class that is not met.

    Machanavajjhala, Kifer, Gehrke and Venkitasubramaniam, "l-diversity: privacy beyond k-anonymity",
    TKDD 1(1), 2007: the l-diversity principle, "well-represented" read as distinct.
    """
    return np.bincount(spread.in_class, minlength=spread.classes)


def classes_with_harm(spread: Spread) -> NDArray[np.bool_]:
    """Which classes hold a harmful value."""
    return np.bincount(spread.in_class[spread.harmful[spread.value]], minlength=spread.classes) > 0


def entropy_l_by_class(spread: Spread) -> Floats:
    """
    The largest l for which each class is entropy l-diverse: exp of its Shannon entropy; 0 if not met.

    A real number: a class of shares 3/4 and 1/4 has 1.755. A class uniform over m values has m exactly.
    Machanavajjhala et al. (2007), definition 4.1.
    """
    rows = np.maximum(spread.rows, 1)
    logs = np.bincount(spread.in_class, weights=spread.count * np.log(spread.count), minlength=spread.classes)
    return np.where(spread.rows > 0, snapped(np.exp(np.log(rows) - logs / rows)), 0.0)


def snapped(values: Floats) -> Floats:
    """The values, a whole number where only rounding keeps them from it."""
    whole = np.round(values)
    return np.where(np.abs(values - whole) <= ROUNDING * whole, whole, values)


def too_little_entropy(spread: Spread, l: float) -> NDArray[np.bool_]:  # noqa: E741 - the paper's letter
    """
    Which classes are not entropy l-diverse, decided on the limit itself as ARX decides; all that are not met.

    A class uniform over three values is 3-diverse by definition, and in floating point by luck: ARX takes
    one of each, and not two of each. Whoever compares a release with ARX's needs the same classes, and to
    drop one too many harms nobody; so this works in its steps, in logarithms of base 2 made from natural
    ones. `entropy_l_by_class` is exact.
    """
    rows = np.maximum(spread.rows, 1)
    weighted = spread.count * (np.log(spread.count) / LOG_2)
    sums = np.bincount(spread.in_class, weights=weighted, minlength=spread.classes)
    entropy = -((sums / rows) - np.log(rows) / LOG_2)
    return np.asarray((spread.rows == 0) | (entropy < np.log(l) / LOG_2) | (values_in_class(spread) < l))


def recursive_c_by_class(spread: Spread, l: int) -> Floats:  # noqa: E741 - the paper's letter
    """
    r1 / (r_l + … + r_m), counts in falling order: a class is (c,l)-diverse if and only if this is below c.

    Infinity for a class of fewer than l values, and for one that is not met. Usage for an l below 1.
    Machanavajjhala et al. (2007), definition 4.2.
    """
    if l < 1:
        raise Usage(
            ja="再帰的 (c,l)-多様性の l には 1 以上を指定してください。",
            en="Give an l of at least 1 for recursive (c,l)-diversity.",
        )
    # One sort of whole numbers puts the counts of each class in falling order.
    room = int(spread.count.max(initial=0)) + 1
    falling = room - 1 - np.sort(spread.in_class * room + (room - 1 - spread.count)) % room
    rank = np.arange(len(falling)) - np.repeat(spread.starts, np.diff(spread.starts, append=len(falling)))
    tail = np.bincount(spread.in_class, weights=np.where(rank >= l - 1, falling, 0), minlength=spread.classes)
    most = by_class(spread, falling[spread.starts].astype(np.float64), worst=np.inf)
    return np.divide(most, tail, out=np.full(spread.classes, np.inf), where=tail > 0)


def equal_t_by_class(spread: Spread) -> Floats:
    """
    The distance of each class's distribution from the table's, all values equally far apart.

    Half the sum of absolute differences; infinity for a class that is not met. Li, Li and
    Venkatasubramanian, "t-closeness", ICDE 2007, definition 2, the equal distance of section 4.
    """
    # Values that a class lacks differ by their whole share; half the L1 distance is what it has too much.
    excess = np.maximum(spread.inside - spread.overall[spread.value], 0)
    sums = np.bincount(spread.in_class, weights=excess, minlength=spread.classes)
    return np.where(spread.rows > 0, sums, np.inf)


def ordered_t_by_class(spread: Spread, order: Sequence[str]) -> Floats:
    """
    The earth mover's distance of each class from the table, when values stand in an order.

    `order` names every value that occurs, as it reads, the missing one ("(missing)") among them; names
    that never occur are passed over. Neighbours are 1/(m - 1) apart for m values that occur: the gaps
    between numbers do not count. Infinity for a class that is not met; Unusable if the order misses a value.
    Li et al. (2007), the ordered distance of section 4.
    """
    rank, known = ranks(spread, order)
    if known < 2:
        return np.where(spread.rows > 0, 0.0, np.inf)
    table = np.cumsum(np.bincount(rank, weights=spread.overall, minlength=known)[: known - 1])
    here = rising(spread.in_class * known + rank[spread.value])
    at = rank[spread.value[here]]
    # A class's cumulative share rises at the values it has and stands still until the next one.
    reached = within_class(spread, spread.count[here]) / spread.rows[spread.in_class]
    end = np.append(at[1:], 0)
    end[np.append(spread.starts[1:], len(at)) - 1] = known - 1
    moved = np.bincount(spread.in_class, weights=gap(table, reached, at, end), minlength=spread.classes)
    below = np.append(0, np.cumsum(table))[at[spread.starts]]
    # Differences of running sums may come out a rounding below nothing.
    return np.maximum(moved + by_class(spread, below, worst=np.inf), 0) / (known - 1)


def numeric_order(words: Sequence[str]) -> list[str]:
    """
    Words that are numbers in rising order, the missing value last.

    Unusable, without quoting it, if one is no number: codes of categories have no order to measure in.
    """
    try:
        return [*sorted((w for w in words if w != MISSING), key=float), *(w for w in words if w == MISSING)]
    except ValueError:
        raise Unusable(
            ja="機微属性に数値でない値があり、順序を決められません。値の順序を指定してください。",
            en="A sensitive item has a value that is no number, so it has no order; name the order of its values.",
        ) from None


def ranks(spread: Spread, order: Sequence[str]) -> tuple[Codes, int]:
    """The place of each word among those of `order` that occur, and how many these are."""
    occurs = {word for word, count in zip(spread.words, spread.whole + spread.total, strict=True) if count}
    place = {word: number for number, word in enumerate(word for word in order if word in occurs)}
    if len(place) < len(occurs):
        missed = len(occurs) - len(place)
        raise Unusable(
            ja=f"値の順序に、表に現れる値が {missed} 個ありません。順序にすべての値（欠損は「{MISSING}」）を入れてください。",
            en=f"The order of the sensitive values lacks {missed} that occur; name them all, '{MISSING}' for missing.",
        )
    return np.array([place.get(word, 0) for word in spread.words], dtype=np.int64), len(place)


def rising(key: Codes) -> Codes:
    """The places of the keys in rising order."""
    size = max(len(key), 1)
    if int(key.max(initial=0)) + 1 > LARGEST_KEY // size:
        return np.argsort(key)
    # Sorting keys that carry their places is several times faster than sorting the places.
    return np.sort(key * size + np.arange(len(key))) % size


def within_class(spread: Spread, counts: Codes) -> Codes:
    """The running sum of `counts`, from nothing in each class."""
    running = np.cumsum(counts)
    before = np.append(0, running)[spread.starts]
    return np.asarray(running - np.repeat(before, np.diff(spread.starts, append=len(counts))))


def gap(table: Floats, level: Floats, start: Codes, end: Codes) -> Floats:
    """The sum of |level - table[i]| for start <= i < end; `table` rises."""
    sums = np.append(0, np.cumsum(table))
    crossing = np.clip(np.searchsorted(table, level), start, np.maximum(start, end))
    under = level * (crossing - start) - (sums[crossing] - sums[start])
    over = (sums[end] - sums[crossing]) - level * (end - crossing)
    return np.asarray(under + over)


def hierarchical_t_by_class(spread: Spread, hierarchy: Hierarchy) -> Floats:
    """
    The earth mover's distance of each class from the table, when values are far apart that meet high up.

    Two values that meet on level i of a hierarchy of height H are i/H apart; where its last level tells
    values apart, they meet one level above. Infinity for a class that is not met; Unusable if the
    hierarchy misses a value. Li et al. (2007), the hierarchical distance of section 4.

    A node on level i costs i/H * (min(P, Q) - the same of its children), P and Q being its shares in
    class and table. Summed over the tree this is the mean of the equal distances on the levels below the
    root, which is what is computed.
    """
    tops = hierarchy.labels([*hierarchy.leaves(spread.words), *spread.words], level=hierarchy.height)
    below = hierarchy.height + (len(set(tops)) > 1)
    distances = [equal_t_by_class(at_level(spread, hierarchy, level)) for level in range(below)]
    return np.asarray(np.mean(distances, axis=0))


def at_level(spread: Spread, hierarchy: Hierarchy, level: int) -> Spread:
    """The spread of the item generalised to a level of its hierarchy."""
    labels = hierarchy.labels(spread.words, level=level)
    if UNSEEN in labels:
        raise Unusable(
            ja=f"項目「{hierarchy.item}」の階層に、表に現れる値がありません。階層表にその値の行を加えてください。",
            en=f"The hierarchy of '{hierarchy.item}' misses a value that occurs; add a row for it.",
        )
    coarse = categories(labels)
    return spread.relabelled(coarse.codes, coarse.words)


def delta_by_class(spread: Spread, *, absent_counts: bool = False) -> Floats:
    """
    The largest |log2 of a value's share in the class over its share in the table|; a class needs less than delta.

    By the definition a value that a class lacks is infinitely far (`absent_counts`); ARX passes over it,
    and so do we by default, since else every delta but infinity asks each class to hold every value. The
    paper leaves the base of the logarithm open; ARX takes 2, pycanon e. Infinity for a class that is not
    met. Brickell and Shmatikov, "The cost of privacy", KDD 2008, delta-disclosure privacy.
    """
    shares = spread.overall[spread.value]
    with np.errstate(divide="ignore"):
        far = np.abs(np.log2(spread.inside / shares))
    largest = highest(spread, far)
    if absent_counts:
        largest[values_in_class(spread) < np.count_nonzero(spread.whole)] = np.inf
    return largest


def basic_beta_by_class(spread: Spread) -> Floats:
    """
    The largest relative gain (p - q) / q of a value, p in the class, q in the table; a class needs at most beta.

    Infinity for a class that is not met, or has a value the table has not. Cao and Karras, "Publishing
    microdata with a robust privacy guarantee", PVLDB 5(11), 2012, basic beta-likeness.
    """
    return highest(spread, gains(spread))


def enhanced_beta_by_class(spread: Spread) -> Floats:
    """
    The smallest beta for which each class is enhanced beta-like; infinity where there is none.

    Each value's own gain must be at most min(beta, -ln q): a value that is frequent in the table may not
    gain much whatever beta is. Cao and Karras (2012), enhanced beta-likeness.
    """
    gained = gains(spread)
    with np.errstate(divide="ignore"):
        most = -np.log(spread.overall[spread.value])
    return highest(spread, np.where(gained <= most, gained, np.inf))


def gains(spread: Spread) -> Floats:
    """For each entry the relative gain of its value, none for what does not gain."""
    shares = spread.overall[spread.value]
    gained = np.divide(spread.inside - shares, shares, out=np.full(len(shares), np.inf), where=shares > 0)
    return np.maximum(gained, 0)


def alpha_by_class(spread: Spread) -> Floats:
    """
    The largest share of one harmful value in each class, missing rows among the whole; 1 if not met.

    Wong, Li, Fu and Wang, "(alpha, k)-anonymity", KDD 2006, alpha-deassociation.
    """
    shares = np.where(spread.harmful[spread.value], spread.inside, 0.0)
    return np.where(spread.rows > 0, highest(spread, shares), 1.0)


def confidence_by_class(spread: Spread) -> Floats:
    """For each class, the largest share of one harmful value among its recorded values; 0 when it has none."""
    told = np.where(spread.recorded[spread.value], spread.count, 0)
    recorded = np.bincount(spread.in_class, weights=told, minlength=spread.classes)
    bad = spread.harmful[spread.value]
    confidence = np.zeros(spread.classes)
    np.maximum.at(confidence, spread.in_class[bad], spread.count[bad] / recorded[spread.in_class[bad]])
    return confidence


def highest(spread: Spread, values: Floats) -> Floats:
    """The largest of each class's entries; infinity for a class that is not met."""
    if not len(values):
        return np.full(spread.classes, np.inf)
    return by_class(spread, np.maximum.reduceat(values, spread.starts), worst=np.inf)


def by_class(spread: Spread, met: NDArray[np.generic], *, worst: float) -> Floats:
    """One number for each class: those of the classes that are met, in order, and `worst` for the others."""
    every = np.full(spread.classes, worst)
    every[spread.in_class[spread.starts]] = met
    return every
