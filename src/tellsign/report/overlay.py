"""Maps as colours over a picture: palette PNGs aligned to the picture through the map's stride.

Index 0 of the palette is transparent, index 1 the hatching of places where the method cannot
speak, the rest carries the values.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tellsign.types import Map, MapKind

Pixels = NDArray[np.uint8]

SIDE: Final = 1600  # longest side of an embedded picture, pixels
_CLEAR: Final = 0
_HATCH: Final = 1
_FIRST: Final = 2  # first index that carries a value
_STEPS: Final = 256 - _FIRST
_HATCH_PERIOD: Final = 12  # pixels between hatching lines
_HATCH_WIDTH: Final = 3

# A few cells of a heavy-tailed map would otherwise leave the rest in one colour.
_PERCENTILES: Final = (0.5, 99.5)

_SAMPLE: Final = 250_000  # values that settle a percentile

# Lightness, chroma and hue (degrees) of OKLab at both ends and in the middle: lightness rises
# evenly, so that order is seen without colour as well.
_RAMP: Final = ((0.28, 0.13, 290.0), (0.62, 0.20, 370.0), (0.96, 0.10, 460.0))

# Okabe & Ito (2008), colours that the colour-blind tell apart, without black.
_LABELS: Final = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (213, 94, 0),
    (204, 121, 167),
    (0, 114, 178),
)
MASK_COLOUR: Final = (255, 64, 129)
_HATCH_COLOUR: Final = (128, 128, 128)


@dataclass(frozen=True, slots=True)
class Scale:
    """The values at both ends of the colour ramp; values beyond take the colour of the end."""

    low: float
    high: float
    fixed: bool = False  # by the detector, for every picture


def scale(shown: Map) -> Scale:
    """The map's own span; without one the range of its valid values, 0 to 0 when none is valid."""
    if shown.span is not None:
        return Scale(*shown.span, fixed=True)
    values = shown.values[shown.valid]
    if values.size == 0:
        return Scale(0.0, 0.0)
    low, high = np.percentile(values[:: 1 + values.size // _SAMPLE], _PERCENTILES)
    return Scale(float(low), float(high))


def fit(shape: tuple[int, int], side: int = SIDE) -> tuple[int, int]:
    """(height, width) of a picture of this shape reduced to a longest side."""
    factor = min(1.0, side / max(shape))
    return max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor))


def indices(shown: Map, shape: tuple[int, int], side: int = SIDE, *, hatch: bool = False) -> Pixels:
    """Palette indices of a map over its picture.

    Parameters
    ----------
    shown
        The map; cell (r, c) covers picture pixels from (r, c) * stride on.
    shape
        (H, W) of the picture, in stored pixels.
    side
        Longest side of the result.
    hatch
        Hatch what the method cannot judge; otherwise it stays transparent.

    Returns
    -------
    (h, w) uint8
        The size of `fit(shape, side)`, so that it lies exactly over the reduced picture.
    """
    height, width = fit(shape, side)
    rows = _cells(np.arange(height) + 0.5, shape[0] / height, shown)
    columns = _cells(np.arange(width) + 0.5, shape[1] / width, shown)
    rows, columns = rows[rows < shown.values.shape[0]], columns[columns < shown.values.shape[1]]
    out = np.full((height, width), _CLEAR, np.uint8)
    valid = np.zeros((height, width), bool)
    if rows.size and columns.size:
        cells = np.ix_(rows, columns)
        values, speaks = shown.values[cells], shown.valid[cells]
        step = max(shape[0] / height, shape[1] / width)
        if shown.kind is not MapKind.SCORE and step > shown.stride:
            values = _largest(shown, shape, (height, width))[: len(rows), : len(columns)]
            speaks = speaks | (values > 0)
        covered = (slice(len(rows)), slice(len(columns)))
        valid[covered] = speaks
        out[covered] = _coloured(values, shown)
    out[~valid] = _CLEAR
    if hatch:
        lines = np.add.outer(np.arange(height), np.arange(width)) % _HATCH_PERIOD < _HATCH_WIDTH
        out[~valid & lines] = _HATCH
    return out


def _cells(places: NDArray[np.floating[Any]], step: float, shown: Map) -> NDArray[np.intp]:
    """Cells of the map below places of the reduced picture, which has `step` pixels for one."""
    return (places * step / shown.stride).astype(np.intp)


def _largest(shown: Map, shape: tuple[int, int], size: tuple[int, int]) -> NDArray[np.float32]:
    """Largest valid value below each pixel of the reduced picture: thin regions must not vanish."""
    values = np.where(shown.valid, shown.values, np.float32(0))
    for axis in (0, 1):
        starts = _cells(np.arange(size[axis]) + 0.0, shape[axis] / size[axis], shown)
        starts = starts[starts < values.shape[axis]]
        values = np.maximum.reduceat(values, starts, axis=axis)
    return values


def _coloured(values: NDArray[np.float32], shown: Map) -> Pixels:
    if shown.kind is MapKind.MASK:
        return np.where(values > 0.5, _FIRST, _CLEAR).astype(np.uint8)
    if shown.kind is MapKind.LABEL:
        labels = np.rint(values).astype(np.int64)
        return np.where(labels > 0, _FIRST + (labels - 1) % len(_LABELS), _CLEAR).astype(np.uint8)
    ends = scale(shown)
    span = ends.high - ends.low
    share = (values - ends.low) / span if span > 0 else np.zeros_like(values)
    return (_FIRST + np.rint(np.clip(share, 0, 1) * (_STEPS - 1))).astype(np.uint8)


@cache
def ramp() -> Pixels:
    """(254, 3) uint8: the colours from low to high."""
    t = np.linspace(0, 2, _STEPS)
    stops = np.array(_RAMP)
    light, chroma, hue = (np.interp(t, np.arange(3), stops[:, i]) for i in range(3))
    return _oklab_to_srgb(light, chroma * np.cos(np.radians(hue)), chroma * np.sin(np.radians(hue)))


def _oklab_to_srgb(
    light: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]
) -> Pixels:
    # B. Ottosson, "A perceptual color space for image processing" (2020), the inverse transform;
    # then the sRGB curve of IEC 61966-2-1.
    long = (light + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (light - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (light - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = np.stack(
        [
            4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
        ],
        axis=1,
    ).clip(0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    colours: Pixels = np.rint(255 * curved).astype(np.uint8)
    return colours


def palette(kind: MapKind) -> Pixels:
    """(256, 3) uint8: the palette of one kind of map."""
    table = np.zeros((256, 3), np.uint8)
    table[_HATCH] = _HATCH_COLOUR
    if kind is MapKind.MASK:
        table[_FIRST] = MASK_COLOUR
    elif kind is MapKind.LABEL:
        table[_FIRST : _FIRST + len(_LABELS)] = _LABELS
    else:
        table[_FIRST:] = ramp()
    return table


def png(index: Pixels, kind: MapKind) -> bytes:
    """A palette PNG whose index 0 is transparent."""
    image = Image.fromarray(np.ascontiguousarray(index))
    image.putpalette(palette(kind).tobytes())
    return _saved(image, "PNG", transparency=bytes([0]) + bytes([255]) * 255)


def overlay_png(
    shown: Map, shape: tuple[int, int], side: int = SIDE, *, hatch: bool = False
) -> bytes:
    """The map as a PNG that lies exactly over the picture reduced to `side`."""
    return png(indices(shown, shape, side, hatch=hatch), shown.kind)


def flattened(picture: Pixels, index: Pixels, kind: MapKind, opacity: float = 0.75) -> Pixels:
    """Lay a map over a greyed copy of a picture of the same size, (h, w, 3) uint8."""
    grey = np.asarray(Image.fromarray(picture).convert("L"), np.float32)[..., None]
    base = 0.6 * grey + 70  # pale, so that the colours stand out
    mixed = (1 - opacity) * base + opacity * palette(kind)[index]
    out = np.where(index[..., None] == _CLEAR, base, mixed)
    return np.broadcast_to(out, picture.shape).clip(0, 255).astype(np.uint8)


def reduced(pixels: Pixels, side: int = SIDE) -> Pixels:
    """The picture with a longest side of at most `side`."""
    height, width = fit((pixels.shape[0], pixels.shape[1]), side)
    if (height, width) == pixels.shape[:2]:
        return pixels
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0))


# Exif orientation -> how to turn the stored picture upright (CIPA DC-008, tag 0x0112).
def upright(pixels: Pixels, orientation: int | None) -> Pixels:
    """The stored picture, or map indices, as a viewer would turn it."""
    match orientation:
        case 2:
            return pixels[:, ::-1]
        case 3:
            return pixels[::-1, ::-1]
        case 4:
            return pixels[::-1]
        case 5:
            return pixels.swapaxes(0, 1)
        case 6:
            return np.rot90(pixels, -1)
        case 7:
            return np.rot90(pixels.swapaxes(0, 1), 2)
        case 8:
            return np.rot90(pixels, 1)
        case _:
            return pixels


def upright_matrix(
    shape: tuple[int, int], orientation: int | None
) -> tuple[int, int, int, int, int, int]:
    """The SVG matrix (a, b, c, d, e, f) that moves stored coordinates as `upright` moves pixels."""
    h, w = shape
    turns: Mapping[int, tuple[int, int, int, int, int, int]] = {
        2: (-1, 0, 0, 1, w, 0),
        3: (-1, 0, 0, -1, w, h),
        4: (1, 0, 0, -1, 0, h),
        5: (0, 1, 1, 0, 0, 0),
        6: (0, 1, -1, 0, h, 0),
        7: (0, -1, -1, 0, h, w),
        8: (0, -1, 1, 0, 0, w),
    }
    return turns.get(orientation or 1, (1, 0, 0, 1, 0, 0))


def jpeg(pixels: Pixels, quality: int = 86) -> bytes:
    return _saved(Image.fromarray(np.ascontiguousarray(pixels)), "JPEG", quality=quality)


def data_uri(data: bytes) -> str:
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _saved(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, optimize=form == "JPEG", **options)
    return buffer.getvalue()
