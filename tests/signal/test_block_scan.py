from __future__ import annotations

import numpy as np

from tellsign.signal.block_scan import carrier, component


def noise(seed: int = 0) -> np.ndarray:
    """Log-likelihood ratios of unit Gaussians half a unit apart, where there is no trace."""
    return np.random.default_rng(seed).normal(-0.125, 0.5, (64, 96)).astype(np.float32)


def test_no_trace_stays_below_one_expected_false_alarm() -> None:
    assert max(carrier(noise(seed)).decades for seed in range(30)) < 0.5


def test_a_carrying_region_is_found_where_it_is() -> None:
    loglik = noise()
    loglik[20:36, 40:56] += 0.5
    window = carrier(loglik)
    assert window.decades > 3
    assert abs(window.top - 20) <= 4
    assert abs(window.left - 40) <= 4
    top, left, height, width = component(loglik, window)
    assert top <= 22
    assert top + height >= 34
    assert left <= 42
    assert left + width >= 54


def test_evidence_grows_with_the_region() -> None:
    small, large = noise(), noise()
    small[10:20, 10:20] += 1
    large[10:40, 10:40] += 1
    assert carrier(large).decades > carrier(small).decades > 0


def test_a_picture_smaller_than_every_window_says_nothing() -> None:
    assert carrier(np.ones((2, 2), np.float32)).decades == 0.0


def test_a_window_without_positive_surroundings_is_its_own_region() -> None:
    flat = np.full((20, 20), -1, np.float32)
    window = carrier(flat)
    assert component(flat, window) == (window.top, window.left, window.side, window.side)
