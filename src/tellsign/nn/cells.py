"""Networks that give a logit for every cell of a crop: their input, their map, their best crop."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tellsign.nn.views import LOG_ODDS, Pixels, crop_map
from tellsign.types import Box, Map


def network_input(crops: Pixels) -> NDArray[np.float32]:
    """(k, s, s, 3) uint8 -> (k, 3, s, s) float32, values kept: scaling is the network's part."""
    return np.ascontiguousarray(crops.transpose(0, 3, 1, 2), np.float32)


def cell_map(
    logits: NDArray[np.float32], corners: NDArray[np.int64], side: int, shape: tuple[int, int]
) -> Map:
    """The logits of all cells where they lie in the picture, on the scale of log odds.

    Parameters
    ----------
    logits, corners
        (k, g, g) and (k, 2): cells of k crops, row and column of each crop's first pixel.
    side
        Of a crop, in pixels.
    shape
        Height and width of the picture in pixels; cells in its reflection are left out.
    """
    grid = logits.shape[1]
    starts = np.arange(grid) * side // grid
    offsets = np.stack(np.meshgrid(starts, starts, indexing="ij"), axis=-1).reshape(1, -1, 2)
    places = (corners[:, None, :] + offsets).reshape(-1, 2)
    inside = (places < np.array(shape)).all(axis=1)
    return crop_map(logits.reshape(-1)[inside], places[inside], side // grid, shape, LOG_ODDS)


def crop_box(corner: NDArray[np.int64], side: int, shape: tuple[int, int]) -> Box:
    """The part of a crop that lies in the picture."""
    top, left = int(corner[0]), int(corner[1])
    return Box(left, top, min(side, shape[1] - left), min(side, shape[0] - top))
