from __future__ import annotations

import numpy as np
import pytest

from tellsign.signal.patch_statistics import (
    BINS,
    FEATURES,
    MOMENTS,
    RESIDUALS,
    activity,
    features,
    prediction_error,
    residuals,
)


def test_one_row_of_statistics_for_each_patch() -> None:
    patches = np.random.default_rng(0).integers(0, 256, (3, 100, 100, 3), dtype=np.uint8)
    found = features(patches)
    assert found.shape == (3, FEATURES)
    assert found.dtype == np.float32
    assert len(residuals(patches)) == RESIDUALS
    assert np.allclose(found[1], features(patches[1:2])[0], atol=1e-4)


def test_a_soft_histogram_adds_up_and_moments_are_moments() -> None:
    rng = np.random.default_rng(1)
    patch = np.clip(rng.normal(120, 3, (1, 100, 100, 1)).repeat(3, 3), 0, 255).astype(np.uint8)
    found = features(patch).reshape(RESIDUALS, BINS + MOMENTS)
    assert found[:, :BINS].sum(axis=1) == pytest.approx(np.ones(RESIDUALS), abs=1e-4)
    horizontal = np.diff(patch[0, ..., 1].astype(float), axis=1)
    mean, log_variance, low, high = found[0, BINS:]
    assert mean == pytest.approx(horizontal.mean(), abs=1e-3)
    assert log_variance == pytest.approx(np.log1p(horizontal.var()), abs=1e-3)
    assert low == pytest.approx(-np.log2(1 - horizontal.min()), abs=1e-4)
    assert high == pytest.approx(np.log2(1 + horizontal.max()), abs=1e-4)


def test_grey_has_no_colour_noise() -> None:
    patch = np.random.default_rng(2).integers(0, 256, (1, 100, 100, 1), dtype=np.uint8).repeat(3, 3)
    colour = features(patch).reshape(RESIDUALS, -1)[7:]
    assert np.array_equal(colour[:, BINS:], np.zeros((6, MOMENTS)))
    assert (colour[:, :BINS].argmax(axis=1) == BINS // 2).all()


def test_noise_spreads_the_histogram() -> None:
    rng = np.random.default_rng(3)
    weak, strong = (
        features(np.clip(rng.normal(128, s, (1, 100, 100, 3)), 0, 255).astype(np.uint8))[0, 5]
        for s in (1, 12)
    )
    assert weak > strong


def test_planes_are_predicted_without_error() -> None:
    y, x = np.mgrid[:20, :20].astype(np.int16)
    assert not prediction_error((3 * x + 2 * y)[None]).any()
    bump = np.zeros((1, 5, 5), np.int16)
    bump[0, 2, 2] = 7
    assert prediction_error(bump)[0, 1, 1] == 28


def test_extreme_contrast_does_not_overflow() -> None:
    y, x = np.mgrid[:100, :100]
    checker = np.where((x + y) % 2, 255, 0).astype(np.uint8)
    grey = np.stack([checker, checker, checker], axis=2)[None]
    colour = np.stack([checker, 255 - checker, checker], axis=2)[None]
    assert int(np.abs(residuals(grey)[6]).max()) == 8 * 255
    assert int(np.abs(residuals(colour)[9]).max()) == 4 * 255
    assert np.isfinite(features(colour)).all()


def test_activity_counts_what_carries_noise() -> None:
    rng = np.random.default_rng(4)
    patches = np.full((3, 100, 100, 3), 90, np.uint8)
    patches[1] = rng.integers(60, 120, (100, 100, 3))
    patches[2] = 255
    flat, noisy, clipped = activity(patches)
    assert flat == clipped == 0
    assert noisy > 0.9
