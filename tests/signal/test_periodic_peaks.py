from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tellsign.nn.views import crops
from tellsign.signal.periodic_peaks import (
    EVEN,
    FAMILIES,
    ODD,
    Family,
    cross_difference,
    log10_tail,
    mean_power,
    noise_residual,
    peak_ratios,
)
from tellsign.signal.spectrum import luma

Pixels = NDArray[np.uint8]


def soft_noise(side: int = 256, seed: int = 0) -> Pixels:
    rng = np.random.default_rng(seed)
    field = cv2.GaussianBlur(rng.normal(0, 40, (side, side, 3)), (0, 0), 0.8)
    return np.asarray(np.clip(128 + field, 0, 255).round(), np.uint8)


def ratios(pixels: Pixels, residual: str = "cross") -> dict[Family, float]:
    grey = luma(crops(pixels, 130, 16)[0])
    filtered = cross_difference(grey) if residual == "cross" else noise_residual(grey)
    return peak_ratios(mean_power(filtered))


def test_families_are_the_combinations_of_eighths() -> None:
    assert len(FAMILIES) == len(EVEN) + len(ODD) == 14
    assert (0, 4) in EVEN
    assert (2, 4) in EVEN
    assert (1, 4) in ODD
    assert (0, 0) not in FAMILIES


def test_plain_noise_has_no_peaks() -> None:
    for residual in ("cross", "noise"):
        found = ratios(soft_noise(), residual)
        assert max(found.values()) < 3


def test_doubled_pixels_peak_at_one_half_alone() -> None:
    small = soft_noise(128)
    found = ratios(small.repeat(2, 0).repeat(2, 1))
    assert found[0, 4] > 50
    assert all(found[f] < 5 for f in FAMILIES if 4 not in f)


def test_blocks_of_four_peak_at_quarters() -> None:
    large = soft_noise(64).repeat(4, 0).repeat(4, 1)
    noisy = large + np.random.default_rng(3).normal(0, 1, large.shape)
    found = ratios(np.asarray(np.clip(noisy, 0, 255).round(), np.uint8))
    assert found[0, 2] > 5 * max(found[f] for f in ODD)


def test_the_jpeg_grid_peaks_at_odd_eighths_too() -> None:
    _, data = cv2.imencode(".jpg", soft_noise(), [cv2.IMWRITE_JPEG_QUALITY, 60])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None
    found = ratios(np.asarray(decoded, np.uint8))
    assert min(found[0, 1], found[0, 3]) > 20
    assert max(found.values()) < 2 * max(found[f] for f in ODD)


def test_halved_colour_leaves_no_line_at_one_half() -> None:
    _, data = cv2.imencode(".jpg", soft_noise(), [cv2.IMWRITE_JPEG_QUALITY, 98])  # 4:2:0
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None
    for residual in ("cross", "noise"):
        assert ratios(np.asarray(decoded, np.uint8), residual)[0, 4] < 3


def test_an_added_checker_shows_in_the_signed_residual() -> None:
    y, x = np.mgrid[:256, :256]
    picture = soft_noise().astype(np.int64) + 2 * ((y + x) % 2)[..., None]
    found = ratios(np.asarray(np.clip(picture, 0, 255), np.uint8), "noise")
    assert found[4, 4] > 10


def test_content_near_dc_is_no_peak() -> None:
    """The bins 2, 4 and 8 of a well-known wrong port hold coarse structure, not periods."""
    x = np.arange(256)
    wave = 60 * np.sin(2 * np.pi * 4 * x / 128)
    picture = np.clip(soft_noise() + wave[None, :, None], 0, 255).round().astype(np.uint8)
    assert max(ratios(picture, "noise").values()) < 3


def test_the_cross_difference_is_clipped_and_flat_windows_add_nothing() -> None:
    windows = np.zeros((2, 130, 130), np.float32)
    windows[0, 60, 60] = 255
    found = cross_difference(windows)
    assert found.shape == (2, 128, 128)
    assert found.max() == 16
    assert np.isfinite(mean_power(found)).all()
    assert mean_power(found[1:]).max() == 0


def test_chance_falls_with_height_and_windows() -> None:
    assert log10_tail(1.0, 16) > -1
    assert log10_tail(4.0, 16) < log10_tail(2.0, 16) < -2
    assert log10_tail(3.0, 32) < log10_tail(3.0, 4)
