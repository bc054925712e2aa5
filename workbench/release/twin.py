"""
A candidate's twin: its recipe on the same children, unprotected. It never leaves the room, and nor does its like.

It is there to tell what protecting the data did to the children of small groups, which no figure of the
candidate alone can tell.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from workbench.release.staged import Rows
from workbench.release.staged_model import Candidate
from workbench.riskflag.gaps import Gap, flags, growth
from workbench.riskflag.train import MIN_CELL, train
from workbench.scoring import engine
from workbench.scoring.model import Model


def gaps(candidate: Candidate) -> list[Gap] | None:
    """How much further apart it misses groups than its twin does; None where the source is not there any more."""
    if candidate.origin is None:
        return None
    pool = candidate.pool
    raw, held = unprotected(candidate, candidate.origin), ~pool.member
    frame = pool.rows.part.frame[held].reset_index(drop=True)
    other = twin(candidate, raw)
    ours = engine.score(candidate.model, replace(candidate.test, frame=frame).table(candidate.model.items))
    unseen = raw[held].reset_index(drop=True)
    theirs = engine.score(other, replace(candidate.test, frame=unseen).table(other.items))
    threshold = candidate.model.threshold
    return growth(
        flags(ours.scores, threshold),
        flags(theirs.scores, threshold),
        labels=pool.rows.labels[held],
        groups={item: unseen[item].map(str).to_numpy() for item in asked(candidate) if item in unseen},
        homes=np.unique(pool.homes[held], return_inverse=True)[1],
        min_cell=candidate.room.smallest_cell,
    )


def asked(candidate: Candidate) -> list[str]:
    """The items whose groups are compared: those of the evaluation, and those the charter protects."""
    charted = [group.item for group in candidate.room.project.subgroups]
    return list(dict.fromkeys([*charted, *candidate.claimed.get("by", ())]))


def unprotected(candidate: Candidate, origin: Rows) -> pd.DataFrame:
    """The rows of the pool as the source has them, with the outcome as it was released."""
    pool, target = candidate.pool, candidate.definition.target
    raw = origin.source.iloc[origin.origin[pool.places]].reset_index(drop=True)
    return raw.assign(**{target: pool.rows.part.frame[target].to_numpy()})


def twin(candidate: Candidate, raw: pd.DataFrame) -> Model:
    """The same recipe on the source's training rows; a plain regression where the recipe was one of noise."""
    from sklearn.linear_model import LogisticRegression

    members = raw[candidate.pool.member].reset_index(drop=True)
    part = replace(candidate.train, frame=members, recode={**candidate.train.recode, "items": {}})
    # Who is considered was decided by the release's own labels, which these rows do not have.
    everybody = replace(candidate.definition, eligible={}, excluded={})
    if candidate.guarantee is None:
        return candidate.refit(part, definition=everybody)
    plain = LogisticRegression(max_iter=1000)
    features = candidate.training["features"]
    return train(everybody, part, plain, features=features, min_cell=MIN_CELL)[0]
