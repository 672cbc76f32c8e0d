"""Exemplar-based filling: a hole is covered, outline first, with patches from around it.

After Criminisi, Pérez, Toyama, "Region filling and object removal by exemplar-based image
inpainting", IEEE TIP 13 (2004), :DOI:`10.1109/TIP.2004.833105`: priority = confidence times the
strength of the edges that run into the hole. Two changes for speed: the source patches are a
random sample, refined around the best one, and the patch grows with the hole.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tellsign.errors import ForgeError
from tellsign.forge.region import Mask, Pixels

SAMPLES = 700  # source patches compared per step; more change little at these hole sizes
REFINE = 2  # pixels searched around the best sample
Floats = NDArray[np.float64]


def exemplar_fill(pixels: Pixels, hole: Mask, rng: np.random.Generator) -> Pixels:
    """Fill `hole` (H, W) of `pixels` (H, W, 3) with patches that lie wholly outside it.

    Sums are of whole numbers in float64, hence exact: the same choice on every machine.
    Raises ForgeError when no patch fits beside the hole.
    """
    half = _half_patch(hole)
    stride = max(1, half // 5)
    image = np.pad(pixels.astype(np.float64), ((half, half), (half, half), (0, 0)), mode="edge")
    # Padding is known to the comparison but never a source.
    todo = np.pad(hole, half)
    sources = _sources(hole, half)
    if not len(sources):
        raise ForgeError("no source patch fits beside the region to be filled; use a smaller area")
    chosen = sources[np.sort(rng.choice(len(sources), min(SAMPLES, len(sources)), replace=False))]
    original, allowed = image.copy(), np.zeros(todo.shape, np.bool_)
    allowed[tuple(sources.T)] = True
    side = 2 * half + 1
    windows = np.lib.stride_tricks.sliding_window_view(original, (side, side), axis=(0, 1))
    # Large patches are compared on a coarser lattice first; the refinement uses every pixel.
    lattice = (slice(None), slice(half % stride, None, stride), slice(half % stride, None, stride))
    bank = windows[:, :, *lattice][chosen[:, 0] - half, chosen[:, 1] - half]
    bank = bank.reshape(len(chosen), -1)
    squares = bank**2
    confidence = (~todo).astype(np.float64)
    while todo.any():
        y, x, sure = _next(image, todo, confidence, half)
        window = (slice(y - half, y + half + 1), slice(x - half, x + half + 1))
        missing = todo[window].copy()
        known = np.broadcast_to(~missing, (3, side, side)).astype(np.float64)
        target = image[window].transpose(2, 0, 1) * known
        seen, sought = known[lattice].reshape(-1), target[lattice].reshape(-1)
        best = chosen[int(np.argmin(squares @ seen - 2 * (bank @ sought)))]
        sy, sx = _refined(windows, allowed, best, known, target, half)
        patch = original[sy - half : sy + half + 1, sx - half : sx + half + 1]
        image[window][missing] = patch[missing]
        confidence[window][missing] = sure
        todo[window] = False
    return np.rint(image[half:-half, half:-half]).astype(np.uint8)


def _half_patch(hole: Mask) -> int:
    # About six patches across the hole: few enough steps, yet structure can continue.
    return int(np.clip(np.sqrt(hole.sum()) / 12, 3, 30))


def _sources(hole: Mask, half: int) -> NDArray[np.intp]:
    """Centres (n, 2), in padded coordinates, of patches inside the picture and off the hole."""
    side = 2 * half + 1
    near = cv2.dilate(hole.astype(np.uint8), np.ones((side, side), np.uint8))
    free = near == 0
    free[:half], free[-half:], free[:, :half], free[:, -half:] = False, False, False, False
    return np.argwhere(free) + half


def _next(image: Floats, todo: Mask, confidence: Floats, half: int) -> tuple[int, int, float]:
    """Centre of the patch to be filled next, and the confidence its new pixels get."""
    rows, columns = np.flatnonzero(todo.any(axis=1)), np.flatnonzero(todo.any(axis=0))
    box = (
        slice(rows[0] - half, rows[-1] + half + 1),
        slice(columns[0] - half, columns[-1] + half + 1),
    )
    hole = todo[box].astype(np.uint8)
    front = (hole - cv2.erode(hole, np.ones((3, 3), np.uint8))) > 0
    sure = cv2.blur(confidence[box], (2 * half + 1, 2 * half + 1))
    luma = np.where(hole, 0.0, image[box] @ np.full(3, 1 / 3))
    # Gradients count only where all neighbours are known.
    inner = cv2.erode(1 - hole, np.ones((3, 3), np.uint8))
    edge_y = cv2.Sobel(luma, cv2.CV_64F, 0, 1, scale=0.125) * inner
    edge_x = cv2.Sobel(luma, cv2.CV_64F, 1, 0, scale=0.125) * inner
    near = np.ones((2 * half + 1, 2 * half + 1), np.uint8)
    smooth = cv2.GaussianBlur(hole.astype(np.float64), (0, 0), 1.5)
    normal_y = cv2.Sobel(smooth, cv2.CV_64F, 0, 1)
    normal_x = cv2.Sobel(smooth, cv2.CV_64F, 1, 0)
    length = np.sqrt(normal_y**2 + normal_x**2) + 1e-6
    # The isophote is the gradient turned by 90 degrees.
    into = np.abs(edge_x * normal_y - edge_y * normal_x) / length
    strength = cv2.dilate(into, near)
    priority = np.where(front, sure * (strength + 1), -1)
    y, x = np.unravel_index(int(np.argmax(priority)), priority.shape)
    return int(y) + box[0].start, int(x) + box[1].start, float(sure[y, x])


def _refined(
    windows: Floats, allowed: Mask, best: NDArray[np.intp], known: Floats,
    target: Floats, half: int,
) -> tuple[int, int]:  # fmt: skip
    around = [
        (int(best[0]) + dy, int(best[1]) + dx)
        for dy in range(-REFINE, REFINE + 1)
        for dx in range(-REFINE, REFINE + 1)
    ]
    height, width = allowed.shape
    around = [(y, x) for y, x in around if 0 <= y < height and 0 <= x < width and allowed[y, x]]
    costs = [
        float((((windows[y - half, x - half] - target) ** 2) * known).sum()) for y, x in around
    ]
    return around[int(np.argmin(costs))]
