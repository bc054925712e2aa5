"""What is learnt from a table is measured on real children whom it never held."""

import numpy as np
import pandas as pd
import pytest

from workbench.privacy.synthesis.columns import Column
from workbench.privacy.synthesis.usefulness import Task, calibration_error, usefulness

COLUMNS = {
    "absent": Column(minimum=0, maximum=60),
    "aid": Column(labels=("no", "yes")),
    "district": Column(labels=("E1", "E2")),
    "later": Column(labels=("no", "yes")),
}
TASK = Task("later", "yes", items=("absent", "aid", "district"), groups=("district",), capacity=0.1)


def town(rows: int = 4000, seed: int = 0) -> pd.DataFrame:
    r = np.random.default_rng(seed)
    absent, aid = r.poisson(8, rows), r.random(rows) < 0.2
    logit = -4.5 + 0.15 * absent + 1.5 * aid
    frame = pd.DataFrame(
        {
            "absent": pd.array(absent, dtype="Int64"),
            "aid": np.where(aid, "yes", "no"),
            "district": r.choice(["E1", "E2"], rows),
            "later": np.where(r.random(rows) < 1 / (1 + np.exp(-logit)), "yes", "no"),
        }
    )
    frame.loc[r.random(rows) < 0.1, "absent"] = pd.NA
    return frame


def learnt_from(frame: pd.DataFrame, **more):
    return {one.learner: one for one in usefulness(frame, town(seed=9), columns=COLUMNS, task=TASK, **more)}


def test_real_rows_teach_and_shuffled_outcomes_do_not():
    real = town()
    shuffled = real.assign(later=real["later"].sample(frac=1, random_state=1).to_numpy())

    good, none = learnt_from(real), learnt_from(shuffled)

    for learner in ("logistic", "boosting"):
        assert good[learner].auc.value > 0.68
        assert good[learner].average_precision > 1.5 * good[learner].prevalence
        assert good[learner].calibration_error < 0.03
        # Shuffled outcomes order nobody; boosting fits noise, so its ranking wanders around one half.
        assert none[learner].auc.low < 0.55


def test_a_table_that_lost_the_outcome_teaches_nothing_and_says_so():
    lost = town().assign(later="no")

    assert not any(one.learnt for one in learnt_from(lost).values())


def test_a_table_that_doubles_the_outcome_is_badly_calibrated():
    real = town()
    doubled = pd.concat([real, *[real[real["later"] == "yes"]] * 3])

    assert learnt_from(doubled)["logistic"].calibration_error > 0.08
    assert learnt_from(doubled)["logistic"].observed_to_expected < 0.6


def test_a_group_whose_signs_were_erased_is_found_less_often():
    """The held-out children of one district have no record of absence: recall there falls."""
    held = town(seed=9)
    held.loc[held["district"] == "E2", ["absent", "aid"]] = [pd.NA, "no"]

    fair = learnt_from(town())["logistic"]
    unfair = usefulness(town(), held, columns=COLUMNS, task=TASK)[0]

    assert unfair.group_error > fair.group_error + 0.15
    assert {group.level for group in unfair.groups} == {"E1", "E2"}


def test_rows_without_a_known_outcome_are_left_out():
    frame = town()
    frame.loc[:999, "later"] = None

    assert learnt_from(frame)["logistic"].rows == 3000


@pytest.mark.parametrize(
    ("promised", "error"), [(np.full(100, 0.5), 0.0), (np.full(100, 0.9), 0.4), (np.full(100, 0.0), 0.5)]
)
def test_calibration_error_is_the_gap_between_promise_and_rate(promised, error):
    actual = np.tile([True, False], 50)

    assert calibration_error(promised, actual) == pytest.approx(error)
