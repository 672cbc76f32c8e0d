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

from tellsign.signal.copymove.verify import Match

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

BAND = 1.6  # pixels, Gaussian of the high-pass: survives one interpolation and JPEG 75
SPREAD = 9  # pixels, window of the local normalisation
QUIET = 0.3  # share of the region, least active, in which the difference is measured
# Weights of difference and offset against correlation, and the background model: exponential tail
# of the statistic over like structures of pristine pictures (script `measure_copy_move`, groups
# urban100, bsds500, imagenet, dreambooth; even items).
DIFFERENCE_WEIGHT = 0.6
OFFSET_WEIGHT = 0.3
TAIL_START = 0.0
TAIL_SCALE = 0.45
MAX_DECADES = 30.0


@dataclass(frozen=True, slots=True)
class Agreement:
    """correlation: of locally normalised high-pass residuals, -1..1, lower bound (95 %).
    difference: RMS in grey levels of their difference in the quiet part of the region.
    offset: mean difference in grey levels.
    overlap: share of the region that its own counterpart covers.
    plain: share of the region without any variation between neighbours (drawn, not photographed).
    """

    correlation: float
    difference: float
    offset: float
    overlap: float
    plain: float

    @property
    def statistic(self) -> float:
        """Natural logarithm; larger = more alike than like structures are."""
        return (
            -math.log(1.0 - min(self.correlation, 0.9999))
            - DIFFERENCE_WEIGHT * math.log(self.difference + 0.3)
            - OFFSET_WEIGHT * math.log1p(abs(self.offset))
        )


def agreement(match: Match) -> Agreement:
    """Measure `match` over the heart of its region."""
    import cv2

    a, b, mask = match.source, match.warped, match.mask
    core = _core(match)
    # Filters see the region only: what lies around it differs in a copy too.
    weight = mask.astype(np.float32)
    gauss = np.maximum(cv2.GaussianBlur(weight, (0, 0), BAND), 1e-3)
    ra = (a - cv2.GaussianBlur(a * weight, (0, 0), BAND) / gauss) * weight
    rb = (b - cv2.GaussianBlur(b * weight, (0, 0), BAND) / gauss) * weight
    box = np.maximum(cv2.blur(weight, (SPREAD, SPREAD)), 1e-3)
    ea = cv2.blur(ra * ra, (SPREAD, SPREAD)) / box
    eb = cv2.blur(rb * rb, (SPREAD, SPREAD)) / box
    x = (ra / np.sqrt(ea + 0.25))[core].astype(np.float64)
    y = (rb / np.sqrt(eb + 0.25))[core].astype(np.float64)
    rho = float((x * y).sum() / math.sqrt(float((x * x).sum() * (y * y).sum()) + 1e-9))
    activity = (ea + eb)[core]
    quiet = activity <= np.quantile(activity, QUIET)
    difference = float(np.sqrt(np.mean((ra - rb)[core][quiet] ** 2)))
    offset = float((a - b)[core].mean())
    # Neighbouring residuals are not independent: one sample per filter area.
    samples = max(core.sum() / (2 * math.pi * BAND**2), 4.0)
    z = math.atanh(min(max(rho, -0.9999), 0.9999)) - 1.645 / math.sqrt(max(samples - 3, 1.0))
    return Agreement(math.tanh(z), difference, offset, _overlap(match), _plain(a, b, mask))


def decades(measured: Agreement, tests: int) -> float:
    """-log10 of the expected number of pristine pictures' matches like this one, at least 0."""
    if measured.overlap > 0.25 or measured.plain > 0.5:
        return 0.0
    tail = (measured.statistic - TAIL_START) / TAIL_SCALE / math.log(10)
    return float(min(max(tail - math.log10(max(tests, 1)), 0.0), MAX_DECADES))


def _core(match: Match) -> Mask:
    """Where the likeness stays high around: without the rim, in which other content begins."""
    import cv2

    mask = match.mask
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    weight = cv2.blur(mask.astype(np.float32), (9, 9))
    like = cv2.blur(np.where(mask, match.likeness, 0).astype(np.float32), (9, 9))
    core = inner & (like > 0.8 * np.maximum(weight, 0.1))
    return np.asarray(core if core.sum() >= 40 else mask)


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
