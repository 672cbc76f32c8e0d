"""A picture and its reduced copies: crops within a budget, every scale with the same voice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellsign.nn import scales, views

REDUCED = ((0.5, 2), (0.25, 1))


def picture(height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(height * 7919 + width)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 900), st.integers(1, 900), st.integers(4, 9))
def test_native_crops_come_first_and_the_budget_holds(height: int, width: int, count: int) -> None:
    plan = scales.layout((height, width), 64, count, REDUCED, 48)
    number = sum(len(s.corners) for s in plan)
    assert plan[0].factor == 1
    assert 1 <= number <= count
    cut = scales.cut(picture(height, width), 64, plan)
    assert cut.shape == (number, 64, 64, 3)
    corners, sides = scales.native(64, plan)
    inside = np.minimum(corners + sides[:, None], [height, width])
    assert (inside > corners).all()


def test_native_crops_are_the_pixels_as_they_are() -> None:
    pixels = picture(300, 400)
    plan = scales.layout((300, 400), 64, 8, REDUCED, 48)
    cut = scales.cut(pixels, 64, plan)
    assert [(s.factor, len(s.corners)) for s in plan] == [(1, 5), (0.5, 2), (0.25, 1)]
    for crop, (top, left) in zip(cut, plan[0].corners, strict=False):
        np.testing.assert_array_equal(crop, pixels[top : top + 64, left : left + 64])


def test_reduced_crops_average_areas() -> None:
    pixels = picture(300, 400)
    plan = scales.layout((300, 400), 64, 8, REDUCED, 48)
    halved = pixels.reshape(150, 2, 200, 2, 3).mean(axis=(1, 3))
    top, left = plan[1].corners[0]
    shown = scales.cut(pixels, 64, plan)[len(plan[0].corners)]
    wanted = halved[top : top + 64, left : left + 64]
    assert np.abs(shown - wanted).max() <= 0.51  # rounding


@pytest.mark.parametrize(("shorter", "number"), [(94, 1), (96, 2), (189, 2), (192, 3)])
def test_a_picture_too_small_to_reduce_is_seen_as_it_is(shorter: int, number: int) -> None:
    plan = scales.layout((shorter, 700), 64, 8, REDUCED, 48)
    assert len(plan) == number
    assert sum(len(s.corners) for s in plan) == 8


def test_without_reduction_crops_are_those_of_the_picture() -> None:
    pixels = picture(90, 200)
    plan = scales.layout((90, 200), 64, 8, (), 48)
    cut, corners = views.crops(pixels, 64, 8)
    np.testing.assert_array_equal(scales.cut(pixels, 64, plan), cut)
    np.testing.assert_array_equal(scales.native(64, plan)[0], corners)


def test_every_scale_counts_alike() -> None:
    plan = scales.layout((300, 400), 64, 8, REDUCED, 48)
    values = np.array([1, 2, 3, 4, 5, 10, 20, 7], float)
    np.testing.assert_allclose(scales.means(values, plan), [3, 15, 7])


def test_reduced_crops_lie_where_they_were_taken() -> None:
    plan = scales.layout((300, 400), 64, 8, REDUCED, 48)
    corners, sides = scales.native(64, plan)
    assert sides.tolist() == [64] * 5 + [128] * 2 + [256]
    np.testing.assert_array_equal(corners[5:7], 2 * plan[1].corners)
    found = views.crop_map(np.arange(8.0), corners, sides, (300, 400))
    top, left = corners[7] // 32
    assert found.valid[top : top + 8, left : left + 8].all()
