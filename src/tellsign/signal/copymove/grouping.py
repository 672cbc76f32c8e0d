"""From candidate pairs to transforms: neighbours that move alike, then RANSAC.

Clustering before the fit, as Amerini et al. (Signal Process. Image Commun. 28, 2013, DOI
10.1016/j.image.2013.03.006), but on place, counterpart and motion at once, which keeps several
pastes apart without a number of clusters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellsign.signal.copymove import geometry
from tellsign.signal.copymove.geometry import Matrix, Points
from tellsign.signal.copymove.pairs import Pairs

REACH = 48.0  # pixels between neighbours of one group, at either place
MAX_TURN = 0.35  # radians between neighbours; twice the spread of SIFT directions
MAX_STRETCH = 0.35  # of log scale; SIFT scales are quantised to a third of an octave
TOLERANCE = 3.0  # pixels, of an inlier
ROUNDS = 200  # two-point samples; finds a fit with 20 % inliers with probability 0.9997
MIN_INLIERS = 3
PER_GROUP = 3  # transforms taken from one group


@dataclass(frozen=True, slots=True, eq=False)
class Hypothesis:
    """A transform to be verified and the points p it was fitted to (n, 2).

    exact: the seeds are centres of blocks that equal their counterparts bit by bit.
    """

    matrix: Matrix
    seeds: Points
    support: float
    exact: bool = False


def groups(pairs: Pairs) -> list[NDArray[np.intp]]:
    """Index sets of pairs connected by nearness at both places and by like motion."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    n = len(pairs)
    if n == 0:
        return []
    joint = np.hstack([pairs.p, pairs.q, 1e4 * pairs.mirrored[:, None]])
    # The maximum norm bounds both distances by REACH.
    edge = cKDTree(joint).query_pairs(REACH, p=np.inf, output_type="ndarray")
    i, j = edge[:, 0], edge[:, 1]
    turn = np.abs(np.angle(np.exp(1j * (pairs.rotation[i] - pairs.rotation[j]))))
    alike = (turn < MAX_TURN) & (np.abs(pairs.log_scale[i] - pairs.log_scale[j]) < MAX_STRETCH)
    i, j = i[alike], j[alike]
    graph = coo_matrix((np.ones(len(i), np.int8), (i, j)), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    order = np.argsort(label, kind="stable")
    cut = np.flatnonzero(np.diff(label[order])) + 1
    return [g for g in np.split(order, cut) if len(g) >= MIN_INLIERS]


def hypotheses(pairs: Pairs) -> list[Hypothesis]:
    """Transforms supported by at least MIN_INLIERS pairs, the best supported first."""
    found = []
    for group in groups(pairs):
        rest = group
        for _ in range(PER_GROUP):
            fit = _ransac(pairs.take(rest))
            if fit is None:
                break
            matrix, inlier = fit
            seeds = pairs.p[rest[inlier]]
            found.append(Hypothesis(matrix, seeds, float(_distinct(seeds))))
            rest = rest[~inlier]
            if len(rest) < MIN_INLIERS:
                break
    found = [h for h in found if h.support >= MIN_INLIERS]
    return sorted(found, key=lambda h: -h.support)


def _distinct(points: Points) -> int:
    """Number of distinct places (2-pixel cells): one blob with two directions counts once."""
    return len(np.unique((points // 2).astype(np.int64), axis=0))


def _ransac(pairs: Pairs) -> tuple[Matrix, NDArray[np.bool_]] | None:
    n = len(pairs)
    if n < MIN_INLIERS:
        return None
    mirrored = bool(pairs.mirrored[0])
    rng = np.random.default_rng(n)
    first = rng.integers(0, n, ROUNDS)
    second = (first + rng.integers(1, n, ROUNDS)) % n
    zp = pairs.p[:, 0] + 1j * pairs.p[:, 1]
    zq = pairs.q[:, 0] + 1j * pairs.q[:, 1]
    if mirrored:
        zp = zp.conj()
    base = zp[second] - zp[first]
    ok = np.abs(base) > 2.0
    a = np.where(ok, (zq[second] - zq[first]) / np.where(ok, base, 1.0), 0.0)
    b = zq[first] - a * zp[first]
    error = np.abs(a[:, None] * zp + b[:, None] - zq)
    scale = np.abs(a)
    sane = (scale > geometry.SCALE_RANGE[0]) & (scale < geometry.SCALE_RANGE[1])
    count = np.where(sane, (error < TOLERANCE).sum(axis=1), 0)
    best = int(count.argmax())
    inlier = error[best] < TOLERANCE
    if count[best] < MIN_INLIERS:
        return None
    matrix = geometry.similarity(pairs.p[inlier], pairs.q[inlier], mirrored)
    for _ in range(2):
        residual = np.linalg.norm(geometry.apply(matrix, pairs.p) - pairs.q, axis=1)
        inlier = residual < TOLERANCE
        if inlier.sum() < MIN_INLIERS:
            return None
        matrix = geometry.similarity(pairs.p[inlier], pairs.q[inlier], mirrored)
    return (matrix, inlier) if geometry.plausible(matrix) else None
