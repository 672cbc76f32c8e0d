"""Exif orientation, for display only: detectors work on stored pixels."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)


def display_orientation(array: NDArray[T], orientation: int | None) -> NDArray[T]:
    """Turn (H, W) or (H, W, C) from stored to displayed axes (Exif 2.32, Orientation).

    A view where possible; unknown values leave the array as it is.
    """
    if orientation in (5, 6, 7, 8):
        array = np.swapaxes(array, 0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array
