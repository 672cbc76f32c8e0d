"""Labelled forgeries, reproducible from recipe and seed, and laundering of both classes alike.

::

    from tellsign import forge
    from tellsign.media.source import from_path

    forged = forge.make(forge.load_recipe("copy_move"), [from_path("photo.jpg")], seed=1)
    forged.media, forged.mask, forged.record
    treated = forge.launder.apply("web", forged.media, seed=1, mask=forged.mask)
"""

from tellsign.forge import launder
from tellsign.forge.draws import derive_seed
from tellsign.forge.forged import Forged, make, make_pair
from tellsign.forge.recipe import Recipe, builtin_recipes, load_recipe, recipe_from_mapping
from tellsign.forge.region import ALTERED, COPIED_FROM

__all__ = [
    "ALTERED",
    "COPIED_FROM",
    "Forged",
    "Recipe",
    "builtin_recipes",
    "derive_seed",
    "launder",
    "load_recipe",
    "make",
    "make_pair",
    "recipe_from_mapping",
]
