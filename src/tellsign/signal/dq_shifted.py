"""Non-aligned double compression: on which shifted grid, with which table, and where.

Coefficients on the former grid gather round multiples of the former steps (Bianchi & Piva, TIFS
2012, see `dq`). The 63 shifts are searched with the characteristic function: the mean of
cos(2 pi x / step) is large at the right shift and step. What it would be without an earlier
compression is read off the *mirrored* shifts (-dy, dx), (dy, -dx), (-dy, -dx), where the blocks of
the second compression overlap in the same way. One IJG table is sought for all frequencies at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from tellsign.signal.dct import BLOCK, Shift, coefficients_at, cosines, spread_of_errors
from tellsign.signal.dq import (
    FAMILY,
    FLOOR,
    FREQUENCIES,
    QUALITIES,
    REACH,
    Prior,
    Trace,
    bands,
    corners,
    disturbed_below,
    pixel_rows,
    prior,
)

# A former step below present / sqrt(3) drowns in the noise of the present one (Bianchi & Piva
# 2012, section IV): the noise's standard deviation is present / sqrt(12).
SMALLEST = 1 / np.sqrt(3)
LEAST_FREQUENCIES = 5  # a table that fewer frequencies can show is not tried
# Shifts that are their own mirror image, and what is taken from their z-score: neighbours stand in
# as reference, and on singly compressed pictures that was worth up to 7 (others: up to 4).
SELF_MIRRORED = ((0, 4), (4, 0), (4, 4))
HANDICAP = 4.0
# Pixel rounding twice, as in `dq_aligned`, on top of the second compression's error.
ROUNDING_VARIANCE = 0.25
# Clipped pixels of 64 that are borne: next to the noise of the second compression, little.
MOST_CLIPPED = 2


def mirrors(shift: Shift) -> tuple[Shift, ...]:
    """Shifts that overlap the file's blocks as `shift` does."""
    dy, dx = shift
    images = {((-dy) % 8, dx), (dy, (-dx) % 8), ((-dy) % 8, (-dx) % 8)} - {shift}
    if not images:
        vertical = (dy - 1, dy + 1) if dy else (0,)
        horizontal = (dx - 1, dx + 1) if dx else (0,)
        images = {(y, x) for y in vertical for x in horizontal}
    return tuple(sorted(images))


@cache
def reference() -> NDArray[np.float64]:
    """(64, 64): row `8 * dy + dx` averages over the mirrored shifts; row 0 is empty."""
    matrix = np.zeros((64, 64))
    for k in range(1, 64):
        images = mirrors(divmod(k, 8))
        for dy, dx in images:
            matrix[k, 8 * dy + dx] = 1 / len(images)
    return matrix


@dataclass(frozen=True, slots=True)
class Candidate:
    """The best shift and former table, with the search's evidence for them."""

    shift: Shift
    quality_at: int  # index into `QUALITIES`
    z: float  # about standard normal without a trace
    tried: int  # tiles, shifts and tables looked at

    @property
    def existence(self) -> float:
        """-log10 of the Gaussian tail bound exp(-z^2 / 2) times the number of choices."""
        return float((max(self.z, 0.0) ** 2 / 2 - np.log(self.tried)) / np.log(10))


def find_shift(
    pixels: NDArray[np.float32], windows: NDArray[np.bool_], present: NDArray[np.uint16] | None
) -> Candidate:
    """Search the whole, its quarters and its sixteenths for a former grid.

    Parameters
    ----------
    pixels : (8 * blocks down, 8 * blocks across)
    windows : (blocks down - 1, blocks across - 1)
        Which windows between four blocks to use.
    present : (8, 8)
        Steps in the file; None for a picture without a present grid, where (0, 0) is tried too.
    """
    tiles = tile_numbers(windows)
    parts = int(tiles.max(initial=0)) + 1
    counted = np.bincount(tiles, minlength=parts).astype(np.float64)
    levels = pyramid(parts)
    total: NDArray[np.float64] | float = 0.0
    used = np.zeros(len(QUALITIES))
    for i, (u, v) in enumerate(FREQUENCIES):
        steps = FAMILY[:, i]
        histograms = polyphase_histograms(pixels, windows, tiles, parts, (u, v))
        different, place = np.unique(steps, return_inverse=True)
        phase = 2 * np.pi * np.arange(histograms.shape[-1])[:, None] / different
        z = contrast(
            levels @ (histograms @ np.cos(phase)).reshape(parts, -1),
            levels @ (histograms @ np.cos(2 * phase)).reshape(parts, -1),
            levels @ counted,
            others() if present is None else reference(),
        )
        smallest = 1.0 if present is None else max(1.0, SMALLEST * float(present[u, v]))
        total = total + np.where(steps > smallest, z[..., place], 0.0)
        used += steps > smallest
    scores = np.where(used < LEAST_FREQUENCIES, 0.0, total / np.sqrt(np.maximum(used, 1)))
    if present is not None:
        scores[:, 0] = 0.0
        scores[:, [8 * dy + dx for dy, dx in SELF_MIRRORED]] -= HANDICAP
    _, shift, quality_at = np.unravel_index(int(scores.argmax()), scores.shape)
    return Candidate(divmod(int(shift), 8), int(quality_at), float(scores.max()), scores.size)


def tile_numbers(windows: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Tile 0...15, 0...3 or 0 of each window that is used, so that each holds some hundreds."""
    side = 4 if windows.sum() >= 16 * 256 else 2 if windows.sum() >= 4 * 256 else 1
    y, x = np.nonzero(windows)
    tiles: NDArray[np.int64] = (y * side // windows.shape[0]) * side + x * side // windows.shape[1]
    return tiles


@cache
def pyramid(parts: int) -> NDArray[np.float64]:
    """(tiles of all levels, parts): which parts make up each tile."""
    side = int(np.sqrt(parts))
    y, x = np.divmod(np.arange(parts), side)
    rows = []
    for level in (1, 2, 4):
        if level <= side:
            owner = (y * level // side) * level + x * level // side
            rows += [owner == tile for tile in range(level * level)]
    return np.array(rows, np.float64)


def polyphase_histograms(
    pixels: NDArray[np.float32],
    windows: NDArray[np.bool_],
    tiles: NDArray[np.int64],
    parts: int,
    frequency: tuple[int, int],
) -> NDArray[np.float64]:
    """(parts, 64 shifts, bins): how often each magnitude occurs; the last bin is left empty."""
    import cv2

    down, across = windows.shape
    u, v = frequency
    kernels = cosines()[v].astype(np.float32), cosines()[u].astype(np.float32)
    at = cv2.sepFilter2D(
        pixels, cv2.CV_32F, *kernels, anchor=(0, 0), borderType=cv2.BORDER_REFLECT
    )[: down * BLOCK, : across * BLOCK]
    if frequency == (0, 0):
        bins = REACH + 1
        whole = np.asarray(np.minimum(np.rint(np.abs(at)), REACH), np.uint16)
    else:  # larger magnitudes are rare and share the last bin, which is emptied below
        bins = 256
        whole = np.asarray(cv2.convertScaleAbs(at), np.uint16)
    each = whole.reshape(down, BLOCK, across, BLOCK).transpose(0, 2, 1, 3)[windows].reshape(-1, 64)
    lane = (tiles[:, None] * 64 + np.arange(64)) * bins
    counts = np.bincount((lane + each).ravel(), minlength=parts * 64 * bins)
    histograms = counts.reshape(parts, 64, bins).astype(np.float64)
    histograms[..., -1] = 0
    return histograms


def contrast(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    counted: NDArray[np.float64],
    mean: NDArray[np.float64],
) -> NDArray[np.float64]:
    """z-scores (tiles, 64, steps) of sums of cos(x) against other shifts; `second`: of cos(2 x)."""
    n = np.maximum(counted, 1)[:, None, None]
    first, second = (a.reshape(len(counted), 64, -1) / n for a in (first, second))
    variance = np.maximum((1 + second) / 2 - first**2, 1e-3) / n
    z: NDArray[np.float64] = (first - mean @ first) / np.sqrt(variance + mean**2 @ variance)
    return z


@cache
def others() -> NDArray[np.float64]:
    """(64, 64): each row averages over all the other shifts."""
    return (1 - np.eye(64)) / 63


def shifted_trace(
    coefficients: NDArray[np.int16],
    table: NDArray[np.uint16],
    pixels: NDArray[np.float32],
    usable: NDArray[np.bool_],
    clipped: NDArray[np.bool_],
) -> Trace:
    """Find the shifted former compression that the coefficients show best.

    Parameters are those of `dq_aligned.aligned_trace`, and `clipped`, (8 * blocks down, 8 * blocks
    across): pixels whose value was cut off.
    """
    down, across = coefficients.shape[:2]
    rows = bands(down, across, 4)
    found = find_shift(pixels[pixel_rows(rows)], corners(usable[rows]), table)
    shift, steps = found.shift, FAMILY[found.quality_at]
    cells = cell_loglik(pixels, coefficients, table, shift, steps)
    cells[cells_clipped(clipped, shift)] = 0
    loglik = file_grid(cells, shift, (down, across))
    spoken = loglik[loglik != 0]
    return Trace(
        "shifted",
        shift,
        int(QUALITIES[found.quality_at]),
        tuple(int(s) for s in steps),
        found.existence,
        float(np.mean(spoken > 0)) if spoken.size else 0.0,
        loglik,
    )


def cell_loglik(
    pixels: NDArray[np.float32],
    coefficients: NDArray[np.int16],
    table: NDArray[np.uint16],
    shift: Shift,
    steps: NDArray[np.int64],
) -> NDArray[np.float32]:
    """log(p with / p without) of each whole block of the shifted grid.

    Only *how near* a coefficient lies to its nearest multiple counts, not which multiple, and
    multiple 0 not at all: so smooth and busy parts are judged alike.
    """
    vertical, horizontal = spread_of_errors(shift)
    variance = vertical @ error_variance(coefficients, table) @ horizontal.T + ROUNDING_VARIANCE
    rows = bands(coefficients.shape[0], coefficients.shape[1], 4)
    part = pixels[pixel_rows(rows)]
    mirrored = [coefficients_at(part, m, FREQUENCIES) for m in mirrors(shift)]
    at = np.clip(np.rint(coefficients_at(pixels, shift, FREQUENCIES)), -REACH, REACH)
    total = np.zeros(at.shape[:2], np.float32)
    busy = np.zeros(at.shape[:2], np.bool_)
    for i, (u, v) in enumerate(FREQUENCIES):
        if steps[i] <= max(1.0, SMALLEST * float(table[u, v])):
            continue
        p = prior(np.concatenate([m[..., i].ravel() for m in mirrored]))
        total += nearness(p, int(steps[i]), float(np.sqrt(variance[u, v])))[
            at[..., i].astype(np.int64) + REACH
        ]
        if i > 0:
            busy |= np.abs(at[..., i]) > steps[i] / 2
    return np.where(busy, total, np.float32(0))


def nearness(p: Prior, step: int, noise: float) -> NDArray[np.float32]:
    """log(p with / p without) of the integers -REACH...REACH, given their nearest multiple."""
    integers = np.arange(-REACH, REACH + 1)
    edges = np.arange(-REACH, REACH + 2, dtype=np.float64) - 0.5
    with_trace = np.maximum(np.diff(disturbed_below(p, step, noise, edges)), 0)
    multiple = np.rint(integers / step).astype(np.int64)
    cell = multiple - multiple.min()
    expected = np.bincount(cell, p.mass) / np.maximum(np.bincount(cell, with_trace), 1e-12)
    with_trace = (1 - FLOOR) * with_trace * expected[cell] + FLOOR * p.mass
    ratio = np.log(with_trace / p.mass).astype(np.float32)
    ratio[multiple == 0] = 0.0
    return np.asarray(ratio)


def cells_clipped(clipped: NDArray[np.bool_], shift: Shift) -> NDArray[np.bool_]:
    """Whole blocks of the shifted grid with more than `MOST_CLIPPED` clipped pixels."""
    dy, dx = shift
    part = clipped[dy:, dx:]
    down, across = part.shape[0] // BLOCK, part.shape[1] // BLOCK
    tall = part[: down * BLOCK, : across * BLOCK].reshape(down, BLOCK, across, BLOCK)
    return np.asarray(tall.sum(axis=(1, 3)) > MOST_CLIPPED)


def error_variance(
    coefficients: NDArray[np.int16], table: NDArray[np.uint16]
) -> NDArray[np.float64]:
    """(8, 8) expected squared quantisation error of the file's coefficients.

    Uniform where a value was kept; where all was rounded to 0, that of a Laplacian inside the dead
    zone whose scale the share of kept values tells.
    """
    step = table.astype(np.float64)
    kept = np.clip(np.mean(coefficients != 0, axis=(0, 1)), 1e-4, 1 - 1e-4)
    decay = -np.log(kept)  # of the Laplacian, over half a step
    scale = step / (2 * decay)
    beyond = kept * ((step / 2) ** 2 + scale * step + 2 * scale**2)
    dead = np.clip((2 * scale**2 - beyond) / (1 - kept), 0, step**2 / 12)
    error: NDArray[np.float64] = kept * step**2 / 12 + (1 - kept) * dead
    return error


def file_grid(
    cells: NDArray[np.float32], shift: Shift, shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Carry a map of the shifted grid over to the file's blocks.

    Each block gets the mean of the former blocks that overlap it, weighted by overlap; those with
    value 0 do not speak. A block with less than a quarter of it spoken for stays 0.
    """
    told = overlap_mean((cells != 0).astype(np.float32), shift, shape)
    values = overlap_mean(cells, shift, shape) / np.maximum(told, 0.25)
    return np.where(told >= 0.25, values, np.float32(0))


def overlap_mean(
    cells: NDArray[np.float32], shift: Shift, shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Beyond the outermost whole cells their values are continued."""
    result = cells
    for axis in (0, 1):
        offset = shift[axis]
        if offset == 0:
            continue
        index = np.arange(shape[axis])
        own = np.take(result, np.minimum(index, result.shape[axis] - 1), axis=axis)
        before = np.take(result, np.clip(index - 1, 0, result.shape[axis] - 1), axis=axis)
        result = (own * (BLOCK - offset) + before * offset) / np.float32(BLOCK)
    return np.array(result, np.float32)
