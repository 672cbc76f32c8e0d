"""What the toys learn from: small pictures cut from photographs, or made by formulas for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tellsign.errors import InputError
from tellsign.media import from_path, open_media
from tellsign.training.bank import Bank, Row

Pixels = NDArray[np.uint8]
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"})
ZOOM = (1.0, 1.8)  # shorter side of the reduced picture in crop sides: what a crop shows of it


def photographs(folders: Sequence[Path]) -> list[Path]:
    """All picture files below the folders, sorted. Raises InputError when there is none."""
    found = {
        p for f in folders for p in f.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()
    }
    if not found:
        raise InputError(f"no photographs in {', '.join(map(str, folders))}")
    return sorted(found)


def crops(paths: Sequence[Path], each: int, side: int, seed: int) -> tuple[Pixels, list[int]]:
    """Cut `each` crops from every photograph after reducing it by area averaging.

    The reduction removes the traces of JPEG, so that only the toys' own remain to be found. Files
    that cannot be read or are smaller than `side` are passed over.

    Returns
    -------
    (n, side, side, 3) uint8 and, for each crop, the index of its photograph in `paths`.
    """
    rng = np.random.default_rng(seed)
    cut: list[Pixels] = []
    owners: list[int] = []
    for index, path in enumerate(paths):
        try:
            pixels = open_media(from_path(path)).pixels
        except InputError:
            continue
        if min(pixels.shape[:2]) < side:
            continue
        found = [_crop(pixels, side, rng) for _ in range(each)]
        cut += found
        owners += [index] * each
    if not cut:
        raise InputError(f"no photograph has {side} pixels in both sides")
    return np.stack(cut), owners


def _crop(pixels: Pixels, side: int, rng: np.random.Generator) -> Pixels:
    height, width = pixels.shape[:2]
    short = min(min(height, width), round(side * rng.uniform(*ZOOM)))
    factor = short / min(height, width)
    size = (max(side, round(width * factor)), max(side, round(height * factor)))
    small = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX, reducing_gap=4.0))
    top = int(rng.integers(small.shape[0] - side + 1))
    left = int(rng.integers(small.shape[1] - side + 1))
    crop = small[top : top + side, left : left + side]
    return np.ascontiguousarray(crop[:, ::-1] if rng.random() < 0.5 else crop)


def from_bank(bank: Bank, most: int, side: int, seed: int) -> tuple[Pixels, list[str]]:
    """Area-reduced photographs of a crop bank, (n, side, side, 3) uint8, and their groups.

    Held-out groups take no part. Raises InputError when the bank has no others.
    """
    rows = bank.rows
    usable = [i for i in bank.select(held_out=False) if _photograph(rows[i])]
    if not usable:
        raise InputError("the bank holds no photographs to learn from")
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(usable)[:most]
    groups = sorted({rows[i].group for i in chosen.tolist()})
    return np.stack([_crop(np.asarray(bank.crops[i]), side, rng) for i in chosen]), groups


def _photograph(row: Row) -> bool:
    return row.label == 0 and not row.maker and row.condition == "norm"


def procedural(n: int, side: int, seed: int) -> Pixels:
    """Random landscapes with the 1/f spectrum of photographs, ellipses and a little sensor noise.

    Field, "Relations between the statistics of natural images", JOSA A 4 (1987): amplitude falls
    as 1/f. No photograph is needed, so tests use these.
    """
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = np.inf
    rows, columns = np.mgrid[:side, :side] / side
    out = np.empty((n, side, side, 3), np.uint8)
    for i in range(n):
        white = rng.standard_normal((2, *frequency.shape))
        field = np.fft.irfft2((white[0] + 1j * white[1]) / frequency, s=(side, side))
        picture = 128 + 40 * (field / field.std())[..., None] * rng.uniform(0.5, 1.2, 3)
        for _ in range(int(rng.integers(1, 4))):
            cy, cx, ry, rx = rng.uniform([0.2, 0.2, 0.08, 0.08], [0.8, 0.8, 0.3, 0.3])
            inside = ((rows - cy) / ry) ** 2 + ((columns - cx) / rx) ** 2 < 1
            picture[inside] = 0.4 * picture[inside] + rng.uniform(0, 150, 3)
        picture += rng.normal(0, 2, picture.shape)
        out[i] = np.clip(np.rint(picture), 0, 255)
    return out
