"""Was a lossless picture a JPEG before, on which grid and at what quality?

Decoded JPEG pixels keep their coefficients near multiples of the former steps, disturbed only by
rounding to integers. Fan & de Queiroz (IEEE TIP 12 (2003), :DOI:`10.1109/TIP.2002.807361`) find the
grid by blocking and then the table by likelihood; here one search over all 64 grid origins and the
IJG tables does both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellsign.signal.dct import BLOCK
from tellsign.signal.dq import QUALITIES, bands, corners, pixel_rows
from tellsign.signal.dq_shifted import find_shift
from tellsign.signal.jpeg_traces import LEAST_BLOCKS, clipped_pixels, unclipped


@dataclass(frozen=True, slots=True)
class FormerJpeg:
    """`grid_x`, `grid_y`: origin of the 8x8 grid, 0...7; (0, 0) unless cropped since."""

    quality: int  # nearest IJG quality, 20...98
    grid_x: int
    grid_y: int
    decades: float  # -log10 of a bound on false alarms


def former_jpeg(luma: NDArray[np.uint8], pixels: NDArray[np.uint8]) -> FormerJpeg | None:
    """The former compression that shows best; None where too little of the picture can tell.

    Parameters
    ----------
    luma : (H, W) uint8
    pixels : (H, W, 3) uint8
        To leave out blocks with clipped pixels.
    """
    down, across = luma.shape[0] // BLOCK, luma.shape[1] // BLOCK
    if down < 2 or across < 2:
        return None
    blocks = luma[: down * BLOCK, : across * BLOCK]
    tall = blocks.reshape(down, BLOCK, across, BLOCK)
    varied = tall.max(axis=(1, 3)) > tall.min(axis=(1, 3))
    rows = bands(down, across, 4)
    windows = corners((unclipped(clipped_pixels(pixels)) & varied)[rows])
    if windows.sum() < LEAST_BLOCKS:
        return None
    part = blocks[pixel_rows(rows)].astype(np.float32) - 128
    found = find_shift(part, windows, None)
    dy, dx = found.shift
    return FormerJpeg(int(QUALITIES[found.quality_at]), dx, dy, found.existence)
