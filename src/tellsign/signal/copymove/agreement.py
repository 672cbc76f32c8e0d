"""How well two places agree, and how surprising that is: a contrario score of a match.

Like structures (windows, tiles, printed matter) agree in shape but not in noise, shading and
sub-pixel detail; a copy agrees in all three up to one interpolation and what was done afterwards.
The number of false alarms follows Desolneux, Moisan & Morel, IJCV 40 (2000), DOI
10.1023/A:1026593302236, with a background model fitted to pictures that hold no copies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellsign.signal.copymove.verify import Match, heart

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

BAND = 1.6  # pixels, Gaussian of the high-pass: survives one interpolation and JPEG 75
SPREAD = 9  # pixels, window of the local normalisation
QUIET = 0.3  # share of the region, least active, in which the difference is measured
ROUNDING = 0.1  # grey levels squared: two roundings and what is left of them after the high-pass
MAX_OVERLAP = 0.25  # share of a region under its own counterpart; a paste cannot have it
MAX_PLAIN = 0.5  # share of a region without any variation: drawn, and equal for that reason
# Weights: logistic regression, copies against like places of pristine pictures (comofod and fau;
# urban100, bsds500, imagenet, dreambooth). The offset has less than its
# fitted weight (1.9) and a cap, as an editor may brighten a copy.
CORRELATION_WEIGHT = 0.40
INFORMATION_WEIGHT = 0.42
OFFSET_WEIGHT = 1.5
OFFSET_CAP = 5.0  # grey levels
TRIALS_WEIGHT = 0.46
# Exponential tail of the best statistic per pristine picture of the same groups.
TAIL_START = -1.25
TAIL_SCALE = 0.7
MAX_DECADES = 12.0


@dataclass(frozen=True, slots=True)
class Agreement:
    """What two places share beyond their shape.

    correlation: of locally normalised high-pass residuals, -1..1.
    information: bits that one place tells of the other's residual (Gaussian channel).
    difference: RMS in grey levels of the residuals' difference in the quiet part of the region.
    offset: mean difference in grey levels.
    overlap: share of the region that its own counterpart covers.
    plain: share of the region without any variation between neighbours (drawn, not photographed).
    """

    correlation: float
    information: float
    difference: float
    offset: float
    overlap: float
    plain: float

    @property
    def statistic(self) -> float:
        """Natural logarithm of odds, up to a constant; larger = more alike than like places are."""
        return (
            -CORRELATION_WEIGHT * math.log(1.0 - min(self.correlation, 0.9999))
            + INFORMATION_WEIGHT * math.log1p(self.information)
            - OFFSET_WEIGHT * math.log1p(min(abs(self.offset), OFFSET_CAP))
        )


def agreement(match: Match) -> Agreement:
    """Measure `match` over the heart of its region."""
    import cv2

    a, b, mask = match.source, match.warped, match.mask
    inner = heart(mask)
    # Filters see the region only: what lies around it differs in a copy too.
    weight = mask.astype(np.float32)
    gauss = np.maximum(cv2.GaussianBlur(weight, (0, 0), BAND), 1e-3)
    ra = (a - cv2.GaussianBlur(a * weight, (0, 0), BAND) / gauss) * weight
    rb = (b - cv2.GaussianBlur(b * weight, (0, 0), BAND) / gauss) * weight
    box = np.maximum(cv2.blur(weight, (SPREAD, SPREAD)), 1e-3)
    ea = cv2.blur(ra * ra, (SPREAD, SPREAD)) / box
    eb = cv2.blur(rb * rb, (SPREAD, SPREAD)) / box
    x = (ra / np.sqrt(ea + 0.25))[inner].astype(np.float64)
    y = (rb / np.sqrt(eb + 0.25))[inner].astype(np.float64)
    rho = float((x * y).sum() / math.sqrt(float((x * x).sum() * (y * y).sum()) + 1e-9))
    activity = (ea + eb)[inner]
    quiet = activity <= np.quantile(activity, QUIET)
    noise = float(np.mean((ra - rb)[inner][quiet].astype(np.float64) ** 2))
    power = float(np.mean((ra * ra + rb * rb)[inner].astype(np.float64))) / 2
    # Neighbouring residuals are not independent: one sample per filter area.
    samples = float(inner.sum()) / (2 * math.pi * BAND**2)
    return Agreement(
        correlation=rho,
        information=0.5 * samples * math.log2(1.0 + power / (noise + ROUNDING)),
        difference=math.sqrt(noise),
        offset=float((a - b)[inner].mean()),
        overlap=_overlap(match),
        plain=_plain(a, b, mask),
    )


def decades(measured: Agreement, trials: int) -> float:
    """-log10 of the expected share of pristine pictures with a match like this one, at least 0.

    trials: transforms found in the picture; repeated structures have many, and some agree well.
    """
    if measured.overlap > MAX_OVERLAP or measured.plain > MAX_PLAIN:
        return 0.0
    statistic = measured.statistic - TRIALS_WEIGHT * math.log1p(trials)
    tail = (statistic - TAIL_START) / TAIL_SCALE / math.log(10)
    return float(min(max(tail, 0.0), MAX_DECADES))


def _overlap(match: Match) -> float:
    """A paste hides what it covers, so a region never lies on its own counterpart; a periodic
    pattern does.
    """
    import cv2

    x, y, width, height = match.box
    local = match.matrix.copy()
    local[:, 2] += match.matrix[:, :2] @ np.array([x, y]) - np.array([x, y])
    image = cv2.warpAffine(
        match.mask.astype(np.uint8), local, (width, height), flags=cv2.INTER_NEAREST
    )
    return float(image[match.mask].mean())


def _plain(a: Array, b: Array, mask: Mask) -> float:
    import cv2

    kernel = np.ones((3, 3), np.uint8)
    flat = [cv2.dilate(x, kernel) - cv2.erode(x, kernel) < 0.5 for x in (a, b)]
    return float((flat[0] & flat[1])[mask].mean())
