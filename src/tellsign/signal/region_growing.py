"""Regions of equal labels that hang together over gaps, for sparse labels in large pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellsign.types import Box

Cells = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Grown:
    """One region: its label, its bounding box and the flat indices of its pixels."""

    label: int
    box: Box
    pixels: NDArray[np.int64]

    @property
    def size(self) -> int:
        return len(self.pixels)


def grown_regions(
    labels: NDArray[np.int8], reach: int, least: int, excluded: int = -1
) -> Iterator[Grown]:
    """Connected sets of pixels with one label, where steps of up to `reach` pixels connect.

    Equivalent to growing from every seed over its square neighbourhood of radius `reach`, at a cost
    that depends on the number of labelled pixels.

    Parameters
    ----------
    labels : (H, W) int8
        Negative: no label.
    reach
        Chebyshev distance, pixels.
    least
        Smaller regions are left out.
    excluded
        A label that forms no regions.
    """
    flat = labels.ravel()
    pixels = np.flatnonzero((flat >= 0) & (flat != excluded))
    found = flat[pixels]
    counts = np.bincount(found, minlength=1)
    ends = np.cumsum(counts)
    pixels = pixels[np.argsort(found, kind="stable")]  # by label, in raster order
    for label in np.flatnonzero(counts >= max(1, least)):
        members = pixels[ends[label] - counts[label] : ends[label]]
        yield from _regions_of(int(label), members, labels.shape, reach, least)


def _regions_of(
    label: int, pixels: NDArray[np.int64], shape: tuple[int, ...], reach: int, least: int
) -> Iterator[Grown]:
    # Pixels in one cell of reach + 1 are all connected; only neighbouring cells can be further.
    side = reach + 1
    y, x = np.divmod(pixels, shape[1])
    rows, columns = -(-shape[0] // side), -(-shape[1] // side)
    cell = (y // side) * columns + x // side
    component = _components(cell, y % side, x % side, (rows, columns), side)[cell]

    sizes = np.bincount(component)
    large = np.flatnonzero(sizes >= max(1, least))
    if not len(large):
        return
    order = np.argsort(component, kind="stable")
    ends = np.cumsum(sizes)
    for index in large:
        members = order[ends[index] - sizes[index] : ends[index]]
        left, right = int(x[members].min()), int(x[members].max())
        top, bottom = int(y[members].min()), int(y[members].max())
        box = Box(left, top, right - left + 1, bottom - top + 1)
        yield Grown(label, box, pixels[members])


def _components(cell: Cells, y: Cells, x: Cells, grid: tuple[int, int], side: int) -> Cells:
    """Component number of every cell; `y` and `x` are positions inside the cell."""
    count = grid[0] * grid[1]
    first_y, first_x = np.full(count, side), np.full(count, side)
    last_y, last_x = np.full(count, -1), np.full(count, -1)
    np.minimum.at(first_y, cell, y)
    np.minimum.at(first_x, cell, x)
    np.maximum.at(last_y, cell, y)
    np.maximum.at(last_x, cell, x)
    top, left = first_y.reshape(grid), first_x.reshape(grid)
    bottom, right = last_y.reshape(grid), last_x.reshape(grid)
    number = np.arange(count).reshape(grid)

    across = left[:, 1:] < right[:, :-1]
    down = top[1:] < bottom[:-1]
    pairs = [
        (number[:, :-1][across], number[:, 1:][across]),
        (number[:-1][down], number[1:][down]),
    ]
    component = _connect(count, pairs)

    # Diagonal neighbours: the extremes must come from the same two pixels.
    fall = (left[1:, 1:] < right[:-1, :-1]) & (top[1:, 1:] < bottom[:-1, :-1])
    rise = (left[:-1, 1:] < right[1:, :-1]) & (top[1:, :-1] < bottom[:-1, 1:])
    diagonal = []
    for upper, lower, mirrored in (
        (number[:-1, :-1][fall], number[1:, 1:][fall], False),
        (number[:-1, 1:][rise], number[1:, :-1][rise], True),
    ):
        apart = component[upper] != component[lower]
        upper, lower = upper[apart], lower[apart]
        near = _corners_meet(upper, lower, cell, y, side - 1 - x if mirrored else x, side)
        diagonal.append((component[upper[near]], component[lower[near]]))
    return _connect(count, diagonal)[component]


def _corners_meet(
    upper: Cells, lower: Cells, cell: Cells, y: Cells, x: Cells, side: int
) -> NDArray[np.bool_]:
    """Whether some pixel of `lower` (one cell down and right) is within reach of one of `upper`."""
    if not len(upper):
        return np.zeros(0, np.bool_)
    wanted = np.unique(np.concatenate([upper, lower]))
    slots = np.full(max(int(cell.max()), int(wanted[-1])) + 1, -1)
    slots[wanted] = np.arange(len(wanted))
    slot = slots[cell]
    inside = slot >= 0
    slot, y, x = slot[inside], y[inside], x[inside]
    rightmost, leftmost = np.full((len(wanted), side), -1), np.full((len(wanted), side), side)
    np.maximum.at(rightmost, (slot, y), x)
    np.minimum.at(leftmost, (slot, y), x)
    leftmost = np.minimum.accumulate(leftmost, axis=1)  # over the rows from the top
    above = leftmost[slots[lower], :-1]
    reaching: NDArray[np.bool_] = above < rightmost[slots[upper], 1:]
    return np.asarray(reaching.any(axis=1), np.bool_)


def _connect(count: int, pairs: list[tuple[Any, Any]]) -> Cells:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    one = np.concatenate([p[0] for p in pairs])
    other = np.concatenate([p[1] for p in pairs])
    graph = coo_array((np.ones(len(one), np.int8), (one, other)), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64)
