from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tellsign.signal.copymove import exact

Luma = NDArray[np.uint8]
Paste = Callable[..., tuple[NDArray[np.uint8], NDArray[np.float64]]]


def test_finds_the_shift_of_a_plain_copy(luma: Luma, paste: Paste) -> None:
    forged, matrix = paste(luma, source=(150, 140), target=(420, 330), side=60)
    found = exact.hypotheses(forged)
    assert len(found) == 1
    np.testing.assert_array_equal(found[0].matrix, matrix)
    assert found[0].exact
    # A region of 60 x 60 holds 53 x 53 blocks of 8 x 8; some may be too flat.
    assert 0.9 * 53**2 <= found[0].support <= 53**2
    low, high = found[0].seeds.min(axis=0), found[0].seeds.max(axis=0)
    assert np.abs(low - [123.5, 113.5]).max() <= 1
    assert np.abs(high - [175.5, 165.5]).max() <= 1


def test_nothing_where_nothing_repeats(luma: Luma) -> None:
    assert exact.hypotheses(luma) == []


def test_flat_and_saturated_repeats_do_not_count() -> None:
    picture = np.full((200, 200), 255, np.uint8)
    picture[:100] = 40
    assert exact.hypotheses(picture) == []


def test_tiny_pictures_have_no_blocks() -> None:
    assert exact.hypotheses(np.zeros((5, 300), np.uint8)) == []


def test_near_shifts_are_no_copies() -> None:
    # A picture that repeats itself every 6 pixels: texture, not a paste.
    tile = np.random.default_rng(3).integers(0, 256, (6, 6), dtype=np.uint8)
    shifts = [h.matrix[:, 2] for h in exact.hypotheses(np.tile(tile, (30, 30)))]
    assert all(np.abs(s).max() >= exact.MIN_SHIFT for s in shifts)
