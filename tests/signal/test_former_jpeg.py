from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tellsign.forge.jpeg_history import compressed
from tellsign.signal.former_jpeg import FormerJpeg, former_jpeg

Pixels = NDArray[np.uint8]


def read(pixels: Pixels) -> FormerJpeg | None:
    luma = np.rint(pixels @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    return former_jpeg(luma, pixels)


@pytest.mark.parametrize("quality", [50, 75, 90])
def test_quality_and_grid_of_a_decoded_jpeg(photo: Pixels, quality: int) -> None:
    before = compressed(photo, quality)
    whole, cropped = read(before), read(before[3:, 5:])
    assert whole is not None
    assert cropped is not None
    assert (whole.quality, whole.grid_x, whole.grid_y) == (quality, 0, 0)
    assert (cropped.quality, cropped.grid_x, cropped.grid_y) == (quality, 3, 5)
    assert min(whole.decades, cropped.decades) > 1000


def test_never_compressed_is_not_taken_for_a_jpeg(photo: Pixels) -> None:
    found = read(photo)
    assert found is not None
    assert found.decades < 60


def test_too_little_to_tell() -> None:
    assert read(np.zeros((9, 40, 3), np.uint8)) is None
    assert read(np.full((200, 200, 3), 77, np.uint8)) is None
    assert read(np.full((200, 200, 3), 255, np.uint8)) is None
