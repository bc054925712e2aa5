"""
Which rows of a source table become training rows, test rows, or stay outside a release.

Train and test share no household and no time: train holds earlier years of one group of households, test
the last year of the other. Each household is drawn by itself, from a key that stays in the room and its own
name: whoever else is in the table changes nothing, so a guarantee about what is learnt from the training part
holds whatever the draw is. The split is a pure function of the table and the key, so the checks repeat it
instead of believing it.
"""

import hmac
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from workbench.privacy.anonymity.classes import categories
from workbench.privacy.dp.rows import texts

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
    key: bytes,
    period: int | None = None,
) -> "pd.Series[str]":
    """
    The part of each row, in the order of `source`. Without a known target a row stays outside.

    `period` is the one that is tested on, and what lies after it stays outside; None is the table's last.
    """
    back = held(source, person=person, household=household, test_share=test_share, key=key)
    usable, last = periods(source, time=time, targets=targets, period=period)
    tested = apart(source, back, person=person, household=household)
    part = pd.Series(str(Part.OUTSIDE), index=source.index)
    part[usable & ~back & (~last if time is not None else True)] = str(Part.TRAIN)
    part[usable & tested & (last if time is not None else True)] = str(Part.TEST)
    return part


def periods(
    source: pd.DataFrame, *, time: str | None, targets: Sequence[str], period: int | None = None
) -> "tuple[pd.Series[bool], pd.Series[bool]]":
    """Which rows have a known target and are not after `period`, and which are of it (none without periods)."""
    usable = source[list(targets)].notna().any(axis=1) if targets else pd.Series(True, index=source.index)
    if time is None:
        return usable, pd.Series(False, index=source.index)
    usable &= source[time].notna()
    if period is None:
        return usable, source[time] == source.loc[usable, time].max()
    times = pd.to_numeric(source[time], errors="coerce").astype(float)
    return usable & (times <= period), times == period


def control(
    source: pd.DataFrame,
    tested: Flags,
    *,
    time: str | None,
    targets: Sequence[str],
    period: int | None = None,
) -> Flags:
    """
    The rows of `tested` households in the periods of the training part: what it would be like without them.

    The test part is of a later period, and what time alone changed would look like what a table gives away.
    """
    usable, last = periods(source, time=time, targets=targets, period=period)
    return np.asarray(tested & usable & ~last, dtype=bool)


def held(
    source: pd.DataFrame, *, person: str | None, household: str | None, test_share: float, key: bytes
) -> Flags:
    """
    Which rows are of the households held back: each drawn with the chance `test_share`, by its name alone.

    The draw is an HMAC under `key`, so it is the same in a table that has grown, and nobody without the key
    can foresee it. A row without a household is drawn by its person, and without either by its place.
    """
    units = units_of(source, person=person, household=household)
    limit = int(test_share * (1 << 64))
    # No factorize here: pandas takes two texts for one that differ behind a zero alone.
    side = {
        unit: int.from_bytes(hmac.digest(key, unit.encode(), "sha256")[:8], "big") < limit
        for unit in set(units)
    }
    return np.array([side[unit] for unit in units], dtype=bool)


def units_of(source: pd.DataFrame, *, person: str | None, household: str | None) -> list[str]:
    """What each row is drawn by."""
    unknown = [None] * len(source)
    homes = texts(source[household]) if household is not None else unknown
    people = texts(source[person]) if person is not None else unknown
    return [
        f"household\0{home}" if home is not None else f"person\0{who}" if who is not None else f"row\0{place}"
        for place, (home, who) in enumerate(zip(homes, people, strict=True))
    ]


def apart(source: pd.DataFrame, held_back: Flags, *, person: str | None, household: str | None) -> Flags:
    """
    The rows held back that share no child with a household that is learnt from.

    A child who moves joins two households. Where they are drawn apart the rows of neither are tested on: the
    same child could be in train with one parent and in test with the other. They stay learnt from as they
    were drawn, for else who is learnt from would depend on other households.
    """
    groups = families(source, person=person, household=household)
    return np.asarray(held_back & ~np.isin(groups, groups[~held_back]), dtype=bool)


def spelled(values: "pd.Series[Any]") -> list[str]:
    """The values as they read, whatever their type: two tables that say the same agree."""
    coded = categories(values)
    return list(np.array(coded.words, dtype=object)[coded.codes])


def families(source: pd.DataFrame, *, person: str | None, household: str | None) -> Numbers:
    """
    A number per row; rows with one number must stay together.

    A child who moves between households joins them.
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
