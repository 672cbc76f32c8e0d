"""Noise statistics of small patches: residuals of fixed filters, their moments and histograms.

Rahmouni et al. (WIFS 2017, DOI 10.1109/WIFS.2017.8267647) learn small filters and pool each of
their outputs to mean, variance, minimum and maximum, or to a soft histogram of 11 bins. Here the
filters are fixed differences of luma and of colour against green, whose outputs are integers, so
that a histogram is a count and a table; both poolings are used.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

SIDE = 100  # pixels; Rahmouni et al., section III
BINS = 11
MOMENTS = 4
_LIMIT = 512  # residuals beyond are counted here
_SPREAD = 0.5  # deviation of a soft bin, in units of the distance between centres

Residual = NDArray[np.int16]
Array = NDArray[np.float32]

# Seven of luma, three of each colour difference.
RESIDUALS = 7 + 3 + 3
FEATURES = RESIDUALS * (BINS + MOMENTS)


def features(patches: NDArray[np.uint8]) -> Array:
    """Statistics of every residual of every patch.

    Parameters
    ----------
    patches : (n, h, w, 3) uint8
        100 x 100 by the paper.

    Returns
    -------
    (n, FEATURES) float32
        For each residual 11 shares of a soft histogram on a signed logarithmic scale, then mean,
        logarithm of the variance, and minimum and maximum on that scale.
    """
    parts = [_pooled(residual) for residual in residuals(patches)]
    return np.concatenate(parts, axis=1)


def residuals(patches: NDArray[np.uint8]) -> list[Residual]:
    """`RESIDUALS` integer differences, each (n, h', w') int16 with h', w' up to two smaller."""
    x = patches.astype(np.int16)
    luma = np.asarray((patches @ np.array([77, 150, 29], np.int32)) >> 8, np.int16)
    found = [
        luma[:, :, 1:] - luma[:, :, :-1],
        luma[:, 1:] - luma[:, :-1],
        luma[:, 1:, 1:] - luma[:, :-1, :-1],
        luma[:, :, 2:] - 2 * luma[:, :, 1:-1] + luma[:, :, :-2],
        luma[:, 2:] - 2 * luma[:, 1:-1] + luma[:, :-2],
        _cross(luma),
        prediction_error(luma),
    ]
    for channel in (0, 2):
        colour = x[..., channel] - x[..., 1]
        found += [
            colour[:, :, 1:] - colour[:, :, :-1],
            colour[:, 1:] - colour[:, :-1],
            _cross(colour),
        ]
    return found


def _cross(plane: Residual) -> Residual:
    return plane[:, :-1, :-1] + plane[:, 1:, 1:] - plane[:, :-1, 1:] - plane[:, 1:, :-1]


def prediction_error(plane: Residual) -> Residual:
    """Quarter units of x minus its prediction from eight neighbours (Ker and Böhme, SPIE 2008)."""
    sides = plane[:, :-2, 1:-1] + plane[:, 2:, 1:-1] + plane[:, 1:-1, :-2] + plane[:, 1:-1, 2:]
    corners = plane[:, :-2, :-2] + plane[:, :-2, 2:] + plane[:, 2:, :-2] + plane[:, 2:, 2:]
    return np.asarray(4 * plane[:, 1:-1, 1:-1] - 2 * sides + corners, np.int16)


def activity(patches: NDArray[np.uint8]) -> Array:
    """(n,) share of pixels that carry noise: not clipped, and not equal to their surroundings."""
    grey = patches[..., 1].astype(np.int16)
    inner = grey[:, 1:-1, 1:-1]
    carries = (prediction_error(grey) != 0) & (inner > 0) & (inner < 255)
    return np.asarray(carries.mean(axis=(1, 2)), np.float32)


def _pooled(residual: Residual) -> Array:
    flat = residual.reshape(len(residual), -1)
    clipped = np.clip(flat, -_LIMIT, _LIMIT).astype(np.int64) + _LIMIT
    width = 2 * _LIMIT + 1
    index = clipped + np.arange(len(flat))[:, None] * width
    counts = np.bincount(index.ravel(), minlength=len(flat) * width).reshape(-1, width)
    shares = (counts / flat.shape[1]).astype(np.float32)
    values = np.arange(-_LIMIT, _LIMIT + 1, dtype=np.float32)
    mean = shares @ values
    variance = shares @ np.square(values) - np.square(mean)
    moments = [mean, np.log1p(np.maximum(variance, 0.0)), *map(_scale, (flat.min(1), flat.max(1)))]
    return np.concatenate([shares @ _soft_bins(), np.stack(moments, axis=1)], axis=1)


def _scale(values: NDArray[np.number]) -> Array:
    """Signed logarithm to base 2: one step near zero, ever wider ones further out."""
    return np.asarray(
        np.sign(values) * np.log2(1.0 + np.abs(values.astype(np.float32))), np.float32
    )


@cache
def _soft_bins() -> Array:
    """(2 * _LIMIT + 1, BINS): membership of each residual; a row adds up to 1."""
    position = _scale(np.arange(-_LIMIT, _LIMIT + 1))
    centres = np.linspace(-5.0, 5.0, BINS)
    distance = (np.clip(position, -5.0, 5.0)[:, None] - centres[None]) / _SPREAD
    membership = np.exp(-0.5 * np.square(distance))
    return np.asarray(membership / membership.sum(axis=1, keepdims=True), np.float32)
