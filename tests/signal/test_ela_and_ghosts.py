from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tellsign.forge.jpeg_history import compressed
from tellsign.signal import views

Pixels = NDArray[np.uint8]


def luma_of(pixels: Pixels) -> Pixels:
    return np.rint(pixels @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)


def test_error_level_covers_the_picture_and_says_what_it_is_not(photo: Pixels) -> None:
    cropped = photo[:475, :637]
    view = views.error_level(cropped)
    assert view.values.shape == (60, 80)
    assert view.coverage == 1.0
    assert view.values.min() >= 0
    assert "not tampering" in view.caption
    expected = np.abs(
        cropped[:8, :8].astype(int) - views.resaved(cropped, views.ELA_QUALITY)[:8, :8]
    ).mean()
    assert abs(view.values[0, 0] - expected) < 0.6


def test_error_level_shrinks_with_each_saving(photo: Pixels) -> None:
    once, twice = (views.error_level(p).values.mean() for p in (photo, compressed(photo, 90)))
    assert twice < once


def test_ghost_of_a_region_lies_at_its_former_quality(photo: Pixels) -> None:
    grey = luma_of(photo)
    forged = grey.copy()
    before = views.resaved(grey, 60)
    forged[160:320, 160:320] = before[160:320, 160:320]
    quality, depth = views.ghosts(forged)
    inside = np.zeros(quality.values.shape, bool)
    inside[22:38, 22:38] = True
    assert np.median(quality.values[inside]) == 60
    assert np.median(quality.values[~inside]) == views.GHOST_QUALITIES[-1]
    assert depth.values.min() >= 0
    assert depth.values.max() <= 1
    assert "not evidence" in quality.caption


def test_flat_pictures_have_nothing_to_show() -> None:
    quality, _ = views.ghosts(np.full((64, 64), 128, np.uint8))
    assert quality.coverage == 0.0


def test_strips_do_not_change_the_result(photo: Pixels, monkeypatch: object) -> None:
    whole = views.error_level(photo).values
    parts = [views.resaved(photo[:240], 90), views.resaved(photo[240:], 90)]
    np.testing.assert_array_equal(np.concatenate(parts), views.resaved(photo, 90))
    assert sum(len(strip) for strip in views.strips(photo)) == len(photo)
    assert whole.shape == (60, 80)
