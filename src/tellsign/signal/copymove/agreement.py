"""How well two places agree, and how surprising that is: a contrario score of a match.

Like structures (windows, tiles, printed matter) agree in shape but not in noise, shading and
sub-pixel detail; a copy agrees in all three up to one interpolation and what was done afterwards.
The number of false alarms follows Desolneux, Moisan & Morel, IJCV 40 (2000), DOI
10.1023/A:1026593302236, with a background model fitted to pictures that hold no copies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tellsign.signal.copymove import geometry
from tellsign.signal.copymove.crowd import like_places
from tellsign.signal.copymove.verify import Match, heart, warp, zncc

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

BAND = 1.6  # pixels, Gaussian of the high-pass: survives one interpolation and JPEG 75
LEVELS = 3  # classes of activity that are compared apart: edges must not speak for the rest
ROUNDING = 0.05  # grey levels squared, of two roundings after the high-pass
MAX_OVERLAP = 0.25  # share of a region under its own counterpart; a paste cannot have it
MAX_PLAIN = 0.5  # share of a region without any variation: drawn, and equal for that reason
# Weights: logistic regression, copies against like places of pristine pictures (comofod and fau;
# urban100, bsds500, imagenet, dreambooth). The offset has four fifths of its fitted weight and a
# cap, as an editor may brighten a copy.
CORRELATION_WEIGHT = 0.55
INFORMATION_WEIGHT = 0.23
OFFSET_WEIGHT = 1.7
OFFSET_CAP = 5.0  # grey levels
REGULARITY_WEIGHT = 3.1
SYMMETRY = 0.5  # regularity of a reflection about one line: more often grown or built than pasted
SAME = 12.0  # pixels; nearer images of a region are the region
CROWD_WEIGHT = 1.0
CROWD = 6  # like places that one source and five pastes make; more are a repeated structure
TRIALS_WEIGHT = 0.46
# Exponential tail of the best statistic per pristine picture of the same groups.
TAIL_START = -3.0
TAIL_SCALE = 0.7
MAX_DECADES = 12.0


@dataclass(frozen=True, slots=True)
class Agreement:
    """What two places share beyond their shape.

    correlations: of high-pass residuals, -1..1, in the quiet, middle and busy third of the region.
    information: bits that one place tells of the other's residual (Gaussian channel).
    offset: mean difference in grey levels.
    regularity: share of the region that looks alike once more, where the transform is applied
        twice, backwards or half: a row of windows, not a paste.
    crowd: number of places of the picture that look like the region, itself included.
    overlap: share of the region that its own counterpart covers.
    plain: share of the region without any variation between neighbours (drawn, not photographed).
    """

    correlations: tuple[float, ...]
    information: float
    offset: float
    regularity: float
    crowd: int
    overlap: float
    plain: float

    @property
    def correlation(self) -> float:
        """Mean over the thirds."""
        return sum(self.correlations) / len(self.correlations)

    @property
    def statistic(self) -> float:
        """Natural logarithm of odds, up to a constant; larger = more alike than like places are."""
        unexplained = [max(1.0 - max(r, 0.0), 1e-4) for r in self.correlations]
        return (
            -CORRELATION_WEIGHT * sum(math.log(u) for u in unexplained) / len(unexplained)
            + INFORMATION_WEIGHT * math.log1p(self.information)
            - OFFSET_WEIGHT * math.log1p(min(abs(self.offset), OFFSET_CAP))
            - REGULARITY_WEIGHT * self.regularity
            - CROWD_WEIGHT * math.log(max(self.crowd / CROWD, 1.0))
        )


def agreement(match: Match) -> Agreement:
    """Measure `match` over the heart of its region, its repetition in the picture left aside."""
    import cv2

    a, b, mask = match.source, match.warped, match.mask
    inner = heart(mask)
    # Filters see the region only: what lies around it differs in a copy too.
    weight = mask.astype(np.float32)
    gauss = np.maximum(cv2.GaussianBlur(weight, (0, 0), BAND), 1e-3)
    ra = (a - cv2.GaussianBlur(a * weight, (0, 0), BAND) / gauss) * weight
    rb = (b - cv2.GaussianBlur(b * weight, (0, 0), BAND) / gauss) * weight
    box = np.maximum(cv2.blur(weight, (5, 5)), 1e-3)
    activity = (cv2.blur(ra * ra + rb * rb, (5, 5)) / box)[inner]
    x, y = ra[inner].astype(np.float64), rb[inner].astype(np.float64)
    edges = np.quantile(activity, np.arange(1, LEVELS) / LEVELS)
    level = np.searchsorted(edges, activity, side="left")
    correlations = tuple(_correlation(x[level == k], y[level == k]) for k in range(LEVELS))
    # Neighbouring residuals are not independent: one sample per filter area.
    samples = len(x) / (2 * math.pi * BAND**2) / LEVELS
    return Agreement(
        correlations=correlations,
        information=samples * sum(_bits(r) for r in correlations),
        offset=float((a - b)[inner].mean()),
        regularity=0.0,
        crowd=1,
        overlap=_overlap(match),
        plain=_plain(a, b, mask),
    )


def repetition(
    measured: Agreement, luma: NDArray[np.uint8], half: Array, match: Match
) -> Agreement:
    """`measured` with `regularity` and `crowd` looked up in the (H, W) picture.

    half: the picture as `crowd.coarse` returns it.
    """
    return replace(
        measured,
        regularity=_regularity(luma, match, heart(match.mask)),
        crowd=like_places(half, match),
    )


def _correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    if not len(x):
        return 0.0
    noise = ROUNDING * len(x)
    return float((x * y).sum() / math.sqrt(((x * x).sum() + noise) * ((y * y).sum() + noise)))


def _bits(correlation: float) -> float:
    return -0.5 * math.log2(1.0 - min(max(correlation, 0.0), 0.9995) ** 2)


def decades(measured: Agreement, trials: int) -> float:
    """-log10 of the expected share of pristine pictures with a match like this one, at least 0.

    trials: transforms found in the picture; repeated structures have many, and some agree well.
    """
    if measured.overlap > MAX_OVERLAP or measured.plain > MAX_PLAIN:
        return 0.0
    statistic = measured.statistic - TRIALS_WEIGHT * math.log1p(trials)
    tail = (statistic - TAIL_START) / TAIL_SCALE / math.log(10)
    return float(min(max(tail, 0.0), MAX_DECADES))


def _regularity(luma: NDArray[np.uint8], match: Match, inner: Mask) -> float:
    x, y, width, height = match.box
    corners = np.array(
        [[x, y], [x + width, y], [x, y + height], [x + width, y + height]], np.float64
    )
    there = geometry.apply(match.matrix, corners)
    whole = np.vstack([match.matrix, [0.0, 0.0, 1.0]])
    further = [(whole @ whole)[:2], geometry.inverse(match.matrix)]
    if np.abs(match.matrix[:, :2] - np.eye(2)).max() < 0.1:
        half = (there - corners).mean(axis=0) / 2
        further.append(np.hstack([np.eye(2), half[:, None]]))
    shares = [0.0]
    for matrix in further:
        place = geometry.apply(matrix, corners)
        if np.abs(place - corners).max() < SAME:
            # Twice the same reflection is nothing: one line of symmetry, as faces and fronts have.
            # Twice half a turn is nothing too, but a turned paste always has it.
            shares.append(SYMMETRY if np.linalg.det(match.matrix[:, :2]) < 0 else 0.0)
            continue
        if np.abs(place - there).max() < SAME:
            continue
        source, other, inside = warp(luma, matrix, match.box)
        seen = inner & inside
        if 2 * seen.sum() >= inner.sum():
            shares.append(float((zncc(source, other)[seen] > 0.5).mean()))
    return max(shares)


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
