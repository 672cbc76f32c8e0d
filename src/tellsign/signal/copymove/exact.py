"""Bit-equal repeats: every block of a picture hashed, sorted and compared.

A pasted piece that was neither turned nor scaled nor recompressed equals its source bit by bit,
however smooth the place is as long as noise is left. Matching by sorting blocks goes back to
Fridrich, Soukal & Lukas, DFRWS 2003; hashing whole blocks replaces their features as nothing but
equality is asked here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tellsign.signal.copymove.grouping import Hypothesis

BLOCK = 8  # pixels, side
# Of the 112 differences between neighbours in a block, so many must not be zero: flat, saturated
# or over-compressed blocks are equal by chance.
VARIED = 56
LOOK_AHEAD = 6  # equal blocks are paired with so many followers: five pastes of one source
MIN_SHIFT = 12  # pixels, as for keypoints
MIN_BLOCKS = 80  # equal blocks under one shift: a region of about 16 x 16 pixels
SHIFTS = 12  # shifts handed on at most, the most frequent ones


def hypotheses(luma: NDArray[np.uint8]) -> list[Hypothesis]:
    """Shifts under which many varied blocks of an (H, W) picture repeat exactly."""
    height, width = luma.shape[0] - BLOCK + 1, luma.shape[1] - BLOCK + 1
    if height < 1 or width < 1:
        return []
    at = np.flatnonzero(_varied(luma))
    if len(at) < 2 * MIN_BLOCKS:
        return []
    packed = np.sort((_hashes(luma).ravel()[at].astype(np.uint64) << 32) | at.astype(np.uint64))
    key = (packed >> 32).astype(np.uint32)
    place = (packed & 0xFFFFFFFF).astype(np.int64)
    first, second = [], []
    for step in range(1, LOOK_AHEAD + 1):
        same = np.flatnonzero(key[step:] == key[:-step])
        if not len(same):
            break
        first.append(place[same])
        second.append(place[same + step])
    if not first:
        return []
    p, q = np.concatenate(first), np.concatenate(second)
    dy, dx = q // width - p // width, q % width - p % width
    far = np.maximum(np.abs(dx), np.abs(dy)) >= MIN_SHIFT
    p, dx, dy = p[far], dx[far], dy[far]
    code = dy * (4 * width) + dx + 2 * width
    shifts, which, count = np.unique(code, return_inverse=True, return_counts=True)
    order = np.lexsort((shifts, -count))[:SHIFTS]
    found = []
    for k in order[count[order] >= MIN_BLOCKS]:
        y, x = divmod(int(shifts[k]), 4 * width)
        points = p[which == k]
        seeds = np.column_stack([points % width, points // width]) + (BLOCK - 1) / 2.0
        matrix = np.array([[1.0, 0.0, x - 2 * width], [0.0, 1.0, y]])
        found.append(Hypothesis(matrix, seeds, float(count[k]), exact=True))
    return found


def _varied(luma: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(H-7, W-7): whether the block starting there has enough differing neighbours."""
    import cv2

    height, width = luma.shape[0] - BLOCK + 1, luma.shape[1] - BLOCK + 1
    differs = np.zeros(luma.shape, np.uint8)
    differs[:, :-1] = luma[:, 1:] != luma[:, :-1]
    differs[:-1] += luma[1:] != luma[:-1]
    total = cv2.boxFilter(
        differs, cv2.CV_16U, (BLOCK, BLOCK), anchor=(0, 0), normalize=False,
        borderType=cv2.BORDER_CONSTANT,
    )  # fmt: skip
    return np.asarray(total[:height, :width] >= VARIED)


def _hashes(luma: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """(H-7, W-7) 32-bit hashes of all blocks: sums with fixed odd weights modulo 2**32."""
    rng = np.random.default_rng(8)
    weights = rng.integers(0, 2**31, (2, BLOCK), dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    height, width = luma.shape[0] - BLOCK + 1, luma.shape[1] - BLOCK + 1
    # A nonlinear table first: sums of grey levels alone would make gradients collide.
    values = rng.integers(0, 2**32, 256, dtype=np.uint32)[luma]
    rows = np.zeros((height, luma.shape[1]), np.uint32)
    for k in range(BLOCK):
        rows += weights[0, k] * values[k : k + height]
    total = np.zeros((height, width), np.uint32)
    for k in range(BLOCK):
        total += weights[1, k] * rows[:, k : k + width]
    return total
