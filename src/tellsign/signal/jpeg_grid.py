"""Votes of pixels for the origin of a JPEG 8x8 grid, by zeros among DCT coefficients.

Where a picture went through JPEG, the 8x8 windows on the former grid have more coefficients near
zero than shifted windows. Each pixel votes for the window over it that has most of them
(Nikoukhah et al., IPOL 11, 2021, DOI 10.5201/ipol.2021.390, section 3.1).
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

BLOCK = 8
NO_VOTE = -1

# A coefficient counts as zero below 1/2. Exactly 1/2 is frequent (the bases of frequencies 0 and 4
# give multiples of 1/8), and rounding noise would decide it; a bound where no rational coefficient
# lies decides it the same way in every precision and order of summation.
ZERO_BOUND = 0.5 - 2.0**-12
# Single precision errs by less than this (measured maximum 9.2e-5, on a 0/255 checker of noise).
_DOUBT = 2.0**-13

# Sizes that keep a strip and its 64 coefficient planes in a 1 MB second-level cache.
_ROWS = 64
_COLUMNS = 1024
_TOGETHER = 8  # window rows that one matrix product transforms


def dct_matrix() -> NDArray[np.float64]:
    """(8, 8) orthonormal DCT-II: row = frequency, column = sample."""
    k = np.arange(BLOCK)
    basis: NDArray[np.float64] = 0.5 * np.cos((2 * k[None, :] + 1) * k[:, None] * np.pi / 16)
    basis[0] /= np.sqrt(2.0)
    return basis


def _sliding(basis: NDArray[np.float32]) -> NDArray[np.float32]:
    """Matrix that maps `_TOGETHER` + 7 rows to every frequency of every window among them."""
    span = _TOGETHER + BLOCK - 1
    out = np.zeros((len(basis), _TOGETHER, span), np.float32)
    for row in range(_TOGETHER):
        out[:, row, row : row + BLOCK] = basis
    return out.reshape(-1, span)


_DCT = dct_matrix()
_DCT32 = _DCT.astype(np.float32)
_DOWN = _sliding(_DCT32)
_DOWN_AC = _sliding(_DCT32[1:])  # for horizontal frequency 0: leaves the mean out


def zero_counts(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Number of AC coefficients near zero in each 8x8 window.

    Parameters
    ----------
    luma : (H, W) uint8
        H, W >= 8.

    Returns
    -------
    (H - 7, W - 7) uint8
        0..63, at the window's top-left pixel. Equal to a double-precision transform with
        `ZERO_BOUND`: single precision is used where it is safe, double where it is not.
    """
    height, width = (side - BLOCK + 1 for side in luma.shape)
    counts = np.empty((height, width), np.uint8)
    for top in range(0, height, _ROWS):
        rows = min(_ROWS, height - top)
        for left in range(0, width, _COLUMNS):
            columns = min(_COLUMNS, width - left)
            tile = luma[top : top + rows + BLOCK - 1, left : left + columns + BLOCK - 1]
            counts[top : top + rows, left : left + columns] = _tile_counts(tile)
    return counts


def _tile_counts(tile: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rows, columns = (side - BLOCK + 1 for side in tile.shape)
    padded = -(-rows // _TOGETHER) * _TOGETHER
    centred = tile.astype(np.float32) - np.float32(128)  # the mean costs precision and is not used
    shifted = np.stack([centred[:, i : i + columns] for i in range(BLOCK)])
    across = np.zeros((BLOCK, padded + BLOCK - 1, columns), np.float32)
    across[:, : len(tile)] = (_DCT32 @ shifted.reshape(BLOCK, -1)).reshape(BLOCK, -1, columns)

    sure = np.zeros((padded, columns), np.uint8)
    possible = np.zeros((padded, columns), np.uint8)
    low, high = np.float32(ZERO_BOUND - _DOUBT), np.float32(ZERO_BOUND + _DOUBT)
    for top in range(0, padded, _TOGETHER):
        here = slice(top, top + _TOGETHER)
        for frequency in range(BLOCK):
            down = _DOWN if frequency else _DOWN_AC
            c = down @ across[frequency, top : top + _TOGETHER + BLOCK - 1]
            np.abs(c, out=c)
            for bound, total in ((low, sure), (high, possible)):
                near = (c < bound).view(np.uint8).reshape(-1, _TOGETHER, columns)
                total[here] += near.sum(axis=0, dtype=np.uint8)
    sure, possible = sure[:rows], possible[:rows]

    y, x = np.nonzero(sure != possible)
    windows = sliding_window_view(tile, (BLOCK, BLOCK))
    for part in np.array_split(np.arange(len(y)), -(-len(y) // 4096) or 1):
        exact = np.abs(_DCT @ windows[y[part], x[part]].astype(np.float64) @ _DCT.T)
        exact[:, 0, 0] = np.inf
        sure[y[part], x[part]] = (exact < ZERO_BOUND).sum(axis=(1, 2))
    return sure


def grid_votes(luma: NDArray[np.uint8]) -> NDArray[np.int8]:
    """The grid origin each pixel votes for.

    Parameters
    ----------
    luma : (H, W) uint8
        Rounded luma; H, W >= 15.

    Returns
    -------
    (H, W) int8
        ``x % 8 + 8 * (y % 8)`` of the top-left pixel of the one window with most zeros among the 64
        that cover the pixel; `NO_VOTE` where several share the maximum, where that window is
        constant along rows or columns, and in the border of 7 pixels that fewer windows cover.
    """
    height, width = luma.shape
    margin = BLOCK - 1
    counts = zero_counts(luma)
    votes = np.full((height, width), NO_VOTE, np.int8)
    origins = np.arange(BLOCK, dtype=np.int16)
    columns = np.arange(counts.shape[1]) % BLOCK
    for top in range(0, height - 2 * margin, _ROWS):
        bottom = min(top + _ROWS, height - 2 * margin) + margin
        rows = np.arange(top, bottom) % BLOCK
        key = (counts[top:bottom].astype(np.int16) << 7) | origins[columns]
        key |= (origins[rows] << 3)[:, None]
        key |= _constant(luma[top : bottom + margin]).astype(np.int16) << 6
        best = _unique_maximum(_unique_maximum(key).T).T
        undecided = ((best & 64) != 0) | (best < 128)  # a count of zero wins nothing
        votes[top + margin : bottom, margin : width - margin] = np.where(
            undecided, NO_VOTE, best & 63
        )
    return votes


def _unique_maximum(key: NDArray[np.int16]) -> NDArray[np.int16]:
    """Greatest key of 8 neighbours along the last axis, bit 6 set where its count is not unique.

    A key is ``count << 7 | undecided << 6 | origin``; windows double in size and stay disjoint, so
    equal counts on both sides are always a tie and never the same window twice.
    """
    for step in (1, 2, 4):
        one, other = key[:, :-step], key[:, step:]
        key = np.maximum(one, other)
        key |= ((one ^ other) < 128).astype(np.int16) << 6
    return key


def _constant(luma: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(H - 7, W - 7): windows whose rows, or whose columns, are constant."""
    steps_x, steps_y = luma[:, 1:] != luma[:, :-1], luma[1:] != luma[:-1]
    varies_x = _any(_any(steps_x, 7).T, 8).T
    varies_y = _any(_any(steps_y, 8).T, 7).T
    return ~(varies_x & varies_y)


def _any(flags: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    """Whether any of `size` (7 or 8) neighbours along the last axis is set."""
    for step in (1, 2, size - 4):
        flags = flags[:, :-step] | flags[:, step:]
    return flags
