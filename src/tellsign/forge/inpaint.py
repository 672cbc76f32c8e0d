"""Inpainting and removal: a region is filled from its surroundings."""

from __future__ import annotations

import cv2
import numpy as np

from tellsign.forge.altered import Altered, Step
from tellsign.forge.draws import Draws
from tellsign.forge.exemplar import exemplar_fill
from tellsign.forge.recipe import Recipe
from tellsign.forge.region import ALTERED, Mask, Pixels, as_bytes, draw_outline, place
from tellsign.forge.transplant import label

RADIUS = 5.0  # pixels; neighbourhood of Telea and Navier-Stokes, the value of OpenCV's examples


def inpaint(host: Pixels, recipe: Recipe, draws: Draws) -> Altered:
    """Fill a drawn region.

    Removal is the same with ``texture = "object"``: the place that differs most from what
    surrounds it. Raises ForgeError when the region does not fit.
    """
    outline = draw_outline(recipe, draws, host.shape)
    spot = place(draws, "place", outline, host, draws.choice("texture", recipe.texture))
    method = draws.choice("method", recipe.method)
    around = spot.grown(max(24, max(spot.height, spot.width) // 2), host.shape)
    hole = label(host.shape, outline, spot, 1)[around.window] > 0
    filled = fill(np.ascontiguousarray(host[around.window]), hole, method, draws)
    steps: list[Step] = [{"step": "fill", "method": method, "x": spot.x, "y": spot.y}]
    if draws.choice("grain", recipe.grain):
        sigma = noise_level(host[around.window])
        field = draws.generator("grain field").standard_normal(filled.shape, np.float32)
        grained = as_bytes(filled + np.float32(sigma) * field)
        filled = np.where(hole[..., None], grained, filled)
        steps.append({"step": "grain", "sigma": round(sigma, 6)})
    pixels = host.copy()
    pixels[around.window] = filled
    return Altered(pixels, label(host.shape, outline, spot, ALTERED), host, tuple(steps))


def fill(pixels: Pixels, hole: Mask, method: str, draws: Draws) -> Pixels:
    """Fill `hole` by ``telea``, ``navier_stokes`` or ``exemplar``; the rest stays bit for bit.

    Telea, J. Graphics Tools 9 (2004), :DOI:`10.1080/10867651.2004.10487596`; Bertalmio et al.,
    CVPR 2001, :DOI:`10.1109/CVPR.2001.990497`; both as in OpenCV.
    """
    if method == "exemplar":
        return exemplar_fill(pixels, hole, draws.generator("exemplars"))
    flag = cv2.INPAINT_TELEA if method == "telea" else cv2.INPAINT_NS
    filled = cv2.inpaint(pixels, hole.astype(np.uint8), RADIUS, flag)
    return np.where(hole[..., None], np.asarray(filled, np.uint8), pixels)


def noise_level(pixels: Pixels) -> float:
    """Standard deviation of Gaussian noise in grey levels, averaged over the channels.

    Immerkær, "Fast noise variance estimation", CVIU 64 (1996), :DOI:`10.1006/cviu.1996.0060`,
    with the median instead of the mean so that texture counts less.
    """
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float64)
    response = np.abs(cv2.filter2D(pixels, cv2.CV_64F, kernel))[1:-1, 1:-1]
    # 0.6745: median of |x| of a unit Gaussian; 6: norm of the kernel.
    return float(np.median(response, axis=(0, 1)).mean() / 0.6745 / 6)
