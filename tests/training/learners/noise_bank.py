"""A bank of two kinds of noise: what one class has at high frequencies, the other lacks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tellsign.training.bank import Bank, Row

GENERATED = ("maker_a", "maker_b", "r3gan_eissayou")  # the last is held out
PRISTINE = ("roll_a", "roll_b", "spade_coco_stuff")  # the last is held out


def noise_bank(per_cell: int = 4, seed: int = 0) -> Bank:
    """Crops of 256 x 256 from six groups under norm, web and hard."""
    rng = np.random.default_rng(seed)
    crops, rows = [], []
    for label, groups in ((1, GENERATED), (0, PRISTINE)):
        for group in groups:
            for condition in ("norm", "web", "hard"):
                for i in range(per_cell):
                    crops.append(picture(rng, bool(label)))
                    key = f"{group}/{condition}/{i}"
                    rows.append(Row(key, group, label, "photo", condition, "", ""))
    return Bank(np.stack(crops), rows)


def picture(rng: np.random.Generator, generated: bool, side: int = 256) -> NDArray[np.uint8]:
    """Correlated noise; a generated one repeats every second pixel, as plain enlargement does."""
    fine = rng.normal(0, 12, (side, side, 3))
    if generated:
        fine = fine[::2, ::2].repeat(2, 0).repeat(2, 1)
    slow = np.cumsum(rng.normal(0, 1, (side, 1, 1)), 0) + np.cumsum(
        rng.normal(0, 1, (1, side, 1)), 1
    )
    return np.asarray(np.clip(128 + fine + slow, 0, 255).round(), np.uint8)
