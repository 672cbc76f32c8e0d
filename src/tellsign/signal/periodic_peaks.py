"""Peaks of a spectrum at periods of 2, 4 and 8 pixels, over their surroundings.

Enlargement by factors of two leaves patterns that repeat every 2, 4 or 8 pixels (Marra et al., MIPR
2019; Bammey, IEEE OJSP 2023). In a transform of N samples they lie at bins N/2, N/4 and N/8, the
multiples of the last, and their combinations over both axes; not at bins 2, 4 and 8, which belong
to the picture's coarsest structure. JPEG's grid of 8 pixels has lines at every multiple of 1/8,
those of 1/4 and 1/2 among them: what tells it from a pattern of 2 or 4 pixels are the odd ones.
Luma alone is looked at, because JPEG's halved colour, enlarged by two when decoded, has a line at
1/2 of its own.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from tellsign.signal.spectrum import hann

SIDE = 128  # samples of a window; a multiple of 8, so that the periods fall on bins
MARGIN = 1  # pixels around a window that its filters read
CLIP = 16.0  # grey levels; edges must not outweigh a picture's fine structure
EIGHTH = SIDE // 8
_REACH = 7  # bins on either side that estimate the surroundings
_LOBE = 2  # bins on either side that belong to the peak itself (Hann)
OVERLAP = 0.75  # share of half-overlapping windows that counts as independent

Array = NDArray[np.float32]
Family = tuple[int, int]  # (smaller, larger) of |vertical| and |horizontal|, in eighths of a cycle

FAMILIES: tuple[Family, ...] = tuple((a, b) for b in range(1, 5) for a in range(b + 1))
# Of a pattern of 2 or 4 pixels; a grid of 8 has the others as well.
EVEN: tuple[Family, ...] = tuple(f for f in FAMILIES if f[0] % 2 == 0 and f[1] % 2 == 0)
ODD: tuple[Family, ...] = tuple(f for f in FAMILIES if f not in EVEN)


def cross_difference(windows: Array) -> Array:
    """|x(i, j) + x(i+1, j+1) - x(i, j+1) - x(i+1, j)|, clipped (Bammey, section III).

    Parameters
    ----------
    windows : (k, SIDE + 2, SIDE + 2) float32
        Luma.

    Returns
    -------
    (k, SIDE, SIDE) float32
        Its magnitude shows patterns in how much neighbours differ, along the axes too.
    """
    x = windows[:, MARGIN:, MARGIN:]
    cross = x[:, :-1, :-1] + x[:, 1:, 1:] - x[:, :-1, 1:] - x[:, 1:, :-1]
    return np.asarray(np.minimum(np.abs(cross), np.float32(CLIP)), np.float32)


def noise_residual(windows: Array) -> Array:
    """Signed difference from the 3 x 3 median, clipped (as Ricker et al. look at grids).

    Takes and returns what `cross_difference` does.
    """
    import cv2

    smooth = np.stack([cv2.medianBlur(np.ascontiguousarray(w), 3) for w in windows])
    inner = slice(MARGIN, -MARGIN)
    residual = windows[:, inner, inner] - smooth[:, inner, inner]
    return np.asarray(np.clip(residual, -CLIP, CLIP), np.float32)


def mean_power(residuals: Array) -> Array:
    """(SIDE, SIDE // 2 + 1): mean power spectrum over windows.

    Windows weigh alike, whatever their strength; a flat one adds nothing.
    """
    from scipy.fft import rfft2

    centred = residuals - residuals.mean(axis=(1, 2), keepdims=True)
    transformed = rfft2(centred * hann(SIDE), axes=(1, 2))
    power = np.square(transformed.real) + np.square(transformed.imag)
    total = power.mean(axis=(1, 2), keepdims=True)
    return np.asarray((power / np.maximum(total, 1e-6)).mean(axis=0), np.float32)


def peak_ratios(power: Array) -> dict[Family, float]:
    """Power at the bins of each family over the level of their surroundings.

    The level is the greatest of three medians, of the area, the row and the column around, so that
    neither a bright axis nor a bright line makes a peak.

    Parameters
    ----------
    power : (SIDE, SIDE // 2 + 1) float32
        Half plane of a transform of SIDE x SIDE real samples.
    """
    whole = _whole_plane(power).ravel()
    bins, area, row, column = _neighbourhoods()
    medians = [np.median(whole[around], axis=1) for around in (area, row, column)]
    ratios = whole[bins] / np.maximum(np.max(medians, axis=0), 1e-12)
    return {
        family: float(np.mean(ratios[[i for i, f in enumerate(_members()) if f == family]]))
        for family in FAMILIES
    }


def log10_tail(ratio: float, windows: int) -> float:
    """log10 of the probability that a mean over `windows` spectra reaches `ratio` by chance."""
    from scipy.special import gammaincc

    count = max(1.0, OVERLAP * windows)
    return float(np.log10(max(float(gammaincc(count, count * ratio)), 1e-300)))


def _whole_plane(power: Array) -> Array:
    """The full (SIDE, SIDE) plane: power of a real signal is point-symmetric."""
    mirrored = np.roll(power[::-1], 1, axis=0)[:, 1:-1][:, ::-1]
    return np.concatenate([power, mirrored], axis=1)


@cache
def _members() -> tuple[Family, ...]:
    """The family of each bin, in the order of `_neighbourhoods`."""
    low_high = (sorted((abs(v), abs(h))) for v, h in _steps())
    return tuple((low, high) for low, high in low_high)


def _steps() -> list[tuple[int, int]]:
    """(vertical, horizontal) in eighths of a cycle; all but zero."""
    return [(v, h) for v in range(-3, 5) for h in range(-3, 5) if (v, h) != (0, 0)]


@cache
def _neighbourhoods() -> tuple[NDArray[np.int64], ...]:
    """Flat indices of the 63 bins, and of the area, row and column around each, lobe left out."""
    offset = np.arange(-_REACH, _REACH + 1)
    away = np.abs(offset) > _LOBE
    bins, area, row, column = [], [], [], []
    for v, h in _steps():
        y, x = v * EIGHTH % SIDE, h * EIGHTH % SIDE
        rows, columns = (y + offset) % SIDE, (x + offset) % SIDE
        plane = rows[:, None] * SIDE + columns[None]
        bins.append(y * SIDE + x)
        area.append(plane[away[:, None] | away[None]])
        row.append(y * SIDE + columns[away])
        column.append(rows[away] * SIDE + x)
    return tuple(np.array(part, np.int64) for part in (bins, area, row, column))
