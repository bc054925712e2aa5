"""The measures agree with the field's own libraries and hold their laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from workbench.riskflag import metrics

ranked = st.lists(st.tuples(st.integers(-9, 9), st.booleans()), min_size=4, max_size=60).filter(
    lambda rows: sum(label for _, label in rows) >= 2 and sum(not label for _, label in rows) >= 2
)


def arrays(rows):
    return np.array([score for score, _ in rows], dtype=np.int64), np.array([label for _, label in rows])


@given(ranked)
def test_auc_and_average_precision_agree_with_scikit_learn(rows):
    scores, labels = arrays(rows)

    assert metrics.auc(scores, labels).value == pytest.approx(roc_auc_score(labels, scores))
    assert metrics.average_precision(scores, labels) == pytest.approx(average_precision_score(labels, scores))


@given(ranked)
def test_turning_the_scores_round_turns_the_auc_round(rows):
    scores, labels = arrays(rows)
    there, back = metrics.auc(scores, labels), metrics.auc(-scores, labels)

    assert there.value + back.value == pytest.approx(1)
    assert there.low <= there.value <= there.high


def test_delong_s_interval_has_the_variance_of_the_placements():
    """By hand: positives 3, 1 over negatives 2, 0 win (1, .5); negatives 2, 0 lose to (.5, 1)."""
    scores, labels = np.array([3, 1, 2, 0]), np.array([True, True, False, False])
    interval = metrics.auc(scores, labels)

    assert interval.value == 0.75
    margin = 1.959963984540054 * np.sqrt(0.125 / 2 + 0.125 / 2)
    assert interval.low == pytest.approx(0.75 - margin)


@settings(deadline=None, max_examples=5)
@given(st.integers(0, 1000))
def test_delong_s_interval_is_as_wide_as_the_bootstrap_s(seed):
    rng = np.random.default_rng(seed)
    labels = rng.random(400) < 0.2
    scores = (1000 * (rng.normal(size=400) + labels)).astype(np.int64)
    interval = metrics.auc(scores, labels)
    draws = []
    for _ in range(200):
        chosen = rng.integers(0, 400, 400)
        draws.append(metrics.auc(scores[chosen], labels[chosen]).value)

    assert (interval.high - interval.low) == pytest.approx(2 * 1.96 * np.std(draws), rel=0.25)


def test_wilson_s_interval_agrees_with_the_published_example():
    """Newcombe, "Two-sided confidence intervals for the single proportion" (1998): 15 of 148 and 0 of 20."""
    assert metrics.wilson(15, 148).low == pytest.approx(0.0624, abs=5e-5)
    assert metrics.wilson(15, 148).high == pytest.approx(0.1605, abs=5e-5)
    assert metrics.wilson(0, 20).low == 0
    assert metrics.wilson(0, 20).high == pytest.approx(0.1611, abs=5e-5)
