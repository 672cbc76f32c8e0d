"""Candidate correspondences: points of the picture that look alike, each with its local motion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """n candidate correspondences between two places of the same picture.

    p, q : (n, 2) float64, points (x, y) in pixels.
    rotation : (n,) float64, radians, of the motion p -> q (after the flip when mirrored).
    log_scale : (n,) float64, natural logarithm of the linear scale of p -> q.
    mirrored : (n,) bool.
    """

    p: NDArray[np.float64]
    q: NDArray[np.float64]
    rotation: NDArray[np.float64]
    log_scale: NDArray[np.float64]
    mirrored: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.p)

    def take(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> Pairs:
        return Pairs(
            self.p[index],
            self.q[index],
            self.rotation[index],
            self.log_scale[index],
            self.mirrored[index],
        )


def none() -> Pairs:
    return Pairs(
        np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0), np.zeros(0), np.zeros(0, np.bool_)
    )


def join(parts: list[Pairs]) -> Pairs:
    if not parts:
        return none()
    return Pairs(
        np.concatenate([x.p for x in parts]),
        np.concatenate([x.q for x in parts]),
        np.concatenate([x.rotation for x in parts]),
        np.concatenate([x.log_scale for x in parts]),
        np.concatenate([x.mirrored for x in parts]),
    )
