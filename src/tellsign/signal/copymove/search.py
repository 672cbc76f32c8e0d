"""The whole search: candidates from three sources, verified, scored, merged."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellsign.signal.copymove import crowd, dense, exact, geometry, grouping, keypoints, verify
from tellsign.signal.copymove.agreement import Agreement, agreement, decades, repetition
from tellsign.signal.copymove.geometry import Matrix
from tellsign.signal.copymove.grouping import Hypothesis
from tellsign.signal.copymove.verify import Match

Mask = NDArray[np.bool_]

WORKING = 2_600_000  # pixels: two mega-pixel pictures and FAU's stay whole, cameras' are reduced
EXACT_TRIALS = 12  # hypotheses verified at most, per source of candidates
KEYPOINT_TRIALS = 12
DENSE_TRIALS = 6
DENSE_PIXELS = 700_000  # pixels, the dense search is reduced to


@dataclass(frozen=True, slots=True, eq=False)
class Duplicate:
    """Two places that are copies of each other, in working pixels.

    region : (h, w) bool over the whole working picture; counterpart likewise.
    """

    matrix: Matrix  # region -> counterpart
    region: Mask
    counterpart: Mask
    measured: Agreement
    score: float  # decades


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    duplicates: tuple[Duplicate, ...]  # best first
    scale: float  # working pixels per picture pixel, <= 1
    shape: tuple[int, int]  # of the working picture
    tests: int  # hypotheses that were up for verification


def working(luma: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
    """The picture, reduced to at most WORKING pixels, and the factor."""
    import cv2

    scale = min(1.0, float(np.sqrt(WORKING / luma.size)))
    if scale == 1.0:
        return luma, 1.0
    size = (round(luma.shape[1] * scale), round(luma.shape[0] * scale))
    return np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA)), scale


def duplicates(luma: NDArray[np.uint8]) -> Findings:
    """Search an (H, W) picture of grey levels."""
    small, scale = working(luma)
    verified: list[Match] = []
    tests = 0
    # Keypoints take half of the time; the other two searches run beside them.
    with ThreadPoolExecutor(1) as beside:
        keys = beside.submit(keypoints.detect, small)
        equal, smooth = exact.hypotheses(small), _dense(small)
        moved = grouping.hypotheses(keypoints.match(keys.result()))
    for hypotheses, trials in (
        (equal, EXACT_TRIALS),
        (moved, KEYPOINT_TRIALS),
        (smooth, DENSE_TRIALS),
    ):
        tests += len(hypotheses)
        for hypothesis in hypotheses[:trials]:
            if any(_explains(match, hypothesis) for match in verified):
                continue
            match = verify.verify(small, hypothesis)
            if match is not None:
                verified.append(match)
    found = []
    half = crowd.coarse(small) if verified else None
    for match in verified:
        measured = agreement(match)
        if half is not None and decades(measured, tests) > 0:
            measured = repetition(measured, small, half, match)
        score = decades(measured, tests)
        if score > 0:
            region, counterpart = _places(match, small.shape)
            found.append(Duplicate(match.matrix, region, counterpart, measured, score))
    found.sort(key=lambda d: -d.score)
    return Findings(tuple(found), scale, (small.shape[0], small.shape[1]), tests)


def _dense(small: NDArray[np.uint8]) -> list[Hypothesis]:
    import cv2

    factor = min(1.0, float(np.sqrt(DENSE_PIXELS / small.size)))
    luma = small.astype(np.float32)
    if factor < 1:
        size = (round(luma.shape[1] * factor), round(luma.shape[0] * factor))
        luma = np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.float32)
    activity = cv2.GaussianBlur(np.abs(luma - cv2.GaussianBlur(luma, (0, 0), 2.0)), (0, 0), 8.0)
    eligible = (activity <= np.median(activity)) & (activity > 0.15)
    found = grouping.hypotheses(dense.correspondences(luma, eligible))
    fy, fx = luma.shape[0] / small.shape[0], luma.shape[1] / small.shape[1]
    up, down = np.diag([1 / fx, 1 / fy]), np.diag([fx, fy])
    return [
        Hypothesis(
            np.hstack([up @ h.matrix[:, :2] @ down, (up @ h.matrix[:, 2])[:, None]]),
            h.seeds @ up,
            h.support,
        )
        for h in found
        if h.support >= 2 * grouping.MIN_INLIERS
    ]


def _explains(match: Match, hypothesis: Hypothesis) -> bool:
    """Whether most seeds lie in the match (or its counterpart) and move as it does."""
    target = geometry.apply(hypothesis.matrix, hypothesis.seeds)
    x, y, width, height = match.box
    for p, q in ((hypothesis.seeds, target), (target, hypothesis.seeds)):
        moved = geometry.apply(match.matrix, p)
        at = np.rint(p - np.array([x, y])).astype(int)
        inside = ((at >= 0) & (at < np.array([width, height]))).all(axis=1)
        hit = np.zeros(len(p), np.bool_)
        hit[inside] = match.mask[at[inside, 1], at[inside, 0]]
        if (hit & (np.linalg.norm(moved - q, axis=1) < 4.0)).mean() > 0.5:
            return True
    return False


def _places(match: Match, shape: tuple[int, ...]) -> tuple[Mask, Mask]:
    """Region and counterpart as masks over the whole working picture."""
    import cv2

    x, y, width, height = match.box
    region = np.zeros(shape[:2], np.uint8)
    closed = cv2.morphologyEx(
        match.mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)
    )
    region[y : y + height, x : x + width] = _filled(np.asarray(closed, np.uint8))
    counterpart = cv2.warpAffine(
        region, match.matrix, (shape[1], shape[0]), flags=cv2.INTER_NEAREST
    )
    return region > 0, counterpart > 0


def _filled(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Holes filled: flat places inside a copy have no likeness but were copied with it."""
    from scipy.ndimage import binary_fill_holes

    return np.asarray(binary_fill_holes(mask), np.uint8)
