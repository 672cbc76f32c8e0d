"""Crops of a picture as it is, spread over it, and maps of what is found in them."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tellsign.types import Map, MapKind

Pixels = NDArray[np.uint8]

# Natural logarithms of odds at both ends of a map's colours: 150 to 1 against and for. A network
# that is surer than that is not better founded.
LOG_ODDS: Final = (-5.0, 5.0)


def padded(pixels: Pixels, side: int) -> Pixels:
    """Reflect the picture to the right and below until each side has `side` pixels."""
    height, width = pixels.shape[:2]
    while height < side or width < side:
        down = min(max(0, side - height), height)
        right = min(max(0, side - width), width)
        pixels = np.pad(pixels, ((0, down), (0, right), (0, 0)), "symmetric")
        height, width = pixels.shape[:2]
    return pixels


def positions(length: int, side: int, count: int) -> list[int]:
    """Up to `count` evenly spread starts of windows of `side` in `length` pixels, ends included.

    As many as can stand with at most half of each covered twice.
    """
    room = length - side
    fitting = min(count, 1 + room // max(1, side // 2))
    if fitting == 1:
        return [room // 2]
    return [round(i * room / (fitting - 1)) for i in range(fitting)]


def crops(pixels: Pixels, side: int, count: int) -> tuple[Pixels, NDArray[np.int64]]:
    """At most `count` crops on an even grid whose shape follows the picture's.

    Parameters
    ----------
    pixels
        (H, W, 3) uint8.

    Returns
    -------
    (k, side, side, 3) uint8 and the (k, 2) row and column of their first pixels; k >= 1. A picture
    smaller than `side` is reflected at its right and lower edge.
    """
    found = corners(pixels.shape[:2], side, count)
    return cut(pixels, side, found), found


def cut(pixels: Pixels, side: int, corners: NDArray[np.int64]) -> Pixels:
    """(k, side, side, 3) crops with first pixels at `corners`; what is missing is reflected."""
    whole = padded(pixels, side)
    return np.stack([whole[t : t + side, left : left + side] for t, left in corners.tolist()])


def corners(shape: tuple[int, ...], side: int, count: int) -> NDArray[np.int64]:
    """(k, 2): where `crops` cuts a picture of `shape`, known without its pixels."""
    height, width = max(shape[0], side), max(shape[1], side)
    best: tuple[int, list[int], list[int]] | None = None
    for rows in range(1, count + 1):
        tops = positions(height, side, rows)
        lefts = positions(width, side, count // rows)
        if len(tops) == rows and (best is None or _better(tops, lefts, best, height, width)):
            best = (len(tops) * len(lefts), tops, lefts)
    assert best is not None
    return np.array([(t, left) for t in best[1] for left in best[2]], np.int64)


def _better(
    tops: list[int], lefts: list[int], best: tuple[int, list[int], list[int]], h: int, w: int
) -> bool:
    """More crops first, then the grid whose cells are closest to squares."""
    number = len(tops) * len(lefts)
    if number != best[0]:
        return number > best[0]

    def skew(rows: int, columns: int) -> float:
        return abs(math.log((h / rows) / (w / columns)))

    return skew(len(tops), len(lefts)) < skew(len(best[1]), len(best[2]))


def crop_map(
    values: NDArray[np.floating],
    corners: NDArray[np.int64],
    side: int | NDArray[np.int64],
    shape: tuple[int, int],
    span: tuple[float, float] | None = None,
) -> Map:
    """Crop-wise values as a map: overlapping crops are averaged, the rest is not valid.

    Parameters
    ----------
    values, corners
        (k,) and (k, 2): one value and first pixel for each crop.
    side
        Of all crops, or (k,) of each, in pixels.
    shape
        Height and width of the picture in pixels.
    span
        Values at both ends of the map's colours.
    """
    stride = 32
    rows, columns = -(-shape[0] // stride), -(-shape[1] // stride)
    total = np.zeros((rows, columns), np.float32)
    weight = np.zeros((rows, columns), np.float32)
    sides = np.broadcast_to(side, len(values))
    for value, (top, left), own in zip(values, corners, sides, strict=True):
        part = (
            slice(top // stride, -(-(top + own) // stride)),
            slice(left // stride, -(-(left + own) // stride)),
        )
        total[part] += np.float32(value)
        weight[part] += 1
    mean = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
    return Map(MapKind.SCORE, mean, float(stride), weight > 0, span=span)
