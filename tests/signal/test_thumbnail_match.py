from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tellsign.signal.thumbnail_match import correlation, match_thumbnail

Luma = NDArray[np.uint8]


@pytest.fixture(scope="module")
def main(photo: NDArray[np.uint8]) -> Luma:
    return photo.mean(axis=2).astype(np.uint8)


def reduced(luma: Luma, width: int = 160, height: int = 120) -> Luma:
    return np.asarray(Image.fromarray(luma).resize((width, height), Image.Resampling.BOX))


def test_its_own_thumbnail_is_the_same(main: Luma) -> None:
    found = match_thumbnail(main, reduced(main))
    assert found is not None
    assert found.relation == "same"
    assert found.correlation > 0.97
    assert found.difference is not None
    assert found.difference.max() < 4


def test_dropped_pixels_instead_of_averages_are_still_the_same(main: Luma) -> None:
    found = match_thumbnail(main, np.ascontiguousarray(main[::4, ::4]))
    assert found is not None
    assert found.relation == "same"


@pytest.mark.parametrize("bars", [(14, 14, 0, 0), (0, 0, 9, 9), (10, 10, 5, 4)])
def test_dark_bars_are_cut_off(main: Luma, bars: tuple[int, int, int, int]) -> None:
    top, bottom, left, right = bars
    inner = reduced(main, 160 - left - right, 120 - top - bottom)
    found = match_thumbnail(main, np.pad(inner, ((top, bottom), (left, right))))
    assert found is not None
    assert found.relation == "same"


def test_a_dark_ground_is_not_taken_for_bars(main: Luma) -> None:
    night = np.full_like(main, 6)
    night[150:330, 380:560] = main[150:330, 380:560] // 2 + 100
    found = match_thumbnail(night, reduced(night))
    assert found is not None
    assert found.relation == "same"


def test_another_tone_curve_is_the_same(main: Luma) -> None:
    brighter = (255 * (reduced(main) / 255.0) ** 0.7).astype(np.uint8)
    found = match_thumbnail(main, brighter)
    assert found is not None
    assert found.relation == "same"


def test_a_turned_thumbnail_is_called_turned(main: Luma) -> None:
    found = match_thumbnail(main, np.ascontiguousarray(np.rot90(reduced(main))))
    assert found is not None
    assert (found.relation, found.turns, found.mirrored) == ("rotated", 1, False)


def test_a_cropped_picture_is_found_in_its_thumbnail(main: Luma) -> None:
    found = match_thumbnail(np.ascontiguousarray(main[96:384, 128:512]), reduced(main))
    assert found is not None
    assert found.relation == "cropped"
    assert found.window == pytest.approx((0.2, 0.2, 0.8, 0.8), abs=0.06)


def test_another_picture_is_different(main: Luma) -> None:
    other = reduced(np.ascontiguousarray(np.roll(main, (211, 307), axis=(0, 1))[::-1]))
    rng = np.random.default_rng(8)
    blobs = Image.fromarray(rng.integers(0, 256, (6, 8), dtype=np.uint8))
    unlike = np.asarray(blobs.resize((160, 120), Image.Resampling.BICUBIC))
    found = match_thumbnail(main, unlike)
    assert found is None or found.relation == "different"
    assert match_thumbnail(main, other) is None or match_thumbnail(main, other) != "same"


def test_flat_and_tiny_pictures_say_nothing(main: Luma) -> None:
    assert match_thumbnail(main, np.full((120, 160), 90, np.uint8)) is None
    assert match_thumbnail(main, reduced(main, 20, 15)) is None


def test_correlation_ignores_gain_and_offset() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(20, 30)).astype(np.float32)
    assert correlation(a, 3 * a + 7) == pytest.approx(1.0, abs=1e-5)
    assert correlation(a, np.zeros_like(a)) == 0.0
