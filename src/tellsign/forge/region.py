"""Where to forge: random outlines, soft edges and places in a picture.

A *patch* is a small array cut around a region; its position is the (row, column) of its first
pixel. Masks are boolean, mattes float32 in 0..1 and exactly 0 where a composite must not act.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tellsign.errors import ForgeError
from tellsign.forge.draws import Draws
from tellsign.forge.recipe import Recipe

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Matte = NDArray[np.float32]

ALTERED = 255  # mask label: pixels that were written
COPIED_FROM = 128  # mask label: where a copy-move took them
MINIMUM_SIDE = 48  # pixels; smaller pictures leave no room for a region and its surroundings
# Places compared; objects are sparse, texture and flat parts are not.
CANDIDATES = {"any": 1, "textured": 12, "smooth": 12, "object": 64}
MARGIN = 2  # pixels kept free at the picture's border; Poisson blending needs a rim


@dataclass(frozen=True, slots=True)
class Place:
    """The window of a picture that a patch of (height, width) covers."""

    y: int
    x: int
    height: int
    width: int

    @property
    def window(self) -> tuple[slice, slice]:
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    def grown(self, by: int, shape: tuple[int, ...]) -> Place:
        """The window with `by` pixels more on each side, cut to a picture of `shape`."""
        top, left = max(0, self.y - by), max(0, self.x - by)
        bottom = min(shape[0], self.y + self.height + by)
        right = min(shape[1], self.x + self.width + by)
        return Place(top, left, bottom - top, right - left)


def draw_outline(recipe: Recipe, draws: Draws, shape: tuple[int, ...]) -> Mask:
    """A filled random outline as a tight patch with a free rim of one pixel.

    Its area is the drawn share of a picture of `shape`; it is shrunk where it would not fit into
    two thirds of either side. Raises ForgeError for pictures below `MINIMUM_SIDE`.
    """
    if min(shape[:2]) < MINIMUM_SIDE:
        raise ForgeError(
            f"a picture of {shape[1]} x {shape[0]} pixels is too small to forge in "
            f"(at least {MINIMUM_SIDE} a side)"
        )
    kind = draws.choice("region", recipe.region)
    share = draws.uniform("area", recipe.area)
    points = _outline(kind, draws.generator("outline"))
    x, y = points[:, 0], points[:, 1]
    unit = 0.5 * abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1)))
    factor = np.sqrt(share * shape[0] * shape[1] / unit)
    extent = np.ptp(points, axis=0)
    factor = min(factor, *(2 / 3 * np.array([shape[1], shape[0]]) / extent))
    factor = max(factor, 8 / float(extent.min()))
    placed = (points - points.min(axis=0)) * factor + 1
    width, height = (int(v) for v in np.ceil(placed.max(axis=0)) + 2)
    canvas = np.zeros((height, width), np.uint8)
    cv2.fillPoly(canvas, [np.rint(placed * 16).astype(np.int32)], 1, shift=4)
    return canvas.astype(np.bool_)


def matte(mask: Mask, edge: float) -> Matte:
    """Soften a patch's outline; the patch grows so that the soft edge fits.

    `edge` is the standard deviation of a Gaussian in pixels; below 0.3 the edge stays hard.
    """
    if edge < 0.3:
        return mask.astype(np.float32)
    rim = int(np.ceil(2 * edge))
    alpha = np.pad(mask.astype(np.float32), rim)
    alpha = cv2.GaussianBlur(alpha, (0, 0), edge).astype(np.float32)
    # Less than one grey level at full contrast: not an alteration that anyone could find.
    alpha[alpha < 1 / 255] = 0
    alpha[alpha > 254 / 255] = 1
    return alpha


def place(draws: Draws, name: str, patch: Mask, pixels: Pixels, wanted: str = "any") -> Place:
    """Choose where a patch lies, by chance or the best of several places for the `wanted` content.

    Raises ForgeError when the patch does not fit.
    """
    height, width = patch.shape
    room = (pixels.shape[0] - height - 2 * MARGIN, pixels.shape[1] - width - 2 * MARGIN)
    if min(room) < 0:
        raise ForgeError(
            f"a region of {width} x {height} pixels does not fit into the picture of "
            f"{pixels.shape[1]} x {pixels.shape[0]}"
        )
    rng = draws.generator(name)
    spots = [
        Place(
            MARGIN + int(rng.integers(room[0] + 1)),
            MARGIN + int(rng.integers(room[1] + 1)),
            height,
            width,
        )
        for _ in range(CANDIDATES[wanted])
    ]
    if len(spots) > 1:
        energy = activity(pixels)
        scores = [_content(energy, patch, spot, wanted) for spot in spots]
        best = spots[int(np.argmax(scores))]
    else:
        best = spots[0]
    draws.note(name, (best.y, best.x))
    return best


def activity(pixels: Pixels) -> NDArray[np.float32]:
    """Gradient magnitude of luma, (H, W) float32, grey levels per pixel."""
    luma = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    across = cv2.Sobel(luma, cv2.CV_32F, 1, 0, scale=0.125)
    down = cv2.Sobel(luma, cv2.CV_32F, 0, 1, scale=0.125)
    return np.asarray(cv2.magnitude(across, down), np.float32)


def as_bytes(values: NDArray[np.floating]) -> Pixels:
    """Round and clip to uint8."""
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


def to_multiple(mask: Mask, origin: tuple[int, int] = (0, 0), step: int = 8) -> Mask:
    """Widen a whole-picture mask to full cells of a grid that starts at `origin` (row, column)."""
    height, width = mask.shape
    top, left = -origin[0] % step, -origin[1] % step
    padded = np.pad(mask, ((top, -(height + top) % step), (left, -(width + left) % step)))
    rows, columns = padded.shape[0] // step, padded.shape[1] // step
    cells = padded.reshape(rows, step, columns, step).any(axis=(1, 3))
    full = cells.repeat(step, axis=0).repeat(step, axis=1)
    return full[top : top + height, left : left + width]


def _content(energy: NDArray[np.float32], patch: Mask, spot: Place, wanted: str) -> float:
    inside = float(energy[spot.window][patch].mean())
    if wanted == "textured":
        return inside
    if wanted == "smooth":
        return -inside
    # An object differs from what surrounds it: that is what people remove.
    around = spot.grown(max(8, spot.height // 3), energy.shape)
    total = float(energy[around.window].sum()) - inside * float(patch.sum())
    return inside - total / max(1.0, around.height * around.width - float(patch.sum()))


def _outline(kind: str, rng: np.random.Generator) -> NDArray[np.float64]:
    """Points (n, 2) of a closed outline around the origin, about one unit in radius."""
    if kind == "box":
        half = rng.uniform(0.6, 1.0)
        return np.array([[-1, -half], [1, -half], [1, half], [-1, half]])
    if kind == "polygon":
        corners = int(rng.integers(5, 10))
        # One corner per sector keeps the outline simple (not self-crossing) and never a sliver.
        angle = 2 * np.pi * (np.arange(corners) + rng.uniform(0, 0.8, corners)) / corners
        radius = rng.uniform(0.55, 1.0, corners)
    else:
        angle = np.linspace(0, 2 * np.pi, 128, endpoint=False)
        radius = np.ones_like(angle)
        if kind == "blob":
            for order in range(2, 7):
                weight, phase = rng.uniform(-0.5, 0.5) / order, rng.uniform(0, 2 * np.pi)
                radius = radius + weight * np.cos(order * angle + phase)
            radius = np.maximum(radius, 0.3)
    stretched = np.stack([radius * np.cos(angle), rng.uniform(0.5, 1) * radius * np.sin(angle)], 1)
    turn = rng.uniform(0, 2 * np.pi)
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.asarray(stretched @ spin.T, np.float64)
