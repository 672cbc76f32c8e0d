"""A world in which every generator is known: four GANs that differ in how they enlarge.

Photographs are split once: the toys learn from one half; of the other, one half fits detectors and
the rest measures them. Pictures of the toys are drawn with other seeds for fitting and measuring.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellsign.forge.generate import FORM, sample
from tellsign.training.learners.toy_generator import Settings, make
from tellsign.training.recipe import checked, load_recipe
from tellsign.training.toys.networks import UPSAMPLINGS
from tellsign.training.toys.pictures import crops, photographs

Pixels = NDArray[np.uint8]
PRISTINE = "photographs"


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Pictures by class, for fitting and for measuring; (n, side, side, 3) uint8."""

    fitting: Mapping[str, Pixels]
    measuring: Mapping[str, Pixels]
    owners: tuple[int, ...]  # photograph of each pristine measuring picture: resampled together
    fitting_owners: tuple[int, ...]  # the same of the fitting pictures: validated together

    @property
    def generators(self) -> tuple[str, ...]:
        return tuple(name for name in self.fitting if name != PRISTINE)

    def thinned(self, n: int) -> Split:
        """`n` pictures of each class, evenly spread: of as many photographs as can be."""
        fits, rest = (
            np.linspace(0, len(pool[PRISTINE]), n, endpoint=False).astype(int)
            for pool in (self.fitting, self.measuring)
        )
        return Split(
            {name: pool[fits] for name, pool in self.fitting.items()},
            {name: pool[rest] for name, pool in self.measuring.items()},
            tuple(self.owners[i] for i in rest),
            tuple(self.fitting_owners[i] for i in fits),
        )


def build(
    folders: Sequence[Path],
    folder: Path,
    n: int,
    seed: int,
    changes: Mapping[str, int],
    *,
    each: int,
) -> Split:
    """Train the GANs that `folder` does not hold yet, and draw `n` pictures of each, twice.

    `changes` replace settings of the recipes ``toy_gan_*``: side, width, steps. `each` crops are
    cut from every photograph; where they are fewer than `n`, all classes have that number.
    """
    recipes = [load_recipe(f"toy_gan_{kind}") for kind in UPSAMPLINGS]
    side = changes.get("side", recipes[0].settings["side"])
    paths = photographs(folders)
    order = np.random.default_rng(seed).permutation(len(paths)).tolist()
    half, three = len(paths) // 2, len(paths) * 3 // 4
    toys, fits, rest = (
        crops([paths[i] for i in part], each, side, seed + k)
        for k, part in enumerate((order[:half], order[half:three], order[three:]))
    )
    n = min(n, len(fits[0]), len(rest[0]))
    fitting, measuring = {PRISTINE: fits[0][:n]}, {PRISTINE: rest[0][:n]}
    for kind, recipe in zip(UPSAMPLINGS, recipes, strict=True):
        made = folder / recipe.name
        if not (made / FORM).is_file():
            settings = checked(Settings, {**recipe.settings, **changes}, recipe.name)
            # Ten times the recipe's minutes: a busy machine must not end it early.
            make(settings, toys[0], made, recipe.name, 10 * recipe.minutes, seed)
        drawn = sample(made, 2 * n, seed + 1)
        fitting[kind], measuring[kind] = drawn[:n], drawn[n:]
    return Split(fitting, measuring, tuple(rest[1][:n]), tuple(fits[1][:n]))
