"""Pictures to look at, never evidence: error level analysis and JPEG ghosts.

Both show how a picture reacts to being compressed again. Texture, sharpness and colour govern that
at least as much as history does, so neither has a score, and both say so in their caption.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellsign.signal.dct import BLOCK
from tellsign.types import Map, MapKind

ELA_QUALITY = 90  # Krawetz, "A Picture's Worth", 2007, uses 90 to 95
GHOST_QUALITIES = tuple(range(50, 96, 5))  # Farid 2009 steps by 1; 5 keeps 12 megapixels at seconds
MOST_PIXELS = 4_000_000  # larger pictures are cut into strips that keep the 8x8 grid

ELA_CAPTION = (
    "View, not evidence: how much each 8x8 block changes when saved again at JPEG quality {} "
    "(mean absolute change, grey levels). Edges, texture and saturated colours change most in any "
    "picture; brightness here is not tampering."
)
GHOST_CAPTION = (
    "View, not evidence: the JPEG quality, of {} to {}, at which each 16x16 neighbourhood changes "
    "least when saved again (normalised per pixel across qualities). Flat and textured parts "
    "differ in any picture; texture is not tampering."
)


def error_level(pixels: NDArray[np.uint8], quality: int = ELA_QUALITY) -> Map:
    """Mean absolute change of each 8x8 block after one more JPEG compression.

    Parameters
    ----------
    pixels : (H, W, 3) uint8 RGB

    Returns
    -------
    Map
        Grey levels, one cell per 8x8 block.
    """
    import cv2

    grey_of = [
        cv2.transform(cv2.absdiff(strip, resaved(strip, quality)), np.full((1, 3), 1 / 3))
        for strip in strips(pixels)
    ]
    cells = np.concatenate([block_mean(change) for change in grey_of])
    caption = ELA_CAPTION.format(quality)
    return Map(MapKind.SCORE, cells, float(BLOCK), np.ones(cells.shape, np.bool_), caption)


def ghosts(
    luma: NDArray[np.uint8], qualities: tuple[int, ...] = GHOST_QUALITIES
) -> tuple[Map, Map]:
    """JPEG ghosts: quality of least change, and how clear that minimum is.

    Farid, IEEE TIFS 4 (2009), :DOI:`10.1109/TIFS.2008.2012215`: squared difference averaged over a
    window, then each *pixel* normalised over the qualities, (d - min) / (max - min). A map
    normalised over space instead, as some tools do, is dominated by texture. Here on luma and on a
    raster of 8 pixels, for the sake of time.

    Parameters
    ----------
    luma : (H, W) uint8
    qualities
        At least two JPEG qualities, ascending.

    Returns
    -------
    quality, depth : Map
        IJG quality of the least change; and 0...1, how far the normalised change of the other
        qualities lies above it on average. One cell per 8x8 block.
    """
    stack = np.stack([squared_change(luma, quality) for quality in qualities])
    lowest, highest = stack.min(axis=0), stack.max(axis=0)
    normalised = (stack - lowest) / np.maximum(highest - lowest, 1e-6)
    best = np.asarray(qualities, np.float32)[stack.argmin(axis=0)]
    depth = normalised.sum(axis=0) / (len(qualities) - 1)
    caption = GHOST_CAPTION.format(qualities[0], qualities[-1])
    known = highest > lowest
    return (
        Map(MapKind.SCORE, np.where(known, best, 0).astype(np.float32), 8.0, known, caption),
        Map(MapKind.SCORE, depth.astype(np.float32), 8.0, known.copy(), caption),
    )


def squared_change(luma: NDArray[np.uint8], quality: int) -> NDArray[np.float32]:
    """Mean squared change of 16x16 pixels around each 8x8 block after saving again."""
    import cv2

    parts = []
    for strip in strips(luma):
        difference = cv2.absdiff(strip, resaved(strip, quality)).astype(np.float32)
        parts.append(block_mean(cv2.multiply(difference, difference)))
    window = np.array([[0.5, 1.0, 0.5]], np.float32) / 2  # 16 pixels on a raster of 8
    cells = np.concatenate(parts)
    return np.asarray(cv2.sepFilter2D(cells, cv2.CV_32F, window, window), np.float32)


def strips(pixels: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Cut a large picture so that the 8x8 grid stays where it is."""
    rows = max(BLOCK, MOST_PIXELS // max(pixels.shape[1], 1) // BLOCK * BLOCK)
    for top in range(0, pixels.shape[0], rows):
        yield pixels[top : top + rows]


def resaved(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """The pixels, RGB or grey, after one JPEG compression at 4:4:4, so that only tables act."""
    import cv2

    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    colour = pixels.ndim == 3
    _, data = cv2.imencode(".jpg", pixels[..., ::-1] if colour else pixels, options)
    again = cv2.imdecode(data, cv2.IMREAD_COLOR if colour else cv2.IMREAD_GRAYSCALE)
    assert again is not None  # just encoded
    return np.ascontiguousarray(again[..., ::-1] if colour else again, np.uint8)


def block_mean(values: NDArray[Any]) -> NDArray[np.float32]:
    """Mean over 8x8 blocks; the edge is repeated to fill the last ones."""
    import cv2

    height, width = values.shape
    if height % BLOCK or width % BLOCK:
        values = np.pad(values, ((0, -height % BLOCK), (0, -width % BLOCK)), mode="edge")
    size = (values.shape[1] // BLOCK, values.shape[0] // BLOCK)
    return np.asarray(cv2.resize(values.astype(np.float32), size, interpolation=cv2.INTER_AREA))
