"""Crops are native pixels of the picture, spread over it, and mapped back where they were."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellsign.nn import views


def picture(height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(height * 7919 + width)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 700), st.integers(1, 700), st.integers(1, 9))
def test_crops_are_the_pixels_at_their_corners(height: int, width: int, count: int) -> None:
    pixels = picture(height, width)
    cut, corners = views.crops(pixels, 64, count)
    whole = views.padded(pixels, 64)
    assert 1 <= len(cut) == len(corners) <= count
    for crop, (top, left) in zip(cut, corners, strict=True):
        np.testing.assert_array_equal(crop, whole[top : top + 64, left : left + 64])


def test_padding_reflects_and_keeps_the_picture() -> None:
    pixels = picture(10, 300)
    whole = views.padded(pixels, 64)
    assert whole.shape == (64, 300, 3)
    np.testing.assert_array_equal(whole[:10], pixels)
    np.testing.assert_array_equal(whole[10], pixels[9])


@pytest.mark.parametrize(("shape", "number"), [((64, 64), 1), ((512, 512), 8), ((200, 1000), 8)])
def test_as_many_crops_as_fit(shape: tuple[int, int], number: int) -> None:
    assert len(views.crops(picture(*shape), 64, 8)[0]) == number


def test_a_wide_picture_gets_a_wide_grid() -> None:
    _, corners = views.crops(picture(200, 1000), 100, 8)
    assert len(np.unique(corners[:, 1])) > len(np.unique(corners[:, 0]))


def test_the_corners_of_the_picture_are_seen() -> None:
    _, corners = views.crops(picture(300, 400), 100, 8)
    assert corners.min(0).tolist() == [0, 0]
    assert corners.max(0).tolist() == [200, 300]


def test_overlapping_crops_are_averaged_and_the_rest_is_not_valid() -> None:
    corners = np.array([[0, 0], [0, 32]])
    found = views.crop_map(np.array([1.0, 3.0]), corners, 64, (64, 160))
    np.testing.assert_allclose(found.values[0], [1, 2, 3, 0, 0])
    np.testing.assert_array_equal(found.valid[0], [True, True, True, False, False])
    assert found.stride == 32
    assert found.span is None
    odds = views.crop_map(np.array([1.0, 3.0]), corners, 64, (64, 160), views.LOG_ODDS)
    assert odds.span == (-5, 5)
    np.testing.assert_array_equal(odds.values, found.values)
