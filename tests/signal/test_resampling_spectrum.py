from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tellsign.signal.resampling_spectrum import (
    WINDOW,
    log10_probability,
    strongest_line,
    whole_picture_factor,
    window_corners,
    window_spectrum,
)

GREY = NDArray[np.uint8]


def noise(side: int, seed: int = 0) -> GREY:
    """A camera-like field: fine noise over soft shapes."""
    rng = np.random.default_rng(seed)
    soft = cv2.GaussianBlur(rng.normal(0, 1, (side, side)), (0, 0), 8) * 300
    fine = cv2.GaussianBlur(rng.normal(0, 8, (side, side)), (0, 0), 0.6)
    return np.clip(128 + soft + fine, 0, 255).round().astype(np.uint8)


def resized(grey: GREY, factor: float, side: int) -> GREY:
    out = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
    return np.asarray(out[:side, :side], np.uint8)


def test_corners_lie_inside_and_keep_to_their_bound() -> None:
    for shape in ((274, 274), (600, 1000), (3000, 4000), (280, 20000)):
        corners = window_corners(shape, 100)
        assert 1 <= len(corners) <= 100
        assert corners.min() >= 9
        assert (corners.max(axis=0) + WINDOW + 9 <= shape).all()
    assert len(window_corners((273, 4000), 100)) == 0


def test_without_periodicity_powers_are_exponential() -> None:
    spectrum = window_spectrum(noise(300), 20, 20)
    assert spectrum is not None
    inner = spectrum[20:100, 20:100]
    assert inner.mean() == pytest.approx(1.0, abs=0.05)
    assert (inner > 3).mean() == pytest.approx(np.exp(-3), rel=0.25)


def test_chance_lines_are_as_rare_as_stated() -> None:
    found = []
    for seed in range(40):
        spectrum = window_spectrum(noise(280, seed), 10, 10)
        assert spectrum is not None
        found.append(strongest_line(spectrum).log10_p)
    assert min(found) > -2.5  # once in 300 windows
    assert np.median(found) > -0.6


@pytest.mark.parametrize("factor", [0.93, 1.1, 1.23, 1.45])
def test_a_resized_window_has_the_lines_of_its_factor(factor: float) -> None:
    spectrum = window_spectrum(resized(noise(400), factor, 300), 20, 20)
    assert spectrum is not None
    line = strongest_line(spectrum)
    assert line.log10_p < -3
    if line.factor is None:
        distance = abs(1 / factor - round(1 / factor))
        assert min(abs(line.fx - distance), abs(abs(line.fy) - distance)) < 0.01


def test_a_rotated_window_has_lines() -> None:
    turn = cv2.getRotationMatrix2D((250, 250), 10, 1.0)
    turned = cv2.warpAffine(noise(500), turn, (500, 500), flags=cv2.INTER_LINEAR)
    spectrum = window_spectrum(turned, 120, 120)
    assert spectrum is not None
    assert strongest_line(spectrum).log10_p < -3


def test_the_same_line_is_known_elsewhere_and_only_there() -> None:
    one, other, none = (
        window_spectrum(resized(noise(400, 1), 1.23, 300), 20, 20),
        window_spectrum(resized(noise(400, 2), 1.23, 300), 20, 20),
        window_spectrum(noise(300, 3), 20, 20),
    )
    assert one is not None
    assert other is not None
    assert none is not None
    line = strongest_line(one)
    assert log10_probability(other, line, 1) < -2 < log10_probability(none, line, 1)


@pytest.mark.parametrize("factor", [0.9, 1.18, 1.45])
def test_the_factor_of_a_whole_picture_that_had_a_jpeg_grid(factor: float) -> None:
    _, data = cv2.imencode(".jpg", noise(900), [cv2.IMWRITE_JPEG_QUALITY, 85])
    decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)
    candidates = whole_picture_factor(resized(decoded, factor, 700))
    assert any(abs(c.factor / factor - 1) < 0.01 for c in candidates)
    assert all(c.log10_nfa < 0 for c in candidates)


def test_nothing_is_said_of_untouched_compressed_flat_or_small_pictures() -> None:
    _, data = cv2.imencode(".jpg", noise(700), [cv2.IMWRITE_JPEG_QUALITY, 85])
    decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)
    assert whole_picture_factor(noise(700)) == ()
    assert whole_picture_factor(decoded) == ()
    assert whole_picture_factor(np.full((700, 700), 9, np.uint8)) == ()
    assert whole_picture_factor(noise(270)) == ()
