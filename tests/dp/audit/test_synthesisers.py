"""The synthesiser that counts is audited by its measurements: replayed on neighbours, and from one run."""

import os

import numpy as np
import pandas as pd
import pytest

from workbench.privacy.dp import noise
from workbench.privacy.dp.audit.distinguisher import Normal, bound
from workbench.privacy.dp.audit.neighbours import HOUSEHOLD, city, pairs
from workbench.privacy.dp.audit.one_run import coins, epsilon_at_least, guessed
from workbench.privacy.dp.audit.recording import Recorder, at_the_door, compare
from workbench.privacy.dp.loss import Loss
from workbench.privacy.dp.noise import Draw, Mechanism
from workbench.privacy.synthesis import dp_tree, private_tree
from workbench.privacy.synthesis.columns import Column
from workbench.privacy.synthesis.interface import Task

COLUMNS = {
    "absent": Column(minimum=0, maximum=365),
    "score": Column(minimum=20, maximum=80, whole=False),
    "sex": Column(labels=("female", "male")),
    "district": Column(labels=("north", "south", "east", "west")),
}
RHO = Loss.zcdp(0.5)
TABLE = city()


def synthetic(frame: pd.DataFrame) -> str:
    """What is told: the synthetic rows and how many there are said to be."""
    task = Task(
        frame=frame[list(COLUMNS)].reset_index(drop=True),
        columns=COLUMNS,
        targets=("sex",),
        households=frame[HOUSEHOLD].reset_index(drop=True),
        most=2,
        loss=RHO,
    )
    fitted = private_tree.tree(task)
    return f"{fitted.rows} {fitted.sample(50, order=np.random.default_rng(0)).to_csv()}"


def test_the_tree_tells_neighbours_apart_by_its_noise_alone():
    found = [compare(synthetic, pair.there, pair.here, charged=RHO) for pair in pairs(TABLE, thorough=False)]

    assert {fault for one in found for fault in one.faults} == set()
    assert max(one.reached for one in found) == 1.0


def test_attack_the_tree_learns_from_all_rows_of_a_household(monkeypatch):
    monkeypatch.setattr(private_tree, "learnt_from", lambda task: task.frame)
    crowd = next(pair for pair in pairs(TABLE, thorough=False) if pair.name.startswith("many rows"))

    assert compare(synthetic, crowd.there, crowd.here, charged=RHO).faults


# ------------------------------------------------------------------ one run, many planted households

PLANTED = 200_000 if os.environ.get("AUDIT_DP_LONG") else 20_000
LOUD = Loss.zcdp(2)
OTHER = ("a", "b")
# Of the loss, what goes into the looks in which a planted household has a cell of its own.
SEEN = dp_tree.SHARES["items"] / 2 + dp_tree.SHARES["edges"]


def one_run(*, less: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """
    A tree learnt once from the planted households that came in: what its noisy counts say of each, and who did.

    Each has a code of its own. All that is noisy is published (it decides the samples), so whoever guesses
    sees all of it, which no sample of rows would show them.
    """
    codes = tuple(f"c{number}" for number in range(PLANTED))
    came_in = coins(PLANTED, generator=np.random.default_rng())
    frame = pd.DataFrame({"code": np.array(codes)[came_in], "other": "a"})
    columns = {"code": Column(labels=codes), "other": Column(labels=OTHER)}

    def door(mechanism, exact, drawn):
        smaller = Mechanism(mechanism.kind, mechanism.scale * less, mechanism.sensitivity)
        return recorder(
            mechanism, exact, drawn if less == 1.0 else noise.BUILT[mechanism.kind].measurement(smaller)
        )

    recorder = Recorder()
    with at_the_door(door):
        private_tree.tree(Task(frame=frame, columns=columns, most=1, loss=LOUD))
    return evidence([call for call in recorder.calls if call.mechanism.kind is Draw.GAUSSIAN]), came_in


def evidence(calls) -> np.ndarray:
    """For each code the sum of its noisy counts, each weighed by how exact it is."""
    scores = np.zeros(PLANTED)
    for call in calls:
        told = np.array(call.told, dtype=float)
        weight = 1 / call.mechanism.scale**2
        if told.size == PLANTED + 1:
            scores += weight * told[:PLANTED]
        elif told.size == (PLANTED + 1) * (len(OTHER) + 1):
            scores += weight * told.reshape(PLANTED + 1, -1)[:PLANTED, 0]
    return scores


@pytest.mark.slow
def test_one_run_shows_no_more_than_the_tree_costs():
    """Steinke, Nasr and Jagielski's bound, and the sharper one for normal noise; neither is above the claim."""
    scores, came_in = one_run()
    delta = 1e-6
    epsilon = LOUD.amount + 2 * np.sqrt(LOUD.amount * np.log(1 / delta))  # Bun and Steinke 2016, Prop. 1.3

    from_guesses = epsilon_at_least(guessed(scores, came_in, made=PLANTED // 20), delta=delta)
    from_scores = bound(
        scores[came_in][: PLANTED // 3], scores[~came_in][: PLANTED // 3], claim=Normal(LOUD.amount)
    )

    assert 1.0 < from_guesses <= epsilon
    # The looks that see a planted household have this part of the loss, and most of it shows (0.8, give or take 0.05).
    assert 0.5 * SEEN * LOUD.amount < from_scores.found <= SEEN * LOUD.amount


@pytest.mark.slow
def test_attack_half_of_the_noise_of_the_tree():
    """With four times the loss, the part that planted households see is above the whole claim."""
    scores, came_in = one_run(less=0.5)

    assert not bound(
        scores[came_in][: PLANTED // 3], scores[~came_in][: PLANTED // 3], claim=Normal(LOUD.amount)
    ).holds
