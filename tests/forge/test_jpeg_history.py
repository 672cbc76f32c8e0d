"""Histories are checked in the DCT domain, where they leave their trace."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import fft

from tellsign.forge.codec import encode_jpeg, ijg_table
from tellsign.forge.draws import Draws
from tellsign.forge.jpeg_history import compressed, double_jpeg, reduced, with_history
from tellsign.forge.recipe import recipe_from_mapping
from tellsign.media import from_bytes, open_media

Pixels = NDArray[np.uint8]


def zeros_per_shift(pixels: Pixels) -> NDArray[np.int64]:
    """Near-zero AC coefficients on each of the 64 grids, (8, 8) by (y, x) of the first block."""
    luma = np.rint(pixels @ [0.299, 0.587, 0.114])
    counts = np.zeros((8, 8), np.int64)
    for y in range(8):
        for x in range(8):
            part = luma[y:, x:]
            rows, columns = (part.shape[0] - 8) // 8, (part.shape[1] - 8) // 8
            blocks = part[: rows * 8, : columns * 8].reshape(rows, 8, columns, 8)
            spectrum = fft.dctn(blocks, axes=(1, 3), norm="ortho")
            counts[y, x] = int((np.abs(spectrum) < 0.5).sum() * 1000 / (rows * columns))
    return counts


@pytest.mark.parametrize("shift", [(0, 0), (3, 0), (0, 5), (7, 2)])
def test_the_first_grid_lies_where_it_was_put(host: Pixels, shift: tuple[int, int]) -> None:
    counts = zeros_per_shift(compressed(host, 60, "4:4:4", shift))
    y, x = np.unravel_index(int(np.argmax(counts)), counts.shape)
    assert (int(x), int(y)) == shift


def test_size_stays_and_content_stays(host: Pixels) -> None:
    odd = host[:101, :67]
    again = compressed(odd, 90, "4:2:0", (3, 6))
    assert again.shape == odd.shape
    assert np.abs(again.astype(int) - odd).mean() < 6


def test_reducing(host: Pixels) -> None:
    assert reduced(host, 1) is host
    half = reduced(host, 0.5)
    blocks = host.reshape(128, 2, 160, 2, 3).mean(axis=(1, 3))
    assert np.abs(half - blocks).max() <= 0.75


def test_an_odd_ratio_removes_the_grid_and_halving_does_not(host: Pixels) -> None:
    saved = compressed(host, 60)
    for factor, gone in ((0.5, False), (0.57, True), (0.66, True)):
        counts = zeros_per_shift(reduced(saved, factor))
        assert (counts[0, 0] < 1.05 * np.median(counts)) == gone


def test_only_the_background_was_compressed_before(host: Pixels) -> None:
    region = np.zeros(host.shape[:2], np.bool_)
    region[64:128, 80:160] = True
    mixed = with_history(host, region, 50, "4:4:4")
    assert np.array_equal(mixed[region], host[region])
    assert np.array_equal(mixed[~region], compressed(host, 50, "4:4:4")[~region])
    other = with_history(host, region, 50, "4:4:4", history="region")
    assert np.array_equal(other[~region], host[~region])


def test_double_quantised_coefficients_keep_to_the_first_steps(host: Pixels) -> None:
    """After 50 -> 95 on one grid, coefficients lie near multiples of the first table's steps."""
    recipe = recipe_from_mapping(
        {"operation": "double_jpeg", "first_quality": 50, "grid": "aligned", "area": 0.2}
    )
    result = double_jpeg(host, recipe, Draws("1"))
    assert (result.mask.reshape(32, 8, 40, 8) == result.mask[::8, None, ::8, None]).all()
    dct = open_media(from_bytes(encode_jpeg(result.pixels, 95, "4:2:0"))).dct
    assert dct is not None
    step, first = int(ijg_table(95)[0, 1]), int(ijg_table(50)[0, 1])
    values = dct.planes[0][:, :, 0, 1].astype(float) * step
    off = np.abs(values - first * np.rint(values / first))
    altered = result.mask[::8, ::8] == 255
    # By chance a distance to the nearest multiple of 11 averages about 2.75.
    assert off[~altered].mean() < 0.75 * off[altered].mean()
    assert off[~altered & (values != 0)].mean() < 1.6


def test_histories_and_their_twins(host: Pixels) -> None:
    values = {"operation": "double_jpeg", "first_quality": 60, "area": 0.1, "grid": "foreign"}
    for history in ("background", "region", "whole"):
        draws = Draws("4")
        recipe = recipe_from_mapping({**values, "history": history})
        result = double_jpeg(host, recipe, draws)
        shift = draws.values["shift"]
        assert isinstance(shift, int)
        assert 1 <= shift <= 63
        before = compressed(host, 60, str(draws.values["subsampling"]), (shift % 8, shift // 8))
        assert np.array_equal(result.before, host if history == "region" else before)
        assert result.mask.any() == (history != "whole")
        assert len(result.shared) == (history != "region")
