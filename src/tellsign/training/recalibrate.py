"""Move a stored calibration to new material: by evidence of both classes, or by photographs alone.

The stored curves come from thousands of cases, the user's material is tens of pictures; so the
curves are the prior, and the new cases may only stretch, lower or raise them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from tellsign.benchmark.calibrate import USEFUL
from tellsign.calibration.assess import cllr, cllr_min
from tellsign.calibration.calibrators import Calibration, Curve, Stratum, balanced_weights
from tellsign.fusion.fuse import fuse
from tellsign.training.head import Flags, Floats, Names
from tellsign.training.refit import FOLDS

# The stored curve counts as much as this many new cases: about what twenty examples and twenty
# photographs are, so that they move it half of the way.
PRIOR_CASES = 40
LEAST = 10  # new cases of a class in a stratum; below, its curve stays as it is
NINETY = 1.645  # standard deviations that hold the middle 90 %


@dataclass(frozen=True, slots=True)
class Line:
    """llr = slope * stored llr + offset, both natural logarithms, with the covariance of both."""

    slope: float
    offset: float
    covariance: tuple[tuple[float, float], tuple[float, float]]

    def spread(self, llr: Floats) -> Floats:
        """Standard deviation of the new llr."""
        (a, ab), (_, b) = self.covariance
        return np.sqrt(np.maximum(a * llr**2 + 2 * ab * llr + b, 0.0))


def recalibrated(
    stored: Calibration,
    scores: Floats,
    labels: Flags,
    pictures: Names,
    strata: Names,
    made: str,
) -> Calibration:
    """Every stratum with enough new cases, refitted with its stored curve as prior.

    Parameters
    ----------
    scores : (n,) float64
        Cross-fitted scores of the new cases, in the unit of the adapted head.
    pictures, strata : (n,) str
        Picture and condition of each case.

    A stratum whose cost, over stored and new cases together, is no better than silence is left out.
    """
    updated: dict[str, Stratum] = {}
    for name, stratum in stored.strata.items():
        rows = strata == name
        n_for, n_against = int(labels[rows].sum()), int((~labels[rows]).sum())
        if min(n_for, n_against) < LEAST:
            updated[name] = stratum
            continue
        found = _updated(stratum, scores[rows], labels[rows], pictures[rows])
        if found.cllr < USEFUL:
            updated[name] = found
    digest = reference(stored.reference, pictures, labels)
    return replace(stored, made=made, reference=digest, strata=updated)


def _updated(stratum: Stratum, scores: Floats, labels: Flags, pictures: Names) -> Stratum:
    stored = _natural(stratum.curve, scores)
    held_out = np.zeros(len(scores))
    fold = np.unique(pictures, return_inverse=True)[1] % FOLDS
    for i in range(FOLDS):
        line = fit_line(stored[fold != i], labels[fold != i])
        held_out[fold == i] = line.slope * stored[fold == i] + line.offset
    cost = cllr(held_out / math.log(10), labels)
    new, old = len(labels), stratum.n_for + stratum.n_against
    mean = (cost * new + stratum.cllr * old) / (new + old)
    least = (cllr_min(scores, labels) * new + stratum.cllr_min * old) / (new + old)
    return replace(
        stratum,
        curve=moved(stratum.curve, fit_line(stored, labels)),
        n_for=stratum.n_for + int(labels.sum()),
        n_against=stratum.n_against + int((~labels).sum()),
        groups=stratum.groups + 2,
        cllr=round(mean, 4),
        cllr_min=round(least, 4),
    )


def fit_line(stored: Floats, labels: Flags) -> Line:
    """Logistic regression of the labels on the stored llr, pulled towards slope 1 and offset 0."""
    weights = balanced_weights(labels, np.full(len(labels), "new")) * len(labels)
    x = np.stack([stored, np.ones(len(stored))], axis=1)
    # A case at even odds has the curvature 1/4.
    strength = PRIOR_CASES / 4 * np.array([max(float(np.mean(stored**2)), 1.0), 1.0])
    step = np.array([1.0, 0.0])
    hessian = np.diag(strength)
    for _ in range(50):  # Newton; convex, two numbers
        p = 1 / (1 + np.exp(-np.clip(x @ step, -30, 30)))
        gradient = x.T @ (weights * (p - labels)) + strength * (step - [1.0, 0.0])
        hessian = (x * (weights * p * (1 - p))[:, None]).T @ x + np.diag(strength)
        change = np.linalg.solve(hessian, gradient)
        step = step - change
        if np.abs(change).max() < 1e-9:
            break
    (a, ab), (_, b) = np.linalg.inv(hessian).tolist()
    return Line(max(float(step[0]), 0.0), float(step[1]), ((a, ab), (ab, b)))


def moved(curve: Curve, line: Line) -> Curve:
    """The curve after the line, within the bounds of the stored one: no more than it supported."""
    low, high = min(curve.llr), max(curve.llr)
    stored = np.array(curve.llr) * math.log(10)
    spread = NINETY * line.spread(stored) / math.log(10)
    llr = np.clip((line.slope * stored + line.offset) / math.log(10), low, high)
    ends = [
        line.slope * np.array(end) + line.offset / math.log(10) for end in (curve.low, curve.high)
    ]
    return Curve(
        curve.score,
        _rounded(np.maximum.accumulate(llr)),
        _rounded(np.minimum(ends[0] - spread, llr)),
        _rounded(np.maximum(ends[1] + spread, llr)),
    )


# --- by photographs alone ------------------------------------------------------------------------


def allowed(n: int, share: float) -> int:
    """How many of `n` photographs may stand above the level."""
    return int(math.floor(share * n + 1e-9))


def crossing(curve: Curve, level: float) -> float | None:
    """The least score whose llr reaches `level`; None when none does, -inf when all do."""
    llr, score = curve.llr, curve.score
    if llr[-1] < level:
        return None
    if llr[0] >= level:
        return -math.inf
    i = next(i for i, value in enumerate(llr) if value >= level)
    part = (level - llr[i - 1]) / (llr[i] - llr[i - 1])
    return score[i - 1] + part * (score[i] - score[i - 1])


def shift_for(curve: Curve, scores: Floats, share: float, level: float) -> float | None:
    """How far the curve must move up the scores so that at most `share` of them reach `level`.

    Zero when it holds already: the calibration is never moved towards accusing. None when no shift
    helps, because the whole curve lies above the level.
    """
    place = crossing(curve, level)
    may = allowed(len(scores), share)
    if place is None or may >= len(scores):
        return 0.0
    if place == -math.inf:
        return None
    first_below = float(np.sort(scores)[::-1][may])
    if first_below < place:
        return 0.0
    margin = 1e-4 * max(curve.score[-1] - curve.score[0], 1e-6)
    return first_below - place + margin


def shifted(stratum: Stratum, shift: float) -> Stratum:
    """The stratum with its curve moved `shift` up the scores."""
    curve = replace(stratum.curve, score=tuple(s + shift for s in stratum.curve.score))
    return replace(stratum, curve=curve)


def shifts_that_hold(
    curves: Mapping[str, Curve],
    weights: Mapping[str, float],
    scores: Mapping[str, Floats],
    share: float,
    level: float,
) -> dict[str, float | None]:
    """One shift for each detector of a question, so that their fused llr holds the share too.

    Parameters
    ----------
    curves, scores
        By detector, for one condition. A score is NaN where a detector did not speak.
    weights
        Fusion weights of the question by detector; may be empty.
    """
    total = max(1.0, sum(weights.get(name, 1.0) for name in curves))
    found: dict[str, float | None] = {}
    steps = 10
    for step in range(steps + 1):
        # Each alone first; then stricter, until what no photograph may pass cannot add up.
        strict = step / steps
        own_share, own_level = share * (1 - strict), level * (1 - strict * (1 - 1 / total))
        found = {
            name: shift_for(curve, scores[name][~np.isnan(scores[name])], own_share, own_level)
            for name, curve in curves.items()
        }
        together = fused(curves, found, weights, scores)
        if int((together >= level).sum()) <= allowed(len(together), share):
            break
    return found


def fused(
    curves: Mapping[str, Curve],
    shifts: Mapping[str, float | None],
    weights: Mapping[str, float],
    scores: Mapping[str, Floats],
) -> Floats:
    """Fused llr of each photograph; 0 where no detector speaks. A shift of None silences one."""
    columns = {}
    for name, curve in curves.items():
        shift = shifts[name]
        if shift is not None:
            llr = np.interp(scores[name] - shift, curve.score, curve.llr)
            columns[name] = np.where(np.isnan(scores[name]), np.nan, llr)
    count = len(next(iter(scores.values())))
    rows = [{n: c[i] for n, c in columns.items() if not math.isnan(c[i])} for i in range(count)]
    return np.array([fuse(row, weights) or 0.0 for row in rows])


def reference(stored: str, pictures: Iterable[str], labels: Iterable[bool]) -> str:
    """sha256 over the stored reference and the hashes and labels of the new pictures."""
    lines = sorted({f"{p} {int(v)}" for p, v in zip(pictures, labels, strict=True)})
    return "sha256:" + hashlib.sha256("\n".join([stored, *lines]).encode()).hexdigest()


def _natural(curve: Curve, scores: Floats) -> Floats:
    return np.interp(scores, curve.score, curve.llr) * math.log(10)


def _rounded(values: Floats) -> tuple[float, ...]:
    return tuple(round(float(v), 4) for v in values)
