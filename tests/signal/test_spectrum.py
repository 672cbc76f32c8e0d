from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tellsign.signal import spectrum


def noise(deviation: float, side: int = 128, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return rng.normal(128, deviation, (side, side)).astype(np.float32)


def test_log_dct_is_the_orthonormal_transform_of_the_whole_crop() -> None:
    rng = np.random.default_rng(0)
    crop = rng.integers(0, 256, (128, 128, 3), dtype=np.uint8)
    k, n = np.mgrid[:128, :128]
    basis = np.cos(np.pi * k * (2 * n + 1) / 256) * np.sqrt(2 / 128)
    basis[0] /= np.sqrt(2)
    found = spectrum.log_dct(crop)
    assert found.shape == (128, 128, 3)
    assert found.dtype == np.float32
    for channel in range(3):
        expected = np.log(np.abs(basis @ crop[..., channel] @ basis.T) + 1e-12)
        strong = expected > -2  # single precision has no more digits
        assert np.allclose(found[..., channel][strong], expected[strong], atol=1e-2)


def test_the_first_coefficient_is_the_mean_of_unscaled_pixels() -> None:
    crop = np.full((128, 128, 3), 50, np.uint8)
    found = spectrum.log_dct(crop)
    assert found[0, 0, 0] == pytest.approx(np.log(50 * 128), abs=1e-5)
    assert found[1:].max() < -5  # nothing else but rounding


def test_log_dct_takes_batches() -> None:
    rng = np.random.default_rng(1)
    crops = rng.integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    assert np.allclose(spectrum.log_dct(crops)[1], spectrum.log_dct(crops[1]), atol=1e-3)


def test_the_profile_of_white_noise_is_flat_at_its_level() -> None:
    profile = np.mean([spectrum.radial_profile(noise(10, seed=i)) for i in range(8)], axis=0)
    assert profile.shape == (65,)
    # The mean logarithm of an exponential power lies 2.5 dB below the logarithm of its mean.
    assert profile[3:].mean() == pytest.approx(20 - 2.51, abs=0.3)
    assert profile[5:].std() < 0.5


def test_a_wave_shows_at_its_radius() -> None:
    x = np.arange(128)
    wave = np.tile(128 + 40 * np.cos(2 * np.pi * 32 * x / 128), (128, 1)).astype(np.float32)
    profile = spectrum.radial_profile(wave + noise(1) - 128)
    assert int(profile[8:].argmax()) + 8 in (31, 32, 33)


def test_roll_off_knows_deficit_from_excess_and_not_contrast() -> None:
    plain = noise(20)
    soft = cv2.GaussianBlur(plain, (0, 0), 1.0)
    sharp = plain + 2 * (plain - soft)
    usual, low, high = (
        float(spectrum.roll_off(spectrum.radial_profile(np.asarray(g, np.float32))))
        for g in (plain, soft, sharp)
    )
    assert low < usual - 5 < usual < high - 2
    again = float(spectrum.roll_off(spectrum.radial_profile(0.5 * plain)))
    assert again == pytest.approx(usual, abs=0.1)


def test_quarters_and_small_spectra() -> None:
    grey = np.arange(128 * 128, dtype=np.float32).reshape(128, 128)
    cut = spectrum.quarters(grey)
    assert np.array_equal(cut[1], grey[:64, 64:])
    assert np.array_equal(cut[2], grey[64:, :64])
    batch = np.stack([grey, noise(5)])
    assert spectrum.small_spectrum(batch).shape == (2, 64 * 33)


def test_squares_answer_to_both_signs() -> None:
    centre = np.zeros(2, np.float32)
    up, down = (spectrum.with_squares(np.array([s, 0.0], np.float32), centre) for s in (3.0, -3.0))
    assert up[0] == -down[0]
    assert up[2] == down[2] > 0


@pytest.mark.parametrize(
    ("quality", "stratum"), [(None, "norm"), (90, "norm"), (60, "web"), (40, "hard")]
)
def test_the_reference_follows_the_compression(quality: int | None, stratum: str) -> None:
    assert spectrum.quality_stratum(quality) == stratum


def test_a_published_perturbation_never_set_its_quality() -> None:
    """``imencode(".jpg", x, [factor, 90])`` names no option: why its robustness figures mislead."""
    picture = np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    default = cv2.imencode(".jpg", picture)[1].tobytes()
    asked = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 37])[1].tobytes()
    for factor in (37, 60):
        assert cv2.imencode(".jpg", picture, [factor, 90])[1].tobytes() == default
    assert len(asked) < len(default) / 2
