"""What an earlier JPEG compression leaves in DCT coefficients: distributions and their comparison.

One frequency is modelled from an estimate of its *unquantised* distribution, taken from the same
picture on a grid where nothing was quantised (calibration):

- without a trace: the estimate itself, rounded to the step in the file;
- aligned trace: rounded to the former step, disturbed by pixel rounding, rounded again
  (Bianchi & Piva, ICASSP 2011, :DOI:`10.1109/ICASSP.2011.5946978`);
- shifted trace: rounded to the former step on another grid, disturbed by the second compression
  (Bianchi & Piva, IEEE TIFS 7 (2012), :DOI:`10.1109/TIFS.2012.2187516`).

All logarithms here are natural.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.special import ndtr

from tellsign.media.jpeg import ijg_table
from tellsign.signal.dct import Shift, zigzag

REACH = 1100  # largest orthonormal 8x8 coefficient of 8-bit pixels, with room for ringing
FREQUENCIES = zigzag()[:15]  # Bianchi & Piva 2012, section V: more add noise only
FLOOR = 0.02  # share of each model lent to the other: bounds what one coefficient can say
LARGEST_STEP = 64  # former steps tried; covers the first 15 frequencies at quality 20 (60)
MAX_BLOCKS = 12_288  # blocks that models are fitted on: 0.8 megapixels, spread over the picture


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """The earlier compression that explains a picture's coefficients best.

    `loglik` is log(p with the trace / p without) of each whole 8x8 block of the file's grid,
    smoothness left out of account: positive where the block carries the trace. It is 0 where the
    method cannot speak: clipped pixels, or nothing but a mean left by the former step (in a flat
    block all pixels are rounded alike, so their errors add up instead of averaging out).
    """

    kind: Literal["aligned", "shifted"]
    shift: Shift  # origin of the former grid; (0, 0) for aligned
    quality: int  # nearest IJG quality of the former table
    steps: tuple[int, ...]  # former step of each of `FREQUENCIES`
    existence: float  # -log10 of a bound on the false alarms of "somewhere there is this trace"
    share: float  # of the picture that carries it, 0...1
    loglik: NDArray[np.float32]  # (blocks down, blocks across)


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """Distribution of an unquantised coefficient over the integers -REACH ... REACH."""

    mass: NDArray[np.float64]
    cumulated: NDArray[np.float64]  # at -REACH - 1/2 ... REACH + 1/2

    def below(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        place = np.clip(x + REACH + 0.5, 0, len(self.mass))
        left = np.minimum(place.astype(np.int64), len(self.mass) - 1)
        between: NDArray[np.float64] = self.cumulated[left] + (place - left) * self.mass[left]
        return between


def prior(values: NDArray[np.float32]) -> Prior:
    """Estimate the unquantised distribution from coefficients of an unquantised grid.

    Smoothed by a kernel that widens outwards, where samples are few and no period may remain.
    """
    whole = np.clip(np.rint(values), -REACH, REACH).astype(np.int64).ravel() + REACH
    counts = np.bincount(whole, minlength=2 * REACH + 1).astype(np.float64)
    counts = (counts + counts[::-1]) / 2  # no preferred sign; halves the sampling error
    widths = np.array([0.7, 1.0, 2.0, 4.0, 8.0, 16.0, 24.0])
    smoothed = [gaussian_filter1d(counts, w, mode="constant", truncate=3.0) for w in widths]
    wanted = np.abs(np.arange(-REACH, REACH + 1)) / 5
    choice = np.searchsorted(widths, np.clip(wanted, widths[0], None), side="right") - 1
    # Without any sample, as in a flat picture, every value is taken as equally likely.
    floor = 1e-6 * max(counts.sum(), 1.0) / len(counts)
    mass = np.stack(smoothed)[choice, np.arange(len(counts))] + floor
    mass /= mass.sum()
    return Prior(mass, np.concatenate([[0.0], np.cumsum(mass)]))


def disturbed_below(
    p: Prior, step: int | NDArray[np.int64], noise: float, x: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Cumulated mass at `x` of multiples of `step` disturbed by Gaussian noise (broadcasts)."""
    nearest = np.rint(x / step)
    around = int(np.ceil(3 * noise / np.min(step) + 0.5))
    edge = p.below((nearest - around - 0.5) * step)
    total = edge
    for offset in range(-around, around + 1):
        n = nearest + offset
        next_edge = p.below((n + 0.5) * step)
        total = total + (next_edge - edge) * ndtr((x - n * step) / noise)
        edge = next_edge
    return total


def fit_share(
    counts: NDArray[np.float64], with_trace: NDArray[np.float64], without: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Maximum-likelihood share of each candidate in a mixture with `without`.

    Parameters
    ----------
    counts, without : (k,)
    with_trace : (candidates, k)

    Returns
    -------
    share, gain : (candidates,)
        Gain is the log-likelihood over share 0.
    """
    relative = with_trace / without - 1
    share = np.full(len(with_trace), 0.5)
    for _ in range(8):  # Newton on a concave function of one variable, kept inside the interval
        slope = relative / (1 + share[:, None] * relative)
        share = share + (slope @ counts) / np.maximum((slope * slope) @ counts, 1e-12)
        share = np.clip(share, 0.0, 0.999)
    return share, np.log1p(share[:, None] * relative) @ counts


def _distinct() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    u, v = np.array(FREQUENCIES).T
    tried = np.arange(20, 99)
    tables, group = np.unique(
        np.stack([ijg_table(int(q))[u, v] for q in tried]), axis=0, return_inverse=True
    )
    names = [tried[group == g] for g in range(len(tables))]
    return np.array([alike[len(alike) // 2] for alike in names]), tables


# IJG qualities of an earlier compression that are tried, and their steps (qualities, frequencies).
# Where several share the first 15 steps (49, 50 and 51; 74 and 75) the middle one stands for all.
QUALITIES, FAMILY = _distinct()


def bands(down: int, across: int, rows: int) -> NDArray[np.int64]:
    """Block rows to fit models on: evenly spread bands of `rows`, at most `MAX_BLOCKS` blocks."""
    wanted = max(1, MAX_BLOCKS // max(across * rows, 1))
    if wanted * rows >= down:
        return np.arange(down)
    starts = np.linspace(0, down - rows, wanted).astype(np.int64)
    return np.unique(starts[:, None] + np.arange(rows))


def pixel_rows(block_rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return (block_rows[:, None] * 8 + np.arange(8)).ravel()


def corners(blocks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Windows between four blocks that all hold: one row and one column fewer."""
    both = blocks[:-1] & blocks[1:]
    return both[:, :-1] & both[:, 1:]
