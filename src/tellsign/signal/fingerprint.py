"""Fingerprints of generators: averaged noise residuals, in pixels and in frequencies.

Marra et al. (MIPR 2019) average the residuals of many pictures of one generator: content goes,
what its up-sampling always leaves stays, and a picture is attributed by correlation. In pixels
that needs pictures of one size and no crop; the power spectrum of the residual does not.

The mean of pristine residuals is subtracted throughout: aligned portraits would otherwise leave a
mean face in the fingerprint, and every picture shares the fall of power with frequency.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellsign.signal.spectrum import log_fourier

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

CLIP = 12.0  # levels; edges that the median cannot follow must not drown the rest
SIDE = 128  # pixels of a spectrum's window
FLOOR = 0.05  # levels, under the logarithm: less than the rounding of pixels, 0.29
QUANTILES = 101  # of the pristine distribution: every per cent


def residual(pixels: Pixels) -> Floats:
    """What a 3 x 3 median takes away, (..., h, w, 3) of (..., h, w, 3), clipped to +-`CLIP`.

    Marra et al. denoise with BM3D, which takes seconds a picture; this is the high-pass with which
    Ricker et al. (VISAPP 2024) show the grids of generators.
    """
    import cv2

    flat = pixels.reshape(-1, *pixels.shape[-3:])
    out = np.empty(flat.shape, np.float32)
    for picture, left in zip(flat, out, strict=True):
        smooth = cv2.medianBlur(np.ascontiguousarray(picture), 3)
        np.clip(np.subtract(picture, smooth, dtype=np.float32), -CLIP, CLIP, out=left)
    return out.reshape(pixels.shape)


def grey_residual(pixels: Pixels) -> Floats:
    """The same of the luma, (..., h, w) of (..., h, w, 3)."""
    import cv2

    flat = pixels.reshape(-1, *pixels.shape[-3:])
    out = np.empty(flat.shape[:-1], np.float32)
    for picture, left in zip(flat, out, strict=True):
        grey = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
        np.clip(np.subtract(grey, cv2.medianBlur(grey, 3), dtype=np.float32), -CLIP, CLIP, out=left)
    return out.reshape(pixels.shape[:-1])


def pixel_features(pixels: Pixels) -> Floats:
    """Residuals as they lie, (n, h * w * 3): for pictures of one size, uncropped."""
    return residual(pixels).reshape(len(pixels), -1)


def spectral_features(pixels: Pixels, side: int = SIDE) -> Floats:
    """Mean log-spectrum of the luma's residual over windows, (n, side * (side // 2 + 1)).

    Parameters
    ----------
    pixels : (n, h, w, 3) uint8
        Both sides at least `side`; windows do not overlap.
    """
    grey = grey_residual(pixels)
    n, height, width = grey.shape
    rows, columns = height // side, width // side
    windows = grey[:, : rows * side, : columns * side].reshape(n, rows, side, columns, side)
    spectra = log_fourier(windows.transpose(0, 1, 3, 2, 4), FLOOR)
    return np.asarray(spectra.mean(axis=(1, 2)).reshape(n, -1), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprints:
    """Fingerprints of several families and how pristine pictures correlate with them.

    Parameters
    ----------
    names : k families
    prints : (k, d) float32
        Mean whitened features of each family, scaled to length 1.
    mean, deviation : (d,) float32
        Of pristine features, used for whitening.
    pristine : (k, QUANTILES) float32
        Quantiles of the correlation of pristine pictures with each fingerprint.
    """

    names: tuple[str, ...]
    prints: Floats
    mean: Floats
    deviation: Floats
    pristine: Floats

    def whitened(self, features: Floats) -> Floats:
        """(n, d) features in deviations from the pristine mean, each row of length 1."""
        return _unit((features - self.mean) / self.deviation)

    def correlations(self, features: Floats) -> Floats:
        """(n, k) normalised correlation, -1 to 1, of (n, d) features with every fingerprint."""
        return np.asarray(self.whitened(features) @ self.prints.T, np.float32)

    def percentile(self, family: int, correlation: float) -> float:
        """Share, in per cent, of pristine pictures that correlate less with the family."""
        levels = np.linspace(0, 100, self.pristine.shape[1])
        return float(np.interp(correlation, self.pristine[family], levels))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; arrays in half precision."""
        arrays = {n: getattr(self, n) for n in ("prints", "mean", "deviation", "pristine")}
        return {"names": list(self.names), **{n: _packed(a) for n, a in arrays.items()}}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Fingerprints:
        prints, mean, deviation, pristine = (
            _unpacked(raw[n]) for n in ("prints", "mean", "deviation", "pristine")
        )
        return cls(tuple(raw["names"]), prints, mean, deviation, pristine)


def fit_fingerprints(
    families: Mapping[str, Floats], pristine: Floats, reference: Floats
) -> Fingerprints:
    """Average the features of each family.

    Parameters
    ----------
    families
        Name -> (n, d) features.
    pristine : (n, d)
        Whose mean and deviation whiten.
    reference : (m, d)
        Other pristine pictures: their correlations are the distribution that is stored.
    """
    mean = pristine.mean(axis=0)
    # Marra et al. divide by nothing: in pixels all deviations are alike, in spectra they are not.
    deviation = np.maximum(pristine.std(axis=0), 1e-2)
    middle = [((f - mean) / deviation).mean(axis=0) for f in families.values()]
    prints = _unit(np.stack(middle))
    empty = np.zeros((len(families), QUANTILES), np.float32)
    made = Fingerprints(tuple(families), prints, mean, deviation.astype(np.float32), empty)
    levels = np.quantile(made.correlations(reference), np.linspace(0, 1, QUANTILES), axis=0).T
    return Fingerprints(made.names, prints, mean, made.deviation, levels.astype(np.float32))


def _unit(rows: Floats) -> Floats:
    centred = rows - rows.mean(axis=-1, keepdims=True)
    length = np.linalg.norm(centred, axis=-1, keepdims=True)
    return np.asarray(centred / np.maximum(length, 1e-9), np.float32)


def _packed(values: Floats) -> dict[str, Any]:
    data = base64.b64encode(values.astype("<f2").tobytes()).decode("ascii")
    return {"shape": list(values.shape), "float16": data}


def _unpacked(raw: Mapping[str, Any]) -> Floats:
    flat = np.frombuffer(base64.b64decode(raw["float16"], validate=True), "<f2")
    return np.asarray(flat.reshape(raw["shape"]), np.float32)
