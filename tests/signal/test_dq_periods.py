from __future__ import annotations

import numpy as np
import pytest

from tellsign.signal.dq_periods import histogram_period, once_compressed, share_of_period


def doubled(shape: tuple[int, ...], first: int, second: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).laplace(0, 40, shape)
    return np.rint(np.rint(values / first) * first / second).astype(np.int16)


def test_period_is_the_ratio_of_the_steps() -> None:
    values = doubled((100_000,), 9, 3, 0).astype(int)
    assert histogram_period(np.bincount(values - values.min())) == 3
    single = np.rint(np.random.default_rng(1).laplace(0, 10, 100_000)).astype(int)
    assert histogram_period(np.bincount(single - single.min())) == 1


def test_shares_of_one_period_add_up_to_one() -> None:
    counts = np.array([1, 2, 9, 4, 3, 20, 2, 2, 8, 1, 1])
    shares = share_of_period(counts, 3)
    assert shares[5:8].sum() == pytest.approx(1)
    assert shares[8:11].sum() == pytest.approx(1)
    # Outwards from bin 5 to the left: 4, 3, 2 belong to bins 4...2 by periods begun at 5 and 2.
    assert shares[2] == pytest.approx(9 / (9 + 2 + 1))


def test_blocks_without_the_period_stand_out() -> None:
    blocks = doubled((40, 60, 8, 8), 9, 3, 2)
    once = np.rint(np.random.default_rng(3).laplace(0, 40, (10, 15, 8, 8)) / 3).astype(np.int16)
    blocks[5:15, 20:35] = once
    posterior = once_compressed(blocks)
    assert posterior[5:15, 20:35].mean() > 0.9
    assert np.delete(posterior, np.s_[5:15], axis=0).mean() < 0.1


def test_constant_coefficients_do_not_break_it() -> None:
    assert once_compressed(np.zeros((4, 4, 8, 8), np.int16)).tolist() == [[0.5] * 4] * 4
