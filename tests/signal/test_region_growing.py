from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tellsign.signal.region_growing import grown_regions
from tellsign.types import Box


def reference(labels: NDArray[np.int8], reach: int, excluded: int) -> set[tuple[int, ...]]:
    """Grow from every seed, pixel by pixel."""
    free = (labels >= 0) & (labels != excluded)
    found = set()
    for seed in zip(*np.nonzero(free), strict=True):
        if not free[seed]:
            continue
        label, queue, region = labels[seed], [seed], []
        free[seed] = False
        while queue:
            y, x = queue.pop()
            region.append(int(y * labels.shape[1] + x))
            top, left = max(0, y - reach), max(0, x - reach)
            near = np.s_[top : y + reach + 1, left : x + reach + 1]
            for dy, dx in np.argwhere(free[near] & (labels[near] == label)):
                free[top + dy, left + dx] = False
                queue.append((top + dy, left + dx))
        found.add((int(label), *sorted(region)))
    return found


@pytest.mark.parametrize("density", [0.002, 0.006, 0.012, 0.03, 0.2])
@pytest.mark.parametrize("reach", [1, 4, 9])
def test_equal_to_growing_pixel_by_pixel(density: float, reach: int) -> None:
    rng = np.random.default_rng(int(density * 1000) + reach)
    labels = np.full((83, 121), -1, np.int8)
    set_here = rng.random(labels.shape) < density * (9 / reach)
    labels[set_here] = rng.integers(0, 4, int(set_here.sum()))
    grown = {(g.label, *g.pixels.tolist()) for g in grown_regions(labels, reach, 1, excluded=2)}
    assert grown == reference(labels, reach, excluded=2)
    assert grown


def test_only_large_regions_with_their_boxes() -> None:
    labels = np.full((50, 60), -1, np.int8)
    labels[5:9, 10:20] = 3
    labels[40, 50] = 3
    (region,) = grown_regions(labels, reach=9, least=2)
    assert region.box == Box(10, 5, 10, 4)
    assert (region.label, region.size) == (3, 40)


def test_corners_connect_only_through_one_pair_of_pixels() -> None:
    labels = np.full((40, 40), -1, np.int8)
    # In cells of 10: the upper-left one has a low pixel and a right pixel, neither is both.
    labels[9, 0] = labels[0, 9] = labels[10, 10] = 1
    assert len(list(grown_regions(labels, reach=9, least=1))) == 2
    labels[9, 9] = 1
    assert len(list(grown_regions(labels, reach=9, least=1))) == 1


def test_nothing_to_grow() -> None:
    assert list(grown_regions(np.full((9, 9), -1, np.int8), 9, 1)) == []
