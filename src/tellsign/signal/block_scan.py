"""Is a trace carried by one part of a picture and missing in another? Two one-sided bounds.

`loglik` is log(p with the trace / p without) per block. If a region lacks the trace, the mean of
exp(sum of `loglik` over it) is 1, so a sum of t has probability at most exp(-t) (Markov); with the
sign turned, the same bounds a region that carries it. Times the number of regions looked at, either
is a bound on the number of false alarms. Both together say "part, not whole".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label, uniform_filter

# Sides of the square windows, in blocks: 24 pixels to the largest pastes of interest.
SIDES = (3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96)

# Natural-log units taken from every block that speaks. The models err by some hundredths of that,
# alike over thousands of neighbours in a sky; a true difference is tenths (70 -> 75) to tens.
ALLOWANCE = 0.15


@dataclass(frozen=True, slots=True)
class Window:
    """The most significant window: -log10 of its number of false alarms, and where, in blocks."""

    decades: float
    top: int
    left: int
    side: int


def carrier(loglik: NDArray[np.float32]) -> Window:
    """The window that most significantly carries the trace. Pass ``-loglik`` for lack of it."""
    height, width = loglik.shape
    trusted = np.where(loglik != 0, loglik - ALLOWANCE, 0.0)
    padded = np.pad(trusted, ((1, 0), (1, 0)))
    sums = padded.cumsum(axis=0).cumsum(axis=1)
    best = (-np.inf, 0, 0, 1)
    looked = 0
    for side in SIDES:
        if side > min(height, width):
            break
        window = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side]
        window = window + sums[:-side, :-side]
        looked += window.size
        top, left = np.unravel_index(int(window.argmax()), window.shape)
        if window[top, left] > best[0]:
            best = (float(window[top, left]), int(top), int(left), side)
    if not looked:
        return Window(0.0, 0, 0, 1)
    return Window(float((best[0] - np.log(looked)) / np.log(10)), *best[1:])


def component(loglik: NDArray[np.float32], window: Window) -> tuple[int, int, int, int]:
    """Bounding box (top, left, height, width; blocks) of the region that holds `window`.

    The region is the connected one where the mean over 5x5 blocks, the size of Bianchi & Piva's
    median filter, is positive.
    """
    labels, _ = label(uniform_filter(loglik.astype(np.float64), 5, mode="nearest") > 0)
    part = labels[window.top : window.top + window.side, window.left : window.left + window.side]
    held = np.bincount(part[part > 0]) if (part > 0).any() else np.zeros(1)
    if not held.any():
        return window.top, window.left, window.side, window.side
    rows, columns = np.nonzero(labels == held.argmax())
    top, left = int(rows.min()), int(columns.min())
    return top, left, int(rows.max()) - top + 1, int(columns.max()) - left + 1
