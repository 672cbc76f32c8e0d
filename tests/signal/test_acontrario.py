from __future__ import annotations

import math

import pytest
from scipy.stats import binom

from tellsign.signal.acontrario import log10_binomial_tail


@pytest.mark.parametrize(
    ("n", "k", "p"),
    [(10, 3, 0.2), (1000, 40, 1 / 64), (50, 50, 0.5), (400, 2, 1 / 64), (7, 6, 0.9)],
)
def test_equal_to_scipy_where_scipy_can(n: int, k: int, p: float) -> None:
    assert log10_binomial_tail(n, k, p) == pytest.approx(binom.logsf(k - 1, n, p) / math.log(10))


def test_tails_far_below_the_smallest_double() -> None:
    # All of n successes: exactly p ** n.
    assert log10_binomial_tail(5000, 5000, 1 / 64) == pytest.approx(-5000 * math.log10(64))
    assert log10_binomial_tail(10**6, 10**6 - 1, 0.5) == pytest.approx(
        math.log10(10**6 + 1) - 10**6 * math.log10(2)
    )


def test_limits() -> None:
    assert log10_binomial_tail(5, 0, 0.1) == 0.0
    assert log10_binomial_tail(5, 6, 0.1) == -math.inf
    assert log10_binomial_tail(0, 0, 0.1) == 0.0
