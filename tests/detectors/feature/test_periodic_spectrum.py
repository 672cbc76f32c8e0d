from __future__ import annotations

import io
import math

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tellsign.detectors.base import Abstain
from tellsign.detectors.feature.periodic_spectrum import PeriodicSpectrum, excess, find_peaks
from tellsign.media import from_bytes, open_media
from tellsign.media.media import Media
from tellsign.signal.periodic_peaks import FAMILIES

Pixels = NDArray[np.uint8]


def noise(side: int, seed: int = 0) -> Pixels:
    rng = np.random.default_rng(seed)
    field = cv2.GaussianBlur(rng.normal(0, 40, (side, side, 3)), (0, 0), 0.8)
    return np.asarray(np.clip(128 + field, 0, 255).round(), np.uint8)


def opened(pixels: Pixels, **save: object) -> Media:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, **({"format": "PNG"} | save))  # type: ignore[arg-type]
    return open_media(from_bytes(out.getvalue()))


def test_doubled_pixels_are_told_with_their_period() -> None:
    evidence = PeriodicSpectrum().examine(opened(noise(200).repeat(2, 0).repeat(2, 1)))
    found = [f for f in evidence.findings if f.code == "periodic.pattern"]
    assert found
    assert found[0].values["period"] == 2
    assert "every 2 pixels" in found[0].text
    assert float(found[0].values["ratio"]) > 50


def test_blocks_of_four_have_period_four_where_only_quarters_peak() -> None:
    y, x = np.mgrid[:400, :400]
    wave = 3 * np.cos(np.pi * y / 2) * np.cos(np.pi * x / 2)
    picture = np.clip(noise(400) + wave[..., None], 0, 255).round().astype(np.uint8)
    codes = {f.values.get("period") for f in PeriodicSpectrum().examine(opened(picture)).findings}
    assert 4 in codes


def test_untouched_noise_has_no_findings() -> None:
    assert PeriodicSpectrum().examine(opened(noise(400))).findings == ()


def test_the_jpeg_grid_is_named_and_not_taken_for_a_generator() -> None:
    evidence = PeriodicSpectrum().examine(opened(noise(400), format="JPEG", quality=60))
    assert [f.code for f in evidence.findings] == ["periodic.grid"]


def test_small_and_flat_pictures_are_not_judged() -> None:
    detector = PeriodicSpectrum()
    assert detector.applicable(opened(noise(191))) == "too_small"
    assert detector.applicable(opened(noise(192))) is None
    with pytest.raises(Abstain, match="flat"):
        detector.examine(opened(np.full((300, 300, 3), 80, np.uint8)))


def test_strong_compression_is_not_judged() -> None:
    detector = PeriodicSpectrum()
    assert detector.applicable(opened(noise(256), format="JPEG", quality=40)) == (
        "strong_compression"
    )
    assert detector.applicable(opened(noise(256), format="JPEG", quality=60)) is None


def test_the_grid_is_taken_off_the_score() -> None:
    plain = PeriodicSpectrum().examine(opened(noise(400))).score
    compressed = PeriodicSpectrum().examine(opened(noise(400), format="JPEG", quality=60)).score
    doubled = PeriodicSpectrum().examine(opened(noise(200).repeat(2, 0).repeat(2, 1))).score
    assert plain < 2
    assert compressed < doubled / 2


def test_excess_counts_lines_above_the_odd_eighths_only() -> None:
    flat = dict.fromkeys(FAMILIES, 1.0)
    assert excess(flat) == 0
    assert excess(flat | {(0, 4): math.e**2}) == pytest.approx(2)
    assert excess(flat | {(0, 1): math.e**2}) == 0
    grid = {f: math.e**3 for f in FAMILIES}
    assert excess(grid) == pytest.approx(0)
    assert excess(grid | {(2, 2): math.e**4}) == pytest.approx(1)


def test_a_large_picture_costs_as_many_windows_as_a_middling_one() -> None:
    peaks = find_peaks(np.tile(noise(256), (6, 6, 1)), 64)
    assert peaks is not None
    assert 40 <= peaks.windows <= 64
