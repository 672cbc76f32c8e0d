from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tellsign.signal.copymove import dense, geometry, grouping

Luma = NDArray[np.uint8]
Paste = Callable[..., tuple[NDArray[np.uint8], NDArray[np.float64]]]


@pytest.fixture(scope="module")
def sky() -> np.ndarray:
    """A smooth gradient with sensor noise, slightly blurred as cameras do."""
    yy, xx = np.mgrid[:320, :400]
    noise = np.random.default_rng(5).normal(0, 4, (320, 400)).astype(np.float32)
    sky = 120 + 0.1 * xx + 0.15 * yy + cv2.GaussianBlur(noise, (0, 0), 0.8)
    return np.clip(np.rint(sky), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("rotation", "mirrored"), [(0, False), (30, False), (90, False), (0, True)]
)
def test_finds_copies_in_a_smooth_place(
    sky: Luma, paste: Paste, rotation: float, mirrored: bool
) -> None:
    forged, true = paste(
        sky, source=(110, 100), target=(290, 220), side=110, rotation=rotation, mirrored=mirrored
    )
    pairs = dense.correspondences(forged.astype(np.float32), np.ones(forged.shape, np.bool_))
    best = grouping.hypotheses(pairs)[0]
    assert best.support >= 6
    assert geometry.describe(best.matrix, (0, 0)).mirrored is mirrored
    error = geometry.apply(best.matrix, best.seeds) - geometry.apply(true, best.seeds)
    assert np.abs(error).max() < 4.0


def test_noise_alone_has_no_supported_transform(sky: Luma) -> None:
    pairs = dense.correspondences(sky.astype(np.float32), np.ones(sky.shape, np.bool_))
    assert all(h.support < 6 for h in grouping.hypotheses(pairs))


def test_relative_phases_survive_turning_and_change_sign_when_mirrored(luma: Luma) -> None:
    patch = luma[100:201, 100:201].astype(np.float32)
    centre = np.array([50 * 101 + 50])
    _, angle, phase = dense._features(patch, centre)
    magnitude, _, _ = dense._features(patch, np.arange(101 * 101))
    turned = np.ascontiguousarray(np.rot90(patch, -1))  # clockwise on the screen
    _, angle_t, phase_t = dense._features(turned, centre)
    magnitude_t, _, _ = dense._features(turned, np.arange(101 * 101))
    flipped = np.ascontiguousarray(patch[:, ::-1])
    _, angle_f, phase_f = dense._features(flipped, centre)
    wrap = dense._wrap
    assert np.abs(wrap(angle_t - angle - np.pi / 2)).max() < 1e-3
    assert np.abs(wrap(phase_t - phase)).max() < 1e-2
    assert np.abs(wrap(angle_f - (np.pi - angle))).max() < 1e-3
    assert np.abs(wrap(phase_f + phase)).max() < 1e-2
    np.testing.assert_allclose(magnitude_t[centre], magnitude[centre], atol=0.06)


def test_too_few_pixels_give_nothing() -> None:
    empty = dense.correspondences(np.zeros((20, 20), np.float32), np.ones((20, 20), np.bool_))
    assert len(empty) == 0


def test_sampling_moves_with_the_content(monkeypatch: pytest.MonkeyPatch, luma: Luma) -> None:
    monkeypatch.setattr(dense, "CAPACITY", 30_000)
    a = luma[:400, :600].astype(np.float32)
    first = np.zeros(a.shape, np.bool_)
    first.ravel()[dense._sampled(a, np.ones(a.shape, np.bool_))] = True
    b = np.roll(a, (7, 13), axis=(0, 1))
    second = np.zeros(a.shape, np.bool_)
    second.ravel()[dense._sampled(b, np.ones(a.shape, np.bool_))] = True
    inner = np.s_[40:-40, 40:-40]
    assert (np.roll(first, (7, 13), axis=(0, 1))[inner] == second[inner]).mean() > 0.99
