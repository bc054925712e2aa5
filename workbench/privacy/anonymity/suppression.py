"""Suppressing items and records: a column left out of the release, a row left out of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.privacy.anonymity.classes import Classes, Who, categories, require_columns
from workbench.privacy.anonymity.step import Step


@dataclass(frozen=True)
class ItemSuppression(Step):
    """Leaves whole columns out."""

    items: tuple[str, ...]

    name: ClassVar[str] = "item_suppression"

    def change(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.drop(columns=list(require_columns(frame, self.items)))


@dataclass(frozen=True)
class RecordSuppression(Step):
    """
    Leaves out the rows of some combinations of `items`, as they read when the step is reached.

    Which combinations is secret: they are the rare ones. No row is named by its place, so the step means
    the same whatever order the table comes in.
    """

    items: tuple[str, ...]
    combinations: tuple[tuple[str, ...], ...] = field(repr=False)

    name: ClassVar[str] = "record_suppression"
    SECRET: ClassVar[tuple[str, ...]] = ("combinations",)

    def change(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame[~self.marked(frame)]

    def marked(self, frame: pd.DataFrame) -> NDArray[np.bool_]:
        """Which rows the step leaves out."""
        leaving = set(self.combinations)
        return np.fromiter((row in leaving for row in read(frame, self.items)), dtype=bool, count=len(frame))

    @classmethod
    def where(cls, frame: pd.DataFrame, items: Sequence[str], *, leaving: NDArray[np.bool_]) -> Self:
        """The step that leaves out the classes in which the rows marked `leaving` are, whole."""
        return cls(tuple(items), combinations=tuple(sorted(set(read(frame[leaving], items)))))

    @classmethod
    def of_small_classes(
        cls,
        frame: pd.DataFrame,
        items: Sequence[str],
        *,
        k: int,
        k_households: int | None = None,
        persons: Who | None = None,
        households: Who | None = None,
    ) -> Self:
        """The step that leaves out every class of fewer than `k` children or `k_households` (k) households."""
        classes = Classes.of(frame, items, persons=persons, households=households)
        small = classes.children < k
        if classes.households is not None:
            small |= classes.households < (k if k_households is None else k_households)
        return cls.where(frame, items, leaving=small[classes.member])


def read(frame: pd.DataFrame, items: Sequence[str]) -> list[tuple[str, ...]]:
    """What each row reads in `items`."""
    columns = [categories(frame[item]) for item in require_columns(frame, items)]
    spelled = [np.array(column.words, dtype=object)[column.codes] for column in columns]
    return list(zip(*spelled, strict=True)) if len(frame) else []
