from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tellsign.media import from_bytes, open_media
from tellsign.media.jpeg import ijg_table
from tellsign.signal.dct import (
    coefficients_at,
    decode,
    spread_of_errors,
    zigzag,
)


def test_zigzag_begins_as_in_the_standard_and_holds_every_frequency_once() -> None:
    assert zigzag()[:6] == ((0, 0), (0, 1), (1, 0), (2, 0), (1, 1), (0, 2))
    assert len(set(zigzag())) == 64
    assert zigzag()[-1] == (7, 7)


@pytest.mark.parametrize("quality", [10, 50, 75, 95])
def test_ijg_table_is_what_the_encoder_writes(quality: int) -> None:
    buffer = io.BytesIO()
    Image.new("L", (16, 16)).save(buffer, "JPEG", quality=quality)
    media = open_media(from_bytes(buffer.getvalue()))
    assert media.dct is not None
    np.testing.assert_array_equal(media.dct.tables[0], ijg_table(quality))


def test_decode_gives_the_pixels_of_a_grey_jpeg() -> None:
    rng = np.random.default_rng(0)
    grey = rng.integers(40, 200, (32, 48)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "JPEG", quality=90)
    media = open_media(from_bytes(buffer.getvalue()))
    assert media.dct is not None
    pixels = decode(media.dct.planes[0], media.dct.tables[0]) + 128
    assert np.abs(np.clip(pixels, 0, 255) - media.pixels[..., 0]).max() < 1.5


def test_coefficients_undo_decode_on_the_same_grid_only() -> None:
    rng = np.random.default_rng(1)
    stored = rng.integers(-5, 6, (4, 6, 8, 8)).astype(np.int16)
    table = np.full((8, 8), 3, np.uint16)
    pixels = decode(stored, table)
    back = coefficients_at(pixels, (0, 0), zigzag())
    u, v = np.array(zigzag()).T
    np.testing.assert_allclose(back, stored[:, :, u, v] * 3.0, atol=1e-3)
    assert coefficients_at(pixels, (3, 5), zigzag()).shape == (3, 5, 64)


@pytest.mark.parametrize("shift", [(0, 0), (3, 5), (4, 0)])
def test_errors_spread_as_a_simulation_says(shift: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    deviation = np.linspace(1, 9, 64).reshape(8, 8)
    errors = np.rint(rng.normal(0, 10, (80, 80, 8, 8)) * deviation).astype(np.int16)
    measured = coefficients_at(decode(errors, np.ones((8, 8), np.uint16)), shift, zigzag()[:15])
    vertical, horizontal = spread_of_errors(shift)
    expected = vertical @ (100 * deviation**2 + 1 / 12) @ horizontal.T
    for i, (u, v) in enumerate(zigzag()[:15]):
        assert measured[..., i].var() == pytest.approx(expected[u, v], rel=0.08)
