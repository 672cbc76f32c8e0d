"""Whole-window spectra of native crops: log-DCT, log-Fourier and radial power.

Frank et al. (ICML 2020) take the type-II DCT of a whole crop, not of 8x8 blocks, and the logarithm
of its magnitude; Ricker et al. (VISAPP 2024) do the same with the Fourier transform of smaller grey
crops; Durall et al. (CVPR 2020) average the log power over circles. All of them on stored pixels:
a resize would replace the very frequencies that are looked at.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

SIDE = 128  # pixels of a crop; Frank et al., section 4
SMALL_SIDE = 64  # Ricker et al., section 5
# Frank's code adds 1e-12 to magnitudes of 0...255 pixels. A flat crop then reaches -27, far outside
# anything a classifier saw; the detector therefore uses the floor below, one hundredth of a level.
PUBLISHED_FLOOR = 1e-12
FLOOR = 1e-2
RADII = SIDE // 2 + 1
MIDDLE = slice(8, 25)  # circles of 0.06 to 0.19 cycles per pixel
HIGH = slice(45, RADII)  # 0.35 to 0.5 cycles per pixel

Array = NDArray[np.float32]


def log_dct(crop: NDArray[np.uint8], floor: float = PUBLISHED_FLOOR) -> Array:
    """log(|DCT| + floor) of each channel of a whole crop, pixels taken as 0...255.

    Parameters
    ----------
    crop : (..., h, w, 3) uint8
        128 x 128 by the paper; any size and any number of leading axes will do.

    Returns
    -------
    (..., h, w, 3) float32
        Natural logarithm; row 0, column 0 is the mean. Orthonormal type II along both axes.
        Frank et al., ICML 2020, arXiv:2003.08685.
    """
    from scipy.fft import dctn

    axes = (-3, -2)
    coefficients = dctn(np.asarray(crop, np.float32), type=2, norm="ortho", axes=axes)
    return np.log(np.abs(coefficients) + np.float32(floor))


def luma(crops: NDArray[np.uint8]) -> Array:
    """(..., h, w) float32 luma of (..., h, w, 3) RGB, not rounded."""
    return np.asarray(crops @ np.array([0.299, 0.587, 0.114], np.float32), np.float32)


def log_fourier(grey: Array, floor: float = FLOOR) -> Array:
    """log(|FFT| + floor) of Hann-weighted windows, mean removed; half plane.

    Parameters
    ----------
    grey : (..., side, side) float32

    Returns
    -------
    (..., side, side // 2 + 1) float32
        Rows in FFT order. Scaled so that white noise of standard deviation s gives |FFT| near s.
    """
    from scipy.fft import rfft2

    side = grey.shape[-1]
    window = hann(side)
    centred = grey - grey.mean(axis=(-2, -1), keepdims=True)
    scale = np.float32(1.0 / np.sqrt(np.square(window).sum()))
    level = np.log(np.abs(rfft2(centred * window)) * scale + np.float32(floor))
    return np.asarray(level, np.float32)


def quarters(grey: Array) -> Array:
    """Cut (..., 2s, 2s) into (..., 4, s, s)."""
    s = grey.shape[-1] // 2
    lead = grey.shape[:-2]
    cut = grey.reshape(*lead, 2, s, 2, s)
    return np.moveaxis(cut, -3, -2).reshape(*lead, 4, s, s)


def small_spectrum(grey: Array) -> Array:
    """Mean `log_fourier` of the four 64 x 64 quarters of (..., 128, 128) windows, flat.

    Returns
    -------
    (..., 2112) float32
    """
    spectra = np.asarray(log_fourier(quarters(grey)).mean(axis=-3), np.float32)
    return spectra.reshape(*spectra.shape[:-2], -1)


def radial_profile(grey: Array) -> Array:
    """Mean log power on circles, in decibels over one squared grey level.

    Parameters
    ----------
    grey : (..., side, side) float32

    Returns
    -------
    (..., side // 2 + 1) float32
        Entry r is the circle of r / side cycles per pixel; the last is 1/2. Durall et al.,
        CVPR 2020, DOI 10.1109/CVPR42600.2020.00791, who divide by the first entry; here levels
        stay in their unit.
    """
    level = log_fourier(grey) * np.float32(20.0 / np.log(10.0))
    side = grey.shape[-1]
    flat = level.reshape(*level.shape[:-2], -1)
    return np.asarray(flat @ _circles(side), np.float32)


@cache
def hann(side: int) -> Array:
    row = np.hanning(side + 2)[1:-1].astype(np.float32)
    return np.asarray(np.outer(row, row), np.float32)


@cache
def _circles(side: int) -> Array:
    """(side * (side // 2 + 1), side // 2 + 1): averages over circles of a half plane."""
    half = side // 2
    y = np.abs(np.fft.fftfreq(side))[:, None]
    x = np.arange(half + 1)[None] / side
    radius = np.rint(np.hypot(y, x) * side).astype(np.int64)
    # Columns other than the first and the last stand for their mirror image too.
    weight = np.where((np.arange(half + 1) % half) == 0, 1.0, 2.0)[None] * np.ones((side, 1))
    out = np.zeros((radius.size, half + 1), np.float32)
    inside = radius.ravel() <= half
    out[np.flatnonzero(inside), radius.ravel()[inside]] = weight.ravel()[inside]
    return np.asarray(out / out.sum(axis=0), np.float32)


def with_squares(profile: Array, centre: Array) -> Array:
    """(..., 2 n): differences from `centre` and their squares, so that both signs can count.

    GANs leave an excess of high frequencies, diffusion models a deficit (Ricker et al.).
    """
    difference = profile - centre
    return np.concatenate([difference, np.square(difference) / np.float32(10.0)], axis=-1)


def roll_off(profile: Array) -> Array:
    """(...,) dB: level of high frequencies over that of middle ones, of `radial_profile`.

    Contrast and exposure move both alike and cancel.
    """
    high = profile[..., HIGH].mean(axis=-1)
    return np.asarray(high - profile[..., MIDDLE].mean(axis=-1), np.float32)


def quality_stratum(quality: int | None) -> str:
    """Which stored reference a file is compared with, by the JPEG quality of its tables.

    The bounds lie between the qualities of the evaluation conditions: norm 80 to 97, web 60 and
    hard 40. A lossless file is compared with the least compressed.
    """
    if quality is None or quality >= 70:
        return "norm"
    return "web" if quality >= 50 else "hard"
