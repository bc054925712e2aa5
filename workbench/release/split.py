"""
Which rows of a source table become training rows, test rows, or stay outside a release.

Train and test share no household and no time: train holds earlier years of one group of households, test
the last year of the other. The split is a pure function of the table and a seed, so the checks repeat it
instead of believing it.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from workbench.privacy.anonymity.classes import categories

Numbers = np.ndarray[Any, np.dtype[np.int64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]


class Part(StrEnum):
    TRAIN = "train"
    TEST = "test"
    OUTSIDE = "outside"


PARTS = (Part.TRAIN, Part.TEST)


def assign(
    source: pd.DataFrame,
    *,
    person: str | None,
    household: str | None,
    time: str | None,
    targets: Sequence[str],
    test_share: float,
    seed: bytes,
    kept: Mapping[str, bool] | None = None,
) -> "pd.Series[str]":
    """
    The part of each row, in the order of `source`. Without a known target a row stays outside.

    `kept` says of persons whom an earlier split has placed whether they were held back for testing.
    """
    held_back = held(
        source, person=person, household=household, test_share=test_share, seed=seed, kept=kept or {}
    )
    part = pd.Series(np.where(held_back, Part.TEST, Part.TRAIN), index=source.index)
    usable, last = periods(source, time=time, targets=targets)
    return part.where(usable & (last == held_back if time is not None else True), str(Part.OUTSIDE))


def periods(
    source: pd.DataFrame, *, time: str | None, targets: Sequence[str]
) -> "tuple[pd.Series[bool], pd.Series[bool]]":
    """Which rows have a known target, and which are of the last period that has one (none without periods)."""
    usable = source[list(targets)].notna().any(axis=1) if targets else pd.Series(True, index=source.index)
    if time is None:
        return usable, pd.Series(False, index=source.index)
    usable &= source[time].notna()
    return usable, source[time] == source.loc[usable, time].max()


def control(source: pd.DataFrame, held_back: Flags, *, time: str | None, targets: Sequence[str]) -> Flags:
    """
    The rows of held-back households in the periods of the training part: what it would be like without them.

    The test part is of a later period, and what time alone changed would look like what a table gives away.
    """
    usable, last = periods(source, time=time, targets=targets)
    return np.asarray(held_back & usable & ~last, dtype=bool)


def held(
    source: pd.DataFrame,
    *,
    person: str | None,
    household: str | None,
    test_share: float,
    seed: bytes,
    kept: Mapping[str, bool],
) -> Flags:
    """
    Which rows are of the households held back: as before where `kept` knows one of them, else drawn.

    Were the same children split anew for each release, two releases would cut each other's classes, and
    what one model was tested on the next would be trained on.
    """
    groups = families(source, person=person, household=household)
    back = _draw(groups, share=test_share, seed=seed)
    if person is None or not kept:
        return back
    before = pd.Series(spelled(source[person])).map(dict(kept)).astype(float)
    placed = before.groupby(groups).transform("max").to_numpy()
    known = ~np.isnan(placed)
    back = np.where(known, placed == 1, False)
    back[~known] = _draw(groups[~known], share=test_share, seed=seed)
    return back


def spelled(values: "pd.Series[Any]") -> list[str]:
    """The values as they read, whatever their type: two tables that say the same agree."""
    coded = categories(values)
    return list(np.array(coded.words, dtype=object)[coded.codes])


def families(source: pd.DataFrame, *, person: str | None, household: str | None) -> Numbers:
    """
    A number per row; rows with one number must stay together.

    A child who moves between households joins them: otherwise the same child could be in train with one
    parent and in test with the other.
    """
    people = np.arange(len(source)) if person is None else pd.factorize(source[person])[0]
    if household is None:
        return people
    homes = pd.factorize(source[household])[0]
    people_count = int(people.max(initial=-1)) + 1
    size = people_count + int(homes.max(initial=-1)) + 1
    # A row without a household is held by its person alone.
    known = homes >= 0
    edges = (np.ones(int(known.sum())), (people[known], homes[known] + people_count))
    _, labels = connected_components(coo_matrix(edges, shape=(size, size)), directed=False)
    return np.asarray(labels)[people]


def _draw(groups: Numbers, *, share: float, seed: bytes) -> Flags:
    """True for the rows of a random `share` of the groups (at least one when there are two)."""
    # Numbered by first appearance, so that only the rows' order and the seed decide.
    numbers, distinct = pd.factorize(groups)
    count = len(distinct)
    held = min(max(round(count * share), 1), count - 1) if count > 1 else 0
    generator = np.random.default_rng(int.from_bytes(seed, "big"))
    chosen = np.zeros(count, dtype=bool)
    chosen[generator.permutation(count)[:held]] = True
    return chosen[numbers]
