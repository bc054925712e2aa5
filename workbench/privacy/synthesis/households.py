"""
Two tables with differential privacy: households, then the children of each, given their household's row.

A household's row and its children's rows are one unit. The first tree learns the households with how many
children they have; the second learns the children with their household's items beside their own, and each
synthetic child is drawn from what it says given the synthetic household's row. Siblings are alike in what
their household's row tells and independent otherwise; their order by age is made, not hoped for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from workbench.data.constraints import Siblings, broken, within
from workbench.errors import Unusable
from workbench.privacy.dp.loss import MICRO, Kind, Loss
from workbench.privacy.synthesis import columns as public
from workbench.privacy.synthesis import private_tree
from workbench.privacy.synthesis.columns import Column, Columns
from workbench.privacy.synthesis.interface import Task
from workbench.privacy.synthesis.private_tree import expect_concentrated

# What learning the households takes of the whole loss; the children are what a risk flag is about.
SHARE = Fraction(3, 10)
NUMBER = "children_in_household"
ROUNDS = 60


@dataclass(frozen=True)
class Fitted:
    """Two fitted trees. `rows` is a noisy count of the households."""

    homes: private_tree.Sampler
    children: private_tree.Sampler
    home_columns: Columns
    child_columns: Columns
    key: str
    constraints: Sequence[Any]

    @property
    def rows(self) -> int:
        return self.homes.rows

    def sample(self, households: int, *, order: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
        """
        Households with a running number under `key`, and their children with the same.

        Raises Unusable where hardly any row keeps the constraints.
        """
        numbered = {**self.home_columns, NUMBER: Column(minimum=0, maximum=1)}
        homes = self._kept(
            lambda rows: self.homes.sample(len(rows), order=order), households, items=list(numbered)
        )
        homes.insert(0, self.key, np.arange(households))
        number = homes.pop(NUMBER).fillna(0).astype(int).to_numpy()
        given = homes.loc[np.repeat(np.arange(households), number)].reset_index(drop=True)
        known = given[list(self.home_columns)]
        drawn = self._kept(
            lambda rows: self.children.sample(len(rows), order=order, fixed=known.iloc[rows]),
            len(given),
            items=[*self.home_columns, *self.child_columns],
        )
        children = public.bounded(drawn[list(self.child_columns)], columns=self.child_columns)
        children.insert(0, self.key, given[self.key])
        return self._bounded(homes), self._ordered(children)

    def _kept(self, draw: Any, rows: int, *, items: Sequence[str]) -> pd.DataFrame:
        """Rows that keep the constraints on `items`; those that do not are drawn again for the same place."""
        constraints = within(self.constraints, items=items)
        again, made = np.arange(rows), draw(np.arange(rows))
        for _ in range(ROUNDS):
            again = again[broken(made.iloc[again], constraints=constraints)]
            if not len(again):
                return made
            fresh = draw(again)
            made = pd.concat([made.drop(index=again), fresh.set_axis(again, axis=0)]).sort_index()
        raise Unusable(
            ja="台帳の制約を満たす行がほとんど作れません。制約と項目の範囲が合っているか確かめ、合っていれば epsilon を大きくするか項目を減らしてください。",
            en="Hardly any row keeps the register's constraints; check them against the items' ranges, and where they fit use a larger epsilon or fewer items.",
        )

    def _bounded(self, homes: pd.DataFrame) -> pd.DataFrame:
        found = public.bounded(homes[list(self.home_columns)], columns=self.home_columns)
        found.insert(0, self.key, homes[self.key])
        return found

    def _ordered(self, children: pd.DataFrame) -> pd.DataFrame:
        for one in within(self.constraints, items=list(children.columns)):
            if isinstance(one, Siblings):
                children = one.numbered(children)
        return children


def fit(homes: Task, children: Task, *, key: str) -> Fitted:
    """
    Learn both tables within the loss of `children`, which is for both.

    `key` is the column of both frames that names the household; it is in neither task's columns. At most
    `children.most` children of a household are learnt from, and one household row. Adding or removing a
    household adds or removes its own row of the first table, and at most `most` rows of the second with its
    own row's items in them: no other household's rows change. A household row without a key is left out, and a
    child without one has a household of which nothing is known. Raises Unusable for columns of one name in both.
    """
    loss = expect_concentrated(children.loss)
    expect_apart(homes, children, key=key)
    # pandas matches what is missing with what is missing: a child without a household would get somebody's.
    own = homes.frame.dropna(subset=[key]).drop_duplicates(key).reset_index(drop=True)
    number = children.frame[key].value_counts().reindex(own[key]).fillna(0).clip(upper=children.most)
    first = Column(minimum=0, maximum=children.most)
    ours, theirs = shared(loss)
    parent = replace(
        homes,
        frame=own[list(homes.columns)].assign(**{NUMBER: number.to_numpy()}),
        columns={**homes.columns, NUMBER: first},
        households=None,
        most=1,
        loss=ours,
    )
    joined = children.frame.merge(own[[key, *homes.columns]], on=key, how="left")
    beside = replace(
        children,
        frame=joined[[*homes.columns, *children.columns]],
        columns={**homes.columns, **children.columns},
        households=joined[key],
        loss=theirs,
    )
    if children.demonstration is not None:
        parent = replace(parent, demonstration=children.demonstration + b"homes")
    return Fitted(
        private_tree.tree(parent),
        private_tree.tree(beside),
        homes.columns,
        children.columns,
        key,
        [*homes.constraints, *children.constraints],
    )


def shared(loss: Loss) -> tuple[Loss, Loss]:
    """The loss in two parts that sum to it (Bun and Steinke 2016, lemma 1.7)."""
    ours = int(loss.micro * SHARE)
    if not 0 < ours < loss.micro:
        raise Unusable(
            ja=f"損失 {loss.micro / MICRO:g} は二つの表に分けられません。epsilon を大きくしてください。",
            en=f"A loss of {loss.micro / MICRO:g} cannot be shared by two tables; use a larger epsilon.",
        )
    return Loss(Kind.ZCDP, ours), Loss(Kind.ZCDP, loss.micro - ours)


def expect_apart(homes: Task, children: Task, *, key: str) -> None:
    both = sorted({key, NUMBER, *homes.columns} & {*children.columns} | {key, NUMBER} & {*homes.columns})
    if both:
        raise Unusable(
            ja=f"世帯の表とこどもの表に同じ名前の項目があります: {'、'.join(both)}。どちらかの表だけに残してください。",
            en=f"Both tables have items named {', '.join(both)}; keep each in one table.",
        )
