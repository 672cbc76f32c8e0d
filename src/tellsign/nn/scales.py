"""Crops of one picture at several scales: fine texture as it is, coarser structure made smaller.

A generator that draws small and enlarges, as most that make large pictures do, leaves little at the
finest scale and more in a reduced picture; JPEG, too, spoils the finest first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellsign.nn import views
from tellsign.nn.views import Pixels


@dataclass(frozen=True, slots=True, eq=False)
class Scaled:
    """Where crops lie at one scale.

    Parameters
    ----------
    factor
        Sides of the reduced picture as a share of the native ones; 1 is native.
    corners
        (k, 2) row and column of first pixels, in the reduced picture; k >= 1.
    """

    factor: float
    corners: NDArray[np.int64]


def layout(
    shape: tuple[int, int], side: int, count: int, reduced: Sequence[tuple[float, int]], least: int
) -> tuple[Scaled, ...]:
    """Where to cut at most `count` crops of `side` pixels: native ones first, then the reduced.

    Parameters
    ----------
    shape
        Height and width of the picture in pixels.
    reduced
        Factors below 1 and the most crops at each; together fewer than `count`.
    least
        Pixels of the shorter side; a picture reduced below that is left out, and its crops are
        spent on the native one.
    """
    found = []
    for factor, most in reduced:
        size = reduced_size(shape, factor)
        if min(size) >= least:
            found.append(Scaled(factor, views.corners(size, side, most)))
    left = count - sum(len(s.corners) for s in found)
    return (Scaled(1.0, views.corners(shape, side, left)), *found)


def reduced_size(shape: tuple[int, int], factor: float) -> tuple[int, int]:
    return max(1, round(factor * shape[0])), max(1, round(factor * shape[1]))


def cut(pixels: Pixels, side: int, plan: Sequence[Scaled]) -> Pixels:
    """(k, side, side, 3) uint8, all crops of `plan` in order; reduction averages areas.

    What is smaller than `side` is reflected at its right and lower edge.
    """
    import cv2  # late: listing detectors imports nothing heavy

    found = []
    for scaled in plan:
        shown = pixels
        if scaled.factor != 1:
            height, width = reduced_size(pixels.shape[:2], scaled.factor)
            shown = np.asarray(
                cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8
            )
        found.append(views.cut(shown, side, scaled.corners))
    return np.concatenate(found)


def means(values: NDArray[np.floating], plan: Sequence[Scaled]) -> NDArray[np.float64]:
    """(k,) values of crops -> their mean at each scale, so that every scale counts alike."""
    ends = np.cumsum([len(s.corners) for s in plan])[:-1]
    return np.array([part.mean(dtype=np.float64) for part in np.split(values, ends)])


def native(side: int, plan: Sequence[Scaled]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(k, 2) first pixels and (k,) sides of the crops as they lie in the native picture."""
    corners = [np.rint(s.corners / s.factor).astype(np.int64) for s in plan]
    sides = [np.full(len(s.corners), round(side / s.factor), np.int64) for s in plan]
    return np.concatenate(corners), np.concatenate(sides)
