"""The traces of earlier compressions in one JPEG file, computed once for all who ask."""

from __future__ import annotations

from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from tellsign.media.jpeg import ijg_table
from tellsign.media.media import Media
from tellsign.signal.dct import BLOCK, decode
from tellsign.signal.dq import FREQUENCIES, Trace
from tellsign.signal.dq_aligned import aligned_trace
from tellsign.signal.dq_shifted import shifted_trace

LEAST_SIDE = 16  # blocks; half of the smallest analysis window of Bianchi & Piva 2012
LEAST_BLOCKS = 256  # with texture and without clipping, to fit a histogram per frequency
# Pixel values from which a block counts as clipped: the extremes and what the last compression
# makes of them.
CLIPPED = 2
# A quality this low or lower hides nearly every former compression: only tables of quality 20
# (the coarsest tried) to 30 would be coarser.
COARSE = 30

_known: WeakKeyDictionary[Media, tuple[Trace, Trace]] = WeakKeyDictionary()
_lock = Lock()


class Untraceable(Exception):
    """The coefficients cannot tell; `code` is "not_jpeg", "too_small", "no_luma", ..."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def traces(media: Media) -> tuple[Trace, Trace]:
    """The best aligned and the best shifted former compression. Raises `Untraceable`.

    Kept as long as `media` lives: two detectors ask for them.
    """
    with _lock:
        known = _known.get(media)
    if known is not None:
        return known
    code = obstacle(media)
    if code is not None or media.dct is None:
        raise Untraceable(code or "not_jpeg")
    found = traces_of(
        whole_blocks(media.dct.planes[0], media.shape),
        media.dct.tables[0],
        clipped_pixels(media.pixels),
    )
    with _lock:
        return _known.setdefault(media, found)


def obstacle(media: Media) -> str | None:
    """Why a file cannot be examined, as far as its form tells; else None."""
    if media.dct is None:
        return "not_jpeg"
    if min(media.shape) < LEAST_SIDE * BLOCK:
        return "too_small"
    down, across = media.shape[0] // BLOCK, media.shape[1] // BLOCK
    plane = media.dct.planes[0]
    if len(media.dct.planes) not in (1, 3) or plane.shape[0] < down or plane.shape[1] < across:
        return "no_luma"
    return "too_coarse" if is_coarse(media.dct.tables[0]) else None


def traces_of(
    coefficients: NDArray[np.int16], table: NDArray[np.uint16], clipped: NDArray[np.bool_]
) -> tuple[Trace, Trace]:
    """The same from arrays.

    Parameters
    ----------
    coefficients : (blocks down, blocks across, 8, 8)
        Quantised luma of the whole blocks, from the file.
    table : (8, 8)
    clipped : (8 * blocks down, 8 * blocks across)
        See `clipped_pixels`.
    """
    fit = unclipped(clipped) & textured(coefficients)
    if fit.sum() < LEAST_BLOCKS:
        raise Untraceable("too_smooth")
    pixels = decode(coefficients, table)
    return (
        aligned_trace(coefficients, table, pixels, fit),
        shifted_trace(coefficients, table, pixels, fit, clipped),
    )


def is_coarse(table: NDArray[np.uint16]) -> bool:
    """Whether the luma table is on the whole as coarse as IJG quality `COARSE`, or coarser."""
    u, v = np.array(FREQUENCIES).T
    return bool(np.log(table[u, v] / ijg_table(COARSE)[u, v]).mean() >= 0)


def whole_blocks(plane: NDArray[np.int16], shape: tuple[int, int]) -> NDArray[np.int16]:
    """Drop the blocks that reach beyond the picture's edge: part of them is padding."""
    return plane[: shape[0] // BLOCK, : shape[1] // BLOCK]


def textured(coefficients: NDArray[np.int16]) -> NDArray[np.bool_]:
    """(blocks down, blocks across): whether anything but the mean was kept."""
    flat = coefficients.reshape(*coefficients.shape[:2], BLOCK * BLOCK)
    return np.asarray(flat[..., 1:].any(axis=2))


def clipped_pixels(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Of the whole 8x8 blocks: black, white and saturated pixels, (8 * down, 8 * across)."""
    height, width = (side // BLOCK * BLOCK for side in pixels.shape[:2])
    # One comparison for both ends: adding wraps 253...255 round to 0...2.
    near_end = pixels[:height, :width] + np.uint8(CLIPPED + 1) < 2 * (CLIPPED + 1)
    return np.asarray(near_end[..., 0] | near_end[..., 1] | near_end[..., 2])


def unclipped(clipped: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(blocks down, blocks across): blocks without a clipped pixel."""
    down, across = clipped.shape[0] // BLOCK, clipped.shape[1] // BLOCK
    rows = clipped.reshape(down, BLOCK, -1).any(axis=1)
    return ~np.asarray(rows.reshape(down, across, BLOCK).any(axis=2))
