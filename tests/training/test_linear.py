from __future__ import annotations

import numpy as np
import pytest

from tellsign.training.linear import balanced_weights, fit_logistic, fit_ridge, moments


def clouds(n: int, d: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    features = rng.normal(3.0, 2.0, (n, d))
    features[:, 1] += 3.0 * labels
    return features, labels


def test_every_group_and_both_labels_count_alike() -> None:
    groups, labels = ["a"] * 8 + ["b"] * 2 + ["c"] * 5, [1] * 10 + [0] * 5
    weights = balanced_weights(groups, labels)
    assert weights.mean() == pytest.approx(1.0)
    assert weights[:8].sum() == pytest.approx(weights[8:10].sum())
    assert weights[:10].sum() == pytest.approx(weights[10:].sum())


@pytest.mark.parametrize("fit", [fit_ridge, fit_logistic])
def test_the_informative_column_is_found(fit: object) -> None:
    features, labels = clouds(400, 6)
    probe = fit(features, labels, np.ones(400), 0.01)  # type: ignore[operator]
    assert probe.weights.argmax() == 1
    score = probe.score(features)
    assert score[labels == 1].mean() > 0.3 > -0.3 > score[labels == 0].mean()


def test_wide_features_give_the_solution_of_narrow_ones() -> None:
    """The dual and the primal are the same probe, up to how the penalty is counted."""
    features, labels = clouds(60, 60, 1)
    wide = fit_ridge(features, labels, np.ones(60), 0.1)
    z = (features - features.mean(0)) / features.std(0)
    penalty = 0.1 * np.trace(z @ z.T) / 60
    expected = np.linalg.solve(z.T @ z + penalty * np.eye(60), z.T @ (2.0 * labels - 1.0))
    assert np.allclose(wide.weights * features.std(0), expected, atol=1e-4)


def test_weights_equal_repetition() -> None:
    features, labels = clouds(50, 4, 2)
    twice = np.where(np.arange(50) < 10, 2.0, 1.0)
    repeated = np.concatenate([features, features[:10]])
    both = np.concatenate([labels, labels[:10]])
    one = fit_logistic(features, labels, twice / twice.mean(), 0.01)
    other = fit_logistic(repeated, both, np.ones(60), 0.01)
    assert np.allclose(one.weights, other.weights, atol=1e-3)
    assert one.bias == pytest.approx(other.bias, abs=1e-2)


def test_logistic_scores_are_log_odds() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(0, 1, (20000, 1))
    labels = (rng.random(20000) < 1 / (1 + np.exp(-(2 * x[:, 0] - 1)))).astype(int)
    probe = fit_logistic(x, labels, np.ones(20000), 0.0)
    assert probe.weights[0] == pytest.approx(2.0, abs=0.1)
    assert probe.bias == pytest.approx(-1.0, abs=0.1)


def test_scores_that_point_the_wrong_way_get_no_weight() -> None:
    features, labels = clouds(400, 3, 5)
    features[:, 0] = -features[:, 1]
    features[:, 2] -= labels
    probe = fit_logistic(features, labels, np.ones(400), 0.01, positive=True)
    assert probe.weights[1] > 0
    assert probe.weights[0] == probe.weights[2] == 0


def test_a_constant_column_is_harmless() -> None:
    features, labels = clouds(40, 3)
    features[:, 2] = 7.0
    _, deviation = moments(features, np.ones(40))
    assert deviation[2] > 0
    assert np.isfinite(fit_ridge(features, labels, np.ones(40), 0.1).score(features)).all()


def test_half_precision_is_enough() -> None:
    features, labels = clouds(80, 200, 4)
    full = fit_ridge(features, labels, np.ones(80), 0.5).score(features)
    half = fit_ridge(features.astype(np.float16), labels, np.ones(80), 0.5).score(features)
    assert np.abs(full - half).max() < 0.02
