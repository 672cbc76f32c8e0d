from __future__ import annotations

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tellsign.signal.jpeg_grid import NO_VOTE, ZERO_BOUND, dct_matrix, grid_votes, zero_counts

GREY = NDArray[np.uint8]
RNG = np.random.default_rng(11)
PICTURES: dict[str, GREY] = {
    "noise": RNG.integers(0, 256, (70, 90)).astype(np.uint8),
    "extremes": (RNG.integers(0, 2, (70, 90)) * 255).astype(np.uint8),
    "bright": RNG.integers(252, 256, (70, 90)).astype(np.uint8),
    "two levels, full of exact halves": RNG.integers(100, 102, (70, 90)).astype(np.uint8),
    "flat with steps": np.kron(RNG.integers(0, 255, (5, 6)), np.ones((14, 15))).astype(np.uint8),
    "wider than one tile": np.tile(RNG.integers(90, 110, (20, 40)), (1, 30)).astype(np.uint8),
    "taller than one strip": np.tile(RNG.integers(90, 110, (40, 20)), (5, 1)).astype(np.uint8),
    "smallest": RNG.integers(0, 9, (15, 15)).astype(np.uint8),
}


def reference_counts(luma: GREY) -> GREY:
    """Window by window in double precision."""
    basis, windows = dct_matrix(), sliding_window_view(luma, (8, 8))
    counts = np.empty(windows.shape[:2], np.uint8)
    for y, x in np.ndindex(*counts.shape):
        c = np.abs(basis @ windows[y, x].astype(np.float64) @ basis.T)
        c[0, 0] = np.inf
        counts[y, x] = (c < ZERO_BOUND).sum()
    return counts


def reference_votes(luma: GREY) -> NDArray[np.int8]:
    """As the article puts it: window after window takes over the pixels where it has more zeros."""
    counts = reference_counts(luma)
    best = np.zeros(luma.shape, np.int64)
    votes = np.full(luma.shape, NO_VOTE, np.int8)
    for y, x in np.ndindex(*counts.shape):
        window = luma[y : y + 8, x : x + 8]
        constant = (window == window[:, :1]).all() or (window == window[:1]).all()
        for v, u in np.ndindex(8, 8):
            at = y + v, x + u
            if counts[y, x] == best[at]:
                votes[at] = NO_VOTE
            elif counts[y, x] > best[at]:
                best[at] = counts[y, x]
                votes[at] = NO_VOTE if constant else x % 8 + 8 * (y % 8)
    inner = np.full_like(votes, NO_VOTE)
    inner[7:-7, 7:-7] = votes[7:-7, 7:-7]
    return inner


@pytest.mark.parametrize("name", PICTURES)
def test_counts_equal_double_precision(name: str) -> None:
    luma = PICTURES[name]
    np.testing.assert_array_equal(zero_counts(luma), reference_counts(luma))


@pytest.mark.parametrize(
    "name", ["two levels, full of exact halves", "flat with steps", "smallest"]
)
def test_votes_equal_the_sequential_definition(name: str) -> None:
    luma = PICTURES[name][:60, :50]
    np.testing.assert_array_equal(grid_votes(luma), reference_votes(luma))


def test_the_dct_is_orthonormal() -> None:
    basis = dct_matrix()
    np.testing.assert_allclose(basis @ basis.T, np.eye(8), atol=1e-14)


def test_a_quantised_picture_votes_for_its_grid_wherever_it_is_cut() -> None:
    basis = dct_matrix()
    blocks = RNG.normal(0, 12, (8, 9, 8, 8)) * (RNG.random((8, 9, 8, 8)) < 0.25)
    blocks[..., 0, 0] = 8 * 128
    pixels = (basis.T @ blocks @ basis).transpose(0, 2, 1, 3).reshape(64, 72)
    luma = np.clip(pixels.round(), 0, 255).astype(np.uint8)
    for top, left in ((0, 0), (3, 0), (2, 5)):
        votes = grid_votes(luma[top:, left:])
        assert np.mean(votes[8:-8, 8:-8] == (-left % 8) + 8 * (-top % 8)) > 0.9


def test_a_constant_picture_does_not_vote() -> None:
    assert (grid_votes(np.full((40, 40), 9, np.uint8)) == NO_VOTE).all()
    stripes = np.tile(RNG.integers(0, 255, (1, 40)), (40, 1)).astype(np.uint8)
    assert (grid_votes(stripes) == NO_VOTE).all()
