"""Pictures that carry twelve numbers as the brightness of bands, and survive any laundering."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from toy_probe import NEW, WIDTH

from tellsign.media import from_bytes
from tellsign.media.media import Media
from tellsign.types import Source

BAND = 16  # pixels


def banded(row: NDArray[np.floating], form: str = "JPEG") -> bytes:
    """48 x 192 pixels: number i is the brightness of band i, 16 grey levels to one."""
    levels = np.clip(128 + 16 * np.asarray(row, float), 0, 255).round().astype(np.uint8)
    picture = np.repeat(np.repeat(levels[None], 48, axis=0), BAND, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(np.dstack([picture] * 3)).save(buffer, form)
    return buffer.getvalue()


def read_bands(media: Media) -> NDArray[np.float32]:
    """The numbers again, once for each half of the picture: (2, WIDTH)."""
    bands = media.luma.reshape(media.shape[0], WIDTH, -1)[:, :, 4:-4].astype(np.float32)
    halves = np.stack([part.mean(axis=(0, 2)) for part in np.array_split(bands, 2)])
    return np.asarray((halves - 128) / 16, np.float32)


def pictures(seed: int, n: int, *, generated: bool) -> list[Source]:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, WIDTH))
    if generated:
        rows[:, NEW] += 3
    return [from_bytes(banded(row), f"{seed}-{i}.jpg") for i, row in enumerate(rows)]
