"""Compression histories: pixels that went through JPEG before, on the final grid or shifted.

Double compression leaves its trace in a block where both compressions acted. So a forgery is a
region with another history: never compressed before in a picture that was (`background`), or
compressed before in a picture that was not (`region`). Bianchi, Piva, "Image forgery localization
via block-grained analysis of JPEG artifacts", IEEE TIFS 7 (2012), :DOI:`10.1109/TIFS.2012.2187516`.
"""

from __future__ import annotations

import cv2
import numpy as np

from tellsign.forge.altered import Altered, Step
from tellsign.forge.codec import decode, encode_jpeg
from tellsign.forge.draws import Draws
from tellsign.forge.recipe import Recipe
from tellsign.forge.region import ALTERED, Mask, Pixels, draw_outline, place, to_multiple


def compressed(
    pixels: Pixels, quality: int, subsampling: str = "4:2:0", shift: tuple[int, int] = (0, 0)
) -> Pixels:
    """Pixels after one JPEG compression whose 8x8 grid begins at `shift` = (x, y).

    The picture keeps its size: a shifted grid is got by padding with the border's pixels, saving
    and cutting the padding off.
    """
    left, top = -shift[0] % 8, -shift[1] % 8
    padded = np.pad(pixels, ((top, 0), (left, 0), (0, 0)), mode="edge")
    return decode(encode_jpeg(padded, quality, subsampling))[top:, left:]


def reduced(pixels: Pixels, factor: float) -> Pixels:
    """Shrink by area averaging, so that traces of earlier compression vanish; 1 leaves as is.

    Not by 1/2 or another simple ratio: the old block edges would fall on the new grid.
    """
    if factor == 1:
        return pixels
    height, width = (max(1, round(side * factor)) for side in pixels.shape[:2])
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def with_history(
    pixels: Pixels,
    region: Mask,
    quality: int,
    subsampling: str = "4:2:0",
    shift: tuple[int, int] = (0, 0),
    history: str = "background",
) -> Pixels:
    """Pixels whose parts differ in history; the caller's final save makes them double.

    Parameters
    ----------
    region : (H, W) bool
        Best on the grid of the final save, see `to_multiple`: a block that is half of each history
        belongs to neither class.
    history
        ``background``: all but the region was compressed before; ``region``: only the region.
    """
    before = compressed(pixels, quality, subsampling, shift)
    touched = region if history == "region" else ~region
    return np.where(touched[..., None], before, pixels)


def double_jpeg(host: Pixels, recipe: Recipe, draws: Draws) -> Altered:
    """The first compression of a double-compressed picture, with a region of another history.

    With ``history = "whole"`` there is no region and the mask is empty. The pristine twin of
    ``region`` was never compressed before, that of ``background`` wholly.
    """
    quality = draws.integer("first_quality", recipe.first_quality)
    subsampling = draws.choice("subsampling", recipe.subsampling)
    history = draws.choice("history", recipe.history)
    shift = _draw_shift(draws, draws.choice("grid", recipe.grid))
    step: Step = {
        "step": "first jpeg", "quality": quality, "subsampling": subsampling,
        "grid_x": shift[0], "grid_y": shift[1], "history": history,
    }  # fmt: skip
    mask = np.zeros(host.shape[:2], np.uint8)
    before = compressed(host, quality, subsampling, shift)
    if history == "whole":
        return Altered(before, mask, before, (step,), (step,))
    outline = draw_outline(recipe, draws, host.shape)
    spot = place(draws, "place", outline, host, draws.choice("texture", recipe.texture))
    mask[spot.window][outline] = ALTERED
    region = to_multiple(mask > 0)
    mask[region] = ALTERED
    if history == "region":
        return Altered(np.where(region[..., None], before, host), mask, host, (step,))
    return Altered(np.where(region[..., None], host, before), mask, before, (step,), (step,))


def _draw_shift(draws: Draws, grid: str) -> tuple[int, int]:
    low = {"any": 0, "foreign": 1, "aligned": 0}[grid]
    index = draws.integer("shift", (low, 0 if grid == "aligned" else 63))
    return index % 8, index // 8
