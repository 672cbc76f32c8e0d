"""The 8x8 cosine transform of JPEG: blocks to pixels and back, on any shift of the grid."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

BLOCK = 8
Frequency = tuple[int, int]  # (vertical, horizontal), as in the coefficient arrays
Shift = tuple[int, int]  # (down, across) in pixels, each 0...7


@cache
def zigzag() -> tuple[Frequency, ...]:
    """All 64 frequencies in the order of the JPEG standard (ITU-T T.81, figure 5)."""

    def position(f: Frequency) -> tuple[int, int]:
        diagonal = f[0] + f[1]
        return diagonal, f[0] if diagonal % 2 else f[1]

    return tuple(sorted(((u, v) for u in range(BLOCK) for v in range(BLOCK)), key=position))


@cache
def cosines() -> NDArray[np.float64]:
    """Orthonormal (8, 8) matrix; row u is the cosine of frequency u."""
    u, x = np.mgrid[:BLOCK, :BLOCK]
    rows: NDArray[np.float64] = np.cos(np.pi * u * (2 * x + 1) / (2 * BLOCK)) / 2
    rows[0] = np.sqrt(1 / BLOCK)
    rows.flags.writeable = False
    return rows


def basis(frequencies: Sequence[Frequency]) -> NDArray[np.float32]:
    """(64, n) float32: column i turns a block's 64 pixels (row by row) into coefficient i."""
    c = cosines()
    columns = [np.outer(c[u], c[v]).ravel() for u, v in frequencies]
    return np.stack(columns, axis=1).astype(np.float32)


def decode(coefficients: NDArray[np.int16], table: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Pixels of one plane, neither rounded nor clipped, level-shifted (grey 128 is 0).

    Parameters
    ----------
    coefficients : (blocks down, blocks across, 8, 8)
    table : (8, 8)

    Returns
    -------
    (8 * blocks down, 8 * blocks across) float32
    """
    down, across = coefficients.shape[:2]
    every = [(u, v) for u in range(BLOCK) for v in range(BLOCK)]
    inverse = basis(every).T * table.reshape(64, 1).astype(np.float32)
    pixels = coefficients.reshape(-1, 64).astype(np.float32) @ inverse
    tall = pixels.reshape(down, across, BLOCK, BLOCK).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(tall).reshape(down * BLOCK, across * BLOCK)


def coefficients_at(
    pixels: NDArray[np.float32], shift: Shift, frequencies: Sequence[Frequency]
) -> NDArray[np.float32]:
    """Transform the whole blocks of a plane on the grid whose origin is `shift`.

    Returns
    -------
    (blocks down, blocks across, n) float32, one column per frequency
    """
    dy, dx = shift
    down, across = (pixels.shape[0] - dy) // BLOCK, (pixels.shape[1] - dx) // BLOCK
    part = pixels[dy : dy + down * BLOCK, dx : dx + across * BLOCK]
    blocks = part.reshape(down, BLOCK, across, BLOCK).transpose(0, 2, 1, 3).reshape(-1, 64)
    return (blocks @ basis(frequencies)).reshape(down, across, len(frequencies))


def spread_of_errors(shift: Shift) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How independent errors of the file's coefficients reach those of a shifted grid.

    Returns
    -------
    vertical, horizontal : (8, 8)
        ``vertical @ variance @ horizontal.T`` is the (8, 8) variance on the shifted grid.
    """

    def one(offset: int) -> NDArray[np.float64]:
        c = cosines()
        near = c[:, : BLOCK - offset] @ c[:, offset:].T
        far = c[:, BLOCK - offset :] @ c[:, :offset].T
        return near**2 + far**2

    return one(shift[0]), one(shift[1])
