"""Copy-move: a region of a picture is copied to another place in the same picture."""

from __future__ import annotations

import numpy as np

from tellsign.errors import ForgeError
from tellsign.forge.altered import Altered, Step
from tellsign.forge.draws import Draws
from tellsign.forge.recipe import Recipe
from tellsign.forge.region import ALTERED, COPIED_FROM, Pixels, draw_outline, matte, place
from tellsign.forge.transplant import (
    Lifted,
    brighten,
    draw_geometry,
    find_target,
    label,
    lay_down,
    lift,
)


def copy_move(host: Pixels, recipe: Recipe, draws: Draws) -> Altered:
    """Copy a region; the mask labels the target 255 and the source 128, which never overlap.

    Raises ForgeError when source and target do not both fit.
    """
    blend = draws.choice("blend", recipe.blend)
    edge = draws.uniform("edge", recipe.edge) if blend == "feather" else 0.0
    alpha = matte(draw_outline(recipe, draws, host.shape), edge)
    origin = place(draws, "source_place", alpha > 0, host, draws.choice("texture", recipe.texture))
    rotation, scale, flip = draw_geometry(recipe, draws)
    grid = draws.choice("grid", recipe.grid)
    if grid == "aligned" and (rotation or scale != 1 or flip):
        raise ForgeError("a turned, scaled or mirrored region has no grid that could be aligned")
    lifted = lift(host, origin, alpha, rotation, scale, flip)
    lifted = Lifted(
        brighten(lifted.pixels, draws.uniform("brightness", recipe.brightness)), lifted.alpha
    )
    source = label(host.shape, alpha, origin, COPIED_FROM)
    target = find_target(draws, lifted, host, origin, grid, source > 0)
    pixels = lay_down(host, lifted, target, blend)
    mask = np.maximum(source, label(host.shape, lifted.alpha, target, ALTERED))
    step: Step = {
        "step": "copy-move", "blend": blend,
        "from_x": origin.x, "from_y": origin.y, "x": target.x, "y": target.y,
    }  # fmt: skip
    return Altered(pixels, mask, host, (step,))
