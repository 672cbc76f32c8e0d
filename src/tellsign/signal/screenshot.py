"""What a screenshot looks like: six cues, each with its value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Pixels of common screens, longer side first: manufacturers' specifications, 2014 to 2026.
SCREENS = frozenset(
    {
        *((1024, 768), (1280, 720), (1280, 800), (1280, 1024), (1366, 768), (1440, 900)),
        *((1536, 864), (1600, 900), (1680, 1050), (1920, 1080), (1920, 1200), (2160, 1440)),
        *((2256, 1504), (2560, 1080), (2560, 1440), (2560, 1600), (2560, 1664), (2736, 1824)),
        *((2880, 1800), (2880, 1864), (2880, 1920), (3000, 2000), (3024, 1964), (3072, 1920)),
        *((3440, 1440), (3456, 2234), (3840, 1600), (3840, 2160), (4480, 2520), (5120, 2880)),
        *((1136, 640), (1334, 750), (1600, 720), (1792, 828), (2160, 1080), (2208, 1242)),
        *((2220, 1080), (2240, 1080), (2280, 1080), (2340, 1080), (2400, 1080), (2436, 1125)),
        *((2532, 1170), (2556, 1179), (2622, 1206), (2688, 1242), (2778, 1284), (2796, 1290)),
        *((2868, 1320), (2960, 1440), (3040, 1440), (3088, 1440), (3120, 1440), (3200, 1440)),
        *((2048, 1536), (2160, 1620), (2224, 1668), (2266, 1488), (2360, 1640), (2388, 1668)),
        *((2732, 2048),),
    }
)
BAR = 0.08  # of the height: status, title and navigation bars lie within it
LEAST_BAR = 12  # rows; the lowest status bars at scale 1
EDGE = 24  # grey levels per pixel: text, not texture
MOST_ROWS = 1024  # looked at for flatness and text, evenly spread


@dataclass(frozen=True, slots=True)
class Screenshot:
    """`cues` of six speak for a screenshot; none is proof."""

    screen_size: bool
    lossless: bool
    no_camera: bool  # no maker or model stated
    bar_rows: int  # nearly one-coloured rows at the top and bottom edge
    identical: float  # share of pixels exactly equal to their right and lower neighbour
    subpixel: float  # red-blue displacement along text, in pixels; 2/3 for RGB-striped rendering

    @property
    def cues(self) -> int:
        return sum(
            (
                self.screen_size,
                self.lossless,
                self.no_camera,
                self.bar_rows >= LEAST_BAR,
                self.identical >= 0.3,  # photographs with sensor noise stay below a tenth
                abs(self.subpixel) >= 0.3,  # half of the full displacement
            )
        )


def screenshot(pixels: NDArray[np.uint8], lossless: bool, camera: bool) -> Screenshot:
    """Read the six cues.

    Parameters
    ----------
    pixels : (H, W, 3) uint8 RGB
    lossless
        Whether the file's format keeps pixels exactly.
    camera
        Whether the file states a camera's maker or model.
    """
    height, width = pixels.shape[:2]
    return Screenshot(
        (max(height, width), min(height, width)) in SCREENS,
        lossless,
        not camera,
        bar_rows(pixels),
        identical_share(pixels),
        subpixel_shift(pixels),
    )


def bar_rows(pixels: NDArray[np.uint8]) -> int:
    """Rows from the top and from the bottom, within `BAR`, that are at least 60 % one colour.

    A colour that fills more than half of a row is the median of its sorted values.
    """
    most = int(pixels.shape[0] * BAR)
    total = 0
    for rows in (pixels[:most], pixels[::-1][:most]):
        packed = rows.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
        if not packed.size:
            continue
        middle = np.sort(packed, axis=1)[:, packed.shape[1] // 2]
        flat = (packed == middle[:, None]).mean(axis=1) >= 0.6
        total += int(np.argmin(flat)) if not flat.all() else len(flat)
    return total


def identical_share(pixels: NDArray[np.uint8]) -> float:
    if min(pixels.shape[:2]) < 2:
        return 0.0
    upper = np.linspace(0, pixels.shape[0] - 2, min(MOST_ROWS, pixels.shape[0] - 1)).astype(np.intp)
    rows, below = pixels[upper], pixels[upper + 1]
    right = (rows[:, :-1] == rows[:, 1:]).all(axis=2)
    return float((right & (rows == below).all(axis=2)[:, :-1]).mean())


def subpixel_shift(pixels: NDArray[np.uint8]) -> float:
    """Displacement between red and blue at steep vertical edges, in pixels; 0 if hardly any.

    Text drawn on a striped panel moves red and blue by a third of a pixel to either side, so along
    a row red - blue follows the slope of green. Lens colour fringes point away from the centre and
    cancel over the picture.
    """
    if min(pixels.shape[:2]) < 3:
        return 0.0
    chosen = np.linspace(0, pixels.shape[0] - 1, min(MOST_ROWS, pixels.shape[0])).astype(np.intp)
    rows = pixels[chosen].astype(np.float32)
    slope = (rows[:, 2:, 1] - rows[:, :-2, 1]) / 2
    difference = (rows[:, 1:-1, 0] - rows[:, 1:-1, 2])[np.abs(slope) > EDGE]
    steep = slope[np.abs(slope) > EDGE]
    if steep.size < 200 or difference.std() == 0:
        return 0.0
    # Text of either polarity has as many rising as falling edges; colour contrasts do not cancel.
    rising, falling = steep > 0, steep < 0
    if min(rising.sum(), falling.sum()) < steep.size / 4:
        return 0.0
    correlation = float(np.corrcoef(difference, steep)[0, 1])
    fitted = float((difference * steep).sum() / (steep * steep).sum())
    return fitted if abs(correlation) > 0.5 else 0.0
