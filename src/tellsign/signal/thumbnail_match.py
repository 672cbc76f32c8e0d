"""Does a small picture show the same as a large one? Embedded thumbnail against main picture.

A thumbnail made before an edit and kept by the editor shows what was there (Kee and Farid,
"Digital image authentication from thumbnails", SPIE 7541, 2010, doi:10.1117/12.839124). Rotation,
crop, letterbox bars, tone and sharpening are told apart from other content.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Relation = Literal["same", "rotated", "cropped", "different"]

SAME = 0.85  # normalised correlation from which two small pictures show the same scene
DIFFERENT = 0.5  # below, they do not; between the two nothing is said
TRIMMED = 0.2  # share of the picture that may be altered and the rest still be compared
BAR_LEVEL = 24  # luma up to which a border row or column counts as a letterbox bar
SHIFT = 3  # thumbnail pixels by which reductions of different software may be displaced
SMALLEST = 24  # a side of the thumbnail below which nothing is compared
FLAT = 3.0  # standard deviation (grey levels) below which there is nothing to correlate
BLUR = 1.5  # thumbnail pixels: cameras that drop pixels instead of averaging alias fine detail
NOISE = 4.0  # grey levels: floor for JPEG noise of a thumbnail, after blurring
EDGE = 0.5  # tolerated displacement along the gradient, in thumbnail pixels
WINDOW = 9  # side of the window for local differences, in thumbnail pixels


@dataclass(frozen=True, slots=True, eq=False)
class ThumbnailMatch:
    """How a thumbnail relates to the main picture.

    `correlation` is that of the best alignment, -1..1. `turns` are quarter turns counter-clockwise
    of the main picture, `mirrored` a left-right flip after them. `window` is the part of the
    thumbnail (left, top, right, bottom, shares of its sides) that the main picture shows.
    `difference` is the (h, w) float32 local difference in units of the tolerated error, on a grid
    over the main picture as stored, for `same` only; `lost` is None unless `cropped`.
    """

    relation: Relation
    correlation: float
    turns: int = 0
    mirrored: bool = False
    window: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    difference: NDArray[np.float32] | None = None


def match_thumbnail(main: NDArray[np.uint8], thumbnail: NDArray[np.uint8]) -> ThumbnailMatch | None:
    """Compare two luma pictures; None when too small, too flat, or neither like nor unlike."""
    small = _without_bars(thumbnail)
    if min(small.shape) < SMALLEST or min(main.shape) < min(small.shape):
        return None
    reduced = _reduced(main, 4 * max(thumbnail.shape))
    if small.std() < FLAT or reduced.std() < FLAT:
        return None
    # A night picture's ground is as dark as a bar, so the whole thumbnail is tried as well.
    upright = max((_aligned(reduced, t) for t in (small, thumbnail)), key=lambda found: found[0])
    if upright[0] >= DIFFERENT:
        difference = local_difference(*upright[1:])
        # An altered place must not hide that all the rest is the same.
        rest = difference <= np.quantile(difference, 1 - TRIMMED)
        if correlation(upright[1][rest], upright[2][rest]) >= SAME:
            return ThumbnailMatch("same", upright[0], difference=difference)
    turned = _best_turn(reduced, small)
    if turned.correlation >= SAME:
        return turned
    cropped = _best_crop(reduced, small)
    if cropped.correlation >= SAME:
        return cropped
    return ThumbnailMatch("different", upright[0]) if upright[0] < DIFFERENT else None


def local_difference(
    main: NDArray[np.float32], thumbnail: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Local difference of two aligned pictures of one shape, in units of the tolerated error.

    A cubic tone curve is fitted first (camera looks, thumbnails made before the look), twice, the
    second time without the worst tenth. The tolerated error grows along edges.
    """
    import cv2

    a, b = main, thumbnail
    keep = np.ones(a.size, bool)
    error = np.zeros(a.shape, np.float32)
    for _ in range(2):
        powers = np.stack([(a.ravel() / 255.0) ** k for k in range(4)], axis=1)
        weights, *_ = np.linalg.lstsq(powers[keep], b.ravel()[keep], rcond=None)
        error = np.abs(b - (powers @ weights).reshape(a.shape)).astype(np.float32)
        keep = error.ravel() <= np.quantile(error, 0.9)
    steep = np.hypot(
        cv2.Sobel(b, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(b, cv2.CV_32F, 0, 1, scale=1 / 8)
    )
    noise = max(NOISE, float(np.median(error)) / 0.6745)
    tolerated = noise**2 + (EDGE * steep) ** 2
    return np.sqrt(cv2.blur(error**2 / tolerated, (WINDOW, WINDOW))).astype(np.float32)


def correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Normalised correlation of two arrays of one shape; 0 where one is constant."""
    x, y = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum() / scale) if scale > 0 else 0.0


def _reduced(main: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    import cv2

    share = longest / max(main.shape)
    if share >= 1:
        return main
    h, w = (max(1, round(n * share)) for n in main.shape)
    return np.asarray(cv2.resize(main, (w, h), interpolation=cv2.INTER_AREA), np.uint8)


def _without_bars(thumbnail: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut dark bars off all sides, and a pixel more, since their edge is blurred by compression."""
    light = thumbnail > BAR_LEVEL
    rows, columns = np.flatnonzero(light.any(axis=1)), np.flatnonzero(light.any(axis=0))
    if rows.size < 3 or columns.size < 3:
        return thumbnail
    h, w = thumbnail.shape
    top, bottom = rows[0] + (rows[0] > 0), rows[-1] + 1 - (rows[-1] < h - 1)
    left, right = columns[0] + (columns[0] > 0), columns[-1] + 1 - (columns[-1] < w - 1)
    return thumbnail[top:bottom, left:right]


def _aligned(
    main: NDArray[np.uint8], small: NDArray[np.uint8]
) -> tuple[float, NDArray[np.float32], NDArray[np.float32]]:
    """Stretch `main` onto `small`, shift by up to SHIFT; (correlation, both overlapping parts)."""
    import cv2

    h, w = small.shape
    scaled = _blurred(cv2.resize(main, (w, h), interpolation=cv2.INTER_AREA))
    core = scaled[SHIFT : h - SHIFT, SHIFT : w - SHIFT]
    target = _blurred(small)
    response = cv2.matchTemplate(target, np.ascontiguousarray(core), cv2.TM_CCOEFF_NORMED)
    _, best, _, (x, y) = cv2.minMaxLoc(response)
    part = target[y : y + core.shape[0], x : x + core.shape[1]]
    return (float(best) if np.isfinite(best) else 0.0), core, part


def _blurred(picture: NDArray[np.uint8] | Any) -> NDArray[np.float32]:
    import cv2

    return np.asarray(cv2.GaussianBlur(picture.astype(np.float32), (0, 0), BLUR), np.float32)


def _best_turn(main: NDArray[np.uint8], small: NDArray[np.uint8]) -> ThumbnailMatch:
    best = ThumbnailMatch("rotated", -1.0)
    for turns in range(4):
        for mirrored in (False, True):
            if turns == 0 and not mirrored:
                continue
            turned = np.rot90(main, turns)
            turned = np.ascontiguousarray(turned[:, ::-1] if mirrored else turned)
            value = _aligned(turned, small)[0]
            if value > best.correlation:
                best = ThumbnailMatch("rotated", value, turns, mirrored)
    return best


def _best_crop(main: NDArray[np.uint8], thumbnail: NDArray[np.uint8]) -> ThumbnailMatch:
    """Look for the main picture as a window of the thumbnail, down to 40 % of its size."""
    import cv2

    h, w = thumbnail.shape
    fit = min(h / main.shape[0], w / main.shape[1])
    target = _blurred(thumbnail)
    best = ThumbnailMatch("cropped", -1.0)
    for share in np.linspace(1.0, 0.4, 31):
        mh, mw = (round(n * fit * share) for n in main.shape)
        if min(mh, mw) < SMALLEST or mh > h or mw > w:
            continue
        window = _blurred(cv2.resize(main, (mw, mh), interpolation=cv2.INTER_AREA))
        if window.std() < FLAT:
            continue
        _, value, _, (x, y) = cv2.minMaxLoc(cv2.matchTemplate(target, window, cv2.TM_CCOEFF_NORMED))
        if np.isfinite(value) and value > best.correlation:
            found = (x / w, y / h, (x + mw) / w, (y + mh) / h)
            best = ThumbnailMatch("cropped", float(value), window=found)
    return best
