"""A bank of 64 crops that a network can learn from in seconds: cells of 2 x 2 or none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tellsign.training.bank import SIDE, Bank, Row


def photograph(rng: np.random.Generator) -> NDArray[np.uint8]:
    coarse = rng.integers(60, 196, (SIDE // 8, SIDE // 8, 3))
    smooth = np.repeat(np.repeat(coarse, 8, axis=0), 8, axis=1)
    return np.clip(smooth + rng.normal(0, 8, smooth.shape), 0, 255).astype(np.uint8)


def celled(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """As after nearest-neighbour up-sampling by two."""
    return np.repeat(np.repeat(crop[::2, ::2], 2, axis=0), 2, axis=1)


def small_bank(
    generated: tuple[str, ...] = ("gen_a", "gen_b", "stylegan2_vishruit"),
    pristine: tuple[str, ...] = ("cam_a", "cam_b", "exiv2_testdata"),
) -> Bank:
    """Groups of 2 pictures x 2 conditions x 2 crops; each of cam_a has a reconstruction."""
    rng = np.random.default_rng(0)
    crops: list[NDArray[np.uint8]] = []
    rows: list[Row] = []

    def add(crop: NDArray[np.uint8], row: Row) -> None:
        crops.append(crop)
        rows.append(row)

    for group in (*generated, *pristine):
        label = int(group in generated)
        for number in range(2):
            key = f"{group}/{number}"
            for condition in ("norm", "web"):
                for _ in range(2):
                    crop = photograph(rng)
                    paired = f"{key}@vae" if group == "cam_a" else ""
                    row = Row(key, group, label, "photo", condition, paired, "")
                    add(celled(crop) if label else crop, row)
                    if paired:
                        made = Row(paired, group, 1, "photo", condition, key, "vae")
                        add(celled(crop), made)
    return Bank(np.stack(crops), rows)
