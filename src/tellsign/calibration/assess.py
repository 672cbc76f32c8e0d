"""How good a calibration is: Cllr, ECE, reliability and Tippett data.

Cllr (Brümmer & du Preez 2006, DOI:10.1016/j.csl.2005.08.001) is the mean cost in bits of the
likelihood ratios: 0 is perfect, 1 is a system that always says "no information".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellsign.calibration.calibrators import fit_isotonic

Floats = NDArray[np.float64]


def cllr(llr: Floats, labels: NDArray[np.bool_], weights: Floats | None = None) -> float:
    """Cost of log10 likelihood ratios in bits, both classes weighing the same.

    Parameters
    ----------
    llr : (n,) float64
        log10 likelihood ratios.
    labels : (n,) bool
        True where the proposition holds; both classes must occur.
    weights : (n,) float64, optional
        Relative weights within each class.
    """
    if not labels.any() or labels.all():
        raise ValueError("Cllr needs both classes")
    w = np.ones(len(llr)) if weights is None else weights
    natural = llr * np.log(10.0)
    cost_for = np.average(np.logaddexp(0.0, -natural[labels]), weights=w[labels])
    cost_against = np.average(np.logaddexp(0.0, natural[~labels]), weights=w[~labels])
    return float((cost_for + cost_against) / (2 * np.log(2.0)))


def cllr_min(scores: Floats, labels: NDArray[np.bool_]) -> float:
    """Cllr after the best monotone map of these very scores: what discrimination alone costs."""
    weights = np.where(labels, 0.5 / labels.sum(), 0.5 / (~labels).sum())
    knots, llr = fit_isotonic(scores, labels, weights)
    return cllr(np.interp(scores, knots, llr), labels)


def expected_calibration_error(llr: Floats, labels: NDArray[np.bool_], bins: int = 15) -> float:
    """ECE of the posterior at even prior odds, over bins of equal mass, classes balanced."""
    weights = np.where(labels, 0.5 / labels.sum(), 0.5 / (~labels).sum())
    posterior = 1 / (1 + 10.0 ** -np.clip(llr, -30, 30))
    order = np.argsort(posterior, kind="stable")
    error = 0.0
    for rows in np.array_split(order, min(bins, len(order))):
        mass = weights[rows].sum()
        gap = (weights[rows] * (posterior[rows] - labels[rows])).sum()
        error += abs(gap) if mass > 0 else 0.0
    return float(error)


@dataclass(frozen=True, slots=True)
class Tippett:
    """Share of each class with a likelihood ratio above each threshold."""

    thresholds: Floats
    share_for: Floats
    share_against: Floats


def tippett(llr: Floats, labels: NDArray[np.bool_]) -> Tippett:
    thresholds = np.unique(llr)
    for_sorted, against_sorted = np.sort(llr[labels]), np.sort(llr[~labels])
    above_for = 1 - np.searchsorted(for_sorted, thresholds, side="left") / len(for_sorted)
    above_against = 1 - np.searchsorted(against_sorted, thresholds, side="left") / len(
        against_sorted
    )
    return Tippett(thresholds, above_for, above_against)
