"""The classic test for double quantisation: periods of the coefficients' histograms (ADQ1).

Lin, He, Tang & Tang, Pattern Recognition 42 (2009), :DOI:`10.1016/j.patcog.2009.03.019`. It needs
no model of the unquantised picture, but takes a smooth or clipped part for a paste more readily
than the fit of `dq_aligned`. Kept as a published yardstick and as a view.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tellsign.signal.dq import FREQUENCIES

# Of the histogram's spectrum, as in the widely used implementation of the Image Forensics Toolbox
# (Zampoglou et al., 2016): a peak below a fifth of the total, or hardly above its lowest value,
# is no period.
PEAK_OF_TOTAL = 1 / 5
LOWEST_OF_PEAK = 0.9


def once_compressed(coefficients: NDArray[np.int16]) -> NDArray[np.float64]:
    """Posterior, 0...1, of each block not to share the picture's double quantisation.

    Parameters
    ----------
    coefficients : (blocks down, blocks across, 8, 8)
        Quantised luma coefficients from the file.
    """
    log_odds = np.zeros(coefficients.shape[:2])
    for u, v in FREQUENCIES:
        plane = coefficients[:, :, u, v].astype(np.int64)
        low = int(plane.min()) - 1
        counts = np.bincount((plane - low).ravel(), minlength=int(plane.max()) + 2 - low)
        period = histogram_period(counts)
        if period > 1:
            log_odds -= np.log(np.maximum(period * share_of_period(counts, period), 1e-300))[
                plane - low
            ]
    return 1 / (1 + np.exp(-np.clip(log_odds, -700, 700)))


def histogram_period(counts: NDArray[np.int64]) -> int:
    """Period, in bins, of the strongest peak in the spectrum beyond its first valley; 1 if none."""
    spectrum = np.abs(np.fft.fft(counts))
    falling = np.flatnonzero(np.diff(spectrum) > 0)
    valley = int(falling[0]) if falling.size else len(spectrum) - 2
    beyond = spectrum[valley : len(spectrum) // 2]
    if beyond.size == 0:
        return 1
    peak = int(beyond.argmax())
    height = float(beyond[peak])
    if height < PEAK_OF_TOTAL * spectrum[0] or beyond.min() > LOWEST_OF_PEAK * height:
        return 1
    return max(1, round(len(counts) / (peak + valley)))


def share_of_period(counts: NDArray[np.int64], period: int) -> NDArray[np.float64]:
    """Each bin's count over the sum of the period that holds it.

    Periods run outwards from the fullest bin; one that leaves the histogram is continued inwards.
    """
    bins = np.arange(len(counts))
    centre = int(counts.argmax())
    outwards = np.where(bins >= centre, 1, -1)
    start = bins - outwards * (np.abs(bins - centre) % period)
    members = start[:, None] + outwards[:, None] * np.arange(period)
    members = np.where(members >= len(counts), members - period, members)
    members = np.where(members < 0, members + period, members)
    totals = counts[np.clip(members, 0, len(counts) - 1)].sum(axis=1)
    shares: NDArray[np.float64] = counts / np.maximum(totals, 1)
    return shares
