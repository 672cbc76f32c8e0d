"""Verification of one hypothesis: warp, compare pixel by pixel, delimit, refine.

The transform is refined by Gauss-Newton on intensities (Lucas & Kanade, IJCAI 1981) inside the
region found so far; the region is where the local normalised correlation (ZNCC) with the warped
counterpart stays high (Christlein et al., IEEE TIFS 7 (2012), DOI 10.1109/TIFS.2012.2218597).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellsign.signal.copymove import geometry
from tellsign.signal.copymove.exact import BLOCK
from tellsign.signal.copymove.geometry import Matrix, Points
from tellsign.signal.copymove.grouping import Hypothesis

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

WINDOW = 7  # pixels, of the local correlation, as methods in the field (5-9)
FLOOR = 0.5  # grey levels squared added to local variances: rounding noise counts as no likeness
LIKE = 0.6  # local correlation of a pixel taken to be copied
MARGIN = 40  # pixels around the seeds in which the region may grow in one round
GROWTHS = 3
FINE = 0.45  # correlation of fine residuals below which refined places are not worth more
REFINEMENTS = 3
LEAST = 150  # pixels; a smaller region cannot be told from chance likeness of edges
OUTSIDE = -1e6  # grey level of what lies beyond the picture; no interpolated value hides it
PATCH = 160_000  # pixels used at most by one Gauss-Newton step


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """A region and its counterpart under `matrix`.

    box : (x, y, width, height) of the arrays in the picture.
    mask : (height, width) bool, the region; its counterpart is its image under `matrix`.
    source, warped : (height, width) float32, the picture in the box and the counterpart, warped
        onto it, both at the resolution of the coarser of the two.
    """

    matrix: Matrix
    box: tuple[int, int, int, int]
    mask: Mask
    source: Array
    warped: Array
    likeness: Array
    seeds: Points
    support: float


def verify(luma: NDArray[np.uint8], hypothesis: Hypothesis) -> Match | None:
    """The region that `hypothesis` maps onto a like one, or None.

    luma : (H, W) uint8.
    """
    if hypothesis.exact:
        return _equal(luma, hypothesis)
    matrix, seeds = hypothesis.matrix, hypothesis.seeds
    if geometry.describe(matrix, (0.0, 0.0)).scale > 1.0:
        # Compare at the resolution of the smaller place: warp the larger one down.
        seeds = geometry.apply(matrix, seeds)
        matrix = geometry.inverse(matrix)
    low, high = seeds.min(axis=0), seeds.max(axis=0)
    found: Match | None = None
    for round_ in range(GROWTHS):
        box = _box(low - MARGIN, high + MARGIN, luma.shape)
        if box is None:
            return None
        for step in range(REFINEMENTS if round_ == 0 else 1):
            found = _compare(luma, matrix, box, seeds, hypothesis.support)
            if found is None or (step == REFINEMENTS - 1 and _fine(found) < FINE):
                return None
            matrix = _refine(found)
            if not geometry.plausible(matrix):
                return None
        found = _compare(luma, matrix, box, seeds, hypothesis.support)
        if found is None:
            return None
        x, y, width, height = box
        rows, columns = np.nonzero(found.mask)
        new_low = np.array([columns.min() + x, rows.min() + y], np.float64)
        new_high = np.array([columns.max() + x, rows.max() + y], np.float64)
        touches = (new_low <= np.array([x, y]) + 2).any() or (
            new_high >= np.array([x + width, y + height]) - 3
        ).any()
        low, high = np.minimum(low, new_low), np.maximum(high, new_high)
        if not touches:
            break
        low, high = low - MARGIN, high + MARGIN
    return None if found is None else _snapped(luma, found)


def _fine(match: Match) -> float:
    """Correlation of the high-pass residuals inside the region, as a quick check."""
    import cv2

    inner = heart(match.mask)
    a = (match.source - cv2.GaussianBlur(match.source, (0, 0), 1.6))[inner].astype(np.float64)
    b = (match.warped - cv2.GaussianBlur(match.warped, (0, 0), 1.6))[inner].astype(np.float64)
    return float((a * b).sum() / (np.sqrt((a * a).sum() * (b * b).sum()) + 1e-9))


def _equal(luma: NDArray[np.uint8], hypothesis: Hypothesis) -> Match | None:
    """The union of the equal blocks: no fit and no likeness needed to delimit it."""
    import cv2

    seeds = hypothesis.seeds
    box = _box(seeds.min(axis=0) - BLOCK, seeds.max(axis=0) + BLOCK, luma.shape)
    if box is None:
        return None
    source, warped, _ = warp(luma, hypothesis.matrix, box)
    corner = np.zeros(source.shape, np.uint8)
    at = np.rint(seeds - np.array(box[:2]) - (BLOCK - 1) / 2).astype(int)
    corner[at[:, 1], at[:, 0]] = 1
    blocks = cv2.dilate(corner, np.ones((BLOCK, BLOCK), np.uint8), anchor=(BLOCK - 1, BLOCK - 1))
    _, label, stats, _ = cv2.connectedComponentsWithStats(blocks, connectivity=4)
    large = np.flatnonzero(stats[:, cv2.CC_STAT_AREA] >= 2 * LEAST)
    mask = np.isin(label, large[large > 0])
    if not mask.any():
        return None
    likeness = mask.astype(np.float32)
    return Match(hypothesis.matrix, box, mask, source, warped, likeness, seeds, hypothesis.support)


def _snapped(luma: NDArray[np.uint8], match: Match) -> Match:
    """`match` under a whole shift where its transform is almost one: no interpolation needed."""
    x, y, width, height = match.box
    centre = np.array([x + width / 2, y + height / 2])
    shift = geometry.apply(match.matrix, centre[None])[0] - centre
    whole = np.array([[1.0, 0.0, round(shift[0])], [0.0, 1.0, round(shift[1])]])
    corners = np.array([[x, y], [x + width, y], [x, y + height], [x + width, y + height]], float)
    error = geometry.apply(whole, corners) - geometry.apply(match.matrix, corners)
    if np.abs(error).max() > 0.75:
        return match
    other = _compare(luma, whole, match.box, match.seeds, match.support)
    if other is None or not (match.mask & other.mask).any():
        return match
    both = heart(match.mask & other.mask)
    before = np.abs(match.source - match.warped)[both].mean()
    after = np.abs(other.source - other.warped)[both].mean()
    return other if after < before else match


def heart(mask: Mask) -> Mask:
    """`mask` without its rim, where the window of the likeness reaches over other content."""
    import cv2

    inner = cv2.erode(mask.astype(np.uint8), np.ones((WINDOW, WINDOW), np.uint8)) > 0
    return np.asarray(inner if inner.sum() >= 100 else mask)


def _box(
    low: NDArray[np.float64], high: NDArray[np.float64], shape: tuple[int, ...]
) -> tuple[int, int, int, int] | None:
    x0, y0 = np.maximum(np.floor(low), 0).astype(int)
    x1, y1 = np.minimum(np.ceil(high) + 1, [shape[1], shape[0]]).astype(int)
    if x1 - x0 < WINDOW or y1 - y0 < WINDOW:
        return None
    return int(x0), int(y0), int(x1 - x0), int(y1 - y0)


def warp(
    luma: NDArray[np.uint8], matrix: Matrix, box: tuple[int, int, int, int]
) -> tuple[Array, Array, Mask]:
    """The picture in `box`, its counterpart warped onto it, and where the counterpart exists."""
    import cv2

    x, y, width, height = box
    source = luma[y : y + height, x : x + width].astype(np.float32)
    local = matrix.copy()
    local[:, 2] += matrix[:, :2] @ np.array([x, y])
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    corners = geometry.apply(
        local, np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float64)
    )
    pad = 12
    low = np.maximum(np.floor(corners.min(axis=0)).astype(int) - pad, 0)
    high = np.minimum(
        np.ceil(corners.max(axis=0)).astype(int) + pad, [luma.shape[1], luma.shape[0]]
    )
    if (high - low < WINDOW).any():
        return source, np.zeros_like(source), np.zeros(source.shape, np.bool_)
    other = luma[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    local[:, 2] -= low
    if scale < 0.97:
        # The counterpart is the coarser one: bring this place to its resolution.
        sigma = 0.55 * float(np.sqrt(1 / scale**2 - 1))
        source = np.asarray(cv2.GaussianBlur(source, (0, 0), sigma), np.float32)
    whole = np.allclose(local, np.rint(local), atol=1e-3)
    warped = np.asarray(
        cv2.warpAffine(
            other,
            local,
            (width, height),
            flags=(cv2.INTER_NEAREST if whole else cv2.INTER_CUBIC) | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(OUTSIDE,),
        ),
        np.float32,
    )
    inside = np.abs(warped) < 1000.0
    warped[~inside] = 0.0
    return source, warped, inside


def zncc(a: Array, b: Array, window: int = WINDOW) -> Array:
    """Local normalised correlation of two (h, w) float32 pictures, shrunk where nothing varies."""
    import cv2

    size = (window, window)
    ma, mb = cv2.blur(a, size), cv2.blur(b, size)
    va = cv2.blur(a * a, size) - ma * ma
    vb = cv2.blur(b * b, size) - mb * mb
    cov = cv2.blur(a * b, size) - ma * mb
    va, vb = np.maximum(va, 0), np.maximum(vb, 0)
    return np.asarray(cov / np.sqrt((va + FLOOR) * (vb + FLOOR)), np.float32)


def _compare(
    luma: NDArray[np.uint8],
    matrix: Matrix,
    box: tuple[int, int, int, int],
    seeds: Points,
    support: float,
) -> Match | None:
    source, warped, inside = warp(luma, matrix, box)
    likeness = zncc(source, warped)
    mask = (likeness > LIKE) & inside
    mask = _connected(mask, seeds - np.array(box[:2]))
    if mask.sum() < LEAST:
        return None
    return Match(matrix, box, mask, source, warped, likeness, seeds, support)


def _connected(mask: Mask, seeds: Points) -> Mask:
    """The parts of `mask` that hold a seed, opened by 3 x 3 and with small holes filled."""
    import cv2

    kernel = np.ones((3, 3), np.uint8)
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    _, label, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    at = np.rint(seeds).astype(int)
    height, width = mask.shape
    at = at[(at[:, 0] >= 0) & (at[:, 1] >= 0) & (at[:, 0] < width) & (at[:, 1] < height)]
    hit = np.unique(label[at[:, 1], at[:, 0]])
    hit = hit[(hit > 0)]
    if not len(hit):
        return np.zeros_like(mask)
    hit = hit[stats[hit, cv2.CC_STAT_AREA] >= 20]
    return np.isin(label, hit)


def _refine(match: Match) -> Matrix:
    """One Gauss-Newton step on the six parameters, with gain and offset, inside the mask."""
    gx = np.asarray(np.gradient(match.warped, axis=1))
    gy = np.asarray(np.gradient(match.warped, axis=0))
    rows, columns = np.nonzero(heart(match.mask))
    step = max(1, len(rows) // PATCH)
    rows, columns = rows[::step], columns[::step]
    # Derivatives of the warped counterpart along the axes of this place; a step in this place's
    # frame is composed with the transform at the end.
    dx, dy = gx[rows, columns].astype(np.float64), gy[rows, columns].astype(np.float64)
    cx, cy = columns.mean(), rows.mean()
    u, v = (columns - cx) / 32.0, (rows - cy) / 32.0
    value = match.warped[rows, columns].astype(np.float64)
    design = np.column_stack(
        [dx, dy, dx * u, dx * v, dy * u, dy * v, value - value.mean(), np.ones(len(rows))]
    )
    target = match.source[rows, columns] - value
    weight = np.clip(match.likeness[rows, columns], 0, 1)[:, None]
    gram = design.T @ (design * weight)
    gram[np.diag_indices(6)] += 1e-3 * np.trace(gram[:6, :6]) / 6
    try:
        s = np.linalg.solve(gram, design.T @ (weight[:, 0] * target))
    except np.linalg.LinAlgError:
        return match.matrix
    x, y = match.box[:2]
    # Displacement field in this place's frame: e(point) = s0 + linear part around the centroid.
    linear = np.array([[s[2], s[3]], [s[4], s[5]]]) / 32.0
    if not np.isfinite(s).all() or np.abs(linear).max() > 0.2 or np.abs(s[:2]).max() > 4:
        return match.matrix
    centre = np.array([cx + x, cy + y])
    inner = np.hstack([np.eye(2) + linear, (s[:2] - linear @ centre)[:, None]])
    a = match.matrix[:, :2]
    return np.hstack([a @ inner[:, :2], (a @ inner[:, 2] + match.matrix[:, 2])[:, None]])
