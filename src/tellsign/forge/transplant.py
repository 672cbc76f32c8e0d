"""Lifting a region out of a picture and finding it a place: what splice and copy-move share."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from tellsign.errors import ForgeError
from tellsign.forge.blending import composite, poisson, transfer_colour
from tellsign.forge.draws import Draws
from tellsign.forge.recipe import Recipe
from tellsign.forge.region import MARGIN, Mask, Matte, Pixels, Place, as_bytes

TRIES = 256  # places tried before a region counts as too large


@dataclass(frozen=True, slots=True)
class Lifted:
    """A patch ready to be laid down; `alpha` is 0 outside the region."""

    pixels: Pixels
    alpha: Matte


def lift(
    pixels: Pixels, place: Place, alpha: Matte, rotation: float, scale: float, flip: bool
) -> Lifted:
    """Cut the region at `place` out, mirrored, scaled and turned (degrees, anticlockwise).

    Without any of these the pixels are copied exactly; otherwise interpolated bicubically.
    """
    patch = pixels[place.window]
    if flip:
        patch, alpha = patch[:, ::-1], alpha[:, ::-1]
    if rotation == 0 and scale == 1:
        return Lifted(np.ascontiguousarray(patch), np.ascontiguousarray(alpha))
    height, width = alpha.shape
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), rotation, scale)
    cosine, sine = np.abs(turn[0, 0]), np.abs(turn[0, 1])
    size = (
        int(np.ceil(width * cosine + height * sine)) + 2,
        int(np.ceil(width * sine + height * cosine)) + 2,
    )
    turn[0, 2] += (size[0] - width) / 2
    turn[1, 2] += (size[1] - height) / 2
    moved = cv2.warpAffine(
        np.ascontiguousarray(patch),
        turn,
        size,
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    soft = cv2.warpAffine(np.ascontiguousarray(alpha), turn, size, flags=cv2.INTER_LINEAR)
    hard = bool(np.isin(alpha, (0, 1)).all())
    matte = (soft >= 0.5).astype(np.float32) if hard else np.where(soft < 1 / 255, 0, soft)
    return Lifted(np.asarray(moved, np.uint8), matte.astype(np.float32))


def draw_geometry(recipe: Recipe, draws: Draws) -> tuple[float, float, bool]:
    """Rotation in degrees, scale and whether to mirror."""
    return (
        draws.uniform("rotation", recipe.rotation),
        draws.uniform("scale", recipe.scale),
        draws.choice("flip", recipe.flip),
    )


def find_target(
    draws: Draws,
    lifted: Lifted,
    host: Pixels,
    origin: Place,
    grid: str,
    occupied: Mask | None = None,
) -> Place:
    """Draw a place in `host` for the patch.

    Parameters
    ----------
    origin
        Where it was lifted: ``aligned`` keeps the displacement a multiple of 8 in both
        directions, ``foreign`` keeps it from being one.
    occupied : (H, W) bool
        Pixels the target must not touch.

    Raises ForgeError when no place is found.
    """
    height, width = lifted.alpha.shape
    room = (host.shape[0] - height - 2 * MARGIN, host.shape[1] - width - 2 * MARGIN)
    if min(room) < 8:
        raise ForgeError(
            f"a region of {width} x {height} pixels finds no place in a picture of "
            f"{host.shape[1]} x {host.shape[0]}"
        )
    rng = draws.generator("target")
    for _ in range(TRIES):
        y, x = (MARGIN + int(rng.integers(r + 1)) for r in room)
        if grid == "aligned":
            y, x = y - (y - origin.y) % 8, x - (x - origin.x) % 8
        same_grid = (y - origin.y) % 8 == 0 and (x - origin.x) % 8 == 0
        if min(y, x) < MARGIN or (grid == "foreign" and same_grid):
            continue
        target = Place(y, x, height, width)
        if occupied is None or not (occupied[target.window] & (lifted.alpha > 0)).any():
            draws.note("target", (target.y, target.x))
            return target
    raise ForgeError("no place for the region that leaves its source untouched; use a smaller area")


def lay_down(host: Pixels, lifted: Lifted, target: Place, blend: str) -> Pixels:
    """Put the patch into the picture as ``paste``, ``feather`` or ``poisson``."""
    if blend == "poisson":
        return poisson(host, lifted.pixels, lifted.alpha, target)
    return composite(host, lifted.pixels, lifted.alpha, target)


def brighten(pixels: Pixels, gain: float) -> Pixels:
    if gain == 1:
        return pixels
    return as_bytes(pixels.astype(np.float32) * gain)


def coloured(lifted: Lifted, host: Pixels, target: Place) -> Lifted:
    """The patch with the colours of the host around its target."""
    around = target.grown(max(target.height, target.width) // 4, host.shape)
    return Lifted(transfer_colour(lifted.pixels, lifted.alpha, host[around.window]), lifted.alpha)


def label(shape: tuple[int, ...], alpha: Matte | Mask, place: Place, value: int) -> Pixels:
    """A whole-picture mask (H, W) uint8 with `value` where `alpha` acts."""
    mask = np.zeros(shape[:2], np.uint8)
    mask[place.window][alpha > 0] = value
    return mask
