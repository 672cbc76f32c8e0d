"""Scenes of copy-move: a photo-like luma and pastes under known transforms."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

Luma = NDArray[np.uint8]
Paste = Callable[..., tuple[Luma, NDArray[np.float64]]]


@pytest.fixture(scope="session")
def luma(photo: NDArray[np.uint8]) -> Luma:
    return np.ascontiguousarray(photo[..., 1])


@pytest.fixture(scope="session")
def paste() -> Paste:
    """Copy a square of `side` pixels around `source` to `target`; also returns the transform."""

    def make(
        luma: Luma,
        *,
        source: tuple[float, float],
        target: tuple[float, float],
        side: float = 90,
        rotation: float = 0.0,
        scale: float = 1.0,
        mirrored: bool = False,
    ) -> tuple[Luma, NDArray[np.float64]]:
        turn = np.deg2rad(rotation)
        a = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        if mirrored:
            a = a @ np.diag([-1.0, 1.0])
        shift = np.array(target) - a @ np.array(source)
        matrix = np.hstack([a, shift[:, None]])
        height, width = luma.shape
        whole = rotation == 0 and scale == 1 and not mirrored
        flags = cv2.INTER_NEAREST if whole else cv2.INTER_CUBIC
        moved = cv2.warpAffine(luma, matrix, (width, height), flags=flags)
        square = np.zeros_like(luma)
        x, y, half = int(source[0]), int(source[1]), int(side / 2)
        square[y - half : y + half, x - half : x + half] = 1
        placed = cv2.warpAffine(square, matrix, (width, height), flags=cv2.INTER_NEAREST)
        return np.where(placed > 0, moved, luma).astype(np.uint8), matrix

    return make
