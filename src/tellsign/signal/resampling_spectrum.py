"""Periodic traces of interpolation, in windows and over a whole picture.

Interpolated samples lie closer to a linear prediction from their neighbours, and how close repeats
with the resampling lattice, so the prediction residual's magnitude has spectral lines (Popescu &
Farid, IEEE TSP 53, 2005; Gallagher, CRV 2005; Mahdian & Saic, IEEE TIFS 3, 2008). The fixed
predictor is Kirchner's (ACM MM&Sec 2008, DOI 10.1145/1411328.1411333). A former JPEG grid or colour
filter array is stretched with the picture and adds lines at multiples of 1/(8 factor).

Line heights are in units of the spectrum around them: without periodicity they follow an
exponential law of mean 1, which gives the number of false alarms (NFA) of every line.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

WINDOW = 256  # pixels; a line's position is known to 1/256 cycles per pixel
MARGIN = 9  # pixels around a window that its filters read
FLAT_SHARE = 0.5  # of vanishing residuals, above which a window says nothing
LATTICE = 8  # a JPEG grid in place makes lines at multiples of 1/8, a colour filter array at 1/2
_CLEARANCE = 2  # bins on either side of those lines (the main lobe of a Hann window)
_LOW = 0.08  # cycles per pixel; below it the picture's own structure rules
_REACH = 7  # bins on either side that estimate the spectrum around a line
_AXIS_REACH = 41  # bins along an axis that estimate the spectrum on it
_BANDWIDTH = 1.5  # bins, of a Hann window: how many one independent value takes
_HARMONICS = 16  # two periods of the resampling itself, 16 of a former 8-pixel grid
_LEAST_LINES = 4
FACTORS = np.concatenate([np.arange(0.5, 0.985, 0.002), np.arange(1.016, 2.001, 0.002)])

Spectrum = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ResizeFactor:
    """A factor by which a picture may have been resized in both directions.

    A line at frequency f fits several factors; all that fit well are candidates.
    """

    factor: float  # new size / old size
    log10_nfa: float  # below 0: not expected by chance even once


@dataclass(frozen=True, slots=True)
class Line:
    """The most significant periodicity of one spectrum.

    `factor` is set where it is a comb of lines along both axes, else `fx`, `fy` (cycles per pixel)
    is the single line.
    """

    log10_p: float  # times the number of lines sought: below 0 is not expected by chance
    fx: float
    fy: float
    factor: float | None


def window_corners(shape: tuple[int, int], most: int) -> NDArray[np.int64]:
    """(k, 2) top-left corners (y, x) of evenly spread windows, half overlapping if that few fit.

    `most` bounds k; larger pictures are sampled, not read whole.
    """
    height, width = (side - WINDOW - 2 * MARGIN for side in shape)
    if height < 0 or width < 0:
        return np.zeros((0, 2), np.int64)
    step = WINDOW / 2
    while True:
        rows, columns = math.ceil(height / step) + 1, math.ceil(width / step) + 1
        if rows * columns <= most:
            break
        step *= 1.05
    y = np.linspace(MARGIN, MARGIN + height, rows).round().astype(np.int64)
    x = np.linspace(MARGIN, MARGIN + width, columns).round().astype(np.int64)
    return np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 2)


def window_spectrum(luma: NDArray[np.uint8], y: int, x: int) -> Spectrum | None:
    """(256, 129) power of the residual's relative magnitude, in units of its surroundings.

    Rows are vertical frequencies in FFT order, columns horizontal ones from 0 to 1/2. None where
    the window is flat.
    """
    import cv2
    from scipy.fft import rfft2

    part = luma[y - MARGIN : y + WINDOW + MARGIN, x - MARGIN : x + WINDOW + MARGIN]
    residual = np.abs(cv2.filter2D(part.astype(np.float32), cv2.CV_32F, _residual_kernel()))
    if np.mean(residual < 0.25) > FLAT_SHARE:
        return None
    relative = residual / (cv2.blur(residual, (17, 17)) + np.float32(0.5))
    relative -= cv2.blur(relative, (9, 9))
    inner = relative[MARGIN:-MARGIN, MARGIN:-MARGIN] * _taper()
    power = np.abs(rfft2(inner)).astype(np.float32)
    power *= power
    out = _in_units_of(power, (2 * _REACH + 1, 2 * _REACH + 1))
    # Edges along the axes raise the axes above their surroundings: the axis itself counts too.
    row, column = power[:1], power[:, :1]
    out[:1] = np.minimum(out[:1], _in_units_of(row, (_AXIS_REACH, 1)))
    out[:, :1] = np.minimum(out[:, :1], _in_units_of(column, (1, _AXIS_REACH)))
    return out


def strongest_line(spectrum: Spectrum, windows: int = 1) -> Line:
    """The most significant single line or comb of lines of a spectrum, all tests counted.

    Parameters
    ----------
    spectrum : (256, 129) float32
        Of one window, or the mean over windows.
    windows
        How many windows the mean was taken over.
    """
    comb_p, factor = _strongest_comb(spectrum, windows)
    comb_p += math.log10(len(FACTORS))
    masked = np.where(_usable(), spectrum, np.float32(0.0))
    fy, fx = (int(i) for i in np.unravel_index(int(masked.argmax()), masked.shape))
    line_p = _log10_tail(float(masked[fy, fx]), 1, windows)
    line_p += math.log10(np.count_nonzero(_usable()))
    two_kinds = math.log10(2.0)
    if comb_p <= line_p:
        return Line(comb_p + two_kinds, 0.0, 0.0, factor)
    signed = fy / WINDOW if fy <= WINDOW // 2 else fy / WINDOW - 1.0
    return Line(line_p + two_kinds, fx / WINDOW, signed, None)


def _comb_sums(spectrum: Spectrum) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """For each of `FACTORS`, the sum over its lines on both axes and how many there are."""
    half = WINDOW // 2
    axes = spectrum[0, : half + 1].astype(np.float64) + spectrum[: half + 1, 0]
    index, weight = _combs()
    return (axes[index] * weight).sum(axis=1), 2 * weight.sum(axis=1)


def _strongest_comb(spectrum: Spectrum, windows: int) -> tuple[float, float]:
    """log10 probability and factor of the best comb."""
    sums, lines = _comb_sums(spectrum)
    best = np.argsort(_log10_bound(sums, lines, windows))[:6]  # the bound ranks almost exactly
    tails = [_log10_tail(float(sums[i]), int(lines[i]), windows) for i in best]
    least = int(np.argmin(tails))
    return tails[least], float(FACTORS[best[least]])


def log10_probability(spectrum: Spectrum, line: Line, windows: int) -> float:
    """log10 probability of `line` being this high in another spectrum, where nothing is sought."""
    if line.factor is not None:
        sums, lines = _comb_sums(spectrum)
        near = np.flatnonzero(np.abs(FACTORS - line.factor) < 0.003)
        return min(_log10_tail(float(sums[i]), int(lines[i]), windows) for i in near)
    y, x = round(line.fy * WINDOW), round(line.fx * WINDOW)
    rows, columns = np.arange(y - 1, y + 2) % WINDOW, np.clip([x - 1, x, x + 1], 0, WINDOW // 2)
    return _log10_tail(float(spectrum[np.ix_(rows, columns)].max()), 1, windows)


def whole_picture_factor(
    luma: NDArray[np.uint8], most_windows: int = 48
) -> tuple[ResizeFactor, ...]:
    """Factors by which the whole picture may have been resized; empty when nothing shows.

    Parameters
    ----------
    luma : (H, W) uint8
        At least 274 pixels on each side, else nothing is said.
    most_windows
        Bounds the cost: about 3 ms each.

    Returns
    -------
    tuple of ResizeFactor
        At most four, most significant first, log10 NFA below 0. Factors whose lines fall on those
        of a JPEG grid (2, 4/3, 8/7, 4/5, ...) show only through a former grid, if at all.
    """
    spectra = [window_spectrum(luma, y, x) for y, x in window_corners(luma.shape, most_windows)]
    spoken = [s for s in spectra if s is not None]
    if not spoken:
        return ()
    sums, lines = _comb_sums(np.mean(spoken, axis=0, dtype=np.float32))
    bound = _log10_bound(sums, lines, len(spoken))
    tests = math.log10(len(FACTORS))
    found: list[ResizeFactor] = []
    for i in np.argsort(bound):
        factor = float(FACTORS[i])
        if len(found) == 4 or bound[i] + tests >= 0.0:
            break
        if all(abs(factor - f.factor) > 0.01 for f in found):
            nfa = _log10_tail(float(sums[i]), int(lines[i]), len(spoken)) + tests
            found.append(ResizeFactor(round(factor, 3), nfa))
    return tuple(found)


def _log10_tail(total: float, lines: int, windows: int) -> float:
    """log10 P(sum of `lines` means over `windows` exponential values >= total)."""
    from scipy.special import gammaincc

    count = max(1, lines) * _independent(windows)
    tail = float(gammaincc(count, total * _independent(windows)))
    if tail > 1e-280:
        return math.log10(tail)
    return float(_log10_bound(np.array([total]), np.array([lines]), windows)[0])


def _log10_bound(
    sums: NDArray[np.float64], lines: NDArray[np.int64], windows: int
) -> NDArray[np.float64]:
    """Chernoff's upper bound of the same, for arrays."""
    count = np.maximum(lines, 1) * _independent(windows)
    ratio = np.maximum(sums * _independent(windows) / count, 1.0)
    bound: NDArray[np.float64] = count * (1.0 - ratio + np.log(ratio)) / math.log(10.0)
    return bound


def _independent(windows: int) -> float:
    """Windows that overlap by half are almost, not quite, independent."""
    return 1.0 if windows == 1 else 0.75 * windows


def _in_units_of(power: Spectrum, size: tuple[int, int]) -> Spectrum:
    """Power over its mean in a (width, height) of bins around, made exponential of mean 1.

    A quotient of powers has a heavier tail than an exponential, P(> x) = (1 + x / m)^-m where the
    mean is over m independent values (an F law); m log(1 + x / m) undoes that. Values above three
    times the mean are cut off in it, so that a line does not hide itself.
    """
    import cv2

    level = cv2.blur(power, size)
    level = cv2.blur(np.minimum(power, 3.0 * level), size) / np.float32(1.0 - math.exp(-3.0))
    ratio = power / np.maximum(level, np.float32(1e-12))
    count = np.float32(1.0)
    for length in size:
        count *= np.float32(max(1.0, length / _BANDWIDTH))
    return np.asarray(count * np.log1p(ratio / count), np.float32)


@cache
def _residual_kernel() -> NDArray[np.float32]:
    predictor = np.array([[-1, 2, -1], [2, 0, 2], [-1, 2, -1]], np.float32) / 4
    kernel = np.asarray(-predictor, np.float32)
    kernel[1, 1] = 1.0
    return kernel


@cache
def _taper() -> NDArray[np.float32]:
    hann = np.hanning(WINDOW + 2)[1:-1].astype(np.float32)
    return np.asarray(np.outer(hann, hann), np.float32)


def _off_lattice(bins: NDArray[np.floating]) -> NDArray[np.bool_]:
    step = WINDOW / LATTICE
    return np.asarray(np.abs(bins - step * np.rint(bins / step)) > _CLEARANCE, np.bool_)


@cache
def _usable() -> NDArray[np.bool_]:
    """(256, 129): bins away from JPEG's lattice and from the picture's own low frequencies.

    Where block edges are stronger in one place than in another their lines widen across, so the
    lattice's whole rows and columns are left out, except the axes.
    """
    y = np.fft.fftfreq(WINDOW)[:, None]
    x = np.fft.rfftfreq(WINDOW)[None]
    off_y, off_x = _off_lattice(y * WINDOW), _off_lattice(x * WINDOW)
    axis_y, axis_x = np.abs(y * WINDOW) <= _CLEARANCE, np.abs(x * WINDOW) <= _CLEARANCE
    clear = (off_y | axis_y) & (off_x | axis_x) & (off_y | off_x)
    return np.asarray(clear & (np.hypot(x, y) > _LOW), np.bool_)


@cache
def _combs() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each factor the bins of its lines on an axis, padded with weight 0."""
    index = np.zeros((len(FACTORS), _HARMONICS), np.int64)
    weight = np.zeros((len(FACTORS), _HARMONICS), np.int64)
    for i, factor in enumerate(FACTORS):
        f = np.arange(1, _HARMONICS + 1) / (LATTICE * factor)
        bins = np.abs(f - np.rint(f)) * WINDOW
        bins = bins[_off_lattice(bins) & (bins > _LOW / 2 * WINDOW)]
        lines = np.unique(np.rint(bins).astype(np.int64))
        if len(lines) >= _LEAST_LINES:
            index[i, : len(lines)], weight[i, : len(lines)] = lines, 1
    return index, weight
