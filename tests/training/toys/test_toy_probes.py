"""Detectors fitted on one toy: the choice of a ridge's strength, and what is computed once."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tellsign.benchmark.metrics import auc  # noqa: E402
from tellsign.training.linear import fit_ridge, moments  # noqa: E402
from tellsign.training.toys import probes  # noqa: E402
from tellsign.training.toys.pictures import procedural  # noqa: E402

SIDE, N = 32, 60


def material(seed: int = 0) -> probes.Material:
    """The maker's pictures carry a chequerboard."""
    board = 10 * (np.indices((SIDE, SIDE)).sum(axis=0) % 2)
    made = np.clip(procedural(N, SIDE, seed) + board[..., None], 0, 255).astype(np.uint8)
    owners = tuple(i // 3 for i in range(N))
    return probes.Material(made, procedural(N, SIDE, seed + 50), owners, seed)


def test_crops_of_one_photograph_share_a_fold() -> None:
    fold = probes.folds(material())
    assert len(fold) == 2 * N
    assert set(fold) == set(range(probes.FOLDS))
    crops = fold[N:].reshape(-1, 3)
    assert (crops == crops[:, :1]).all()


@pytest.mark.parametrize("width", [20, 200])
def test_what_is_told_without_a_fold_is_what_a_fit_without_it_tells(width: int) -> None:
    rng = np.random.default_rng(1)
    x, fold = rng.normal(size=(40, width)), np.arange(40) % 4
    target = np.sign(x[:, 0] + rng.normal(size=40))
    penalty = 7.0
    inverse = np.linalg.inv(x @ x.T + penalty * np.eye(40))
    told = probes.left_out(inverse, target, fold)
    for number in range(4):
        rest = fold != number
        gram = x[rest].T @ x[rest] + penalty * np.eye(width)
        weights = np.linalg.solve(gram, x[rest].T @ target[rest])
        assert np.allclose(told[~rest], x[~rest] @ weights)


def test_noise_wants_a_strong_penalty_and_order_a_weak_one() -> None:
    rng = np.random.default_rng(2)
    labels, fold = np.arange(120) % 2, np.arange(120) // 2 % 5
    target = 2.0 * labels - 1
    noisy = rng.normal(size=(120, 100)) + 0.25 * target[:, None]
    # Two columns whose difference alone tells the classes, and hardly.
    common = rng.normal(size=120)
    fine = np.stack([common + 0.02 * target, common - 0.02 * target], axis=1)
    assert probes.chosen_strength(noisy, labels, fold) >= 0.1
    assert probes.chosen_strength(fine, labels, fold) <= 0.01


def test_the_penalty_is_that_of_the_fit() -> None:
    rng = np.random.default_rng(3)
    labels = np.arange(60) % 2
    for width in (10, 300):
        x = rng.normal(size=(60, width)) + 0.3 * (2.0 * labels[:, None] - 1)
        fitted = fit_ridge(x, labels, np.ones(60), 0.5)
        mean, deviation = moments(x, np.ones(60))
        z = (x - mean) / deviation
        gram = z @ z.T
        penalty = 0.5 * gram.trace() / min(x.shape)
        dual = np.linalg.solve(gram + penalty * np.eye(60), 2.0 * labels - 1)
        assert np.allclose(fitted.score(x), gram @ dual, atol=1e-4)


def test_pictures_are_looked_at_once() -> None:
    looked: list[int] = []

    def extract(pictures: np.ndarray) -> np.ndarray:
        looked.append(len(pictures))
        return pictures.reshape(len(pictures), -1).astype(np.float32)

    pictures = procedural(6, SIDE, 0)
    remembered = probes.Remembered(extract)
    remembered(pictures[:4])
    again = remembered(pictures[::-1])
    assert looked == [4, 2]
    assert np.array_equal(again, extract(pictures[::-1]))


def test_sixteen_bits_hold_the_spectrum() -> None:
    features = probes.dct_features(procedural(4, SIDE, 0))
    assert features.shape == (4, SIDE * SIDE * 3)
    assert np.isfinite(features).all()
    assert features.max() < 11
    assert features.min() > -5


@pytest.mark.parametrize("trainer", [probes.ridge_on(probes.dct_features), probes.critic])
def test_both_kinds_learn_what_is_there(
    trainer: probes.Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "CRITIC_STEPS", 60)
    trained, other = trainer(material()), material(7)
    scores = np.concatenate([trained.score(other.generated), trained.score(other.photographs)])
    assert auc(scores, np.arange(2 * N) < N) > 0.9
