from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tellsign.signal.screenshot import bar_rows, identical_share, screenshot, subpixel_shift

Pixels = NDArray[np.uint8]


def window(photo: Pixels) -> Pixels:
    """A chat window of a phone's size with a status bar, text and a picture."""
    page = Image.new("RGB", (1080, 2340), (245, 245, 245))
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, 1079, 90), fill=(20, 20, 20))
    draw.text((30, 30), "12:45", fill="white")
    page.paste(Image.fromarray(photo), (100, 400))
    for row in range(30):
        draw.text((60, 1000 + row * 40), f"a line of a chat, number {row}", fill=(10, 10, 10))
    return np.asarray(page)


def test_a_screenshot_has_most_cues_and_a_photo_has_not(photo: Pixels) -> None:
    shot = screenshot(window(photo), lossless=True, camera=False)
    assert shot.screen_size
    assert shot.cues >= 5
    camera = screenshot(photo, lossless=False, camera=True)
    assert camera.cues == 0


def test_orientation_of_the_screen_does_not_matter(photo: Pixels) -> None:
    turned = np.ascontiguousarray(window(photo).transpose(1, 0, 2))
    assert screenshot(turned, True, False).screen_size


def test_bars_count_rows_of_nearly_one_colour(photo: Pixels) -> None:
    barred = photo.copy()
    barred[:20] = (30, 30, 30)
    barred[5:15, 10:60] = 200
    assert bar_rows(barred) == 20
    assert bar_rows(photo) < 12


def test_identical_neighbours(photo: Pixels) -> None:
    assert identical_share(np.full((10, 10, 3), 5, np.uint8)) == 1.0
    assert identical_share(photo) < 0.1
    assert identical_share(photo[:1]) == 0.0


def striped(text: NDArray[np.float64]) -> Pixels:
    """Render coverage at three columns per pixel: red, green, blue stripes of a panel."""
    kernel = np.ones(3) / 3
    smooth = np.apply_along_axis(lambda row: np.convolve(row, kernel, "same"), 1, text)
    return (255 - 200 * smooth.reshape(len(text), -1, 3)).astype(np.uint8)


def test_subpixel_text_is_shifted_and_grey_text_is_not() -> None:
    rng = np.random.default_rng(0)
    strokes = np.repeat(rng.random((120, 150)) < 0.3, 6, axis=1).astype(np.float64)
    coloured = striped(strokes)
    assert abs(subpixel_shift(coloured)) == pytest.approx(2 / 3, abs=0.3)
    grey = np.repeat(coloured[..., 1:2], 3, axis=2)
    assert subpixel_shift(grey) == 0.0


def test_tiny_pictures_are_survived() -> None:
    for shape in ((1, 1, 3), (2, 5, 3), (5, 2, 3)):
        seen = screenshot(np.zeros(shape, np.uint8), True, False)
        assert 0 <= seen.cues <= 6
