"""Retouching: a filter acts on a region of a picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tellsign.forge.altered import Altered, Step
from tellsign.forge.blending import composite
from tellsign.forge.draws import Draws
from tellsign.forge.recipe import Recipe
from tellsign.forge.region import ALTERED, Pixels, as_bytes, draw_outline, matte, place
from tellsign.forge.transplant import label

CONTEXT = 32  # pixels around the region that filters may look at


def retouch(host: Pixels, recipe: Recipe, draws: Draws) -> Altered:
    """Filter a region; a soft edge fades the effect out. Raises ForgeError when it does not fit."""
    alpha = matte(draw_outline(recipe, draws, host.shape), draws.uniform("edge", recipe.edge))
    spot = place(draws, "place", alpha > 0, host, draws.choice("texture", recipe.texture))
    around = spot.grown(CONTEXT, host.shape)
    filtered, step = retouched(host[around.window], recipe, draws)
    top, left = spot.y - around.y, spot.x - around.x
    patch = filtered[top : top + spot.height, left : left + spot.width]
    pixels = composite(host, patch, alpha, spot)
    return Altered(pixels, label(host.shape, alpha, spot, ALTERED), host, (step,))


def retouched(pixels: Pixels, recipe: Recipe, draws: Draws) -> tuple[Pixels, Step]:
    """The whole of `pixels` after one drawn filter, and what it was."""
    method = draws.choice("method", recipe.method)
    values = pixels.astype(np.float32)
    if method == "median":
        kernel = draws.choice("kernel", recipe.kernel)
        median = cv2.medianBlur(np.ascontiguousarray(pixels), int(kernel))
        return np.asarray(median, np.uint8), {"step": "median", "kernel": int(kernel)}
    if method == "gaussian":
        sigma = draws.uniform("sigma", recipe.sigma)
        return as_bytes(_blurred(values, sigma)), {"step": "gaussian", "sigma": sigma}
    if method == "sharpen":
        amount, sigma = draws.uniform("amount", recipe.amount), 1.5
        sharp = values + amount * (values - _blurred(values, sigma))
        return as_bytes(sharp), {"step": "unsharp mask", "amount": amount, "sigma": sigma}
    if method == "contrast":
        gain = draws.uniform("contrast", recipe.contrast)
        centre = values.mean(axis=(0, 1))
        return as_bytes(centre + gain * (values - centre)), {"step": "contrast", "gain": gain}
    if method == "gamma":
        gamma = draws.uniform("gamma", recipe.gamma)
        return as_bytes(255 * (values / 255) ** gamma), {"step": "gamma", "gamma": gamma}
    if method == "noise":
        sigma = draws.uniform("noise", recipe.noise)
        field = draws.generator("noise field").standard_normal(pixels.shape, np.float32)
        return as_bytes(values + sigma * field), {"step": "noise", "sigma": sigma}
    factor = draws.uniform("factor", recipe.factor)
    height, width = pixels.shape[:2]
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    there = cv2.resize(values, size, interpolation=cv2.INTER_CUBIC)
    back = cv2.resize(there, (width, height), interpolation=cv2.INTER_CUBIC)
    step: Step = {"step": "resample and back", "factor": factor, "filter": "bicubic"}
    return as_bytes(np.asarray(back, np.float32)), step


def _blurred(values: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma), np.float32)
