"""Splicing: a region of a donor with a compression history of its own is laid into the host."""

from __future__ import annotations

from tellsign.errors import ForgeError
from tellsign.forge.altered import Altered, Step
from tellsign.forge.draws import Draws
from tellsign.forge.jpeg_history import compressed
from tellsign.forge.recipe import Recipe
from tellsign.forge.region import ALTERED, Pixels, draw_outline, matte, place
from tellsign.forge.transplant import (
    Lifted,
    brighten,
    coloured,
    draw_geometry,
    find_target,
    label,
    lay_down,
    lift,
)


def splice(host: Pixels, donor: Pixels, recipe: Recipe, draws: Draws) -> Altered:
    """Lay a region of `donor` into `host`.

    With ``grid = "foreign"`` the donor's 8x8 grid does not meet the host's, which is what grid
    detectors look for; ``aligned`` makes it meet. Raises ForgeError when the region does not fit.
    """
    steps: list[Step] = []
    if recipe.donor_quality is not None:
        quality = draws.integer("donor_quality", recipe.donor_quality)
        sampling = draws.choice("donor_subsampling", recipe.subsampling)
        donor = compressed(donor, quality, sampling)
        steps.append({"step": "donor jpeg", "quality": quality, "subsampling": sampling})
    smaller = tuple(min(h, d) for h, d in zip(host.shape, donor.shape, strict=True))
    blend = draws.choice("blend", recipe.blend)
    edge = draws.uniform("edge", recipe.edge) if blend == "feather" else 0.0
    alpha = matte(draw_outline(recipe, draws, smaller), edge)
    wanted = draws.choice("texture", recipe.texture)
    origin = place(draws, "donor_place", alpha > 0, donor, wanted)
    rotation, scale, flip = draw_geometry(recipe, draws)
    grid = draws.choice("grid", recipe.grid)
    if grid == "aligned" and (rotation or scale != 1 or flip):
        raise ForgeError("a turned, scaled or mirrored region has no grid that could be aligned")
    lifted = lift(donor, origin, alpha, rotation, scale, flip)
    gain = draws.uniform("brightness", recipe.brightness)
    lifted = Lifted(brighten(lifted.pixels, gain), lifted.alpha)
    target = find_target(draws, lifted, host, origin, grid)
    if draws.choice("colour_transfer", recipe.colour_transfer):
        lifted = coloured(lifted, host, target)
        steps.append({"step": "colour transfer"})
    pixels = lay_down(host, lifted, target, blend)
    steps.append({"step": "splice", "blend": blend, "x": target.x, "y": target.y})
    mask = label(host.shape, lifted.alpha, target, ALTERED)
    return Altered(pixels, mask, host, tuple(steps))
