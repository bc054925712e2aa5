"""
Who could be found in a table, by whom and how surely: what `workbench data risk` prints.

Everything of `workbench.privacy.anonymity.risk` in one call. Numbers only, of the whole table: no row, class or
value is named, and no policy is read. What cannot be told is left out or None with its reason, never zero.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import Usage
from workbench.privacy.anonymity.classes import Classes, categories, require_columns
from workbench.privacy.anonymity.coding import numbers
from workbench.privacy.anonymity.measure import AT_RISK, SPECIAL, estimates
from workbench.privacy.anonymity.population import Matched, delta_presence, k_map
from workbench.privacy.anonymity.risk.attackers import Attack, journalist, marketer, prosecutor
from workbench.privacy.anonymity.risk.individual import household_risk, individual_risk
from workbench.privacy.anonymity.risk.intruder import Trial, trial
from workbench.privacy.anonymity.risk.separation import separations
from workbench.privacy.anonymity.risk.special import special_uniques
from workbench.privacy.anonymity.risk.together import Signatures, household_signatures, trajectories
from workbench.privacy.anonymity.spread import Floats

# Sets of items whose power to tell people apart is shown: pairs already name the ones to generalise together.
SETS = 2


def disclosure(
    frame: pd.DataFrame,
    *,
    quasi_identifiers: Sequence[str],
    persons: str | None = None,
    households: str | None = None,
    weights: str | None = None,
    years: str | None = None,
    population: pd.DataFrame | None = None,
    residents: int | None = None,
    known: pd.DataFrame | None = None,
    knows: Sequence[str] | None = None,
    sets: int = SETS,
    special: int = SPECIAL,
) -> dict[str, Any]:
    """
    Every disclosure risk of a table whose columns these names are.

    `weights` says for how many residents a row stands (1 or more), for a table that is a sample; `residents`
    gives all rows one weight and asks the estimators of population uniqueness. `years` orders the rows of a
    person. `population` is a table of everybody and `known` what an intruder holds of some people, both
    generalised as `frame` is; `knows` are the intruder's items, all quasi-identifiers unless given. The
    intruder's claims can only be judged where `persons` names a column of both tables: Usage otherwise.
    """
    if known is not None and persons is None:
        raise Usage(
            ja="侵入者の表との照合には、両方の表で本人を示す列が必要です（--person）。正解を数えるためだけに使います。",
            en="An intruder's table needs the column that says in both tables who a row is (--person); it only counts "
            "who was found.",
        )
    if years is not None and persons is None:
        raise Usage(
            ja="年ごとの軌跡には、本人を示す列も必要です（--person）。",
            en="Trajectories over years need the column of persons, too (--person).",
        )
    items = require_columns(frame, quasi_identifiers)
    classes = Classes.of(frame, items, persons=persons, households=households)
    attack = prosecutor(classes)
    # First, as it says what is wrong with a population smaller than the table.
    unique = {} if residents is None else {"population_uniqueness": estimates(classes, residents=residents)}
    found: dict[str, Any] = {
        "rows": int(classes.rows.sum()),
        "classes": len(classes),
        "prosecutor": of_attack(attack),
        "special_uniques": specials(frame, items, up_to=special, residents=residents),
        "separation": [
            {"items": list(one.items), "distinction": one.distinction, "separation": one.separation}
            for one in separations(frame, items, up_to=sets)
        ],
        **unique,
    }
    risk = attack.chance[classes.member]
    if weights is not None or residents is not None:
        risk = sampled(frame, classes, persons=persons, weights=weights, residents=residents)
        found["individual"] = of_rows(risk)
    if households is not None:
        family = household_risk(risk, frame[households], persons=None if persons is None else frame[persons])
        found["household_risk"] = {"highest": family.highest, "expected": family.expected}
        found["household_signatures"] = of_signatures(household_signatures(classes, frame[households]))
    if years is not None:
        when = frame[require_columns(frame, [years])[0]]
        found["trajectories"] = of_signatures(trajectories(classes, frame[persons], years=when))
    if population is not None:
        found |= beside(frame, population, items, persons=persons)
    if known is not None and persons is not None:
        require_columns(known, [persons])
        tried = trial(
            frame, known, knows or items, released_persons=frame[persons], known_persons=known[persons]
        )
        found["intruder"] = of_trial(tried)
    return found


def of_attack(attack: Attack) -> dict[str, float]:
    return {
        "highest": attack.highest,
        "lowest": attack.lowest,
        "average": attack.success,
        "rows_at_risk": attack.at_risk(above=AT_RISK),
    }


def sampled(
    frame: pd.DataFrame,
    classes: Classes,
    *,
    persons: str | None,
    weights: str | None,
    residents: int | None,
) -> Floats:
    """
    The risk of each row when each child of its class stands for some residents: its weight, else all alike.

    A child counts once in a class, with its first row there: its other years are no crowd to hide in.
    """
    who = np.arange(len(frame)) if persons is None else categories(frame[persons]).codes
    _, first = np.unique(classes.member * (int(who.max(initial=0)) + 1) + who, return_index=True)
    alike = np.full(len(frame), (residents or 0) / max(len(np.unique(who)), 1))
    given = alike if weights is None else numbers(frame, weights)
    once = replace(classes, member=classes.member[first], rows=classes.children)
    by_class = np.zeros(len(classes))
    by_class[once.member] = individual_risk(once, given[first])
    return by_class[classes.member]


def of_rows(risk: Floats) -> dict[str, float]:
    """The risks of single rows; `expected` is how many an attack on each would find."""
    return {
        "highest": float(risk.max(initial=0.0)),
        "average": float(risk.mean()) if len(risk) else 0.0,
        "expected": float(risk.sum()),
        "rows_at_risk": float((risk > AT_RISK).mean()) if len(risk) else 0.0,
    }


def specials(
    frame: pd.DataFrame, items: Sequence[str], *, up_to: int, residents: int | None
) -> dict[str, Any]:
    """Rows that few items make unique, the sets of items that do, and the share of each item in it."""
    found = special_uniques(frame, items, up_to=up_to)
    most = sorted(found.found.items(), key=lambda one: (-one[1], one[0]))
    told: dict[str, Any] = {
        "rows": found.rows,
        "up_to": found.up_to,
        "contributions": found.contributions(),
        "sets": [{"items": list(chosen), "rows": rows} for chosen, rows in most],
    }
    if residents is not None and len(frame):
        score = found.dis_score(fraction=len(frame) / residents)
        told["dis_highest"] = float(score.max(initial=0.0))
    return told


def of_signatures(found: Signatures) -> dict[str, Any]:
    return {
        "owners": found.owners,
        "alone": found.alone,
        "share_alone": found.share_alone,
        "smallest": found.k,
    }


def beside(
    frame: pd.DataFrame, population: pd.DataFrame, items: Sequence[str], *, persons: str | None
) -> dict[str, Any]:
    """The attackers who know the population, counted in it."""
    theirs = persons if persons is not None and persons in population else None
    matched = Matched.of(frame, population, items, persons=persons, population_persons=theirs)
    least, most = delta_presence(matched)
    return {
        "journalist": of_attack(journalist(matched)),
        "marketer": marketer(matched),
        "population": {
            "residents": matched.residents,
            "k_map": k_map(matched),
            "delta_presence": {"least": least, "most": most},
        },
    }


def of_trial(tried: Trial) -> dict[str, Any]:
    """What the intruder found, and within which bounds the rate lies for everybody."""
    interval = tried.interval()
    return {
        "items": list(tried.items),
        "tried": tried.tried,
        "correct": tried.correct,
        "wrong": tried.wrong,
        "guessed": tried.guessed,
        "unmatched": tried.unmatched,
        "rate": tried.rate,
        "precision": tried.precision,
        "rate_low": interval.low,
        "rate_high": interval.high,
    }
