"""Aligned double compression: which former table, and which blocks carry its trace.

Follows Bianchi & Piva (ICASSP 2011 and TIFS 2012, see `dq`): the unquantised distribution comes
from the decoded picture on a shifted grid. Unlike them, one table is sought for all frequencies at
once, so that a weak trace in each adds up, and value 0 is left out of fit and map alike: it says
more about smoothness than about history.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tellsign.signal.dct import coefficients_at
from tellsign.signal.dq import (
    FAMILY,
    FLOOR,
    FREQUENCIES,
    LARGEST_STEP,
    QUALITIES,
    REACH,
    Prior,
    Trace,
    bands,
    corners,
    disturbed_below,
    fit_share,
    pixel_rows,
    prior,
)

# Standard deviation of a coefficient after rounding R, G, B and luma to integers between two
# compressions: sqrt((0.447 + 1) / 12) = 0.35, and clipping adds to it.
NOISE = 0.5

# Grids that stand for "unquantised". Published is (1, 1); its blocks still overlap the file's by
# 49 of 64 pixels, and on singly compressed pictures (2, 2) halved the spurious evidence here.
CALIBRATION = ((2, 2), (6, 6))


def compare(
    p: Prior, formers: NDArray[np.int64], present: int, reach: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distributions of the nonzero values -reach...reach: per former step, and without any.

    Returns
    -------
    carried : (former steps, 2 * reach), without : (2 * reach,)
    """
    edges = np.arange(-reach - 0.5, reach + 1.5) * present
    without = np.delete(np.diff(p.below(edges)), reach)
    carried = np.delete(np.diff(disturbed_below(p, formers[:, None], NOISE, edges)), reach, axis=1)
    without = without / without.sum()
    carried = np.maximum(carried, 0)
    carried = carried / np.maximum(carried.sum(axis=1, keepdims=True), 1e-300)
    return (1 - FLOOR) * carried + FLOOR * without, without


def aligned_trace(
    coefficients: NDArray[np.int16],
    table: NDArray[np.uint16],
    pixels: NDArray[np.float32],
    usable: NDArray[np.bool_],
) -> Trace:
    """Find the aligned former compression that explains the coefficients best.

    Parameters
    ----------
    coefficients : (blocks down, blocks across, 8, 8)
        Quantised luma coefficients of the whole blocks, from the file.
    table : (8, 8)
    pixels : (8 * blocks down, 8 * blocks across)
        `dct.decode` of them.
    usable : (blocks down, blocks across)
        Blocks without clipped pixels; the others get log-likelihood 0.
    """
    down, across = coefficients.shape[:2]
    rows = bands(down, across, 4)
    inside = usable[rows]
    part = pixels[pixel_rows(rows)]
    between = corners(inside)
    calibration = np.concatenate(
        [coefficients_at(part, shift, FREQUENCIES)[between] for shift in CALIBRATION]
    )
    formers = np.arange(1, LARGEST_STEP + 1)
    gains = np.zeros((len(FREQUENCIES), LARGEST_STEP))
    shares = np.zeros_like(gains)
    priors = []
    for i, (u, v) in enumerate(FREQUENCIES):
        present = int(table[u, v])
        priors.append(prior(calibration[..., i]))
        values = coefficients[rows, :, u, v][inside]
        reach = min(int(np.abs(values).max(initial=1)) + 1, REACH // present)
        within = np.clip(values, -reach, reach).astype(np.int64) + reach
        counts = np.bincount(within, minlength=2 * reach + 1).astype(np.float64)
        counts = np.delete(counts, reach)
        carried, without = compare(priors[i], formers, present, reach)
        shares[i], gains[i] = fit_share(counts, carried, without)
        gains[i, present % formers == 0] = 0.0  # leaves nothing behind
    quality, steps, existence = choose_table(gains)
    loglik = np.zeros((down, across), np.float32)
    busy = np.zeros((down, across), np.bool_)
    for i, (u, v) in enumerate(FREQUENCIES):
        plane, present = coefficients[:, :, u, v], int(table[u, v])
        if gains[i, steps[i] - 1] > 0:
            loglik += lookup(priors[i], steps[i], present, plane)
        if i > 0:
            busy |= np.abs(plane) > max(steps[i] / (2 * present), 0.5)
    weights = np.array([gains[i, s - 1] for i, s in enumerate(steps)])
    share = float(
        np.average([shares[i, s - 1] for i, s in enumerate(steps)], weights=weights + 1e-9)
    )
    loglik[~(usable & busy)] = 0
    return Trace("aligned", (0, 0), quality, steps, existence, share, loglik)


def choose_table(gains: NDArray[np.float64]) -> tuple[int, tuple[int, ...], float]:
    """The former table with the largest gain over all frequencies.

    An IJG table is preferred; a frequency departs from it where the data outweigh the freedom of
    64 steps. The bound on false alarms is Markov's for a likelihood ratio, times the choices.
    """
    each = np.arange(len(gains))
    tables = np.minimum(FAMILY, LARGEST_STEP)
    totals = gains[each, tables - 1].sum(axis=1)
    best = int(totals.argmax())
    freedom = float(np.log(LARGEST_STEP))
    own = gains.argmax(axis=1) + 1
    leave = gains.max(axis=1) > gains[each, tables[best] - 1] + 2 * freedom
    steps = np.where(leave, own, tables[best])
    existence = max(
        totals[best] - np.log(len(QUALITIES)), gains.max(axis=1).sum() - freedom * len(gains)
    )
    nearest = int(QUALITIES[np.abs(np.log(tables / steps)).sum(axis=1).argmin()])
    return nearest, tuple(int(s) for s in steps), float(existence / np.log(10))


def lookup(p: Prior, former: int, present: int, plane: NDArray[np.int16]) -> NDArray[np.float32]:
    """log(p with / p without) of each stored value; 0 for value 0."""
    reach = min(int(np.abs(plane).max(initial=1)) + 1, REACH // present)
    carried, without = compare(p, np.array([former]), present, reach)
    ratio = np.insert(np.log(carried[0] / without), reach, 0.0).astype(np.float32)
    return ratio[np.clip(plane, -reach, reach).astype(np.int64) + reach]
