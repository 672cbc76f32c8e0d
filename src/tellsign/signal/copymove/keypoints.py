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
STRIP = 1_100_000  # pixels examined at a time
OVERLAP = 32  # pixels, around a strip
CELL = 32  # pixels; keypoints are thinned per cell, or texture would take all of them
CAPACITY = 4000  # keypoints matched per square root of a megapixel; the cost grows with its square
MIN_SHIFT = 12.0  # pixels; nearer points are one structure found twice
RATIO = 0.7  # of distances; 0.5-0.6 in Amerini et al., looser as verification follows
PARTNERS = 6  # at most, per keypoint: five pastes of one source
BOUND = 0.45  # distance of root descriptors up to which neighbours are searched; copies: 0.4
DIMENSIONS = 64  # principal components in which neighbours are searched; shortens distances only
CROWD = 100  # candidates; a keypoint with more is part of a repeated structure
ROWS = 1024  # rows of the distance matrix at a time: bounds memory to ROWS x CAPACITY floats


@dataclass(frozen=True, slots=True, eq=False)
class Keypoints:
    """points (n, 2) float64; angle (n,) radians; size (n,) pixels; descriptors (n, 128) float32."""

    points: NDArray[np.float64]
    angle: NDArray[np.float64]
    size: NDArray[np.float64]
    descriptors: NDArray[np.float32]


def detect(luma: NDArray[np.uint8]) -> Keypoints:
    """SIFT keypoints of an (H, W) picture, thinned evenly, with unit-length root descriptors."""
    found = [_strip(luma, top) for top in range(0, luma.shape[0], max(STRIP // luma.shape[1], 64))]
    table = np.concatenate([t for t, _ in found])
    raw = np.concatenate([d for _, d in found])
    if not len(table):
        return Keypoints(np.zeros((0, 2)), np.zeros(0), np.zeros(0), np.zeros((0, 128), np.float32))
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


def _strip(luma: NDArray[np.uint8], top: int) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Keypoints (x, y, angle, size, response) and descriptors of the strip that begins at `top`.

    The detector doubles its picture and keeps eleven copies of it: strips bound its memory.
    """
    import cv2

    bottom = top + max(STRIP // luma.shape[1], 64)
    first, last = max(top - OVERLAP, 0), min(bottom + OVERLAP, luma.shape[0])
    sift = cv2.SIFT.create(0, 3, CONTRAST, EDGE, 1.6)
    found, raw = sift.detectAndCompute(luma[first:last], None)
    if raw is None or not found:
        return np.zeros((0, 5)), np.zeros((0, 128), np.float32)
    table = np.array([(*k.pt, k.angle, k.size, k.response) for k in found], np.float64)
    table[:, 1] += first
    inside = (table[:, 1] >= top) & (table[:, 1] < bottom)
    return table[inside], np.asarray(raw, np.float32)[inside]


def thin(
    points: NDArray[np.float64], response: NDArray[np.float64], shape: tuple[int, ...]
) -> NDArray[np.intp]:
    """Indices (ascending) of the points to match: the strongest of each cell, in turn."""
    capacity = round(CAPACITY * max(1.0, shape[0] * shape[1] / 1e6) ** 0.5)
    if len(points) <= capacity:
        return np.arange(len(points))
    columns = shape[1] // CELL + 1
    cell = (points[:, 1] // CELL).astype(np.int64) * columns + (points[:, 0] // CELL).astype(int)
    order = np.lexsort((-response, cell))
    starts = np.flatnonzero(np.r_[True, np.diff(cell[order]) != 0])
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    best = order[np.lexsort((-response[order], rank))[:capacity]]
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
    axes = _principal_axes(keys.descriptors)
    base = keys.descriptors @ axes
    parts = []
    for query, mirrored in ((keys.descriptors, False), (flipped, True)):
        near = base if query is keys.descriptors else query @ axes
        index = _partners(keys, query, near, base)
        parts.append(_pairs(keys, index, mirrored))
    return join(parts)


def _principal_axes(descriptors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(128, DIMENSIONS) orthonormal: projected distances are never longer than the true ones."""
    centred = descriptors - descriptors.mean(axis=0)
    _, vectors = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    return np.ascontiguousarray(vectors[:, ::-1][:, :DIMENSIONS], np.float32)


def _partners(
    keys: Keypoints,
    query: NDArray[np.float32],
    near: NDArray[np.float32],
    base: NDArray[np.float32],
) -> NDArray[np.intp]:
    """(m, 2) indices (i, j): j is a partner of i by the generalised ratio test.

    `near` and `base` are `query` and the descriptors in principal components.
    """
    i, j = _candidates(near, base)
    far = np.abs(keys.points[i] - keys.points[j]).max(axis=1) >= MIN_SHIFT
    i, j = i[far], j[far]
    cosine = np.einsum("ij,ij->i", query[i], keys.descriptors[j])
    distance = np.sqrt(np.maximum(2.0 - 2.0 * cosine, 0.0))
    close = distance < BOUND
    i, j, distance = i[close], j[close], distance[close]
    order = np.lexsort((j, distance, i))
    i, j, distance = i[order], j[order], distance[order]
    start = np.flatnonzero(np.r_[True, np.diff(i) != 0]) if len(i) else np.zeros(0, np.intp)
    rank = np.arange(len(i)) - np.repeat(start, np.diff(np.r_[start, len(i)]))
    following = np.append(np.where(np.diff(i) == 0, distance[1:], BOUND), BOUND)[: len(i)]
    # A gap anywhere among the first partners accepts all before it: copies pasted several times
    # are equally near to each other, so only the first stranger breaks the chain.
    gap = (distance < RATIO * following) & (rank < PARTNERS)
    last = np.full(len(query), -1)
    np.maximum.at(last, i[gap], rank[gap])
    accepted = rank <= last[i]
    return np.column_stack([i[accepted], j[accepted]])


def _candidates(
    near: NDArray[np.float32], base: NDArray[np.float32]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Index pairs whose projected distance is below BOUND, without those of crowded rows."""
    # |a - b|^2 < BOUND^2 as one product: a.b - |a|^2/2 - |b|^2/2 > -BOUND^2/2.
    left = np.column_stack([near, np.ones(len(near)), -0.5 * (near**2).sum(axis=1)])
    right = np.column_stack([base, -0.5 * (base**2).sum(axis=1), np.ones(len(base))])
    left, right = left.astype(np.float32), np.ascontiguousarray(right.T, np.float32)
    rows, columns = [], []
    for start in range(0, len(near), ROWS):
        below = left[start : start + ROWS] @ right > -0.5 * BOUND**2
        count = np.count_nonzero(below, axis=1)
        below[count > CROWD] = False
        flat = np.flatnonzero(below.ravel())
        rows.append(flat // below.shape[1] + start)
        columns.append(flat % below.shape[1])
    return np.concatenate(rows), np.concatenate(columns)


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
