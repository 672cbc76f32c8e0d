"""Score -> log10 likelihood ratio.

A fitted calibration is a *curve*: a monotone, piecewise linear map given by its knots, however it
was fitted. Logistic regression (Platt 1999) extrapolates smoothly; isotonic regression by pooling
adjacent violators (PAV; Brümmer & du Preez 2006, DOI:10.1016/j.csl.2005.08.001) follows scores
with a large mass at one value, such as the zero of "no region found".
Both weigh the groups of a class equally, so that the largest source does not decide, and both are
bounded by what their sample can support.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tellsign.errors import ArtifactError

Floats = NDArray[np.float64]
Method = Literal["logistic", "isotonic"]
SCHEMA = "tellsign.calibration/1"


@dataclass(frozen=True, slots=True)
class Curve:
    """A rising piecewise linear map with an interval; constant beyond its ends.

    `score`, `llr`, `low`, `high` are equally long tuples; `llr` in log10 units.
    """

    score: tuple[float, ...]
    llr: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        rows = (self.score, self.llr, self.low, self.high)
        if not self.score or len({len(r) for r in rows}) != 1:
            raise ArtifactError("calibration curve: knots of unequal length")
        if not all(math.isfinite(v) for row in rows for v in row):
            raise ArtifactError("calibration curve: a knot is not finite")
        if any(b <= a for a, b in zip(self.score, self.score[1:], strict=False)):
            raise ArtifactError("calibration curve: scores must rise")
        if any(b < a for a, b in zip(self.llr, self.llr[1:], strict=False)):
            raise ArtifactError("calibration curve: llr must not fall")

    def __call__(self, score: float) -> tuple[float, tuple[float, float]]:
        """Return llr and interval of one score; the interval always holds the llr."""
        llr = float(np.interp(score, self.score, self.llr))
        low = float(np.interp(score, self.score, self.low))
        high = float(np.interp(score, self.score, self.high))
        return llr, (min(low, llr), max(high, llr))


@dataclass(frozen=True, slots=True)
class Stratum:
    """One condition: its curve, and what it was fitted and assessed on."""

    curve: Curve
    method: Method
    n_for: int
    n_against: int
    groups: int
    cllr: float  # on held-out groups; below 1, or the stratum would not exist
    cllr_min: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """All strata of one detector. A condition that is not here gives no likelihood ratio."""

    detector: str
    detector_version: str
    made: str
    reference: str  # sha256 of the table of scores it was fitted on
    strata: Mapping[str, Stratum]

    @property
    def digest(self) -> str:
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        strata = {}
        for name, s in sorted(self.strata.items()):
            curve = {k: list(getattr(s.curve, k)) for k in ("score", "llr", "low", "high")}
            facts = {k: getattr(s, k) for k in _STRATUM_FACTS}
            strata[name] = {**facts, "curve": curve}
        head = {k: getattr(self, k) for k in ("detector", "detector_version", "made", "reference")}
        return {"schema": SCHEMA, **head, "strata": strata}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Calibration:
        """Raises ArtifactError when the content is not a calibration."""
        try:
            if data["schema"] != SCHEMA:
                raise ArtifactError(f"calibration schema {data['schema']!r} is not {SCHEMA!r}")
            strata = {
                name: Stratum(
                    curve=Curve(**{k: tuple(map(float, v)) for k, v in s["curve"].items()}),
                    **{k: s[k] for k in _STRATUM_FACTS},
                )
                for name, s in data["strata"].items()
            }
            head = (data["detector"], data["detector_version"], data["made"], data["reference"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(f"calibration: {error}") from error
        return cls(*head, strata)


_STRATUM_FACTS = ("method", "n_for", "n_against", "groups", "cllr", "cllr_min")


def balanced_weights(labels: NDArray[np.bool_], groups: NDArray[np.str_]) -> Floats:
    """Weights that give each class the sum 1/2 and each group of a class the same share."""
    weights = np.zeros(len(labels))
    for label in (False, True):
        names = np.unique(groups[labels == label])
        for name in names:
            rows = (labels == label) & (groups == name)
            weights[rows] = 0.5 / (len(names) * rows.sum())
    return weights


def fit_logistic(
    scores: Floats, labels: NDArray[np.bool_], weights: Floats, ridge: float = 1e-2
) -> tuple[Floats, Floats]:
    """Weighted logistic regression with a slope >= 0; knots span the scores seen.

    The extreme knots are clipped to what the smaller class supports, log10(n + 1).
    """
    centre = float(np.average(scores, weights=weights))
    spread = float(np.sqrt(np.average((scores - centre) ** 2, weights=weights))) or 1.0
    x = (scores - centre) / spread
    y = labels.astype(float)
    a, b = 0.0, 0.0
    for _ in range(50):  # Newton; the problem is convex and two-dimensional
        p = 1 / (1 + np.exp(-np.clip(a * x + b, -30, 30)))
        residual, curvature = weights * (p - y), weights * p * (1 - p) + 1e-12
        gradient = np.array([residual @ x + ridge * a, residual.sum()])
        hessian = np.array(
            [
                [curvature @ (x * x) + ridge, curvature @ x],
                [curvature @ x, curvature.sum()],
            ]
        )
        step = np.linalg.solve(hessian, gradient)
        a, b = a - step[0], b - step[1]
        if np.abs(step).max() < 1e-9:
            break
    a = max(a, 0.0)
    knots = np.linspace(scores.min(), scores.max(), 33) if np.ptp(scores) > 0 else scores[:1]
    bound = math.log10(min(labels.sum(), (~labels).sum()) + 1)
    llr = np.clip((a * (knots - centre) / spread + b) / math.log(10), -bound, bound)
    return knots, llr


def fit_isotonic(
    scores: Floats, labels: NDArray[np.bool_], weights: Floats
) -> tuple[Floats, Floats]:
    """PAV on weighted scores; each block gets half a case of either class (Jeffreys' prior)."""
    order = np.argsort(scores, kind="stable")
    s, y, w = scores[order], labels[order], weights[order]
    values, first = np.unique(s, return_index=True)
    hits = np.add.reduceat(np.where(y, w, 0.0), first)
    misses = np.add.reduceat(np.where(y, 0.0, w), first)
    counts_for = np.add.reduceat(y.astype(float), first)
    counts_against = np.add.reduceat((~y).astype(float), first)
    blocks: list[list[float]] = []  # start, end, hits, misses, n for, n against
    for i, value in enumerate(values):
        blocks.append([value, value, hits[i], misses[i], counts_for[i], counts_against[i]])
        while len(blocks) > 1 and _rate(blocks[-2]) >= _rate(blocks[-1]):
            last = blocks.pop()
            blocks[-1][1] = last[1]
            blocks[-1][2:] = [p + q for p, q in zip(blocks[-1][2:], last[2:], strict=True)]
    total_for, total_against = float(y.sum()), float((~y).sum())
    llr = [
        math.log10((b[2] + 0.25 / (total_for + 1)) / (b[3] + 0.25 / (total_against + 1)))
        for b in blocks
    ]
    knots: list[float] = []
    heights: list[float] = []
    for block, height in zip(blocks, np.maximum.accumulate(llr), strict=True):
        for value in sorted({block[0], block[1]}):
            knots.append(value)
            heights.append(float(height))
    return np.array(knots), np.array(heights)


def _rate(block: list[float]) -> float:
    return block[2] / (block[2] + block[3])


def fit(
    method: Method, scores: Floats, labels: NDArray[np.bool_], groups: NDArray[np.str_]
) -> tuple[Floats, Floats]:
    """Knots and llr of one stratum by the named method."""
    weights = balanced_weights(labels, groups)
    if method == "logistic":
        return fit_logistic(scores, labels, weights)
    return fit_isotonic(scores, labels, weights)
