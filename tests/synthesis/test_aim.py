"""AIM through OpenDP: a small table, within its loss and the public cells. Needs the extra `aim`."""

from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest

from workbench.errors import Unusable
from workbench.privacy.synthesis import aim
from workbench.privacy.synthesis.columns import Column, bounded
from workbench.privacy.synthesis.interface import Task
from workbench.privacy.synthesis.synthesisers import loss_within

COLUMNS = {
    "age": Column(minimum=0, maximum=5),
    "flag": Column(labels=("yes", "no")),
    "district": Column(labels=("north", "south")),
}
needs_aim = pytest.mark.skipif(
    not all(map(find_spec, aim.NEEDED)), reason="the extra is not installed: make aim"
)


def task(**more) -> Task:
    draw = np.random.default_rng(0)
    age = draw.integers(0, 6, 2000)
    frame = pd.DataFrame(
        {
            "age": age,
            "flag": np.where(draw.random(2000) < 0.1 + 0.6 * (age > 3), "yes", "no"),
            "district": draw.choice(["north", "south"], 2000),
        }
    )
    return Task(frame=frame, columns=COLUMNS, loss=loss_within(5.0), **more)


@needs_aim
@pytest.mark.slow
def test_aim_keeps_what_goes_together_within_the_public_cells():
    made_of = task()
    fitted = aim.aim(made_of, rounds=2, megabytes=1)
    made = fitted.sample(1500, order=np.random.default_rng(0))
    again = fitted.sample(1500, order=np.random.default_rng(0))

    assert abs(fitted.rows - 2000) < 200
    assert len(made) == 1500
    pd.testing.assert_frame_equal(made, again)
    kept = bounded(made, columns=COLUMNS)
    assert all(kept[name].isna().equals(made[name].isna()) for name in COLUMNS)
    rates = (made["flag"] == "yes").groupby(made["age"] > 3).mean()
    assert rates[True] > rates[False] + 0.3


def test_attack_a_household_beyond_its_bound_reaches_aim():
    """OpenDP is told of `most` rows a household, and that is what it gets."""
    learnt = aim.learnt_from(task(households=pd.Series(np.zeros(2000, dtype=int)), most=3))

    assert len(learnt) == 3


def test_a_demonstration_cannot_repeat_it_and_says_so():
    with pytest.raises(Unusable):
        aim.aim(task(demonstration=b"x"))


def test_without_the_extra_the_way_to_get_it_is_said(monkeypatch):
    monkeypatch.setattr(aim, "find_spec", lambda _: None)

    with pytest.raises(Unusable) as refusal:
        aim.aim(task())

    assert "make aim" in refusal.value.en
