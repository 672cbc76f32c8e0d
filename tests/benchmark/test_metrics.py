from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellsign.benchmark.metrics import (
    Flags,
    Floats,
    Ranking,
    Roc,
    auc,
    balanced_accuracy,
    best_threshold,
    bootstrap,
    brier,
    chance_calibration_error,
    negative_log_likelihood,
    pixel_f1,
    proportion,
    threshold_of_even_odds,
    tpr_at_fpr,
)
from tellsign.calibration.assess import expected_calibration_error

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


# --- weighted ----------------------------------------------------------------------------------


def roc(scores: Floats, labels: Flags, weights: Floats | None = None) -> Roc:
    flat = np.ones(len(scores)) if weights is None else weights
    return Ranking.of(scores, labels).roc(flat[None])


@given(st.lists(st.integers(-3, 3), min_size=6, max_size=6))
def test_with_equal_weights_the_ranking_agrees_with_the_plain_metrics(values: list[int]) -> None:
    scores = np.array(values, float)
    found = roc(scores, LABELS)
    assert found.auc()[0] == pytest.approx(auc(scores, LABELS))
    for rate in (0.05, 0.34):
        assert found.tpr_at(rate)[0] == pytest.approx(tpr_at_fpr(scores, LABELS, rate))


def test_a_weight_counts_like_copies() -> None:
    rng = np.random.default_rng(3)
    scores = np.round(rng.normal(LABELS * 1.0, 1.0), 1)
    copies = np.array([1, 2, 3, 1, 4, 2])
    repeated = Ranking.of(np.repeat(scores, copies), np.repeat(LABELS, copies))
    long = repeated.roc(np.ones((1, copies.sum())))
    short = roc(scores, LABELS, copies.astype(float))
    assert short.auc() == pytest.approx(long.auc())
    assert short.average_precision() == pytest.approx(long.average_precision())
    assert short.equal_error_rate() == pytest.approx(long.equal_error_rate())


def test_average_precision_at_even_prior() -> None:
    """A useless score has the precision of a coin, whatever the number of each class."""
    labels = np.arange(50) < 45
    assert roc(np.zeros(50), labels).average_precision()[0] == pytest.approx(0.5)
    assert roc(labels * 1.0, labels).average_precision()[0] == 1.0


def test_equal_error_rate_of_known_rankings() -> None:
    assert roc(np.array([4.0, 5, 6, 1, 2, 3]), LABELS).equal_error_rate()[0] == 0.0
    assert roc(np.array([1.0, 2, 3, 4, 5, 6]), LABELS).equal_error_rate()[0] == 1.0
    assert roc(np.zeros(6), LABELS).equal_error_rate()[0] == pytest.approx(0.5)
    swapped = np.array([6.0, 5, 2, 3, 1, 0])  # one of three on either wrong side
    assert roc(swapped, LABELS).equal_error_rate()[0] == pytest.approx(1 / 3)


def test_a_ranking_needs_both_classes() -> None:
    with pytest.raises(ValueError, match="both classes"):
        Ranking.of(np.zeros(2), np.array([False, False]))


def test_the_best_threshold_separates_and_heeds_weights() -> None:
    even = np.ones(6)
    assert best_threshold(np.array([4.0, 5, 6, 1, 2, 3]), LABELS, even) == 3.5
    scores = np.array([9.0, 2.0, 2.5, 3.0, 1.0, 0.0])
    heavy = np.array([1.0, 1, 1, 100, 1, 1])
    assert best_threshold(scores, LABELS, heavy) == 6.0
    light = np.array([1.0, 1, 1, 0.01, 1, 1])
    assert best_threshold(scores, LABELS, light) == 1.5


def test_the_threshold_of_even_odds_is_that_of_two_normal_classes() -> None:
    # Equal spreads: even odds lie midway between the means, whatever the share of either class.
    generator = np.random.default_rng(0)
    scores = np.concatenate([generator.normal(3, 1, 4000), generator.normal(1, 1, 1000)])
    labels = np.arange(5000) < 4000
    weights = np.where(labels, 0.5 / 4000, 0.5 / 1000)
    assert threshold_of_even_odds(scores, labels, weights) == pytest.approx(2.0, abs=0.05)


def test_the_threshold_of_even_odds_changes_less_than_the_best_one() -> None:
    generator = np.random.default_rng(1)
    labels = np.arange(60) < 30
    weights = np.full(60, 1 / 60)
    draws = [np.where(labels, 1.0, 0.0) + generator.normal(0, 1, 60) for _ in range(100)]
    found = [
        np.std([choose(scores, labels, weights) for scores in draws])
        for choose in (threshold_of_even_odds, best_threshold)
    ]
    assert found[0] < 0.5 * found[1]


def test_without_a_rising_curve_the_best_threshold_is_taken() -> None:
    falling = np.array([1.0, 2, 3, 4, 5, 6])
    even = np.ones(6)
    assert threshold_of_even_odds(falling, LABELS, even) == best_threshold(falling, LABELS, even)
    same = np.full(6, 2.0)
    assert threshold_of_even_odds(same, LABELS, even) == 2.0


def test_losses_of_ratios() -> None:
    silent = np.zeros(4)
    labels = np.array([True, False, True, False])
    assert brier(silent, labels, np.ones(4)) == pytest.approx(0.25)
    assert negative_log_likelihood(silent, labels, np.ones(4)) == pytest.approx(np.log(2))
    right = np.where(labels, 2.0, -2.0)
    assert brier(right, labels, np.ones(4)) < 0.001
    assert negative_log_likelihood(-right, labels, np.ones(4)) > 4
    assert brier(np.where(labels, 2.0, 2.0), labels, np.array([1.0, 0, 1, 0])) < 0.001


def test_ratios_without_error_show_a_calibration_error_by_chance_that_shrinks_with_n() -> None:
    generator = np.random.default_rng(0)
    found = []
    for n in (300, 30000):
        labels = np.arange(n) < n // 2
        # Two normal classes a spread of one apart: the ratio of x is exp(x - 1/2), exactly.
        x = np.where(labels, 1.0, 0.0) + generator.normal(0, 1, n)
        llr = (x - 0.5) / np.log(10)
        chance = chance_calibration_error(llr, labels)
        assert chance.low - 0.01 <= expected_calibration_error(llr, labels) <= chance.high + 0.01
        assert expected_calibration_error(llr + 0.5, labels) > chance.high
        found.append(chance.value)
    assert 0.04 < found[0] < 0.1
    assert found[1] == pytest.approx(found[0] / 10, rel=0.3)  # falls with the root of n


def test_without_both_classes_among_the_draws_there_is_no_chance() -> None:
    one = np.array([9.0, 9.0])
    assert chance_calibration_error(one, np.array([True, False])).value == 0.0
