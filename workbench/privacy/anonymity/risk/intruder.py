"""
A motivated intruder, tried: who of the people in a given table is found in the released one.

The intruder holds a table of people and some items of each, generalised as the release is, and links the
two. Whoever matches one child alone is claimed with certainty; the custodian, who alone knows the truth,
counts the right claims and the wrong ones. Information Commissioner's Office, "Anonymisation: managing
data protection risk code of practice" (2012), the motivated intruder test.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from workbench.errors import Unusable
from workbench.privacy.anonymity.classes import (
    categories,
    distinct_by,
    in_common_words,
    numbered_together,
    require_columns,
)


@dataclass(frozen=True)
class Interval:
    """Where a share lies that was met in a sample, with `confidence`."""

    low: float
    high: float
    confidence: float


@dataclass(frozen=True)
class Trial:
    """
    What the intruder found out by knowing `items` of `tried` people.

    `correct` and `wrong` are claims made with certainty, one candidate being left; `guessed` is how many
    of the others a blind choice among their candidates would hit on average; `unmatched` have none.
    """

    items: tuple[str, ...]
    tried: int
    correct: int
    wrong: int
    guessed: float
    unmatched: int

    @property
    def rate(self) -> float:
        """The share of people found with certainty, and rightly; 0 when none was tried."""
        return self.correct / self.tried if self.tried else 0.0

    @property
    def precision(self) -> float | None:
        """The share of certain claims that are right; None when none was made."""
        claims = self.correct + self.wrong
        return self.correct / claims if claims else None

    def interval(self, *, confidence: float = 0.95) -> Interval:
        """
        Where the rate lies for everybody of whom the people tried are a random sample.

        Clopper and Pearson (1934): exact, so that no hit in ten does not read as no risk. (0, 1) when
        nobody was tried.
        """
        tail = (1 - confidence) / 2
        low = stats.beta.ppf(tail, self.correct, self.tried - self.correct + 1) if self.correct else 0.0
        missed = self.tried - self.correct
        high = stats.beta.ppf(1 - tail, self.correct + 1, missed) if missed else 1.0
        return Interval(low=float(low), high=float(high), confidence=confidence)


def trial(
    released: pd.DataFrame,
    known: pd.DataFrame,
    items: Sequence[str],
    *,
    released_persons: Any,
    known_persons: Any,
) -> Trial:
    """
    Link `known` to `released` on `items`; the persons' codes, one for each row, tell who was found.

    One person is tried once, with the first row of theirs in `known`. A missing value matches a missing
    value only: an intruder who does not know an item leaves it out of `items`.
    """
    names = require_columns(released, items)
    require_columns(known, names)
    there, sought = in_common_words(
        categories(same_length(released_persons, len(released))),
        categories(same_length(known_persons, len(known))),
    )
    member, known_member, count = numbered_together(released, known, names)
    target, first = np.unique(sought.codes, return_index=True)
    place = known_member[first]
    among = distinct_by(member, there.codes, classes=count)[place]
    size = max(there.size, 1)
    true = np.isin(place * size + target, member * size + there.codes)
    certain = among == 1
    return Trial(
        items=names,
        tried=len(target),
        correct=int(np.count_nonzero(certain & true)),
        wrong=int(np.count_nonzero(certain & ~true)),
        guessed=float((1 / among[~certain & true]).sum()),
        unmatched=int(np.count_nonzero(among == 0)),
    )


def same_length(codes: Any, rows: int) -> Any:
    if len(codes) != rows:
        raise Unusable(
            ja=f"個人の符号が {len(codes)} 件で、表の {rows} 行と合いません。",
            en=f"{len(codes)} codes of persons do not fit the {rows} rows of their table.",
        )
    return codes
