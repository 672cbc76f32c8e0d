"""Keypoint correspondences within one picture: SIFT matched against itself, mirrored copies too.

SIFT: Lowe, IJCV 60 (2004), DOI 10.1023/B:VISI.0000029664.99615.94. Matching of every keypoint with
several partners (g2NN): Amerini et al., IEEE TIFS 6 (2011), DOI 10.1109/TIFS.2011.2129512. Square
roots of descriptors: Arandjelovic & Zisserman, CVPR 2012, DOI 10.1109/CVPR.2012.6248018.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellsign.signal.copymove.pairs import Pairs, join, none

CONTRAST = 0.01  # a third of Lowe's 0.03, so that smooth places get keypoints
EDGE = 12.0  # Lowe's 10, a little looser: 5 % more points on narrow objects
CELL = 32  # pixels; keypoints are thinned per cell, or texture would take all of them
CAPACITY = 7000  # keypoints matched; the product of descriptors grows with its square
MIN_SHIFT = 12.0  # pixels; nearer points are one structure found twice
RATIO = 0.7  # of angular distances; 0.5-0.6 in Amerini et al., looser as verification follows
PARTNERS = 6  # at most, per keypoint: five pastes of one source
SIMILAR = 0.88  # cosine of root descriptors; below it no true copy was ever matched
ROWS = 1024  # rows of the similarity matrix at a time: bounds memory to ROWS x CAPACITY floats


@dataclass(frozen=True, slots=True, eq=False)
class Keypoints:
    """points (n, 2) float64; angle (n,) radians; size (n,) pixels; descriptors (n, 128) float32."""

    points: NDArray[np.float64]
    angle: NDArray[np.float64]
    size: NDArray[np.float64]
    descriptors: NDArray[np.float32]


def detect(luma: NDArray[np.uint8]) -> Keypoints:
    """SIFT keypoints of an (H, W) picture, thinned evenly, with unit-length root descriptors."""
    import cv2

    sift = cv2.SIFT.create(0, 3, CONTRAST, EDGE, 1.6)
    found, raw = sift.detectAndCompute(luma, None)
    if raw is None or not found:
        return Keypoints(np.zeros((0, 2)), np.zeros(0), np.zeros(0), np.zeros((0, 128), np.float32))
    table = np.array([(*k.pt, k.angle, k.size, k.response) for k in found], np.float64)
    # The detector's order depends on its threads; a fixed order keeps the result repeatable.
    order = np.lexsort((table[:, 2], table[:, 3], table[:, 0], table[:, 1]))
    table, raw = table[order], raw[order]
    keep = thin(table[:, :2], table[:, 4], luma.shape)
    table, raw = table[keep], raw[keep]
    norm = np.maximum(raw.sum(axis=1, keepdims=True), 1e-9)
    return Keypoints(
        np.ascontiguousarray(table[:, :2]),
        np.deg2rad(table[:, 2]),
        table[:, 3],
        np.sqrt(raw / norm).astype(np.float32),
    )


def thin(
    points: NDArray[np.float64], response: NDArray[np.float64], shape: tuple[int, ...]
) -> NDArray[np.intp]:
    """Indices (ascending) of at most CAPACITY points: the strongest of each cell, in turn."""
    if len(points) <= CAPACITY:
        return np.arange(len(points))
    columns = shape[1] // CELL + 1
    cell = (points[:, 1] // CELL).astype(np.int64) * columns + (points[:, 0] // CELL).astype(int)
    order = np.lexsort((-response, cell))
    starts = np.flatnonzero(np.r_[True, np.diff(cell[order]) != 0])
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    best = order[np.lexsort((-response[order], rank))[:CAPACITY]]
    return np.sort(best)


def mirrored_order() -> NDArray[np.intp]:
    """Permutation of the 128 entries that turns a descriptor into that of the mirrored patch.

    The patch is turned to its main direction first, so mirroring flips the axis across it: the
    rows of the 4 x 4 grid are reversed and direction bin o becomes -o modulo 8.
    """
    index = np.arange(128).reshape(4, 4, 8)
    return index[::-1, :, (-np.arange(8)) % 8].reshape(-1)


def match(keys: Keypoints) -> Pairs:
    """All self-matches of `keys`, plain and mirrored; each unordered pair once."""
    if len(keys.points) < 4:
        return none()
    flipped = np.ascontiguousarray(keys.descriptors[:, mirrored_order()])
    plain = _partners(keys.descriptors, keys.descriptors, keys.points)
    mirror = _partners(flipped, keys.descriptors, keys.points)
    return join([_pairs(keys, plain, False), _pairs(keys, mirror, True)])


def _partners(
    query: NDArray[np.float32], base: NDArray[np.float32], points: NDArray[np.float64]
) -> NDArray[np.intp]:
    """(m, 2) indices (i, j): j is a partner of i by the generalised ratio test."""
    xy = points.astype(np.float32)
    found = []
    for start in range(0, len(query), ROWS):
        stop = min(start + ROWS, len(query))
        cosine = query[start:stop] @ base.T
        rows = np.arange(stop - start)
        near = _near(xy, start, stop)
        cosine[near] = -1.0
        good = rows[cosine.max(axis=1) > SIMILAR]
        if not len(good):
            continue
        k = min(PARTNERS + 1, cosine.shape[1] - 1)
        part = cosine[good]
        top = np.argpartition(part, -k, axis=1)[:, -k:]
        value = np.take_along_axis(part, top, axis=1)
        order = np.lexsort((top, -value), axis=1)
        top = np.take_along_axis(top, order, axis=1)
        angle = np.arccos(np.clip(np.take_along_axis(value, order, axis=1), -1.0, 1.0))
        # A gap anywhere among the first partners accepts all before it: copies pasted several
        # times are equally near to each other, so only the first stranger breaks the chain.
        gap = angle[:, :-1] < RATIO * angle[:, 1:]
        count = np.where(gap.any(axis=1), gap.shape[1] - gap[:, ::-1].argmax(axis=1), 0)
        accepted = np.arange(k - 1) < count[:, None]
        accepted &= angle[:, :-1] < np.arccos(SIMILAR)
        i, j = np.nonzero(accepted)
        found.append(np.column_stack([good[i] + start, top[i, j]]))
    return np.concatenate(found) if found else np.zeros((0, 2), np.intp)


def _near(xy: NDArray[np.float32], start: int, stop: int) -> tuple[NDArray[np.intp], ...]:
    """Index pairs (row of the block, column) of points nearer than MIN_SHIFT to each other."""
    from scipy.spatial import cKDTree

    tree = cKDTree(xy)
    close = cKDTree(xy[start:stop]).sparse_distance_matrix(tree, MIN_SHIFT, output_type="ndarray")
    return close["i"], close["j"]


def _pairs(keys: Keypoints, index: NDArray[np.intp], mirrored: bool) -> Pairs:
    if not len(index):
        return none()
    i, j = index[:, 0], index[:, 1]
    # p is the place further up (then left), so that both directions of a match fall together.
    swap = (keys.points[i, 1] > keys.points[j, 1]) | (
        (keys.points[i, 1] == keys.points[j, 1]) & (keys.points[i, 0] > keys.points[j, 0])
    )
    i, j = np.where(swap, j, i), np.where(swap, i, j)
    unique = np.unique(i * len(keys.points) + j)
    i, j = unique // len(keys.points), unique % len(keys.points)
    a, b = keys.angle[i], keys.angle[j]
    # A left-right flip takes direction a to pi - a; the rotation follows it.
    rotation = b - (np.pi - a) if mirrored else b - a
    return Pairs(
        keys.points[i],
        keys.points[j],
        np.angle(np.exp(1j * rotation)),
        np.log(keys.size[j] / keys.size[i]),
        np.full(len(i), mirrored),
    )
