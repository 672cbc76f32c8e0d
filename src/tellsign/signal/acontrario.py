"""A contrario statistics: how many detections this good chance alone would give.

An event is meaningful when its number of false alarms (NFA) is below one: number of tests times the
probability of the event under the background model (Desolneux, Moisan & Morel, IJCV 40, 2000,
DOI 10.1023/A:1026593302236). Values are log10, because the interesting ones underflow.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def log10_binomial_tail(n: int, k: int, p: float) -> float:
    """log10 of P(K >= k) for K ~ Binomial(n, p); 0 for k <= 0, -inf for k > n."""
    if k <= 0:
        return 0.0
    if k > n:
        return -math.inf
    log_first = (
        math.lgamma(n + 1)
        - math.lgamma(k + 1)
        - math.lgamma(n - k + 1)
        + k * math.log(p)
        + (n - k) * math.log1p(-p)
    )
    # Terms relative to the first: their ratios fall, so the sum can stop once they are small.
    i: NDArray[np.float64] = np.arange(k, n, dtype=np.float64)
    log_terms = np.cumsum(np.log((n - i) / (i + 1) * (p / (1.0 - p))))
    peak = max(0.0, float(log_terms.max(initial=0.0)))
    total = math.exp(-peak) + float(np.exp(log_terms - peak).sum())
    return min(0.0, (log_first + peak + math.log(total)) / math.log(10.0))
