from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellsign.benchmark.metrics import (
    auc,
    balanced_accuracy,
    bootstrap,
    pixel_f1,
    proportion,
    tpr_at_fpr,
)

LABELS = np.array([True, True, True, False, False, False])


def test_auc_of_a_perfect_a_useless_and_an_inverted_score() -> None:
    assert auc(np.array([4.0, 5, 6, 1, 2, 3]), LABELS) == 1.0
    assert auc(np.zeros(6), LABELS) == 0.5
    assert auc(np.array([1.0, 2, 3, 4, 5, 6]), LABELS) == 0.0


@given(st.lists(st.floats(-5, 5), min_size=6, max_size=6))
def test_auc_depends_on_order_alone(values: list[float]) -> None:
    scores = np.array(values)
    assert auc(scores, LABELS) == pytest.approx(auc(np.round(scores, 6) * 3 + 1, LABELS), abs=0.5)
    assert auc(scores, LABELS) + auc(-scores, LABELS) == pytest.approx(1.0)


def test_auc_needs_both_classes() -> None:
    with pytest.raises(ValueError, match="both classes"):
        auc(np.zeros(2), np.array([True, True]))


def test_tpr_at_fpr_never_lets_more_negatives_through() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2 == 0
    scores = np.round(rng.normal(labels * 1.0, 1.0), 1)  # many ties
    found = tpr_at_fpr(scores, labels, 0.05)
    threshold = np.sort(scores[labels])[::-1][int(found * 200) - 1]
    assert (scores[~labels] >= threshold).mean() <= 0.05


def test_balanced_accuracy_counts_each_class_once() -> None:
    labels = np.array([True] * 90 + [False] * 10)
    assert balanced_accuracy(np.ones(100), labels, 0.5) == 0.5


def test_clopper_pearson_known_values() -> None:
    """0 of 300 has the upper bound 1.22 %; 3 of 10 spans 6.67 % to 65.25 %."""
    assert proportion(0, 300).high == pytest.approx(0.01222, abs=1e-4)
    found = proportion(3, 10)
    assert (found.low, found.high) == pytest.approx((0.06674, 0.65245), abs=1e-4)
    with pytest.raises(ValueError, match="no proportion"):
        proportion(4, 3)


def test_the_bootstrap_interval_holds_the_value_and_repeats() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2 == 0
    scores = rng.normal(labels * 1.0, 1.0)
    found = bootstrap(auc, scores, labels, rounds=200)
    assert found.low < found.value < found.high
    assert found == bootstrap(auc, scores, labels, rounds=200)


def test_pixel_f1() -> None:
    a, b = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    assert pixel_f1(a, b) == 1.0
    a[:2], b[1:3] = True, True
    assert pixel_f1(a, b) == 0.5
