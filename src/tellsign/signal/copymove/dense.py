"""Dense correspondences for smooth places: rotation-invariant moments at every pixel, hashed.

Features are magnitudes of Gaussian circular harmonics, (d/dx + i d/dy)^n applied to the smoothed
picture: like the Zernike and polar harmonic moments of Cozzolino, Poggi & Verdoliva (IEEE TIFS 10,
2015, DOI 10.1109/TIFS.2015.2455334) they turn only in phase when the patch turns, and conjugate
when it is mirrored. Instead of PatchMatch the approximate nearest neighbours come from sorting
quantised features (two shifted grids), and instead of filtering an offset field, correspondences
are kept where many agree on both cells they join; `grouping` and `verify` do the linear fit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tellsign.signal.copymove.pairs import Pairs, none

SIGMAS = (1.6, 3.0)  # pixels: noise and fine texture, inside a disc of radius 8
CAPACITY = 70_000  # pixels entered at most
COMPONENTS = 7  # principal components that are quantised
STEP = 0.7  # quantisation step, in units of log magnitude
LOOK_AHEAD = 2  # followers in a bucket that a pixel is paired with
MIN_SHIFT = 16.0  # pixels; nearer pixels share most of their patch
CELL = 16  # pixels; correspondences vote for pairs of cells
VOTES = 4  # correspondences that must join the same two cells
PHASE = 0.7  # radians, agreement of relative phases
MAX_PAIRS = 1500


def correspondences(luma: NDArray[np.float32], eligible: NDArray[np.bool_]) -> Pairs:
    """Pairs of like pixels among the `eligible` ones of an (H, W) picture, each pair once."""
    at = _sampled(luma, eligible)
    if len(at) < 1000:
        return none()
    magnitude, angle, phase = _features(luma, at)
    component = _principal(magnitude)
    place = np.column_stack([at % luma.shape[1], at // luma.shape[1]]).astype(np.float32)
    code = np.concatenate([_joined(component, place, shift) for shift in (0.0, 0.5)])
    i, j = code // len(at), code % len(at)
    plain = np.abs(_wrap(phase[i] - phase[j])).max(axis=1)
    mirror = np.abs(_wrap(phase[i] + phase[j])).max(axis=1)
    _, once = np.unique(code[np.minimum(plain, mirror) < PHASE], return_index=True)
    good = np.flatnonzero(np.minimum(plain, mirror) < PHASE)[once]
    i, j, mirrored = i[good], j[good], (mirror < plain)[good]
    a, b = angle[i], angle[j]
    return _voted(
        Pairs(
            place[i].astype(np.float64),
            place[j].astype(np.float64),
            _wrap(np.where(mirrored, b - (np.pi - a), b - a)).astype(np.float64),
            np.zeros(len(i)),
            mirrored,
        )
    )


def _sampled(luma: NDArray[np.float32], eligible: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Flat indices of at most CAPACITY eligible pixels, chosen so that a copy's are chosen too.

    Where all would be too many, those around extrema of the Laplacian: they move with the content.
    """
    import cv2

    at = np.flatnonzero(eligible)
    if len(at) <= CAPACITY:
        return at
    laplacian = cv2.Laplacian(cv2.GaussianBlur(luma, (0, 0), SIGMAS[-1]), cv2.CV_32F)
    ring = np.ones((3, 3), np.uint8)
    peak = (laplacian >= cv2.dilate(laplacian, ring)) | (laplacian <= cv2.erode(laplacian, ring))
    for side in (5, 3, 1):
        near = cv2.dilate(peak.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
        at = np.flatnonzero(eligible & near)
        if len(at) <= CAPACITY:
            break
    return at[:: len(at) // CAPACITY + 1]


def _features(
    luma: NDArray[np.float32], at: NDArray[np.intp]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Log magnitudes (n, 10), direction (n,) and relative phases (n, 3) at the flat indices `at`.

    Relative phases (n-th harmonic against n times the first) do not turn with the patch and change
    sign when it is mirrored.
    """
    import cv2

    one, first, second, third = (
        np.array(k, np.float32) for k in ([1], [-0.5, 0, 0.5], [1, -2, 1], [-0.5, 1, 0, -1, 0.5])
    )
    rows = []
    angle = phase = np.zeros(0, np.float32)
    for sigma in SIGMAS:
        smooth = np.asarray(cv2.GaussianBlur(luma, (0, 0), sigma), np.float32)

        def take(x: NDArray[np.float32], kx: NDArray[np.float32], ky: NDArray[np.float32],
                 ) -> NDArray[np.float32]:  # fmt: skip
            return np.asarray(cv2.sepFilter2D(x, -1, kx, ky).ravel()[at])

        laplacian = np.asarray(
            cv2.sepFilter2D(smooth, -1, second, one) + cv2.sepFilter2D(smooth, -1, one, second),
            np.float32,
        )
        gx, gy = take(smooth, first, one), take(smooth, one, first)
        lx, ly = take(laplacian, first, one), take(laplacian, one, first)
        h0 = laplacian.ravel()[at]
        gxx = take(smooth, second, one)
        h2x, h2y = gxx + gxx - h0, 2 * take(smooth, first, first)
        h3x = 4 * take(smooth, third, one) - 3 * lx
        h3y = 3 * ly - 4 * take(smooth, one, third)
        pairs = [(gx, gy), (lx, ly), (h2x, h2y), (h3x, h3y)]
        rows += [np.hypot(x, y) for x, y in pairs] + [np.abs(h0)]
        f1, fl, f2, f3 = (np.arctan2(y, x) for x, y in pairs)
        angle = f1
        phase = np.column_stack([fl - f1, f2 - 2 * f1, f3 - 3 * f1])
    magnitude = np.column_stack(rows)
    # Soft logarithm: below a third of the median a magnitude is noise and says nothing.
    magnitude = np.log(magnitude / (np.median(magnitude[::7], axis=0) + 1e-6) + 0.33)
    return magnitude, angle, phase


def _principal(magnitude: NDArray[np.float32]) -> NDArray[np.float32]:
    """The first COMPONENTS principal components (n, COMPONENTS), unscaled."""
    centred = magnitude - magnitude.mean(axis=0)
    sample = centred[:: len(centred) // 20_000 + 1].astype(np.float64)
    _, vectors = np.linalg.eigh(sample.T @ sample)
    top = vectors[:, ::-1][:, :COMPONENTS]
    top = top * np.where(top[np.abs(top).argmax(axis=0), range(COMPONENTS)] < 0, -1.0, 1.0)
    return np.asarray(centred @ top.astype(np.float32))


def _joined(
    component: NDArray[np.float32], place: NDArray[np.float32], shift: float
) -> NDArray[np.int64]:
    """Codes i * n + j of pixels in the same bucket of the quantisation grid moved by `shift`."""
    n = len(component)
    level = np.floor(component / STEP + shift).astype(np.int64)
    level -= level.min(axis=0)
    span = level.max(axis=0) + 1
    key = np.zeros(n, np.int64)
    for k in range(COMPONENTS):
        key = key * int(span[k]) + level[:, k]
    # Inside a bucket the likest pixels come next to each other along the strongest component.
    fine = (component[:, 0] / STEP + shift) % 1.0
    order = np.argsort(key + fine.astype(np.float64), kind="stable")
    key = key[order]
    found = []
    for step in range(1, LOOK_AHEAD + 1):
        same = np.flatnonzero(key[step:] == key[:-step])
        i, j = order[same], order[same + step]
        i, j = np.minimum(i, j), np.maximum(i, j)
        far = np.abs(place[i] - place[j]).max(axis=1) >= MIN_SHIFT
        found.append(i[far] * n + j[far])
    return np.concatenate(found)


def _voted(pairs: Pairs) -> Pairs:
    """Those pairs whose two cells are joined by at least VOTES pairs that turn alike."""
    if not len(pairs):
        return pairs
    cell = np.hstack([pairs.p // CELL, pairs.q // CELL]).astype(np.int64)
    turn = np.rint(pairs.rotation / (np.pi / 4)).astype(np.int64) % 8
    code = pairs.mirrored.astype(np.int64)
    for column in (cell[:, 0], cell[:, 1], cell[:, 2], cell[:, 3]):
        code = code * 4096 + column
    code = code * 8 + turn
    _, which, count = np.unique(code, return_inverse=True, return_counts=True)
    votes = count[which]
    keep = np.flatnonzero(votes >= VOTES)
    if len(keep) > MAX_PAIRS:
        keep = np.sort(keep[np.lexsort((keep, -votes[keep]))[:MAX_PAIRS]])
    return pairs.take(keep)


def _wrap(angle: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray((angle + np.pi) % (2 * np.pi) - np.pi)
