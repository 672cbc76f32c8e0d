"""Plane transforms of copy-move: how one place of a picture maps onto another.

A transform is a (2, 3) float64 matrix ``[A | t]`` that takes a point (x, y) of one place to its
counterpart in the other; pixel centres have whole coordinates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Points = NDArray[np.float64]

# An affine part further from a similarity than this is no plausible paste: CoMoFoD's strongest
# distortions stay below 1.6 (Tralic et al., ELMAR 2013), accidental fits to few points do not.
MAX_ANISOTROPY = 2.0
SCALE_RANGE = (0.3, 3.3)  # beyond it too few pixels are left in the smaller place to compare


@dataclass(frozen=True, slots=True)
class Motion:
    """A transform in words: what a person would do in an editor to make the copy."""

    shift: tuple[float, float]  # pixels, of the centre of the region
    rotation: float  # degrees, -180..180, positive turns x towards y (clockwise on the screen)
    scale: float  # linear
    mirrored: bool


def describe(matrix: Matrix, centre: tuple[float, float]) -> Motion:
    """Shift of `centre`, rotation, scale and mirroring of `matrix` (nearest similarity)."""
    a = matrix[:, :2]
    det = float(np.linalg.det(a))
    mirrored = det < 0
    # A mirrored transform is a left-right flip followed by the rotation.
    b = a @ np.diag([-1.0, 1.0]) if mirrored else a
    rotation = math.degrees(math.atan2(b[1, 0] - b[0, 1], b[0, 0] + b[1, 1]))
    point = np.array([*centre, 1.0])
    dx, dy = matrix @ point - point[:2]
    return Motion((float(dx), float(dy)), rotation, math.sqrt(abs(det)), mirrored)


def apply(matrix: Matrix, points: Points) -> Points:
    """Map (n, 2) points."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2])


def inverse(matrix: Matrix) -> Matrix:
    """Raises numpy.linalg.LinAlgError when the transform is singular."""
    a = np.linalg.inv(matrix[:, :2])
    return np.hstack([a, -(a @ matrix[:, 2:])])


def plausible(matrix: Matrix) -> bool:
    """Whether an editor's paste could be this transform: scale and anisotropy within bounds."""
    if not np.isfinite(matrix).all():
        return False
    singular = np.linalg.svd(matrix[:, :2], compute_uv=False)
    if singular[1] <= 0:
        return False
    scale = math.sqrt(float(singular[0] * singular[1]))
    anisotropic = float(singular[0] / singular[1]) > MAX_ANISOTROPY
    return SCALE_RANGE[0] <= scale <= SCALE_RANGE[1] and not anisotropic


def similarity(p: Points, q: Points, mirrored: bool) -> Matrix:
    """Least-squares similarity from p to q, (n, 2) each, n >= 2, with or without mirroring.

    In complex numbers q = a p + b, or q = a conj(p) + b when mirrored.
    """
    zp = p[:, 0] + 1j * p[:, 1]
    zq = q[:, 0] + 1j * q[:, 1]
    if mirrored:
        zp = zp.conj()
    cp, cq = zp.mean(), zq.mean()
    dp, dq = zp - cp, zq - cq
    energy = float((np.abs(dp) ** 2).sum())
    a = (dp.conj() * dq).sum() / energy if energy > 0 else 1.0 + 0j
    b = cq - a * cp
    sign = -1.0 if mirrored else 1.0
    return np.array([[a.real, -sign * a.imag, b.real], [a.imag, sign * a.real, b.imag]])
