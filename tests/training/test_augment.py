from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from small_bank import photograph

from tellsign.training.augment import Augmentation, blurred, central, compressed


@pytest.fixture(name="crop")
def _crop() -> NDArray[np.uint8]:
    # Of one strong colour, so that swapped channels show.
    crop = photograph(np.random.default_rng(3))
    crop[..., 0] //= 2
    return crop


def test_both_halves_are_treated_the_same(crop: NDArray[np.uint8]) -> None:
    batch = np.stack([crop, crop[::-1], crop, crop[::-1]])
    out = Augmentation(192, blur=0.5, jpeg=0.5)(batch, np.random.default_rng(0))
    assert out.shape == (4, 192, 192, 3)
    assert (out[0] == out[2]).all()
    assert (out[1] == out[3]).all()
    assert (out[0] != out[1]).any()


def test_without_blur_and_jpeg_every_pixel_is_one_of_the_crop(crop: NDArray[np.uint8]) -> None:
    """A marked pixel keeps its value wherever crop, flip and turn put it."""
    marked = np.zeros_like(crop)
    marked[120:136, 100:140] = 200
    places = set()
    for seed in range(30):
        out = Augmentation(192).one(marked, np.random.default_rng(seed))
        assert set(np.unique(out)) == {0, 200}
        assert (out[..., 0] == 200).sum() == 16 * 40
        rows = np.flatnonzero((out[..., 0] == 200).any(axis=1))
        places.add((int(rows[0]), len(rows)))
    assert {count for _, count in places} == {16, 40}  # with and without a quarter turn
    assert len(places) > 20


def test_turning_can_be_left_out(crop: NDArray[np.uint8]) -> None:
    marked = np.zeros_like(crop)
    marked[120:136, 100:140] = 200
    for seed in range(20):
        out = Augmentation(192, turn=False).one(marked, np.random.default_rng(seed))
        assert (out[..., 0] == 200).any(axis=1).sum() == 16


def test_blur_and_jpeg_change_what_they_should(crop: NDArray[np.uint8]) -> None:
    def rough(x: NDArray[np.uint8]) -> float:
        return float(np.abs(np.diff(x.astype(int), axis=1)).mean())

    assert rough(blurred(crop, 2.0)) < 0.5 * rough(crop)
    assert (blurred(crop, 0.01) == crop).all()
    for pillow in (True, False):
        low, high = (compressed(crop, q, pillow=pillow).astype(int) - crop for q in (30, 95))
        assert np.abs(low).mean() > 1.5 * np.abs(high).mean() > 0
        assert np.abs(high.mean(axis=(0, 1))).max() < 2  # channels were not swapped


def test_the_middle_is_the_middle() -> None:
    crops = np.arange(8 * 8, dtype=np.uint8).reshape(1, 8, 8, 1)
    assert central(crops, 4)[0, 0, 0, 0] == 2 * 8 + 2
    assert central(crops, 4).shape == (1, 4, 4, 1)
